"""The envelope: the block that a record's entry points to (docs/format.md §4).

Opening one goes in steps, each with its own type, so that unchecked bytes cannot pass for a record::

    block ── parse ──> UnverifiedEnvelope ── open_data_key (needs a private key) ──> DataKey
                                └──────────── verify (needs the data key and the entry on chain) ──> VerifiedRecord

An organisation's key service does ``open_data_key`` alone and never sees the record; whoever holds the data key
does the rest.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from medrec_py.crypto import cbor
from medrec_py.crypto.attestation import Attestation
from medrec_py.crypto.blocks import check_cid, check_size, pointer_to
from medrec_py.crypto.content import ContentReader, Source, sealed_size
from medrec_py.crypto.keys import (
    COMPARTMENTS,
    RECORD_ID_SIZE,
    SECRET_SIZE,
    DataKey,
    KemSeed,
    Place,
    check_uint,
    context,
)
from medrec_py.crypto.suites import Sealed, Suite, by_number
from medrec_py.crypto.typed_data import CheckContractSignature
from medrec_py.errors import (
    ContentTampered,
    ContentTruncated,
    FormatError,
    InvalidInput,
    StatementMismatch,
)

VERSION = 1
MAX_INLINE_SIZE = 32 * 1024
"""Sealed content of at most so many bytes stands in the envelope."""

_RECORD = "medrec/1/record"
_KEYS = ("v", "suite", "contentSuite", "id", "to", "enc", "key", "commitment", "body", "meta")
_MAX_NUMBER = (1 << 32) - 1
_VERIFIED = object()


class Kind(IntEnum):
    """What an envelope is sealed to."""

    EPOCH = 0
    INBOX = 1


@dataclass(frozen=True, slots=True)
class Destination:
    """The key that an envelope is sealed to.

    Attributes:
        kind: An epoch of the compartment, or the patient's inbox.
        compartment: Where the record belongs, 0 to 63, whichever key it is sealed to.
        number: Of the epoch or of the inbox.
    """

    kind: Kind
    compartment: int
    number: int

    def __post_init__(self) -> None:
        check_uint(self.compartment, "the compartment", COMPARTMENTS - 1)
        check_uint(self.number, "the number of the epoch or inbox", _MAX_NUMBER)


@dataclass(frozen=True, slots=True)
class ContentFile:
    """Sealed content that stands outside the envelope.

    Attributes:
        cid: CIDv1 of the IPFS file, 36 bytes.
        size: Sealed size in bytes.
    """

    cid: bytes
    size: int


Body: TypeAlias = bytes | ContentFile
"""The sealed content itself, or where it is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the chain says about a record: its entry in a history that was checked against the contract's head.

    Attributes:
        pointer: SHA-256 of the envelope: the entry's, or the latest that a MOVED entry gives for it. 32 bytes.
        author: Address of the author, 20 bytes.
        on_behalf_of: Whom the author acted for, 20 bytes.
        compartments: The entry's mask; bit c stands for compartment c.
        claim: 32 bytes.
        replaces: Entry number × 2^32 + leaf, or 0.
    """

    pointer: bytes
    author: bytes
    on_behalf_of: bytes
    compartments: int
    claim: bytes
    replaces: int


@dataclass(frozen=True, slots=True)
class UnverifiedEnvelope:
    """An envelope that has the right form. Nothing in it was checked against a key or the chain.

    Attributes:
        suite: By which the data key and the metadata are sealed.
        content_suite: By which the content is sealed, and under whose number the commitment stands.
        record_id: 16 bytes.
        to: The key that it says it is sealed to.
        sealed_key: The data key, sealed.
        commitment: 32 bytes that tie it to one data key.
        body: The sealed content, or where it is.
        meta: The sealed metadata.
        pointer: SHA-256 of the block, 32 bytes.
    """

    suite: Suite
    content_suite: Suite
    record_id: bytes
    to: Destination
    sealed_key: Sealed = field(repr=False)
    commitment: bytes = field(repr=False)
    body: Body = field(repr=False)
    meta: bytes = field(repr=False)
    pointer: bytes


@dataclass(frozen=True, slots=True)
class VerifiedRecord:
    """A record whose parts fit each other and the entry on chain. Only ``verify`` makes one.

    Attributes:
        place: Chain, contract and patient.
        record_id: 16 bytes.
        to: The key that it is sealed to, and its compartment.
        suite: By which the data key and the metadata are sealed.
        content_suite: By which the content is sealed.
        data_key: Of the record.
        body: The sealed content, or where it is.
        attestation: Metadata, author, time and signature, now verified.
        pointer: SHA-256 of the envelope, 32 bytes.
    """

    place: Place
    record_id: bytes
    to: Destination
    suite: Suite
    content_suite: Suite
    data_key: DataKey
    body: Body = field(repr=False)
    attestation: Attestation
    pointer: bytes
    proof: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.proof is not _VERIFIED:
            raise InvalidInput("a VerifiedRecord comes from verify() only")

    def reader(self) -> ContentReader:
        """Opens the sealed chunks."""
        return ContentReader(self.data_key, self.record_id, self.attestation.metadata.size, self.content_suite)

    def content(self, source: Source | None = None) -> Iterator[bytes]:
        """The content, in pieces; see ``ContentReader.read_all`` for errors and for the warning.

        Args:
            source: The sealed bytes of ``body``, where that is a ``ContentFile``.

        Raises:
            InvalidInput: the content stands outside the envelope, and no source is given.
        """
        if isinstance(self.body, bytes):
            source = self.body
        if source is None:
            raise InvalidInput("the content of this record stands outside its envelope: give its sealed bytes")
        return self.reader().read_all(source, self.attestation.leaf_salt, self.attestation.content)


def build(
    place: Place,
    to: Destination,
    public_key: bytes,
    *,
    record_id: bytes,
    data_key: DataKey,
    body: Body,
    attestation: Attestation,
    suite: Suite,
    content_suite: Suite,
) -> bytes:
    """Seal a record's envelope.

    Args:
        place: Chain, contract and patient.
        to: The epoch or inbox.
        public_key: Of that epoch or inbox.
        record_id: 16 bytes.
        data_key: That the content is sealed with.
        body: The sealed content if it has at most ``MAX_INLINE_SIZE`` bytes, else where it is.
        attestation: Metadata with the author's signature.
        suite: Of that public key.
        content_suite: By which the content is sealed. It may be another: content is sealed before its key is chosen.

    Returns:
        The block. Each call takes a new encapsulation, so two blocks for one record differ.

    Raises:
        InvalidInput: the body does not fit the metadata, or stands on the wrong side of ``MAX_INLINE_SIZE``.
        FormatError: nothing can be sealed to the public key, or the CID is none.
    """
    if _body_size(body) != sealed_size(attestation.metadata.size):
        raise InvalidInput("the sealed content has another size than the metadata ask for")
    if isinstance(body, bytes) != (_body_size(body) <= MAX_INLINE_SIZE):
        raise InvalidInput(
            f"sealed content stands in the envelope if and only if it has at most {MAX_INLINE_SIZE} bytes"
        )
    sealed_key = suite.seal(public_key, _info(suite, content_suite, place, to, record_id), data_key.expose())
    commitment = data_key.commitment(content_suite.number, record_id)
    header = _header(suite, content_suite, record_id, to, sealed_key=sealed_key, commitment=commitment, body=body)
    meta = suite.encrypt(
        data_key.metadata_key(suite.number, record_id, sealed_key.enc),
        bytes(suite.nonce_size),
        attestation.to_bytes(),
        cbor.encode(header),
    )
    return check_size(cbor.encode(header | {"meta": meta}), "the envelope")


def parse(block: bytes) -> UnverifiedEnvelope:
    """Read an envelope. Needs no key and checks the form alone.

    Raises:
        FormatError: the block is no envelope of this version.
        UnknownSuite: it or its content is sealed by a suite that this version does not have.
    """
    fields = cbor.Fields(cbor.decode(block), "the envelope", _KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError("an envelope of another version")
    by = by_number(fields.uint("suite"))
    return UnverifiedEnvelope(
        suite=by,
        content_suite=by_number(fields.uint("contentSuite")),
        record_id=fields.octets("id", RECORD_ID_SIZE),
        to=_parse_destination(fields.array("to", 3)),
        sealed_key=Sealed(fields.octets("enc", by.enc_size), fields.octets("key", SECRET_SIZE + by.tag_size)),
        commitment=fields.octets("commitment", SECRET_SIZE),
        body=_parse_body(fields.value("body")),
        meta=fields.octets("meta"),
        pointer=pointer_to(block),
    )


def open_data_key(envelope: UnverifiedEnvelope, place: Place, seed: KemSeed) -> DataKey:
    """Open the data key, and nothing else.

    Args:
        envelope: From ``parse``.
        place: Where the envelope was found; one that was moved from elsewhere does not open.
        seed: Of the epoch or inbox that the envelope names.

    Raises:
        WrongKey: the envelope is sealed to another key, for another place, compartment, epoch or record, or was
            changed.
        ContentTampered: the envelope commits to another data key than it holds.
    """
    info = _info(envelope.suite, envelope.content_suite, place, envelope.to, envelope.record_id)
    data_key = DataKey(envelope.suite.open(seed, info, envelope.sealed_key))
    _check_commitment(envelope, data_key)
    return data_key


def verify(
    envelope: UnverifiedEnvelope,
    data_key: DataKey,
    place: Place,
    entry: Entry,
    check_contract: CheckContractSignature | None = None,
) -> VerifiedRecord:
    """Open the metadata and check everything that can be checked without the content.

    Args:
        envelope: Of the entry.
        data_key: From ``open_data_key``.
        place: Chain, contract and patient of the entry.
        entry: What the chain says about the record.
        check_contract: Asks an author that is an account with code (ERC-1271); without it such authors are refused.

    Raises:
        ContentTampered: the data key is not the one that the envelope commits to, or the metadata were changed or
            moved.
        FormatError: the metadata have the wrong form.
        StatementMismatch: the author named did not sign, or pointer, claim, author, principal, compartment or
            replaced record are not those of the entry.
        ContentTruncated: the body has another size than the metadata ask for.
    """
    _check_commitment(envelope, data_key)
    attestation = _open_metadata(envelope, data_key)
    _check_entry(envelope, attestation, place, entry)
    attestation.verify(place, envelope.record_id, check_contract)
    if _body_size(envelope.body) != sealed_size(attestation.metadata.size):
        raise ContentTruncated("the sealed content has another size than the metadata ask for")
    return VerifiedRecord(
        place=place,
        record_id=envelope.record_id,
        to=envelope.to,
        suite=envelope.suite,
        content_suite=envelope.content_suite,
        data_key=data_key,
        body=envelope.body,
        attestation=attestation,
        pointer=envelope.pointer,
        proof=_VERIFIED,
    )


def rewrap(record: VerifiedRecord, to: Destination, public_key: bytes, suite: Suite) -> bytes:
    """A new envelope around the same data key and content, for another epoch of the same compartment.

    Statement, signature and salts stay, so the claim on chain stays true. The content keeps the suite that it was
    sealed with, whatever ``suite`` the new public key is of.

    Raises:
        InvalidInput: ``to`` lies in another compartment.
        FormatError: nothing can be sealed to the public key.
    """
    if to.compartment != record.to.compartment:
        raise InvalidInput("a record never changes its compartment")
    return build(
        record.place,
        to,
        public_key,
        record_id=record.record_id,
        data_key=record.data_key,
        body=record.body,
        attestation=record.attestation,
        suite=suite,
        content_suite=record.content_suite,
    )


def _info(suite: Suite, content: Suite, place: Place, to: Destination, record_id: bytes) -> bytes:
    numbers = suite.number, content.number
    return context(_RECORD, *numbers, *place, int(to.kind), to.compartment, to.number, record_id)


def _header(
    suite: Suite,
    content: Suite,
    record_id: bytes,
    to: Destination,
    *,
    sealed_key: Sealed,
    commitment: bytes,
    body: Body,
) -> dict[str, cbor.Value]:
    """The envelope's map without ``meta``: what the sealed metadata are bound to."""
    return {
        "v": VERSION,
        "suite": suite.number,
        "contentSuite": content.number,
        "id": record_id,
        "to": [int(to.kind), to.compartment, to.number],
        "enc": sealed_key.enc,
        "key": sealed_key.ciphertext,
        "commitment": commitment,
        "body": body if isinstance(body, bytes) else [check_cid(body.cid), body.size],
    }


