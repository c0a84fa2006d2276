"""Purposes of use: why somebody reads or appends.

The codes are those of HL7 v3 PurposeOfUse (code system 2.16.840.1.113883.5.8, value set v3-PurposeOfUse), as FHIR's
Consent and AuditEvent use them. The numbers are MedRec's own: bits of a permission's mask on chain. They never
change.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from medrec_py.errors import InvalidInput

CODE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
"""The FHIR system of the codes."""


class Purpose(IntEnum):
    """A purpose of use; the name is the HL7 code, the value its bit on chain."""

    TREAT = 0
    """Treatment."""
    ETREAT = 1
    """Emergency treatment."""
    BTG = 2
    """Break the glass."""
    COC = 3
    """Coordination of care."""
    CAREMGT = 4
    """Care management."""
    HPAYMT = 5
    """Healthcare payment."""
    HOPERAT = 6
    """Healthcare operations."""
    HRESCH = 7
    """Healthcare research."""
    CLINTRCH = 8
    """Clinical trial research."""
    PUBHLTH = 9
    """Public health."""
    PATRQT = 10
    """Patient requested."""
    FAMRQT = 11
    """Family requested."""
    PWATRNY = 12
    """Power of attorney."""
    SUPNWK = 13
    """Support network."""
    HLEGAL = 14
    """Legal."""
    PATSFTY = 15
    """Patient safety."""

    @classmethod
    def parse(cls, code: str | Purpose) -> Purpose:
        """The purpose of a code such as ``TREAT``.

        Raises:
            InvalidInput: it is none of the sixteen.
        """
        if isinstance(code, Purpose):
            return code
        try:
            return cls[code.strip().upper()]
        except (KeyError, AttributeError):
            raise InvalidInput(f"{code!r} is no purpose of use; there are {', '.join(cls.__members__)}") from None


def purposes_mask(purposes: str | Purpose | Iterable[str | Purpose]) -> int:
    """The mask of one purpose or several: bit p for purpose p.

    Raises:
        InvalidInput: there is none, or one is unknown.
    """
    several = [purposes] if isinstance(purposes, str | Purpose) else list(purposes)
    if not several:
        raise InvalidInput("name at least one purpose of use, such as TREAT")
    mask = 0
    for purpose in several:
        mask |= 1 << Purpose.parse(purpose)
    return mask


def purposes_in(mask: int) -> tuple[Purpose, ...]:
    """The purposes of a mask, in the order of their bits."""
    return tuple(purpose for purpose in Purpose if mask >> purpose & 1)
