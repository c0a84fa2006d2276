"""Reverts: no error of the ABI and no reason of the predicate is unmapped; each says what happened and what to do."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import pytest
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec_py.chain import abi, reverts
from medrec_py.chain.events import EntryRefused
from medrec_py.chain.reverts import DENIALS, ERRORS, Panicked, RevertedWithMessage, UnknownRevert, decode_revert
from medrec_py.chain.types import Action, Denial, to_address
from medrec_py.errors import ChainError, ContractError, NotPermitted

from .conftest import TREAT, World, some_entry
from .test_events import values_of

ALICE, DOCTOR, HOSPITAL = (to_address("0x" + digits * 20) for digits in ("a1", "d0", "b0"))
ITEMS = abi.items("error")


def encoded(name: str, *arguments: Any) -> bytes:
    """An error as the contract reverts with it."""
    item = ITEMS[name]
    return item.selector + encode(item.input_types, arguments)


def test_no_error_of_the_abi_is_unmapped() -> None:
    """Every Solidity error has one class of its name, NotPermitted one for each reason."""
    assert {*ERRORS, "NotPermitted"} == set(ITEMS)
    for name, error in ERRORS.items():
        assert error.__name__ == error.solidity == name
        assert getattr(reverts, name) is error
        assert issubclass(error, ContractError)


def test_no_reason_of_the_predicate_is_unmapped() -> None:
    """Every member of Denial but None has a subclass of NotPermitted."""
    assert set(DENIALS) == set(Denial) - {Denial.NONE}
    for denial, error in DENIALS.items():
        assert issubclass(error, NotPermitted)
        assert error.denial is denial
        assert error.solidity == "NotPermitted"
        assert getattr(reverts, error.__name__) is error


def test_every_error_says_what_to_do() -> None:
    """Each class has a docstring and a remedy that is a sentence of its own or a fitting one of its base."""
    for error in (*ERRORS.values(), *DENIALS.values(), RevertedWithMessage, Panicked, UnknownRevert):
        assert error.__doc__
        assert re.match(r"[A-Z].*\.$", error.remedy)


@settings(deadline=None)
@given(st.data())
def test_errors_carry_the_values_of_the_contract(data: st.DataObject) -> None:
    """Any error with any arguments becomes its class, with the arguments by their names, and a message without gaps."""
    name = data.draw(st.sampled_from(sorted(ERRORS)))
    item = ITEMS[name]
    arguments = [
        data.draw(values_of(parameter.type) if parameter.type != "string" else st.text()) for parameter in item.inputs
    ]
    error = decode_revert(encoded(name, *arguments))
    assert type(error) is ERRORS[name]
    assert error.values == dict(zip((p.name for p in item.inputs), arguments, strict=True))
    assert str(error)
    if name != "StringTooLong":
        assert not re.search(r"[{}]", str(error))


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("denial", DENIALS)
def test_a_denial_becomes_its_class(denial: Denial, action: Action) -> None:
    """NotPermitted becomes the class of its reason, names the people concerned, and keeps all values as types."""
    error = decode_revert(encoded("NotPermitted", ALICE, DOCTOR, HOSPITAL, action, denial))
    assert type(error) is DENIALS[denial]
    assert error.values == {
        "patient": ALICE,
        "actor": DOCTOR,
        "principal": HOSPITAL,
        "action": action,
        "denial": denial,
    }
    assert isinstance(error.values["denial"], Denial)
    assert any(address in str(error) for address in (ALICE, DOCTOR, HOSPITAL))


def test_messages_are_for_people() -> None:
    """Times are written as times, and the act that was refused in words."""
    assert "2027-03-01 00:00:00 UTC" in str(decode_revert(encoded("ExpiryPassed", 1803859200)))
    assert "second 1099511627775" in str(decode_revert(encoded("ExpiryPassed", 2**40 - 1)))
    assert "second 67768036191676800" in str(decode_revert(encoded("DeadlinePassed", 67_768_036_191_676_800)))
    assert "entry 7" in str(decode_revert(encoded("ReplacedUnknown", ALICE, (7 << 32) + 1, 3)))
    revoked = decode_revert(encoded("NotPermitted", ALICE, DOCTOR, HOSPITAL, Action.APPEND, Denial.REVOKED))
    assert "may not append to the record" in str(revoked)


def test_a_reason_from_a_later_contract_is_still_a_refusal() -> None:
    """A denial that this version does not know is shown as it came, not hidden behind another error."""
    data = encoded("NotPermitted", ALICE, DOCTOR, HOSPITAL, Action.APPEND, 99)
    assert isinstance(decode_revert(data), UnknownRevert)


def test_texts_panics_and_silence() -> None:
    """Error(string), Panic(uint256), no data and foreign data each have a class."""
    text = decode_revert(bytes.fromhex("08c379a0") + encode(["string"], ["out of order"]))
    assert isinstance(text, RevertedWithMessage)
    assert "out of order" in str(text)
    panic = decode_revert(bytes.fromhex("4e487b71") + encode(["uint256"], [0x11]))
    assert isinstance(panic, Panicked)
    assert panic.values == {"code": 0x11}
    assert "0x11" in str(panic)
    for data in (b"", b"\x01\x02\x03", b"\xde\xad\xbe\xef" + bytes(64)):
        unknown = decode_revert(data)
        assert type(unknown) is UnknownRevert
        assert unknown.values == {"data": data}


@settings(deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.sampled_from(sorted(ITEMS)).flatmap(lambda n: st.binary(max_size=200).map(lambda b: ITEMS[n].selector + b)),
    )
)
def test_decoding_never_raises(data: bytes) -> None:
    """Whatever a node gives as revert data becomes a ContractError."""
    assert isinstance(decode_revert(data), ContractError)


def test_errors_can_be_copied_and_pickled() -> None:
    """An error crosses a process boundary with its values, as it does in a pool of workers."""
    error = decode_revert(encoded("StaleKeyring", ALICE, 5, 4))
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert (type(twin), str(twin), twin.values) == (type(error), str(error), error.values)


def test_a_revert_is_caught_as_what_it_is(world: World) -> None:
    """The contract's own revert arrives as the class of its reason, under each of its bases."""
    world.register()
    world.accredit()
    for base in (reverts.PermissionMissing, NotPermitted, ContractError, ChainError):
        with pytest.raises(base) as caught:
            world.contract.send(world.hospital, world.append())
        assert type(caught.value) is reverts.PermissionMissing
        assert caught.value.values["principal"] == world.hospital.address


