"""What a relayer keeps of a bundle in its queue: the calls to send, and what became of each.

The calls are an item's payload, the outcomes its result. Blocks and typed data are not kept: the ones are in the store,
the others in the calls.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from medrec_py.chain.reverts import decode_revert
from medrec_py.durable_queue import Item
from medrec_py.relay.batches import Ready


class Phase(StrEnum):
    """Where a decision, or a bundle, is."""

    WAITING = "waiting"
    SENT = "sent"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        """Whether it may still be carried out."""
        return self in {Phase.WAITING, Phase.SENT}


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be sent.

    Attributes:
        calls: ABI-encoded, one for each decision.
        deadline: Last second at which all of it counts, Unix time.
        atomic: All together or none.
        digests: That the decisions are known by (``Known``).
        accounts: EIP-55, of those whose code vouched for a signature (ERC-1271).
        urgent: It must not wait (``medrec_py.relay.line``).
        people: EIP-55, among whose decisions and entries it keeps its place.
    """

    calls: tuple[bytes, ...] = field(repr=False)
    deadline: int
    atomic: bool
    digests: tuple[bytes, ...] = field(default=(), repr=False)
    accounts: tuple[str, ...] = ()
    urgent: bool = False
    people: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """As it is kept."""
        document = asdict(self) | {name: [one.hex() for one in getattr(self, name)] for name in ("calls", "digests")}
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """What `to_bytes` made."""
        document = json.loads(octets)
        calls, digests = (tuple(map(bytes.fromhex, document.get(name, ()))) for name in ("calls", "digests"))
        accounts, people = (tuple(document.get(name, ())) for name in ("accounts", "people"))
        urgent = document.get("urgent", False)
        return cls(calls, document["deadline"], document["atomic"], digests, accounts, urgent, people)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a decision.

    Attributes:
        phase: Where it is.
        reason: What the contract reverted with, if it was refused.
    """

    phase: Phase = Phase.WAITING
    reason: bytes | None = None

    def document(self) -> dict[str, Any]:
        """As clients are told."""
        if self.reason is None:
            return {"state": self.phase.value, "reason": None, "error": None}
        error = decode_revert(self.reason).solidity or None
        return {"state": self.phase.value, "reason": "0x" + self.reason.hex(), "error": error}


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of a bundle.

    Attributes:
        decisions: In their order.
        transaction: Hash of the last transaction that it is in.
        block: Number of the block of that transaction, once it is mined.
    """

    decisions: tuple[Outcome, ...]
    transaction: str | None = None
    block: int | None = None

    @classmethod
    def of(cls, item: Item) -> Self:
        """Of an item in the queue."""
        document = json.loads(item.result)
        outcomes = tuple(
            Outcome(Phase(phase), None if reason is None else bytes.fromhex(reason))
            for phase, reason in document["decisions"]
        )
        return cls(outcomes, document["transaction"], document["block"])

    def to_bytes(self) -> bytes:
        """As it is kept."""
        decisions = [(one.phase.value, None if one.reason is None else one.reason.hex()) for one in self.decisions]
        document = {"decisions": decisions, "transaction": self.transaction, "block": self.block}
        return json.dumps(document, separators=(",", ":")).encode()

    @property
    def phase(self) -> Phase:
        """Where the bundle is as a whole."""
        phases = {one.phase for one in self.decisions}
        for phase in (Phase.SENT, Phase.WAITING, Phase.REFUSED, Phase.EXPIRED):
            if phase in phases:
                return phase
        return Phase.DONE

    def ended(self, outcome: Outcome) -> Progress:
        """The same end for every decision that waits."""
        decisions = (outcome if one.phase is Phase.WAITING else one for one in self.decisions)
        return replace(self, decisions=tuple(decisions))

    def with_outcomes(self, places: Sequence[int], outcomes: Sequence[Outcome]) -> Progress:
        """Another outcome for some decisions."""
        decisions = list(self.decisions)
        for place, outcome in zip(places, outcomes, strict=True):
            decisions[place] = outcome
        return replace(self, decisions=tuple(decisions))

    def document(self, bundle: str) -> dict[str, Any]:
        """As clients are told."""
        return {
            "id": bundle,
            "state": self.phase.value,
            "transaction": self.transaction,
            "block": self.block,
            "decisions": [one.document() for one in self.decisions],
        }


def ready(item: Item) -> Ready:
    """What is to be sent of an item in the queue: the decisions that wait."""
    task, progress = Task.from_bytes(item.payload), Progress.of(item)
    waits = [place for place, one in enumerate(progress.decisions) if one.phase is Phase.WAITING]
    return Ready(item.id, task.atomic, {place: task.calls[place] for place in waits})


def fresh(decisions: int) -> bytes:
    """The progress of a bundle that was just taken, as it is kept."""
    return Progress((Outcome(),) * decisions).to_bytes()
