"""Digits by which two people make sure, by voice, that they look at the same request."""

from __future__ import annotations

import hashlib
import hmac
from typing import ClassVar

from medrec_py.errors import FingerprintMismatch

DIGITS = 24
"""80 bits: whoever wants another request with the same fingerprint has to make 10^24 of them."""

_GROUP = 4


class Fingerprinted:
    """Base of the requests whose fingerprint a person reads out."""

    __slots__ = ()

    purpose: ClassVar[bytes]
    """What kind of block it is, so that blocks of two kinds never share a fingerprint on purpose."""

    def to_bytes(self) -> bytes:
        """The block."""
        raise NotImplementedError

    def digest(self) -> bytes:
        """SHA-256 of the block, 32 bytes."""
        return hashlib.sha256(self.to_bytes()).digest()

    def fingerprint(self) -> str:
        """24 decimal digits in groups of four, to be read out and compared."""
        number = int.from_bytes(hashlib.sha256(self.purpose + self.to_bytes()).digest()) % 10**DIGITS
        digits = f"{number:0{DIGITS}}"
        return " ".join(digits[place : place + _GROUP] for place in range(0, DIGITS, _GROUP))

    def check_fingerprint(self, heard: str) -> None:
        """Hold the request against the fingerprint that was read out; whatever stands between its digits is ignored.

        Raises:
            FingerprintMismatch: it is another.
        """
        digits = "".join(char for char in heard if char in "0123456789")
        if not hmac.compare_digest(digits, self.fingerprint().replace(" ", "")):
            raise FingerprintMismatch("the request does not have the fingerprint that was read out")
