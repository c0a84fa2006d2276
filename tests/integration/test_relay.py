"""A relayer as it is run: a process of its own before a real Anvil, killed and starved in turn."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import urllib3

from medrec_py.chain import reverts
from medrec_py.chain.connection import Chain, NodeError
from medrec_py.chain.events import CallRefused, PermissionGranted, PermissionRevoked
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.transactions import Call, send
from medrec_py.chain.types import address_bytes
from medrec_py.crypto.blocks import pointer_to
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.errors import TransactionFailed
from medrec_py.relay.calls import relay_gas, share_of
from medrec_py.relay.limits import Limits
from medrec_py.signed_forms import signed_call
from medrec_py.storage import FolderStore
from medrec_py.storage.cid import Cid
from medrec_py.wallet import Wallet
from scripts.devchain import KillableAnvil, running_anvil
from tests.integration.test_cli import PROGRAM
from tests.support.between import Between, between
from tests.support.chains import ANVIL_PHRASE, Site, settle, until
from tests.support.decisions import Desk, person

pytestmark = [pytest.mark.anvil, pytest.mark.slow]

PASSPHRASE = "the relayer's own"
SEND = "eth_sendRawTransaction"


@dataclass
class Relayer:
    """A process of ``medrec relay serve``.

    Attributes:
        folder: Its home, with queue, keystore and blocks.
        node: The URL of its node.
        site: MedRec, for the test's own questions.
        wallet: The account that pays.
        options: Further ones of its command line.
    """

    folder: Path
    node: str
    site: Site
    wallet: Wallet
    options: str = ""
    ready: dict[str, Any] = field(default_factory=dict)
    _pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=20))

    def start(self) -> Relayer:
        keystore = self.folder / "relayer.json"
        if not keystore.exists():
            keystore.write_text(json.dumps(self.wallet.to_keystore(PASSPHRASE, light=True)))
            (self.folder / "secret").write_text(PASSPHRASE + "\n")
        line = (
            f"relay serve --listen 127.0.0.1:0 --keystore {keystore} --passphrase-file {self.folder}/secret --json "
            f"--home {self.folder} --chain {self.node} --contract {self.site.contract.address} --batch-seconds 0 "
        )
        self.process = subprocess.Popen(
            [*PROGRAM, *(line + self.options).split()],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        document = ""
        for piece in self.process.stdout:
            document += piece
            if piece == "}\n":
                break
        assert document, self.process.communicate()[1]
        self.ready = json.loads(document)
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)

    def stop(self) -> tuple[int, str]:
        """Exit code and standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        headers = {} if body is None else {"Content-Type": "application/json"}
        url = self.ready["address"] + path
        answer = self._pool.request(method, url, body=body, headers=headers, retries=False, timeout=30)
        return answer.status, json.loads(answer.data)

    def take(self, bundle: Bundle) -> None:
        status, document = self.ask("POST", "/v1/bundles", bundle.to_json())
        assert status == 202, document

    def state(self, bundle: Bundle) -> str:
        return str(self.ask("GET", f"/v1/bundles/{bundle.id}")[1]["state"])

    def wait(self, *bundles: Bundle, state: str = "done") -> None:
        for bundle in bundles:
            until(lambda bundle=bundle: self.state(bundle) == state)  # type: ignore[misc]


@contextmanager
def relaying(folder: Path, node: str, site: Site, options: str = "--confirmations 0") -> Iterator[Relayer]:
    """A relayer with an account of its own, and the test's answers between it and its node."""
    folder.mkdir(exist_ok=True)
    relayer = Relayer(folder, node, site, site.person(10), options).start()
    try:
        yield relayer
    finally:
        if relayer.process.poll() is None:
            relayer.kill()
        relayer._pool.clear()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_anvil() as url, Chain.connect(url) as chain:
        yield settle(chain, ANVIL_PHRASE)


@pytest.fixture
def desk(site: Site) -> Desk:
    return Desk(site.contract)


@pytest.fixture
def middle(site: Site) -> Iterator[Between]:
    with between(site.chain.web3.provider.endpoint_uri) as middle:  # type: ignore[attr-defined]
        yield middle


def grants(desk: Desk, bundle: Bundle) -> int:
    """How often the permission that a bundle ends with was given."""
    patient = "0x" + bundle.decisions[-1].decision.place.patient.hex()
    return len(list(fetch_logs(desk.contract, [PermissionGranted], from_block=0, patient=patient)))


# --- as it is run ---------------------------------------------------------------------------------


