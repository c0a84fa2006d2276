"""``medrec relay send``: bring signed decisions to the chain, whoever signed them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from medrec_py.cli.command import command
from medrec_py.cli.output import Cell, Fields
from medrec_py.cli.session import Session
from medrec_py.cli.signing import described
from medrec_py.errors import ConfigurationError, InvalidInput


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "send")(send)


def send(
    session: Session,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="What --offline wrote, a link in a file, or the texts of its QR codes; - or nothing: standard input.",
        ),
    ] = None,
    own_expense: Annotated[
        bool, typer.Option("--at-own-expense", help="By a transaction that this profile's wallet pays for.")
    ] = False,
) -> None:
    """Send decisions that somebody signed, through the relayer that is set, and wait until they are mined.

    They are checked before: signatures, deployment, deadline, and whether the contract would take them now. Sending the
    same ones twice is as once.
    """
    from medrec_py.crypto.bundle_texts import from_text  # noqa: PLC0415 - slow to import

    bundle = from_text(_texts(files or ["-"]))
    network = session.network
    if bundle.place.chain_id != network.chain_id or bundle.place.contract != network.deployment.contract:
        raise InvalidInput("the decisions were signed for another chain or contract than the one that is set")
    receipt = network.carry(bundle, session.wallet if own_expense else None)
    session.output.result(
        {**described(bundle), "transaction": receipt.transaction, "block": receipt.block},
        Cell("Carried out.", "green"),
        Fields(
            [
                ("decisions", ", ".join(type(signed.decision).__name__ for signed in bundle.decisions)),
                ("bundle", bundle.id),
                ("transaction", receipt.transaction),
            ]
        ),
    )


def _texts(files: list[str]) -> str:
    return "\n".join(_text(name) for name in files)


def _text(name: str) -> str:
    from medrec_py.crypto.signed_decisions import MAX_BUNDLE  # noqa: PLC0415

    try:
        if name == "-":
            return sys.stdin.read(MAX_BUNDLE + 1)
        with Path(name).open(encoding="utf-8") as file:
            return file.read(MAX_BUNDLE + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(f"{name} cannot be read: {reason}") from error
