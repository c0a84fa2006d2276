"""Manifests of moved records: for any number of records, where each one's envelope is now (docs/format.md §9).

A root block lists pages of rows in ascending order, so that looking one record up fetches one page.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from medrec_py.crypto import cbor
from medrec_py.crypto.blocks import MAX_BLOCK, POINTER_SIZE, Fetch, fetch_block, pointer_to
from medrec_py.crypto.keys import ADDRESS_SIZE, Place, check_size, check_uint
from medrec_py.errors import FormatError, IntegrityError, InvalidInput

VERSION = 1
ROW_SIZE = 8 + POINTER_SIZE
MAX_ROWS = MAX_BLOCK // ROW_SIZE
"""Rows on a page: 26,214."""

_KEYS = ("v", "chain", "contract", "patient", "count", "pages")
_MAX_INDEX = (1 << 32) - 1


class Row(NamedTuple):
    """Where a record's envelope is now.

    Attributes:
        entry: Number of the record's entry, from 1.
        leaf: Of the entry; 0 for a single record.
        pointer: SHA-256 of the new envelope, 32 bytes.
    """

    entry: int
    leaf: int
    pointer: bytes


def record_number(entry: int, leaf: int = 0) -> int:
    """Entry number × 2^32 + leaf: how ``replaces`` and the rows of a manifest name a record.

    Raises:
        InvalidInput: a number does not fit into 32 bits.
    """
    check_uint(entry, "the entry number", _MAX_INDEX, minimum=1)
    return entry << 32 | check_uint(leaf, "the leaf", _MAX_INDEX)


class ManifestBuilder:
    """Writes a manifest; iterate over it once to get its pages, each a block, then take ``block``.

    Args:
        place: Chain, contract and patient.
        rows: Ascending by entry and leaf, none twice. They are read as the pages are taken, one page at a time.

    Raises:
        InvalidInput: a row is out of order or out of bounds, there are none, there are too many for one manifest
            (about 600 million), or ``block`` is asked for before the last page was taken.
    """

    def __init__(self, place: Place, rows: Iterable[Row]) -> None:
        self._place = place
        self._rows = iter(rows)
        self._pages: list[list[int | bytes]] = []
        self._count = 0
        self._last = -1
        self._finished = False

    def __iter__(self) -> Iterator[bytes]:
        page = bytearray()
        for row in self._rows:
            page += self._next(row)
            if len(page) == MAX_ROWS * ROW_SIZE:
                yield self._close(page)
                page = bytearray()
        if page:
            yield self._close(page)
        self._finished = True

    @property
    def block(self) -> bytes:
        """The root block, to which the entry points."""
        if not self._finished or not self._count:
            raise InvalidInput("a manifest needs a row, and its pages are taken first")
        block = cbor.encode(
            {
                "v": VERSION,
                "chain": self._place.chain_id,
                "contract": self._place.contract,
                "patient": self._place.patient,
                "count": self._count,
                "pages": self._pages,
            }
        )
        if len(block) > MAX_BLOCK:
            raise InvalidInput("these are too many records for one manifest: publish several")
        return block

    def _next(self, row: Row) -> bytes:
        number = record_number(row.entry, row.leaf)
        if number <= self._last:
            raise InvalidInput("the rows of a manifest must ascend")
        self._last = number
        self._count += 1
        return number.to_bytes(8) + check_size(row.pointer, POINTER_SIZE, "a pointer")

    def _close(self, page: bytearray) -> bytes:
        block = bytes(page)
        self._pages.append([_first(block), pointer_to(block)])
        return block


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that fits its entry.

    Attributes:
        count: Rows in it.
        pages: Record number of the first row, and pointer, of each page.
    """

    count: int
    pages: tuple[tuple[int, bytes], ...] = field(repr=False)

    def find(self, entry: int, leaf: int, fetch: Fetch) -> bytes | None:
        """The new pointer of one record, 32 bytes, or ``None`` if it is not named. Fetches one page at most.

        Raises:
            InvalidInput: a number does not fit into 32 bits.
            FormatError: the page has the wrong form.
            BlockMismatch, StorageError: the page cannot be had.
        """
        number = record_number(entry, leaf)
        index = bisect_right(self.pages, number, key=lambda page: page[0]) - 1
        if index < 0:
            return None
        page = self._page(index, fetch)
        row = bisect_left(range(len(page) // ROW_SIZE), number, key=lambda row: _first(page, row)) * ROW_SIZE
        return page[row + 8 : row + ROW_SIZE] if page[row : row + 8] == number.to_bytes(8) else None

    def rows(self, fetch: Fetch) -> Iterator[Row]:
        """All rows, ascending, page by page.

        Raises:
            FormatError: a page has the wrong form, or there are not ``count`` rows.
            BlockMismatch, StorageError: a page cannot be had.
        """
        count = 0
        for index in range(len(self.pages)):
            page = self._page(index, fetch)
            count += len(page) // ROW_SIZE
            yield from (_row(page, position) for position in range(0, len(page), ROW_SIZE))
        if count != self.count:
            raise FormatError(f"the manifest has {count} rows and says {self.count}")

    def _page(self, index: int, fetch: Fetch) -> bytes:
        first, pointer = self.pages[index]
        page = fetch_block(fetch, pointer)
        if not page or len(page) % ROW_SIZE:
            raise FormatError("a page of the manifest is cut off")
        numbers = [_first(page, row) for row in range(len(page) // ROW_SIZE)]
        behind = self.pages[index + 1][0] if index + 1 < len(self.pages) else 1 << 64
        if numbers[0] != first or not all(a < b for a, b in pairwise([*numbers, behind])):
            raise FormatError("the rows of the manifest are not in their order")
        return page


def parse(block: bytes, place: Place) -> Manifest:
    """Read the root block of a manifest and hold it against its entry.

    Args:
        block: That the MOVED entry points to.
        place: Chain, contract and patient of the entry.

    Raises:
        FormatError: the block is no manifest of this version.
        IntegrityError: it was made for another chain, contract or patient.
    """
    fields = cbor.Fields(cbor.decode(block), "the manifest", _KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError("a manifest of another version")
    there = (fields.uint("chain"), fields.octets("contract", ADDRESS_SIZE), fields.octets("patient", ADDRESS_SIZE))
    if there != tuple(place):
        raise IntegrityError("the manifest was made for another chain, contract or patient")
    pages = tuple(_parse_page(row) for row in fields.array("pages"))
    count = fields.uint("count")
    if any(a >= b for (a, _), (b, _) in pairwise(pages)) or not len(pages) <= count <= len(pages) * MAX_ROWS:
        raise FormatError("the pages of the manifest are not in their order, or cannot hold its rows")
    return Manifest(count, pages)


def _parse_page(row: cbor.Value) -> tuple[int, bytes]:
    first, pointer = cbor.array(row, "a page of the manifest", 2)
    return cbor.uint(first, "the first row of a page"), cbor.octets(pointer, "the pointer to a page", POINTER_SIZE)


def _first(page: bytes, row: int = 0) -> int:
    """The record number of a row."""
    return int.from_bytes(page[row * ROW_SIZE : row * ROW_SIZE + 8])


def _row(page: bytes, position: int) -> Row:
    number = int.from_bytes(page[position : position + 8])
    return Row(number >> 32, number & _MAX_INDEX, page[position + 8 : position + ROW_SIZE])
