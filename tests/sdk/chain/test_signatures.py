"""Signatures of accounts with code: what they say is asked for as the contract asks, and nothing else counts."""

from __future__ import annotations

from typing import Any

import pytest
from web3 import Web3

from medrec_py.chain.connection import Chain, NodeError
from medrec_py.chain.local import LocalChain
from medrec_py.chain.signatures import ERC1271_GAS, ContractSignatures
from medrec_py.chain.transactions import Call, send
from medrec_py.crypto.typed_data import is_signed_by
from medrec_py.errors import ChainUnavailable
from medrec_py.wallet import Wallet
from tests.sdk.chain.nodes import Node, Refusal

DIGEST, SIGNATURE = b"\x07" * 32, b"\x08" * 130
MAGIC = "631626ba7e60e01b600052"  # the value at the beginning of memory


@pytest.fixture(scope="module")
def chain() -> LocalChain:
    """A chain of this module's own."""
    return LocalChain()


def account(chain: LocalChain, code: str) -> bytes:
    """A contract with this code."""
    payer = Wallet.create()
    chain.fund(payer.address)
    octets = bytes.fromhex(code)
    created = send(chain, payer, Call(None, bytes([0x60, len(octets), 0x80, 0x60, 9, 0x3D, 0x39, 0x3D, 0xF3]) + octets))
    assert created.created is not None
    return bytes.fromhex(created.created[2:])


@pytest.mark.parametrize(
    ("code", "says"),
    [
        pytest.param(MAGIC + "60206000f3", True, id="the value"),
        pytest.param(MAGIC + "60046000f3", False, id="four bytes of it"),
        pytest.param(MAGIC + "60406000f3", False, id="with a word behind it"),
        pytest.param("60016000526020" + "6000f3", False, id="another value"),
        pytest.param("7f1626ba7e" + "00" * 27 + "01" + "60005260206000f3", False, id="with a bit at its end"),
        pytest.param("00", False, id="nothing"),
        pytest.param("60006000fd", False, id="reverts"),
        pytest.param(MAGIC + "60206000fd", False, id="reverts with the value"),
        pytest.param("fe", False, id="an invalid instruction"),
        pytest.param("5b600056", False, id="for ever"),
        pytest.param("50", False, id="an empty stack"),
    ],
)
def test_only_the_value_counts(chain: LocalChain, code: str, says: bool) -> None:
    """32 bytes that begin with the function's selector (ERC-1271), and no failure stops whoever reads."""
    address = account(chain, code)
    assert ContractSignatures(chain)(address, DIGEST, SIGNATURE) is says
    assert is_signed_by(address, DIGEST, SIGNATURE, ContractSignatures(chain)) is says


def test_an_account_without_code_says_nothing(chain: LocalChain) -> None:
    """Nor does one that was never used."""
    assert not ContractSignatures(chain)(b"\x77" * 20, DIGEST, SIGNATURE)


def test_the_gas_is_that_of_the_contract(chain: LocalChain) -> None:
    """Of what the account has at its first instruction, it answers with the value only within the contract's limit."""
    for limit, says in ((ERC1271_GAS + 1, True), (ERC1271_GAS - 100, False)):
        answer = MAGIC + "60206000f3"
        # GAS, PUSH3 limit, LT: where there is more gas than that, jump behind the answer, and stop.
        code = f"62{limit:06x}5a11601b57{answer}".ljust(0x1B * 2, "0") + "5b00"
        assert ContractSignatures(chain)(account(chain, code), DIGEST, SIGNATURE) is says


@pytest.mark.parametrize(
    ("refusal", "raises"),
    [
        (Refusal("execution reverted", 3, "0x"), False),
        (Refusal("out of gas"), False),
        (Refusal("invalid opcode: INVALID"), False),
        (Refusal("EVM error InvalidJump", -32603), False),
        (Refusal("missing trie node"), True),
        (Refusal("method not found", -32601), True),
    ],
)
def test_a_node_that_does_not_know_is_no_verdict(chain: LocalChain, refusal: Refusal, raises: bool) -> None:
    """What the account's code did is a no; what the node lacks is the node's error."""

    def refuse(*_: Any) -> Any:
        raise refusal

    check = ContractSignatures(Chain(Web3(Node(chain, {"eth_call": refuse}))))
    if raises:
        with pytest.raises(NodeError):
            check(b"\x01" * 20, DIGEST, SIGNATURE)
    else:
        assert not check(b"\x01" * 20, DIGEST, SIGNATURE)


def test_a_node_that_is_gone_is_no_verdict(chain: LocalChain) -> None:
    """It is an error, never a no."""

    def fail(*_: Any) -> Any:
        raise ConnectionError("gone")

    check = ContractSignatures(Chain(Web3(Node(chain, {"eth_call": fail}))))
    with pytest.raises(ChainUnavailable):
        check(b"\x01" * 20, DIGEST, SIGNATURE)
