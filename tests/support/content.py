"""Content of any size, the same in every run, no two leaves alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

MIB = 1 << 20
_NOISE = hashlib.shake_128(b"medrec").digest(MIB)


def pieces(size: int) -> Iterator[bytes]:
    """Content in pieces of 1 MiB: noise that begins with the number of the piece."""
    for start in range(0, size, MIB):
        yield ((start // MIB).to_bytes(8, "big") + _NOISE[8:])[: size - start]


def content(size: int) -> bytes:
    """The same at once."""
    return b"".join(pieces(size))
