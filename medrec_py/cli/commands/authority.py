"""``medrec authority``: who names registrars."""

from __future__ import annotations

import typer

from medrec_py.cli.arguments import Address, checked
from medrec_py.cli.command import command, group
from medrec_py.cli.output import Cell, Fields
from medrec_py.cli.session import Session

app = typer.Typer(help="The profile as the authority of the deployment, which names registrars.", no_args_is_help=True)
group(app)


@command(app, "show")
def show(session: Session) -> None:
    """Show who the authority is, and to whom it was offered."""
    contract = session.network.contract
    authority, pending = contract.authority(), contract.pending_authority()
    session.output.result(
        {"authority": authority, "offered_to": pending},
        Fields([("authority", authority), ("offered to", pending or "nobody")]),
    )


@command(app, "add-registrar")
def add_registrar(session: Session, address: Address) -> None:
    """Name a registrar."""
    account = checked(address)
    session.network.authority(session.wallet).add_registrar(account)
    _done(session, "Named.", "registrar", account)


@command(app, "remove-registrar")
def remove_registrar(session: Session, address: Address) -> None:
    """Remove a registrar. What it accredited stays."""
    account = checked(address)
    session.network.authority(session.wallet).remove_registrar(account)
    _done(session, "Removed.", "registrar", account)


@command(app, "offer")
def offer(session: Session, address: Address) -> None:
    """Offer the authority to another account, which has to accept it. Until then nothing changes."""
    account = checked(address)
    session.network.authority(session.wallet).offer(account)
    _done(session, "Offered.", "offered_to", account)


@command(app, "accept")
def accept(session: Session) -> None:
    """Take over the authority that was offered to this profile."""
    session.network.authority(session.wallet).accept()
    _done(session, "Accepted.", "authority", session.identity.address)


def _done(session: Session, what: str, name: str, account: str) -> None:
    session.output.result(
        {name: account, "transactions": session.transactions()},
        Cell(what, "green"),
        Fields([(name.replace("_", " "), account), session.sent()]),
    )
