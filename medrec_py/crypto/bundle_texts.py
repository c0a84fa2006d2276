"""A bundle as text: in a file, as a link, or as a few QR codes (docs/format.md §14).

A link is ``medrec:bundle/1/`` and the compressed JSON in base64url. A QR code holds one part of the same in base32,
which its alphanumeric mode is dense for: ``MEDREC1/3/8/5F0A.../...`` is the third of eight. Parts may be scanned in any
order, and twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable
from typing import Final

from medrec_py.crypto.signed_decisions import MAX_BUNDLE, Bundle
from medrec_py.errors import FormatError, InvalidInput

LINK: Final = "medrec:bundle/1/"
PART_SIZE: Final = 2400
"""Characters of a part: a QR code of version 30 holds as many, and a phone reads it from a screen."""
MAX_PARTS: Final = 99

_PART: Final = re.compile(r"MEDREC1/(\d{1,2})/(\d{1,2})/([0-9A-F]{16})/([A-Z2-7]+)")


def to_link(bundle: Bundle) -> str:
    """The bundle as one link."""
    return LINK + base64.urlsafe_b64encode(_packed(bundle)).decode().rstrip("=")


def to_parts(bundle: Bundle) -> list[str]:
    """The bundle in parts, each for a QR code in alphanumeric mode.

    Raises:
        InvalidInput: it takes more codes than anybody scans; send the file.
    """
    packed = _packed(bundle)
    text, check = base64.b32encode(packed).decode().rstrip("="), _check(packed)
    pieces = [text[start : start + PART_SIZE] for start in range(0, len(text), PART_SIZE)]
    if len(pieces) > MAX_PARTS:
        raise InvalidInput(f"the bundle would take {len(pieces)} QR codes: hand over the file")
    return [f"MEDREC1/{number}/{len(pieces)}/{check}/{piece}" for number, piece in enumerate(pieces, 1)]


def from_text(text: str) -> Bundle:
    """Read a bundle from whatever it was handed over as: its JSON, a link, or its parts, white space between them.

    Raises:
        FormatError: it is none of them, a part is missing, or they belong to several bundles.
    """
    stripped = text.strip()
    if stripped.startswith("{"):
        return Bundle.from_json(stripped.encode())
    if stripped.startswith(LINK):
        return _unpacked(_decoded(stripped.removeprefix(LINK).replace("-", "+").replace("_", "/"), base64.b64decode, 4))
    return _joined(stripped.split())


def _joined(texts: Iterable[str]) -> Bundle:
    found: dict[int, str] = {}
    whole: tuple[int, str] | None = None
    for text in texts:
        match = _PART.fullmatch(text)
        if match is None:
            raise FormatError("the text is no bundle of signed decisions, no link to one and no part of one")
        number, count, check, piece = int(match[1]), int(match[2]), match[3], match[4]
        if whole not in (None, (count, check)) or found.get(number, piece) != piece:
            raise FormatError("the parts belong to several bundles")
        whole, found[number] = (count, check), piece
    if whole is None:
        raise FormatError("there is no text")
    missing = sorted(set(range(1, whole[0] + 1)) - found.keys())
    if missing or len(found) != whole[0]:
        raise FormatError(f"of {whole[0]} parts these are missing: {', '.join(map(str, missing))}")
    packed = _decoded("".join(found[number] for number in sorted(found)), base64.b32decode, 8)
    if _check(packed) != whole[1]:
        raise FormatError("the parts do not fit together: scan them again")
    return _unpacked(packed)


def _packed(bundle: Bundle) -> bytes:
    return zlib.compress(bundle.to_json(), 9)


def _unpacked(packed: bytes) -> Bundle:
    stream = zlib.decompressobj()
    try:
        octets = stream.decompress(packed, MAX_BUNDLE + 1)
    except zlib.error as error:
        raise FormatError("the text is damaged: it does not unpack") from error
    if not stream.eof or stream.unused_data:  # too long, too short, or something behind it
        raise FormatError("the text is damaged: it does not unpack to a bundle")
    return Bundle.from_json(octets)


def _decoded(text: str, decode: Callable[[str], bytes], group: int) -> bytes:
    try:
        return decode(text + "=" * (-len(text) % group))
    except (binascii.Error, ValueError) as error:
        raise FormatError("the text is damaged: it has characters that do not belong there") from error


def _check(packed: bytes) -> str:
    return hashlib.sha256(packed).hexdigest()[:16].upper()
