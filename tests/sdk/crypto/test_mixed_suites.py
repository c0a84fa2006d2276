"""Documents of several suites side by side: what goes together reads, and no suite number can be edited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest

from medrec_py.crypto import envelope, grant_seal, keyring, new_keyring, profile
from medrec_py.crypto.blocks import pointer_to
from medrec_py.crypto.envelope import Destination, Kind, VerifiedRecord
from medrec_py.crypto.epochs import check_keys, walk_back
from medrec_py.crypto.grant_seal import GrantedKeys
from medrec_py.crypto.keyring import Inbox, Keyring
from medrec_py.crypto.keys import DataKey, EpochId, EpochKeys, KemSeed, RootSecret
from medrec_py.crypto.new_keyring import NewEpoch, NewKeyring, Reader
from medrec_py.crypto.suites import SUITES, Suite, by_number
from medrec_py.errors import ContentTampered, FormatError, IntegrityError, KeyringMismatch, WrongKey

from .people import (
    CLINIC,
    EPOCH_KEYS,
    GENERAL,
    NOW,
    PLACE,
    RECORD_ID,
    TO_EPOCH,
    Sealed,
    altered,
    seal_record,
    some,
)

ONE, TWO = by_number(1), by_number(2)
ORDERS = [(ONE, TWO), (TWO, ONE)]
in_both_orders = pytest.mark.parametrize(("own", "other"), ORDERS, ids=["1 as 2", "2 as 1"])
SEED = KemSeed(some("seed"))


def fitted(octets: bytes, size: int) -> bytes:
    """Cut, or filled up with zeros."""
    return octets[:size].ljust(size, b"\0")


# --- envelopes ------------------------------------------------------------------------------------------------------


def moved(record: Sealed, suite: Suite, number: int = 9) -> Sealed:
    """The record in a new envelope, for an epoch of a suite."""
    to, seed = Destination(Kind.EPOCH, GENERAL, number), KemSeed(some(f"epoch {number}"))
    return replace(record, block=envelope.rewrap(read(record), to, suite.public_key(seed), suite), seed=seed)


def read(record: Sealed, block: bytes | None = None) -> VerifiedRecord:
    """What a reader's client does, from block to record."""
    parsed = envelope.parse(record.block if block is None else block)
    data_key = envelope.open_data_key(parsed, PLACE, record.seed)
    return envelope.verify(parsed, data_key, PLACE, replace(record.entry, pointer=parsed.pointer))


@pytest.mark.parametrize("content", SUITES.values(), ids=repr)
@pytest.mark.parametrize("then", SUITES.values(), ids=repr)
@pytest.mark.parametrize("last", SUITES.values(), ids=repr)
def test_a_record_moves_between_suites_and_its_content_stays(content: Suite, then: Suite, last: Suite) -> None:
    """Whatever the suites of the epochs that it is sealed to in turn, its content is of the suite it was sealed by."""
    record = seal_record(suite=content)
    first = moved(record, then)
    second = moved(first, last, number=10)
    for sealed, suite in ((record, content), (first, then), (second, last)):
        verified = read(sealed)
        assert (verified.suite, verified.content_suite) == (suite, content)
        assert b"".join(verified.content()) == record.content
        assert cbor2.loads(sealed.block)["body"] == cbor2.loads(record.block)["body"]
        assert verified.attestation.claim(PLACE, RECORD_ID) == record.entry.claim


def relabelled(own: Suite, other: Suite) -> Callable[[dict[str, Any]], Any]:
    """Another suite number, on an envelope whose parts then have that suite's sizes."""
    return lambda fields: fields.update(suite=other.number, enc=fitted(fields["enc"], other.enc_size))


@in_both_orders
def test_an_envelope_cannot_be_given_out_as_of_another_suite(own: Suite, other: Suite) -> None:
    """Not with the sizes that it has, and not with those of the other suite, though a reader has a key of both."""
    record = seal_record(suite=own)
    with pytest.raises(FormatError):
        envelope.parse(record.altered(lambda fields: fields.update(suite=other.number)))
    with pytest.raises(WrongKey):
        read(record, record.altered(relabelled(own, other)))


@in_both_orders
def test_the_suite_of_the_content_cannot_be_edited(own: Suite, other: Suite) -> None:
    """It is bound into the seal of the data key; so whoever opens that sees the number that the author wrote."""
    for record in (seal_record(suite=own), moved(seal_record(suite=own), other)):
        with pytest.raises(WrongKey):
            read(record, record.altered(lambda fields: fields.update(contentSuite=other.number)))


