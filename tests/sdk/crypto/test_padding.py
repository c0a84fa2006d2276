"""Padding of documents and of sizes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec_py.crypto import padding
from medrec_py.crypto.blocks import MAX_BLOCK
from medrec_py.errors import FormatError, InvalidInput


@given(st.integers(2, 1 << 62))
def test_padme_is_that_of_the_paper(length: int) -> None:
    """E = ⌊log2 L⌋, S = ⌊log2 E⌋ + 1, and the last E − S bits of the length are zero."""
    exponent = length.bit_length() - 1
    zero_bits = exponent - (int(math.log2(exponent)) + 1)
    padded = padding.padme(length)
    assert padded % (1 << zero_bits) == 0
    assert 0 <= padded - length < 1 << zero_bits
    assert padding.padme(padded) == padded


@given(st.integers(0, 1 << 40))
def test_padding_costs_at_most_twelve_per_cent(length: int) -> None:
    """The overhead of Padmé is bounded."""
    assert padding.padme(length) <= length * 1.12 or length < 10


@given(st.binary(max_size=2000))
def test_a_document_survives(document: bytes) -> None:
    """Taking the padding off gives the document, and its size shows only the padded one."""
    padded = padding.pad(document)
    assert padding.unpad(padded) == document
    assert len(padded) == max(512, padding.padme(len(document) + 4))


def test_short_documents_look_alike() -> None:
    """Everything up to 508 bytes has one size."""
    assert {len(padding.pad(bytes(n))) for n in range(509)} == {512}
    assert len(padding.pad(bytes(509))) > 512


@pytest.mark.parametrize("position", [-1, 4 + 5])
def test_padding_must_be_zero(position: int) -> None:
    """Nothing can be hidden in the padding."""
    padded = bytearray(padding.pad(b"hello"))
    padded[position] = 1
    with pytest.raises(FormatError):
        padding.unpad(bytes(padded))


@pytest.mark.parametrize(
    "padded",
    [
        b"",
        bytes(3),
        bytes(511),
        bytes(513),
        bytes(528),
        (600).to_bytes(4) + bytes(508),
        (2**32 - 1).to_bytes(4) + bytes(508),
        (5).to_bytes(4) + bytes(1020),
        (MAX_BLOCK + 5).to_bytes(4).ljust(padding.padded_document_size(MAX_BLOCK + 5), b"\0"),
    ],
)
def test_other_sizes_than_the_one_are_refused(padded: bytes) -> None:
    """A length that lies, a size that the length does not ask for, and anything larger than a block."""
    with pytest.raises(FormatError):
        padding.unpad(padded)


def test_a_document_larger_than_a_block_is_refused() -> None:
    """Nothing is padded that could not be stored."""
    with pytest.raises(InvalidInput):
        padding.pad(bytes(MAX_BLOCK))
