"""Who takes part in the tests of this folder, and the records they make."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import cbor2
from eth_account import Account
from eth_account.messages import encode_typed_data

from medrec_py.crypto import envelope
from medrec_py.crypto.attestation import Attestation, attest
from medrec_py.crypto.content import ContentSealer
from medrec_py.crypto.envelope import Body, ContentFile, Destination, Entry, Kind, UnverifiedEnvelope
from medrec_py.crypto.keys import DataKey, EpochId, EpochKeys, KemSeed, Place
from medrec_py.crypto.metadata import Metadata
from medrec_py.crypto.suites import Suite, by_number

NOW = 1_790_000_000
SUITE = by_number(1)
"""What the tests of this folder seal by, unless they say otherwise."""


def some(what: str, size: int = 32) -> bytes:
    """Bytes that stand for something, the same each time."""
    return hashlib.shake_256(what.encode()).digest(size)


def refused(_document: dict[str, Any]) -> bytes:
    """A wallet whose owner says no."""
    raise AssertionError("nobody should have asked the wallet")


class Wallet:
    """Signs typed data through eth-account, which knows nothing of the package under test."""

    def __init__(self, name: str) -> None:
        self._account = Account.from_key(some(f"key of {name}"))
        self.address = bytes.fromhex(self._account.address[2:])

    def sign_typed_data(self, document: dict[str, Any]) -> bytes:
        return bytes(self._account.sign_message(encode_typed_data(full_message=document)).signature)


ALICE = Wallet("alice")
CLINIC = Wallet("clinic")
DOCTOR = Wallet("doctor")
STRANGER = Wallet("stranger")

PLACE = Place(31337, some("contract", 20), ALICE.address)
OTHER_PLACES = {
    "chain": replace(PLACE, chain_id=1),
    "contract": replace(PLACE, contract=some("another contract", 20)),
    "patient": replace(PLACE, patient=STRANGER.address),
}

GENERAL, PSYCHIATRY = 7, 42
EPOCH = EpochId(GENERAL, 3)
EPOCH_KEYS = EpochKeys.generate()
EPOCH_PUBLIC_KEY = SUITE.public_key(EPOCH_KEYS.seed)
TO_EPOCH = Destination(Kind.EPOCH, *EPOCH)

RECORD_ID = some("record", 16)
CID = b"\x01\x70\x12\x20" + some("content")


@dataclass(frozen=True)
class Sealed:
    """A record as its author stored it, and what the chain says of it."""

    place: Place
    seed: KemSeed
    data_key: DataKey
    block: bytes
    chunks: list[bytes]
    attestation: Attestation
    record_id: bytes = RECORD_ID
    content: bytes = field(default=b"", repr=False)

    @property
    def envelope(self) -> UnverifiedEnvelope:
        return envelope.parse(self.block)

    @property
    def entry(self) -> Entry:
        return entry_of(self.attestation, self.place, self.record_id, self.block)

    def altered(self, edit: Callable[[dict[str, Any]], Any]) -> bytes:
        """The block after an edit of its map."""
        return altered(self.block, edit)


def altered(block: bytes, edit: Callable[[Any], Any]) -> bytes:
    """A CBOR block after an edit of what it decodes to."""
    value = cbor2.loads(block)
    edit(value)
    return cbor2.dumps(value, canonical=True)


def entry_of(attestation: Attestation, place: Place, record_id: bytes, block: bytes) -> Entry:
    """What an honest author's client appends."""
    return Entry(
        pointer=hashlib.sha256(block).digest(),
        author=attestation.author,
        on_behalf_of=attestation.on_behalf_of,
        compartments=1 << GENERAL,
        claim=attestation.claim(place, record_id),
        replaces=attestation.replaces,
    )


def seal_record(
    content: bytes = b"Blood pressure 120/80.",
    *,
    place: Place = PLACE,
    to: Destination = TO_EPOCH,
    keys: EpochKeys = EPOCH_KEYS,
    author: Wallet = DOCTOR,
    data_key: DataKey | None = None,
    suite: Suite = SUITE,
    **changes: Any,
) -> Sealed:
    """What an author does with a file, from end to end."""
    data_key = data_key or DataKey.generate()
    sealer = ContentSealer(content, data_key, RECORD_ID, some("leaf salt"), suite)
    chunks = list(sealer)
    sealed_size = sum(map(len, chunks))
    body: Body = chunks[0] if sealed_size <= envelope.MAX_INLINE_SIZE else ContentFile(CID, sealed_size)
    terms: dict[str, Any] = {
        "metadata": Metadata("Blood pressure", "text/plain", sealer.size),
        "author": author.address,
        "on_behalf_of": CLINIC.address,
        "time": NOW,
        "content": sealer.root,
        "leaf_salt": some("leaf salt"),
        "claim_salt": some("claim salt"),
    }
    attestation = attest(author.sign_typed_data, place, RECORD_ID, **terms | changes)
    block = envelope.build(
        place,
        to,
        suite.public_key(keys.seed),
        record_id=RECORD_ID,
        data_key=data_key,
        body=body,
        attestation=attestation,
        suite=suite,
        content_suite=suite,
    )
    return Sealed(place, keys.seed, data_key, block, chunks, attestation, content=content)
