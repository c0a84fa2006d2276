"""What an agent asks of a key service: typed data that its wallet signs, and JSON that carries it.

Every member is in the signature, and so are chain and contract, by the EIP-712 domain: whoever alters one, or sends the
request to the service of another provider or deployment, has no signature for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from medrec_py.crypto import untrusted_json
from medrec_py.crypto.keys import Deployment, Place, context
from medrec_py.crypto.suites import Suite, by_number
from medrec_py.crypto.typed_data import TypedStruct, checksum_address, is_signed_by
from medrec_py.errors import FormatError, InvalidInput, RequestMalformed, RequestNotSigned, RequestTooLarge
from medrec_py.purposes import Purpose

VERSION: Final = 1
MAX_REQUEST: Final = 8 * 1024
"""Largest request in bytes; with the longest key of any suite it has less than half of that."""

NONCE_SIZE: Final = 32
_DIGEST_SIZE, _ADDRESS_SIZE = 32, 20
_MAX_ENTRY, _MAX_TIME, _MAX_CHAIN = (1 << 32) - 1, (1 << 40) - 1, (1 << 64) - 1
_RECIPIENT: Final = "medrec/1/key-recipient"

_COMMON_BEFORE = (("agent", "address"), ("principal", "address"), ("patient", "address"))
_COMMON_AFTER = (("purpose", "uint8"), ("recipient", "bytes32"), ("time", "uint40"), ("nonce", "bytes32"))
_DATA_KEY = TypedStruct(
    "DataKeyRequest", (*_COMMON_BEFORE, ("entry", "uint32"), ("pointer", "bytes32"), *_COMMON_AFTER)
)
_NAMES = TypedStruct("NamesRequest", (*_COMMON_BEFORE, *_COMMON_AFTER))
_PEOPLE_AND_PLACE: Final = ("chain", "contract", "agent", "principal", "patient", "entry", "pointer")
_MEMBERS: Final = frozenset(
    ("v", "what", *_PEOPLE_AND_PLACE, "purpose", "suite", "recipient", "time", "nonce", "signature")
)


class What(StrEnum):
    """What is asked for."""

    DATA_KEY = "data-key"
    NAMES = "names"


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Whether its agent signed it, only ``verify`` says.

    Attributes:
        what: A record's data key, or the names of compartments.
        place: Chain, contract and patient.
        agent: Who asks, 20 bytes.
        principal: Whose key is to open it, 20 bytes.
        entry: Number of the record's entry; 0 for names.
        pointer: SHA-256 of its envelope, 32 bytes; zero for names.
        purpose: Why.
        suite: Of the one-time key.
        recipient: One-time public key that the answer is sealed to.
        time: When, Unix time.
        nonce: 32 random bytes.
    """

    what: What
    place: Place
    agent: bytes
    principal: bytes
    entry: int
    pointer: bytes
    purpose: Purpose
    suite: Suite
    recipient: bytes = field(repr=False)
    time: int
    nonce: bytes

    @property
    def deployment(self) -> Deployment:
        """Chain and contract, in whose domain it is signed."""
        return Deployment(self.place.chain_id, self.place.contract)

    def typed_data(self) -> dict[str, Any]:
        """The EIP-712 document as JSON has it, for a wallet to show and sign."""
        return self._struct.typed_data(self.deployment, self._message)

    @property
    def digest(self) -> bytes:
        """The EIP-712 digest that is signed, 32 bytes."""
        return self._struct.digest(self.deployment, self._message)

    @property
    def _struct(self) -> TypedStruct:
        return _DATA_KEY if self.what is What.DATA_KEY else _NAMES

    @property
    def _message(self) -> dict[str, int | bytes]:
        recipient = hashlib.sha256(context(_RECIPIENT, self.suite.number, self.recipient)).digest()
        return {
            "agent": self.agent,
            "principal": self.principal,
            "patient": self.place.patient,
            "entry": self.entry,
            "pointer": self.pointer,
            "purpose": int(self.purpose),
            "recipient": recipient,
            "time": self.time,
            "nonce": self.nonce,
        }


@dataclass(frozen=True, slots=True)
class UnverifiedRequest:
    """A request of the right form that anybody may have written.

    Attributes:
        content: What it says.
    """

    content: Request
    _signature: bytes = field(repr=False)

    def verify(self) -> Request:
        """The request, if its agent signed it.

        Raises:
            RequestNotSigned: it did not.
        """
        if not is_signed_by(self.content.agent, self.content.digest, self._signature):
            agent = checksum_address(self.content.agent)
            raise RequestNotSigned(
                f"the request is not one that the key of {agent} signed, or was altered "
                "(signatures of accounts with code, ERC-1271, are not taken)"
            )
        return self.content


