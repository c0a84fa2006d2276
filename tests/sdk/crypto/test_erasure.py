"""Lists of erased records."""

from __future__ import annotations

import cbor2
import pytest

from medrec_py.crypto import erasure, manifest
from medrec_py.crypto.blocks import pointer_to
from medrec_py.crypto.erasure import ErasureBuilder
from medrec_py.errors import FormatError, IntegrityError, InvalidInput

from .people import OTHER_PLACES, PLACE

ENTRIES = [2, 3, 7, 1_000_000]


def build(entries: list[int]) -> tuple[bytes, dict[bytes, bytes]]:
    builder = ErasureBuilder(PLACE, entries)
    pages = {pointer_to(page): page for page in builder}
    return builder.block, pages


def test_it_names_what_was_erased_and_nothing_else() -> None:
    """Each record by the number of its entry."""
    block, pages = build(ENTRIES)
    listed = erasure.parse(block, PLACE)
    assert listed.count == len(ENTRIES)
    assert list(listed.entries(pages.__getitem__)) == ENTRIES
    assert [entry for entry in range(1, 10) if listed.names(entry, pages.__getitem__)] == [2, 3, 7]


def test_many_records_lie_on_several_pages() -> None:
    """131,072 a page of 1 MiB; looking one up fetches one page."""
    block, pages = build(list(range(1, 131_072 + 2)))
    listed = erasure.parse(block, PLACE)
    assert [len(page) for page in pages.values()] == [1 << 20, 8]
    fetched: list[bytes] = []
    assert listed.names(131_073, lambda pointer: (fetched.append(pointer), pages[pointer])[1])
    assert len(fetched) == 1


@pytest.mark.parametrize("entries", [[], [0], [2, 1], [3, 3], [1 << 32]])
def test_entries_ascend_and_fit(entries: list[int]) -> None:
    """None twice, and an empty list is none."""
    with pytest.raises(InvalidInput):
        build(entries)


@pytest.mark.parametrize("place", OTHER_PLACES)
def test_it_belongs_to_one_patient(place: object) -> None:
    """A list of another patient, contract or chain erases nothing here."""
    with pytest.raises(IntegrityError):
        erasure.parse(build(ENTRIES)[0], place)  # type: ignore[arg-type]


def test_it_is_no_manifest_of_moved_records() -> None:
    """Neither can stand in for the other."""
    block, _ = build(ENTRIES)
    with pytest.raises(FormatError):
        manifest.parse(block, PLACE)
    moved = cbor2.loads(block)
    moved["pages"] = moved.pop("erased")
    with pytest.raises(FormatError):
        erasure.parse(cbor2.dumps(moved, canonical=True), PLACE)


@pytest.mark.parametrize("change", [{"v": 2}, {"count": 5}, {"extra": 1}, {"erased": [[9, bytes(32)], [2, bytes(32)]]}])
def test_what_is_malformed_is_refused(change: dict[str, object]) -> None:
    """Another version, a wrong count, an unknown key, pages out of order."""
    block, pages = build(ENTRIES)
    changed = cbor2.dumps({**cbor2.loads(block), **change}, canonical=True)
    with pytest.raises(FormatError):
        list(erasure.parse(changed, PLACE).entries(pages.__getitem__))


def test_a_page_that_is_cut_off_is_refused() -> None:
    """Nothing is read from half a page."""
    block, _ = build(ENTRIES)
    content = cbor2.loads(block)
    page = (2 << 32).to_bytes(8)[:4]
    content["erased"] = [[2 << 32, pointer_to(page)]]
    content["count"] = 1
    listed = erasure.parse(cbor2.dumps(content, canonical=True), PLACE)
    with pytest.raises(FormatError, match="cut off"):
        listed.names(2, lambda _: page)
