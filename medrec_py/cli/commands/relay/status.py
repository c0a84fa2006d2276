"""``medrec relay status``: what became of signed decisions that a relayer was given."""

from __future__ import annotations

from typing import Annotated

import typer

from medrec_py.cli.command import command
from medrec_py.cli.output import Fields
from medrec_py.cli.session import Session
from medrec_py.errors import InvalidInput


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "status")(status)


def status(
    session: Session,
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Its id: 0x and 64 hexadecimal digits.")],
) -> None:
    """Ask the relayer that is set what became of a bundle."""
    digits = bundle.removeprefix("0x")
    if len(digits) != 64 or not all(digit in "0123456789abcdef" for digit in digits):
        raise InvalidInput(f"{bundle!r} is no id of a bundle: 0x and 64 hexadecimal digits")
    found = session.relayer.status(bundle)
    refusals = {str(place): str(error) for place, error in found.refusals.items()}
    session.output.result(
        {"bundle": found.id, "state": found.state.value, "transaction": found.transaction, "refusals": refusals},
        Fields(
            [
                ("bundle", found.id),
                ("state", found.state.value),
                ("transaction", found.transaction or "none yet"),
                *[(f"decision {int(place) + 1}", reason) for place, reason in refusals.items()],
            ]
        ),
    )
