"""Envelopes: building, opening in steps, verifying, sealing anew, and everything that must not open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from medrec_py.crypto import envelope
from medrec_py.crypto.content import CHUNK_SIZE, ContentReader, sealed_size
from medrec_py.crypto.envelope import ContentFile, Destination, Entry, Kind, UnverifiedEnvelope, VerifiedRecord
from medrec_py.crypto.keys import DataKey, EpochKeys, Place
from medrec_py.errors import (
    ContentTampered,
    ContentTruncated,
    FormatError,
    InvalidInput,
    MedRecError,
    StatementMismatch,
    UnknownSuite,
    WrongKey,
)

from .people import (
    CID,
    CLINIC,
    DOCTOR,
    EPOCH_KEYS,
    EPOCH_PUBLIC_KEY,
    GENERAL,
    NOW,
    OTHER_PLACES,
    PLACE,
    PSYCHIATRY,
    RECORD_ID,
    STRANGER,
    SUITE,
    TO_EPOCH,
    Sealed,
    seal_record,
    some,
)

RECORD = seal_record()
LARGE = seal_record(bytes(40_000))
ELSEWHERE = [
    Destination(Kind.EPOCH, GENERAL, 4),
    Destination(Kind.EPOCH, PSYCHIATRY, 3),
    Destination(Kind.INBOX, GENERAL, 3),
]


def read(
    record: Sealed, block: bytes | None = None, place: Place = PLACE, entry: Entry | None = None
) -> VerifiedRecord:
    """What a reader's client does, from block to record."""
    parsed = envelope.parse(record.block if block is None else block)
    data_key = envelope.open_data_key(parsed, place, record.seed)
    return envelope.verify(parsed, data_key, place, entry or replace(record.entry, pointer=parsed.pointer))


# ------------------------------------------------------------------------------------------ what works


def test_a_reader_gets_what_the_author_signed() -> None:
    """Content, metadata, author, principal, time and claim come through, from inside the envelope."""
    record = read(RECORD)
    assert b"".join(record.content()) == RECORD.content
    assert (record.attestation.author, record.attestation.on_behalf_of) == (DOCTOR.address, CLINIC.address)
    assert (record.attestation.metadata.title, record.attestation.time) == ("Blood pressure", NOW)
    assert (record.place, record.record_id, record.to, record.pointer) == (
        PLACE,
        RECORD_ID,
        TO_EPOCH,
        RECORD.entry.pointer,
    )


def test_larger_content_stands_outside() -> None:
    """Above 32 KiB the envelope holds CID and size, and the content comes from a source."""
    record = read(LARGE)
    assert record.body == ContentFile(CID, sealed_size(40_000))
    assert b"".join(record.content(LARGE.chunks)) == LARGE.content
    with pytest.raises(InvalidInput):
        record.content()


@pytest.mark.parametrize("size", [0, 1, 32_768 - 16, 32_768 - 15, CHUNK_SIZE + 1])
def test_the_border_between_inside_and_outside(size: int) -> None:
    """Sealed content of 32 KiB still stands inside; one byte more does not."""
    record = seal_record(bytes(size))
    assert isinstance(record.envelope.body, bytes) == (sealed_size(size) <= 32_768)
    assert b"".join(read(record).content(record.chunks)) == bytes(size)


def test_an_envelope_can_go_to_the_inbox() -> None:
    """A record that fits no epoch is sealed to the inbox, with the compartment that it is meant for."""
    inbox = EpochKeys.generate()
    record = seal_record(to=Destination(Kind.INBOX, GENERAL, 0), keys=inbox)
    assert read(record).to == Destination(Kind.INBOX, GENERAL, 0)


def test_a_key_service_needs_the_private_key_alone() -> None:
    """Opening the data key reads no metadata; opening the metadata needs no private key."""
    broken = RECORD.altered(lambda fields: fields.update(meta=b"not even sealed"))
    assert envelope.open_data_key(envelope.parse(broken), PLACE, RECORD.seed) == RECORD.data_key
    assert envelope.verify(RECORD.envelope, RECORD.data_key, PLACE, RECORD.entry).attestation == RECORD.attestation


