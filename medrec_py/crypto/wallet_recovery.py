"""What goes to and fro when guardians hand a patient id to a new wallet (``IMedRec.beginRecovery``).

The new wallet asks; each guardian compares the fingerprint that the person reads out, and signs ``Recover``; so does
the new wallet, so that a typing error locks nobody out. docs/format.md §13 has the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from medrec_py.crypto import cbor
from medrec_py.crypto.blocks import check_size as check_block
from medrec_py.crypto.decisions import SignedForm
from medrec_py.crypto.fingerprint import Fingerprinted
from medrec_py.crypto.keys import ADDRESS_SIZE, Place
from medrec_py.crypto.typed_data import TypedStruct, check_signature
from medrec_py.errors import FormatError, KeyringMismatch

VERSION: Final = 1

_DIGEST_SIZE: Final = 32
_REQUEST_KEYS: Final = ("v", "chain", "contract", "patient", "wallet", "round", "deadline")
_APPROVAL_KEYS: Final = ("v", "request", "guardian", "signature")


@dataclass(frozen=True, slots=True)
class Recover(SignedForm):
    """A patient id goes to another wallet, in the words of one of those who have to sign it.

    Attributes:
        signer: Who signs this: a guardian, or the new wallet itself.
        wallet: The new wallet.
        round: Number of the patient's recoveries so far plus one, so that no signature counts twice.
        deadline: Last second at which the recovery can be begun with it, Unix time.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "Recover",
        (
            ("patient", "address"),
            ("signer", "address"),
            ("wallet", "address"),
            ("round", "uint64"),
            ("deadline", "uint256"),
        ),
    )

    signer: bytes
    wallet: bytes
    round: int
    deadline: int


@dataclass(frozen=True, slots=True)
class CompleteRecovery(SignedForm):
    """A recovery that is due is completed. Nobody has to sign it; it is a form so that it travels like the others.

    Attributes:
        wallet: The new wallet.
        round: Number of the recovery.
        deadline: Last second at which it is worth sending, Unix time.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "CompleteRecovery",
        (("patient", "address"), ("wallet", "address"), ("round", "uint64"), ("deadline", "uint256")),
    )

    wallet: bytes
    round: int
    deadline: int


@dataclass(frozen=True, slots=True)
class Request(Fingerprinted):
    """A new wallet's request to the guardians. Nobody signs it, and it holds no secret.

    Attributes:
        place: Chain, contract and patient.
        wallet: The new wallet, 20 bytes.
        round: Number of the recovery that it asks for.
        deadline: Last second at which it can be begun, Unix time.
    """

    purpose: ClassVar[bytes] = b"medrec/1/wallet-recovery-fingerprint"

    place: Place
    wallet: bytes
    round: int
    deadline: int

    def to_sign(self, signer: bytes) -> Recover:
        """What a guardian signs, or the new wallet itself."""
        return Recover(self.place, signer, self.wallet, self.round, self.deadline)

    def to_bytes(self) -> bytes:
        """The block."""
        chain_id, contract, patient = self.place
        return cbor.encode(
            {
                "v": VERSION,
                "chain": chain_id,
                "contract": contract,
                "patient": patient,
                "wallet": self.wallet,
                "round": self.round,
                "deadline": self.deadline,
            }
        )


def parse_request(block: bytes) -> Request:
    """Read a request. Only its fingerprint tells whose it is.

    Raises:
        FormatError: it is none of this version.
    """
    what = "the request for a new wallet"
    fields = cbor.Fields(cbor.decode(check_block(block, what)), what, _REQUEST_KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError(f"{what} is of another version")
    contract, patient = (fields.octets(name, ADDRESS_SIZE) for name in ("contract", "patient"))
    place = Place(fields.uint("chain"), contract, patient)
    wallet = fields.octets("wallet", ADDRESS_SIZE)
    return Request(place, wallet, fields.uint("round", cbor.MAX_UINT), fields.uint("deadline"))


@dataclass(frozen=True, slots=True)
class Approval:
    """A guardian's signature in answer to a request.

    Attributes:
        guardian: Whose, 20 bytes.
        signature: Of the guardian's ``Recover``.
    """

    guardian: bytes
    signature: bytes = field(repr=False)

    def to_bytes(self, request: Request) -> bytes:
        """The block, for the new wallet."""
        return cbor.encode(
            {
                "v": VERSION,
                "request": request.digest(),
                "guardian": self.guardian,
                "signature": self.signature,
            }
        )


def parse_approval(block: bytes, request: Request) -> Approval:
    """Read an approval. Whether the signature is good, only the guardian's account tells.

    Raises:
        FormatError: it is none of this version.
        KeyringMismatch: it answers another request.
    """
    what = "the guardian's approval"
    fields = cbor.Fields(cbor.decode(check_block(block, what)), what, _APPROVAL_KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError(f"{what} is of another version")
    if fields.octets("request", _DIGEST_SIZE) != request.digest():
        raise KeyringMismatch(f"{what} answers another request than this wallet's")
    return Approval(fields.octets("guardian", ADDRESS_SIZE), check_signature(fields.octets("signature")))
