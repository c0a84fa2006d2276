"""``medrec patient``: a patient's registration, compartments and keys."""

from __future__ import annotations

from typing import Annotated

import typer

from medrec_py.cli.arguments import ADDRESS, ForPatient, OfChild, checked, checked_or_none
from medrec_py.cli.charts import View
from medrec_py.cli.command import command, group
from medrec_py.cli.commands.keys.reseal import journal_of
from medrec_py.cli.handing_over import noted
from medrec_py.cli.output import Cell, Fields
from medrec_py.cli.session import Session
from medrec_py.errors import InvalidInput

app = typer.Typer(help="The profile as a patient: registration, compartments, keys.", no_args_is_help=True)
group(app)

compartments_app = typer.Typer(help="Parts of the record that are granted separately.", no_args_is_help=True)
group(compartments_app)
app.add_typer(compartments_app, name="compartment")

Compartments = Annotated[
    list[str] | None, typer.Option("--compartment", metavar="NAME", help="Name of a compartment; may be repeated.")
]


@command(app, "register")
def register(
    session: Session,
    compartment: Compartments = None,
    newborn: Annotated[
        bool, typer.Option("--newborn", help="Register a new patient id, for a child, under this profile's wallet.")
    ] = False,
) -> None:
    """Register the profile as a patient, with its first keys. The compartment is "general" unless others are named.

    With --newborn it is a child's record: this profile decides for it and opens it, until it hands the record over.
    """
    from medrec_py.wallet import Wallet  # noqa: PLC0415 - slow to import

    if not newborn:
        _require_no_other(session)
    identity = Wallet.create() if newborn else None  # signs the registration, and nothing ever again
    patient = session.patient(None if identity is None else identity.address)
    names = compartment or ["general"]
    patient.register(names, identity=identity)
    session.output.result(
        {"patient": patient.id, "compartments": list(names), "transactions": session.transactions()},
        Cell("Registered.", "green"),
        Fields([("patient", patient.id), ("compartments", ", ".join(names)), session.sent()]),
    )


def _require_no_other(session: Session) -> None:
    """Where the profile's record is another id's, one of its own beside it would be mistaken for that."""
    own, restored = session.identity.address, session.identity.patient
    others = session.network.patient_ids(own) or [restored]
    if own not in others:
        raise InvalidInput(
            f"the profile decides for {', '.join(others)} already: register another patient in another profile"
        )


@command(app, "show")
def show(session: Session, patient_id: OfChild = None) -> None:
    """Show what the chain has of the profile as a patient, and its compartments."""
    patient = session.patient(checked_or_none(patient_id), locked=True)
    registered = patient.is_registered
    names = sorted(patient.compartments().values()) if registered else []
    chart = patient.chart()
    entries = chart.entries() if registered else []
    records = sum(entry.kind.name == "RECORD" for entry in entries)
    permissions = len(patient.permissions()) if registered else 0
    balance = session.chain.balance(session.identity.address)
    children = [other for other in session.network.patient_ids(session.identity.address) if other != patient.id]
    session.output.result(
        {
            "patient": patient.id,
            "is_registered": registered,
            "compartments": names,
            "records": records,
            "entries": len(entries),
            "permissions": permissions,
            "decides_for": children,
            "balance": str(balance),
        },
        Fields(
            [
                ("patient", patient.id),
                ("registered", "yes" if registered else "no"),
                ("compartments", ", ".join(names) or "none"),
                ("records", str(records)),
                ("history", f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}, complete"),
                ("permissions", str(permissions)),
                *([("decides for, too", ", ".join(children))] if children else []),
                ("balance", f"{balance / 10**18:.6f} ether"),
            ]
        ),
    )


@command(app, "hand-over")
def hand_over(
    session: Session,
    patient: Annotated[str, typer.Option("--patient", metavar=ADDRESS, help="The child's patient id.")],
    to: Annotated[str, typer.Option("--to", metavar="PROFILE", help="The child's own profile, on this machine.")],
    leave: Annotated[
        list[int] | None,
        typer.Option("--leave", metavar="RECORD", help="A record that can't be read may stay behind; may be repeated."),
    ] = None,
) -> None:
    """Hand a child's record over for good, to the child's own wallet and phrase.

    This profile then neither decides for the child nor opens what is written from then on.
    """
    whose, heir = checked(patient), session.identities.get(to)
    child = session.patient(whose)
    child.give_up_resealing(journal_of(session, whose))
    view = View(child.chart(), True, session.identity.address)
    left, count = [view.entry(number) for number in leave or ()], len(view.chart.entries())
    folder = session.settings.profile_folder(session.settings.profile)
    with noted(folder, whose), session.output.count("moving records", count) as progress:
        child.hand_over(session.wallet_of(heir), session.root_of(heir), leave=left, progress=progress)
    session.output.result(
        {"patient": whose, "wallet": heir.address, "transactions": session.transactions()},
        Cell("Handed over.", "green"),
        Fields(
            [
                ("patient", whose),
                ("decides now", heir.address),
                ("next", f"on the child's own device: medrec --profile {to} patient rotate --patient {whose}"),
                session.sent(),
            ]
        ),
    )


@command(app, "rotate")
def rotate(session: Session, compartment: Compartments = None, patient: ForPatient = None) -> None:
    """Change the keys of compartments, of all unless some are named, and move over what waits in the inbox.

    A representative changes those of its compartments, and leaves the inbox to the patient.
    """
    from medrec_py.representative import Representative  # noqa: PLC0415 - slow to import

    who = session.decider(checked_or_none(patient))
    who.rotate(*(compartment or ()))
    names = compartment or sorted(who.compartments().values())
    whose = who.patient if isinstance(who, Representative) else who.id
    session.output.result(
        {"patient": whose, "compartments": list(names), "transactions": session.transactions()},
        Cell("The keys are changed.", "green"),
        Fields([("compartments", ", ".join(names)), session.sent()]),
    )


@command(compartments_app, "add")
def add_compartment(
    session: Session,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of new compartments.")],
    patient_id: OfChild = None,
) -> None:
    """Add compartments to the record."""
    patient = session.patient(checked_or_none(patient_id))
    patient.add_compartment(*names)
    there = sorted(patient.compartments().values())
    session.output.result(
        {"patient": patient.id, "added": list(names), "compartments": there, "transactions": session.transactions()},
        Cell("Added.", "green"),
        Fields([("compartments", ", ".join(there)), session.sent()]),
    )
