"""Digits by which two people make sure, by voice, that they look at the same request."""

from __future__ import annotations

import hashlib
import hmac

from medrec_py.errors import FingerprintMismatch

DIGITS = 24
"""80 bits: whoever wants another request with the same fingerprint has to make 10^24 of them."""

_GROUP = 4


def fingerprint_of(purpose: bytes, block: bytes) -> str:
    """24 decimal digits in groups of four.

    Args:
        purpose: What kind of block it is, so that blocks of two kinds never share one on purpose.
        block: The request.
    """
    number = int.from_bytes(hashlib.sha256(purpose + block).digest()) % 10**DIGITS
    digits = f"{number:0{DIGITS}}"
    return " ".join(digits[place : place + _GROUP] for place in range(0, DIGITS, _GROUP))


def check_fingerprint(fingerprint: str, heard: str) -> None:
    """Compare a fingerprint with what was read out; whatever stands between the digits is ignored.

    Raises:
        FingerprintMismatch: it is another.
    """
    digits = "".join(char for char in heard if char in "0123456789")
    if not hmac.compare_digest(digits, fingerprint.replace(" ", "")):
        raise FingerprintMismatch("the request does not have the fingerprint that was read out")
