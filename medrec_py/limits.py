"""What a representative may decide: within its own permission, and nothing beyond (``Permissions.sol``).

The contract enforces it. Here it is asked before anything is sealed, stored or signed, so that the error says which
part of a decision goes too far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from medrec_py.chain.reverts import BeyondLimits, SelfGrant, not_permitted
from medrec_py.chain.types import Action, Denial, Flag, Terms
from medrec_py.compartments import numbers_in
from medrec_py.errors import NotPermitted
from medrec_py.purposes import purposes_in
from medrec_py.times import as_datetime


@dataclass(frozen=True)
class Limits:
    """The permission of a representative, as the contract has it now.

    Attributes:
        patient: Patient id, EIP-55.
        representative: Whose, EIP-55.
        terms: Of its permission.
        names: Gives number → name of the compartments that it knows, for messages.
    """

    patient: str
    representative: str
    terms: Terms
    names: Callable[[], Mapping[int, str]]

    def require_open(self, now: int) -> None:
        """Require that it is a representative at a time.

        Raises:
            NotController: it was not named one, or was revoked.
            PermissionNotYetValid, PermissionExpired: its time has not come, or is over.
        """
        if not self.terms.flags & Flag.MANAGE:
            raise self._refusal(Denial.NOT_CONTROLLER)
        if now < self.terms.not_before:
            raise self._refusal(Denial.NOT_YET_VALID)
        if now >= self.terms.expiry:
            raise self._refusal(Denial.EXPIRED)

    def require_other(self, grantee: str, wallet: str) -> None:
        """Require that a grantee is neither the representative nor the patient.

        Args:
            grantee: EIP-55.
            wallet: That decides for the patient, EIP-55.

        Raises:
            SelfGrant: it is.
        """
        if grantee in {self.representative, self.patient, wallet}:
            raise SelfGrant(SelfGrant.message.format(patient=self.patient), {"patient": self.patient})

    def require_within(self, terms: Terms, what: str) -> None:
        """Require that terms lie within.

        Args:
            terms: To be given, changed or ended.
            what: What they are, for the message.

        Raises:
            BeyondLimits: they do not; the message says what goes beyond.
        """
        beyond = list(self._beyond(terms))
        if beyond:
            raise BeyondLimits(
                f"{what} goes beyond what the representative {self.representative} was given by the patient "
                f"{self.patient}: {', '.join(beyond)}",
                self._values(Denial.BEYOND_LIMITS),
            )

    def require_readable(self, compartments: int) -> None:
        """Require that it may make keys of the compartments of a mask.

        Raises:
            CompartmentNotGranted: it does not read one of them.
        """
        if compartments & ~self.terms.read:
            raise self._refusal(Denial.COMPARTMENT_NOT_GRANTED)

    def _beyond(self, terms: Terms) -> Iterator[str]:
        """What of the terms goes beyond; as ``PermissionWords.liesWithin``."""
        if terms.read & ~self.terms.read:
            yield f"reading {self._named(terms.read & ~self.terms.read)}"
        if terms.append & ~self.terms.append:
            yield f"appending to {self._named(terms.append & ~self.terms.append)}"
        if terms.purposes & ~self.terms.purposes:
            codes = (purpose.name for purpose in purposes_in(terms.purposes & ~self.terms.purposes))
            yield f"the purpose of use {' and '.join(codes)}"
        if terms.flags & Flag.MANAGE:
            yield "the grantee is a representative itself (MANAGE)"
        if terms.flags & ~self.terms.flags & ~Flag.MANAGE:
            yield "what was written before (HISTORY)"
        if terms.expiry > self.terms.expiry:
            yield f"an end after {as_datetime(self.terms.expiry):%Y-%m-%d %H:%M} UTC"

    def _named(self, mask: int) -> str:
        known = self.names()
        return " and ".join(known.get(number, f"#{number}") for number in numbers_in(mask))

    def _refusal(self, denial: Denial) -> NotPermitted:
        return not_permitted(self.patient, self.representative, self.representative, Action.DECIDE, denial)

    def _values(self, denial: Denial) -> dict[str, object]:
        return dict(self._refusal(denial).values)
