"""``medrec keys reseal``: new data keys for old records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec_py.cli.arguments import OfChild, checked_or_none
from medrec_py.cli.command import command
from medrec_py.cli.commands.keys.chosen import Compartments, Records, entries_of
from medrec_py.cli.output import Cell, Fields
from medrec_py.cli.session import Session


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "reseal")(reseal)
    command(app, "clean")(clean)


def journal_of(session: Session, patient: str) -> Path:
    """Where it is written down what resealing a patient's records has done so far: a child's beside one's own."""
    name = "reseal.journal" if patient == session.patient_id else f"reseal-{patient}.journal"
    return session.settings.profile_folder(session.settings.profile) / name


def reseal(
    session: Session, records: Records = None, compartment: Compartments = None, patient_id: OfChild = None
) -> None:
    """Give old records new data keys, so that keys somebody kept open nothing that is still stored; all unless named.

    Interrupted, it goes on where it stopped when it is called again. What somebody has read or copied it cannot take
    back.
    """
    patient = session.patient(checked_or_none(patient_id))
    numbers, count = entries_of(session, records, compartment, patient.id)
    journal = journal_of(session, patient.id)
    with session.output.count("sealing records anew", count) as progress:
        resealed = patient.reseal(*numbers, compartments=compartment or (), journal=journal, progress=progress)
    session.output.result(
        {"patient": patient.id, "records": len(resealed.records), "transactions": session.transactions()},
        Cell("Sealed anew.", "green") if resealed.records else "There was nothing to do.",
        Fields([("records", str(len(resealed.records))), *([session.sent()] if resealed.records else [])]),
    )


def clean(
    session: Session,
    collect: Annotated[
        bool, typer.Option("--collect", help="Have the store remove its unpinned blocks now, whoever put them.")
    ] = False,
    patient_id: OfChild = None,
) -> None:
    """Let the store drop what was superseded or erased, where that was interrupted."""
    patient = session.patient(checked_or_none(patient_id), locked=True)
    count = patient.drop_leftovers()
    if collect:
        session.network.store.collect()
    session.output.result({"patient": patient.id, "unpinned": count}, Fields([("unpinned", str(count))]))
