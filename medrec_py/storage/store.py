"""What every block store can do, and the file logic that all of them share.

A home for blocks implements five primitives (fetch a block, store blocks, has, pin, unpin).
Checking, files, ranges and read-back live here, once, so that no home can forget them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from types import TracebackType
from typing import Final, Self

from medrec_py.errors import BlockTooLarge
from medrec_py.storage import dag
from medrec_py.storage.cid import Cid, Unverified
from medrec_py.storage.dag import BLOCK_LIMIT, Block, Source

BATCH: Final = 4096
"""So many blocks are made durable together by ``put_many``: names and hashes of a batch take about a MiB."""


class BlockStore(ABC):
    """A place where encrypted blocks live.

    What is put is pinned: it stays until ``unpin``. Every byte that is read was hashed and
    compared with its CID first. All homes give the same content the same CID.

    A store is a context manager; ``close`` releases what it holds open. Instances may be used by
    several threads.

    Attributes:
        name: What messages call this store, without credentials.
        writable: False if every ``put`` would raise ``StoreReadOnly``.

    Errors that any method may raise: ``StoreUnavailable`` (down, refuses, answers with an error),
    ``StoreTimeout`` (does not answer in time).
    """

    name: str
    writable: bool = True

    # --- blocks -------------------------------------------------------------------------------

    def put_block(self, data: bytes) -> Cid:
        """Stores one raw block and pins it.

        Args:
            data: At most 1 MiB.

        Returns:
            Its CID; the digest in it is what goes on chain.

        Raises:
            BlockTooLarge: if it is larger; use ``put`` for files.
            StoreFull, StoreReadOnly: if the store can't take it; then nothing was stored.
        """
        block = _limited(bytes(data))
        cid = Cid.of(block)
        self._store([(cid, block)])
        return cid

    def get_block(self, cid: Cid) -> bytes:
        """Fetches one block.

        Returns:
            The bytes that hash to ``cid``, at most 1 MiB.

        Raises:
            BlockNotFound: if the store doesn't have it.
            BlockMismatch: if the store returned other bytes.
            BlockTooLarge: if the store began to return more than 1 MiB.
        """
        return self._fetch(cid).verified(cid)

    def put_many(self, blocks: Iterable[bytes]) -> Iterator[Cid]:
        """Stores many raw blocks, each pinned on its own and read back, at a fraction of the time of one by one.

        The blocks are taken in batches; what a home does to make things durable, it does once a batch. Consume the
        iterator to its end: nothing happens before, and the blocks behind where it is left are not stored.

        Args:
            blocks: Of at most 1 MiB each. Consumed as they are stored, in bounded memory.

        Yields:
            The CID of each block, in order, once all of its batch is durable, pinned and read back: so it may go on
            chain.

        Raises:
            BlockTooLarge, StoreFull, StoreReadOnly: as ``put_block``. Nothing of that batch was pinned.
            BlockNotFound, BlockMismatch: if a block can't be read back. Its batch stays pinned.
        """
        source = iter(blocks)
        for first in source:
            cids: list[Cid] = []
            self._store(_named(chain([first], islice(source, BATCH - 1)), cids), cids)
            self._verify_many(cids)
            yield from cids

    # --- files --------------------------------------------------------------------------------

    def put(self, source: Source) -> Cid:
        """Stores a file of any size and pins it, in bounded memory.

        Args:
            source: Bytes, a binary stream, or an iterable of bytes of any lengths.

        Returns:
            The CID of the file: a raw block up to 1 MiB, else a dag-pb node (docs/format.md §3).

        Raises:
            StoreFull, StoreReadOnly: if the store can't take it.
            InvalidInput: if the source yields something other than bytes.
        """
        return self._store(dag.build(source))

    def open(self, cid: Cid, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Reads a file, or a range of it, in bounded memory.

        Warning: a CID from somebody else may name a file of any size. Compare ``size`` with what
        the envelope says, or give a length.

        Args:
            cid: The file.
            offset: First byte, from 0.
            length: Bytes at most; None reads to the end.

        Yields:
            Pieces of at most 1 MiB, each verified. Fetches only the blocks that the range touches.

        Raises:
            BlockNotFound, BlockMismatch, BlockTooLarge: as ``get_block``, at the piece concerned.
            FormatError: if the blocks do not form a file as docs/format.md §3 has it.
        """
        return dag.read(self.get_block, cid, offset, length)

    def read(self, cid: Cid, offset: int = 0, length: int | None = None) -> bytes:
        """A range of a file at once: ``open`` joined. Shorter than ``length`` at the file's end."""
        return b"".join(self.open(cid, offset, length))

    def size(self, cid: Cid) -> int:
        """The length of a file in bytes. Fetches one block."""
        return dag.size(self.get_block, cid)

    def verify(self, cid: Cid) -> int:
        """Reads a block or a whole file back from the store and checks every byte of it.

        Called before a pointer goes on chain, so that no entry names what was never stored.

        Returns:
            The length of the content in bytes.

        Raises:
            BlockNotFound, BlockMismatch, BlockTooLarge, FormatError: if it is not there whole.
        """
        return sum(len(piece) for piece in self.open(cid))

    # --- blocks from elsewhere ------------------------------------------------------------------

    def put_blocks(self, blocks: Iterable[tuple[Cid, Unverified]], roots: Sequence[Cid]) -> None:
        """Stores blocks that come from outside (a CAR, another node), each checked on the way.

        Args:
            blocks: CIDs and what claims to be their blocks, in any order; consumed as they come.
            roots: The blocks and files to pin. Read back whole before this returns.

        Raises:
            BlockMismatch: if a block is not that of its CID.
            BlockTooLarge: if a block has more than 1 MiB.
            BlockNotFound, FormatError: if a root is not whole afterwards. Nothing is pinned then.
            StoreFull, StoreReadOnly: if the store can't take it.
        """
        self._store(((cid, _limited(data.verified(cid))) for cid, data in blocks), [])
        for root in roots:
            self.verify(root)
        for root in roots:
            self.pin(root)

    def copy(self, cid: Cid, source: BlockStore) -> None:
        """Takes a block or a whole file over from another store, verified on the way, and pins it.

        Raises:
            BlockNotFound, BlockMismatch, FormatError: if the source doesn't hold it whole.
            StoreFull, StoreReadOnly: if this store can't take it.
        """
        self.copy_many([cid], source)

    def copy_many(self, cids: Sequence[Cid], source: BlockStore) -> None:
        """Takes many blocks or files over at once, and pins each; see ``copy``. Without any, nothing happens."""
        if cids:
            self._store((block for cid in cids for block in dag.walk(source.get_block, cid)), cids)

    # --- to be implemented by each home ---------------------------------------------------------

    @abstractmethod
    def has(self, cid: Cid) -> bool:
        """Whether the store says that it holds this block itself. Proves nothing: see ``verify``."""

    @abstractmethod
    def pin(self, cid: Cid) -> None:
        """Keeps a block or file, with every block below it, until ``unpin``. Twice is as once.

        Raises:
            BlockNotFound: if a block of it is missing.
            StoreReadOnly: if the store can't be written.
        """

    @abstractmethod
    def unpin(self, cid: Cid) -> None:
        """Lets the store drop a block or file. What another pin holds stays. Twice is as once."""

    def unpin_many(self, cids: Iterable[Cid]) -> None:
        """Unpins many blocks or files, in bounded memory; see ``unpin``."""
        for cid in cids:
            self.unpin(cid)

    @abstractmethod
    def _fetch(self, cid: Cid) -> Unverified:
        """Fetches a block without checking it, never buffering more than ``BLOCK_LIMIT`` of it."""

    @abstractmethod
    def _store(self, blocks: Iterable[Block], roots: Sequence[Cid] | None = None) -> Cid:
        """Stores blocks that are known to match their CIDs, then pins.

        Args:
            blocks: (CID, block) in any order; consumed once, as it goes.
            roots: What to pin; None pins the last block alone. Looked at when the blocks are consumed, not before.

        Returns:
            The CID of the last block.

        When it returns, everything is as durable as the home can make it. When it raises, nothing
        is pinned; errors of ``blocks`` itself pass through.
        """

    def _verify_many(self, cids: Sequence[Cid]) -> None:
        """Reads many raw blocks back; see ``verify``."""
        for cid in cids:
            self.get_block(cid)

    def collect(self) -> object:
        """Removes every block that no pin holds, now; nothing, in a home that can't be told to.

        Warning: whoever shares the store loses what it did not pin.
        """
        return None

    def close(self) -> None:  # noqa: B027  a home that holds nothing open has nothing to do
        """Releases connections and files. Closing twice is as once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def _named(blocks: Iterable[bytes], cids: list[Cid]) -> Iterator[Block]:
    """The blocks with their CIDs, which are noted as they go."""
    for data in blocks:
        block = _limited(bytes(data))
        cids.append(Cid.of(block))
        yield cids[-1], block


def _limited(block: bytes) -> bytes:
    if len(block) > BLOCK_LIMIT:
        raise BlockTooLarge(f"a block has at most {BLOCK_LIMIT} bytes, not {len(block)}")
    return block
