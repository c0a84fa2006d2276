"""Content of any size, sealed chunk by chunk (docs/format.md §3) in bounded memory.

``ContentSealer`` reads a source once and gives the sealed chunks; then it knows the size and the Merkle root.
``ContentReader`` opens them again, all in order or any range alone. A few chunks are worked on ahead in
threads, since AES-GCM and SHA-256 leave the interpreter's lock.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, CRYPTO 2015): a counter and a last-chunk flag
in the nonce.
"""

from __future__ import annotations

import hmac
import io
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

from medrec_py.crypto.blocks import MAX_BLOCK
from medrec_py.crypto.keys import RECORD_ID_SIZE, SECRET_SIZE, DataKey, check_size, check_uint
from medrec_py.crypto.merkle import RootBuilder, leaf_hash, leaf_salt
from medrec_py.crypto.padding import padme
from medrec_py.crypto.suites import Suite
from medrec_py.errors import ContentTampered, ContentTruncated, InvalidInput, StatementMismatch
from medrec_py.in_order import in_order

TAG_SIZE = 16
SEALED_CHUNK_SIZE = MAX_BLOCK
CHUNK_SIZE = SEALED_CHUNK_SIZE - TAG_SIZE
MIN_PADDED_SIZE = 256
MAX_SIZE = 1 << 62
"""No content is longer, in bytes; the arithmetic of 64-bit readers stays safe."""


