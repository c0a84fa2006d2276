"""The guardians of a patient id, whom the chain knows as one hash until they act (docs/format.md §13).

The hash covers a random salt, so nobody can guess who they are and check the guess. The delay stands outside of the
inner hash: a change of guardians has to show it, and shows no more.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from medrec_py.crypto import cbor
from medrec_py.crypto.blocks import check_size as check_block
from medrec_py.crypto.keys import ADDRESS_SIZE, check_size, check_uint
from medrec_py.crypto.typed_data import keccak
from medrec_py.errors import FormatError, InvalidInput

VERSION: Final = 1
MAX_GUARDIANS: Final = 16
"""As many as get shares of a root secret (SLIP-39)."""
MIN_DELAY: Final = 3600
MAX_DELAY: Final = 366 * 86_400
"""An hour and a year, in seconds: time to notice and stop a recovery, and not so much that it never comes."""

_SALT_SIZE: Final = 32
_WORD: Final = 32
_KEYS: Final = ("v", "delay", "salt", "threshold", "guardians")


@dataclass(frozen=True, slots=True)
class GuardianSet:
    """Who together may hand a patient id to another wallet.

    Attributes:
        delay: Between the beginning of a recovery and its end, in seconds.
        salt: 32 random bytes. Secret, as the guardians are.
        threshold: How many of them it takes.
        guardians: Their accounts, 20 bytes each, in the order in which their signatures are given.

    Raises:
        InvalidInput: a number cannot be used, or somebody is there twice.
    """

    delay: int
    salt: bytes = field(repr=False)
    threshold: int
    guardians: tuple[bytes, ...]

    def __post_init__(self) -> None:
        check_uint(self.delay, "the delay in seconds", MAX_DELAY, MIN_DELAY)
        check_size(self.salt, _SALT_SIZE, "the salt")
        for guardian in self.guardians:
            check_size(guardian, ADDRESS_SIZE, "a guardian's account")
        if not 0 < len(self.guardians) <= MAX_GUARDIANS:
            raise InvalidInput(f"a patient has between 1 and {MAX_GUARDIANS} guardians")
        if len(set(self.guardians)) < len(self.guardians):
            raise InvalidInput("a guardian is there twice")
        check_uint(self.threshold, "how many guardians it takes", len(self.guardians), 1)

    @classmethod
    def choose(cls, threshold: int, guardians: Iterable[bytes], delay: int) -> GuardianSet:
        """A new set, with a salt of its own."""
        return cls(delay, secrets.token_bytes(_SALT_SIZE), threshold, tuple(guardians))

    @property
    def rest(self) -> bytes:
        """What the commitment covers beside the delay, as a hash of 32 bytes."""
        guardians = b"".join(guardian.rjust(_WORD, b"\0") for guardian in self.guardians)
        return keccak(self.salt + self.threshold.to_bytes(_WORD) + guardians)

    @property
    def commitment(self) -> bytes:
        """What stands on the chain, 32 bytes."""
        return keccak(self.delay.to_bytes(_WORD) + self.rest)

    def to_bytes(self) -> bytes:
        """The set as deterministic CBOR. Seal it before it leaves the device."""
        return cbor.encode(
            {
                "v": VERSION,
                "delay": self.delay,
                "salt": self.salt,
                "threshold": self.threshold,
                "guardians": list(self.guardians),
            }
        )

    @classmethod
    def from_bytes(cls, octets: bytes) -> GuardianSet:
        """Read a set.

        Raises:
            FormatError: it is none of this version.
        """
        what = "the set of guardians"
        fields = cbor.Fields(cbor.decode(check_block(octets, what)), what, _KEYS)
        if fields.uint("v") != VERSION:
            raise FormatError(f"{what} is of another version")
        guardians = tuple(cbor.octets(one, "a guardian", ADDRESS_SIZE) for one in fields.array("guardians"))
        try:
            return cls(fields.uint("delay"), fields.octets("salt", _SALT_SIZE), fields.uint("threshold"), guardians)
        except InvalidInput as error:
            raise FormatError(f"{what} is none: {error}") from error
