"""Those who have no permission, and a store that lies."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial

from medrec_py.chain.reverts import CompartmentNotGranted, NotAccredited, PermissionMissing
from medrec_py.chain.transactions import Call
from medrec_py.chain.types import Entry
from medrec_py.compartments import number_of
from medrec_py.crypto.envelope import ContentFile
from medrec_py.demo.checks import Checks, Unexpected
from medrec_py.demo.samples import IMAGE, REPORT, digest
from medrec_py.demo.stage import CLOSED, OPEN, Stage
from medrec_py.demo.steps.consent import NOTE, NOTE_TEXT
from medrec_py.demo.steps.step import Step
from medrec_py.errors import IntegrityError, KeysMissing
from medrec_py.keymodule import RootModule
from medrec_py.party import PROFILE_KEY_NUMBER
from medrec_py.purposes import Purpose
from medrec_py.storage import Cid
from medrec_py.unsealing import ReaderKeys
from medrec_py.wallet import require_root


def stranger(stage: Stage, check: Checks) -> None:
    """On chain, and past the SDK, with the blocks and events that everybody can have."""
    wallet, number = stage.people.stranger, stage.numbers[REPORT.name]
    check.refused(
        "the contract lets the stranger read nothing",
        PermissionMissing,
        lambda: stage.stranger.chart(stage.patient_id).read(number),
    )
    check.refused(
        "a real transaction of the stranger's that appends is reverted",
        NotAccredited,
        lambda: stage.send_regardless(wallet, _any_record(stage, wallet.address, OPEN)),
    )
    intruder = stage.intruder(wallet)
    check.refused(
        "past the contract, no key was sealed to the stranger",
        KeysMissing,
        lambda: intruder.open(number, stage.stranger.keys()),
    )
    hospital = bytes.fromhex(stage.people.hospital.address[2:])
    posing = ReaderKeys(RootModule(require_root(wallet), PROFILE_KEY_NUMBER), intruder.ledger.deployment, hospital)
    check.refused(
        "nor do the stranger's keys open what was sealed to the hospital",
        KeysMissing,
        lambda: intruder.open(number, posing),
    )


def other_compartment(stage: Stage, check: Checks) -> None:
    """The doctor has a permission, and it ends at the compartment's border."""
    doctor, hospital = stage.people.doctor, stage.people.hospital
    number = stage.numbers[NOTE]
    check.refused(
        "the contract does not let the doctor read the note",
        CompartmentNotGranted,
        lambda: stage.doctors_chart().read(number),
    )
    check.refused(
        f"a real transaction that appends to '{CLOSED}' is reverted",
        CompartmentNotGranted,
        lambda: stage.send_regardless(doctor, _any_record(stage, hospital.address, CLOSED)),
    )
    check.refused(
        "past the contract, the hospital has no key to it",
        KeysMissing,
        lambda: stage.intruder(doctor).open(number, stage.hospital.keys()),
    )
    check.equal("the patient still reads it", stage.patient.read(number).read(), NOTE_TEXT)


def tampering(stage: Stage, check: Checks) -> None:
    """The store gives other bytes than it was given: damaged ones, and valid ones of another record."""
    intruder = stage.intruder(stage.people.stranger)
    image, report = (intruder.envelope(stage.numbers[sample.name]) for sample in (IMAGE, REPORT))
    if not isinstance(image.body, ContentFile):
        raise Unexpected(f"{IMAGE.name} stands outside its envelope", "it stands inside")
    content, image_envelope = Cid.from_bytes(image.body.cid), Cid.raw(image.pointer)
    read: Callable[[], bytes] = partial(_read_image, stage)
    how = stage.vault.way_of_altering
    with stage.vault.altered(content, _flipped(stage.vault.get_block(content))):
        check.refused(f"a flipped byte of '{IMAGE.title}', {how}", IntegrityError, read)
    with stage.vault.altered(image_envelope, stage.vault.get_block(Cid.raw(report.pointer))):
        check.refused(f"the envelope of '{REPORT.title}' in its place, {how}", IntegrityError, read)
    check.equal(f"with the right bytes back, '{IMAGE.title}' reads as before", digest(read()), IMAGE.sha256)


def _read_image(stage: Stage) -> bytes:
    return stage.doctors_chart().read(stage.numbers[IMAGE.name]).read()


def _flipped(block: bytes) -> bytes:
    middle = len(block) // 2
    return block[:middle] + bytes([block[middle] ^ 1]) + block[middle + 1 :]


def _any_record(stage: Stage, on_behalf_of: str, compartment: str) -> Call:
    """A call that appends, right in everything but the permission."""
    number = number_of(compartment, stage.patient.compartments())
    return stage.net.contract.append(
        stage.patient_id,
        on_behalf_of,
        keyring_version=stage.net.contract.history_of(stage.patient_id).keyring_version,
        purpose=Purpose.TREAT,
        entry=Entry(1 << number, 0, secrets.token_bytes(32), secrets.token_bytes(32)),
    )


STRANGER = Step(
    "A stranger is refused",
    "Twice over: the contract says no, and whoever ignores it has no key.",
    stranger,
)
OTHER_COMPARTMENT = Step(
    "The other compartment is refused",
    f"A permission for '{OPEN}' says nothing about '{CLOSED}', nor do its keys.",
    other_compartment,
)
TAMPERING = Step(
    "A flipped byte and a swapped block are caught",
    "The store need not be trusted: a block's name is the hash of its bytes.",
    tampering,
)
