"""Blocks, their pointers and the CIDs of longer content (docs/format.md §1)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import TypeAlias

from medrec_py.errors import BlockMismatch, FormatError

MAX_BLOCK = 1 << 20
"""Size of the largest block in bytes."""
POINTER_SIZE = 32
CID_SIZE = 36

Fetch: TypeAlias = Callable[[bytes], bytes]
"""Gives the block that a pointer names, or raises a ``StorageError``."""

_CID_PREFIXES = (b"\x01\x55\x12\x20", b"\x01\x70\x12\x20")  # CIDv1, raw or dag-pb, sha2-256 of 32 bytes


def pointer_to(block: bytes) -> bytes:
    """The pointer to a block: its SHA-256, 32 bytes."""
    return hashlib.sha256(block).digest()


def fetch_block(fetch: Fetch, pointer: bytes) -> bytes:
    """Fetch a block and check that it is the one that was asked for.

    Raises:
        BlockMismatch: the bytes do not hash to the pointer.
        FormatError: the block is larger than a block can be.
    """
    block = check_size(fetch(pointer), "the block")
    if not hmac.compare_digest(pointer_to(block), pointer):
        raise BlockMismatch(f"the store returned other bytes for {pointer.hex()}")
    return block


def check_size(block: bytes, what: str) -> bytes:
    """``block`` if it is no larger than a block can be; raises ``FormatError`` naming ``what`` otherwise."""
    if len(block) > MAX_BLOCK:
        raise FormatError(f"{what} has {len(block)} bytes, more than the {MAX_BLOCK} of a block")
    return block


def check_cid(cid: bytes) -> bytes:
    """``cid`` if it is a CIDv1 of a raw or dag-pb block by sha2-256, 36 bytes; raises ``FormatError`` otherwise."""
    if len(cid) != CID_SIZE or not cid.startswith(_CID_PREFIXES):
        raise FormatError("not a CIDv1 of a raw or dag-pb block by sha2-256")
    return cid
