"""Events: none of the ABI is unmapped, decoding agrees with web3's, and what the contract cannot emit is refused."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st
from web3 import Web3

from medrec_py.chain import abi, events
from medrec_py.chain.artifacts import load_artifact
from medrec_py.chain.events import EVENTS, Event, decode_event, filter_topics, snake_case
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.transactions import Call
from medrec_py.chain.types import Entry, ProviderKind, Terms, address_bytes, to_address
from medrec_py.crypto.decisions import Grant
from medrec_py.crypto.guardian_set import GuardianSet
from medrec_py.crypto.keys import Place
from medrec_py.crypto.wallet_change import WalletChange
from medrec_py.crypto.wallet_recovery import Recover
from medrec_py.errors import IntegrityError, InvalidInput

from .conftest import DAY, TREAT, World, some_entry

ALICE, BOB = to_address("0x" + "a1" * 20), to_address("0x" + "b0" * 20)
ITEMS = abi.items("event")
WEB3 = Web3().eth.contract(abi=load_artifact()["abi"])


def test_no_event_of_the_abi_is_unmapped() -> None:
    """Every event has one class of its name, with its parameters in snake case as fields, and its topic."""
    assert [event.__name__ for event in EVENTS] == list(dict.fromkeys(event.__name__ for event in EVENTS))
    assert {event.__name__ for event in EVENTS} == set(ITEMS)
    for event in EVENTS:
        item = ITEMS[event.__name__]
        names = {field.name for field in dataclasses.fields(event)}
        assert names == {snake_case(parameter.name) for parameter in item.inputs}
        signature = f"{item.name}({','.join(item.input_types)})"
        assert event.topic == bytes(Web3.keccak(text=signature)) == item.hash


def test_every_indexed_parameter_is_an_address() -> None:
    """Decoding and filtering rest on it: a new event with another indexed type has to say so here."""
    assert {p.type for item in ITEMS.values() for p in item.inputs if p.indexed} == {"address"}


def values_of(kind: str) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one for each kind of type
    """Values of an ABI type."""
    if kind.endswith("[]"):
        return st.lists(values_of(kind[:-2]), max_size=4)
    if kind.startswith("("):
        return st.tuples(*map(values_of, kind[1:-1].split(",")))
    if kind == "address":
        return st.binary(min_size=20, max_size=20).map(to_address)
    if kind == "bool":
        return st.booleans()
    if kind == "bytes":
        return st.binary(max_size=200)
    if kind.startswith("bytes"):
        return st.binary(min_size=int(kind[5:]), max_size=int(kind[5:]))
    return st.integers(0, 2 ** int(kind.removeprefix("uint")) - 1)


def parameter_of(parameter: abi.Parameter) -> st.SearchStrategy[Any]:
    """Values of a parameter."""
    return st.sampled_from(list(ProviderKind)).map(int) if "enum" in parameter.internal else values_of(parameter.type)


def raw(item: abi.Item, values: dict[str, Any]) -> tuple[list[bytes], bytes]:
    """A log with these values."""
    indexed = [p for p in item.inputs if p.indexed]
    plain = [p for p in item.inputs if not p.indexed]
    topics = [item.hash, *(encode([p.type], [values[p.name]]) for p in indexed)]
    return topics, encode([p.type for p in plain], [values[p.name] for p in plain])


@settings(deadline=None)
@given(st.data())
def test_decoding_agrees_with_web3(data: st.DataObject) -> None:
    """A log of any event with any values decodes to what web3 makes of it."""
    item = data.draw(st.sampled_from([ITEMS[event.__name__] for event in EVENTS]))
    values = {parameter.name: data.draw(parameter_of(parameter)) for parameter in item.inputs}
    topics, octets = raw(item, values)
    decoded = decode_event(topics, octets)
    theirs = WEB3.events[item.name]().process_log(as_log(topics, octets))["args"]
    assert type(decoded).__name__ == item.name
    assert as_web3(decoded) == {snake_case(name): plain(value) for name, value in theirs.items()}


def as_web3(event: Event) -> dict[str, Any]:
    """An event's fields, with structs as web3 writes them."""
    return {field.name: plain(getattr(event, field.name)) for field in dataclasses.fields(event)}


def plain(value: Any) -> Any:
    """A struct as a dictionary with its members in order, whatever they are called."""
    if isinstance(value, Terms | Entry):
        return list(dataclasses.astuple(value))
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "items"):
        return [plain(one) for one in value.values()]
    return bytes(value) if isinstance(value, bytes) else value


