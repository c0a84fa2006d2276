"""Blocks on trial: they are stored before the transaction that names them, and dropped where it never will be mined."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from medrec_py.errors import ContractError, InvalidInput, TransactionFailed, WalletError
from medrec_py.storage.cid import Cid

RULES_OUT_MINING = (ContractError, TransactionFailed, WalletError, InvalidInput)
"""What sending raises where the transaction was not handed over, was refused, or was mined and failed."""


class _Trial:
    """Blocks of one attempt, and whether a transaction that names them may be mined yet."""

    def __init__(self) -> None:
        self.cids: list[Cid] = []
        self.is_open = False


class Trials(threading.local):
    """The attempts of each thread, one within another."""

    def __init__(self) -> None:
        self._running: list[_Trial] = []
        self.published: set[bytes] = set()
        """Digests of the blocks that decisions publish, as far as they were stored in the attempts that run."""

    @contextmanager
    def attempt(self, drop: Callable[[Cid], object]) -> Iterator[None]:
        """Blocks that are added meanwhile are dropped if this ends in an error and nothing that was sent may be mined.

        Args:
            drop: Called with each of them.
        """
        trial = _Trial()
        self._running.append(trial)
        failed = True
        try:
            yield
            failed = False
        finally:
            self._running.remove(trial)
            if not self._running:
                self.published.clear()
            self._close(trial, drop if failed else self.add)

    def add(self, cid: Cid) -> None:
        """Note what was stored, if an attempt runs."""
        if self._running:
            self._running[-1].cids.append(cid)

    def publish(self, cid: Cid) -> None:
        """Note a block that decisions publish: who sends them for the wallet may have to store it as well."""
        if self._running:
            self.published.add(cid.digest)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """A transaction is sent meanwhile; behind it, it was mined, or may yet be unless the error rules that out."""
        trial = self._running[-1] if self._running else _Trial()
        trial.is_open = True
        try:
            yield
        except RULES_OUT_MINING:
            trial.is_open = False
            raise

    def _close(self, trial: _Trial, settle: Callable[[Cid], object]) -> None:
        """Settle what no transaction names so far: it is dropped, or belongs to the attempt around this one."""
        if not trial.is_open:
            for cid in trial.cids:
                settle(cid)
        elif self._running:
            self._running[-1].is_open = True  # the same transaction may name what is around it
