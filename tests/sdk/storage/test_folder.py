"""The local folder: whole blocks or none, whatever happens to the process, the disk or the neighbours."""

import errno
import fcntl
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from medrec_py.errors import (
    BlockMismatch,
    BlockNotFound,
    BlockTooLarge,
    InvalidInput,
    StorageError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from medrec_py.storage import BLOCK_LIMIT, Cid, FolderStore, dag, folder
from tests.support.content import MIB, content, pieces


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> FolderStore:
    return FolderStore(path)


def files(path: Path) -> list[Path]:
    """The files of blocks."""
    return sorted(file for file in (path / "blocks").rglob("*") if file.is_file())


def leftovers(path: Path) -> list[Path]:
    return list((path / "incoming").iterdir())


def check(path: Path) -> FolderStore:
    """Opens a folder and proves it consistent: whole blocks only, pinned files whole, nothing left over."""
    store = FolderStore(path)
    for file in files(path):
        assert Cid.of(file.read_bytes()).digest.hex() == file.name
    for cid in store.pins():
        store.verify(cid)
    assert not leftovers(path)
    return store


# --- keeping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 5 * MIB + 3])
def test_what_is_put_survives_reopening(path: Path, size: int) -> None:
    """A file of each size is there whole, and pinned, when the folder is opened again."""
    with FolderStore(path) as store:
        cid = store.put(pieces(size))
    again = FolderStore(path)
    assert again.read(cid) == content(size)
    assert list(again.pins()) == [cid]
    assert again.has(cid)
    check(path)


def test_a_block_can_be_fetched_by_either_codec(store: FolderStore) -> None:
    """The folder is keyed by hash, as Kubo's repository is: raw and dag-pb CIDs of the same bytes name one file."""
    cid = store.put_block(b"bytes")
    assert store.get_block(Cid(0x70, cid.digest)) == b"bytes"
    assert len(files(store.path)) == 1


def test_putting_twice_is_as_once(store: FolderStore) -> None:
    """The same content takes its room once and is one pin."""
    assert store.put(pieces(2 * MIB)) == store.put(pieces(2 * MIB))
    assert len(files(store.path)) == 3
    assert len(list(store.pins())) == 1


def test_a_missing_block_is_not_found(store: FolderStore) -> None:
    """A block that was never stored raises BlockNotFound that names store and block."""
    cid = Cid.of(b"absent")
    assert not store.has(cid)
    with pytest.raises(BlockNotFound, match=str(cid)):
        store.get_block(cid)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda _: b"",
        lambda _: b"another valid block",
    ],
    ids=["a flipped bit", "truncated", "longer", "empty", "another's block"],
)
def test_damage_on_disk_is_caught_and_healed_by_storing_again(
    store: FolderStore, damage: Callable[[bytes], bytes]
) -> None:
    """Damaged files raise BlockMismatch; putting the content again replaces them."""
    cid = store.put_block(b"a sealed record")
    file = files(store.path)[0]
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(BlockMismatch):
        store.get_block(cid)
    with pytest.raises(BlockMismatch):
        store.verify(cid)
    store.put_block(b"a sealed record")
    assert store.verify(cid) == 15


def test_a_file_grown_beyond_a_block_is_not_read(store: FolderStore) -> None:
    """A file of a terabyte in a block's place costs no memory: BlockTooLarge."""
    cid = store.put_block(b"small")
    os.truncate(files(store.path)[0], 1 << 40)
    with pytest.raises(BlockTooLarge):
        store.get_block(cid)


def test_memory_stays_small_whatever_the_size(store: FolderStore) -> None:
    """Putting and verifying 256 MiB takes less than 24 MiB of memory."""
    tracemalloc.start()
    try:
        cid = store.put(bytes(MIB - 8) + number.to_bytes(8, "big") for number in range(256))
        store.verify(cid)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 * MIB


# --- pins and collecting --------------------------------------------------------------------------------------------


def test_collect_removes_what_no_pin_holds(store: FolderStore) -> None:
    """Unpinned files go, with their nodes; blocks that a pinned file shares stay."""
    gone = store.put(pieces(3 * MIB))
    kept = store.put(pieces(2 * MIB))  # shares two leaves with the first
    store.unpin(gone)
    assert store.verify(gone)  # until somebody collects
    removed = store.collect()
    assert removed.blocks == 2
    assert MIB < removed.bytes < MIB + 1000
    assert store.verify(kept) == 2 * MIB
    assert not store.has(gone)
    with pytest.raises(BlockNotFound):
        store.verify(gone)
    assert store.collect() == (0, 0)


