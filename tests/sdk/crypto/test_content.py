"""Sealing and opening content of any size."""

from __future__ import annotations

import io
import threading
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec_py.crypto import merkle
from medrec_py.crypto.content import (
    CHUNK_SIZE,
    SEALED_CHUNK_SIZE,
    ContentReader,
    ContentSealer,
    chunk_count,
    leaf_count,
    padded_size,
    sealed_size,
)
from medrec_py.crypto.keys import DataKey
from medrec_py.crypto.padding import padme
from medrec_py.errors import ContentTampered, ContentTruncated, InvalidInput, MedRecError, StatementMismatch

from .people import RECORD_ID, SUITE, some

KEY = DataKey(some("data key"))
SALT = some("leaf salt")
EDGES = [0, 1, 255, 256, 257, 5000, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, 2 * CHUNK_SIZE + 77]
THREE = 2 * CHUNK_SIZE + 77


def text(size: int) -> bytes:
    """Content of a size that does not repeat from chunk to chunk."""
    return (some("content", 1021) * (size // 1021 + 1))[:size]


def seal(content: bytes, key: DataKey = KEY) -> tuple[list[bytes], ContentSealer]:
    sealer = ContentSealer(content, key, RECORD_ID, SALT, SUITE)
    return list(sealer), sealer


def collect(pieces: Iterable[bytes], given: bytearray) -> None:
    """Keep what came out before an error."""
    for piece in pieces:
        given.extend(piece)


def open_all(chunks: list[bytes], sealer: ContentSealer, size: int | None = None) -> bytes:
    reader = ContentReader(KEY, RECORD_ID, sealer.size if size is None else size, SUITE)
    return b"".join(reader.read_all(chunks, SALT, sealer.root))


@pytest.fixture(scope="module")
def three() -> tuple[list[bytes], ContentSealer]:
    """Three chunks, the last of which is shorter."""
    return seal(text(THREE))


@pytest.mark.parametrize("size", EDGES)
def test_content_survives(size: int) -> None:
    """What is sealed opens to the same bytes, at every edge of padding and chunks."""
    chunks, sealer = seal(text(size))
    assert (sealer.size, len(chunks), sum(map(len, chunks))) == (size, chunk_count(size), sealed_size(size))
    assert open_all(chunks, sealer) == text(size)


@pytest.mark.parametrize("size", EDGES)
def test_chunks_are_blocks(size: int) -> None:
    """Every sealed chunk but the last is exactly one block of 1 MiB, and none is larger."""
    chunks, _ = seal(text(size))
    assert {len(chunk) for chunk in chunks[:-1]} <= {SEALED_CHUNK_SIZE}
    assert 0 < len(chunks[-1]) <= SEALED_CHUNK_SIZE == 1 << 20


@given(st.integers(0, 1 << 62))
def test_sizes_fit_each_other(size: int) -> None:
    """Padding, chunks and tags add up, and the Merkle tree covers the content and not its padding."""
    assert padded_size(size) == max(256, padme(size))
    assert (chunk_count(size) - 1) * CHUNK_SIZE < padded_size(size) <= chunk_count(size) * CHUNK_SIZE
    assert sealed_size(size) == padded_size(size) + 16 * chunk_count(size)
    assert 1 <= leaf_count(size) <= chunk_count(size)


def test_an_empty_file_is_one_chunk_of_zeros() -> None:
    """Nothing is content too: 256 zeros, one leaf of no bytes."""
    chunks, sealer = seal(b"")
    assert [len(chunk) for chunk in chunks] == [256 + 16]
    assert sealer.root == merkle.leaf_hash(merkle.leaf_salt(SALT, 0), b"")
    assert open_all(chunks, sealer) == b""


def test_sizes_that_pad_alike_look_alike() -> None:
    """The number and the sizes of sealed chunks tell the padded size only."""
    shapes = {tuple(len(chunk) for chunk in seal(text(size))[0]) for size in (5000, 5001, 5100, padme(5000))}
    assert len(shapes) == 1


def test_padding_can_fill_chunks_of_its_own() -> None:
    """Where Padmé adds more than a chunk, chunks of zeros follow, without leaves, and are checked as well."""
    size = 65 * CHUNK_SIZE + 1
    assert chunk_count(size) > leaf_count(size) == 66
    sealer = ContentSealer(chain(repeat(bytes(CHUNK_SIZE), 65), [b"!"]), KEY, RECORD_ID, SALT, SUITE)
    chunks = list(sealer)
    reader = ContentReader(KEY, RECORD_ID, size, SUITE)
    assert sum(map(len, reader.read_all(chunks, SALT, sealer.root))) == size
    assert reader.open_chunk(66, chunks[66]) == b""
    with pytest.raises(ContentTruncated):
        list(reader.read_all(chunks[:66], SALT, sealer.root))


def test_the_root_is_the_merkle_root_of_the_plain_chunks(three: tuple[list[bytes], ContentSealer]) -> None:
    """Leaves are the chunks without padding, each with its own salt; any of them can be proved."""
    plain = text(THREE)
    chunks = [plain[n : n + CHUNK_SIZE] for n in range(0, THREE, CHUNK_SIZE)]
    leaves = [merkle.leaf_hash(merkle.leaf_salt(SALT, n), chunk) for n, chunk in enumerate(chunks)]
    assert three[1].root == merkle.merkle_root(leaves)
    merkle.verify_inclusion(three[1].root, leaves[1], 1, leaf_count(THREE), merkle.inclusion_path(leaves, 1))


class Trickle(io.RawIOBase):
    """A pipe: gives a few bytes at a time, whatever is asked for."""

    def __init__(self, content: bytes, step: int) -> None:
        self._file = io.BytesIO(content)
        self._step = step

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, self._step))


