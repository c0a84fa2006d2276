"""Records as an author seals them and the chain names them, without a chain: for measuring what seals and opens."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto.attestation import attest
from medrec_py.crypto.blocks import pointer_to
from medrec_py.crypto.content import ContentSealer
from medrec_py.crypto.envelope import Body, Destination, Entry, Kind, VerifiedRecord
from medrec_py.crypto.keys import SECRET_SIZE, DataKey, KemSeed, Place, new_record_id
from medrec_py.crypto.metadata import Metadata
from medrec_py.crypto.suites import by_number
from medrec_py.wallet import Wallet

SUITE = by_number(1)
NOW = 1_900_000_000
AUTHOR = Wallet.from_key(bytes(31) + b"\x01")
ADDRESS = bytes.fromhex(AUTHOR.address[2:])
PLACE = Place(31337, b"\x11" * 20, b"\x22" * 20)
COMPARTMENT = 5


@dataclass(frozen=True)
class Epoch:
    """An epoch of the one compartment: its seed, kept as those do who open many records, and its public key."""

    to: Destination
    seed: KemSeed
    public_key: bytes

    @classmethod
    def new(cls, number: int) -> Epoch:
        """A new one."""
        seed = KemSeed.generate()
        return cls(Destination(Kind.EPOCH, COMPARTMENT, number), seed, SUITE.public_key(seed))


@dataclass(frozen=True)
class Sealed:
    """An envelope, and what the chain says about it."""

    block: bytes
    entry: Entry


class Draft:
    """A record whose content is being sealed: iterate over it for the sealed chunks, then take its envelope."""

    def __init__(self, source: bytes | Iterable[bytes]) -> None:
        self.record_id, self.data_key = new_record_id(), DataKey.generate()
        self.leaf_salt = secrets.token_bytes(SECRET_SIZE)
        self.chunks = ContentSealer(source, self.data_key, self.record_id, self.leaf_salt, SUITE)

    def envelope(self, epoch: Epoch, body: Body) -> Sealed:
        """Have the author sign the statement, and seal the envelope."""
        attestation = attest(
            AUTHOR.sign_typed_data,
            PLACE,
            self.record_id,
            metadata=Metadata("Blood pressure", "text/plain", self.chunks.size),
            author=ADDRESS,
            on_behalf_of=ADDRESS,
            time=NOW,
            content=self.chunks.root,
            leaf_salt=self.leaf_salt,
        )
        block = envelopes.build(
            PLACE,
            epoch.to,
            epoch.public_key,
            record_id=self.record_id,
            data_key=self.data_key,
            body=body,
            attestation=attestation,
            suite=SUITE,
            content_suite=SUITE,
        )
        claim = attestation.claim(PLACE, self.record_id)
        return Sealed(block, Entry(pointer_to(block), ADDRESS, ADDRESS, 1 << COMPARTMENT, claim, 0))


def seal_small(content: bytes, epoch: Epoch) -> Sealed:
    """A record that stands in its envelope."""
    draft = Draft(content)
    (body,) = draft.chunks
    return draft.envelope(epoch, body)


def verified(block: bytes, entry: Entry, epoch: Epoch) -> VerifiedRecord:
    """A record, opened and held against its entry."""
    envelope = envelopes.parse(block)
    return envelopes.verify(envelope, envelopes.open_data_key(envelope, PLACE, epoch.seed), PLACE, entry)
