"""The connection: every failure of a node or of the way to it is one of MedRec's errors, without secrets in it."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from eth_tester import EthereumTester
from hypothesis import given, settings
from hypothesis import strategies as st
from web3 import EthereumTesterProvider, HTTPProvider, Web3

from medrec_py.chain import connection
from medrec_py.chain.connection import Chain, NodeError, RateLimited, from_eth_tester
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import creation_code
from medrec_py.chain.local import LocalChain
from medrec_py.chain.reverts import AlreadyRegistered, PatientUnknown
from medrec_py.chain.transactions import Call, InsufficientFunds, send
from medrec_py.errors import ChainUnavailable, InvalidInput, MedRecError, WrongChain
from medrec_py.wallet import Wallet
from tests.support.hostile import Server, ok, serving, status
from tests.support.rpc import CLOSE, rpc

from .nodes import Node, in_turn, refusing

Reply = Callable[[Server, bytes], Iterator[bytes]]


def http(code: int, *headers: str) -> bytes:
    """An answer of a status without a body."""
    return status(code, b"", CLOSE, *headers)


def rpc_error(message: str, code: int = -32000) -> bytes:
    """An answer with an error."""
    error = {"code": code, "message": message}
    return ok(json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode(), CLOSE)


def always(answer: bytes) -> Reply:
    """The same answer to everything."""

    def reply(server: Server, request: bytes) -> Iterator[bytes]:
        yield answer

    return reply


def after_chain_id(*answers: bytes) -> Reply:
    """A node of chain 5 that then gives these answers in turn, the last one for ever."""
    left = list(answers)

    def reply(server: Server, request: bytes) -> Iterator[bytes]:
        if b"eth_chainId" in request:
            yield rpc("0x5")
        else:
            yield left.pop(0) if len(left) > 1 else left[0]

    return reply


def late(server: Server, request: bytes) -> Iterator[bytes]:
    """An answer that comes too late."""
    server.stop.wait(30)
    yield rpc("0x5")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waiting takes no time; this is how long it would have taken."""
    waited: list[float] = []
    monkeypatch.setattr(connection.time, "sleep", waited.append)
    return waited


# --- over HTTP ------------------------------------------------------------------------------------


def test_headers_go_with_every_request() -> None:
    """The caller's headers are sent, beside those that JSON-RPC needs."""
    with serving(after_chain_id(rpc("0x9"))) as server:
        with Chain.connect(server.url, headers={"Authorization": "Bearer token", "X-Tenant": "7"}) as chain:
            assert chain.chain_id == 5
            assert chain.block_number() == 9
        for request in server.requests:
            assert b"Authorization: Bearer token" in request
            assert b"X-Tenant: 7" in request
            assert b"Content-Type: application/json" in request


def test_a_read_is_one_request() -> None:
    """The node is asked for what is wanted and for nothing beside it, whether it is a call or not."""
    with serving(after_chain_id(rpc("0x09"))) as server, Chain.connect(server.url) as chain:
        before = len(server.requests)
        assert chain.call({"to": "0x" + "11" * 20, "data": "0x"}) == b"\x09"
        assert chain.block_number() == 9
        asked = [json.loads(request.partition(b"\r\n\r\n")[2])["method"] for request in server.requests[before:]]
        assert asked == ["eth_call", "eth_blockNumber"]


def test_a_node_that_is_not_there() -> None:
    """An address where nobody listens is unavailable, after a few tries."""
    with serving(always(rpc("0x5"))) as server:
        url = server.url
    with pytest.raises(ChainUnavailable, match="cannot be reached") as caught:
        Chain.connect(url)
    assert "may still be mined" not in caught.value.remedy  # nothing was sent


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"<html>Welcome</html>"),
        ok(b""),
        ok(b"[]"),
        ok(b"null"),
        ok(b'"text"'),
        ok(b'{"jsonrpc": "2.0", "id": 1}'),
        ok(b'{"jsonrpc": "2.0", "id": 1, "error": "broken"}'),
        ok(b"\xff\xfe"),
        http(500),
        status(404, b"not here"),
        status(302, b"", "Location: http://127.0.0.1:1/"),
        b"nonsense\r\n\r\n",
        b"",
    ],
)
def test_whatever_a_server_answers_is_an_error_of_medrecs(answer: bytes) -> None:
    """Pages, silence, other JSON, statuses and redirects: no foreign exception comes out."""
    with serving(always(answer)) as server, pytest.raises(ChainUnavailable):
        Chain.connect(server.url)


