"""Giving old records new data keys, so that keys which somebody kept open nothing that is still stored.

It cannot take back what somebody has read, nor blocks that others copied: those stay under the old keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from medrec_py.crypto.keys import RootSecret
from medrec_py.errors import ChainUnavailable, MedRecError, TransactionTimeout
from medrec_py.history import Entry, History
from medrec_py.journal import Journal
from medrec_py.ledger import Ledger
from medrec_py.leftovers import Leftovers
from medrec_py.rekeying import Rekeyed, Rekeying, Task, Treatment
from medrec_py.retrying import again_when_stale
from medrec_py.root_keys import RootKeys
from medrec_py.storage.cid import Cid
from medrec_py.wallet import Signer


class Resealer:
    """Seals records of one patient anew.

    Args:
        ledger: Chain and store.
        wallet: Decides for the patient.
        patient: Patient id, EIP-55.
        root: The patient's root secret.
        keys: The same, opened.
    """

    def __init__(self, ledger: Ledger, wallet: Signer, patient: str, root: RootSecret, keys: RootKeys) -> None:
        self._ledger = ledger
        self._wallet = wallet
        self._patient = patient
        self._root = root
        self._keys = keys

    def reseal(
        self, wanted: Callable[[Entry], bool], journal: Path | None, progress: Callable[[int], None]
    ) -> Rekeyed | None:
        """Seal records anew, and let the store drop what they were.

        Args:
            wanted: Which; erased ones are passed over.
            journal: File in which what is done already is kept; it is removed at the end.
            progress: Called with 1 for each record whose content or envelope was sealed.

        Returns:
            What was done; ``None`` if there was nothing to do.
        """
        history = self._ledger.history(self._patient)
        work = Rekeying(self._ledger, self._wallet, self._patient, self._keys, self._keys, progress=progress)
        tasks = list(self._tasks(work, history, wanted))
        if not tasks:
            return None
        done = self._journal(journal)
        try:
            work.seal_contents(tasks, history, done)
            rekeyed = again_when_stale(lambda: work.publish(tasks, done))
        except MedRecError as error:
            # Without a journal nobody would find the contents again; but what may be mined yet has to stay.
            if journal is None and not isinstance(error, ChainUnavailable | TransactionTimeout):
                self._drop(done, (), ())
            raise
        self._drop(done, rekeyed.envelopes, rekeyed.contents)
        done.close()
        return rekeyed

    def give_up(self, journal: Path) -> None:
        """Drop what an interrupted work has stored, as far as nothing came of it, and the journal.

        Raises:
            FormatError: the journal is of another patient or root secret.
        """
        if journal.exists():
            done = self._journal(journal)
            self._drop(done, (), ())
            done.close()

    def _journal(self, path: Path | None) -> Journal:
        return Journal(self._root.journal_key(self._ledger.place(self._patient)), path)

    def _drop(self, done: Journal, envelopes: Iterable[Cid], contents: Iterable[Cid]) -> None:
        """Let the store drop what the records were before, and contents in the journal that nothing came of."""
        sealed = (Cid.from_bytes(done[entry].body.cid) for entry in done)
        history = self._ledger.history(self._patient)
        Leftovers(self._ledger, self._patient, history).drop(envelopes, {*contents, *sealed})

    def _tasks(self, work: Rekeying, history: History, wanted: Callable[[Entry], bool]) -> Iterator[Task]:
        whereabouts = self._ledger.whereabouts(history, self._ledger.place(self._patient))
        for entry in whereabouts.live(filter(wanted, history.entries)):
            compartment = work.compartment(history, entry)
            if compartment is not None:
                yield Task(entry, compartment, Treatment.RESEAL)
