"""Moving records out of the inbox, where they were sealed while keys were changing (docs/format.md §9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from operator import or_

from medrec_py import author_rule
from medrec_py.chain.types import Kind
from medrec_py.chart import UNREADABLE, Chart, warn_unreadable
from medrec_py.consent import Consent
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto.envelope import VerifiedRecord
from medrec_py.crypto.keys import EpochId
from medrec_py.crypto.manifest import ManifestBuilder, Row
from medrec_py.errors import KeyUnavailable
from medrec_py.history import Entry, History
from medrec_py.ledger import Ledger
from medrec_py.purposes import Purpose
from medrec_py.root_keys import RootKeys
from medrec_py.wallet import Signer


class InboxMover:
    """Finds what waits in a patient's inbox, seals new envelopes, and publishes where they are.

    Args:
        ledger: Chain and store.
        wallet: Decides for the patient.
        patient: Patient id, EIP-55.
        keys: The patient's.
        recent: Look only at what came since the keyring before the last: all that a rotation can have left behind.
    """

    def __init__(self, ledger: Ledger, wallet: Signer, patient: str, keys: RootKeys, *, recent: bool = False) -> None:
        self._ledger = ledger
        self._wallet = wallet
        self._patient = patient
        self._chart = Chart(ledger, patient, wallet, patient, keys, Purpose.PATRQT)
        self._recent = recent

    def move(self, progress: Callable[[int], None] | None) -> int:
        """Move what can be moved now. Returns the number of records.

        A record that is damaged or is in no store stays where it is, with the warning ``RecordUnreadable``. One that
        somebody without HISTORY could open then, who was granted reading after it was written, stays in the inbox.

        Raises:
            StorageError: the store does not answer or take the new envelopes; nothing was moved then.
            DecisionMismatch: another device decided at the same time; call again.
        """
        with self._ledger.trial():
            return self._move(progress)

    def _move(self, progress: Callable[[int], None] | None) -> int:
        history = self._ledger.history(self._patient)
        moved = list(self._rows(history, progress))
        if not moved:
            return 0
        place = self._ledger.place(self._patient)
        builder = ManifestBuilder(place, (row for row, _ in moved))
        for page in builder:
            self._ledger.put_block(page)
        pointer = self._ledger.put_block(builder.block)
        decision = self._ledger.contract.patient_of(self._patient).decisions + 1
        mask = reduce(or_, (entry.compartments for _, entry in moved))
        call = self._ledger.contract.publish_moved(self._patient, decision=decision, compartments=mask, pointer=pointer)
        self._ledger.send(self._wallet, call)
        return len(moved)

    def _rows(self, history: History, progress: Callable[[int], None] | None) -> Iterator[tuple[Row, Entry]]:
        for entry in self._candidates(history):
            row = self._row(history, entry)
            if progress is not None:
                progress(1)
            if row is not None:
                yield row, entry

    def _row(self, history: History, entry: Entry) -> Row | None:
        """The record's new place; ``None`` if it is not in the inbox, or has to stay there."""
        try:
            if self._chart.envelope(history, entry).to.kind is not envelopes.Kind.INBOX:
                return None
            # Anew for each one that is moved: moving many takes long, and a grant meanwhile changes what may be.
            consent = self._ledger.consent(self._patient)
            record = self._chart.verified(history, consent, entry)
        except (*UNREADABLE, KeyUnavailable) as error:
            warn_unreadable(entry, error)
            return None
        return self._moved(consent, entry, record)

    def _moved(self, consent: Consent, entry: Entry, record: VerifiedRecord) -> Row | None:
        target = author_rule.choose(
            consent,
            record.to.compartment,
            self._ledger.now(),
            lambda readers, at: self._ledger.readers_at(self._patient, readers, at),
        )
        to = target.destination
        if to.kind is envelopes.Kind.INBOX:
            return None
        holders = consent.holders_of(EpochId(to.compartment, to.number))
        if not all(consent.may_read_from(holder, to.compartment, entry.block) for holder in holders):
            return None
        block = envelopes.rewrap(record, to, target.public_key, target.suite)
        return Row(entry.number, 0, self._ledger.put_block(block))

    def _candidates(self, history: History) -> Iterator[Entry]:
        first = 1
        if self._recent:
            keyrings = [entry.number for entry in history.entries if entry.kind is Kind.KEYRING]
            first = keyrings[-2] if len(keyrings) > 1 else 1
        return (entry for entry in history.entries[first - 1 :] if entry.kind is Kind.RECORD)