def test_a_day_of_a_relayer(site: Site, desk: Desk, tmp_path: Path) -> None:
    """It says where it listens, takes, sends, keeps blocks, and ends with 0; nothing secret is in its log or files."""
    with relaying(tmp_path / "relayer", site.chain.web3.provider.endpoint_uri, site) as relayer:  # type: ignore[attr-defined]
        assert (relayer.ready["relayer"], relayer.ready["stores_blocks"]) == (relayer.wallet.address, True)
        info = relayer.ask("GET", "/v1/info")[1]
        assert (info["contract"], info["storesBlocks"]) == (site.contract.address, True)
        block, patient = b"keys, sealed", person()
        seal = desk.grant(patient, person(), seal=pointer_to(block))
        bundle = Bundle((desk.register(patient), seal), (block,))
        relayer.take(bundle)
        relayer.wait(bundle)
        with FolderStore(relayer.folder / "blocks") as store:
            assert store.get_block(Cid.of(block)) == block
        others = [desk.newcomer() for _ in range(30)]
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(relayer.take, others))
        relayer.wait(*others)
        assert [grants(desk, one) for one in [bundle, *others]] == [1] * 31
        assert relayer.ask("GET", "/health")[0] == 200
        second = subprocess.run(relayer.process.args, capture_output=True, text=True, timeout=60, check=False)
        assert (second.returncode, json.loads(second.stderr)["error"]["type"]) == (6, "QueueInUse")
        code, err = relayer.stop()
        assert (code, relayer.process.poll()) == (0, 0)
        signature = bundle.decisions[0].signatures[0].hex()
        assert PASSPHRASE not in err
        assert signature not in err
        assert patient.address not in err


# --- crashes of the relayer -----------------------------------------------------------------------


def test_kill_9_around_the_hand_over(site: Site, desk: Desk, middle: Between, tmp_path: Path) -> None:
    """The transaction was written down: the next process finds it, or hands over the same; once, and unchanged."""
    with relaying(tmp_path / "relayer", middle.url, site) as relayer:
        arrives = False

        def kill(method: str, forward: Any) -> bytes | None:
            if method != SEND:
                return bytes(forward())
            if arrives:
                forward()
            relayer.process.kill()
            return None

        for nonce, arrives in enumerate((False, True)):
            bundle, before = desk.newcomer(), len(middle.raw)
            middle.hook = kill
            relayer.take(bundle)
            relayer.process.communicate(timeout=60)
            middle.hook = lambda _method, forward: forward()
            assert desk.version(bundle) == int(arrives)
            relayer.start()
            relayer.wait(bundle)
            assert len(set(middle.raw[before:])) == 1
            assert len(middle.raw) - before == (1 if arrives else 2)
            assert (desk.version(bundle), grants(desk, bundle)) == (1, 1)
            assert site.chain.transaction_count(relayer.wallet.address) == nonce + 1


def test_kill_9_again_and_again(site: Site, desk: Desk, tmp_path: Path) -> None:
    """Killed while clients send, twice: whatever was taken is done, once."""
    with relaying(tmp_path / "relayer", site.chain.web3.provider.endpoint_uri, site) as relayer:  # type: ignore[attr-defined]
        taken: list[Bundle] = []
        for _ in range(2):
            bundles = [desk.newcomer() for _ in range(12)]

            def one(numbered: tuple[int, Bundle]) -> Bundle | None:
                number, bundle = numbered
                if number == 8:
                    relayer.process.kill()
                try:
                    relayer.take(bundle)
                except (urllib3.exceptions.HTTPError, OSError):
                    return None
                return bundle

            with ThreadPoolExecutor(4) as pool:
                taken += [found for found in pool.map(one, enumerate(bundles)) if found is not None]
            relayer.process.communicate(timeout=60)
            relayer.start()
        assert len(taken) >= 8
        relayer.wait(*taken)
        assert [(desk.version(bundle), grants(desk, bundle)) for bundle in taken] == [(1, 1)] * len(taken)


def test_a_revocation_goes_first_after_kill_9_too(tmp_path: Path) -> None:
    """Grants wait for a chain that mines nothing; a revocation that was taken behind them is mined before them."""
    with running_anvil() as url, Chain.connect(url) as chain:
        site = settle(chain, ANVIL_PHRASE)
        desk = Desk(site.contract)
        with relaying(tmp_path / "relayer", url, site) as relayer:
            patient, clinic = person(), person()
            known = Bundle((desk.register(patient), desk.grant(patient, clinic)))
            relayer.take(known)
            relayer.wait(known)
            chain.request("evm_setAutomine", False)
            for _ in range(Limits().in_flight):
                under_way = desk.newcomer()
                relayer.take(under_way)
                relayer.wait(under_way, state="sent")
            grants = [desk.newcomer() for _ in range(15)]
            for bundle in grants:
                relayer.take(bundle)
            revocation = Bundle((desk.revoke(patient, clinic),))
            relayer.take(revocation)
            assert {relayer.state(bundle) for bundle in (*grants, revocation)} == {"waiting"}
            relayer.kill()
            relayer.start()
            chain.request("evm_setAutomine", True)
            chain.request("evm_mine")
            relayer.wait(revocation, *grants)
            mined = fetch_logs(site.contract, [PermissionGranted, PermissionRevoked], from_block=0)
            order = [
                logged.event.patient for logged in mined if logged.event.patient in {patient.address, *map(of, grants)}
            ]
            assert order == [patient.address, patient.address, *map(of, grants)]
            assert site.contract.permission_of(patient.address, clinic.address).terms.read == 0


