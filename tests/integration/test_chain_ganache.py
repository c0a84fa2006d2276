"""The chain package on real Ganache, whose errors, nonces and forks differ from everybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from medrec_py.chain import reverts
from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import DEPLOYER, create2_address, deploy
from medrec_py.chain.events import ProfilePublished
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.transactions import InsufficientFunds, find_receipt
from medrec_py.errors import ChainUnavailable, TransactionFailed, TransactionTimeout, WrongChain
from medrec_py.wallet import Wallet
from scripts.devchain import running_ganache
from tests.sdk.chain.nodes import Node
from tests.support.chains import GANACHE_PHRASE, Site, a_records_way, profiles, settle

pytestmark = pytest.mark.ganache

MNEMONIC = ("--wallet.mnemonic", GANACHE_PHRASE)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """MedRec on a Ganache as it comes."""
    with running_ganache(*MNEMONIC) as url, Chain.connect(url) as chain:
        yield settle(chain, GANACHE_PHRASE)


def test_a_record(site: Site) -> None:
    """Every refusal on the way of a record comes out as its class, found before sending or after mining."""
    a_records_way(site)


@pytest.mark.parametrize(
    "arguments",
    [("--chain.hardfork", "berlin"), ("--chain.vmErrorsOnRPCResponse", "true"), ("--miner.instamine", "strict")],
    ids=["before EIP-1559", "reverts in answer to sending", "receipts before hashes"],
)
def test_a_record_in_other_modes(arguments: tuple[str, ...]) -> None:
    """The same without base fees, and where Ganache answers to sending with the revert of what it mined."""
    with running_ganache(*MNEMONIC, *arguments) as url, Chain.connect(url) as chain:
        a_records_way(settle(chain, GANACHE_PHRASE))
        assert (chain.block().base_fee is None) == ("berlin" in arguments)


def test_many_threads_on_one_account(site: Site) -> None:
    """Twenty threads that send from one account: each transaction is mined, with one nonce each, none twice.

    With a gas limit, since Ganache never answers an ``eth_estimateGas`` that it is asked while it mines.
    """
    sender = site.person()

    def publish(number: int) -> str:
        return site.contract.send(sender, site.digest(number), gas=100_000).transaction

    with ThreadPoolExecutor(20) as pool:
        transactions = list(pool.map(publish, range(1, 41)))
    assert len(set(transactions)) == 40
    assert sorted(profiles(site, sender)) == list(range(1, 41))


def test_a_nonce_that_was_used(site: Site) -> None:
    """Where the count lags behind what was mined, Ganache's words for a used nonce lead to the next one."""
    sender = site.person()
    site.contract.send(sender, site.digest(1))
    site.contract.send(sender, site.digest(2))
    lagging = Node(site.chain, {"eth_getTransactionCount": lambda *_: hex(1)})
    MedRecContract(lagging.chain(), site.contract.address).send(sender, site.digest(3))
    assert lagging.count("eth_sendRawTransaction") == 2
    assert profiles(site, sender) == [1, 2, 3]


def test_the_same_transaction_twice(site: Site) -> None:
    """Handed over twice, a transaction is carried out once."""
    sender = site.person()
    site.contract.send(sender, site.digest(1))
    pending = site.contract.submit(sender, site.digest(2))
    receipt = pending.wait()
    with pytest.raises(ChainUnavailable, match="nonce"):
        site.chain.request("eth_sendRawTransaction", "0x" + pending.signed.raw.hex())
    assert find_receipt(site.chain, pending.transaction) == receipt
    assert profiles(site, sender) == [1, 2]


def test_an_account_without_ether(site: Site) -> None:
    """The account that cannot pay is named."""
    poor = Wallet.create()
    with pytest.raises(InsufficientFunds, match=poor.address):
        site.contract.send(poor, site.contract.register())


def test_too_little_gas(site: Site) -> None:
    """A transaction that runs out of gas is said to have failed for that."""
    with pytest.raises(TransactionFailed, match="gas limit"):
        site.contract.send(site.rich, site.digest(1), gas=26_000)


