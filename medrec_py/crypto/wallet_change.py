"""What a new wallet signs before a patient id is handed to it (``IMedRec.changeWallet``; EIP-712)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medrec_py.crypto.keys import ADDRESS_SIZE, Place, check_size, check_uint
from medrec_py.crypto.typed_data import Message, TypedStruct

WALLET_CHANGE = TypedStruct(
    "WalletChange",
    (("patient", "address"), ("wallet", "address"), ("decision", "uint64"), ("deadline", "uint256")),
)


@dataclass(frozen=True, slots=True)
class WalletChange:
    """The new wallet's consent to control a patient id.

    Attributes:
        place: Chain, contract and patient.
        wallet: The new wallet, an address of 20 bytes.
        decision: Number of the patient's decision that it is good for.
        deadline: Last second at which it counts, Unix time.
    """

    place: Place
    wallet: bytes
    decision: int
    deadline: int

    def __post_init__(self) -> None:
        check_size(self.wallet, ADDRESS_SIZE, "the new wallet's address")
        check_uint(self.decision, "the number of the decision", minimum=1)
        check_uint(self.deadline, "the deadline")

    def typed_data(self) -> dict[str, Any]:
        """The EIP-712 document as JSON has it, for the new wallet to show and sign."""
        return WALLET_CHANGE.typed_data(self.place, self._message())

    def digest(self) -> bytes:
        """The EIP-712 digest that is signed, 32 bytes."""
        return WALLET_CHANGE.digest(self.place, self._message())

    def _message(self) -> Message:
        return {
            "patient": self.place.patient,
            "wallet": self.wallet,
            "decision": self.decision,
            "deadline": self.deadline,
        }
