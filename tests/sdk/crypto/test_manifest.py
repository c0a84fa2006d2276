"""Manifests of moved records."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec_py.crypto import manifest, paged_rows
from medrec_py.crypto.keys import Place
from medrec_py.crypto.manifest import MAX_ROWS, ROW_SIZE, Manifest, ManifestBuilder, Row, record_number
from medrec_py.errors import BlockMismatch, FormatError, IntegrityError, InvalidInput

from .people import OTHER_PLACES, PLACE, altered, some


def pointer(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8)).digest()


def build(rows: list[Row]) -> tuple[bytes, dict[bytes, bytes]]:
    """The root block and a store with the pages."""
    builder = ManifestBuilder(PLACE, rows)
    pages = {hashlib.sha256(page).digest(): page for page in builder}
    return builder.block, pages


ROWS = [Row(entry, leaf, pointer(entry * 3 + leaf)) for entry in (2, 5, 9) for leaf in (0, 1, 7)]
BLOCK, PAGES = build(ROWS)
PARSED = manifest.parse(BLOCK, PLACE)
fetch = PAGES.__getitem__


def test_each_record_is_found() -> None:
    """Every row is there, and nothing between them, before them or behind them."""
    for row in ROWS:
        assert PARSED.find(row.entry, row.leaf, fetch) == row.pointer
    for entry, leaf in ((1, 0), (2, 2), (3, 0), (5, 8), (9, 8), (10, 0), (0xFFFFFFFF, 0xFFFFFFFF)):
        assert PARSED.find(entry, leaf, fetch) is None
    assert list(PARSED.rows(fetch)) == ROWS


@settings(max_examples=25)
@given(
    st.dictionaries(st.tuples(st.integers(1, 50), st.integers(0, 5)), st.binary(min_size=32, max_size=32), min_size=1)
)
def test_any_rows_survive(found: dict[tuple[int, int], bytes]) -> None:
    """What goes in in order comes out."""
    rows = [Row(*key, found[key]) for key in sorted(found)]
    block, pages = build(rows)
    parsed = manifest.parse(block, PLACE)
    assert list(parsed.rows(pages.__getitem__)) == rows
    assert all(parsed.find(row.entry, row.leaf, pages.__getitem__) == row.pointer for row in rows)


@pytest.fixture(scope="module")
def large() -> tuple[Manifest, dict[bytes, bytes]]:
    """A little more than two pages."""
    block, pages = build([Row(entry, 0, pointer(entry)) for entry in range(1, 2 * MAX_ROWS + 6)])
    return manifest.parse(block, PLACE), pages


def test_looking_one_up_fetches_one_page(large: tuple[Manifest, dict[bytes, bytes]]) -> None:
    """However many records were moved."""
    parsed, pages = large
    assert [len(page) for page in pages.values()] == [MAX_ROWS * ROW_SIZE] * 2 + [5 * ROW_SIZE]
    assert max(len(page) for page in pages.values()) <= 1 << 20
    for entry in (1, MAX_ROWS, MAX_ROWS + 1, 2 * MAX_ROWS + 5):
        get = Mock(side_effect=pages.__getitem__)
        assert parsed.find(entry, 0, get) == pointer(entry)
        assert get.call_count == 1


def test_building_needs_one_page_of_memory() -> None:
    """Rows are read as pages are taken."""
    builder = ManifestBuilder(PLACE, (Row(entry, 0, bytes(32)) for entry in range(1, 3 * MAX_ROWS)))
    tracemalloc.start()
    try:
        assert sum(1 for _ in builder) == 3
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()
    assert manifest.parse(builder.block, PLACE).count == 3 * MAX_ROWS - 1


def test_a_record_has_a_number() -> None:
    """Entry × 2^32 + leaf, as `replaces` has it."""
    assert record_number(3, 4) == (3 << 32) + 4
    for entry, leaf in ((0, 0), (1 << 32, 0), (1, 1 << 32), (1, -1)):
        with pytest.raises(InvalidInput):
            record_number(entry, leaf)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [Row(2, 0, bytes(32)), Row(1, 0, bytes(32))],
        [Row(2, 0, bytes(32)), Row(2, 0, bytes(32))],
        [Row(0, 0, bytes(32))],
        [Row(1, 1 << 32, bytes(32))],
        [Row(1, 0, bytes(31))],
    ],
)
def test_rows_must_ascend_and_be_whole(rows: list[Row]) -> None:
    """A patient's client finds its own mistakes."""
    with pytest.raises(InvalidInput):
        build(rows)


