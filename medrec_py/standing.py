"""Whether somebody may ask a patient for access: the standing that appending takes, by the contract's one predicate."""

from __future__ import annotations

from typing import Final

from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.reverts import not_permitted
from medrec_py.chain.types import Action, Denial, address_of
from medrec_py.crypto.access_request import AccessRequest
from medrec_py.errors import NotPermitted

_OF_PERMISSIONS: Final = frozenset(
    {
        Denial.NONE,
        Denial.NOT_GRANTED,
        Denial.REVOKED,
        Denial.NOT_YET_VALID,
        Denial.EXPIRED,
        Denial.COMPARTMENT_NOT_GRANTED,
        Denial.PURPOSE_NOT_GRANTED,
    }
)
"""What the predicate says once nothing speaks against actor and principal themselves."""


def denial_of(contract: MedRecContract, request: AccessRequest) -> Denial:
    """Why a request does not count: its principal is no accredited provider now, or its requester no agent of it.

    The predicate is asked about appending, which looks at the standing of both before it looks at any permission.

    Args:
        contract: MedRec.
        request: Whose requester, and whom it acts for, are looked at.

    Returns:
        ``NONE`` if it counts.

    Raises:
        ChainUnavailable: the node does not answer.
    """
    patient, requester = address_of(request.place.patient), address_of(request.requester)
    principal = address_of(request.on_behalf_of)
    if principal == patient:
        return Denial.NOT_ACCREDITED  # of itself a patient asks nothing, and the predicate would ask for its wallet
    denial = contract.may(patient, requester, principal, Action.APPEND, 0, 0)
    return Denial.NONE if denial in _OF_PERMISSIONS else denial


def refusal_of(request: AccessRequest, denial: Denial) -> NotPermitted:
    """The error that says why a request does not count.

    Args:
        request: Which.
        denial: What ``denial_of`` said, and not ``NONE``.
    """
    people = (request.place.patient, request.requester, request.on_behalf_of)
    patient, requester, principal = map(address_of, people)
    return not_permitted(patient, requester, principal, Action.APPEND, denial)
