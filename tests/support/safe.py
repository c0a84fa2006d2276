"""Safes from the artifacts that Safe publishes (npm, @safe-global/safe-contracts)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import medrec_py as medrec
from medrec_py.chain.abi import codec
from medrec_py.chain.connection import Chain
from medrec_py.chain.transactions import Call, send, simulate
from medrec_py.chain.types import ZERO_ADDRESS, to_address
from medrec_py.crypto.typed_data import keccak
from scripts.toolchain import safe
from tests.support.chains import until

_SETUP = ("address[]", "uint256", "address", "bytes", "address", "address", "uint256", "address")


@cache
def _code(path: str) -> bytes:
    artifact = json.loads((safe() / path).read_text(encoding="utf-8"))
    return bytes.fromhex(artifact["bytecode"][2:])


def encoded(function: str, types: Sequence[str], values: Sequence[object]) -> bytes:
    """A call's data."""
    return keccak(f"{function}({','.join(types)})".encode())[:4] + codec.encode(list(types), list(values))


@dataclass(frozen=True)
class Safes:
    """Safe's contracts on a chain.

    Attributes:
        chain: Where.
        payer: Deploys.
        singleton: The code of every Safe.
        handler: Answers ``isValidSignature`` for it.
        factory: Makes a proxy for each.
    """

    chain: Chain
    payer: medrec.Signer
    singleton: str
    handler: str
    factory: str

    @classmethod
    def deploy(cls, chain: Chain, payer: medrec.Signer) -> Safes:
        """Deploy them."""

        def put(path: str) -> str:
            created = send(chain, payer, Call(None, _code(path))).created
            assert created is not None
            return created

        return cls(
            chain,
            payer,
            put("Safe.sol/Safe.json"),
            put("handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json"),
            put("proxies/SafeProxyFactory.sol/SafeProxyFactory.json"),
        )

    def make(self, *owners: medrec.Signer, threshold: int | None = None, number: int = 0) -> str:
        """Make a Safe, and return its address; all owners have to sign unless a threshold is given."""
        addresses = [owner.address for owner in owners]
        setup = encoded(
            "setup",
            _SETUP,
            [addresses, threshold or len(owners), ZERO_ADDRESS, b"", self.handler, ZERO_ADDRESS, 0, ZERO_ADDRESS],
        )
        data = encoded("createProxyWithNonce", ("address", "bytes", "uint256"), [self.singleton, setup, number])
        (address,) = codec.decode(["address"], simulate(self.chain, None, Call(self.factory, data)))
        node_sends(self.chain, Call(self.factory, data))
        return to_address(address)


def node_sends(chain: Chain, call: Call) -> None:
    """Have Anvil's own account make a call of another contract than MedRec, whose events the SDK does not read."""
    payer = chain.request("eth_accounts")[0]
    sent = chain.request("eth_sendTransaction", call.transaction(payer))
    until(lambda: chain.receipt(sent) is not None)
    receipt = chain.receipt(sent)
    assert receipt is not None
    assert receipt.succeeded


def is_valid(chain: Chain, account: str, digest: bytes, signature: bytes) -> bool:
    """What the account itself says of a signature (ERC-1271), asked without the SDK's own check."""
    data = encoded("isValidSignature", ("bytes32", "bytes"), [digest, signature])
    try:
        return simulate(chain, None, Call(account, data)) == bytes.fromhex("1626ba7e").ljust(32, b"\0")
    except medrec.errors.ContractError:
        return False
