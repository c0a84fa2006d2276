"""The answer to a request for access: granted or refused, signed by the patient's wallet (docs/format.md §15).

It names the request and the version of the permission that was granted, so that whoever has request, answer and the
event of the grant can follow one to the other. The reason is for the requester alone.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

from medrec_py.crypto import cbor, letter
from medrec_py.crypto.access_request import AccessRequest
from medrec_py.crypto.keys import ADDRESS_SIZE, SECRET_SIZE, Place, check_size, check_uint, context
from medrec_py.crypto.letter import Letter, Recipient, check_text
from medrec_py.crypto.suites import PrivateKey
from medrec_py.crypto.typed_data import (
    CheckContractSignature,
    Message,
    SignTypedData,
    TypedStruct,
    check_signature,
    is_signed_by,
    sign_message,
)
from medrec_py.errors import AccessMismatch, FormatError, InvalidInput, SignatureMissing

MAX_REASON: Final = 2048
"""Bytes of UTF-8 of the reason."""

_LETTER: Final = "medrec/1/access-answer"
_REASON: Final = "medrec/1/access-reason"
_LETTER_KEYS: Final = ("signer", "version", "time", "reason", "salt", "signature")
_MAX_VERSION: Final = (1 << 24) - 1


@dataclass(frozen=True, slots=True)
class Reason:
    """What the patient has to say about it; may be empty.

    Attributes:
        text: In the patient's words.
        salt: 32 random bytes, so that the hash tells nothing to whoever guesses.
    """

    text: str = field(default="", repr=False)
    salt: bytes = field(repr=False, default_factory=lambda: secrets.token_bytes(SECRET_SIZE))

    def __post_init__(self) -> None:
        """Refuse a text that cannot be shown.

        Raises:
            InvalidInput: it is too long, or has characters that do something else than being read.
        """
        check_text(self.text, "the reason", MAX_REASON)
        check_size(self.salt, SECRET_SIZE, "the salt")

    def hash(self) -> bytes:
        """What the signature covers, 32 bytes."""
        return hashlib.sha256(context(_REASON, self.text, self.salt)).digest()


@dataclass(frozen=True, slots=True)
class AccessAnswer:
    """What the patient's wallet signs (EIP-712). As such it is not verified.

    Attributes:
        place: Chain, contract and patient.
        signer: The wallet that decides for the patient, 20 bytes.
        requester: Who asked, 20 bytes.
        on_behalf_of: Who was granted, or would have been. 20 bytes.
        request: Digest of the request, 32 bytes.
        version: Of the permission that was granted; zero: refused.
        reason: Hash of the `Reason`, 32 bytes.
        time: When it was signed, Unix time, as the signer says.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "AccessAnswer",
        (
            ("patient", "address"),
            ("signer", "address"),
            ("requester", "address"),
            ("onBehalfOf", "address"),
            ("request", "bytes32"),
            ("version", "uint24"),
            ("reason", "bytes32"),
            ("time", "uint64"),
        ),
    )

    place: Place
    signer: bytes
    requester: bytes
    on_behalf_of: bytes
    request: bytes
    version: int
    reason: bytes
    time: int

    def __post_init__(self) -> None:
        """Refuse values out of bounds.

        Raises:
            InvalidInput: one is.
        """
        check_size(self.signer, ADDRESS_SIZE, "the signer's address")
        check_size(self.requester, ADDRESS_SIZE, "the requester's address")
        check_size(self.on_behalf_of, ADDRESS_SIZE, "the address of whom it was asked for")
        check_size(self.request, SECRET_SIZE, "the digest of the request")
        check_uint(self.version, "the permission's version", _MAX_VERSION)
        check_size(self.reason, SECRET_SIZE, "the hash of the reason")
        check_uint(self.time, "the time")

    @property
    def is_granted(self) -> bool:
        """Whether something was granted."""
        return self.version > 0

    def answers(self, request: AccessRequest) -> bool:
        """Whether it is an answer to this request."""
        asked = request.place, request.requester, request.on_behalf_of, request.digest()
        return asked == (self.place, self.requester, self.on_behalf_of, self.request)

    def typed_data(self) -> dict[str, Any]:
        """The EIP-712 document as JSON has it, for a wallet to show and sign."""
        return self.struct.typed_data(self.place, self._message())

    def digest(self) -> bytes:
        """The EIP-712 digest that is signed, 32 bytes."""
        return self.struct.digest(self.place, self._message())

    @classmethod
    def from_typed_data(cls, document: Mapping[str, Any]) -> Self:
        """Read what ``typed_data`` made.

        Raises:
            FormatError: it is none, or is written otherwise.
        """
        deployment, message = cls.struct.read(document)
        parts: dict[str, Any] = {**message}
        place = Place(deployment.chain_id, deployment.contract, parts.pop("patient"))
        return cls(place, on_behalf_of=parts.pop("onBehalfOf"), **parts)

    def _message(self) -> Message:
        return {
            "patient": self.place.patient,
            "signer": self.signer,
            "requester": self.requester,
            "onBehalfOf": self.on_behalf_of,
            "request": self.request,
            "version": self.version,
            "reason": self.reason,
            "time": self.time,
        }


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """An answer, its reason, and its signature: verified, or made here.

    Attributes:
        answer: What was signed.
        reason: Why.
        signature: Of the wallet that decides for the patient.
    """

    answer: AccessAnswer
    reason: Reason
    signature: bytes = field(repr=False)

    def seal(self, to: Recipient) -> bytes:
        """The letter to the requester.

        Args:
            to: The requester's profile key.

        Raises:
            FormatError: nothing can be sealed to it.
        """
        answer = self.answer
        document = {
            "signer": answer.signer,
            "version": answer.version,
            "time": answer.time,
            "reason": self.reason.text,
            "salt": self.reason.salt,
            "signature": self.signature,
        }
        return letter.seal(_LETTER, to, document, answer.place.patient, answer.request)


