"""Merkle trees."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec_py.crypto import merkle
from medrec_py.errors import InvalidInput, StatementMismatch

from .people import some

# The inputs and roots of the reference tests of RFC 6962, as Certificate Transparency's implementations use them.
CT_INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
LEAVES = [some(f"leaf {n}") for n in range(40)]

counts = st.integers(1, 40)


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1: split at the largest power of two below the count."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:split]) + by_definition(leaves[split:])).digest()


@pytest.mark.parametrize(("count", "root"), CT_ROOTS.items())
def test_roots_are_those_of_certificate_transparency(count: int, root: str) -> None:
    """Our tree gives the known roots of RFC 6962 over the known inputs."""
    leaves = [merkle.leaf_hash(b"", bytes.fromhex(text)) for text in CT_INPUTS[:count]]
    assert merkle.merkle_root(leaves).hex() == root


@given(counts)
def test_the_running_root_is_the_root(count: int) -> None:
    """Adding leaf after leaf gives what the definition gives over all."""
    builder = merkle.RootBuilder()
    for leaf in LEAVES[:count]:
        builder.add(leaf)
    assert builder.root() == by_definition(LEAVES[:count])
    assert builder.count == count


def test_the_running_root_needs_little_memory() -> None:
    """A million chunks, a terabyte, keep twenty hashes."""
    builder = merkle.RootBuilder()
    builder._count = (1 << 20) - 1
    builder._subtrees = LEAVES[:20]
    builder.add(LEAVES[20])
    assert len(builder._subtrees) == 1


@given(counts, st.data())
def test_every_leaf_can_be_proved(count: int, data: st.DataObject) -> None:
    """A path of RFC 6962 leads from each leaf to the root."""
    index = data.draw(st.integers(0, count - 1))
    leaves = LEAVES[:count]
    path = merkle.inclusion_path(leaves, index)
    assert len(path) <= (count - 1).bit_length()
    merkle.verify_inclusion(merkle.merkle_root(leaves), leaves[index], index, count, path)


@given(counts, st.data())
def test_nothing_else_can_be_proved(count: int, data: st.DataObject) -> None:
    """Another leaf, place, count, path or root is refused."""
    index = data.draw(st.integers(0, count - 1))
    leaves = LEAVES[:count]
    path, root = merkle.inclusion_path(leaves, index), merkle.merkle_root(leaves)
    wrong = [
        (root, some("no leaf"), index, count, path),
        (some("no root"), leaves[index], index, count, path),
        (root, leaves[index], index, count, [*path, some("more")]),
        (root, leaves[index], count, count, path),
        (root, leaves[index], -1, count, path),
        (root, leaves[index], index, 0, path),
    ]
    wrong += [(root, leaves[index], other, count, path) for other in range(count) if other != index]
    wrong += [(root, leaves[index], index, count, path[:-1])] if path else []
    wrong += [(root, leaves[index], index, count, [some("x"), *path[1:]])] if path else []
    for arguments in wrong:
        with pytest.raises(StatementMismatch):
            merkle.verify_inclusion(*arguments)


@pytest.mark.parametrize("count", range(2, 18))
def test_a_path_has_the_length_that_the_count_asks_for(count: int) -> None:
    """A path that is too short or too long for the count proves nothing, even if its hashes lead to the root."""
    leaves = LEAVES[:count]
    root, path = merkle.merkle_root(leaves), merkle.inclusion_path(leaves, 0)
    for other in (1, 1 << 30):
        with pytest.raises(StatementMismatch):
            merkle.verify_inclusion(root, leaves[0], 0, other, path)


def test_leaves_and_nodes_are_told_apart() -> None:
    """An inner node cannot be passed off as a leaf (second preimage)."""
    left, right = LEAVES[:2]
    assert merkle.leaf_hash(left, right) != merkle.node_hash(left, right)


def test_a_shown_leaf_salt_gives_no_other_away() -> None:
    """Each leaf has a salt of its own; equal chunks have different leaves."""
    salts = [merkle.leaf_salt(some("salt"), index) for index in range(100)]
    assert len(set(salts)) == 100
    assert merkle.leaf_hash(salts[0], b"chunk") != merkle.leaf_hash(salts[1], b"chunk")


def test_a_tree_needs_a_leaf() -> None:
    """There is no root of nothing, and no proof of a leaf that is not there."""
    with pytest.raises(InvalidInput):
        merkle.merkle_root([])
    for index in (-1, 3):
        with pytest.raises(InvalidInput):
            merkle.inclusion_path(LEAVES[:3], index)
