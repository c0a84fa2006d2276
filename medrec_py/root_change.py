"""Changing a patient's root secret; and erasing records, which takes the change with it.

After a change the new phrase opens everything: what is sealed to epochs over back-links, what waited in the inbox under
new envelopes. Where records are erased the new epochs of their compartments lead back to nothing, and what survives has
new envelopes. So whoever has the new phrase, and every block that ever was, does not open what was erased. The old
phrase still does, with a stray copy of the blocks: it has to be destroyed.

A wallet that pays for itself sends all of it as one transaction. With a courier, which can leave off anywhere, a change
goes step by step, each signed once the one before is on the chain: the wallet, then the keyring of the new root secret,
who the guardians are, and what only the old secret opens. Where it stops, nothing is lost to whoever has both secrets,
and ``rescue`` goes on from there. (Guardians of who hands a record over for good go first: the wallet that named them
ends them.) An erasure has no such steps, and needs ether.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from medrec_py.chain.events import KeyringPublished
from medrec_py.chain.transactions import Call, Carried, Receipt
from medrec_py.chain.types import Kind as EntryKind
from medrec_py.chain.types import address_bytes
from medrec_py.compartments import to_mask
from medrec_py.crypto.envelope import Kind
from medrec_py.crypto.keys import EpochId
from medrec_py.crypto.typed_data import sign_message
from medrec_py.crypto.wallet_change import WalletChange
from medrec_py.errors import ChainError, FormatError, GuardiansUnknown, IntegrityError, KeyUnavailable, MedRecError
from medrec_py.history import Entry, History
from medrec_py.ledger import Ledger
from medrec_py.leftovers import Leftovers
from medrec_py.rekeying import Rekeyed, Rekeying, Task, Treatment
from medrec_py.retrying import again_when_stale
from medrec_py.root_keys import RootKeys
from medrec_py.wallet import Signer

_OF_NO_USE = (FormatError, IntegrityError, KeyUnavailable)
"""Errors of a late record that stays behind: anybody who may append can write such. A store that fails is no reason."""

AGREEMENT_TIME = 3600
"""Seconds for which a new wallet's agreement counts."""


class EtherLeftBehind(UserWarning):
    """The wallet was changed, and the ether of the old one could not be sent to the new one.

    Send it before the old phrase is destroyed.
    """


