"""Deploying: the same address for the same authority, a file that says where, and nothing done twice."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3

from medrec_py.chain import deployment
from medrec_py.chain.artifacts import load_artifact
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import (
    DEPLOYER,
    Deployed,
    DeploymentDiffers,
    artifact_hash,
    create2_address,
    creation_code,
    deploy,
    is_medrec_code,
)
from medrec_py.chain.local import LocalChain
from medrec_py.chain.transactions import Call, InsufficientFunds, send
from medrec_py.errors import ContractError, FormatError, InvalidInput, NotDeployed, TransactionFailed, UnknownSuite
from medrec_py.wallet import Wallet

from .nodes import Node, Refusal, refusing

AUTHORITY = Wallet.from_key(b"\x01" * 32).address


@pytest.fixture
def payer(chain: LocalChain) -> Wallet:
    """A wallet with ether."""
    wallet = Wallet.from_key(b"\x02" * 32)
    chain.fund(wallet.address)
    return wallet


def test_the_deployers_transaction_is_the_well_known_one() -> None:
    """Its sender and the address that it deploys to follow from the signature: nobody can have changed it."""
    raw = deployment._DEPLOYER_TRANSACTION
    sender = Account.recover_transaction(raw)
    assert sender == deployment._DEPLOYER_SENDER == "0x3fAB184622Dc19b6109349B94811493BF2a45362"
    import rlp  # noqa: PLC0415

    created = deployment.keccak(rlp.encode([bytes.fromhex(sender[2:]), b""]))[12:]
    assert "0x" + created.hex() == DEPLOYER.lower()
    assert deployment._DEPLOYER_CODE in raw


def test_it_is_deployed_with_its_authority(chain: LocalChain, payer: Wallet, tmp_path: Path) -> None:
    """The contract is there, knows its authority, and the file says where and since when."""
    outcome = deploy(chain, payer, authority=AUTHORITY, folder=tmp_path)
    assert outcome.is_new
    assert outcome.note == ""
    assert outcome.gas_used > 1_000_000
    assert MedRecContract(chain, outcome.address).authority() == AUTHORITY
    document = json.loads((tmp_path / f"{chain.chain_id}.json").read_text(encoding="utf-8"))
    block = chain.block()
    assert document == {
        "chain_id": chain.chain_id,
        "address": outcome.address,
        "authority": AUTHORITY,
        "block": block.number,
        "block_hash": block.hash,
        "transaction": outcome.deployed.transaction,
        "artifact": artifact_hash(),
        "version": "1",
        "suite": 1,
    }
    assert Deployed.load(tmp_path, chain.chain_id) == outcome.deployed


def test_the_signer_is_the_authority_unless_said_otherwise(chain: LocalChain, payer: Wallet) -> None:
    """Without an authority of its own the deployment has its signer's."""
    assert MedRecContract(chain, deploy(chain, payer).address).authority() == payer.address


def test_the_address_follows_from_the_authority() -> None:
    """On every chain the same, for another authority another; whoever pays makes no difference."""
    found = []
    for key in (b"\x02", b"\x03"):
        chain, payer = LocalChain(), Wallet.from_key(key * 32)
        chain.fund(payer.address)
        found.append(deploy(chain, payer, authority=AUTHORITY).address)
    code = bytes.fromhex(load_artifact()["bytecode"][2:]) + bytes(12) + bytes.fromhex(AUTHORITY[2:])
    by_eip_1014 = Web3.keccak(b"\xff" + bytes.fromhex(DEPLOYER[2:]) + bytes(32) + Web3.keccak(code))[12:]
    assert found == [create2_address(AUTHORITY)] * 2 == [Web3.to_checksum_address(by_eip_1014)] * 2
    assert create2_address(payer.address) != create2_address(AUTHORITY)


