"""Planning a keyring: which epochs begin when, and who is given their keys.

An epoch begins at once where a reader was lost or a new one shall not read the past, and where one that was planned
may begin before the new keyring is mined; and one begins whenever a permission ends, so that expiry needs nobody
online. The last of them has no reader but the patient.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from types import MappingProxyType

from medrec_py.compartments import numbers_in
from medrec_py.crypto.blocks import MAX_BLOCK
from medrec_py.crypto.keys import EpochId, EpochKeys
from medrec_py.crypto.new_keyring import NewEpoch, Reader
from medrec_py.errors import FormatError, IntegrityError, KeyUnavailable
from medrec_py.keyrings import Keyrings, OpenEpoch

SOON = 3600
"""Seconds. A pending epoch that begins so soon may begin before the new keyring is mined. Then a new one begins at
once, and leads back to it too."""

MAX_PENDING = 128
"""So many ends of permissions are scheduled ahead for a compartment, the soonest. Behind them authors use the inbox."""

_FIXED_SIZE, _HOLDER_SIZE, _EPOCH_SIZE, _INDEX_SIZE = 65_536, 32, 2_000, 3
"""At most so many bytes of a keyring's block: beside the lists, a reader, an epoch, and an epoch of a reader."""


class FalseKeys(UserWarning):
    """A representative published keys that the patient's root key, or the seals of another, do not open.

    What was written while they were in use may open for their readers alone. Ask those for it, and revoke it.
    """


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
    begin: int,
    rotate: int,
    schedule: int,
    audiences: Mapping[int, Sequence[Collection[bytes]]] = MappingProxyType({}),
    cut: int = 0,
) -> Rotation:
    """Plan a keyring.

    Args:
        keyrings: Of the patient so far.
        open_keys: Opens an epoch's keys by the root key, for the ways back.
        holders: Who may read from now on.
        now: Unix time; permissions that end by then are over.
        begin: First second of the epochs that begin at once, not in the future by anybody's clock.
        rotate: Mask of the compartments that begin a new epoch at once.
        schedule: Mask of those whose epochs at the ends of permissions are planned anew. ``rotate`` implies it.
        audiences: Compartment → readers (20 bytes each) of further epochs, for what was written before. They begin at
            once too, before the one that authors will seal to.
        cut: Mask of those whose new epochs lead back to none before them.
    """
    further = sum(len(groups) for groups in audiences.values())
    epochs: list[NewEpoch] = []
    given: dict[bytes, list[EpochId]] = {holder.address: [] for holder in holders}
    covered = list(numbers_in(rotate | schedule))
    for compartment in covered:
        readers = [holder for holder in holders if holder.compartments >> compartment & 1]
        ends = sorted({reader.expiry for reader in readers if reader.expiry > now})
        at_once = rotate >> compartment & 1 or _soon(keyrings, compartment, now)
        starts = [*([begin] if at_once else []), *ends[: _pending_limit(len(covered), len(holders), further)]]
        groups = audiences.get(compartment, ())
        back = {} if cut >> compartment & 1 else _ways_back(keyrings, open_keys, compartment, now)
        chain = _chain(keyrings, compartment, [*[begin] * len(groups), *starts], back)
        for epoch, group in zip_longest(chain, groups):
            epochs.append(epoch)
            for reader in readers:
                if reader.expiry > epoch.start and (group is None or reader.address in group):
                    given[reader.address].append(epoch.id)
    readers_with_keys = [
        Reader(holder.address, holder.public_key, given[holder.address], holder.history)
        for holder in holders
        if given[holder.address]
    ]
    return Rotation(tuple(epochs), tuple(readers_with_keys))


def room_for_epochs(readers: int) -> int:
    """How many epochs fit into a keyring with so many readers: it is one block."""
    room = MAX_BLOCK - _FIXED_SIZE - _HOLDER_SIZE * readers
    return room // (_EPOCH_SIZE + _INDEX_SIZE * readers)


def _pending_limit(compartments: int, readers: int, further: int) -> int:
    """How many ends are scheduled for each compartment, beside so many further epochs in all."""
    epochs = room_for_epochs(readers) - further
    return max(1, min(MAX_PENDING, epochs // max(1, compartments) - 1))


def _soon(keyrings: Keyrings, compartment: int, now: int) -> list[OpenEpoch]:
    """The pending epochs that may begin before a keyring that is made now is mined."""
    return [found for found in keyrings.pending(compartment, now) if found.epoch.start <= now + SOON]


def _chain(
    keyrings: Keyrings, compartment: int, starts: Sequence[int], back: Mapping[int, EpochKeys]
) -> list[NewEpoch]:
    """New epochs of one compartment, each leading back to the one before."""
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
    """Number → keys of the epochs that a new one leads back to.

    What a representative made may not open, by its fault: it keeps nobody from making new keys.
    """
    ways: dict[int, EpochKeys] = {}
    for found in (*keyrings.to_lead_back_to(compartment, now), *_soon(keyrings, compartment, now)):
        try:
            ways[found.epoch.id.number] = open_keys(found.epoch.id)
        except (KeyUnavailable, IntegrityError, FormatError) as error:
            if found.entry.by_patient:
                raise
            warnings.warn(f"keys that a representative made were left out: {error}", FalseKeys, stacklevel=5)
    return ways
