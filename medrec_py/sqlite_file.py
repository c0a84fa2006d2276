"""SQLite files of this package's own: on the disk with each write, for their owner alone, and no other program's.

    layout = Layout("queue", 0x4D525131, 1, "CREATE TABLE …;")
    with typed_errors(path, layout):
        db = open_database(path, layout)

In WAL mode and flushed with each write (``synchronous = FULL``), so that a crash leaves all of a write or none of it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medrec_py.errors import QueueDamaged, QueueUnwritable

_BUSY_MILLISECONDS: Final = 5000
_WAL_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """What is in a file.

    Attributes:
        name: What people call it.
        application: Four bytes in the header of the file, by which it is told from others.
        schema: Version of the tables.
        tables: SQL that makes them.
    """

    name: str
    application: int
    schema: int
    tables: str


@contextmanager
def typed_errors(path: Path, layout: Layout) -> Iterator[None]:
    """SQLite's errors, and those of the file system, as this package's.

    Raises:
        QueueUnwritable: the file cannot be made or written.
        QueueDamaged: it is none of these, or was damaged.
    """
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:  # full, not writable, a fault of the disk
        raise QueueUnwritable(f"the {layout.name} {path} cannot be written: {error}") from error
    except (sqlite3.DatabaseError, ValueError) as error:
        raise QueueDamaged(f"{path} is no {layout.name}, or was damaged: {error}") from error


def open_database(path: Path, layout: Layout, *, secure_delete: bool = False) -> sqlite3.Connection:
    """Open a file, and make it if it is not there.

    Args:
        path: Where it is.
        layout: What is in it.
        secure_delete: What is deleted is overwritten.

    Raises:
        QueueDamaged: it is something else, or of another version.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # the mode is for the files beside it too
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_MILLISECONDS / 1000)
    try:
        is_new = _is_new(db, path, layout)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        if secure_delete:
            db.execute("PRAGMA secure_delete = ON")
        db.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        if is_new:
            _make(db, path, layout)
    except BaseException:
        db.close()
        raise
    return db


def _is_new(db: sqlite3.Connection, path: Path, layout: Layout) -> bool:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, tables) == (0, 0, 0):
        return True
    if application != layout.application:
        raise QueueDamaged(f"{path} is a database, and no {layout.name} of MedRec's")
    if version != layout.schema:
        raise QueueDamaged(
            f"the {layout.name} {path} has version {version}, and this program reads version {layout.schema}"
        )
    return False


def _make(db: sqlite3.Connection, path: Path, layout: Layout) -> None:
    """Tables and version in one transaction: a crash leaves an empty file, or a whole one."""
    db.executescript(
        f"BEGIN IMMEDIATE; {layout.tables} PRAGMA application_id = {layout.application};"
        f" PRAGMA user_version = {layout.schema}; COMMIT;"
    )
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # has the new file's name survive a loss of power
    finally:
        os.close(folder)
