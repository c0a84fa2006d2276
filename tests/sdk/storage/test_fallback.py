"""Several stores as one: who is asked, who is believed, what is said when none can serve."""

import logging
from types import SimpleNamespace

import pytest

from medrec_py.errors import (
    BlockMismatch,
    BlockNotFound,
    BlockTooLarge,
    InvalidInput,
    MedRecError,
    StoreFull,
    StoreReadOnly,
    StoreTimeout,
    StoreUnavailable,
)
from medrec_py.storage import Cid, FallbackStore, Unverified, dag, fallback
from tests.support.content import MIB, pieces
from tests.support.stores import MemoryStore

ABSENT = Cid.of(b"nobody has this")


@pytest.fixture
def near() -> MemoryStore:
    return MemoryStore("near")


@pytest.fixture
def far() -> MemoryStore:
    return MemoryStore("far")


@pytest.mark.parametrize(
    "fault",
    [
        BlockNotFound("none"),
        StoreUnavailable("down"),
        StoreTimeout("slow"),
        BlockTooLarge("endless"),
        BlockMismatch("lie"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_reads_go_to_the_next_store(near: MemoryStore, far: MemoryStore, fault: MedRecError) -> None:
    """Whatever keeps the first store from serving a block, the next is asked, and its block is verified."""
    cid = far.put_block(b"block")
    near.fault = fault
    store = FallbackStore([near, far])
    assert store.get_block(cid) == b"block"
    assert store.has(cid)


def test_a_store_that_lies_is_named_and_the_truth_comes_from_another(
    near: MemoryStore, far: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Wrong bytes are not returned; a warning names the store that sent them."""
    cid = far.put_block(b"truth")
    near.blocks[cid.digest] = b"lie"
    with caplog.at_level(logging.WARNING):
        assert FallbackStore([near, far]).get_block(cid) == b"truth"
    assert "near returned something else" in caplog.text


def test_a_file_is_read_across_stores(near: MemoryStore, far: MemoryStore) -> None:
    """Each block may come from another store: a file with holes in both, but in different places, reads whole."""
    cid = far.put(pieces(4 * MIB))
    blocks = list(dag.build(pieces(4 * MIB)))
    near.blocks = {name.digest: block for name, block in blocks[:2]}
    for name, _ in blocks[:2]:
        del far.blocks[name.digest]
    assert sum(len(piece) for piece in FallbackStore([near, far]).open(cid)) == 4 * MIB


def test_not_found_only_if_every_store_says_so(near: MemoryStore, far: MemoryStore) -> None:
    """All say that they lack it: BlockNotFound. One could not be asked: StoreUnavailable, since it may have it."""
    store = FallbackStore([near, far])
    with pytest.raises(BlockNotFound, match=r"near .*far "):
        store.get_block(ABSENT)
    assert not store.has(ABSENT)
    far.fault = StoreTimeout("far is asleep")
    with pytest.raises(StoreUnavailable, match=r"near does not have.*far is asleep"):
        store.get_block(ABSENT)
    with pytest.raises(StoreUnavailable):
        store.has(ABSENT)


def test_lies_are_reported_when_nobody_has_the_truth(near: MemoryStore, far: MemoryStore) -> None:
    """One lies and the other lacks it: BlockMismatch. If one could not be asked, trying again may help."""
    near.blocks[ABSENT.digest] = b"lie"
    store = FallbackStore([near, far])
    with pytest.raises(BlockMismatch, match=r"BlockMismatch: asked for .*; BlockNotFound: far") as caught:
        store.get_block(ABSENT)
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert [type(error) for error in caught.value.__cause__.exceptions] == [BlockMismatch, BlockNotFound]
    far.fault = StoreUnavailable("far is down")
    with pytest.raises(StoreUnavailable, match="BlockMismatch"):
        store.get_block(ABSENT)


def test_a_failing_store_is_asked_last_for_a_while(
    near: MemoryStore, far: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that timed out doesn't slow every further block; after half a minute it is asked first again."""
    now = 1000.0
    monkeypatch.setattr(fallback, "time", SimpleNamespace(monotonic=lambda: now))
    cid = far.put_block(b"block")
    near.fault = StoreTimeout("slow")
    store = FallbackStore([near, far])
    for _ in range(5):
        store.get_block(cid)
    assert len(near.asked) == 1
    with pytest.raises(StoreUnavailable):
        store.get_block(ABSENT)
    assert len(near.asked) == 2  # last, but asked
    now += 31
    store.get_block(cid)
    assert len(near.asked) == 3


def test_a_store_that_only_lacks_a_block_keeps_its_place(near: MemoryStore, far: MemoryStore) -> None:
    """The order is the caller's: a quick no doesn't push the local store behind a gateway, which would see more."""
    store = FallbackStore([near, far])
    store.get_block(far.put_block(b"only far"))
    store.get_block(near.put_block(b"only near"))
    assert Cid.of(b"only near") not in far.asked


def test_writes_go_to_the_first_writable_store(near: MemoryStore, far: MemoryStore) -> None:
    """A read-only store in front is passed over; what is put, pinned and read back is the first writable one's."""
    gateway = MemoryStore("gateway", writable=False)
    store = FallbackStore([gateway, near, far])
    cid = store.put(pieces(2 * MIB))
    assert near.pinned == {cid}
    assert not far.blocks
    assert store.verify(cid) == 2 * MIB
    assert not gateway.asked
    store.unpin(cid)
    assert not near.pinned


def test_a_full_first_store_is_an_error(near: MemoryStore, far: MemoryStore) -> None:
    """Writing doesn't silently go somewhere else."""
    near.fault = StoreFull("no room")
    with pytest.raises(StoreFull):
        FallbackStore([near, far]).put_block(b"block")
    assert not far.blocks


def test_read_back_asks_the_store_that_was_written(near: MemoryStore, far: MemoryStore) -> None:
    """A replica elsewhere doesn't hide that the store written to lost the block."""
    store = FallbackStore([near, far])
    cid = store.put_block(b"block")
    far.put_block(b"block")
    near.blocks.clear()
    with pytest.raises(BlockNotFound):
        store.verify(cid)


def test_all_writable_stores_can_be_written(near: MemoryStore, far: MemoryStore) -> None:
    """With write="all" a stream goes to each store, is pinned in each, and all must succeed."""
    store = FallbackStore([near, MemoryStore("gateway", writable=False), far], write="all")
    cid = store.put(pieces(2 * MIB + 5))
    assert near.pinned == far.pinned == {cid}
    assert near.blocks == far.blocks
    assert store.verify(cid) == 2 * MIB + 5
    blocks = [(name, Unverified(block)) for name, block in dag.build(pieces(3 * MIB))]
    store.put_blocks(blocks, [blocks[-1][0]])
    assert blocks[-1][0] in far.pinned
    store.pin(blocks[0][0])
    assert blocks[0][0] in near.pinned & far.pinned
    store.unpin(cid)
    assert cid not in near.pinned | far.pinned
    far.fault = StoreUnavailable("down")
    with pytest.raises(StoreUnavailable):
        store.put(b"block")


def test_many_blocks_go_to_every_store_that_is_written(near: MemoryStore, far: MemoryStore) -> None:
    """Each block is in each store, pinned and read back from each; what is unpinned is so in all of them."""
    gateway = MemoryStore("gateway", writable=False)
    store = FallbackStore([near, gateway, far], write="all")
    cids = list(store.put_many([b"one", b"two", b"three"]))
    for one in (near, far):
        assert one.pinned == set(cids)
        assert set(cids) <= set(one.asked)
    store.unpin_many(iter(cids[1:]))
    assert near.pinned == far.pinned == {cids[0]}
    assert not gateway.asked
    assert set(FallbackStore([near, far]).put_many([b"four"])) == near.pinned - far.pinned
    far.fault = StoreFull("full")
    with pytest.raises(StoreFull):
        list(store.put_many([b"five"]))


def test_without_a_writable_store_writing_is_refused() -> None:
    """Gateways alone make a store that can be read only; reading back then means reading."""
    gateway = MemoryStore("gateway", writable=False)
    cid = Cid.of(b"block")
    gateway.blocks[cid.digest] = b"block"
    store = FallbackStore([gateway])
    assert not store.writable
    for write in (
        lambda: store.put(b"x"),
        lambda: store.put_block(b"x"),
        lambda: list(store.put_many([b"x"])),
        lambda: store.pin(cid),
        lambda: store.unpin(cid),
        lambda: store.unpin_many([cid]),
    ):
        with pytest.raises(StoreReadOnly, match="gateway"):
            write()
    assert store.verify(cid) == 5


def test_no_store_or_another_way_to_write_is_refused(near: MemoryStore) -> None:
    """An empty list of stores and an unknown way to write are the caller's errors."""
    with pytest.raises(InvalidInput):
        FallbackStore([])
    with pytest.raises(InvalidInput):
        FallbackStore([near], write="some")  # type: ignore[arg-type]


def test_closing_closes_each_store(near: MemoryStore, far: MemoryStore) -> None:
    """The stores belong to the one that was made of them."""
    with FallbackStore([near, far]):
        pass
    assert near.closed
    assert far.closed
