"""What guardians sign to hand a patient id to a new wallet, and that wallet too (`IMedRec.beginRecovery`; EIP-712)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from medrec_py.crypto.decisions import SignedForm
from medrec_py.crypto.typed_data import TypedStruct


@dataclass(frozen=True, slots=True)
class Recover(SignedForm):
    """A patient id goes to another wallet, in the words of one of those who have to sign it.

    Attributes:
        signer: Who signs this: a guardian, or the new wallet itself.
        wallet: The new wallet.
        round: Number of the patient's recoveries so far plus one, so that no signature counts twice.
        deadline: Last second at which the recovery can be begun with it, Unix time.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "Recover",
        (
            ("patient", "address"),
            ("signer", "address"),
            ("wallet", "address"),
            ("round", "uint64"),
            ("deadline", "uint256"),
        ),
    )

    signer: bytes
    wallet: bytes
    round: int
    deadline: int
