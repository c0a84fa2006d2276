"""What the contract speaks of, as Python types: the enums and structs of ``contracts/interfaces/IMedRec.sol``.

Addresses are ``str`` in the writing of EIP-55, ``bytesN`` are ``bytes``, times are seconds since 1970-01-01 UTC, and
masks have bit c set for compartment c. Hashes of blocks and transactions are ``str``: 0x and 64 hexadecimal digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import lru_cache
from typing import TypeAlias

from medrec_py.crypto.keys import ADDRESS_SIZE
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.errors import InvalidInput

ZERO_ADDRESS = "0x" + "00" * ADDRESS_SIZE
ZERO_BYTES32 = bytes(32)

BlockId: TypeAlias = int | str
"""A block: its number, its hash (EIP-1898; not every node reads state by hash), or a tag such as ``latest``."""

Topics: TypeAlias = list[list[str] | str | None]
"""The filter of ``eth_getLogs``: one item for each topic; ``None`` is any, a list is any of them."""


class Kind(IntEnum):
    """What an entry of a history is. The numbers are part of the head (docs/format.md §10)."""

    NONE = 0
    RECORD = 1
    BATCH = 2
    KEYRING = 3
    MOVED = 4
    ERASED = 5
    CONTINUES = 6


class ProviderKind(IntEnum):
    """What a provider is."""

    NONE = 0
    ORGANISATION = 1
    PRACTITIONER = 2


class Action(IntEnum):
    """What somebody wants to do with a patient's record."""

    READ = 0
    APPEND = 1
    DECIDE = 2


class Denial(IntEnum):
    """Why the predicate for authority refuses; ``NONE`` means that it does not."""

    NONE = 0
    PATIENT_UNKNOWN = 1
    NOT_CONTROLLER = 2
    AGENT_NOT_NAMED = 3
    AGENT_EXPIRED = 4
    AGENT_SUSPENDED = 5
    AGENT_ACCREDITATION_EXPIRED = 6
    NOT_ACCREDITED = 7
    SUSPENDED = 8
    ACCREDITATION_EXPIRED = 9
    NOT_GRANTED = 10
    REVOKED = 11
    NOT_YET_VALID = 12
    EXPIRED = 13
    COMPARTMENT_NOT_GRANTED = 14
    PURPOSE_NOT_GRANTED = 15
    BEYOND_LIMITS = 16


class Flag(IntFlag):
    """The bits of ``Terms.flags``. MANAGE makes a representative; this deployment refuses EMERGENCY."""

    HISTORY = 1
    MANAGE = 2
    EMERGENCY = 4


@dataclass(frozen=True, slots=True)
class Terms:
    """What a patient grants.

    Attributes:
        read: Mask of the compartments that may be read.
        append: Mask of the compartments that may be appended to.
        not_before: First second of the permission; zero: at once.
        expiry: First second after the permission.
        purposes: Bit p: purpose of use p (HL7 v3 PurposeOfUse, by the numbers of docs/concepts.md).
        flags: See `Flag`.
    """

    read: int
    append: int
    not_before: int
    expiry: int
    purposes: int
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Permission:
    """A stored permission. Version 0: nothing was ever granted or revoked. Empty masks with a version: revoked."""

    terms: Terms
    version: int


@dataclass(frozen=True, slots=True)
class PatientState:
    """What the contract stores of a patient id.

    Attributes:
        wallet: The account that decides for it now; the zero address if the id is not registered.
        decisions: Number of its numbered decisions so far.
        flags: None in use.
    """

    wallet: str
    decisions: int
    flags: int

    @property
    def is_registered(self) -> bool:
        """Whether the id is registered."""
        return self.wallet != ZERO_ADDRESS


