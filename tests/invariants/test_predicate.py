"""README.md, 8: what `may` says is what the functions do, for random permissions, providers, agents and times."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import pytest
from eth_utils import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.storage_layout import slot_named
from tests.invariants.evm import START, Evm
from tests.invariants.model import (
    APPEND,
    DECIDE,
    HISTORY,
    MANAGE,
    READ,
    Denial,
    Entry,
    Item,
    Model,
    Patient,
    Permission,
    Provider,
    Refused,
    Slots,
    Terms,
)

ALICE, HOSPITAL, NURSE, STRANGER = ACTORS = tuple(keccak(text=name)[:20] for name in ("a", "h", "n", "s"))
SLOTS = Slots(slot_named, keccak)
POINTER = hashlib.sha256().digest()


def mostly(usual: st.SearchStrategy, unusual: st.SearchStrategy) -> st.SearchStrategy:
    """So that a situation with a dozen parts is not always hopeless in several."""
    return st.one_of(usual, usual, usual, unusual)


# Times around the present second, so that each boundary is met often.
before = st.sampled_from([START - 1, START])
after = st.sampled_from([START + 1, START + 2])
masks = st.sampled_from([1, 1, 3, 3, 0, 2, 1 << 63, 2**64 - 1])
purposes = st.sampled_from([1, 2, 1 << 15, 2**16 - 1])
flags = st.sampled_from([0, 0, MANAGE, MANAGE | HISTORY])
terms = st.builds(Terms, masks, masks, mostly(before, after), after | after | before, purposes, flags)
permissions = mostly(
    st.builds(Permission, terms, st.integers(1, 3)), st.builds(Permission, st.just(Terms()), st.integers(0, 1))
)
providers = st.one_of(
    st.builds(lambda expiry: Provider(1, expiry=expiry), mostly(after, before)),
    st.builds(lambda expiry: Provider(1, expiry=expiry), mostly(after, before)),
    st.builds(lambda expiry: Provider(1, suspended=True, expiry=expiry), mostly(after, before)),
    st.just(Provider()),
)


class Situation(NamedTuple):
    """Who asks for what, and what alice, the hospital and the registrars decided before."""

    wallet: bytes
    permission: Permission
    hospital: Provider
    nurse: Provider
    agent_until: int
    actor: bytes
    principal: bytes
    compartments: int
    purpose: int


situations = st.builds(
    Situation,
    mostly(st.just(ALICE), st.sampled_from([STRANGER, bytes(20)])),
    permissions,
    providers,
    providers,
    mostly(after, st.one_of(st.just(0), before)),
    st.sampled_from([HOSPITAL, HOSPITAL, NURSE, NURSE, ALICE, STRANGER]),
    mostly(st.just(HOSPITAL), st.sampled_from([ALICE, STRANGER])),
    masks,
    mostly(st.just(0), st.sampled_from([1, 15, 16, 255])),
)


@pytest.fixture(scope="module")
def evm() -> Evm:
    return Evm(STRANGER)


def modelled(evm: Evm, situation: Situation) -> Model:
    """A model of the situation."""
    model = Model(STRANGER, START, evm.error)
    model.patients[ALICE] = Patient(situation.wallet)
    model.permissions[ALICE, HOSPITAL] = situation.permission
    model.providers[HOSPITAL] = situation.hospital
    model.providers[NURSE] = situation.nurse
    model.agents[HOSPITAL, NURSE] = situation.agent_until
    return model


def arranged(evm: Evm, situation: Situation) -> Model:
    """The same, with what the model holds put into the contract's storage."""
    model = modelled(evm, situation)
    for slot, word in model.storage(SLOTS, ACTORS).items():
        evm.set_storage(slot, word)
    evm.now = START
    return model


@settings(derandomize=True, deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(situation=situations)
def test_may_agrees_with_the_functions(evm: Evm, situation: Situation) -> None:
    """They succeed where it says `None`, and refuse with its reason where it gives one."""
    model = arranged(evm, situation)
    _, _, _, _, _, actor, principal, compartments, purpose = situation
    entry = Entry(compartments, 0, POINTER, POINTER)

    def may(action: int, mask: int) -> int:
        question = (ALICE, actor, principal, action, mask, purpose)
        answer = evm.view("may", *question)
        assert answer == model.may(*question)
        return answer

    def refusal(action: int, denial: int) -> bytes:
        return evm.error("NotPermitted", ALICE, actor, principal, action, denial)

    denial = may(APPEND, compartments)
    nothing_named = evm.error("CompartmentsEmpty") if compartments == 0 else None
    for function, arguments in {
        "append": (ALICE, principal, 0, purpose, entry),
        "appendMany": (ALICE, principal, 0, purpose, [entry], False),
        "appendToMany": (principal, purpose, [Item(ALICE, 0, entry)], False),
    }.items():
        error = evm.call(actor, function, *arguments).error
        assert error == (refusal(APPEND, denial) if denial else nothing_named)

    denial = may(READ, 0)
    error = evm.call(actor, "logAccess", ALICE, principal, purpose, POINTER).error
    assert error == (refusal(READ, denial) if denial else None)

    # Who decides is not asked for a purpose: the patient's wallet, and, within its own permission, a representative.
    may(DECIDE, compartments)
    represents = actor == HOSPITAL and situation.permission.terms.manages
    denial = evm.view("may", ALICE, actor, ALICE, DECIDE, compartments, 0)
    not_wallet = evm.error("NotPermitted", ALICE, actor, ALICE, DECIDE, denial) if denial else None
    for function, arguments in {
        "revoke": (ALICE, HOSPITAL),
        "revokeAndRotate": (ALICE, HOSPITAL, 0, 1, POINTER),
        "publishKeyring": (ALICE, 0, 1, POINTER),
        "publishMoved": (ALICE, 1, 1, POINTER),
        "publishErased": (ALICE, 1, 1, POINTER),
        "grant": (ALICE, b"\x77" * 20, Terms(1, 1, 0, START + 1, 1, 0), POINTER, 1),
    }.items():
        expected = not_wallet
        if represents:
            try:
                model.attempted(actor, function, *arguments)
                expected = None
            except Refused as refusal:
                expected = evm.error(refusal.name, *refusal.values)
        assert evm.call(actor, function, *arguments).error == expected


def test_every_reason_is_met(evm: Evm) -> None:
    """The situations above are rich enough: each reason is the answer to some."""
    met = set()

    @settings(derandomize=True, deadline=None, max_examples=1000, suppress_health_check=list(HealthCheck))
    @given(situation=situations, action=st.integers(0, 2))
    def collect(situation: Situation, action: int) -> None:
        model = modelled(evm, situation)
        met.add(
            model.may(ALICE, situation.actor, situation.principal, action, situation.compartments, situation.purpose)
        )

    collect()
    # What a representative gives is no question to `may`.
    assert met == set(Denial) - {Denial.BEYOND_LIMITS}
