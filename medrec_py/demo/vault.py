"""The block store of the story: it remembers what is put into it, and lets an intruder alter it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from medrec_py.errors import StorageError
from medrec_py.storage import BlockStore, Cid, FolderStore, Unverified
from medrec_py.storage.dag import Block


class Vault(BlockStore):
    """A block store between the SDK and the one that is used. It checks what every ``BlockStore`` checks, and no more.

    Args:
        inner: Where the blocks are.

    Attributes:
        blocks: All that were put, by CID.
    """

    def __init__(self, inner: BlockStore) -> None:
        self.name = inner.name
        self.writable = inner.writable
        self.blocks: dict[Cid, bytes] = {}
        self._inner = inner
        self._altered: dict[Cid, bytes] = {}
        self._pinned: list[Cid] = []

    @property
    def way_of_altering(self) -> str:
        """How ``altered`` does it, in words."""
        return "on the disk" if isinstance(self._inner, FolderStore) else "on the way from the node"

    @contextmanager
    def altered(self, cid: Cid, block: bytes) -> Iterator[None]:
        """Have the store give other bytes for a while.

        In a folder, the block's file is overwritten; elsewhere the bytes are exchanged between the store and the SDK.
        """
        if isinstance(self._inner, FolderStore):
            with _overwritten(_file_of(self._inner, cid), block):
                yield
            return
        self._altered[cid] = block
        try:
            yield
        finally:
            del self._altered[cid]

    def clear_out(self) -> None:
        """Let the store drop what the story has put there. One that cannot be reached any more keeps it."""
        with suppress(StorageError):
            for cid in self._pinned:
                self._inner.unpin(cid)

    # --- as every store -----------------------------------------------------------------------------------------------

    def has(self, cid: Cid) -> bool:
        """As the store beneath."""
        return self._inner.has(cid)

    def pin(self, cid: Cid) -> None:
        """As the store beneath."""
        self._inner.pin(cid)
        self._pinned.append(cid)

    def unpin(self, cid: Cid) -> None:
        """As the store beneath."""
        self._inner.unpin(cid)

    def close(self) -> None:
        """As the store beneath."""
        self._inner.close()

    def _fetch(self, cid: Cid) -> Unverified:
        if cid in self._altered:
            return Unverified(self._altered[cid])
        return self._inner._fetch(cid)  # noqa: SLF001 - unverified, so that it is this store's check that counts

    def _store(self, blocks: Iterable[Block], roots: Sequence[Cid] | None = None) -> Cid:
        last = self._inner._store(self._remembered(blocks), roots)  # noqa: SLF001 - one family
        self._pinned.extend([last] if roots is None else roots)
        return last

    def _remembered(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for cid, block in blocks:
            self.blocks[cid] = block
            yield cid, block


def _file_of(store: FolderStore, cid: Cid) -> Path:
    name = cid.digest.hex()
    return store.path / "blocks" / name[:2] / name


@contextmanager
def _overwritten(file: Path, content: bytes) -> Iterator[None]:
    before = file.read_bytes()
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(before)
