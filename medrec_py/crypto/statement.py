"""The author's signed statement about a record, and the claim on chain that commits to it (docs/format.md §5)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from medrec_py.crypto.keys import ADDRESS_SIZE, RECORD_ID_SIZE, SECRET_SIZE, Place, check_size, check_uint
from medrec_py.crypto.typed_data import Message, TypedStruct

_CLAIM = b"medrec/1/claim"
_DIGEST_SIZE = 32

STATEMENT = TypedStruct(
    "Statement",
    (
        ("patient", "address"),
        ("recordId", "bytes16"),
        ("onBehalfOf", "address"),
        ("time", "uint64"),
        ("metadata", "bytes32"),
        ("content", "bytes32"),
        ("replaces", "uint64"),
    ),
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What the author of a record signs, as EIP-712 typed data in the contract's domain.

    Attributes:
        place: Chain, contract and patient.
        record_id: 16 bytes.
        on_behalf_of: Whom the author acts for, an address of 20 bytes.
        time: When it is signed, Unix time.
        metadata: ``Metadata.digest()``, 32 bytes.
        content: The Merkle root of the content, 32 bytes.
        replaces: 0, or entry number × 2^32 + leaf of the record that this one corrects.
    """

    place: Place
    record_id: bytes
    on_behalf_of: bytes
    time: int
    metadata: bytes
    content: bytes
    replaces: int = 0

    def __post_init__(self) -> None:
        check_size(self.record_id, RECORD_ID_SIZE, "a record id")
        check_size(self.on_behalf_of, ADDRESS_SIZE, "the principal's address")
        check_uint(self.time, "the time")
        check_size(self.metadata, _DIGEST_SIZE, "the digest of the metadata")
        check_size(self.content, _DIGEST_SIZE, "the Merkle root")
        check_uint(self.replaces, "the replaced record")

    def typed_data(self) -> dict[str, Any]:
        """The EIP-712 document as JSON has it, for a wallet to show and sign."""
        return STATEMENT.typed_data(self.place, self._message())

    def digest(self) -> bytes:
        """The EIP-712 digest that is signed, 32 bytes."""
        return STATEMENT.digest(self.place, self._message())

    def claim(self, salt: bytes, signature: bytes) -> bytes:
        """The claim that stands beside the record's pointer on chain, 32 bytes.

        Args:
            salt: 32 random bytes, so that nobody can guess a statement and check the guess.
            signature: The author's.
        """
        check_size(salt, SECRET_SIZE, "the salt of a claim")
        return hashlib.sha256(_CLAIM + salt + self.digest() + signature).digest()

    def _message(self) -> Message:
        return {
            "patient": self.place.patient,
            "recordId": self.record_id,
            "onBehalfOf": self.on_behalf_of,
            "time": self.time,
            "metadata": self.metadata,
            "content": self.content,
            "replaces": self.replaces,
        }
