"""Permissions in words, for who knows the names of their compartments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medrec_py.chain.types import address_of
from medrec_py.compartments import numbers_in
from medrec_py.consent import Consent, Grant
from medrec_py.purposes import Purpose, purposes_in


@dataclass(frozen=True, slots=True)
class PermissionLine:
    """A permission in force, in words.

    Attributes:
        grantee: Whom, EIP-55.
        read: Names of the compartments that may be read; numbers where a name is not known here.
        append: Names of those that may be appended to.
        purposes: What for.
        history: Whether what was written before may be read too.
        manages: Whether the grantee is a representative.
        not_before: First second, Unix time; 0: at once.
        expiry: First second after it, Unix time.
        version: Of the permission.
        by: Who granted it: the wallet that decided for the patient then, or a representative; EIP-55. Sealing it anew,
            on the same terms, makes it nobody else's.
    """

    grantee: str
    read: tuple[str, ...]
    append: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    history: bool
    manages: bool
    not_before: int
    expiry: int
    version: int
    by: str


def permission_lines(consent: Consent, known: Mapping[int, str]) -> list[PermissionLine]:
    """The permissions in force, those that are over or have not begun included.

    Args:
        consent: The patient's decisions.
        known: Number → name of compartments.
    """
    chosen = consent.chosen_by()
    return [_line(grant, chosen[grant.grantee], known) for grant in consent.permissions.values()]


def _line(grant: Grant, by: bytes, known: Mapping[int, str]) -> PermissionLine:
    terms = grant.terms
    return PermissionLine(
        grantee=address_of(grant.grantee),
        read=_names(terms.read, known),
        append=_names(terms.append, known),
        purposes=purposes_in(terms.purposes),
        history=grant.history,
        manages=grant.manages,
        not_before=terms.not_before,
        expiry=terms.expiry,
        version=grant.version,
        by=address_of(by),
    )


def _names(mask: int, known: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(known.get(number, f"#{number}") for number in numbers_in(mask))