def test_unpinning_what_is_not_pinned_is_no_error(store: FolderStore) -> None:
    """Unpinning twice, or something unknown, is as once."""
    store.unpin(Cid.of(b"unknown"))


def test_pin_needs_every_block(store: FolderStore) -> None:
    """A file with a hole can't be pinned; a whole one can, and stays."""
    cid = store.put(pieces(2 * MIB))
    store.unpin(cid)
    store.pin(cid)
    assert store.collect().blocks == 0
    Path(store._block(Cid.of(content(MIB)))).unlink()
    with pytest.raises(BlockNotFound, match=str(cid)):
        store.pin(cid)


def test_collect_removes_nothing_when_a_pinned_node_is_damaged(store: FolderStore) -> None:
    """What is below a damaged node can't be known, so nothing at all is removed until it is mended or unpinned."""
    cid = store.put(pieces(2 * MIB))
    other = store.put_block(b"other")
    store.unpin(other)
    root = Path(store._block(cid))
    root.write_bytes(b"damaged")
    with pytest.raises(BlockMismatch):
        store.collect()
    assert store.has(other)
    store.unpin(cid)
    assert store.collect().blocks == 4


def test_many_blocks_are_each_pinned_on_their_own(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What many blocks were stored together can be dropped one by one, and together: twice is as once."""
    monkeypatch.setattr("medrec_py.storage.store.BATCH", 7)
    cids = list(store.put_many(bytes([number]) for number in range(40)))
    assert set(check(store.path).pins()) == set(cids)
    for _ in range(2):
        store.unpin_many(iter(cids[1:30]))
    assert store.collect().blocks == 29
    assert all(store.verify(cid) == 1 for cid in (cids[0], *cids[30:]))
    assert len(list(store.pins())) == 11


def test_collect_leaves_a_put_that_is_under_way_alone(store: FolderStore) -> None:
    """Blocks of an unfinished put survive collecting and reopening, and are invisible until it ends."""

    def slow() -> Iterator[bytes]:
        for piece in pieces(3 * MIB):
            yield piece
            FolderStore(store.path).collect()
            assert not files(store.path)

    cid = store.put(slow())
    assert store.verify(cid) == 3 * MIB
    assert not leftovers(store.path)


def test_a_block_unpinned_and_put_again_survives_a_collect_between(store: FolderStore) -> None:
    """Content that is already there but unpinned is written anew, so collecting meanwhile takes nothing away."""
    store.unpin(store.put(pieces(2 * MIB)))

    def meanwhile() -> Iterator[bytes]:
        yield from pieces(2 * MIB)
        assert store.collect().blocks == 3

    assert store.verify(store.put(meanwhile())) == 2 * MIB


def test_collect_needs_locks(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no file locks, everything works but collect, which refuses rather than risk a block."""
    monkeypatch.setattr(folder, "fcntl", None)
    again = FolderStore(store.path)
    assert again.verify(again.put(pieces(2 * MIB))) == 2 * MIB
    with pytest.raises(StorageError, match="locks"):
        again.collect()


# --- durability -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "blocks"),
    [
        (lambda store: {store.put(pieces(2 * MIB))}, 3),
        (lambda store: set(store.put_many(bytes([number]) for number in range(200))), 200),
    ],
    ids=["put", "put_many"],
)
def test_everything_is_flushed_before_it_counts(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, work: Callable[[FolderStore], set[Cid]], blocks: int
) -> None:
    """A power cut after a ``put`` returns takes nothing: data, then names, then the pin are flushed, in that order.

    A block gets its name only once its data are on the disk, so no name ever stands for half a block.
    """
    steps: list[str] = []

    def shown(descriptor: int) -> str:
        return str(Path(os.readlink(f"/dev/fd/{descriptor}")).relative_to(store.path))

    def recorded(name: str, call: Callable[..., object], show: Callable[..., str]) -> Callable[..., object]:
        def run(*arguments: object, **options: object) -> object:
            steps.append(f"{name} {show(*arguments)}")
            return call(*arguments, **options)

        return run

    monkeypatch.setattr(folder, "_flush", recorded("flush", folder._flush, shown))
    monkeypatch.setattr(os, "fsync", recorded("flush", os.fsync, shown))
    monkeypatch.setattr(os, "replace", recorded("name", os.replace, lambda _, to: Path(to).name))
    monkeypatch.setattr(os, "open", recorded("open", os.open, lambda path, *_: Path(path).name))
    pins = work(store)

    at = {step.rpartition("/")[2] if step.startswith("flush incoming") else step: n for n, step in enumerate(steps)}
    names = [step for step in at if step.startswith("name ")]
    first_pin = min(at[f"open {pin}"] for pin in pins)
    assert len(names) == blocks
    for step in names:
        block = step.removeprefix("name ")
        assert at[block] < at[step] < at[f"flush blocks/{block[:2]}"] < first_pin
    for pin in pins:
        assert at[f"open {pin}"] < at[f"flush pins/{pin.digest.hex()[:2]}"]


