"""The chain inside the process: its clock, its ether, and what is said where its extra is missing."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from web3 import EthereumTesterProvider
from web3.types import RPCEndpoint

from medrec_py.chain.events import PatientRegistered, ProfilePublished
from medrec_py.chain.local import BLOCK_SECONDS, FUNDS, LocalChain
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.reverts import NotRegistrar, PermissionExpired
from medrec_py.chain.transactions import InsufficientFunds
from medrec_py.chain.types import Action, Denial
from medrec_py.errors import ConfigurationError, InvalidInput
from medrec_py.wallet import Wallet

from .conftest import TREAT, World


def test_two_chains_have_nothing_in_common() -> None:
    """Each chain begins empty."""
    one, other = LocalChain(), LocalChain()
    wallet = Wallet.create()
    one.fund(wallet.address)
    assert other.balance(wallet.address) == 0
    assert other.block_number() == 0


def test_the_clock_is_this_machines(chain: LocalChain) -> None:
    """A block has the time of this machine, to a second or two."""
    chain.mine()
    assert abs(chain.now() - time.time()) < 5


def test_a_block_is_a_second_later_at_least(chain: LocalChain) -> None:
    """Blocks made within one second still have rising times."""
    times = [chain.mine() for _ in range(3)]
    assert times == sorted(set(times))


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> float:
    """This machine's clock stands still."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    return now


def test_travelling_sets_the_clock_ahead(chain: LocalChain, still: float) -> None:
    """The chain's time is what was asked for, and goes on from there."""
    start = chain.now()
    assert chain.travel(seconds=86_400) == start + 86_400
    assert chain.travel(to=start + 90_000) == start + 90_000
    assert chain.mine() == start + 90_001


