"""The contract's events over a range of blocks, from any node, whatever it limits.

Nodes limit what ``eth_getLogs`` may ask for, each in its own way: 500 to 10,000 blocks, 10,000 or 20,000 results, a
size, a time, a number of requests a second. So a range is asked for in windows; a window that is refused is halved,
down to one block, and requests that come too fast are repeated after a pause.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from medrec_py.chain.answers import Log, to_bytes, to_logs
from medrec_py.chain.connection import Chain, NodeError, NodeFailed, NodeTimeout, RateLimited
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.events import Event, Logged, filter_topics
from medrec_py.chain.transactions import read_log
from medrec_py.chain.types import Topics
from medrec_py.errors import ChainUnavailable, IntegrityError, InvalidInput

Progress = Callable[[int, int], None]
"""Called after each window with the number of blocks read and of blocks to read."""

FIRST_WINDOW = 2_000
LARGEST_WINDOW = 100_000
RESULTS_WANTED = 5_000
"""A window is widened while it brings fewer logs than this, and narrowed where it brings many more."""

_FORGET_AFTER = 64
_ATTEMPTS = 9
_PAUSE_FIRST, _PAUSE_LONGEST = 0.25, 15.0


def fetch_logs(
    contract: MedRecContract,
    events: Collection[type[Event]] = (),
    *,
    from_block: int,
    to_block: int | None = None,
    progress: Progress | None = None,
    pause: Callable[[float], None] = time.sleep,
    **where: str | Sequence[str],
) -> Iterator[Logged[Event]]:
    """The contract's events in a range of blocks, ordered by block and place in it, a window at a time.

    What the node returns is decoded and checked to be what was asked for, and none of it is left out. That it is
    *complete* is proved by the head of each history alone; and while blocks are still being reorganised two windows may
    come from different forks: compare the block hashes.

    Args:
        contract: Whose.
        events: Which; without any, all that have the fields of ``where``.
        from_block: First block: that of the deployment, or the one after the last that was read.
        to_block: Last block; the latest at the time of the call if not given.
        progress: Called after each window.
        pause: How to wait when the node wants fewer requests; for tests.
        where: Addresses that indexed fields must have: ``patient=alice``, or lists of them. See `filter_topics`.

    Raises:
        InvalidInput: see `filter_topics`.
        RateLimited: the node keeps refusing requests as too many.
        ChainUnavailable: it does not answer, or refuses a single block.
        IntegrityError: it returned a log that was not asked for, or that the contract cannot have emitted.
    """
    topics: Topics = filter_topics(events, **where) if events or where else []
    end = contract.chain.block_number() if to_block is None else to_block
    if from_block < 0:
        raise InvalidInput("blocks are numbered from 0")
    return _windows(_Reader(contract, topics, pause), from_block, end, progress)


def _windows(reader: _Reader, first: int, end: int, progress: Progress | None) -> Iterator[Logged[Event]]:
    window = _Window()
    start = first
    while start <= end:
        stop = min(end, start + window.size - 1)
        logs = reader.read(start, stop)
        if logs is None:
            window.refused(stop - start + 1)
            continue
        yield from logs
        start = stop + 1
        window.accepted(len(logs))
        if progress is not None:
            progress(start - first, end - first + 1)


@dataclass(slots=True)
class _Window:
    """How many blocks to ask for at once."""

    size: int = FIRST_WINDOW
    limit: int = LARGEST_WINDOW
    streak: int = 0

    def refused(self, size: int) -> None:
        """A window of that size was too much: halve it, and stay below it for a good while."""
        self.limit = max(1, size - 1)
        self.size = max(1, size // 2)
        self.streak = 0

    def accepted(self, results: int) -> None:
        """A window brought so many logs: widen or narrow the next."""
        self.streak += 1
        if (
            self.streak % _FORGET_AFTER == 0
        ):  # it may have been dense blocks, which lie behind us, rather than a fixed limit
            self.limit = min(LARGEST_WINDOW, self.limit * 2)
        if results < RESULTS_WANTED:
            self.size = min(self.size * 2, self.limit)
        elif results > 2 * RESULTS_WANTED:
            self.size = max(1, self.size * RESULTS_WANTED // results)


@dataclass(frozen=True, slots=True)
class _Reader:
    contract: MedRecContract
    topics: Topics
    pause: Callable[[float], None]

    def read(self, start: int, stop: int) -> list[Logged[Event]] | None:
        """The logs of a window; ``None`` if the node finds it too much."""
        wait = _PAUSE_FIRST
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._sound(self._ask(start, stop), start, stop)
            except RateLimited:
                if attempt == _ATTEMPTS:
                    raise
            except ChainUnavailable as error:
                if start == stop or not _may_be_too_much(error):
                    raise
                return None
            self.pause(wait)
            wait = min(wait * 2, _PAUSE_LONGEST)
        raise AssertionError("unreachable")

    def _ask(self, start: int, stop: int) -> Sequence[Log]:
        query = {"address": [self.contract.address], "fromBlock": hex(start), "toBlock": hex(stop)}
        chain: Chain = self.contract.chain
        return chain.ask(to_logs, "eth_getLogs", {**query, "topics": self.topics} if self.topics else query)

    def _sound(self, found: Sequence[Log], start: int, stop: int) -> list[Logged[Event]]:
        for log in found:
            wanted = start <= log.block <= stop and log.address == self.contract.address and self._matches(log.topics)
            if not wanted:
                raise IntegrityError(f"the node at {self.contract.chain.node} returned a log that was not asked for")
        return sorted(map(read_log, found), key=lambda log: (log.block, log.index))

    def _matches(self, topics: Sequence[bytes]) -> bool:
        if not self.topics:
            return True
        if len(topics) < len(self.topics):
            return False
        return all(
            wanted is None or topic in {to_bytes(one) for one in ([wanted] if isinstance(wanted, str) else wanted)}
            for wanted, topic in zip(self.topics, topics, strict=False)
        )


def _may_be_too_much(error: ChainUnavailable) -> bool:
    """Whether asking for less may help. Refusals of ranges have no form in common, so anything that was said counts."""
    return isinstance(error, NodeError | RateLimited | NodeTimeout | NodeFailed)
