"""The patient: registers, grants, revokes, rotates, and reads everything."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from medrec_py import author_rule, rotation
from medrec_py import compartments as names_of
from medrec_py.chain.events import KeyringSkipped
from medrec_py.chain.reverts import DecisionMismatch, StaleKeyring, VersionMismatch
from medrec_py.chain.transactions import Call, Receipt
from medrec_py.chain.types import ZERO_BYTES32, Flag, Terms, address_bytes
from medrec_py.chain.types import address_of as checksum
from medrec_py.chart import Appended, Chart, TimelineEntry
from medrec_py.consent import Consent, Grant
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto import grant_seal, new_keyring
from medrec_py.crypto.grant_seal import GrantedKeys
from medrec_py.crypto.keyring import Inbox
from medrec_py.crypto.keys import EpochId, EpochKeys, RootSecret
from medrec_py.crypto.suites import Suite
from medrec_py.errors import ChainError, InvalidInput, MedRecError, StoreTimeout, SuiteDowngrade
from medrec_py.inbox import InboxMover
from medrec_py.ledger import Ledger
from medrec_py.party import Account, Party, address_of
from medrec_py.purposes import Purpose, purposes_in, purposes_mask
from medrec_py.records import Progress, Record, Source
from medrec_py.rotation import Holder, Rotation
from medrec_py.times import Moment, unix_time
from medrec_py.unsealing import RootKeys
from medrec_py.wallet import Signer

ATTEMPTS = 5
"""How often a decision is prepared anew when another device of the patient's decides at the same time."""

PATIENCE = 60.0
"""Seconds that a revocation waits for the profiles of those who stay, before it goes without new keys."""

INBOX_NUMBER = 1

_Result = TypeVar("_Result")


class KeysNotSealed(UserWarning):
    """A reader keeps its permission, and was not given new keys.

    Its profile cannot be read, or its key is of another suite than the deployment's. Renew the permission later.
    """


