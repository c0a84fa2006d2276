"""Granting, revoking and rotating: what the patient and a representative do alike, each with the keys that it has."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from medrec_py import author_rule
from medrec_py import compartments as names_of
from medrec_py.chain.events import KeyringSkipped
from medrec_py.chain.transactions import Call, Receipt
from medrec_py.chain.types import ZERO_BYTES32, Flag, Terms, address_bytes
from medrec_py.consent import Consent
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto import grant_seal
from medrec_py.crypto.grant_seal import GrantedKeys
from medrec_py.crypto.keys import EpochId
from medrec_py.errors import InvalidInput, MedRecError
from medrec_py.keyring_maker import KeyringKeys, KeyringMaker
from medrec_py.ledger import Ledger
from medrec_py.retrying import again_when_stale
from medrec_py.rotation import Holder, Rotation
from medrec_py.times import Moment, unix_time
from medrec_py.wallet import Signer

PATIENCE = 60.0
"""Seconds that a revocation waits for the profiles of those who stay, before it goes without new keys."""


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
class Wanted:
    """What somebody wants to grant, in words; see ``Patient.grant``.

    Raises:
        InvalidInput: a permission to read would start later than its keys are given.
    """

    read: tuple[str, ...]
    append: tuple[str, ...]
    purposes: int
    expires: Moment
    starts: Moment | None
    flags: Flag

    def __post_init__(self) -> None:
        if self.starts is not None and self.read:
            raise InvalidInput(
                "a permission to read starts at once: its keys are given with it; grant it when it begins"
            )

    def terms(self, known: Mapping[int, str], now: int) -> Terms:
        """The terms, by the numbers of the compartments.

        Raises:
            InvalidInput: a compartment is not known, or a moment cannot be used.
        """
        return Terms(
            read=names_of.mask_of(self.read, known),
            append=names_of.mask_of(self.append, known),
            not_before=0 if self.starts is None else unix_time(self.starts, now),
            expiry=unix_time(self.expires, now),
            purposes=self.purposes,
            flags=int(self.flags),
        )


@dataclass(frozen=True)
class Decider:
    """Decides about permissions and keyrings of one patient.

    Attributes:
        ledger: Chain and store.
        wallet: Of the patient, or of a representative.
        patient: Patient id, EIP-55.
        keys: Those that it has.
        maker: Makes keyrings with them.
    """

    ledger: Ledger
    wallet: Signer
    patient: str
    keys: KeyringKeys
    maker: KeyringMaker

    def grant(
        self, consent: Consent, now: int, address: str, terms: Terms, settle: Callable[[Consent, int], Consent]
    ) -> Granted:
        """Grant, with a keyring where one is needed, in one transaction.

        Args:
            consent: The decisions so far.
            now: Unix time.
            address: Whom, EIP-55.
            terms: What.
            settle: Given the compartments that begin afresh, does what has to be done before, and returns the
                decisions then.
        """
        grantee = address_bytes(address)
        before = consent.permissions.get(grantee)
        could_read = before.read_at(now) if before else 0
        (reads,) = self.ledger.readers_at(self.patient, [grantee], now)  # nothing while it is suspended
        public_key = self.ledger.key_of(address)
        new = Holder(grantee, public_key, terms.read, bool(terms.flags & Flag.HISTORY), terms.expiry)
        afresh = 0 if new.history else terms.read & ~reads
        consent = settle(consent, afresh)
        holders = self.maker.holders(consent, now, without=grantee)
        planned = self.maker.plan(
            consent,
            [*holders, new] if terms.read else holders,
            rotate=afresh | (could_read & ~terms.read),
            schedule=terms.read | could_read,
            now=now,
        )
        version = consent.versions.get(grantee, 0) + 1
        seal = self._seal_grant(consent, planned, new, terms, version, now)
        calls: list[Call] = []
        if planned.epochs:
            calls.append(self.maker.call(consent, planned, holders))
        calls.append(self.ledger.contract.grant(self.patient, address, terms, seal=seal, version=version))
        receipt = self.ledger.send(self.wallet, *calls)
        return Granted(address, version, terms.expiry, receipt)

    def revoke(self, address: str, afterwards: Callable[[], None] = lambda: None) -> Revoked:
        """Revoke, and change the keys in the same transaction; without them where they cannot be made or stored.

        Args:
            address: Whom, EIP-55.
            afterwards: What is done behind a revocation with new keys.
        """
        lost = self.readable_now(address)
        if not lost:
            receipt = self.ledger.send(self.wallet, self.ledger.contract.revoke(self.patient, address))
            return Revoked(address, True, receipt)
        with self.ledger.trial():
            return self._revoke(address, lost, afterwards)

    def rotate(self, mask: int) -> Receipt:
        """Begin new epochs of the compartments of a mask, sealed to those who may read now."""
        consent = self.maker.consent()
        now = self.ledger.now()
        holders = self.maker.holders(consent, now)
        planned = self.maker.plan(consent, holders, rotate=mask, schedule=0, now=now)
        with self.ledger.trial():
            return self.ledger.send(self.wallet, self.maker.call(consent, planned, holders))

    def readable_now(self, address: str) -> int:
        """What a grantee may read now, as the contract has it: revoking asks no events and no store."""
        terms = self.ledger.contract.permission_of(self.patient, address).terms
        return terms.read if terms.not_before <= self.ledger.chain.now() < terms.expiry else 0

    def in_inbox_mode(self, consent: Consent, now: int, mask: int) -> bool:
        """Whether authors seal to the inbox now in any of the compartments of a mask."""
        targets = (
            author_rule.choose(consent, number, now, lambda who, at: self.ledger.readers_at(self.patient, who, at))
            for number in names_of.numbers_in(mask)
        )
        return any(target.destination.kind is envelopes.Kind.INBOX for target in targets)

    # --- private ----------------------------------------------------------------------------------------------------

    def _revoke(self, address: str, lost: int, afterwards: Callable[[], None]) -> Revoked:
        try:
            with self.ledger.trial():
                call = self._rotating_revocation(address, lost)
        except Exception as error:  # noqa: BLE001 - whatever it is, it keeps no revocation from happening
            receipt = self.ledger.send(self.wallet, self.ledger.contract.revoke(self.patient, address))
            warnings.warn(f"revoked, but the keys were not changed: {error}", KeysNotRotated, stacklevel=4)
            return Revoked(address, False, receipt)
        receipt = self.ledger.send(self.wallet, call)
        rotated = True
        if any(receipt.every(KeyringSkipped)):
            rotated = self._rotate_or_warn(lost)
        afterwards()
        return Revoked(address, rotated, receipt)

    def _rotating_revocation(self, address: str, lost: int) -> Call:
        """The revocation of a reader together with the keyring that the others hold, stored and read back."""
        consent = self.maker.consent()
        now = self.ledger.now()
        holders = self.maker.holders(consent, now, without=address_bytes(address), patience=PATIENCE)
        planned = self.maker.plan(consent, holders, rotate=lost, schedule=0, now=now)
        built = self.maker.store(consent, planned, holders)
        return self.ledger.contract.revoke_and_rotate(
            self.patient,
            address,
            keyring_version=consent.keyring_version,
            compartments=built.compartments,
            pointer=built.pointer,
        )

    def _rotate_or_warn(self, mask: int) -> bool:
        try:
            again_when_stale(lambda: self.rotate(mask))
        except (MedRecError, OSError) as error:
            warnings.warn(f"revoked, but the keys were not changed: {error}", KeysNotRotated, stacklevel=5)
            return False
        return True

    def _seal_grant(
        self, consent: Consent, planned: Rotation, new: Holder, terms: Terms, version: int, now: int
    ) -> bytes:
        """Store the seal with the keys that the grantee is given, and the names of its compartments."""
        keys = planned.keys_of(new.address)
        fresh = {epoch.compartment for epoch in keys if _starts_by(planned, epoch, now)}
        for compartment in names_of.numbers_in(terms.read):
            newest = consent.keyrings.newest(compartment, now)
            if compartment not in fresh and newest is not None:
                keys[newest.epoch.id] = self.keys.epoch_keys(consent, newest.epoch.id)
        given = {epoch: pair if new.history else pair.without_history() for epoch, pair in keys.items()}
        known = self.keys.names(consent)
        names = {number: known[number] for number in names_of.numbers_in(terms.read | terms.append)}
        if not given and not names:
            return ZERO_BYTES32
        granted, suite = GrantedKeys(given, names), self.ledger.suite
        place = self.ledger.place(self.patient)
        block = grant_seal.build(place, new.address, version, new.public_key, granted, suite=suite)
        return self.ledger.put_block(block)


def _starts_by(planned: Rotation, wanted: EpochId, now: int) -> bool:
    return any(epoch.id == wanted and epoch.start <= now for epoch in planned.epochs)
