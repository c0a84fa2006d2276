"""Walks in which accounts sign with keys, and what they signed lies in a drawer that anybody takes from.

Whatever is in the drawer is sent at any time, by anybody, once or often, as it is or altered. The invariants are those
of README.md, by their numbers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from eth_keys.datatypes import PrivateKey
from eth_utils import keccak
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.invariants.audit import Audit
from tests.invariants.evm import CONTRACT, REVERTS, START, Address, Event, Evm, Outcome, owned_by
from tests.invariants.model import LAST_VERSION, MANAGE, NO_BYTES, ZERO, Entry, Model, Terms
from tests.invariants.signing import Ledger, form_of, members_of, signatures_of, twin
from tests.invariants.test_machine import (
    ACTORS,
    ALICE,
    AUTHORITY,
    BOB,
    CAROL,
    DIGESTS,
    HOSPITAL,
    KEYS,
    NURSE,
    OF_CALLS,
    PATIENTS,
    POINTER,
    RECOVERIES,
    SETS,
    SIGNED,
    SLOTS,
    Arguments,
    Walk,
)

# Bob, a patient, and Carol, a representative, are accounts with code, of one owner.
OWNER = PrivateKey(keccak(text="owner"))
WITH_CODE = (BOB, CAROL)
KEY_OF = {**dict(zip(ACTORS, KEYS, strict=True)), **dict.fromkeys(WITH_CODE, OWNER)}
# How many walks, and how long: MEDREC_WALKS=20 pytest tests/invariants/test_drawer.py walks twenty times as many.
WALKS = int(os.environ.get("MEDREC_WALKS", "1"))

# What changes permissions and wallets comes oftener than the rest.
DRAWN = (*SIGNED, *("grantSigned", "revokeSigned", "grantSigned", "publishKeyringSigned", "changeWalletSigned") * 2)

Call = tuple[str, tuple[Any, ...]]
DIRECT = {
    "changeWalletSigned": lambda patient, signer, wallet, decision, deadline, signature, consent: (
        "changeWallet",
        (patient, wallet, decision, deadline, consent),
    ),
    "grantSigned": lambda patient, signer, grantee, terms, seal, version, *_: (
        "grant",
        (patient, grantee, terms, seal, version),
    ),
    "revokeSigned": lambda patient, signer, grantee, version, keyring_version, compartments, keyring, *_: (
        ("revoke", (patient, grantee))
        if keyring == NO_BYTES
        else ("revokeAndRotate", (patient, grantee, keyring_version, compartments, keyring))
    ),
    "publishKeyringSigned": lambda patient, signer, pointer, version, compartments, *_: (
        "publishKeyring",
        (patient, version, compartments, pointer),
    ),
    "publishMovedSigned": lambda patient, signer, *members: ("publishMoved", (patient, *members[:3])),
    "setGuardiansSigned": lambda patient, signer, *members: ("setGuardians", (patient, *members[:5])),
    "stopRecoverySigned": lambda patient, signer, number, *_: ("stopRecovery", (patient, number)),
    "appendSigned": lambda patient, author, *members: ("append", (patient, *members[:4])),
    "logAccessSigned": lambda patient, actor, principal, document, purpose, *_: (
        "logAccess",
        (patient, principal, purpose, document),
    ),
}


class Chosen(Arguments):
    """Arguments whose deadlines are far and near, and whose terms look for the limits of representatives."""

    def patient(self) -> Address:
        return self.usually(self.one_of((ALICE, ALICE, BOB)), ACTORS, 0.95)

    def deadline(self) -> int:
        return self.model.now + self.usually(self.one_of((100, 10**5, 10**6)), (-1, 0, 1), 0.93)

    def keyring(self) -> tuple[int, bytes]:
        """Also for compartments that no representative may read."""
        return self.one_of((1, 3, 3, 4, 8, 9)), self.usually(POINTER, DIGESTS)

    def grant(self) -> tuple[Any, ...]:
        """Often a representative's, in place of what somebody has who may have more than it."""
        patient, grantee, terms, seal, version = super().grant()
        version = self.usually(version, (min(version + 1, LAST_VERSION),), 0.9)
        representatives = self.representatives(patient)
        standing = [one for one in ACTORS if self.model.permissions[patient, one].terms != Terms() and one != patient]
        self.chosen = ZERO
        if not representatives or self.random.random() < 0.6:
            return patient, grantee, terms, seal, version
        self.chosen, grantee = self.one_of(representatives), self.one_of(standing)
        version = min(self.model.permissions[patient, grantee].version + 1, LAST_VERSION)
        limits = self.model.permissions[patient, self.chosen].terms
        return patient, grantee, limits._replace(not_before=0, flags=0), seal, version

    chosen = ZERO

    def representatives(self, patient: Address) -> list[Address]:
        return [one for one in ACTORS if self.model.permissions[patient, one].terms.manages]

    def decider(self, patient: Address) -> Address:
        """Who was chosen together with the rest, if anybody was."""
        return self.chosen if self.chosen != ZERO else super().decider(patient)

    def terms(self) -> Terms:
        limits = [permission.terms for permission in self.model.permissions.values() if permission.terms.manages]
        if limits and self.random.random() < 0.5:
            return self.beside(self.one_of(limits))
        terms = super().terms()
        return terms if terms.read | terms.append else terms._replace(read=self.one_of((1, 3)))

    def beside(self, limits: Terms) -> Terms:
        """What lies just within a representative's limits, or in one respect just outside."""
        within = limits._replace(not_before=0, flags=self.one_of((0, limits.flags & ~MANAGE)))
        respect = self.one_of(("", "", "read", "append", "expiry", "purposes", "flags"))
        if not respect:
            return within._replace(read=self.one_of((limits.read, limits.read & 1)), append=limits.append & 1)
        if respect == "expiry":
            return within._replace(expiry=min(limits.expiry + 1, 2**40 - 1))
        if respect == "flags":
            return within._replace(flags=self.one_of((1, 2, 3)))
        return within._replace(**{respect: getattr(within, respect) | self.one_of((1, 2, 4, 8, 1 << 15))})


