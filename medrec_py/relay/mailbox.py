"""Where a relayer keeps requests for access and their answers: one SQLite file, on the disk before anybody is told so.

It holds letters, which open to others, and what is needed to count them: who asks whom, for whom, and until when. A
request that was answered is dropped; of its answer the letter stays for whoever asked.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from medrec_py.errors import QueueUnwritable
from medrec_py.sqlite_file import Layout, open_database, typed_errors

SCHEMA: Final = 1
"""Version of the table."""

_TABLES: Final = """
CREATE TABLE requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    patient BLOB NOT NULL,
    requester BLOB NOT NULL,
    principal BLOB NOT NULL,
    deadline INTEGER NOT NULL,
    letter BLOB,
    answer_id BLOB,
    answer BLOB,
    until INTEGER NOT NULL
);
CREATE INDEX requests_by_patient ON requests (patient, seq) WHERE answer IS NULL;
CREATE INDEX requests_by_principal ON requests (principal);
CREATE INDEX requests_by_end ON requests (until);
"""
_LAYOUT: Final = Layout("mailbox", 0x4D524D31, SCHEMA, _TABLES)  # "MRM1"
_COLUMNS: Final = "id, patient, requester, principal, deadline, letter, answer_id, answer"


@dataclass(frozen=True, slots=True)
class Kept:
    """A request as it is on the disk.

    Attributes:
        id: Its digest, 32 bytes.
        patient: Who is asked, 20 bytes.
        requester: Who asks, 20 bytes.
        principal: Who would be granted, 20 bytes.
        deadline: Last second at which it stands, Unix time.
        letter: To the patient; ``None`` once it was answered.
        answer_id: Digest of the answer, 32 bytes; ``None`` until then.
        answer: The letter to the requester; ``None`` until then.
    """

    id: bytes
    patient: bytes
    requester: bytes
    principal: bytes
    deadline: int
    letter: bytes | None = field(repr=False)
    answer_id: bytes | None = None
    answer: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many requests there are.

    Attributes:
        principal: Open ones to one patient, for one principal.
        patient: Open ones to that patient.
        provider: Whatever is kept for that principal, to whomever, answered or not.
        all: Whatever is kept, answered or not.
    """

    principal: int
    patient: int
    provider: int
    all: int


class Mailbox:
    """Requests and answers in a file. May be shared between threads; use it as a context manager.

    Args:
        path: The file; made if it is not there, readable by its owner alone.

    Raises:
        QueueDamaged: the file is none of these, or one of another version.
        QueueUnwritable: it cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.RLock()
        self._closed = False
        with typed_errors(self.path, _LAYOUT):
            # What was answered or is over is no longer in the file.
            self._db = open_database(path, _LAYOUT, secure_delete=True)

    def get(self, request: bytes) -> Kept | None:
        """A request; ``None`` if there is none of that digest."""
        with self._using() as db:
            row = db.execute(f"SELECT {_COLUMNS} FROM requests WHERE id = ?", (request,)).fetchone()  # noqa: S608
        return None if row is None else Kept(*row)

    def open_to(self, patient: bytes, now: int) -> list[Kept]:
        """The requests to a patient that are not answered and whose deadline has not passed, the oldest first."""
        with self._using() as db:
            found = db.execute(
                f"SELECT {_COLUMNS} FROM requests"  # noqa: S608 - texts of this module
                " WHERE patient = ? AND answer IS NULL AND deadline >= ? ORDER BY seq",
                (patient, now),
            )
            return [Kept(*row) for row in found]

    def counts(self, patient: bytes, principal: bytes, now: int) -> Counts:
        """How many requests are open, and how many are kept."""
        with self._using() as db:
            mine, theirs = db.execute(
                "SELECT coalesce(sum(principal = ?), 0), count(*) FROM requests"
                " WHERE patient = ? AND answer IS NULL AND deadline >= ?",
                (principal, patient, now),
            ).fetchone()
            (provider,) = db.execute("SELECT count(*) FROM requests WHERE principal = ?", (principal,)).fetchone()
            (kept,) = db.execute("SELECT count(*) FROM requests").fetchone()
        return Counts(mine, theirs, provider, kept)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is looked up and written meanwhile no other thread comes between; all of it is written, or nothing."""
        with self._using() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have undone it itself
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                raise

    def put(self, kept: Kept) -> None:
        """Have a request on the disk. One of that digest that is there already stays as it is."""
        row = (kept.id, kept.patient, kept.requester, kept.principal, kept.deadline, kept.letter, kept.deadline)
        with self._using() as db:
            db.execute(
                "INSERT OR IGNORE INTO requests (id, patient, requester, principal, deadline, letter, until)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def answer(self, request: bytes, answer_id: bytes, letter: bytes, until: int) -> None:
        """Have an answer on the disk in place of the request's letter. One that is there already stays as it is.

        Args:
            request: Digest of the request, 32 bytes.
            answer_id: Digest of the answer, 32 bytes.
            letter: To the requester.
            until: When both may be forgotten, Unix time.
        """
        with self._using() as db:
            db.execute(
                "UPDATE requests SET letter = NULL, answer_id = ?, answer = ?, until = max(until, ?)"
                " WHERE id = ? AND answer IS NULL",
                (answer_id, letter, until, request),
            )

    def forget(self, now: int) -> int:
        """Remove what is over. Returns how many requests, answered or not."""
        with self._using() as db:
            return db.execute("DELETE FROM requests WHERE until < ?", (now,)).rowcount

    def waiting(self) -> int:
        """How many requests are kept and not answered."""
        with self._using() as db:
            (number,) = db.execute("SELECT count(*) FROM requests WHERE answer IS NULL").fetchone()
        return int(number)

    def close(self) -> None:
        """Close the file. Closing twice is as once."""
        with self._guard:
            if not self._closed:
                self._closed = True
                with suppress(sqlite3.Error):  # whatever was written is on the disk already
                    self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- private ----------------------------------------------------------------------------------

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._guard, typed_errors(self.path, _LAYOUT):
            if self._closed:
                raise QueueUnwritable(f"the mailbox {self.path} is closed")
            yield self._db
