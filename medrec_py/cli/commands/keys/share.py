"""``medrec keys share``: the patient deals out the root secret to guardians."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medrec_py.cli.arguments import all_checked
from medrec_py.cli.blocks import require_free
from medrec_py.cli.command import command
from medrec_py.cli.files import sync_folder, write_private
from medrec_py.cli.output import Cell, Fields, Table
from medrec_py.cli.session import Session
from medrec_py.errors import ConfigurationError

if TYPE_CHECKING:
    from medrec_py.guardianship import GuardianShare


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "share")(share)


def share(
    session: Session,
    guardians: Annotated[
        list[str], typer.Argument(metavar="GUARDIAN...", help="Accounts with a published profile, at most 16.")
    ],
    threshold: Annotated[
        int, typer.Option("--threshold", metavar="M", help="How many of them restore the record together, from 2.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FOLDER", help="New folder for the shares, a file for each.")
    ],
) -> None:
    """Deal out the root secret to guardians: so many of them together can restore it, and read the whole record.

    Nothing is published. Give each guardian its file: nobody else can open it.
    """
    folder, addresses = require_free(output), all_checked(guardians)
    patient = session.patient(locked=True)
    dealt = patient.make_shares(threshold, addresses)
    _write(folder, dealt)
    if threshold == len(dealt):
        session.output.warn("all guardians are needed: if one share is lost, the others restore nothing")
    files = [str(folder / _name(given)) for given in dealt]
    set_name = dealt[0].set_id.hex()
    session.output.result(
        {
            "patient": patient.id,
            "set": set_name,
            "threshold": threshold,
            "guardians": [
                {"address": given.guardian, "name": given.name, "file": file}
                for given, file in zip(dealt, files, strict=True)
            ],
        },
        Cell("Dealt out.", "green"),
        Fields(
            [
                ("patient", patient.id),
                ("set", set_name),
                ("restored by", f"any {threshold} of {len(dealt)} guardians, who can then read the whole record"),
            ]
        ),
        Table(
            ("guardian", "name", "file"),
            [(given.guardian, given.name, file) for given, file in zip(dealt, files, strict=True)],
            "",
        ),
        "Give each its file, and tell them to keep it: medrec keys guard FILE",
    )


def _name(given: GuardianShare) -> str:
    return f"{given.guardian}.share"


def _write(folder: Path, dealt: Sequence[GuardianShare]) -> None:
    """All files in a folder of their own, which appears with them or not at all."""
    try:
        staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be made: {error.strerror}") from error
    try:
        for given in dealt:
            write_private(staged / _name(given), given.block)
        os.rename(staged, folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be made: {error.strerror}") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
