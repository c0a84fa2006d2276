"""Deterministic CBOR: what is read, and all that is refused."""

from __future__ import annotations

import tracemalloc
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec_py.crypto import cbor
from medrec_py.errors import FormatError

keys = st.one_of(st.integers(0, 1 << 40), st.text(max_size=30))
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(1 << 64), (1 << 64) - 1), st.binary(max_size=40), st.text(max_size=40)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)


@given(values)
def test_what_is_encoded_is_read_again(value: Any) -> None:
    """Decoding gives what was encoded, up to the depth that is allowed."""
    assert cbor.decode(cbor.encode(value)) == value


@given(st.dictionaries(keys, st.integers(0, 5), min_size=2, max_size=6))
def test_the_order_of_a_map_does_not_matter(value: dict[Any, int]) -> None:
    """Two maps that mean the same have the same encoding, ordered by the bytes of their keys (RFC 8949 §4.2.1)."""
    encoded = cbor.encode(value)
    assert cbor.encode(dict(reversed(value.items()))) == encoded
    order = [cbor2.dumps(key) for key in cbor2.loads(encoded)]
    assert order == sorted(order)


def test_integer_keys_come_before_shorter_text_keys() -> None:
    """The order is that of RFC 8949, bytewise, not RFC 7049's, by length first."""
    assert cbor.encode({"": 0, 256: 1}).hex() == "a2" + "190100" + "01" + "60" + "00"


@pytest.mark.parametrize(
    ("encoding", "why"),
    [
        ("", "nothing"),
        ("1800", "an integer that is not the shortest"),
        ("190017", "an integer that is not the shortest"),
        ("5801ff", "a length that is not the shortest"),
        ("0000", "bytes behind the value"),
        ("9f00ff", "an array of indefinite length"),
        ("bf616100ff", "a map of indefinite length"),
        ("5f4100ff", "bytes of indefinite length"),
        ("7f6161ff", "text of indefinite length"),
        ("ff", "a break outside"),
        ("c24101", "a tag: bignum"),
        ("c11a00000000", "a tag: time"),
        ("d81c80", "a tag: shared reference"),
        ("f90000", "a float of 16 bits"),
        ("fa00000000", "a float of 32 bits"),
        ("fb0000000000000000", "a float of 64 bits"),
        ("f7", "undefined"),
        ("f0", "a simple value without meaning"),
        ("f818", "a malformed simple value"),
        ("1c", "a reserved head"),
        ("a2616200616100", "keys out of order"),
        ("a2616100616101", "a key given twice"),
        ("a1810000", "an array as a key"),
        ("a1a000", "a map as a key"),
        ("a1f500", "a truth value as a key"),
        ("61ff", "text that is not UTF-8"),
        ("4201", "bytes that are cut off"),
        ("820", "a head that is cut off"),
        ("19", "an argument that is cut off"),
        ("8200", "an array that is cut off"),
        ("a100", "a map that is cut off"),
    ],
)
def test_whatever_is_not_deterministic_is_refused(encoding: str, why: str) -> None:
    """One meaning has one encoding; all others, and all that is no CBOR, raise FormatError."""
    with pytest.raises(FormatError):
        cbor.decode(bytes.fromhex(encoding.ljust(len(encoding) + len(encoding) % 2, "0")))


@pytest.mark.parametrize("head", ["5b", "7b", "9b", "bb", "5a", "7a", "9a", "ba"])
@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1])
def test_a_declared_length_costs_nothing(head: str, length: int) -> None:
    """A few bytes that announce gigabytes are refused without allocating them."""
    size = 8 if head[1] == "b" else 4
    data = bytes.fromhex(head) + (length % (1 << 8 * size)).to_bytes(size)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            cbor.decode(data)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_nesting_is_limited() -> None:
    """A block of opening brackets is refused, not followed down."""
    deepest: Any = 0
    for _ in range(cbor.MAX_DEPTH):
        deepest = [deepest]
    assert cbor.decode(cbor.encode(deepest)) == deepest
    for bomb in (cbor2.dumps([deepest]), b"\x81" * 1_000_000 + b"\0", b"\xa1\0" * 400_000 + b"\0"):
        with pytest.raises(FormatError):
            cbor.decode(bomb)


def test_more_than_a_block_is_refused() -> None:
    """A document is no larger than a block."""
    with pytest.raises(FormatError):
        cbor.decode(cbor2.dumps(bytes(cbor.MAX_SIZE)))


@pytest.mark.parametrize("value", [1.5, {1, 2}, 1 << 64, -(1 << 64) - 1, {(1, 2): 3}, {True: 1}, object(), "\ud800"])
def test_only_the_types_of_the_formats_are_encoded(value: Any) -> None:
    """Floats, tags, sets, big integers and broken text cannot get into a document."""
    with pytest.raises(FormatError):
        cbor.encode(value)


class TestFields:
    """Reading a map that must have exactly some keys."""

    @pytest.mark.parametrize("value", [{}, {"a": 1}, {"a": 1, "b": 2, "c": 3}, [], 1, None, {"a": 1, 5: 2}])
    def test_keys_are_exact(self, value: Any) -> None:
        """A missing key, an unknown key or something that is no map is refused."""
        with pytest.raises(FormatError):
            cbor.Fields(value, "it", ("a", "b"))

    def test_optional_keys_may_be_there(self) -> None:
        """What is optional may be left out."""
        assert "b" not in cbor.Fields({"a": 1}, "it", ("a",), optional=("b",))
        assert cbor.Fields({"a": 1, "b": 2}, "it", ("a",), optional=("b",)).uint("b") == 2

    def test_values_have_the_type_that_is_asked_for(self) -> None:
        """Nothing is converted, and truth values are no integers."""
        fields = cbor.Fields(
            {"n": 5, "b": b"xy", "t": "z", "a": [1], "yes": True, "minus": -1},
            "it",
            ("n", "b", "t", "a", "yes", "minus"),
        )
        assert (fields.uint("n"), fields.octets("b", 2), fields.text("t"), fields.array("a", 1)) == (5, b"xy", "z", [1])
        for read in (
            lambda: fields.uint("b"),
            lambda: fields.uint("yes"),
            lambda: fields.uint("minus"),
            lambda: fields.uint("n", 4),
            lambda: fields.octets("t"),
            lambda: fields.octets("b", 3),
            lambda: fields.text("b"),
            lambda: fields.array("n"),
            lambda: fields.array("a", 2),
        ):
            with pytest.raises(FormatError):
                read()
