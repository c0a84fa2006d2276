"""``medrec keys reseal``: new data keys for old records."""

from __future__ import annotations

from typing import Annotated

import typer

from medrec_py.cli.command import command
from medrec_py.cli.commands.keys.chosen import Compartments, Records, entries_of
from medrec_py.cli.output import Cell, Fields
from medrec_py.cli.session import Session

JOURNAL = "reseal.journal"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "reseal")(reseal)
    command(app, "clean")(clean)


def reseal(session: Session, records: Records = None, compartment: Compartments = None) -> None:
    """Give old records new data keys, so that keys somebody kept open nothing that is still stored; all unless named.

    Interrupted, it goes on where it stopped when it is called again. What somebody has read or copied it cannot take
    back.
    """
    patient = session.patient()
    numbers, count = entries_of(session, records, compartment)
    journal = session.settings.profile_folder(session.settings.profile) / JOURNAL
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
) -> None:
    """Let the store drop what was superseded or erased, where that was interrupted."""
    patient = session.patient(locked=True)
    count = patient.drop_leftovers()
    if collect:
        session.network.store.collect()
    session.output.result({"patient": patient.id, "unpinned": count}, Fields([("unpinned", str(count))]))
