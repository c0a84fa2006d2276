"""Files as blocks: the CIDs that Kubo gives, in bounded memory; and nodes that somebody else may have written."""

import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medrec_py.errors import FormatError, InvalidInput
from medrec_py.storage import dag
from medrec_py.storage.cid import DAG_PB, RAW, Cid
from tests.support.content import MIB, content, pieces

IPFS = Path(__file__).parents[2] / "data" / "ipfs"
KUBO = json.loads((IPFS / "kubo" / "cids.json").read_text())
SMALL = 64  # a leaf of this size makes three levels of nodes out of two megabytes


@pytest.fixture
def small_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves of 64 bytes instead of 1 MiB."""
    monkeypatch.setattr(dag, "LEAF_SIZE", SMALL)


class Blocks(dict[Cid, bytes]):
    """Stored blocks that count how often they are asked for."""

    def __init__(self, blocks: Iterator[dag.Block]) -> None:
        self.asked: list[Cid] = []
        for self.last, block in blocks:
            self[self.last] = block

    def get_block(self, cid: Cid) -> bytes:
        self.asked.append(cid)
        return self[cid]


def node(cids: list[Cid], sizes: list[int], stored: list[int] | None = None) -> bytes:
    """Encodes a node, honest or not."""
    stored = sizes if stored is None else stored
    return dag._encode([dag._Link(*link) for link in zip(cids, sizes, stored, strict=True)])


# --- building -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", KUBO, ids=lambda case: f"{case['size']}/{case['chunk']}")
def test_file_has_the_cid_that_kubo_gives(case: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Content of each size has the CID that Kubo 0.41 gave it, with one, two and three levels of nodes."""
    size, chunk = int(str(case["size"])), int(str(case["chunk"]))
    monkeypatch.setattr(dag, "LEAF_SIZE", chunk)
    assert str(dag.file_cid(pieces(size))) == case["cid"]


def test_blocks_come_in_an_order_in_which_they_can_be_stored(small_leaves: None) -> None:
    """Each node comes after everything below it and the root comes last, so a store never holds a dangling link."""
    seen: set[Cid] = set()
    for cid, block in dag.build(content(200 * SMALL)):
        if cid.codec == DAG_PB:
            assert set(dag._scan(block)[1]) <= seen
        assert Cid.of(block, cid.codec) == cid
        seen.add(cid)
    assert cid == dag.file_cid(content(200 * SMALL))


@settings(deadline=None)
@given(st.binary(max_size=10 * SMALL), st.lists(st.integers(0, 3 * SMALL), max_size=20), st.randoms())
def test_how_content_arrives_does_not_matter(data: bytes, lengths: list[int], random: object) -> None:
    """Bytes, a stream with short reads, and pieces of any lengths and types give the same file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dag, "LEAF_SIZE", SMALL)
        expected = dag.file_cid(data)
        parts, rest = [], data
        for length in lengths:
            parts.append(rest[:length])
            rest = rest[length:]
        parts.append(rest)
        assert dag.file_cid(parts) == expected
        assert dag.file_cid(bytearray(part) for part in parts) == expected
        assert dag.file_cid(memoryview(part) for part in parts) == expected
        assert dag.file_cid(bytearray(data)) == expected
        assert dag.file_cid(memoryview(data)) == expected
        assert dag.file_cid(io.BytesIO(data)) == expected
        assert dag.file_cid(Stuttering(data)) == expected


class Stuttering(io.RawIOBase):
    """A stream that never gives more than 7 bytes at once, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def read(self, size: int = -1) -> bytes:
        piece, self._rest = self._rest[: min(size, 7)], self._rest[min(size, 7) :]
        return piece


@pytest.mark.parametrize("source", ["text", ["text"], [1], 5, None, io.StringIO("text")])
def test_content_that_is_not_bytes_is_refused(source: object) -> None:
    """Text, numbers and files opened as text are refused rather than guessed at."""
    with pytest.raises(InvalidInput):
        dag.file_cid(source)  # type: ignore[arg-type]


