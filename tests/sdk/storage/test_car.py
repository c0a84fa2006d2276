"""CAR files: what Kubo writes, and nothing taken on trust."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec_py.errors import (
    BlockMismatch,
    BlockNotFound,
    BlockTooLarge,
    FormatError,
    InvalidInput,
    MedRecError,
    StorageError,
)
from medrec_py.storage import BLOCK_LIMIT, Cid, FolderStore, dag, export_car, import_car
from medrec_py.storage.dag import uvarint
from tests.support.content import MIB, content, pieces
from tests.support.stores import MemoryStore

IPFS = Path(__file__).parents[2] / "data" / "ipfs"


def car(*roots: Cid, blocks: list[tuple[Cid, bytes]]) -> bytes:
    """A CAR made by hand, honest or not."""
    head = b"\xa2\x65roots" + bytes([0x80 + len(roots)])
    head += b"".join(b"\xd8\x2a\x58\x25\x00" + bytes(root) for root in roots) + b"\x67version\x01"
    sections = [bytes(cid) + block for cid, block in blocks]
    return b"".join(uvarint(len(part)) + part for part in (head, *sections))


def exported(store: MemoryStore, *roots: Cid) -> bytes:
    return b"".join(export_car(store, *roots))


def test_export_is_what_kubo_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of two levels of nodes becomes, byte for byte, the CAR of ``ipfs dag export``; the import reads it."""
    monkeypatch.setattr(dag, "LEAF_SIZE", 64)
    expected = (IPFS / "kubo" / "dag-export-64.car").read_bytes()
    store = MemoryStore()
    cid = store.put(content(174 * 64 + 1))
    assert exported(store, cid) == expected
    taken = MemoryStore()
    assert import_car(taken, expected) == [cid]
    assert taken.read(cid) == content(174 * 64 + 1)


@pytest.mark.parametrize("size", [0, 1, MIB, 2 * MIB + 5])
def test_what_is_exported_can_be_imported(size: int, tmp_path: Path) -> None:
    """Blocks and files go through a CAR on disk into another store, are whole and pinned there."""
    store = MemoryStore()
    cid = store.put(pieces(size))
    path = tmp_path / "backup.car"
    with path.open("wb") as file:
        file.writelines(export_car(store, cid))
    target = FolderStore(tmp_path / "store")
    with path.open("rb") as file:
        assert import_car(target, file) == [cid]
    assert target.verify(cid) == size
    assert list(target.pins()) == [cid]


@pytest.mark.parametrize("count", [1, 2, 23, 24, 300])
def test_several_roots_share_what_they_have_in_common(count: int) -> None:
    """A patient's whole set of records is one CAR: each block once, every root pinned by the import."""
    store = MemoryStore()
    roots = [store.put_block(number.to_bytes(4, "big")) for number in range(count)]
    roots.append(store.put(pieces(MIB + 1)))
    data = exported(store, *roots, roots[0], roots[-1])
    assert data.count(content(MIB)[:1000]) == 1
    target = MemoryStore()
    assert import_car(target, data) == [*roots, roots[0], roots[-1]]
    assert target.pinned == set(roots)


@settings(deadline=None)
@given(st.lists(st.integers(1, 5000), max_size=30))
def test_how_the_bytes_arrive_does_not_matter(lengths: list[int]) -> None:
    """A stream with short reads and pieces of any lengths import alike."""
    store = MemoryStore()
    roots = [store.put_block(bytes([number]) * 900) for number in range(12)]
    data = exported(store, *roots)
    parts, rest = [], data
    for length in lengths:
        parts.append(rest[:length])
        rest = rest[length:]
    assert import_car(MemoryStore(), [*parts, rest]) == roots
    assert import_car(MemoryStore(), io.BytesIO(data)) == roots


def test_export_of_a_damaged_file_raises() -> None:
    """A CAR is never written over a hole or damage without an error, and never without a root."""
    store = MemoryStore()
    cid = store.put(pieces(2 * MIB))
    store.blocks[Cid.of(content(MIB)).digest] = b"other"
    with pytest.raises(BlockMismatch):
        exported(store, cid)
    with pytest.raises(BlockNotFound):
        exported(store, Cid.of(b"absent"))
    with pytest.raises(InvalidInput):
        exported(store)


