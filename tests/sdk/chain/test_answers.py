"""Whatever a node answers, in place of a result or of a part of one, a MedRecError comes out and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import medrec_py as medrec
from medrec_py.chain import connection, transactions
from medrec_py.chain.answers import MalformedAnswer
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import deploy
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.transactions import find_receipt
from medrec_py.chain.types import Action
from medrec_py.errors import IntegrityError, MedRecError, NotDeployed
from tests.sdk.people import People, meet

from .nodes import Node

METHODS = [
    "eth_chainId",
    "eth_blockNumber",
    "eth_getBlockByNumber",
    "eth_getBlockByHash",
    "eth_getCode",
    "eth_getBalance",
    "eth_getTransactionCount",
    "eth_call",
    "eth_getLogs",
    "eth_getTransactionReceipt",
    "eth_getTransactionByHash",
    "eth_estimateGas",
    "eth_gasPrice",
    "eth_maxPriorityFeePerGas",
    "eth_sendRawTransaction",
]
"""All that the package asks of nodes."""

# No believable number of blocks by the billion: such a chain would be read window by window.
HEX = st.sampled_from(["0x", "0xzz", "zz", "0x-1", "0x0", "0x1", "0x7", "0x" + "f" * 64, "0x" + "f" * 70, "0x123", ""])
WORDS = st.binary(max_size=8).map(lambda octets: "0x" + (octets * 32)[:64].hex())
NUMBERS = st.integers(-5, 1 << 20) | st.integers(min_value=1 << 64)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False) | st.text(max_size=8) | HEX | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True)
class Scene:
    """A patient's record with an entry, and the transaction that appended it."""

    people: People
    transaction: str


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Seen by others through lying nodes."""
    with medrec.local() as net:
        people = meet(net)
        people.grant()
        appended = people.chart().append(b"one", compartment="general", title="one")
        yield Scene(people, appended.receipt.transaction)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting takes no time."""
    monkeypatch.setattr(connection.time, "sleep", lambda _: None)


def changed(answer: Any, way: list[int], junk: Any) -> Any:
    """An answer with the part that a way leads to replaced, or left out."""
    if not way or not isinstance(answer, list | tuple | Mapping) or not answer:
        return junk
    places = list(answer) if isinstance(answer, Mapping) else list(range(len(answer)))
    place = places[way[0] % len(places)]
    copy: Any = dict(answer) if isinstance(answer, Mapping) else list(answer)
    if junk == "left out":
        del copy[place]
    else:
        copy[place] = changed(copy[place], way[1:], junk)
    return copy


def works(scene: Scene, node: Node) -> Iterator[Callable[[], object]]:
    """What the package does with a chain, each on its own connection."""
    net, alice, hospital = scene.people.net, scene.people.alice, scene.people.hospital
    authority = net._authority
    assert authority is not None

    def contract() -> MedRecContract:
        return MedRecContract(node.chain(), net.address)

    def patient() -> medrec.Patient:
        chain = node.chain()
        return medrec.Network(chain, MedRecContract(chain, net.address, check=False), net.store).patient(alice._wallet)

    def blocks() -> object:
        chain = node.chain()
        return chain.block(chain.block(0).hash), chain.final_block(), chain.now(), chain.balance(net.address)

    def send(**options: Any) -> object:
        call = net.contract.publish_profile(b"\x01" * 32)
        return transactions.send(node.chain(), authority, call, timeout=0, **options)

    yield blocks
    yield send
    yield lambda: send(gas=100_000)
    yield lambda: find_receipt(node.chain(), scene.transaction)
    yield lambda: list(fetch_logs(contract(), from_block=0))
    yield lambda: list(patient().history())
    yield lambda: list(patient().records())
    yield lambda: patient().permissions()
    yield lambda: contract().provider_of(hospital.address)
    yield lambda: contract().readers_at(alice.id, [hospital.address], 0)
    yield lambda: contract().may(alice.id, alice.id, alice.id, Action.READ, 0, 0)
    yield lambda: deploy(node.chain(), authority, timeout=0)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(METHODS), st.lists(st.integers(0, 30), max_size=4), JSON | st.just("left out"))
