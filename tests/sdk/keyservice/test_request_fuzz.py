"""Requests and answers come from anybody: whatever the bytes, parsers return a value or raise an error of their own."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec_py.crypto.keys import DataKey, KemSeed, Place
from medrec_py.crypto.suites import FIRST_SUITE, by_number
from medrec_py.errors import KeyServiceError, KeyServiceUnavailable, RequestMalformed, RequestNotSigned
from medrec_py.keyservice import answer, faults
from medrec_py.keyservice.request import MAX_REQUEST, Request, UnverifiedRequest, What, encode, parse
from medrec_py.purposes import Purpose
from medrec_py.wallet import Wallet

SEED = KemSeed(bytes(32))
WALLET = Wallet.from_key(bytes(31) + b"\1")
PLACE = Place(1, bytes(20), bytes(19) + b"\2")
REQUEST = Request(
    what=What.DATA_KEY,
    place=PLACE,
    agent=bytes.fromhex(WALLET.address[2:]),
    principal=bytes(19) + b"\3",
    entry=7,
    pointer=bytes(32),
    purpose=Purpose.TREAT,
    suite=by_number(FIRST_SUITE),
    recipient=by_number(FIRST_SUITE).public_key(SEED),
    time=1_800_000_000,
    nonce=bytes(32),
)
RIGHT = encode(REQUEST, WALLET.sign_typed_data(REQUEST.typed_data()))
MEMBERS: dict[str, Any] = json.loads(RIGHT)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def tolerated(body: bytes) -> None:
    """Parse and verify, and let pass what may be raised."""
    try:
        unverified = parse(body)
    except RequestMalformed:
        return
    assert isinstance(unverified, UnverifiedRequest)
    with suppress(RequestNotSigned):
        assert unverified.verify() == REQUEST


def test_the_right_one_comes_back() -> None:
    """And is small: with the longest key of any suite there is room."""
    assert parse(RIGHT).verify() == REQUEST
    assert len(RIGHT) < MAX_REQUEST / 2


@given(st.binary(max_size=MAX_REQUEST + 10))
def test_any_bytes(body: bytes) -> None:
    """Not JSON, for the most part."""
    tolerated(body)


@given(anything)
def test_any_json(value: Any) -> None:
    """Of any form."""
    tolerated(json.dumps(value).encode())


@given(st.sampled_from(sorted(MEMBERS)), anything)
def test_any_member_with_any_value(member: str, value: Any) -> None:
    """Nothing but the value that was signed is taken, in whatever writing."""
    tolerated(json.dumps({**MEMBERS, member: value}).encode())


@given(st.integers(0, len(RIGHT) - 1), st.integers(1, 255))
def test_any_byte_changed(place: int, change: int) -> None:
    """It is no request, or not a signed one, or says the same in other capitals."""
    octets = bytearray(RIGHT)
    octets[place] ^= change
    tolerated(bytes(octets))


@given(st.integers(0, len(RIGHT)))
def test_any_end_cut_off(end: int) -> None:
    """Half a request is none."""
    if end < len(RIGHT):
        with pytest.raises(RequestMalformed):
            parse(RIGHT[:end])


@given(st.binary(max_size=300) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_answer(octets: bytes) -> None:
    """An answer or an error of a service that is none."""
    for reader in (answer.open_data_key, answer.open_names):
        with pytest.raises(KeyServiceUnavailable):
            reader(REQUEST, SEED, octets)
    assert isinstance(faults.decode(octets, REQUEST), KeyServiceError)


@given(st.binary(max_size=100))
def test_any_text_that_is_sealed_to_the_agent(text: bytes) -> None:
    """A service that seals rubbish is named as one."""
    sealed = json.loads(answer._seal(REQUEST, text))
    octets = json.dumps(sealed).encode()
    if len(text) != 32:
        with pytest.raises(KeyServiceUnavailable):
            answer.open_data_key(REQUEST, SEED, octets)
    with pytest.raises(KeyServiceUnavailable):
        answer.open_names(REQUEST, SEED, octets)


def test_answers_come_back() -> None:
    """Data keys and names, each for its own request."""
    data_key = DataKey.generate()
    assert answer.open_data_key(REQUEST, SEED, answer.seal_data_key(REQUEST, data_key)) == data_key
    names = {0: "general", 63: "psychiatry"}
    asked = replace(REQUEST, what=What.NAMES, entry=0)
    assert answer.open_names(asked, SEED, answer.seal_names(asked, names)) == names
    most = dict.fromkeys(range(64), "é" * 64)
    octets = answer.seal_names(asked, most)
    assert len(octets) < answer.MAX_ANSWER / 2
    assert answer.open_names(asked, SEED, octets) == most
    assert base64.b64encode(b"psychiatry") not in octets