def test_deploying_twice_changes_nothing(chain: LocalChain, payer: Wallet, tmp_path: Path) -> None:
    """The second time nothing is sent and the first deployment is returned, with the file or without."""
    first = deploy(chain, payer, authority=AUTHORITY, folder=tmp_path)
    sent = chain.transaction_count(payer.address)
    for folder in (tmp_path, None, tmp_path / "other"):
        again = deploy(chain, payer, authority=AUTHORITY, folder=folder)
        assert not again.is_new
        assert again.gas_used == 0
        assert again.deployed == first.deployed
    assert chain.transaction_count(payer.address) == sent
    assert Deployed.load(tmp_path / "other", chain.chain_id) == first.deployed


def test_the_file_says_by_which_suite_clients_seal(chain: LocalChain, payer: Wallet, tmp_path: Path) -> None:
    """That of the call, with which nothing on chain differs; deploying again without one leaves it as it is."""
    first = deploy(chain, payer, authority=AUTHORITY, suite=2, folder=tmp_path)
    assert (first.is_new, first.address, first.deployed.suite) == (True, create2_address(AUTHORITY), 2)
    assert deploy(chain, payer, authority=AUTHORITY, folder=tmp_path).deployed == first.deployed
    assert Deployed.load(tmp_path, chain.chain_id).suite == 2


def test_a_deployment_moves_to_a_later_suite_and_never_back(chain: LocalChain, payer: Wallet, tmp_path: Path) -> None:
    """Its file is written anew, and nothing is sent. An earlier suite is refused, and the file stays then."""
    first = deploy(chain, payer, authority=AUTHORITY, folder=tmp_path)
    sent = chain.transaction_count(payer.address)
    moved = deploy(chain, payer, authority=AUTHORITY, suite=2, folder=tmp_path)
    assert (moved.is_new, moved.deployed) == (False, dataclasses.replace(first.deployed, suite=2))
    with pytest.raises(DeploymentDiffers, match="suite 2"):
        deploy(chain, payer, authority=AUTHORITY, suite=1, folder=tmp_path)
    assert Deployed.load(tmp_path, chain.chain_id) == moved.deployed
    assert chain.transaction_count(payer.address) == sent


def test_an_unknown_suite_is_not_deployed(chain: LocalChain, payer: Wallet, tmp_path: Path) -> None:
    """Nothing is sent, and no file is written."""
    with pytest.raises(UnknownSuite):
        deploy(chain, payer, suite=3, folder=tmp_path)
    assert chain.transaction_count(payer.address) == 0
    assert not list(tmp_path.iterdir())


def test_a_deployment_without_file_is_found_on_a_node_without_old_states(chain: LocalChain, payer: Wallet) -> None:
    """Where bisecting needs states that the node has no longer, its events are searched."""
    first = deploy(chain, payer, authority=AUTHORITY)
    chain.mine(5)

    def recent(address: str, block: str) -> Any:
        if block != "latest":
            raise Refusal("missing trie node")
        return chain.request("eth_getCode", address, block)

    assert deploy(Node(chain, {"eth_getCode": recent}).chain(), payer, authority=AUTHORITY).deployed == first.deployed


def test_a_development_chain_that_began_anew(payer: Wallet, tmp_path: Path) -> None:
    """A file of a chain that was thrown away is replaced: there is nothing at its address any more."""
    for _ in range(2):
        chain = LocalChain()
        chain.fund(payer.address)
        outcome = deploy(chain, payer, folder=tmp_path)
        assert outcome.is_new
    assert Deployed.load(tmp_path, chain.chain_id) == outcome.deployed


def test_another_authority_is_not_deployed_over(chain: LocalChain, payer: Wallet, tmp_path: Path) -> None:
    """The file of a deployment with another authority stays: losing sight of one would be worse than an error."""
    deploy(chain, payer, authority=AUTHORITY, folder=tmp_path)
    before = (tmp_path / f"{chain.chain_id}.json").read_bytes()
    with pytest.raises(DeploymentDiffers, match=AUTHORITY):
        deploy(chain, payer, authority=payer.address, folder=tmp_path)
    assert (tmp_path / f"{chain.chain_id}.json").read_bytes() == before
    assert deploy(chain, payer, authority=payer.address, folder=tmp_path / "second").is_new


