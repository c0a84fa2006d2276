"""From the deployment to the patient's permission."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import deploy, is_medrec_code
from medrec_py.chain.reverts import NotRegistrar
from medrec_py.chain.types import Action, Denial, ProviderKind
from medrec_py.compartments import number_of
from medrec_py.demo.checks import Checks
from medrec_py.demo.stage import CLOSED, OPEN, Stage
from medrec_py.demo.steps.step import Step
from medrec_py.purposes import Purpose
from medrec_py.times import as_datetime

NOTE = "the note"
NOTE_TEXT = b"Slept four hours again. I am not ready to talk about it with anybody but my therapist."
DAYS = 90


def deploy_contract(stage: Stage, check: Checks) -> None:
    """One contract, and an authority that names registrars."""
    authority = stage.people.authority
    outcome = deploy(stage.chain, authority)
    address = outcome.deployed.address
    check.that(f"the contract is at {address}", outcome.is_new, "it was there already")
    check.that("its code is what this package ships", is_medrec_code(stage.chain.code(address)), "it is other code")
    held = MedRecContract(stage.chain, address).authority()
    check.equal("its authority, who names registrars, is the account above", held, authority.address)
    stage.opened(outcome)


def accredit(stage: Stage, check: Checks) -> None:
    """A registrar, a hospital and a doctor, who publish the keys that can be sealed to."""
    people, net = stage.people, stage.net
    net.authority(people.authority).add_registrar(people.registrar)
    hospital = net.organisation(people.hospital, name="Lakeside Hospital")
    doctor = net.practitioner(people.doctor, name="Dr. Kassulke")
    net.registrar(people.registrar).accredit(hospital, doctor, expires=timedelta(days=365))
    check.equal("the hospital is accredited as an organisation", hospital.state.kind, ProviderKind.ORGANISATION)
    check.equal("the doctor is accredited as a practitioner", doctor.state.kind, ProviderKind.PRACTITIONER)
    check.refused(
        "a stranger can accredit nobody",
        NotRegistrar,
        lambda: net.registrar(people.stranger).accredit(hospital, expires=timedelta(days=365)),
    )


def name_agent(stage: Stage, check: Checks) -> None:
    """So that the hospital's own wallet need not sign each record."""
    stage.hospital.add_agent(stage.doctor)
    check.that("the doctor may act for the hospital", stage.hospital.is_agent(stage.doctor))
    check.that("the hospital may not act for the doctor", not stage.doctor.is_agent(stage.hospital), "it may")


def register(stage: Stage, check: Checks) -> None:
    """The patient's id and first keys."""
    patient = stage.patient.register(compartments=[OPEN, CLOSED])
    names = patient.compartments()
    check.that("the patient is registered", patient.is_registered)
    check.equal(f"there are two compartments, '{OPEN}' and '{CLOSED}'", set(names.values()), {OPEN, CLOSED})
    numbers = " and ".join(str(number) for number in sorted(names))
    shown = any(name.encode() in public for name in (OPEN, CLOSED) for public in stage.public_bytes())
    check.that(f"to others they are {numbers}, drawn at random: names are encrypted", not shown)


def write_note(stage: Stage, check: Checks) -> None:
    """A record that nobody else is going to see."""
    note = stage.patient.append(NOTE_TEXT, compartment=CLOSED, title="How I sleep", media_type="text/plain")
    number = stage.remember(NOTE, note)
    check.equal(
        f"entry {number}: 'How I sleep', which the patient reads back", stage.patient.read(note).read(), NOTE_TEXT
    )


def grant(stage: Stage, check: Checks) -> None:
    """Read and append, one compartment, for treatment, until a date."""
    until = (datetime.now(UTC) + timedelta(days=DAYS)).date()
    stage.patient.grant(stage.hospital, read=[OPEN], append=[OPEN], purpose=Purpose.TREAT, expires=until)
    lines = stage.patient.permissions()
    check.equal("the patient has granted exactly one permission", len(lines), 1)
    line = lines[0]
    check.equal(f"the hospital may read '{OPEN}' and nothing else", line.read, (OPEN,))
    check.equal(f"the hospital may append to '{OPEN}' and nothing else", line.append, (OPEN,))
    check.equal("it may do so for treatment (TREAT) only", line.purposes, (Purpose.TREAT,))
    check.equal(f"it may do so until {until}", as_datetime(line.expiry).date(), until)
    denial = stage.net.contract.may(
        stage.patient_id,
        stage.people.doctor.address,
        stage.people.hospital.address,
        Action.APPEND,
        compartments=1 << number_of(OPEN, stage.patient.compartments()),
        purpose=Purpose.TREAT,
    )
    check.equal("the contract lets the doctor append for the hospital", denial, Denial.NONE)


DEPLOY = Step(
    "MedRec is deployed",
    "One contract holds who may read or add what. No record ever goes into it.",
    deploy_contract,
)
ACCREDIT = Step(
    "A registrar accredits a hospital and a doctor",
    "Patients then know that they are what they say. It opens nobody's record.",
    accredit,
)
NAME_AGENT = Step(
    "The hospital names the doctor its agent",
    "The doctor signs from now on what is written in the hospital's name.",
    name_agent,
)
REGISTER = Step(
    "The patient registers, with two compartments",
    "A compartment is a part of the record that can be opened by itself.",
    register,
)
WRITE_NOTE = Step(
    f"The patient writes a note into '{CLOSED}'",
    "Patients write too. Nobody will be given this compartment.",
    write_note,
)
GRANT = Step(
    f"The patient opens '{OPEN}' to the hospital",
    "The permission goes on chain, and with it the keys, sealed to the hospital.",
    grant,
)
