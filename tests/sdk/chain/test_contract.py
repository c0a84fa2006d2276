"""The contract's functions, typed: none is missing, each encodes as web3 does, and views return what is stored."""

from __future__ import annotations

import dataclasses
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web3 import Web3

from medrec_py.chain import abi
from medrec_py.chain.artifacts import load_artifact
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.events import PatientRegistered, ProfilePublished, snake_case
from medrec_py.chain.local import LocalChain
from medrec_py.chain.reverts import AlreadyRegistered, NotAuthority, PermissionRevoked
from medrec_py.chain.transactions import Call, send
from medrec_py.chain.types import (
    ZERO_ADDRESS,
    ZERO_BYTES32,
    Action,
    Denial,
    Entry,
    Guardianship,
    HistoryState,
    Item,
    PatientState,
    Permission,
    ProviderKind,
    ProviderState,
    Terms,
    address_bytes,
    to_address,
)
from medrec_py.crypto import decisions
from medrec_py.crypto.decisions import Register, SignedForm
from medrec_py.crypto.guardian_set import GuardianSet
from medrec_py.crypto.keys import Place
from medrec_py.crypto.wallet_recovery import Recover
from medrec_py.errors import ChainUnavailable, InvalidInput, NotDeployed

from .conftest import DAY, TREAT, World, some_entry
from .test_events import plain, values_of

FUNCTIONS = abi.items("function")
FORMS = [
    form
    for form in vars(decisions).values()
    if inspect.isclass(form) and issubclass(form, SignedForm) and form is not SignedForm
]
WEB3 = Web3().eth.contract(abi=load_artifact()["abi"])
ALICE = to_address("0x" + "a1" * 20)
OFFLINE = MedRecContract.__new__(MedRecContract)
OFFLINE.address = ALICE
OFFLINE.chain = SimpleNamespace(chain_id=31337)  # type: ignore[assignment]
HERE = Place(31337, address_bytes(ALICE), bytes(20))
SHOWN_NONE: dict[str, Any] = {"delay": 0, "rest": ZERO_BYTES32, "document": ZERO_BYTES32}
STRUCTS = {"struct Terms": Terms, "struct Entry": Entry}
SIGNED = {f"{form.__name__[0].lower()}{form.__name__[1:]}Signed": form for form in FORMS}
# What its method takes otherwise than the ABI.
OTHERWISE = {"multicall", "relay", "beginRecovery"} | SIGNED.keys()


def test_no_function_of_the_abi_is_missing() -> None:
    """Each function has a method of its name, its parameters in the ABI's order; views take a block beside them."""
    for name, item in FUNCTIONS.items():
        if name in {"multicall", "eip712Domain", "beginRecovery"} | SIGNED.keys():
            continue
        parameters = list(inspect.signature(getattr(MedRecContract, snake_case(name))).parameters)[1:]
        expected = [snake_case(parameter.name) for parameter in item.inputs] + (["block"] if item.reads_only else [])
        # Names that Python has for something else end in an underscore.
        assert [parameter.rstrip("_") for parameter in parameters] == expected, name


@settings(deadline=None)
@given(st.data())
def test_calls_encode_as_web3_does(data: st.DataObject) -> None:
    """Every state-changing function with any arguments encodes to the bytes that web3 gives."""
    name = data.draw(
        st.sampled_from(sorted(n for n, item in FUNCTIONS.items() if not item.reads_only and n not in OTHERWISE))
    )
    arguments = [data.draw(argument_of(parameter)) for parameter in FUNCTIONS[name].inputs]
    method = getattr(OFFLINE, snake_case(name))
    call: Call = method(**dict(zip(inspect.signature(method).parameters, arguments, strict=True)))
    assert call.to == ALICE
    assert call.function == name
    assert "0x" + call.data.hex() == WEB3.encode_abi(name, [tuple_of(argument) for argument in arguments])


GUARDIANS = GuardianSet(DAY, b"\x05" * 32, 1, (b"\x0a" * 20, b"\x0b" * 20))
CONSENT = Recover(HERE, b"\x0c" * 20, b"\x0c" * 20, 3, 2**40)