def test_the_reason_of_a_skipped_entry_is_decoded(world: World) -> None:
    """`EntryRefused.reason` becomes the exception that the entry would have reverted with."""
    world.prepare()
    contract = world.contract
    entries = [some_entry(), some_entry(compartments=0), some_entry(compartments=4), some_entry(replaces=9 << 32)]
    call = contract.append_many(world.alice.address, world.hospital.address, 0, TREAT, entries, skip_refused=True)
    refused = list(contract.send(world.hospital, call).every(EntryRefused))
    assert [one.item for one in refused] == [1, 2, 3]
    assert [type(decode_revert(one.reason)) for one in refused] == [
        reverts.CompartmentsEmpty,
        reverts.CompartmentNotGranted,
        reverts.ReplacedUnknown,
    ]


def test_a_permission_that_begins_at_once_is_not_said_to_begin_in_1970() -> None:
    """Zero is no moment: it stands for the grant itself."""
    item = abi.items("error")["WindowInvalid"]
    for not_before, words in ((0, "begins at once"), (1_800_000_000, "begins at 2027-01-15 08:00:00 UTC")):
        data = item.selector + abi.codec.encode(item.input_types, [not_before, 1_600_000_000])
        assert words in str(decode_revert(data))
        assert "1970" not in str(decode_revert(data))
