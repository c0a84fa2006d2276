"""The doctor appends; patient and doctor read."""

from __future__ import annotations

from collections.abc import Iterable

from rich.filesize import decimal

from medrec_py.chart import Appended
from medrec_py.demo.checks import Checks
from medrec_py.demo.samples import SAMPLES, Sample, digest
from medrec_py.demo.stage import CLOSED, OPEN, Stage
from medrec_py.demo.steps.step import Step


def append(stage: Stage, check: Checks) -> None:
    """Three real files, each in a transaction of its own."""
    for sample in SAMPLES:
        appended = _append(stage, sample)
        stage.remember(sample.name, appended)
        size = decimal(len(sample.read()))
        check.that(
            f"entry {appended.number}: '{sample.title}', {sample.name}, {size}",
            not appended.in_inbox,
            "it was sealed to the patient's inbox",
        )
    found = secrets_in(stage.public_bytes())
    check.that("no block, transaction or event shows any of it, nor titles or names", not found, f"found {found[:1]!r}")


def secrets_in(public: Iterable[bytes]) -> list[bytes]:
    """What can be found of the files' content, of titles and of names."""
    names = ("Kreiger", OPEN, CLOSED, *(sample.title for sample in SAMPLES))
    secret = [*(name.encode() for name in names), *(piece for sample in SAMPLES for piece in sample.pieces())]
    return [piece for octets in public for piece in secret if piece in octets]


def _append(stage: Stage, sample: Sample) -> Appended:
    content = sample.read()
    sealed = 0

    def progress(octets: int) -> None:
        nonlocal sealed
        sealed += octets
        stage.say(f"{sample.name}: {decimal(sealed)} encrypted")

    return stage.doctors_chart().append(
        content, compartment=OPEN, title=sample.title, media_type=sample.media_type, progress=progress
    )


def read_back(stage: Stage, check: Checks) -> None:
    """Each from the store, decrypted, and compared with what it was."""
    chart, patient = stage.doctors_chart(), stage.patient
    signers = set()
    for sample in SAMPLES:
        number = stage.numbers[sample.name]
        for_patient, for_doctor = patient.read(number), chart.read(number)
        check.equal(
            f"'{sample.title}': both get SHA-256 {sample.sha256[:16]}..., as it was",
            (digest(for_patient.read()), digest(for_doctor.read())),
            (sample.sha256, sample.sha256),
        )
        signers.add((for_patient.author, for_patient.on_behalf_of))
    doctor, hospital = stage.people.doctor.address, stage.people.hospital.address
    check.equal("the doctor has signed each of them for the hospital", signers, {(doctor, hospital)})


APPEND = Step(
    "The doctor appends three records for the hospital",
    "Encrypted on the doctor's machine; the chain gets a pointer of 32 bytes.",
    append,
)
READ_BACK = Step(
    "Patient and doctor read them back",
    "Every byte is checked against the doctor's signature and the chain.",
    read_back,
)