def _parse_destination(items: list[cbor.Value]) -> Destination:
    kind = Kind(cbor.uint(items[0], "the kind of an envelope", max(Kind)))
    compartment = cbor.uint(items[1], "the compartment of an envelope", COMPARTMENTS - 1)
    return Destination(kind, compartment, cbor.uint(items[2], "the number of an epoch or inbox", _MAX_NUMBER))


def _parse_body(value: cbor.Value) -> Body:
    if isinstance(value, bytes):
        body: Body = value
    else:
        cid, size = cbor.array(value, "the body of an envelope", 2)
        body = ContentFile(check_cid(cbor.octets(cid, "the CID of the content")), cbor.uint(size, "the sealed size"))
    if isinstance(body, bytes) != (_body_size(body) <= MAX_INLINE_SIZE):
        raise FormatError(
            f"sealed content stands in the envelope if and only if it has at most {MAX_INLINE_SIZE} bytes"
        )
    return body


def _body_size(body: Body) -> int:
    return len(body) if isinstance(body, bytes) else body.size


def _check_commitment(envelope: UnverifiedEnvelope, data_key: DataKey) -> None:
    """AES-GCM alone commits to no key: without this an author could show two readers two texts."""
    commitment = data_key.commitment(envelope.content_suite.number, envelope.record_id)
    if not hmac.compare_digest(commitment, envelope.commitment):
        raise ContentTampered("the envelope commits to another data key")