@pytest.mark.parametrize("size", [0, 1, 1000, CHUNK_SIZE, CHUNK_SIZE + 1])
def test_every_kind_of_source_is_read_to_its_end(size: int) -> None:
    """Bytes, views, files, pipes with short reads and pieces of any size, even empty, give the same sealed chunks."""
    content = text(size)
    expected = seal(content)[0]
    pieces = [content[n : n + 333_333] for n in range(0, size, 333_333)]
    for source in (
        bytearray(content),
        memoryview(content),
        io.BytesIO(content),
        Trickle(content, 100_003),
        pieces,
        iter([b"", *pieces, b""]),
        (bytes([octet]) for octet in content[:1000]) if size <= 1000 else pieces,
    ):
        assert list(ContentSealer(source, KEY, RECORD_ID, SALT, SUITE)) == expected
    reader = ContentReader(KEY, RECORD_ID, size, SUITE)
    root = seal(content)[1].root
    assert b"".join(reader.read_all(Trickle(b"".join(expected), 77_777), SALT, root)) == content


@given(st.data())
@settings(max_examples=40)
def test_a_range_opens_alone(three: tuple[list[bytes], ContentSealer], data: st.DataObject) -> None:
    """Any range comes from the chunks that hold it and no others."""
    start = data.draw(st.integers(0, THREE))
    stop = data.draw(st.integers(start, THREE))
    reader, fetched = ContentReader(KEY, RECORD_ID, THREE, SUITE), list[int]()
    sealed = b"".join(three[0])

    def fetch(index: int) -> bytes:
        fetched.append(index)
        return sealed[slice(*reader.sealed_span(index))]

    assert b"".join(reader.read_range(start, stop, fetch)) == text(THREE)[start:stop]
    assert fetched == [n for n in range(3) if start < stop and n * CHUNK_SIZE < stop and start < (n + 1) * CHUNK_SIZE]


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (2, 1), (0, THREE + 1), (THREE + 1, THREE + 1)])
def test_a_range_outside_the_content_is_refused(start: int, stop: int) -> None:
    """There is nothing before the first byte or behind the last."""
    with pytest.raises(InvalidInput):
        list(ContentReader(KEY, RECORD_ID, THREE, SUITE).read_range(start, stop, lambda _: b""))