# --- CARs from outside ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gateway-raw-block", "dir-with-files", "file-3k-and-3-blocks-missing-block"])
def test_directories_and_other_forms_are_refused(name: str) -> None:
    """Well-formed CARs of directories, and of CIDv0, are no backup of ours: FormatError, nothing pinned."""
    store = MemoryStore()
    with pytest.raises(FormatError):
        import_car(store, (IPFS / "car" / f"{name}.car").read_bytes())
    assert not store.pinned


A = Cid.of(b"a")
ABSENT = Cid.of(b"absent")
LARGE = bytes(BLOCK_LIMIT + 1)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", FormatError),
        (b"\x00", FormatError),
        (b"not a car at all, but some text that is long enough", FormatError),
        (car(blocks=[(A, b"a")]), FormatError),
        (car(A, blocks=[(A, b"a")])[:-1], FormatError),
        (car(A, blocks=[(A, b"a")]) + b"\x00", FormatError),
        (car(A, blocks=[(A, b"a")]) + b"\x05abc", FormatError),
        (car(A, blocks=[(A, b"a")]).replace(b"version\x01", b"version\x02"), FormatError),
        (car(A, blocks=[(A, b"a")]).replace(b"\x3a\xa2", b"\xba\x00\xa2"), FormatError),
        (b"\x80" * 10, FormatError),
        (uvarint(1 << 40), FormatError),
        (car(A, blocks=[(A, b"b")]), BlockMismatch),
        (car(A, blocks=[(A, b"a"), (ABSENT, b"other")]), BlockMismatch),
        (car(A, ABSENT, blocks=[(A, b"a")]), BlockNotFound),
        (car(Cid.of(LARGE), blocks=[(Cid.of(LARGE), LARGE)]), BlockTooLarge),
        (car(A, blocks=[(A, b"a")]) + uvarint(1 << 40), BlockTooLarge),
    ],
    ids=[
        "nothing",
        "an empty header",
        "text",
        "no root",
        "cut off",
        "an empty section",
        "a section shorter than a CID",
        "CARv2",
        "a length that is not the shortest",
        "a length that never ends",
        "an enormous header",
        "another block",
        "another block among good ones",
        "a root that is missing",
        "a block too large",
        "an enormous section",
    ],
)
def test_a_car_that_is_not_whole_and_honest_is_refused(data: bytes, error: type[MedRecError]) -> None:
    """Each fault has its error; nothing gets pinned."""
    store = MemoryStore()
    with pytest.raises(error):
        import_car(store, data)
    assert not store.pinned


def test_a_file_with_a_hole_is_refused(tmp_path: Path) -> None:
    """A CAR that lacks a leaf imports nothing, and the folder holds nothing after collecting."""
    source = MemoryStore()
    cid = source.put(pieces(2 * MIB))
    blocks = list(dag.walk(source.get_block, cid))
    store = FolderStore(tmp_path / "store")
    with pytest.raises(BlockNotFound):
        import_car(store, car(cid, blocks=blocks[:-1]))
    assert not list(store.pins())
    store.collect()
    assert not store.has(cid)


def test_a_refused_car_leaves_no_block_in_the_folder(tmp_path: Path) -> None:
    """The folder takes a CAR whole or not at all: good blocks before a bad one are not kept."""
    store = FolderStore(tmp_path / "store")
    with pytest.raises(BlockMismatch):
        import_car(store, car(A, blocks=[(A, b"a"), (ABSENT, b"other")]))
    assert not store.has(A)


GOOD = car(A, ABSENT, blocks=[(A, b"a"), (ABSENT, b"absent")])


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_any_change_is_refused_or_harmless(data: st.DataObject) -> None:
    """A CAR with bytes changed raises one of the documented errors, or pins only what matches its CIDs."""
    changed = bytearray(GOOD)
    at = data.draw(st.integers(0, len(changed) - 1))
    kind = data.draw(st.sampled_from(["set", "insert", "remove"]))
    if kind == "set":
        changed[at] = data.draw(st.integers(0, 255))
    elif kind == "insert":
        changed[at:at] = data.draw(st.binary(min_size=1, max_size=50))
    else:
        del changed[at : at + data.draw(st.integers(1, 50))]
    store = MemoryStore()
    try:
        roots = import_car(store, bytes(changed))
    except (FormatError, BlockMismatch, StorageError):
        assert not store.pinned
        return
    assert store.pinned == set(roots)
    for root in roots:
        store.verify(root)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    """Random bytes raise a documented error and nothing else."""
    with pytest.raises((FormatError, StorageError)):
        import_car(MemoryStore(), data)
