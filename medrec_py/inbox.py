"""Moving records out of the inbox, where they were sealed while keys were changing (docs/format.md §9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from medrec_py.chain.types import Kind as EntryKind
from medrec_py.crypto.envelope import Kind
from medrec_py.history import Entry, History
from medrec_py.ledger import Ledger
from medrec_py.rekeying import Rekeyed, Rekeying, Task, Treatment
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
        self._keys = keys
        self._recent = recent

    def move(self, progress: Callable[[int], None] | None = None, *, rotate: int = 0) -> Rekeyed | None:
        """Move what waits to new epochs of its readers, in one transaction with the keyring that begins them.

        So if a reader is revoked before it is mined, the keyring is stale, and nothing that was sealed is published. A
        record that is damaged or is in no store stays where it is, with the warning ``RecordUnreadable``.

        Args:
            progress: Called with 1 for each record that was moved.
            rotate: Mask of compartments that get new epochs as well.

        Returns:
            What was done; ``None``, with nothing sent, if nothing waits.

        Raises:
            StorageError: the store does not answer or take the new envelopes; nothing was moved then.
            StaleKeyring, DecisionMismatch: another device decided at the same time; call again.
        """
        history = self._ledger.history(self._patient)
        work = Rekeying(
            self._ledger,
            self._wallet,
            self._patient,
            self._keys,
            self._keys,
            rotate=rotate,
            progress=progress or (lambda _: None),
        )
        tasks = [task for entry in self._candidates(history) if (task := self._task(work, history, entry)) is not None]
        return work.publish(tasks) if tasks else None

    def _task(self, work: Rekeying, history: History, entry: Entry) -> Task | None:
        to = work.sealed_to(history, entry)
        return Task(entry, to.compartment, Treatment.REWRAP) if to is not None and to.kind is Kind.INBOX else None

    def _candidates(self, history: History) -> Iterator[Entry]:
        whereabouts = self._ledger.whereabouts(history, self._ledger.place(self._patient))
        first = 1
        if self._recent:
            keyrings = [entry.number for entry in history.entries if entry.kind is EntryKind.KEYRING]
            first = keyrings[-2] if len(keyrings) > 1 else 1
        return whereabouts.live(history.entries[first - 1 :])
