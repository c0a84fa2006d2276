"""Whose share of a relayer a decision uses up.

Not its patient's as such: providers who may append to a record, representatives, guardians and, where a recovery is
due, anybody at all send decisions about a patient that the contract takes. If they drew on one share with the wallet
that decides, each of them could see to it that a revocation or a veto is told to come back later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from medrec_py.crypto.decisions import SignedForm
from medrec_py.crypto.signed_decisions import SignedDecision, signer_of
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.crypto.wallet_recovery import CompleteRecovery

_ANYBODY = "anybody"


def shares_of(decisions: Iterable[SignedForm]) -> Counter[str]:
    """Share → how many of the decisions draw on it: a share for each patient and account that decides."""
    return Counter(map(_share_of, decisions))


def work_of(decisions: Iterable[SignedDecision]) -> int:
    """For how many decisions some count with their sender's address: each guardian's signature is one more to check."""
    return sum(1 + len(signed.approvals) for signed in decisions)


def _share_of(decision: SignedForm) -> str:
    nobody_signs = isinstance(decision, CompleteRecovery)
    who = _ANYBODY if nobody_signs else checksum_address(signer_of(decision))
    return f"{checksum_address(decision.place.patient)}/{who}"
