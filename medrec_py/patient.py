"""The patient: registers, grants, revokes, rotates, and reads everything."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from medrec_py import compartments as names_of
from medrec_py import guardianship
from medrec_py.access_report import HadAccess, who_had_access
from medrec_py.answering import Answered, Answering, ReceivedRequest, ReceivedRequests
from medrec_py.chain.transactions import Call, Receipt
from medrec_py.chain.types import Flag, address_bytes, to_address
from medrec_py.chart import Appended, Chart, TimelineEntry
from medrec_py.consent import Consent
from medrec_py.crypto.decisions import Register
from medrec_py.crypto.exchange import UnverifiedExchange
from medrec_py.crypto.keys import RootSecret
from medrec_py.crypto.signed_decisions import Bundle
from medrec_py.crypto.typed_data import sign_message
from medrec_py.deciding import Decider, Granted, KeysNotRotated, Revoked, Wanted
from medrec_py.decision_log import DecisionLine, decision_lines
from medrec_py.drawer import sign_only
from medrec_py.errors import (
    InvalidInput,
    MedRecError,
    RecoveryOver,
    RootSecretMissing,
    RootSecretReplaced,
    StorageError,
)
from medrec_py.guardians import GuardianKeeper, GuardiansStay, GuardianStatus, under_way
from medrec_py.guardianship import GuardianShare
from medrec_py.healing import Healed, PermissionHealer, StalePermission
from medrec_py.inbox import InboxMover
from medrec_py.keyring_maker import KeyringMaker
from medrec_py.ledger import Ledger
from medrec_py.leftovers import Leftovers
from medrec_py.party import Account, Party, address_of
from medrec_py.permission_lines import PermissionLine, permission_lines
from medrec_py.purposes import Purpose, purposes_in, purposes_mask
from medrec_py.records import Progress, Record, Source
from medrec_py.rekeying import Rekeyed
from medrec_py.resealing import Resealer
from medrec_py.retrying import again_when_stale
from medrec_py.root_change import RootChange
from medrec_py.root_keys import RootKeys
from medrec_py.times import Moment, as_datetime, unix_time
from medrec_py.wallet import Locked, Signer, require_root


class BlocksNotRemoved(UserWarning):
    """Records were erased, and the store has not removed their blocks yet. They open no more all the same.

    Have the store remove what nothing pins, and look into its log.
    """


@dataclass(frozen=True, slots=True)
class Resealed:
    """Records that were given new data keys.

    Attributes:
        records: Their numbers.
        receipt: Of the transaction; ``None`` if there was nothing to do.
    """

    records: tuple[int, ...]
    receipt: Receipt | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class RootChanged:
    """Another root secret was taken.

    Attributes:
        moved: Numbers of the records that had to be given new envelopes for it.
        receipt: Of the transaction.
    """

    moved: tuple[int, ...]
    receipt: Receipt = field(repr=False)


@dataclass(frozen=True, slots=True)
class Erased:
    """Records that were erased.

    Attributes:
        records: Their numbers.
        survivors: Numbers of the records that were given new envelopes for it.
        had_access: Who could read them before; readers may have kept copies.
        receipt: Of the transaction.
    """

    records: tuple[int, ...]
    survivors: tuple[int, ...]
    had_access: tuple[HadAccess, ...]
    receipt: Receipt = field(repr=False)


class Patient(Party):
    """A patient, with the wallet and the root secret.

    Args:
        ledger: Chain and store.
        wallet: Decides for the patient.
        root: Opens everything of the patient's. Whoever has it can read the record: keep the phrase it comes from.
        patient: The patient id, if it is not the wallet's address. With another wallet than the one that decides for
            it, the whole record can be read, and nothing be decided.
    """

    def __init__(self, ledger: Ledger, wallet: Signer, root: RootSecret, patient: str | None = None) -> None:
        super().__init__(ledger, wallet)
        self._id = wallet.address if patient is None else to_address(patient)
        self._root = root
        self._keys = RootKeys(root)
        self._maker = KeyringMaker(ledger, self._id, self._keys)
        self._place = ledger.place(self._id)

    @property
    def id(self) -> str:
        """The patient id, EIP-55: the address that was first registered."""
        return self._id

    @property
    def address(self) -> str:
        """The patient id: what others name the patient by, whichever wallet decides for it now."""
        return self._id

    # --- registering ------------------------------------------------------------------------------------------------

    def register(self, compartments: Iterable[str] = ("general",), *, identity: Signer | None = None) -> Patient:
        """Register, and publish the first keyring, in one transaction.

        A newborn is registered under a parent's wallet: ``identity`` is a new wallet, whose address is the patient id
        for good and whose key signs this once and is not needed again. The parent decides until ``hand_over``::

            newborn = medrec.Wallet.create()
            anna = net.patient(mother, patient=newborn).register(identity=newborn)

        Args:
            compartments: Names of the parts of the record that can be granted separately. More can be added later.
            identity: Signs for the patient id, where that is not the wallet's address.

        Returns:
            This patient.

        Raises:
            AlreadyRegistered: the id is registered.
            InvalidInput: a name cannot be used, or ``identity`` is not the patient id's.
            StorageError: the store did not take the keyring: nothing was registered.
        """
        numbers = names_of.assign_numbers(compartments)
        if not numbers:
            raise InvalidInput("a record needs at least one compartment")
        consent = self._maker.consent()
        planned = self._maker.plan(consent, [], rotate=names_of.to_mask(numbers), schedule=0, now=0)
        contract = self._ledger.contract
        with self._ledger.trial():
            keyring = self._maker.call(consent, planned, [], numbers)
            # Whoever sends signatures for a wallet may have sent the one for the registration alone.
            begun = contract.patient_of(self.id).wallet == self._wallet.address and not consent.keyrings.own
            self._ledger.send(self._wallet, *([] if begun else [self._registration(identity)]), keyring)
        return self

    def _registration(self, identity: Signer | None) -> Call:
        """The call that registers the id; with both signatures, where its key is not the wallet's."""
        if self.id == self._wallet.address:
            return self._ledger.contract.register()
        if identity is None or identity.address != self.id:
            raise InvalidInput(f"the key of the patient id {self.id} signs its registration: give it as identity=")
        me = address_bytes(self._wallet.address)
        form = Register(self._place, me, self._ledger.now() + self._ledger.signed_for)
        check = self._ledger.check_contract
        own = sign_message(identity.sign_typed_data, address_bytes(self.id), form, check)
        return self._ledger.contract.register_signed(
            form, own, sign_message(self._wallet.sign_typed_data, me, form, check)
        )

    @property
    def is_registered(self) -> bool:
        """Whether the id is registered."""
        return self._ledger.contract.patient_of(self.id).is_registered

    def add_compartment(self, *names: str) -> Receipt:
        """Add compartments to the record.

        Raises:
            InvalidInput: a name cannot be used or is there already.
        """

        def attempt() -> Receipt:
            consent = self._maker.consent()
            there = self._keys.names(consent)
            if taken := set(map(names_of.check_name, names)) & set(there.values()):
                raise InvalidInput(f"there is a compartment {taken.pop()!r} already")
            added = names_of.assign_numbers(names, there)
            planned = self._maker.plan(consent, [], rotate=names_of.to_mask(added), schedule=0, now=0)
            with self._ledger.trial():
                return self._ledger.send(self._wallet, self._maker.call(consent, planned, [], {**there, **added}))

        return again_when_stale(attempt)

    def compartments(self) -> Mapping[int, str]:
        """Number → name of all compartments."""
        return self._keys.names(self._ledger.consent(self.id))

    # --- deciding ---------------------------------------------------------------------------------------------------

    def grant(
        self,
        grantee: Account,
        *,
        read: Iterable[str] = (),
        append: Iterable[str] = (),
        purpose: str | Purpose | Iterable[str | Purpose] = Purpose.TREAT,
        expires: Moment,
        starts: Moment | None = None,
        history: bool = False,
    ) -> Granted:
        """Grant, in place of what the grantee had.

        The keys go along: sealed to the grantee's published key, for the compartments that may be read. Without
        ``history`` they begin with a new epoch, so nothing earlier opens. The epoch that begins when the permission
        ends is published with it.

        Args:
            grantee: Whom; needs a published profile.
            read: Names of the compartments that may be read.
            append: Names of those that may be appended to.
            purpose: One purpose of use, or several.
            expires: First moment after the permission.
            starts: First moment of it; at once unless given. Only for permissions without ``read``.
            history: What was written before may be read too.

        Raises:
            ProfileNotFound: the grantee has published no key.
            ProfileOutdated: the grantee's published key is of another suite than the deployment's.
            InvalidInput: a compartment, purpose or moment cannot be used.
            StorageError: the store did not take the keys: nothing was granted.
            ContractError: the contract refused.
        """
        flags = Flag.HISTORY if history else Flag(0)
        wanted = Wanted(tuple(read), tuple(append), purposes_mask(purpose), expires, starts, flags)
        return self._grant(grantee, wanted)

    def appoint(
        self,
        representative: Account,
        *,
        compartments: Iterable[str],
        append: Iterable[str] | None = None,
        purpose: str | Purpose | Iterable[str | Purpose] = (Purpose.TREAT, Purpose.FAMRQT),
        until: Moment,
        history: bool = True,
    ) -> Granted:
        """Name a representative, in place of what it had: a parent, a carer, an attorney.

        It reads the compartments, and decides about them for the patient within these limits: grants, revokes, and
        changes keys (``Network.representative``). It can't name another, nor touch what goes beyond its limits. It is
        revoked like any grantee; what it granted stays then: ``granted_by`` lists it.

        Args:
            representative: Whom; needs a published profile.
            compartments: Names of those that it reads and decides about.
            append: Names of those that it may let others append to; the same unless given.
            purpose: For which purposes of use it reads and may grant: treatment, and at the family's request, unless
                others are given.
            until: First moment after it. For a minor, majority: ``medrec.majority(born)``.
            history: What was written before belongs to it, too. Without, it can make no new keys, since they lead
                back to it: its revocations then wait for the patient's ``rotate``.

        Raises:
            As ``grant``.

        Warning: what a representative granted survives its end.
        """
        read = tuple(compartments)
        flags = Flag.MANAGE | (Flag.HISTORY if history else Flag(0))
        to_append = read if append is None else tuple(append)
        return self._grant(representative, Wanted(read, to_append, purposes_mask(purpose), until, None, flags))

    def revoke(self, grantee: Account) -> Revoked:
        """End whatever the grantee was granted, and change the keys, in one transaction.

        It works whatever else does not: where new keys cannot be made or stored, the permission is revoked on chain all
        the same, with the warning ``KeysNotRotated``; authors then seal to the inbox, and ``rotate`` finishes the work.

        Raises:
            ChainError: the chain did not take it. Nothing else keeps it from happening.
        """
        return self._decider.revoke(address_of(grantee), self._empty_inbox_or_warn)

    def rotate(self, *compartments: str) -> Receipt:
        """Begin a new epoch, sealed to those who may read now, and move over what waits in the inbox.

        Args:
            compartments: Their names; all of them unless given.

        Raises:
            StorageError: the store did not take the keyring: nothing changed.
            ContractError: the contract refused.
        """
        return again_when_stale(lambda: self._rotate_and_move(self._mask_of(compartments)))

    def empty_inbox(self, progress: Callable[[int], None] | None = None) -> int:
        """Move what waits in the inbox to its compartments. Order, statements and claims stay as they are.

        Args:
            progress: Called with 1 for each record that was moved.

        Returns:
            How many records were moved.
        """
        mover = InboxMover(self._ledger, self._wallet, self.id, self._keys)
        moved = again_when_stale(lambda: mover.move(progress))
        return 0 if moved is None else len(moved.moved)

    def signed(self, decide: Callable[[Patient], object], *, valid: timedelta = timedelta(hours=1)) -> Bundle:
        """Sign what would be sent, and send nothing: for a device without ether, or without a way to a relayer.

        The bundle can be sent by whoever has it (``medrec relay send``, ``Network.carry``), and altered by nobody::

            bundle = alice.signed(lambda patient: patient.revoke(hospital))

        Args:
            decide: Takes one decision of the patient that it is given.
            valid: How long the signatures count. Until then whoever has them can send them: keep it short.

        Raises:
            InvalidInput: ``valid`` is not positive, nothing was decided, or it is a decision that the wallet has to
                send itself: erasing, another root secret, and what moves records (a grant, too, while records wait in
                the inbox: `rotate` before).
            MedRecError: what the decision raises. Nothing was signed.
        """
        return sign_only(
            self._ledger, lambda ledger: decide(Patient(ledger, self._wallet, self._root, self._id)), valid
        )

    # --- being asked --------------------------------------------------------------------------------------------------

    def requests(self) -> ReceivedRequests:
        """What providers ask for: opened, with signature and standing checked. What does not count is left out.

        Raises:
            InvalidInput: no relayer is known.
            RelayerUnavailable: it does not answer.
            ChainUnavailable: the node does not.
        """
        return self._answering().requests()

    def grant_request(
        self,
        request: ReceivedRequest,
        *,
        read: Iterable[str] = (),
        append: Iterable[str] = (),
        purpose: str | Purpose | Iterable[str | Purpose] | None = None,
        expires: Moment | None = None,
        history: bool = False,
        reason: str = "",
    ) -> Answered:
        """Grant what was asked for, or less, and answer so. As ``grant``, in place of what the provider had.

        Args:
            request: From ``requests``.
            read: Names of the compartments that may be read.
            append: Names of those that may be appended to.
            purpose: Of those asked for; all of them unless given.
            expires: Not after what was asked for, which it is unless given.
            history: What was written before may be read too, if that was asked for.
            reason: For the requester, in words.

        Returns:
            What was granted and answered. Where the answer cannot be posted the grant stands, with the warning
            ``AnswerNotPosted``.

        Raises:
            InvalidInput: it is more than was asked for, nothing, or not this wallet's to decide.
            AnsweredAlready: it was answered before.
            RequestNotFound: its time is over.
            NotPermitted: who asked may no longer ask.
            Otherwise as ``grant``. Nothing was granted then.
        """
        read_names, append_names = tuple(read), tuple(append)
        purposes = request.purposes if purpose is None else purposes_in(purposes_mask(purpose))
        expiry = request.expiry if expires is None else unix_time(expires, self._ledger.now())
        answering = self._answering()
        answering.require_within(
            request, read=read_names, append=append_names, purposes=purposes, expiry=expiry, history=history
        )

        def grant() -> Granted:
            return self.grant(
                request.on_behalf_of,
                read=read_names,
                append=append_names,
                purpose=purposes,
                expires=expiry,
                history=history,
            )

        return answering.grant(request, reason, grant)

    def refuse_request(self, request: ReceivedRequest, reason: str = "") -> Answered:
        """Refuse, and answer so. What the provider has already stays as it is.

        Args:
            request: From ``requests``.
            reason: For the requester, in words.

        Raises:
            MailRefused, RelayerUnavailable: the relayer did not take the answer.
            Otherwise as ``grant_request``.
        """
        return self._answering().refuse(request, reason)

    def post_answer(self, document: bytes) -> None:
        """Hand an answer over once more, to a relayer that has lost it, or to another.

        Args:
            document: What ``Exchange.to_json`` wrote.

        Raises:
            FormatError, AccessMismatch, SignatureMissing: it is no exchange, or was altered.
            InvalidInput: there is no answer of this patient's in it.
            MailRefused, RelayerUnavailable: the relayer did not take it.
        """
        kept = UnverifiedExchange.from_json(document).verify(self._ledger.check_contract)
        self._answering().post(kept)

    def _answering(self) -> Answering:
        return Answering(self._ledger, self._wallet, self.id, self._keys)

    # --- keys -------------------------------------------------------------------------------------------------------

    def reseal(
        self,
        *records: int,
        compartments: Iterable[str] = (),
        journal: str | os.PathLike[str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Resealed:
        """Give old records new data keys, under new epochs, and let the store drop what they were.

        So keys that a former reader kept open nothing that is still stored. What it has read or copied it keeps.

        Args:
            records: Numbers of the records; with ``compartments``, theirs as well; all records if neither is given.
            compartments: Names of compartments.
            journal: File in which what is done already is kept, so that the work goes on after an interruption.
            progress: Called with 1 for each record that was sealed.

        Raises:
            RecordNotFound: there is no record of a number.
            StorageError: the store did not take it: nothing changed, and with a journal the work can be gone on with.
            ContractError: the contract refused.
        """
        chosen = self._chosen(records, compartments, everything=not records and not compartments)
        done = self._resealer().reseal(
            lambda entry: entry.number in chosen, None if journal is None else Path(journal), progress or _silent
        )
        return Resealed((), None) if done is None else Resealed(tuple(done.moved), done.receipt)

    def change_root(
        self,
        root: RootSecret | None = None,
        *,
        wallet: Signer | None = None,
        leave: Collection[int] = (),
        progress: Callable[[int], None] | None = None,
    ) -> RootChanged:
        """Take another root secret, and another wallet with it if one is given. This object goes on with them.

        For a phrase that somebody may have seen, and after guardians used their shares.

        Args:
            root: The new root secret; the new wallet's own unless given.
            wallet: Decides for the patient from then on.
            leave: Numbers of records that cannot be read, and may stay behind.
            progress: Called with 1 for each record that was moved.

        Raises:
            RootSecretMissing: neither a root secret nor a wallet with one is given.
            SurvivorUnreadable: a record cannot be read, so that it may be lost; nothing changed; but see below.
            StorageError, ContractError: nothing changed; but see below.
            RelayError: the courier did not do it; it may still be done until the signatures' deadline.

        Without a courier it is one transaction. With one the new wallet decides first and the rest follows step by
        step, so after an error the new wallet may decide already (``Network.controls``): keep both root secrets, and
        have the patient of the new wallet and root secret ``rescue(old)``.

        Warning: the old root secret still opens what was sealed before.
        """
        done = self._change_root(set(), root, wallet, leave, progress)
        return RootChanged(tuple(done.moved), done.receipt)

    def hand_over(
        self,
        wallet: Signer,
        root: RootSecret | None = None,
        *,
        leave: Collection[int] = (),
        progress: Callable[[int], None] | None = None,
    ) -> Patient:
        """Hand the record to another wallet and root secret for good: a child's to the child, when it is of age.

        One transaction, or with a courier several, which this goes on with when it is called again. This object goes
        on with nothing: its wallet no longer decides, and its root secret opens nothing that is written from then on.
        What it granted stays granted, and its ether is left where it is. Its guardians go, after their delay, with the
        warning ``GuardiansStay``: until then they can hand the record to yet another wallet.

        Args:
            wallet: Decides from then on. It signs that it is there, and needs ether of its own, or a relayer.
            root: The new root secret; the new wallet's own unless given.
            leave: Numbers of records that cannot be read, and may stay behind.
            progress: Called with 1 for each record that was moved.

        Returns:
            The patient with the new wallet.

        Raises:
            InvalidInput: it is the same wallet, or the patient had this root secret before.
            RootSecretMissing: the new wallet has none, and none is given.
            SurvivorUnreadable: a record cannot be read, so that it may be lost; nothing changed, or as below.
            StorageError, ContractError: nothing changed; or, with a courier, call it again.
            RelayError: call it again; until the signatures' deadline they may be carried out.

        Warning: the new keys are made on this machine. Have the new wallet's own device ``rotate()`` once, and look
            through ``permissions()``; the old root secret still opens what was sealed before.
        """
        if wallet.address == self._wallet.address:
            raise InvalidInput("hand the record over to another wallet; change_root() takes another root secret alone")
        if self._ledger.contract.patient_of(self.id).wallet == wallet.address:
            heir = Patient(self._ledger, wallet, self._new_root(root, wallet, begun=True), self._id)
            heir._change(self._wallet, self._root, heir._root, wallet, progress, leave, for_good=True).rescue()
        else:
            heir = Patient(self._ledger, self._wallet, self._root, self._id)
            heir._change_root(set(), root, wallet, leave, progress, for_good=True)
        heir._warn_of_guardians()
        return heir

    def _warn_of_guardians(self) -> None:
        state, now = self._ledger.contract.guardianship_of(self.id), self._ledger.chain.now()
        if state.is_recovering:
            message = f"a recovery to the wallet {state.wallet} is under way, and goes on"
        elif not any(state.in_force(now)):
            return
        elif state.since > now:
            message = f"the guardians of before count until {as_datetime(state.since):%Y-%m-%d %H:%M} UTC"
        else:  # who they are could not be read, so they could not be removed
            message = "the guardians of before still count"
        warnings.warn(message, GuardiansStay, stacklevel=3)

    def erase(
        self,
        *records: int,
        compartments: Iterable[str] = (),
        everything: bool = False,
        root: RootSecret | None = None,
        wallet: Signer | None = None,
        leave: Collection[int] = (),
        progress: Callable[[int], None] | None = None,
    ) -> Erased:
        """Erase records by shredding their keys, and remove their blocks from the store.

        The root secret changes, since the old one would open what was erased: whoever has the new phrase and every
        block that ever was does not. Survivors get new envelopes; their contents stay.

        Args:
            records: Numbers of the records.
            compartments: Names of compartments of which all records are erased.
            everything: All records.
            root: The new root secret; the new wallet's own unless given.
            wallet: Decides for the patient from then on: the old one's phrase has to be destroyed.
            leave: Numbers of records that cannot be read, and may stay behind.
            progress: Called with 1 for each survivor that was moved.

        Returns:
            What was erased, and who could read it before.

        Raises:
            InvalidInput: nothing is named that could be erased.
            RecordNotFound: there is no record of a number.
            RootSecretMissing: neither a root secret nor a wallet with one is given.
            SurvivorUnreadable: a record that is to stay cannot be read, and would be lost; nothing changed.
            StorageError, ContractError: nothing changed.

        Warning: destroy the old phrase and all shares of it: with a stray copy of the blocks they still open what was
            erased. Copies that readers have made are beyond reach.
        """
        chosen = self._chosen(records, compartments, everything=everything)
        if not chosen:
            raise InvalidInput("nothing was named that could be erased: give records, compartments, or everything")
        history = self._ledger.history(self.id)
        had = who_had_access(self._ledger.decisions(self.id), [history.record(number) for number in sorted(chosen)])
        done = self._change_root(chosen, root, wallet, leave, progress)
        try:
            self._ledger.store.collect()
        except StorageError as error:
            warnings.warn(f"erased, but blocks were not removed: {error}", BlocksNotRemoved, stacklevel=2)
        return Erased(tuple(done.erased), tuple(done.moved), tuple(had), done.receipt)

    def rescue(
        self,
        old: RootSecret,
        *,
        wallet: Signer | None = None,
        leave: Collection[int] = (),
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Go on with a change of the root secret that was interrupted when this wallet decided already.

        The root secret takes over, unless it has, and what only the earlier one opens is moved.

        Args:
            old: The root secret before.
            wallet: The wallet before, if its ether is to be sent to the present one.
            leave: Numbers of records that cannot be read, and that may stay behind.
            progress: Called with 1 for each record that was moved.

        Returns:
            How many records were moved.

        Raises:
            InvalidInput: the patient never had ``old``, or this root secret is the same one, or no later one.
            RootSecretReplaced: the patient has neither of the two now.
            SurvivorUnreadable: a record cannot be read, and is not to stay behind.
            StorageError, ContractError, RelayError: call it again.
        """
        consent, before = self._ledger.consent(self.id), RootKeys(old)
        if old == self._root or not before.was_used(consent):
            raise InvalidInput(f"this is not the root secret that {self.id} had before")
        if not self._keys.is_current(consent):
            if self._keys.was_used(consent):
                raise InvalidInput(f"this root secret is an earlier one of {self.id}: the later one takes over")
            if not before.is_current(consent):
                raise RootSecretReplaced(f"{self.id} has neither of the two root secrets now, but a later one")
        sender, heir = (self._wallet, None) if wallet is None else (wallet, self._wallet)
        return len(self._change(sender, old, self._root, heir, progress, leave).rescue())

    def drop_leftovers(self) -> int:
        """Let the store drop what moved records left behind, where that was interrupted. Returns how many blocks.

        Blocks of erased records are not found again: nobody can tell any more that they were theirs.
        """
        leftovers = Leftovers(self._ledger, self.id, self._ledger.history(self.id))
        return leftovers.drop(*leftovers.superseded())

    def give_up_resealing(self, journal: str | os.PathLike[str]) -> None:
        """Drop what an interrupted ``reseal`` has stored, and its journal. Does nothing where there is none.

        A change of the root secret needs it: the journal opens with the present one alone.

        Raises:
            FormatError: the journal is of another patient or root secret.
        """
        self._resealer().give_up(Path(journal))

    def stale_permissions(self) -> list[StalePermission]:
        """Live permissions whose holders have published another key, or were not given the present keys."""
        return self._healer().stale()

    def heal_permissions(self, *grantees: Account, progress: Callable[[int], None] | None = None) -> Healed:
        """Seal stale permissions anew to their holders' present keys, on the same terms, and change the keys.

        It may end at any point, and goes on from there when it is called again. Nobody loses access in between, and
        what was revoked or is over stays so.

        Args:
            grantees: Only theirs, and whether it shows that they are stale or not; all that are stale unless given.
            progress: Called with 1 for each permission that was sealed anew.

        Raises:
            InvalidInput: a grantee has no permission.
            StorageError: the store did not take the keys: what was sealed before stays.
            ContractError: the contract refused.
        """
        return self._healer().heal(list(map(address_of, grantees)), progress)

    # --- reading and writing ----------------------------------------------------------------------------------------

    def chart(self) -> Chart:
        """The patient's own record."""
        return Chart(self._ledger, self.id, self._reader(), self.id, self._keys, Purpose.PATRQT)

    def history(self) -> Iterator[TimelineEntry]:
        """The whole history, proved complete against the contract."""
        return self.chart().history()

    def records(self) -> Iterator[Record]:
        """All records, verified."""
        return self.chart().records()

    def read(self, record: int | Appended | TimelineEntry | Record) -> Record:
        """A record, verified; see ``Chart.read``."""
        return self.chart().read(record)

    def append(
        self,
        source: Source,
        *,
        compartment: str,
        title: str | None = None,
        media_type: str | None = None,
        progress: Progress | None = None,
    ) -> Appended:
        """Append a record of the patient's own; see ``Chart.append``."""
        return self.chart().append(
            source, compartment=compartment, title=title, media_type=media_type, progress=progress
        )

    def permissions(self) -> list[PermissionLine]:
        """The permissions in force, those that are over or have not begun included."""
        consent = self._ledger.consent(self.id)
        return permission_lines(consent, self._keys.names(consent))

    def decisions(self) -> Iterator[DecisionLine]:
        """Everything that was decided for the patient, in order, by the patient or by whom else."""
        return decision_lines(self._ledger, self.id)

    def granted_by(self, representative: Account) -> list[PermissionLine]:
        """The permissions in force that a representative gave. They survive its end: look through them then."""
        by = address_of(representative)
        return [line for line in self.permissions() if line.by == by]

    # --- guardians --------------------------------------------------------------------------------------------------

    def make_shares(self, threshold: int, guardians: Iterable[Account]) -> list[GuardianShare]:
        """Deal out the root secret to guardians, of whom ``threshold`` can restore it on a new device.

        Nothing is published. Hand each guardian its share, as a file or by a store.

        Warning: that many guardians together can read the whole record. They decide nothing.

        Args:
            threshold: How many, from 2.
            guardians: At most 16, each with a published profile.

        Raises:
            ProfileNotFound: a guardian has published no key.
            RootMismatch: the root secret was changed, from another device.
            InvalidInput: somebody is there twice, or the numbers cannot be used.
        """
        return guardianship.make_shares(self._ledger, self.id, self._root, threshold, guardians)

    def set_guardians(
        self, threshold: int, guardians: Iterable[Account], *, delay: timedelta = timedelta(days=7)
    ) -> Receipt:
        """Name who together can hand the patient id to a new wallet, should this one be lost.

        The chain shows that there are guardians, and not who. Where there were others, these count only after the delay
        of those. Who shall restore the root secret too is dealt a share (``make_shares``): guardians move the wallet,
        shares open the record.

        Warning: ``threshold`` guardians together take the record over unless this wallet stops them within the delay,
        and all of them together cannot be stopped.

        Args:
            threshold: How many of them it takes.
            guardians: At most 16 accounts.
            delay: From the beginning of a recovery to its end: an hour to a year.

        Raises:
            InvalidInput: a number cannot be used, or somebody is there twice, or is this patient.
            GuardiansUnknown: those that count now cannot be read, so they cannot be replaced.
            StorageError: the store did not take the block: nothing changed.
        """
        chosen = list(guardians)

        def attempt() -> Receipt:
            with self._ledger.trial():
                call = self._keeper().change(threshold, chosen, int(delay.total_seconds()))
                return self._ledger.send(self._wallet, call)

        return again_when_stale(attempt)

    def remove_guardians(self) -> Receipt:
        """Have no guardians any more, after the delay of those there are. Raises as ``set_guardians``."""
        return again_when_stale(lambda: self._ledger.send(self._wallet, self._keeper().remove()))

    def guardians(self) -> GuardianStatus:
        """Who guards the patient, and the recovery that is under way.

        Raises:
            GuardiansUnknown: the root secret does not open who they are.
            StorageError: the block cannot be had.
        """
        return self._keeper().status()

    def stop_recovery(self) -> Receipt:
        """Stop the recovery that is under way: this wallet is not lost.

        Raises:
            RecoveryOver: none is under way.
            RecoveryMismatch: it is due already, or all guardians signed it.
        """
        recovery = under_way(self._ledger.contract.guardianship_of(self.id))
        if recovery is None:
            raise RecoveryOver(f"no recovery of {self.id} is under way, so there is nothing to stop")
        return self._ledger.send(self._wallet, self._ledger.contract.stop_recovery(self.id, recovery.round))

    # --- private ----------------------------------------------------------------------------------------------------

    def _keeper(self) -> GuardianKeeper:
        return GuardianKeeper(self._ledger, self._id, self._root)

    def _reader(self) -> Signer:
        """Who reads: the wallet that decides for the id, which may be elsewhere. The root secret opens the record."""
        if self._wallet.address == self._id:
            return self._wallet
        decides = self._ledger.contract.patient_of(self._id).wallet
        return self._wallet if decides == self._wallet.address else Locked(decides)

    def _resealer(self) -> Resealer:
        return Resealer(self._ledger, self._wallet, self.id, self._root, self._keys)

    def _chosen(self, records: Collection[int], compartments: Iterable[str], *, everything: bool) -> set[int]:
        """The numbers of the records that were named and are not erased."""
        history = self._ledger.history(self.id)
        whereabouts = self._ledger.whereabouts(history, self._place)
        named = {history.record(number).number for number in records}
        mask = names_of.mask_of(compartments, self.compartments())
        wanted = (
            entry for entry in history.entries if everything or entry.number in named or entry.compartments & mask
        )
        return {entry.number for entry in whereabouts.live(wanted)}

    def _change_root(
        self,
        erased: Collection[int],
        root: RootSecret | None,
        wallet: Signer | None,
        leave: Collection[int],
        progress: Callable[[int], None] | None,
        *,
        for_good: bool = False,
    ) -> Rekeyed:
        new = self._new_root(root, wallet)
        heir = wallet if wallet is not None and wallet.address != self._wallet.address else None
        change = self._change(self._wallet, self._root, new, heir, progress, leave, for_good=for_good)
        done = change.run((lambda entry: entry.number in erased) if erased else None)
        self._root, self._keys, self._wallet = new, RootKeys(new), heir or self._wallet
        self._maker = KeyringMaker(self._ledger, self.id, self._keys)
        return done

    def _new_root(self, root: RootSecret | None, wallet: Signer | None, *, begun: bool = False) -> RootSecret:
        """The root secret that takes the place of this one; ``begun``: it may have done so."""
        new = require_root(wallet or self._wallet, root) if wallet is not None or root is not None else None
        if new is None or new == self._root:
            raise RootSecretMissing("give the new root secret, or a wallet that was made from a new phrase")
        consent, keys = self._ledger.consent(self.id), RootKeys(new)
        if keys.was_used(consent) and not (begun and keys.is_current(consent)):
            if keys.is_current(consent):
                raise InvalidInput(
                    "this is the patient's root secret already: rescue() does what is left of the change"
                )
            raise InvalidInput("the patient had this root secret before: it opens what was sealed then, take a new one")
        return new

    def _change(
        self,
        wallet: Signer,
        old: RootSecret,
        new: RootSecret,
        heir: Signer | None,
        progress: Callable[[int], None] | None,
        leave: Collection[int],
        *,
        for_good: bool = False,
    ) -> RootChange:
        keeper = GuardianKeeper(self._ledger, self.id, old)
        onward = keeper.end_for_another_root if for_good else keeper.for_another_root
        return RootChange(
            self._ledger,
            self.id,
            wallet,
            RootKeys(old),
            RootKeys(new),
            heir,
            progress or _silent,
            leave,
            for_good=for_good,
            guardians=lambda decision: onward(new, decision),
        )

    def _healer(self) -> PermissionHealer:
        rotate = self._decider.rotate
        return PermissionHealer(self._ledger, self._wallet, self.id, self._keys, self._maker.consent, rotate)

    def _grant(self, grantee: Account, wanted: Wanted) -> Granted:
        address = address_of(grantee)

        def attempt() -> Granted:
            consent, now = self._maker.consent(), self._ledger.now()
            terms = wanted.terms(self._keys.names(consent), now)
            with self._ledger.trial():
                return self._decider.grant(consent, now, address, terms, self._settled)

        return again_when_stale(attempt)

    @property
    def _decider(self) -> Decider:
        return Decider(self._ledger, self._wallet, self.id, self._keys, self._maker)

    def _settled(self, consent: Consent, afresh: int) -> Consent:
        """What waits in the inbox goes to who may read it, before somebody new comes."""
        if not self._decider.in_inbox_mode(consent, self._ledger.now(), afresh):
            return consent
        self._rotate_and_move(afresh, recent=True)
        return self._ledger.consent(self.id)

    def _mask_of(self, compartments: Sequence[str]) -> int:
        known = self.compartments()
        return names_of.mask_of(compartments, known) if compartments else names_of.to_mask(known)

    def _rotate_and_move(self, mask: int, *, recent: bool = False) -> Receipt:
        """Begin new epochs, and move over what waits in the inbox, in one transaction."""
        moved = InboxMover(self._ledger, self._wallet, self.id, self._keys, recent=recent).move(rotate=mask)
        return self._decider.rotate(mask) if moved is None else moved.receipt

    def _empty_inbox_or_warn(self) -> None:
        mover = InboxMover(self._ledger, self._wallet, self.id, self._keys, recent=True)
        try:
            again_when_stale(mover.move)
        except (MedRecError, OSError) as error:
            warnings.warn(f"what waits in the inbox was not moved: {error}", KeysNotRotated, stacklevel=3)


def _silent(_done: int) -> None:
    """Shows no progress."""