def test_a_recovery_encodes_as_web3_does() -> None:
    """With a signature for each guardian in their order, empty for who did not sign; and it goes into a relay."""
    call = OFFLINE.begin_recovery(CONSENT, b"consent", GUARDIANS, {b"\x0b" * 20: b"approval"})
    wallet, *members = (to_address("0x" + digits * 20) for digits in ("0c", "0a", "0b"))
    shown = [GUARDIANS.delay, GUARDIANS.salt, GUARDIANS.threshold, members]
    arguments = [ZERO_ADDRESS, wallet, 3, 2**40, *shown, b"consent", [b"", b"approval"]]
    assert (call.to, call.function) == (ALICE, "beginRecovery")
    assert "0x" + call.data.hex() == WEB3.encode_abi("beginRecovery", arguments)
    complete = OFFLINE.complete_recovery(ZERO_ADDRESS)
    relayed = OFFLINE.relay([call, complete])
    assert "0x" + relayed.data.hex() == WEB3.encode_abi("relay", [[call.data, complete.data]])


def test_a_recovery_is_by_guardians_and_for_this_contract() -> None:
    """What is signed by others would be left out in silence, and what is signed for elsewhere refused by the chain."""
    with pytest.raises(InvalidInput, match="no guardian"):
        OFFLINE.begin_recovery(CONSENT, b"", GUARDIANS, {b"\x0d" * 20: b"approval"})
    for place in (Place(1, HERE.contract, HERE.patient), Place(HERE.chain_id, bytes(20), HERE.patient)):
        elsewhere = dataclasses.replace(CONSENT, place=place)
        with pytest.raises(InvalidInput, match="another chain or contract"):
            OFFLINE.begin_recovery(elsewhere, b"", GUARDIANS, {})


def test_setting_and_stopping_go_into_no_relay_unsigned() -> None:
    """They ask who sends them."""
    direct = OFFLINE.set_guardians(ALICE, 1, delay=0, rest=ZERO_BYTES32, guardians=ZERO_BYTES32, document=ZERO_BYTES32)
    for call in (direct, OFFLINE.stop_recovery(ALICE, 1)):
        with pytest.raises(InvalidInput, match="signed forms"):
            OFFLINE.relay([call])


def test_guardians_of_a_patient(world: World) -> None:
    """None at first; then a commitment, which counts from a second on."""
    world.prepare()
    contract, alice = world.contract, world.alice.address
    none = Guardianship(ZERO_BYTES32, ZERO_BYTES32, 0, 0, ZERO_ADDRESS, 0, False)
    assert contract.guardianship_of(alice) == none
    assert not none.is_recovering
    new = b"\x09" * 32
    contract.send(world.alice, contract.set_guardians(alice, 1, **SHOWN_NONE, guardians=GUARDIANS.commitment))
    shown = {"delay": GUARDIANS.delay, "rest": GUARDIANS.rest, "document": ZERO_BYTES32}
    contract.send(world.alice, contract.set_guardians(alice, 2, **shown, guardians=new))
    stored = contract.guardianship_of(alice)
    assert (stored.present, stored.following) == (GUARDIANS.commitment, new)
    assert stored.in_force(stored.since - 1) == GUARDIANS.commitment
    assert stored.in_force(stored.since) == new


def test_every_signed_form_has_a_method() -> None:
    """It takes the message, and then the signatures that the ABI has."""
    assert SIGNED.keys() == {name for name in FUNCTIONS if name.endswith("Signed")}
    for name, form in SIGNED.items():
        message, *signatures = list(inspect.signature(getattr(MedRecContract, snake_case(name))).parameters.values())[
            1:
        ]
        assert message.annotation == form.__name__
        assert len(signatures) == FUNCTIONS[name].input_types.count("bytes")


