"""What all stores share: checking, limits, files, read-back. Tried on the smallest home there is."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec_py.errors import BlockMismatch, BlockNotFound, BlockTooLarge, FormatError, InvalidInput
from medrec_py.storage import BLOCK_LIMIT, Cid, Unverified, dag, file_cid
from medrec_py.storage import store as store_module
from medrec_py.storage.cid import DAG_PB
from tests.support.content import MIB, content, pieces
from tests.support.stores import MemoryStore

SIZES = [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 77]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_put_comes_back(size: int) -> None:
    """A file of each size has the CID computed without a store, is pinned, and reads back whole."""
    store = MemoryStore()
    cid = store.put(pieces(size))
    assert cid == file_cid(content(size))
    assert store.pinned == {cid}
    assert b"".join(store.open(cid)) == content(size)
    assert store.read(cid, size // 2, 10) == content(size)[size // 2 : size // 2 + 10]
    assert store.size(cid) == size
    assert store.verify(cid) == size


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_a_block_is_named_by_its_hash(data: bytes) -> None:
    """``put_block`` gives the raw CID, pins the block, and ``get_block`` returns it."""
    store = MemoryStore()
    cid = store.put_block(data)
    assert cid == Cid.of(data)
    assert store.get_block(cid) == data
    assert store.pinned == {cid}


@pytest.mark.parametrize("count", [0, 1, 4, 5, 9])
def test_many_blocks_are_stored_pinned_and_read_back(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """``put_many`` names each block in order, pins each, and has read each back when it gives its CID."""
    monkeypatch.setattr(store_module, "BATCH", 4)
    store = MemoryStore()
    data = [bytes([number]) for number in range(count)]
    for block, cid in zip(data, store.put_many(iter(data)), strict=True):
        assert cid == Cid.of(block)
        assert cid in store.asked
        assert cid in store.pinned
    assert store.pinned == {Cid.of(block) for block in data}


def test_many_blocks_are_taken_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a batch is taken from the source before its CIDs are given out: any number fits into memory."""
    monkeypatch.setattr(store_module, "BATCH", 4)
    taken: list[int] = []

    def source() -> Iterator[bytes]:
        for number in itertools.count():
            taken.append(number)
            yield bytes([number])

    cids = MemoryStore().put_many(source())
    for expected in (4, 4, 4, 4, 8):
        next(cids)
        assert len(taken) == expected


