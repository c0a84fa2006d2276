"""The options that every command takes, before its name or behind it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Self

import typer

PANEL = "Common options"


@dataclass(frozen=True, slots=True)
class Given:
    """The common options of one call. Behind the command's name they win over those before it."""

    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", "-p", metavar="NAME", help="Identity to use (MEDREC_PROFILE).", rich_help_panel=PANEL
        ),
    ] = None
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One JSON document on stdout; errors as JSON on stderr.", rich_help_panel=PANEL),
    ] = False
    chain: Annotated[
        str | None,
        typer.Option("--chain", metavar="URL", help="Ethereum node (MEDREC_CHAIN).", rich_help_panel=PANEL),
    ] = None
    contract: Annotated[
        str | None,
        typer.Option(
            "--contract",
            metavar="ADDRESS|FILE",
            help="Contract, or its deployment file (MEDREC_CONTRACT).",
            rich_help_panel=PANEL,
        ),
    ] = None
    store: Annotated[
        list[str] | None,
        typer.Option(
            "--store",
            metavar="FOLDER|URL",
            help="Block store (MEDREC_STORE); give it again for a second one to fall back to.",
            rich_help_panel=PANEL,
        ),
    ] = None
    key_service: Annotated[
        str | None,
        typer.Option(
            "--key-service",
            metavar="ADDRESS",
            help="Key service of the provider that is acted for (MEDREC_KEY_SERVICE): unix:/path, or a URL.",
            rich_help_panel=PANEL,
        ),
    ] = None
    relayer: Annotated[
        str | None,
        typer.Option(
            "--relayer",
            metavar="ADDRESS",
            help="Relayer that sends what the wallet signs (MEDREC_RELAYER): a URL, or unix:/path.",
            rich_help_panel=PANEL,
        ),
    ] = None
    home: Annotated[
        str | None,
        typer.Option(
            "--home", metavar="FOLDER", help="Where everything is kept (MEDREC_HOME; ~/.medrec).", rich_help_panel=PANEL
        ),
    ] = None
    passphrase_file: Annotated[
        str | None,
        typer.Option(
            "--passphrase-file",
            metavar="FILE",
            help="File whose first line is the passphrase (MEDREC_PASSPHRASE_FILE; or MEDREC_PASSPHRASE itself).",
            rich_help_panel=PANEL,
        ),
    ] = None

    def followed_by(self, later: Given) -> Self:
        """These, unless the later ones say otherwise."""
        both = {one.name: getattr(later, one.name) or getattr(self, one.name) for one in fields(self)}
        return type(self)(**both)
