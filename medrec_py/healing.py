"""Sealing permissions anew to keys that their holders published later, and changing the keys that the old ones open.

A reader whose key was exposed, lost or has served its time publishes another one. Its permissions stay as they are,
but their seals, and the keyrings of before, were made for the old key: the new one opens none of them, and whoever
has the old one opens what is written next. The patient's client finds both from events and keyrings, and mends it:
first a keyring, sealed to everybody's present key, then each permission once more, on the same terms. After each of
these transactions all who could read can read, so it may end anywhere and be begun again: what is done is found done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import reduce
from operator import or_

from medrec_py import published_keys
from medrec_py.chain.reverts import StaleKeyring, VersionMismatch, WindowInvalid
from medrec_py.chain.transactions import Call, Receipt
from medrec_py.chain.types import address_bytes, address_of
from medrec_py.compartments import numbers_in
from medrec_py.consent import Consent, Grant
from medrec_py.crypto import grant_seal
from medrec_py.crypto.grant_seal import GrantedKeys
from medrec_py.crypto.keys import EpochId, EpochKeys
from medrec_py.errors import InvalidInput
from medrec_py.keyrings import OpenEpoch
from medrec_py.ledger import Ledger
from medrec_py.published_keys import PublishedKeys
from medrec_py.root_keys import RootKeys
from medrec_py.wallet import Signer

GRANTS_AT_ONCE = 100
"""Permissions of one transaction: at 40,000 gas each less than five million, which fits into any chain's blocks."""

MAX_EPOCHS = 16_384
"""So many epochs fit into a seal, which is one block. Of more the latest are given."""

SOON = 300
"""Seconds. A permission that ends so soon is left alone: it could be over before it is mined, and sink the others."""

ROUNDS = 5
"""How often the permissions are looked through anew, while others decide or publish keys at the same time."""


class Staleness(Enum):
    """What is wrong with a permission. The values say it in words."""

    OTHER_KEY = "another key was published since it was sealed"
    OLD_KEY_OPENS = "an earlier key opens what is written now"
    LEFT_OUT = "the present keys were not sealed to its holder"


@dataclass(frozen=True, slots=True)
class StalePermission:
    """A permission that lives and whose holder cannot use it as it should, or somebody else could.

    Attributes:
        grantee: Whose, EIP-55.
        reasons: What is wrong.
        problem: Why it cannot be mended at present; ``None`` if it can.
    """

    grantee: str
    reasons: tuple[Staleness, ...]
    problem: str | None