@dataclass(frozen=True, slots=True)
class UnverifiedAnswer:
    """An answer that has the right form. Only ``verify`` says that it was given."""

    _signed: SignedAnswer

    def verify(self, request: AccessRequest, check_contract: CheckContractSignature | None = None) -> SignedAnswer:
        """The answer, if its signer gave it to this request. Whether the signer may decide, the chain says.

        Args:
            request: What was asked.
            check_contract: Asks an account with code (ERC-1271); without it such signers are refused.

        Raises:
            AccessMismatch: it answers another request, or the reason is another one.
            SignatureMissing: the signer did not sign it.
        """
        answer = self._signed.answer
        if not answer.answers(request):
            raise AccessMismatch("the answer is to another request")
        if self._signed.reason.hash() != answer.reason:
            raise AccessMismatch("the reason in words is not what the patient's wallet signed")
        if not is_signed_by(answer.signer, answer.digest(), self._signed.signature, check_contract):
            raise SignatureMissing(f"0x{answer.signer.hex()} did not sign this answer")
        return self._signed

    @classmethod
    def of(cls, answer: AccessAnswer, reason: Reason, signature: bytes) -> Self:
        """From its parts, as they were kept somewhere.

        Raises:
            FormatError: the signature has an impossible size.
        """
        return cls(SignedAnswer(answer, reason, check_signature(signature)))


def build(
    sign_typed_data: SignTypedData,
    request: AccessRequest,
    signer: bytes,
    version: int,
    reason: Reason,
    time: int,
    check_contract: CheckContractSignature | None = None,
) -> SignedAnswer:
    """Have the patient's wallet sign an answer.

    Args:
        sign_typed_data: The wallet.
        request: What was asked.
        signer: The wallet's address, 20 bytes.
        version: Of the permission that was granted; zero: refused.
        reason: Why.
        time: Now, Unix time.
        check_contract: Asks an account with code (ERC-1271).

    Raises:
        InvalidInput: a value is out of bounds, or the wallet signed with another key.
    """
    answer = AccessAnswer(
        request.place,
        signer=signer,
        requester=request.requester,
        on_behalf_of=request.on_behalf_of,
        request=request.digest(),
        version=version,
        reason=reason.hash(),
        time=time,
    )
    return SignedAnswer(answer, reason, sign_message(sign_typed_data, signer, answer, check_contract))


def open_letter(sealed: Letter, request: AccessRequest, key: PrivateKey) -> UnverifiedAnswer:
    """Open a letter that came as an answer to a request.

    Args:
        sealed: The letter.
        request: What was asked.
        key: The requester's profile key of the letter's number.

    Raises:
        WrongKey: it is sealed to another key, is an answer to another request, or was changed.
        FormatError: what is sealed is no answer.
    """
    digest = request.digest()
    opened = sealed.open(_LETTER, request.requester, key, request.place.patient, digest)
    fields = cbor.Fields(opened, "the answer", _LETTER_KEYS)
    try:
        reason = Reason(fields.text("reason"), fields.octets("salt", SECRET_SIZE))
    except InvalidInput as error:
        raise FormatError(f"the answer cannot be shown: {error}") from error
    answer = AccessAnswer(
        request.place,
        signer=fields.octets("signer", ADDRESS_SIZE),
        requester=request.requester,
        on_behalf_of=request.on_behalf_of,
        request=digest,
        version=fields.uint("version", _MAX_VERSION),
        reason=reason.hash(),
        time=fields.uint("time"),
    )
    return UnverifiedAnswer.of(answer, reason, fields.octets("signature"))
