"""The thread of a relayer that sends: takes what waits, puts it into transactions, and follows those.

Everything that has to outlive the process is in the queue; here is only how often to look.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from medrec_py.chain.answers import Block
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.transactions import LARGEST_TRANSACTION, FeeTooHigh
from medrec_py.durable_queue import DurableQueue, Item, finished
from medrec_py.errors import ChainUnavailable, MedRecError
from medrec_py.relay.batches import Batch, fits, pack
from medrec_py.relay.calls import as_call, share_of
from medrec_py.relay.checks import Checks
from medrec_py.relay.fleet import Fleet, price_of
from medrec_py.relay.limits import Limits
from medrec_py.relay.line import Line
from medrec_py.relay.metrics import Metrics
from medrec_py.relay.quotas import Quota
from medrec_py.relay.refusals import Code, Refusal
from medrec_py.relay.work import Outcome, Phase, Progress, Task, ready
from medrec_py.wallet import Signer

IDLE_SECONDS: Final = 1.0
"""How often the node is asked while nothing is to do."""

EXPIRE_SECONDS: Final = 15
"""What has less time left than this is not sent any more: the block after next may come too late."""

RECHECK_SECONDS: Final = 60.0
"""What has waited for so long is checked again before it is paid for."""

TIDY_SECONDS: Final = 30.0
"""How often what came to its end is cleaned up."""

_FIRST_PAUSE: Final = 0.02
_TROUBLE_PAUSE: Final = 1.0
_ACCOUNT_SECONDS: Final = 5.0
_PRUNE_SECONDS: Final = 600.0
_MOST_BUNDLES: Final = 250
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the sender saw last.

    Attributes:
        head: The latest block.
        node_up: Whether the node answered the last time.
        balance: Of the account, wei.
        trouble: Why nothing is sent, in a few words; ``None`` if something is, or nothing has to be.
        is_broke: The account cannot pay for a single decision, with nothing of its own on its way.
    """

    head: Block
    node_up: bool
    balance: int
    trouble: str | None
    is_broke: bool = False