class KeysNotRotated(UserWarning):
    """A permission was revoked on chain, and new keys could not be published.

    Authors use the inbox until ``rotate`` succeeds.
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
    """

    def __init__(self, ledger: Ledger, wallet: Signer, root: RootSecret) -> None:
        super().__init__(ledger, wallet)
        self._keys = RootKeys(root)
        self._place = ledger.place(self.id)

    @property
    def id(self) -> str:
        """The patient id, EIP-55: the address that was first registered."""
        return self.address

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
        consent = self._decisions()
        planned = self._plan(consent, [], rotate=names_of.to_mask(numbers), schedule=0, now=0)
        contract = self._ledger.contract
        self._ledger.send(self._wallet, contract.register(), self._keyring_call(consent, planned, [], numbers))
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
            consent = self._decisions()
            there = self._keys.names(consent)
            if taken := set(map(names_of.check_name, names)) & set(there.values()):
                raise InvalidInput(f"there is a compartment {taken.pop()!r} already")
            added = names_of.assign_numbers(names, there)
            planned = self._plan(consent, [], rotate=names_of.to_mask(added), schedule=0, now=0)
            return self._ledger.send(self._wallet, self._keyring_call(consent, planned, [], {**there, **added}))

        return _again_when_stale(attempt)

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
            consent = self._decisions()
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
            return self._grant(consent, now, known, address, terms)

        return _again_when_stale(attempt)

    def revoke(self, grantee: Account) -> Revoked:
        """End whatever the grantee was granted, and change the keys, in one transaction.

        It works whatever else does not: where new keys cannot be made or stored, the permission is revoked on chain all
        the same, with the warning ``KeysNotRotated``; authors then seal to the inbox, and ``rotate`` finishes the work.

        Raises:
            ChainError: the chain did not take it. Nothing else keeps it from happening.
        """
        address = address_of(grantee)
        contract = self._ledger.contract
        lost = self._readable_now(address)
        if not lost:
            receipt = self._ledger.send(self._wallet, contract.revoke(self.id, address))
            return Revoked(address, True, receipt)
        try:
            call = self._rotating_revocation(address, lost)
        except Exception as error:  # noqa: BLE001 - whatever it is, it keeps no revocation from happening
            receipt = self._ledger.send(self._wallet, contract.revoke(self.id, address))
            warnings.warn(f"revoked, but the keys were not changed: {error}", KeysNotRotated, stacklevel=2)
            return Revoked(address, False, receipt)
        receipt = self._ledger.send(self._wallet, call)
        rotated = True
        if any(receipt.every(KeyringSkipped)):
            rotated = self._rotate_or_warn(lost)
        self._empty_inbox_or_warn()
        return Revoked(address, rotated, receipt)

    def rotate(self, *compartments: str) -> Receipt:
        """Begin a new epoch, sealed to those who may read now; then move over what waits in the inbox.

        Args:
            compartments: Their names; all of them unless given.

        Raises:
            StorageError: the store did not take the keyring: nothing changed.
            ContractError: the contract refused.
        """
        receipt = _again_when_stale(lambda: self._rotate(self._mask_of(compartments)))
        self.empty_inbox()
        return receipt

    def empty_inbox(self, progress: Callable[[int], None] | None = None) -> int:
        """Move what waits in the inbox to its compartments. Order, statements and claims stay as they are.

        Args:
            progress: Called with 1 for each record that was looked at.

        Returns:
            How many records were moved.
        """
        mover = InboxMover(self._ledger, self._wallet, self.id, self._keys)
        return _again_when_stale(lambda: mover.move(progress))

    # --- reading and writing ----------------------------------------------------------------------------------------

    def chart(self) -> Chart:
        """The patient's own record."""
        return Chart(self._ledger, self.id, self._wallet, self.id, self._keys, Purpose.PATRQT)

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

    # --- private ----------------------------------------------------------------------------------------------------

    def _decisions(self) -> Consent:
        """What was decided so far, for who is to decide anew.

        Raises:
            SuiteDowngrade: the latest keyring is of a later suite than the deployment as it is known here.
        """
        consent = self._ledger.consent(self.id)
        _check_no_downgrade(consent, self._ledger.suite)
        return consent

    def _grant(self, consent: Consent, now: int, known: Mapping[int, str], address: str, terms: Terms) -> Granted:
        grantee = address_bytes(address)
        before = consent.permissions.get(grantee)
        could_read = before.read_at(now) if before else 0
        (reads,) = self._ledger.readers_at(self.id, [grantee], now)  # nothing while it is suspended
        public_key = self._ledger.key_of(address)
        new = Holder(grantee, public_key, terms.read, bool(terms.flags & Flag.HISTORY), terms.expiry)
        afresh = 0 if new.history else terms.read & ~reads
        if self._in_inbox_mode(consent, now, afresh):  # what waits goes to who may read it, before somebody new comes
            self._rotate(afresh)
            self._empty_inbox_or_warn()
            consent = self._ledger.consent(self.id)
        holders = self._holders(consent, now, without=grantee)
        planned = self._plan(
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
            calls.append(self._keyring_call(consent, planned, holders, known))
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
        consent = self._decisions()
        now = self._ledger.now()
        holders = self._holders(consent, now, without=address_bytes(address), patience=PATIENCE)
        planned = self._plan(consent, holders, rotate=lost, schedule=0, now=now)
        built = self._store_keyring(consent, planned, holders, self._keys.names(consent))
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
        consent = self._decisions()
        now = self._ledger.now()
        holders = self._holders(consent, now)
        planned = self._plan(consent, holders, rotate=mask, schedule=0, now=now)
        return self._ledger.send(self._wallet, self._keyring_call(consent, planned, holders, self._keys.names(consent)))

    def _rotate_or_warn(self, mask: int) -> bool:
        try:
            _again_when_stale(lambda: self._rotate(mask))
        except (MedRecError, OSError) as error:
            warnings.warn(f"revoked, but the keys were not changed: {error}", KeysNotRotated, stacklevel=3)
            return False
        return True

    def _empty_inbox_or_warn(self) -> None:
        mover = InboxMover(self._ledger, self._wallet, self.id, self._keys, recent=True)
        try:
            _again_when_stale(lambda: mover.move(None))
        except (MedRecError, OSError) as error:
            warnings.warn(f"what waits in the inbox was not moved: {error}", KeysNotRotated, stacklevel=3)

    def _plan(self, consent: Consent, holders: Sequence[Holder], *, rotate: int, schedule: int, now: int) -> Rotation:
        def open_keys(epoch: EpochId) -> EpochKeys:
            return self._keys.epoch_keys(consent, epoch)

        begin = min(now, self._ledger.chain.now())  # this machine's clock may be fast, and authors go by theirs
        return rotation.plan(
            consent.keyrings, open_keys, holders, now=now, begin=begin, rotate=rotate, schedule=schedule
        )

    def _holders(
        self, consent: Consent, now: int, without: bytes | None = None, patience: float | None = None
    ) -> list[Holder]:
        """Those who may read now, with their keys. One whose profile cannot be used is left out, with a warning.

        Raises:
            StoreTimeout: reading their profiles takes longer than ``patience``, in seconds.
        """
        readers = [grant for grant in consent.readers_at(now) if grant.grantee != without]
        masks = self._ledger.readers_at(self.id, [grant.grantee for grant in readers], now)
        began = time.monotonic()
        holders: list[Holder] = []
        for grant, mask in zip(readers, masks, strict=True):
            if patience is not None and time.monotonic() - began > patience:
                raise StoreTimeout("the profiles of those who may read take too long to fetch")
            if mask and (holder := self._holder(grant, mask & grant.terms.read)) is not None:
                holders.append(holder)
        return holders

    def _holder(self, grant: Grant, mask: int) -> Holder | None:
        address = checksum(grant.grantee)
        try:
            public_key = self._ledger.key_of(address)
        except ChainError:
            raise
        except MedRecError as error:
            warnings.warn(f"{address} was given no new keys: {error}", KeysNotSealed, stacklevel=2)
            return None
        return Holder(grant.grantee, public_key, mask, grant.history, grant.terms.expiry)

    def _keyring_call(
        self, consent: Consent, planned: Rotation, holders: Sequence[Holder], names: Mapping[int, str]
    ) -> Call:
        built = self._store_keyring(consent, planned, holders, names)
        return self._ledger.contract.publish_keyring(
            self.id,
            keyring_version=consent.keyring_version,
            compartments=built.compartments,
            pointer=built.pointer,
        )

    def _store_keyring(
        self, consent: Consent, planned: Rotation, holders: Sequence[Holder], names: Mapping[int, str]
    ) -> new_keyring.NewKeyring:
        """Seal the keyring to those who hold it, store it, read it back.

        A new grantee is not among them: it has its keys from the grant's seal.
        """
        suite = self._ledger.suite
        staying = {holder.address for holder in holders}
        built = new_keyring.build(
            self._place,
            consent.keyring_version,
            epochs=planned.epochs,
            readers=[reader for reader in planned.readers if reader.address in staying],
            root_public_key=self._keys.public_key(suite, self._place),
            names=names,
            inbox=Inbox(INBOX_NUMBER, self._keys.inbox_public_key(suite, self._place, INBOX_NUMBER)),
            suite=suite,
        )
        for page in built.pages:
            self._ledger.put_block(page)
        self._ledger.put_block(built.block)
        return built


def _check_no_downgrade(consent: Consent, suite: Suite) -> None:
    """A deployment file that is out of date, or was edited, must not bring weaker keys back."""
    for entry in consent.keyrings.entries[-1:]:
        latest = consent.keyrings.read(entry).suite.number
        if latest > suite.number:
            raise SuiteDowngrade(
                f"the patient's keys are of suite {latest}, and the deployment is said to seal by suite {suite.number}"
            )


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


def _again_when_stale(attempt: Callable[[], _Result]) -> _Result:
    """Prepare a decision anew while another device's gets in between."""
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except (StaleKeyring, VersionMismatch, DecisionMismatch):
            continue
    return attempt()
