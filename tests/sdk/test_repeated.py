"""A record that stands in a history twice counts once: where it stands first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import medrec_py as medrec
from medrec_py import chart as charts
from medrec_py.chain.types import Entry
from medrec_py.errors import RecordRepeated
from medrec_py.purposes import Purpose
from tests.sdk.people import MONTH, People, meet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def net() -> Iterator[medrec.Network]:
    with medrec.local() as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    people = meet(net)
    people.grant()
    return people


def append_again(people: People, number: int, wallet: medrec.Signer | None = None, principal: str = "") -> int:
    """What an author does who sends an entry twice; the number of the second."""
    contract, alice = people.net.contract, people.alice.id
    first = people.alice._ledger.history(alice).record(number)
    again = Entry(first.compartments, first.replaces, first.pointer, first.claim)
    version = contract.history_of(alice).keyring_version
    call = contract.append(alice, principal or people.hospital.address, version, Purpose.TREAT, again)
    contract.send(wallet or people.doctor._wallet, call)
    return contract.history_of(alice).length


def test_a_record_that_was_appended_again_counts_once(people: People) -> None:
    """It is not listed again, its line in the history says why, and it is not read by its number."""
    first = people.chart().append(b"4.2 mmol/l", compartment="general", title="potassium").number
    second = append_again(people, first)
    for seen in (people.chart(), people.alice.chart()):
        assert [record.number for record in seen.records()] == [first]
        lines = {line.number: line for line in seen.history()}
        assert lines[first].problem is None
        assert isinstance(lines[second].problem, RecordRepeated)
        assert lines[second].title is None
        assert seen.read(first).read() == b"4.2 mmol/l"
        with pytest.raises(RecordRepeated, match=f"entry {second} repeats the record of entry {first}"):
            seen.read(second)


def test_two_statements_under_one_record_id_count_once_in_a_list(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another claim does not make another record of it."""
    with monkeypatch.context() as patch:
        patch.setattr(charts, "new_record_id", lambda: b"\x07" * 16)
        first = people.chart().append(b"one", compartment="general", title="one").number
        second = people.chart().append(b"two", compartment="general", title="two").number
    assert [record.number for record in people.alice.records()] == [first]
    lines = {line.number: line for line in people.alice.history()}
    assert isinstance(lines[second].problem, RecordRepeated)


def test_a_record_that_never_opened_first_does_not_count_as_first(people: People) -> None:
    """Where the first entry's block was lost or forged, the one that opens counts."""
    first = people.chart().append(b"one", compartment="general", title="one").number
    whole = people.alice._ledger.history(people.alice.id).record(first)
    contract, alice = people.net.contract, people.alice.id
    other = people.chart().append(b"two", compartment="general", title="two").number
    pointer = people.alice._ledger.history(alice).record(other).pointer  # not the block of that claim
    version = contract.history_of(alice).keyring_version
    for wrong in (pointer, whole.pointer):
        entry = Entry(whole.compartments, 0, wrong, b"\x05" * 32)
        contract.send(
            people.doctor._wallet, contract.append(alice, people.hospital.address, version, Purpose.TREAT, entry)
        )
    with pytest.warns(charts.RecordUnreadable):
        assert [record.number for record in people.alice.records()] == [first, other]
    assert people.alice.read(other).read() == b"two"


def test_somebody_elses_entry_takes_no_record_away(people: People) -> None:
    """Another author's copy of an entry does not open, and does not make the author's own one a repetition."""
    clinic = people.clinic()
    people.alice.grant(clinic, read=["general"], append=["general"], expires=MONTH)
    first = people.chart().append(b"one", compartment="general", title="one").number
    append_again(people, first, clinic._wallet, clinic.address)
    with pytest.warns(charts.RecordUnreadable):
        assert [record.number for record in people.alice.records()] == [first]