@runtime_checkable
class Readable(Protocol):
    """A binary file, or whatever reads like one; it may return less than was asked for."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""


Source: TypeAlias = bytes | bytearray | memoryview | Readable | Iterable[bytes]
"""Where bytes come from: themselves, an open binary file, or pieces of any size."""


def chunk_count(size: int) -> int:
    """Number of sealed chunks of content of ``size`` bytes, padding included; at least one."""
    return -(-padded_size(size) // CHUNK_SIZE)


def leaf_count(size: int) -> int:
    """Number of leaves of the Merkle tree over content of ``size`` bytes, padding not included; at least one (§5)."""
    return max(1, -(-size // CHUNK_SIZE))


def padded_size(size: int) -> int:
    """Size in bytes of content of ``size`` bytes after padding."""
    return max(MIN_PADDED_SIZE, padme(size))


def sealed_size(size: int) -> int:
    """Size in bytes of all sealed chunks of content of ``size`` bytes."""
    return padded_size(size) + chunk_count(size) * TAG_SIZE


class _Chunk(NamedTuple):
    number: int
    octets: bytes
    used: int  # bytes before the padding
    last: bool


class ContentSealer:
    """Seals a source; iterate over it once to get the sealed chunks, each a block of at most 1 MiB.

    Args:
        source: The content. It is read once, and not closed.
        data_key: Of this record and no other content.
        record_id: 16 bytes.
        leaf_salt: 32 random bytes that salt the Merkle tree.
        suite: By which to seal.

    Raises:
        InvalidInput: the source is iterated over a second time, or ``size`` or ``root`` is asked for before its end.

    Warning: a data key seals one content. After an interruption take a new one, unless the source cannot have changed.
    """

    def __init__(self, source: Source, data_key: DataKey, record_id: bytes, leaf_salt: bytes, suite: Suite) -> None:
        self._record_id = check_size(record_id, RECORD_ID_SIZE, "a record id")
        self._leaf_salt = check_size(leaf_salt, SECRET_SIZE, "the leaf salt")
        self._suite = suite
        self._key = data_key.content_key(suite.number, self._record_id)
        self._source: Source | None = source
        self._tree = RootBuilder()
        self._size = 0
        self._finished = False

    def __iter__(self) -> Iterator[bytes]:
        if self._source is None:
            raise InvalidInput("content can be sealed once only: take a new data key for another time")
        source, self._source = self._source, None
        for chunk, leaf, sealed in in_order(self._seal, _padded_chunks(source)):
            self._size += chunk.used
            if leaf is not None:
                self._tree.add(leaf)
            yield sealed
        self._finished = True

    @property
    def size(self) -> int:
        """Bytes of content, without padding; known at the end."""
        self._require_end()
        return self._size

    @property
    def root(self) -> bytes:
        """The Merkle root (§5), 32 bytes; known at the end."""
        self._require_end()
        return self._tree.root()

    def _require_end(self) -> None:
        if not self._finished:
            raise InvalidInput("the content is not sealed to its end yet")

    def _seal(self, chunk: _Chunk) -> tuple[_Chunk, bytes | None, bytes]:
        nonce = _nonce(chunk.number, chunk.last)
        sealed = self._suite.encrypt(self._key, nonce, chunk.octets, self._record_id)
        leaf = None
        if chunk.used or not chunk.number:
            leaf = leaf_hash(leaf_salt(self._leaf_salt, chunk.number), chunk.octets[: chunk.used])
        return chunk._replace(octets=b""), leaf, sealed


class ContentReader:
    """Opens the sealed chunks of one record.

    What it returns was sealed by somebody who had the data key, for this place in this record. That it is what
    the author *signed* is known once ``read_all`` has ended without an error.

    Args:
        data_key: Of the record.
        record_id: 16 bytes.
        size: Bytes of content, from the verified metadata.
        suite: By which it is sealed.
    """

    def __init__(self, data_key: DataKey, record_id: bytes, size: int, suite: Suite) -> None:
        self._record_id = check_size(record_id, RECORD_ID_SIZE, "a record id")
        self._size = check_uint(size, "the size", MAX_SIZE)
        self._suite = suite
        self._key = data_key.content_key(suite.number, self._record_id)
        self._count = chunk_count(size)

    def read_all(self, source: Source, leaf_salt: bytes, root: bytes) -> Iterator[bytes]:
        """The content in order, in pieces of at most 1 MiB.

        The last piece is held back until everything behind it was read and the Merkle root was found to be the
        signed one.

        Args:
            source: All sealed chunks, in pieces of any size.
            leaf_salt: 32 bytes, from the verified metadata.
            root: The Merkle root that the author signed, 32 bytes.

        Raises:
            ContentTruncated: the source ends too early or goes on behind the last chunk.
            ContentTampered: a chunk was changed, or belongs to another place or record.
            StatementMismatch: the content is not what the author signed.

        Warning: do not act on a part before the end was reached; write to a temporary file and rename it.
        """
        check_size(leaf_salt, SECRET_SIZE, "the leaf salt")
        tree, held = RootBuilder(), b""

        def open_with_leaf(numbered: tuple[int, bytes]) -> tuple[bytes, bytes]:
            octets = self.open_chunk(*numbered)
            return octets, _leaf(leaf_salt, numbered[0], octets)

        index = -1
        for index, (octets, leaf) in enumerate(in_order(open_with_leaf, enumerate(_pieces(source, SEALED_CHUNK_SIZE)))):
            if index < leaf_count(self._size):
                tree.add(leaf)
            if octets:
                if held:
                    yield held
                held = octets
        if index + 1 != self._count:
            raise ContentTruncated(f"the content ends after {index + 1} of {self._count} chunks")
        if not hmac.compare_digest(tree.root(), root):
            raise StatementMismatch("the content is not the one that its author signed")
        if held:
            yield held

    def read_range(self, start: int, stop: int, fetch_chunk: Callable[[int], bytes]) -> Iterator[bytes]:
        """Bytes ``start`` to ``stop`` (excluded) of the content, in pieces.

        Args:
            start: First byte, from 0.
            stop: Behind the last byte, at most the size.
            fetch_chunk: Gives the sealed chunk of a number, see ``chunks_for`` and ``sealed_span``.

        Raises:
            InvalidInput: the content has no such range.
            ContentTampered, ContentTruncated: as ``read_all``.

        Warning: a range proves possession of the data key, not the author's signature; that takes all of the content.
        """
        for index in self.chunks_for(start, stop):
            octets = self.open_chunk(index, fetch_chunk(index))
            first = index * CHUNK_SIZE
            yield octets[max(0, start - first) : stop - first]

    def chunks_for(self, start: int, stop: int) -> range:
        """Numbers of the sealed chunks that hold bytes ``start`` to ``stop`` (excluded).

        Raises:
            InvalidInput: the content has no such range.
        """
        if not 0 <= start <= stop <= self._size:
            raise InvalidInput(f"there are no bytes {start} to {stop} in content of {self._size}")
        return range(start // CHUNK_SIZE, -(-stop // CHUNK_SIZE)) if start < stop else range(0)

    def sealed_span(self, index: int) -> tuple[int, int]:
        """Where sealed chunk ``index`` lies among all sealed bytes: its first byte, and behind its last."""
        first = index * SEALED_CHUNK_SIZE
        return first, min(first + SEALED_CHUNK_SIZE, sealed_size(self._size))

    def open_chunk(self, index: int, sealed: bytes) -> bytes:
        """The content in sealed chunk ``index``, without padding; empty for a chunk of padding.

        Raises:
            ContentTruncated: there is no such chunk, or it has another size than it must have.
            ContentTampered: it does not authenticate in this place of this record, or its padding is not zero.
        """
        if not 0 <= index < self._count:
            raise ContentTruncated(f"the content goes on behind its {self._count} chunks")
        first, behind = self.sealed_span(index)
        if len(sealed) != behind - first:
            raise ContentTruncated(f"chunk {index} has {len(sealed)} bytes, not {behind - first}")
        nonce = _nonce(index, last=index == self._count - 1)
        octets = self._suite.decrypt(self._key, nonce, sealed, self._record_id)
        used = min(max(self._size - index * CHUNK_SIZE, 0), len(octets))
        if octets[used:] != bytes(len(octets) - used):
            raise ContentTampered("the padding of the content is not zero")
        return octets[:used]


def _nonce(index: int, last: bool) -> bytes:
    return index.to_bytes(11) + bytes([last])


def _leaf(salt: bytes, index: int, octets: bytes) -> bytes:
    return leaf_hash(leaf_salt(salt, index), octets)


def _padded_chunks(source: Source) -> Iterator[_Chunk]:
    """The chunks to seal. One is held back, for only at the end is it known which one is the last."""
    pieces = _pieces(source, CHUNK_SIZE)
    index, held = 0, next(pieces, b"")
    for piece in pieces:
        yield _Chunk(index, held, len(held), last=False)
        index, held = index + 1, piece
    remaining = padded_size(index * CHUNK_SIZE + len(held)) - index * CHUNK_SIZE
    while remaining:
        octets = held.ljust(min(remaining, CHUNK_SIZE), b"\0")
        remaining -= len(octets)
        yield _Chunk(index, octets, len(held), last=not remaining)
        index, held = index + 1, b""


def _pieces(source: Source, size: int) -> Iterator[bytes]:
    """The source in pieces of ``size`` bytes, the last one shorter."""
    if isinstance(source, bytes | bytearray | memoryview):
        source = io.BytesIO(source)
    read = source.read if isinstance(source, Readable) else _PieceReader(source).read
    while piece := _read_full(read, size):
        yield piece


def _read_full(read: Callable[[int], bytes], size: int) -> bytes:
    """``size`` bytes, or what is left; pipes and sockets give less at a time."""
    piece = read(size)
    if len(piece) in (0, size):
        return piece
    parts, missing = [piece], size - len(piece)
    while missing and (piece := read(missing)):
        parts.append(piece)
        missing -= len(piece)
    return b"".join(parts)


class _PieceReader:
    """Reads pieces of any size like a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        piece, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return piece
