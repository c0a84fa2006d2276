"""What contract tests share: the interface's types, short ways to say what is emitted and refused, the clock."""

import hashlib
from ast import literal_eval
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import pytest
from ape import project
from ape.api import AccountAPI, ProviderAPI, ReceiptAPI
from ape.contracts import ContractInstance
from ape.exceptions import ContractLogicError, CustomError, TransactionError
from ape.managers.chain import ChainManager
from ape_foundry import FoundryProvider
from eth_abi import decode, encode
from eth_utils import keccak, to_checksum_address
from ethpm_types.abi import ABIType, ErrorABI, EventABI

from tests.contracts.storage_layout import slot_named
from tests.vectors import generate_head

Account: TypeAlias = AccountAPI
Contract: TypeAlias = ContractInstance


class Kind(IntEnum):
    None_ = 0
    Record = 1
    Batch = 2
    Keyring = 3
    Moved = 4
    Erased = 5
    Continues = 6


class ProviderKind(IntEnum):
    None_ = 0
    Organisation = 1
    Practitioner = 2


class Action(IntEnum):
    Read = 0
    Append = 1
    Decide = 2


class Denial(IntEnum):
    None_ = 0
    PatientUnknown = 1
    NotController = 2
    AgentNotNamed = 3
    AgentExpired = 4
    AgentSuspended = 5
    AgentAccreditationExpired = 6
    NotAccredited = 7
    Suspended = 8
    AccreditationExpired = 9
    NotGranted = 10
    Revoked = 11
    NotYetValid = 12
    Expired = 13
    CompartmentNotGranted = 14
    PurposeNotGranted = 15
    BeyondLimits = 16


ORGANISATION, PRACTITIONER = ProviderKind.Organisation, ProviderKind.Practitioner
READ, APPEND, DECIDE = Action
ZERO = "0x" + "00" * 20
DAY = 24 * 3600
YEAR_2100 = 4_102_444_800
LAST_SECOND = 2**40 - 1
LAST_VERSION = 2**24 - 1

# Two compartments, as bits of a mask, and two purposes of use, as numbers.
GENERAL, PSYCHIATRY = 1 << 5, 1 << 41
ALL = 2**64 - 1
TREAT, RESEARCH = 0, 7
HISTORY, MANAGE, EMERGENCY = 1, 2, 4


def digest(label: str) -> bytes:
    """32 bytes that look like any other digest."""
    return hashlib.sha256(label.encode()).digest()


class Entry(NamedTuple):
    """A record's entry as its author gives it."""

    compartments: int
    replaces: int
    pointer: bytes
    claim: bytes


class Terms(NamedTuple):
    """What a patient grants."""

    read: int
    append: int
    not_before: int
    expiry: int
    purposes: int
    flags: int


class Item(NamedTuple):
    """A record for one of many patients."""

    patient: Any
    keyring_version: int
    entry: Entry


def entry(label: str = "record", *, compartments: int = GENERAL, replaces: int = 0) -> Entry:
    """An entry whose pointer and claim follow from a label."""
    return Entry(compartments, replaces, digest(f"pointer of {label}"), digest(f"claim of {label}"))


def terms(
    *,
    read: int = GENERAL,
    append: int = GENERAL,
    not_before: int = 0,
    expiry: int = YEAR_2100,
    purposes: int = 1 << TREAT,
    flags: int = 0,
) -> Terms:
    """Terms of which a test names only what it is about."""
    return Terms(read, append, not_before, expiry, purposes, flags)


# ---------------------------------------------------------------------------------------------------- events and errors


