"""``medrec patient``: a patient's registration, compartments and keys."""

from __future__ import annotations

from typing import Annotated

import typer

from medrec_py.cli.command import command, group
from medrec_py.cli.output import Cell, Fields
from medrec_py.cli.session import Session

app = typer.Typer(help="The profile as a patient: registration, compartments, keys.", no_args_is_help=True)
group(app)

compartments_app = typer.Typer(help="Parts of the record that are granted separately.", no_args_is_help=True)
group(compartments_app)
app.add_typer(compartments_app, name="compartment")

Compartments = Annotated[
    list[str] | None, typer.Option("--compartment", metavar="NAME", help="Name of a compartment; may be repeated.")
]


@command(app, "register")
def register(session: Session, compartment: Compartments = None) -> None:
    """Register the profile as a patient, with its first keys. The compartment is "general" unless others are named."""
    patient = session.patient()
    names = compartment or ["general"]
    patient.register(names)
    session.output.result(
        {"patient": patient.id, "compartments": list(names), "transactions": session.transactions()},
        Cell("Registered.", "green"),
        Fields([("patient", patient.id), ("compartments", ", ".join(names)), session.sent()]),
    )


@command(app, "show")
def show(session: Session) -> None:
    """Show what the chain has of the profile as a patient, and its compartments."""
    patient = session.patient(locked=True)
    registered = patient.is_registered
    names = sorted(patient.compartments().values()) if registered else []
    chart = patient.chart()
    entries = chart.entries() if registered else []
    records = sum(entry.kind.name == "RECORD" for entry in entries)
    permissions = len(patient.permissions()) if registered else 0
    balance = session.chain.balance(session.identity.address)
    session.output.result(
        {
            "patient": patient.id,
            "is_registered": registered,
            "compartments": names,
            "records": records,
            "entries": len(entries),
            "permissions": permissions,
            "balance": str(balance),
        },
        Fields(
            [
                ("patient", patient.id),
                ("registered", "yes" if registered else "no"),
                ("compartments", ", ".join(names) or "none"),
                ("records", str(records)),
                ("history", f"{len(entries)} entries, complete"),
                ("permissions", str(permissions)),
                ("balance", f"{balance / 10**18:.6f} ether"),
            ]
        ),
    )


@command(app, "rotate")
def rotate(session: Session, compartment: Compartments = None) -> None:
    """Change the keys of compartments, of all unless some are named, and move over what waits in the inbox."""
    patient = session.patient()
    patient.rotate(*(compartment or ()))
    names = compartment or sorted(patient.compartments().values())
    session.output.result(
        {"patient": patient.id, "compartments": list(names), "transactions": session.transactions()},
        Cell("The keys are changed.", "green"),
        Fields([("compartments", ", ".join(names)), session.sent()]),
    )


@command(compartments_app, "add")
def add_compartment(
    session: Session, names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of new compartments.")]
) -> None:
    """Add compartments to the record."""
    patient = session.patient()
    patient.add_compartment(*names)
    there = sorted(patient.compartments().values())
    session.output.result(
        {"patient": patient.id, "added": list(names), "compartments": there, "transactions": session.transactions()},
        Cell("Added.", "green"),
        Fields([("compartments", ", ".join(there)), session.sent()]),
    )
