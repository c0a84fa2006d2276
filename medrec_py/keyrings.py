"""The keyrings of one patient, as their entries on chain name them: which epoch holds when (docs/format.md §6).

Blocks are fetched when they are needed, the latest first, so that a long past costs nothing where nobody asks for it.
"""

from __future__ import annotations

import time
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
from medrec_py.errors import FormatError, IntegrityError, KeyringMismatch, KeyringMissing, KeysMissing, StorageError


@dataclass(frozen=True, slots=True)
class KeyringEntry:
    """What the chain says about a keyring.

    Attributes:
        version: The keyring version before it.
        compartments: Mask of those that it covers.
        pointer: SHA-256 of its block, 32 bytes.
        time: When it was mined, Unix time.
        block: Number of the block that it was mined in.
        by_patient: The wallet that decided for the patient then published it; else a representative did.
        author: Who published it, 20 bytes.
    """

    version: int
    compartments: int
    pointer: bytes
    time: int
    block: int
    by_patient: bool = True
    author: bytes = b""


RESERVED = 1000
"""Numbers of epochs that a representative's keyring takes from a compartment, however many it has. So the next numbers
are known where its block cannot be had; a block has room for fewer epochs."""

WAYS_BACK = 16
"""So many epochs before it a new one leads back to at the most, the latest. Those of an honest representative lead on
to the others."""

LEFT_OUT_SECONDS = 300.0
"""How long a representative's keyring that could not be used is not looked at again."""

WAITED_SECONDS = 20.0
"""So long representatives' keyrings that turn out to be of no use may take together, within ``LEFT_OUT_SECONDS``. The
others are left out then without a look: who publishes a thousand pointers to nothing holds up no revocation."""

Cache: TypeAlias = dict[tuple[Place, KeyringEntry], Keyring]
"""Keyrings that were read and held against their entries."""


@dataclass(frozen=True, slots=True)
class OpenEpoch:
    """An epoch that holds at some time, and the keyring that published it."""

    epoch: Epoch
    entry: KeyringEntry
    keyring: Keyring


class _Patience:
    """How long keyrings of no use have taken. The clock is that of ``time.monotonic``."""

    def __init__(self) -> None:
        self._spent = 0.0
        self._again = 0.0

    def is_over(self, now: float) -> bool:
        """Whether they have taken too long lately."""
        return now < self._again

    def spend(self, seconds: float, now: float) -> None:
        """Add what one has taken."""
        self._spent += seconds
        if self._spent >= WAITED_SECONDS:
            self._spent, self._again = 0.0, now + LEFT_OUT_SECONDS


