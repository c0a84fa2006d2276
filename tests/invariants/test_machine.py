"""Random walks through a deployment, beside a model of it. The invariants are those of README.md, by their numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from eth_abi import decode
from eth_utils import keccak
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.contracts.storage_layout import slot_named
from tests.invariants.evm import START, Address, Event, Evm, Outcome
from tests.invariants.model import (
    LAST_VERSION,
    NO_BYTES,
    RECORD,
    ZERO,
    Entry,
    Item,
    Model,
    Patient,
    Permission,
    Refused,
    Slots,
    Terms,
    packed_patient,
    packed_permission,
    packed_provider,
    replace,
)
from tests.vectors import generate_head

NAMES = ("authority", "registrar", "hospital", "clinic", "nurse", "alice", "bob", "carol")
ACTORS = tuple(keccak(text=name)[:20] for name in NAMES)
AUTHORITY, REGISTRAR, HOSPITAL, CLINIC, NURSE, ALICE, BOB, CAROL = ACTORS
PATIENTS = (ALICE, BOB, HOSPITAL)
SLOTS = Slots(slot_named, keccak)
DECISIONS = ("grant", "revoke", "revokeAndRotate", "publishKeyring", "publishMoved", "publishErased")

actors = st.sampled_from(ACTORS)
anybody = st.sampled_from((*ACTORS, ZERO))
masks = st.sampled_from([0, 1, 1, 2, 3, 3, 7, 1 << 63, 2**64 - 1])
purposes = st.sampled_from([0, 0, 0, 1, 15, 16, 255])
offsets = st.sampled_from([-1, 0, 1, 2, 10, 100, 10**6])
digests = st.integers(0, 9).map(lambda number: hashlib.sha256(bytes([number])).digest() if number else NO_BYTES)


def usually(right: Any, others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The value that makes a call succeed, more often than not."""
    return st.one_of(st.just(right), st.just(right), st.just(right), others)


