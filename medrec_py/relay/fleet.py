"""The relayer's transactions: written down, handed over, followed until they are final, and replaced if they are stuck.

What is in ``DurableQueue`` is the truth, and each step writes before it acts. So whatever moment the process or the
node ends at: a transaction that was signed is found in the notes, is looked up by its hashes, and is handed over again
as it is if the node does not have it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from medrec_py.chain.answers import Block, Mined
from medrec_py.chain.connection import Chain, NodeError
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.reverts import SignatureInvalid, decode_revert
from medrec_py.chain.transactions import (
    LARGEST_TRANSACTION,
    Call,
    FeeTooHigh,
    fees_now,
    hand_over,
    raised,
    sign,
)
from medrec_py.durable_queue import DurableQueue, Item, State, finished, waiting
from medrec_py.errors import TransactionFailed
from medrec_py.relay.batches import Batch
from medrec_py.relay.calls import BESIDE_CALL, as_call, gas_together, intrinsic_gas, relay_gas
from medrec_py.relay.flight import PREFIX, Flight, Part
from medrec_py.relay.limits import Limits
from medrec_py.relay.metrics import Metrics
from medrec_py.relay.quotas import Quota
from medrec_py.relay.results import outcomes
from medrec_py.relay.work import Outcome, Phase, Progress, Task
from medrec_py.wallet import Signer

ATTEMPTS: Final = 3
"""How often decisions are sent anew whose transaction failed without a reason."""

VOID_VERDICTS: Final = 3
"""How often the node must say that another transaction has a nonce, before that is believed."""

RENEW_SECONDS: Final = 2.0
"""How often the node is asked whether it still has a transaction."""

MOST_RAISED: Final = 10
"""How many times what the chain asks for is paid at the most, where no ceiling is set: a chain that stands still makes
nothing dearer."""

LOOK_SECONDS: Final = 10.0
"""How often all blocks are looked at that are not final. The newest, whose hash rests on the others, is each time."""

_SENT: Final = Outcome(Phase.SENT)
_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watch:
    """What is not worth writing down of a transaction: when it was handed over last, and who else has its nonce."""

    handed_over: float = float("-inf")
    verdicts: int = 0


def together(accounts: Iterable[str]) -> str:
    """What several accounts with code are blamed as, where it is not known which of them it was; one as itself."""
    return "+".join(sorted(accounts))


def price_of(fees: Mapping[str, int]) -> int:
    """The most that a unit of gas may cost, wei."""
    return fees.get("maxFeePerGas", fees.get("gasPrice", 0))


class _Canonical:
    """Which blocks are the chain's, as seen in one pass."""

    def __init__(self, chain: Chain, head: Block) -> None:
        self._chain = chain
        self._head = head
        self._hashes: dict[int, str | None] = {head.number: head.hash}

    def has(self, flight: Flight) -> bool:
        """Whether the block of a mined transaction is."""
        assert flight.block is not None  # noqa: S101 - it is mined
        if flight.block not in self._hashes:
            self._hashes[flight.block] = self._hash_of(flight.block)
        return self._hashes[flight.block] == flight.block_hash

    def _hash_of(self, number: int) -> str | None:
        if number > self._head.number:
            return None
        try:
            return self._chain.block(number).hash
        except NodeError:
            return None


