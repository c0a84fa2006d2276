"""MedRec once more, in Python, from what `contracts/interfaces/IMedRec.sol` says: what calls do, emit and refuse.

Nothing is shared with the contracts but that text. The heads come from `tests/vectors/generate_head.py`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, NamedTuple

from eth_utils import keccak

from tests.invariants.signing import Members, form_of, members_of, signatures_of
from tests.vectors import generate_head
from tests.vectors.generate_head import ERASED, KEYRING, LAST_KEYRING_VERSION, MOVED, RECORD

Address = bytes
Event = tuple[str, tuple[Any, ...]]

ZERO = bytes(20)
NO_BYTES = bytes(32)
LAST_VERSION = 2**24 - 1
HISTORY, MANAGE = 1, 2
READ, APPEND, DECIDE = range(3)
MAPPINGS = ("providers", "agents", "patients", "profiles", "permissions", "words", "guardianships")


class Denial(IntEnum):
    NONE = 0
    PATIENT_UNKNOWN = 1
    NOT_CONTROLLER = 2
    AGENT_NOT_NAMED = 3
    AGENT_EXPIRED = 4
    AGENT_SUSPENDED = 5
    AGENT_ACCREDITATION_EXPIRED = 6
    NOT_ACCREDITED = 7
    SUSPENDED = 8
    ACCREDITATION_EXPIRED = 9
    NOT_GRANTED = 10
    REVOKED = 11
    NOT_YET_VALID = 12
    EXPIRED = 13
    COMPARTMENT_NOT_GRANTED = 14
    PURPOSE_NOT_GRANTED = 15
    BEYOND_LIMITS = 16


class Refused(Exception):
    """An error of the contract, with its values."""

    def __init__(self, name: str, *values: Any) -> None:
        super().__init__(name, values)
        self.name = name
        self.values = values


class Terms(NamedTuple):
    read: int = 0
    append: int = 0
    not_before: int = 0
    expiry: int = 0
    purposes: int = 0
    flags: int = 0

    def is_open(self, time: int) -> bool:
        return self.not_before <= time < self.expiry

    @property
    def manages(self) -> bool:
        """Whether the grantee is a representative."""
        return bool(self.flags & MANAGE)

    def lies_within(self, limits: Terms) -> bool:
        """Whether a representative with those limits may give or end these terms."""
        rights = ((self.read, limits.read), (self.append, limits.append), (self.purposes, limits.purposes))
        flags = (self.flags, limits.flags & HISTORY)
        return self.expiry <= limits.expiry and not any(mine & ~its for mine, its in (*rights, flags))


class Permission(NamedTuple):
    terms: Terms = Terms()
    version: int = 0

    def reading(self, time: int) -> int:
        """The live reading mask, whatever for."""
        return self.terms.read if self.terms.is_open(time) else 0


class Entry(NamedTuple):
    compartments: int
    replaces: int
    pointer: bytes
    claim: bytes


class Item(NamedTuple):
    patient: Address
    keyring_version: int
    entry: Entry


@dataclass(frozen=True)
class Provider:
    kind: int = 0
    suspended: bool = False
    emergency: bool = False
    expiry: int = 0
    relayed: int = 0


@dataclass(frozen=True)
class Patient:
    wallet: Address = ZERO
    decisions: int = 0
    flags: int = 0


@dataclass(frozen=True)
class Recovery:
    """The latest of a patient: without a wallet it is over; if `spent`, nothing signed for its round counts."""

    round: int = 0
    wallet: Address = ZERO
    due: int = 0
    spent: bool = False


@dataclass(frozen=True)
class Guardianship:
    """Commitments to the set that counts before `since` and to that from then on, and to the one that recovers."""

    present: bytes = NO_BYTES
    following: bytes = NO_BYTES
    since: int = 0
    recovering: bytes = NO_BYTES
    recovery: Recovery = Recovery()

    def at(self, time: int) -> bytes:
        """The set that counts then."""
        return self.following if self.since <= time else self.present


@dataclass
class Model:
    """The state, and the functions by the contract's names in snake case; `now` and `sender` are set before a call.

    What is a signature is said from outside, by `is_signed`: where nothing is said, all are.
    """

    authority: Address
    now: int
    encode_error: Callable[..., bytes]
    is_signed: Callable[[Address, str, Members, bytes], bool] = lambda *_: True
    pending: Address = ZERO
    sender: Address = ZERO
    call: tuple[str, tuple[Any, ...]] = ("", ())
    registrars: set[Address] = field(default_factory=set)
    providers: dict[Address, Provider] = field(default_factory=lambda: defaultdict(Provider))
    agents: dict[tuple[Address, Address], int] = field(default_factory=lambda: defaultdict(int))
    patients: dict[Address, Patient] = field(default_factory=lambda: defaultdict(Patient))
    profiles: dict[Address, bytes] = field(default_factory=lambda: defaultdict(lambda: NO_BYTES))
    permissions: dict[tuple[Address, Address], Permission] = field(default_factory=lambda: defaultdict(Permission))
    words: dict[Address, int] = field(default_factory=lambda: defaultdict(int))
    guardianships: dict[Address, Guardianship] = field(default_factory=lambda: defaultdict(Guardianship))
    events: list[Event] = field(default_factory=list)

    def emit(self, name: str, *values: Any) -> None:
        self.events.append((name, values))

    def attempted(self, sender: Address, function: str, *arguments: Any) -> tuple[Model, Any]:
        """The model after a call, with the call's events alone, and what the call returns; this one stays as it is.

        Raises:
            Refused: The contract refuses the call.
        """
        after = replace(
            self,
            sender=sender,
            call=(function, arguments),
            events=[],
            registrars=set(self.registrars),
            **{name: getattr(self, name).copy() for name in MAPPINGS},
        )
        method = getattr(after, re.sub("([A-Z])", lambda capital: f"_{capital[1].lower()}", function))
        return after, method(*arguments)

    def multicall(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Several calls, given as (function, arguments), one after another or none."""
        sender, results = self.sender, []
        for function, arguments in calls:
            after, result = self.attempted(sender, function, *arguments)
            after.events = self.events + after.events
            vars(self).update(vars(after))
            results.append(result)
        return results

    # ------------------------------------------------------------------------------------------------------- predicate

    def may(
        self, patient: Address, actor: Address, principal: Address, action: int, compartments: int, purpose: int
    ) -> Denial:
        if principal == patient:
            if self.patients[patient].wallet == ZERO:
                return Denial.PATIENT_UNKNOWN
            if self.patients[patient].wallet != actor:
                return Denial.NOT_CONTROLLER
            return Denial.NONE if purpose <= 15 else Denial.PURPOSE_NOT_GRANTED
        if action == DECIDE:
            permission = self.permissions[patient, principal]
            if actor != principal or not permission.terms.manages:
                return Denial.NOT_CONTROLLER
            reasons = self._permission_reasons(permission, action, compartments, purpose)
            return next((denial for denial, applies in reasons if applies), Denial.NONE)
        reasons = [
            *(self._agent_reasons(actor, principal) if actor != principal else ()),
            *self._principal_reasons(principal, action),
            *self._permission_reasons(self.permissions[patient, principal], action, compartments, purpose),
        ]
        return next((denial for denial, applies in reasons if applies), Denial.NONE)

    def _agent_reasons(self, actor: Address, principal: Address) -> list[tuple[Denial, bool]]:
        until, agent = self.agents[principal, actor], self.providers[actor]
        return [
            (Denial.AGENT_NOT_NAMED, until == 0),
            (Denial.AGENT_EXPIRED, self.now >= until),
            (Denial.AGENT_SUSPENDED, agent.suspended),
            (Denial.AGENT_ACCREDITATION_EXPIRED, agent.kind != 0 and self.now >= agent.expiry),
        ]

    def _principal_reasons(self, principal: Address, action: int) -> list[tuple[Denial, bool]]:
        provider = self.providers[principal]
        return [
            (Denial.SUSPENDED, provider.suspended),
            (Denial.NOT_ACCREDITED, action == APPEND and provider.kind == 0),
            (Denial.ACCREDITATION_EXPIRED, action == APPEND and self.now >= provider.expiry),
        ]

    def _permission_reasons(
        self, permission: Permission, action: int, compartments: int, purpose: int
    ) -> list[tuple[Denial, bool]]:
        terms = permission.terms
        mask = terms.append if action == APPEND else terms.read
        return [
            (Denial.NOT_GRANTED, permission == Permission()),
            (Denial.REVOKED, terms == Terms()),
            (Denial.NOT_YET_VALID, self.now < terms.not_before),
            (Denial.EXPIRED, self.now >= terms.expiry),
            (Denial.PURPOSE_NOT_GRANTED, not terms.purposes >> purpose & 1),
            (Denial.COMPARTMENT_NOT_GRANTED, mask == 0 or compartments & ~mask != 0),
        ]

    def _require_may(self, patient: Address, principal: Address, action: int, compartments: int, purpose: int) -> None:
        denial = self.may(patient, self.sender, principal, action, compartments, purpose)
        if denial:
            raise Refused("NotPermitted", patient, self.sender, principal, action, denial)

    def _require_wallet(self, patient: Address) -> None:
        self._require_may(patient, patient, DECIDE, 0, 0)

    def _require_decider(self, patient: Address) -> Terms | None:
        """The limits of who decides about permissions and keyrings; `None` for the wallet, which has none."""
        if self.patients[patient].wallet == self.sender:
            return None
        limits = self.permissions[patient, self.sender].terms
        if self.sender == patient or not limits.manages:
            self._require_wallet(patient)
        if self.now < limits.not_before:
            raise self._beyond(patient, Denial.NOT_YET_VALID)
        if self.now >= limits.expiry:
            raise self._beyond(patient, Denial.EXPIRED)
        return limits

    def _beyond(self, patient: Address, denial: Denial) -> Refused:
        return Refused("NotPermitted", patient, self.sender, self.sender, DECIDE, denial)

    def _require_within(self, patient: Address, terms: Terms, limits: Terms | None) -> None:
        if limits is not None and not terms.lies_within(limits):
            raise self._beyond(patient, Denial.BEYOND_LIMITS)

    def _require_readable(self, patient: Address, compartments: int, limits: Terms | None) -> None:
        if limits is not None and compartments & ~limits.read:
            raise self._beyond(patient, Denial.COMPARTMENT_NOT_GRANTED)

    def _sign(self, signer: Address, deadline: int) -> None:
        """From here on the signer decides, if it signed the call that is carried out."""
        if self.now > deadline:
            raise Refused("DeadlinePassed", deadline)
        function, arguments = self.call
        signature = arguments[-signatures_of(function)]
        self._require_signed(signer, form_of(function), members_of(function, arguments), signature)
        self.sender = signer

    def _require_signed(self, signer: Address, form: str, members: Members, signature: bytes) -> None:
        """Nobody is the zero address."""
        if signer == ZERO or not self.is_signed(signer, form, members, signature):
            raise Refused("SignatureInvalid", signer)

    def relay(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Signed forms, given as (function, arguments), each by itself."""
        relayer = self.sender
        for place, (function, arguments) in enumerate(calls):
            try:
                after, _ = self.attempted(relayer, function, *arguments)
            except Refused as refusal:
                self.emit("CallRefused", relayer, place, self.encode_error(refusal.name, *refusal.values))
            else:
                after.events = self.events + after.events
                vars(self).update(vars(after))

    # -------------------------------------------------------------------------------------------------------- patients

    def register(self) -> None:
        self._register(self.sender, self.sender)

    def register_signed(self, patient: Address, wallet: Address, deadline: int, *signatures: bytes) -> None:
        self._sign(patient, deadline)
        if wallet == ZERO:
            raise Refused("ZeroAddress")
        if wallet != patient:
            self._require_signed(wallet, "Register", (patient, wallet, deadline), signatures[1])
        self._register(patient, wallet)

    def _register(self, patient: Address, wallet: Address) -> None:
        if self.patients[patient].wallet != ZERO:
            raise Refused("AlreadyRegistered", patient)
        self.patients[patient] = Patient(wallet)
        self.emit("PatientRegistered", patient, wallet, self.sender)

    def change_wallet(self, patient: Address, wallet: Address, decision: int, deadline: int, consent: bytes) -> None:
        self._require_wallet(patient)
        if wallet == ZERO:
            raise Refused("ZeroAddress")
        if wallet == self.sender:
            raise Refused("WalletUnchanged", patient, wallet)
        self._take_decision(patient, decision)
        if self.now > deadline:
            raise Refused("DeadlinePassed", deadline)
        self._require_signed(wallet, "WalletChange", (patient, wallet, decision, deadline), consent)
        self.patients[patient] = replace(self.patients[patient], wallet=wallet)
        self.emit("WalletChanged", patient, wallet, self.sender)

    def change_wallet_signed(
        self, patient: Address, signer: Address, wallet: Address, decision: int, deadline: int, *signatures: bytes
    ) -> None:
        self._sign(signer, deadline)
        self.change_wallet(patient, wallet, decision, deadline, signatures[1])

    # ------------------------------------------------------------------------------------------------------- guardians

    def set_guardians(
        self, patient: Address, decision: int, delay: int, rest: bytes, guardians: bytes, document: bytes
    ) -> None:
        self._require_wallet(patient)
        self._take_decision(patient, decision)
        before = self.guardianships[patient]
        present, since = before.at(self.now), 0
        if present != NO_BYTES:
            if commitment(delay, rest) != present:
                raise Refused("GuardiansMismatch", patient)
            since = self.now + delay
        self.guardianships[patient] = replace(before, present=present, following=guardians, since=since)
        self.emit("GuardiansSet", patient, self.sender, guardians, document, since)

    def set_guardians_signed(
        self,
        patient: Address,
        signer: Address,
        decision: int,
        delay: int,
        rest: bytes,
        guardians: bytes,
        document: bytes,
        deadline: int,
        signature: bytes,
    ) -> None:
        self._sign(signer, deadline)
        self.set_guardians(patient, decision, delay, rest, guardians, document)

    def begin_recovery(
        self,
        patient: Address,
        wallet: Address,
        number: int,
        deadline: int,
        delay: int,
        salt: bytes,
        threshold: int,
        guardians: Sequence[Address],
        consent: bytes,
        signatures: Sequence[bytes],
    ) -> None:
        if self.now > deadline:
            raise Refused("DeadlinePassed", deadline)
        before = self.guardianships[patient]
        shown = commitment(delay, rest_of(salt, threshold, guardians))
        if shown != before.at(self.now) or len(signatures) != len(guardians):
            raise Refused("GuardiansMismatch", patient)
        self._require_signed(wallet, "Recover", (patient, wallet, wallet, number, deadline), consent)
        for guardian, signature in zip(guardians, signatures, strict=True):
            if signature:
                self._require_signed(guardian, "Recover", (patient, guardian, wallet, number, deadline), signature)
        missing = sum(not signature for signature in signatures)
        if len(guardians) - missing < threshold:
            raise Refused("GuardiansTooFew", patient, missing, threshold)
        last = before.recovery
        if number not in self._rounds(last, unanimous=not missing):
            raise Refused("RecoveryMismatch", patient, last.round, number)
        begun = Recovery(number, wallet, self.now + delay, not missing)
        self.guardianships[patient] = replace(before, recovering=shown, recovery=begun)
        self.emit("RecoveryBegun", patient, wallet, number, begun.due, begun.spent)

    @staticmethod
    def _rounds(last: Recovery, *, unanimous: bool) -> set[int]:
        """The numbers that a recovery may have which begins now."""
        if unanimous and not last.spent:
            return {last.round, last.round + 1} - {0}
        return {last.round + 1} if last.wallet == ZERO else set()

    def stop_recovery(self, patient: Address, number: int) -> None:
        self._require_wallet(patient)
        before = self.guardianships[patient]
        last = before.recovery
        if number != last.round or last.wallet == ZERO or last.spent or self.now >= last.due:
            raise Refused("RecoveryMismatch", patient, last.round, number)
        self.guardianships[patient] = replace(before, recovery=Recovery(last.round))
        self.emit("RecoveryStopped", patient, self.sender, number)

    def stop_recovery_signed(
        self, patient: Address, signer: Address, number: int, deadline: int, signature: bytes
    ) -> None:
        self._sign(signer, deadline)
        self.stop_recovery(patient, number)

    def complete_recovery(self, patient: Address) -> None:
        before = self.guardianships[patient]
        last = before.recovery
        if last.wallet == ZERO or self.now < last.due:
            raise Refused("RecoveryNotDue", patient, last.due)
        over = Recovery(last.round, spent=True)
        self.guardianships[patient] = replace(before, following=before.recovering, since=0, recovery=over)
        self.patients[patient] = replace(self.patients[patient], wallet=last.wallet)
        self.emit("WalletChanged", patient, last.wallet, last.wallet)

    def publish_profile(self, digest: bytes) -> None:
        self.profiles[self.sender] = digest
        self.emit("ProfilePublished", self.sender, self.sender, digest)

    # ------------------------------------------------------------------------------------------------------- providers

    def _require_authority(self) -> None:
        if self.sender != self.authority:
            raise Refused("NotAuthority", self.sender)

    def _require_registrar(self) -> None:
        if self.sender not in self.registrars:
            raise Refused("NotRegistrar", self.sender)

    def offer_authority(self, candidate: Address) -> None:
        self._require_authority()
        self.pending = candidate
        self.emit("AuthorityOffered", self.sender, candidate)

    def accept_authority(self) -> None:
        if self.sender != self.pending:
            raise Refused("NotAuthority", self.sender)
        self.emit("AuthorityAccepted", self.authority, self.sender)
        self.authority, self.pending = self.sender, ZERO

    def add_registrar(self, account: Address) -> None:
        self._require_authority()
        if account == ZERO:
            raise Refused("ZeroAddress")
        if account in self.registrars:
            raise Refused("AlreadyRegistrar", account)
        self.registrars.add(account)
        self.emit("RegistrarAdded", account, self.sender)

    def remove_registrar(self, account: Address) -> None:
        self._require_authority()
        if account not in self.registrars:
            raise Refused("NotRegistrar", account)
        self.registrars.remove(account)
        self.emit("RegistrarRemoved", account, self.sender)

    def accredit(self, provider: Address, kind: int, emergency: bool, expiry: int) -> None:
        self._require_registrar()
        if provider == ZERO:
            raise Refused("ZeroAddress")
        if kind == 0:
            raise Refused("ProviderKindMissing", provider)
        if expiry <= self.now:
            raise Refused("ExpiryPassed", expiry)
        self.providers[provider] = replace(self.providers[provider], kind=kind, emergency=emergency, expiry=expiry)
        self.emit("ProviderAccredited", provider, self.sender, kind, emergency, expiry)

    def _set_suspended(self, provider: Address, event: str, suspended: bool) -> None:
        self._require_registrar()
        if self.providers[provider].kind == 0:
            raise Refused("UnknownProvider", provider)
        self.providers[provider] = replace(self.providers[provider], suspended=suspended)
        self.emit(event, provider, self.sender)

    def suspend(self, provider: Address) -> None:
        self._set_suspended(provider, "ProviderSuspended", suspended=True)

    def reinstate(self, provider: Address) -> None:
        self._set_suspended(provider, "ProviderReinstated", suspended=False)

    def name_agent(self, agent: Address, until: int) -> None:
        if agent == ZERO:
            raise Refused("ZeroAddress")
        if agent == self.sender:
            raise Refused("SelfAgent", agent)
        if until <= self.now:
            raise Refused("ExpiryPassed", until)
        self.agents[self.sender, agent] = until
        self.emit("AgentNamed", self.sender, agent, self.sender, until)

    def dismiss_agent(self, agent: Address) -> None:
        self.agents[self.sender, agent] = 0
        self.emit("AgentDismissed", self.sender, agent, self.sender)

    # ----------------------------------------------------------------------------------------------------- permissions

    def grant(self, patient: Address, grantee: Address, terms: Terms, seal: bytes, version: int) -> None:
        limits = self._require_decider(patient)
        self._require_sound(patient, grantee, terms)
        stored = self.permissions[patient, grantee]
        if version != stored.version + 1:
            raise Refused("VersionMismatch", patient, grantee, stored.version, version)
        if grantee == self.patients[patient].wallet:
            raise Refused("SelfGrant", patient)
        self._require_within(patient, stored.terms, limits)
        self._require_within(patient, terms, limits)
        lost, raised = self._replace(patient, grantee, Permission(terms, version))
        self.emit("PermissionGranted", patient, grantee, self.sender, version, terms, seal, lost, raised)

    def grant_signed(
        self,
        patient: Address,
        signer: Address,
        grantee: Address,
        terms: Terms,
        seal: bytes,
        version: int,
        deadline: int,
        signature: bytes,
    ) -> None:
        self._sign(signer, deadline)
        self._require_decider(patient)
        self._require_sound(patient, grantee, terms)
        if self.permissions[patient, grantee] != Permission(terms, version):
            self.grant(patient, grantee, terms, seal, version)

    def _require_sound(self, patient: Address, grantee: Address, terms: Terms) -> None:
        if grantee == ZERO:
            raise Refused("ZeroAddress")
        if grantee in {patient, self.sender}:
            raise Refused("SelfGrant", patient)
        if not terms.read | terms.append:
            raise Refused("CompartmentsEmpty")
        if not terms.purposes:
            raise Refused("PurposesEmpty")
        if terms.flags & ~(HISTORY | MANAGE):
            raise Refused("FlagsNotSupported", terms.flags)
        if terms.expiry <= max(self.now, terms.not_before):
            raise Refused("WindowInvalid", terms.not_before, terms.expiry)

    def revoke(self, patient: Address, grantee: Address) -> None:
        limits = self._require_decider(patient)
        if grantee != self.sender:
            self._require_within(patient, self.permissions[patient, grantee].terms, limits)
        version = min(self.permissions[patient, grantee].version + 1, LAST_VERSION)
        lost, raised = self._replace(patient, grantee, Permission(Terms(), version))
        self.emit("PermissionRevoked", patient, grantee, self.sender, version, lost, raised)

    def _replace(self, patient: Address, grantee: Address, permission: Permission) -> tuple[int, int]:
        lost = self.permissions[patient, grantee].reading(self.now) & ~permission.reading(self.now)
        self.permissions[patient, grantee] = permission
        if not lost:
            return 0, 0
        self.words[patient] = generate_head.reader_lost(self.words[patient])
        return lost, self.keyring_version(patient)

    def revoke_and_rotate(
        self, patient: Address, grantee: Address, keyring_version: int, compartments: int, pointer: bytes
    ) -> None:
        limits = self._require_decider(patient)
        current = self.keyring_version(patient)
        if keyring_version == current < LAST_KEYRING_VERSION:
            self._require_readable(patient, compartments, limits)
            self._publish(patient, KEYRING, "KeyringPublished", compartments, pointer)
        else:
            self.emit("KeyringSkipped", patient, current, keyring_version, pointer)
        self.revoke(patient, grantee)

    def revoke_signed(
        self,
        patient: Address,
        signer: Address,
        grantee: Address,
        version: int,
        keyring_version: int,
        compartments: int,
        keyring: bytes,
        deadline: int,
        signature: bytes,
    ) -> None:
        self._sign(signer, deadline)
        limits = self._require_decider(patient)
        terms, current = self.permissions[patient, grantee]
        stands = terms != Terms()
        if version > current + (not stands):
            raise Refused("VersionMismatch", patient, grantee, current, version)
        done = not stands and 0 < current >= version
        with_keyring = keyring != NO_BYTES
        if not done and with_keyring:
            self.revoke_and_rotate(patient, grantee, keyring_version, compartments, keyring)
        elif not done:
            self.revoke(patient, grantee)
        elif with_keyring and keyring_version == self.keyring_version(patient) < LAST_KEYRING_VERSION:
            self._require_readable(patient, compartments, limits)
            self._publish(patient, KEYRING, "KeyringPublished", compartments, keyring)

    # --------------------------------------------------------------------------------------------------------- history

    def keyring_version(self, patient: Address) -> int:
        return generate_head.parts_of(self.words[patient])[2]

    def length(self, patient: Address) -> int:
        return generate_head.parts_of(self.words[patient])[1]

    @staticmethod
    def _require_named(compartments: int, pointer: bytes) -> None:
        if not compartments:
            raise Refused("CompartmentsEmpty")
        if pointer == NO_BYTES:
            raise Refused("PointerEmpty")

    def _publish(self, patient: Address, kind: int, event: str, compartments: int, pointer: bytes) -> None:
        self._require_named(compartments, pointer)
        previous = self.words[patient]
        entry = generate_head.Entry(kind, compartments, self.sender, patient, self.now, pointer)
        self.words[patient] = generate_head.next_word(previous, patient, entry)
        self.emit(event, patient, self.sender, self.now, previous.to_bytes(32, "big"), compartments, pointer)

    def publish_keyring(self, patient: Address, keyring_version: int, compartments: int, pointer: bytes) -> None:
        limits = self._require_decider(patient)
        current = self.keyring_version(patient)
        if keyring_version != current:
            raise Refused("StaleKeyring", patient, current, keyring_version)
        self._require_readable(patient, compartments, limits)
        self._require_named(compartments, pointer)
        if current == LAST_KEYRING_VERSION:
            raise Refused("KeyringExhausted", patient)
        self._publish(patient, KEYRING, "KeyringPublished", compartments, pointer)

    def publish_keyring_signed(
        self,
        patient: Address,
        signer: Address,
        pointer: bytes,
        keyring_version: int,
        compartments: int,
        deadline: int,
        signature: bytes,
    ) -> None:
        self._sign(signer, deadline)
        self.publish_keyring(patient, keyring_version, compartments, pointer)

    def _take_decision(self, patient: Address, decision: int) -> None:
        current = self.patients[patient].decisions
        if decision != current + 1:
            raise Refused("DecisionMismatch", patient, current, decision)
        self.patients[patient] = replace(self.patients[patient], decisions=decision)

    def _manifest(
        self, patient: Address, decision: int, kind: int, event: str, compartments: int, pointer: bytes
    ) -> None:
        self._require_wallet(patient)
        self._take_decision(patient, decision)
        self._publish(patient, kind, event, compartments, pointer)

    def publish_moved(self, patient: Address, decision: int, compartments: int, pointer: bytes) -> None:
        self._manifest(patient, decision, MOVED, "RecordsMoved", compartments, pointer)

    def publish_erased(self, patient: Address, decision: int, compartments: int, pointer: bytes) -> None:
        self._manifest(patient, decision, ERASED, "RecordsErased", compartments, pointer)

    def publish_moved_signed(
        self,
        patient: Address,
        signer: Address,
        decision: int,
        compartments: int,
        pointer: bytes,
        deadline: int,
        signature: bytes,
    ) -> None:
        self._sign(signer, deadline)
        self.publish_moved(patient, decision, compartments, pointer)

    def publish_erased_signed(
        self,
        patient: Address,
        signer: Address,
        decision: int,
        compartments: int,
        pointer: bytes,
        deadline: int,
        signature: bytes,
    ) -> None:
        self._sign(signer, deadline)
        self.publish_erased(patient, decision, compartments, pointer)

    def _bind(self, patient: Address, principal: Address, keyring_version: int, purpose: int, entry: Entry) -> None:
        """What one record requires, and its place in the head."""
        self._require_may(patient, principal, APPEND, entry.compartments, purpose)
        current = self.keyring_version(patient)
        if keyring_version != current:
            raise Refused("StaleKeyring", patient, current, keyring_version)
        if not entry.compartments:
            raise Refused("CompartmentsEmpty")
        if entry.pointer == NO_BYTES:
            raise Refused("PointerEmpty")
        if entry.replaces and not 1 <= entry.replaces >> 32 <= self.length(patient):
            raise Refused("ReplacedUnknown", patient, entry.replaces, self.length(patient))
        bound = generate_head.Entry(
            RECORD, entry.compartments, self.sender, principal, self.now, entry.pointer, entry.claim, entry.replaces
        )
        self.words[patient] = generate_head.next_word(self.words[patient], patient, bound)

    def _appended(self, patient: Address, principal: Address, previous: int, entries: Sequence[Entry]) -> None:
        if entries:
            name, value = ("RecordAppended", entries[0]) if len(entries) == 1 else ("RecordsAppended", tuple(entries))
            self.emit(name, patient, self.sender, principal, self.now, previous.to_bytes(32, "big"), value)

    def append(self, patient: Address, principal: Address, keyring_version: int, purpose: int, entry: Entry) -> int:
        previous = self.words[patient]
        self._bind(patient, principal, keyring_version, purpose, entry)
        self._appended(patient, principal, previous, [entry])
        return self.length(patient)

    def _take_number(self, author: Address, number: int) -> None:
        current = self.providers[author].relayed
        if number != current + 1:
            raise Refused("RelayedMismatch", author, current, number)
        self.providers[author] = replace(self.providers[author], relayed=number)

    def append_signed(
        self,
        patient: Address,
        author: Address,
        principal: Address,
        keyring_version: int,
        purpose: int,
        entry: Entry,
        number: int,
        deadline: int,
        signature: bytes,
    ) -> None:
        self._sign(author, deadline)
        self._take_number(author, number)
        self.append(patient, principal, keyring_version, purpose, entry)

    def append_many(
        self,
        patient: Address,
        principal: Address,
        keyring_version: int,
        purpose: int,
        entries: Sequence[Entry],
        skip_refused: bool,
    ) -> None:
        previous = self.words[patient]
        run: list[Entry] = []
        for place, entry in enumerate(entries):
            try:
                self._bind(patient, principal, keyring_version, purpose, entry)
                run.append(entry)
            except Refused as refusal:
                if not skip_refused:
                    raise
                self._appended(patient, principal, previous, run)
                reason = self.encode_error(refusal.name, *refusal.values)
                self.emit("EntryRefused", patient, self.sender, principal, place, reason)
                previous, run = self.words[patient], []
        self._appended(patient, principal, previous, run)

    def append_to_many(
        self,
        principal: Address,
        purpose: int,
        items: Sequence[Item],
        skip_refused: bool,
    ) -> None:
        for place, item in enumerate(items):
            previous = self.words[item.patient]
            try:
                self._bind(item.patient, principal, item.keyring_version, purpose, item.entry)
                self._appended(item.patient, principal, previous, [item.entry])
            except Refused as refusal:
                if not skip_refused:
                    raise
                reason = self.encode_error(refusal.name, *refusal.values)
                self.emit("EntryRefused", item.patient, self.sender, principal, place, reason)

    def log_access(self, patient: Address, principal: Address, purpose: int, digest: bytes) -> None:
        self._require_may(patient, principal, READ, 0, purpose)
        self.emit("AccessLogged", patient, self.sender, principal, purpose, digest)

    def log_access_signed(
        self,
        patient: Address,
        actor: Address,
        principal: Address,
        document: bytes,
        purpose: int,
        number: int,
        deadline: int,
        signature: bytes,
    ) -> None:
        self._sign(actor, deadline)
        self._take_number(actor, number)
        self.log_access(patient, principal, purpose, document)

    # ----------------------------------------------------------------------------------------------------------- views

    def readers_at(self, patient: Address, grantees: Sequence[Address], time: int) -> tuple[int, ...]:
        return tuple(
            0 if self.providers[grantee].suspended else self.permissions[patient, grantee].reading(time)
            for grantee in grantees
        )

    def storage(self, slots: Slots, actors: Sequence[Address]) -> dict[int, int]:
        """What every slot that a call can reach holds, of these actors."""
        number = int.from_bytes
        words = {slots.plain("_authority"): number(self.authority, "big")}
        words[slots.plain("_pendingAuthority")] = number(self.pending, "big")
        for one in actors:
            words[slots.of("_patients", one)] = packed_patient(self.patients[one])
            words[slots.of("_registrars", one)] = int(one in self.registrars)
            words[slots.of("_providers", one)] = packed_provider(self.providers[one])
            words[slots.of("_histories", one)] = self.words[one]
            words[slots.of("_profiles", one)] = number(self.profiles[one], "big")
            words |= zip(slots.run("_sets", 5, one), packed_guardianship(self.guardianships[one]), strict=True)
            for other in actors:
                words[slots.of("_agents", one, other)] = self.agents[one, other]
                words[slots.of("_permissions", one, other)] = packed_permission(self.permissions[one, other])
        return words


# ------------------------------------------------------------------------------------------------------------ storage


class Slots:
    """Where variables are, by the pinned layout."""

    def __init__(self, slot_named: Callable[[str], int], keccak: Callable[[bytes], bytes]) -> None:
        self._slot_named = slot_named
        self._keccak = keccak
        self._known: dict[tuple[Any, ...], int] = {}

    def plain(self, label: str) -> int:
        return self._slot_named(label)

    def run(self, label: str, size: int, *keys: Address) -> range:
        """The slots of a struct."""
        return range(self.of(label, *keys), self.of(label, *keys) + size)

    def of(self, label: str, *keys: Address) -> int:
        if (label, keys) not in self._known:
            slot = self._slot_named(label)
            for key in keys:
                slot = int.from_bytes(self._keccak(key.rjust(32, b"\0") + slot.to_bytes(32, "big")), "big")
            self._known[label, keys] = slot
        return self._known[label, keys]


def commitment(delay: int, rest: bytes) -> bytes:
    """What stands for a set of guardians."""
    return keccak(delay.to_bytes(32, "big") + rest)


def rest_of(salt: bytes, threshold: int, guardians: Sequence[Address]) -> bytes:
    """What a commitment covers beside the delay."""
    return keccak(salt + threshold.to_bytes(32, "big") + b"".join(one.rjust(32, b"\0") for one in guardians))


def packed_guardianship(guardianship: Guardianship) -> tuple[int, ...]:
    last = guardianship.recovery
    word = int.from_bytes(last.wallet, "big") << 96 | last.due << 56 | last.spent << 55 | last.round
    hashes = (guardianship.present, guardianship.following, guardianship.recovering)
    present, following, recovering = (int.from_bytes(one, "big") for one in hashes)
    return present, following, guardianship.since, recovering, word


def packed_permission(permission: Permission) -> int:
    terms = permission.terms
    high = terms.read << 192 | terms.append << 128 | terms.not_before << 88 | terms.expiry << 48
    return high | terms.purposes << 32 | terms.flags << 24 | permission.version


def packed_provider(provider: Provider) -> int:
    marks = provider.suspended << 8 | provider.emergency << 9
    return provider.kind | marks | provider.expiry << 16 | provider.relayed << 56


def packed_patient(patient: Patient) -> int:
    return int.from_bytes(patient.wallet, "big") | patient.decisions << 160 | patient.flags << 224
