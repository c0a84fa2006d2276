"""The contract's interface as the artifact states it: selectors, topics and types, never copied by hand."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from eth_abi.codec import ABICodec
from eth_abi.decoding import BytesDecoder
from eth_abi.encoding import BytesEncoder
from eth_abi.registry import ABIRegistry, BaseEquals, registry

from medrec_py.chain.artifacts import load_artifact
from medrec_py.crypto.typed_data import keccak

Json = Mapping[str, Any]


class _ExactBytesEncoder(BytesEncoder):
    """Refuses ``bytesN`` of another length; eth_abi's own fills up what is too short, so a cut digest would pass."""

    def validate_value(self, value: Any) -> None:
        super().validate_value(value)  # type: ignore[no-untyped-call]
        if len(value) * 8 != self.value_bit_size:
            self.invalidate_value(value, msg=f"must have {self.value_bit_size} bits")


def _codec() -> ABICodec:
    exact: ABIRegistry = registry.copy()  # type: ignore[no-untyped-call]
    exact.unregister("bytes<M>")
    sized = BaseEquals("bytes", with_sub=True)  # type: ignore[no-untyped-call]
    exact.register(sized, _ExactBytesEncoder, BytesDecoder, label="bytes<M>")
    return ABICodec(exact)


codec = _codec()
"""Encodes and decodes by ABI types."""


Decode = Callable[[bytes], tuple[Any, ...]]


def decoder(types: Sequence[str]) -> Decode:
    """What decodes data of these types, as ``codec.decode`` does.

    Types of fixed size, and tuples of them, are read word by word, which takes a sixth of eth_abi's time, and refuses
    data that are too long as well. Everything else is left to eth_abi.
    """
    return _static_decoder(types) or (lambda data: codec.decode(types, data))


def _static_decoder(types: Sequence[str]) -> Decode | None:
    words: list[Callable[[bytes], Any]] = []
    places: list[int | slice] = []
    for kind in types:
        members = kind[1:-1].split(",") if kind.startswith("(") else [kind]
        readers = [reader for reader in map(_word_reader, members) if reader is not None]
        if len(readers) < len(members):
            return None
        places.append(slice(len(words), len(words) + len(readers)) if kind.startswith("(") else len(words))
        words += readers
    layout = struct.Struct("32s" * len(words))

    def decode(data: bytes) -> tuple[Any, ...]:
        if len(data) != layout.size:
            raise ValueError(f"{len(data)} bytes where {layout.size} are expected")
        values = tuple([read(word) for read, word in zip(words, layout.unpack(data), strict=True)])
        return tuple([values[place] for place in places])

    return decode


def _word_reader(kind: str) -> Callable[[bytes], Any] | None:
    """What reads a value of a type that takes one word; ``None`` for other types."""
    if kind == "bytes32":
        return lambda word: word
    if kind == "bool":
        return lambda word: bool(_uint(word, 1))
    match = re.fullmatch(r"uint(\d+)", kind)
    if match is None:
        return None
    bits = int(match[1])
    return lambda word: _uint(word, bits)


def _uint(word: bytes, bits: int) -> int:
    value = int.from_bytes(word)
    if value >> bits:
        raise ValueError(f"a number has more than {bits} bits")
    return value


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function, event or error.

    Attributes:
        name: As in Solidity; may be empty.
        type: As the ABI encodes it, structs as tuples: ``(uint64,uint64,bytes32,bytes32)[]``.
        internal: As Solidity names it: ``enum Denial``, ``struct Terms``.
        indexed: Whether it is a topic of an event.
    """

    name: str
    type: str
    internal: str
    indexed: bool


@dataclass(frozen=True, slots=True)
class Item:
    """A function, event or error.

    Attributes:
        name: As in Solidity.
        inputs: Its parameters.
        outputs: What a function returns.
        hash: Keccak of its signature, 32 bytes: the topic of an event; the first four bytes are the selector.
        reads_only: Whether a function is ``view`` or ``pure``.
    """

    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    hash: bytes
    reads_only: bool

    @property
    def selector(self) -> bytes:
        """The four bytes that a call or an error begins with."""
        return self.hash[:4]

    @property
    def signature(self) -> str:
        """Name and types of the parameters, as it is hashed."""
        return f"{self.name}({','.join(self.input_types)})"

    @property
    def input_types(self) -> list[str]:
        """The ABI types of all parameters."""
        return [parameter.type for parameter in self.inputs]

    @property
    def output_types(self) -> list[str]:
        """The ABI types of what a function returns."""
        return [parameter.type for parameter in self.outputs]


@cache
def items(kind: Literal["function", "event", "error"]) -> Mapping[str, Item]:
    """All functions, events or errors of MedRec by name. The contract overloads none."""
    return {entry["name"]: _item(entry) for entry in load_artifact()["abi"] if entry["type"] == kind}


def _item(entry: Json) -> Item:
    inputs = tuple(map(_parameter, entry["inputs"]))
    signature = f"{entry['name']}({','.join(parameter.type for parameter in inputs)})"
    return Item(
        entry["name"],
        inputs,
        tuple(map(_parameter, entry.get("outputs", ()))),
        keccak(signature.encode()),
        entry.get("stateMutability") in {"view", "pure"},
    )


def _parameter(entry: Json) -> Parameter:
    return Parameter(entry["name"], _type(entry), entry.get("internalType", ""), entry.get("indexed", False))


def _type(entry: Json) -> str:
    kind: str = entry["type"]
    if not kind.startswith("tuple"):
        return kind
    members = ",".join(map(_type, entry["components"]))
    return f"({members}){kind.removeprefix('tuple')}"