def test_whoever_names_no_authority_takes_the_deployment_as_it_is(
    chain: LocalChain, payer: Wallet, tmp_path: Path
) -> None:
    """A second person who shares the folder has nothing to do: nothing is sent, and the note says whose it is."""
    first = deploy(chain, payer, authority=AUTHORITY, folder=tmp_path)
    count = chain.transaction_count(payer.address)
    again = deploy(chain, payer, folder=tmp_path)
    assert (again.deployed, again.is_new) == (first.deployed, False)
    assert again.note == f"It was deployed with another authority: {AUTHORITY}."
    assert chain.transaction_count(payer.address) == count
    assert deploy(chain, payer, authority=AUTHORITY, folder=tmp_path).note == ""


def test_other_code_is_not_deployed_over(chain: LocalChain, payer: Wallet, tmp_path: Path) -> None:
    """Where the file's address has other code, of an earlier version for instance, nothing is changed."""
    deployed = deploy(chain, payer, authority=AUTHORITY).deployed
    dataclasses.replace(deployed, address=DEPLOYER).save(tmp_path)
    with pytest.raises(DeploymentDiffers, match="not what this version"):
        deploy(chain, payer, authority=AUTHORITY, folder=tmp_path)


def test_code_is_compared_with_the_artifact(chain: LocalChain, payer: Wallet) -> None:
    """What the artifact deploys is recognised, though its immutables differ; one other byte is not."""
    code = chain.code(deploy(chain, payer).address)
    assert is_medrec_code(code)
    assert code != deployment._runtime()
    for place in (0, 100, len(code) // 2, len(code) - 1):
        changed = bytearray(code)
        changed[place] ^= 1
        assert not is_medrec_code(bytes(changed)), place
    assert not is_medrec_code(code[:-1])
    assert not is_medrec_code(b"")


def test_the_immutables_are_found_in_the_artifact() -> None:
    """Masking rests on how the compiler writes immutables: should that change, this says so."""
    size = load_artifact()["deployedSize"]
    assert len(deployment._runtime()) == size
    assert 0 < deployment._runtime().count(b"\x7f" + bytes(32)) < 12


def test_where_the_deployer_is_refused(chain: LocalChain, payer: Wallet) -> None:
    """A chain that takes no transaction without chain id gets an ordinary deployment, and nothing is paid in vain."""

    def protected(raw: str) -> Any:
        if raw == "0x" + deployment._DEPLOYER_TRANSACTION.hex():
            raise Refusal("only replay-protected (EIP-155) transactions allowed over RPC")
        return chain.request("eth_sendRawTransaction", raw)

    outcome = deploy(Node(chain, {"eth_sendRawTransaction": protected}).chain(), payer, authority=AUTHORITY)
    assert outcome.is_new
    assert "EIP-155" in outcome.note
    assert outcome.address != create2_address(AUTHORITY)
    assert MedRecContract(chain, outcome.address).authority() == AUTHORITY
    assert chain.balance(deployment._DEPLOYER_SENDER) == 0


def test_an_ordinary_deployment_is_known_by_its_file(chain: LocalChain, payer: Wallet, tmp_path: Path) -> None:
    """Without the deployer the address says nothing, so the file does: a second time nothing is sent."""
    node = Node(chain, {"eth_sendRawTransaction": lambda raw: protected_send(chain, raw)})
    first = deploy(node.chain(), payer, folder=tmp_path)
    assert not deploy(node.chain(), payer, folder=tmp_path).is_new
    assert Deployed.load(tmp_path, chain.chain_id) == first.deployed


def protected_send(chain: LocalChain, raw: str) -> Any:
    """A chain that takes no transaction without chain id."""
    if raw == "0x" + deployment._DEPLOYER_TRANSACTION.hex():
        return refusing("only replay-protected (EIP-155) transactions allowed over RPC")()
    return chain.request("eth_sendRawTransaction", raw)


def test_who_cannot_pay_deploys_nothing(chain: LocalChain, tmp_path: Path) -> None:
    """Without ether there is no deployment and no file."""
    with pytest.raises(InsufficientFunds):
        deploy(chain, Wallet.create(), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_authority_is_no_authority(chain: LocalChain, payer: Wallet) -> None:
    """The zero address as authority would lock everybody out, and what is no address is none."""
    for wrong in ("0x" + "00" * 20, "nobody"):
        with pytest.raises(InvalidInput):
            deploy(chain, payer, authority=wrong)
    with pytest.raises(ContractError):  # nor does the constructor take it
        send(chain, payer, Call(None, creation_code("0x" + "00" * 20)))


def test_a_deployment_is_not_taken_on_trust(chain: LocalChain, payer: Wallet) -> None:
    """A node that claims success where nothing was deployed is found out."""
    node = Node(
        chain,
        {
            "eth_getCode": lambda address, block: (
                "0x" if address != DEPLOYER else chain.request("eth_getCode", address, block)
            )
        },
    )
    send(chain, payer, Call(DEPLOYER, b"")) if chain.code(DEPLOYER) else deploy(chain, payer, authority=payer.address)
    with pytest.raises(TransactionFailed, match="MedRec is not at"):
        deploy(node.chain(), payer, authority=AUTHORITY)


def test_files_that_are_none(tmp_path: Path) -> None:
    """A folder without the chain, what is no JSON, a missing or mistyped field, and another chain's file."""
    with pytest.raises(NotDeployed, match="chain 7"):
        Deployed.load(tmp_path, 7)
    with pytest.raises(NotDeployed):
        Deployed.read(tmp_path)
    good = dataclasses.asdict(Deployed(7, DEPLOYER, AUTHORITY, 1, "0x00", "0x00", "00", "1"))
    for content in (
        "nonsense",
        "[]",
        json.dumps({**good, "block": "1"}),
        json.dumps({**good, "address": "0x12"}),
        json.dumps({name: value for name, value in good.items() if name != "authority"}),
        json.dumps({**good, "chain_id": 8}),
    ):
        (tmp_path / "7.json").write_text(content, encoding="utf-8")
        with pytest.raises(FormatError):
            Deployed.load(tmp_path, 7)
    (tmp_path / "7.json").write_text(json.dumps({**good, "later": "field"}), encoding="utf-8")
    assert Deployed.load(tmp_path, 7).address == DEPLOYER


def test_the_suite_in_a_file(tmp_path: Path) -> None:
    """Files from before there was another suite mean the first. What is no number, or none known, is refused."""
    document = dataclasses.asdict(Deployed(7, DEPLOYER, AUTHORITY, 1, "0x00", "0x00", "00", "1", suite=2))

    def load(**change: object) -> int:
        kept = {name: value for name, value in {**document, **change}.items() if value is not None}
        (tmp_path / "7.json").write_text(json.dumps(kept), encoding="utf-8")
        return Deployed.load(tmp_path, 7).suite

    assert (load(), load(suite=None), load(suite=1)) == (2, 1, 1)
    for unknown in (0, 3, -1):
        with pytest.raises(UnknownSuite):
            load(suite=unknown)
    for wrong in ("2", True, 2.0, [2]):
        with pytest.raises(FormatError):
            load(suite=wrong)


def test_a_file_is_written_in_one_step(tmp_path: Path) -> None:
    """No half-written file is ever in its place, and nothing else stays behind."""
    deployed = Deployed(7, DEPLOYER, AUTHORITY, 1, "0x00", "0x00", "00", "1")
    assert deployed.save(tmp_path / "a" / "b").name == "7.json"
    deployed.save(tmp_path / "a" / "b")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["7.json"]


def test_the_creation_code_is_the_artifacts() -> None:
    """What is deployed is the shipped bytecode and its one argument, the authority."""
    code = creation_code(AUTHORITY)
    assert code.hex() == load_artifact()["bytecode"][2:] + "00" * 12 + AUTHORITY[2:].lower()
