"""``medrec keys stale`` and ``medrec keys heal``: permissions whose holders have published other keys since."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from medrec_py.cli.arguments import ADDRESS, OfChild, all_checked, checked_or_none
from medrec_py.cli.command import command
from medrec_py.cli.output import Cell, Document, Fields, Table
from medrec_py.cli.session import Session

if TYPE_CHECKING:
    from medrec_py.healing import StalePermission


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "stale")(stale)
    command(app, "heal")(heal)


def stale(session: Session, patient_id: OfChild = None) -> None:
    """List the permissions whose holders published another key since, or were not given the present keys."""
    found = session.patient(checked_or_none(patient_id), locked=True).stale_permissions()
    rows = [
        (one.grantee, "; ".join(reason.value for reason in one.reasons), Cell(one.problem or "can be healed", "dim"))
        for one in found
    ]
    session.output.result(
        {"stale": _documents(found)},
        Table(("grantee", "what is wrong", ""), rows, "Every permission is sealed to its holder's present key."),
    )


def heal(
    session: Session,
    addresses: Annotated[
        list[str] | None,
        typer.Argument(
            metavar=f"[{ADDRESS}...]", help="Whose, whether it shows or not; all that are stale unless given."
        ),
    ] = None,
    patient_id: OfChild = None,
) -> None:
    """Seal stale permissions anew to their holders' present keys, on the same terms, and change the keys.

    Interrupted, it goes on where it was when it is called again.
    """
    named = all_checked(addresses or ())
    patient = session.patient(checked_or_none(patient_id))
    total = len(named) or len(patient.stale_permissions())
    with session.output.steps("sealing permissions", total) as progress:
        healed = patient.heal_permissions(*named, progress=progress)
    for left in healed.left:
        session.output.warn(f"the permission of {left.grantee} was not healed: {left.problem}")
    nothing = not healed.receipts
    session.output.result(
        {
            "patient": patient.id,
            "sealed": list(healed.sealed),
            "rotated": healed.rotated,
            "left": _documents(healed.left),
            "transactions": session.transactions(),
        },
        Cell("There was nothing to heal." if nothing else "Healed.", "dim" if nothing else "green"),
        Fields(
            [
                ("permissions", f"{len(healed.sealed)} sealed anew"),
                ("keys", "changed" if healed.rotated else "unchanged"),
                *([] if nothing else [session.sent()]),
            ]
        ),
    )


def _documents(stale: Iterable[StalePermission]) -> list[Document]:
    return [
        {"grantee": one.grantee, "reasons": [reason.name.lower() for reason in one.reasons], "problem": one.problem}
        for one in stale
    ]