@settings(deadline=None)
@given(st.data())
def test_signed_forms_encode_as_web3_does(data: st.DataObject) -> None:
    """Any message and any signatures, with the members that are a struct's in the call put together."""
    name, kind = data.draw(st.sampled_from(sorted(SIGNED.items())))
    words = [kind for _, kind in kind.struct.fields[1:]]
    values = [data.draw(values_of(word)) for word in words]
    raw = [address_bytes(value) if word == "address" else value for word, value in zip(words, values, strict=True)]
    form = kind(HERE, *raw)
    signatures = [data.draw(st.binary(max_size=100)) for _ in range(FUNCTIONS[name].input_types.count("bytes"))]
    flat, arguments = [ZERO_ADDRESS, *values], []
    for parameter in FUNCTIONS[name].inputs[: -len(signatures)]:
        size = parameter.type.count(",") + 1
        taken, flat = flat[:size], flat[size:]
        arguments.append(tuple(taken) if size > 1 else taken[0])
    call: Call = getattr(OFFLINE, snake_case(name))(form, *signatures)
    assert (call.to, call.function) == (ALICE, name)
    assert "0x" + call.data.hex() == WEB3.encode_abi(name, [*arguments, *signatures])
    relayed = OFFLINE.relay([call, call])
    assert "0x" + relayed.data.hex() == WEB3.encode_abi("relay", [[call.data, call.data]])


def argument_of(parameter: abi.Parameter) -> st.SearchStrategy[Any]:
    """Arguments as the typed methods take them."""
    if parameter.internal == "struct Item[]":
        return st.lists(
            values_of("(address,uint24)").flatmap(lambda head: entries().map(lambda one: Item(*head, one))), max_size=3
        )
    if parameter.internal == "struct Entry[]":
        return st.lists(entries(), max_size=3)
    if parameter.internal == "struct Entry":
        return entries()
    if parameter.internal == "struct Terms":
        return values_of(parameter.type).map(lambda values: Terms(*values))
    return values_of(parameter.type)


def entries() -> st.SearchStrategy[Entry]:
    """Any entries."""
    return values_of("(uint64,uint64,bytes32,bytes32)").map(lambda values: Entry(*values))


def tuple_of(value: Any) -> Any:
    """Structs as tuples, which is how web3 takes them."""
    if isinstance(value, Item):
        return (value.patient, value.keyring_version, tuple_of(value.entry))
    if isinstance(value, list):
        return [tuple_of(one) for one in value]
    return tuple(plain(value)) if isinstance(value, Terms | Entry) else value


