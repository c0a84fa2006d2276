"""``medrec demo``: the whole story on real input."""

from __future__ import annotations

from typing import Annotated

import typer

from medrec_py.cli.command import command
from medrec_py.cli.session import Session


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "demo", common=("chain", "as_json"))(demo)


def demo(
    session: Session,
    ipfs: Annotated[
        str | None, typer.Option("--ipfs", metavar="URL", help="RPC of a Kubo node; a temporary folder unless given.")
    ] = None,
) -> int:
    """Tell a patient's story from registration to revocation, and check every sentence of it.

    It takes place inside this process, unless --chain names a development node. Identities and settings are left alone.
    """
    from medrec_py.demo import story  # noqa: PLC0415 - slow to import

    return story.run(session.given.chain, ipfs, as_json=session.output.as_json)