@dataclass(frozen=True)
class RootChange:
    """One change of a patient's root secret.

    Attributes:
        ledger: Chain and store.
        patient: Patient id, EIP-55.
        wallet: Decides for the patient now.
        keys: Of the present root secret.
        successor: Of the new one.
        heir: The wallet that decides from then on, if it is another.
        progress: Called with 1 for each record that was given a new envelope.
        leave: Numbers of records that cannot be read, and that may stay behind.
        for_good: The record is handed to somebody else: the old wallet keeps its ether, and ends its guardians before.
        guardians: Given the number of the next decision, the call that lets the new root secret tell who they are;
            ``None`` if there are none, or it does.
    """

    ledger: Ledger
    patient: str
    wallet: Signer
    keys: RootKeys
    successor: RootKeys
    heir: Signer | None
    progress: Callable[[int], None]
    leave: Collection[int] = ()
    for_good: bool = False
    guardians: Callable[[int], Call | None] = lambda _: None

    def run(self, erased: Callable[[Entry], bool] | None = None) -> Rekeyed:
        """Change the root secret, and erase some records.

        The new wallet is sent the ether of the old one, unless that is an account with code. What authors append while
        it goes on is moved afterwards, in a transaction of its own.

        Args:
            erased: Which records are erased; none unless given.

        Raises:
            SurvivorUnreadable: a record that is to stay cannot be read; nothing changed, or as below.
            StorageError, ContractError: nothing changed; or, with a courier, ``rescue`` goes on with what has begun.
            RelayError: so it is, and what was signed last may be carried out yet.
        """
        if erased is None and self.ledger.courier is not None and not self.ledger.only_signs:
            return self._step_by_step()
        rekeyed, length = again_when_stale(lambda: self._attempt(erased or (lambda _: False)))
        self._hand_over_ether()
        late = self._move_late(length, _published(rekeyed.receipt), _OF_NO_USE)
        leftovers = Leftovers(self.ledger, self.patient, self.ledger.history(self.patient))
        leftovers.drop([*rekeyed.envelopes, *(late.envelopes if late else ())], rekeyed.contents)
        return rekeyed

    def rescue(self) -> Sequence[int]:
        """Go on with a change that was interrupted when the new wallet, if there is one, decided already.

        The new root secret takes over, unless it has; is told who the guardians are; and what the old one opens and the
        new one does not is moved. The ether of the old wallet is sent, unless it was.

        Returns:
            Numbers of the records that were moved.

        Raises:
            RootSecretReplaced: the patient has neither of the two root secrets now.
            SurvivorUnreadable: a record cannot be read, and would be lost.
        """
        self._hand_over_ether()
        again_when_stale(self._take_over)
        if not self.for_good:
            self._tell_guardians(self._decider)
        late = self._move_what_waited()
        return () if late is None else late.moved

    # --- one transaction --------------------------------------------------------------------------------------------

    def _attempt(self, erased: Callable[[Entry], bool]) -> tuple[Rekeyed, int]:
        history = self.ledger.history(self.patient)
        gone = _with_repeats(self._records(history, 0), erased)
        work = replace(
            self._work(self.wallet),
            cut=reduce(or_, (entry.compartments for entry in gone), 0),
            finish=self._finish,
            at_once=True,
        )
        tasks = list(self._tasks(work, history, {entry.number for entry in gone}))
        return work.publish(tasks), len(history.entries)

    def _work(self, wallet: Signer) -> Rekeying:
        """The new root secret takes over all compartments; a record that cannot be read stops it."""
        return Rekeying(
            self.ledger,
            wallet,
            self.patient,
            self.keys,
            self.keys,
            rotate=to_mask(self.keys.names(self.ledger.consent(self.patient))),
            successor=self.successor,
            passable=(),
            progress=self.progress,
        )

    def _tasks(self, work: Rekeying, history: History, gone: set[int]) -> Iterator[Task]:
        for entry in self._records(history, 0):
            if entry.number in gone:
                yield Task(entry, entry.compartments.bit_length() - 1, Treatment.ERASE)
                continue
            task = self._survivor(work, history, entry)
            if task is not None:
                yield task

    def _survivor(self, work: Rekeying, history: History, entry: Entry) -> Task | None:
        """What happens to a record that stays: nothing, if the new root secret reaches it where it is."""
        if entry.compartments & work.cut and entry.compartments.bit_count() == 1 and entry.number not in self.leave:
            return Task(entry, entry.compartments.bit_length() - 1, Treatment.REWRAP)
        envelope = None if entry.number in self.leave else work.envelope(history, entry)
        if envelope is None or not (envelope.to.kind is Kind.INBOX or work.cut >> envelope.to.compartment & 1):
            return None
        return Task(entry, envelope.to.compartment, Treatment.REWRAP)

    def _finish(self, decision: int) -> Sequence[Call]:
        onward = self._guardians_onward(decision)
        return (*onward, *self._hand_over(decision + len(onward)))

    def _guardians_onward(self, decision: int) -> Sequence[Call]:
        try:
            call = self.guardians(decision)
        except GuardiansUnknown as error:  # the new secret tells no less than the old one
            warnings.warn(f"the new root secret will not tell who the guardians are: {error}", stacklevel=5)
            return ()
        return () if call is None else (call,)

    def _hand_over(self, decision: int) -> Sequence[Call]:
        return () if self.heir is None else (self._call_to(self.heir, decision),)

    # --- step by step -----------------------------------------------------------------------------------------------

    def _step_by_step(self) -> Rekeyed:
        self._require_readable()
        if self.for_good:
            self._tell_guardians(self.wallet)
        if self.heir is not None:
            self._change_wallet(self.heir)
        rekeyed = again_when_stale(lambda: self._work(self._decider).publish([]))
        if not self.for_good:
            self._tell_guardians(self._decider)
        self._hand_over_ether()
        late = self._move_what_waited()
        if late is None:
            return rekeyed
        Leftovers(self.ledger, self.patient, self.ledger.history(self.patient)).drop(late.envelopes, late.contents)
        return replace(late, receipt=rekeyed.receipt)

    def _require_readable(self) -> None:
        """Open what will have to be moved, while nothing has changed.

        Raises:
            SurvivorUnreadable: a record cannot be read, and would be lost.
        """
        history, consent = self.ledger.history(self.patient), self.ledger.consent(self.patient)
        work = self._work(self._decider)
        for task in self._tasks(work, history, set()):
            work.record(history, consent, task.entry)

    def _change_wallet(self, heir: Signer) -> None:
        """Have the new wallet decide, unless it does: a change that was interrupted goes on."""

        def attempt() -> None:
            stored = self.ledger.contract.patient_of(self.patient)
            if stored.wallet != heir.address:
                self.ledger.send(self.wallet, self._call_to(heir, stored.decisions + 1))

        again_when_stale(attempt)

    def _take_over(self) -> None:
        """Publish the first keyring of the new root secret, unless that was done: what was held back may come late."""
        if self.keys.is_current(self.ledger.consent(self.patient)):
            self._work(self._decider).publish([])

    def _tell_guardians(self, wallet: Signer) -> None:
        """Let the new root secret tell who the guardians are, unless it does."""

        def attempt() -> None:
            decision = self.ledger.contract.patient_of(self.patient).decisions + 1
            with self.ledger.trial():
                calls = self._guardians_onward(decision)
                if calls:
                    self.ledger.send(wallet, *calls)

        again_when_stale(attempt)

    def _move_what_waited(self) -> Rekeyed | None:
        """Move what only the old root secret opens: nothing that was written behind the first keyring of the new one.

        It is all that there was, so what cannot be read stops it.
        """
        history, consent = self.ledger.history(self.patient), self.ledger.consent(self.patient)
        taken_over = self.successor.first_keyring(consent).pointer
        published = (entry for entry in history.entries if entry.kind is EntryKind.KEYRING)
        return self._move_late(0, next(entry.number for entry in published if entry.pointer == taken_over), ())

    # --- both -------------------------------------------------------------------------------------------------------

    @property
    def _decider(self) -> Signer:
        """The wallet that decides in the end."""
        return self.heir or self.wallet

    def _call_to(self, heir: Signer, decision: int) -> Call:
        """The call that hands the patient id to another wallet, which signs that it is there."""
        place, address = self.ledger.place(self.patient), address_bytes(heir.address)
        change = WalletChange(place, address, decision, self.ledger.now() + AGREEMENT_TIME)
        signature = sign_message(heir.sign_typed_data, address, change, self.ledger.check_contract)
        return self.ledger.contract.change_wallet(
            self.patient, heir.address, decision=decision, deadline=change.deadline, signature=signature
        )

    def _hand_over_ether(self) -> None:
        """The old wallet's phrase is to be destroyed, and the new one has to pay for gas.

        An account with code has no phrase, and needed no ether: what it has stays its owners'.
        """
        if self.heir is None or self.for_good or self.ledger.only_signs or isinstance(self.wallet, Carried):
            return
        try:
            self.ledger.transfer_all(self.wallet, self.heir.address)
        except ChainError as error:
            warnings.warn(f"the ether of {self.wallet.address} stays there: {error}", EtherLeftBehind, stacklevel=4)

    def _move_late(self, behind: int, before: int | None, passable: tuple[type[MedRecError], ...]) -> Rekeyed | None:
        """Move what was sealed to the old keys between the two numbers, and that the new root secret does not open."""

        def attempt() -> Rekeyed | None:
            history = self.ledger.history(self.patient)
            work = Rekeying(
                self.ledger,
                self._decider,
                self.patient,
                self.keys,
                self.successor,
                passable=passable,
                progress=self.progress,
            )
            late = [
                entry
                for entry in self._records(history, behind)
                if entry.number not in self.leave and (before is None or entry.number < before)
            ]
            tasks = [task for entry in late if (task := self._stranded(work, history, entry)) is not None]
            return work.publish(tasks) if tasks else None

        return again_when_stale(attempt)

    def _stranded(self, work: Rekeying, history: History, entry: Entry) -> Task | None:
        """What happens to a record that may have been sealed to the old keys; nothing, if the new ones open it."""
        to = work.sealed_to(history, entry)
        if to is None:
            return None
        consent = self.ledger.consent(self.patient)
        if to.kind is Kind.INBOX:
            reached = to.number >= self.successor.inbox(consent, self.ledger.suite).number
        else:
            reached = self.successor.reaches(consent, EpochId(to.compartment, to.number))
        return None if reached else Task(entry, to.compartment, Treatment.REWRAP)

    def _records(self, history: History, behind: int) -> Iterator[Entry]:
        """The records behind an entry that were not erased."""
        whereabouts = self.ledger.whereabouts(history, self.ledger.place(self.patient))
        return whereabouts.live(history.entries[behind:])


def _with_repeats(records: Iterable[Entry], erased: Callable[[Entry], bool]) -> list[Entry]:
    """The records that are erased, and those that repeat one of them: the same statement of the same author.

    Not all that name the same envelope: anybody who may append could have a record erased together with junk.
    """
    records = list(records)
    claims = {(entry.author, entry.claim) for entry in records if erased(entry)}
    return [entry for entry in records if (entry.author, entry.claim) in claims]


def _published(receipt: Receipt) -> int | None:
    """The number of the keyring's entry; ``None`` if the node does not show it, so that all behind are looked at."""
    published = next(receipt.every(KeyringPublished), None)
    return None if published is None else published.state_before.length + 1