def test_a_redirect_is_not_followed() -> None:
    """Headers with keys go to the node that was named and nowhere else."""
    with serving(always(rpc("0x5"))) as elsewhere:
        with (
            serving(always(http(307, f"Location: {elsewhere.url}/"))) as server,
            pytest.raises(ChainUnavailable),
        ):
            Chain.connect(server.url, headers={"X-Key": "secret"})
        assert elsewhere.requests == []


def test_a_node_that_answers_too_late(pauses: list[float]) -> None:
    """The timeout ends a request; a read is repeated once, one for logs not at all, since less can be asked for."""

    with serving(late) as server, pytest.raises(ChainUnavailable, match="in time"):
        Chain.connect(server.url, timeout=0.2)
    assert pauses == [0.0]


def test_logs_that_come_too_late_are_not_asked_for_again(chain: LocalChain) -> None:
    """Whoever asks for logs asks for fewer then."""
    node = Node(chain, {"eth_getLogs": in_turn(requests.Timeout())})
    with pytest.raises(ChainUnavailable):
        node.chain(retries=5).request("eth_getLogs", {})
    assert node.count("eth_getLogs") == 1


@pytest.mark.parametrize(
    "trouble", [http(503), http(429), rpc_error("too many requests", 429), b""], ids=["503", "429", "rpc", "closed"]
)
def test_reads_are_repeated(trouble: bytes, pauses: list[float]) -> None:
    """A node that is overloaded for a moment is asked again, after pauses that grow."""
    with serving(after_chain_id(trouble, trouble, rpc("0x9"))) as server, Chain.connect(server.url) as chain:
        assert chain.block_number() == 9
    assert pauses == [0.125, 0.25]


def test_repeating_has_an_end(pauses: list[float]) -> None:
    """A node that stays overloaded is given up, as what it is."""
    with serving(after_chain_id(http(429))) as server, Chain.connect(server.url, retries=3) as chain:
        with pytest.raises(RateLimited):
            chain.block_number()
        assert len(server.requests) == 1 + 4
    assert len(pauses) == 3


def test_a_node_may_say_how_long_to_wait(pauses: list[float]) -> None:
    """Retry-After is heeded, within reason."""
    answers = [http(429, "Retry-After: 3"), http(429, "Retry-After: 86400"), rpc("0x9")]
    with serving(after_chain_id(*answers)) as server, Chain.connect(server.url) as chain:
        chain.block_number()
    assert pauses == [3.0, 10.0]


@pytest.mark.parametrize("trouble", [http(503), http(429), http(401), b""], ids=["503", "429", "401", "closed"])
def test_sending_is_never_repeated(trouble: bytes, pauses: list[float]) -> None:
    """What may have been carried out is not sent a second time by the connection."""
    with serving(after_chain_id(trouble)) as server, Chain.connect(server.url) as chain:
        with pytest.raises(ChainUnavailable):
            chain.request("eth_sendRawTransaction", "0x00")
        assert len(server.requests) == 2
    assert pauses == []


def test_what_the_client_did_wrong_is_not_repeated(pauses: list[float]) -> None:
    """HTTP 401 stays 401: it is said at once."""
    with serving(always(http(401))) as server:
        with pytest.raises(NodeError, match="HTTP 401"):
            Chain.connect(server.url)
        assert len(server.requests) == 1
    assert pauses == []


def test_secrets_of_a_url_are_not_shown() -> None:
    """Keys in the path, the query or before the host appear in no message and no repr."""
    with serving(after_chain_id(http(500))) as server:
        url = server.url.replace("http://", "http://user:hunter2@") + "/v3/s3cr3t?key=t0ken"
        with Chain.connect(url) as chain:
            with pytest.raises(ChainUnavailable) as caught:
                chain.block_number()
            shown = str(caught.value) + repr(chain) + chain.node
    assert chain.node == server.url
    for secret in ("hunter2", "s3cr3t", "t0ken"):
        assert secret not in shown


