"""The program ``medrec``: its commands, and how it begins and ends."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from medrec_py.cli.command import group, report
from medrec_py.cli.commands import (
    asking,
    authority,
    config,
    demo,
    deploy,
    descriptors,
    doctor,
    guardian,
    history,
    inbox,
    init,
    keys,
    patient,
    permission,
    provider,
    record,
    recover,
    registrar,
    relay,
    representative,
    sign,
)
from medrec_py.cli.exits import MEANINGS, ExitCode
from medrec_py.cli.output import Output

_EPILOG = "\n\n".join(
    [
        "A flag wins over the environment (MEDREC_…), that over the profile's configuration file, that over the one of "
        "all profiles, and that over the default; `medrec config show` tells where each value comes from.",
        "Exit codes: " + "; ".join(f"{code:d} {meaning}" for code, meaning in MEANINGS.items()) + ".",
    ]
)

app = typer.Typer(
    name="medrec",
    help="A patient decides, with a wallet, who may read or add to their encrypted medical record.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from medrec_py import __version__  # noqa: PLC0415 - defined only after this module was imported

        typer.echo(f"medrec {__version__}")
        raise typer.Exit


group(
    app,
    hidden=False,
    version=Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True)
    ],
)

for _single in (init, demo, deploy, descriptors, doctor):
    _single.add_to(app)
asking.add_to(permission.app)
for _name, _group in (
    ("patient", patient.app),
    ("provider", provider.app),
    ("registrar", registrar.app),
    ("authority", authority.app),
    ("record", record.app),
    ("permission", permission.app),
    ("representative", representative.app),
    ("inbox", inbox.app),
    ("keys", keys.app),
    ("guardian", guardian.app),
    ("relay", relay.app),
):
    app.add_typer(_group, name=_name)
history.add_to(app)
recover.add_to(app)
sign.add_to(app)
app.add_typer(config.app, name="config")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and end the process.

    Args:
        arguments: Those of the process unless given.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # where the terminal's encoding lacks a character
    # Otherwise a plaintext that is only half written would stay beside its target.
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        sys.exit(run(sys.argv[1:] if arguments is None else arguments))
    finally:
        signal.signal(signal.SIGTERM, before)


def run(arguments: Sequence[str]) -> int:
    """Run the program; returns its exit code."""
    output = Output(as_json="--json" in arguments)
    try:
        code = typer.main.get_command(app).main(list(arguments), prog_name="medrec", standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - nothing ends in a traceback
        if hasattr(error, "format_message"):
            return _misused(output, error)
        return report(output, error)
    return int(code or 0)


def _misused(output: Output, error: BaseException) -> int:
    """A command line that cannot be understood. Typer's own error, of one class or another by its version."""
    if output.as_json:
        output.failure("UsageError", error.format_message(), "Look at `medrec --help`.")  # type: ignore[attr-defined]
    else:
        error.show()  # type: ignore[attr-defined]
    return ExitCode.USAGE


def _terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(ExitCode.TERMINATED)
