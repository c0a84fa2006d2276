"""EIP-7702: an account that has delegated to code still signs with its own key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from eth_account import Account
from hexbytes import HexBytes

import medrec_py as medrec
from medrec_py.chain.connection import Chain
from medrec_py.chain.signatures import ContractSignatures
from medrec_py.chain.transactions import Call, send
from medrec_py.crypto.typed_data import is_signed_by
from medrec_py.root_change import EtherLeftBehind
from tests.sdk.wallets.test_remote import DIGEST, DOCUMENT
from tests.support.chains import until
from tests.support.wallets import a_patients_way, a_wallets_way, an_accredited_author, anvil_network

pytestmark = pytest.mark.anvil

KEY = b"\x33" * 32
REVERTS = bytes.fromhex("60006000fd")
YES = bytes.fromhex("631626ba7e60e01b60005260206000f3")
"""Says 1626ba7e, whatever it is asked: code that takes every signature."""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[medrec.Network]:
    """MedRec on a chain that has EIP-7702."""
    with anvil_network(tmp_path_factory.mktemp("blocks"), "--hardfork", "prague") as network:
        yield network


def deployed(chain: Chain, code: bytes) -> str:
    """A contract of this code."""
    payer = medrec.Wallet.create()
    chain.request("anvil_setBalance", payer.address, hex(10**18))
    prefix = bytes([0x60, len(code), 0x80, 0x60, 0x09, 0x3D, 0x39, 0x3D, 0xF3])  # return what stands behind it
    created = send(chain, payer, Call(None, prefix + code)).created
    assert created is not None
    assert chain.code(created) == code
    return created


def delegate(chain: Chain, key: bytes, code: str) -> medrec.Wallet:
    """Have an account delegate to a contract, by a transaction of its own of type 4."""
    wallet = medrec.Wallet.from_key(key)
    chain.request("anvil_setBalance", wallet.address, hex(10**19))
    nonce = chain.transaction_count(wallet.address)
    signed = Account.sign_authorization(
        {"chainId": chain.chain_id, "address": HexBytes(code), "nonce": nonce + 1}, HexBytes(key)
    )
    transaction = {
        "type": 4,
        "chainId": chain.chain_id,
        "nonce": nonce,
        "gas": 200_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 1,
        "to": wallet.address,
        "value": 0,
        "data": b"",
        "authorizationList": [signed],
    }
    raw = Account.sign_transaction(transaction, key).raw_transaction
    sent = chain.request("eth_sendRawTransaction", raw.to_0x_hex())
    until(lambda: chain.receipt(sent) is not None)
    assert chain.code(wallet.address) == bytes.fromhex("ef0100" + code[2:])
    return wallet


@pytest.mark.parametrize("code", [REVERTS, YES], ids=["code that reverts", "code that says yes"])
def test_a_delegated_account_decides_and_signs(net: medrec.Network, code: bytes) -> None:
    """As a patient and as an author, whose statement and profile contract and SDK take by its key."""
    key = KEY[:-1] + code[-1:]
    wallet = delegate(net.chain, key, deployed(net.chain, code))
    a_wallets_way(net, wallet)


@pytest.mark.parametrize("code", [REVERTS, YES], ids=["code that reverts", "code that says yes"])
def test_a_delegated_account_takes_over_a_patient(net: medrec.Network, code: bytes) -> None:
    """Its consent is its key's, though its code would refuse it: the contract tries the key first."""
    key = KEY[:-2] + code[-1:] + b"\x01"
    heir = delegate(net.chain, key, deployed(net.chain, code))
    doctor = an_accredited_author(net, medrec.Wallet.create())
    alice = net.patient(medrec.Wallet.create()).register(compartments=["general"])
    kept = medrec.Wallet.create().root
    with pytest.warns(EtherLeftBehind) if code == REVERTS else nullcontext():
        alice.change_root(kept, wallet=heir)
    assert net.contract.patient_of(alice.id).wallet == heir.address
    a_patients_way(net, net.patient(heir, kept), doctor)


def test_the_key_and_then_the_code(net: medrec.Network) -> None:
    """The SDK takes the key's signature without asking the code, and another's only if the code says so."""
    own, stranger = medrec.Wallet.from_key(KEY), medrec.Wallet.create()
    account = bytes.fromhex(own.address[2:])
    check = ContractSignatures(net.chain)
    foreign = stranger.sign_typed_data(DOCUMENT)
    for code, says in ((REVERTS, False), (YES, True)):
        delegate(net.chain, KEY, deployed(net.chain, code))
        assert is_signed_by(account, DIGEST, own.sign_typed_data(DOCUMENT))
        assert is_signed_by(account, DIGEST, own.sign_typed_data(DOCUMENT), check)
        assert is_signed_by(account, DIGEST, foreign, check) is says
        assert not is_signed_by(account, DIGEST, foreign)