class Arguments:
    """Strategies for the arguments of each function, which look at the model so that most calls make sense."""

    def __init__(self, model: Model, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.model = model
        self.draw = draw

    def of(self, function: str) -> tuple[Any, ...]:
        return getattr(self, function)()

    def time(self) -> int:
        return max(0, self.model.now + self.draw(offsets))

    def patient(self) -> Address:
        return self.draw(usually(self.draw(st.sampled_from(PATIENTS)), actors))

    def principal(self, patient: Address) -> Address:
        return self.draw(st.sampled_from([HOSPITAL, HOSPITAL, HOSPITAL, CLINIC, patient, CAROL]))

    def keyring_version(self, patient: Address) -> int:
        return self.draw(usually(self.model.keyring_version(patient), st.integers(0, 3)))

    def keyring(self) -> tuple[int, bytes]:
        return self.draw(usually(3, masks)), self.draw(usually(hashlib.sha256().digest(), digests))

    def terms(self) -> Terms:
        begin = self.draw(usually(0, st.just(self.time())))
        kinds = usually(1, st.sampled_from([0, 3, 1 << 15, 2**16 - 1]))
        flags = usually(0, st.sampled_from([1, 1, 2, 4, 255]))
        return Terms(self.draw(masks), self.draw(masks), begin, self.time(), self.draw(kinds), self.draw(flags))

    def entry(self, patient: Address) -> Entry:
        length = self.model.length(patient)
        replaces = st.builds(lambda number, leaf: number << 32 | leaf, st.integers(0, length + 1), st.integers(0, 1))
        pointer = self.draw(usually(hashlib.sha256().digest(), digests))
        return Entry(self.draw(usually(1, masks)), self.draw(usually(0, replaces)), pointer, self.draw(digests))

    # The functions, by name.

    def register(self) -> tuple[Any, ...]:
        return ()

    def publishProfile(self) -> tuple[Any, ...]:  # noqa: N802
        return (self.draw(digests),)

    def offerAuthority(self) -> tuple[Any, ...]:  # noqa: N802
        return (self.draw(anybody),)

    def acceptAuthority(self) -> tuple[Any, ...]:  # noqa: N802
        return ()

    def addRegistrar(self) -> tuple[Any, ...]:  # noqa: N802
        return (self.draw(anybody),)

    def removeRegistrar(self) -> tuple[Any, ...]:  # noqa: N802
        return (self.draw(anybody),)

    def accredit(self) -> tuple[Any, ...]:
        return self.draw(anybody), self.draw(st.sampled_from([0, 1, 1, 2])), self.draw(st.booleans()), self.time()

    def suspend(self) -> tuple[Any, ...]:
        return (self.draw(actors),)

    def reinstate(self) -> tuple[Any, ...]:
        return (self.draw(actors),)

    def nameAgent(self) -> tuple[Any, ...]:  # noqa: N802
        return self.draw(anybody), self.time()

    def dismissAgent(self) -> tuple[Any, ...]:  # noqa: N802
        return (self.draw(actors),)

    def grant(self) -> tuple[Any, ...]:
        patient, grantee = self.patient(), self.draw(anybody)
        current = self.model.permissions[patient, grantee].version
        version = self.draw(usually(min(current + 1, LAST_VERSION), st.integers(0, 3)))
        return patient, grantee, self.terms(), self.draw(digests), version

    def revoke(self) -> tuple[Any, ...]:
        return self.patient(), self.draw(anybody)

    def revokeAndRotate(self) -> tuple[Any, ...]:  # noqa: N802
        patient = self.patient()
        return patient, self.draw(anybody), self.keyring_version(patient), *self.keyring()

    def publishKeyring(self) -> tuple[Any, ...]:  # noqa: N802
        patient = self.patient()
        return patient, self.keyring_version(patient), *self.keyring()

    def publishMoved(self) -> tuple[Any, ...]:  # noqa: N802
        patient = self.patient()
        decision = usually(min(self.model.patients[patient].decisions + 1, 2**64 - 1), st.integers(0, 3))
        return patient, self.draw(decision), *self.keyring()

    publishErased = publishMoved  # noqa: N815

    def append(self) -> tuple[Any, ...]:
        patient = self.patient()
        return (
            patient,
            self.principal(patient),
            self.keyring_version(patient),
            self.draw(purposes),
            self.entry(patient),
        )

    def appendMany(self) -> tuple[Any, ...]:  # noqa: N802
        patient = self.patient()
        entries = [self.entry(patient) for _ in range(self.draw(st.integers(0, 4)))]
        skip = self.draw(usually(True, st.just(False)))
        principal, version = self.principal(patient), self.keyring_version(patient)
        return patient, principal, version, self.draw(purposes), entries, skip

    def appendToMany(self) -> tuple[Any, ...]:  # noqa: N802
        items = []
        for _ in range(self.draw(st.integers(0, 4))):
            patient = self.patient()
            items.append(Item(patient, self.keyring_version(patient), self.entry(patient)))
        skip = self.draw(usually(True, st.just(False)))
        return self.principal(self.patient()), self.draw(purposes), items, skip

    def logAccess(self) -> tuple[Any, ...]:  # noqa: N802
        patient = self.patient()
        return patient, self.principal(patient), self.draw(purposes), self.draw(digests)

    def sender(self, function: str, arguments: tuple[Any, ...]) -> Address:
        """Usually somebody who may."""
        if function in DECISIONS:
            right = self.model.patients[arguments[0]].wallet
        elif function in {"accredit", "suspend", "reinstate"}:
            right = min(self.model.registrars, default=REGISTRAR)
        elif function in {"append", "appendMany", "logAccess"}:
            right = self.draw(st.sampled_from([arguments[1], arguments[1], NURSE]))
        elif function == "appendToMany":
            right = self.draw(st.sampled_from([arguments[0], NURSE]))
        elif function == "acceptAuthority":
            right = self.model.pending
        elif function in {"offerAuthority", "addRegistrar", "removeRegistrar"}:
            right = self.model.authority
        else:
            right = self.draw(actors)
        return self.draw(usually(right if right != ZERO else CAROL, actors))


class Walk(RuleBasedStateMachine):
    """One walk."""

    evm = Evm(AUTHORITY)

    def __init__(self) -> None:
        super().__init__()
        self.beginning = self.evm.snapshot()
        self.model = Model(AUTHORITY, START, self.evm.error)
        self.replayed = dict.fromkeys(ACTORS, 0)
        self.observed = self.read_storage()

    def teardown(self) -> None:
        self.evm.restore(self.beginning)

    def read_storage(self) -> dict[int, int]:
        return {slot: self.evm.storage(slot) for slot in self.model.storage(SLOTS, ACTORS)}

    # ----------------------------------------------------------------------------------------------------------- steps

    @initialize()
    def a_world(self) -> None:
        """Walks begin where something can happen."""
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
        ):
            self.carry_out(sender, function, arguments)

    @rule(data=st.data(), group=st.sampled_from(["registry", "decision", "decision", "history", "history", "history"]))
    def a_call(self, data: st.DataObject, group: str) -> None:
        self.carry_out(*self.drawn_call(data, group))

    @rule(data=st.data())
    def a_multicall(self, data: st.DataObject) -> None:
        sender, *first = self.drawn_call(data, "decision")
        calls = [first, *([*self.drawn_call(data, "history")[1:]] for _ in range(data.draw(st.integers(0, 2))))]
        self.carry_out(sender, "multicall", ([(function, arguments) for function, arguments in calls],))

    @rule(seconds=st.sampled_from([1, 2, 9, 99, 10**6]))
    def time_passes(self, seconds: int) -> None:
        self.evm.now += seconds
        self.model.now += seconds

    @precondition(lambda self: self.model.now < START + 10**7)
    @rule(data=st.data(), what=st.sampled_from(["keyring", "permission", "decisions", "wallet", "relayed"]))
    def the_contract_grows_old(self, data: st.DataObject, what: str) -> None:
        """States that are too long to walk to, or that later modules lead to: the last numbers, another wallet."""
        model, patient = self.model, data.draw(st.sampled_from((ALICE, BOB)))
        if what == "keyring":
            head, length, _ = generate_head.parts_of(model.words[patient])
            word = generate_head.word_of(head, length, LAST_VERSION - data.draw(st.integers(0, 2)))
            model.words[patient] = self.replayed[patient] = word
            slot = SLOTS.of("_histories", patient)
        elif what == "permission":
            grantee = data.draw(actors)
            terms = model.permissions[patient, grantee].terms
            model.permissions[patient, grantee] = Permission(terms, LAST_VERSION - data.draw(st.integers(0, 1)))
            slot, word = (
                SLOTS.of("_permissions", patient, grantee),
                packed_permission(model.permissions[patient, grantee]),
            )
        elif what == "relayed":
            model.providers[HOSPITAL] = replace(model.providers[HOSPITAL], relayed=2**64 - 1)
            slot, word = SLOTS.of("_providers", HOSPITAL), packed_provider(model.providers[HOSPITAL])
        else:
            before = model.patients[patient]
            wallet = data.draw(st.sampled_from([CAROL, patient])) if what == "wallet" else before.wallet
            decisions = 2**64 - 2 if what == "decisions" else before.decisions
            model.patients[patient] = Patient(wallet, decisions, 2**32 - 1)
            slot, word = SLOTS.of("_patients", patient), packed_patient(model.patients[patient])
        self.evm.set_storage(slot, word)
        self.observed[slot] = word

    @rule(data=st.data(), actor=anybody, action=st.integers(0, 2), compartments=masks, purpose=purposes)
    def a_question_to_the_predicate(
        self, data: st.DataObject, actor: Address, action: int, compartments: int, purpose: int
    ) -> None:
        """8: `may` is the model's predicate, which the functions are compared with too."""
        patient = data.draw(actors)
        principal = data.draw(st.sampled_from([actor, patient, HOSPITAL]))
        question = (patient, actor, principal, action, compartments, purpose)
        assert self.evm.view("may", *question) == self.model.may(*question)

    @rule(patient=actors, offset=offsets)
    def a_question_for_readers(self, patient: Address, offset: int) -> None:
        time = self.model.now + offset
        assert self.evm.view("readersAt", patient, ACTORS, time) == self.model.readers_at(patient, ACTORS, time)

    @rule(patient=st.sampled_from(PATIENTS), grantee=anybody, version=st.integers(0, LAST_VERSION))
    def the_patient_can_revoke(self, patient: Address, grantee: Address, version: int) -> None:
        """3: in every state, for every grantee, by both functions."""
        wallet = self.model.patients[patient].wallet
        if wallet == ZERO:
            return
        for function, more in (("revoke", ()), ("revokeAndRotate", (version, 1, b"\1" * 32))):
            snapshot = self.evm.snapshot()
            assert not self.evm.send(wallet, function, patient, grantee, *more).reverted
            terms, version_after = self.evm.view("permissionOf", patient, grantee)
            assert terms == Terms()
            assert version_after >= 1
            self.evm.restore(snapshot)

    # ------------------------------------------------------------------------------------------------- what is checked

    def drawn_call(self, data: st.DataObject, group: str) -> tuple[Address, str, tuple[Any, ...]]:
        history = ("append", "appendMany", "appendToMany", "logAccess")
        own = ("register", "publishProfile", "nameAgent", "dismissAgent")
        changing = {name for name, function in self.evm.functions.items() if function.changes}
        registry = changing - {*DECISIONS, *history, *own, "multicall"}
        names = {"registry": (*sorted(registry), *own), "decision": DECISIONS, "history": history}
        function = data.draw(st.sampled_from(names[group]))
        drawn = Arguments(self.model, data.draw)
        arguments = drawn.of(function)
        return drawn.sender(function, arguments), function, arguments

    def carry_out(self, sender: Address, function: str, arguments: tuple[Any, ...]) -> None:
        """10: the contract does what the model does."""
        given = arguments
        if function == "multicall":
            given = ([self.evm.encode(name, *inner) for name, inner in arguments[0]],)
        wallets = {patient: self.model.patients[patient].wallet for patient in ACTORS}
        outcome = self.evm.send(sender, function, *given)
        try:
            after, result = self.model.attempted(sender, function, *arguments)
        except Refused as refusal:
            self.check_refusal(outcome, refusal)
            return
        assert outcome.error is None
        self.check_result(function, arguments, outcome.output, result)
        assert outcome.events == [(name, plain(values)) for name, values in after.events]
        self.model = after
        self.check_steps(sender, wallets, outcome.events)

    def check_refusal(self, outcome: Outcome, refusal: Refused) -> None:
        assert outcome.error == self.evm.error(refusal.name, *refusal.values)
        assert self.read_storage() == self.observed

    def check_result(self, function: str, arguments: tuple[Any, ...], output: bytes, result: Any) -> None:
        if function == "multicall":
            for (name, inner), one, expected in zip(arguments[0], decode(["bytes[]"], output)[0], result, strict=True):
                self.check_result(name, inner, one, expected)
        else:
            assert output == (b"" if result is None else result.to_bytes(32, "big"))

    def check_steps(self, sender: Address, wallets: dict[Address, Address], events: list[Event]) -> None:
        """1, 2, 4, 5, 6 and 7, from the contract's storage before and after the call, and its events."""
        before, self.observed = self.observed, self.read_storage()
        for event in events:
            self.replay(event)
        named = {values[0] for name, values in events}
        for patient in ACTORS:
            for grantee in ACTORS:
                slot = SLOTS.of("_permissions", patient, grantee)
                if before[slot] != self.observed[slot]:
                    assert sender == wallets[patient] != ZERO
                    assert before[slot] % 2**24 <= self.observed[slot] % 2**24
            for label in ("_histories", "_patients"):
                slot = SLOTS.of(label, patient)
                if before[slot] != self.observed[slot]:
                    assert patient in named
            old, new = (
                generate_head.parts_of(words[SLOTS.of("_histories", patient)]) for words in (before, self.observed)
            )
            assert old[1] <= new[1]
            assert old[2] <= new[2]

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

    @invariant()
    def storage_is_the_models(self) -> None:
        """10, and 5: every slot, heads among them, which the events lead to."""
        assert self.observed == self.model.storage(SLOTS, ACTORS)
        for patient in ACTORS:
            assert self.observed[SLOTS.of("_histories", patient)] == self.replayed[patient]


def plain(value: Any) -> Any:
    """Named tuples as tuples, all the way down."""
    return tuple(plain(item) for item in value) if isinstance(value, tuple | list) else value


Walk.TestCase.settings = settings(
    derandomize=True,
    deadline=None,
    max_examples=50,
    stateful_step_count=30,
    # Shrinking takes minutes, and a walk that fails is read well enough as it is: add `Phase.shrink` at a desk.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestWalks = Walk.TestCase
