"""A queue on the disk that survives a crash at any moment: nothing in it is lost, and nothing is in it twice.

    with DurableQueue(path) as queue:
        queue.put("0x12…", payload)              # idempotent: on the disk when it returns
        for item in queue.take(10):              # the oldest that are due
            queue.write([finished(item, b"…")])  # all of a write is on the disk, or none of it

One SQLite file in WAL mode, flushed with each write (``synchronous = FULL``), readable by its owner alone. One process
at a time has it, any of its threads: a second one is refused, so an item that was taken is its own process's until it
says otherwise, or until it ends and the next process finds the item still taken.

Beside items it keeps *notes*, which are written together with them: what has to be on the disk before something is done
about an item (a signed transaction, for instance).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from medrec_py.errors import QueueFull, QueueInUse, QueueUnwritable
from medrec_py.sqlite_file import Layout, open_database, typed_errors

SCHEMA: Final = 1
"""Version of the tables."""

MAX_ITEMS: Final = 10_000
MAX_BYTES: Final = 256 << 20
"""Unfinished items, and bytes of their payloads, that a queue takes unless told otherwise."""

_TABLES: Final = """
CREATE TABLE items (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    payload BLOB NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_at REAL NOT NULL,
    result BLOB NOT NULL,
    created REAL NOT NULL,
    changed REAL NOT NULL
);
CREATE INDEX items_by_state ON items (state, seq);
CREATE INDEX items_by_change ON items (state, changed);
CREATE TABLE notes (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
_LAYOUT: Final = Layout("queue", 0x4D525131, SCHEMA, _TABLES)  # "MRQ1"
_COLUMNS: Final = "seq, id, payload, state, attempts, next_at, result, created, changed"


class State(IntEnum):
    """Where an item is."""

    WAITING = 0
    """To be taken when it is due."""
    TAKEN = 1
    """Something is being done about it."""
    FINISHED = 2
    """Nothing is left to do; it stays until it is pruned."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it is on the disk.

    Attributes:
        seq: Its place; later items have higher ones.
        id: What it was put under.
        payload: As it was put. Empty once it is finished, to spare room.
        state: Where it is.
        attempts: How often it was taken.
        next_at: Before this it is not due, Unix time.
        result: Whatever its owner wrote about it last.
        created: Unix time.
        changed: Unix time.
    """

    seq: int
    id: str
    payload: bytes = field(repr=False)
    state: State
    attempts: int
    next_at: float
    result: bytes = field(repr=False)
    created: float
    changed: float


def finished(item: Item, result: bytes) -> Item:
    """The item, with nothing left to do."""
    return replace(item, state=State.FINISHED, result=result)


def waiting(item: Item, next_at: float = 0.0) -> Item:
    """The item, to be taken again, not before a time."""
    return replace(item, state=State.WAITING, next_at=next_at)


class DurableQueue:
    """A queue in a file. May be shared between threads; use it as a context manager.

    Args:
        path: The file; made if it is not there. ``PATH-wal``, ``PATH-shm`` and ``PATH.lock`` stand beside it.
        max_items: Unfinished items that it takes.
        max_bytes: Bytes of their payloads together.
        now: Unix time.

    Raises:
        QueueInUse: another process has it.
        QueueDamaged: the file is no queue, or one of another version.
        QueueUnwritable: it cannot be made or written.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_items: int = MAX_ITEMS,
        max_bytes: int = MAX_BYTES,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._limits = max_items, max_bytes
        self._now = now
        self._guard = threading.RLock()
        self._closed = False
        self._lock = _lock(path)
        try:
            with typed_errors(path, _LAYOUT):
                self._db = open_database(path, _LAYOUT)
                try:
                    self._held = self._measure()
                except BaseException:
                    self._db.close()
                    raise
        except BaseException:
            os.close(self._lock)
            raise

    # --- items ------------------------------------------------------------------------------------

    def put(
        self, item_id: str, payload: bytes, result: bytes = b"", notes: Mapping[str, bytes | None] | None = None
    ) -> Item:
        """Have an item on the disk. One of that id that is there already stays as it is, and is returned.

        Args:
            item_id: Its name.
            payload: What it is.
            result: What is written about it at first.
            notes: As ``write`` takes them, in the same step. Where the item is there already they are not written.

        Raises:
            QueueFull: as many unfinished items, or bytes, are in it as it takes.
            QueueUnwritable: it cannot be written; the item is not in it.
        """
        with self._writing() as db:
            if (there := self._find(db, item_id)) is not None:
                return there
            items, size = self._held
            if items >= self._limits[0] or size + len(payload) > self._limits[1]:
                raise QueueFull(f"the queue {self.path} has {items} unfinished items of {size} bytes: it takes no more")
            moment = self._now()
            db.execute(
                "INSERT INTO items (id, payload, state, attempts, next_at, result, created, changed)"
                " VALUES (?, ?, ?, 0, 0.0, ?, ?, ?)",
                (item_id, payload, int(State.WAITING), result, moment, moment),
            )
            _note(db, notes or {})
            put = self._find(db, item_id)
        assert put is not None  # noqa: S101 - it was just inserted
        self._held = items + 1, size + len(payload)
        return put

    def get(self, item_id: str) -> Item | None:
        """An item; ``None`` if there is none of that id."""
        with self._reading() as db:
            return self._find(db, item_id)

    def due(self, limit: int) -> list[Item]:
        """The oldest items that wait and are due, in the order in which they were put. They stay as they are."""
        return self._select("state = ? AND next_at <= ? ORDER BY seq LIMIT ?", State.WAITING, self._now(), limit)

    def due_seqs(self) -> list[int]:
        """The places of all items that wait and are due, ascending: for whoever does them in another order."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT seq FROM items WHERE state = ? AND next_at <= ? ORDER BY seq", (State.WAITING, self._now())
            )
            return [seq for (seq,) in rows]

    def at(self, seqs: Sequence[int]) -> list[Item]:
        """The items at some places, in the order of these; those that are gone are passed over."""
        marks = ", ".join("?" * len(seqs))
        found = {item.seq: item for item in self._select(f"seq IN ({marks})", *seqs)}
        return [found[seq] for seq in seqs if seq in found]

    def take(self, limit: int) -> list[Item]:
        """Take the oldest items that are due: from then on they are `State.TAKEN`, also after a crash."""
        with self._writing():
            taken = [replace(item, state=State.TAKEN, attempts=item.attempts + 1) for item in self.due(limit)]
            self.write(taken)
        return taken

    def items(self, state: State | None = None, *, after: int = 0, limit: int = 100) -> list[Item]:
        """Items in the order in which they were put.

        Args:
            state: Only those in it.
            after: Only those of a higher ``seq``.
            limit: Most of them.
        """
        if state is None:
            return self._select("seq > ? ORDER BY seq LIMIT ?", after, limit)
        return self._select("state = ? AND seq > ? ORDER BY seq LIMIT ?", state, after, limit)

    def counts(self) -> dict[State, int]:
        """How many items are in each state."""
        with self._reading() as db:
            found = dict(db.execute("SELECT state, count(*) FROM items GROUP BY state").fetchall())
        return {state: found.get(state, 0) for state in State}

    # --- writing ----------------------------------------------------------------------------------

    def write(self, items: Iterable[Item] = (), notes: Mapping[str, bytes | None] | None = None) -> None:
        """Write state, attempts, time and result of items, and notes: all of it or, if that fails, nothing.

        Args:
            items: As they shall be. Those that are pruned meanwhile are passed over.
            notes: By key; ``None`` removes one.

        Raises:
            QueueUnwritable: nothing of it was written.
        """
        moment = self._now()
        rows = [
            (int(item.state), item.attempts, item.next_at, item.result, moment, item.state == State.FINISHED, item.seq)
            for item in items
        ]
        with self._writing() as db:
            db.executemany(
                "UPDATE items SET state = ?, attempts = ?, next_at = ?, result = ?, changed = ?,"
                " payload = iif(?, x'', payload) WHERE seq = ?",
                rows,
            )
            _note(db, notes or {})
            held = self._measure() if any(row[5] for row in rows) else self._held
        self._held = held

    def notes(self, prefix: str = "") -> dict[str, bytes]:
        """The notes whose keys begin so, by key, in the order of their keys."""
        with self._reading() as db:
            return dict(
                db.execute(
                    "SELECT key, value FROM notes WHERE substr(key, 1, ?) = ? ORDER BY key", (len(prefix), prefix)
                ).fetchall()
            )

    def prune(self, before: float) -> int:
        """Remove the items that were finished before a time, Unix time. Returns how many."""
        with self._writing() as db:
            return db.execute("DELETE FROM items WHERE state = ? AND changed < ?", (State.FINISHED, before)).rowcount

    def close(self) -> None:
        """Close the file and let others have it. Closing twice is as once."""
        with self._guard:
            if not self._closed:
                self._closed = True
                with suppress(sqlite3.Error):  # whatever was written is on the disk already
                    self._db.close()
                os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- private ----------------------------------------------------------------------------------

    def _select(self, where: str, *values: Any) -> list[Item]:
        with self._reading() as db:
            return [_item(row) for row in db.execute(f"SELECT {_COLUMNS} FROM items WHERE {where}", values)]  # noqa: S608 - texts of this module

    @staticmethod
    def _find(db: sqlite3.Connection, item_id: str) -> Item | None:
        row = db.execute(f"SELECT {_COLUMNS} FROM items WHERE id = ?", (item_id,)).fetchone()  # noqa: S608
        return None if row is None else _item(row)

    def _measure(self) -> tuple[int, int]:
        """Number of the unfinished items, and bytes of their payloads."""
        items, size = self._db.execute(
            "SELECT count(*), coalesce(sum(length(payload)), 0) FROM items WHERE state < ?", (State.FINISHED,)
        ).fetchone()
        return items, size

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._guard, typed_errors(self.path, _LAYOUT):
            if self._closed:
                raise QueueUnwritable(f"the queue {self.path} is closed")
            yield self._db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; within another one, a part of it."""
        with self._reading() as db:
            if db.in_transaction:
                yield db
                return
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have undone it itself
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                raise


def _note(db: sqlite3.Connection, notes: Mapping[str, bytes | None]) -> None:
    for key, value in notes.items():
        if value is None:
            db.execute("DELETE FROM notes WHERE key = ?", (key,))
        else:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value))


def _item(row: tuple[Any, ...]) -> Item:
    seq, item_id, payload, state, *rest = row
    return Item(seq, item_id, payload, State(state), *rest)


def _lock(path: Path) -> int:
    """A lock that ends with the process, on a file of its own: closing SQLite's file would drop SQLite's own locks."""
    beside = path.with_name(path.name + ".lock")
    try:
        handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise QueueUnwritable(f"the queue {path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise QueueInUse(f"another process has the queue {path}") from None
    return handle