@pytest.fixture
def idle() -> Iterator[Site]:
    """MedRec on a Ganache that mines when it is told to, and only then."""
    with running_ganache(*MNEMONIC) as url, Chain.connect(url) as chain:
        site = settle(chain, GANACHE_PHRASE)
        chain.request("miner_stop")
        yield site


def test_no_receipt_in_time(idle: Site) -> None:
    """The timeout carries the hash; once mined, the transaction is found by it."""
    with pytest.raises(TransactionTimeout) as caught:
        idle.contract.send(idle.rich, idle.digest(1), timeout=0.3)
    assert find_receipt(idle.chain, caught.value.transaction) is None
    idle.chain.request("miner_start")
    idle.chain.request("evm_mine")
    found = find_receipt(idle.chain, caught.value.transaction)
    assert found is not None
    assert found.only(ProfilePublished).account == idle.rich.address


def test_a_nonce_that_another_transaction_waits_with(idle: Site) -> None:
    """Where the count lags, Ganache's refusal of a second transaction with a nonce leads to the next one."""
    counted = idle.chain.transaction_count(idle.rich.address, "latest")
    idle.contract.submit(idle.rich, idle.digest(1))
    lagging = Node(idle.chain, {"eth_getTransactionCount": lambda *_: hex(counted)})
    second = MedRecContract(lagging.chain(), idle.contract.address).submit(idle.rich, idle.digest(2))
    assert lagging.count("eth_sendRawTransaction") == 2
    idle.chain.request("miner_start")
    idle.chain.request("evm_mine")
    second.wait()
    assert profiles(idle, idle.rich) == [1, 2]


def test_a_chain_that_was_set_back(site: Site) -> None:
    """After a snapshot is gone back to, the account's next transaction takes the nonce that is free again."""
    sender = site.person()
    snapshot = site.chain.request("evm_snapshot")
    site.contract.send(sender, site.digest(1))
    site.contract.send(sender, site.digest(2))
    site.chain.request("evm_revert", snapshot)
    site.contract.send(sender, site.digest(3))
    assert profiles(site, sender) == [3]


def test_the_deterministic_deployer_is_put() -> None:
    """Ganache takes the deployer's transaction, so the address is the same as everywhere; twice is once."""
    with running_ganache(*MNEMONIC) as url, Chain.connect(url) as chain:
        rich = Wallet.from_phrase(GANACHE_PHRASE)
        assert not chain.code(DEPLOYER)
        first = deploy(chain, rich)
        assert (first.is_new, first.address, first.note) == (True, create2_address(rich.address), "")
        again = deploy(chain, rich)
        assert (again.is_new, again.deployed) == (False, first.deployed)


def test_a_chain_without_fees() -> None:
    """Where gas costs nothing, an account without ether deploys and sends."""
    arguments = ("--chain.hardfork", "berlin", "--miner.defaultGasPrice", "0")
    with running_ganache(*MNEMONIC, *arguments) as url, Chain.connect(url) as chain:
        nobody = Wallet.create()
        contract = MedRecContract(chain, deploy(chain, nobody).address)
        assert contract.send(nobody, contract.register()).gas_price == 0


def test_another_chain_than_expected() -> None:
    """Ganache's chain id is its own to choose, and compared."""
    with running_ganache("--chain.chainId", "7") as url:
        with pytest.raises(WrongChain):
            Chain.connect(url, chain_id=1337)
        with Chain.connect(url, chain_id=7) as chain:
            assert chain.chain_id == 7


def test_logs(site: Site) -> None:
    """The events of the deployment are found from its first block on, in order."""
    found = list(fetch_logs(site.contract, from_block=0))
    assert [(log.block, log.index) for log in found] == sorted((log.block, log.index) for log in found)
    assert type(found[0].event).__name__ == "AuthorityAccepted"
    assert site.chain.final_block().number <= site.chain.block_number()


def test_who_may_not_is_told_by_name(site: Site) -> None:
    """Values of the contract come through Ganache's own shape of an error."""
    stranger = site.person()
    with pytest.raises(reverts.NotAuthority) as caught:
        site.contract.send(stranger, site.contract.add_registrar(stranger.address))
    assert caught.value.values == {"caller": stranger.address}
