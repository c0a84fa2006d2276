"""The patient: registers, grants, revokes, rotates, and reads everything."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from medrec_py import author_rule, guardianship
from medrec_py import compartments as names_of
from medrec_py.access_report import HadAccess, who_had_access
from medrec_py.answering import Answered, Answering, ReceivedRequest, ReceivedRequests
from medrec_py.chain.events import KeyringSkipped
from medrec_py.chain.transactions import Call, Receipt
from medrec_py.chain.types import ZERO_BYTES32, Flag, Terms, address_bytes, to_address
from medrec_py.chain.types import address_of as checksum
from medrec_py.chart import Appended, Chart, TimelineEntry
from medrec_py.consent import Consent, Grant
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto import grant_seal
from medrec_py.crypto.exchange import UnverifiedExchange
from medrec_py.crypto.grant_seal import GrantedKeys
from medrec_py.crypto.keys import EpochId, RootSecret
from medrec_py.crypto.signed_decisions import Bundle
from medrec_py.drawer import Drawer, Kept
from medrec_py.errors import InvalidInput, MedRecError, RootSecretMissing, StorageError
from medrec_py.guardianship import GuardianShare
from medrec_py.healing import Healed, PermissionHealer, StalePermission
from medrec_py.inbox import InboxMover
from medrec_py.keyring_maker import KeyringMaker
from medrec_py.ledger import Ledger
from medrec_py.leftovers import Leftovers
from medrec_py.party import Account, Party, address_of
from medrec_py.purposes import Purpose, purposes_in, purposes_mask
from medrec_py.records import Progress, Record, Source
from medrec_py.rekeying import Rekeyed
from medrec_py.resealing import Resealer
from medrec_py.retrying import again_when_stale
from medrec_py.root_change import RootChange
from medrec_py.root_keys import RootKeys
from medrec_py.rotation import Holder, Rotation
from medrec_py.times import Moment, unix_time
from medrec_py.wallet import Locked, Signer, require_root

PATIENCE = 60.0
"""Seconds that a revocation waits for the profiles of those who stay, before it goes without new keys."""


class KeysNotRotated(UserWarning):
    """A permission was revoked on chain, and new keys could not be published.

    Authors use the inbox until ``rotate`` succeeds.
    """


class BlocksNotRemoved(UserWarning):
    """Records were erased, and the store has not removed their blocks yet. They open no more all the same.

    Have the store remove what nothing pins, and look into its log.
    """


@dataclass(frozen=True, slots=True)
class Granted:
    """A permission that was granted.

    Attributes:
        grantee: Whom, EIP-55.
        version: Of the permission.
        expiry: First second after it, Unix time.
        receipt: Of the transaction.
    """

    grantee: str
    version: int
    expiry: int
    receipt: Receipt = field(repr=False)


@dataclass(frozen=True, slots=True)
class Revoked:
    """A permission that was revoked.

    Attributes:
        grantee: Whose, EIP-55.
        rotated: New keys were published; or none were needed, since the grantee could read nothing.
        receipt: Of the transaction.
    """

    grantee: str
    rotated: bool
    receipt: Receipt = field(repr=False)


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


@dataclass(frozen=True, slots=True)
class PermissionLine:
    """A permission in force, in words.

    Attributes:
        grantee: Whom, EIP-55.
        read: Names of the compartments that may be read.
        append: Names of those that may be appended to.
        purposes: What for.
        history: Whether what was written before may be read too.
        not_before: First second, Unix time; 0: at once.
        expiry: First second after it, Unix time.
        version: Of the permission.
    """

    grantee: str
    read: tuple[str, ...]
    append: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    history: bool
    not_before: int
    expiry: int
    version: int


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

    def register(self, compartments: Iterable[str] = ("general",)) -> Patient:
        """Register, and publish the first keyring, in one transaction.

        Args:
            compartments: Names of the parts of the record that can be granted separately. More can be added later.

        Returns:
            This patient.

        Raises:
            AlreadyRegistered: the id is registered.
            InvalidInput: a name cannot be used.
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
            self._ledger.send(self._wallet, *([] if begun else [contract.register()]), keyring)
        return self

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
        read_names, append_names = tuple(read), tuple(append)
        if starts is not None and read_names:
            raise InvalidInput(
                "a permission to read starts at once: its keys are given with it; grant it when it begins"
            )
        address = address_of(grantee)
        purposes = purposes_mask(purpose)

        def attempt() -> Granted:
            consent = self._maker.consent()
            now = self._ledger.now()
            known = self._keys.names(consent)
            terms = Terms(
                read=names_of.mask_of(read_names, known),
                append=names_of.mask_of(append_names, known),
                not_before=0 if starts is None else unix_time(starts, now),
                expiry=unix_time(expires, now),
                purposes=purposes,
                flags=int(Flag.HISTORY) if history else 0,
            )
            with self._ledger.trial():
                return self._grant(consent, now, known, address, terms)

        return again_when_stale(attempt)

    def revoke(self, grantee: Account) -> Revoked:
        """End whatever the grantee was granted, and change the keys, in one transaction.

        It works whatever else does not: where new keys cannot be made or stored, the permission is revoked on chain all
        the same, with the warning ``KeysNotRotated``; authors then seal to the inbox, and ``rotate`` finishes the work.

        Raises:
            ChainError: the chain did not take it. Nothing else keeps it from happening.
        """
        address = address_of(grantee)
        lost = self._readable_now(address)
        if not lost:
            receipt = self._ledger.send(self._wallet, self._ledger.contract.revoke(self.id, address))
            return Revoked(address, True, receipt)
        with self._ledger.trial():
            return self._revoke(address, lost)

    def _revoke(self, address: str, lost: int) -> Revoked:
        contract = self._ledger.contract
        try:
            with self._ledger.trial():
                call = self._rotating_revocation(address, lost)
        except Exception as error:  # noqa: BLE001 - whatever it is, it keeps no revocation from happening
            receipt = self._ledger.send(self._wallet, contract.revoke(self.id, address))
            warnings.warn(f"revoked, but the keys were not changed: {error}", KeysNotRotated, stacklevel=3)
            return Revoked(address, False, receipt)
        receipt = self._ledger.send(self._wallet, call)
        rotated = True
        if any(receipt.every(KeyringSkipped)):
            rotated = self._rotate_or_warn(lost)
        self._empty_inbox_or_warn()
        return Revoked(address, rotated, receipt)

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
        seconds = int(valid.total_seconds())
        if seconds <= 0:
            raise InvalidInput("signatures must count for a second at least")
        try:
            decide(Patient(self._ledger.only_signing(Drawer(), seconds), self._wallet, self._root, self._id))
        except Kept as kept:
            return kept.bundle
        raise InvalidInput("nothing was decided, so there is nothing to sign")

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
            SurvivorUnreadable: a record cannot be read, so that it may be lost; nothing changed.
            StorageError, ContractError: nothing changed.

        Warning: the old root secret still opens what was sealed before.
        """
        done = self._change_root(set(), root, wallet, leave, progress)
        return RootChanged(tuple(done.moved), done.receipt)

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
        """Move what only an earlier root secret opens, where a change of it was interrupted right after it took place.

        Args:
            old: The root secret before.
            wallet: The wallet before, if its ether is to be sent to the present one.
            leave: Numbers of records that cannot be read, and that may stay behind.
            progress: Called with 1 for each record that was moved.

        Returns:
            How many records were moved.

        Raises:
            SurvivorUnreadable: a record cannot be read, and is not to stay behind.
            StorageError, ContractError: nothing was moved.
        """
        before, heir = (self._wallet, None) if wallet is None else (wallet, self._wallet)
        change = RootChange(self._ledger, self.id, before, RootKeys(old), self._keys, heir, progress or _silent, leave)
        done = change.rescue()
        return 0 if done is None else len(done.moved)

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
        known = self._keys.names(consent)
        return [_line(grant, known) for grant in consent.permissions.values()]

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

    # --- private ----------------------------------------------------------------------------------------------------

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
    ) -> Rekeyed:
        new = require_root(wallet or self._wallet, root) if wallet is not None or root is not None else None
        if new is None or new == self._root:
            raise RootSecretMissing("give the new root secret, or a wallet that was made from a new phrase")
        if RootKeys(new).was_used(self._ledger.consent(self.id)):
            raise InvalidInput("the patient had this root secret before: it opens what was sealed then, take a new one")
        heir = wallet if wallet is not None and wallet.address != self._wallet.address else None
        successor = RootKeys(new)
        change = RootChange(
            self._ledger, self.id, self._wallet, self._keys, successor, heir, progress or _silent, leave
        )
        done = change.run(lambda entry: entry.number in erased)
        self._root, self._keys, self._wallet = new, successor, heir or self._wallet
        self._maker = KeyringMaker(self._ledger, self.id, successor)
        return done

    def _healer(self) -> PermissionHealer:
        return PermissionHealer(self._ledger, self._wallet, self.id, self._keys, self._maker.consent, self._rotate)

    def _grant(self, consent: Consent, now: int, known: Mapping[int, str], address: str, terms: Terms) -> Granted:
        grantee = address_bytes(address)
        before = consent.permissions.get(grantee)
        could_read = before.read_at(now) if before else 0
        (reads,) = self._ledger.readers_at(self.id, [grantee], now)  # nothing while it is suspended
        public_key = self._ledger.key_of(address)
        new = Holder(grantee, public_key, terms.read, bool(terms.flags & Flag.HISTORY), terms.expiry)
        afresh = 0 if new.history else terms.read & ~reads
        if self._in_inbox_mode(consent, now, afresh):  # what waits goes to who may read it, before somebody new comes
            self._rotate_and_move(afresh, recent=True)
            consent = self._ledger.consent(self.id)
        holders = self._maker.holders(consent, now, without=grantee)
        planned = self._maker.plan(
            consent,
            [*holders, new] if terms.read else holders,
            rotate=afresh | (could_read & ~terms.read),
            schedule=terms.read | could_read,
            now=now,
        )
        version = consent.versions.get(grantee, 0) + 1
        seal = self._seal_grant(consent, planned, new, known, terms, version, now, public_key)
        calls: list[Call] = []
        if planned.epochs:
            calls.append(self._maker.call(consent, planned, holders, known))
        calls.append(self._ledger.contract.grant(self.id, address, terms, seal=seal, version=version))
        receipt = self._ledger.send(self._wallet, *calls)
        return Granted(address, version, terms.expiry, receipt)

    def _seal_grant(
        self,
        consent: Consent,
        planned: Rotation,
        new: Holder,
        known: Mapping[int, str],
        terms: Terms,
        version: int,
        now: int,
        public_key: bytes,
    ) -> bytes:
        """Store the seal with the keys that the grantee is given, and the names of its compartments."""
        keys = planned.keys_of(new.address)
        fresh = {epoch.compartment for epoch in keys if _starts_by(planned, epoch, now)}
        for compartment in names_of.numbers_in(terms.read):
            newest = consent.keyrings.newest(compartment, now)
            if compartment not in fresh and newest is not None:
                keys[newest.epoch.id] = self._keys.epoch_keys(consent, newest.epoch.id)
        given = {epoch: pair if new.history else pair.without_history() for epoch, pair in keys.items()}
        names = {number: known[number] for number in names_of.numbers_in(terms.read | terms.append)}
        if not given and not names:
            return ZERO_BYTES32
        granted, suite = GrantedKeys(given, names), self._ledger.suite
        block = grant_seal.build(self._place, new.address, version, public_key, granted, suite=suite)
        return self._ledger.put_block(block)

    def _in_inbox_mode(self, consent: Consent, now: int, mask: int) -> bool:
        """Whether authors seal to the inbox now in any of the compartments of a mask."""
        targets = (
            author_rule.choose(consent, number, now, lambda who, at: self._ledger.readers_at(self.id, who, at))
            for number in names_of.numbers_in(mask)
        )
        return any(target.destination.kind is envelopes.Kind.INBOX for target in targets)

    def _rotating_revocation(self, address: str, lost: int) -> Call:
        """The revocation of a reader together with the keyring that the others hold, stored and read back."""
        consent = self._maker.consent()
        now = self._ledger.now()
        holders = self._maker.holders(consent, now, without=address_bytes(address), patience=PATIENCE)
        planned = self._maker.plan(consent, holders, rotate=lost, schedule=0, now=now)
        built = self._maker.store(consent, planned, holders, self._keys.names(consent))
        return self._ledger.contract.revoke_and_rotate(
            self.id,
            address,
            keyring_version=consent.keyring_version,
            compartments=built.compartments,
            pointer=built.pointer,
        )

    def _readable_now(self, address: str) -> int:
        """What a grantee may read now, as the contract has it: revoking asks no events and no store."""
        permission = self._ledger.contract.permission_of(self.id, address)
        terms = permission.terms
        return terms.read if terms.not_before <= self._ledger.chain.now() < terms.expiry else 0

    def _mask_of(self, compartments: Sequence[str]) -> int:
        known = self.compartments()
        return names_of.mask_of(compartments, known) if compartments else names_of.to_mask(known)

    def _rotate(self, mask: int) -> Receipt:
        consent = self._maker.consent()
        now = self._ledger.now()
        holders = self._maker.holders(consent, now)
        planned = self._maker.plan(consent, holders, rotate=mask, schedule=0, now=now)
        names = self._keys.names(consent)
        with self._ledger.trial():
            return self._ledger.send(self._wallet, self._maker.call(consent, planned, holders, names))

    def _rotate_and_move(self, mask: int, *, recent: bool = False) -> Receipt:
        """Begin new epochs, and move over what waits in the inbox, in one transaction."""
        moved = InboxMover(self._ledger, self._wallet, self.id, self._keys, recent=recent).move(rotate=mask)
        return self._rotate(mask) if moved is None else moved.receipt

    def _rotate_or_warn(self, mask: int) -> bool:
        try:
            again_when_stale(lambda: self._rotate(mask))
        except (MedRecError, OSError) as error:
            warnings.warn(f"revoked, but the keys were not changed: {error}", KeysNotRotated, stacklevel=3)
            return False
        return True

    def _empty_inbox_or_warn(self) -> None:
        mover = InboxMover(self._ledger, self._wallet, self.id, self._keys, recent=True)
        try:
            again_when_stale(mover.move)
        except (MedRecError, OSError) as error:
            warnings.warn(f"what waits in the inbox was not moved: {error}", KeysNotRotated, stacklevel=3)


def _silent(_done: int) -> None:
    """Shows no progress."""


def _starts_by(planned: Rotation, wanted: EpochId, now: int) -> bool:
    return any(epoch.id == wanted and epoch.start <= now for epoch in planned.epochs)


def _line(grant: Grant, known: Mapping[int, str]) -> PermissionLine:
    def names(mask: int) -> tuple[str, ...]:
        return tuple(known.get(number, f"#{number}") for number in names_of.numbers_in(mask))

    terms = grant.terms
    return PermissionLine(
        grantee=checksum(grant.grantee),
        read=names(terms.read),
        append=names(terms.append),
        purposes=purposes_in(terms.purposes),
        history=grant.history,
        not_before=terms.not_before,
        expiry=terms.expiry,
        version=grant.version,
    )
