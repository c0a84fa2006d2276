"""Padding, so that sizes tell little (docs/format.md §1).

Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PoPETs
2019) rounds a length so that it leaks O(log log L) bits at a cost of at most 12 %.
"""

from __future__ import annotations

from medrec_py.crypto.blocks import MAX_BLOCK
from medrec_py.errors import FormatError, InvalidInput

MIN_DOCUMENT = 512
_LENGTH_SIZE = 4


def padme(length: int) -> int:
    """The length to pad ``length`` bytes to, at least ``length``."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-length // step) * step


def padded_document_size(length: int) -> int:
    """Size in bytes of a document of ``length`` bytes after ``pad``."""
    return max(MIN_DOCUMENT, padme(length + _LENGTH_SIZE))


def pad(document: bytes) -> bytes:
    """``length (4 bytes) ‖ document ‖ zeros``.

    Raises:
        InvalidInput: the padded document would be larger than a block.
    """
    size = padded_document_size(len(document))
    if size > MAX_BLOCK:
        raise InvalidInput(f"a document of {len(document)} bytes does not fit into a block")
    return (len(document).to_bytes(_LENGTH_SIZE) + document).ljust(size, b"\0")


def unpad(padded: bytes) -> bytes:
    """The document that ``pad`` padded.

    Raises:
        FormatError: the length does not fit, the padding has another size than it must have, or is not zero.
    """
    if len(padded) > MAX_BLOCK:
        raise FormatError("a padded document is larger than a block")
    end = _LENGTH_SIZE + int.from_bytes(padded[:_LENGTH_SIZE])
    if padded_document_size(end - _LENGTH_SIZE) != len(padded):
        raise FormatError("a padded document has another size than its length asks for")
    if padded[end:] != bytes(len(padded) - end):
        raise FormatError("the padding of a document is not zero")
    return padded[_LENGTH_SIZE:end]