def encode(request: Request, signature: bytes) -> bytes:
    """The JSON of a signed request."""
    place = request.place
    return json.dumps(
        {
            "v": VERSION,
            "what": request.what.value,
            "chain": place.chain_id,
            "contract": checksum_address(place.contract),
            "agent": checksum_address(request.agent),
            "principal": checksum_address(request.principal),
            "patient": checksum_address(place.patient),
            "entry": request.entry,
            "pointer": "0x" + request.pointer.hex(),
            "purpose": request.purpose.name,
            "suite": request.suite.number,
            "recipient": base64.b64encode(request.recipient).decode(),
            "time": request.time,
            "nonce": "0x" + request.nonce.hex(),
            "signature": "0x" + signature.hex(),
        }
    ).encode()


def parse(body: bytes) -> UnverifiedRequest:
    """Read a request.

    Raises:
        RequestTooLarge: it has more than ``MAX_REQUEST`` bytes.
        RequestMalformed: it is not JSON, or not a request of this version.
    """
    if len(body) > MAX_REQUEST:
        raise RequestTooLarge(f"a request has at most {MAX_REQUEST} bytes")
    members = _Members(_object(body))
    if members.uint("v", _MAX_CHAIN) != VERSION:
        raise RequestMalformed("a request of another version")
    return UnverifiedRequest(members.request(), members.signature())


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = untrusted_json.loads(body, object_pairs_hook=_once)
    except ValueError as error:
        raise RequestMalformed("the request is not JSON") from error
    if not isinstance(document, dict) or document.keys() != _MEMBERS:
        raise RequestMalformed("the request does not have the members that it must have, and no others")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands there twice")
    return found


@dataclass(frozen=True, slots=True)
class _Members:
    """The members of a request as they came."""

    _found: Mapping[str, Any]

    def request(self) -> Request:
        what = self._what()
        suite = self._suite()
        request = Request(
            what=what,
            place=self._place(),
            agent=self.octets("agent", _ADDRESS_SIZE),
            principal=self.octets("principal", _ADDRESS_SIZE),
            entry=self.uint("entry", _MAX_ENTRY),
            pointer=self.octets("pointer", _DIGEST_SIZE),
            purpose=self._purpose(),
            suite=suite,
            recipient=self._recipient(suite),
            time=self.uint("time", _MAX_TIME),
            nonce=self.octets("nonce", NONCE_SIZE),
        )
        if (what is What.DATA_KEY) != (request.entry > 0) or (what is What.NAMES and any(request.pointer)):
            raise RequestMalformed("a data key is asked for by its entry, and names without one")
        return request

    def uint(self, name: str, maximum: int) -> int:
        value = self._found[name]
        if type(value) is not int or not 0 <= value <= maximum:
            raise RequestMalformed(f"{name} of the request is no number that it may be")
        return value

    def octets(self, name: str, size: int) -> bytes:
        digits = self._text(name).removeprefix("0x")
        try:
            octets = bytes.fromhex(digits)
        except ValueError as error:
            raise RequestMalformed(f"{name} of the request is not hexadecimal") from error
        if len(octets) != size or len(digits) != 2 * size:
            raise RequestMalformed(f"{name} of the request must have {size} bytes")
        return octets

    def signature(self) -> bytes:
        """Of any length: whether it is one is for ``verify``, which says which kinds are taken."""
        digits = self._text("signature").removeprefix("0x")
        return self.octets("signature", len(digits) // 2)

    def _text(self, name: str) -> str:
        value = self._found[name]
        if not isinstance(value, str):
            raise RequestMalformed(f"{name} of the request is no text")
        return value

    def _what(self) -> What:
        try:
            return What(self._text("what"))
        except ValueError as error:
            raise RequestMalformed("a key service gives data keys and names, and nothing else") from error

    def _place(self) -> Place:
        chain, contract = self.uint("chain", _MAX_CHAIN), self.octets("contract", _ADDRESS_SIZE)
        try:
            return Place(chain, contract, self.octets("patient", _ADDRESS_SIZE))
        except InvalidInput as error:
            raise RequestMalformed(f"the request: {error}") from error

    def _purpose(self) -> Purpose:
        try:
            return Purpose[self._text("purpose")]
        except KeyError as error:
            raise RequestMalformed("the request states no purpose of use that there is") from error

    def _suite(self) -> Suite:
        try:
            return by_number(self.uint("suite", _MAX_CHAIN))
        except FormatError as error:
            raise RequestMalformed(f"the request: {error}") from error

    def _recipient(self, suite: Suite) -> bytes:
        try:
            recipient = base64.b64decode(self._text("recipient"), validate=True)
            suite.check_public_key(recipient)
        except (binascii.Error, ValueError, FormatError) as error:
            raise RequestMalformed("the one-time key of the request is none") from error
        return recipient
