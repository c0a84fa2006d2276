"""Profiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from medrec_py.crypto import profile
from medrec_py.crypto.keys import KemSeed
from medrec_py.errors import FormatError, IntegrityError, InvalidInput, MedRecError, UnknownSuite

from .people import CLINIC, DOCTOR, NOW, OTHER_PLACES, PLACE, STRANGER, SUITE, altered, some

PUBLIC_KEY = SUITE.public_key(KemSeed(some("profile key")))
TERMS: dict[str, Any] = {
    "deployment": PLACE,
    "account": CLINIC.address,
    "number": 0,
    "public_key": PUBLIC_KEY,
    "name": "Klinik am Görlitzer Park",
    "endpoints": ["https://clinic.example/fhir"],
    "time": NOW,
    "suite": SUITE,
}
BLOCK = profile.build(CLINIC.sign_typed_data, **TERMS)


def test_a_profile_says_what_its_account_signed() -> None:
    """Key, number, name, endpoints and time."""
    content = profile.parse(BLOCK).verify(PLACE, CLINIC.address)
    assert (content.public_key, content.number, content.suite) == (PUBLIC_KEY, 0, SUITE)
    assert (content.name, content.endpoints, content.time) == (TERMS["name"], tuple(TERMS["endpoints"]), NOW)


def test_a_name_may_be_left_out() -> None:
    """A relative need not say who it is."""
    block = profile.build(DOCTOR.sign_typed_data, PLACE, DOCTOR.address, 3, PUBLIC_KEY, time=NOW, suite=SUITE)
    content = profile.parse(block).verify(PLACE, DOCTOR.address)
    assert (content.name, content.endpoints, content.number) == ("", (), 3)


def test_an_unverified_profile_gives_no_key() -> None:
    """Nothing can be sealed to a key before its signature was checked."""
    assert not hasattr(profile.parse(BLOCK), "public_key")


def test_a_profile_belongs_to_its_account() -> None:
    """Another account cannot use it, not even with its own address written in."""
    with pytest.raises(IntegrityError):
        profile.parse(BLOCK).verify(PLACE, STRANGER.address)
    relabelled = altered(BLOCK, lambda fields: fields.update(account=STRANGER.address))
    with pytest.raises(IntegrityError):
        profile.parse(relabelled).verify(PLACE, STRANGER.address)


def test_nobody_speaks_for_another_account() -> None:
    """A profile that names another account than the one that signed and published it is refused."""
    content = profile.parse(BLOCK).verify(PLACE, CLINIC.address)
    forged = STRANGER.sign_typed_data(content.typed_data(PLACE))
    block = altered(BLOCK, lambda fields: fields.update(signature=forged))
    for account in (CLINIC.address, STRANGER.address):
        with pytest.raises(IntegrityError):
            profile.parse(block).verify(PLACE, account)


@pytest.mark.parametrize("place", ["chain", "contract"])
def test_a_profile_belongs_to_one_deployment(place: str) -> None:
    """The signature is in the contract's domain."""
    with pytest.raises(IntegrityError):
        profile.parse(BLOCK).verify(OTHER_PLACES[place], CLINIC.address)


@pytest.mark.parametrize(
    "change",
    [
        {"key": SUITE.public_key(KemSeed(some("mine")))},
        {"name": "Somebody else"},
        {"endpoints": []},
        {"time": NOW + 1},
        {"number": 1},
        {"signature": bytes(65)},
        {"signature": b"x"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_is_signed(change: dict[str, Any]) -> None:
    """Whoever serves the profile cannot put in another key, name or endpoint."""
    with pytest.raises(IntegrityError):
        profile.parse(altered(BLOCK, lambda fields: fields.update(change))).verify(PLACE, CLINIC.address)


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda fields: fields.update(v=2), FormatError),
        (lambda fields: fields.update(suite=9), UnknownSuite),
        (lambda fields: fields.update(account=bytes(21)), FormatError),
        (lambda fields: fields.update(key=PUBLIC_KEY[:1184] + bytes(32)), FormatError),
        (lambda fields: fields.update(key=b"\xff" * 1216), FormatError),
        (lambda fields: fields.update(key=b""), FormatError),
        (lambda fields: fields.update(endpoints=[1]), FormatError),
        (lambda fields: fields.update(name=b"x"), FormatError),
        (lambda fields: fields.update(signature=b""), FormatError),
        (lambda fields: fields.update(signature=bytes(5000)), FormatError),
        (lambda fields: fields.update(more=1), FormatError),
        (lambda fields: fields.pop("time"), FormatError),
    ],
)
def test_other_forms_are_refused(edit: Callable[[dict[str, Any]], Any], error: type[MedRecError]) -> None:
    """Keys, types and sizes are those of the format, and the key is one that can be sealed to."""
    with pytest.raises(error):
        profile.parse(altered(BLOCK, edit))


def test_an_account_with_code_can_have_a_profile() -> None:
    """ERC-1271."""

    def vouch(account: bytes, _digest: bytes, signature: bytes) -> bool:
        return (account, signature) == (CLINIC.address, b"two of three")

    block = profile.build(lambda _: b"two of three", **TERMS, check_contract=vouch)
    assert profile.parse(block).verify(PLACE, CLINIC.address, vouch).account == CLINIC.address
    with pytest.raises(IntegrityError):
        profile.parse(block).verify(PLACE, CLINIC.address)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"public_key": PUBLIC_KEY[:1184] + bytes(32)}, FormatError),
        ({"account": b""}, InvalidInput),
        ({"account": DOCTOR.address}, InvalidInput),
        ({"number": -1}, InvalidInput),
        ({"time": -1}, InvalidInput),
        ({"name": "\ud800"}, FormatError),
    ],
)
def test_no_profile_is_made_of_bad_values(change: dict[str, Any], error: type[MedRecError]) -> None:
    """An account's client finds its own mistakes, and a wallet that is not the account's."""
    with pytest.raises(error):
        profile.build(CLINIC.sign_typed_data, **TERMS | change)
