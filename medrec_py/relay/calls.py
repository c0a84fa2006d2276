"""The calls that carry out signed decisions, and the gas that they are given."""

from __future__ import annotations

from typing import Final

from medrec_py.chain import abi
from medrec_py.chain.connection import NodeError
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.reverts import RelayGasTooLow, decode_revert
from medrec_py.chain.transactions import LARGEST_TRANSACTION, Call
from medrec_py.errors import NotDeployed

BESIDE_CALL: Final = 15_000
"""Gas beside each call of a relay: the loop, copying the call, and the event where it is refused."""

_PROBE_GAS: Final = 120_000

_NAMES: Final = {item.selector: name for name, item in abi.items("function").items()}


def as_call(contract: MedRecContract, data: bytes) -> Call:
    """A signed form's call as it was kept."""
    return Call(contract.address, data, _NAMES.get(data[:4], ""))


def share_of(contract: MedRecContract) -> int:
    """The gas that must be left before each call of a relay, which the contract itself says.

    Raises:
        NotDeployed: the contract has no relay.
        ChainUnavailable: the node does not answer.
    """
    empty = Call(contract.address, abi.items("function")["grantSigned"].selector, "grantSigned")
    try:
        contract.chain.call({**contract.relay([empty]).transaction(None), "gas": hex(_PROBE_GAS)})
    except NodeError as error:
        if error.revert is not None and isinstance(said := decode_revert(error.revert), RelayGasTooLow):
            return int(said.values["needed"])
        if error.revert is None:
            raise
    raise NotDeployed(f"the contract at {contract.address} does not relay as this version knows it")


def intrinsic_gas(data: bytes) -> int:
    """The most that a transaction costs before any code runs (EIP-2028, and the floor of EIP-7623)."""
    return 21_000 + 10 * (data.count(0) + 4 * (len(data) - data.count(0)))


def relay_gas(data: bytes, calls: int, share: int) -> int:
    """A gas limit with which a relay never runs short, whatever its calls use."""
    return intrinsic_gas(data) + calls * (share + BESIDE_CALL)


def gas_together(call: Call, decisions: int, per_decision: int, block_gas: int) -> int:
    """The gas limit of decisions that take place together."""
    return min(intrinsic_gas(call.data) + decisions * per_decision, LARGEST_TRANSACTION, block_gas)
