"""The keyrings of one patient, as their entries on chain name them: which epoch holds when (docs/format.md §6).

Blocks are fetched when they are needed, the latest first, so that a long past costs nothing where nobody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from medrec_py.compartments import numbers_in
from medrec_py.crypto import keyring
from medrec_py.crypto.blocks import Fetch, fetch_block
from medrec_py.crypto.epochs import Epoch
from medrec_py.crypto.keyring import Inbox, Keyring
from medrec_py.crypto.keys import EpochId, Place
from medrec_py.crypto.suites import Suite
from medrec_py.errors import KeyringMismatch, KeysMissing


@dataclass(frozen=True, slots=True)
class KeyringEntry:
    """What the chain says about a keyring.

    Attributes:
        version: The keyring version before it.
        compartments: Mask of those that it covers.
        pointer: SHA-256 of its block, 32 bytes.
        time: When it was mined, Unix time.
        block: Number of the block that it was mined in.
        by_representative: A representative published it: it has keys for its compartments, and no say about anything
            else, whatever stands in its block.
    """

    version: int
    compartments: int
    pointer: bytes
    time: int
    block: int
    by_representative: bool = False


Cache: TypeAlias = dict[tuple[Place, KeyringEntry], Keyring]
"""Keyrings that were read and held against their entries."""


@dataclass(frozen=True, slots=True)
class OpenEpoch:
    """An epoch that holds at some time, and the keyring that published it."""

    epoch: Epoch
    entry: KeyringEntry
    keyring: Keyring


class Keyrings(Mapping[EpochId, Epoch]):
    """All epochs that a patient has published, found from the latest keyring backwards.

    Args:
        place: Chain, contract and patient.
        entries: In the order of the history.
        fetch: Gives a block by its pointer.
        cache: Keyrings that were read before, by patient and entry; added to.
    """

    def __init__(self, place: Place, entries: Sequence[KeyringEntry], fetch: Fetch, cache: Cache) -> None:
        self.place = place
        self.entries = tuple(entries)
        self._fetch = fetch
        self._cache = cache
        self._by_compartment: dict[int, tuple[KeyringEntry, ...]] = {}
        self._note(entries)

    def extended(self, entries: Sequence[KeyringEntry]) -> Keyrings:
        """The same with later entries. Takes time for those alone."""
        if not entries:
            return self
        more = Keyrings(self.place, (), self._fetch, self._cache)
        more.entries = (*self.entries, *entries)
        more._by_compartment = dict(self._by_compartment)
        more._note(entries)
        return more

    def read(self, entry: KeyringEntry) -> Keyring:
        """The keyring of an entry, held against it.

        Raises:
            FormatError, KeyringMismatch: it is not what the entry says.
            StorageError, BlockMismatch: its block cannot be had.
        """
        found = self._cache.get((self.place, entry))  # not by the pointer alone: that fits one entry of one patient
        if found is None:
            block = fetch_block(self._fetch, entry.pointer)
            found = keyring.parse(block, self.place, entry.version, entry.compartments)
            self._cache[self.place, entry] = found
        return found

    def newest(self, compartment: int, at: int) -> OpenEpoch | None:
        """The epoch that records of a compartment are sealed to at a time; ``None`` if none has started.

        Of the latest keyring that covers the compartment and has an epoch of it which has started, the one that
        started last. What had not started when a later keyring was mined never does.
        """
        superseded_after = at
        for entry in self._covering(compartment):
            published = self.read(entry)
            started = [
                epoch for epoch in _of(published, compartment) if epoch.start <= at and epoch.start <= superseded_after
            ]
            if started:
                return OpenEpoch(max(started, key=lambda epoch: (epoch.start, epoch.id.number)), entry, published)
            superseded_after = min(superseded_after, entry.time)
        return None

    def pending(self, compartment: int, at: int) -> list[OpenEpoch]:
        """The epochs of a compartment that are published and begin after a time, soonest first."""
        for entry in self._covering(compartment):
            published = self.read(entry)
            waiting = [OpenEpoch(epoch, entry, published) for epoch in _of(published, compartment) if epoch.start > at]
            return sorted(waiting, key=lambda found: (found.epoch.start, found.epoch.id.number))
        return []

    def next_number(self, compartment: int) -> int:
        """The number of the next epoch of a compartment: one more than any that was used."""
        for entry in self._covering(compartment):
            return max(epoch.id.number for epoch in _of(self.read(entry), compartment)) + 1
        return 1

    def publisher(self, epoch: EpochId) -> tuple[KeyringEntry, Keyring]:
        """The keyring that published an epoch.

        Raises:
            KeyringMismatch: none did.
        """
        for entry in self._covering(epoch.compartment):
            published = self.read(entry)
            if epoch in published.epochs:
                return entry, published
        raise KeyringMismatch(f"no keyring has published epoch {epoch.number} of compartment {epoch.compartment}")

    def since(self, epoch: EpochId) -> Iterator[Keyring]:
        """The keyring that published an epoch and all later ones that cover its compartment, latest first.

        Raises:
            KeyringMismatch: none published it.
        """
        entry, _ = self.publisher(epoch)
        return (self.read(later) for later in self._covering(epoch.compartment) if later.version >= entry.version)

    def covering(self, compartment: int) -> Iterator[tuple[KeyringEntry, Keyring]]:
        """The keyrings that cover a compartment, latest first."""
        return ((entry, self.read(entry)) for entry in self._covering(compartment))

    def latest_by_patient(self) -> tuple[KeyringEntry, Keyring]:
        """The latest keyring that the patient published, whose inbox and root key count.

        A representative's is not even read: an inbox in it would be its own.

        Raises:
            KeysMissing: there is none.
        """
        for entry in reversed(self.entries):
            if entry.by_representative:
                continue
            published = self.read(entry)
            if published.inbox is not None:
                return entry, published
        raise KeysMissing("the patient has published no keyring yet, so nothing can be sealed to this record")

    def inbox(self) -> tuple[Suite, Inbox]:
        """Where authors seal what fits no epoch, and the suite of its key.

        Raises:
            KeysMissing: the patient has published no keyring yet.
        """
        published = self.latest_by_patient()[1]
        assert published.inbox is not None  # noqa: S101 - that is what latest_by_patient looks for
        return published.suite, published.inbox

    def fetch(self, pointer: bytes) -> bytes:
        """A block by its pointer."""
        return self._fetch(pointer)

    def __getitem__(self, epoch: EpochId) -> Epoch:
        try:
            return self.publisher(epoch)[1].epochs[epoch]
        except KeyringMismatch:
            raise KeyError(epoch) from None

    def __iter__(self) -> Iterator[EpochId]:
        for entry in self.entries:
            yield from self.read(entry).epochs

    def __len__(self) -> int:
        return sum(len(self.read(entry).epochs) for entry in self.entries)

    def _covering(self, compartment: int) -> Iterator[KeyringEntry]:
        return reversed(self._by_compartment.get(compartment, ()))

    def _note(self, entries: Sequence[KeyringEntry]) -> None:
        more: dict[int, list[KeyringEntry]] = {}
        for entry in entries:
            for compartment in numbers_in(entry.compartments):
                more.setdefault(compartment, []).append(entry)
        for compartment, found in more.items():
            self._by_compartment[compartment] = (*self._by_compartment.get(compartment, ()), *found)


def _of(published: Keyring, compartment: int) -> list[Epoch]:
    return [epoch for epoch in published.epochs.values() if epoch.id.compartment == compartment]
