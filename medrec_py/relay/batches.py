"""Which decisions share a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from medrec_py.relay.calls import BESIDE_CALL, intrinsic_gas
from medrec_py.relay.flight import Part

BYTES: Final = 96 * 1024
"""Of calls in a transaction: nodes take 128 KiB."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What is to be sent of a bundle.

    Attributes:
        bundle: Its id.
        atomic: All together or none.
        calls: Place of a decision → its call, ascending.
    """

    bundle: str
    atomic: bool
    calls: Mapping[int, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes into one transaction.

    Attributes:
        atomic: All together or none.
        parts: Which decisions.
        calls: Theirs, in order.
    """

    atomic: bool
    parts: tuple[Part, ...]
    calls: tuple[bytes, ...] = field(repr=False)


def pack(bundles: Iterable[Ready], share: int, gas: int) -> Iterator[Batch]:
    """Put bundles into transactions, in their order.

    An atomic bundle gets a transaction of its own. The decisions of others share as many as there is gas for, and those
    of one bundle keep their order: what has no room in a transaction goes into the next, whose nonce is higher.

    Args:
        bundles: What is to be sent.
        share: Gas that must be left before each call of a relay.
        gas: Most gas of a transaction.
    """
    shared = _Shared(share, gas)
    for ready in bundles:
        if ready.atomic:
            yield from shared.closed()
            yield Batch(True, (Part(ready.bundle, tuple(ready.calls)),), tuple(ready.calls.values()))
            continue
        for place, call in ready.calls.items():
            if not shared.has_room(call):
                yield from shared.closed()
            shared.add(ready.bundle, place, call)
    yield from shared.closed()


def fits(share: int, gas: int) -> int:
    """How many usual decisions have room in a transaction; at least one."""
    return max(1, (gas - _EMPTY) // _needed(bytes(_USUAL), share))


_EMPTY: Final = intrinsic_gas(b"\1" * 100)  # what is around the calls
_USUAL: Final = 1000


class _Shared:
    """A transaction that is being filled."""

    def __init__(self, share: int, gas: int) -> None:
        self._share, self._gas = share, gas
        self._begin()

    def has_room(self, call: bytes) -> bool:
        """A first one always has."""
        enough_gas = self._used + _needed(call, self._share) <= self._gas
        return not self._calls or (enough_gas and self._size + len(call) <= BYTES)

    def add(self, bundle: str, place: int, call: bytes) -> None:
        self._parts.setdefault(bundle, []).append(place)
        self._calls.append(call)
        self._used += _needed(call, self._share)
        self._size += len(call)

    def closed(self) -> Iterator[Batch]:
        if self._calls:
            yield Batch(
                False, tuple(Part(one, tuple(places)) for one, places in self._parts.items()), tuple(self._calls)
            )
        self._begin()

    def _begin(self) -> None:
        self._parts: dict[str, list[int]] = {}
        self._calls: list[bytes] = []
        self._used, self._size = _EMPTY, 0


def _needed(call: bytes, share: int) -> int:
    """Gas of a call in a relay, with its offset, its length and its padding."""
    return intrinsic_gas(call) - intrinsic_gas(b"") + 96 * 40 + share + BESIDE_CALL
