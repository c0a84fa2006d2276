"""What a key service answers: something sealed to the one-time key of one request, and nothing in the clear."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from medrec_py.crypto import cbor, padding, untrusted_json
from medrec_py.crypto.epochs import parse_names
from medrec_py.crypto.keys import DataKey, KemSeed, context
from medrec_py.crypto.suites import Sealed
from medrec_py.errors import FormatError, InvalidInput, KeyServiceUnavailable, WrongKey
from medrec_py.keyservice.request import Request

MAX_ANSWER: Final = 128 * 1024
"""Largest answer in bytes: the names of 64 compartments have less than half of that."""

_ANSWER: Final = "medrec/1/key-answer"


def seal_data_key(request: Request, data_key: DataKey) -> bytes:
    """The answer with a data key."""
    return _seal(request, data_key.expose())


def seal_names(request: Request, names: Mapping[int, str]) -> bytes:
    """The answer with the names of compartments, padded as they are in seals."""
    return _seal(request, padding.pad(cbor.encode(dict(names))))


def open_data_key(request: Request, seed: KemSeed, answer: bytes) -> DataKey:
    """The data key in an answer.

    Args:
        request: That it answers.
        seed: Of the request's one-time key.
        answer: As it came.

    Raises:
        KeyServiceUnavailable: it is no answer to this request.
    """
    opened = _open(request, seed, answer)
    try:
        return DataKey(opened)
    except InvalidInput as error:
        raise KeyServiceUnavailable("the key service answers with something that is no data key") from error


def open_names(request: Request, seed: KemSeed, answer: bytes) -> dict[int, str]:
    """Number → name of the compartments in an answer. As ``open_data_key``."""
    opened = _open(request, seed, answer)
    try:
        return parse_names(cbor.decode(padding.unpad(opened)), "the key service")
    except FormatError as error:
        raise KeyServiceUnavailable("the key service answers with something that is no names") from error


def _seal(request: Request, plaintext: bytes) -> bytes:
    sealed = request.suite.seal(request.recipient, _info(request), plaintext)
    return json.dumps({"enc": _text(sealed.enc), "ciphertext": _text(sealed.ciphertext)}).encode()


def _open(request: Request, seed: KemSeed, answer: bytes) -> bytes:
    try:
        document: dict[str, Any] = untrusted_json.loads(answer)
        sealed = Sealed(_octets(document["enc"]), _octets(document["ciphertext"]))
        return request.suite.open(seed, _info(request), sealed)
    except (ValueError, TypeError, KeyError, WrongKey) as error:
        raise KeyServiceUnavailable(
            "the key service answers with something that is no answer to the request"
        ) from error


def _info(request: Request) -> bytes:
    """The digest names everything of the request: an answer to another does not open."""
    return context(_ANSWER, request.suite.number, request.digest)


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _octets(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError("no text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
