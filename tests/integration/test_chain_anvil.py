"""The chain package on real Anvil: many senders, crashes, fees of each age, reorganisations, limits, proxies."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from medrec_py.chain import reverts
from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import DEPLOYER, create2_address, deploy
from medrec_py.chain.events import ProfilePublished
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.transactions import Call, InsufficientFunds, TransactionReplaced, find_receipt, send, submit
from medrec_py.chain.types import ProviderKind
from medrec_py.errors import ChainUnavailable, TransactionFailed, TransactionTimeout, WrongChain
from medrec_py.wallet import Wallet
from scripts.devchain import free_port, running_anvil
from tests.sdk.chain.nodes import Node, Refusal
from tests.support.chains import ANVIL_PHRASE, Site, a_records_way, killable_anvil, profiles, settle, until
from tests.support.hostile import Server, ok, serving, status

pytestmark = pytest.mark.anvil

DAY = 86_400


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """MedRec on an Anvil of the pinned fork, for the tests that change nothing for each other."""
    with running_anvil("--hardfork", "london") as url, Chain.connect(url) as chain:
        yield settle(chain, ANVIL_PHRASE)


# --- what a record takes --------------------------------------------------------------------------


def test_a_record_on_london(site: Site) -> None:
    """Every refusal on the way of a record comes out as its class, found before sending or after mining."""
    a_records_way(site)


@pytest.mark.parametrize("arguments", [(), ("--hardfork", "berlin")], ids=["newest fork", "before EIP-1559"])
def test_a_record_on_other_forks(arguments: tuple[str, ...]) -> None:
    """The same on the newest fork, with its cap on a transaction's gas, and on one without base fees."""
    with running_anvil(*arguments) as url, Chain.connect(url) as chain:
        a_records_way(settle(chain, ANVIL_PHRASE))
        assert (chain.block().base_fee is None) == bool(arguments)


# --- many senders ---------------------------------------------------------------------------------


def test_a_hundred_threads_on_one_account(site: Site) -> None:
    """A hundred threads that send from one account: each transaction is mined, with one nonce each, none twice."""
    sender = site.person()
    with ThreadPoolExecutor(100) as pool:
        receipts = list(pool.map(lambda number: site.contract.send(sender, site.digest(number)), range(1, 101)))
    assert len({receipt.transaction for receipt in receipts}) == 100
    assert site.chain.transaction_count(sender.address) == 100
    assert sorted(profiles(site, sender)) == list(range(1, 101))


def test_two_processes_on_one_account(site: Site) -> None:
    """Two connections that know nothing of each other, twenty threads each: what one loses to the other it is told."""
    sender = site.person()
    with Chain.connect(site.chain.web3.provider.endpoint_uri) as other:  # type: ignore[attr-defined]
        contracts = [site.contract, MedRecContract(other, site.contract.address)]

        def one(number: int) -> None:
            try:
                contracts[number % 2].send(sender, site.digest(number))
            except TransactionReplaced:  # the other's paid more for the same nonce
                one(number)

        with ThreadPoolExecutor(40) as pool:
            list(pool.map(one, range(1, 41)))
    assert sorted(profiles(site, sender)) == list(range(1, 41))


def test_refusals_between_threads_leave_no_gap(site: Site) -> None:
    """Where every second transaction is refused, the others still follow each other."""
    sender = site.person()

    def one(number: int) -> bool:
        call = site.digest(number) if number % 2 else site.contract.suspend(sender.address)
        try:
            site.contract.send(sender, call)
        except reverts.NotRegistrar:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(one, range(1, 41))) == 20
    assert site.chain.transaction_count(sender.address) == 20


def test_the_same_transaction_twice(site: Site) -> None:
    """Handed over by two connections at once, a transaction is carried out once and both see its receipt."""
    sender = site.person()
    pending = site.contract.submit(sender, site.digest(1))
    receipt = pending.wait()
    with pytest.raises(ChainUnavailable):  # mined: the nonce is used
        site.chain.request("eth_sendRawTransaction", "0x" + pending.signed.raw.hex())
    assert find_receipt(site.chain, pending.transaction) == receipt
    assert profiles(site, sender) == [1]


# --- a node without miner -------------------------------------------------------------------------


@pytest.fixture
def idle() -> Iterator[Site]:
    """MedRec on an Anvil that mines when it is told to, and only then."""
    with running_anvil("--hardfork", "london") as url, Chain.connect(url) as chain:
        site = settle(chain, ANVIL_PHRASE)
        chain.request("evm_setAutomine", False)
        yield site


