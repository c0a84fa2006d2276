"""Descriptors for wallets (ERC-7730): everything that is signed has words, in the form that wallets read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft201909Validator

import medrec_py as medrec
from medrec_py.chain import abi, descriptor_words, descriptors
from medrec_py.chain.artifacts import load_artifact, load_descriptor
from medrec_py.chain.types import ProviderKind
from medrec_py.crypto.messages import STRUCTS
from medrec_py.crypto.typed_data import keccak
from medrec_py.errors import InvalidInput
from scripts.export_artifacts import render_descriptors
from tests.support.documents import ROOT

ABI = load_artifact()["abi"]
SCHEMA = json.loads((ROOT / "tests" / "data" / "erc7730" / "erc7730-v2.schema.json").read_text())
ADDRESS = "0x" + "ab" * 20
INTEGERS = {"date", "duration", "enum", "raw"}


def formats(kind: descriptors.Kind) -> dict[str, Any]:
    """How messages or functions are shown."""
    found: dict[str, Any] = descriptors.common(kind, ABI)["display"]["formats"]
    return found


def every_format() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in descriptors.KINDS:
        yield from formats(kind).items()


def members(text: str) -> Iterator[tuple[str, str]]:
    """Path and type of everything in the parentheses of a key, as a wallet reads it."""
    for part in re.findall(r"((?:\((?:[^()]|\([^()]*\))*\))?[^,()]*)(?:,|$)", text):
        kind, _, name = part.rpartition(" ")
        many = ".[]" if kind.endswith("[]") else ""
        if kind.startswith("("):
            inner = kind[1 : kind.rindex(")")]
            yield from ((f"{name}{many}.{path}", one) for path, one in members(inner))
        elif name:
            yield name + many, kind


def merged(kind: descriptors.Kind) -> dict[str, Any]:
    """A deployment's descriptor with what it includes, as wallets merge them."""
    bound = descriptors.of_deployment(kind, 1, ADDRESS)
    assert bound.pop("includes") == descriptors.name_of(kind, common=True)
    return {**descriptors.common(kind, ABI), **bound}


def test_every_message_and_function_has_words() -> None:
    """What is missing is named, and so are words of what is no longer there."""
    assert set(descriptor_words.MESSAGES) == {struct.name for struct in STRUCTS}
    changing = {name for name, item in abi.items("function").items() if not item.reads_only}
    assert set(descriptor_words.FUNCTIONS) == changing


