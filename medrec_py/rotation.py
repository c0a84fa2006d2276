"""Planning a keyring: which epochs begin when, and who is given their keys.

An epoch begins at once where a reader was lost or a new one shall not read the past; and one begins whenever a
permission ends, so that expiry needs nobody online. The last of them has no reader but the patient.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from medrec_py.compartments import numbers_in
from medrec_py.crypto.keys import EpochId, EpochKeys
from medrec_py.crypto.new_keyring import NewEpoch, Reader
from medrec_py.keyrings import Keyrings
from medrec_py.times import MAX_TIME

SOON = 3600
"""Seconds. A pending epoch that begins so soon may begin before the new keyring is mined: that leads back to it too."""

MAX_PENDING = 128
"""So many ends of permissions are scheduled ahead for a compartment, the soonest. Behind them authors use the inbox."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A reader whose permission lives, and whose key is known.

    Attributes:
        address: 20 bytes.
        public_key: From the verified profile.
        compartments: Mask of those that the reader may read.
        history: Whether it may read what was written before.
        expiry: First second after the permission, Unix time.
    """

    address: bytes
    public_key: bytes = field(repr=False)
    compartments: int
    history: bool
    expiry: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a keyring will publish.

    Attributes:
        epochs: The new epochs with their keys.
        readers: Who is given which of them.
    """

    epochs: tuple[NewEpoch, ...]
    readers: tuple[Reader, ...]

    def keys_of(self, address: bytes) -> dict[EpochId, EpochKeys]:
        """The keys that a reader is given."""
        granted = {epoch for reader in self.readers if reader.address == address for epoch in reader.epochs}
        return {epoch.id: epoch.keys for epoch in self.epochs if epoch.id in granted}


def plan(
    keyrings: Keyrings,
    open_keys: Callable[[EpochId], EpochKeys],
    holders: Collection[Holder],
    *,
    now: int,
    rotate: int,
    schedule: int,
) -> Rotation:
    """Plan a keyring.

    Args:
        keyrings: Of the patient so far.
        open_keys: Opens an epoch's keys by the root key, for the ways back.
        holders: Who may read from now on.
        now: Unix time.
        rotate: Mask of the compartments that begin a new epoch at once.
        schedule: Mask of those whose epochs at the ends of permissions are planned anew. ``rotate`` implies it.
    """
    epochs: list[NewEpoch] = []
    given: dict[bytes, list[EpochId]] = {holder.address: [] for holder in holders}
    for compartment in numbers_in(rotate | schedule):
        readers = [holder for holder in holders if holder.compartments >> compartment & 1]
        starts = _starts(readers, now, at_once=bool(rotate >> compartment & 1))
        for epoch in _chain(keyrings, open_keys, compartment, starts, now):
            epochs.append(epoch)
            for reader in readers:
                if reader.expiry > epoch.start:
                    given[reader.address].append(epoch.id)
    readers_with_keys = [
        Reader(holder.address, holder.public_key, given[holder.address], holder.history)
        for holder in holders
        if given[holder.address]
    ]
    return Rotation(tuple(epochs), tuple(readers_with_keys))


def _starts(readers: Sequence[Holder], now: int, *, at_once: bool) -> list[int]:
    ends = sorted({reader.expiry for reader in readers if now < reader.expiry < MAX_TIME})[:MAX_PENDING]
    return [now, *ends] if at_once else ends


def _chain(
    keyrings: Keyrings,
    open_keys: Callable[[EpochId], EpochKeys],
    compartment: int,
    starts: Sequence[int],
    now: int,
) -> list[NewEpoch]:
    """New epochs of one compartment, each leading back to the one before."""
    back = _ways_back(keyrings, open_keys, compartment, now)
    number = keyrings.next_number(compartment)
    chain: list[NewEpoch] = []
    for start in starts:
        epoch = NewEpoch(EpochId(compartment, number), start, EpochKeys.generate(), back)
        chain.append(epoch)
        back = {number: epoch.keys}
        number += 1
    return chain


def _ways_back(
    keyrings: Keyrings, open_keys: Callable[[EpochId], EpochKeys], compartment: int, now: int
) -> dict[int, EpochKeys]:
    newest = keyrings.newest(compartment, now)
    earlier = [] if newest is None else [newest.epoch.id]
    earlier += [found.epoch.id for found in keyrings.pending(compartment, now) if found.epoch.start <= now + SOON]
    return {epoch.number: open_keys(epoch) for epoch in earlier}
