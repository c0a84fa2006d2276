"""A request for access with its answer, as both sides keep them and show them to others (docs/format.md §15).

Both signatures are in it, and the words that they cover. Whether the chain bears the answer out,
``medrec_py.answers`` says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from medrec_py.crypto.access_answer import AccessAnswer, Reason, SignedAnswer, UnverifiedAnswer
from medrec_py.crypto.access_request import AccessRequest, SignedRequest, UnverifiedRequest, Wish
from medrec_py.crypto.posting import read_json
from medrec_py.crypto.signed_decisions import read_hexadecimal
from medrec_py.crypto.typed_data import CheckContractSignature
from medrec_py.errors import FormatError, InvalidInput

VERSION: Final = 1
MAX_EXCHANGE: Final = 128 * 1024
"""The longest exchange as JSON, in bytes."""

_KEYS: Final = {"v", "request", "answer"}
_REQUEST_KEYS: Final = {"typedData", "signature", "wish"}
_ANSWER_KEYS: Final = {"typedData", "signature", "reason", "salt"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer: verified, or made here.

    Attributes:
        request: What was asked.
        answer: What was answered; ``None`` as long as it was not.
    """

    request: SignedRequest
    answer: SignedAnswer | None = None

    def to_json(self) -> bytes:
        """As it is kept, in one way of writing it. The words are in it: it is for both sides, and whom they choose."""
        request = self.request
        wish = request.wish.as_map() | {"salt": _written(request.wish.salt)}
        document = {
            "v": VERSION,
            "request": {
                "typedData": request.request.typed_data(),
                "signature": _written(request.signature),
                "wish": wish,
            },
            "answer": None if self.answer is None else _answer_document(self.answer),
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class UnverifiedExchange:
    """An exchange that has the right form. Only ``verify`` says that both sides signed."""

    _request: UnverifiedRequest
    _answer: UnverifiedAnswer | None

    def verify(self, check_contract: CheckContractSignature | None = None) -> Exchange:
        """The exchange, if both sides signed what stands in it, and the answer is to this request.

        Args:
            check_contract: Asks an account with code (ERC-1271); without it such accounts are refused.

        Raises:
            AccessMismatch: the words are not those that were signed, or the answer is to another request.
            SignatureMissing: somebody did not sign.
        """
        request = self._request.verify(check_contract)
        answer = None if self._answer is None else self._answer.verify(request.request, check_contract)
        return Exchange(request, answer)

    @classmethod
    def of(cls, request: SignedRequest, answer: UnverifiedAnswer) -> UnverifiedExchange:
        """Of a request and what came as the answer to it."""
        return cls(UnverifiedRequest.of(request.request, request.wish, request.signature), answer)

    @classmethod
    def from_json(cls, octets: bytes) -> UnverifiedExchange:
        """Read what ``Exchange.to_json`` made.

        Raises:
            FormatError: it is none.
        """
        document = read_json(octets, MAX_EXCHANGE)
        if document.keys() != _KEYS or type(document["v"]) is not int or document["v"] != VERSION:
            raise FormatError("the exchange is not one of this version")
        answer = document["answer"]
        return cls(_read_request(document["request"]), None if answer is None else _read_answer(answer))


def _answer_document(signed: SignedAnswer) -> dict[str, Any]:
    return {
        "typedData": signed.answer.typed_data(),
        "signature": _written(signed.signature),
        "reason": signed.reason.text,
        "salt": _written(signed.reason.salt),
    }


def _read_request(value: Any) -> UnverifiedRequest:
    fields = _members(value, _REQUEST_KEYS)
    wish = _mapping(fields["wish"])
    read = Wish.from_map({**wish, "salt": read_hexadecimal(wish.get("salt"))})
    request = AccessRequest.from_typed_data(_mapping(fields["typedData"]))
    return UnverifiedRequest.of(request, read, read_hexadecimal(fields["signature"]))


def _read_answer(value: Any) -> UnverifiedAnswer:
    fields = _members(value, _ANSWER_KEYS)
    if not isinstance(fields["reason"], str):
        raise FormatError("the reason of an answer is not text")
    try:
        reason = Reason(fields["reason"], read_hexadecimal(fields["salt"]))
    except InvalidInput as error:
        raise FormatError(f"the answer cannot be shown: {error}") from error
    answer = AccessAnswer.from_typed_data(_mapping(fields["typedData"]))
    return UnverifiedAnswer.of(answer, reason, read_hexadecimal(fields["signature"]))


def _members(value: Any, keys: set[str]) -> Mapping[str, Any]:
    if _mapping(value).keys() != keys:
        raise FormatError("a part of the exchange has other members")
    return _mapping(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise FormatError("a part of the exchange has the wrong form")
    return value


def _written(octets: bytes) -> str:
    return "0x" + octets.hex()