def test_a_changed_chunk_does_not_open(three: tuple[list[bytes], ContentSealer]) -> None:
    """One flipped bit anywhere is tampering, and nothing of that chunk is given out."""
    chunks, sealer = three
    for place in (0, 500_000, -1):
        chunk = bytearray(chunks[1])
        chunk[place] ^= 0x80
        given = bytearray()
        pieces = ContentReader(KEY, RECORD_ID, THREE, SUITE).read_all(
            [chunks[0], bytes(chunk), chunks[2]], SALT, sealer.root
        )
        with pytest.raises(ContentTampered):
            collect(pieces, given)
        assert text(THREE).startswith(bytes(given))
        assert len(given) <= CHUNK_SIZE


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ([0, 2], ContentTruncated),
        ([1, 2], ContentTampered),
        ([0, 1], ContentTruncated),
        ([0], ContentTruncated),
        ([], ContentTruncated),
        ([0, 0, 2], ContentTampered),
        ([1, 0, 2], ContentTampered),
        ([0, 1, 2, 2], ContentTruncated),
        ([0, 1, 2, 0], ContentTruncated),
        ([0, 1, 1], ContentTruncated),
    ],
)
def test_chunks_cannot_be_dropped_repeated_reordered_or_added(
    three: tuple[list[bytes], ContentSealer], order: list[int], error: type[MedRecError]
) -> None:
    """The place of each chunk and which one is the last are bound into it."""
    chunks, sealer = three
    with pytest.raises(error):
        open_all([chunks[n] for n in order], sealer)


@pytest.mark.parametrize("cut", [1, 16, 17, 1000])
def test_content_cannot_be_cut_or_extended_by_bytes(three: tuple[list[bytes], ContentSealer], cut: int) -> None:
    """A file that ends early or goes on is told from the whole one."""
    chunks, sealer = three
    for changed in (
        [*chunks[:2], chunks[2][:-cut]],
        [*chunks, bytes(cut)],
        [chunks[0][:-cut]],
        [b"".join(chunks)[cut:]],
    ):
        with pytest.raises((ContentTruncated, ContentTampered)):
            open_all(changed, sealer)


@pytest.mark.parametrize("kept", [1, 2])
def test_a_truncation_at_a_chunks_edge_does_not_open_even_with_a_matching_size(
    three: tuple[list[bytes], ContentSealer], kept: int
) -> None:
    """Somebody who could also lie about the size fails at the last-chunk flag."""
    chunks, sealer = three
    assert padded_size(kept * CHUNK_SIZE) != kept * CHUNK_SIZE or chunk_count(kept * CHUNK_SIZE) == kept
    reader = ContentReader(KEY, RECORD_ID, kept * CHUNK_SIZE, SUITE)
    reader._count, reader._size = kept, kept * CHUNK_SIZE
    with pytest.raises((ContentTampered, ContentTruncated)):
        list(reader.read_all(chunks[:kept], SALT, sealer.root))
    with pytest.raises(ContentTampered):
        reader._suite.decrypt(reader._key, (kept - 1).to_bytes(11) + b"\x01", chunks[kept - 1], RECORD_ID)


@pytest.mark.parametrize("size", [THREE - 1, THREE - 78, THREE - CHUNK_SIZE, 0, 1])
def test_a_smaller_size_than_the_true_one_is_refused(three: tuple[list[bytes], ContentSealer], size: int) -> None:
    """Bytes behind the size must be zero, so no size but the true one fits."""
    chunks, sealer = three
    with pytest.raises((ContentTampered, ContentTruncated)):
        open_all(chunks, sealer, size)


@pytest.mark.parametrize("index", [-1, 3, 1 << 90])
def test_there_are_no_chunks_before_the_first_or_behind_the_last(
    three: tuple[list[bytes], ContentSealer], index: int
) -> None:
    """A number that the content does not have is a truncation or extension, whatever bytes come with it."""
    with pytest.raises(ContentTruncated):
        ContentReader(KEY, RECORD_ID, THREE, SUITE).open_chunk(index, three[0][0])


def test_padding_must_be_zero() -> None:
    """An author cannot hide bytes behind the size."""
    chunks, sealer = seal(b"shown" + b"hidden")
    with pytest.raises(ContentTampered, match="padding"):
        open_all(chunks, sealer, len(b"shown"))


def test_another_record_or_key_does_not_open(three: tuple[list[bytes], ContentSealer]) -> None:
    """Chunks belong to one data key and one record id."""
    chunks, sealer = three
    for reader in (
        ContentReader(DataKey.generate(), RECORD_ID, THREE, SUITE),
        ContentReader(KEY, some("other", 16), THREE, SUITE),
    ):
        with pytest.raises(ContentTampered):
            list(reader.read_all(chunks, SALT, sealer.root))


