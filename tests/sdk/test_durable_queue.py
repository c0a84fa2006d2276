"""A queue on the disk: nothing in it is lost or doubled, whenever the process ends."""

from __future__ import annotations

import resource
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from medrec_py.durable_queue import DurableQueue, Item, State, finished, waiting
from medrec_py.errors import QueueDamaged, QueueError, QueueFull, QueueInUse, QueueUnwritable


class Clock:
    """A clock that tests set."""

    time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue"


@pytest.fixture
def queue(path: Path, clock: Clock) -> Iterator[DurableQueue]:
    with DurableQueue(path, now=clock) as queue:
        yield queue


def ids(items: list[Item]) -> list[str]:
    return [item.id for item in items]


# --- items ----------------------------------------------------------------------------------------


def test_what_is_put_is_there_once(queue: DurableQueue) -> None:
    """The second time it is what was put first, whatever comes with it then."""
    first = queue.put("a", b"payload")
    assert queue.put("a", b"another payload") == first == queue.get("a")
    assert (first.payload, first.state, first.attempts, first.created) == (b"payload", State.WAITING, 0, 1000.0)
    assert queue.get("b") is None
    assert ids(queue.items()) == ["a"]


def test_items_are_taken_in_their_order_when_they_are_due(queue: DurableQueue, clock: Clock) -> None:
    """Those that were put off are passed over until their time."""
    for name in "abcd":
        queue.put(name, b"")
    (a, b) = queue.take(2)
    assert ids([a, b]) == ["a", "b"]
    assert (a.state, a.attempts) == (State.TAKEN, 1)
    queue.write([waiting(a, next_at=1010.0), finished(b, b"well")])
    assert ids(queue.due(9)) == ["c", "d"]
    clock.time = 1010.0
    assert ids(queue.take(9)) == ["a", "c", "d"]
    assert queue.due(9) == []
    again = queue.get("a")
    assert again is not None
    assert again.attempts == 2


def test_items_can_be_done_in_another_order(queue: DurableQueue, clock: Clock) -> None:
    """Their owner asks what is due, and for the items in the order that it wants; what is gone is passed over."""
    for name in "abcd":
        queue.put(name, name.encode())
    first, *rest = queue.due_seqs()
    assert ids(queue.at([*reversed(rest), 99])) == ["d", "c", "b"]
    assert queue.at([]) == []
    (a,) = queue.take(1)
    assert queue.due_seqs() == rest
    queue.write([waiting(a, next_at=1010.0)])
    assert queue.due_seqs() == rest
    clock.time = 1010.0
    assert queue.due_seqs() == [first, *rest]
    assert [item.payload for item in queue.at(rest)] == [b"b", b"c", b"d"]


def test_results_listing_and_counts(queue: DurableQueue) -> None:
    """A finished item keeps its result and gives up its payload."""
    for name in "abc":
        queue.put(name, b"payload", b"begun")
    (a,) = queue.take(1)
    queue.write([replace(a, result=b"half")])
    assert queue.get("a") == replace(a, result=b"half")
    queue.write([finished(a, b"whole")])
    found = queue.get("a")
    assert found is not None
    assert (found.payload, found.result, found.state) == (b"", b"whole", State.FINISHED)
    assert queue.counts() == {State.WAITING: 2, State.TAKEN: 0, State.FINISHED: 1}
    assert ids(queue.items(State.WAITING)) == ["b", "c"]
    assert ids(queue.items(after=1, limit=1)) == ["b"]


def test_it_takes_no_more_than_it_may(path: Path) -> None:
    """Items and bytes, until something is finished; the same after it was opened again; what is there is no more."""
    for limits, size in (({"max_items": 2}, 1), ({"max_bytes": 20}, 10)):
        path.unlink(missing_ok=True)
        with DurableQueue(path, **limits) as queue:
            queue.put("a", bytes(size))
            queue.put("b", bytes(size))
            with pytest.raises(QueueFull):
                queue.put("c", bytes(size))
            assert queue.get("c") is None
            queue.put("a", bytes(size))
        with DurableQueue(path, **limits) as queue:
            with pytest.raises(QueueFull):
                queue.put("c", bytes(size))
            queue.write([finished(queue.take(1)[0], b"")])
            queue.put("c", bytes(size))


