"""The patient revokes, and it is real: on chain at once, and in the keys for all that comes after."""

from __future__ import annotations

from medrec_py.chain.reverts import PermissionRevoked, StaleKeyring
from medrec_py.demo.attack import hold_back
from medrec_py.demo.checks import Checks
from medrec_py.demo.samples import REPORT, digest
from medrec_py.demo.stage import OPEN, Stage
from medrec_py.demo.steps.step import Step
from medrec_py.errors import KeysMissing
from medrec_py.wallet import Signer

SECOND_OPINION = "the second opinion"
SECOND_OPINION_TEXT = b"The second opinion: no operation needed. I am glad that I asked somebody else."


def revoke(stage: Stage, check: Checks) -> None:
    """One transaction, whatever others have prepared and kept."""
    patient = stage.patient
    stage.kept = stage.intruder(stage.people.hospital).keep_keys(stage.people.hospital, stage.hospital.keys())
    _prepare(stage)
    revoked = patient.revoke(stage.hospital)
    check.that("the permission is revoked and the keys are changed", revoked.rotated, "the keys were not changed")
    check.equal("that took one transaction", stage.transactions, 1)
    check.equal("nobody has a permission any more", patient.permissions(), [])


def _prepare(stage: Stage) -> None:
    """Two appends are under way while the patient decides: everything is ready, and nothing sent."""

    def by_doctor(signer: Signer) -> None:
        stage.doctors_chart(signer).append(
            b"Discharge letter", compartment=OPEN, title="Letter", media_type="text/plain"
        )

    def by_phone(signer: Signer) -> None:
        phone = stage.net.patient(signer, stage.people.patient.root)
        phone.append(b"Took the tablets at eight.", compartment=OPEN, title="Diary", media_type="text/plain")

    stage.held["doctor"] = hold_back(stage.people.doctor, by_doctor)
    stage.held["phone"] = hold_back(stage.people.patient, by_phone)


def refused(stage: Stage, check: Checks) -> None:
    """The doctor's chart, the doctor's real transaction, and a record that was sealed to keys which no longer hold."""
    chart, number = stage.doctors_chart(), stage.numbers[REPORT.name]
    doctors, phones = stage.held["doctor"], stage.held["phone"]
    check.refused("the contract no longer lets the doctor read", PermissionRevoked, lambda: chart.read(number))
    check.refused(
        "nor append",
        PermissionRevoked,
        lambda: chart.append(b"late", compartment=OPEN, title="Late", media_type="text/plain"),
    )
    check.refused(
        "a real transaction, prepared before the revocation, is reverted",
        PermissionRevoked,
        lambda: stage.send_regardless(stage.people.doctor, doctors.call, doctors.gas),
    )
    check.refused(
        "so is the patient's own, sealed just before to the old keys",
        StaleKeyring,
        lambda: stage.send_regardless(stage.people.patient, phones.call, phones.gas),
    )


def afterwards(stage: Stage, check: Checks) -> None:
    """Against a hospital that has kept every key, and has every block and event there is."""
    patient, hospital = stage.patient, stage.hospital
    added = patient.append(SECOND_OPINION_TEXT, compartment=OPEN, title="Second opinion", media_type="text/plain")
    number = stage.remember(SECOND_OPINION, added)
    check.equal(f"the patient adds entry {number} and reads it", patient.read(number).read(), SECOND_OPINION_TEXT)
    intruder = stage.intruder(stage.people.hospital)
    check.refused(
        "no key to it was sealed to the hospital", KeysMissing, lambda: intruder.open(number, hospital.keys())
    )
    opened = intruder.try_all(number, stage.kept)
    check.that(
        f"none of the {len(stage.kept.seeds)} private keys that it kept opens it",
        opened is None,
        f"{opened} key does",
    )
    before = stage.numbers[REPORT.name]
    still = digest(intruder.open(before, hospital.keys())), intruder.try_all(before, stage.kept) is not None
    check.equal(
        f"what it could read before it keeps: the same keys open '{REPORT.title}'", still, (REPORT.sha256, True)
    )


REVOKE = Step(
    "The patient revokes the permission",
    "Nobody else has to agree. Two records are on their way at this moment.",
    revoke,
)
REFUSED = Step(
    "The doctor is refused on chain",
    "Nor does the contract take anything more that the old keys would open.",
    refused,
)
AFTERWARDS = Step(
    "What the patient adds afterwards stays closed",
    "Even if the hospital kept its keys, and has every block and event there is.",
    afterwards,
)
