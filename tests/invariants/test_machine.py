"""Random walks through a deployment, beside a model of it. The invariants are those of README.md, by their numbers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import pytest
from eth_abi import decode
from eth_keys.datatypes import PrivateKey
from eth_utils import keccak
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.contracts.storage_layout import slot_named
from tests.invariants.evm import SIGNS, START, Address, Event, Evm, Outcome
from tests.invariants.model import (
    APPEND,
    LAST_VERSION,
    MANAGE,
    NO_BYTES,
    READ,
    RECORD,
    ZERO,
    Denial,
    Entry,
    Item,
    Model,
    Patient,
    Permission,
    Refused,
    Slots,
    Terms,
    commitment,
    replace,
    rest_of,
)
from tests.vectors import generate_head

NAMES = ("authority", "registrar", "hospital", "clinic", "nurse", "alice", "bob", "carol")
KEYS = tuple(PrivateKey(keccak(text=name)) for name in NAMES)
ACTORS = tuple(key.public_key.to_canonical_address() for key in KEYS)
AUTHORITY, REGISTRAR, HOSPITAL, CLINIC, NURSE, ALICE, BOB, CAROL = ACTORS
PATIENTS = (ALICE, BOB, HOSPITAL)
SLOTS = Slots(slot_named, keccak)
DECISIONS = ("grant", "revoke", "revokeAndRotate", "publishKeyring", "publishMoved", "publishErased", "changeWallet")
WALLETS = ("setGuardians", "stopRecovery")
SIGNED = (
    "registerSigned",
    "changeWalletSigned",
    *("grantSigned", "revokeSigned", "publishKeyringSigned") * 2,
    "publishMovedSigned",
    *("setGuardiansSigned", "stopRecoverySigned"),
    *("appendSigned", "logAccessSigned") * 2,
)
RECOVERIES = ("beginRecovery", "completeRecovery")
OF_CALLS = ("multicall", "relay")

MASKS = (0, 1, 1, 2, 3, 3, 7, 1 << 63, 2**64 - 1)
PURPOSES = (0, 0, 0, 0, 0, 1, 15, 16, 255)
SECONDS = (-1, 0, 1, 2, 10, 100, 10**6, 10**6, 10**6)
POINTER = hashlib.sha256(b"a block").digest()
DIGESTS = (NO_BYTES, POINTER, *(hashlib.sha256(bytes([number])).digest() for number in range(3)))
WALLET_EVENTS = ("PatientRegistered", "WalletChanged")
HISTORY_CALLS = ("append", "appendMany", "appendToMany", "logAccess")
CALLS = {
    "patients": ("register", "publishProfile", "nameAgent", "dismissAgent"),
    "registry": ("offerAuthority", "acceptAuthority", "addRegistrar", "removeRegistrar"),
    "providers": ("accredit", "suspend", "reinstate"),
    "decisions": DECISIONS,
    "wallets": WALLETS,
    "history": HISTORY_CALLS,
    "signed": (*SIGNED, *RECOVERIES * 2),
}


class Guardians(NamedTuple):
    """A set, as whoever made it knows it."""

    delay: int
    salt: bytes
    threshold: int
    members: tuple[Address, ...]

    @property
    def rest(self) -> bytes:
        return rest_of(self.salt, self.threshold, self.members)


SETS = {
    commitment(one.delay, one.rest): one
    for one in (
        Guardians(50, NO_BYTES, 2, (NURSE, BOB, CLINIC)),
        Guardians(50, POINTER, 1, (CAROL, HOSPITAL)),
        Guardians(0, NO_BYTES, 1, (BOB, REGISTRAR)),
        # What no SDK makes: nobody, more than all, one twice.
        Guardians(9, NO_BYTES, 0, ()),
        Guardians(9, NO_BYTES, 3, (NURSE, BOB)),
        Guardians(9, NO_BYTES, 2, (NURSE, NURSE)),
    )
}


class Arguments:
    """The arguments of each function at random, but with a look at the model, so that most calls make sense."""

    def __init__(self, model: Model, random: Random) -> None:
        self.model = model
        self.random = random
        self.one_of = random.choice
        self.right = ZERO

    def usually(self, right: Any, others: Sequence[Any], chance: float = 0.85) -> Any:
        """The value that makes a call succeed, more often than not."""
        return right if self.random.random() < chance else self.one_of(others)

    def of(self, function: str) -> tuple[Any, ...]:
        """What the method of that name gives."""
        arguments: tuple[Any, ...] = getattr(
            self, re.sub("([A-Z])", lambda capital: f"_{capital[1].lower()}", function)
        )()
        return arguments

    def anybody(self) -> Address:
        return self.one_of((*ACTORS, ZERO))

    def time(self) -> int:
        return max(0, self.model.now + self.one_of(SECONDS))

    def patient(self) -> Address:
        return self.usually(self.one_of(PATIENTS), ACTORS)

    def principal(self, patient: Address, action: int) -> Address:
        """On whose behalf, and in `self.right` who may act for it."""
        wallet = self.model.patients[patient].wallet
        pairs = [
            (actor, principal)
            for principal in (HOSPITAL, CLINIC, CAROL, patient)
            for actor in (principal, NURSE, wallet)
            if self.model.may(patient, actor, principal, action, 0, 0) == Denial.NONE
        ]
        others = [(actor, principal) for actor in (HOSPITAL, NURSE, CAROL) for principal in (HOSPITAL, CLINIC, patient)]
        self.right, principal = self.one_of(pairs or others) if self.random.random() < 0.75 else self.one_of(others)
        return principal

    def keyring_version(self, patient: Address) -> int:
        return self.usually(self.model.keyring_version(patient), range(4))

    def keyring(self) -> tuple[int, bytes]:
        return self.usually(3, MASKS), self.usually(POINTER, DIGESTS)

    def terms(self) -> Terms:
        begin = self.usually(0, (self.time(),), 0.6)
        end = self.usually(self.model.now + 10**6, (self.time(),), 0.6)
        purposes, flags = self.usually(1, (0, 3, 1 << 15, 2**16 - 1)), self.usually(0, (1, 1, 2, 2, 3, 3, 4, 255), 0.7)
        return Terms(self.one_of(MASKS), self.one_of(MASKS), begin, end, purposes, flags)

    def entry(self, patient: Address) -> Entry:
        replaces = self.random.randint(0, self.model.length(patient) + 1) << 32 | self.random.randint(0, 1)
        pointer, claim = self.usually(POINTER, DIGESTS), self.one_of(DIGESTS)
        return Entry(self.usually(1, MASKS), self.usually(0, (replaces,), 0.6), pointer, claim)

    # The functions, by name.

    def register(self) -> tuple[Any, ...]:
        return ()

    def publish_profile(self) -> tuple[Any, ...]:
        return (self.one_of(DIGESTS),)

    def offer_authority(self) -> tuple[Any, ...]:
        return (self.anybody(),)

    def accept_authority(self) -> tuple[Any, ...]:
        return ()

    def add_registrar(self) -> tuple[Any, ...]:
        return (self.anybody(),)

    def remove_registrar(self) -> tuple[Any, ...]:
        return (self.one_of([*sorted(self.model.registrars), CAROL, ZERO]),)

    def accredit(self) -> tuple[Any, ...]:
        kind, emergency = self.usually(1, (0, 2)), self.random.random() < 0.5
        return self.usually(self.one_of((HOSPITAL, CLINIC, NURSE)), (*ACTORS, ZERO)), kind, emergency, self.time()

    def suspend(self) -> tuple[Any, ...]:
        return (self.usually(self.one_of((HOSPITAL, CLINIC, NURSE)), ACTORS),)

    def reinstate(self) -> tuple[Any, ...]:
        return self.suspend()

    def name_agent(self) -> tuple[Any, ...]:
        return self.usually(NURSE, (*ACTORS, ZERO), 0.5), self.time()

    def dismiss_agent(self) -> tuple[Any, ...]:
        return (self.one_of(ACTORS),)

    def grant(self) -> tuple[Any, ...]:
        patient, grantee = self.patient(), self.usually(self.one_of((HOSPITAL, CLINIC, CAROL)), (*ACTORS, ZERO), 0.7)
        current = self.model.permissions[patient, grantee].version
        version = self.usually(min(current + 1, LAST_VERSION), range(4))
        return patient, grantee, self.terms(), self.one_of(DIGESTS), version

    def revoke(self) -> tuple[Any, ...]:
        return self.patient(), self.anybody()

    def revoke_and_rotate(self) -> tuple[Any, ...]:
        patient = self.patient()
        return patient, self.anybody(), self.keyring_version(patient), *self.keyring()

    def publish_keyring(self) -> tuple[Any, ...]:
        patient = self.patient()
        return patient, self.keyring_version(patient), *self.keyring()

    def publish_moved(self) -> tuple[Any, ...]:
        patient = self.patient()
        decision = min(self.model.patients[patient].decisions + 1, 2**64 - 1)
        return patient, self.usually(decision, range(4)), *self.keyring()

    def publish_erased(self) -> tuple[Any, ...]:
        return self.publish_moved()

    def change_wallet(self) -> tuple[Any, ...]:
        patient, decision, _, _ = self.publish_moved()
        return patient, self.usually(self.one_of((patient, CAROL)), (*ACTORS, ZERO)), decision, self.deadline(), b""

    # Guardians: a few sets that the walks know, so that what a set was made of can be shown.

    def guardians_of(self, commitment: bytes) -> Guardians:
        """The set that the commitment is to, or another of the sets."""
        return self.usually(SETS.get(commitment, self.one_of(tuple(SETS.values()))), tuple(SETS.values()))

    def present_guardians(self, patient: Address) -> Guardians:
        return self.guardians_of(self.model.guardianships[patient].at(self.model.now))

    def set_guardians(self) -> tuple[Any, ...]:
        patient, decision, _, _ = self.publish_moved()
        present = self.present_guardians(patient)
        new = self.usually(self.one_of((*SETS, *list(SETS)[:2] * 4)), (NO_BYTES,))
        return patient, decision, present.delay, present.rest, new, self.one_of(DIGESTS)

    def round(self, patient: Address) -> int:
        return self.model.guardianships[patient].recovery.round

    def stop_recovery(self) -> tuple[Any, ...]:
        patient = self.recovering()
        return patient, self.usually(self.round(patient), range(4))

    def recovering(self) -> Address:
        """A patient of whom a recovery is under way, if there is one."""
        under_way = [one for one in ACTORS if self.model.guardianships[one].recovery.wallet != ZERO]
        return self.usually(self.one_of(under_way or PATIENTS), PATIENTS)

    def complete_recovery(self) -> tuple[Any, ...]:
        return (self.recovering(),)

    def begin_recovery(self) -> tuple[Any, ...]:
        """By all, by as many as it takes, or by fewer; in place of a signature there is the mark of one."""
        patient = self.one_of((ALICE, ALICE, BOB, self.patient()))
        shown = self.present_guardians(patient)
        number = max(0, self.round(patient) + self.usually(1, (0, 0, 2)))
        members, wallet = shown.members, self.usually(self.one_of((CAROL, patient)), (*ACTORS, ZERO))
        count = self.usually(self.one_of((len(members), shown.threshold)), range(len(members) + 1))
        signing = self.random.sample(range(len(members)), min(count, len(members)))
        signatures = [b"\1" if place in signing else b"" for place in range(len(members))]
        if self.random.random() < 0.03:
            signatures.append(b"")
        terms = (shown.delay, shown.salt, shown.threshold, members)
        return patient, wallet, number, self.deadline(), *terms, b"", tuple(signatures)

    # Signed forms: whoever decides signs, and everybody signs whatever it is shown.

    def deadline(self) -> int:
        return self.model.now + self.usually(100, (-1, 0))

    def decider(self, patient: Address) -> Address:
        """The patient's wallet, or a representative; in the end anybody."""
        wallet = self.model.patients[patient].wallet
        representatives = [one for one in ACTORS if self.model.permissions[patient, one].terms.manages]
        known = [wallet if wallet != ZERO else patient]
        return self.usually(self.one_of([*known, *representatives]), (*ACTORS, ZERO))

    def set_guardians_signed(self) -> tuple[Any, ...]:
        patient, *members = self.set_guardians()
        return patient, self.decider(patient), *members, self.deadline(), b""

    def stop_recovery_signed(self) -> tuple[Any, ...]:
        patient, number = self.stop_recovery()
        return patient, self.decider(patient), number, self.deadline(), b""

    def register_signed(self) -> tuple[Any, ...]:
        return self.one_of(ACTORS), self.anybody(), self.deadline(), b"", b""

    def change_wallet_signed(self) -> tuple[Any, ...]:
        patient, wallet, decision, deadline, _ = self.change_wallet()
        return patient, self.decider(patient), wallet, decision, deadline, b"", b""

    def grant_signed(self) -> tuple[Any, ...]:
        patient, grantee, terms, seal, version = self.grant()
        stored = self.model.permissions[patient, grantee]
        if self.random.random() < 0.1:
            terms, version = stored
        return patient, self.decider(patient), grantee, terms, seal, version, self.deadline(), b""

    def revoke_signed(self) -> tuple[Any, ...]:
        patient, grantee, keyring_version, compartments, keyring = self.revoke_and_rotate()
        current = self.model.permissions[patient, grantee].version
        version = min(max(0, current + self.one_of((-1, 0, 0, 1, 1, 2))), LAST_VERSION)
        keyring = self.usually(keyring, (NO_BYTES,), 0.5)
        signer = self.decider(patient)
        return patient, signer, grantee, version, keyring_version, compartments, keyring, self.deadline(), b""

    def publish_keyring_signed(self) -> tuple[Any, ...]:
        patient, version, compartments, pointer = self.publish_keyring()
        return patient, self.decider(patient), pointer, version, compartments, self.deadline(), b""

    def publish_moved_signed(self) -> tuple[Any, ...]:
        patient, decision, compartments, pointer = self.publish_moved()
        return patient, self.decider(patient), decision, compartments, pointer, self.deadline(), b""

    def publish_erased_signed(self) -> tuple[Any, ...]:
        return self.publish_moved_signed()

    def number(self, author: Address) -> int:
        return self.usually(min(self.model.providers[author].relayed + 1, 2**64 - 1), range(3))

    def append_signed(self) -> tuple[Any, ...]:
        patient, principal, version, purpose, entry = self.append()
        author = self.usually(self.right, ACTORS)
        return patient, author, principal, version, purpose, entry, self.number(author), self.deadline(), b""

    def log_access_signed(self) -> tuple[Any, ...]:
        patient, principal, purpose, digest = self.log_access()
        actor = self.usually(self.right, ACTORS)
        return patient, actor, principal, digest, purpose, self.number(actor), self.deadline(), b""

    def append(self) -> tuple[Any, ...]:
        patient = self.patient()
        principal, version = self.principal(patient, APPEND), self.keyring_version(patient)
        return patient, principal, version, self.one_of(PURPOSES), self.entry(patient)

    def append_many(self) -> tuple[Any, ...]:
        patient, principal, version, purpose, _ = self.append()
        entries = [self.entry(patient) for _ in range(self.random.randint(0, 5))]
        return patient, principal, version, purpose, entries, self.random.random() < 0.7

    def append_to_many(self) -> tuple[Any, ...]:
        patients = [self.patient() for _ in range(self.random.randint(0, 5))]
        items = [Item(patient, self.keyring_version(patient), self.entry(patient)) for patient in patients]
        return self.principal(self.patient(), APPEND), self.one_of(PURPOSES), items, self.random.random() < 0.7

    def log_access(self) -> tuple[Any, ...]:
        patient = self.patient()
        return patient, self.principal(patient, READ), self.one_of(PURPOSES), self.one_of(DIGESTS)

    def sender(self, function: str, arguments: tuple[Any, ...]) -> Address:
        """Usually somebody who may."""
        right = {
            **dict.fromkeys(CALLS["registry"], self.model.authority),
            "acceptAuthority": self.model.pending,
            **dict.fromkeys(CALLS["providers"], min(self.model.registrars, default=REGISTRAR)),
            "nameAgent": HOSPITAL,
        }.get(function, self.one_of(ACTORS))
        if function in DECISIONS or function in WALLETS:
            right = self.decider(arguments[0])
        elif function in HISTORY_CALLS:
            right = self.right
        return self.usually(right if right != ZERO else CAROL, ACTORS)


