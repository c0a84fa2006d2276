"""Named actors for the SDK's tests, on one in-process network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import medrec_py as medrec

MONTH = timedelta(days=30)


@dataclass(frozen=True)
class People:
    """A patient with two compartments, an accredited hospital with a doctor as its agent, and others."""

    net: medrec.Network
    alice: medrec.Patient
    hospital: medrec.Organisation
    doctor: medrec.Practitioner

    def grant(self, **terms: object) -> medrec.Granted:
        """Alice grants the hospital reading and appending in general for a month, unless told otherwise."""
        usual: dict[str, object] = {"read": ["general"], "append": ["general"], "expires": MONTH}
        return self.alice.grant(self.hospital, **{**usual, **terms})  # type: ignore[arg-type]

    def chart(self) -> medrec.Chart:
        """Alice's record, as the doctor sees it on the hospital's behalf."""
        return self.doctor.on_behalf_of(self.hospital).chart(self.alice)

    def clinic(self) -> medrec.Organisation:
        """Another accredited organisation."""
        clinic = self.net.organisation(medrec.Wallet.create())
        self.net.registrar().accredit(clinic)
        return clinic

    def travel(self, span: timedelta) -> None:
        """Let time pass on the chain."""
        self.net.chain.travel(seconds=int(span.total_seconds()))  # type: ignore[attr-defined]


def meet(net: medrec.Network) -> People:
    """Make the actors, everybody registered and nothing granted."""
    hospital = net.organisation(medrec.Wallet.create(), name="St Mary's")
    doctor = net.practitioner(medrec.Wallet.create())
    net.registrar().accredit(hospital, doctor)
    hospital.add_agent(doctor)
    alice = net.patient(medrec.Wallet.create()).register(compartments=["general", "psychiatry"])
    return People(net, alice, hospital, doctor)