def test_two_envelopes_for_one_record_share_nothing_readable() -> None:
    """Each has its own encapsulation and metadata key, so one (key, nonce) never seals two texts."""
    again = envelope.build(
        PLACE,
        TO_EPOCH,
        EPOCH_PUBLIC_KEY,
        record_id=RECORD_ID,
        data_key=RECORD.data_key,
        body=RECORD.envelope.body,
        attestation=RECORD.attestation,
        suite=SUITE,
        content_suite=SUITE,
    )
    first, second = cbor2.loads(RECORD.block), cbor2.loads(again)
    same = {"v", "suite", "contentSuite", "id", "to", "commitment", "body"}
    assert {key for key in first if first[key] == second[key]} == same


def test_a_record_is_sealed_anew_without_touching_what_was_signed() -> None:
    """Content, statement, signature and salts stay, so the claim on chain stays true; only the pointer moves."""
    later = EpochKeys.generate()
    to = Destination(Kind.EPOCH, GENERAL, 9)
    block = envelope.rewrap(read(RECORD), to, SUITE.public_key(later.seed), SUITE)
    moved = replace(RECORD, block=block, seed=later.seed)
    record = read(moved, entry=replace(RECORD.entry, pointer=moved.envelope.pointer))
    assert record.attestation == RECORD.attestation
    assert record.attestation.claim(PLACE, RECORD_ID) == RECORD.entry.claim
    assert b"".join(record.content()) == RECORD.content
    assert record.to == to
    with pytest.raises(WrongKey):
        envelope.open_data_key(moved.envelope, PLACE, EPOCH_KEYS.seed)


def test_a_record_never_changes_its_compartment() -> None:
    """Rewrapping for another compartment is refused."""
    with pytest.raises(InvalidInput):
        envelope.rewrap(read(RECORD), Destination(Kind.EPOCH, PSYCHIATRY, 1), EPOCH_PUBLIC_KEY, SUITE)


def test_nothing_secret_is_shown() -> None:
    """Neither envelope nor record gives keys, titles or content away when it is printed."""
    shown = f"{RECORD.envelope!r} {read(RECORD)!r}"
    for secret in (RECORD.data_key.expose(), RECORD.attestation.leaf_salt, RECORD.attestation.claim_salt):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    assert "Blood pressure" not in shown


# ---------------------------------------------------------------------------------- what must not open


@pytest.mark.parametrize("place", OTHER_PLACES.values(), ids=OTHER_PLACES)
def test_an_envelope_moved_to_another_place_does_not_open(place: Place) -> None:
    """Even with the right private key: chain, contract and patient are bound into the seal."""
    with pytest.raises(WrongKey):
        envelope.open_data_key(RECORD.envelope, place, RECORD.seed)


@pytest.mark.parametrize("place", OTHER_PLACES.values(), ids=OTHER_PLACES)
def test_a_data_key_does_not_help_elsewhere(place: Place) -> None:
    """Somebody with the data key cannot show the record as another patient's: the statement names the place."""
    entry = replace(RECORD.entry, claim=RECORD.attestation.claim(place, RECORD_ID))
    with pytest.raises(StatementMismatch):
        envelope.verify(RECORD.envelope, RECORD.data_key, place, entry)


@pytest.mark.parametrize("to", ELSEWHERE, ids=["epoch", "compartment", "kind"])
def test_an_envelope_relabelled_for_another_key_does_not_open(to: Destination) -> None:
    """Kind, compartment and number are bound into the seal and into the metadata."""
    block = RECORD.altered(lambda fields: fields.update(to=[int(to.kind), to.compartment, to.number]))
    with pytest.raises(WrongKey):
        read(RECORD, block)
    entry = replace(RECORD.entry, pointer=envelope.parse(block).pointer, compartments=(1 << 64) - 1)
    with pytest.raises(ContentTampered):
        envelope.verify(envelope.parse(block), RECORD.data_key, PLACE, entry)


