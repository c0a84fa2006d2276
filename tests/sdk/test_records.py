"""Records of any size, read back whole or in part; what was altered in a store is caught."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.crypto.content import CHUNK_SIZE
from medrec_py.errors import BlockMismatch, BlockNotFound, IntegrityError, InvalidInput, StatementMismatch
from medrec_py.storage.cid import Cid
from tests.sdk.people import People, meet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blocks"


@pytest.fixture
def people(folder: Path) -> Iterator[People]:
    with medrec.local(store=folder) as net:
        people = meet(net)
        people.grant()
        yield people


def files_of(folder: Path) -> list[Path]:
    return [path for path in (folder / "blocks").rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [0, 1, 32_000, 33_000, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE + 7])
def test_any_size_comes_back_as_it_went(people: People, size: int) -> None:
    """Nothing, one byte, within the envelope, outside it, at a chunk's edge and beyond."""
    content = os.urandom(size)
    appended = people.chart().append(io.BytesIO(content), compartment="general", title="file")
    record = people.chart().read(appended)
    assert record.size == size
    assert record.read() == content


def test_a_range_is_read_without_the_rest(people: People) -> None:
    """A part of a long record needs only the blocks that hold it."""
    content = os.urandom(3 * CHUNK_SIZE)
    record = people.chart().read(people.chart().append(content, compartment="general", title="scan"))
    assert record.range(CHUNK_SIZE - 5, CHUNK_SIZE + 5) == content[CHUNK_SIZE - 5 : CHUNK_SIZE + 5]
    assert record.range(0, 0) == b""
    with pytest.raises(InvalidInput):
        record.range(0, len(content) + 1)


def test_title_and_type_come_from_the_file(people: People, tmp_path: Path) -> None:
    """A file brings its name and media type along; without one a title is asked for."""
    path = tmp_path / "Röntgen.dcm"
    path.write_bytes(b"DICM")
    record = people.chart().read(people.chart().append(path, compartment="general"))
    assert (record.title, record.media_type) == ("Röntgen.dcm", "application/dicom")
    with pytest.raises(InvalidInput, match="title"):
        people.chart().append(b"x", compartment="general")


def test_a_file_that_cannot_be_read_is_named(people: People, tmp_path: Path) -> None:
    """A missing source is the caller's error, and nothing is appended."""
    with pytest.raises(InvalidInput, match=r"missing\.pdf"):
        people.chart().append(tmp_path / "missing.pdf", compartment="general")
    assert len(list(people.alice.history())) == 2


def test_a_correction_names_what_it_replaces(people: People) -> None:
    """A record may say which one it corrects; the chain refuses one that is not there."""
    first = people.chart().append(b"pulse 620", compartment="general", title="pulse")
    second = people.chart().append(b"pulse 62", compartment="general", title="pulse", replaces=first.number)
    assert people.chart().read(second).replaces == first.number
    with pytest.raises(medrec.MedRecError, match="77"):
        people.chart().append(b"x", compartment="general", title="x", replaces=77)


@pytest.mark.parametrize("size", [100, 2 * CHUNK_SIZE])
def test_a_flipped_byte_in_any_block_is_caught(people: People, folder: Path, size: int) -> None:
    """Whatever block of a record a store changes, reading raises, and the file is not written."""
    before = set(files_of(folder))
    appended = people.chart().append(os.urandom(size), compartment="general", title="file")
    for block in set(files_of(folder)) - before:
        good = block.read_bytes()
        block.chmod(0o644)
        block.write_bytes(bytes([good[0] ^ 1]) + good[1:])
        with pytest.raises(BlockMismatch):
            people.chart().read(appended).save(folder.parent / "copy")
        assert not (folder.parent / "copy").exists()
        block.write_bytes(good)
    assert people.chart().read(appended).verify() == size


def test_a_block_that_is_gone_is_named(people: People, folder: Path) -> None:
    """A missing block is an error that names it."""
    before = set(files_of(folder))
    appended = people.chart().append(b"x", compartment="general", title="x")
    for block in set(files_of(folder)) - before:
        block.unlink()
    with pytest.raises(BlockNotFound):
        people.chart().read(appended)


def test_another_valid_envelope_in_its_place_is_caught(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node or store that serves one record for another is caught, though each is genuine."""
    chart = people.chart()
    first = chart.append(b"first", compartment="general", title="first")
    second = chart.append(b"second", compartment="general", title="second")
    ledger = chart._ledger
    history = ledger.history(people.alice.id)
    pointers = {history.record(number.number).pointer for number in (first, second)}
    original = ledger.store.get_block
    swap = dict(zip(sorted(pointers), sorted(pointers, reverse=True), strict=True))
    monkeypatch.setattr(ledger.store, "get_block", lambda cid: original(Cid.raw(swap.get(cid.digest, cid.digest))))
    with pytest.raises(IntegrityError) as caught:
        chart.read(first)
    assert isinstance(caught.value, StatementMismatch | BlockMismatch)


def test_nothing_is_appended_when_the_store_does_not_give_back_what_it_took(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks are read back before their pointer goes on chain."""

    def lose(cid: Cid) -> int:
        raise BlockNotFound(f"{cid} was not kept")

    monkeypatch.setattr(people.net.store, "verify", lose)
    with pytest.raises(BlockNotFound):
        people.chart().append(b"x", compartment="general", title="x")
    monkeypatch.undo()
    assert len(list(people.alice.history())) == 2


def test_what_was_refused_leaves_nothing_pinned(people: People, folder: Path) -> None:
    """A record that the chain refuses is not kept in the store, neither its content nor its envelope."""
    pins = {path.name for path in (folder / "pins").rglob("*") if path.is_file()}
    with pytest.raises(medrec.MedRecError, match="77"):
        people.chart().append(os.urandom(100_000), compartment="general", title="x", replaces=77)
    assert {path.name for path in (folder / "pins").rglob("*") if path.is_file()} == pins


def test_listing_asks_the_chain_no_more_for_more_records(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether somebody may read is asked once for records of the same compartments, not once for each."""
    chart = people.chart()
    drafts = [medrec.Draft(bytes([number]), "general", f"record {number}") for number in range(5)]
    chart.append_many(drafts)
    asked: list[int] = []
    original = type(people.net.contract).may

    def counted(self: object, *arguments: object, **named: object) -> object:
        asked.append(1)
        return original(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(type(people.net.contract), "may", counted)
    assert len(list(chart.records())) == 5
    assert len(asked) == 1


def test_looking_for_the_inbox_asks_for_decisions_only_where_something_waits(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that are where they belong cost no request to the chain."""
    drafts = [medrec.Draft(bytes([number]), "general", f"record {number}") for number in range(5)]
    people.chart().append_many(drafts)
    asked: list[str] = []
    ledger = people.alice._ledger
    original = ledger.consent
    monkeypatch.setattr(ledger, "consent", lambda patient: (asked.append(patient), original(patient))[1])
    assert people.alice.empty_inbox() == 0
    assert asked == []
