"""A device is lost: the phrase restores everything on another, and so do two of three guardians."""

from __future__ import annotations

from medrec_py.demo.checks import Checks
from medrec_py.demo.samples import SAMPLES, digest
from medrec_py.demo.stage import Stage
from medrec_py.demo.steps.consent import NOTE, NOTE_TEXT
from medrec_py.demo.steps.revocation import SECOND_OPINION, SECOND_OPINION_TEXT
from medrec_py.demo.steps.step import Step
from medrec_py.errors import TooFewShares
from medrec_py.guardianship import hand_over_share, open_share
from medrec_py.patient import Patient
from medrec_py.wallet import Wallet, require_root

THRESHOLD = 2


def recover(stage: Stage, check: Checks) -> None:
    """On new devices that have nothing but the chain, the store, and either words or shares."""
    wanted = [*(sample.sha256 for sample in SAMPLES), digest(NOTE_TEXT), digest(SECOND_OPINION_TEXT)]
    phone = stage.new_device().patient(Wallet.from_phrase(stage.people.patient.phrase or ""))
    check.equal("the 24 words open every record on a new device", _contents(stage, phone), wanted)

    guardians = (stage.people.relative, stage.people.doctor, stage.people.hospital)
    stage.net.reader(stage.people.relative, name="A sister")
    dealt = stage.patient.make_shares(THRESHOLD, [guardian.address for guardian in guardians])
    recovery = stage.new_device().recovery(stage.patient_id)
    received = [
        recovery.receive(hand_over_share(share, recovery.request, recovery.fingerprint))
        for share in (
            open_share(one.block, guardian.address, require_root(guardian))
            for one, guardian in zip(dealt[:THRESHOLD], guardians, strict=False)
        )
    ]
    check.refused("one guardian's share gives nothing", TooFewShares, lambda: recovery.restore(received[:1]))
    root = recovery.restore(received)
    tablet = stage.new_device().patient(Wallet.create(), root, patient=stage.patient_id)
    check.equal("two of three guardians together open every record", _contents(stage, tablet), wanted)


def _contents(stage: Stage, device: Patient) -> list[str]:
    """The SHA-256 of every record, as a device reads it."""
    names = [*(sample.name for sample in SAMPLES), NOTE, SECOND_OPINION]
    return [digest(device.read(stage.numbers[name]).read()) for name in names]


RECOVER = Step(
    "A new device restores everything",
    "No file was kept: the phrase is enough, and without it two guardians of three.",
    recover,
)