def test_types_of_the_fields() -> None:
    """Structs and enums become their own types, addresses EIP-55, and nothing is a list: an event is a value."""
    topics, data = raw(
        ITEMS["ProviderAccredited"], {"provider": ALICE, "registrar": BOB, "kind": 1, "emergency": True, "expiry": 7}
    )
    event = decode_event(topics, data)
    assert event == events.ProviderAccredited(ALICE, BOB, ProviderKind.ORGANISATION, True, 7)
    assert isinstance(event, events.ProviderAccredited)
    assert isinstance(event.kind, ProviderKind)
    assert hash(event)


def test_state_before_an_entry() -> None:
    """A history's event says where its entry stands: its number is the length before it, plus one."""
    previous = b"\x07" * 25 + (41).to_bytes(4) + (3).to_bytes(3)
    event = events.RecordAppended(ALICE, BOB, 0, previous, BOB, some_entry())
    assert event.state_before.length + 1 == 42
    assert event.state_before.keyring_version == 3


def registered() -> tuple[list[bytes], bytes]:
    """The log of a registration."""
    return raw(ITEMS["PatientRegistered"], {"patient": ALICE, "wallet": ALICE, "by": BOB})


def test_foreign_logs_are_refused() -> None:
    """A log without topics, of an unknown event, or anonymous is no event of MedRec."""
    topics, data = registered()
    for foreign in ([], [bytes(32)], [b"\xff" * 32, *topics[1:]]):
        with pytest.raises(IntegrityError):
            decode_event(foreign, data)


def test_malformed_logs_are_refused() -> None:
    """Too few or many topics, one that is no address, and data that end too early or overflow are refused."""
    topics, data = registered()
    for wrong in (
        topics[:-1],
        [*topics, topics[1]],
        [*topics[:3], b"\x01" + topics[3][1:]],
        [*topics[:3], topics[3][1:]],
    ):
        with pytest.raises(IntegrityError):
            decode_event(wrong, data)
    item = ITEMS["ProviderAccredited"]
    topics, data = raw(item, {"provider": ALICE, "registrar": BOB, "kind": 1, "emergency": True, "expiry": 7})
    for broken in (
        data[:-1],
        data + b"\0",
        data + bytes(32),
        b"",
        (9).to_bytes(32) + data[32:],
        data[:-32] + b"\xff" * 32,
        data[:32] + (2).to_bytes(32) + data[64:],
    ):
        with pytest.raises(IntegrityError):
            decode_event(topics, broken)


@settings(deadline=None)
@given(st.sampled_from(EVENTS), st.lists(st.binary(max_size=40), max_size=4), st.binary(max_size=400))
def test_whatever_a_node_sends_is_an_event_or_refused(event: type[Event], topics: list[bytes], data: bytes) -> None:
    """No log raises anything but IntegrityError."""
    with suppress(IntegrityError):
        assert isinstance(decode_event([event.topic, *topics], data), event)


def test_decoding_is_fast() -> None:
    """A long history is decoded in a moment: at least five times as fast as by web3, usually sixty times."""
    entry = (1, 0, b"\x11" * 32, b"\x22" * 32)
    values = {"patient": ALICE, "author": BOB, "onBehalfOf": BOB, "time": 1, "previous": bytes(32), "entry": entry}
    topics, data = raw(ITEMS["RecordAppended"], values)
    log = as_log(topics, data)
    web3s = WEB3.events.RecordAppended()
    assert 5 * rate(lambda: web3s.process_log(log), 200) < rate(lambda: decode_event(topics, data), 2000)


def rate(action: Callable[[], object], times: int) -> float:
    """How often something can be done in a second of this processor."""
    begin = time.process_time()
    for _ in range(times):
        action()
    return times / (time.process_time() - begin)


def as_log(topics: list[bytes], data: bytes) -> Any:
    """A log as web3 takes it."""
    return {
        "topics": topics,
        "data": data,
        "address": ALICE,
        "blockHash": bytes(32),
        "blockNumber": 1,
        "logIndex": 0,
        "transactionHash": bytes(32),
        "transactionIndex": 0,
    }


def test_filters_find_what_they_name(world: World) -> None:
    """A filter by event and by indexed fields brings those logs and no others."""
    world.prepare()
    world.contract.send(world.hospital, world.append())
    alice, hospital = world.alice.address, world.hospital.address

    def found(*kinds: type[Event], **where: str) -> list[str]:
        return [type(log.event).__name__ for log in fetch_logs(world.contract, kinds, from_block=0, **where)]

    assert found(patient=alice) == ["PatientRegistered", "PermissionGranted", "RecordAppended"]
    assert found(events.RecordAppended, events.RecordsAppended, patient=alice) == ["RecordAppended"]
    assert found(patient=alice, on_behalf_of=hospital) == ["RecordAppended"]
    assert found(provider=hospital) == ["ProviderAccredited"]
    assert found(patient=hospital) == []
    assert found(events.PatientRegistered, by=alice) == ["PatientRegistered"]


