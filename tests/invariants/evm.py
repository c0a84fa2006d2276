"""MedRec on a bare py-evm: no blocks, no signatures, about a millisecond a call.

    evm = Evm(authority)
    outcome = evm.send(alice, "register")
    outcome.events    # [("PatientRegistered", (alice, alice, alice))]

Senders are just named and the clock is just set, so the contract is all that is under test. Addresses are 20 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth.abc import ComputationAPI
from eth.vm.forks.london import LondonVM
from eth.vm.message import Message
from eth.vm.state import BaseState
from eth.vm.transaction_context import BaseTransactionContext
from eth_abi import decode, encode
from eth_tester import PyEVMBackend
from eth_utils import keccak
from eth_utils.abi import collapse_if_tuple

from medrec_py.chain.artifacts import load_artifact

GAS = 30_000_000
CONTRACT = b"\xcc" * 20
START = 2_000_000_000
# An account that signs whatever it is shown (ERC-1271):
# PUSH4 0x1626ba7e, PUSH1 224, SHL, PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN
SIGNS = bytes.fromhex("631626ba7e60e01b60005260206000f3")
# One that has no ERC-1271, as a delegation to some other code (EIP-7702): PUSH1 0, PUSH1 0, REVERT
REVERTS = bytes.fromhex("60006000fd")


def owned_by(owner: bytes) -> bytes:
    """The code of an account that takes its owner's signature over the plain digest for its own (ERC-1271).

    Like `contracts/test/OwnedAccount.sol` it does not bind the digest to itself, so that what one owner signed for one
    account is tried on another.
    """
    return bytes.fromhex(
        "600435600052"  # mstore(0, digest)
        "60a43560001a602052"  # mstore(32, v)
        "606435604052608435606052"  # mstore(64, r), mstore(96, s)
        "602060006080600060015afa50"  # staticcall(gas, ecrecover, 0, 128, 0, 32)
        f"60005173{owner.hex()}14"  # recovered == owner
        "631626ba7e0260e01b60005260206000f3"  # the magic number if so, else zero
    )


Address = bytes
Event = tuple[str, tuple[Any, ...]]


class Fragment:
    """A function, event or error of the ABI."""

    def __init__(self, abi: dict[str, Any]) -> None:
        self.name: str = abi["name"]
        self.inputs = [collapse_if_tuple(parameter) for parameter in abi["inputs"]]
        self.indexed = [parameter.get("indexed", False) for parameter in abi["inputs"]]
        self.outputs = [collapse_if_tuple(parameter) for parameter in abi.get("outputs", [])]
        self.changes = abi.get("stateMutability") == "nonpayable"
        self.topic = keccak(text=f"{self.name}({','.join(self.inputs)})")
        self.selector = self.topic[:4]


@dataclass(frozen=True)
class Outcome:
    """What a call gave: its output and events, or what it reverted with."""

    output: bytes
    events: list[Event]
    reverted: bool

    @property
    def error(self) -> bytes | None:
        """The data that the call reverted with, `None` if it did not."""
        return self.output if self.reverted else None


def canonical(value: Any) -> Any:
    """Addresses as bytes, lists as tuples."""
    if isinstance(value, str) and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    if isinstance(value, list | tuple):
        return tuple(canonical(item) for item in value)
    return value


class Evm:
    """One deployment."""

    def __init__(self, authority: Address) -> None:
        artifact = load_artifact()
        fragments = [entry for entry in artifact["abi"] if "name" in entry]
        self.functions = {entry["name"]: Fragment(entry) for entry in fragments if entry["type"] == "function"}
        self._events = {(one := Fragment(entry)).topic: one for entry in fragments if entry["type"] == "event"}
        self._errors = {entry["name"]: Fragment(entry) for entry in fragments if entry["type"] == "error"}
        backend = PyEVMBackend(vm_configuration=((0, LondonVM),))
        self._state: BaseState = backend.chain.get_vm().state
        self.now = START
        self._deploy(bytes.fromhex(artifact["bytecode"][2:]) + encode(["address"], [authority]))

    # ----------------------------------------------------------------------------------------------------- clock, state

    @property
    def now(self) -> int:
        """The second of the block that calls are in, Unix time."""
        return self._now

    @now.setter
    def now(self, second: int) -> None:
        self._now = second
        self._state.execution_context._timestamp = second

    def snapshot(self) -> Any:
        """What `restore` goes back to."""
        return self._state.snapshot(), self.now

    def restore(self, snapshot: Any) -> None:
        """Undo all since the snapshot, which can be gone back to once."""
        state, self.now = snapshot
        self._state.revert(state)

    def storage(self, slot: int) -> int:
        """A word of the contract's storage."""
        return self._state.get_storage(CONTRACT, slot)

    def set_storage(self, slot: int, word: int) -> None:
        """Overwrite a word of the contract's storage."""
        self._state.set_storage(CONTRACT, slot, word)

    def set_code(self, account: Address, code: bytes) -> None:
        """The account has this code now."""
        self._state.set_code(account, code)

    @property
    def chain_id(self) -> int:
        """The chain's number."""
        return self._state.execution_context.chain_id

    # ------------------------------------------------------------------------------------------------------------ calls

    def send(self, sender: Address, function: str, *arguments: Any) -> Outcome:
        """Carry out a call that stays."""
        computation = self._apply(sender, self.encode(function, *arguments), self._code)
        if computation.is_error:
            return Outcome(computation.output, [], reverted=True)
        return Outcome(
            computation.output, [self._decoded(log) for log in computation.get_log_entries()], reverted=False
        )

    def call(self, sender: Address, function: str, *arguments: Any) -> Outcome:
        """Carry out a call and undo it."""
        snapshot = self._state.snapshot()
        outcome = self.send(sender, function, *arguments)
        self._state.revert(snapshot)
        return outcome

    def view(self, function: str, *arguments: Any) -> Any:
        """What a view gives: one value, or a tuple of them."""
        outcome = self.call(b"\xee" * 20, function, *arguments)
        assert not outcome.reverted
        values = canonical(decode(self.functions[function].outputs, outcome.output))
        return values[0] if len(values) == 1 else values

    def encode(self, function: str, *arguments: Any) -> bytes:
        """The data of a call."""
        fragment = self.functions[function]
        return fragment.selector + encode(fragment.inputs, arguments)

    def error(self, name: str, *values: Any) -> bytes:
        """An error of the contract as it reverts with it."""
        fragment = self._errors[name]
        return fragment.selector + encode(fragment.inputs, values)

    # ---------------------------------------------------------------------------------------------------------- private

    @cached_property
    def _code(self) -> bytes:
        return self._state.get_code(CONTRACT)

    def _deploy(self, creation_code: bytes) -> None:
        computation = self._apply(b"\xdd" * 20, b"", creation_code)
        assert not computation.is_error
        self._state.set_code(CONTRACT, computation.output)

    def _apply(self, sender: Address, data: bytes, code: bytes) -> ComputationAPI:
        message = Message(gas=GAS, to=CONTRACT, sender=sender, value=0, data=data, code=code)
        context = BaseTransactionContext(gas_price=0, origin=sender)
        return self._state.computation_class.apply_message(self._state, message, context)

    def _decoded(self, log: tuple[Address, tuple[int, ...], bytes]) -> Event:
        address, topics, data = log
        assert address == CONTRACT
        words = [topic.to_bytes(32, "big") for topic in topics]
        fragment = self._events[words.pop(0)]
        rest = iter(decode([one for one, key in zip(fragment.inputs, fragment.indexed, strict=True) if not key], data))
        values = [
            decode([kind], words.pop(0))[0] if indexed else next(rest)
            for kind, indexed in zip(fragment.inputs, fragment.indexed, strict=True)
        ]
        return fragment.name, canonical(values)
