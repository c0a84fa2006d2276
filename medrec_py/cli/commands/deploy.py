"""``medrec deploy``: the contract."""

from __future__ import annotations

from typing import Annotated

import typer

from medrec_py.cli.arguments import ADDRESS, checked
from medrec_py.cli.command import command
from medrec_py.cli.output import Cell, Fields
from medrec_py.cli.session import Session


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "deploy")(deploy)


def deploy(
    session: Session,
    authority: Annotated[
        str | None,
        typer.Option(
            "--authority",
            metavar=ADDRESS,
            help="Account that names registrars; this profile's, for a new deployment, unless given.",
        ),
    ] = None,
    suite: Annotated[
        int | None,
        typer.Option(
            "--suite",
            metavar="NUMBER",
            help="Cipher suite by which everything new is sealed; 1 unless given, or what the file says.",
        ),
    ] = None,
) -> None:
    """Deploy the contract, unless it is there already, and remember where it is.

    The deployment file in the home folder says so for this chain from then on. Give it to all who use the deployment.
    With --suite a deployment that is there moves to a later suite: its file says so, and nothing is sent.
    """
    from medrec_py.chain.deployment import deploy as deploy_contract  # noqa: PLC0415 - slow to import

    named = None if authority is None else checked(authority)
    chain, folder = session.chain, session.settings.deployments
    outcome = deploy_contract(chain, session.wallet, authority=named, suite=suite, folder=folder)
    deployed, file = outcome.deployed, folder / f"{chain.chain_id}.json"
    setting = session.settings.find("contract")
    if setting.value is not None and setting.value != deployed.address:
        session.output.warn(f"the contract in use is another one, {setting.value}: {setting.source}")
    session.output.result(
        {
            "address": deployed.address,
            "chain_id": deployed.chain_id,
            "authority": deployed.authority,
            "suite": deployed.suite,
            "is_new": outcome.is_new,
            "block": deployed.block,
            "transaction": deployed.transaction,
            "gas_used": outcome.gas_used,
            "note": outcome.note,
            "file": str(file),
        },
        Cell("Deployed." if outcome.is_new else "It is deployed already; nothing was sent.", "green"),
        Fields(
            [
                ("contract", deployed.address),
                ("chain", str(deployed.chain_id)),
                ("authority", deployed.authority),
                ("suite", str(deployed.suite)),
                ("transaction", f"{deployed.transaction} (block {deployed.block})"),
                *([("gas", f"{outcome.gas_used:,}")] if outcome.is_new else []),
                ("file", str(file)),
            ]
        ),
        *([outcome.note] if outcome.note else []),
    )
