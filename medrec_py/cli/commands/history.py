"""``medrec history``: everything that happened to a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from medrec_py.cli import charts
from medrec_py.cli.arguments import ForPurpose, OfPatient, OnBehalfOf
from medrec_py.cli.command import command
from medrec_py.cli.moments import iso, readable
from medrec_py.cli.output import Cell, Table
from medrec_py.cli.session import Session

if TYPE_CHECKING:
    from medrec_py.chart import TimelineEntry


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "history")(history)


def history(
    session: Session,
    patient: OfPatient = None,
    on_behalf_of: OnBehalfOf = None,
    purpose: ForPurpose = None,
    sealed: Annotated[
        bool,
        typer.Option("--sealed", help="Open nothing: no titles, and no passphrase is needed. Anybody can check it."),
    ] = False,
) -> None:
    """Show the whole history as a timeline, proved complete against the contract."""
    if sealed:
        view = charts.open_without_keys(session, patient)
    else:
        view = charts.open_to_read(session, patient, on_behalf_of, purpose)
    numbers = view.numbers
    lines = list(view.chart.history())
    charts.warn_of_problems(session.output, lines)
    session.output.result(
        {
            "patient": view.patient,
            "entries": [
                {
                    "entry": line.number,
                    "kind": line.kind.name,
                    "record": numbers.get(line.number),
                    "time": iso(line.time),
                    "author": line.author,
                    "on_behalf_of": line.on_behalf_of,
                    "compartments": list(line.compartments),
                    "title": line.title,
                    "problem": None if line.problem is None or sealed else type(line.problem).__name__,
                    "transaction": line.transaction,
                }
                for line in lines
            ],
        },
        Table(
            ("entry", "time", "what", "compartments", "title", "author"),
            [_row(line, numbers.get(line.number), sealed) for line in lines],
            "The history is empty.",
        ),
        f"Complete: {len(lines)} entries lead to the contract's head.",
    )


_WHAT = {"KEYRING": "new keys", "MOVED": "records moved", "ERASED": "records erased"}


def _row(line: TimelineEntry, record: int | None, sealed: bool) -> tuple[str | Cell, ...]:
    what = f"record {record}" if record is not None else _WHAT.get(line.kind.name, line.kind.name.lower())
    title: str | Cell = line.title or ""
    if line.problem is not None and not sealed:
        title = Cell(type(line.problem).__name__, "yellow")
    author = line.author if line.author == line.on_behalf_of else f"{line.author} for {line.on_behalf_of}"
    return (str(line.number), readable(line.time), what, ", ".join(line.compartments), title, author)