def test_an_envelope_under_another_record_id_does_not_open() -> None:
    """The record id is bound into the seal, the commitment and the metadata."""
    block = RECORD.altered(lambda fields: fields.update(id=some("other", 16)))
    with pytest.raises(WrongKey):
        read(RECORD, block)
    with pytest.raises(ContentTampered):
        envelope.verify(envelope.parse(block), RECORD.data_key, PLACE, RECORD.entry)


def exchange(parts: dict[str, Any], fields: dict[str, Any]) -> None:
    fields.update(parts)


def flip(octets: bytes, place: int) -> bytes:
    changed = bytearray(octets)
    changed[place] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("enc", lambda old: flip(old, 0), WrongKey),
        ("enc", lambda old: flip(old, -1), WrongKey),
        ("key", lambda old: flip(old, 0), WrongKey),
        ("key", lambda old: flip(old, -1), WrongKey),
        ("commitment", lambda old: flip(old, 5), ContentTampered),
        ("commitment", lambda _: bytes(32), ContentTampered),
        ("body", lambda old: flip(old, 0), ContentTampered),
        ("body", lambda old: flip(old, -1), ContentTampered),
        ("body", lambda old: old[:-16], ContentTampered),
        ("body", lambda old: old + bytes(16), ContentTampered),
        ("body", lambda _: [CID, 40_000], ContentTampered),
        ("meta", lambda old: flip(old, 0), ContentTampered),
        ("meta", lambda old: flip(old, -1), ContentTampered),
        ("meta", lambda old: old[:-1], ContentTampered),
        ("meta", lambda _: b"", ContentTampered),
        ("suite", lambda _: 9, UnknownSuite),
        ("contentSuite", lambda _: 9, UnknownSuite),
        ("v", lambda _: 2, FormatError),
    ],
)
def test_no_field_can_be_edited(key: str, value: Callable[[Any], Any], error: type[MedRecError]) -> None:
    """Whoever changes a field gets an error that says what was hurt, though the chain pointed to the edited block."""
    with pytest.raises(error):
        read(RECORD, RECORD.altered(lambda fields: fields.update({key: value(fields[key])})))


def test_parts_of_another_envelope_do_not_fit() -> None:
    """Exchanging any part with that of another record of the same author, place and epoch is found."""
    other = seal_record(b"Another record of this author.")
    theirs = cbor2.loads(other.block)
    for parts in (["enc"], ["key"], ["enc", "key"], ["commitment"], ["enc", "key", "commitment"], ["body"], ["meta"]):
        block = RECORD.altered(partial(exchange, {part: theirs[part] for part in parts}))
        with pytest.raises((WrongKey, ContentTampered)):
            read(RECORD, block)


def test_a_body_exchanged_for_one_of_the_same_record_is_found() -> None:
    """The sealed content is bound to the metadata: an older envelope's CID or size does not fit."""
    for cid, size in ((CID[:-1] + b"?", sealed_size(40_000)), (CID, sealed_size(40_000) + 16)):
        with pytest.raises(ContentTampered):
            read(LARGE, LARGE.altered(partial(exchange, {"body": [cid, size]})))


def test_only_the_right_private_key_opens() -> None:
    """Another epoch's key, though of the same patient, raises WrongKey."""
    with pytest.raises(WrongKey):
        envelope.open_data_key(RECORD.envelope, PLACE, EpochKeys.generate().seed)


def test_only_the_right_data_key_opens() -> None:
    """A data key that the envelope does not commit to is refused before anything is decrypted."""
    with pytest.raises(ContentTampered, match="commits"):
        envelope.verify(RECORD.envelope, DataKey.generate(), PLACE, RECORD.entry)


