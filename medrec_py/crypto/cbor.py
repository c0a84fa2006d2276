"""Deterministic CBOR (RFC 8949 §4.2.1): one meaning has one encoding, so that a digest stands for a meaning.

``decode`` looks at every head before it lets the decoder loose: no tags, floats, indefinite lengths, deep
nesting, or lengths that the input cannot hold. Then it encodes again and compares. Untrusted bytes either give
a value or raise ``FormatError``.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any, TypeAlias

import cbor2

from medrec_py.errors import FormatError

Value: TypeAlias = Any
"""``int``, ``bytes``, ``str``, ``bool``, ``None``, a list of values, or a map from ``int`` or ``str``."""

MAX_SIZE = 1 << 20
"""Largest encoding that is decoded, in bytes: one block (§1)."""
MAX_DEPTH = 8
"""Deepest nesting of arrays and maps. The formats of docs/format.md need four."""
MAX_UINT = (1 << 64) - 1

_ARGUMENT_SIZES = {24: 1, 25: 2, 26: 4, 27: 8}
_SIMPLE_VALUES = (20, 21, 22)  # false, true, null
_SHORT = 23  # characters
_PLAIN = frozenset({bytes, str, bool, type(None)})  # what has one encoding as it is


def encode(value: Value) -> bytes:
    """Encode a value deterministically.

    Raises:
        FormatError: the value has a type that the formats do not use, or an integer or text that CBOR cannot hold.
    """
    try:
        return cbor2.dumps(_ordered(value))
    except (UnicodeEncodeError, RecursionError) as error:
        raise FormatError("a text is not valid Unicode, or the value is nested too deeply") from error


def decode(data: bytes) -> Value:
    """Decode untrusted bytes: exactly one value, in its one deterministic encoding.

    Raises:
        FormatError: the bytes are longer than a block, are not CBOR, use a part of CBOR that the formats leave out,
            or are not the deterministic encoding of what they mean.
    """
    if len(data) > MAX_SIZE:
        raise FormatError(f"{len(data)} bytes of CBOR are more than a block holds")
    _check_heads(data)
    try:
        value = cbor2.loads(data)
    except (cbor2.CBORError, ValueError, TypeError) as error:
        raise FormatError("not valid CBOR") from error
    if encode(value) != data:
        raise FormatError("the CBOR is not in its deterministic form")
    return value


def _ordered(value: Value) -> Value:
    """The value with its maps in the order of their encoded keys; refuses types that the formats do not use."""
    if type(value) in _PLAIN or isinstance(value, bytes | str):
        return value
    if isinstance(value, int):
        if not -MAX_UINT - 1 <= value <= MAX_UINT:
            raise FormatError("an integer does not fit into 64 bits")
        return value
    if isinstance(value, list | tuple):
        return [item if type(item) in _PLAIN else _ordered(item) for item in value]
    if isinstance(value, dict):
        keys = sorted(value, key=_encoded_key)
        return {key: item if type(item := value[key]) in _PLAIN else _ordered(item) for key in keys}
    raise FormatError(f"{type(value).__name__} has no place in a MedRec document")


def _encoded_key(key: Value) -> bytes:
    if type(key) is str and len(key) <= _SHORT:
        return _encoded_word(key)
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise FormatError("a map key must be an integer or text")
    return cbor2.dumps(_ordered(key))


@lru_cache(maxsize=1024)
def _encoded_word(key: str) -> bytes:
    """A short text key. Nearly all keys are, and the same ones in every document."""
    return cbor2.dumps(key)


def _check_heads(data: bytes) -> None:
    """Walk over all heads without building anything, in time and memory linear in the input."""
    position = 0
    missing = [1]  # items still to come, for each open array or map
    while missing:
        if not missing[-1]:
            missing.pop()
            continue
        missing[-1] -= 1
        major, argument, position = _head(data, position)
        if major in (2, 3):
            position += argument
        elif major in (4, 5):
            argument *= major - 3
            missing.append(argument)
        if major in (2, 3, 4, 5) and (position > len(data) or argument > len(data)):
            raise FormatError("the CBOR declares more than there is")
        if len(missing) > MAX_DEPTH + 1:
            raise FormatError("the CBOR is nested too deeply")
    if position != len(data):
        raise FormatError("bytes follow the CBOR value")


def _head(data: bytes, position: int) -> tuple[int, int, int]:
    """Major type, argument and position behind the head at ``position`` (RFC 8949 §3)."""
    if position >= len(data):
        raise FormatError("the CBOR ends too early")
    major, short = data[position] >> 5, data[position] & 31
    if major == 6 or (major == 7 and short not in _SIMPLE_VALUES):
        raise FormatError("the CBOR uses a tag, a float or a simple value that the formats leave out")
    if short < 24:
        return major, short, position + 1
    end = position + 1 + _ARGUMENT_SIZES.get(short, MAX_SIZE)
    if end > len(data):
        raise FormatError("the CBOR ends too early, or a length is indefinite")
    return major, int.from_bytes(data[position + 1 : end]), end


def uint(value: Value, what: str, maximum: int = MAX_UINT, minimum: int = 0) -> int:
    """``value`` if it is an integer within the bounds; raises ``FormatError`` naming ``what`` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise FormatError(f"{what} is not an integer from {minimum} to {maximum}")
    return value