def test_content_that_its_author_did_not_sign_is_refused() -> None:
    """Who has the data key can seal other content; it does not fit the signed root, and its end never comes out."""
    chunks, sealer = seal(text(THREE))
    other, _ = seal(text(THREE)[:-1] + b"?")
    pieces, reader = list[bytes](), ContentReader(KEY, RECORD_ID, THREE, SUITE)
    with pytest.raises(StatementMismatch):
        pieces.extend(reader.read_all([chunks[0], chunks[1], other[2]], SALT, sealer.root))
    small, signed = seal(b"benign")
    with pytest.raises(StatementMismatch):
        pieces.extend(ContentReader(KEY, RECORD_ID, 6, SUITE).read_all(seal(b"malign")[0], SALT, signed.root))
    assert b"malign" not in pieces
    assert open_all(small, signed) == b"benign"


def test_nothing_is_said_before_the_end() -> None:
    """Size and root are known when the last chunk was taken, and a source is sealed once."""
    sealer = ContentSealer(text(THREE), KEY, RECORD_ID, SALT, SUITE)
    chunks = iter(sealer)
    next(chunks)
    for ask in (lambda: sealer.size, lambda: sealer.root, lambda: list(sealer)):
        with pytest.raises(InvalidInput):
            ask()
    assert len(list(chunks)) == 2
    assert sealer.size == THREE


def test_every_nonce_is_used_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under one content key no two chunks share a nonce, and the last one is marked."""
    sealer = ContentSealer(text(THREE), KEY, RECORD_ID, SALT, SUITE)
    nonces, encrypt = list[bytes](), sealer._suite.encrypt

    def spy(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        nonces.append(nonce)
        return encrypt(key, nonce, plaintext, associated)

    monkeypatch.setattr(type(sealer._suite), "encrypt", staticmethod(spy))
    list(sealer)
    assert sorted(nonces) == [bytes(11) + b"\0", bytes(10) + b"\x01\0", bytes(10) + b"\x02\x01"]


def test_memory_stays_bounded() -> None:
    """Neither sealing nor opening holds more than a few chunks at a time: here one feeds the other."""
    size = 24 * CHUNK_SIZE
    sealer = ContentSealer((bytes(CHUNK_SIZE) for _ in range(24)), KEY, RECORD_ID, SALT, SUITE)
    tracemalloc.start()
    try:
        with pytest.raises(StatementMismatch):  # the root is not known before the end
            for _ in ContentReader(KEY, RECORD_ID, size, SUITE).read_all(sealer, SALT, b""):
                pass
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_a_reader_that_stops_early_leaves_no_thread() -> None:
    """Closing the iterator ends the work ahead."""
    chunks, sealer = seal(text(THREE))
    before = threading.active_count()
    pieces = ContentReader(KEY, RECORD_ID, THREE, SUITE).read_all(chunks, SALT, sealer.root)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_an_error_of_the_source_is_the_callers() -> None:
    """What the source raises comes through unchanged, and no root is claimed."""

    def broken() -> Iterator[bytes]:
        yield text(CHUNK_SIZE)
        yield text(CHUNK_SIZE)
        raise OSError("disk")

    sealer = ContentSealer(broken(), KEY, RECORD_ID, SALT, SUITE)
    with pytest.raises(OSError, match="disk"):
        list(sealer)
    with pytest.raises(InvalidInput):
        _ = sealer.root


@pytest.mark.parametrize("size", [-1, 1 << 63, True])
def test_impossible_sizes_are_refused(size: int) -> None:
    """A reader is not made for content that cannot be."""
    with pytest.raises(InvalidInput):
        ContentReader(KEY, RECORD_ID, size, SUITE)


def test_the_last_piece_waits_for_the_root(three: tuple[list[bytes], ContentSealer]) -> None:
    """With another root, all but the last piece comes out and then an error: nobody takes it for the end."""
    chunks, _ = three
    given = bytearray()
    with pytest.raises(StatementMismatch):
        collect(ContentReader(KEY, RECORD_ID, THREE, SUITE).read_all(chunks, SALT, some("another root")), given)
    assert bytes(given) == text(THREE)[: 2 * CHUNK_SIZE]