# ----------------------------------------------------------------------------- what the chain must say


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"pointer": some("other")}, "pointer"),
        ({"author": STRANGER.address}, "author"),
        ({"on_behalf_of": DOCTOR.address}, "principal"),
        ({"compartments": 1 << PSYCHIATRY}, "compartment"),
        ({"compartments": 0}, "compartment"),
        ({"claim": some("other")}, "claim"),
        ({"claim": b""}, "claim"),
        ({"replaces": 1 << 32}, "replaced"),
    ],
)
def test_every_fact_of_the_entry_must_fit(change: dict[str, Any], fact: str) -> None:
    """An envelope that fits itself but not its entry is not the record that was appended."""
    with pytest.raises(StatementMismatch, match=fact):
        envelope.verify(RECORD.envelope, RECORD.data_key, PLACE, replace(RECORD.entry, **change))


def test_an_entry_may_name_more_compartments() -> None:
    """The compartment of the envelope must be among the entry's."""
    envelope.verify(RECORD.envelope, RECORD.data_key, PLACE, replace(RECORD.entry, compartments=(1 << 64) - 1))


def forge(**changes: Any) -> Sealed:
    """An envelope by somebody who has all keys, around an attestation that was changed afterwards."""
    attestation = replace(RECORD.attestation, **changes)
    block = envelope.build(
        PLACE,
        TO_EPOCH,
        EPOCH_PUBLIC_KEY,
        record_id=RECORD_ID,
        data_key=RECORD.data_key,
        body=RECORD.envelope.body,
        attestation=attestation,
        suite=SUITE,
        content_suite=SUITE,
    )
    return replace(RECORD, block=block, attestation=attestation)