def test_memory_stays_small_whatever_the_size() -> None:
    """256 MiB that come as a stream take less than 16 MiB of memory: a few leaves."""
    piece = bytes(256 * 1024)
    tracemalloc.start()
    try:
        cid = dag.file_cid(piece for _ in range(1024))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert cid.codec == DAG_PB
    assert peak < 16 * MIB


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 400 * SMALL),
    st.integers(0, 410 * SMALL),
    st.one_of(st.none(), st.integers(0, 410 * SMALL)),
)
@example(175 * SMALL, 174 * SMALL, SMALL)
@example(174 * SMALL, 174 * SMALL, 1)
@example(0, 0, None)
def test_any_range_is_the_slice_and_touches_only_its_blocks(size: int, offset: int, length: int | None) -> None:
    """A range is exactly the slice of the content, and no block is fetched that holds none of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dag, "LEAF_SIZE", SMALL)
        data = content(size)
        blocks = Blocks(dag.build(data))
        end = size if length is None else offset + length
        pieces = list(dag.read(blocks.get_block, blocks.last, offset, length))
        assert b"".join(pieces) == data[offset:end]
        assert all(pieces)
        leaves = [cid for cid in blocks.asked if cid.codec == RAW and cid != blocks.last]
        last = min(end, size)
        touched = -(-last // SMALL) - offset // SMALL if size > SMALL and last > offset else 0
        assert len(leaves) == touched


def test_size_needs_one_block(small_leaves: None) -> None:
    """The length of a file of three levels is known from its root."""
    blocks = Blocks(dag.build(content(300 * SMALL + 1)))
    assert dag.size(blocks.get_block, blocks.last) == 300 * SMALL + 1
    assert len(blocks.asked) == 1


@pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, -1)])
def test_a_negative_range_is_refused(offset: int, length: int) -> None:
    """Negative offsets and lengths don't count from the end: they are errors."""
    blocks = Blocks(dag.build(b"abc"))
    with pytest.raises(InvalidInput):
        list(dag.read(blocks.get_block, blocks.last, offset, length))


def test_walk_and_members_name_every_block(small_leaves: None) -> None:
    """``walk`` gives every block, nodes first; ``members`` names the same without fetching a leaf."""
    blocks = Blocks(dag.build(content(180 * SMALL + 9)))
    walked = list(dag.walk(blocks.get_block, blocks.last))
    assert dict(walked) == blocks
    assert walked[0][0] == blocks.last
    blocks.asked.clear()
    assert list(dag.members(blocks.get_block, blocks.last)) == [cid for cid, _ in walked]
    assert all(cid.codec == DAG_PB for cid in blocks.asked)


# --- nodes from outside ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block",
    [bytes.fromhex(case["hex"]) for case in json.loads((IPFS / "dag-pb" / "edges.json").read_text())]
    + [path.read_bytes() for path in sorted((IPFS / "dag-pb").glob("*.dag-pb"))],
)
def test_what_is_not_a_node_of_a_file_is_refused(block: bytes) -> None:
    """IPLD's malformed nodes, and its well-formed ones that are no part of a file, raise FormatError."""
    with pytest.raises(FormatError):
        dag.children(block)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(block: bytes) -> None:
    """Random bytes as a node raise FormatError and nothing else."""
    with pytest.raises(FormatError):
        dag.children(block)


HONEST = node([Cid.of(bytes([i])) for i in range(3)], [MIB, MIB, 5])


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_a_node_with_any_change_outside_its_hashes_is_refused(data: st.DataObject) -> None:
    """A real node with bytes changed, inserted or removed is refused, unless only a hash in it became another."""
    assert len(dag.children(HONEST)) == 3
    changed = bytearray(HONEST)
    at = data.draw(st.integers(0, len(changed) - 1))
    kind = data.draw(st.sampled_from(["set", "insert", "remove", "cut", "repeat"]))
    if kind == "set":
        changed[at] = data.draw(st.integers(0, 255))
    elif kind == "insert":
        changed[at:at] = data.draw(st.binary(min_size=1, max_size=12))
    elif kind == "remove":
        del changed[at : at + data.draw(st.integers(1, 60))]
    elif kind == "cut":
        del changed[at:]
    else:
        changed[at:at] = changed[at : at + data.draw(st.integers(1, 60))]
    try:
        below = dag.children(bytes(changed))
    except FormatError:
        return
    links = [dag._Link(child.cid, child.size, child.size) for child in below]
    assert dag._encode(links) == changed
    assert [child.size for child in below] == [MIB, MIB, 5]


A, B = Cid.of(b"a"), Cid.of(b"b")


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (node([A], [MIB]), "one raw block"),
        (node([A], [5]), "one raw block"),
        (node([A, B], [0, 0]), "one raw block"),
        (node([A, B], [5, MIB]), "not encoded as"),
        (node([A, B], [MIB - 1, MIB]), "not encoded as"),
        (node([A, B], [MIB, 5], [MIB, 6]), "not encoded as"),
        (node([A, B, B], [MIB, 5, 0]), "has 2 links, not 3"),
        (node([A] * 175, [MIB] * 175), "has 2 links, not 175"),
        (node([Cid(DAG_PB, A.digest), B], [MIB, 5]), "not encoded as"),
        (node([A, B], [MIB, 1 << 60]), "links, not 2"),
        (node([A, B], [MIB, 5]) + b"\0", "not encoded as"),
        (node([A, B], [MIB, 5])[:-1], "not encoded as"),
    ],
    ids=[
        "a link to a whole file",
        "a link to a small file",
        "no content",
        "the short leaf first",
        "leaves of another size",
        "a wrong total",
        "an empty leaf",
        "more than 174 links",
        "a node where a leaf belongs",
        "an absurd size",
        "something behind it",
        "cut off",
    ],
)
def test_a_root_that_lies_is_refused(block: bytes, reason: str) -> None:
    """The size of a file settles its nodes; any other shape is refused with the reason."""
    with pytest.raises(FormatError, match=reason):
        dag.children(block)


def test_a_child_that_contradicts_its_parent_is_refused(small_leaves: None) -> None:
    """A node deeper down is held to the size and depth that its parent gives it."""
    blocks = Blocks(dag.build(content(180 * SMALL)))
    root = dag.children(blocks[blocks.last])
    block = blocks[root[1].cid]
    assert dag.children(block, root[1].size, root[1].depth)
    with pytest.raises(FormatError, match="its parent says"):
        dag.children(block, root[1].size + 1, root[1].depth)
    with pytest.raises(FormatError):
        dag.children(block, root[1].size, root[1].depth + 1)
    crowded = node([A, B], [174 * SMALL, SMALL])
    with pytest.raises(FormatError, match="do not fit"):
        dag.children(crowded, 175 * SMALL, 1)


@pytest.mark.parametrize("size", [0, SMALL - 1, SMALL + 1])
@pytest.mark.parametrize("use", [dag.read, dag.walk], ids=["read", "walk"])
def test_a_leaf_of_another_length_is_refused(
    use: Callable[[dag.Get, Cid], Iterator[object]], size: int, small_leaves: None
) -> None:
    """A leaf that hashes right but is longer or shorter than its place says is its author's lie: FormatError."""
    leaf = content(size)
    cids = [Cid.of(leaf), Cid.of(b"end")]
    root = node(cids, [SMALL, 3])
    blocks = {cids[0]: leaf, cids[1]: b"end", Cid.of(root, DAG_PB): root}
    with pytest.raises(FormatError, match="a leaf has"):
        list(use(blocks.__getitem__, Cid.of(root, DAG_PB)))


def test_a_file_that_claims_to_be_enormous_costs_nothing_to_look_at() -> None:
    """Six levels of nodes over one leaf claim 2^62 bytes: the size is told, and the first bytes are read, at once."""
    leaf = bytes(MIB)
    link = dag._Link(Cid.of(leaf), MIB, MIB)
    blocks = {link.cid: leaf}
    for _ in range(5):
        link, block = dag._node([link] * dag.LINKS)
        blocks[link.cid] = block
    assert dag.size(blocks.__getitem__, link.cid) == MIB * dag.LINKS**5
    assert next(dag.read(blocks.__getitem__, link.cid)) == leaf
    assert b"".join(dag.read(blocks.__getitem__, link.cid, MIB * 10**10 + 5, 10)) == bytes(10)


# --- integers -------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_integers_lead_back(value: int) -> None:
    """Every integer below 2^63 reads back from its shortest form."""
    assert dag.read_uvarint(dag.uvarint(value), 0) == (value, len(dag.uvarint(value)))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff" * 9, b"\xff" * 20, b"\x81\x80\x00"])
def test_integers_cut_off_too_long_or_not_shortest_are_refused(data: bytes) -> None:
    """One integer has one form."""
    with pytest.raises(FormatError):
        dag.read_uvarint(data, 0)
