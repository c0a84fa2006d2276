"""A representative: decides for a patient within its own permission, with the keys that it was granted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from medrec_py import compartments as names_of
from medrec_py.chain.transactions import Receipt
from medrec_py.chain.types import Flag, Terms
from medrec_py.chart import Chart
from medrec_py.consent import Consent
from medrec_py.crypto.keys import RootSecret
from medrec_py.crypto.signed_decisions import Bundle
from medrec_py.deciding import Decider, Granted, Revoked, Wanted
from medrec_py.decision_log import DecisionLine, decision_lines
from medrec_py.drawer import sign_only
from medrec_py.errors import MedRecError
from medrec_py.keyring_maker import KeyringMaker
from medrec_py.ledger import Ledger
from medrec_py.limits import Limits
from medrec_py.party import Account, KeyedParty, address_of
from medrec_py.permission_lines import PermissionLine, permission_lines
from medrec_py.purposes import Purpose, purposes_in, purposes_mask
from medrec_py.representative_keys import RepresentativeKeys
from medrec_py.retrying import again_when_stale
from medrec_py.times import Moment
from medrec_py.wallet import Signer

_OWN_PURPOSES: Final = (Purpose.FAMRQT, Purpose.PWATRNY, Purpose.SUPNWK)
"""For which a representative reads, if its permission has one of them."""


class Representative(KeyedParty):
    """Decides for one patient, within what the patient gave it (``Patient.appoint``).

    It grants and revokes within its own compartments, purposes, history and time, and changes the keys of the
    compartments that it reads. It names no other representative, moves and erases nothing, and changes neither wallet
    nor root secret. What waits in the inbox stays there for the patient: no key of a representative's opens it.

    Args:
        ledger: Chain and store.
        wallet: Its own.
        root: What its profile keys are derived from.
        patient: Patient id, EIP-55.
    """

    def __init__(self, ledger: Ledger, wallet: Signer, root: RootSecret, patient: str) -> None:
        super().__init__(ledger, wallet, root)
        self.patient = patient

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
        """Grant, in place of what the grantee had; as ``Patient.grant``.

        Raises:
            BeyondLimits: the new terms, or those that they would replace, go beyond its own permission.
            SelfGrant: the grantee is the patient, or this representative.
            NotController, PermissionExpired: it is no representative, or no longer.
            KeysMissing: the keys that lead back are not its own: it was named without the history, or has less than an
                hour left. The patient can grant.
            ProfileNotFound, ProfileOutdated, InvalidInput, StorageError, ContractError: as ``Patient.grant``.
        """
        address = address_of(grantee)
        flags = Flag.HISTORY if history else Flag(0)
        wanted = Wanted(tuple(read), tuple(append), purposes_mask(purpose), expires, starts, flags)

        def attempt() -> Granted:
            decider = self._decider()
            consent, now = decider.maker.consent(), self._ledger.now()
            limits = self._limits()
            terms = wanted.terms(decider.keys.names(consent), now)
            limits.require_other(address, self._ledger.contract.patient_of(self.patient).wallet)
            limits.require_within(self._stored(address), f"what {address} was granted before")
            limits.require_within(terms, "the permission")
            with self._ledger.trial():
                return decider.grant(consent, now, address, terms, _as_it_is)

        return again_when_stale(attempt)

    def revoke(self, grantee: Account) -> Revoked:
        """End what a grantee was granted, and change the keys, in one transaction; as ``Patient.revoke``.

        Where it can't make new keys the permission is revoked all the same, with the warning ``KeysNotRotated``:
        authors then seal to the inbox until the patient rotates.

        Raises:
            BeyondLimits: it goes beyond its own permission, or is another representative's.
            NotController, PermissionExpired: it is no representative, or no longer.
            ChainError: the chain did not take it.
        """
        address = address_of(grantee)
        if address == self.address:
            return self.resign()
        self._limits().require_within(self._stored(address), f"what {address} was granted")
        return self._decider().revoke(address)

    def rotate(self, *compartments: str) -> Receipt:
        """Begin a new epoch, sealed to those who may read now. What waits in the inbox stays there for the patient.

        Args:
            compartments: Their names; all that it reads unless given.

        Raises:
            CompartmentNotGranted: it may not read one of them.
            NotController, PermissionExpired: it is no representative, or no longer.
            KeysMissing: as ``grant``.
            InvalidInput, StorageError, ContractError: as ``Patient.rotate``.
        """

        def attempt() -> Receipt:
            limits = self._limits()
            mask = names_of.mask_of(compartments, self.compartments()) if compartments else limits.terms.read
            limits.require_readable(mask)
            return self._decider().rotate(mask)

        return again_when_stale(attempt)

    def resign(self) -> Revoked:
        """End its own permission. What it granted stays granted.

        Keys that it would make as it goes would be its own, so it makes none: authors seal to the inbox until the
        patient rotates.

        Raises:
            NotController, PermissionExpired: it is no representative, or no longer.
            ChainError: the chain did not take it.
        """
        could_read = self._limits().terms.read
        receipt = self._ledger.send(self._wallet, self._ledger.contract.revoke(self.patient, self.address))
        return Revoked(self.address, not could_read, receipt)

    def signed(self, decide: Callable[[Representative], object], *, valid: timedelta = timedelta(hours=1)) -> Bundle:
        """Sign what would be sent, and send nothing; as ``Patient.signed``.

        Raises:
            InvalidInput: ``valid`` is not positive, or nothing was decided.
            MedRecError: what the decision raises. Nothing was signed.
        """
        return sign_only(
            self._ledger, lambda ledger: decide(Representative(ledger, self._wallet, self._root, self.patient)), valid
        )

    # --- reading ----------------------------------------------------------------------------------------------------

    def chart(self, purpose: str | Purpose | None = None) -> Chart:
        """The patient's record, as far as the representative reads it.

        Args:
            purpose: Of use; family request, power of attorney or support network, whichever its permission has, unless
                given; else the first that it has.
        """
        why = self._own_purpose() if purpose is None else Purpose.parse(purpose)
        return Chart(self._ledger, self.patient, self._wallet, self.address, self.keys(), why)

    def permissions(self) -> list[PermissionLine]:
        """The patient's permissions in force, with the names that the representative knows."""
        return permission_lines(self._ledger.consent(self.patient), self._known_names())

    def decisions(self) -> Iterator[DecisionLine]:
        """Everything that was decided for the patient, in order, and by whom."""
        return decision_lines(self._ledger, self.patient)

    def compartments(self) -> Mapping[int, str]:
        """Number → name of the compartments that it may decide about.

        Raises:
            KeysMissing: it was never named, or has another key by now.
        """
        return RepresentativeKeys(self.keys).names(self._ledger.consent(self.patient))

    # --- private ----------------------------------------------------------------------------------------------------

    def _decider(self) -> Decider:
        keys = RepresentativeKeys(self.keys)
        return Decider(self._ledger, self._wallet, self.patient, keys, KeyringMaker(self._ledger, self.patient, keys))

    def _limits(self) -> Limits:
        """Its own permission, which has to be open now."""
        limits = Limits(self.patient, self.address, self._stored(self.address), self._known_names)
        limits.require_open(self._ledger.chain.now())
        return limits

    def _stored(self, address: str) -> Terms:
        """What somebody was granted, as the contract has it: revoking asks no events."""
        return self._ledger.contract.permission_of(self.patient, address).terms

    def _known_names(self) -> Mapping[int, str]:
        try:
            return self.compartments()
        except MedRecError:
            return {}

    def _own_purpose(self) -> Purpose:
        granted = purposes_in(self._stored(self.address).purposes)
        return next((purpose for purpose in (*_OWN_PURPOSES, *granted) if purpose in granted), Purpose.TREAT)


def _as_it_is(consent: Consent, _afresh: int) -> Consent:
    """A representative opens no inbox: what waits there stays, and new epochs are for what is written from then on."""
    return consent
