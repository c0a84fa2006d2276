"""Rows about any number of records, on pages below a root block (docs/format.md §9).

Rows ascend by record, so that looking one up fetches one page. What a row says beside its record is ``payload`` bytes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, TypeVar

from medrec_py.crypto import cbor
from medrec_py.crypto.blocks import MAX_BLOCK, POINTER_SIZE, Fetch, fetch_block, pointer_to
from medrec_py.crypto.keys import ADDRESS_SIZE, Place, check_size, check_uint
from medrec_py.errors import FormatError, IntegrityError, InvalidInput

VERSION = 1
RECORD_SIZE = 8
_MAX_INDEX = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class RowFormat:
    """One kind of root block and its rows.

    Attributes:
        what: What messages call it.
        pages: Key of the root block's map that holds the pages.
        payload: Bytes of a row beside the record's number.
    """

    what: str
    pages: str
    payload: int

    @property
    def row_size(self) -> int:
        """Bytes of a row."""
        return RECORD_SIZE + self.payload

    @property
    def max_rows(self) -> int:
        """Rows on a page."""
        return MAX_BLOCK // self.row_size


def record_number(entry: int, leaf: int = 0) -> int:
    """Entry number × 2^32 + leaf: how ``replaces`` and rows name a record.

    Raises:
        InvalidInput: a number does not fit into 32 bits.
    """
    check_uint(entry, "the entry number", _MAX_INDEX, minimum=1)
    return entry << 32 | check_uint(leaf, "the leaf", _MAX_INDEX)


class RowsBuilder:
    """Writes pages; iterate over it once to get them, each a block, then take ``block``.

    Args:
        form: Kind of root block.
        place: Chain, contract and patient.
        rows: Record number and payload, ascending, none twice. They are read as the pages are taken, one page at a
            time.

    Raises:
        InvalidInput: a row is out of order or out of bounds, there are none, there are too many for one root block, or
            ``block`` is asked for before the last page was taken.
    """

    def __init__(self, form: RowFormat, place: Place, rows: Iterable[tuple[int, bytes]]) -> None:
        self._form = form
        self._place = place
        self._rows = iter(rows)
        self._pages: list[list[int | bytes]] = []
        self._last = -1
        self._finished = False
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        page = bytearray()
        for number, payload in self._rows:
            page += self._next(number, payload)
            if len(page) == self._form.max_rows * self._form.row_size:
                yield self._close(page)
                page = bytearray()
        if page:
            yield self._close(page)
        self._finished = True

    @property
    def block(self) -> bytes:
        """The root block, to which the entry points."""
        if not self._finished or not self.count:
            raise InvalidInput(f"{self._form.what} needs a row, and its pages are taken first")
        block = cbor.encode(
            {
                "v": VERSION,
                "chain": self._place.chain_id,
                "contract": self._place.contract,
                "patient": self._place.patient,
                "count": self.count,
                self._form.pages: self._pages,
            }
        )
        if len(block) > MAX_BLOCK:
            raise InvalidInput(f"these are too many records for {self._form.what}: publish several")
        return block

    def _next(self, number: int, payload: bytes) -> bytes:
        if number <= self._last:
            raise InvalidInput(f"the rows of {self._form.what} must ascend")
        self._last = number
        self.count += 1
        return number.to_bytes(RECORD_SIZE) + check_size(payload, self._form.payload, "the payload of a row")

    def _close(self, page: bytearray) -> bytes:
        block = bytes(page)
        self._pages.append([_number(block), pointer_to(block)])
        return block


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was checked.

    Attributes:
        octets: Its rows.
        first: The record number of its first row.
        behind: A record number that lies behind all of its rows.
        row_size: Bytes of a row.
    """

    octets: bytes = field(repr=False)
    first: int
    behind: int
    row_size: int

    def covers(self, number: int) -> bool:
        """Whether a record's row would be on this page."""
        return self.first <= number < self.behind

    def payload_of(self, number: int) -> bytes | None:
        """The payload of a record's row, or ``None`` if it has none here."""
        size = self.row_size
        rows = range(len(self.octets) // size)
        row = bisect_left(rows, number, key=lambda row: _number(self.octets, row * size)) * size
        found = self.octets[row : row + RECORD_SIZE] == number.to_bytes(RECORD_SIZE)
        return self.octets[row + RECORD_SIZE : row + size] if found else None


@dataclass(frozen=True, slots=True)
class PagedRows:
    """Rows whose root block fits its entry; each kind is a subclass.

    Attributes:
        form: Kind of root block.
        count: Rows in it.
        pages: Record number of the first row, and pointer, of each page.
    """

    form: ClassVar[RowFormat]
    count: int
    pages: tuple[tuple[int, bytes], ...] = field(repr=False)

    def _payload_of(self, number: int, fetch: Fetch) -> bytes | None:
        """The payload of a record's row, or ``None`` if it has none, from one page. Raises as ``page_of``."""
        page = self.page_of(number, fetch)
        return None if page is None else page.payload_of(number)

    def page_of(self, number: int, fetch: Fetch) -> Page | None:
        """The page where a record's row is, if it has one; ``None`` if no page can have it.

        Raises:
            FormatError: the page has the wrong form.
            BlockMismatch, StorageError: the page cannot be had.
        """
        index = bisect_right(self.pages, number, key=lambda page: page[0]) - 1
        if index < 0:
            return None
        return Page(self._page(index, fetch), self.pages[index][0], self._behind(index), self.form.row_size)

    def _all(self, fetch: Fetch) -> Iterator[tuple[int, bytes]]:
        """All rows, record number and payload, ascending, page by page.

        Raises:
            FormatError: a page has the wrong form, or there are not ``count`` rows.
            BlockMismatch, StorageError: a page cannot be had.
        """
        count, size = 0, self.form.row_size
        for index in range(len(self.pages)):
            page = self._page(index, fetch)
            count += len(page) // size
            for position in range(0, len(page), size):
                yield _number(page, position), page[position + RECORD_SIZE : position + size]
        if count != self.count:
            raise FormatError(f"{self.form.what} has {count} rows and says {self.count}")

    def _page(self, index: int, fetch: Fetch) -> bytes:
        (first, pointer), size = self.pages[index], self.form.row_size
        page = fetch_block(fetch, pointer)
        if not page or len(page) % size:
            raise FormatError(f"a page of {self.form.what} is cut off")
        numbers = [_number(page, position) for position in range(0, len(page), size)]
        if numbers[0] != first or not all(a < b for a, b in pairwise([*numbers, self._behind(index)])):
            raise FormatError(f"the rows of {self.form.what} are not in their order")
        return page

    def _behind(self, index: int) -> int:
        """The first record number behind a page."""
        return self.pages[index + 1][0] if index + 1 < len(self.pages) else 1 << 64


_Rows = TypeVar("_Rows", bound=PagedRows)


def parse(kind: type[_Rows], block: bytes, place: Place) -> _Rows:
    """Read a root block and hold it against its entry.

    Args:
        kind: Of rows.
        block: That the entry points to.
        place: Chain, contract and patient of the entry.

    Raises:
        FormatError: the block is none of this kind and version.
        IntegrityError: it was made for another chain, contract or patient.
    """
    form = kind.form
    fields = cbor.Fields(cbor.decode(block), form.what, ("v", "chain", "contract", "patient", "count", form.pages))
    if fields.uint("v") != VERSION:
        raise FormatError(f"{form.what} is of another version")
    there = (fields.uint("chain"), fields.octets("contract", ADDRESS_SIZE), fields.octets("patient", ADDRESS_SIZE))
    if there != tuple(place):
        raise IntegrityError(f"{form.what} was made for another chain, contract or patient")
    pages = tuple(_parse_page(form, row) for row in fields.array(form.pages))
    count = fields.uint("count")
    if any(a >= b for (a, _), (b, _) in pairwise(pages)) or not len(pages) <= count <= len(pages) * form.max_rows:
        raise FormatError(f"the pages of {form.what} are not in their order, or cannot hold its rows")
    return kind(count, pages)


def _parse_page(form: RowFormat, row: cbor.Value) -> tuple[int, bytes]:
    first, pointer = cbor.array(row, f"a page of {form.what}", 2)
    return cbor.uint(first, "the first row of a page"), cbor.octets(pointer, "the pointer to a page", POINTER_SIZE)


def _number(page: bytes, position: int = 0) -> int:
    """The record number of the row at a position."""
    return int.from_bytes(page[position : position + RECORD_SIZE])