def test_no_receipt_in_time(idle: Site) -> None:
    """The timeout carries the hash; once mined, the transaction is found by it."""
    with pytest.raises(TransactionTimeout) as caught:
        idle.contract.send(idle.rich, idle.digest(1), timeout=0.3)
    assert find_receipt(idle.chain, caught.value.transaction) is None
    idle.chain.request("evm_mine")
    found = find_receipt(idle.chain, caught.value.transaction)
    assert found is not None
    assert found.only(ProfilePublished).account == idle.rich.address


def test_an_account_goes_on_behind_a_waiting_transaction(idle: Site) -> None:
    """After giving up on one, the next takes the next nonce, and both are mined in order."""
    with pytest.raises(TransactionTimeout):
        idle.contract.send(idle.rich, idle.digest(1), timeout=0.1)
    second = idle.contract.submit(idle.rich, idle.digest(2))
    idle.chain.request("evm_mine")
    assert second.wait().block == idle.chain.block_number()
    assert profiles(idle, idle.rich) == [1, 2]


def test_a_dropped_transaction_makes_room(idle: Site) -> None:
    """One that the node dropped from its pool and nobody waits for is replaced by the next, not waited for."""
    with pytest.raises(TransactionTimeout) as caught:
        idle.contract.send(idle.rich, idle.digest(1), timeout=0.1)
    idle.chain.request("anvil_dropTransaction", caught.value.transaction)
    second = idle.contract.submit(idle.rich, idle.digest(2))
    idle.chain.request("evm_mine")
    second.wait()
    assert profiles(idle, idle.rich) == [2]


def test_a_nonce_that_a_foreign_transaction_waits_with(idle: Site) -> None:
    """Where the node's count lags, Anvil's own refusal of a second transaction with a nonce leads to the next one."""
    idle.contract.submit(idle.rich, idle.digest(1))
    lagging = Node(idle.chain, {"eth_getTransactionCount": lambda *_: hex(counted)})
    counted = idle.chain.transaction_count(idle.rich.address, "latest")
    seen = MedRecContract(lagging.chain(), idle.contract.address)
    second = seen.submit(idle.rich, idle.digest(2))
    assert lagging.count("eth_sendRawTransaction") == 2
    idle.chain.request("evm_mine")
    second.wait()
    assert profiles(idle, idle.rich) == [1, 2]


def test_overtaken_in_the_same_block(idle: Site) -> None:
    """Two transactions of which the first undoes what the second needs: the second fails with the contract's reason."""
    contract = idle.contract
    chain = idle.chain
    offer = contract.submit(idle.rich, contract.remove_registrar(idle.rich.address))
    late = contract.submit(
        idle.rich, contract.accredit(DEPLOYER, ProviderKind.PRACTITIONER, False, chain.now() + DAY), gas=200_000
    )
    chain.request("evm_mine")
    assert offer.wait().block == chain.block_number()
    with pytest.raises(reverts.NotRegistrar):
        late.wait()


# --- crashes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("reuse", [False, True], ids=["another's", "a server's"])
def test_a_free_port_is_kept_for_who_asks_for_it(reuse: bool) -> None:
    """The system gives it to nobody else meanwhile: for them it is in use; servers, which reuse addresses, get it."""
    port = free_port()
    with socket.socket() as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        with nullcontext() if reuse else pytest.raises(OSError, match="in use"):
            asking.bind(("127.0.0.1", port))


@pytest.mark.parametrize("mined", [False, True], ids=["waiting in the pool", "mined, not yet seen"])
def test_the_node_is_killed_mid_transaction(tmp_path: Path, mined: bool) -> None:
    """Killed with -9 after it took a transaction, and started again from its saved state: it is carried out once."""
    port, state = free_port(), tmp_path / "state.json"
    saved = ("--hardfork", "london", "--state", str(state), "--state-interval", "1")
    with ThreadPoolExecutor(1) as pool:
        with killable_anvil(port, *saved) as process:
            chain = Chain.connect(f"http://127.0.0.1:{port}")
            site = settle(chain, ANVIL_PHRASE)
            chain.request("evm_setAutomine", False)
            if mined:
                pending = site.contract.submit(site.rich, site.digest(7))
                chain.request("evm_mine")
            number = chain.block_number()
            until(lambda: saved_block(state) >= number)
            if not mined:
                pending = site.contract.submit(site.rich, site.digest(7))
            process.kill()
            process.wait()
        waiting = pool.submit(pending.wait, 60)
        with killable_anvil(port, *saved):
            receipt = waiting.result()
            assert receipt.only(ProfilePublished).digest == (7).to_bytes(32)
            assert profiles(site, site.rich) == [7]
            site.contract.send(site.rich, site.digest(8))  # and the account goes on
            assert profiles(site, site.rich) == [7, 8]
        chain.close()