def test_finished_items_are_pruned_after_their_time(queue: DurableQueue, clock: Clock) -> None:
    """Others stay, however old."""
    for name in "abc":
        queue.put(name, b"")
    a, b = queue.take(2)
    queue.write([finished(a, b"")])
    clock.time = 2000.0
    queue.write([finished(b, b"")])
    assert queue.prune(1000.0) == 0
    assert queue.prune(1500.0) == 1
    assert ids(queue.items()) == ["b", "c"]
    queue.write([finished(a, b"late")])  # passed over
    assert queue.get("a") is None
    assert queue.put("a", b"new").seq > 3  # a place is never used again


def test_notes_are_written_with_items_or_not_at_all(queue: DurableQueue) -> None:
    """By key, in order, replaced and removed."""
    queue.put("a", b"")
    (a,) = queue.take(1)
    queue.write([finished(a, b"x")], {"n/2": b"two", "n/1": b"one", "m": b"other"})
    assert list(queue.notes("n/").items()) == [("n/1", b"one"), ("n/2", b"two")]
    queue.write((), {"n/1": None, "n/2": b"TWO"})
    assert queue.notes() == {"m": b"other", "n/2": b"TWO"}
    with pytest.raises(QueueError):
        queue.write([replace(a, result=b"y")], {"k": b"k", "bad": "no bytes\ud800"})  # type: ignore[dict-item]
    assert (queue.get("a"), "k" in queue.notes()) == (finished(replace(a, payload=b""), b"x"), False)


def test_many_threads(queue: DurableQueue) -> None:
    """Each item is put once and taken once."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: queue.put(str(number % 50), b""), range(200)))
        taken = [item.id for items in pool.map(lambda _: queue.take(7), range(10)) for item in items]
    assert sorted(taken) == sorted(map(str, range(50)))


# --- files ----------------------------------------------------------------------------------------


def test_only_its_owner_reads_it(queue: DurableQueue, path: Path) -> None:
    """What waits is nobody else's business, in the files beside it neither."""
    queue.put("a", b"")
    files = list(path.parent.iterdir())
    assert {file.name for file in files} >= {"queue", "queue-wal", "queue.lock"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_second_process_is_refused(queue: DurableQueue, path: Path) -> None:
    """So an item that was taken is its own process's; when that has ended, the next one has the queue."""
    with pytest.raises(QueueInUse):
        DurableQueue(path)
    line = f"from medrec_py.durable_queue import *; import pathlib; DurableQueue(pathlib.Path({str(path)!r}))"
    second = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert "QueueInUse" in second.stderr
    queue.put("a", b"")
    queue.close()
    queue.close()
    with pytest.raises(QueueUnwritable, match="closed"):
        queue.put("b", b"")
    with DurableQueue(path) as other:
        assert ids(other.items()) == ["a"]


def test_a_file_that_is_no_queue_or_of_another_version(path: Path) -> None:
    """It is said so, and the file stays as it is."""
    path.write_bytes(b"no database at all, but long enough to look at" * 100)
    with pytest.raises(QueueDamaged):
        DurableQueue(path)
    assert path.read_bytes().startswith(b"no database")
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE notes (x)")
    with pytest.raises(QueueDamaged, match="no queue of MedRec"):
        DurableQueue(path)
    path.unlink()
    DurableQueue(path).close()
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version = 2")
    with pytest.raises(QueueDamaged, match="version 2"):
        DurableQueue(path)
    with pytest.raises(QueueUnwritable):
        DurableQueue(path.parent / "nowhere" / "queue")
    with pytest.raises(QueueUnwritable):
        DurableQueue(path.parent)


# --- a full disk ----------------------------------------------------------------------------------


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 100, 5000])
def test_a_disk_that_is_full(queue: DurableQueue, path: Path, room: int) -> None:
    """A typed error, nothing half-written, and with room all goes on."""
    queue.put("a", b"a")
    (a,) = queue.take(1)
    log = path.with_name("queue-wal").stat().st_size
    with no_file_grows_beyond(log + room):
        with pytest.raises(QueueUnwritable):
            queue.put("b", bytes(100_000))
        with pytest.raises(QueueUnwritable):
            queue.write([finished(a, bytes(100_000))], {"n": b"x"})
        assert queue.get("b") is None
        assert queue.get("a") == a
    queue.put("b", bytes(100_000))
    queue.write([finished(a, b"x")], {"n": b"x"})
    assert queue.counts() == {State.WAITING: 1, State.TAKEN: 0, State.FINISHED: 1}


