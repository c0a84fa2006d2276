"""Blocks of bundles that came to nothing: let go, unless something else needs them.

A bundle *claims* the blocks that it brought, and those that another one brought that has not come to its end. Once one
of them was carried out its blocks stay for good, whoever else claims them. One that was refused, or expired, gives up
its claim; a block that nobody claims any more is unpinned. So a stranger's bundle cannot take away the blocks of
others, neither of bundles nor of what was in the store before. Nor of a decision that somebody else sent meanwhile:
its events are looked for first.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Self

from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.logs import fetch_logs
from medrec_py.durable_queue import DurableQueue, State
from medrec_py.relay.blocks import Keeper
from medrec_py.relay.work import Phase, Progress
from medrec_py.storage.cid import Cid

PREFIX: Final = "blocks/"
"""Of the keys of the notes in the queue; the rest is the bundle's id."""

LONGEST_SECONDS: Final = 24 * 3600
"""How long the blocks of what was refused are kept at the most for somebody else to carry it out."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a bundle needs of the store.

    Attributes:
        blocks: Their CIDs.
        patients: EIP-55, whose decisions are in it.
        since: Number of the block at which it was taken.
        until: Unix time after which nobody can carry out any of it, or nobody is waited for any more.
        stays: Its blocks stay whatever becomes of it: one of its decisions was known before.
    """

    blocks: tuple[str, ...]
    patients: tuple[str, ...]
    since: int
    until: int
    stays: bool

    def to_bytes(self) -> bytes:
        """As it is kept."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """What `to_bytes` made."""
        document: dict[str, Any] = json.loads(octets)
        return cls(
            tuple(document["blocks"]),
            tuple(document["patients"]),
            document["since"],
            document["until"],
            document["stays"],
        )


class Leftovers:
    """The claims of a relayer's bundles. May be shared between threads.

    Args:
        queue: Where bundles are, and the claims.
        keeper: Has the blocks.
        contract: MedRec.
        clock: The chain's clock, Unix time.
    """

    def __init__(self, queue: DurableQueue, keeper: Keeper, contract: MedRecContract, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._queue = queue
        self._keeper = keeper
        self._contract = contract
        self._lock = threading.Lock()
        self._claims = {key.removeprefix(PREFIX): Claim.from_bytes(note) for key, note in queue.notes(PREFIX).items()}

    def claim(self, named: Iterable[Cid], brought: Iterable[Cid], claim: Claim) -> Claim | None:
        """What a bundle claims of the blocks that it names; ``None`` if nothing.

        Args:
            named: All of them.
            brought: Those that were not in the store before.
            claim: Without blocks.
        """
        with self._lock:
            claimed = {block for one in self._claims.values() for block in one.blocks}
        blocks = {str(cid) for cid in brought} | (claimed & {str(cid) for cid in named})
        return replace(claim, blocks=tuple(sorted(blocks))) if blocks else None

    def notes(self, bundle: str, claim: Claim | None) -> dict[str, bytes]:
        """A claim as notes of the queue."""
        return {} if claim is None else {PREFIX + bundle: claim.to_bytes()}

    def add(self, bundle: str, claim: Claim | None) -> None:
        """A claim is on the disk. Before the bundle's blocks may be let go by others."""
        if claim is not None:
            with self._lock:
                self._claims[bundle] = claim

    def tidy(self) -> None:
        """Look which bundles came to their end, and let go of what nobody needs any more.

        Raises:
            ChainUnavailable: the node does not answer.
            QueueError: the queue cannot be read or written.
        """
        with self._lock:
            there = dict(self._claims)
        for bundle, claim in there.items():
            item = self._queue.get(bundle)
            if item is not None and item.state is not State.FINISHED:
                continue
            came_to_nothing = item is not None and not any(
                one.phase is Phase.DONE for one in Progress.of(item).decisions
            )
            if not came_to_nothing or claim.stays:
                self._settle(bundle)
            elif self._clock() > claim.until:  # until then somebody else may carry it out
                if self._is_published(claim):
                    self._settle(bundle)
                else:
                    self._give_up(bundle)

    def _settle(self, bundle: str) -> None:
        """Its blocks stay for good: nobody's claim to them counts any more."""
        with self._lock:
            kept = set(self._claims[bundle].blocks)
            changed: dict[str, Claim | None] = {bundle: None}
            for other, claim in self._claims.items():
                if other != bundle and kept & set(claim.blocks):
                    changed[other] = replace(claim, blocks=tuple(block for block in claim.blocks if block not in kept))
            self._write(changed)

    def _give_up(self, bundle: str) -> None:
        with self._lock:
            others = {block for other, claim in self._claims.items() if other != bundle for block in claim.blocks}
            gone = [Cid.parse(block) for block in self._claims[bundle].blocks if block not in others]
            if self._keeper.let_go(gone):
                self._write({bundle: None})

    def _write(self, changed: Mapping[str, Claim | None]) -> None:
        self._queue.write(
            (), {PREFIX + bundle: None if claim is None else claim.to_bytes() for bundle, claim in changed.items()}
        )
        for bundle, claim in changed.items():
            if claim is None:
                del self._claims[bundle]
            else:
                self._claims[bundle] = claim

    def _is_published(self, claim: Claim) -> bool:
        """Whether one of the blocks is named on the chain, by whichever event: somebody else sent the decision."""
        digests = {bytes(Cid.parse(block))[-32:] for block in claim.blocks}
        logs = fetch_logs(self._contract, from_block=claim.since, patient=list(claim.patients))
        return any(getattr(logged.event, one.name) in digests for logged in logs for one in fields(logged.event))