def octets(value: Value, what: str, size: int | None = None) -> bytes:
    """``value`` if it is a byte string (of ``size`` bytes); raises ``FormatError`` naming ``what`` otherwise."""
    if not isinstance(value, bytes) or (size is not None and len(value) != size):
        raise FormatError(f"{what} is not {'bytes' if size is None else f'{size} bytes'}")
    return value


def text(value: Value, what: str) -> str:
    """``value`` if it is text; raises ``FormatError`` naming ``what`` otherwise."""
    if not isinstance(value, str):
        raise FormatError(f"{what} is not text")
    return value


def boolean(value: Value, what: str) -> bool:
    """``value`` if it is true or false; raises ``FormatError`` naming ``what`` otherwise."""
    if not isinstance(value, bool):
        raise FormatError(f"{what} is neither true nor false")
    return value


def array(value: Value, what: str, size: int | None = None) -> list[Value]:
    """``value`` if it is an array (of ``size`` items); raises ``FormatError`` naming ``what`` otherwise."""
    if not isinstance(value, list) or (size is not None and len(value) != size):
        raise FormatError(f"{what} is not an array{'' if size is None else f' of {size}'}")
    return value


def mapping(value: Value, what: str) -> dict[Value, Value]:
    """``value`` if it is a map; raises ``FormatError`` naming ``what`` otherwise."""
    if not isinstance(value, dict):
        raise FormatError(f"{what} is not a map")
    return value


class Fields:
    """Typed access to a decoded map that must have exactly the given text keys.

    Args:
        value: What was decoded.
        what: Name of the document, for messages.
        keys: Keys that must be there.
        optional: Keys that may be there. Any other key is refused.

    Raises:
        FormatError: from the constructor and from every method, when the document is not so.
    """

    def __init__(self, value: Value, what: str, keys: Collection[str], optional: Collection[str] = ()) -> None:
        self._map = mapping(value, what)
        self._what = what
        if not set(keys) <= self._map.keys() <= {*keys, *optional}:
            raise FormatError(f"{what} lacks a key or has one that is unknown")

    def __contains__(self, key: str) -> bool:
        return key in self._map

    def value(self, key: str) -> Value:
        """The value of ``key``, of any type."""
        return self._map[key]

    def uint(self, key: str, maximum: int = MAX_UINT) -> int:
        """The integer from 0 to ``maximum`` under ``key``."""
        return uint(self._map[key], self.name(key), maximum)

    def octets(self, key: str, size: int | None = None) -> bytes:
        """The byte string (of ``size`` bytes) under ``key``."""
        return octets(self._map[key], self.name(key), size)

    def text(self, key: str) -> str:
        """The text under ``key``."""
        return text(self._map[key], self.name(key))

    def boolean(self, key: str) -> bool:
        """The truth value under ``key``."""
        return boolean(self._map[key], self.name(key))

    def array(self, key: str, size: int | None = None) -> list[Value]:
        """The array (of ``size`` items) under ``key``."""
        return array(self._map[key], self.name(key), size)

    def name(self, key: str) -> str:
        """How messages call the value of ``key``."""
        return f"{self._what}: {key}"
