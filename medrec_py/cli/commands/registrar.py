"""``medrec registrar``: accreditation of providers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from medrec_py.cli.arguments import ADDRESS, Address, all_checked, checked
from medrec_py.cli.command import command, group
from medrec_py.cli.moments import FORMS, iso, parse_moment, readable
from medrec_py.cli.output import Cell, Fields
from medrec_py.cli.session import Session

app = typer.Typer(help="The profile as a registrar: who is accredited.", no_args_is_help=True)
group(app)


class Kind(StrEnum):
    """What a provider is."""

    ORGANISATION = "organisation"
    PRACTITIONER = "practitioner"


@command(app, "accredit")
def accredit(
    session: Session,
    addresses: Annotated[list[str], typer.Argument(metavar=f"{ADDRESS}...", help="Providers.")],
    kind: Annotated[Kind, typer.Option("--kind", help="What they are.")],
    until: Annotated[
        str, typer.Option("--until", metavar="WHEN", help=f"First moment after the accreditation: {FORMS}.")
    ] = "365d",
    emergency: Annotated[
        bool, typer.Option("--emergency", help="They may open what patients grant for emergencies.")
    ] = False,
) -> None:
    """Accredit providers, or change their accreditation. A suspension stays."""
    from medrec_py.chain.types import ProviderKind  # noqa: PLC0415 - slow to import

    providers, end = all_checked(addresses), parse_moment(until)
    network = session.network
    registrar = network.registrar(session.wallet)
    registrar.accredit(*providers, expires=end, kind=ProviderKind[kind.name], emergency=emergency)
    expires = network.contract.provider_of(providers[0]).expiry
    session.output.result(
        {
            "providers": providers,
            "kind": kind.value,
            "expires": iso(expires),
            "for_emergencies": emergency,
            "transactions": session.transactions(),
        },
        Cell("Accredited.", "green"),
        Fields([*(("provider", provider) for provider in providers), ("until", readable(expires)), session.sent()]),
    )


@command(app, "suspend")
def suspend(session: Session, address: Address) -> None:
    """Suspend a provider, whoever accredited it: it appends nothing from the next transaction on."""
    provider = checked(address)
    session.network.registrar(session.wallet).suspend(provider)
    session.output.result(
        {"provider": provider, "is_suspended": True, "transactions": session.transactions()},
        Cell("Suspended.", "green"),
        Fields([("provider", provider), session.sent()]),
    )


@command(app, "reinstate")
def reinstate(session: Session, address: Address) -> None:
    """End a suspension."""
    provider = checked(address)
    session.network.registrar(session.wallet).reinstate(provider)
    session.output.result(
        {"provider": provider, "is_suspended": False, "transactions": session.transactions()},
        Cell("Reinstated.", "green"),
        Fields([("provider", provider), session.sent()]),
    )
