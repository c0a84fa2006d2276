"""The contract's interface as the artifact states it: selectors, topics and types, never copied by hand."""

from __future__ import annotations

from collections.abc import Mapping
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
