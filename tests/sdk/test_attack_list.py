"""Entries that lie about what they point to: each is refused with its own error, and nothing is written.

The attacker is an author in good standing: it can append any pointer and any claim. The blocks themselves are attacked
in ``tests/sdk/crypto``; here the same lies come by way of chain and store, as a reader meets them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cbor2
import pytest

import medrec_py as medrec
from medrec_py.chain.types import Entry, address_bytes
from medrec_py.chart import RecordUnreadable
from medrec_py.errors import (
    ContentTampered,
    FormatError,
    InInbox,
    KeyringMismatch,
    KeysMissing,
    MedRecError,
    StatementMismatch,
    UnknownSuite,
    WrongKey,
)
from medrec_py.history import Entry as HistoryEntry
from medrec_py.purposes import Purpose
from tests.sdk.crypto.people import altered
from tests.sdk.people import MONTH, People, meet

pytestmark = pytest.mark.slow

BOTH = ["general", "psychiatry"]


@dataclass(frozen=True)
class Scene:
    """A hospital that may read and append everything of two patients, and an honest record of each kind.

    Attributes:
        people: Alice, the hospital, its doctor.
        bob: Another patient.
        general: The doctor's record in Alice's compartment general.
        other: Another one there.
        psychiatry: One in psychiatry.
        of_bob: One of Bob's.
    """

    people: People
    bob: medrec.Patient
    general: HistoryEntry
    other: HistoryEntry
    psychiatry: HistoryEntry
    of_bob: HistoryEntry

    def block(self, entry: HistoryEntry) -> bytes:
        return self.people.alice._ledger.fetch(entry.pointer)

    def number_of(self, name: str) -> int:
        return next(number for number, known in self.people.alice.compartments().items() if known == name)

    def append(self, block: bytes, claim: bytes, author: medrec.Provider | None = None, name: str = "general") -> int:
        """Append a pointer to a block; the number of the entry."""
        people = self.people
        contract = people.net.contract
        pointer = people.net.store.put_block(block).digest
        version = contract.history_of(people.alice.id).keyring_version
        entry = Entry(1 << self.number_of(name), 0, pointer, claim)
        who, principal = (people.doctor, people.hospital) if author is None else (author, author)
        call = contract.append(people.alice.id, principal.address, version, Purpose.TREAT, entry)
        contract.send(who._wallet, call)
        return contract.history_of(people.alice.id).length


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with medrec.local() as net:
        people = meet(net)
        bob = net.patient(medrec.Wallet.create()).register(compartments=BOTH)
        for patient in (people.alice, bob):
            patient.grant(people.hospital, read=BOTH, append=BOTH, history=True, expires=MONTH)
            patient.rotate()  # so that there are several epochs

        def honest(patient: medrec.Patient, name: str, text: str) -> HistoryEntry:
            chart = people.doctor.on_behalf_of(people.hospital).chart(patient)
            number = chart.append(text.encode(), compartment=name, title=text).number
            return patient._ledger.history(patient.id).record(number)

        yield Scene(
            people,
            bob,
            honest(people.alice, "general", "general"),
            honest(people.alice, "general", "other"),
            honest(people.alice, "psychiatry", "psychiatry"),
            honest(bob, "general", "of bob"),
        )


def edited(scene: Scene, **fields: Callable[[Any], Any]) -> bytes:
    """The honest envelope with some of its fields changed."""
    block = scene.block(scene.general)
    return altered(block, lambda value: value.update({name: edit(value[name]) for name, edit in fields.items()}))


def carried_over(scene: Scene) -> bytes:
    """Bob's envelope with the place in Alice's record written in."""
    ours = cbor2.loads(scene.block(scene.general))
    return altered(scene.block(scene.of_bob), lambda value: value.update(to=ours["to"]))


def taken_from_the_other(scene: Scene, *fields: str) -> bytes:
    theirs = cbor2.loads(scene.block(scene.other))
    return edited(scene, **{name: lambda _, name=name: theirs[name] for name in fields})


def longer_encoding(scene: Scene) -> bytes:
    """The same envelope with its version, 1, in two bytes."""
    block = scene.block(scene.general)
    place = block.index(b"\x61v\x01")
    return block[: place + 2] + b"\x18\x01" + block[place + 3 :]


Errors: TypeAlias = type[MedRecError] | tuple[type[MedRecError], ...]

LIES: dict[str, tuple[Callable[[Scene], bytes], Errors]] = {
    "another patient's envelope": (lambda scene: scene.block(scene.of_bob), (WrongKey, KeyringMismatch)),
    "another patient's envelope, relabelled": (carried_over, WrongKey),
    "another compartment's envelope": (lambda scene: scene.block(scene.psychiatry), StatementMismatch),
    "another epoch in the header": (lambda scene: edited(scene, to=lambda to: [to[0], to[1], to[2] - 2]), WrongKey),
    "the inbox in the header": (lambda scene: edited(scene, to=lambda to: [1, to[1], 1]), (WrongKey, InInbox)),
    "another record id": (lambda scene: edited(scene, id=lambda _: bytes(16)), WrongKey),
    "another record's data key": (lambda scene: taken_from_the_other(scene, "enc", "key"), WrongKey),
    "another record's key and commitment": (
        lambda scene: taken_from_the_other(scene, "id", "enc", "key", "commitment"),
        ContentTampered,
    ),
    "another record's content": (lambda scene: taken_from_the_other(scene, "body"), ContentTampered),
    "another record's statement": (lambda scene: taken_from_the_other(scene, "meta"), ContentTampered),
    "an unknown suite": (lambda scene: edited(scene, suite=lambda _: 1 << 20), UnknownSuite),
    "an unknown version": (lambda scene: edited(scene, v=lambda v: v + 1), FormatError),
    "an encoding that is not the shortest": (longer_encoding, FormatError),
    "a deep nest": (lambda _: b"\x81" * (1 << 20), FormatError),
    "an array of 2^64 - 1 items": (lambda _: b"\x9b" + b"\xff" * 8, FormatError),
    "a text of 2^62 bytes": (lambda _: b"\x7b" + (1 << 62).to_bytes(8), FormatError),
    "a keyring": (
        lambda scene: scene.people.alice._ledger.fetch(
            scene.people.alice._ledger.consent(scene.people.alice.id).keyrings.entries[-1].pointer
        ),
        FormatError,
    ),
    "nothing": (lambda _: b"", FormatError),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused_and_nothing_is_written(scene: Scene, lie: str, tmp_path: Path) -> None:
    """To patient and hospital alike; the other records are read as before, and the history says what is wrong."""
    make, error = LIES[lie]
    people = scene.people
    number = scene.append(make(scene), scene.general.claim)
    target = tmp_path / "copy"
    for chart in (people.alice.chart(), people.chart()):
        with pytest.raises(error):
            chart.read(number).save(target)
    assert list(tmp_path.iterdir()) == []
    assert people.alice.read(scene.general.number).read() == b"general"
    (line,) = [line for line in people.alice.history() if line.number == number]
    assert isinstance(line.problem, error)
    assert line.title is None


def test_a_statement_does_not_serve_another_author(scene: Scene, tmp_path: Path) -> None:
    """Whoever appends a copy of a record, with its claim, has not written it."""
    clinic = scene.people.clinic()
    scene.people.alice.grant(clinic, append=["general"], expires=MONTH)
    number = scene.append(scene.block(scene.general), scene.general.claim, author=clinic)
    with pytest.raises(StatementMismatch):
        scene.people.alice.read(number).save(tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_claim_of_something_else_is_found(scene: Scene, tmp_path: Path) -> None:
    """The right envelope beside the claim of another record."""
    number = scene.append(scene.block(scene.general), scene.other.claim)
    with pytest.raises(StatementMismatch):
        scene.people.alice.read(number).save(tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_record_in_the_wrong_compartment_does_not_reach_its_readers(scene: Scene) -> None:
    """An entry in general that points to what is sealed to psychiatry opens for nobody who has general alone."""
    people = scene.people
    clinic = people.clinic()
    people.alice.grant(clinic, read=["general"], expires=MONTH, history=True)
    number = scene.append(scene.block(scene.psychiatry), scene.psychiatry.claim)
    with pytest.raises(KeysMissing):
        clinic.chart(people.alice).read(number)


def test_all_lies_together_stop_nobody(scene: Scene) -> None:
    """A history full of them is listed, proved complete, rotated, and added to."""
    people = scene.people
    for make, _ in LIES.values():
        scene.append(make(scene), scene.general.claim)
    with pytest.warns(RecordUnreadable):
        people.alice.rotate()
    record = people.chart().append(b"after", compartment="general", title="after")
    assert people.chart().read(record).read() == b"after"


def test_an_old_keyring_served_as_new_is_refused_by_authors_and_readers() -> None:
    """Whoever has the wallet but not the root secret can publish an old keyring: nothing is sealed to it."""
    with medrec.local() as net:
        people = meet(net)
        people.grant()
        old = people.alice._ledger.consent(people.alice.id).keyrings.entries[-1]
        people.alice.rotate("general")
        contract = net.contract
        state = contract.history_of(people.alice.id)
        call = contract.publish_keyring(people.alice.id, state.keyring_version, old.compartments, old.pointer)
        contract.send(people.alice._wallet, call)
        with pytest.raises(KeyringMismatch, match="another version"):
            people.chart().append(b"x", compartment="general", title="x")
        assert contract.history_of(people.alice.id).length == state.length + 1
        assert address_bytes(people.hospital.address) in people.alice._ledger.consent(people.alice.id).permissions