def test_a_filter_that_cannot_be_is_refused() -> None:
    """An event that lacks the field, and events that have it in different places, cannot be asked for at once."""
    with pytest.raises(InvalidInput, match="grantee"):
        filter_topics([events.PermissionGranted, events.RecordAppended], grantee=ALICE)
    with pytest.raises(InvalidInput, match="by"):
        filter_topics(by=ALICE)
    with pytest.raises(InvalidInput):
        filter_topics(nobody=ALICE)
    with pytest.raises(InvalidInput):
        filter_topics([events.PatientRegistered], patient="alice")


def handed_over(world: World) -> Call:
    """Alice's id goes to the stranger's wallet, which agrees."""
    deadline, stranger = world.chain.now() + DAY, world.stranger
    place = Place(world.chain.chain_id, *map(address_bytes, (world.contract.address, world.alice.address)))
    change = WalletChange(place, address_bytes(stranger.address), 4, deadline)
    signature = stranger.sign_typed_data(change.typed_data())
    return world.contract.change_wallet(world.alice.address, stranger.address, 4, deadline, signature)


def recovered(world: World, guardians: GuardianSet) -> Call:
    """The hospital, one of alice's guardians, begins to hand her id to the stranger's wallet."""
    place = Place(world.chain.chain_id, *map(address_bytes, (world.contract.address, world.alice.address)))
    wallet, deadline = address_bytes(world.stranger.address), world.chain.now() + DAY
    consent, approval = (
        Recover(place, address_bytes(signer.address), wallet, 1, deadline)
        for signer in (world.stranger, world.hospital)
    )
    signature = world.stranger.sign_typed_data(consent.typed_data())
    approvals = {approval.signer: world.hospital.sign_typed_data(approval.typed_data())}
    return world.contract.begin_recovery(consent, signature, guardians, approvals)


def refused_grant(world: World) -> Call:
    """What nobody signed."""
    place = Place(world.chain.chain_id, address_bytes(world.contract.address), address_bytes(world.alice.address))
    people = (place.patient, address_bytes(world.hospital.address))
    return world.contract.grant_signed(Grant(place, *people, 1, 1, 0, 1, 1, 0, bytes(32), 9, 2**40), bytes(65))


def test_every_event_that_can_happen_decodes(world: World) -> None:
    """A life on the chain: each event of the interface, but those that need another state, is emitted and decoded."""
    contract, alice, hospital = world.contract, world.alice.address, world.hospital.address
    world.prepare()
    end = world.chain.now() + DAY
    guardians = GuardianSet.choose(1, map(address_bytes, (hospital, world.registrar.address)), DAY)
    for wallet, call in (
        (world.alice, contract.publish_profile(b"\x01" * 32)),
        (world.registrar, contract.suspend(hospital)),
        (world.registrar, contract.reinstate(hospital)),
        (world.hospital, contract.name_agent(world.stranger.address, end)),
        (world.hospital, contract.dismiss_agent(world.stranger.address)),
        (world.hospital, world.append()),
        (
            world.hospital,
            contract.append_many(alice, hospital, 0, TREAT, [some_entry(), some_entry(2), some_entry(4)], True),
        ),
        (world.hospital, contract.log_access(alice, hospital, TREAT, b"\x05" * 32)),
        (world.alice, contract.publish_keyring(alice, 0, 3, b"\x06" * 32)),
        (world.alice, contract.publish_moved(alice, 1, 1, b"\x07" * 32)),
        (world.alice, contract.publish_erased(alice, 2, 1, b"\x08" * 32)),
        (world.alice, contract.revoke_and_rotate(alice, hospital, 0, 3, b"\x09" * 32)),
        (
            world.alice,
            contract.set_guardians(
                alice, 3, delay=0, rest=bytes(32), guardians=guardians.commitment, document=bytes(32)
            ),
        ),
        (world.stranger, contract.relay([recovered(world, guardians)])),
        (world.alice, contract.stop_recovery(alice, 1)),
        (world.stranger, contract.relay([refused_grant(world)])),
        (world.alice, handed_over(world)),
        (world.authority, contract.remove_registrar(world.registrar.address)),
        (world.authority, contract.offer_authority(world.stranger.address)),
        (world.stranger, contract.accept_authority()),
    ):
        contract.send(wallet, call)
    seen = {type(log.event) for log in fetch_logs(contract, from_block=0)}
    assert set(EVENTS) - seen == {events.EIP712DomainChanged}