@pytest.mark.parametrize(
    "reply",
    [
        always(http(500)),
        always(http(404)),
        always(http(429)),
        always(b""),
        always(b"nonsense\r\n\r\n"),
        always(ok(b"<html>")),
        always(rpc_error("no")),
        late,
    ],
    ids=["500", "404", "429", "closed", "no HTTP", "a page", "an error", "late"],
)
def test_secrets_of_a_url_are_in_no_traceback(reply: Reply) -> None:
    """However the node fails, nothing is chained that shows the URL, as the errors of HTTP libraries do."""
    with serving(reply) as server:
        url = server.url.replace("http://", "http://user:hunter2@") + "/v3/s3cr3t?key=t0ken"
        with pytest.raises(ChainUnavailable) as caught:
            Chain.connect(url, timeout=0.2, retries=1)
    without_secrets(caught.value)


def test_secrets_of_an_unreachable_nodes_url_are_in_no_traceback() -> None:
    """Where nobody listens, and where the name is none."""
    with serving(always(rpc("0x5"))) as server:
        url = server.url.replace("http://", "http://user:hunter2@") + "/v3/s3cr3t?key=t0ken"
    with pytest.raises(ChainUnavailable) as caught:
        Chain.connect(url, retries=1)
    without_secrets(caught.value)


def without_secrets(error: BaseException) -> None:
    """Neither the traceback nor what is chained to the error, shown or not, holds a secret of the URL."""
    shown = "".join(traceback.format_exception(error))
    chained: BaseException | None = error
    while chained is not None:
        shown += repr(chained)
        chained = chained.__cause__ or chained.__context__
    for secret in ("hunter2", "s3cr3t", "t0ken"):
        assert secret not in shown


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8545", "ws://127.0.0.1:8546", "file:///tmp/geth.ipc", "http://", "http://h:port", "http://h:99999"],
)
def test_a_url_that_is_none(url: str) -> None:
    """Other transports, and what is no URL, are refused with a hint."""
    with pytest.raises(InvalidInput, match="your own Web3"):
        Chain.connect(url)


def test_closing_leaves_nothing_open() -> None:
    """A closed connection can be asked again, and opens what it needs; a chain of the caller's own is not closed."""
    with serving(after_chain_id(rpc("0x9"))) as server:
        chain = Chain.connect(server.url)
        chain.close()
        assert chain.block_number() == 9
        chain.close()


# --- which chain ----------------------------------------------------------------------------------


def test_another_chain_than_expected() -> None:
    """The node's chain id is compared when connecting, by URL and with a caller's own Web3, and later on request."""
    with serving(after_chain_id(rpc("0x9"))) as server:
        with pytest.raises(WrongChain, match="chain 5, not chain 1"):
            Chain.connect(server.url, chain_id=1)
        with pytest.raises(WrongChain):
            Chain(Web3(HTTPProvider(server.url)), chain_id=1)
        with Chain.connect(server.url, chain_id=5) as chain:
            chain.require_chain(5)
            with pytest.raises(WrongChain):
                chain.require_chain(6)


def test_a_node_that_changed_its_chain(chain: LocalChain) -> None:
    """A node that was started anew for another chain behind the same URL is found out by asking."""
    node = Node(chain, {"eth_chainId": in_turn("0x5", "0x6")})
    seen = node.chain()
    with pytest.raises(WrongChain):
        seen.require_chain(5)


# --- a caller's own Web3 --------------------------------------------------------------------------


def test_a_callers_own_web3_is_used_as_it_is() -> None:
    """Its headers are sent, and it is not closed with the chain."""
    with serving(after_chain_id(rpc("0x9"))) as server:
        provider = HTTPProvider(
            server.url, {"headers": {"X-Own": "1", "Content-Type": "application/json"}}, requests.Session()
        )
        with Chain(Web3(provider)) as chain:
            assert chain.block_number() == 9
        assert chain.block_number() == 9
        assert all(b"X-Own: 1" in request for request in server.requests)
        provider._request_session_manager._explicit_session.close()  # type: ignore[union-attr]


class Odd(Exception):
    """What a provider of somebody's own may raise."""


