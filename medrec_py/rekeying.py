"""Giving records other keys: new envelopes under new epochs, published in one transaction with their keyring.

Three things that a patient may want are one piece of work, and differ in what happens to which record:

- *resealing*: new data keys for old records, so that keys which somebody kept open nothing that is still stored;
- *changing the root secret*: what waits in the inbox, which only the old one opens, is moved; the rest is reached over
  back-links;
- *erasing*: new epochs without back-links; survivors get new envelopes, and the rest opens no more.

Contents are sealed and stored first (``medrec_py.fresh_content``, noted in a journal), then envelopes, manifests and
the keyring. One transaction makes all of it true at once; whatever happens before leaves things as they were. With a
courier the keyring comes first, and the manifests are signed once it stands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property, reduce
from operator import or_

from medrec_py import audiences
from medrec_py.audiences import Audiences
from medrec_py.chain.transactions import Call, Receipt
from medrec_py.chart import UNREADABLE, Chart, warn_unreadable
from medrec_py.compartments import to_mask
from medrec_py.consent import Consent
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto.envelope import Destination, UnverifiedEnvelope, VerifiedRecord
from medrec_py.crypto.erasure import ErasureBuilder
from medrec_py.crypto.manifest import ManifestBuilder, Row
from medrec_py.crypto.paged_rows import RowsBuilder
from medrec_py.errors import KeyUnavailable, MedRecError, SurvivorUnreadable
from medrec_py.fresh_content import seal_and_store, seal_inline
from medrec_py.history import Entry, History
from medrec_py.in_order import in_order
from medrec_py.journal import Journal, Sealed
from medrec_py.keyring_maker import KeyringMaker
from medrec_py.ledger import Ledger
from medrec_py.purposes import Purpose
from medrec_py.root_keys import RootKeys
from medrec_py.rotation import Holder, room_for_epochs
from medrec_py.storage.cid import Cid
from medrec_py.wallet import Signer


class Treatment(Enum):
    """What happens to a record."""

    REWRAP = auto()
    """A new envelope around its data key and content."""
    RESEAL = auto()
    """A new data key, so new content too."""
    ERASE = auto()
    """No envelope."""


@dataclass(frozen=True, slots=True)
class Task:
    """A record, and what happens to it.

    Attributes:
        entry: Its entry.
        compartment: Where it belongs.
        treatment: What happens.
    """

    entry: Entry
    compartment: int
    treatment: Treatment


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """What was done.

    Attributes:
        moved: Numbers of the records that have new envelopes.
        erased: Numbers of those that were erased.
        receipt: Of the transaction.
        envelopes: Where they were before. Of records that opened and were verified alone: an author can name any
            block, and nothing is dropped on an author's word.
        contents: What was sealed anew or erased, of such records.
    """

    moved: Sequence[int]
    erased: Sequence[int]
    receipt: Receipt = field(repr=False)
    envelopes: Sequence[Cid] = field(repr=False)
    contents: Sequence[Cid] = field(repr=False)


@dataclass(frozen=True)
class Rekeying:
    """One change of keys, and how to go about it.

    Attributes:
        ledger: Chain and store.
        wallet: Decides for the patient now.
        patient: Patient id, EIP-55.
        opening: The keys that open what there is.
        keys: The patient's present keys.
        rotate: Mask of the compartments that get new epochs, whether or not a record of theirs is moved.
        cut: Mask of those whose new epochs lead back to nothing.
        successor: The keys that take the place of ``keys``, if they do.
        passable: Errors of a record for which it is passed over with a warning. Any other one stops the work: the
            record would be lost.
        finish: More calls for the transaction, given the number of the next decision.
        at_once: The calls must not take place one without another: the wallet sends them itself, courier or not.
        progress: Called with 1 for each record whose content or envelope was sealed.
    """

    ledger: Ledger
    wallet: Signer
    patient: str
    opening: RootKeys
    keys: RootKeys
    rotate: int = 0
    cut: int = 0
    successor: RootKeys | None = None
    passable: tuple[type[MedRecError], ...] = (*UNREADABLE, KeyUnavailable)
    finish: Callable[[int], Sequence[Call]] = lambda _: ()
    at_once: bool = False
    progress: Callable[[int], None] = lambda _: None

    def envelope(self, history: History, entry: Entry) -> UnverifiedEnvelope | None:
        """A record's envelope; ``None``, with a warning, if it cannot be had and need not be.

        Raises:
            SurvivorUnreadable: it cannot be had, and without it the record would be lost.
        """
        try:
            return self._chart.envelope(history, entry)
        except UNREADABLE as error:
            self._pass_over(entry, error)
            return None

    def sealed_to(self, history: History, entry: Entry) -> Destination | None:
        """Where a record's envelope is sealed to; ``None`` also for a compartment that is not its entry's.

        Such a one would never verify. Raises and returns as ``envelope``.
        """
        envelope = self.envelope(history, entry)
        return envelope.to if envelope is not None and entry.compartments >> envelope.to.compartment & 1 else None

    def compartment(self, history: History, entry: Entry) -> int | None:
        """Where a record belongs: its entry says it, or, of several compartments, its envelope; as ``envelope``."""
        if entry.compartments.bit_count() == 1:
            return entry.compartments.bit_length() - 1
        envelope = self.envelope(history, entry)
        return None if envelope is None else envelope.to.compartment

    def record(self, history: History, consent: Consent, entry: Entry) -> VerifiedRecord | None:
        """A record, opened and verified; raises and returns as ``envelope``."""
        try:
            return self.open(history, consent, entry)
        except (*UNREADABLE, KeyUnavailable) as error:
            self._pass_over(entry, error)
            return None

    def open(self, history: History, consent: Consent, entry: Entry) -> VerifiedRecord:
        """A record, opened and verified. Raises as ``Chart.verified``."""
        return self._chart.verified(history, consent, entry)

    def seal_contents(self, tasks: Sequence[Task], history: History, journal: Journal) -> None:
        """Seal contents that stand outside their envelopes under new data keys, and store them.

        Those that the journal has are done.
        """
        consent = self.maker.consent()

        def work(task: Task) -> tuple[int, Sealed] | None:
            envelope = self.envelope(history, task.entry)
            if envelope is None or isinstance(envelope.body, bytes):
                return None
            if journal.fits(task.entry.number, envelope.pointer):
                return None
            record = self.record(history, consent, task.entry)
            sealed = None if record is None else self.sealed_anew(task.entry, record)
            return None if sealed is None else (task.entry.number, sealed)

        for done in in_order(work, [task for task in tasks if task.treatment is Treatment.RESEAL]):
            if done is not None:
                journal.add(*done)
                self.progress(1)

    def sealed_anew(self, entry: Entry, record: VerifiedRecord) -> Sealed | None:
        """A record's content under a new data key, stored; raises and returns as ``envelope``."""
        try:
            return seal_and_store(record, self.ledger.store, self.ledger.suite)
        except UNREADABLE as error:
            self._pass_over(entry, error)
            return None

    def publish(self, tasks: Sequence[Task], journal: Journal | None = None) -> Rekeyed:
        """Store new envelopes, manifests and the keyring, and publish all of it in one transaction.

        Args:
            tasks: What happens to which record, in the order of the history.
            journal: The contents that ``seal_contents`` has stored, where records are resealed.

        Raises:
            StaleKeyring, DecisionMismatch: another device decided at the same time: call again.
            SurvivorUnreadable: a record cannot be read, and would be lost.
            StorageError: the store did not take it: nothing changed.
        """
        with self.ledger.trial():
            return _Publication(self, tasks, Journal(bytes(32)) if journal is None else journal).send()

    @cached_property
    def maker(self) -> KeyringMaker:
        """Makes the keyring."""
        return KeyringMaker(self.ledger, self.patient, self.keys)

    @cached_property
    def _chart(self) -> Chart:
        return Chart(self.ledger, self.patient, self.wallet, self.patient, self.opening, Purpose.PATRQT)

    def _pass_over(self, entry: Entry, error: MedRecError) -> None:
        if not isinstance(error, self.passable):
            raise SurvivorUnreadable(
                f"entry {entry.number}, a record that is to stay, cannot be read: {error}"
            ) from error
        warn_unreadable(entry, error)


