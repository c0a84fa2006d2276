"""Manifests of moved records: for any number of records, where each one's envelope is now (docs/format.md §9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from medrec_py.crypto import paged_rows
from medrec_py.crypto.blocks import POINTER_SIZE, Fetch
from medrec_py.crypto.keys import Place
from medrec_py.crypto.paged_rows import PagedRows, RowFormat, RowsBuilder, record_number

_MOVED = RowFormat("the manifest", "pages", POINTER_SIZE)
ROW_SIZE = _MOVED.row_size
MAX_ROWS = _MOVED.max_rows
"""Rows on a page: 26,214."""


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


class ManifestBuilder(RowsBuilder):
    """Writes a manifest; iterate over it once to get its pages, each a block, then take ``block``.

    Args:
        place: Chain, contract and patient.
        rows: Ascending by entry and leaf, none twice. They are read as the pages are taken, one page at a time.

    Raises:
        InvalidInput: a row is out of order or out of bounds, there are none, there are too many for one manifest
            (about 600 million), or ``block`` is asked for before the last page was taken.
    """

    def __init__(self, place: Place, rows: Iterable[Row]) -> None:
        super().__init__(_MOVED, place, ((record_number(row.entry, row.leaf), row.pointer) for row in rows))


@dataclass(frozen=True, slots=True)
class Manifest(PagedRows):
    """A manifest that fits its entry; ``count`` and ``pages`` as in ``PagedRows``."""

    form = _MOVED

    def find(self, entry: int, leaf: int, fetch: Fetch) -> bytes | None:
        """The new pointer of one record, 32 bytes, or ``None`` if it is not named. Fetches one page at most.

        Raises:
            InvalidInput: a number does not fit into 32 bits.
            FormatError: the page has the wrong form.
            BlockMismatch, StorageError: the page cannot be had.
        """
        return self._payload_of(record_number(entry, leaf), fetch)

    def rows(self, fetch: Fetch) -> Iterator[Row]:
        """All rows, ascending, page by page.

        Raises:
            FormatError: a page has the wrong form, or there are not ``count`` rows.
            BlockMismatch, StorageError: a page cannot be had.
        """
        return (Row(number >> 32, number & 0xFFFFFFFF, pointer) for number, pointer in self._all(fetch))


def parse(block: bytes, place: Place) -> Manifest:
    """Read the root block of a manifest and hold it against its entry.

    Args:
        block: That the MOVED entry points to.
        place: Chain, contract and patient of the entry.

    Raises:
        FormatError: the block is no manifest of this version.
        IntegrityError: it was made for another chain, contract or patient.
    """
    return paged_rows.parse(Manifest, block, place)
