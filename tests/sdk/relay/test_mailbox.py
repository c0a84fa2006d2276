"""The mailbox on the disk: nothing that was taken is lost, and what is over leaves no bytes behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from medrec_py.errors import QueueDamaged, QueueUnwritable
from medrec_py.relay.mailbox import Counts, Kept, Mailbox

ALICE, BOB = b"\xaa" * 20, b"\xbb" * 20
LETTER = b"a letter that nobody else opens" * 40


def kept(number: int, patient: bytes = ALICE, principal: bytes = b"\x01" * 20, deadline: int = 100) -> Kept:
    return Kept(bytes([number]) * 32, patient, b"\x02" * 20, principal, deadline, LETTER + bytes([number]))


def test_put_listed_answered_forgotten(tmp_path: Path) -> None:
    """A request's life; each is the patient's alone, the oldest first."""
    with Mailbox(tmp_path / "mail") as box:
        for number, patient in ((1, ALICE), (2, BOB), (3, ALICE)):
            box.put(kept(number, patient))
        box.put(Kept(bytes([1]) * 32, BOB, b"", b"", 999, b"another under the same id"))
        assert box.open_to(ALICE, 100) == [kept(1), kept(3)]
        assert box.open_to(ALICE, 101) == []
        assert box.counts(ALICE, b"\x01" * 20, 100) == Counts(2, 2, 3, 3)
        assert box.counts(ALICE, b"\x07" * 20, 100) == Counts(0, 2, 0, 3)
        assert box.counts(ALICE, b"\x01" * 20, 101) == Counts(0, 0, 3, 3)
        box.answer(bytes([1]) * 32, b"\x0a" * 32, b"yes", 500)
        box.answer(bytes([1]) * 32, b"\x0b" * 32, b"no", 900)
        answered = box.get(bytes([1]) * 32)
        assert answered is not None
        assert (answered.letter, answered.answer_id, answered.answer) == (None, b"\x0a" * 32, b"yes")
        assert (box.waiting(), box.forget(100)) == (2, 0)
        assert (box.forget(101), box.get(bytes([1]) * 32)) == (2, answered)
        assert (box.forget(501), box.get(bytes([1]) * 32)) == (1, None)


def test_all_or_nothing(tmp_path: Path) -> None:
    """What fails half way writes nothing."""
    with Mailbox(tmp_path / "mail") as box:

        def half() -> None:
            with box.at_once():
                box.put(kept(1))
                raise KeyError

        with pytest.raises(KeyError):
            half()
        assert box.get(bytes([1]) * 32) is None


def test_it_survives_a_kill(tmp_path: Path) -> None:
    """A process is killed as soon as it says that a request is kept: the request is."""
    script = f"""
import sys
from pathlib import Path
from medrec_py.relay.mailbox import Kept, Mailbox
box = Mailbox(Path({str(tmp_path / "mail")!r}))
for number in range(1, 200):
    box.put(Kept(bytes([number]) * 32, b"a" * 20, b"b" * 20, b"c" * 20, 100, b"letter"))
    print(number, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    said += process.communicate()[0].split()
    with Mailbox(tmp_path / "mail") as box:
        numbers = {one.id[0] for one in box.open_to(b"a" * 20, 1)}
    assert {int(number) for number in said} <= numbers


def test_what_is_gone_leaves_no_bytes(tmp_path: Path) -> None:
    """An answered request's letter, and one that is over, are in the file no more; nobody else may read it."""
    path = tmp_path / "mail"
    with Mailbox(path) as box:
        box.put(kept(1))
        box.put(kept(2))
        box.answer(bytes([1]) * 32, b"\x0a" * 32, b"yes", 500)
        box.forget(101)
    assert LETTER not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0


def test_files_that_are_none(tmp_path: Path) -> None:
    """Text, another program's database, another version, a folder that is not there: each named as what it is."""
    (tmp_path / "text").write_bytes(b"no database" * 100)
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE things (id INTEGER)")
    other.commit()
    other.close()
    Mailbox(tmp_path / "later").close()
    later = sqlite3.connect(tmp_path / "later")
    later.execute("PRAGMA user_version = 2")
    later.close()
    for name in ("text", "other", "later"):
        with pytest.raises(QueueDamaged):
            Mailbox(tmp_path / name)
    with pytest.raises(QueueUnwritable):
        Mailbox(tmp_path / "nowhere" / "mail")
    box = Mailbox(tmp_path / "mail")
    box.close()
    box.close()
    with pytest.raises(QueueUnwritable, match="closed"):
        box.waiting()
    assert os.path.exists(tmp_path / "mail")