class Drawer:
    """Signed calls that nobody has sent, or somebody has: nothing is ever taken out."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def put(self, call: Call) -> None:
        # The oldest leave, so that most are still worth something.
        self.calls = [*self.calls[-30:], call]

    def take(self, random: Random) -> Call | None:
        return random.choice(self.calls) if self.calls else None


class DrawerWalk(Walk):
    """One walk. `carry_out` compares with the model, to which a signature is an entry of the ledger."""

    choice = Chosen

    def __init__(self, evm: Evm) -> None:
        super().__init__(evm)
        self.drawer = Drawer()
        self.recoveries: list[tuple[Any, ...]] = []

    def accounts(self) -> None:
        self.ledger = Ledger(self.evm.chain_id, KEY_OF, WITH_CODE)
        self.model.is_signed = self.ledger.is_signed
        for one in WITH_CODE:
            self.evm.set_code(one, owned_by(OWNER.public_key.to_canonical_address()))
        # The hospital delegates to code that has no ERC-1271 (EIP-7702), and keeps its key.
        self.evm.set_code(HOSPITAL, REVERTS)

    def begin(self) -> None:
        super().begin()
        within = Terms(1, 1, 0, START + 10**5, 1, 0)
        for sender, function, arguments in (
            (BOB, "grant", (BOB, NURSE, Terms(7, 3, START + 2, START + 10**5, 3, MANAGE | 1), NO_BYTES, 1)),
            (CAROL, "grant", (ALICE, NURSE, within, NO_BYTES, 1)),
        ):
            self.carry_out(sender, function, arguments)

    # ----------------------------------------------------------------------------------------------------------- steps

    def step(self, random: Random) -> None:
        steps = {
            self.a_call: 12,
            self.signing: 8,
            self.recovering: 14,
            self.veto: 4,
            self.sending: 30,
            self.sending_altered: 16,
            self.sending_from_elsewhere: 3,
            self.a_relay: 10,
            self.a_multicall: 6,
            self.both_forms: 16,
            self.time_passes: 6,
            self.growing_old: 1,
            self.revocation: 4,
        }
        [step] = random.choices(tuple(steps), weights=tuple(steps.values()))
        step(random)
        self.check()

    def time_passes(self, random: Random) -> None:
        """Over deadlines and the ends of permissions, now and then."""
        seconds = random.choice((1, 1, 2, 9, 99, 99, 99, 10**4, 10**4, 10**5))
        self.evm.now += seconds
        self.model.now += seconds

    def a_call(self, random: Random) -> None:
        """By anybody, direct; wallets change with the new one's consent."""
        [group] = random.choices(("patients", "providers", "decisions", "wallets", "history"), weights=(2, 1, 6, 4, 2))
        sender, function, arguments = self.some_call(random, group)
        if function == "changeWallet" and random.random() < 0.6:
            arguments = (*arguments[:-1], self.ledger.consent(*arguments[:4]))
        self.carry_out(sender, function, arguments)

    def recovering(self, random: Random) -> None:
        """14 and 16: what guardians signed, fresh or once more, whole or in part, alone or in a relay; and its end."""
        if random.random() < 0.2:
            call: Call = ("completeRecovery", self.choice(self.model, random).complete_recovery())
        else:
            call = self.begun(random)
        if random.random() < 0.3:
            self.carry_out(random.choice(ACTORS), "relay", ([call, self.any_signed(random)],))
        else:
            self.carry_out(random.choice(ACTORS), *call)

    def begun(self, random: Random) -> Call:
        """From the guardians, or from what they signed before; sometimes altered on its way."""
        if self.recoveries and random.random() < 0.4:
            arguments = random.choice(self.recoveries)
        else:
            arguments = self.ledger.recovery(self.choice(self.model, random).begin_recovery())
            self.recoveries = [*self.recoveries[-10:], arguments]
        *members, consent, signatures = arguments
        what = random.choice(("", "", "", "", "less", "order", "member", "forged"))
        if what == "less" and signatures:
            place = random.randrange(len(signatures))
            signatures = (*signatures[:place], b"", *signatures[place + 1 :])
        elif what == "order":
            signatures = tuple(random.sample(signatures, len(signatures)))
        elif what == "member":
            place = random.randrange(4)
            members[place] = self.changed(random, members[place])
        elif what == "forged":
            consent = self.forged(random, consent)
        return "beginRecovery", (*members, consent, signatures)

    def signing(self, random: Random) -> None:
        """Something is signed, and lies there."""
        for _ in range(random.randint(1, 3)):
            self.drawer.put(self.signed_call(random))

    def signed_call(self, random: Random) -> Call:
        function = random.choice(DRAWN)
        return function, self.ledger.sealed(function, self.choice(self.model, random).of(function))

    def sending(self, random: Random) -> None:
        """1 and 13: fresh or from the drawer, by anybody; sometimes twice."""
        call = self.signed_call(random) if random.random() < 0.5 else self.drawer.take(random)
        if call is None:
            return
        self.drawer.put(call)
        for _ in range(random.choice((1, 1, 2))):
            self.carry_out(random.choice(ACTORS), *call)

    def sending_altered(self, random: Random) -> None:
        """1 and 13: not what was signed."""
        call = self.drawer.take(random) or self.signed_call(random)
        self.carry_out(random.choice(ACTORS), *self.altered(random, call))

    def sending_from_elsewhere(self, random: Random) -> None:
        """13: signed for another contract or another chain."""
        function, arguments = self.signed_call(random)
        signer, members = arguments[0 if function == "registerSigned" else 1], members_of(function, arguments)
        chain_id, contract = random.choice(((self.evm.chain_id + 1, CONTRACT), (self.evm.chain_id, ALICE)))
        if signer in KEY_OF:
            foreign = self.ledger.foreign(signer, form_of(function), members, chain_id, contract)
            place = len(arguments) - signatures_of(function)
            arguments = (*arguments[:place], foreign, *arguments[place + 1 :])
        self.carry_out(random.choice(ACTORS), function, arguments)

    def a_multicall(self, random: Random) -> None:
        """Signed calls of others around a direct one of the sender's."""
        sender, *own = self.some_call(random, random.choice(("decisions", "history")))
        calls = [tuple(own), *(self.any_signed(random) for _ in range(random.randint(0, 2)))]
        random.shuffle(calls)
        self.carry_out(sender, "multicall", (calls,))

    def any_signed(self, random: Random) -> Call:
        call = self.signed_call(random) if random.random() < 0.6 else self.drawer.take(random)
        call = call or self.signed_call(random)
        return self.altered(random, call) if random.random() < 0.2 else call

    def a_relay(self, random: Random) -> None:
        """11: some of the drawer, some twice, some altered, by anybody: the same as the good ones one by one."""
        calls = [self.any_signed(random) for _ in range(random.randint(0, 4))]
        if calls and random.random() < 0.4:
            calls.append(random.choice(calls))
        relayer = random.choice(ACTORS)
        self.one_by_one(random, relayer, calls)
        self.carry_out(relayer, "relay", (calls,))

    def one_by_one(self, random: Random, relayer: Address, calls: Sequence[Call]) -> None:
        snapshot = self.evm.snapshot()
        relayed = self.evm.send(relayer, "relay", [self.evm.encode(name, *inner) for name, inner in calls])
        storage = self.read_storage()
        self.evm.restore(snapshot)

        snapshot, events, alone = self.evm.snapshot(), [], dict[int, bytes]()
        for place, (name, inner) in enumerate(calls):
            outcome = self.evm.send(random.choice(ACTORS), name, *inner)
            if outcome.reverted:
                alone[place] = outcome.output
            events.extend(outcome.events)
        assert self.read_storage() == storage
        self.evm.restore(snapshot)

        assert not relayed.reverted
        assert events == [event for event in relayed.events if event[0] != "CallRefused"]
        refusals = [values for name, values in relayed.events if name == "CallRefused"]
        assert refusals == [(relayer, place, reason) for place, reason in alone.items()]

    # ---------------------------------------------------------------------------------------------------- alterations

    def altered(self, random: Random, call: Call) -> Call:
        """The same with one member changed, or with another signature, or as another form."""
        function, arguments = call
        if function != "registerSigned" and arguments[1] in WITH_CODE and random.random() < 0.5:
            # To the owner's other account, whose code takes the same signature.
            [other] = {*WITH_CODE} - {arguments[1]}
            return function, (arguments[0], other, *arguments[2:])
        if random.random() < 0.5:
            place = random.randrange(len(arguments) - signatures_of(function))
            changed = self.changed(random, arguments[place])
            return function, (*arguments[:place], changed, *arguments[place + 1 :])
        place = len(arguments) - random.randint(1, signatures_of(function))
        forged = self.forged(random, arguments[place])
        return function, (*arguments[:place], forged, *arguments[place + 1 :])

    def changed(self, random: Random, value: Any) -> Any:
        """Another value of the same type, near enough to be tempting."""
        if isinstance(value, Terms | Entry):
            place = random.randrange(len(value))
            return type(value)(
                *(self.changed(random, one) if at == place else one for at, one in enumerate(value)),
            )
        if isinstance(value, bytes):
            return random.choice(ACTORS if len(value) == 20 else DIGESTS)
        # One more is one bit more for an even mask, a later deadline, the next version.
        is_last = value >= 255 and value & (value + 1) == 0
        return value + 1 if value == 0 or (random.random() < 0.7 and not is_last) else value - 1

    def forged(self, random: Random, signature: bytes) -> bytes:
        others = [one for _, arguments in self.drawer.calls for one in arguments[-1:]]
        choices = [b"", bytes(65), signature[:-1], signature + b"\0", random.choice(others or [b""])]
        if len(signature) == 65:
            flipped = bytearray(signature)
            flipped[random.randrange(65)] ^= 1 << random.randrange(8)
            choices += [twin(signature), bytes(flipped), signature[:64] + bytes([signature[64] - 27])]
        return random.choice(choices)

    # ------------------------------------------------------------------------------------------------ direct and signed

    def both_forms(self, random: Random) -> None:
        """12: the decider's own call, and its signature in anybody's hands."""
        function = random.choice([name for name in DRAWN if name in DIRECT])
        chosen = self.choice(self.model, random)
        arguments = self.in_time(self.ledger, function, chosen.of(function))
        signer = arguments[1]
        if signer == ZERO or self.is_done(function, arguments):
            return
        name, given = DIRECT[function](*arguments)
        direct, after_direct = self.rehearsed(signer, name, given)
        signed, after_signed = self.rehearsed(random.choice(ACTORS), function, arguments)
        assert direct.error == signed.error
        if name in {"append", "logAccess"} and not signed.reverted:
            slot = SLOTS.of("_providers", signer)
            assert after_signed.pop(slot) == after_direct.pop(slot) + (1 << 56)
        assert after_direct == after_signed
        assert direct.events == signed.events

    def in_time(self, ledger: Ledger, function: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """With a deadline that has not passed and the number that is next, neither of which direct forms have."""
        count = signatures_of(function)
        given = [*arguments[:-count]]
        given[-1] = self.model.now
        if function in {"appendSigned", "logAccessSigned"}:
            given[-2] = min(self.model.providers[arguments[1]].relayed + 1, 2**64 - 1)
        return ledger.sealed(function, (*given, *arguments[-count:]))

    def is_done(self, function: str, arguments: tuple[Any, ...]) -> bool:
        """Where signed forms are more tolerant than direct ones, or less: the version that a revocation names, a grant
        that is there already, and the last number of an author's."""
        if function == "grantSigned":
            patient, _, grantee, terms, _, version, *_ = arguments
            return self.model.permissions[patient, grantee] == (terms, version)
        if function == "revokeSigned":
            patient, _, grantee, version, *_ = arguments
            terms, current = self.model.permissions[patient, grantee]
            stands = terms != Terms()
            return version > current if stands else version not in {current + 1, 0} or version == 0 < current
        return function in {"appendSigned", "logAccessSigned"} and (
            self.model.providers[arguments[1]].relayed == 2**64 - 1
        )

    def rehearsed(self, sender: Address, function: str, arguments: tuple[Any, ...]) -> tuple[Outcome, dict[int, int]]:
        snapshot = self.evm.snapshot()
        outcome = self.evm.send(sender, function, *arguments)
        storage = self.read_storage()
        self.evm.restore(snapshot)
        return outcome, storage

    # ------------------------------------------------------------------------------------------------- what is checked

    def revocation(self, random: Random) -> None:
        """3: in every state, for every grantee, directly, signed, and relayed among what is refused."""
        patient, grantee = random.choice(PATIENTS), random.choice((*ACTORS, ZERO))
        wallet = self.model.patients[patient].wallet
        if wallet == ZERO:
            return
        stored = self.model.permissions[patient, grantee]
        stale = (random.randint(0, 5), 1, b"\1" * 32)
        signed = self.ledger.sealed(
            "revokeSigned",
            (patient, wallet, grantee, random.randint(0, stored.version), *stale, self.model.now, b""),
        )
        calls = [self.altered(random, ("revokeSigned", signed)), ("revokeSigned", signed)]
        relayed = [self.evm.encode(name, *given) for name, given in calls]
        for sender, function, given in (
            (wallet, "revoke", (patient, grantee)),
            (wallet, "revokeAndRotate", (patient, grantee, *stale)),
            (random.choice(ACTORS), "revokeSigned", signed),
            (random.choice(ACTORS), "relay", (relayed,)),
        ):
            snapshot = self.evm.snapshot()
            assert not self.evm.send(sender, function, *given).reverted
            terms, version = self.evm.view("permissionOf", patient, grantee)
            assert terms == Terms()
            assert version >= max(stored.version, 1)
            self.evm.restore(snapshot)

    def carry_out(self, sender: Address, function: str, arguments: tuple[Any, ...]) -> None:
        self.carried_out = (function, arguments)
        super().carry_out(sender, function, arguments)

    def check_step(self, earlier: Model, sender: Address, events: list[Event]) -> None:
        """1, 2, 4, 14 and 16, without the model; the rest as in every walk."""
        audit = Audit(SLOTS, ACTORS, self.observed, self.ledger, SETS, self.evm.now)
        function, arguments = self.carried_out
        calls = [name for name, _ in arguments[0]] if function in OF_CALLS else [function]
        audit.signed = any(name in SIGNED for name in calls)
        if function != "relay" and any(name not in (*SIGNED, *RECOVERIES) for name in calls):
            audit.direct = sender
        super().check_step(earlier, sender, events)
        audit.conclude(events, self.observed)


class DrawerMachine(RuleBasedStateMachine):
    """Walks whose steps hypothesis chooses."""

    evm = Evm(AUTHORITY)

    def __init__(self) -> None:
        super().__init__()
        self.beginning = self.evm.snapshot()
        self.walk = DrawerWalk(self.evm)

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


DrawerMachine.TestCase.settings = settings(
    derandomize=True,
    deadline=None,
    max_examples=10 * WALKS,
    stateful_step_count=30,
    # Shrinking takes minutes: add `Phase.shrink` at a desk.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestDrawerMachine = DrawerMachine.TestCase


@pytest.mark.parametrize("seed", range(6 * WALKS))
def test_long_walk_with_a_drawer(seed: int) -> None:
    """Walks that wander farther than hypothesis, which repeats itself, would."""
    walk, random = DrawerWalk(Evm(AUTHORITY)), Random(seed)
    walk.begin()
    for _ in range(120):
        walk.step(random)
