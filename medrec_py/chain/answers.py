"""What nodes answer, as typed values: the one place where the results of JSON-RPC are taken apart.

A node may answer anything. Whatever is not what the method has to return is a ``ValueError``, ``TypeError`` or
``LookupError`` here, which `medrec_py.chain.connection.Chain.ask` makes a `MalformedAnswer` of, with the node and the
method in its message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medrec_py.chain.types import address_of
from medrec_py.errors import ChainUnavailable

_WORD, _COUNT, _TIME = 1 << 256, 1 << 64, 1 << 40
_HASH_SIZE = 32
_QUANTITY = re.compile("0x[0-9a-fA-F]{1,64}")


class MalformedAnswer(ChainUnavailable):
    """The node's answer is not what the request has to return, or has impossible values."""

    remedy = "Ask another node: what this one answers cannot be used. `medrec doctor` checks it."


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header, as far as it is needed.

    Attributes:
        number: Its height.
        hash: 0x and 64 hexadecimal digits.
        timestamp: Unix time.
        base_fee: Wei per gas (EIP-1559); ``None`` on a chain without.
        gas_limit: Of all its transactions together.
    """

    number: int
    hash: str
    timestamp: int
    base_fee: int | None
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Log:
    """A log as the node gives it.

    Attributes:
        address: Of the contract that emitted it, EIP-55.
        topics: 32 bytes each.
        data: What it carries beside.
        block: Number of its block.
        block_hash: Of that block.
        transaction: Hash of its transaction.
        index: Of the log in its block.
        removed: The node says that the block is no longer part of the chain.
    """

    address: str
    topics: tuple[bytes, ...]
    data: bytes = field(repr=False)
    block: int
    block_hash: str
    transaction: str
    index: int
    removed: bool


@dataclass(frozen=True, slots=True)
class Mined:
    """A receipt as the node gives it, of a transaction that succeeded or failed.

    Attributes:
        succeeded: Whether it did.
        block: Number of its block.
        block_hash: Of that block.
        gas_used: Gas.
        gas_price: What it paid, wei per gas; zero where the node does not say.
        created: Address of the contract that it deployed, if it did.
        logs: Of all contracts, in order.
    """

    succeeded: bool
    block: int
    block_hash: str
    gas_used: int
    gas_price: int
    created: str | None
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction as the node gives it, mined or waiting.

    Attributes:
        sender: Who sent it, EIP-55.
        to: The called contract; ``None`` for a deployment.
        data: What it carries.
        value: Wei.
        nonce: Of the sender.
    """

    sender: str
    to: str | None
    data: bytes = field(repr=False)
    value: int
    nonce: int


# --- values ---------------------------------------------------------------------------------------


def to_int(value: Any, below: int = _WORD) -> int:
    """A quantity: JSON-RPC's 0x and digits, or the integer that eth-tester gives. 256 bits unless told otherwise."""
    number = value if isinstance(value, int) and not isinstance(value, bool) else _digits(value)
    if not 0 <= number < below:
        raise ValueError("a number is out of range")
    return number


def to_count(value: Any) -> int:
    """A number of blocks, transactions, gas or wei per gas: 64 bits."""
    return to_int(value, _COUNT)


def to_bytes(value: Any) -> bytes:
    """Octets: JSON-RPC's 0x and digits, or the ``bytes`` that a caller's middleware made of them."""
    if isinstance(value, bytes):
        return bytes(value)
    if not isinstance(value, str):
        raise TypeError("octets are no text")
    return bytes.fromhex(value.removeprefix("0x"))


def to_hash(value: Any) -> str:
    """A hash as 0x and 64 digits."""
    octets = to_bytes(value)
    if len(octets) != _HASH_SIZE:
        raise ValueError("a hash does not have 32 bytes")
    return "0x" + octets.hex()


def to_accounts(value: Any) -> list[str]:
    """A list of addresses."""
    return [_address(one) for one in _items(value)]


def _digits(value: Any) -> int:
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise ValueError("a number is not 0x and hexadecimal digits")
    return int(value, 16)


def _address(value: Any) -> str:
    return address_of(to_bytes(value))


def _items(value: Any) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise TypeError("a list is wanted")
    return value


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("an object is wanted")
    return value


# --- objects --------------------------------------------------------------------------------------


def to_block(value: Any) -> Block | None:
    """A block's header; ``None`` where the node has no such block."""
    if value is None:
        return None
    found = _object(value)
    base_fee = found.get("baseFeePerGas")
    return Block(
        to_count(found["number"]),
        to_hash(found["hash"]),
        to_int(found["timestamp"], _TIME),
        None if base_fee is None else to_count(base_fee),
        to_count(found["gasLimit"]),
    )


def to_block_time(value: Any) -> int | None:
    """The timestamp of a block that may be unfinished, and have neither hash nor number; ``None`` if there is none."""
    return None if value is None else to_int(_object(value)["timestamp"], _TIME)


def to_logs(value: Any) -> list[Log]:
    """What ``eth_getLogs`` returns."""
    return [_log(one) for one in _items(value)]


def to_mined(value: Any) -> Mined | None:
    """A receipt; ``None`` if the transaction is not mined, for which some nodes give one without a block."""
    if value is None or _object(value).get("blockHash") is None:
        return None
    created = value.get("contractAddress")
    return Mined(
        succeeded=to_int(value.get("status", 1)) != 0,
        block=to_count(value["blockNumber"]),
        block_hash=to_hash(value["blockHash"]),
        gas_used=to_count(value["gasUsed"]),
        gas_price=to_count(value.get("effectiveGasPrice") or 0),
        created=_address(created) if created else None,
        logs=tuple(to_logs(value["logs"])),
    )


def to_sent(value: Any) -> Sent | None:
    """A transaction; ``None`` if the node has none of that hash."""
    if value is None:
        return None
    found = _object(value)
    to = found.get("to")
    return Sent(
        sender=_address(found["from"]),
        to=_address(to) if to else None,
        data=to_bytes(found["input"]),
        value=to_int(found.get("value", 0)),
        nonce=to_count(found["nonce"]),
    )


def _log(value: Any) -> Log:
    found = _object(value)
    return Log(
        address=_address(found["address"]),
        topics=tuple(map(to_bytes, _items(found["topics"]))),
        data=to_bytes(found["data"]),
        block=to_count(found["blockNumber"]),
        block_hash=to_hash(found["blockHash"]),
        transaction=to_hash(found["transactionHash"]),
        index=to_count(found["logIndex"]),
        removed=bool(found.get("removed", False)),
    )
