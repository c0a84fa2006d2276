"""Keyrings of a representative: fit for the readers of its compartments, and nothing else of them counts."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

import medrec_py as medrec
from medrec_py import keyrings
from medrec_py.chain.types import Flag, Terms
from medrec_py.crypto import cbor, new_keyring
from medrec_py.crypto.keyring import Inbox
from medrec_py.crypto.keys import EpochId, EpochKeys, KemSeed
from medrec_py.crypto.new_keyring import NewEpoch, Reader
from medrec_py.errors import BlockTooLarge, StorageError, StoreTimeout, StoreUnavailable, WrongKey
from medrec_py.keyrings import RESERVED, WAYS_BACK
from medrec_py.purposes import Purpose
from medrec_py.storage import BlockStore, Cid
from tests.sdk.people import MONTH, People, meet

pytestmark = pytest.mark.slow

DAY = 86_400


@pytest.fixture
def people() -> Iterator[People]:
    with medrec.local() as net:
        yield meet(net)


@dataclass
class Representative:
    """Alice's mother, who may decide about one compartment, with her own means of doing harm."""

    people: People
    party: medrec.Provider
    compartment: int

    def publish(
        self,
        *,
        root_public_key: bytes | None = None,
        inbox: Inbox | None = None,
        number: int | None = None,
        block: bytes | None = None,
        back: Mapping[int, EpochKeys] | None = None,
        false_root_seal: bool = False,
    ) -> None:
        """Publish a keyring of her compartment for the hospital."""
        ledger, alice = self.people.alice._ledger, self.people.alice
        consent = ledger.consent(alice.id)
        _, patients = consent.keyrings.latest_by_patient()
        epoch = EpochId(self.compartment, number or consent.keyrings.next_number(self.compartment))
        hospital = bytes.fromhex(self.people.hospital.address[2:])
        built = new_keyring.build(
            ledger.place(alice.id),
            consent.keyring_version,
            epochs=[NewEpoch(epoch, ledger.chain.now(), EpochKeys.generate(), back or {})],
            readers=[Reader(hospital, ledger.key_of(self.people.hospital.address), [epoch], history=False)],
            root_public_key=root_public_key or patients.root_public_key,
            names={},
            inbox=inbox,
            suite=ledger.suite,
        )
        for page in built.pages:
            ledger.put_block(page)
        if false_root_seal:
            document = cbor.decode(built.block)
            root = document["root"]  # type: ignore[call-overload, index]
            root[2] = root[2][:-1] + bytes([root[2][-1] ^ 1])
            block = cbor.encode(document)
        pointer = ledger.put_block(built.block if block is None else block)
        call = ledger.contract.publish_keyring(alice.id, consent.keyring_version, built.compartments, pointer)
        ledger.send(self.party._wallet, call)


@pytest.fixture
def mother(people: People) -> Representative:
    """A representative for "general", and the hospital as a reader and author there."""
    alice = people.alice
    people.grant()
    party = people.net.reader(medrec.Wallet.create())
    (compartment,) = [number for number, name in alice.compartments().items() if name == "general"]
    mask, now = 1 << compartment, people.net.chain.now()
    terms = Terms(mask, mask, 0, now + 20 * DAY, 1 << Purpose.TREAT, int(Flag.HISTORY | Flag.MANAGE))
    contract = people.net.contract
    alice._ledger.send(alice._wallet, contract.grant(alice.id, party.address, terms, bytes(32), version=1))
    alice.rotate("general")
    return Representative(people, party, compartment)


def newest(people: People, compartment: int) -> int:
    """Number of the epoch that authors seal to."""
    ledger = people.alice._ledger
    found = ledger.consent(people.alice.id).keyrings.newest(compartment, ledger.now())
    assert found is not None
    return found.epoch.id.number


def test_a_fit_one_is_used(people: People, mother: Representative) -> None:
    """Authors seal to it, its readers open it, and so does the patient."""
    following = people.alice._ledger.consent(people.alice.id).keyrings.next_number(mother.compartment)
    mother.publish()
    assert newest(people, mother.compartment) == following
    people.alice.revoke(mother.party)
    people.alice.rotate("general")
    number = people.chart().append(b"well", compartment="general", title="note").number
    assert people.alice.chart().read(number).read() == b"well"