class Sender:
    """Sends what is in the queue. ``step`` is one pass; ``start`` makes passes in a thread of its own.

    Args:
        contract: MedRec.
        wallet: Whose account sends and pays.
        queue: Where bundles and transactions are kept.
        limits: Of the relayer.
        metrics: Where it counts.
        accounts: See ``Fleet``.
        tidy: Called now and then, to clean up what came to its end.
        now: Unix time.

    Raises:
        NotDeployed: the contract does not relay.
        ChainUnavailable: the node does not answer.
    """

    def __init__(
        self,
        contract: MedRecContract,
        wallet: Signer,
        queue: DurableQueue,
        limits: Limits,
        metrics: Metrics,
        accounts: Quota,
        tidy: Callable[[], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._contract = contract
        self._address = wallet.address
        self._queue = queue
        self._limits = limits
        self._metrics = metrics
        self._tidy = tidy
        self._now = now
        self._share = share_of(contract)
        self._seen = Seen(contract.chain.block(), True, contract.chain.balance(wallet.address), None)
        self.checks = Checks(contract, wallet.address, limits, self.clock)
        self._fleet = Fleet(contract, wallet, queue, limits, self._share, metrics, accounts, now)
        self._line = Line(queue)
        self._next_account = self._next_prune = self._next_tidy = 0.0
        self._settled: str | None = None  # the block up to which mined transactions were looked at
        self._waited = _FIRST_PAUSE
        self._idle = threading.Event()  # nothing waits and nothing is on its way
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._drained_by = float("inf")
        self._thread = threading.Thread(target=self._run, name="medrec-relay-sender")

    @property
    def seen(self) -> Seen:
        """What it saw last."""
        return self._seen

    @property
    def in_flight(self) -> int:
        """Transactions that are not mined."""
        return self._fleet.in_flight

    def clock(self) -> tuple[int, int]:
        """The latest block's time, and the gas limit of blocks."""
        return self._seen.head.timestamp, self._seen.head.gas_limit

    def require_payable(self, calls: Sequence[bytes]) -> None:
        """The account could pay for a transaction in which these take place together, if it were the only one.

        Raises:
            Refusal: it could not, and nodes would not take it.
            ChainUnavailable: the node does not answer.
        """
        try:
            price = price_of(self._fleet.fees())
        except FeeTooHigh:  # it waits until less is asked for
            price = self._limits.max_fee_per_gas or 0
        if self._fleet.gas_of(Batch(True, (), tuple(calls)), self._seen.head) * price > self._seen.balance:
            raise Refusal(Code.FUNDS, "the relayer's account does not have enough ether for so much in one transaction")

    # --- thread -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Something is new in the queue."""
        if self._idle.is_set():
            self._wake.set()

    def stop(self, drain_seconds: float = 0.0) -> None:
        """Hand over what waits, as far as the time allows, and end. Stopping twice is as once."""
        self._drained_by = time.monotonic() + drain_seconds
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._is_over():
            pause = self._careful_step()
            self._wake.wait(min(pause, _FIRST_PAUSE) if self._stop.is_set() else pause)
            self._wake.clear()

    def _is_over(self) -> bool:
        if not self._stop.is_set():
            return False
        return time.monotonic() >= self._drained_by or not self._seen.node_up or not self._queue.due(1)

    def _careful_step(self) -> float:
        """A pass, and the seconds until the next. Whatever happens to one, there is a next."""
        try:
            return self.step()
        except ChainUnavailable as error:
            if self._seen.node_up:
                _log.warning("the node does not answer: %s", error)
            self._see(node_up=False, trouble="node")
        except MedRecError as error:
            _log.error("nothing can be sent: %s: %s", type(error).__name__, error)
            self._see(trouble=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - what it says may hold anything: its kind must do
            _log.error("nothing can be sent: unexpected %s", type(error).__name__)
            self._see(trouble=type(error).__name__)
        self._idle.clear()
        return _TROUBLE_PAUSE

    # --- a pass -----------------------------------------------------------------------------------

    def step(self) -> float:
        """Look at the chain, follow what is on its way, and send what waits.

        Returns:
            Seconds until there is reason to look again.

        Raises:
            ChainUnavailable: the node does not answer.
            QueueUnwritable: the queue cannot be written.
        """
        head = self._contract.chain.block()
        self._see(head=head, node_up=True)
        self._look_at_account()
        if head.hash != self._settled:
            self._fleet.settle(head)
        landed = self._fleet.follow()
        self._settled = None if landed else head.hash  # what landed now may be final already
        if landed:  # it has been paid for
            self._next_account = 0.0
            self._look_at_account()
        self._fleet.renew()
        self._fleet.bump()
        sent, wait = self._send(head)
        self._prune()
        return self._pause(landed or sent > 0, wait)

    def _pause(self, progress: bool, wait: float | None) -> float:
        """Short while something moves, longer and longer while it does not."""
        on_its_way = self._fleet.unmined
        if not on_its_way and wait is None and not progress:
            self._idle.set()
            if self._queue.due(1):  # put between looking and saying so
                self._idle.clear()
                return 0.0
            return IDLE_SECONDS
        self._idle.clear()
        self._waited = _FIRST_PAUSE if progress else min(self._waited * 1.5, IDLE_SECONDS)
        return self._waited if wait is None else min(self._waited if on_its_way else wait, wait)

    def _send(self, head: Block) -> tuple[int, float | None]:
        """Send what waits. Returns the number of transactions, and when to look again if something goes on waiting."""
        if not self._queue.due(1):
            self._see(trouble=None)
            return 0, None
        free = self._limits.in_flight - self._fleet.in_flight
        if free <= 0:
            return self._held("transactions that are not mined", head)
        try:
            fees = self._fleet.fees()
        except FeeTooHigh as error:
            if self._seen.trouble != "fees":
                _log.warning("nothing is sent for now: %s", error)
            return self._held("fees", head)
        return self._send_first(free, head, fees)

    def _send_first(self, free: int, head: Block, fees: Mapping[str, int]) -> tuple[int, float | None]:
        """Send as much as has room in so many transactions. Returns what ``_send`` does."""
        gas = min(LARGEST_TRANSACTION, head.gas_limit, self._fleet.affordable_gas(fees, self._seen.balance))
        fitting = fits(self._share, gas)
        hurried, others = (self._sendable(lane, head, fees) for lane in self._line.lanes())
        in_order = self._line.in_turns(hurried, others, fitting, lambda item: _room_for(item, fitting))
        chosen, is_full, is_cut = self._choose(in_order, free, fitting)
        if not chosen:
            return self._held("ether")
        age = self._now() - min(item.created for item in chosen)
        if not is_full and 0 <= age < self._limits.linger_seconds and not self._stop.is_set():
            return 0, self._limits.linger_seconds - age
        packed = list(pack(map(ready, chosen), self._share, gas))
        spare = max(0, self._fleet.spare(self._seen.balance))
        if any(self._fleet.gas_of(first, head) * price_of(fees) > spare for first in packed[:1]):
            return 0, self._cannot_pay()
        batches, paid = self._paid(packed, chosen, head, fees)
        sent = self._fleet.launch(batches, paid, head, fees)
        self._line.went(paid)
        self._see(trouble=None, is_broke=False)
        if is_cut or len(paid) < len(chosen):
            return sent, 0.0
        return sent, IDLE_SECONDS if self._queue.due(1) else None

    def _held(self, trouble: str | None, head: Block | None = None) -> tuple[int, float | None]:
        """Nothing is sent, and why; given the latest block, what is too late comes to its end all the same."""
        if head is not None:
            self._hopeful(self._queue.due(_MOST_BUNDLES), head)
        waits = bool(self._queue.due(1))
        self._see(trouble=trouble if waits else None)
        return 0, IDLE_SECONDS if waits else None

    def _sendable(self, lane: Sequence[int], head: Block, fees: Mapping[str, int]) -> Iterator[Item]:
        """The bundles of a lane that can be sent as things are; what stands in nobody's way is passed over."""
        for start in range(0, len(lane), _MOST_BUNDLES):
            page = self._queue.at(lane[start : start + _MOST_BUNDLES])
            yield from self._payable(self._hopeful(page, head), head, fees)

    def _cannot_pay(self) -> float:
        """Sign nothing that no node would take: its nonce would be in the way of all others, and of itself for ever.

        Returns:
            Seconds until the balance is looked at again.
        """
        if not self._fleet.in_flight:  # else what those do not use comes back
            if not self._seen.is_broke:
                _log.error("%s has not enough ether for one decision: nothing is sent until it has", self._address)
            self._see(trouble="ether", is_broke=True)
            self._next_account = 0.0
        return IDLE_SECONDS

    def _hopeful(self, items: Iterable[Item], head: Block) -> list[Item]:
        return [item for item in items if not self._is_hopeless(item, head)]

    def _payable(self, items: Iterable[Item], head: Block, fees: Mapping[str, int]) -> list[Item]:
        """Without the atomic bundles that the account cannot pay for as things are.

        No node would take them, and what has a higher nonce would wait for them.
        """
        spare, price = self._fleet.spare(self._seen.balance), price_of(fees)
        return [item for item in items if self._cost_if_atomic(item, head, price) <= max(0, spare)]

    def _cost_if_atomic(self, item: Item, head: Block, price: int) -> int:
        bundle = ready(item)
        if price == 0 or not bundle.atomic:
            return 0
        return self._fleet.gas_of(Batch(True, (), tuple(bundle.calls.values())), head) * price

    def _paid(
        self, batches: Iterable[Batch], items: list[Item], head: Block, fees: Mapping[str, int]
    ) -> tuple[list[Batch], list[Item]]:
        """Without the atomic ones that cannot be paid for beside those before them."""
        spare, price = self._fleet.spare(self._seen.balance), price_of(fees)
        kept: list[Batch] = []
        for batch in batches:
            cost = self._fleet.gas_of(batch, head) * price
            if batch.atomic and cost > max(0, spare):
                continue
            spare -= cost
            kept.append(batch)
        bundles = {part.bundle for batch in kept for part in batch.parts}
        return kept, [item for item in items if item.id in bundles]

    def _choose(self, items: Iterable[Item], free: int, fitting: int) -> tuple[list[Item], bool, bool]:
        """The first bundles, as many as have room in so many transactions.

        Returns:
            They; whether a transaction is full; whether there are more.
        """
        chosen: list[Item] = []
        room, is_cut = free * fitting, False
        for item in items:
            room -= _room_for(item, fitting)
            if is_cut := bool(chosen) and room < 0:
                break
            chosen.append(item)
        return chosen, free * fitting - room >= fitting, is_cut

    def _is_hopeless(self, item: Item, head: Block) -> bool:
        """Whether it is too late for a bundle, or the contract would refuse it by now; then that is its end."""
        task, progress = Task.from_bytes(item.payload), Progress.of(item)
        outcome: Outcome | None = None
        if task.deadline < head.timestamp + EXPIRE_SECONDS:
            outcome = Outcome(Phase.EXPIRED)
        elif task.atomic and self._now() - item.created > RECHECK_SECONDS:
            outcome = self._refused_by_now(task)
        if outcome is None:
            return False
        ended = progress.ended(outcome)
        self._queue.write([finished(item, ended.to_bytes())])
        self._metrics.decisions.labels(outcome.phase.value).inc(len(progress.decisions))
        return True

    def _refused_by_now(self, task: Task) -> Outcome | None:
        try:
            reason = self.checks.refusal([as_call(self._contract, call) for call in task.calls])
        except Refusal:
            reason = b""
        return None if reason is None else Outcome(Phase.REFUSED, reason)

    def _look_at_account(self) -> None:
        if self._now() >= self._next_account:
            self._see(balance=self._contract.chain.balance(self._address))
            self._next_account = self._now() + _ACCOUNT_SECONDS
            if self._seen.is_broke:
                self._see(is_broke=not self._can_pay_again())

    def _can_pay_again(self) -> bool:
        try:
            price = price_of(self._fleet.fees())
        except FeeTooHigh:
            return False
        return self._fleet.least_gas * price <= self._seen.balance

    def _prune(self) -> None:
        if self._now() >= self._next_tidy:
            self._next_tidy = self._now() + TIDY_SECONDS
            self._tidy()
        if self._now() >= self._next_prune:
            self._queue.prune(self._now() - self._limits.keep_seconds)
            self._next_prune = self._now() + _PRUNE_SECONDS

    def _see(
        self,
        *,
        head: Block | None = None,
        node_up: bool | None = None,
        balance: int | None = None,
        trouble: str | None = "",
        is_broke: bool | None = None,
    ) -> None:
        seen = self._seen
        self._seen = Seen(
            seen.head if head is None else head,
            seen.node_up if node_up is None else node_up,
            seen.balance if balance is None else balance,
            seen.trouble if trouble == "" else trouble,
            seen.is_broke if is_broke is None else is_broke,
        )
        self._metrics.node.set(self._seen.node_up)
        self._metrics.balance.set(self._seen.balance)
        self._metrics.broke.set(self._seen.is_broke)


def _room_for(item: Item, fitting: int) -> int:
    """How much of transactions with room for so many decisions a bundle takes: all of one, if it is atomic."""
    task = Task.from_bytes(item.payload)
    return fitting if task.atomic else len(task.calls)
