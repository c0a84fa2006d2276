"""What a relayer does with a request: check it, keep it, say so; the sender does the rest."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Final, Self

from medrec_py.chain.contract import MedRecContract
from medrec_py.crypto.signed_decisions import MAX_BUNDLE, MAX_DECISIONS, Bundle, deadline_of
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.durable_queue import DurableQueue, Item, State
from medrec_py.errors import (
    ChainUnavailable,
    FormatError,
    NotDeployed,
    QueueError,
    QueueFull,
)
from medrec_py.relay import quotas
from medrec_py.relay.batches import BYTES
from medrec_py.relay.blocks import Keeper
from medrec_py.relay.fleet import together
from medrec_py.relay.known import Known, known_by
from medrec_py.relay.leftovers import LONGEST_SECONDS, Claim, Leftovers
from medrec_py.relay.limits import Limits, MailLimits
from medrec_py.relay.line import is_urgent, people_of
from medrec_py.relay.mailbox import Mailbox
from medrec_py.relay.metrics import Metrics
from medrec_py.relay.post_office import PostOffice
from medrec_py.relay.quotas import Quota, client_shares
from medrec_py.relay.refusals import Code, Refusal
from medrec_py.relay.sender import Sender
from medrec_py.relay.shares import shares_of, work_of
from medrec_py.relay.work import Progress, Task, fresh
from medrec_py.storage.cid import Cid
from medrec_py.storage.store import BlockStore
from medrec_py.wallet import Signer

DRAIN_SECONDS: Final = 10.0
"""How long a relayer that ends goes on handing over what it has taken. The rest it finds again when it is started."""


class Relayer:
    """A relayer without its HTTP. May be shared between threads; use it as a context manager.

    Args:
        contract: MedRec, by a connection of the relayer's own.
        wallet: Whose account sends and pays. Nobody else may use it.
        queue: Where bundles and transactions are kept. Closed by whoever opened it, after ``close``.
        store: Keeps the blocks of bundles; without one, bundles with blocks are not taken.
        limits: What it takes, pays and keeps.
        now: Unix time.
        mailbox: Keeps requests for access and their answers; without one, none are taken. Closed by whoever opened it.
        mail_limits: What of them it takes and keeps.

    Raises:
        NotDeployed: the contract does not relay.
        ChainUnavailable: the node does not answer.
    """

    def __init__(
        self,
        contract: MedRecContract,
        wallet: Signer,
        queue: DurableQueue,
        store: BlockStore | None = None,
        limits: Limits | None = None,
        now: Callable[[], float] = time.time,
        mailbox: Mailbox | None = None,
        mail_limits: MailLimits | None = None,
    ) -> None:
        self.limits = limits = limits or Limits()
        self.metrics = Metrics()
        self._contract = contract
        self._address = wallet.address
        self._queue = queue
        self._keeper = None if store is None else Keeper(store)
        self._leftovers = (
            None if self._keeper is None else Leftovers(queue, self._keeper, contract, lambda: self.sender.clock()[0])
        )
        self._known = Known(queue, contract)
        self._patients = Quota("patient", limits.patient_burst, limits.patient_per_hour, now)
        self._clients = Quota("client", limits.client_burst, limits.client_per_hour, now)
        self._accounts = Quota("account", 1, limits.account_per_hour, now)
        self.post_office = (
            None
            if mailbox is None
            else PostOffice(
                contract,
                mailbox,
                mail_limits or MailLimits(),
                self.metrics,
                lambda: max(int(now()), self.sender.clock()[0]),
                lambda notes: queue.write((), notes),
            )
        )
        mail_quotas = () if self.post_office is None else (self.post_office.requesters,)
        self._quotas = self._patients, self._clients, self._accounts, *mail_quotas
        self._draining = False
        written = queue.notes(quotas.PREFIX)
        for quota in self._quotas:
            quota.restore(written)
        self.sender = Sender(contract, wallet, queue, limits, self.metrics, self._accounts, self._tidy, now)

    # --- its life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to send."""
        self.sender.start()

    def drain(self) -> None:
        """Take nothing new from now on."""
        self._draining = True

    def close(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Hand over what waits, as far as the time allows, and end. Closing twice is as once."""
        self.drain()
        self.sender.stop(drain_seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- requests ---------------------------------------------------------------------------------

    def accept(self, body: bytes, client: str | None) -> dict[str, Any]:
        """Admit and take: for whoever has the body already.

        Raises:
            Refusal: it is not taken; the code says why.
        """
        self.admit(client)
        return self.take(body, client)

    def admit(self, client: str | None) -> None:
        """Count a request, before anything of its body is read.

        Args:
            client: The address that it came from; ``None`` by a socket of this machine.

        Raises:
            Refusal: the address has asked for enough for now, or nothing is taken any more.
        """
        with self._refusals_counted():
            self._require_open()
            self._count(self._clients, client_shares(client), "address")

    def take(self, body: bytes, client: str | None) -> dict[str, Any]:
        """Take a bundle of an admitted request; one that was taken before is not taken twice.

        Args:
            body: As it came.
            client: The address that it came from; ``None`` by a socket of this machine.

        Returns:
            Its id and its state.

        Raises:
            Refusal: it is not taken; the code says why.
        """
        with self.metrics.checked.time(), self._refusals_counted():
            return self._take(body, client)

    def status(self, bundle: str) -> dict[str, Any]:
        """What became of a bundle.

        Raises:
            Refusal: it is not known.
        """
        try:
            item = self._queue.get(bundle)
        except QueueError as error:
            raise Refusal(Code.QUEUE, "the relayer cannot read its queue") from error
        if item is None:
            raise Refusal(Code.UNKNOWN, "this relayer does not have that bundle")
        return Progress.of(item).document(bundle)

    def info(self) -> dict[str, Any]:
        """What it is and what it takes."""
        from medrec_py import __version__  # noqa: PLC0415 - the package itself is imported by then

        limits = self.limits
        return {
            "version": __version__,
            "chainId": self._contract.chain.chain_id,
            "contract": self._contract.address,
            "relayer": self._address,
            "storesBlocks": self._keeper is not None,
            "takesRequests": self.post_office is not None,
            "limits": {
                "bundleBytes": MAX_BUNDLE,
                "callBytes": BYTES,
                "decisions": MAX_DECISIONS,
                "deadlineSeconds": limits.deadline_seconds,
                "gasPerDecision": limits.gas_per_decision,
                "patientBurst": limits.patient_burst,
                "patientPerHour": limits.patient_per_hour,
                "clientBurst": limits.client_burst,
                "clientPerHour": limits.client_per_hour,
            },
        }

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether it can do its work, and what it depends on. Asks nobody: it is what the sender saw last."""
        seen = self.sender.seen
        try:
            counts = self._queue.counts()
        except QueueError:
            counts = {}
        is_well = seen.node_up and bool(counts) and not self._draining and self._has_funds()
        return is_well, {
            "ok": is_well,
            "node": seen.node_up,
            "queue": counts.get(State.WAITING),
            "inFlight": self.sender.in_flight,
            "balance": str(seen.balance),
            "draining": self._draining,
            "trouble": seen.trouble,
        }

    def measurements(self) -> bytes:
        """What it counts, for Prometheus."""
        for state, number in self._queue.counts().items():
            self.metrics.queue.labels(state.name.lower()).set(number)
        self.metrics.in_flight.set(self.sender.in_flight)
        if self.post_office is not None:
            self.post_office.tidy()
        return self.metrics.text()

    # --- private ----------------------------------------------------------------------------------

    @contextmanager
    def _refusals_counted(self) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            self.metrics.refused.labels(refusal.code.value).inc()
            raise

    def _require_open(self) -> None:
        if self._draining:
            raise Refusal(Code.DRAINING, "the relayer is about to end")

    def _take(self, body: bytes, client: str | None) -> dict[str, Any]:
        self._require_open()
        try:
            bundle = Bundle.from_json(body)
        except FormatError as error:
            raise Refusal(Code.MALFORMED, str(error)) from error
        if (there := self._queue.get(bundle.id)) is not None:
            return {"id": there.id, "state": Progress.of(there).phase.value}
        # One of them was taken when the request was admitted.
        self._count(self._clients, client_shares(client, work_of(bundle.decisions) - 1), "address", before=1)
        try:
            item = self._put(bundle, self._checked(bundle), client)
        except (ChainUnavailable, NotDeployed) as error:
            raise Refusal(Code.NODE, "the relayer's node does not answer as it should") from error
        except QueueFull as error:
            raise Refusal(Code.QUEUE, "as much waits as this relayer takes") from error
        except QueueError as error:
            raise Refusal(Code.QUEUE, "the relayer cannot write its queue") from error
        self.metrics.accepted.inc()
        self.sender.wake()
        return {"id": item.id, "state": Progress.of(item).phase.value}

    def _put(self, bundle: Bundle, task: Task, client: str | None) -> Item:
        """Have it on the disk with what it has cost its signers and its address, and with its claim to its blocks.

        The shares come after all other checks: by what the contract refuses anybody could use up somebody else's.
        Nor can anybody put bundles before somebody's revocation by decisions of hers that are public.
        """
        with self._known.fresh(bundle.id, bundle.decisions) as new:
            shares = shares_of(new)
            if not task.urgent:
                task = replace(task, people=people_of(new))
            with self._shares_taken(shares), self._blocks_kept(bundle) as brought:
                claim = self._claim(bundle, brought, stays=len(new) < len(bundle.decisions))
                notes = {**self._patients.notes(shares), **self._clients.notes(client_shares(client))}
                if self._leftovers is not None:
                    notes |= self._leftovers.notes(bundle.id, claim)
                item = self._queue.put(bundle.id, task.to_bytes(), fresh(len(task.calls)), notes)
                if self._leftovers is not None:
                    self._leftovers.add(bundle.id, claim)
        return item

    def _claim(self, bundle: Bundle, brought: Iterable[Cid], *, stays: bool) -> Claim | None:
        if self._leftovers is None or not bundle.blocks:
            return None
        patients = sorted({checksum_address(signed.decision.place.patient) for signed in bundle.decisions})
        head = self.sender.seen.head
        last = max(deadline_of(signed.decision) for signed in bundle.decisions)
        claim = Claim((), tuple(patients), head.number, min(last, head.timestamp + LONGEST_SECONDS), stays)
        return self._leftovers.claim(map(Cid.of, bundle.blocks), brought, claim)

    def _tidy(self) -> None:
        """Clean up what came to its end: claims to blocks, decisions that are known, shares that are full again."""
        self._known.tidy()
        if self._leftovers is not None:
            self._leftovers.tidy()
        written = self._queue.notes(quotas.PREFIX)
        full = {key: None for quota in self._quotas for key in quota.full(written)}
        if full:
            self._queue.write((), full)

    def _checked(self, bundle: Bundle) -> Task:
        """What is to be sent, once everything that speaks against it was looked for, what is cheap first."""
        checks = self.sender.checks
        checks.place(bundle)
        checks.deadline(bundle)
        checks.distinct(bundle)
        if bundle.blocks and self._keeper is None:
            raise Refusal(Code.BLOCKS, "this relayer keeps no blocks")
        if not self._has_funds():
            raise Refusal(Code.FUNDS, "the relayer's account does not have enough ether")
        accounts = checks.signatures(bundle)
        self._require_trusted(accounts)
        calls = tuple(call.data for call in checks.calls(bundle))
        if sum(map(len, calls)) > BYTES:
            raise Refusal(Code.TOO_LARGE, f"the decisions and signatures of a bundle have at most {BYTES} bytes")
        if bundle.atomic:
            self.sender.require_payable(calls)
        decisions = [signed.decision for signed in bundle.decisions]
        digests = tuple(map(known_by, decisions))
        return Task(
            calls, bundle.deadline, bundle.atomic, digests, accounts, is_urgent(decisions), people_of(decisions)
        )

    def _require_trusted(self, accounts: Sequence[str]) -> None:
        """No account with code took a signature before, and did not when it was carried out at this relayer's cost."""
        if accounts and (wait := self._accounts.wait({*accounts, together(accounts)})) > 0:
            message = "the code of an account that signs said yes before, and something else when it was carried out"
            raise Refusal(Code.QUOTA, message, retry_after=None if wait == math.inf else math.ceil(wait))

    @contextmanager
    def _shares_taken(self, shares: Mapping[str, int]) -> Iterator[None]:
        """Takes them, and gives them back where the bundle is not taken after all."""
        self._count(self._patients, shares, "patient's signer")
        try:
            yield
        except BaseException:
            self._patients.give_back(shares)
            raise

    def _count(self, quota: Quota, wanted: Mapping[str, float], what: str, before: int = 0) -> None:
        """Take from a quota; ``before`` were taken for the same already, and have to be again when it comes back."""
        wait = quota.take(wanted, before)
        if wait == math.inf:
            raise Refusal(Code.QUOTA, f"this relayer does at most {quota.burst} for one {what} at once")
        if wait > 0:
            message = f"this relayer has done enough for this {what} for now"
            raise Refusal(Code.QUOTA, message, retry_after=math.ceil(wait))

    def _blocks_kept(self, bundle: Bundle) -> AbstractContextManager[Iterable[Cid]]:
        return self._keeper.kept(bundle.blocks) if self._keeper and bundle.blocks else nullcontext(())

    def _has_funds(self) -> bool:
        seen = self.sender.seen
        return (
            not seen.is_broke
            and seen.balance >= self.limits.least_balance
            and (seen.balance > 0 or not seen.head.base_fee)
        )
