"""The contract's enums and structs in Python, held against the Solidity source and its vectors."""

from __future__ import annotations

import json
import re
from enum import IntEnum

import pytest
from eth_utils import to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec_py.chain.types import (
    Action,
    Denial,
    HistoryState,
    Kind,
    ProviderKind,
    address_bytes,
    address_of,
    to_address,
)
from medrec_py.errors import InvalidInput
from scripts.toolchain import ROOT

SOURCE = (ROOT / "contracts" / "interfaces" / "IMedRec.sol").read_text(encoding="utf-8")
ALICE = "0xed94cFEB96dAeEfE088b3651b0289337600e302f"


@pytest.mark.parametrize("enum", [Kind, ProviderKind, Action, Denial], ids=lambda enum: enum.__name__)
def test_enums_are_those_of_the_interface(enum: type[IntEnum]) -> None:
    """Names and numbers are those of IMedRec.sol, in its order: one added there and not here fails."""
    body = re.search(rf"enum {enum.__name__} \{{(.*?)\}}", SOURCE, re.DOTALL)
    assert body is not None
    code = re.sub(r"//.*", "", body[1])
    names = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper() for name in re.findall(r"\w+", code)]
    assert {member.name: member.value for member in enum} == {name: number for number, name in enumerate(names)}


def test_word_of_a_history_is_that_of_the_head_vectors() -> None:
    """A history's state and its word give each other, for every word of tests/vectors/head.json."""
    vectors = json.loads((ROOT / "tests" / "vectors" / "head.json").read_text(encoding="utf-8"))
    entries = [entry for history in vectors["histories"] for entry in history["entries"]]
    assert entries
    for entry in entries:
        word = bytes.fromhex(entry["word"][2:])
        state = HistoryState.from_word(word)
        assert "0x" + state.head.hex() == entry["head"]
        assert (state.length, state.keyring_version) == (entry["length"], entry["keyringVersion"])
        assert state.to_word() == word


def test_word_has_32_bytes() -> None:
    """A shorter or longer word is refused."""
    with pytest.raises(InvalidInput):
        HistoryState.from_word(bytes(31))


@settings(deadline=None)
@given(st.binary(min_size=20, max_size=20))
def test_addresses_are_written_as_in_eip_55(octets: bytes) -> None:
    """The capitals are those that another implementation gives, from each usual writing."""
    address = to_checksum_address(octets)
    assert address_of(octets) == to_address(octets) == to_address(address) == address
    assert to_address(address.lower()) == to_address("0x" + address[2:].upper()) == address
    assert address_bytes(address) == octets


@pytest.mark.parametrize(
    "value",
    [
        ALICE[:-1],
        ALICE + "0",
        ALICE[2:],
        "0x" + "g" * 40,
        "0x" + "ab " * 13 + "a",
        ALICE.replace("cFEB", "cfEB"),
        "alice.eth",
        "",
        bytes(19),
    ],
)
def test_what_is_no_address_is_refused(value: str | bytes) -> None:
    """A wrong length, a foreign character, a name, and capitals that do not fit are refused."""
    with pytest.raises(InvalidInput):
        to_address(value)