def _open_metadata(envelope: UnverifiedEnvelope, data_key: DataKey) -> Attestation:
    by = envelope.suite
    header = _header(
        by,
        envelope.content_suite,
        envelope.record_id,
        envelope.to,
        sealed_key=envelope.sealed_key,
        commitment=envelope.commitment,
        body=envelope.body,
    )
    key = data_key.metadata_key(by.number, envelope.record_id, envelope.sealed_key.enc)
    return Attestation.from_bytes(by.decrypt(key, bytes(by.nonce_size), envelope.meta, cbor.encode(header)))


def _check_entry(envelope: UnverifiedEnvelope, attestation: Attestation, place: Place, entry: Entry) -> None:
    """Raises ``StatementMismatch`` unless envelope and attestation are what the entry on chain names."""
    facts = (
        ("pointer", envelope.pointer == entry.pointer),
        ("compartment", entry.compartments >> envelope.to.compartment & 1 == 1),
        ("author", attestation.author == entry.author),
        ("principal", attestation.on_behalf_of == entry.on_behalf_of),
        ("replaced record", attestation.replaces == entry.replaces),
        ("claim", hmac.compare_digest(attestation.claim(place, envelope.record_id), entry.claim)),
    )
    for fact, holds in facts:
        if not holds:
            raise StatementMismatch(f"the {fact} of the record is not that of its entry on chain")
