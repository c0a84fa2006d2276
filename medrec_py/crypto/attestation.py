"""What an envelope holds beside the content: metadata, the author's signature, and salts (docs/format.md §4)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace

from medrec_py.crypto import cbor, padding
from medrec_py.crypto.keys import ADDRESS_SIZE, SECRET_SIZE, Place, check_size
from medrec_py.crypto.metadata import Metadata
from medrec_py.crypto.statement import Statement
from medrec_py.crypto.typed_data import (
    CheckContractSignature,
    SignTypedData,
    check_signature,
    is_signed_by,
    sign_message,
)
from medrec_py.errors import StatementMismatch

_KEYS = ("metadata", "claimSalt", "leafSalt", "author", "onBehalfOf", "time", "replaces", "content", "signature")


@dataclass(frozen=True, slots=True)
class Attestation:
    """Metadata and the author's signed word for them. It stays the same whichever key the record is sealed to.

    Attributes:
        metadata: What the record says about its content.
        claim_salt: 32 random bytes, in the claim.
        leaf_salt: 32 random bytes, in the Merkle tree.
        author: Address of the signer, 20 bytes.
        on_behalf_of: Whom the author acted for, 20 bytes.
        time: When the author signed, Unix time.
        replaces: 0, or entry number × 2^32 + leaf of the record that this one corrects.
        content: The Merkle root, 32 bytes.
        signature: 65 bytes ``r ‖ s ‖ v`` of a key, or what an account with code takes for a signature.

    Warning: nothing here is true before ``verify`` has returned.
    """

    metadata: Metadata
    claim_salt: bytes = field(repr=False)
    leaf_salt: bytes = field(repr=False)
    author: bytes
    on_behalf_of: bytes
    time: int
    replaces: int
    content: bytes
    signature: bytes = field(repr=False)

    def statement(self, place: Place, record_id: bytes) -> Statement:
        """The statement that was signed, if this belongs to that record of that patient."""
        digest = self.metadata.digest()
        return Statement(place, record_id, self.on_behalf_of, self.time, digest, self.content, self.replaces)

    def claim(self, place: Place, record_id: bytes) -> bytes:
        """The claim on chain, 32 bytes."""
        return self.statement(place, record_id).claim(self.claim_salt, self.signature)

    def verify(self, place: Place, record_id: bytes, check_contract: CheckContractSignature | None = None) -> None:
        """Check that the author signed this about that record of that patient.

        Args:
            place: Chain, contract and patient that the record was found under.
            record_id: Of the envelope, 16 bytes.
            check_contract: Asks an author that is an account with code (ERC-1271); without it such authors are refused.

        Raises:
            StatementMismatch: the author did not.
        """
        digest = self.statement(place, record_id).digest()
        if not is_signed_by(self.author, digest, self.signature, check_contract):
            raise StatementMismatch("the author named in a record did not sign its statement")

    def to_bytes(self) -> bytes:
        """The padded document that is sealed into the envelope."""
        return padding.pad(
            cbor.encode(
                {
                    "metadata": self.metadata.as_map(),
                    "claimSalt": self.claim_salt,
                    "leafSalt": self.leaf_salt,
                    "author": self.author,
                    "onBehalfOf": self.on_behalf_of,
                    "time": self.time,
                    "replaces": self.replaces,
                    "content": self.content,
                    "signature": self.signature,
                }
            )
        )

    @classmethod
    def from_bytes(cls, padded: bytes) -> Attestation:
        """Read the padded document.

        Raises:
            FormatError: it is not one.
        """
        fields = cbor.Fields(cbor.decode(padding.unpad(padded)), "the sealed metadata", _KEYS)
        signature = check_signature(fields.octets("signature"))
        return cls(
            metadata=Metadata.from_map(fields.value("metadata")),
            claim_salt=fields.octets("claimSalt", SECRET_SIZE),
            leaf_salt=fields.octets("leafSalt", SECRET_SIZE),
            author=fields.octets("author", ADDRESS_SIZE),
            on_behalf_of=fields.octets("onBehalfOf", ADDRESS_SIZE),
            time=fields.uint("time"),
            replaces=fields.uint("replaces"),
            content=fields.octets("content", SECRET_SIZE),
            signature=signature,
        )


def attest(
    sign_typed_data: SignTypedData,
    place: Place,
    record_id: bytes,
    *,
    metadata: Metadata,
    author: bytes,
    on_behalf_of: bytes,
    time: int,
    content: bytes,
    leaf_salt: bytes,
    replaces: int = 0,
    claim_salt: bytes | None = None,
    check_contract: CheckContractSignature | None = None,
) -> Attestation:
    """Have the author's wallet sign a statement, and check what it signed.

    Args:
        sign_typed_data: The wallet: EIP-712 document → ``r ‖ s ‖ v``.
        place: Chain, contract and patient of the record.
        record_id: 16 bytes.
        metadata: What the record says about its content.
        author: Address of the wallet's account, 20 bytes.
        on_behalf_of: Whom the author acts for, 20 bytes.
        time: Now, Unix time.
        content: The Merkle root that ``ContentSealer`` computed, 32 bytes.
        leaf_salt: What ``ContentSealer`` was given, 32 bytes.
        replaces: 0, or entry number × 2^32 + leaf of the record that this one corrects.
        claim_salt: 32 random bytes; drawn here unless given.
        check_contract: Asks an author that is an account with code (ERC-1271).

    Raises:
        InvalidInput: a value cannot be used, or the wallet signed with another key or something else.
    """
    draft = Attestation(
        metadata=metadata,
        claim_salt=check_size(claim_salt or secrets.token_bytes(SECRET_SIZE), SECRET_SIZE, "the salt of a claim"),
        leaf_salt=check_size(leaf_salt, SECRET_SIZE, "the leaf salt"),
        author=check_size(author, ADDRESS_SIZE, "the author's address"),
        on_behalf_of=on_behalf_of,
        time=time,
        replaces=replaces,
        content=content,
        signature=b"",
    )
    statement = draft.statement(place, record_id)
    return replace(draft, signature=sign_message(sign_typed_data, author, statement, check_contract))