@pytest.mark.parametrize(
    "changes",
    [
        {"time": NOW - 86400},
        {"author": STRANGER.address},
        {"on_behalf_of": STRANGER.address},
        {"replaces": 5 << 32},
        {"content": some("other root")},
        {"metadata": replace(RECORD.attestation.metadata, title="Nothing to see")},
        {"signature": STRANGER.sign_typed_data(RECORD.attestation.statement(PLACE, RECORD_ID).typed_data())},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_statement_cannot_be_changed_by_who_has_all_keys(changes: dict[str, Any]) -> None:
    """Patient or reader can seal anything; what the author did not sign is found even if the entry agrees."""
    forged = forge(**changes)
    with pytest.raises(StatementMismatch):
        read(forged)


def test_a_statement_cannot_be_transplanted_to_another_record() -> None:
    """The signed statement of one record does not serve another, though key, place and author are the same."""
    data_key = DataKey.generate()
    other_id = some("other record", 16)
    block = envelope.build(
        PLACE,
        TO_EPOCH,
        EPOCH_PUBLIC_KEY,
        record_id=other_id,
        data_key=data_key,
        body=RECORD.envelope.body,
        attestation=RECORD.attestation,
        suite=SUITE,
        content_suite=SUITE,
    )
    parsed = envelope.parse(block)
    entry = replace(RECORD.entry, pointer=parsed.pointer, claim=RECORD.attestation.claim(PLACE, other_id))
    with pytest.raises(StatementMismatch):
        envelope.verify(parsed, envelope.open_data_key(parsed, PLACE, EPOCH_KEYS.seed), PLACE, entry)


def test_other_salts_make_another_claim() -> None:
    """Salts are not signed but claimed: with others the claim on chain does not fit."""
    forged = forge(claim_salt=some("other salt"))
    with pytest.raises(StatementMismatch, match="claim"):
        envelope.verify(forged.envelope, forged.data_key, PLACE, replace(RECORD.entry, pointer=forged.envelope.pointer))


def test_content_that_was_not_signed_is_found_at_its_end() -> None:
    """A holder of the data key who seals other content of the same size fails at the Merkle root."""
    swapped = seal_record(b"X" * len(RECORD.content), data_key=RECORD.data_key)
    forged = envelope.build(
        PLACE,
        TO_EPOCH,
        EPOCH_PUBLIC_KEY,
        record_id=RECORD_ID,
        data_key=RECORD.data_key,
        body=swapped.chunks[0],
        attestation=RECORD.attestation,
        suite=SUITE,
        content_suite=SUITE,
    )
    record = read(RECORD, forged)
    with pytest.raises(StatementMismatch):
        list(record.content())


def test_a_body_of_another_size_than_was_signed_is_found() -> None:
    """The size in the metadata decides how many sealed bytes there must be, before any is fetched."""
    fields = cbor2.loads(LARGE.block)
    header = {key: value for key, value in fields.items() if key != "meta"} | {"body": [CID, sealed_size(40_000) * 2]}
    key = LARGE.data_key.metadata_key(1, RECORD_ID, fields["enc"])
    meta = SUITE.encrypt(key, bytes(12), LARGE.attestation.to_bytes(), cbor2.dumps(header, canonical=True))
    with pytest.raises(ContentTruncated):
        read(LARGE, cbor2.dumps(header | {"meta": meta}, canonical=True))


# ---------------------------------------------------------------------------------- two keys, one text


def gf_multiply(x: int, y: int) -> int:
    """In GF(2^128) as GCM has it (NIST SP 800-38D §6.3): the leftmost bit is the lowest power."""
    product = 0
    for bit in range(127, -1, -1):
        if y >> bit & 1:
            product ^= x
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return product


def gf_power(x: int, exponent: int) -> int:
    result = 1 << 127
    while exponent:
        if exponent & 1:
            result = gf_multiply(result, x)
        x, exponent = gf_multiply(x, x), exponent >> 1
    return result


def text_for_two_keys(keys: list[bytes], nonce: bytes, associated: bytes, blocks: int) -> bytes:
    """One ciphertext that AES-GCM takes under both keys: its first block is solved for, the rest are zeros."""

    def aes(key: bytes, block: bytes) -> int:
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - to take GCM apart
        return int.from_bytes(encryptor.update(block))

    lengths = (len(associated) * 8 << 64) | blocks * 128
    constant, factor = 0, 0
    masks = []
    for key in keys:
        h, mask = aes(key, bytes(16)), aes(key, nonce + b"\0\0\0\x01")
        masks.append((h, mask))
        known = gf_multiply(int.from_bytes(associated.ljust(16, b"\0")), gf_power(h, blocks + 2))
        constant ^= known ^ gf_multiply(lengths, h) ^ mask
        factor ^= gf_power(h, blocks + 1)
    first = gf_multiply(constant, gf_power(factor, (1 << 128) - 2))
    h, mask = masks[0]
    tag = (
        gf_multiply(int.from_bytes(associated.ljust(16, b"\0")), gf_power(h, blocks + 2))
        ^ gf_multiply(first, gf_power(h, blocks + 1))
        ^ gf_multiply(lengths, h)
        ^ mask
    )
    return first.to_bytes(16) + bytes(16 * (blocks - 1)) + tag.to_bytes(16)


def test_one_text_for_two_keys_is_refused() -> None:
    """AES-GCM alone opens this chunk to two texts under two data keys; the commitment allows for one."""
    one, two = DataKey(some("one")), DataKey(some("two"))
    content_keys = [key.content_key(1, RECORD_ID) for key in (one, two)]
    sealed = text_for_two_keys(content_keys, bytes(11) + b"\x01", RECORD_ID, blocks=16)
    texts = [ContentReader(key, RECORD_ID, 256, SUITE).open_chunk(0, sealed) for key in (one, two)]
    assert texts[0] != texts[1]  # the attack is real

    record = seal_record(texts[0], data_key=one)
    assert record.chunks == [sealed]
    info = envelope._info(SUITE, SUITE, PLACE, TO_EPOCH, RECORD_ID)
    to_victim = SUITE.seal(EPOCH_PUBLIC_KEY, info, two.expose())
    block = record.altered(lambda fields: fields.update(enc=to_victim.enc, key=to_victim.ciphertext))
    with pytest.raises(ContentTampered, match="commits"):
        envelope.open_data_key(envelope.parse(block), PLACE, EPOCH_KEYS.seed)
    with pytest.raises(ContentTampered, match="commits"):
        envelope.verify(record.envelope, two, PLACE, record.entry)


# ------------------------------------------------------------------------------------------------ form


@pytest.mark.parametrize(
    "edit",
    [
        lambda fields: fields.pop("meta"),
        lambda fields: fields.update(more=1),
        lambda fields: fields.update(id=bytes(15)),
        lambda fields: fields.update(to=[2, 7, 3]),
        lambda fields: fields.update(to=[0, 64, 3]),
        lambda fields: fields.update(to=[0, 7, 1 << 32]),
        lambda fields: fields.update(to=[0, 7]),
        lambda fields: fields.update(enc=bytes(1119)),
        lambda fields: fields.update(key=bytes(47)),
        lambda fields: fields.update(commitment=bytes(31)),
        lambda fields: fields.update(body=bytes(32_769)),
        lambda fields: fields.update(body=[CID, 32_768]),
        lambda fields: fields.update(body=[CID[:-1], 40_000]),
        lambda fields: fields.update(body=[b"\x01\x71" + CID[2:], 40_000]),
        lambda fields: fields.update(body=[b"\x12\x20" + CID[2:], 40_000]),
        lambda fields: fields.update(body=[CID, 40_000, 1]),
        lambda fields: fields.update(body=None),
        lambda fields: fields.update(meta="text"),
        lambda fields: fields.pop("contentSuite"),
        lambda fields: fields.update(suite=0),
        lambda fields: fields.update(contentSuite=0),
        lambda fields: fields.update(contentSuite=True),
        lambda fields: fields.update(v=0),
    ],
)
def test_other_forms_are_refused(edit: Callable[[dict[str, Any]], Any]) -> None:
    """Keys, types, sizes, numbers and CIDs are those of the format."""
    with pytest.raises(FormatError):
        envelope.parse(RECORD.altered(edit))


def test_an_envelope_has_one_encoding() -> None:
    """The same map in another order, or with longer integers, has another pointer and is refused."""
    fields = cbor2.loads(RECORD.block)
    with pytest.raises(FormatError):
        envelope.parse(cbor2.dumps(dict(sorted(fields.items()))))
    with pytest.raises(FormatError):
        envelope.parse(RECORD.block.replace(b"\x61v\x01", b"\x61v\x18\x01", 1))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (bytes(5), InvalidInput),
        (ContentFile(CID, 272), InvalidInput),
        (ContentFile(CID, sealed_size(40_000)), InvalidInput),
    ],
)
def test_no_envelope_is_made_around_the_wrong_body(body: Any, error: type[MedRecError]) -> None:
    """An author's client finds its own mistakes."""
    with pytest.raises(error):
        envelope.build(
            PLACE,
            TO_EPOCH,
            EPOCH_PUBLIC_KEY,
            record_id=RECORD_ID,
            data_key=RECORD.data_key,
            body=body,
            attestation=RECORD.attestation,
            suite=SUITE,
            content_suite=SUITE,
        )


