"""``medrec config``: settings, and where each comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medrec_py.cli import config_file
from medrec_py.cli.command import command, group
from medrec_py.cli.output import Cell, Document, Fields, Table
from medrec_py.cli.session import Session
from medrec_py.cli.settings import SETTINGS, Settings, read_setting
from medrec_py.errors import ConfigurationError

app = typer.Typer(help="Settings, and where each comes from.", no_args_is_help=True)
group(app)

Name = Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(SETTINGS)}.")]
ForAll = Annotated[
    bool, typer.Option("--global", help="In the file of all profiles; else in that of the profile in use.")
]


@command(app, "show")
def show(session: Session) -> None:
    """Show every setting and where it comes from, and the profiles on this machine. Secrets are not shown."""
    settings = session.settings
    found = described_settings(settings)
    profiles = [(identity.profile, identity.address) for identity in session.identities.all()]
    session.output.result(
        {"settings": found, "profiles": [{"name": name, "address": address} for name, address in profiles]},
        settings_table(found),
        Table(("profile", "address"), profiles, "There is no identity yet: `medrec init`."),
    )


@command(app, "set")
def set_value(
    session: Session,
    name: Name,
    values: Annotated[list[str], typer.Argument(metavar="VALUE...", help="What to set it to; several for stores.")],
    for_all: ForAll = False,
) -> None:
    """Set a setting in a configuration file."""
    value = read_setting(name, values)
    path = _file(session, name, for_all)
    config_file.change(path, name, value)
    shown = SETTINGS[name].shown(value)
    session.output.result(
        {"name": name, "value": shown, "file": str(path)},
        Cell("Set.", "green"),
        Fields([(name, _text(shown)), ("in", str(path))]),
    )


@command(app, "unset")
def unset(session: Session, name: Name, for_all: ForAll = False) -> None:
    """Take a setting out of a configuration file."""
    if name not in SETTINGS:
        read_setting(name, [""])
    path = _file(session, name, for_all)
    config_file.change(path, name, None)
    session.output.result({"name": name, "file": str(path)}, Cell("Taken out.", "green"), Fields([("file", str(path))]))


def described_settings(settings: Settings) -> list[Document]:
    """Name, value without secrets, and source of every setting."""
    home: Document = {"name": "home", "value": str(settings.home), "source": settings.home_source}
    others = []
    for name, setting in SETTINGS.items():
        found = settings.find(name)
        others.append({"name": name, "value": setting.shown(found.value), "source": found.source})
    return [home, *others]


def settings_table(found: list[Document]) -> Table:
    """The same for people."""
    rows = [(one["name"], _text(one["value"]), Cell(one["source"], "dim")) for one in found]
    return Table(("setting", "value", "from"), rows, "")


def _file(session: Session, name: str, for_all: bool) -> Path:
    if not for_all and not SETTINGS[name].of_profile:
        raise ConfigurationError(f"{name} is a setting for all profiles: give --global")
    return session.settings.file(None if for_all else session.settings.profile)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