def test_the_root_comes_after_the_pages() -> None:
    """Nothing points to pages that were not taken."""
    with pytest.raises(InvalidInput):
        _ = ManifestBuilder(PLACE, ROWS).block


def test_too_many_records_for_one_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A root block larger than a block is refused, not written."""
    monkeypatch.setattr(paged_rows, "MAX_BLOCK", 100)
    builder = ManifestBuilder(PLACE, ROWS)
    list(builder)
    with pytest.raises(InvalidInput, match="several"):
        _ = builder.block


@pytest.mark.parametrize("place", OTHER_PLACES.values(), ids=OTHER_PLACES)
def test_a_manifest_belongs_to_one_place(place: Place) -> None:
    """Another patient's manifest, or another deployment's, is refused."""
    with pytest.raises(IntegrityError):
        manifest.parse(BLOCK, place)


@pytest.mark.parametrize(
    "edit",
    [
        lambda fields: fields.update(v=0),
        lambda fields: fields.update(count=0),
        lambda fields: fields.update(count=MAX_ROWS + 1),
        lambda fields: fields.update(count=1 << 63),
        lambda fields: fields["pages"].append(fields["pages"][0]),
        lambda fields: fields["pages"].append([0, bytes(32)]),
        lambda fields: fields["pages"][0].append(0),
        lambda fields: fields["pages"][0].__setitem__(1, bytes(31)),
        lambda fields: fields.pop("count"),
        lambda fields: fields.update(more=0),
    ],
)
def test_other_forms_are_refused(edit: Callable[[dict[str, Any]], Any]) -> None:
    """Keys, order, numbers and sizes are those of the format."""
    with pytest.raises(FormatError):
        manifest.parse(altered(BLOCK, edit), PLACE)


def with_page(page: bytes, first: int | None = None, count: int = 9) -> tuple[Manifest, Callable[[bytes], bytes]]:
    first = int.from_bytes(page[:8]) if first is None else first
    return Manifest(count, ((first, hashlib.sha256(page).digest()),)), lambda _: page


PAGE = next(iter(PAGES.values()))


@pytest.mark.parametrize(
    ("page", "first"),
    [
        (b"", 2 << 32),
        (PAGE[:-1], None),
        (PAGE + bytes(1), None),
        (PAGE + PAGE[-ROW_SIZE:], None),
        (PAGE[ROW_SIZE:] + PAGE[:ROW_SIZE], None),
        (PAGE, 1),
        (PAGE[ROW_SIZE:], 2 << 32),
    ],
)
def test_a_malformed_page_is_refused(page: bytes, first: int | None) -> None:
    """Cut off, out of order, with a row twice, or another page than the root says."""
    parsed, get = with_page(page, first)
    for use in (lambda: parsed.find(9, 7, get), lambda: list(parsed.rows(get))):
        with pytest.raises(FormatError):
            use()


def test_pages_do_not_overlap() -> None:
    """A row that belongs to the next page could say two things of one record."""
    digest = hashlib.sha256(PAGE).digest()
    parsed = Manifest(18, ((2 << 32, digest), (9 << 32, digest)))
    with pytest.raises(FormatError):
        parsed.find(2, 0, lambda _: PAGE)


def test_the_count_is_the_number_of_rows() -> None:
    """Whoever reads all rows knows that none was left out."""
    parsed, get = with_page(PAGE, count=10)
    with pytest.raises(FormatError):
        list(parsed.rows(get))


def test_a_page_must_be_the_one_that_is_named() -> None:
    """What the store returns is checked against the pointer."""
    with pytest.raises(BlockMismatch):
        PARSED.find(2, 0, lambda _: PAGE.replace(ROWS[0].pointer, some("mine")))


def test_a_page_larger_than_a_block_is_refused() -> None:
    """Before it is looked at."""
    with pytest.raises(FormatError):
        PARSED.find(2, 0, lambda _: bytes((1 << 20) + 1))