@dataclass(frozen=True, slots=True)
class Guardianship:
    """What the contract stores of a patient's guardians. Sets are commitments (``GuardianSet.commitment``), 32 bytes.

    Attributes:
        present: The set that counts before ``since``; zero if there was none.
        following: The set that counts from then on; zero if there is none.
        since: First second of ``following``, Unix time.
        round: Number of the latest recovery; zero if none was begun.
        wallet: The wallet that the patient id goes to; the zero address if no recovery is under way, and then the
            members behind it say nothing.
        due: First second at which the recovery can be completed, and last before which it can be stopped, Unix time.
        unanimous: All guardians signed, so it cannot be stopped.
    """

    present: bytes
    following: bytes
    since: int
    round: int
    wallet: str
    due: int
    unanimous: bool

    def in_force(self, time: int) -> bytes:
        """The commitment to the set that counts at a time; zero if there is none."""
        return self.following if self.since <= time else self.present

    @property
    def is_recovering(self) -> bool:
        """Whether a recovery is under way."""
        return self.wallet != ZERO_ADDRESS


@dataclass(frozen=True, slots=True)
class ProviderState:
    """What the contract stores of a provider.

    Attributes:
        kind: ``NONE`` if it was never accredited.
        suspended: By a registrar.
        emergency: May open what patients granted to the emergency role.
        expiry: First second after the accreditation.
        relayed: How many of its calls were relayed.
    """

    kind: ProviderKind
    suspended: bool
    emergency: bool
    expiry: int
    relayed: int


@dataclass(frozen=True, slots=True)
class HistoryState:
    """The word that a history is checked against (docs/format.md §10).

    Attributes:
        head: 25 bytes over all entries, zero if there are none.
        length: Number of entries.
        keyring_version: Rises with each keyring and each loss of a reading right.
    """

    head: bytes
    length: int
    keyring_version: int

    @classmethod
    def from_word(cls, word: bytes) -> HistoryState:
        """The state in a word of 32 bytes, as the events of a history carry it in ``previous``."""
        if len(word) != 32:
            raise InvalidInput("the word of a history must be 32 bytes")
        return cls(word[:25], int.from_bytes(word[25:29]), int.from_bytes(word[29:]))

    def to_word(self) -> bytes:
        """The 32 bytes ``head ‖ length ‖ keyring version``."""
        return self.head + self.length.to_bytes(4) + self.keyring_version.to_bytes(3)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record's entry as its author gives it.

    Attributes:
        compartments: Mask of the compartments that it belongs to.
        replaces: Entry number × 2^32 + leaf of the record that it corrects; zero if none.
        pointer: H of the envelope, 32 bytes.
        claim: 32 bytes (docs/format.md §5).
    """

    compartments: int
    replaces: int
    pointer: bytes
    claim: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """A record for one of many patients in a call.

    Attributes:
        patient: The patient id.
        keyring_version: The one that the author sealed to.
        entry: The record's entry.
    """

    patient: str
    keyring_version: int
    entry: Entry


@lru_cache(maxsize=1 << 16)
def address_of(octets: bytes) -> str:
    """The address of 20 bytes in the writing of EIP-55."""
    if len(octets) != ADDRESS_SIZE:
        raise InvalidInput("an address must be 20 bytes")
    return checksum_address(octets)


@lru_cache(maxsize=1 << 16)
def to_address(value: str | bytes) -> str:
    """An address in the writing of EIP-55, from any usual one: 20 bytes, or 0x and 40 hexadecimal digits.

    Raises:
        InvalidInput: it is no address, or its capitals contradict its checksum (EIP-55).
    """
    if isinstance(value, bytes):
        return address_of(value)
    try:
        octets = bytes.fromhex(value[2:]) if value[:2] in {"0x", "0X"} and len(value) == 42 else b""
    except ValueError:
        octets = b""
    if len(octets) != ADDRESS_SIZE:
        raise InvalidInput(f"{value!r} is not an address: 0x and 40 hexadecimal digits")
    address = checksum_address(octets)
    digits = value[2:]
    if address[2:] != digits and digits not in {digits.lower(), digits.upper()}:
        raise InvalidInput(
            f"{value!r} is not an address: its capitals do not fit its digits (EIP-55); is one mistyped?"
        )
    return address


def address_bytes(value: str | bytes) -> bytes:
    """The 20 bytes of an address; errors as for `to_address`."""
    return bytes.fromhex(to_address(value)[2:])
