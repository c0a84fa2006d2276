"""The history, proved complete."""

from __future__ import annotations

from medrec_py.chain.events import KeyringPublished, RecordAppended, RecordsAppended, RecordsErased, RecordsMoved
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.types import Kind, address_bytes
from medrec_py.demo.checks import Checks
from medrec_py.demo.samples import SAMPLES
from medrec_py.demo.stage import Stage
from medrec_py.demo.steps.step import Step
from medrec_py.errors import EntryMissing
from medrec_py.history import extend

TITLES = ("How I sleep", *(sample.title for sample in SAMPLES), "Second opinion")
ENTRIES = (KeyringPublished, RecordAppended, RecordsAppended, RecordsErased, RecordsMoved)


def history(stage: Stage, check: Checks) -> None:
    """Every entry, and the proof that there is no other."""
    state = stage.net.contract.history_of(stage.patient_id)
    stage.history = list(stage.patient.history())
    check.equal(
        f"{state.length} entries lead to the head on chain, {state.head.hex()[:16]}...",
        len(stage.history),
        state.length,
    )
    records = [entry for entry in stage.history if entry.kind is Kind.RECORD]
    check.equal("every record is there, in order, and opens", tuple(entry.title for entry in records), TITLES)
    events = list(fetch_logs(stage.net.contract, ENTRIES, from_block=stage.first_block, patient=stage.patient_id))
    word = int.from_bytes(state.to_word())
    check.refused(
        "with one event left out, the rest is not accepted",
        EntryMissing,
        lambda: extend(address_bytes(stage.patient_id), 0, events[:2] + events[3:], word),
    )


HISTORY = Step(
    "The history is verified",
    "A node that leaves out, changes or invents an entry is found out.",
    history,
)