class Keyrings(Mapping[EpochId, Epoch]):
    """All epochs that a patient has published, found from the latest keyring backwards.

    A representative's keyring is for the readers of its compartments, and for nothing else: one that names an inbox, or
    another root key than the patient's, or other numbers than the next, or that is no keyring or nowhere to be had, is
    left out as if it had never been published. Authors then seal to what there was before, if that is fit, or to the
    inbox.

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
        self._fit: set[KeyringEntry] = set()  # of representatives
        self._left_out: dict[KeyringEntry, float] = {}  # until when, by the clock of time.monotonic
        self._patience = _Patience()
        self._note(entries)

    @property
    def own(self) -> tuple[KeyringEntry, ...]:
        """Those that the patient published itself, in the order of the history."""
        return tuple(entry for entry in self.entries if entry.by_patient)

    def extended(self, entries: Sequence[KeyringEntry]) -> Keyrings:
        """The same with later entries. Takes time for those alone."""
        if not entries:
            return self
        more = Keyrings(self.place, (), self._fetch, self._cache)
        more.entries = (*self.entries, *entries)
        more._by_compartment = dict(self._by_compartment)
        more._fit, more._left_out, more._patience = self._fit, self._left_out, self._patience
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

    def to_lead_back_to(self, compartment: int, at: int) -> list[OpenEpoch]:
        """The epochs that a new one of a compartment has to lead back to, latest first; none if none has started.

        The newest; and where a representative made that, what else representatives made since the patient did, and the
        newest that the patient made: a representative's need not lead anywhere, nor open.
        """
        found: list[OpenEpoch] = []
        superseded_after = at
        for entry in self._covering(compartment):
            published = self.read(entry)
            began = [epoch for epoch in _of(published, compartment) if epoch.start <= min(at, superseded_after)]
            superseded_after = min(superseded_after, entry.time)
            if began:
                newest = max(began, key=lambda epoch: (epoch.start, epoch.id.number))
                if entry.by_patient:
                    return [*found[: WAYS_BACK - 1], OpenEpoch(newest, entry, published)]
                found.append(OpenEpoch(newest, entry, published))
        return found[:WAYS_BACK]

    def pending(self, compartment: int, at: int) -> list[OpenEpoch]:
        """The epochs of a compartment that are published and begin after a time, soonest first."""
        for entry in self._covering(compartment):
            published = self.read(entry)
            waiting = [OpenEpoch(epoch, entry, published) for epoch in _of(published, compartment) if epoch.start > at]
            return sorted(waiting, key=lambda found: (found.epoch.start, found.epoch.id.number))
        return []

    def next_number(self, compartment: int) -> int:
        """The number of the next epoch of a compartment: one more than any that was used."""
        reserved = 0
        for entry in reversed(self._by_compartment.get(compartment, ())):
            if entry.by_patient:
                return max(epoch.id.number for epoch in _of(self.read(entry), compartment)) + 1 + reserved
            reserved += RESERVED
        return 1 + reserved

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

    def since(self, epoch: EpochId) -> Iterator[tuple[KeyringEntry, Keyring]]:
        """The keyring that published an epoch and all later ones that cover its compartment, latest first.

        Raises:
            KeyringMismatch: none published it.
        """
        entry, _ = self.publisher(epoch)
        covering = self._covering(epoch.compartment)
        return ((later, self.read(later)) for later in covering if later.version >= entry.version)

    def covering(self, compartment: int) -> Iterator[tuple[KeyringEntry, Keyring]]:
        """The keyrings that cover a compartment, latest first."""
        return ((entry, self.read(entry)) for entry in self._covering(compartment))

    def latest_by_patient(self) -> tuple[KeyringEntry, Keyring]:
        """The latest keyring that the patient published (a representative's has no inbox).

        Raises:
            KeysMissing: there is none.
        """
        return self._by_patient_before(len(self.entries))

    def inbox(self) -> tuple[Suite, Inbox]:
        """Where authors seal what fits no epoch, and the suite of its key.

        Raises:
            KeyringMissing: the patient has published no keyring yet.
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
        for entry in filter(self._counts, self.entries):
            yield from self.read(entry).epochs

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _covering(self, compartment: int) -> Iterator[KeyringEntry]:
        return filter(self._counts, reversed(self._by_compartment.get(compartment, ())))

    def _by_patient_before(self, count: int) -> tuple[KeyringEntry, Keyring]:
        for entry in reversed(self.entries[:count]):
            if entry.by_patient and (published := self.read(entry)).inbox is not None:
                return entry, published
        raise KeyringMissing("the patient has published no keyring yet: the record has no keys")

    def _counts(self, entry: KeyringEntry) -> bool:
        """Whether a keyring is what its publisher may publish."""
        if entry.by_patient or entry in self._fit:
            return True
        began = time.monotonic()
        if self._left_out.get(entry, 0.0) > began or self._patience.is_over(began):
            return False
        counts = self._is_fit(entry)
        if counts:
            self._fit.add(entry)
        else:
            ended = time.monotonic()
            self._left_out[entry] = ended + LEFT_OUT_SECONDS
            self._patience.spend(ended - began, ended)
        return counts

    def _is_fit(self, entry: KeyringEntry) -> bool:
        """Whether a representative's keyring can be had, and is what it may publish.

        What cannot be had is left out like what is not fit. Nobody waits for a representative's block a second time,
        and the patient's own keyrings never depend on it.
        """
        place = self.entries.index(entry)
        try:
            published = self.read(entry)
            _, patients = self._by_patient_before(place)
        except (StorageError, IntegrityError, FormatError, KeysMissing):
            return False
        if published.inbox is not None or published.root_public_key != patients.root_public_key:
            return False
        before = Keyrings(self.place, self.entries[:place], self._fetch, self._cache)
        return all(self._goes_on(before, published, compartment) for compartment in numbers_in(entry.compartments))

    @staticmethod
    def _goes_on(before: Keyrings, published: Keyring, compartment: int) -> bool:
        """Whether the epochs of a compartment are numbered on: numbers that are skipped could be used up."""
        numbers = [epoch.id.number for epoch in _of(published, compartment)]
        first = before.next_number(compartment)
        return len(numbers) <= RESERVED and numbers == list(range(first, first + len(numbers)))

    def _note(self, entries: Sequence[KeyringEntry]) -> None:
        more: dict[int, list[KeyringEntry]] = {}
        for entry in entries:
            for compartment in numbers_in(entry.compartments):
                more.setdefault(compartment, []).append(entry)
        for compartment, found in more.items():
            self._by_compartment[compartment] = (*self._by_compartment.get(compartment, ()), *found)


def _of(published: Keyring, compartment: int) -> list[Epoch]:
    return [epoch for epoch in published.epochs.values() if epoch.id.compartment == compartment]