def of(bundle: Bundle) -> str:
    """The patient whom a bundle is about, EIP-55."""
    return checksum_address(bundle.place.patient)


# --- crashes of the node --------------------------------------------------------------------------


def test_a_node_that_is_killed_and_loses_blocks(tmp_path: Path) -> None:
    """What was done in blocks that are gone is handed over again; while the node is away, clients are told so."""
    with ExitStack() as stack:
        node = stack.enter_context(KillableAnvil(tmp_path))
        chain = stack.enter_context(Chain.connect(node.url, retries=1))
        site = settle(chain, ANVIL_PHRASE)
        desk = Desk(site.contract)
        relayer = stack.enter_context(relaying(tmp_path / "relayer", node.url, site, "--confirmations 50"))
        kept = desk.newcomer()
        relayer.take(kept)
        relayer.wait(kept)
        node.wait_for_state()
        gone = [desk.newcomer() for _ in range(3)]
        for bundle in gone:
            relayer.take(bundle)
            relayer.wait(bundle)
        node.kill()
        status, document = relayer.ask("POST", "/v1/bundles", desk_newcomer(kept, gone).to_json())
        assert (status, document["error"]["code"]) == (503, "node")
        until(lambda: relayer.ask("GET", "/health")[0] == 503)
        node.start()
        until(lambda: all(desk.version(bundle) == 1 for bundle in gone))
        relayer.wait(kept, *gone)
        assert [grants(desk, bundle) for bundle in (kept, *gone)] == [1] * 4
        until(lambda: relayer.ask("GET", "/health")[0] == 200)
        more = desk.newcomer()
        relayer.take(more)
        relayer.wait(more)
        assert relayer.stop()[0] == 0


def desk_newcomer(kept: Bundle, gone: list[Bundle]) -> Bundle:
    """Another bundle of known decisions, for a moment at which no chain can be asked for a time."""
    return Bundle((*kept.decisions, *gone[0].decisions))


def test_a_reorganisation(site: Site, desk: Desk, tmp_path: Path) -> None:
    """Anvil replaces the block by an empty one: the transaction is handed over again, unchanged."""
    with (
        between(site.chain.web3.provider.endpoint_uri) as middle,  # type: ignore[attr-defined]
        relaying(tmp_path / "relayer", middle.url, site, "--confirmations 8") as relayer,
    ):
        bundle, looked = desk.newcomer(), threading.Event()
        relayer.take(bundle)
        relayer.wait(bundle)

        def after_we_looked(method: str, forward: Any) -> bytes:
            if method == SEND:
                looked.wait(30)
            return bytes(forward())

        middle.hook = after_we_looked
        site.chain.request("anvil_rollback", 1)
        site.chain.request("evm_mine")
        assert desk.version(bundle) == 0
        looked.set()
        until(lambda: desk.version(bundle) == 1)
        relayer.wait(bundle)
        assert (len(middle.raw), len(set(middle.raw)), grants(desk, bundle)) == (2, 1, 1)


# --- fees -----------------------------------------------------------------------------------------


def test_a_stuck_transaction_is_replaced(tmp_path: Path) -> None:
    """While nothing is mined the first pays more and more for its nonce; one of its forms is mined, and once."""
    with running_anvil() as url, Chain.connect(url) as chain:
        site = settle(chain, ANVIL_PHRASE)
        desk = Desk(site.contract)
        with between(url) as middle, relaying(tmp_path / "relayer", middle.url, site, "--bump-after 0.5") as relayer:
            chain.request("evm_setAutomine", False)
            bundles = [desk.newcomer() for _ in range(2)]
            for number, bundle in enumerate(bundles):
                relayer.take(bundle)
                until(lambda number=number: len(middle.raw) > number)  # type: ignore[misc]
            until(lambda: len(set(middle.raw)) >= 4)
            chain.request("evm_mine")
            relayer.wait(*bundles)
            assert chain.transaction_count(relayer.wallet.address) == 2
            assert [grants(desk, bundle) for bundle in bundles] == [1, 1]
            mined = {relayer.ask("GET", f"/v1/bundles/{bundle.id}")[1]["transaction"] for bundle in bundles}
            assert len(mined) == 2


