"""Which decisions cost their patient nothing, because they were taken before or are on the chain already.

A signed decision is public as soon as it is sent. Whoever has seen it can hand it in again, with others or alone, and
shall not use up its patient's share by that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.types import Terms, address_of
from medrec_py.crypto.decisions import Grant, Revoke, SignedForm
from medrec_py.crypto.keys import ADDRESS_SIZE
from medrec_py.crypto.signed_decisions import SignedDecision
from medrec_py.crypto.wallet_recovery import CompleteRecovery
from medrec_py.durable_queue import DurableQueue, State
from medrec_py.relay.work import Task

_PAGE = 500


def known_by(decision: SignedForm) -> bytes:
    """The digest that a decision is known by.

    Nobody signs that a recovery is completed, and the contract asks for nothing but the patient: whatever else a
    stranger writes into it, it is the same decision.
    """
    if isinstance(decision, CompleteRecovery):
        decision = replace(decision, wallet=bytes(ADDRESS_SIZE), round=0, deadline=0)
    return decision.digest()


class Known:
    """The decisions that a relayer has in its queue, by ``known_by``. May be shared between threads.

    Args:
        queue: Whose unfinished bundles have them.
        contract: MedRec.
    """

    def __init__(self, queue: DurableQueue, contract: MedRecContract) -> None:
        self._queue = queue
        self._contract = contract
        self._lock = threading.Lock()
        self._bundles: dict[bytes, str] = {}
        for state in (State.WAITING, State.TAKEN):
            self._read(state)

    @contextmanager
    def fresh(self, bundle: str, decisions: Sequence[SignedDecision]) -> Iterator[list[SignedForm]]:
        """Those of a bundle's decisions that are new here and on the chain. They are known from then on.

        Raises:
            ChainUnavailable: the node does not answer.
            QueueError: the queue cannot be read.
        """
        digests = {known_by(signed.decision): signed.decision for signed in decisions}
        with self._lock:
            unknown = {digest: decision for digest, decision in digests.items() if not self._is_open(digest)}
            self._bundles |= dict.fromkeys(unknown, bundle)
        try:
            yield [decision for decision in unknown.values() if not self._is_done(decision)]
        except BaseException:
            self._forget(bundle, unknown)
            raise

    def tidy(self) -> None:
        """Forget the decisions of bundles that came to an end."""
        with self._lock:
            named = dict(self._bundles)
        for digest, bundle in named.items():
            item = self._queue.get(bundle)
            if item is not None and item.state is State.FINISHED:
                self._forget(bundle, [digest])

    def _read(self, state: State) -> None:
        after = 0
        while page := self._queue.items(state, after=after, limit=_PAGE):
            for item in page:
                self._bundles |= dict.fromkeys(Task.from_bytes(item.payload).digests, item.id)
            after = page[-1].seq

    def _is_open(self, digest: bytes) -> bool:
        """Whether a bundle with it is being taken, waits or is on its way, or came to an end well."""
        if (bundle := self._bundles.get(digest)) is None:
            return False
        item = self._queue.get(bundle)
        return item is None or item.state is not State.FINISHED  # without an item it is being taken at this moment

    def _is_done(self, decision: SignedForm) -> bool:
        """Whether the contract would find that there is nothing left to do; where it would refuse, it was asked before.

        So it is of grants and revocations alone: all other forms are refused the second time.
        """
        if not isinstance(decision, Grant | Revoke):
            return False
        stored = self._contract.permission_of(address_of(decision.place.patient), address_of(decision.grantee))
        if isinstance(decision, Grant):
            terms = Terms(
                decision.read,
                decision.append,
                decision.not_before,
                decision.expiry,
                decision.purposes,
                decision.flags,
            )
            return stored.version == decision.version and stored.terms == terms
        if stored.version < decision.version or stored.terms.read or stored.terms.append:
            return False
        patient = address_of(decision.place.patient)
        return (
            not any(decision.keyring) or self._contract.history_of(patient).keyring_version != decision.keyring_version
        )

    def _forget(self, bundle: str, digests: Iterable[bytes]) -> None:
        with self._lock:
            for digest in digests:
                if self._bundles.get(digest) == bundle:
                    del self._bundles[digest]