@pytest.mark.parametrize(
    "trouble", [Odd("odd"), OSError("gone"), KeyError("id"), requests.exceptions.ChunkedEncodingError()]
)
def test_a_callers_provider_may_raise_anything(chain: LocalChain, trouble: Exception) -> None:
    """Whatever comes out of the caller's provider or middleware is a ChainUnavailable that names its kind alone."""
    node = Node(chain, {"eth_blockNumber": in_turn(trouble)})
    with pytest.raises(ChainUnavailable, match=type(trouble).__name__) as caught:
        node.chain().block_number()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_web3s_own_eth_tester_provider() -> None:
    """A caller's Web3 over eth-tester, with all its default middleware: views, sending, reverts, too little ether."""
    web3 = Web3(EthereumTesterProvider(EthereumTester()))
    chain = Chain(web3)
    wallet, poor = Wallet.create(), Wallet.create()
    web3.eth.wait_for_transaction_receipt(
        web3.eth.send_transaction(
            {"from": web3.eth.accounts[0], "to": wallet.address, "value": Web3.to_wei(1, "ether")}
        )
    )
    receipt = send(chain, wallet, Call(None, creation_code(wallet.address)))
    assert receipt.created is not None
    contract = MedRecContract(chain, receipt.created)
    contract.send(wallet, contract.register())
    with pytest.raises(AlreadyRegistered):
        contract.send(wallet, contract.register())
    with pytest.raises(AlreadyRegistered):
        contract.send(wallet, contract.register(), gas=100_000)
    with pytest.raises(PatientUnknown):
        contract.send(wallet, contract.revoke(contract.address, wallet.address))
    with pytest.raises(InsufficientFunds):
        contract.send(poor, contract.register())
    assert contract.patient_of(wallet.address).is_registered


# --- proof of authority ---------------------------------------------------------------------------


def poa(chain: LocalChain) -> Node:
    """A node whose blocks carry 97 bytes of extra data, as those of clique do."""

    def block(*params: Any) -> Any:
        found = dict(chain.request("eth_getBlockByNumber", *params))
        return {
            **{name: hex(v) if isinstance(v, int) else v for name, v in found.items()},
            "extraData": "0x" + "ab" * 97,
        }

    return Node(chain, {"eth_getBlockByNumber": block})


def test_blocks_of_proof_of_authority_are_read(chain: LocalChain) -> None:
    """A caller's Web3 without the middleware for it reads no such block; through a Chain it does, then on its own."""
    web3 = Web3(poa(chain))
    seen = Chain(web3)
    assert seen.block().number == 0
    assert seen.now() == chain.now()
    assert web3.eth.get_block("latest")["number"] == 0


# --- blocks ---------------------------------------------------------------------------------------


def test_the_final_block(chain: LocalChain) -> None:
    """As set, else as the node says, else a fixed depth where it does not know."""
    chain.mine(20)
    assert chain.final_block().number == 20
    assert Node(chain).chain(confirmations=5).final_block().number == 15
    assert Node(chain).chain(confirmations=50).final_block().number == 0

    def unknown(tag: str, full: bool) -> Any:
        return (
            refusing("finalized block not found", -39001)()
            if tag == "finalized"
            else chain.request("eth_getBlockByNumber", tag, full)
        )

    assert Node(chain, {"eth_getBlockByNumber": unknown}).chain().final_block().number == 20 - connection.CONFIRMATIONS


def test_a_block_that_is_not_there(chain: LocalChain) -> None:
    """A number beyond the chain and a hash of nothing are errors, not None."""
    for missing in (99, "0x" + "00" * 32):
        with pytest.raises(NodeError):
            chain.block(missing)
    block = chain.block()
    assert chain.block(block.hash) == chain.block(block.number) == block


# --- errors of nodes ------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text(), st.integers(), st.one_of(st.none(), st.text(), st.dictionaries(st.text(), st.text()), st.integers()))
def test_any_error_of_a_node_is_one_of_medrecs(message: str, code: int, data: Any) -> None:
    """Whatever a node puts into the error of a call, a MedRecError comes out."""
    error = {"code": code, "message": message, "data": data}

    class Raw(Node):
        def make_request(self, method: Any, params: Any) -> Any:
            if method == "eth_chainId":
                return {"jsonrpc": "2.0", "id": 1, "result": "0x1"}
            return {"jsonrpc": "2.0", "id": 1, "error": error}

    with pytest.raises(MedRecError):
        Raw(None).chain().call({})  # type: ignore[arg-type]


def test_what_is_not_eth_testers_is_left_alone() -> None:
    """Only what eth-tester and py-evm raise is taken for a node's answer."""
    assert from_eth_tester(ValueError("x")) is None