def plain(value: Any) -> Any:
    """A value as both sides of a comparison write it: addresses as text, enumerations as numbers, structs as tuples."""
    if hasattr(value, "address"):
        return to_checksum_address(value.address)
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, str):
        return to_checksum_address(value) if value.startswith("0x") and len(value) == 42 else value
    if is_dataclass(value):
        return tuple(plain(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, Sequence):
        return tuple(plain(item) for item in value)
    raise TypeError(f"{value!r} is nothing that a contract gives")


@dataclass(frozen=True)
class Said:
    """An event, or an error, with all its arguments."""

    name: str
    arguments: dict[str, Any]


def said(name: str, **arguments: Any) -> Said:
    """An event that a test expects; all arguments are named, so none goes unchecked."""
    return Said(name, {key: plain(value) for key, value in arguments.items()})


def _types(inputs: Sequence[ABIType]) -> list[str]:
    return [parameter.canonical_type for parameter in inputs]


def _event(abi: EventABI, topics: Sequence[bytes], data: bytes) -> Said:
    indexed = [parameter for parameter in abi.inputs if parameter.indexed]
    rest = [parameter for parameter in abi.inputs if not parameter.indexed]
    values = {p.name: decode([p.canonical_type], topic)[0] for p, topic in zip(indexed, topics, strict=True)}
    values |= {p.name: value for p, value in zip(rest, decode(_types(rest), data), strict=True)}
    return said(abi.name, **{parameter.name: values[parameter.name] for parameter in abi.inputs})


@cache
def _event_abis() -> dict[bytes, EventABI]:
    return {keccak(text=abi.selector): abi for abi in project.MedRec.contract_type.events}


def decoded(medrec: Contract, log: Any) -> Said:
    """A log as a receipt, or a node, gives it."""
    assert to_checksum_address(log["address"]) == medrec.address
    first, *topics = (bytes(topic) for topic in log["topics"])
    return _event(_event_abis()[first], topics, bytes(log["data"]))


def emitted(medrec: Contract, receipt: ReceiptAPI) -> list[Said]:
    """All events of a transaction, in their order."""
    return [decoded(medrec, log) for log in receipt.logs]


@cache
def _error_abis() -> dict[bytes, ErrorABI]:
    return {keccak(text=abi.selector)[:4]: abi for abi in project.MedRec.contract_type.errors}


def error_data(name: str, *values: Any) -> bytes:
    """An error of the contract as ABI-encoded bytes."""
    selector, abi = next(item for item in _error_abis().items() if item[1].name == name)
    return selector + encode(_types(abi.inputs), [plain(value) for value in values])


def revert_data(error: ContractLogicError) -> bytes:
    """The bytes that a call reverted with; ape tells them in one of several forms."""
    if isinstance(error, CustomError):
        return error_data(error.abi.name, *(error.inputs[parameter.name] for parameter in error.abi.inputs))
    message = str(error.revert_message)
    if message == TransactionError.DEFAULT_MESSAGE:
        return b""
    if message.startswith(("b'", 'b"')):
        return bytes(literal_eval(message))
    return bytes.fromhex(message.removeprefix("custom error ").removeprefix("0x").replace(": ", ""))


def _readable(data: bytes) -> str:
    abi = _error_abis().get(data[:4])
    return f"{abi.name}{decode(_types(abi.inputs), data[4:])}" if abi else repr(data)


@contextmanager
def _reverting(expected: bytes) -> Iterator[None]:
    try:
        yield
    except ContractLogicError as error:
        data = revert_data(error)
        assert data == expected, f"refused with {_readable(data)} instead of {_readable(expected)}"
    else:
        raise AssertionError(f"was not refused with {_readable(expected)}")


def refused(name: str, *values: Any) -> AbstractContextManager[None]:
    """Expect that the call reverts with that error of the contract and exactly these values."""
    return _reverting(error_data(name, *values))


def unencodable() -> AbstractContextManager[None]:
    """Expect that the contract finds the call's data no encoding of its arguments: it reverts without a reason."""
    return _reverting(b"")


def overflowing() -> AbstractContextManager[Any]:
    """Expect that the contract's arithmetic refuses: a number would be too large for its type."""
    # Providers have several classes for it, and words of their own.
    return pytest.raises(TransactionError, match="overflow")


def call_with_words(medrec: Contract, sender: Any, function: str, *words: Any) -> bytes:
    """Call a function with words of 32 bytes that need not fit their types."""
    abi = next(abi for abi in medrec.contract_type.methods if abi.name == function)
    flat = plain(words)
    data = keccak(text=abi.selector)[:4] + encode([_word_type(word) for word in flat], flat)
    ecosystem = medrec.provider.network.ecosystem
    call = ecosystem.create_transaction(receiver=medrec.address, sender=sender.address, data=data, gas=10_000_000)
    return bytes(medrec.provider.send_call(call))


def _word_type(word: Any) -> str:
    return {int: "uint256", str: "address", bytes: "bytes32"}[type(word)]


def not_permitted(
    patient: Any, actor: Any, principal: Any, action: Action, denial: Denial
) -> AbstractContextManager[None]:
    """Expect that the predicate for authority refuses, for that reason."""
    return refused("NotPermitted", patient, actor, principal, action, denial)


# ---------------------------------------------------------------------------------------------------------------- heads


def word_of(medrec: Contract, patient: Any) -> int:
    """The patient's word as the chain has it."""
    head, length, keyring_version = medrec.historyOf(patient)
    return generate_head.word_of(bytes(head), length, keyring_version)


def as_previous(word: int) -> bytes:
    """A word as events give it."""
    return word.to_bytes(32, "big")


def head_entry(
    kind: Kind, author: Any, on_behalf_of: Any, time: int, *, compartments: int, pointer: bytes, **rest: Any
) -> generate_head.Entry:
    """An entry as the independent implementation of the head takes it."""
    raw_author, raw_principal = (bytes.fromhex(plain(account)[2:]) for account in (author, on_behalf_of))
    return generate_head.Entry(kind, compartments, raw_author, raw_principal, time, pointer, **rest)


def next_word(word: int, patient: Any, of: generate_head.Entry) -> int:
    """The patient's word after an entry, by the independent implementation."""
    return generate_head.next_word(word, bytes.fromhex(plain(patient)[2:]), of)


def after_records(word: int, patient: Any, author: Any, on_behalf_of: Any, time: int, *entries: Entry) -> int:
    """The patient's word after records."""
    for record in entries:
        given = record._asdict()
        word = next_word(word, patient, head_entry(Kind.Record, author, on_behalf_of, time, **given))
    return word


# ---------------------------------------------------------------------------------------------------------------- clock


@dataclass(frozen=True)
class Clock:
    """The chain's time."""

    chain: ChainManager

    @property
    def now(self) -> int:
        """The second of the latest block."""
        return int(self.chain.blocks.head.timestamp)

    def set_next(self, time: int) -> None:
        """The next transaction is mined in that second."""
        self.chain.pending_timestamp = time

    def show(self, time: int) -> None:
        """Views now see that second: a block is mined in it."""
        self.chain.pending_timestamp = time
        self.chain.mine()


# ---------------------------------------------------------------------------------------- what only a test's chain does


@contextmanager
def rehearsed(provider: ProviderAPI) -> Iterator[None]:
    """What happens inside is undone. (`chain.isolate` would do, were it not for the failures that it swallows.)"""
    snapshot = provider.snapshot()
    try:
        yield
    finally:
        provider.restore(snapshot)


def set_slot(provider: ProviderAPI, contract: Contract, slot: int, word: int) -> None:
    """Overwrite a storage slot, to reach a state that is too long to walk to."""
    if isinstance(provider, FoundryProvider):
        provider.set_storage(contract.address, slot, word.to_bytes(32, "big"))
        return
    chain = provider.evm_backend.chain
    state = chain.get_vm().state
    state.set_storage(bytes.fromhex(contract.address[2:]), slot, word)
    state.lock_changes()
    state.persist()
    chain.header = chain.header.copy(state_root=state.state_root)
    # Two, so that no snapshot is of the block whose state did not come from its transactions.
    provider.mine(2)


def set_code(provider: ProviderAPI, address: str, code: bytes) -> None:
    """Give an account code, as one that delegates to it has (EIP-7702)."""
    if isinstance(provider, FoundryProvider):
        provider.set_code(address, bytes(code))
        return
    chain = provider.evm_backend.chain
    state = chain.get_vm().state
    state.set_code(bytes.fromhex(address[2:]), bytes(code))
    state.lock_changes()
    state.persist()
    chain.header = chain.header.copy(state_root=state.state_root)
    provider.mine(2)


def slot_of(variable: str, *keys: Any) -> int:
    """The slot of a value in a mapping, or in mappings of mappings, of addresses."""
    slot = slot_named(variable)
    for key in keys:
        slot = int.from_bytes(keccak(encode(["address", "uint256"], [plain(key), slot])), "big")
    return slot


def in_one_block(provider: ProviderAPI, *sends: tuple[Any, Sequence[Any], Account]) -> list[Any]:
    """Mine transactions, given as (method, arguments, sender), in one block, in that order; return web3's receipts."""
    signed = []
    for place, (method, arguments, sender) in enumerate(sends):
        earlier = sum(other is sender for _, _, other in sends[:place])
        # Nodes put the highest tip first.
        fees = {"max_fee": 10**11, "max_priority_fee": (100 - place) * 10**8}
        nonce = sender.nonce + earlier
        transaction = method.as_transaction(*arguments, sender=sender, nonce=nonce, gas=1_000_000, **fees)
        signed.append(bytes(sender.sign_transaction(transaction).serialize_transaction()))
    if isinstance(provider, FoundryProvider):
        provider.auto_mine = False
        try:
            hashes = [provider.web3.eth.send_raw_transaction(transaction) for transaction in signed]
            provider.mine()
        finally:
            provider.auto_mine = True
    else:
        hashes = [provider.evm_backend.send_raw_transaction(transaction) for transaction in signed]
        provider.mine()
    receipts = [provider.web3.eth.get_transaction_receipt(transaction) for transaction in hashes]
    assert len({receipt["blockNumber"] for receipt in receipts}) == 1
    assert [receipt["transactionIndex"] for receipt in receipts] == list(range(len(sends)))
    return receipts