class Fleet:
    """The transactions of one account. Used by one thread.

    Args:
        contract: MedRec.
        wallet: Whose account sends and pays. Nobody else may use it.
        queue: Where bundles and transactions are kept.
        limits: Of the relayer.
        share: Gas that must be left before each call of a relay.
        metrics: Where it counts.
        accounts: Those with code whose signatures failed when they were carried out, a token for each time.
        now: Unix time.
    """

    def __init__(
        self,
        contract: MedRecContract,
        wallet: Signer,
        queue: DurableQueue,
        limits: Limits,
        share: int,
        metrics: Metrics,
        accounts: Quota,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._contract = contract
        self._chain = contract.chain
        self._wallet = wallet
        self._queue = queue
        self._limits = limits
        self._share = share
        self._metrics = metrics
        self._accounts = accounts
        self._now = now
        self._flights = {flight.nonce: flight for flight in map(Flight.from_bytes, queue.notes(PREFIX).values())}
        self._watches: dict[int, _Watch] = {}
        self._next_look = 0.0

    @property
    def in_flight(self) -> int:
        """How many are not mined. May be asked by any thread."""
        return sum(flight.block is None for flight in tuple(self._flights.values()))

    @property
    def unmined(self) -> list[Flight]:
        """Those that are not mined, in the order of their nonces."""
        return [flight for _, flight in sorted(self._flights.items()) if flight.block is None]

    @property
    def mined(self) -> list[Flight]:
        """Those that are mined and not final, in the order of their nonces."""
        return [flight for _, flight in sorted(self._flights.items()) if flight.block is not None]

    # --- sending ----------------------------------------------------------------------------------

    def fees(self) -> dict[str, int]:
        """The fee fields of a transaction that is sent now.

        Raises:
            FeeTooHigh: the chain asks for more than is allowed.
            ChainUnavailable: the node does not answer.
        """
        return fees_now(self._chain, self._wallet.address, self._limits.max_fee_per_gas)

    def affordable_gas(self, fees: Mapping[str, int], balance: int) -> int:
        """The most gas of a further transaction: nodes want to see all that those on their way could cost.

        Enough for one decision in any case: whether that can be paid for, whoever asks has to see.
        """
        price = price_of(fees)
        return LARGEST_TRANSACTION if price == 0 else max(self.least_gas, self.spare(balance) // price)

    @property
    def least_gas(self) -> int:
        """What a transaction with a usual decision needs at the least."""
        return intrinsic_gas(bytes(1000)) + self._share + BESIDE_CALL

    def spare(self, balance: int) -> int:
        """What is left of a balance beside all that the transactions on their way could cost, wei."""
        return balance - sum(flight.gas * price_of(flight.fees) for flight in self.unmined)

    def gas_of(self, batch: Batch, head: Block) -> int:
        """The gas limit of its transaction."""
        return self._call_of(batch, head)[1]

    def launch(self, batches: Iterable[Batch], items: Sequence[Item], head: Block, fees: Mapping[str, int]) -> int:
        """Sign transactions, write them down with the bundles in them, then hand them over.

        Args:
            batches: What goes into each.
            items: The bundles.
            head: The latest block.
            fees: From ``fees``.

        Returns:
            How many.

        Raises:
            ChainUnavailable: the node does not answer; what was written is handed over later.
            QueueUnwritable: nothing was written, and nothing handed over.
        """
        nonces = self._free_nonces()
        launched = [self._signed(batch, next(nonces), fees, head) for batch in batches]
        progress = {item.id: Progress.of(item) for item in items}
        for flight in launched:
            for part in flight.parts:
                sent = progress[part.bundle].with_outcomes(part.places, [_SENT] * len(part.places))
                progress[part.bundle] = replace(sent, transaction=flight.hashes[-1], block=None)
        taken = [replace(item, state=State.TAKEN, result=progress[item.id].to_bytes()) for item in items]
        self._queue.write(taken, {flight.key: flight.to_bytes() for flight in launched})
        self._flights |= {flight.nonce: flight for flight in launched}
        self._metrics.transactions.labels("signed").inc(len(launched))
        for flight in launched:
            self._hand_over(flight)
        return len(launched)

    def _free_nonces(self) -> Iterator[int]:
        nonce = self._chain.transaction_count(self._wallet.address, "latest")
        while True:
            if nonce not in self._flights:
                yield nonce
            nonce += 1

    def _signed(self, batch: Batch, nonce: int, fees: Mapping[str, int], head: Block) -> Flight:
        call, gas = self._call_of(batch, head)
        signed = sign(self._chain, self._wallet, call, nonce=nonce, gas=gas, fees=fees)
        return Flight(nonce, batch.atomic, batch.parts, call.data, gas, fees, signed.raw, (signed.hash,), self._now())

    def _call_of(self, batch: Batch, head: Block) -> tuple[Call, int]:
        calls = [as_call(self._contract, call) for call in batch.calls]
        if batch.atomic:
            call = self._contract.multicall(calls)
            return call, gas_together(call, len(calls), self._limits.gas_per_decision, head.gas_limit)
        call = self._contract.relay(calls)
        return call, relay_gas(call.data, len(calls), self._share)

    def _hand_over(self, flight: Flight) -> None:
        watch = self._watches.setdefault(flight.nonce, _Watch())
        watch.handed_over = self._now()
        try:
            if hand_over(self._chain, self._wallet.address, flight.signed):
                watch.verdicts = 0
        except TransactionFailed as error:  # for want of ether, say: it is handed over again
            _log.warning("transaction %s was not taken: %s", flight.hashes[-1], error)

    # --- following --------------------------------------------------------------------------------

    def follow(self) -> bool:
        """Look which transactions are mined, and write down what became of their decisions. Returns whether any is.

        Raises:
            ChainUnavailable: the node does not answer.
        """
        found = False
        for flight in self.unmined:
            receipt = self._receipt(flight)
            if receipt is None:
                break  # those behind it have higher nonces
            self._land(flight, *receipt)
            found = True
        return found

    def _receipt(self, flight: Flight) -> tuple[str, Mined] | None:
        for transaction in reversed(flight.hashes):
            if (mined := self._chain.receipt(transaction)) is not None:
                return transaction, mined
        return None

    def _land(self, flight: Flight, transaction: str, mined: Mined) -> None:
        """A transaction is in a block, perhaps in another one than before."""
        found = outcomes(self._chain, self._contract.address, self._wallet.address, flight, mined)
        landed = replace(flight, block=mined.block, block_hash=mined.block_hash, mined=transaction)
        blamed = self._blamed(flight, found)
        self._accounts.spend(blamed)
        if found is None:
            changed = [self._once_more(part, failed=ATTEMPTS if blamed else 1) for part in flight.parts]
            landed = replace(landed, parts=())
            self._metrics.transactions.labels("failed").inc()
        else:
            changed = self._told(flight.parts, found, transaction, mined.block)
        notes = {landed.key: landed.to_bytes(), **self._accounts.notes(blamed)}
        self._queue.write([item for item in changed if item is not None], notes)
        self._flights[flight.nonce] = landed
        self._watches.pop(flight.nonce, None)
        self._metrics.transactions.labels("mined").inc()
        self._metrics.gas.inc(mined.gas_used)

    def _blamed(self, flight: Flight, found: Sequence[Outcome] | None) -> set[str]:
        """The accounts with code that took something for their signature before, and did not when it counted.

        Whatever is carried out together fails as a whole if the code of one uses up all gas, and then gives no reason.
        Where there are several, it is all of them together: a stranger may have put somebody's decision beside his own.
        """
        if found is None:
            vouching = [self._vouching(flight, part) for part in flight.parts]
            return {together(accounts) for accounts in vouching if accounts}
        errors = [decode_revert(outcome.reason) for outcome in found if outcome.reason is not None]
        return {str(error.values["signer"]) for error in errors if isinstance(error, SignatureInvalid)}

    def _vouching(self, flight: Flight, part: Part) -> tuple[str, ...]:
        """The accounts with code on whose word the decisions of an atomic bundle rest."""
        item = self._queue.get(part.bundle) if flight.atomic else None
        return () if item is None or not item.payload else Task.from_bytes(item.payload).accounts

    def _told(self, parts: Sequence[Part], found: Sequence[Outcome], transaction: str, block: int) -> list[Item | None]:
        changed: list[Item | None] = []
        rest = list(found)
        for part in parts:
            mine, rest = rest[: len(part.places)], rest[len(part.places) :]
            if (item := self._queue.get(part.bundle)) is None:
                continue
            progress = Progress.of(item).with_outcomes(part.places, mine)
            progress = replace(progress, transaction=transaction, block=block)
            changed.append(replace(item, result=progress.to_bytes()))
            self._observe(item)
            for outcome in mine:
                self._metrics.decisions.labels(outcome.phase.value).inc()
        return changed

    def _observe(self, item: Item) -> None:
        seconds = max(0.0, self._now() - item.created)
        self._metrics.mined.observe(seconds)
        if item.payload and Task.from_bytes(item.payload).urgent:
            self._metrics.urgent.observe(seconds)

    def _once_more(self, part: Part, *, failed: int) -> Item | None:
        """A bundle, of which some decisions are to be sent anew; not for ever, if their transaction failed.

        Args:
            part: Which of them.
            failed: As how many attempts the transaction counts.
        """
        if (item := self._queue.get(part.bundle)) is None:
            return None
        item = replace(item, attempts=item.attempts + failed)
        progress = Progress.of(item).with_outcomes(part.places, [Outcome()] * len(part.places))
        if item.attempts < ATTEMPTS:
            return replace(waiting(item), result=progress.to_bytes())
        progress = progress.ended(Outcome(Phase.REFUSED, b""))
        result = progress.to_bytes()
        return replace(item, result=result) if progress.phase.is_open else finished(item, result)

    # --- until it is final ------------------------------------------------------------------------

    def settle(self, head: Block) -> bool:
        """Look whether mined transactions are where they were, and let go of those that are final.

        Returns:
            Whether one has to be mined again: the chain went back behind it.

        Raises:
            ChainUnavailable: the node does not answer.
        """
        mined = self.mined
        if not mined:
            return False
        canonical = _Canonical(self._chain, head)
        moved = False
        if self._now() >= self._next_look or not canonical.has(mined[-1]):
            self._next_look = self._now() + LOOK_SECONDS
            for flight in mined:
                moved = (not canonical.has(flight) and self._look_again(flight)) or moved
        final = self._final(head)
        gone = [flight for flight in self.mined if flight.block is not None and flight.block <= final]
        stale = [flight for flight in gone if not canonical.has(flight)]
        for flight in stale:
            moved = self._look_again(flight) or moved
        self._let_go([flight for flight in gone if flight not in stale])
        return moved

    def _final(self, head: Block) -> int:
        confirmations = self._chain.confirmations
        return self._chain.final_block().number if confirmations is None else head.number - confirmations

    def _look_again(self, flight: Flight) -> bool:
        receipt = self._receipt(flight)
        if receipt is not None:
            self._land(flight, *receipt)
            return False
        back = replace(flight, block=None, block_hash=None, mined=None)
        changed = []
        for part in flight.parts:
            if (item := self._queue.get(part.bundle)) is not None:
                progress = Progress.of(item).with_outcomes(part.places, [_SENT] * len(part.places))
                changed.append(replace(item, result=replace(progress, block=None).to_bytes()))
        self._queue.write(changed, {back.key: back.to_bytes()})
        self._flights[flight.nonce] = back
        _log.warning("transaction %s is in no block any more: it is handed over again", flight.hashes[-1])
        return True

    def _let_go(self, flights: Sequence[Flight]) -> None:
        if not flights:
            return
        gone = {flight.nonce for flight in flights}
        kept = {part.bundle for nonce, flight in self._flights.items() if nonce not in gone for part in flight.parts}
        bundles = dict.fromkeys(part.bundle for flight in flights for part in flight.parts)
        items = [item for bundle in bundles if bundle not in kept and (item := self._queue.get(bundle)) is not None]
        ended = [finished(item, item.result) for item in items if not Progress.of(item).phase.is_open]
        self._queue.write(ended, {flight.key: None for flight in flights})
        for nonce in gone:
            del self._flights[nonce]

    # --- where the node or the fees stand in the way ----------------------------------------------

    def renew(self) -> None:
        """Hand over again what the node has forgotten, and give up a nonce that went to another transaction.

        Raises:
            ChainUnavailable: the node does not answer.
        """
        for flight in self.unmined:
            watch = self._watches.setdefault(flight.nonce, _Watch())
            if self._now() - watch.handed_over < RENEW_SECONDS:
                continue
            if any(self._chain.transaction(one) is not None for one in reversed(flight.hashes)):
                watch.handed_over = self._now()
                continue
            self._metrics.transactions.labels("handed over again").inc()
            self._hand_over(flight)
            self._judge(flight, watch)

    def _judge(self, flight: Flight, watch: _Watch) -> None:
        """Whether the nonce is used, and by none of ours: from another process with the same key, or a lost queue."""
        used = self._chain.transaction_count(self._wallet.address, "latest") > flight.nonce
        if not used or self._receipt(flight) is not None:
            watch.verdicts = 0
            return
        watch.verdicts += 1
        if watch.verdicts < VOID_VERDICTS:
            return
        _log.error(
            "another transaction of %s took nonce %d: is its key used elsewhere?", self._wallet.address, flight.nonce
        )
        changed = [item for part in flight.parts if (item := self._once_more(part, failed=0)) is not None]
        self._queue.write(changed, {flight.key: None})
        del self._flights[flight.nonce]
        self._watches.pop(flight.nonce, None)
        self._metrics.transactions.labels("void").inc()

    def bump(self) -> None:
        """Replace the transaction that all others wait for by one that pays more, once it has waited for long.

        Raises:
            ChainUnavailable: the node does not answer.
        """
        flight = next(iter(self.unmined), None)
        if flight is None or self._now() - flight.signed_at < self._limits.bump_seconds:
            return
        now = fees_now(self._chain, self._wallet.address)
        ceiling = self._limits.max_fee_per_gas
        try:
            fees = raised(flight.fees, now, MOST_RAISED * price_of(now) if ceiling is None else ceiling)
        except FeeTooHigh:
            return
        call = Call(self._contract.address, flight.data)
        signed = sign(self._chain, self._wallet, call, nonce=flight.nonce, gas=flight.gas, fees=fees)
        bumped = flight.replaced(signed, fees, self._now())
        self._queue.write((), {bumped.key: bumped.to_bytes()})
        self._flights[flight.nonce] = bumped
        self._metrics.transactions.labels("replaced").inc()
        self._hand_over(bumped)
