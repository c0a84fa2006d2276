"""Letters: documents that a relayer keeps for somebody, sealed to one key of theirs (docs/format.md §15).

In the clear a letter says which key of which deployment opens it, and nothing else. Its size tells next to nothing:
documents are padded to a multiple of 4 KiB, which most of them stay below.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Final

from medrec_py.crypto import cbor
from medrec_py.crypto.keys import ADDRESS_SIZE, Deployment, check_uint, context
from medrec_py.crypto.suites import PrivateKey, Sealed, Suite, by_number
from medrec_py.errors import FormatError, InvalidInput

VERSION: Final = 1
STEP: Final = 4096
"""Padded documents are as long as a multiple of this, in bytes."""
MAX_PADDED: Final = 3 * STEP
MAX_LETTER: Final = 16 * 1024
"""Size of the longest letter in bytes."""

_LENGTH_SIZE: Final = 4
_KEYS: Final = ("v", "suite", "chain", "contract", "number", "enc", "ciphertext")
_MAX_NUMBER: Final = (1 << 32) - 1
_CONTROLS: Final = frozenset({"Cc", "Zl", "Zp"})
_TURNING: Final = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
"""Embeddings, overrides and isolates (UAX #9), which make a text look like another."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom a letter goes.

    Attributes:
        deployment: Chain and contract.
        account: The patient id, or the requester: 20 bytes.
        number: Of the account's key: the inbox, or the profile key.
        suite: Of that key.
        public_key: The key.
    """

    deployment: Deployment
    account: bytes
    number: int
    suite: Suite
    public_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter that has the right form and is not opened yet.

    Attributes:
        suite: By which it is sealed.
        deployment: Chain and contract.
        number: Of the recipient's key that opens it.
        sealed: Everything else.
    """

    suite: Suite
    deployment: Deployment
    number: int
    sealed: Sealed = field(repr=False)

    def open(self, label: str, account: bytes, key: PrivateKey, *about: cbor.Value) -> cbor.Value:
        """What was written.

        Args:
            label: Says what kind of letter it has to be.
            account: To whom it has to be sealed, 20 bytes.
            key: That account's key ``number``.
            about: What else it has to be bound to.

        Raises:
            WrongKey: it is sealed to another key, for something else, or was changed.
            FormatError: what is sealed has the wrong form.
        """
        info = _info(label, self.suite, self.deployment, account, self.number, about)
        return cbor.decode(_unpad(key.open(self.suite, info, self.sealed)))


def seal(label: str, to: Recipient, document: cbor.Value, *about: cbor.Value) -> bytes:
    """Write a letter.

    Args:
        label: Says what kind of letter it is: none opens as another kind.
        to: Whose key it is sealed to.
        document: What is written.
        about: What else it is bound to.

    Raises:
        InvalidInput: the number is out of bounds, or the document is too long.
        FormatError: nothing can be sealed to the public key.
    """
    check_uint(to.number, "the number of the key", _MAX_NUMBER)
    info = _info(label, to.suite, to.deployment, to.account, to.number, about)
    sealed = to.suite.seal(to.public_key, info, _pad(cbor.encode(document)))
    return cbor.encode(
        {
            "v": VERSION,
            "suite": to.suite.number,
            "chain": to.deployment.chain_id,
            "contract": to.deployment.contract,
            "number": to.number,
            "enc": sealed.enc,
            "ciphertext": sealed.ciphertext,
        }
    )


def parse(block: bytes) -> Letter:
    """Read what `seal` made.

    Raises:
        FormatError: it is no letter of this version.
        UnknownSuite: it is sealed by a suite that this version does not have.
    """
    if len(block) > MAX_LETTER:
        raise FormatError(f"a letter has at most {MAX_LETTER} bytes")
    fields = cbor.Fields(cbor.decode(block), "the letter", _KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError("a letter of another version")
    suite = by_number(fields.uint("suite"))
    if not (chain_id := fields.uint("chain")):
        raise FormatError("a chain id of zero")
    ciphertext = fields.octets("ciphertext")
    if (len(ciphertext) - suite.tag_size) % STEP or not suite.tag_size < len(ciphertext) <= MAX_PADDED + suite.tag_size:
        raise FormatError("a letter has another size than letters have")
    return Letter(
        suite=suite,
        deployment=Deployment(chain_id, fields.octets("contract", ADDRESS_SIZE)),
        number=fields.uint("number", _MAX_NUMBER),
        sealed=Sealed(fields.octets("enc", suite.enc_size), ciphertext),
    )


def check_text(text: str, what: str, most: int) -> str:
    """``text`` if people can be shown it as it is, in any program, and it is not too long; line breaks may be in it.

    Args:
        text: Of somebody's.
        what: Its name, for the message.
        most: Bytes of UTF-8 that it may have.

    Raises:
        InvalidInput: it is too long, no valid Unicode, or has controls or marks that turn the writing round.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidInput(f"{what} is no valid Unicode") from None
    if size > most:
        raise InvalidInput(f"{what} has at most {most} bytes of UTF-8, not {size}")
    if any(char != "\n" and (char in _TURNING or unicodedata.category(char) in _CONTROLS) for char in text):
        raise InvalidInput(f"{what} has control characters, or marks that turn the direction of writing")
    return text


def _info(
    label: str, suite: Suite, deployment: Deployment, account: bytes, number: int, about: tuple[cbor.Value, ...]
) -> bytes:
    return context(label, suite.number, deployment.chain_id, deployment.contract, account, number, *about)


def _pad(document: bytes) -> bytes:
    size = -(-(len(document) + _LENGTH_SIZE) // STEP) * STEP
    if size > MAX_PADDED:
        raise InvalidInput(f"a letter holds at most {MAX_PADDED - _LENGTH_SIZE} bytes, not {len(document)}")
    return (len(document).to_bytes(_LENGTH_SIZE) + document).ljust(size, b"\0")


def _unpad(padded: bytes) -> bytes:
    end = _LENGTH_SIZE + int.from_bytes(padded[:_LENGTH_SIZE])
    if -(-end // STEP) * STEP != len(padded) or padded[end:] != bytes(len(padded) - end):
        raise FormatError("the padding of a letter is not what its length asks for")
    return padded[_LENGTH_SIZE:end]
