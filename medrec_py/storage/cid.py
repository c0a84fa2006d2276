"""Content identifiers, and the difference between bytes that were checked and bytes that were not.

MedRec uses one form only: CIDv1, sha2-256, codec ``raw`` (blocks, leaves of files) or ``dag-pb`` (the inner nodes
of files). One content so has one name; every other form is refused rather than converted.

Standards: CIDv1 and multihash (https://github.com/multiformats), RFC 4648 base32 without padding, lower case.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

from medrec_py.errors import BlockMismatch, FormatError, InvalidInput

RAW: Final = 0x55
"""Multicodec of plain bytes."""
DAG_PB: Final = 0x70
"""Multicodec of a node with links (protobuf)."""

DIGEST_SIZE: Final = 32
CID_SIZE: Final = 36
"""Length of a binary CID: version, codec, hash function, digest length (one byte each) and the digest."""

_CODECS: Final = {RAW: "raw", DAG_PB: "dag-pb"}
_VERSION: Final = 0x01
_SHA2_256: Final = 0x12
_TEXT_SIZE: Final = 59  # multibase prefix and 288 bits at 5 bits a letter


@dataclass(frozen=True, slots=True, order=True)
class Cid:
    """The name of a block: its codec and the SHA-256 of its bytes.

    ``str(cid)`` is the base32 text that IPFS tools take, ``bytes(cid)`` the 36-byte form that envelopes carry.

    Attributes:
        codec: ``RAW`` or ``DAG_PB``.
        digest: SHA-256 of the block, 32 bytes. For an envelope this is the pointer on chain.

    Raises:
        InvalidInput: if the codec is another or the digest is not 32 bytes.
    """

    codec: int
    digest: bytes

    def __post_init__(self) -> None:
        if self.codec not in _CODECS:
            raise InvalidInput(f"codec {self.codec:#x} is neither raw (0x55) nor dag-pb (0x70)")
        if not isinstance(self.digest, bytes) or len(self.digest) != DIGEST_SIZE:
            raise InvalidInput("a digest is 32 bytes")

    @classmethod
    def raw(cls, digest: bytes) -> Cid:
        """The CID of the raw block with this SHA-256: how a pointer on chain becomes a CID, without asking anybody."""
        return cls(RAW, bytes(digest))

    @classmethod
    def of(cls, block: bytes, codec: int = RAW) -> Cid:
        """The CID of a block of at most 1 MiB (hashes it)."""
        return cls(codec, hashlib.sha256(block).digest())

    @classmethod
    def parse(cls, text: str) -> Cid:
        """Reads the base32 text of a CID (``bafk…`` or ``bafy…``, 59 characters).

        Raises:
            InvalidInput: if it is not exactly the text that ``str()`` of a CID gives (CIDv0 ``Qm…``, upper case,
                other bases, hash functions and codecs, padding bits that are not zero).
        """
        if not isinstance(text, str) or len(text) != _TEXT_SIZE or text[:1] != "b":
            hint = "; `ipfs cid base32` converts a CIDv0" if str(text)[:2] == "Qm" else ""
            raise InvalidInput(f"not a CIDv1 in base32 of {_TEXT_SIZE} characters: {_shown(text)}{hint}")
        try:
            cid = cls.from_bytes(base64.b32decode(text[1:].upper() + "======"))
        except (ValueError, FormatError) as error:
            raise InvalidInput(f"not a CID that MedRec uses: {_shown(text)} ({error})") from None
        if str(cid) != text:
            raise InvalidInput(f"not the canonical text of a CID: {_shown(text)}")
        return cid

    @classmethod
    def from_bytes(cls, data: bytes) -> Cid:
        """Reads the binary form, 36 bytes.

        Raises:
            FormatError: if it is anything but a CIDv1 of codec raw or dag-pb with a whole sha2-256.
        """
        if len(data) != CID_SIZE:
            raise FormatError(f"a CID has {CID_SIZE} bytes, not {len(data)}")
        version, codec, function, length = data[:4]
        if version != _VERSION or codec not in _CODECS or function != _SHA2_256 or length != DIGEST_SIZE:
            raise FormatError(f"not a CIDv1 of raw or dag-pb with sha2-256: it begins with {data[:4].hex()}")
        return cls(codec, bytes(data[4:]))

    def check(self, block: bytes) -> None:
        """Compares a block with this CID.

        Raises:
            BlockMismatch: if the block has another SHA-256.
        """
        found = hashlib.sha256(block).digest()
        if found != self.digest:
            raise BlockMismatch(f"asked for {self}, got {len(block)} bytes with SHA-256 {found.hex()}")

    def __bytes__(self) -> bytes:
        return bytes((_VERSION, self.codec, _SHA2_256, DIGEST_SIZE)) + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(bytes(self)).decode("ascii").rstrip("=").lower()

    def __repr__(self) -> str:
        return f"Cid.parse({str(self)!r})"


class Unverified:
    """Bytes that somebody else sent. ``verified`` is the only way to them, so unchecked bytes can't slip through."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def verified(self, cid: Cid) -> bytes:
        """The bytes, once they are known to be the block of that CID.

        Raises:
            BlockMismatch: if they are others.
        """
        cid.check(self._data)
        return self._data


def _shown(text: object) -> str:
    """The beginning of somebody's text, safe to print."""
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:77] + "…"
