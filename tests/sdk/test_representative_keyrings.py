"""Keyrings that a representative publishes: they count for its compartments, and for nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

import medrec_py as medrec
from medrec_py.chain.types import ZERO_BYTES32, Flag, Terms
from medrec_py.crypto import new_keyring
from medrec_py.crypto.keyring import Inbox
from medrec_py.crypto.keys import EpochId, EpochKeys, KemSeed
from medrec_py.crypto.new_keyring import NewEpoch
from medrec_py.times import MAX_TIME
from tests.sdk.people import People, meet


@pytest.fixture(scope="module")
def net() -> Iterator[medrec.Network]:
    with medrec.local() as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    """The hospital represents alice for one compartment."""
    people = meet(net)
    terms = Terms(1 << number_of(people), 0, 0, MAX_TIME, 1, Flag.MANAGE)
    contract = net.contract
    contract.send(
        people.alice._wallet, contract.grant(people.alice.id, people.hospital.address, terms, ZERO_BYTES32, 1)
    )
    return people


def number_of(people: People) -> int:
    return next(number for number, name in people.alice.compartments().items() if name == "general")


def publish(people: People, pointer: bytes) -> None:
    contract = people.net.contract
    version = contract.history_of(people.alice.id).keyring_version
    call = contract.publish_keyring(people.alice.id, version, 1 << number_of(people), pointer)
    contract.send(people.hospital._wallet, call)


def test_an_inbox_of_a_representatives_is_nobodys(people: People) -> None:
    """With its own inbox key and root key in a keyring, it would be sealed what only the patient shall open."""
    ledger = people.alice._ledger
    before = ledger.consent(people.alice.id).keyrings
    suite = ledger.suite
    thief = suite.public_key(KemSeed(secrets.token_bytes(32)))
    epoch = NewEpoch(EpochId(number_of(people), before.next_number(number_of(people))), 1, EpochKeys.generate(), {})
    built = new_keyring.build(
        before.place,
        people.net.contract.history_of(people.alice.id).keyring_version,
        epochs=[epoch],
        readers=[],
        root_public_key=thief,
        names={},
        inbox=Inbox(before.inbox()[1].number + 1, thief),
        suite=suite,
    )
    people.net.store.put_block(built.block)
    publish(people, built.pointer)
    after = ledger.consent(people.alice.id).keyrings
    assert len(after.entries) == len(before.entries) + 1
    assert epoch.id in after
    assert after.inbox() == before.inbox()
    assert after.latest_by_patient() == before.latest_by_patient()


def test_garbage_of_a_representatives_keeps_nobody_from_the_inbox(people: People) -> None:
    """A pointer to nothing is a problem of its own compartments alone."""
    before = people.alice._ledger.consent(people.alice.id).keyrings.inbox()
    publish(people, secrets.token_bytes(32))
    assert people.alice._ledger.consent(people.alice.id).keyrings.inbox() == before


def test_the_patients_own_keyrings_count(people: People) -> None:
    """Whoever represents the patient beside it."""
    before = people.alice._ledger.consent(people.alice.id).keyrings.latest_by_patient()
    people.alice.rotate("psychiatry")
    after = people.alice._ledger.consent(people.alice.id).keyrings.latest_by_patient()
    assert after[0].version > before[0].version
