"""Merkle trees over content (RFC 6962 §2.1), with salted leaves (docs/format.md §5).

A leaf's data is ``HMAC(leaf salt, index) ‖ chunk``: showing one leaf, with its own salt and its path, proves
that the chunk is part of the record and makes no other chunk guessable.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from medrec_py.errors import InvalidInput, StatementMismatch

_LEAF = b"\x00"
_NODE = b"\x01"


def leaf_salt(salt: bytes, index: int) -> bytes:
    """The salt of leaf ``index``, 32 bytes: what is shown with the leaf."""
    return hmac.digest(salt, index.to_bytes(8), "sha256")


def leaf_hash(own_salt: bytes, chunk: bytes) -> bytes:
    """The hash of the leaf that holds a chunk, 32 bytes."""
    digest = hashlib.sha256(_LEAF + own_salt)
    digest.update(chunk)
    return digest.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node, 32 bytes."""
    return hashlib.sha256(_NODE + left + right).digest()


class RootBuilder:
    """Computes the root over leaves that come one after another, in memory for 64 hashes at most."""

    def __init__(self) -> None:
        self._count = 0
        self._subtrees: list[bytes] = []  # roots of the full subtrees, the largest first

    @property
    def count(self) -> int:
        """Leaves so far."""
        return self._count

    def add(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        full, self._count = self._count, self._count + 1
        while full & 1:
            leaf = node_hash(self._subtrees.pop(), leaf)
            full >>= 1
        self._subtrees.append(leaf)

    def root(self) -> bytes:
        """The root over the leaves so far, 32 bytes.

        Raises:
            InvalidInput: there are none.
        """
        if not self._subtrees:
            raise InvalidInput("a Merkle tree needs a leaf")
        root = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            root = node_hash(subtree, root)
        return root


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, 32 bytes."""
    builder = RootBuilder()
    for leaf in leaves:
        builder.add(leaf)
    return builder.root()


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that prove leaf ``index`` of ``leaves``, the nearest sibling first (RFC 6962 §2.1.1).

    Raises:
        InvalidInput: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise InvalidInput(f"there is no leaf {index} among {len(leaves)}")
    path: list[bytes] = []
    while len(leaves) > 1:
        split = 1 << (len(leaves) - 1).bit_length() - 1
        left, right = leaves[:split], leaves[split:]
        path.append(merkle_root(right if index < split else left))
        leaves, index = (left, index) if index < split else (right, index - split)
    return path[::-1]


def verify_inclusion(root: bytes, leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> None:
    """Check that ``leaf`` is leaf ``index`` of ``count`` under ``root`` (RFC 9162 §2.1.3.2).

    Raises:
        StatementMismatch: the path does not lead from the leaf to the root.
    """
    computed = _climb(leaf, index, count, path) if 0 <= index < count else b""
    if not hmac.compare_digest(computed, root):
        raise StatementMismatch(f"leaf {index} of {count} is not part of the content that was signed")


def _climb(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes:
    """The root that a path leads to, or nothing if it has the wrong length."""
    last = count - 1
    for sibling in path:
        if not last:
            return b""
        if index & 1 or index == last:
            leaf = node_hash(sibling, leaf)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            leaf = node_hash(leaf, sibling)
        index, last = index >> 1, last >> 1
    return leaf if not last else b""