def saved_block(state: Path) -> int:
    """The number of the latest block in a state file of Anvil's, −1 if it is not written yet."""
    try:
        return int(json.loads(state.read_text(encoding="utf-8"))["best_block_number"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1


def test_the_node_stays_down() -> None:
    """A node that does not come back: the transaction that it took ends in a timeout with its hash."""
    port = free_port()
    with killable_anvil(port, "--hardfork", "london") as process:
        chain = Chain.connect(f"http://127.0.0.1:{port}", retries=0)
        site = settle(chain, ANVIL_PHRASE)
        chain.request("evm_setAutomine", False)
        pending = site.contract.submit(site.rich, site.digest(1))
        process.kill()
        process.wait()
        with pytest.raises(TransactionTimeout, match=pending.transaction) as caught:
            pending.wait(0.3)
        assert isinstance(caught.value.__cause__, ChainUnavailable)
        with pytest.raises(ChainUnavailable):
            site.contract.send(site.rich, site.digest(2))
        chain.close()


# --- fees -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("--hardfork", "berlin", "--gas-price", "0"),
        ("--hardfork", "london", "--base-fee", "0", "--gas-price", "0"),
        ("--hardfork", "london", "--base-fee", "0"),
    ],
    ids=["legacy", "EIP-1559", "EIP-1559 with a tip suggested"],
)
def test_a_chain_without_fees(arguments: tuple[str, ...]) -> None:
    """Where nothing costs anything, an account without ether deploys and sends."""
    with running_anvil(*arguments) as url, Chain.connect(url) as chain:
        nobody = Wallet.create()
        contract = MedRecContract(chain, deploy(chain, nobody).address)
        assert contract.send(nobody, contract.register()).gas_price == 0
        assert chain.balance(nobody.address) == 0


def test_an_account_without_ether(site: Site) -> None:
    """The account that cannot pay is named."""
    poor = Wallet.create()
    with pytest.raises(InsufficientFunds, match=poor.address):
        site.contract.send(poor, site.contract.register())


def test_too_little_gas(site: Site) -> None:
    """A transaction that runs out of gas is said to have failed for that."""
    with pytest.raises(TransactionFailed, match="gas limit"):
        site.contract.send(site.rich, site.digest(1), gas=26_000)


# --- the chain goes back --------------------------------------------------------------------------


def test_a_rollback_takes_nonces_back() -> None:
    """After blocks are taken back, the account's next transaction fills the gap that they left."""
    with running_anvil("--hardfork", "london") as url, Chain.connect(url) as chain:
        site = settle(chain, ANVIL_PHRASE)
        sender = site.person()
        for number in (1, 2, 3):
            site.contract.send(sender, site.digest(number))
        chain.request("anvil_rollback", 2)
        assert chain.transaction_count(sender.address) == 1
        site.contract.send(sender, site.digest(4))
        assert profiles(site, sender) == [1, 4]


def test_a_reorganisation_shows_in_block_hashes() -> None:
    """Anvil marks no log as removed: the block hash of each log tells which are of the chain as it is now."""
    with running_anvil("--hardfork", "london") as url, Chain.connect(url) as chain:
        site = settle(chain, ANVIL_PHRASE)
        receipt = site.contract.send(site.rich, site.digest(1))
        chain.request("anvil_reorg", 1, [])
        until(lambda: chain.block(receipt.block).hash != receipt.block_hash)
        assert [
            log
            for log in fetch_logs(site.contract, [ProfilePublished], from_block=0)
            if log.block_hash == receipt.block_hash
        ] == []
        site.contract.send(site.rich, site.digest(2))
        assert profiles(site, site.rich)[-1] == 2


def test_states_are_read_by_block_hash(site: Site) -> None:
    """A view may name its block by hash (EIP-1898), so that a reorganisation in between cannot mix two states."""
    alice = site.person()
    before = site.chain.block()
    site.contract.send(alice, site.contract.register())
    after = site.chain.block()
    assert not site.contract.patient_of(alice.address, block=before.hash).is_registered
    assert site.contract.patient_of(alice.address, block=after.hash).is_registered
    with pytest.raises(ChainUnavailable):
        site.contract.patient_of(alice.address, block="0x" + "00" * 32)


# --- logs -----------------------------------------------------------------------------------------