def test_a_message_or_member_without_words_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is exported without it."""
    without = {name: words for name, words in descriptor_words.MESSAGES.items() if name != "Revoke"}
    monkeypatch.setattr(descriptor_words, "MESSAGES", without)
    with pytest.raises(InvalidInput, match="the message Revoke has no words"):
        descriptors.common("eip712", ABI)
    bare = descriptor_words.Words("End access", {})
    monkeypatch.setattr(descriptor_words, "MESSAGES", {**without, "Revoke": bare})
    with pytest.raises(InvalidInput, match="Revoke has no words for grantee, version, compartments, keyring"):
        descriptors.common("eip712", ABI)


@pytest.mark.parametrize("one", list(every_format()), ids=lambda one: one[1]["$id"])
def test_every_member_is_shown_or_left_out_on_purpose(one: tuple[str, dict[str, Any]]) -> None:
    """Each member has a field of a format that its type can have; none but proofs is hidden."""
    key, described = one
    kinds = dict(members(key[key.index("(") + 1 : -1]))
    assert sorted(field["path"] for field in described["fields"]) == sorted(kinds)
    for field in described["fields"]:
        kind, path = kinds[field["path"]], field["path"]
        if field.get("visible") == "never":
            assert path.removesuffix(".[]") in descriptor_words.PROOFS
        if kind.startswith("uint"):
            assert field["format"] in INTEGERS
        else:
            calls = "calldata" if kind == "bytes[]" and field.get("visible") != "never" else "raw"
            assert field["format"] == ("addressName" if kind.startswith("address") else calls)


@pytest.mark.parametrize("one", list(every_format()), ids=lambda one: one[1]["$id"])
def test_a_sentence_leaves_nothing_out(one: tuple[str, dict[str, Any]]) -> None:
    """A wallet may show it in place of the members, so it names all that have to be shown."""
    _, described = one
    if "interpolatedIntent" in described:
        named = set(re.findall(r"{([^}]+)}", described["interpolatedIntent"]))
        assert named == {field["path"] for field in described["fields"] if "visible" not in field}


def test_what_widens_a_permission_is_always_shown() -> None:
    """No wallet may leave out to whom, what, why, until when, and whether the grantee may decide."""
    (grant,) = [one for key, one in formats("eip712").items() if key.startswith("Grant(")]
    shown = {field["path"] for field in grant["fields"] if "visible" not in field}
    assert {"patient", "grantee", "read", "append", "purposes", "expiry", "flags", "deadline"} <= shown


def test_keys_are_those_that_wallets_look_up() -> None:
    """The type hash of each message, and the selector of each function, come from the key alone."""
    hashes = {keccak(key.encode()) for key in formats("eip712")}
    expected = {
        keccak(f"{struct.name}({','.join(f'{kind} {name}' for name, kind in struct.fields)})".encode())
        for struct in STRUCTS
    }
    assert hashes == expected
    selectors = {_selector(key) for key in formats("calldata")}
    assert selectors == {item.selector for item in abi.items("function").values() if not item.reads_only}


def _selector(key: str) -> bytes:
    bare = re.sub(r" \w+(?=[,)])", "", key)
    return keccak(bare.encode())[:4]


@pytest.mark.parametrize("kind", descriptors.KINDS)
def test_a_deployments_descriptor_is_valid(kind: descriptors.Kind) -> None:
    """By the schema of the ERC; a member that it does not know is found."""
    validator = Draft201909Validator(SCHEMA)
    assert list(validator.iter_errors(merged(kind))) == []
    assert list(validator.iter_errors(descriptors.of_deployment(kind, 1, ADDRESS))) == []
    stray = merged(kind)
    for described in stray["display"]["formats"].values():
        for field in described["fields"]:
            field["hint"] = "no member of a field"
    assert list(validator.iter_errors(stray))


def test_it_is_bound_to_one_contract() -> None:
    """Chain, address and, of messages, the domain that MedRec signs under."""
    deployment = {"chainId": 1, "address": medrec.chain.types.to_address(ADDRESS)}
    assert merged("calldata")["context"]["contract"] == {"deployments": [deployment]}
    bound = merged("eip712")["context"]["eip712"]
    assert bound == {"domain": {"name": "MedRec", "version": "1"}, "deployments": [deployment]}
    with pytest.raises(InvalidInput):
        descriptors.of_deployment("eip712", 1, "0x12")


def test_enumerations_are_whole() -> None:
    """Every purpose, every value of the flags that the contract takes, every kind of provider."""
    enums = {**merged("eip712")["metadata"]["enums"], **merged("calldata")["metadata"]["enums"]}
    assert set(enums["purpose"]) == {str(purpose.value) for purpose in medrec.Purpose}
    assert set(enums["kind"]) == {str(kind.value) for kind in ProviderKind}
    assert set(enums["flags"]) == {"0", "1", "2", "3"}
    assert all(("MANAGE" in text) == (int(flags) >> 1 & 1 == 1) for flags, text in enums["flags"].items())
    assert all(("HISTORY" in text) == (int(flags) & 1 == 1) for flags, text in enums["flags"].items())


def test_what_is_shipped_is_made_from_words_types_and_abi() -> None:
    """`python -m scripts.export_artifacts` writes it."""
    for name, text in render_descriptors(ABI).items():
        assert load_descriptor(name) == text