def test_the_clock_goes_on_from_where_it_was_set(
    chain: LocalChain, still: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exact time is that of one block: the next follows this machine's clock again, ahead by as much."""
    exact = chain.now() + 1000
    chain.next_block_at(exact)
    assert chain.mine() == exact
    monkeypatch.setattr(time, "time", lambda: still + 500)
    assert chain.mine() == exact + 500


def test_the_clock_cannot_be_set_back(chain: LocalChain) -> None:
    """Time goes one way."""
    for wrong in ({"seconds": 0}, {"seconds": -5}, {"to": chain.now()}, {}):
        with pytest.raises(InvalidInput):
            chain.travel(**wrong)
    with pytest.raises(InvalidInput):
        chain.next_block_at(chain.now())


def test_the_next_block_can_have_an_exact_time(world: World) -> None:
    """Boundaries are tested to the second: the last second of a permission works, the first one after it does not."""
    world.prepare()
    end = world.contract.permission_of(world.alice.address, world.hospital.address).terms.expiry
    world.chain.next_block_at(end - 1)
    assert world.contract.send(world.hospital, world.append(), gas=200_000).timestamp == end - 1
    world.chain.next_block_at(end)
    with pytest.raises(PermissionExpired):
        world.contract.send(world.hospital, world.append(), gas=200_000)


def test_time_goes_on_while_nobody_writes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A permission ends by itself: who asks after its end is told so, though no transaction was sent since."""
    world.prepare()
    asked = (world.alice.address, world.hospital.address, world.hospital.address, Action.READ, 1, TREAT)
    assert world.contract.may(*asked) is Denial.NONE
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86_400)
    assert world.contract.may(*asked) is Denial.EXPIRED


def test_reading_alone_makes_no_blocks(chain: LocalChain, still: float) -> None:
    """Reading soon after writing changes nothing: numbers of blocks stay as transactions made them."""
    chain.mine()
    before = chain.block_number()
    for _ in range(5):
        chain.now()
    assert chain.block_number() == before
    assert BLOCK_SECONDS > 1


def test_logs_are_those_of_eth_tester(world: World) -> None:
    """Logs are read once for each block and filtered here; what comes out is what eth-tester itself would give."""
    world.prepare()
    world.contract.send(world.hospital, world.append())
    theirs = EthereumTesterProvider.make_request
    provider = world.chain.web3.provider
    alice = "0x" + bytes.fromhex(world.alice.address[2:]).rjust(32, b"\0").hex()
    registered = "0x" + PatientRegistered.topic.hex()
    for wanted in (
        {},
        {"topics": [[registered]]},
        {"topics": [registered, alice]},
        {"topics": [None, alice]},
        {"topics": [None, [alice, registered]]},
        {"topics": [None, None, None, None]},
        {"topics": [alice]},
    ):
        query = {"from_block": 2, "to_block": "latest", "address": world.contract.address, **wanted}
        ours = provider.make_request(RPCEndpoint("eth_getLogs"), [query])["result"]
        assert ours == list(theirs(provider, RPCEndpoint("eth_getLogs"), [query])["result"])  # type: ignore[arg-type]


def test_logs_of_blocks_that_were_gone_back_behind_are_gone(world: World) -> None:
    """After a snapshot the logs are those of the blocks that are there now, not of those that were read before."""
    tester = world.chain.web3.provider.ethereum_tester  # type: ignore[attr-defined]

    def digests() -> list[bytes]:
        return [log.event.digest for log in fetch_logs(world.contract, [ProfilePublished], from_block=0)]

    world.contract.send(world.alice, world.contract.publish_profile(b"\x01" * 32))
    snapshot = tester.take_snapshot()
    world.contract.send(world.alice, world.contract.publish_profile(b"\x02" * 32))
    assert digests() == [b"\x01" * 32, b"\x02" * 32]
    tester.revert_to_snapshot(snapshot)
    assert digests() == [b"\x01" * 32]
    world.contract.send(world.alice, world.contract.publish_profile(b"\x03" * 32))
    assert digests() == [b"\x01" * 32, b"\x03" * 32]


def test_a_snapshot_has_the_clock_in_it(chain: LocalChain) -> None:
    """Going back behind a journey through time ends it."""
    snapshot = chain.request("evm_snapshot")
    before = chain.now()
    chain.travel(seconds=10_000)
    chain.request("evm_revert", snapshot)
    assert before <= chain.mine() < before + 10_000


def test_accounts_are_given_ether_once(chain: LocalChain) -> None:
    """`fund` gives what is asked for, and nothing to those who have enough; without it an account cannot pay."""
    wallet = Wallet.create()
    chain.fund(wallet.address)
    chain.fund(wallet.address)
    assert chain.balance(wallet.address) == FUNDS
    chain.fund(wallet.address, 3 * FUNDS)
    assert chain.balance(wallet.address) == 4 * FUNDS


def test_who_has_no_ether_is_told(world: World) -> None:
    """The error names the account and says what to do."""
    poor = Wallet.create()
    with pytest.raises(InsufficientFunds, match=poor.address) as caught:
        world.contract.send(poor, world.contract.register())
    assert "ether" in caught.value.remedy


def test_who_has_no_ether_learns_the_contracts_reason_first(world: World) -> None:
    """Calls and estimates cost nothing, as on other nodes: who has no ether still learns what the contract says."""
    poor = Wallet.create()
    for refused in (world.contract.check, lambda _, call: world.contract.send(poor, call)):
        with pytest.raises(NotRegistrar, match=poor.address):
            refused(poor.address, world.contract.suspend(world.alice.address))
    world.contract.check(poor.address, world.contract.register())
    assert world.chain.balance(poor.address) == 0


def test_threads_share_a_chain(world: World) -> None:
    """py-evm knows no threads; through this chain many may use it at once."""
    wallets = [Wallet.create() for _ in range(12)]

    def register(wallet: Wallet) -> str:
        world.chain.fund(wallet.address)
        world.contract.send(wallet, world.contract.register())
        return world.contract.patient_of(wallet.address).wallet

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(register, wallets)) == [wallet.address for wallet in wallets]


@pytest.mark.parametrize("missing", ["eth_tester", "eth.vm.forks.london"])
def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Where eth-tester or py-evm is missing the error names the extra."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigurationError, match=r"pip install 'medrec-py\[local\]'"):
        LocalChain()