def test_logs_through_a_node_with_limits(site: Site) -> None:
    """Through a provider that limits blocks and rate, the same logs come out of real Anvil as without."""
    sender = site.person()
    for number in range(1, 21):
        site.contract.send(sender, site.digest(number))
    turn = iter(range(10_000))

    def limited(query: dict[str, Any]) -> Any:
        if next(turn) % 7 == 3:
            raise Refusal("rate limited", 429)
        if int(query["toBlock"], 16) - int(query["fromBlock"], 16) >= 9:
            raise Refusal("query exceeds max block range 10", -32602)
        return site.chain.request("eth_getLogs", query)

    seen = MedRecContract(Node(site.chain, {"eth_getLogs": limited}).chain(), site.contract.address)
    through = list(fetch_logs(seen, from_block=0, pause=lambda seconds: None))
    assert through == list(fetch_logs(site.contract, from_block=0))
    assert len(through) >= 20


# --- deploying ------------------------------------------------------------------------------------


def test_deploying(site: Site, tmp_path: Path) -> None:
    """Anvil has the deterministic deployer: the address follows from the authority, and twice is once."""
    authority = Wallet.create().address
    first = deploy(site.chain, site.rich, authority=authority, folder=tmp_path)
    assert first.is_new
    assert first.address == create2_address(authority)
    assert not deploy(site.chain, site.rich, authority=authority, folder=tmp_path).is_new
    again = deploy(site.chain, site.rich, authority=authority)
    assert (again.is_new, again.deployed) == (False, first.deployed)


def test_the_deterministic_deployer_is_put_where_it_is_missing() -> None:
    """An Anvil started without it gets it, and the address is the same as everywhere."""
    with (
        running_anvil("--hardfork", "london", "--disable-default-create2-deployer") as url,
        Chain.connect(url) as chain,
    ):
        rich = Wallet.from_phrase(ANVIL_PHRASE)
        assert not chain.code(DEPLOYER)
        assert deploy(chain, rich).address == create2_address(rich.address)


# --- connections ----------------------------------------------------------------------------------


def test_another_chain_than_expected() -> None:
    """A node of another chain is refused when connecting."""
    with running_anvil("--chain-id", "5") as url:
        with pytest.raises(WrongChain, match="chain 5, not chain 1"):
            Chain.connect(url, chain_id=1)
        with Chain.connect(url, chain_id=5) as chain:
            assert chain.chain_id == 5


def test_a_callers_own_web3_with_headers(site: Site) -> None:
    """Behind a gateway that asks for a key, a caller's own Web3 that has it reads and sends; others do not."""
    node: str = site.chain.web3.provider.endpoint_uri  # type: ignore[attr-defined]

    def gateway(server: Server, request: bytes) -> Iterator[bytes]:
        head, _, body = request.partition(b"\r\n\r\n")
        if b"X-Api-Key: open sesame" not in head:
            yield status(401, b"", "Connection: close")
            return
        forwarded = urllib.request.Request(node, body, {"Content-Type": "application/json"})  # noqa: S310 - our own node
        with urllib.request.urlopen(forwarded, timeout=30) as answer:  # noqa: S310
            yield ok(answer.read(), "Connection: close")

    with serving(gateway) as server:
        with pytest.raises(ChainUnavailable, match="401"):
            Chain.connect(server.url)
        headers = {"X-Api-Key": "open sesame", "Content-Type": "application/json"}
        provider = HTTPProvider(server.url, {"headers": headers})
        contract = MedRecContract(Chain(Web3(provider)), site.contract.address)
        sender = site.person()
        contract.send(sender, contract.register())
        with pytest.raises(reverts.AlreadyRegistered):
            contract.send(sender, contract.register())
        with Chain.connect(server.url, headers={"X-Api-Key": "open sesame"}) as chain:
            assert MedRecContract(chain, site.contract.address).patient_of(sender.address).is_registered


def test_finality_is_the_nodes(site: Site) -> None:
    """Anvil's own finalized block is used, which lies below the latest; a depth of the caller's takes its place."""
    assert site.chain.final_block().number <= site.chain.block_number()
    with Chain.connect(site.chain.web3.provider.endpoint_uri, confirmations=2) as chain:  # type: ignore[attr-defined]
        assert chain.final_block().number == chain.block_number() - 2


def test_ether_moves_too(site: Site) -> None:
    """A call without data and with a value is an ordinary payment."""
    somebody = Wallet.create().address
    receipt = send(site.chain, site.rich, Call(somebody, b"", value=5))
    assert receipt.gas_used == 21_000
    assert site.chain.balance(somebody) == 5
    assert submit(site.chain, site.rich, Call(somebody, b"", value=5)).wait().block > receipt.block
