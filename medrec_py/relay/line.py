"""The order in which bundles go: as they came, but for those that must not wait.

*Urgent* is a bundle of nothing but revocations and vetoes of recoveries: while it waits somebody reads on, or a window
closes. It overtakes what came before it, with two limits:

- What came earlier and is about the same people goes before it all the same. Else a revocation might find nothing to
  end yet, and the grant that it was meant for would take place behind it.
- Urgent bundles take turns with those that they overtake, a transaction's worth of each: whoever floods a relayer with
  revocations holds nobody up for good.

Nothing else overtakes anything. All of it follows from what is in the queue, so a restart forgets no more than whose
turn it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from medrec_py.crypto.decisions import Append, LogAccess, Revoke, SignedForm, StopRecovery
from medrec_py.crypto.signed_decisions import signer_of
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.durable_queue import DurableQueue, Item
from medrec_py.relay.work import Task

_PAGE: Final = 250


def is_urgent(decisions: Iterable[SignedForm]) -> bool:
    """Whether they are nothing but revocations and vetoes."""
    return all(isinstance(decision, Revoke | StopRecovery) for decision in decisions)


def people_of(decisions: Iterable[SignedForm]) -> tuple[str, ...]:
    """Whose decisions and entries these are, EIP-55: among them order counts.

    Of an entry it is its author, who numbers them, and not the patient: no provider's records go before a revocation.
    """
    return tuple(sorted({checksum_address(_whose(decision)) for decision in decisions}))


def _whose(decision: SignedForm) -> bytes:
    return signer_of(decision) if isinstance(decision, Append | LogAccess) else decision.place.patient


@dataclass(frozen=True, slots=True)
class Rank:
    """What the order of a bundle depends on.

    Attributes:
        urgent: See ``is_urgent``.
        people: See ``people_of``.
    """

    urgent: bool
    people: frozenset[str]

    @classmethod
    def of(cls, item: Item) -> Self:
        """Of an item in the queue."""
        task = Task.from_bytes(item.payload)
        return cls(task.urgent, frozenset(task.people))


def hurried(ranks: dict[int, Rank]) -> set[int]:
    """Those that go first: what is urgent, and what has to go before it.

    Args:
        ranks: By place in the queue, ascending.
    """
    found: set[int] = set()
    people: set[str] = set()
    for seq, rank in reversed(ranks.items()):
        if rank.urgent or not people.isdisjoint(rank.people):
            found.add(seq)
            people |= rank.people
    return found


def in_turns(
    first: Iterator[Item], others: Iterator[Item], size: int, size_of: Callable[[Item], int], *, others_begin: bool
) -> Iterator[Item]:
    """Two lanes as one: the first one first, and by turns where it would overtake the other.

    Args:
        first: Those that go first, in the order of their places.
        others: The others, likewise.
        size: Of a turn.
        size_of: What a bundle takes of it.
        others_begin: The first turn is theirs.
    """
    hasty, patient = next(first, None), next(others, None)
    others_turn, left = others_begin, size
    while hasty is not None and patient is not None:
        overtakes = patient.seq < hasty.seq
        if overtakes and left <= 0:
            others_turn, left = not others_turn, size
        item = patient if overtakes and others_turn else hasty
        left -= size_of(item) if overtakes else 0
        yield item
        if item is hasty:
            hasty = next(first, None)
        else:
            patient = next(others, None)
    yield from (item for item in (hasty, patient) if item is not None)
    yield from first
    yield from others


class Line:
    """The bundles of a queue that wait, in the order in which they go. Used by one thread.

    Args:
        queue: Where they are.
    """

    def __init__(self, queue: DurableQueue) -> None:
        self._queue = queue
        self._ranks: dict[int, Rank] = {}  # of those that waited when it was looked last
        self._first: list[int] = []
        self._others: list[int] = []
        self._overtook = False

    def lanes(self) -> tuple[list[int], list[int]]:
        """The places of all that wait now: of those that go first, and of the others.

        Raises:
            QueueError: the queue cannot be read.
        """
        waiting = self._queue.due_seqs()
        new = [seq for seq in waiting if seq not in self._ranks]
        read = {item.seq: Rank.of(item) for item in self._pages(new)}
        self._ranks = {seq: rank for seq in waiting if (rank := self._ranks.get(seq) or read.get(seq)) is not None}
        ahead = hurried(self._ranks)
        self._first = [seq for seq in self._ranks if seq in ahead]
        self._others = [seq for seq in self._ranks if seq not in ahead]
        return self._first, self._others

    def in_turns(
        self, first: Iterator[Item], others: Iterator[Item], size: int, size_of: Callable[[Item], int]
    ) -> Iterator[Item]:
        """Those of the lanes that can be sent, in the order in which they go; see the function of that name."""
        return in_turns(first, others, size, size_of, others_begin=self._overtook)

    def went(self, sent: Sequence[Item]) -> None:
        """These were sent, in their order. If the last of them overtook another it is the others' turn."""
        gone = {item.seq for item in sent}
        last = sent[-1].seq
        oldest = next((seq for seq in self._others if seq not in gone), last)
        self._overtook = last in self._first and oldest < last

    def _pages(self, seqs: Sequence[int]) -> Iterator[Item]:
        for start in range(0, len(seqs), _PAGE):
            yield from self._queue.at(seqs[start : start + _PAGE])
