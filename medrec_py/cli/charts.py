"""Whose record a command works on, for whom, and how its records are numbered.

A history has entries of several kinds. Records are numbered by themselves, from 1, in the order of their entries:
that number never changes, either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec_py.cli.arguments import checked
from medrec_py.cli.output import Output
from medrec_py.cli.session import Session
from medrec_py.errors import InvalidInput, KeyUnavailable, NotPermitted, RecordNotFound
from medrec_py.purposes import Purpose

if TYPE_CHECKING:
    from medrec_py.chart import Chart, TimelineEntry


NOT_FOR_US = (KeyUnavailable, NotPermitted)
"""Errors of a record that is for others."""


@dataclass(frozen=True)
class View:
    """A patient's chart.

    Attributes:
        chart: It.
        is_own: The profile is the patient.
        principal: Whom the profile acts for, EIP-55.
    """

    chart: Chart
    is_own: bool
    principal: str

    @property
    def patient(self) -> str:
        """The patient id, EIP-55."""
        return self.chart.patient

    @property
    def numbers(self) -> Mapping[int, int]:
        """Number of an entry → number of the record that it is. Asks the node, and checks the history, each time."""
        from medrec_py.chain.types import Kind  # noqa: PLC0415

        records = (entry.number for entry in self.chart.entries() if entry.kind is Kind.RECORD)
        return {entry: number for number, entry in enumerate(records, 1)}

    def entry(self, number: int) -> int:
        """The entry of a record.

        Raises:
            RecordNotFound: there is no such record.
            HistoryMismatch: the node left out, changed or invented an entry.
        """
        found = next((entry for entry, record in self.numbers.items() if record == number), None)
        if found is None:
            known = len(self.numbers)
            if self.is_own and not known:
                raise RecordNotFound(
                    f"{self.patient} has 0 records: if there should be some, this profile's phrase was replaced by a "
                    "newer one"
                )
            raise RecordNotFound(f"the patient {self.patient} has {known} records, and no number {number}")
        return found


def warn_of_problems(output: Output, lines: Iterable[TimelineEntry]) -> None:
    """Say so where records do not open for another reason than that they are for others."""
    problems = [line.problem for line in lines if line.problem and not isinstance(line.problem, NOT_FOR_US)]
    if problems:
        output.warn(f"{len(problems)} of the records could not be opened: {problems[0]}")


def open_to_read(session: Session, patient: str | None, on_behalf_of: str | None, purpose: str | None) -> View:
    """A chart to read. No wallet is unlocked.

    Where it isn't said on whose behalf, it is for the profile itself, or for the one provider with a profile on this
    machine that named it an agent and was granted something.

    Raises:
        InvalidInput: a value cannot be used, or several providers come into question.
        KeysElsewhere: the provider's keys are not on this machine.
    """
    who = session.identity.address
    whose = session.patient_id if patient is None else checked(patient)
    why = Purpose.TREAT if purpose is None else Purpose.parse(purpose)
    if on_behalf_of is None and session.decides_for(whose):
        return View(session.patient(whose, locked=True).chart(), True, who)
    principal = _principal(session, whose, why) if on_behalf_of is None else checked(on_behalf_of)
    if principal != who:
        session.output.note(f"on behalf of {principal}")
    return View(session.mandate(principal, locked=True).chart(whose, why), False, principal)


def open_without_keys(session: Session, patient: str | None) -> View:
    """A chart of which nothing can be opened, and no passphrase is needed."""
    from medrec_py.chain.types import address_bytes  # noqa: PLC0415
    from medrec_py.unsealing import NoKeys  # noqa: PLC0415
    from medrec_py.wallet import Locked  # noqa: PLC0415

    whose = session.patient_id if patient is None else checked(patient)
    mandate = session.network.mandate(Locked(whose), whose, NoKeys(address_bytes(whose)))
    return View(mandate.chart(whose), False, whose)


def open_to_append(session: Session, patient: str | None, on_behalf_of: str | None, purpose: str | None) -> View:
    """A chart to append to: as the profile itself unless it is said on whose behalf. Raises as `open_to_read`."""
    who = session.identity.address
    whose = session.patient_id if patient is None else checked(patient)
    why = Purpose.TREAT if purpose is None else Purpose.parse(purpose)
    principal = who if on_behalf_of is None else checked(on_behalf_of)
    if principal in {who, whose} and session.decides_for(whose):
        return View(session.patient(whose).chart(), True, who)
    return View(session.mandate(principal).chart(whose, why), False, principal)


def _principal(session: Session, patient: str, purpose: Purpose) -> str:
    """For whom the profile reads: what the contract says of it and of the providers that it is an agent of."""
    from medrec_py.chain.types import Action, Denial  # noqa: PLC0415

    contract = session.network.contract
    who = session.identity.address
    others = [identity.address for identity in session.identities.all() if identity.address != who]
    now = session.chain.now()
    candidates = [who, *(other for other in others if contract.agent_until(other, who) > now)]
    answers = {
        candidate: contract.may(patient, who, candidate, Action.READ, compartments=0, purpose=purpose)
        for candidate in candidates
    }
    allowed = [candidate for candidate, denial in answers.items() if denial is Denial.NONE]
    if who in allowed:
        return who
    # Where nobody is allowed, the error of one that was granted something once says more than of one that never was.
    likely = allowed or [candidate for candidate, denial in answers.items() if denial is not Denial.NOT_GRANTED]
    if len(likely) > 1:
        raise InvalidInput(f"say on whose behalf (--on-behalf-of): {' or '.join(likely)}")
    return likely[0] if likely else who