def test_the_patient_opens_what_is_sealed_to_it(people: People, mother: Representative) -> None:
    """The keys are sealed to the patient's root key, too."""
    mother.publish()
    consent = people.alice._ledger.consent(people.alice.id)
    epoch = EpochId(mother.compartment, newest(people, mother.compartment))
    assert people.alice._keys.epoch_keys(consent, epoch).history is not None


class _Trouble:
    """A store that fails in some way for one block, and counts how often it is asked for it."""

    def __init__(self, store: BlockStore, pointer: bytes, error: StorageError) -> None:
        self.asked = 0
        get = store.get_block

        def failing(cid: Cid) -> bytes:
            if cid.digest == pointer:
                self.asked += 1
                raise error
            return get(cid)

        store.get_block = failing  # type: ignore[method-assign]


@pytest.mark.parametrize("error", [BlockTooLarge("too large"), StoreTimeout("late"), StoreUnavailable("away")])
def test_a_block_that_cannot_be_had_holds_nobody_up(
    people: People, mother: Representative, error: StorageError
) -> None:
    """Too large, or where gateways wait in vain: it is asked for once, and everything goes on."""
    contract, alice = people.net.contract, people.alice
    pointer = secrets.token_bytes(32)
    trouble = _Trouble(people.net.store, pointer, error)
    for _ in range(3):
        version = contract.history_of(alice.id).keyring_version
        call = contract.publish_keyring(alice.id, version, 1 << mother.compartment, pointer)
        alice._ledger.send(mother.party._wallet, call)
    number = people.chart().append(b"well", compartment="general", title="note").number
    assert people.chart().read(number).read() == b"well"
    assert alice.chart().read(number).read() == b"well"
    assert alice.revoke(mother.party).rotated
    alice.rotate("general")
    assert trouble.asked <= 3 * 3  # once for each entry, by each of the three who look: patient, author, reader


