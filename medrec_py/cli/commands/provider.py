"""``medrec provider``: an organisation, a practitioner, or whoever else is granted something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from medrec_py.cli.arguments import ADDRESS, Address, checked
from medrec_py.cli.command import command, group
from medrec_py.cli.moments import FORMS, iso, parse_moment, readable
from medrec_py.cli.output import Cell, Document, Fields
from medrec_py.cli.session import Session

if TYPE_CHECKING:
    from medrec_py.crypto.profile import ProfileContent
    from medrec_py.network import Network

app = typer.Typer(help="The profile as a provider: its published key, and its agents.", no_args_is_help=True)
group(app)

agents_app = typer.Typer(help="Those who append in the provider's name.", no_args_is_help=True)
group(agents_app)
app.add_typer(agents_app, name="agent")


@command(app, "publish")
def publish(
    session: Session,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="Public name; a relative needs none.")] = "",
    endpoint: Annotated[
        list[str] | None,
        typer.Option("--endpoint", metavar="URL", help="Public address of a service; may be repeated."),
    ] = None,
) -> None:
    """Publish the key that permissions are sealed to. Everybody who is granted something needs it, relatives too."""
    provider = session.provider()
    provider.publish_profile(name, tuple(endpoint or ()))
    session.output.result(
        {
            "address": provider.address,
            "name": name,
            "endpoints": endpoint or [],
            "transactions": session.transactions(),
        },
        Cell("Published.", "green"),
        Fields([("address", provider.address), ("name", name or "none"), session.sent()]),
    )


@command(app, "show")
def show(
    session: Session,
    address: Annotated[
        str | None, typer.Argument(metavar=f"[{ADDRESS}]", help="Whom; the profile's own unless given.")
    ] = None,
) -> None:
    """Show what is public of a provider: accreditation, profile, agents."""
    who = session.identity.address if address is None else checked(address)
    network = session.network
    state = network.contract.provider_of(who)
    now = session.chain.now()
    profile = _profile(network, who)
    agents = {agent: until for agent, until in _agents(session, who).items() if until > now}
    accredited = bool(state.kind) and state.expiry > now and not state.suspended
    document: Document = {
        "address": who,
        "kind": state.kind.name.lower(),
        "is_accredited": accredited,
        "is_suspended": state.suspended,
        "for_emergencies": state.emergency,
        "expires": iso(state.expiry) if state.kind else None,
        "profile": None if profile is None else {"name": profile.name, "endpoints": list(profile.endpoints)},
        "is_registrar": network.contract.is_registrar(who),
        "agents": [{"address": agent, "until": iso(until)} for agent, until in agents.items()],
    }
    standing = (
        "suspended" if state.suspended else ("until" if accredited else "over since") + f" {readable(state.expiry)}"
    )
    session.output.result(
        document,
        Fields(
            [
                ("address", who),
                ("accredited", f"as {state.kind.name.lower()}, {standing}" if state.kind else "no"),
                ("profile", "none published" if profile is None else profile.name or "published, without a name"),
                *(("agent", f"{agent} until {readable(until)}") for agent, until in agents.items()),
            ]
        ),
    )


@command(agents_app, "add")
def add_agent(
    session: Session,
    address: Address,
    until: Annotated[
        str, typer.Option("--until", metavar="WHEN", help=f"First moment at which it no longer may: {FORMS}.")
    ] = "365d",
) -> None:
    """Name an agent: it may append in this provider's name, wherever this provider may."""
    agent, end = checked(address), parse_moment(until)
    provider = session.provider()
    provider.add_agent(agent, end)
    last = session.network.contract.agent_until(provider.address, agent)
    session.output.result(
        {"principal": provider.address, "agent": agent, "until": iso(last), "transactions": session.transactions()},
        Cell("Named.", "green"),
        Fields([("agent", agent), ("for", provider.address), ("until", readable(last)), session.sent()]),
    )


@command(agents_app, "remove")
def remove_agent(session: Session, address: Address) -> None:
    """Dismiss an agent, from the next transaction on."""
    agent = checked(address)
    provider = session.provider()
    provider.remove_agent(agent)
    session.output.result(
        {"principal": provider.address, "agent": agent, "transactions": session.transactions()},
        Cell("Dismissed.", "green"),
        Fields([("agent", agent), ("of", provider.address), session.sent()]),
    )


def _profile(network: Network, who: str) -> ProfileContent | None:
    from medrec_py.errors import ProfileNotFound  # noqa: PLC0415

    try:
        return network.profile(who)
    except ProfileNotFound:
        return None


def _agents(session: Session, who: str) -> dict[str, int]:
    """Whoever was ever named an agent, and until when: zero for those dismissed."""
    from medrec_py.chain.events import AgentNamed  # noqa: PLC0415
    from medrec_py.chain.logs import fetch_logs  # noqa: PLC0415

    contract = session.network.contract
    named = fetch_logs(contract, [AgentNamed], from_block=session.first_block, principal=who)
    agents = dict.fromkeys(logged.event.agent for logged in named if isinstance(logged.event, AgentNamed))
    return {agent: contract.agent_until(who, agent) for agent in agents}