class _Publication:
    """One attempt to publish."""

    def __init__(self, work: Rekeying, tasks: Sequence[Task], journal: Journal) -> None:
        self._work = work
        self._ledger = work.ledger
        self._place = work.ledger.place(work.patient)
        self._stays = [task for task in tasks if task.treatment is not Treatment.ERASE]
        self._goes = [task for task in tasks if task.treatment is Treatment.ERASE]
        self._journal = journal
        # In this order: another device's keyring that comes in between makes ours stale.
        self._consent = work.maker.consent()
        self._history = work.ledger.history(work.patient)
        self._moved: list[int] = []
        self._envelopes: list[Cid] = []
        self._contents: list[Cid] = []

    def send(self) -> Rekeyed:
        work, consent, now = self._work, self._consent, self._ledger.now()
        names = work.keys.names(consent)
        holders = work.maker.holders(consent, now)
        self._divided = self._divide(holders)
        # A new root secret takes over all compartments, also one that another device has just added.
        rotate = work.rotate if work.successor is None else to_mask(names)
        self._planned = work.maker.plan(
            consent,
            holders,
            rotate=rotate | reduce(or_, (1 << task.compartment for task in self._stays), 0),
            schedule=0,
            now=now,
            audiences={compartment: divided.groups for compartment, divided in self._divided.items()},
            cut=work.cut,
        )
        built = work.maker.store(consent, self._planned, holders, names, work.successor)
        calls = [work.maker.publish(consent, built), *self._manifests()]
        for task in self._goes:
            self._look_at(task)
        receipt = self._ledger.send(work.wallet, *calls, at_once=work.at_once)
        return Rekeyed(
            self._moved, [task.entry.number for task in self._goes], receipt, self._envelopes, self._contents
        )

    def _manifests(self) -> Iterator[Call]:
        """Store manifests, and make the calls that publish them, and what else belongs into the transaction."""
        contract, patient = self._ledger.contract, self._work.patient
        decision = contract.patient_of(patient).decisions + 1
        moved = ManifestBuilder(self._place, self._rows())
        pointer = self._store(moved, self._ledger.put_block)
        if pointer is not None:
            mask = _mask(self._stays)
            yield contract.publish_moved(patient, decision=decision, compartments=mask, pointer=pointer)
            decision += 1
        erased = ErasureBuilder(self._place, (task.entry.number for task in self._goes))
        # Two devices that erase the same records make the same blocks: those of one are not dropped when it fails.
        pointer = self._store(erased, self._ledger.keep_block)
        if pointer is not None:
            mask = _mask(self._goes)
            yield contract.publish_erased(patient, decision=decision, compartments=mask, pointer=pointer)
            decision += 1
        yield from self._work.finish(decision)

    def _store(self, rows: RowsBuilder, put: Callable[[bytes], bytes]) -> bytes | None:
        """Store the pages and the root block; ``None`` if there was no row."""
        for page in rows:
            put(page)
        return put(rows.block) if rows.count else None

    def _look_at(self, task: Task) -> None:
        """Note what an erased record leaves behind, if it opens: junk of an author's is left where it is."""
        try:
            record = self._work.open(self._history, self._consent, task.entry)
            if not isinstance(record.body, bytes):
                first = self._ledger.store.read(Cid.from_bytes(record.body.cid), *_first_chunk(record))
                record.reader().open_chunk(0, first)
        except (*UNREADABLE, KeyUnavailable):
            return
        self._drop(record, content=True)

    def _drop(self, record: VerifiedRecord, *, content: bool) -> None:
        self._envelopes.append(Cid.raw(record.pointer))
        if content and not isinstance(record.body, bytes):
            self._contents.append(Cid.from_bytes(record.body.cid))

    def _rows(self) -> Iterator[Row]:
        """Seal new envelopes, store them, and say where they are; in the order of the history."""
        under_way: deque[int] = deque()

        def sealed() -> Iterator[bytes]:
            for task, block in map(self._envelope, self._stays):  # small work, under the interpreter's lock
                if block is not None:
                    under_way.append(task.entry.number)
                    yield block

        for pointer in self._ledger.put_blocks(sealed()):
            number = under_way.popleft()
            self._moved.append(number)
            self._work.progress(1)
            yield Row(number, 0, pointer)

    def _envelope(self, task: Task) -> tuple[Task, bytes | None]:
        record = self._work.record(self._history, self._consent, task.entry)
        if record is None:
            return task, None
        to, public_key = self._target(task)
        suite = content_suite = self._ledger.suite
        if task.treatment is Treatment.REWRAP:
            self._drop(record, content=False)
            return task, envelopes.rewrap(record, to, public_key, suite)
        if isinstance(record.body, bytes):
            data_key, body = seal_inline(record, suite)
        else:
            sealed = self._content(record, task)
            if sealed is None:
                return task, None
            _, data_key, content_suite, body = sealed
        self._drop(record, content=True)
        return task, envelopes.build(
            self._place,
            to,
            public_key,
            record_id=record.record_id,
            data_key=data_key,
            body=body,
            attestation=record.attestation,
            suite=suite,
            content_suite=content_suite,
        )

    def _content(self, record: VerifiedRecord, task: Task) -> Sealed | None:
        """The content that was sealed before; or sealed now, where the record was moved meanwhile."""
        if not self._journal.fits(task.entry.number, record.pointer):
            sealed = self._work.sealed_anew(task.entry, record)
            if sealed is None:
                return None
            self._journal.add(task.entry.number, sealed)
        return self._journal[task.entry.number]

    def _target(self, task: Task) -> tuple[Destination, bytes]:
        return self._targets[task.compartment][self._divided[task.compartment].group_of(task.entry.block)]

    @cached_property
    def _targets(self) -> dict[int, list[tuple[Destination, bytes]]]:
        """Compartment → its new epochs: one for each group of readers, then those that authors seal to."""
        suite, found = self._ledger.suite, dict[int, list[tuple[Destination, bytes]]]()
        for epoch in self._planned.epochs:
            to = Destination(envelopes.Kind.EPOCH, epoch.id.compartment, epoch.id.number)
            found.setdefault(epoch.id.compartment, []).append((to, suite.public_key(epoch.keys.seed)))
        return found

    def _divide(self, holders: Sequence[Holder]) -> dict[int, Audiences]:
        """The readers of what is moved, compartment by compartment."""
        compartments = {task.compartment for task in self._stays}
        most = room_for_epochs(len(holders)) // 2 // max(1, len(compartments))
        return {
            compartment: audiences.divide(
                self._consent,
                compartment,
                [holder.address for holder in holders if holder.compartments >> compartment & 1],
                {task.entry.block for task in self._stays if task.compartment == compartment},
                max(1, most),
            )
            for compartment in compartments
        }


def _first_chunk(record: VerifiedRecord) -> tuple[int, int]:
    """Offset and length of the first sealed chunk of a record."""
    first, behind = record.reader().sealed_span(0)
    return first, behind - first


def _mask(tasks: Sequence[Task]) -> int:
    return reduce(or_, (task.entry.compartments | 1 << task.compartment for task in tasks), 0)
