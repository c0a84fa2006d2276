"""Sending: fees, nonces, receipts and reasons, on the chain inside the process and on nodes that misbehave."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import pytest
import requests
from eth_account import Account

from medrec_py.chain import transactions
from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.events import AuthorityAccepted, PatientRegistered
from medrec_py.chain.local import LocalChain
from medrec_py.chain.reverts import AlreadyRegistered, NotRegistrar, PermissionRevoked, UnknownRevert
from medrec_py.chain.transactions import (
    Call,
    FeeTooHigh,
    InsufficientFunds,
    Pending,
    Receipt,
    TransactionReplaced,
    fees_now,
    find_receipt,
    hand_over,
    raised,
    send,
    sign,
    submit,
)
from medrec_py.chain.types import to_address
from medrec_py.errors import (
    ChainUnavailable,
    ContractError,
    TransactionFailed,
    TransactionTimeout,
    WalletError,
)
from medrec_py.wallet import Wallet

from .conftest import World, some_entry
from .nodes import Node, Refusal, in_turn, refusing

TO = to_address("0x" + "77" * 20)
PAY = Call(TO, b"", "pay", value=1)
"""A call that anybody with ether can make and that leaves a trace: one wei."""


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting takes no time, and what is done again after two seconds is done at once."""
    monkeypatch.setattr(transactions.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(transactions, "_RENEW_SECONDS", 0.0)


@pytest.fixture
def payer(chain: LocalChain) -> Wallet:
    """A wallet with ether."""
    wallet = Wallet.from_key(b"\x01" * 32)
    chain.fund(wallet.address)
    return wallet


# --- what comes back ------------------------------------------------------------------------------


def test_a_receipt_says_where_and_at_what_price(world: World) -> None:
    """Block, hash, gas, price and time are those of the chain, and the events are typed."""
    receipt = world.contract.send(world.alice, world.contract.register())
    block = world.chain.block()
    raw = world.chain.receipt(receipt.transaction)
    assert raw is not None
    assert (receipt.block, receipt.block_hash) == (block.number, block.hash)
    assert (receipt.gas_used, receipt.gas_price) == (raw.gas_used, raw.gas_price)
    assert receipt.timestamp == block.timestamp
    assert receipt.created is None
    assert receipt.only(PatientRegistered).patient == world.alice.address
    assert list(receipt.every(AuthorityAccepted)) == []
    (logged,) = receipt.events
    assert (logged.block, logged.transaction) == (receipt.block, receipt.transaction)
    with pytest.raises(TransactionFailed, match="0 events AuthorityAccepted"):
        receipt.only(AuthorityAccepted)


def test_a_receipt_can_be_found_later(world: World) -> None:
    """Who kept the hash alone, across a restart for instance, gets the same receipt, or the same refusal."""
    receipt = world.contract.send(world.alice, world.contract.register())
    assert find_receipt(world.chain, receipt.transaction) == receipt
    assert find_receipt(world.chain, "0x" + "00" * 32) is None
    pending = world.contract.submit(world.alice, world.contract.register(), gas=100_000)
    with pytest.raises(AlreadyRegistered):
        find_receipt(world.chain, pending.transaction)


# --- refusals -------------------------------------------------------------------------------------


def test_what_would_be_refused_is_not_sent(world: World) -> None:
    """A call that the contract refuses costs nothing: no transaction, no nonce."""
    before = world.chain.transaction_count(world.stranger.address)
    with pytest.raises(NotRegistrar) as caught:
        world.contract.send(world.stranger, world.contract.suspend(world.alice.address))
    assert caught.value.values == {"caller": world.stranger.address}
    assert world.chain.transaction_count(world.stranger.address) == before


def test_what_is_refused_when_mined_says_why(world: World) -> None:
    """A transaction that something else overtook fails with the contract's reason, and the note has its hash."""
    world.prepare()
    world.contract.send(world.alice, world.contract.revoke(world.alice.address, world.hospital.address))
    pending = world.contract.submit(world.hospital, world.append(), gas=200_000)
    with pytest.raises(PermissionRevoked) as caught:
        pending.wait()
    assert pending.transaction in caught.value.__notes__[0]


def test_too_little_gas_is_said_to_be_that(world: World) -> None:
    """A transaction that runs out of gas is no refusal of the contract's."""
    with pytest.raises(TransactionFailed, match="gas") as caught:
        world.contract.send(world.alice, world.contract.register(), gas=25_000)
    assert not isinstance(caught.value, ContractError)


def test_a_node_that_gives_the_reason_for_calls_alone(world: World) -> None:
    """Where the estimate fails without data, the call is asked for the reason."""
    node = Node(world.chain, {"eth_estimateGas": refusing("execution reverted")})
    contract = MedRecContract(node.chain(), world.contract.address)
    with pytest.raises(NotRegistrar):
        contract.send(world.stranger, contract.suspend(world.alice.address))
    assert node.count("eth_sendRawTransaction") == 0


def test_a_node_that_gives_no_reason_at_all(world: World) -> None:
    """A revert without data anywhere is an error of its own."""
    node = Node(world.chain, {"eth_estimateGas": refusing("execution reverted"), "eth_call": refusing("", 3, "0x")})
    contract = MedRecContract(node.chain(), world.contract.address, check=False)
    with pytest.raises(UnknownRevert):
        contract.send(world.stranger, contract.suspend(world.alice.address))


DATA = "0xad3a8b9e"  # ZeroAddress(), filled in below
SHAPES: dict[str, Callable[[str], Refusal]] = {
    "geth, Anvil": lambda data: Refusal("execution reverted", 3, data),
    "Ganache, a call": lambda data: Refusal("VM Exception while processing transaction: revert", -32000, data),
    "Ganache, an estimate": lambda data: Refusal(
        "VM Exception while processing transaction: revert", -32000, {"hash": None, "result": data, "reason": None}
    ),
    "Nethermind": lambda data: Refusal("VM execution error.", -32015, f"Reverted {data}"),
    "a gateway": lambda data: Refusal("execution reverted", -32603, {"originalError": {"code": 3, "data": data}}),
    "Hardhat": lambda data: Refusal("Error: VM Exception: reverted", -32603, {"message": "…", "data": data}),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_each_nodes_way_to_tell_a_revert_is_read(world: World, shape: Callable[[str], Refusal]) -> None:
    """The same refusal comes out, whatever the node puts around it."""
    from medrec_py.chain import abi  # noqa: PLC0415

    data = "0x" + abi.items("error")["ZeroAddress"].selector.hex()

    def refuse(*_: Any) -> Any:
        raise shape(data)

    node = Node(world.chain, {"eth_estimateGas": refuse})
    with pytest.raises(ContractError) as caught:
        send(node.chain(), world.alice, world.contract.register())
    assert caught.value.solidity == "ZeroAddress"


def test_an_account_without_ether_is_named(chain: LocalChain) -> None:
    """Not enough ether is found out before anything is sent, with the account and what to do."""
    poor = Wallet.create()
    with pytest.raises(InsufficientFunds, match=poor.address):
        send(chain, poor, PAY, gas=21_000)


@pytest.mark.parametrize(
    "words",
    [
        "insufficient funds for gas * price + value: balance 0, tx cost 1, overshot 1",
        "Insufficient funds for gas * price + value",
        "Upfront cost exceeds account balance",
        "Sender b'…' cannot afford txn gas 1 with account balance 0",
    ],
)
def test_each_nodes_words_for_too_little_ether(chain: LocalChain, payer: Wallet, words: str) -> None:
    """geth, Anvil, Ganache, Besu and py-evm each say it their way."""
    node = Node(chain, {"eth_sendRawTransaction": refusing(words)})
    with pytest.raises(InsufficientFunds):
        send(node.chain(), payer, PAY)


def test_other_refusals_keep_the_nodes_words(chain: LocalChain, payer: Wallet) -> None:
    """What is not understood is passed on in the node's words, and takes no nonce."""
    node = Node(chain, {"eth_sendRawTransaction": in_turn(Refusal("no room today"), forward(chain))})
    seen = node.chain()
    with pytest.raises(TransactionFailed, match="no room today"):
        send(seen, payer, PAY)
    send(seen, payer, PAY)
    assert [fields["nonce"] for fields in node.sent()] == [0, 0]


def forward(chain: Chain) -> Callable[..., Any]:
    """Hands a transaction to the chain itself."""
    return lambda raw: chain.request("eth_sendRawTransaction", raw)


@pytest.mark.parametrize("words", ["unknown transaction type", "that nonce is already in use elsewhere"])
def test_words_that_only_look_familiar(chain: LocalChain, payer: Wallet, words: str) -> None:
    """A refusal that contains the words of another is still a refusal."""
    with pytest.raises(TransactionFailed, match=words):
        send(Node(chain, {"eth_sendRawTransaction": refusing(words)}).chain(), payer, PAY)


def test_a_node_without_the_method_is_not_a_failed_transaction(chain: LocalChain, payer: Wallet) -> None:
    """A node that does not know the method says nothing about the transaction."""
    node = Node(chain, {"eth_sendRawTransaction": refusing("the method does not exist", -32601)})
    with pytest.raises(ChainUnavailable):
        send(node.chain(), payer, PAY)


# --- fees -----------------------------------------------------------------------------------------


def block_with(chain: Chain, **changes: Any) -> Callable[..., Any]:
    """The chain's blocks, changed."""

    def answer(*params: Any) -> Any:
        block = {**chain.request("eth_getBlockByNumber", *params), **changes}
        return {name: value for name, value in block.items() if value is not None}

    return answer


def accepted(node: Node) -> None:
    """Have the node take whatever it is handed, and say that it was mined."""
    node.answers["eth_sendRawTransaction"] = lambda raw: "0x" + "00" * 32
    node.answers["eth_getTransactionReceipt"] = lambda transaction: {
        "blockNumber": "0x1",
        "blockHash": "0x" + "00" * 32,
        "gasUsed": "0x5208",
        "status": "0x1",
        "logs": [],
        "contractAddress": None,
    }


def test_fees_of_eip_1559(chain: LocalChain, payer: Wallet) -> None:
    """With a base fee, the transaction allows twice that and the tip: six full blocks in a row do not stop it."""
    node = Node(chain)
    send(node.chain(), payer, PAY)
    (fields,) = node.sent()
    base = 10**9
    assert fields["maxPriorityFeePerGas"] == 10**9
    assert fields["maxFeePerGas"] >= 2 * base * 7 // 8  # the first block's base fee, an eighth lower after empty ones
    assert fields["maxFeePerGas"] > fields["maxPriorityFeePerGas"]


def test_fees_before_eip_1559(chain: LocalChain, payer: Wallet) -> None:
    """Without a base fee, an ordinary transaction with the node's gas price and the chain id (EIP-155) is sent."""
    node = Node(chain, {"eth_getBlockByNumber": block_with(chain, baseFeePerGas=None), "eth_gasPrice": lambda: hex(7)})
    accepted(node)
    send(node.chain(), payer, PAY)
    (fields,) = node.sent()
    assert fields["gasPrice"] == 7
    assert "maxFeePerGas" not in fields
    assert fields["v"] in {chain.chain_id * 2 + 35, chain.chain_id * 2 + 36}


@pytest.mark.parametrize("base_fee", [None, hex(0)])
def test_a_chain_without_fees(chain: LocalChain, base_fee: str | None) -> None:
    """On a chain where nothing costs anything, an account without ether can send, whatever tip the node suggests."""
    blocks = block_with(chain, baseFeePerGas=base_fee)
    node = Node(chain, {"eth_getBlockByNumber": blocks, "eth_gasPrice": lambda: hex(0)})
    accepted(node)
    send(node.chain(), Wallet.create(), Call(TO, b""), gas=21_000)
    (fields,) = node.sent()
    assert fields.get("gasPrice", 0) == fields.get("maxFeePerGas", 0) == fields.get("maxPriorityFeePerGas", 0) == 0


def test_a_node_that_suggests_no_tip(chain: LocalChain, payer: Wallet) -> None:
    """Where the node lacks eth_maxPriorityFeePerGas, the tip is what its gas price adds to the base fee."""
    node = Node(
        chain,
        {
            "eth_maxPriorityFeePerGas": refusing("the method does not exist", -32601),
            "eth_getBlockByNumber": block_with(chain, baseFeePerGas=hex(10)),
            "eth_gasPrice": lambda: hex(13),
        },
    )
    accepted(node)
    send(node.chain(), payer, PAY)
    (fields,) = node.sent()
    assert (fields["maxFeePerGas"], fields["maxPriorityFeePerGas"]) == (23, 3)


def test_no_more_is_paid_than_allowed(chain: LocalChain, payer: Wallet) -> None:
    """A node cannot empty the account with a fee of its own invention where the caller sets a limit."""
    node = Node(
        chain,
        {"eth_getBlockByNumber": block_with(chain, baseFeePerGas=hex(100)), "eth_maxPriorityFeePerGas": lambda: hex(5)},
    )
    accepted(node)
    seen = node.chain()
    with pytest.raises(FeeTooHigh, match="105"):
        send(seen, payer, PAY, max_fee_per_gas=104)
    send(seen, payer, PAY, max_fee_per_gas=150)
    (fields,) = node.sent()
    assert (fields["maxFeePerGas"], fields["maxPriorityFeePerGas"]) == (150, 5)


def test_a_base_fee_that_rises_meanwhile(chain: LocalChain, payer: Wallet) -> None:
    """A transaction refused because the base fee rose between asking and sending is priced anew."""
    refusals = [
        Refusal("max fee per gas less than block base fee"),
        Refusal("Sender's max fee per gas (1) is lower than block's base fee per gas (603081552)"),
        Refusal("Transaction's maxFeePerGas (1) is less than the block's baseFeePerGas (527843289)"),
    ]
    node = Node(chain, {"eth_sendRawTransaction": in_turn(*refusals, forward(chain))})
    assert isinstance(send(node.chain(), payer, PAY), Receipt)
    assert node.count("eth_sendRawTransaction") == 4


def test_the_gas_limit_stays_below_the_blocks(chain: LocalChain, payer: Wallet) -> None:
    """The margin on the estimate never makes a transaction that fits into no block, or that EIP-7825 forbids."""
    estimates = {29_000_000: chain.block().gas_limit, 16_000_000: 2**24, 100_000: 120_000}
    for estimate, limit in estimates.items():
        node = Node(chain, {"eth_estimateGas": in_turn(hex(estimate))})
        accepted(node)
        send(node.chain(), payer, PAY)
        (fields,) = node.sent()
        assert fields["gas"] == limit


# --- nonces ---------------------------------------------------------------------------------------


def test_threads_never_share_a_nonce(chain: LocalChain, payer: Wallet) -> None:
    """Forty threads on one account: every transaction is mined, each with a nonce of its own, none sent twice."""
    node = Node(chain)
    seen = node.chain()
    with ThreadPoolExecutor(40) as pool:
        receipts = list(pool.map(lambda _: send(seen, payer, PAY), range(40)))
    assert len({receipt.transaction for receipt in receipts}) == 40
    assert sorted(fields["nonce"] for fields in node.sent()) == list(range(40))
    assert chain.balance(TO) == 40


def test_a_refused_transaction_gives_its_nonce_back(world: World) -> None:
    """Between threads that fail before sending, the others leave no gap."""
    world.prepare()

    def one(number: int) -> str:
        try:
            world.contract.send(world.hospital, world.append(some_entry(compartments=4 if number % 2 else 1)))
        except ContractError:
            return "refused"
        return "sent"

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(one, range(20)))
    assert outcomes.count("sent") == 10
    assert world.chain.transaction_count(world.hospital.address) == 10


def test_another_process_takes_the_nonce(chain: LocalChain, payer: Wallet) -> None:
    """Where somebody else sends from the account between asking and sending, the next nonce is taken."""
    node = Node(chain)
    seen = node.chain()

    def meanwhile(raw: str) -> Any:
        del node.answers["eth_sendRawTransaction"]
        send(chain, payer, PAY)
        return chain.request("eth_sendRawTransaction", raw)

    node.answers["eth_sendRawTransaction"] = meanwhile
    send(seen, payer, PAY)
    assert [fields["nonce"] for fields in node.sent()] == [0, 1]
    assert chain.balance(TO) == 2


@pytest.mark.parametrize(
    "words",
    [
        "nonce too low: next nonce 1, tx nonce 0",
        "Invalid transaction nonce: Expected 1, but got 0",
        "the tx doesn't have the correct nonce. account has nonce of: 1 tx has nonce of: 0",
        "replacement transaction underpriced",
        "Nonce too low",
    ],
)
def test_a_node_that_counts_too_few(chain: LocalChain, payer: Wallet, words: str) -> None:
    """Where the node's count lags behind what it says of a nonce, the next one is tried, and only that."""
    send(chain, payer, PAY)
    node = Node(
        chain,
        {
            "eth_getTransactionCount": lambda *_: hex(0),
            "eth_sendRawTransaction": in_turn(Refusal(words), forward(chain)),
        },
    )
    send(node.chain(), payer, PAY)
    assert [fields["nonce"] for fields in node.sent()] == [0, 1]


def test_a_node_that_lags_after_a_receipt(chain: LocalChain, payer: Wallet) -> None:
    """Behind a URL there may be several nodes: one that lags does not make us use a nonce again."""
    node = Node(chain)
    seen = node.chain()
    send(seen, payer, PAY)
    node.answers["eth_getTransactionCount"] = lambda *_: hex(0)
    send(seen, payer, PAY)
    assert [fields["nonce"] for fields in node.sent()] == [0, 1]


def test_a_chain_that_went_back(chain: LocalChain, payer: Wallet) -> None:
    """After a reorganisation, or on a chain that was set back, nonces go back too: nothing waits for ever."""
    tester = chain.web3.provider.ethereum_tester  # type: ignore[attr-defined]
    snapshot = tester.take_snapshot()
    send(chain, payer, PAY)
    send(chain, payer, PAY)
    tester.revert_to_snapshot(snapshot)
    receipt = send(chain, payer, PAY)
    sent = chain.transaction(receipt.transaction)
    assert sent is not None
    assert sent.nonce == 0


@pytest.mark.parametrize(
    "words",
    ["already known", "Known transaction", "AlreadyKnown", "Transaction with the same hash was already imported."],
)
def test_a_transaction_that_is_known_already_is_waited_for(chain: LocalChain, payer: Wallet, words: str) -> None:
    """Handed over twice, the node has it once: that it knows it is no failure."""

    def twice(raw: str) -> Any:
        chain.request("eth_sendRawTransaction", raw)
        raise Refusal(words)

    receipt = send(Node(chain, {"eth_sendRawTransaction": twice}).chain(), payer, PAY)
    assert chain.receipt(receipt.transaction)
    assert chain.balance(TO) == 1


def test_a_node_that_answers_with_the_revert_of_what_it_mined(world: World) -> None:
    """Ganache can be set to do that: the transaction is not sent again, and the contract's reason comes out."""
    world.register()

    def mined(raw: str) -> Any:
        world.chain.request("eth_sendRawTransaction", raw)
        raise Refusal("VM Exception while processing transaction: revert", -32000, {"result": "0x"})

    node = Node(world.chain, {"eth_sendRawTransaction": mined})
    with pytest.raises(AlreadyRegistered):
        send(node.chain(), world.alice, world.contract.register(), gas=100_000)
    assert node.count("eth_sendRawTransaction") == 1


def test_too_many_requests_while_sending(chain: LocalChain, payer: Wallet) -> None:
    """A node that wants fewer requests has not taken the transaction: it is handed over again, the same nonce."""
    node = Node(chain, {"eth_sendRawTransaction": in_turn(Refusal("too many requests", 429), forward(chain))})
    send(node.chain(), payer, PAY)
    assert [fields["nonce"] for fields in node.sent()] == [0, 0]
    assert chain.balance(TO) == 1


def test_a_node_that_refuses_for_ever(chain: LocalChain, payer: Wallet) -> None:
    """Trying has an end."""
    node = Node(chain, {"eth_sendRawTransaction": refusing("nonce too low")})
    with pytest.raises(TransactionFailed, match="nonce too low"):
        send(node.chain(), payer, PAY)


# --- lost answers ---------------------------------------------------------------------------------


def test_the_answer_to_sending_is_lost(chain: LocalChain, payer: Wallet) -> None:
    """The node took the transaction and the connection broke: it is found by its hash, and not sent anew."""

    def lost(raw: str) -> Any:
        chain.request("eth_sendRawTransaction", raw)
        raise requests.ConnectionError

    node = Node(chain, {"eth_sendRawTransaction": lost})
    receipt = send(node.chain(), payer, PAY)
    assert chain.receipt(receipt.transaction)
    assert node.count("eth_sendRawTransaction") == 1
    assert chain.balance(TO) == 1


def test_the_transaction_itself_is_lost(chain: LocalChain, payer: Wallet) -> None:
    """The connection broke before the node had it: the same transaction is handed over again."""
    node = Node(chain, {"eth_sendRawTransaction": in_turn(requests.ConnectionError(), forward(chain))})
    send(node.chain(), payer, PAY)
    first, second = (params for method, params in node.asked if method == "eth_sendRawTransaction")
    assert first == second
    assert chain.balance(TO) == 1


def test_a_node_that_forgets(chain: LocalChain, payer: Wallet) -> None:
    """A node that restarted without its pool is handed the same transaction again."""
    node = Node(chain, {"eth_sendRawTransaction": in_turn("0x" + "00" * 32, forward(chain))})
    send(node.chain(), payer, PAY)
    assert node.count("eth_sendRawTransaction") == 2
    assert chain.balance(TO) == 1


def test_a_forgotten_transaction_stops_nobody_behind_it(chain: LocalChain, payer: Wallet) -> None:
    """One that the node forgot is handed over before the next, which would wait for it for ever."""
    node = Node(chain, {"eth_sendRawTransaction": in_turn("0x" + "00" * 32, forward(chain))})
    seen = node.chain()
    forgotten = submit(seen, payer, PAY)
    send(seen, payer, PAY)
    assert chain.balance(TO) == 2
    assert forgotten.wait().block < chain.block_number()


def test_a_receipt_does_not_wait_for_a_persons_signature(chain: LocalChain, payer: Wallet) -> None:
    """While a wallet asks its owner about the next transaction, the receipt of the last is handed out."""
    pending = submit(chain, payer, PAY)
    waited: list[Receipt] = []

    def ask(transaction: dict[str, Any]) -> bytes:
        waiter = Thread(target=lambda: waited.append(pending.wait()))
        waiter.start()
        waiter.join(30)
        assert len(waited) == 1
        return payer.sign_transaction(transaction)

    send(chain, Careless(ask), PAY)


def test_a_nonce_that_went_to_another_transaction(chain: LocalChain, payer: Wallet) -> None:
    """Where another process's transaction took the nonce for good, waiting ends with an error that says so."""
    node = Node(chain, {"eth_sendRawTransaction": in_turn("0x" + "00" * 32, forward(chain))})
    pending = submit(node.chain(), payer, PAY)
    send(chain, payer, Call(TO, b"", value=5))
    with pytest.raises(TransactionReplaced, match="never be mined"):
        pending.wait()
    assert chain.balance(TO) == 5


def test_no_receipt_in_time(chain: LocalChain, payer: Wallet) -> None:
    """Who gives up waiting learns the hash, by which it is found later."""
    node = Node(chain, {"eth_getTransactionReceipt": lambda *_: None})
    with pytest.raises(TransactionTimeout) as caught:
        send(node.chain(), payer, PAY, timeout=0)
    found = find_receipt(chain, caught.value.transaction)
    assert found is not None
    assert found.transaction in str(caught.value)
    assert "has it waiting" in str(caught.value)
    node.answers["eth_getTransactionByHash"] = in_turn(None)
    with pytest.raises(TransactionTimeout, match="does not have it"):
        send(node.chain(), payer, PAY, timeout=0)
    node.answers["eth_getTransactionByHash"] = in_turn(requests.ConnectionError())
    with pytest.raises(TransactionTimeout, match="does not answer"):
        send(node.chain(), payer, PAY, timeout=0)


def test_after_giving_up_the_account_goes_on(chain: LocalChain, payer: Wallet) -> None:
    """A dropped transaction that nobody waits for blocks nothing: its nonce is used again, so only one is mined."""
    node = Node(chain, {"eth_sendRawTransaction": lambda raw: "0x" + "00" * 32})
    seen = node.chain()
    with pytest.raises(TransactionTimeout):
        send(seen, payer, PAY, timeout=0)
    del node.answers["eth_sendRawTransaction"]
    send(seen, payer, PAY)
    assert {fields["nonce"] for fields in node.sent()} == {0}
    assert chain.balance(TO) == 1


def test_a_node_that_fails_while_waiting(chain: LocalChain, payer: Wallet) -> None:
    """Failures of the node while a receipt is waited for are waited out; a timeout has the last as its cause."""
    failing = in_turn(
        requests.ConnectionError(), requests.Timeout(), lambda hash_: chain.request("eth_getTransactionReceipt", hash_)
    )
    assert send(Node(chain, {"eth_getTransactionReceipt": failing}).chain(), payer, PAY)
    node = Node(chain, {"eth_getTransactionReceipt": in_turn(requests.ConnectionError())})
    with pytest.raises(TransactionTimeout) as caught:
        send(node.chain(), payer, PAY, timeout=0)
    assert isinstance(caught.value.__cause__, ChainUnavailable)


def test_a_node_that_is_down_sends_nothing(chain: LocalChain, payer: Wallet) -> None:
    """Before anything was handed over, an unreachable node is just that, and the nonce stays free."""
    node = Node(chain)
    seen = node.chain()
    node.answers["eth_getBlockByNumber"] = in_turn(requests.ConnectionError())
    with pytest.raises(ChainUnavailable):
        send(seen, payer, PAY)
    del node.answers["eth_getBlockByNumber"]
    send(seen, payer, PAY)
    assert [fields["nonce"] for fields in node.sent()] == [0]


def test_a_refusal_that_is_no_json_rpc_is_final(chain: LocalChain, payer: Wallet) -> None:
    """HTTP 401 or 413 means that the transaction was not taken: it fails at once instead of being waited for."""
    response = requests.Response()
    response.status_code = 413
    node = Node(chain, {"eth_sendRawTransaction": in_turn(requests.HTTPError(response=response))})
    with pytest.raises(TransactionFailed, match="HTTP 413"):
        send(node.chain(), payer, PAY)


# --- wallets --------------------------------------------------------------------------------------


class Careless:
    """A wallet that signs with another key, or not at all."""

    def __init__(self, raw: Callable[[dict[str, Any]], bytes]) -> None:
        self.address = Wallet.from_key(b"\x01" * 32).address
        self._raw = raw

    def sign_transaction(self, transaction: dict[str, Any], /) -> bytes:
        return self._raw(transaction)

    def sign_typed_data(self, document: dict[str, Any], /) -> bytes:
        raise NotImplementedError


def test_a_wallet_that_signs_as_another(chain: LocalChain, payer: Wallet) -> None:
    """What another account signed is not sent."""
    other = Wallet.create()
    with pytest.raises(WalletError, match=other.address):
        send(chain, Careless(other.sign_transaction), PAY)
    with pytest.raises(WalletError):
        send(chain, Careless(lambda _: b"\x02nonsense"), PAY)
    assert chain.balance(TO) == 0


def test_any_wallet_of_the_protocol_will_do(chain: LocalChain, payer: Wallet) -> None:
    """A wallet needs three members and no base class."""
    key = Account.from_key(b"\x01" * 32)
    signer = Careless(lambda transaction: bytes(key.sign_transaction(transaction).raw_transaction))
    assert isinstance(send(chain, signer, PAY), Receipt)


def test_the_same_transaction_from_two_processes_is_one(chain: LocalChain, payer: Wallet) -> None:
    """Two that sign the same call with the same nonce have signed one transaction: it is carried out once."""
    node = Node(chain, {"eth_sendRawTransaction": lambda raw: "0x" + "00" * 32})
    pending = submit(node.chain(), payer, PAY)
    receipt = send(chain, payer, PAY)
    assert pending.wait() == receipt
    assert chain.balance(TO) == 1


def test_pending_tells_its_hash_before_it_is_mined(chain: LocalChain, payer: Wallet) -> None:
    """An application can note the hash before it waits, and wait as often as it likes."""
    pending = submit(chain, payer, PAY)
    assert isinstance(pending, Pending)
    assert pending.wait() == pending.wait()
    assert pending.wait().transaction == pending.transaction


# --- signed, written down, handed over ------------------------------------------------------------


def test_signing_without_handing_over(chain: LocalChain, payer: Wallet) -> None:
    """Nothing is sent by signing; handed over it is mined, and handed over again it is left alone or void."""
    call = Call(Wallet.create().address, b"", "pay", 1)
    nonce = chain.transaction_count(payer.address)
    fees = fees_now(chain, payer.address)
    one, other = (sign(chain, payer, call, nonce=nonce, gas=gas, fees=fees) for gas in (30_000, 40_000))
    assert chain.transaction_count(payer.address) == nonce
    assert hand_over(chain, payer.address, one)
    assert chain.receipt(one.hash) is not None
    node = Node(chain, {"eth_sendRawTransaction": refusing("already known")})
    assert hand_over(node.chain(), payer.address, one)
    for words, taken in (("nonce too low", False), ("max fee per gas less than block base fee", False)):
        node.answers["eth_sendRawTransaction"] = refusing(words)
        assert hand_over(node.chain(), payer.address, other) is taken
    node.answers["eth_sendRawTransaction"] = refusing("insufficient funds for gas")
    with pytest.raises(InsufficientFunds):
        hand_over(node.chain(), payer.address, other)


@pytest.mark.parametrize(
    ("fees", "now", "ceiling", "expected"),
    [
        (
            {"maxFeePerGas": 800, "maxPriorityFeePerGas": 8, "type": 2},
            {"maxFeePerGas": 100, "maxPriorityFeePerGas": 1},
            None,
            {"maxFeePerGas": 901, "maxPriorityFeePerGas": 10, "type": 2},
        ),
        (
            {"maxFeePerGas": 800, "maxPriorityFeePerGas": 8, "type": 2},
            {"maxFeePerGas": 5000, "maxPriorityFeePerGas": 80},
            2000,
            {"maxFeePerGas": 2000, "maxPriorityFeePerGas": 80, "type": 2},
        ),
        ({"gasPrice": 0}, {"gasPrice": 0}, None, {"gasPrice": 1}),
        ({"gasPrice": 80}, {"maxFeePerGas": 7}, 91, {"gasPrice": 91}),
    ],
    ids=["an eighth", "what is asked now", "nothing", "legacy"],
)
def test_the_price_of_a_replacement(
    fees: dict[str, int], now: dict[str, int], ceiling: int | None, expected: dict[str, int]
) -> None:
    """Each price an eighth higher at least, and no more than is allowed."""
    assert raised(fees, now, ceiling) == expected


def test_a_replacement_beyond_what_is_allowed() -> None:
    """It would be refused by nodes with less."""
    with pytest.raises(FeeTooHigh, match="901"):
        raised({"maxFeePerGas": 800, "maxPriorityFeePerGas": 8, "type": 2}, {}, 900)