# --- faults of the disk ---------------------------------------------------------------------------------------------


def failing(number: int, after: int) -> Callable[..., int]:
    """An ``os.write`` that fails after some calls, having written part of the data, as a full disk does."""
    calls = itertools.count()
    write = os.write

    def fail(descriptor: int, data: memoryview) -> int:
        if next(calls) >= after:
            write(descriptor, data[: len(data) // 2])
            raise OSError(number, os.strerror(number))
        return write(descriptor, data)

    return fail


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT], ids=["no space", "quota"])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_full_disk_leaves_nothing_half_written(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, code: int, after: int
) -> None:
    """The disk fills up in the middle of a file: StoreFull, no block, no pin, no leftover; then it works again."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing(code, after))
        with pytest.raises(StoreFull, match=str(store.path)):
            store.put(pieces(3 * MIB))
    assert not files(store.path)
    assert not list(store.pins())
    assert not leftovers(store.path)
    assert store.verify(store.put(pieces(3 * MIB))) == 3 * MIB


@pytest.mark.parametrize("after", [0, 7, 15])
def test_a_full_disk_takes_whole_batches_or_nothing(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The disk fills up while many blocks are written: batches before are there, of this one no block and no pin."""
    monkeypatch.setattr("medrec_py.storage.store.BATCH", 6)
    stored: list[Cid] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing(errno.ENOSPC, after))
        with pytest.raises(StoreFull):
            stored.extend(store.put_many(bytes([number]) for number in range(30)))
    assert len(stored) <= after
    assert len(stored) % 6 == 0
    assert set(check(store.path).pins()) == set(stored)
    assert len(files(store.path)) == len(stored)


@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_disk_too_full_for_a_pin_keeps_the_pins_of_before(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """No room for the names of all pins: none of the new ones stays, those that were there do."""
    before = store.put_block(bytes([3]))
    calls = itertools.count()
    real = os.open

    def full(file: object, *arguments: int) -> int:
        if "/pins/" in str(file) and arguments[0] & os.O_CREAT and next(calls) >= after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(StoreFull):
            list(store.put_many(bytes([number]) for number in range(9)))
    assert list(check(store.path).pins()) == [before]
    assert store.collect().blocks == 8


def test_a_full_disk_for_real(path: Path) -> None:
    """A process that may write no file over 64 KiB gets StoreFull from the system itself, and leaves nothing."""
    FolderStore(path)
    code = (
        "import resource, sys\n"
        "from medrec_py.errors import StoreFull\n"
        "from medrec_py.storage import FolderStore\n"
        "store = FolderStore(sys.argv[1])\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (65536, {resource.RLIM_INFINITY}))\n"
        "store.put_block(bytes(65536))\n"
        "try:\n"
        "    store.put_block(bytes(65537))\n"
        "except StoreFull:\n"
        "    print('full')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "full\n"
    assert len(files(path)) == 1
    check(path)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS], ids=["access", "permission", "read-only"])
