"""CAR files: blocks in one stream, for backups, for other IPFS tools, and for taking one's records along.

Standard: CARv1 (https://ipld.io/specs/transport/car/carv1/). What is written for one root is what ``ipfs dag export``
writes, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from medrec_py.errors import BlockTooLarge, FormatError, InvalidInput
from medrec_py.storage import dag
from medrec_py.storage.cid import CID_SIZE, Cid, Unverified
from medrec_py.storage.dag import BLOCK_LIMIT, Source, uvarint
from medrec_py.storage.store import BlockStore

_HEADER_LIMIT: Final = 1 << 20
# dag-cbor of {"roots": [CID, …], "version": 1}; a CID is tag 42 and a byte string that begins with 0
_BEFORE: Final = b"\xa2\x65roots"
_AFTER: Final = b"\x67version\x01"
_CID_HEAD: Final = b"\xd8\x2a\x58\x25\x00"
_CID_TOTAL: Final = len(_CID_HEAD) + CID_SIZE


def export_car(store: BlockStore, *roots: Cid) -> Iterator[bytes]:
    """Writes blocks and whole files into a CAR.

    Args:
        store: Holds them.
        roots: At least one. What several roots share is written once.

    Yields:
        The CAR in pieces of about a block, to be written to a file one after the other. Memory: one block, and about
        100 bytes for each block written.

    Raises:
        BlockNotFound, BlockMismatch, FormatError: if the store doesn't hold a root whole; what was yielded until then
            is no CAR.
        InvalidInput: if no root is given, or more than 25,000.
    """
    header = _header(list(roots))
    if len(header) > _HEADER_LIMIT:
        raise InvalidInput(f"{len(roots)} roots are too many for one CAR")
    yield uvarint(len(header)) + header
    written: set[Cid] = set()
    for root in roots:
        for cid, block in dag.walk(store.get_block, root):
            if cid not in written:
                written.add(cid)
                yield uvarint(CID_SIZE + len(block)) + bytes(cid) + block


def import_car(store: BlockStore, source: Source) -> list[Cid]:
    """Stores the blocks of a CAR that somebody else may have written, and pins its roots.

    Args:
        store: Takes them.
        source: The CAR: a binary stream, bytes, or an iterable of bytes. Read in bounded memory.

    Returns:
        The roots. Each was read back whole from the store: every byte of it matches its CID.

    Raises:
        FormatError: if it is not a whole CARv1 of blocks in MedRec's form (CIDv1, raw or dag-pb, sha2-256), or a root
            is not a block or file as docs/format.md §3 has it.
        BlockMismatch: if a block is not that of its CID.
        BlockTooLarge: if a block has more than 1 MiB.
        BlockNotFound: if the CAR (and the store) lack a block of a root.
        StoreFull, StoreReadOnly: if the store can't take it.

        Whichever it is, nothing was pinned.
    """
    stream = _Stream(source)
    length = stream.length()
    if length is None or length > _HEADER_LIMIT:
        raise FormatError("not a CAR file")
    roots = _roots(stream.take(length))
    store.put_blocks(_sections(stream), roots)
    return roots


def _header(roots: list[Cid]) -> bytes:
    if not roots:
        raise InvalidInput("a CAR has at least one root")
    return _BEFORE + _array(len(roots)) + b"".join(_CID_HEAD + bytes(root) for root in roots) + _AFTER


def _array(count: int) -> bytes:
    """The head of a CBOR array (RFC 8949 §3), in its shortest form."""
    if count < 24:
        return bytes((0x80 + count,))
    size = 1 if count < 1 << 8 else 2 if count < 1 << 16 else 4
    return bytes((0x97 + size.bit_length(),)) + count.to_bytes(size, "big")


def _roots(header: bytes) -> list[Cid]:
    """Reads a header: the number of roots follows from its length, and encoding it again must give the same."""
    count = (len(header) - len(_BEFORE) - len(_AFTER)) // _CID_TOTAL
    if count < 1:
        raise FormatError("not the header of a CARv1 with roots")
    at = len(_BEFORE) + len(_array(count))
    starts = range(at + len(_CID_HEAD), at + count * _CID_TOTAL, _CID_TOTAL)
    roots = [Cid.from_bytes(header[start : start + CID_SIZE]) for start in starts]
    if _header(roots) != header:
        raise FormatError("not the header of a CARv1, or not in its canonical form")
    return roots


def _sections(stream: _Stream) -> Iterator[tuple[Cid, Unverified]]:
    while (length := stream.length()) is not None:
        if length < CID_SIZE:
            raise FormatError("a section of the CAR is too short for a CIDv1 with sha2-256")
        if length > CID_SIZE + BLOCK_LIMIT:
            raise BlockTooLarge(f"a section of the CAR has {length} bytes")
        cid = Cid.from_bytes(stream.take(CID_SIZE))
        yield cid, Unverified(stream.take(length - CID_SIZE))


class _Stream:
    """Takes exact numbers of bytes out of pieces of any lengths."""

    def __init__(self, source: Source) -> None:
        self._pieces = dag.chunks(source)
        self._piece = memoryview(b"")

    def take(self, count: int) -> bytes:
        """The next bytes, exactly so many.

        Raises:
            FormatError: if the stream ends before.
        """
        data = self._some(count)
        if len(data) < count:
            raise FormatError("the CAR is cut off")
        return data

    def length(self) -> int | None:
        """The length of the next section, None at the end of the stream."""
        data = self._some(1)
        if not data:
            return None
        while data[-1] & 0x80 and len(data) < 9:
            data += self.take(1)
        return dag.read_uvarint(data, 0)[0]

    def _some(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            if not self._piece:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._piece = memoryview(piece)
            wanted = count - len(data)
            data += self._piece[:wanted]
            self._piece = self._piece[wanted:]
        return bytes(data)
