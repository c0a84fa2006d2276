"""Several stores as one: reads go to the next when one can't serve, and who served lies is said."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final, Literal, TypeVar

from medrec_py.errors import (
    BlockMismatch,
    BlockNotFound,
    BlockTooLarge,
    IntegrityError,
    InvalidInput,
    MedRecError,
    StorageError,
    StoreReadOnly,
    StoreUnavailable,
)
from medrec_py.storage.cid import Cid, Unverified
from medrec_py.storage.dag import Block
from medrec_py.storage.store import BATCH, BlockStore

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_REST: Final = 30.0
_SLOW: Final = 1.0
_LIES: Final = (BlockMismatch, BlockTooLarge)


class FallbackStore(BlockStore):
    """Stores in the order in which they are asked.

    A read goes to the first store; where it doesn't have the block, is down, too slow, or returns something else, to
    the next. A store that failed, lied, or took more than a second to say no is asked last for the next 30 seconds, so
    that a long file doesn't wait for it at each block; it is never left out. Lies are logged as warnings, failures as
    information (logger ``medrec_py.storage.fallback``).

    Writes go to the first store that can be written, and nowhere else if that fails; with ``write="all"`` to every
    store that can be written, and all must succeed. ``verify`` reads back from exactly those.

    Args:
        stores: At least one. Closed together with this one.
        write: ``"first"`` or ``"all"``.

    Attributes:
        stores: The stores, in order.

    Raises:
        InvalidInput: if there is no store.
    """

    def __init__(self, stores: Sequence[BlockStore], *, write: Literal["first", "all"] = "first") -> None:
        if not stores:
            raise InvalidInput("give at least one store")
        if write not in ("first", "all"):
            raise InvalidInput(f"write is 'first' or 'all', not {write!r}")
        self.stores = tuple(stores)
        self.name = ", ".join(store.name for store in stores)
        writable = [store for store in stores if store.writable]
        self.writable = bool(writable)
        self._targets = writable[:1] if write == "first" else writable
        self._resting: dict[int, float] = {}  # position of a store: until when it is asked last, monotonic seconds

    # --- reading ----------------------------------------------------------------------------------------------------

    def get_block(self, cid: Cid) -> bytes:
        """Fetches one block from the first store that serves it.

        Raises:
            BlockNotFound: if every store says that it doesn't have the block.
            StoreUnavailable: if some could not be asked, so that trying again may help.
            BlockMismatch: if none has it but some returned other bytes.

            The message names each store with its reason; the cause is an ``ExceptionGroup`` of their errors.
        """
        return self._first(cid, lambda store: store.get_block(cid))

    def has(self, cid: Cid) -> bool:
        """Whether any store says that it holds this block."""

        def ask(store: BlockStore) -> bool:
            if not store.has(cid):
                raise BlockNotFound(f"{store.name} does not have {cid}")
            return True

        try:
            return self._first(cid, ask)
        except BlockNotFound:
            return False

    def verify(self, cid: Cid) -> int:
        """Reads a block or file back from each store that writes go to; without one, from any. See ``BlockStore``."""
        if not self._targets:
            return super().verify(cid)
        return min(store.verify(cid) for store in self._targets)

    # --- writing ----------------------------------------------------------------------------------------------------

    def put_blocks(self, blocks: Iterable[tuple[Cid, Unverified]], roots: Sequence[Cid]) -> None:
        """Stores blocks from outside in the first store that writes go to, then their roots in the others."""
        first, *others = self._writers()
        first.put_blocks(blocks, roots)
        for store in others:
            store.copy_many(roots, first)

    def pin(self, cid: Cid) -> None:
        """Pins in each store that writes go to."""
        for store in self._writers():
            store.pin(cid)

    def unpin(self, cid: Cid) -> None:
        """Unpins in every store that can be written, whether writes go to it or not."""
        self._writers()
        for store in self.stores:
            if store.writable:
                store.unpin(cid)

    def collect(self) -> None:
        """Removes what no pin holds, in every store that can be written."""
        for store in self.stores:
            if store.writable:
                store.collect()

    def unpin_many(self, cids: Iterable[Cid]) -> None:
        """Unpins many in every store that can be written."""
        self._writers()
        source = iter(cids)
        while batch := list(islice(source, BATCH)):
            for store in self.stores:
                if store.writable:
                    store.unpin_many(batch)

    def close(self) -> None:
        """Closes every store."""
        for store in self.stores:
            store.close()

    def _fetch(self, cid: Cid) -> Unverified:
        return Unverified(self.get_block(cid))

    def _store(self, blocks: Iterable[Block], roots: Sequence[Cid] | None = None) -> Cid:
        first, *others = self._writers()
        last = first._store(blocks, roots)  # noqa: SLF001  one family
        for store in others:
            store.copy_many([last] if roots is None else roots, first)
        return last

    def _verify_many(self, cids: Sequence[Cid]) -> None:
        for store in self._targets:
            store._verify_many(cids)  # noqa: SLF001  one family

    def _first(self, cid: Cid, ask: Callable[[BlockStore], _T]) -> _T:
        """The answer of the first store that has one."""
        errors: list[MedRecError] = []
        for number in self._order():
            began = time.monotonic()
            try:
                answer = ask(self.stores[number])
            except (StorageError, IntegrityError) as error:
                errors.append(error)
                self._note(number, cid, error, time.monotonic() - began)
            else:
                self._resting.pop(number, None)
                return answer
        raise _verdict(cid, errors) from ExceptionGroup("what each store said", errors)

    def _order(self) -> list[int]:
        now = time.monotonic()
        return sorted(range(len(self.stores)), key=lambda number: (self._resting.get(number, now) > now, number))

    def _note(self, number: int, cid: Cid, error: MedRecError, seconds: float) -> None:
        if isinstance(error, BlockNotFound) and seconds < _SLOW:
            return
        self._resting[number] = time.monotonic() + _REST
        if isinstance(error, _LIES):
            _log.warning("%s returned something else than the block %s: %s", self.stores[number].name, cid, error)
        else:
            _log.info("%s can't serve %s: %s", self.stores[number].name, cid, error)

    def _writers(self) -> Sequence[BlockStore]:
        if not self._targets:
            raise StoreReadOnly(f"none of {self.name} can be written")
        return self._targets


def _verdict(cid: Cid, errors: Sequence[MedRecError]) -> MedRecError:
    """The one error that tells what could help: another try, another store, or the author."""
    message = f"no store serves {cid}: " + "; ".join(f"{type(error).__name__}: {error}" for error in errors)
    if any(not isinstance(error, (BlockNotFound, *_LIES)) for error in errors):
        return StoreUnavailable(message)
    for kind in (*_LIES, BlockNotFound):
        if any(isinstance(error, kind) for error in errors):
            return kind(message)
    raise AssertionError("a store failed without an error")