def test_a_block_among_many_that_cannot_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is too large, or an error of the source: the batches before it stay, nothing of its own is pinned."""
    monkeypatch.setattr(store_module, "BATCH", 2)
    store = MemoryStore()
    with pytest.raises(BlockTooLarge):
        list(store.put_many([b"1", b"2", b"3", bytes(BLOCK_LIMIT + 1)]))
    assert store.pinned == {Cid.of(b"1"), Cid.of(b"2")}


def test_many_blocks_are_read_back_before_they_count() -> None:
    """A store that keeps other bytes than it was given is found out before any CID is given."""

    class Forgetful(MemoryStore):
        def _store(self, blocks: Iterable[dag.Block], roots: Sequence[Cid] | None = None) -> Cid:
            return super()._store(((cid, block[:-1]) for cid, block in blocks), roots)

    with pytest.raises(BlockMismatch):
        next(Forgetful().put_many([b"one", b"two"]))


def test_a_block_over_one_mebibyte_is_refused() -> None:
    """The limit of docs/format.md §1 holds when writing; nothing is stored."""
    store = MemoryStore()
    store.put_block(bytes(BLOCK_LIMIT))
    with pytest.raises(BlockTooLarge):
        store.put_block(bytes(BLOCK_LIMIT + 1))
    assert len(store.blocks) == 1


def test_a_flipped_bit_is_caught() -> None:
    """One bit changed in a leaf: the block, the file, the range and the read-back raise; earlier leaves still read."""
    store = MemoryStore()
    cid = store.put(pieces(3 * MIB))
    leaf = Cid.of(content(2 * MIB)[MIB:])
    damaged = bytearray(store.blocks[leaf.digest])
    damaged[1000] ^= 1
    store.blocks[leaf.digest] = bytes(damaged)
    with pytest.raises(BlockMismatch, match=str(leaf)):
        store.get_block(leaf)
    with pytest.raises(BlockMismatch):
        store.verify(cid)
    with pytest.raises(BlockMismatch):
        store.read(cid, MIB + 5, 1)
    assert store.read(cid, 0, MIB) == content(MIB)


def test_another_valid_block_in_its_place_is_caught() -> None:
    """Swapping two genuine blocks is as much a mismatch as noise."""
    store = MemoryStore()
    one, two = store.put_block(b"one"), store.put_block(b"two")
    store.blocks[one.digest], store.blocks[two.digest] = b"two", b"one"
    for cid in (one, two):
        with pytest.raises(BlockMismatch):
            store.get_block(cid)


def test_a_missing_leaf_is_not_found() -> None:
    """A file with a hole raises BlockNotFound that names the block, and never returns less than the file."""
    store = MemoryStore()
    cid = store.put(pieces(2 * MIB))
    leaf = Cid.of(content(2 * MIB)[MIB:])
    del store.blocks[leaf.digest]
    with pytest.raises(BlockNotFound, match=str(leaf)):
        store.verify(cid)


def test_a_node_that_is_no_file_is_refused() -> None:
    """A dag-pb block that hashes right but is a directory, or noise, is a FormatError."""
    store = MemoryStore()
    cid = Cid.of(b"\x0a\x02\x08\x01", DAG_PB)  # an empty UnixFS directory
    store.blocks[cid.digest] = b"\x0a\x02\x08\x01"
    with pytest.raises(FormatError):
        store.verify(cid)


def test_copy_takes_a_whole_file_over() -> None:
    """A file copied to another store has the same CID there and is pinned; the source is checked on the way."""
    source, target = MemoryStore(), MemoryStore()
    cid = source.put(pieces(2 * MIB + 1))
    target.copy(cid, source)
    assert target.verify(cid) == 2 * MIB + 1
    assert target.pinned == {cid}
    source.blocks[Cid.of(content(MIB)).digest] = b"other"
    with pytest.raises(BlockMismatch):
        MemoryStore().copy(cid, source)


def test_blocks_from_outside_are_checked_before_they_are_stored() -> None:
    """``put_blocks`` refuses a block that isn't its CID's, one that is too large, and a root that isn't whole."""
    blocks = list(dag.build(pieces(2 * MIB)))
    root = blocks[-1][0]

    store = MemoryStore()
    store.put_blocks([(cid, Unverified(block)) for cid, block in blocks], [root])
    assert store.pinned == {root}

    store = MemoryStore()
    with pytest.raises(BlockMismatch):
        store.put_blocks([(blocks[0][0], Unverified(blocks[1][1]))], [root])
    assert not store.blocks

    large = bytes(BLOCK_LIMIT + 1)
    with pytest.raises(BlockTooLarge):
        store.put_blocks([(Cid.of(large), Unverified(large))], [Cid.of(large)])
    assert not store.blocks

    with pytest.raises(BlockNotFound):
        store.put_blocks([(cid, Unverified(block)) for cid, block in blocks[1:]], [root])
    assert not store.pinned


def test_an_error_of_the_source_passes_through() -> None:
    """If the content itself can't be read, its own error reaches the caller and nothing is pinned."""

    def broken() -> object:
        yield bytes(MIB)
        raise OSError("the scanner was unplugged")

    store = MemoryStore()
    with pytest.raises(OSError, match="unplugged"):
        store.put(broken())  # type: ignore[arg-type]
    assert not store.pinned


def test_text_is_refused() -> None:
    """A path or text given as content is an error, not a file of that text."""
    with pytest.raises(InvalidInput):
        MemoryStore().put("scan.dcm")  # type: ignore[arg-type]


def test_a_store_is_a_context_manager() -> None:
    """Leaving the block closes the store; its repr names it."""
    with MemoryStore("ours") as store:
        assert repr(store) == "<MemoryStore ours>"
    assert store.closed
