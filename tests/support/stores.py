"""A block store in memory whose faults a test chooses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medrec_py.errors import BlockNotFound, MedRecError
from medrec_py.storage.cid import Cid, Unverified
from medrec_py.storage.dag import Block
from medrec_py.storage.store import BlockStore


class MemoryStore(BlockStore):
    """Blocks in a dictionary: the smallest home, so what works here is the shared logic.

    Attributes:
        blocks: The blocks by digest; a test may change them.
        pinned: The roots.
        asked: CIDs of all fetches, in order.
        fault: Raised by every call, if set.
    """

    def __init__(self, name: str = "memory", *, writable: bool = True) -> None:
        self.name = name
        self.writable = writable
        self.blocks: dict[bytes, bytes] = {}
        self.pinned: set[Cid] = set()
        self.asked: list[Cid] = []
        self.fault: MedRecError | None = None
        self.closed = False

    def has(self, cid: Cid) -> bool:
        self._fail()
        return cid.digest in self.blocks

    def pin(self, cid: Cid) -> None:
        self._fail()
        self.pinned.add(cid)

    def unpin(self, cid: Cid) -> None:
        self._fail()
        self.pinned.discard(cid)

    def close(self) -> None:
        self.closed = True

    def _fetch(self, cid: Cid) -> Unverified:
        self.asked.append(cid)
        self._fail()
        if cid.digest not in self.blocks:
            raise BlockNotFound(f"{self.name} does not have {cid}")
        return Unverified(self.blocks[cid.digest])

    def _store(self, blocks: Iterable[Block], roots: Sequence[Cid] | None = None) -> Cid:
        self._fail()
        stored = []
        for cid, block in blocks:
            self.blocks[cid.digest] = block
            stored.append(cid)
        self.pinned.update(stored[-1:] if roots is None else roots)
        return stored[-1]

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault
