"""A request for access: what a provider asks a patient for, signed, and sealed to the patient (docs/format.md §15).

The wallet signs who asks whom, for which purposes and until when; what is asked and why stands in the *wish*, which the
signature covers by a salted hash. Whoever relays a request sees the first and never the second::

    letter ── open (needs the patient's inbox key) ──> UnverifiedRequest ── verify ──> SignedRequest
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

from medrec_py.crypto import cbor, letter
from medrec_py.crypto.keys import ADDRESS_SIZE, SECRET_SIZE, Deployment, Place, check_size, check_uint, context
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

MAX_WHAT: Final = 1024
MAX_WHY: Final = 2048
"""Bytes of UTF-8 in which it is said what is asked, and why."""
MAX_NAMES: Final = 8
MAX_NAME: Final = 256
"""Compartments that are suggested, and bytes of UTF-8 in the name of one."""

_LETTER: Final = "medrec/1/access-request"
_WISH: Final = "medrec/1/access-wish"
_WISH_KEYS: Final = ("read", "append", "history", "compartments", "what", "why", "salt")
_LETTER_KEYS: Final = ("requester", "onBehalfOf", "purposes", "expiry", "deadline", "wish", "signature")
_MAX_PURPOSES: Final = (1 << 16) - 1
_MAX_TIME: Final = (1 << 40) - 1


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked, and why: for the patient alone.

    Attributes:
        read: Whether it is to read.
        append: Whether it is to append.
        history: Whether what was written before is to be read too.
        compartments: Names that the requester suggests; it may not know the patient's own.
        what: In its words.
        why: In its words.
        salt: 32 random bytes, so that the hash tells nothing to whoever guesses.
    """

    read: bool
    append: bool
    history: bool
    compartments: tuple[str, ...] = field(repr=False)
    what: str = field(repr=False)
    why: str = field(repr=False)
    salt: bytes = field(repr=False, default_factory=lambda: secrets.token_bytes(SECRET_SIZE))

    def __post_init__(self) -> None:
        """Refuse what nobody could be asked.

        Raises:
            InvalidInput: neither reading nor appending is asked, history without reading, or a text cannot be used.
        """
        if not (self.read or self.append):
            raise InvalidInput("a request asks to read, to append, or both")
        if self.history and not self.read:
            raise InvalidInput("what was written before can be asked for by who asks to read")
        if len(self.compartments) > MAX_NAMES:
            raise InvalidInput(f"a request suggests at most {MAX_NAMES} compartments")
        for name in self.compartments:
            if not check_text(name, "a compartment's name", MAX_NAME).isprintable() or not name.strip():
                raise InvalidInput("a compartment's name is empty, or has more than one line")
        check_text(self.what, "what is asked", MAX_WHAT)
        check_text(self.why, "why it is asked", MAX_WHY)
        check_size(self.salt, SECRET_SIZE, "the salt")

    def hash(self) -> bytes:
        """What the signature covers, 32 bytes."""
        return hashlib.sha256(context(_WISH, self.as_map())).digest()

    def as_map(self) -> dict[str, cbor.Value]:
        """The map that is hashed and sealed."""
        return {
            "read": self.read,
            "append": self.append,
            "history": self.history,
            "compartments": list(self.compartments),
            "what": self.what,
            "why": self.why,
            "salt": self.salt,
        }

    @classmethod
    def from_map(cls, value: cbor.Value) -> Self:
        """Read it.

        Raises:
            FormatError: it is none.
        """
        fields = cbor.Fields(value, "the wish", _WISH_KEYS)
        try:
            return cls(
                read=fields.boolean("read"),
                append=fields.boolean("append"),
                history=fields.boolean("history"),
                compartments=tuple(cbor.text(name, "a compartment") for name in fields.array("compartments")),
                what=fields.text("what"),
                why=fields.text("why"),
                salt=fields.octets("salt", SECRET_SIZE),
            )
        except InvalidInput as error:
            raise FormatError(f"the wish is none: {error}") from error


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What the requester's wallet signs (EIP-712). As such it is not verified.

    Attributes:
        place: Chain, contract and the patient who is asked.
        requester: Who asks and signs, 20 bytes.
        on_behalf_of: Who would be granted: the requester itself, or whose agent it is. 20 bytes.
        purposes: Bit p: purpose of use p.
        expiry: First second after the permission that is asked for.
        wish: Hash of the `Wish`, 32 bytes.
        deadline: Last second at which the request stands, Unix time.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "AccessRequest",
        (
            ("patient", "address"),
            ("requester", "address"),
            ("onBehalfOf", "address"),
            ("purposes", "uint16"),
            ("expiry", "uint40"),
            ("wish", "bytes32"),
            ("deadline", "uint256"),
        ),
    )

    place: Place
    requester: bytes
    on_behalf_of: bytes
    purposes: int
    expiry: int
    wish: bytes
    deadline: int

    def __post_init__(self) -> None:
        """Refuse values out of bounds.

        Raises:
            InvalidInput: one is.
        """
        check_size(self.requester, ADDRESS_SIZE, "the requester's address")
        check_size(self.on_behalf_of, ADDRESS_SIZE, "the address of whom it is asked for")
        check_uint(self.purposes, "the purposes", _MAX_PURPOSES, minimum=1)
        check_uint(self.expiry, "the end of the permission", _MAX_TIME)
        check_size(self.wish, SECRET_SIZE, "the hash of the wish")
        check_uint(self.deadline, "the deadline", _MAX_TIME)

    @property
    def id(self) -> str:
        """What the request is called: its digest, 0x and 64 digits. It tells nothing: a random salt is in it."""
        return "0x" + self.digest().hex()

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
        return cls._from_message(deployment, message)

    @classmethod
    def _from_message(cls, deployment: Deployment, message: Mapping[str, Any]) -> Self:
        try:
            return cls(
                Place(deployment.chain_id, deployment.contract, message["patient"]),
                requester=message["requester"],
                on_behalf_of=message["onBehalfOf"],
                purposes=message["purposes"],
                expiry=message["expiry"],
                wish=message["wish"],
                deadline=message["deadline"],
            )
        except InvalidInput as error:
            raise FormatError(f"the document asks for nothing: {error}") from error

    def _message(self) -> Message:
        return {
            "patient": self.place.patient,
            "requester": self.requester,
            "onBehalfOf": self.on_behalf_of,
            "purposes": self.purposes,
            "expiry": self.expiry,
            "wish": self.wish,
            "deadline": self.deadline,
        }


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request, the wish that it covers, and its signature: verified, or made here.

    Attributes:
        request: What was signed.
        wish: What it asks.
        signature: The requester's: 65 bytes of a key, or what an account with code takes for one.
    """

    request: AccessRequest
    wish: Wish
    signature: bytes = field(repr=False)

    def seal(self, to: Recipient) -> bytes:
        """The letter to the patient.

        Args:
            to: The patient's inbox.

        Raises:
            FormatError: nothing can be sealed to its public key.
        """
        request = self.request
        document = {
            "requester": request.requester,
            "onBehalfOf": request.on_behalf_of,
            "purposes": request.purposes,
            "expiry": request.expiry,
            "deadline": request.deadline,
            "wish": self.wish.as_map(),
            "signature": self.signature,
        }
        return letter.seal(_LETTER, to, document)


@dataclass(frozen=True, slots=True)
class UnverifiedRequest:
    """A request that has the right form. Only ``verify`` says that it was made."""

    _signed: SignedRequest

    def verify(self, check_contract: CheckContractSignature | None = None) -> SignedRequest:
        """The request, if the requester signed it and the wish is the one that it signed.

        Args:
            check_contract: Asks an account with code (ERC-1271); without it such requesters are refused.

        Raises:
            AccessMismatch: the wish is another one.
            SignatureMissing: the requester did not sign it, for this patient.
        """
        request, signature = self._signed.request, self._signed.signature
        if self._signed.wish.hash() != request.wish:
            raise AccessMismatch("what is asked in words is not what the requester signed")
        if not is_signed_by(request.requester, request.digest(), signature, check_contract):
            raise SignatureMissing(f"0x{request.requester.hex()} did not sign this request for access")
        return self._signed

    @classmethod
    def of(cls, request: AccessRequest, wish: Wish, signature: bytes) -> Self:
        """From its parts, as they were kept somewhere.

        Raises:
            FormatError: the signature has an impossible size.
        """
        return cls(SignedRequest(request, wish, check_signature(signature)))


def build(
    sign_typed_data: SignTypedData,
    request: AccessRequest,
    wish: Wish,
    check_contract: CheckContractSignature | None = None,
) -> SignedRequest:
    """Have the requester's wallet sign.

    Raises:
        InvalidInput: the wish is not the one that the request covers, or the wallet signed with another key.
    """
    if wish.hash() != request.wish:
        raise InvalidInput("the request covers another wish")
    return SignedRequest(request, wish, sign_message(sign_typed_data, request.requester, request, check_contract))


def open_letter(sealed: Letter, place: Place, key: PrivateKey) -> UnverifiedRequest:
    """Open a letter that came for a patient.

    Args:
        sealed: The letter.
        place: Chain, contract and patient.
        key: The patient's inbox key of the letter's number.

    Raises:
        WrongKey: it is sealed to another key, for another patient, or was changed.
        FormatError: what is sealed is no request.
    """
    fields = cbor.Fields(sealed.open(_LETTER, place.patient, key), "the request", _LETTER_KEYS)
    wish = Wish.from_map(fields.value("wish"))
    try:
        request = AccessRequest(
            place,
            requester=fields.octets("requester", ADDRESS_SIZE),
            on_behalf_of=fields.octets("onBehalfOf", ADDRESS_SIZE),
            purposes=fields.uint("purposes", _MAX_PURPOSES),
            expiry=fields.uint("expiry", _MAX_TIME),
            wish=wish.hash(),
            deadline=fields.uint("deadline", _MAX_TIME),
        )
    except InvalidInput as error:
        raise FormatError(f"the request asks for nothing: {error}") from error
    return UnverifiedRequest.of(request, wish, fields.octets("signature"))