def test_whatever_a_node_answers_a_medrec_error_comes_out(scene: Scene, method: str, way: list[int], junk: Any) -> None:
    """Any JSON in place of a method's result, or of any part of it, or a part left out."""
    true = scene.people.net.chain.request
    node = Node(scene.people.net.chain, {method: lambda *asked: changed(true(method, *asked), way, junk)})
    for work in works(scene, node):
        with suppress(MedRecError), warnings.catch_warnings():
            warnings.simplefilter("ignore", medrec.RecordUnreadable)
            work()


@pytest.mark.parametrize("method", ["eth_getTransactionCount", "eth_getBalance", "eth_estimateGas"])
@pytest.mark.parametrize("number", [0, (1 << 64) - 1, 1 << 64, (1 << 256) - 1])
def test_numbers_at_the_edge(scene: Scene, method: str, number: int) -> None:
    """Nonces, gas and balances as large as they can be."""
    node = Node(scene.people.net.chain, {method: lambda *_: hex(number)})
    for work in islice(works(scene, node), 3):
        with suppress(MedRecError):
            work()


@pytest.mark.parametrize("field", ["baseFeePerGas", "gasLimit", "timestamp"])
@pytest.mark.parametrize("number", [0, (1 << 40) - 1, (1 << 64) - 1, 1 << 64])
def test_blocks_at_the_edge(scene: Scene, field: str, number: int) -> None:
    """Fees, gas limits and times as large as they can be."""
    true = scene.people.net.chain.request
    node = Node(
        scene.people.net.chain,
        {"eth_getBlockByNumber": lambda *asked: {**true("eth_getBlockByNumber", *asked), field: hex(number)}},
    )
    for work in islice(works(scene, node), 3):
        with suppress(MedRecError):
            work()


@pytest.mark.parametrize("answer", [None, "0xzz", [{}], {}, [None], 5])
def test_logs_that_are_none(scene: Scene, answer: Any) -> None:
    """Anything but a list of logs is said to be malformed, with the node and the method, not passed on."""
    node = Node(scene.people.net.chain, {"eth_getLogs": lambda *_: answer})
    contract = MedRecContract(node.chain(), scene.people.net.address)
    with pytest.raises(MalformedAnswer, match="the node at Node answered eth_getLogs"):
        list(fetch_logs(contract, from_block=0))


@pytest.mark.parametrize("answer", [{}, "0x1", [], {"number": "0x1"}])
def test_blocks_that_are_none(scene: Scene, answer: Any) -> None:
    """An object without a block's fields is no block."""
    node = Node(scene.people.net.chain, {"eth_getBlockByNumber": lambda *_: answer})
    with pytest.raises(MalformedAnswer, match="eth_getBlockByNumber"):
        node.chain().block()


@pytest.mark.parametrize("answer", ["zz", "0x123", 5, None, True, {}])
def test_results_of_calls_that_are_none(scene: Scene, answer: Any) -> None:
    """What a call returns is octets."""
    node = Node(scene.people.net.chain, {"eth_call": lambda *_: answer})
    contract = MedRecContract(node.chain(), scene.people.net.address, check=False)
    with pytest.raises(MalformedAnswer, match="eth_call"):
        contract.authority()


def test_text_that_is_no_unicode(scene: Scene) -> None:
    """A contract of somebody else's whose name is no UTF-8 is not MedRec."""
    call = {"to": scene.people.net.address, "data": "0x84b0196e"}  # eip712Domain()
    name = scene.people.net.chain.call(call).replace(b"MedRec", b"\xff" * 6)
    node = Node(scene.people.net.chain, {"eth_call": lambda *_: "0x" + name.hex()})
    with pytest.raises(NotDeployed):
        MedRecContract(node.chain(), scene.people.net.address)


def test_a_receipt_without_its_events(scene: Scene) -> None:
    """A node that hides what an append brought about is found out."""
    people = scene.people
    true = people.net.chain.request

    def bare(transaction: str) -> Any:
        found = true("eth_getTransactionReceipt", transaction)
        return found and {**found, "logs": []}

    chain = Node(people.net.chain, {"eth_getTransactionReceipt": bare}).chain()
    seen = medrec.Network(chain, MedRecContract(chain, people.net.address), people.net.store)
    with pytest.raises(IntegrityError, match="left the entries out"):
        seen.patient(people.alice._wallet).append(b"two", compartment="general", title="two")