@dataclass(frozen=True, slots=True)
class Healed:
    """What healing did.

    Attributes:
        sealed: Whose permissions were sealed anew, EIP-55.
        rotated: New keys were published.
        left: What could not be mended, and why.
        receipts: Of the transactions; none if there was nothing to do.
    """

    sealed: tuple[str, ...]
    rotated: bool
    left: tuple[StalePermission, ...]
    receipts: tuple[Receipt, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Case:
    """A live permission, and what it needs."""

    grant: Grant
    keys: PublishedKeys
    reasons: frozenset[Staleness]
    seal: bool
    rotate: int
    problem: str | None

    def shown(self) -> StalePermission:
        reasons = tuple(reason for reason in Staleness if reason in self.reasons)
        return StalePermission(self.keys.account, reasons, self.problem)


@dataclass(slots=True)
class _Work:
    """How far healing has come."""

    forced: set[bytes]
    sealed: dict[str, None] = field(default_factory=dict)
    rotated: bool = False
    left: tuple[StalePermission, ...] = ()
    receipts: list[Receipt] = field(default_factory=list)


class PermissionHealer:
    """Finds and mends the stale permissions of one patient.

    Args:
        ledger: Chain and store.
        wallet: Decides for the patient.
        patient: Patient id, EIP-55.
        keys: The patient's.
        decided: What the patient has decided so far, if new keys may be made for it (``KeyringMaker.consent``).
        rotate: Publishes a keyring that begins new epochs of the compartments of a mask.
    """

    def __init__(
        self,
        ledger: Ledger,
        wallet: Signer,
        patient: str,
        keys: RootKeys,
        decided: Callable[[], Consent],
        rotate: Callable[[int], Receipt],
    ) -> None:
        self._ledger = ledger
        self._wallet = wallet
        self._patient = patient
        self._place = ledger.place(patient)
        self._keys = keys
        self._decided = decided
        self._rotate = rotate

    def stale(self) -> list[StalePermission]:
        """The permissions that need it. Nothing is sent.

        Raises:
            HistoryMismatch: the node left out a decision or a profile.
            ChainUnavailable: it does not answer.
        """
        return [case.shown() for case in self._survey(self._ledger.consent(self._patient), set())]

    def heal(self, named: Collection[str] = (), progress: Callable[[int], None] | None = None) -> Healed:
        """Mend what is stale; or the permissions of those named, whether it shows that they are stale or not.

        Args:
            named: EIP-55.
            progress: Called with 1 for each permission that was sealed anew.

        Raises:
            InvalidInput: somebody named has no permission that lives.
            SuiteDowngrade: the latest keyring is of a later suite than the deployment as it is known here.
            StorageError: the store did not take a seal. What was mined before stays, and is found done next time.
            ContractError: the contract refused.
        """
        only = {address_bytes(account) for account in named}
        work = _Work(set(only))
        for attempt in range(1, ROUNDS + 1):
            try:
                self._round(work, only, progress)
            except (VersionMismatch, WindowInvalid, StaleKeyring):  # another device decided, or one has just ended
                if attempt == ROUNDS:
                    raise
                continue
            if not work.forced:
                break
        return Healed(tuple(work.sealed), work.rotated, work.left, tuple(work.receipts))

    # --- private ----------------------------------------------------------------------------------------------------

    def _round(self, work: _Work, only: set[bytes], progress: Callable[[int], None] | None) -> None:
        consent = self._decided()
        before = consent.block
        _require_live(consent, work.forced)
        cases = [case for case in self._survey(consent, work.forced) if not only or case.grant.grantee in only]
        able = [case for case in cases if case.problem is None]
        work.left = tuple(case.shown() for case in cases if case.problem is not None)
        mask = reduce(or_, (case.rotate for case in able), 0)
        if mask:
            work.receipts.append(self._rotate(mask))
            work.rotated = True
            consent = self._decided()
        sealing = [case for case in able if case.seal]
        for start in range(0, len(sealing), GRANTS_AT_ONCE):
            self._seal(consent, sealing[start : start + GRANTS_AT_ONCE], work, progress)
        work.forced = self._published_since(consent, before) & (only or set(consent.permissions)) if able else set()

    def _published_since(self, consent: Consent, block: int) -> set[bytes]:
        """Those who published a profile while their keys were being read: what was sealed may be for the one before."""
        accounts = [address_of(grantee) for grantee in consent.permissions]
        last = self._ledger.chain.block_number()
        return {
            address_bytes(log.event.account) for log in self._ledger.profiles_published(accounts, last, first=block + 1)
        }

    def _survey(self, consent: Consent, forced: Collection[bytes]) -> list[_Case]:
        """The live permissions that need something, and those that are forced."""
        now = self._ledger.now()
        live = [grant for grant in consent.permissions.values() if grant.terms.expiry > now + SOON]
        accounts = [address_of(grant.grantee) for grant in live]
        keys = published_keys.of_accounts(self._ledger, accounts, consent.block)
        masks = self._ledger.readers_at(self._patient, [grant.grantee for grant in live], now)
        newest = {number: consent.keyrings.newest(number, now) for number in numbers_in(reduce(or_, masks, 0))}
        cases = [
            self._case(consent, newest, grant, keys[account], now, mask, forced=grant.grantee in forced)
            for grant, account, mask in zip(live, accounts, masks, strict=True)
        ]
        return [case for case in cases if case.seal or case.rotate or case.reasons]

    def _case(
        self,
        consent: Consent,
        newest: Mapping[int, OpenEpoch | None],
        grant: Grant,
        keys: PublishedKeys,
        now: int,
        mask: int,
        *,
        forced: bool,
    ) -> _Case:
        reads = mask & grant.terms.read
        open_to_old, left_out = 0, 0
        for number in numbers_in(reads):
            found = newest[number]
            if found is not None:
                open_to_old |= (found.entry.block <= keys.changed) << number
                left_out |= (not consent.is_sealed_to(grant, found.epoch.id)) << number
        reasons = {
            Staleness.OTHER_KEY: not keys.is_current(grant.block),
            Staleness.OLD_KEY_OPENS: bool(open_to_old),
            Staleness.LEFT_OUT: bool(left_out),
        }
        problem = None if keys.problem is None else str(keys.problem)
        if grant.read_at(now) and not mask:
            problem = "a registrar has suspended its holder"
        return _Case(
            grant=grant,
            keys=keys,
            reasons=frozenset(reason for reason, holds in reasons.items() if holds),
            seal=forced or reasons[Staleness.OTHER_KEY],
            rotate=reads if forced else open_to_old | left_out,
            problem=problem,
        )

    def _seal(
        self, consent: Consent, cases: Sequence[_Case], work: _Work, progress: Callable[[int], None] | None
    ) -> None:
        """Grant once more, on the same terms. A permission that was changed meanwhile has another version."""
        now = self._ledger.now()
        names = self._keys.names(consent)
        calls = [self._grant_call(consent, case, names, now) for case in cases]
        work.receipts.append(self._ledger.send(self._wallet, *calls))
        for case in cases:
            work.sealed[case.keys.account] = None
            work.forced.discard(case.grant.grantee)
            if progress is not None:
                progress(1)

    def _grant_call(self, consent: Consent, case: _Case, names: Mapping[int, str], now: int) -> Call:
        grant, present = case.grant, case.keys.present
        assert present is not None  # noqa: S101 - or there would be a problem
        version = grant.version + 1
        known = {number: names[number] for number in numbers_in(grant.terms.read | grant.terms.append)}
        keys = GrantedKeys(self._keys_for(consent, grant, now), known)
        block = grant_seal.build(self._place, grant.grantee, version, present, keys, suite=self._ledger.suite)
        seal = self._ledger.put_block(block)
        return self._ledger.contract.grant(self._patient, case.keys.account, grant.terms, seal, version)

    def _keys_for(self, consent: Consent, grant: Grant, now: int) -> dict[EpochId, EpochKeys]:
        """The keys that a permission opens: with HISTORY the newest of each compartment, which lead back to all."""
        epochs = [
            epoch for number in numbers_in(grant.terms.read) for epoch in self._epochs_for(consent, grant, number, now)
        ]
        latest = sorted(epochs, key=lambda epoch: epoch.number)[-MAX_EPOCHS:]
        opened = {epoch: self._keys.epoch_keys(consent, epoch) for epoch in latest}
        return opened if grant.history else {epoch: keys.without_history() for epoch, keys in opened.items()}

    def _epochs_for(self, consent: Consent, grant: Grant, compartment: int, now: int) -> set[EpochId]:
        newest = consent.keyrings.newest(compartment, now)
        pending = consent.keyrings.pending(compartment, now)
        epochs = {found.epoch.id for found in pending if found.epoch.start < grant.terms.expiry}
        if newest is not None and consent.is_sealed_to(grant, newest.epoch.id):
            epochs.add(newest.epoch.id)
        if grant.history:
            return epochs
        given = consent.epochs_given(grant, compartment)  # what an erasure has cut off is out of reach for all
        return epochs | {epoch for epoch in given if self._keys.reaches(consent, epoch)}


def _require_live(consent: Consent, named: Collection[bytes]) -> None:
    for grantee in named:
        if grantee not in consent.permissions:
            raise InvalidInput(f"{address_of(grantee)} has no permission: there is nothing to seal")