# --- hostile relayers -----------------------------------------------------------------------------


def test_two_relayers_send_the_same(site: Site, desk: Desk, tmp_path: Path) -> None:
    """Both take it, both say that it is done; it took place once."""
    url = site.chain.web3.provider.endpoint_uri  # type: ignore[attr-defined]
    with (
        between(url) as middle,
        relaying(tmp_path / "one", middle.url, site) as one,
        relaying(tmp_path / "two", url, site) as two,
    ):
        patient = person()
        register = Bundle((desk.register(patient),))
        one.take(register)
        one.wait(register)
        middle.hook = lambda method, forward: None if method == SEND else forward()
        bundle = Bundle((desk.grant(patient, person()),))
        one.take(bundle)
        until(lambda: len(middle.raw) > 1)  # it was checked, and signed for, before the other's came first
        two.take(bundle)
        two.wait(bundle)
        middle.hook = lambda _method, forward: forward()
        one.wait(bundle)
        assert (desk.version(bundle), grants(desk, bundle)) == (1, 1)


def test_an_account_whose_code_takes_back_its_word(site: Site, desk: Desk, tmp_path: Path) -> None:
    """Yes where gas costs nothing, as when a call is tried, else all gas is burnt: paid for once, across a crash."""
    code = bytes.fromhex("3a15600657fe5b631626ba7e60e01b60005260206000f3")
    creation = bytes([0x60, len(code), 0x60, 12, 0x60, 0, 0x39, 0x60, len(code), 0x60, 0, 0xF3]) + code
    account = send(site.chain, site.rich, Call(None, creation, "deploy")).created
    assert account is not None

    def another() -> Bundle:
        patient = person()
        register = replace(desk.register(patient).decision, wallet=address_bytes(account))
        signature = patient.sign_typed_data(register.typed_data())
        both = SignedDecision(register, (signature, b"whatever it takes"))
        return Bundle((both, *desk.newcomer().decisions), atomic=True)

    url = site.chain.web3.provider.endpoint_uri  # type: ignore[attr-defined]
    with relaying(tmp_path / "relayer", url, site) as relayer:
        first = another()
        relayer.take(first)
        relayer.wait(first, state="refused")
        relayer.kill()
        relayer.start()
        status, document = relayer.ask("POST", "/v1/bundles", another().to_json())
        assert (status, document["error"]["code"]) == (429, "quota")
        assert site.chain.transaction_count(relayer.wallet.address) == 1


def test_a_relayer_that_alters(site: Site, desk: Desk) -> None:
    """Another grantee, more compartments, a later end, another patient's signature: the contract refuses each."""
    patient, stranger = person(), person()
    relayer = site.person()
    contract = site.contract
    contract.send(relayer, contract.relay([signed_call(contract, desk.register(patient))]))
    good = desk.grant(patient, person())
    altered = [
        replace(good.decision, grantee=address_bytes(stranger.address)),
        replace(good.decision, read=3),
        replace(good.decision, expiry=good.decision.expiry + 1),  # type: ignore[attr-defined]
        replace(good.decision, deadline=good.decision.deadline + 1),  # type: ignore[attr-defined]
        replace(good.decision, signer=address_bytes(relayer.address)),
        replace(good.decision, place=desk.place(stranger)),
    ]
    calls = [signed_call(contract, replace(good, decision=decision)) for decision in altered]
    receipt = contract.send(relayer, contract.relay([*calls, signed_call(contract, good)]), gas=10_000_000)
    refused = list(receipt.every(CallRefused))
    assert [event.item for event in refused] == list(range(len(altered)))
    assert all(isinstance(reverts.decode_revert(event.reason), reverts.SignatureInvalid) for event in refused)
    assert desk.version(Bundle((good,))) == 1


def test_a_relayer_that_starves(site: Site, desk: Desk) -> None:
    """With less gas than each call has a right to everything is undone, so no refusal can be made up."""
    contract, relayer = site.contract, site.person()
    bundles = [desk.newcomer() for _ in range(2)]
    call = contract.relay([signed_call(contract, one) for bundle in bundles for one in bundle.decisions])
    share = share_of(contract)
    enough = relay_gas(call.data, 4, share)
    for gas in (share, share + 100_000):
        with pytest.raises(NodeError) as caught:
            site.chain.call({**call.transaction(relayer.address), "gas": hex(gas)})
        assert isinstance(reverts.decode_revert(caught.value.revert or b""), reverts.RelayGasTooLow)
        with pytest.raises(TransactionFailed):
            contract.send(relayer, call, gas=gas)
        assert [desk.version(bundle) for bundle in bundles] == [0, 0]
    contract.send(relayer, call, gas=enough)
    assert [desk.version(bundle) for bundle in bundles] == [1, 1]
