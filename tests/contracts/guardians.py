"""Guardians as tests have them: a set, its commitment by arithmetic of its own, and the call that begins a recovery."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from ape.api import ReceiptAPI
from eth_utils import keccak

from tests.contracts.signing import AMPLE_GAS, POINTER, Desk, address, sign
from tests.contracts.support import DAY, YEAR_2100, Account, Clock, digest

DELAY = 7 * DAY
NO_SET = bytes(32)


@dataclass(frozen=True)
class Guardians:
    """A set of guardians. What no SDK would make is possible here: nobody, the same one twice, any threshold."""

    members: tuple[Any, ...]
    threshold: int = 2
    delay: int = DELAY
    salt: bytes = digest("salt")

    @property
    def rest(self) -> bytes:
        """What is hashed beside the delay."""
        members = b"".join(bytes(12) + address(member) for member in self.members)
        return bytes(keccak(self.salt + self.threshold.to_bytes(32, "big") + members))

    @property
    def commitment(self) -> bytes:
        """What the contract stores."""
        return bytes(keccak(self.delay.to_bytes(32, "big") + self.rest))

    def but(self, **changes: Any) -> Self:
        """The same with something changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Begun:
    """A recovery of which a test changes one thing or another before it is sent.

    Attributes:
        shown: The set as the call shows it.
        signers: Those of the set who sign; everybody if nothing is said.
        signatures: In place of those of the signers, in the order of the set.
    """

    desk: Desk
    patient: Account
    wallet: Account
    shown: Guardians
    signers: Sequence[Account] | None = None
    number: int = 1
    deadline: int = YEAR_2100
    consent: bytes | None = None
    signatures: Sequence[bytes] | None = None

    def but(self, **changes: Any) -> Self:
        """The same with something changed."""
        return replace(self, **changes)

    def signature(self, signer: Account, **changed: Any) -> bytes:
        """What a guardian, or the new wallet, signs; members of the message may be others."""
        said = {"patient": self.patient, "signer": signer, "wallet": self.wallet}
        numbers = {"number": self.number, "deadline": self.deadline}
        return sign(self.desk.recover(**{**said, **numbers, **changed}), signer)

    def arguments(self) -> list[Any]:
        """As ape takes them."""
        consent = self.signature(self.wallet) if self.consent is None else self.consent
        shown = [self.shown.delay, self.shown.salt, self.shown.threshold, list(self.shown.members)]
        signatures = self._made() if self.signatures is None else list(self.signatures)
        return [self.patient, self.wallet, self.number, self.deadline, *shown, consent, signatures]

    def _made(self) -> list[bytes]:
        signers = self.shown.members if self.signers is None else self.signers
        return [self.signature(member) if member in signers else b"" for member in self.shown.members]

    def call(self) -> bytes:
        """What is sent, ABI-encoded."""
        return bytes(self.desk.medrec.beginRecovery.encode_input(*self.arguments()))

    def send(self, sender: Account | None = None) -> ReceiptAPI:
        """By the stranger, unless a test says something else."""
        who = sender or self.desk.stranger
        receipt: ReceiptAPI = self.desk.medrec.beginRecovery(*self.arguments(), sender=who, gas=AMPLE_GAS)
        return receipt

    def complete(self) -> ReceiptAPI:
        """By the stranger."""
        receipt: ReceiptAPI = self.desk.medrec.completeRecovery(self.patient, sender=self.desk.stranger)
        return receipt


def set_guardians(
    desk: Desk, patient: Account, new: Guardians | None, present: Guardians | None = None, *, by: Account | None = None
) -> ReceiptAPI:
    """Sets guardians as the next decision, by the patient's first wallet or by another; `None` stands for no set."""
    decision = desk.medrec.patientOf(patient).decisions + 1
    shown = (present.delay, present.rest) if present else (0, bytes(32))
    arguments = (patient, decision, *shown, new.commitment if new else NO_SET, POINTER)
    receipt: ReceiptAPI = desk.medrec.setGuardians(*arguments, sender=by or patient)
    return receipt


def wait_until(clock: Clock, time: int) -> None:
    """The next transaction is mined in that second, or in the next if it is over already."""
    clock.set_next(max(time, clock.now + 1))