@in_both_orders
def test_no_number_can_be_edited_by_who_has_the_data_key(own: Suite, other: Suite) -> None:
    """The commitment stands under the content's number, and both are bound into the metadata."""
    record = seal_record(suite=own)
    commitment = record.data_key.commitment(other.number, RECORD_ID)
    for edit in (
        relabelled(own, other),
        lambda fields: fields.update(contentSuite=other.number),
        lambda fields: fields.update(contentSuite=other.number, commitment=commitment),
    ):
        parsed = envelope.parse(record.altered(edit))
        with pytest.raises(ContentTampered):
            envelope.verify(parsed, record.data_key, PLACE, replace(record.entry, pointer=parsed.pointer))


@in_both_orders
def test_a_reader_who_has_all_keys_cannot_move_the_content_to_another_suite(own: Suite, other: Suite) -> None:
    """An envelope made anew around content that was sealed by another suite does not show that content."""
    record = seal_record(suite=own)
    block = envelope.build(
        PLACE,
        TO_EPOCH,
        own.public_key(EPOCH_KEYS.seed),
        record_id=RECORD_ID,
        data_key=record.data_key,
        body=record.envelope.body,
        attestation=record.attestation,
        suite=own,
        content_suite=other,
    )
    with pytest.raises(ContentTampered):
        list(read(record, block).content())


# --- keys -----------------------------------------------------------------------------------------------------------


def test_no_key_serves_two_suites() -> None:
    """Whatever is derived is derived under the number of its suite: what breaks one does not open the other."""
    root, data_key = RootSecret(some("root")), DataKey(some("data key"))
    for derive in (
        lambda suite: root.root_key(suite, PLACE).expose(),
        lambda suite: root.inbox_key(suite, PLACE, 1).expose(),
        lambda suite: root.profile_key(suite, PLACE, CLINIC.address, 1).expose(),
        lambda suite: data_key.content_key(suite, RECORD_ID),
        lambda suite: data_key.commitment(suite, RECORD_ID),
        lambda suite: data_key.metadata_key(suite, RECORD_ID, b"enc"),
    ):
        assert len({derive(number) for number in SUITES}) == len(SUITES)


# --- keyrings -------------------------------------------------------------------------------------------------------

FIRST, SECOND, THIRD = (EpochId(GENERAL, number) for number in (1, 2, 3))
KEYS = {epoch: EpochKeys.generate() for epoch in (FIRST, SECOND, THIRD)}


def published(suite: Suite, version: int, epoch: EpochId, back: EpochId | None) -> NewKeyring:
    """A keyring with one epoch, sealed to the clinic and to the root key by a suite."""
    return new_keyring.build(
        PLACE,
        version,
        epochs=[NewEpoch(epoch, NOW, KEYS[epoch], {} if back is None else {back.number: KEYS[back]})],
        readers=[Reader(CLINIC.address, suite.public_key(SEED), [epoch], history=True)],
        root_public_key=suite.public_key(SEED),
        names={GENERAL: "general"},
        inbox=Inbox(1, suite.public_key(SEED)),
        suite=suite,
    )


def parsed(made: NewKeyring, version: int) -> Keyring:
    return keyring.parse(made.block, PLACE, version, 1 << GENERAL)


def test_an_epoch_leads_back_to_epochs_of_other_suites() -> None:
    """From suite 1 to 2, and on to 1: each epoch is checked and opened by its own suite."""
    suites = {FIRST: ONE, SECOND: TWO, THIRD: ONE}
    epochs = {}
    for version, (epoch, back) in enumerate(((FIRST, None), (SECOND, FIRST), (THIRD, SECOND))):
        epochs |= parsed(published(suites[epoch], version, epoch, back), version).epochs
    assert {epoch: found.suite for epoch, found in epochs.items()} == suites
    assert dict(walk_back(PLACE, epochs, THIRD, KEYS[THIRD])) == {SECOND: KEYS[SECOND], FIRST: KEYS[FIRST]}


