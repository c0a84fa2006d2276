"""Where a record's envelope is now, and whether the patient erased it, by the patient's entries behind it.

Of several MOVED entries the latest that names the record holds; rows outside an entry's compartments are ignored
(docs/format.md §9). What is erased stays erased.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from medrec_py.chain.types import Kind
from medrec_py.crypto import paged_rows
from medrec_py.crypto.blocks import Fetch, fetch_block
from medrec_py.crypto.erasure import Erasure
from medrec_py.crypto.keys import Place
from medrec_py.crypto.manifest import Manifest
from medrec_py.crypto.paged_rows import Page, PagedRows, record_number
from medrec_py.errors import RecordErased
from medrec_py.history import Entry, History


class Whereabouts:
    """Of the records of one history.

    Args:
        history: Checked against the contract's head.
        place: Chain, contract and patient.
        fetch: Gives a block by its pointer.

    Each manifest's root block, and the page that was looked into last, are kept: looking for records in their order
    fetches each page once.
    """

    def __init__(self, history: History, place: Place, fetch: Fetch) -> None:
        self._place = place
        self._fetch = fetch
        self._moved = [entry for entry in reversed(history.entries) if entry.kind is Kind.MOVED]
        self._erased = [entry for entry in reversed(history.entries) if entry.kind is Kind.ERASED]
        self._roots: dict[bytes, PagedRows] = {}
        self._pages: dict[bytes, Page] = {}  # the last one of each, by the entry's pointer

    def pointer(self, record: Entry) -> bytes:
        """SHA-256 of the record's envelope as it is now, 32 bytes.

        Raises:
            RecordErased: the patient erased it.
            FormatError, IntegrityError, StorageError: a manifest is malformed, another's, or cannot be had.
        """
        if self.is_erased(record):
            raise RecordErased(f"the patient erased entry {record.number}, a record")
        for moved in self._behind(self._moved, record):
            pointer = self._row(Manifest, moved, record)
            if pointer is not None:
                return pointer
        return record.pointer

    def superseded(self, record: Entry) -> list[bytes]:
        """Where the envelope of a live record was and is no longer: pointers, 32 bytes each. Raises as ``pointer``."""
        moved = [self._row(Manifest, entry, record) for entry in self._behind(self._moved, record)]
        return [*(pointer for pointer in moved if pointer is not None), record.pointer][1:]

    def live(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The records among some entries that the patient has not erased. Raises as ``pointer``."""
        return (entry for entry in entries if entry.kind is Kind.RECORD and not self.is_erased(entry))

    def is_erased(self, record: Entry) -> bool:
        """Whether the patient erased it. Raises as ``pointer``."""
        return any(self._row(Erasure, erased, record) is not None for erased in self._behind(self._erased, record))

    def _behind(self, entries: list[Entry], record: Entry) -> list[Entry]:
        """Those that may say something about the record, latest first."""
        return [
            entry for entry in entries if entry.number > record.number and not record.compartments & ~entry.compartments
        ]

    def _rows_of(self, kind: type[PagedRows], entry: Entry) -> PagedRows:
        if entry.pointer not in self._roots:
            block = fetch_block(self._fetch, entry.pointer)
            self._roots[entry.pointer] = paged_rows.parse(kind, block, self._place)
        return self._roots[entry.pointer]

    def _row(self, kind: type[PagedRows], entry: Entry, record: Entry) -> bytes | None:
        """What an entry's row about a record says, if there is one."""
        number = record_number(record.number)
        page = self._pages.get(entry.pointer)
        if page is None or not page.covers(number):
            page = self._rows_of(kind, entry).page_of(number, self._fetch)
            if page is None:
                return None
            self._pages[entry.pointer] = page
        return page.payload_of(number)
