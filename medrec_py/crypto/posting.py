"""What is handed to a relayer for somebody: the signed message that it checks, and the letter that it keeps.

JSON, as bundles are (docs/format.md §14, §15). The message tells the relayer that whoever sends it may; only the letter
is given to others.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from medrec_py.crypto import letter, untrusted_json
from medrec_py.crypto.access_answer import AccessAnswer
from medrec_py.crypto.access_request import AccessRequest
from medrec_py.crypto.signed_decisions import read_base64, read_hexadecimal
from medrec_py.crypto.typed_data import check_signature
from medrec_py.errors import FormatError

VERSION: Final = 1
MAX_POSTING: Final = 48 * 1024
"""The longest posting as JSON, in bytes: a letter in base64, a signature in hexadecimal, and the message."""

_KEYS: Final = {"v", "typedData", "signature", "letter"}
_M = TypeVar("_M", AccessRequest, AccessAnswer)


@dataclass(frozen=True, slots=True)
class Posting(Generic[_M]):
    """A message with its letter. Nothing of it is verified but its form.

    Attributes:
        message: What was signed.
        signature: By whoever sends it.
        letter: As `medrec_py.crypto.letter` seals it.

    Raises:
        FormatError: the signature has an impossible size, or the letter is none of the message's deployment.
    """

    message: _M
    signature: bytes = field(repr=False)
    letter: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_signature(self.signature)
        place, sealed = self.message.place, letter.parse(self.letter)
        if (sealed.deployment.chain_id, sealed.deployment.contract) != (place.chain_id, place.contract):
            raise FormatError("the letter belongs to another deployment than the message")

    def to_json(self) -> bytes:
        """As it is sent, in one way of writing it."""
        document = {
            "v": VERSION,
            "typedData": self.message.typed_data(),
            "signature": "0x" + self.signature.hex(),
            "letter": base64.b64encode(self.letter).decode(),
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, octets: bytes, kind: type[_M]) -> Posting[_M]:
        """Read one of anybody's.

        Args:
            octets: JSON.
            kind: Of the message that it has to have.

        Raises:
            FormatError: it is none.
            UnknownSuite: its letter is sealed by a suite that this version does not have.
        """
        document = read_json(octets, MAX_POSTING)
        if document.keys() != _KEYS or type(document["v"]) is not int or document["v"] != VERSION:
            raise FormatError("the posting is not one of this version")
        if not isinstance(document["typedData"], dict):
            raise FormatError("the posting has no message")
        message = kind.from_typed_data(document["typedData"])
        return Posting(message, read_hexadecimal(document["signature"]), read_base64(document["letter"]))


def read_json(octets: bytes, most: int) -> dict[str, Any]:
    """A JSON object of anybody's.

    Args:
        octets: The text.
        most: Bytes that it may have.

    Raises:
        FormatError: it is none, is longer, or is nested deeper than any has to be.
    """
    if len(octets) > most:
        raise FormatError(f"it has {len(octets)} bytes, and may have {most}")
    try:
        document = untrusted_json.loads(octets)
    except ValueError as error:
        raise FormatError("it is not JSON") from error
    if not isinstance(document, dict):
        raise FormatError("it is no JSON object")
    return document