def test_many_pointers_to_nothing_hold_up_no_revocation(
    people: People, mother: Representative, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gateways wait in vain for each: those who look wait for a few of them, and leave out the others."""
    contract, alice = people.net.contract, people.alice
    monkeypatch.setattr(keyrings, "WAITED_SECONDS", 0.5)
    get, asked = people.net.store.get_block, list[bytes]()
    pointers = {secrets.token_bytes(32) for _ in range(12)}

    def waiting(cid: Cid) -> bytes:
        if cid.digest not in pointers:
            return get(cid)
        asked.append(cid.digest)
        time.sleep(0.2)
        raise StoreTimeout("late")

    monkeypatch.setattr(people.net.store, "get_block", waiting)
    for pointer in pointers:
        version = contract.history_of(alice.id).keyring_version
        call = contract.publish_keyring(alice.id, version, 1 << mother.compartment, pointer)
        alice._ledger.send(mother.party._wallet, call)
    assert alice.revoke(mother.party).rotated
    assert len(asked) <= 3
    alice.rotate("general")
    number = people.chart().append(b"well", compartment="general", title="note").number
    assert people.chart().read(number).read() == b"well"


@pytest.mark.parametrize("harm", ["inbox", "root key", "number", "no keyring"])
def test_what_it_may_not_publish_is_left_out(people: People, mother: Representative, harm: str) -> None:
    """An inbox or root key of its own, a number that uses up all others, bytes: as if it had never been published."""
    suite = people.alice._ledger.suite
    own = suite.public_key(KemSeed.generate())
    before = newest(people, mother.compartment)
    inbox = people.alice._ledger.consent(people.alice.id).keyrings.inbox()[1]
    if harm == "inbox":
        mother.publish(inbox=Inbox(9, own))
    elif harm == "root key":
        mother.publish(root_public_key=own)
    elif harm == "number":
        mother.publish(number=(1 << 32) - 1)
    else:
        mother.publish(block=b"no keyring at all")
    consent = people.alice._ledger.consent(people.alice.id)
    assert newest(people, mother.compartment) == before
    assert consent.keyrings.inbox()[1] == inbox
    number = people.chart().append(b"well", compartment="general", title="note").number
    assert people.alice.chart().read(number).read() == b"well"
    people.alice.rotate("general")
    assert before < newest(people, mother.compartment) < 2 * RESERVED


def test_a_wallet_that_has_taken_over_publishes_as_the_patient(people: People) -> None:
    """Who decides for the patient now is the patient, whoever registered the id."""
    alice, heir = people.alice, medrec.Wallet.create()
    alice.change_root(wallet=heir)
    alice.rotate()
    consent = alice._ledger.consent(alice.id)
    assert [entry.by_patient for entry in consent.keyrings.entries] == [True] * len(consent.keyrings.entries)
    assert consent.wallet == bytes.fromhex(heir.address[2:])


def test_a_pointer_to_nothing_harms_nobody(people: People, mother: Representative) -> None:
    """Record, inbox and the patient's decisions go on; should the block turn up later, no number was used twice."""
    contract, alice = people.net.contract, people.alice
    inbox = alice._ledger.consent(alice.id).keyrings.inbox()
    before = newest(people, mother.compartment)
    version = contract.history_of(alice.id).keyring_version
    nothing = secrets.token_bytes(32)
    alice._ledger.send(
        mother.party._wallet, contract.publish_keyring(alice.id, version, 1 << mother.compartment, nothing)
    )
    assert alice._ledger.consent(alice.id).keyrings.inbox() == inbox
    number = people.chart().append(b"well", compartment="general", title="note").number
    assert alice.revoke(mother.party).rotated
    assert newest(people, mother.compartment) > before + RESERVED
    assert alice.chart().read(number).read() == b"well"
    assert people.chart().read(number).read() == b"well"


def test_false_keys_keep_the_patient_from_nothing(people: People, mother: Representative) -> None:
    """Sealed to the patient's root key in a way that doesn't open: the patient rotates over it, and is told so."""
    alice = people.alice
    before = alice.append(b"before", compartment="general", title="note").number
    mother.publish(false_root_seal=True)
    lost = people.chart().append(b"the hospital opens it", compartment="general", title="note").number
    with pytest.raises(WrongKey):
        alice.read(lost)
    assert people.chart().read(lost).read() == b"the hospital opens it"
    with pytest.warns(medrec.FalseKeys):
        assert alice.revoke(mother.party).rotated
    number = people.chart().append(b"after", compartment="general", title="note").number
    assert alice.read(number).read() == b"after"
    late = people.net.reader(medrec.Wallet.create())
    alice.grant(late, read=["general"], expires=MONTH, history=True)
    assert [late.chart(alice).read(one).read() for one in (before, number)] == [b"before", b"after"]


@pytest.mark.parametrize("links", ["none", "false"])
def test_keys_that_lead_nowhere_cost_nobody_the_past(people: People, mother: Representative, links: str) -> None:
    """Without back-links, or with false ones: the patient's next keys lead back to her own before them, too."""
    alice, compartment = people.alice, mother.compartment
    before = alice.append(b"before", compartment="general", title="note").number
    first = newest(people, compartment)
    alice.rotate("general")
    for _ in range(2):
        mother.publish(back={first: EpochKeys.generate()} if links == "false" else None)
    between = people.chart().append(b"between", compartment="general", title="note").number
    alice.rotate()
    after = alice.append(b"after", compartment="general", title="note").number
    late = people.net.reader(medrec.Wallet.create())
    alice.grant(late, read=["general"], expires=MONTH, history=True)
    alice.change_root(wallet=medrec.Wallet.create())
    for reader in (late.chart(alice), alice.chart()):
        for number, content in ((before, b"before"), (between, b"between"), (after, b"after")):
            assert reader.read(number).read() == content


def test_many_keys_of_a_representative_make_no_keyring_too_large(people: People, mother: Representative) -> None:
    """The patient's next keys lead back to the latest of them, and to her own before them, and to no more."""
    alice, compartment = people.alice, mother.compartment
    own = newest(people, compartment)
    for _ in range(WAYS_BACK + 3):
        mother.publish()
    alice.rotate("general")
    consent = alice._ledger.consent(alice.id)
    epoch = consent.keyrings[EpochId(compartment, newest(people, compartment))]
    assert len(epoch.back) == WAYS_BACK
    assert own in epoch.back
