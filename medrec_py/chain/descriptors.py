"""Descriptors by which wallets show MedRec's messages and transactions in words (ERC-7730, version 2).

``common`` makes what is the same everywhere from the words, the EIP-712 types and the ABI; the package ships it beside
the ABI. A wallet applies a descriptor to the deployments alone that it names, so ``of_deployment`` makes the files that
include the common ones: all together are the folder of one entity in the registry of descriptors
(github.com/ethereum/clear-signing-erc7730-registry).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from medrec_py.chain import descriptor_words
from medrec_py.chain.descriptor_words import COMMON, PROOFS, Label, Words
from medrec_py.chain.types import to_address
from medrec_py.crypto.messages import STRUCTS
from medrec_py.crypto.typed_data import DOMAIN_NAME, DOMAIN_VERSION
from medrec_py.errors import InvalidInput

Json: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["eip712", "calldata"]
"""Of messages, and of transactions; the prefixes that the registry gives to files."""

KINDS: Final[tuple[Kind, ...]] = ("eip712", "calldata")
SCHEMA: Final = "https://eips.ethereum.org/assets/eip-7730/erc7730-v2.schema.json"

_ENUMS: Final[Mapping[str, Sequence[str]]] = {
    "purpose": descriptor_words.PURPOSES,
    "flags": descriptor_words.FLAGS,
    "kind": descriptor_words.KINDS,
}
_DATES: Final = frozenset({"notBefore", "expiry", "deadline", "time", "until"})
_SPAN: Final = "delay"
_AT_ONCE: Final = "notBefore"  # zero stands for no time
_UNTIL: Final = "; the signature counts until {deadline}"
_PLACEHOLDER: Final = re.compile(r"{(\w+)}")


def name_of(kind: Kind, *, common: bool) -> str:
    """What a file is called."""
    return f"{'common-' if common else ''}{kind}-MedRec.json"


def common(kind: Kind, abi: Sequence[Mapping[str, Any]]) -> Json:
    """What is the same for every deployment.

    Args:
        kind: Of messages or of transactions.
        abi: Of MedRec.

    Raises:
        InvalidInput: a message, a function or a member has no words.
    """
    formats = _messages() if kind == "eip712" else _functions(abi)
    used = json.dumps(formats)
    enums = {
        name: {str(number): text for number, text in enumerate(texts)}
        for name, texts in _ENUMS.items()
        if json.dumps(_enum(name)) in used
    }
    return {
        "$schema": SCHEMA,
        "metadata": {"owner": DOMAIN_NAME, "contractName": DOMAIN_NAME, "enums": enums},
        "display": {"formats": formats},
    }


def of_deployment(kind: Kind, chain_id: int, address: str) -> Json:
    """The file that binds the common one to a deployment.

    Args:
        kind: Of messages or of transactions.
        chain_id: EIP-155.
        address: Of the contract.

    Raises:
        InvalidInput: it is no address.
    """
    deployments = [{"chainId": chain_id, "address": to_address(address)}]
    bound: Json = {"deployments": deployments}
    if kind == "eip712":
        bound = {"domain": {"name": DOMAIN_NAME, "version": DOMAIN_VERSION}, **bound}
    return {
        "$schema": SCHEMA,
        "includes": name_of(kind, common=True),
        "context": {"$id": DOMAIN_NAME, "contract" if kind == "calldata" else "eip712": bound},
    }


def _messages() -> Json:
    formats = {}
    for struct in STRUCTS:
        found = _words_of(struct.name, descriptor_words.MESSAGES, "message")
        key = f"{struct.name}({','.join(f'{kind} {name}' for name, kind in struct.fields)})"
        formats[key] = _format(found, struct.name, [(name, name, kind) for name, kind in struct.fields])
    return formats


def _functions(abi: Sequence[Mapping[str, Any]]) -> Json:
    formats = {}
    for entry in abi:
        if entry["type"] != "function" or entry["stateMutability"] in {"view", "pure"}:
            continue
        found = _words_of(entry["name"], descriptor_words.FUNCTIONS, "function")
        key = f"{entry['name']}({','.join(map(_parameter, entry['inputs']))})"
        formats[key] = _format(found, entry["name"], list(_leaves(entry["inputs"])))
    return formats


def _words_of(name: str, there: Mapping[str, Words], what: str) -> Words:
    if name not in there:
        raise InvalidInput(f"the {what} {name} has no words in medrec_py/chain/descriptor_words.py")
    return there[name]


def _parameter(parameter: Mapping[str, Any]) -> str:
    """A parameter as keys of ERC-7730 write it: structs as tuples with the names of their members."""
    kind: str = parameter["type"]
    if kind.startswith("tuple"):
        kind = f"({','.join(map(_parameter, parameter['components']))}){kind.removeprefix('tuple')}"
    return f"{kind} {parameter['name']}"


def _leaves(parameters: Sequence[Mapping[str, Any]], within: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, name and type of everything that is no struct."""
    for parameter in parameters:
        path, kind = within + parameter["name"], parameter["type"]
        many = ".[]" if kind.endswith("[]") else ""
        if kind.startswith("tuple"):
            yield from _leaves(parameter["components"], f"{path}{many}.")
        else:
            yield path + many, parameter["name"], kind


def _format(found: Words, owner: str, members: Sequence[tuple[str, str, str]]) -> Json:
    """How one message or function is shown: each member, in the order of the words."""
    order = list(dict.fromkeys([*found.labels, *COMMON, *sorted(PROOFS)]))
    if unknown := [name for _, name, _ in members if name not in order]:
        raise InvalidInput(f"{owner} has no words for {', '.join(unknown)} in medrec_py/chain/descriptor_words.py")
    shown = sorted(members, key=lambda member: order.index(member[1]))
    described: Json = {"$id": owner, "intent": found.intent}
    if found.sentence:
        paths = {name: path for path, name, _ in members}
        sentence = found.sentence + (_UNTIL if "deadline" in paths else "")
        described["interpolatedIntent"] = _PLACEHOLDER.sub(lambda name: f"{{{paths[name[1]]}}}", sentence)
    return described | {"fields": [_field(found, *member) for member in shown]}


def _field(found: Words, path: str, name: str, kind: str) -> Json:
    if name in PROOFS:
        return {"path": path, "label": "Signature", "format": "raw", "visible": "never"}
    label: Label = found.labels.get(name) or COMMON[name]
    field: Json = {"path": path, "label": label.text, **_value(name, kind)}
    if name == _AT_ONCE:
        field["visible"] = {"ifNotIn": [0]}
    elif label.small:
        field["visible"] = "optional"
    return field


def _value(name: str, kind: str) -> Json:
    """The format of a value, and its parameters."""
    if kind.removesuffix("[]") == "address":
        return {"format": "addressName", "params": {"types": ["wallet", "eoa", "contract"]}}  # the tools want some
    if name in _DATES:
        return {"format": "date", "params": {"encoding": "timestamp"}}
    if name == _SPAN:
        return {"format": "duration"}
    if name in _ENUMS:
        return {"format": "enum", "params": {"$ref": _enum(name)}}
    if kind.startswith("bytes") and kind.endswith("[]"):  # calls of this very contract
        return {"format": "calldata", "params": {"calleePath": "@.to"}}
    return {"format": "raw"}


def _enum(name: str) -> str:
    return f"$.metadata.enums.{name}"