def relabelled_keyring(made: NewKeyring, other: Suite) -> tuple[Keyring, bytes]:
    """A keyring under another suite's number, with all sizes as that suite has them, and its page."""
    enc, ciphertext = cbor2.loads(made.pages[0])[0]
    page = cbor2.dumps([[fitted(enc, other.enc_size), ciphertext]])

    def relabel(fields: dict[str, Any]) -> None:
        public_key, enc, ciphertext = fields["root"]
        fields.update(suite=other.number, inbox=None, pages=[[0, pointer_to(page)]])
        fields["root"] = [fitted(public_key, other.public_key_size), fitted(enc, other.enc_size), ciphertext]
        fields["epochs"][0][3] = fitted(fields["epochs"][0][3], other.public_key_size)

    return keyring.parse(altered(made.block, relabel), PLACE, 1, 1 << GENERAL), page


@in_both_orders
def test_a_keyring_cannot_be_given_out_as_of_another_suite(own: Suite, other: Suite) -> None:
    """Its sizes are its suite's. With those of the other neither reader nor patient opens it, and no key fits it."""
    made = published(own, 1, FIRST, None)
    with pytest.raises(FormatError):
        keyring.parse(altered(made.block, lambda fields: fields.update(suite=other.number)), PLACE, 1, 1 << GENERAL)
    found, page = relabelled_keyring(made, other)
    with pytest.raises(WrongKey):
        keyring.open_as_root(found, SEED)
    with pytest.raises(WrongKey):
        keyring.open_as_reader(found, CLINIC.address, SEED, lambda _: page)
    with pytest.raises(KeyringMismatch):
        check_keys(found.epochs[FIRST], KEYS[FIRST])


# --- grants and profiles --------------------------------------------------------------------------------------------


@in_both_orders
def test_a_grants_seal_cannot_be_given_out_as_of_another_suite(own: Suite, other: Suite) -> None:
    """It names its suite, and the name is bound into the seal."""
    granted = GrantedKeys({FIRST: KEYS[FIRST]}, {GENERAL: "general"})
    block = grant_seal.build(PLACE, CLINIC.address, 1, own.public_key(SEED), granted, suite=own)
    assert grant_seal.suite_of(block) is own
    assert grant_seal.open_seal(block, PLACE, CLINIC.address, 1, SEED) == granted
    relabelled = altered(block, lambda fields: fields.update(suite=other.number))
    with pytest.raises(FormatError):
        grant_seal.open_seal(relabelled, PLACE, CLINIC.address, 1, SEED)
    relabelled = altered(relabelled, lambda fields: fields.update(enc=fitted(fields["enc"], other.enc_size)))
    with pytest.raises(WrongKey):
        grant_seal.open_seal(relabelled, PLACE, CLINIC.address, 1, SEED)


def signed_profile(suite: Suite) -> bytes:
    terms: dict[str, Any] = {"public_key": suite.public_key(SEED), "time": NOW, "suite": suite}
    return profile.build(CLINIC.sign_typed_data, PLACE, CLINIC.address, 1, **terms)


@in_both_orders
@pytest.mark.parametrize("key", ["as it is", "fitted", "of the other suite"])
def test_a_profile_cannot_be_given_out_as_of_another_suite(own: Suite, other: Suite, key: str) -> None:
    """A key of the wrong size is none, and what the account did not sign is not its own.

    A key of suite 2, cut, has the form of one of suite 1: there the signature decides.
    """
    public_key = own.public_key(SEED)
    edited = {
        "as it is": public_key,
        "fitted": fitted(public_key, other.public_key_size),
        "of the other suite": other.public_key(KemSeed(some("mine"))),
    }[key]
    block = altered(signed_profile(own), lambda fields: fields.update(suite=other.number, key=edited))
    with pytest.raises(FormatError if key == "as it is" else (FormatError, IntegrityError)):
        profile.parse(block).verify(PLACE, CLINIC.address)


def test_a_message_of_suite_1_is_none_of_suite_2_for_the_same_seed() -> None:
    """Relabelling is no way around the KEM: even of one seed the two suites' keys are unrelated."""
    info = envelope._info(TWO, TWO, PLACE, TO_EPOCH, RECORD_ID)
    sealed = ONE.seal(ONE.public_key(SEED), info, some("data key"))
    record = seal_record(suite=TWO, keys=EpochKeys(SEED, None))
    block = record.altered(lambda fields: fields.update(enc=fitted(sealed.enc, TWO.enc_size), key=sealed.ciphertext))
    with pytest.raises(WrongKey):
        envelope.open_data_key(envelope.parse(block), PLACE, SEED)