class Walk:
    """One walk, from a world in which something can happen."""

    choice = Arguments

    def __init__(self, evm: Evm) -> None:
        self.evm = evm
        self.model = Model(AUTHORITY, START, self.evm.error)
        self.accounts()
        self.replayed = dict.fromkeys(ACTORS, 0)
        self.observed = self.read_storage()

    def accounts(self) -> None:
        """Every account has code that takes anything for its signature."""
        for one in ACTORS:
            self.evm.set_code(one, SIGNS)

    def read_storage(self) -> dict[int, int]:
        return {slot: self.evm.storage(slot) for slot in self.model.storage(SLOTS, ACTORS)}

    # ----------------------------------------------------------------------------------------------------------- steps

    def begin(self) -> None:
        terms = Terms(3, 3, 0, START + 10**6, 1, 0)
        for sender, function, arguments in (
            (AUTHORITY, "addRegistrar", (REGISTRAR,)),
            (REGISTRAR, "accredit", (HOSPITAL, 1, False, START + 10**6)),
            (REGISTRAR, "accredit", (CLINIC, 1, False, START + 100)),
            (HOSPITAL, "nameAgent", (NURSE, START + 10**6)),
            (ALICE, "register", ()),
            (BOB, "register", ()),
            (ALICE, "grant", (ALICE, HOSPITAL, terms, NO_BYTES, 1)),
            (BOB, "grant", (BOB, HOSPITAL, terms, NO_BYTES, 1)),
            (ALICE, "setGuardians", (ALICE, 1, 0, NO_BYTES, next(iter(SETS)), NO_BYTES)),
            (BOB, "setGuardians", (BOB, 1, 0, NO_BYTES, next(iter(SETS)), NO_BYTES)),
            (ALICE, "grant", (ALICE, CAROL, Terms(3, 1, 0, START + 10**7, 3, MANAGE), NO_BYTES, 1)),
        ):
            self.carry_out(sender, function, arguments)

    def step(self, random: Random) -> None:
        steps = [
            *(self.a_call, self.a_multicall, self.a_relay),
            *(self.time_passes, self.growing_old, self.questions, self.revocation, self.recovering, self.veto),
        ]
        [step] = random.choices(steps, weights=[70, 6, 8, 6, 3, 10, 5, 10, 5])
        step(random)
        self.check()

    def a_call(self, random: Random) -> None:
        [group] = random.choices(tuple(CALLS), weights=(2, 1, 2, 4, 2, 4, 7))
        self.carry_out(*self.some_call(random, group))

    def a_multicall(self, random: Random) -> None:
        sender, *first = self.some_call(random, random.choice(("decisions", "history", "signed")))
        groups = [random.choice(("history", "signed")) for _ in range(random.randint(0, 2))]
        more = [self.some_call(random, group)[1:] for group in groups]
        self.carry_out(sender, "multicall", ([tuple(first), *more],))

    def a_relay(self, random: Random) -> None:
        """11: a mixture of signed forms, of which some are refused; sometimes one twice."""
        calls = [self.some_call(random, "signed")[1:] for _ in range(random.randint(0, 5))]
        if calls and random.random() < 0.3:
            calls.append(random.choice(calls))
        self.carry_out(random.choice(ACTORS), "relay", (calls,))

    def time_passes(self, random: Random) -> None:
        seconds = random.choice((1, 1, 2, 9, 99, 10**5))
        self.evm.now += seconds
        self.model.now += seconds

    def growing_old(self, random: Random) -> None:
        """States that are too long to walk to, or that later modules lead to: the last numbers, another wallet."""
        model, patient, grantee = self.model, random.choice((ALICE, BOB)), random.choice(ACTORS)
        what = random.choice(("keyring", "permission", "decisions", "wallet", "relayed"))
        if what == "keyring":
            head, length, _ = generate_head.parts_of(model.words[patient])
            word = generate_head.word_of(head, length, LAST_VERSION - random.randint(0, 2))
            model.words[patient] = self.replayed[patient] = word
        elif what == "permission":
            terms = model.permissions[patient, grantee].terms
            model.permissions[patient, grantee] = Permission(terms, LAST_VERSION - random.randint(0, 1))
        elif what == "relayed":
            model.providers[HOSPITAL] = replace(model.providers[HOSPITAL], relayed=2**64 - 1)
        else:
            before = model.patients[patient]
            wallet = random.choice([CAROL, patient]) if what == "wallet" else before.wallet
            decisions = 2**64 - 2 if what == "decisions" else before.decisions
            model.patients[patient] = Patient(wallet, decisions, 2**32 - 1)
        for slot, word in model.storage(SLOTS, ACTORS).items():
            if self.observed[slot] != word:
                self.evm.set_storage(slot, word)
                self.observed[slot] = word

    def questions(self, random: Random) -> None:
        """8: `may` is the model's predicate, which the functions are compared with too; so is `readersAt`."""
        patient, actor, time = (
            random.choice(ACTORS),
            random.choice((*ACTORS, ZERO)),
            self.model.now + random.choice(SECONDS),
        )
        principal, action = random.choice((actor, patient, HOSPITAL)), random.randint(0, 2)
        question = (patient, actor, principal, action, random.choice(MASKS), random.choice(PURPOSES))
        assert self.evm.view("may", *question) == self.model.may(*question)
        assert self.evm.view("readersAt", patient, ACTORS, time) == self.model.readers_at(patient, ACTORS, time)

    def revocation(self, random: Random) -> None:
        """3: in every state, for every grantee, by both functions and by a signature."""
        patient, grantee, version = random.choice(PATIENTS), random.choice((*ACTORS, ZERO)), random.randint(0, 5)
        wallet = self.model.patients[patient].wallet
        if wallet == ZERO:
            return
        current = self.model.permissions[patient, grantee].version
        rotation = (version, 1, b"\1" * 32)
        signed = (random.randint(0, current), *rotation, self.model.now, b"")
        for sender, function, given in (
            (wallet, "revoke", (patient, grantee)),
            (wallet, "revokeAndRotate", (patient, grantee, *rotation)),
            (random.choice(ACTORS), "revokeSigned", (patient, wallet, grantee, *signed)),
        ):
            snapshot = self.evm.snapshot()
            assert not self.evm.send(sender, function, *given).reverted
            terms, version_after = self.evm.view("permissionOf", patient, grantee)
            assert terms == Terms()
            assert version_after >= 1
            self.evm.restore(snapshot)

    def recovering(self, random: Random) -> None:
        """14 to 16: guardians begin, now and then what they signed less of before, or somebody ends it."""
        function = random.choice(("beginRecovery", "beginRecovery", "stopRecovery", "completeRecovery"))
        chosen = self.choice(self.model, random)
        arguments = chosen.of(function)
        self.carry_out(chosen.sender(function, arguments), function, arguments)

    def veto(self, random: Random) -> None:
        """15: until it is due, the wallet stops what not all signed; nobody completes it, and then anybody does."""
        under_way = [one for one in ACTORS if self.model.guardianships[one].recovery.wallet != ZERO]
        if not under_way:
            return
        patient, anybody = random.choice(under_way), random.choice(ACTORS)
        last = self.model.guardianships[patient].recovery
        wallet, is_due = self.model.patients[patient].wallet, self.model.now >= last.due
        for sender, function, given, succeeds in (
            (wallet, "stopRecovery", (patient, last.round), not is_due and not last.spent),
            (anybody, "completeRecovery", (patient,), is_due),
        ):
            snapshot = self.evm.snapshot()
            assert self.evm.send(sender, function, *given).reverted != succeeds
            self.evm.restore(snapshot)

    # ------------------------------------------------------------------------------------------------- what is checked

    def some_call(self, random: Random, group: str) -> tuple[Address, str, tuple[Any, ...]]:
        """Sender, function and arguments."""
        function, chosen = random.choice(CALLS[group]), self.choice(self.model, random)
        arguments = chosen.of(function)
        return chosen.sender(function, arguments), function, arguments

    def carry_out(self, sender: Address, function: str, arguments: tuple[Any, ...]) -> None:
        """10: the contract does what the model does."""
        given = arguments
        if function in OF_CALLS:
            given = ([self.evm.encode(name, *inner) for name, inner in arguments[0]],)
        outcome = self.evm.send(sender, function, *given)
        try:
            after, result = self.model.attempted(sender, function, *arguments)
        except Refused as refusal:
            self.check_refusal(outcome, refusal)
            return
        assert outcome.error is None
        self.check_result(function, arguments, outcome.output, result)
        assert outcome.events == [(name, plain(values)) for name, values in after.events]
        earlier, self.model = self.model, after
        self.check_step(earlier, sender, outcome.events)

    def check_refusal(self, outcome: Outcome, refusal: Refused) -> None:
        assert outcome.error == self.evm.error(refusal.name, *refusal.values)
        assert self.read_storage() == self.observed

    def check_result(self, function: str, arguments: tuple[Any, ...], output: bytes, result: Any) -> None:
        if function == "multicall":
            for (name, inner), one, expected in zip(arguments[0], decode(["bytes[]"], output)[0], result, strict=True):
                self.check_result(name, inner, one, expected)
        else:
            assert output == (b"" if result is None else result.to_bytes(32, "big"))

    def check_step(self, earlier: Model, sender: Address, events: list[Event]) -> None:
        """1, 2, 4, 6, 7 and 9, from the contract's storage before and after the call; and its events go into 5."""
        before, self.observed = self.observed, self.read_storage()
        for event in events:
            self.replay(event)
        named = {values[0] for name, values in events if name != "CallRefused"}
        authors = {values[1] for name, values in events if name in {"RecordAppended", "AccessLogged"}}

        def changed(label: str, *keys: Address) -> bool:
            slot = SLOTS.of(label, *keys)
            return before[slot] != self.observed[slot]

        def before_and_after(slots: range) -> bool:
            return all(before[slot] == self.observed[slot] for slot in slots)

        for one in ACTORS:
            assert sender in earlier.registrars or one in authors or not changed("_providers", one)
            assert sender == earlier.authority or not changed("_registrars", one)
            assert sender == one or not changed("_profiles", one)
            assert one in named or not (changed("_patients", one) or changed("_histories", one))
            assert one in named or before_and_after(SLOTS.run("_sets", 5, one))
            slot = SLOTS.of("_histories", one)
            old, new = generate_head.parts_of(before[slot]), generate_head.parts_of(self.observed[slot])
            assert old[1] <= new[1]
            assert old[2] <= new[2]
            for other in ACTORS:
                assert sender == one or not changed("_agents", one, other)
                if changed("_permissions", one, other):
                    assert self.who_decided(one, other, events) <= self.deciders(one, earlier, events)
                    slot = SLOTS.of("_permissions", one, other)
                    assert before[slot] % 2**24 <= self.observed[slot] % 2**24

    @staticmethod
    def who_decided(patient: Address, grantee: Address, events: list[Event]) -> set[Address]:
        """The accounts that the events of a permission name."""
        by = {
            values[2] for name, values in events if name.startswith("Permission") and values[:2] == (patient, grantee)
        }
        assert by
        return by

    @staticmethod
    def deciders(patient: Address, earlier: Model, events: list[Event]) -> set[Address]:
        """Wallets and representatives of a patient, before a step or from one of its events on."""
        wallets = {values[1] for name, values in events if name in WALLET_EVENTS and values[0] == patient}
        granted = {values[1] for name, values in events if name == "PermissionGranted" and Terms(*values[4]).manages}
        managing = {one for one in ACTORS if earlier.permissions[patient, one].terms.manages}
        return ({earlier.patients[patient].wallet} | wallets | granted | managing) - {ZERO}

    def replay(self, event: Event) -> None:
        """5: what the events so far lead to."""
        name, values = event
        patient = values[0]
        if name in {"RecordAppended", "RecordsAppended"}:
            _, author, principal, time, previous, entries = values
            assert previous == self.replayed[patient].to_bytes(32, "big")
            for one in [entries] if name == "RecordAppended" else entries:
                compartments, replaces, pointer, claim = one
                bound = generate_head.Entry(RECORD, compartments, author, principal, time, pointer, claim, replaces)
                self.replayed[patient] = generate_head.next_word(self.replayed[patient], patient, bound)
        elif name in {"KeyringPublished", "RecordsMoved", "RecordsErased"}:
            _, author, time, previous, compartments, pointer = values
            assert previous == self.replayed[patient].to_bytes(32, "big")
            kind = {"KeyringPublished": generate_head.KEYRING, "RecordsMoved": generate_head.MOVED}
            bound = generate_head.Entry(
                kind.get(name, generate_head.ERASED), compartments, author, patient, time, pointer
            )
            self.replayed[patient] = generate_head.next_word(self.replayed[patient], patient, bound)
        elif name in {"PermissionGranted", "PermissionRevoked"} and values[-2]:
            self.replayed[patient] = generate_head.reader_lost(self.replayed[patient])

    def check(self) -> None:
        """10, and 5: every slot is the model's, and heads are what the events lead to."""
        assert self.observed == self.model.storage(SLOTS, ACTORS)
        for patient in ACTORS:
            assert self.observed[SLOTS.of("_histories", patient)] == self.replayed[patient]