def test_no_envelope_is_made_with_a_false_cid() -> None:
    """What could not be fetched is not written."""
    with pytest.raises(FormatError):
        envelope.build(
            PLACE,
            TO_EPOCH,
            EPOCH_PUBLIC_KEY,
            record_id=RECORD_ID,
            data_key=LARGE.data_key,
            body=ContentFile(some("no cid", 36), sealed_size(40_000)),
            attestation=LARGE.attestation,
            suite=SUITE,
            content_suite=SUITE,
        )


def test_a_verified_record_comes_from_verification_only() -> None:
    """Unverified and verified are different types, and the second cannot be made by hand."""
    record = read(RECORD)
    assert not isinstance(RECORD.envelope, VerifiedRecord)
    assert not hasattr(UnverifiedEnvelope, "content")
    fields = {name: getattr(record, name) for name in VerifiedRecord.__slots__ if name != "proof"}
    with pytest.raises(InvalidInput):
        VerifiedRecord(**fields, proof=None)


@pytest.mark.parametrize("numbers", [(64, 1), (-1, 1), (0, -1), (0, 1 << 32)])
def test_a_destination_has_bounds(numbers: tuple[int, int]) -> None:
    """Compartments are 0 to 63, numbers have 32 bits."""
    with pytest.raises(InvalidInput):
        Destination(Kind.EPOCH, *numbers)
