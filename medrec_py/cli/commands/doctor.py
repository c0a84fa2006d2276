"""``medrec doctor``: what is there, what is missing, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from medrec_py.cli.checks import Examination, Finding, State
from medrec_py.cli.command import command
from medrec_py.cli.commands.config import described_settings, settings_table
from medrec_py.cli.exits import ExitCode
from medrec_py.cli.output import Cell, Document, Table
from medrec_py.cli.session import Session
from medrec_py.errors import MedRecError

_STYLES = {State.OK: "green", State.INFORMATION: "dim", State.WARNING: "yellow", State.PROBLEM: "bold red"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "doctor")(doctor)


def doctor(session: Session) -> int:
    """Check everything that MedRec needs, and say what to do where something is missing. No passphrase is needed."""
    findings = list(Examination(session).findings())
    sound = not any(finding.state is State.PROBLEM for finding in findings)
    settings: list[Document] = []
    try:
        settings = described_settings(session.settings)
    except MedRecError as error:
        sound = False
        findings.insert(0, Finding("settings", State.PROBLEM, str(error), error.remedy))
    session.output.result(
        {
            "ok": sound,
            "checks": [
                {"name": one.name, "state": one.state.value, "message": one.message, "remedy": one.remedy or None}
                for one in findings
            ],
            "settings": settings,
        },
        Table(("", "", "found"), [row for one in findings for row in _rows(one)], ""),
        settings_table(settings),
        Cell("Everything that is needed is there.", "green") if sound else Cell("There are problems.", "bold red"),
    )
    return ExitCode.OK if sound else ExitCode.UNEXPECTED


def _rows(finding: Finding) -> Iterator[tuple[str | Cell, ...]]:
    yield Cell(finding.state.value, _STYLES[finding.state]), finding.name, finding.message
    if finding.remedy:
        yield "", "", Cell(f"→ {finding.remedy}", "bold")
