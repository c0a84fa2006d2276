"""Lists of erased records: for any number of them, that the patient erased them (docs/format.md §9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from medrec_py.crypto import paged_rows
from medrec_py.crypto.blocks import Fetch
from medrec_py.crypto.keys import Place
from medrec_py.crypto.paged_rows import PagedRows, RowFormat, RowsBuilder, record_number

_ERASED = RowFormat("the list of erased records", "erased", 0)


class ErasureBuilder(RowsBuilder):
    """Writes a list; iterate over it once to get its pages, each a block, then take ``block``.

    Args:
        place: Chain, contract and patient.
        entries: Numbers of the records' entries, ascending, none twice.

    Raises:
        InvalidInput: as ``paged_rows.RowsBuilder``.
    """

    def __init__(self, place: Place, entries: Iterable[int]) -> None:
        super().__init__(_ERASED, place, ((record_number(entry), b"") for entry in entries))


@dataclass(frozen=True, slots=True)
class Erasure(PagedRows):
    """A list that fits its entry; ``count`` and ``pages`` as in ``PagedRows``."""

    form = _ERASED

    def names(self, entry: int, fetch: Fetch) -> bool:
        """Whether it names a record. Fetches one page at most.

        Raises:
            FormatError: the page has the wrong form.
            BlockMismatch, StorageError: the page cannot be had.
        """
        return self._payload_of(record_number(entry), fetch) is not None

    def entries(self, fetch: Fetch) -> Iterator[int]:
        """The numbers of all its entries, ascending. Raises as ``names``."""
        return (number >> 32 for number, _ in self._all(fetch))


def parse(block: bytes, place: Place) -> Erasure:
    """Read the root block of a list and hold it against its entry.

    Args:
        block: That the ERASED entry points to.
        place: Chain, contract and patient of the entry.

    Raises:
        FormatError: the block is no such list of this version.
        IntegrityError: it was made for another chain, contract or patient.
    """
    return paged_rows.parse(Erasure, block, place)