def plain(value: Any) -> Any:
    """Named tuples as tuples, all the way down."""
    return tuple(plain(item) for item in value) if isinstance(value, tuple | list) else value


class Machine(RuleBasedStateMachine):
    """Walks whose steps hypothesis chooses."""

    evm = Evm(AUTHORITY)

    def __init__(self) -> None:
        super().__init__()
        self.beginning = self.evm.snapshot()
        self.walk = Walk(self.evm)

    def teardown(self) -> None:
        self.evm.restore(self.beginning)

    @initialize()
    def a_world(self) -> None:
        self.walk.begin()

    @rule(seed=st.integers(0, 2**64 - 1))
    def a_step(self, seed: int) -> None:
        self.walk.step(Random(seed))

    @invariant()
    def all_is_well(self) -> None:
        self.walk.check()


Machine.TestCase.settings = settings(
    derandomize=True,
    deadline=None,
    max_examples=20,
    stateful_step_count=30,
    # Shrinking takes minutes: add `Phase.shrink` at a desk.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestMachine = Machine.TestCase


@pytest.mark.parametrize("seed", range(10))
def test_long_walk(seed: int) -> None:
    """Walks that wander farther than hypothesis, which repeats itself, would."""
    walk, random = Walk(Evm(AUTHORITY)), Random(seed)
    walk.begin()
    for _ in range(120):
        walk.step(random)