@pytest.mark.parametrize(
    "build",
    [
        lambda contract: contract.publish_profile(bytes(31)),
        lambda contract: contract.publish_profile("0x00"),
        lambda contract: contract.publish_keyring(ALICE, 2**24, 1, bytes(32)),
        lambda contract: contract.publish_keyring(ALICE, -1, 1, bytes(32)),
        lambda contract: contract.grant("alice", ALICE, Terms(1, 1, 0, 1, 1), bytes(32), 1),
        lambda contract: contract.append(ALICE, ALICE, 0, 0, Entry(2**64, 0, bytes(32), bytes(32))),
        lambda contract: contract.multicall([Call(to_address("0x" + "bb" * 20), b"", "register")]),
        lambda contract: contract.multicall([Call(ALICE, b"", "register", value=1)]),
        lambda contract: contract.relay([contract.register()]),
        lambda contract: contract.relay([Call(to_address("0x" + "bb" * 20), b"", "grantSigned")]),
        lambda contract: contract.relay([Call(ALICE, b"", "grantSigned", value=1)]),
        lambda contract: contract.register_signed(
            Register(Place(1, address_bytes(ALICE), bytes(20)), bytes(20), 1), b""
        ),
        lambda contract: contract.register_signed(Register(Place(31337, bytes(20), bytes(20)), bytes(20), 1), b""),
        lambda contract: contract.register_signed(Register(HERE, bytes(20), 1), "0x00"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(build: Any) -> None:
    """What is out of range, of another size or for another contract is refused before anything is sent."""
    with pytest.raises(InvalidInput):
        build(OFFLINE)


def test_views_of_what_was_never_stored(world: World) -> None:
    """Everything absent is as the interface says: zero, none, not registered."""
    contract, somebody = world.contract, world.stranger.address
    assert contract.patient_of(somebody) == PatientState("0x" + "00" * 20, 0, 0)
    assert not contract.patient_of(somebody).is_registered
    assert contract.profile_of(somebody) == ZERO_BYTES32
    assert contract.provider_of(somebody) == ProviderState(ProviderKind.NONE, False, False, 0, 0)
    assert contract.permission_of(somebody, somebody) == Permission(Terms(0, 0, 0, 0, 0, 0), 0)
    assert contract.history_of(somebody) == HistoryState(bytes(25), 0, 0)
    assert contract.agent_until(somebody, somebody) == 0
    assert not contract.is_registrar(somebody)
    assert contract.pending_authority() is None
    assert contract.readers_at(somebody, [], 0) == []


def test_views_of_what_is_stored(world: World) -> None:
    """Each view returns what the transactions before it stored, in its own type."""
    contract, alice, hospital = world.contract, world.alice.address, world.hospital.address
    world.prepare()
    terms = world.terms(read=1, flags=1, not_before=5)
    contract.send(world.alice, contract.grant(alice, hospital, terms, bytes(32), 2))
    end = world.chain.now() + DAY
    contract.send(world.hospital, contract.name_agent(world.stranger.address, end))
    contract.send(world.alice, contract.publish_profile(b"\x07" * 32))
    contract.send(world.authority, contract.offer_authority(alice))

    assert contract.authority() == world.authority.address
    assert contract.pending_authority() == alice
    assert contract.is_registrar(world.registrar.address)
    assert contract.patient_of(alice) == PatientState(alice, 0, 0)
    assert contract.profile_of(alice) == b"\x07" * 32
    assert contract.profiles_of([hospital, alice]) == [contract.profile_of(hospital), b"\x07" * 32]
    assert contract.profiles_of([]) == []
    provider = contract.provider_of(hospital)
    assert (provider.kind, provider.suspended, provider.emergency) == (ProviderKind.ORGANISATION, False, False)
    assert contract.agent_until(hospital, world.stranger.address) == end
    assert contract.permission_of(alice, hospital) == Permission(terms, 2)
    assert contract.readers_at(alice, [hospital, alice], world.chain.now()) == [1, 0]
    assert contract.history_of(alice).keyring_version == 1  # reading compartment 1 was lost
    contract.send(world.authority, contract.offer_authority(None))
    assert contract.pending_authority() is None


def test_the_predicate_and_its_exception(world: World) -> None:
    """`may` says why not, `require` raises it, `check` finds out for a whole call; all agree with the transaction."""
    contract, alice, hospital = world.contract, world.alice.address, world.hospital.address
    world.prepare()
    asked: dict[str, Any] = {"compartments": 1, "purpose": TREAT}
    assert contract.may(alice, hospital, hospital, Action.APPEND, **asked) is Denial.NONE
    contract.require(alice, hospital, hospital, Action.APPEND, **asked)
    contract.check(hospital, world.append())
    contract.send(world.alice, contract.revoke(alice, hospital))
    assert contract.may(alice, hospital, hospital, Action.READ, **asked) is Denial.REVOKED
    with pytest.raises(PermissionRevoked) as required:
        contract.require(alice, hospital, hospital, Action.APPEND, **asked)
    with pytest.raises(PermissionRevoked) as checked:
        contract.check(hospital, world.append())
    with pytest.raises(PermissionRevoked) as sent:
        contract.send(world.hospital, world.append())
    assert str(required.value) == str(checked.value) == str(sent.value)
    assert required.value.values == checked.value.values == sent.value.values


def test_views_at_an_earlier_block(world: World) -> None:
    """A view given a block answers from that block's state."""
    before = world.chain.block_number()
    world.register()
    assert not world.contract.patient_of(world.alice.address, block=before).is_registered
    assert world.contract.patient_of(world.alice.address, block=before + 1).is_registered
    with pytest.raises(ChainUnavailable):
        world.contract.patient_of(world.alice.address, block=before + 99)


def test_several_calls_take_place_together(world: World) -> None:
    """A multicall is one transaction with the events of all, sent in the name of its sender."""
    contract = world.contract
    receipt = contract.send(
        world.alice, contract.multicall([contract.register(), contract.publish_profile(b"\x01" * 32)])
    )
    assert [type(logged.event) for logged in receipt.events] == [PatientRegistered, ProfilePublished]
    assert receipt.only(PatientRegistered).patient == world.alice.address


def test_of_several_calls_none_takes_place_if_one_is_refused(world: World) -> None:
    """A multicall is refused with the reason of the call inside that is, and changes nothing."""
    contract = world.contract
    with pytest.raises(AlreadyRegistered):
        contract.send(world.alice, contract.multicall([contract.register(), contract.register()]))
    with pytest.raises(NotAuthority):
        contract.send(
            world.alice, contract.multicall([contract.register(), contract.add_registrar(world.alice.address)])
        )
    assert not contract.patient_of(world.alice.address).is_registered


def test_the_domain_is_the_contracts_own(world: World) -> None:
    """The domain that statements are signed in is the one that the contract states (ERC-5267)."""
    assert world.contract.domain() == world.contract.eip712_domain()
    assert world.contract.domain()["verifyingContract"] == world.contract.address


def test_an_address_without_code_is_not_medrec(chain: LocalChain) -> None:
    """An account, or an address mistyped, is found out at once."""
    with pytest.raises(NotDeployed, match="no contract"):
        MedRecContract(chain, ALICE)


ANOTHER_CONTRACT = {
    "answers nothing": "00",
    "reverts": "60006000fd",
    "answers a word": "600160005260206000f3",
}


@pytest.mark.parametrize("code", ANOTHER_CONTRACT.values(), ids=ANOTHER_CONTRACT)
def test_another_contract_is_not_medrec(world: World, code: str) -> None:
    """A contract that is there and is another one is found out, whatever it answers."""
    size = len(code) // 2
    creation = bytes.fromhex(f"60{size:02x}600c60003960{size:02x}6000f3") + bytes.fromhex(code)
    receipt = send(world.chain, world.alice, Call(None, creation))
    assert receipt.created is not None
    with pytest.raises(NotDeployed):
        MedRecContract(world.chain, receipt.created)
    with pytest.raises(NotDeployed):
        MedRecContract(world.chain, receipt.created, check=False).patient_of(ALICE)


def test_a_contract_of_another_chain_is_not_this_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A domain with another chain id means another deployment: its signatures would be worth nothing here."""
    monkeypatch.setattr(world.chain, "chain_id", 1)
    with pytest.raises(NotDeployed):
        MedRecContract(world.chain, world.contract.address)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(values_of("(uint64,uint64,uint40,uint40,uint16,uint8)"))
def test_terms_survive_the_chain(world: World, values: tuple[int, ...]) -> None:
    """Any terms that the contract accepts are read back as they were granted."""
    contract, alice, hospital = world.contract, world.alice.address, world.hospital.address
    if not contract.patient_of(alice).is_registered:
        world.register()
    read, append, _, expiry, purposes, flags = values
    terms = Terms(read | 1, append, 0, max(expiry, world.chain.now() + 100), purposes | 1, flags & 1)
    version = contract.permission_of(alice, hospital).version + 1
    contract.send(world.alice, contract.grant(alice, hospital, terms, bytes(32), version))
    assert contract.permission_of(alice, hospital) == Permission(terms, version)


def test_records_are_numbered_by_their_events(world: World) -> None:
    """An appended entry's number is the length before it plus one, and the head moves on."""
    world.prepare()
    first = world.contract.send(world.hospital, world.append())
    second = world.contract.send(world.hospital, world.append(some_entry(replaces=1 << 32)))
    (one,), (two,) = ([logged.event for logged in receipt.events] for receipt in (first, second))
    assert one.state_before.length == 0  # type: ignore[attr-defined]
    assert two.state_before.length == 1  # type: ignore[attr-defined]
    assert world.contract.history_of(world.alice.address).length == 2
