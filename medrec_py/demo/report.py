"""What the story came to: for the end of the text, and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from medrec_py.chart import TimelineEntry


@dataclass(frozen=True, slots=True)
class Problem:
    """Where the story stopped.

    Attributes:
        expected: What should have happened.
        happened: What did.
        remedy: What can be done about it; empty where that is for those who work on MedRec to say.
    """

    expected: str
    happened: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """For ``--json``."""
        return {"expected": self.expected, "happened": self.happened, "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class Spent:
    """A transaction of the story.

    Attributes:
        transaction: Its hash.
        gas: What it used.
        refused: The contract refused it, which cost its sender gas all the same.
    """

    transaction: str
    gas: int
    refused: bool = False


@dataclass(frozen=True, slots=True)
class StepReport:
    """A step that was carried out, or failed.

    Attributes:
        number: From 1.
        title: What happens in it.
        explanation: Why, for a newcomer.
        checks: What was found to be so.
        spent: Its transactions.
        seconds: How long it took.
        problem: Why it failed, if it did.
    """

    number: int
    title: str
    explanation: str
    checks: tuple[str, ...]
    spent: tuple[Spent, ...]
    seconds: float
    problem: Problem | None = None

    @property
    def ok(self) -> bool:
        """Whether everything in it was as it should be."""
        return self.problem is None

    @property
    def gas(self) -> int:
        """Of all its transactions."""
        return sum(spent.gas for spent in self.spent)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "number": self.number,
            "title": self.title,
            "explanation": self.explanation,
            "ok": self.ok,
            "gas": self.gas,
            "seconds": round(self.seconds, 3),
            "checks": list(self.checks),
            "transactions": [
                {"hash": spent.transaction, "gas": spent.gas, "refused": spent.refused} for spent in self.spent
            ],
            "problem": self.problem.as_json() if self.problem else None,
        }


@dataclass(frozen=True, slots=True)
class Place:
    """Where the story takes place.

    Attributes:
        chain: The chain, in words.
        chain_id: EIP-155 chain id.
        store: The block store, in words.
        people: Role → address, in the order of their entrance.
    """

    chain: str
    chain_id: int
    store: str
    people: dict[str, str]

    def name_of(self, address: str) -> str:
        """The role of an address, or the address where nobody of the story has it."""
        return next((role for role, known in self.people.items() if known == address), address)


@dataclass(slots=True)
class StoryReport:
    """The whole story.

    Attributes:
        place: Where it took place; ``None`` if it could not begin.
        contract: Address of the contract; empty until it is deployed.
        steps: As far as they went.
        history: The patient's history, verified; empty if the story did not come so far.
        problem: Why the story could not begin, or stopped.
        seconds: All of it.
    """

    place: Place | None = None
    contract: str = ""
    steps: list[StepReport] = field(default_factory=list)
    history: list[TimelineEntry] = field(default_factory=list)
    problem: Problem | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether everything was as it should be."""
        return self.problem is None

    @property
    def gas(self) -> int:
        """Of all transactions."""
        return sum(step.gas for step in self.steps)

    @property
    def transactions(self) -> int:
        """How many there were."""
        return sum(len(step.spent) for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``. Seconds are seconds, sizes bytes, times ISO 8601."""
        place = self.place
        return {
            "ok": self.ok,
            "chain": place and {"name": place.chain, "id": place.chain_id},
            "store": place and place.store,
            "people": place and place.people,
            "contract": self.contract or None,
            "steps": [step.as_json() for step in self.steps],
            "history": [_entry_as_json(entry) for entry in self.history],
            "transactions": self.transactions,
            "gas": self.gas,
            "seconds": round(self.seconds, 3),
            "problem": self.problem.as_json() if self.problem else None,
        }


def _entry_as_json(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "time": entry.time.isoformat(),
        "kind": entry.kind.name.lower(),
        "author": entry.author,
        "on_behalf_of": entry.on_behalf_of,
        "compartments": list(entry.compartments),
        "title": entry.title,
        "media_type": entry.media_type,
        "size": entry.size,
        "transaction": entry.transaction,
    }
