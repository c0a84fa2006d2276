"""An author may append any pointer: a keyring's, another record's, an envelope that opens nowhere. Nothing suffers.

The contract takes 32 bytes for a pointer and cannot know what they name.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.types import Entry as EntryInput
from medrec_py.crypto import envelope as envelopes
from medrec_py.errors import SurvivorUnreadable
from medrec_py.storage.cid import Cid
from tests.sdk.people import People, meet

LARGE = bytes(range(256)) * 8192


@pytest.fixture
def net(tmp_path: Path) -> Iterator[medrec.Network]:
    with medrec.local(store=tmp_path / "blocks") as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    people = meet(net)
    people.grant(history=True)
    return people


def inject(people: People, pointer: bytes, claim: bytes | None = None) -> int:
    """The doctor appends an entry with that pointer. Returns its number."""
    ledger, patient = people.alice._ledger, people.alice.id
    general = next(number for number, name in people.alice.compartments().items() if name == "general")
    entry = EntryInput(compartments=1 << general, replaces=0, pointer=pointer, claim=claim or secrets.token_bytes(32))
    call = ledger.contract.append(
        patient,
        people.hospital.address,
        keyring_version=ledger.consent(patient).keyring_version,
        purpose=int(medrec.Purpose.TREAT),
        entry=entry,
    )
    ledger.send(people.doctor._wallet, call)
    return ledger.history(patient).entries[-1].number


def on_a_new_device(people: People, wallet: medrec.Wallet) -> medrec.Patient:
    """The same patient, with nothing that was kept in memory."""
    again = medrec.Network(people.net.chain, people.net.contract, people.net.store)
    return again.patient(wallet, patient=people.alice.id)


def test_erasing_an_entry_that_names_a_keyring_leaves_the_keyring(people: People) -> None:
    """Without it every record of the patient would be lost."""
    note = people.chart().append(b"note", compartment="general", title="note")
    talk = people.alice.append(b"talk", compartment="psychiatry", title="talk")
    keyring = people.alice._ledger.consent(people.alice.id).keyrings.entries[0].pointer
    junk = inject(people, keyring)
    heir = medrec.Wallet.create()
    people.alice.erase(junk, wallet=heir)
    assert people.net.store.get_block(Cid.raw(keyring))
    device = on_a_new_device(people, heir)
    assert [device.read(record.number).read() for record in (note, talk)] == [b"note", b"talk"]


def test_erasing_an_entry_that_names_another_record_leaves_its_content(people: People) -> None:
    """Of the same compartment, and of one that the author may not even read: that record is not what was named."""
    scan = people.alice.append(LARGE, compartment="general", title="scan")
    film = people.alice.append(LARGE[::-1], compartment="psychiatry", title="film")
    history = people.alice._ledger.history(people.alice.id)
    junk = [inject(people, history.record(record.number).pointer) for record in (scan, film)]
    heir = medrec.Wallet.create()
    with pytest.raises(SurvivorUnreadable):
        people.alice.erase(junk[0], wallet=heir)
    assert people.alice.erase(*junk, wallet=heir).records == tuple(junk)
    device = on_a_new_device(people, heir)
    assert device.read(scan.number).read() == LARGE
    assert device.read(film.number).read() == LARGE[::-1]


def test_a_record_that_its_author_appended_twice_is_erased_with_its_repetition(people: People) -> None:
    """The same statement under another number would still tell what was to be forgotten."""
    shame = people.chart().append(b"shame", compartment="general", title="shame")
    entry = people.alice._ledger.history(people.alice.id).record(shame.number)
    again = inject(people, entry.pointer, entry.claim)
    erased = people.alice.erase(shame.number, wallet=medrec.Wallet.create())
    assert erased.records == (shame.number, again)
    assert erased.survivors == ()


def test_the_inbox_passes_over_what_was_sealed_to_another_compartment(people: People) -> None:
    """It would never verify, and moving it would publish a keyring each time."""
    note = people.chart().append(b"note", compartment="general", title="note")
    alice, ledger = people.alice, people.alice._ledger
    history, consent = ledger.history(alice.id), ledger.consent(alice.id)
    record = alice.chart().verified(history, consent, history.record(note.number))
    envelope = envelopes.parse(ledger.fetch(record.pointer))
    suite, inbox = consent.keyrings.inbox()
    elsewhere = next(number for number in range(64) if number not in alice.compartments())
    block = envelopes.build(
        ledger.place(alice.id),
        envelopes.Destination(envelopes.Kind.INBOX, elsewhere, inbox.number),
        inbox.public_key,
        record_id=record.record_id,
        data_key=alice._keys.data_key(consent, envelope),
        body=record.body,
        attestation=record.attestation,
        suite=suite,
        content_suite=suite,
    )
    inject(people, ledger.put_block(block))
    keyrings = len(consent.keyrings.entries)
    alice.empty_inbox()
    assert len(ledger.consent(alice.id).keyrings.entries) == keyrings
    assert alice.read(note.number).read() == b"note"