def test_a_folder_that_may_not_be_written_is_read_only(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Missing permission to write is StoreReadOnly, and reading still works."""
    cid = store.put_block(b"block")
    real = os.open

    def refuse(file: object, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(code, os.strerror(code))
        return real(file, flags, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    again = FolderStore(store.path)
    assert again.get_block(cid) == b"block"
    for write in (lambda: again.put(b"x"), lambda: again.pin(cid), lambda: again.unpin(cid)):
        with pytest.raises(StoreReadOnly):
            write()


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO], ids=["access", "broken disk"])
def test_a_block_that_cannot_be_read_is_no_missing_block(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A file that the system won't read is StoreUnavailable: it may well be there."""
    cid = store.put_block(b"block")

    def refuse(*arguments: object) -> os.stat_result:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fstat", refuse)
    with pytest.raises(StoreUnavailable, match=os.strerror(code)):
        store.get_block(cid)


@pytest.mark.parametrize("mount_point", [False, True], ids=["gone", "an empty mount point"])
def test_an_unplugged_disk_is_no_missing_block(store: FolderStore, mount_point: bool) -> None:
    """When the folder itself is gone, nothing is known about its blocks: StoreUnavailable."""
    cid = store.put_block(b"block")
    shutil.rmtree(store.path)
    if mount_point:
        store.path.mkdir()
    for use in (
        lambda: store.get_block(cid),
        lambda: store.has(cid),
        lambda: store.put(b"x"),
        lambda: store.pin(cid),
        store.collect,
        lambda: list(store.pins()),
    ):
        with pytest.raises(StoreUnavailable):
            use()


def test_an_error_of_the_source_leaves_nothing(store: FolderStore) -> None:
    """If the content can't be read (its disk, not ours), its own error passes through and nothing is left."""

    def broken() -> Iterator[bytes]:
        yield bytes(2 * MIB)
        raise OSError(errno.ENOSPC, "of the scanner")

    with pytest.raises(OSError, match="of the scanner"):
        store.put(broken())
    assert not files(store.path)
    assert not leftovers(store.path)


# --- what the folder was before -------------------------------------------------------------------------------------


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    """Somebody's documents are not turned into a store, let alone collected."""
    (tmp_path / "thesis.tex").write_text("…")
    with pytest.raises(InvalidInput, match="neither empty nor"):
        FolderStore(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_later_layout_is_refused(store: FolderStore) -> None:
    """A folder written by a later version isn't touched."""
    (store.path / "medrec-store").write_text("medrec block store, layout 2\n")
    with pytest.raises(InvalidInput, match="layout"):
        FolderStore(store.path)


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    """A path that can't be a folder is StoreUnavailable with the system's reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable):
        FolderStore(tmp_path / "file" / "store")


def test_foreign_files_survive_collecting(store: FolderStore) -> None:
    """Collecting removes blocks, not whatever else somebody put among them."""
    note = store.path / "blocks" / "00" / "README"
    note.write_text("backed up on Mondays")
    (store.path / "pins" / "00" / ".DS_Store").touch()
    (store.path / "incoming" / ".DS_Store").touch()
    store.collect()
    assert note.exists()


# --- death ----------------------------------------------------------------------------------------------------------

_STEPS = ("open", "write", "fdatasync", "fsync", "mkdir", "replace", "unlink", "rename", "rmdir", "stat")


def _die_at(step: int) -> None:
    """Makes this process kill itself, as with kill -9, at its nth call of the system."""
    calls = itertools.count(1)

    def deadly(call: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **options: object) -> object:
            if next(calls) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return run

    for name in _STEPS:
        setattr(os, name, deadly(getattr(os, name)))
    folder._flush = deadly(folder._flush)
    fcntl.flock = deadly(fcntl.flock)  # type: ignore[assignment]


def in_child(work: Callable[[], object]) -> int:
    """Runs something in a forked process and returns its exit status, negative if a signal ended it."""
    child = os.fork()
    if child == 0:
        _finish(work)
    return _status(child)


def _finish(work: Callable[[], object]) -> NoReturn:
    """In a forked child: works and ends, without pytest's own end."""
    try:
        work()
    except BaseException:  # noqa: BLE001  nobody above may catch it
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.slow
def test_death_at_any_step_leaves_a_consistent_folder(path: Path) -> None:
    """Killed at each single call of the system, from opening to the end: whole blocks, whole pins, no leftovers."""
    kept = FolderStore(path).put(pieces(MIB + 1))

    def work(step: int) -> None:
        _die_at(step)
        store = FolderStore(path)
        store.put(pieces(2 * MIB))
        store.unpin(dag.file_cid(pieces(2 * MIB)))
        store.unpin_many(store.put_many([b"one", b"two"]))
        store.collect()

    for step in itertools.count(1):
        status = in_child(partial(work, step))
        assert check(path).verify(kept) == MIB + 1
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert step > 40


@pytest.mark.slow
def test_death_while_a_folder_is_made_leaves_one_that_can_be_opened(path: Path) -> None:
    """Killed at every 20th step of making the folder: the next process finishes the work."""
    for step in itertools.count(1, 20):

        def work(step: int = step) -> None:
            _die_at(step)
            FolderStore(path)

        status = in_child(work)
        store = check(path)
        assert store.verify(store.put(b"block")) == 5
        shutil.rmtree(path)
        if status == 0:
            break
    assert step > 60


_WRITER = """
import random, sys
from medrec_py.storage import FolderStore
store = FolderStore(sys.argv[1])
random.seed(int(sys.argv[2]))
for number in range(1000000):
    many = (random.randbytes(3000) for _ in range(random.randrange(50)))
    for cid in (store.put(random.randbytes(random.choice([10, 3000, 1 << 20, 2500000]))), *store.put_many(many)):
        print(cid, flush=True)
"""


@pytest.mark.slow
def test_kill_9_of_a_writer_keeps_all_it_acknowledged(path: Path) -> None:
    """A process killed from outside at random moments: every file whose CID it printed is there whole and pinned."""
    FolderStore(path)
    chance = random.Random(4)
    for seed in range(6):
        command = [sys.executable, "-c", _WRITER, str(path), str(seed)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            acknowledged = [writer.stdout.readline().strip() for _ in range(chance.randrange(1, 12))]
            writer.kill()
            acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
        store = check(path)
        pinned = set(store.pins())
        for text in acknowledged:
            assert Cid.parse(text) in pinned


def test_living_writers_are_not_swept_away(store: FolderStore) -> None:
    """Opening the folder removes what the dead left, and nothing of the living."""

    def slow() -> Iterator[bytes]:
        dead = store.path / "incoming" / "dead"
        dead.mkdir()
        (dead / "lock").touch()
        (dead / "half").write_bytes(b"half a blo")
        yield from pieces(2 * MIB)
        FolderStore(store.path)
        assert not dead.exists()
        assert len(leftovers(store.path)) == 1

    assert store.verify(store.put(slow())) == 2 * MIB


# --- together -------------------------------------------------------------------------------------------------------


def test_what_its_writer_removes_meanwhile_is_no_error(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that ends while leftovers are swept may be quicker: before its lock is looked at, or after."""
    remove = shutil.rmtree

    def beaten(act: Callable[[Path], object], path: Path) -> object:
        remove(path)
        return act(path)

    for module, name in ((folder, "_remove_abandoned"), (shutil, "rmtree")):
        (store.path / "incoming" / "ending").mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(module, name, partial(beaten, getattr(module, name)))
            assert store.collect() == (0, 0)
        assert not leftovers(store.path)


def in_processes(jobs: list[Callable[[], object]]) -> None:
    """Runs jobs at once in a process each."""
    children = []
    for job in jobs:
        child = os.fork()
        if child == 0:
            _finish(job)
        children.append(child)
    assert [_status(child) for child in children] == [0] * len(jobs)


def in_threads(jobs: list[Callable[[], object]]) -> None:
    """Runs jobs at once in a thread each."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        for running in [pool.submit(job) for job in jobs]:
            running.result()


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [in_processes, in_threads], ids=["processes", "threads"])
def test_writers_readers_and_collectors_at_once(
    path: Path, at_once: Callable[[list[Callable[[], object]]], None]
) -> None:
    """Several writers of the same and of different files, with a collector beside them, lose nothing that is pinned."""
    FolderStore(path)
    shared = content(2 * MIB)

    def write(number: int) -> None:
        store = FolderStore(path)
        for turn in range(12):
            store.put_block(f"{number}/{turn}".encode())
            assert store.verify(store.put(shared)) == 2 * MIB
            junk = store.put(os.urandom(MIB + 10))
            store.unpin(junk)
            store.unpin_many(store.put_many(os.urandom(20) for _ in range(10)))

    def collect() -> None:
        store = FolderStore(path)
        for _ in range(25):
            store.collect()

    at_once([partial(write, 0), partial(write, 1), partial(write, 2), collect])
    store = check(path)
    assert len(list(store.pins())) == 3 * 12 + 1
    for number, turn in itertools.product(range(3), range(12)):
        assert store.get_block(Cid.of(f"{number}/{turn}".encode()))
    store.collect()
    assert len(files(path)) == 3 * 12 + 3


def test_several_processes_may_make_the_folder_at_once(path: Path) -> None:
    """Whoever comes first, all have one store, and none loses what it put."""

    def put(number: int) -> None:
        FolderStore(path).put_block(bytes([number]))

    in_processes([partial(put, number) for number in range(6)])
    assert len(list(check(path).pins())) == 6


def test_reading_does_not_wait_for_a_writer(store: FolderStore) -> None:
    """A reader is served while another put is taking its time: here that put would wait for the reader, for ever."""
    cid = store.put_block(b"block")

    def slow() -> Iterator[bytes]:
        assert FolderStore(store.path).get_block(cid) == b"block"
        yield b"more"

    store.put(slow())


def test_a_block_at_the_limit_is_stored(store: FolderStore) -> None:
    """1 MiB exactly is a block."""
    assert store.verify(store.put_block(bytes(BLOCK_LIMIT))) == BLOCK_LIMIT
