"""The blocks of bundles: kept before anything is sent, and let go where a bundle is not taken after all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from medrec_py.errors import StorageError
from medrec_py.relay.refusals import Code, Refusal
from medrec_py.storage.cid import Cid
from medrec_py.storage.store import BlockStore

_log: Final = logging.getLogger(__name__)


class Keeper:
    """Keeps blocks. May be shared between threads.

    Args:
        store: Where.
    """

    def __init__(self, store: BlockStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._attempts: list[tuple[frozenset[Cid], set[Cid]]] = []  # what each names, and what it alone brings

    @contextmanager
    def kept(self, blocks: Sequence[bytes]) -> Iterator[set[Cid]]:
        """Pins blocks, and unpins them if what is done then raises.

        Not those that were there before, nor those that another bundle brings at the same time.

        Returns:
            Those that it would unpin. While it lasts ``let_go`` leaves all of them alone.

        Raises:
            Refusal: the store cannot keep them.
        """
        names = frozenset(map(Cid.of, blocks))
        new: set[Cid] = set(names)
        attempt = names, new
        with self._lock:
            for others, theirs in self._attempts:
                theirs.difference_update(names)
                new.difference_update(others)
            self._attempts.append(attempt)
        try:
            self._put(blocks, names, new)
            yield new
        except BaseException:
            with self._lock:  # nobody begins to rely on one meanwhile
                self._unpin(new)
            raise
        finally:
            with self._lock:
                self._attempts = [one for one in self._attempts if one is not attempt]

    def _put(self, blocks: Sequence[bytes], names: frozenset[Cid], new: set[Cid]) -> None:
        there = set(names)  # unless the store says otherwise
        try:
            there = {name for name in names if self._store.has(name)}
        except StorageError as error:
            raise _refusal() from error
        finally:
            with self._lock:
                new -= there
        try:
            for _ in self._store.put_many(blocks):  # read back and verified
                pass
        except StorageError as error:
            raise _refusal() from error

    def let_go(self, cids: Iterable[Cid]) -> bool:
        """Unpins blocks that nobody needs any more, but for those that a bundle names which is being taken.

        Returns:
            Whether the store did it.
        """
        with self._lock:
            named = {name for names, _ in self._attempts for name in names}
            return self._unpin(set(cids) - named)

    def _unpin(self, cids: set[Cid]) -> bool:
        try:
            if cids:
                self._store.unpin_many(sorted(cids, key=str))
        except StorageError as error:
            _log.warning("blocks of a bundle that came to nothing stay in the store: %s", type(error).__name__)
            return False
        return True


def _refusal() -> Refusal:
    return Refusal(Code.STORE, "the relayer cannot keep the blocks")