def test_a_database_that_is_full(queue: DurableQueue) -> None:
    """The same where SQLite itself says so."""
    queue._db.execute("PRAGMA max_page_count = 12")
    with pytest.raises(QueueUnwritable, match="full"):
        queue.put("a", bytes(100_000))
    assert queue.items() == []
    queue.put("b", b"")


# --- kill -9 --------------------------------------------------------------------------------------

_STEPS = """
import os, pathlib, signal, sqlite3, sys
from medrec_py import durable_queue
from medrec_py.durable_queue import DurableQueue, finished, waiting

folder = pathlib.Path(sys.argv[1])
plain = sqlite3.connect

def work(path, last):
    count = 0
    def counted(*arguments, **named):
        def kill(_statement):
            nonlocal count
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
        database = plain(*arguments, **named)
        database.set_trace_callback(kill)
        return database
    sqlite3.connect = counted
    said = os.open(str(path) + ".said", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    def say(what):
        os.write(said, what.encode() + b"\\n")
    queue = DurableQueue(path)
    for name in "abc":
        queue.put(name, b"p")
        say("put " + name)
    for item in queue.take(2):
        say("took " + item.id)
    items = {item.id: item for item in queue.items()}
    queue.write([finished(items["a"], b"r")], {"note/a": b"n"})
    say("wrote a")
    queue.write([waiting(items["b"])], {"note/b": b"n"})
    say("wrote b")
    queue.write((), {"note/a": None})
    say("removed a")
    queue.close()
    say("closed")

step = 0
while True:
    step += 1
    child = os.fork()
    if child == 0:
        work(folder / f"queue{step}", step)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
print(step)
"""


def test_kill_9_at_every_step(tmp_path: Path) -> None:
    """A process is killed before each statement that it has SQLite run, in turn: what it was told is on the disk is."""
    done = subprocess.run(
        [sys.executable, "-c", _STEPS, str(tmp_path)], capture_output=True, text=True, timeout=120, check=True
    )
    steps = int(done.stdout)
    assert steps > 30
    for step in range(1, steps):
        path = tmp_path / f"queue{step}"
        said = path.with_name(path.name + ".said").read_text().splitlines()
        with DurableQueue(path) as queue:
            items = {item.id: item for item in queue.items()}
            put = [line[4:] for line in said if line.startswith("put")]
            # What was being done when it ended is there as a whole, or not at all.
            assert list(items) in (put, list("abc"[: len(put) + 1]))
            check_what_was_said(said, items, set(queue.notes()))
            for name in "abc":
                queue.put(name, b"p")
            assert sorted(ids(queue.items())) == ["a", "b", "c"]


def check_what_was_said(said: list[str], items: dict[str, Item], notes: set[str]) -> None:
    if "took b" in said:
        assert {items["a"].attempts, items["b"].attempts} == {1}
    if "wrote a" in said:
        assert items["a"].state is State.FINISHED
    if items.get("a") is not None and items["a"].state is State.FINISHED and "wrote b" not in said:
        assert "note/a" in notes or items["b"].state is State.WAITING
    if "wrote b" in said:
        assert items["b"].state is State.WAITING
        assert "note/b" in notes
    assert ("note/b" in notes) == ("b" in items and items["b"].attempts == 1 and items["b"].state is State.WAITING)
    if "removed a" in said:
        assert "note/a" not in notes


def test_kill_9_while_many_threads_put(tmp_path: Path) -> None:
    """Every item whose putting returned is there once, and the queue is sound."""
    path = tmp_path / "queue"
    line = (
        "import sys, pathlib, threading; from medrec_py.durable_queue import DurableQueue\n"
        f"queue = DurableQueue(pathlib.Path({str(path)!r}))\n"
        "def work(thread):\n"
        "    for number in range(10**6):\n"
        "        queue.put(f'{thread}/{number}', bytes(1000)); sys.stdout.write(f'{thread}/{number}\\n'); "
        "sys.stdout.flush()\n"
        "[threading.Thread(target=work, args=[thread]).start() for thread in range(4)]\n"
    )
    process = subprocess.Popen([sys.executable, "-c", line], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(100)]
    process.kill()
    told += process.stdout.read().splitlines(keepends=True)
    process.communicate()
    with DurableQueue(path) as queue:
        there = ids(queue.items(limit=10**6))
        assert queue._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert {one.strip() for one in told if one.endswith("\n")} <= set(there)
    assert len(there) == len(set(there))
