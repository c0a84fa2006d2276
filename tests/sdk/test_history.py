"""A history is proved complete against the contract's head; what a node left out, changed or invented is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.chain.events import Event, Logged, PermissionRevoked, RecordAppended, RecordsAppended
from medrec_py.chain.types import Kind
from medrec_py.errors import EntryAltered, EntryExtra, EntryMissing, HistoryMismatch, RecordNotFound
from tests.sdk.people import MONTH, People, meet

Events = list[Logged[Event]]


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    """Alice's history: two keyrings, three records in one call, one record, a keyring (revocation), one record."""
    with medrec.local() as net:
        people = meet(net)
        people.grant()
        drafts = [medrec.Draft(bytes([n]), "general", f"record {n}") for n in range(3)]
        people.chart().append_many(drafts)
        people.chart().append(b"four", compartment="general", title="four")
        people.alice.revoke(people.hospital)
        people.alice.append(b"five", compartment="general", title="five")
        yield people


def seen_through(people: People, monkeypatch: pytest.MonkeyPatch, lie: Callable[[Events], Events]) -> medrec.Patient:
    """Alice on another device, whose node changes what it returns."""
    alice = people.net.patient(people.alice._wallet)
    ledger = type(alice._ledger)(people.net.chain, people.net.contract, people.net.store, suite=people.net.suite)
    alice = medrec.Patient(ledger, people.alice._wallet, people.alice._wallet.root)  # type: ignore[attr-defined]
    original = ledger._events
    monkeypatch.setattr(ledger, "_events", lambda *arguments: lie(original(*arguments)))
    return alice


def without(kind: type[Event], place: int) -> Callable[[Events], Events]:
    def lie(events: Events) -> Events:
        chosen = [logged for logged in events if isinstance(logged.event, kind)]
        return [logged for logged in events if not chosen or logged is not chosen[place]]

    return lie


def changed(kind: type[Event], **fields: Any) -> Callable[[Events], Events]:
    def lie(events: Events) -> Events:
        return [
            dataclasses.replace(logged, event=dataclasses.replace(logged.event, **fields))
            if isinstance(logged.event, kind)
            else logged
            for logged in events
        ]

    return lie


def test_an_honest_history_is_whole(people: People) -> None:
    """All entries come back in order, numbered from 1, with the keyring version each was hashed with."""
    entries = list(people.alice.history())
    kinds = [Kind.KEYRING, Kind.KEYRING, Kind.RECORD, Kind.RECORD, Kind.RECORD, Kind.RECORD, Kind.KEYRING, Kind.RECORD]
    assert [entry.kind for entry in entries] == kinds
    assert [entry.number for entry in entries] == list(range(1, 9))
    assert [entry.title for entry in entries if entry.title] == ["record 0", "record 1", "record 2", "four", "five"]


def test_many_in_a_call_are_the_same_as_one_after_another(people: People) -> None:
    """Records appended in one call have their own numbers, and each opens."""
    assert [people.alice.read(number).read() for number in (3, 4, 5)] == [b"\x00", b"\x01", b"\x02"]


def test_a_missing_entry_in_the_middle_is_named(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that leaves out an entry is told which one."""
    alice = seen_through(people, monkeypatch, without(RecordAppended, 0))
    with pytest.raises(EntryMissing, match="entry 6 of the history"):
        list(alice.history())


def test_missing_entries_in_one_event_are_named(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that leaves out an event of three entries is told which ones."""
    alice = seen_through(people, monkeypatch, without(RecordsAppended, 0))
    with pytest.raises(EntryMissing, match="entries 3 to 5"):
        list(alice.history())


def test_a_missing_last_entry_is_named(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract's length shows that the end was cut off."""
    alice = seen_through(people, monkeypatch, without(RecordAppended, -1))
    with pytest.raises(EntryMissing, match="entry 8 of the history"):
        list(alice.history())


@pytest.mark.parametrize("field", ["author", "on_behalf_of"])
def test_an_altered_author_is_found(people: People, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    """Nobody can be put in another's place."""
    alice = seen_through(people, monkeypatch, changed(RecordAppended, **{field: people.net.address}))
    with pytest.raises(EntryAltered, match="entry 6"):
        list(alice.history())


def test_an_altered_time_is_found(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry cannot be dated back."""
    alice = seen_through(people, monkeypatch, changed(RecordsAppended, time=1))
    with pytest.raises(EntryAltered, match="entry 5"):
        list(alice.history())


@pytest.mark.parametrize("field", ["pointer", "claim"])
def test_an_altered_pointer_or_claim_is_found(people: People, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    """A record cannot be swapped for another."""

    def lie(events: Events) -> Events:
        return [
            dataclasses.replace(
                logged,
                event=dataclasses.replace(
                    logged.event, entry=dataclasses.replace(logged.event.entry, **{field: bytes(32)})
                ),
            )
            if isinstance(logged.event, RecordAppended)
            else logged
            for logged in events
        ]

    alice = seen_through(people, monkeypatch, lie)
    with pytest.raises(EntryAltered, match="entry 6"):
        list(alice.history())


def test_swapped_entries_are_found(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order is bound."""

    def lie(events: Events) -> Events:
        return [
            dataclasses.replace(logged, event=dataclasses.replace(logged.event, entries=logged.event.entries[::-1]))
            if isinstance(logged.event, RecordsAppended)
            else logged
            for logged in events
        ]

    alice = seen_through(people, monkeypatch, lie)
    with pytest.raises(EntryAltered):
        list(alice.history())


def test_an_invented_entry_is_found(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that the contract never hashed is an error, not a record."""
    alice = seen_through(people, monkeypatch, lambda events: [*events, *events[-1:]])
    with pytest.raises(EntryExtra):
        list(alice.history())


def test_a_withheld_revocation_is_found(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keyring version shows that a loss of a reading right was left out."""
    alice = seen_through(people, monkeypatch, without(PermissionRevoked, 0))
    with pytest.raises(EntryMissing, match="keyring version"):
        alice.append(b"x", compartment="general", title="x")


def test_a_new_entry_is_read_on_top_of_what_was_checked(people: People) -> None:
    """A history that was checked before is extended, not read anew, and still held against the head."""
    with medrec.local() as net:
        others = meet(net)
        others.grant(expires=MONTH)
        assert len(list(others.alice.history())) == 2
        others.chart().append(b"x", compartment="general", title="x")
        assert len(list(others.alice.history())) == 3


@pytest.mark.parametrize("number", [0, 9, -1])
def test_a_number_that_is_not_there_is_refused(people: People, number: int) -> None:
    """Asking for an entry outside the history is an error that says how long it is."""
    with pytest.raises(RecordNotFound, match="8 entries"):
        people.alice.read(number)


def test_a_keyring_is_no_record(people: People) -> None:
    """Reading an entry of another kind says what it is."""
    with pytest.raises(RecordNotFound, match="keyring"):
        people.alice.read(1)


def test_every_mismatch_is_one_error_to_catch() -> None:
    """An application catches one class for all of them."""
    assert all(issubclass(error, HistoryMismatch) for error in (EntryMissing, EntryAltered, EntryExtra))
