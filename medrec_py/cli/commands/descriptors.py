"""``medrec descriptors``: what wallets show a deployment's messages and transactions by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from medrec_py.cli.command import command
from medrec_py.cli.output import Cell, Fields
from medrec_py.cli.session import Session
from medrec_py.errors import ConfigurationError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "descriptors")(write)


def write(
    session: Session,
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="A new folder for the files.")],
) -> None:
    """Write the descriptors by which wallets show what is signed for this deployment in words (ERC-7730).

    They are for the registry of descriptors, or for a wallet that reads them from elsewhere.
    """
    from medrec_py.chain import descriptors  # noqa: PLC0415 - slow to import
    from medrec_py.chain.artifacts import load_descriptor  # noqa: PLC0415
    from medrec_py.cli.opening import find_contract  # noqa: PLC0415

    chain_id = session.chain.chain_id
    address = find_contract(session.settings, chain_id).address
    texts = {}
    for kind in descriptors.KINDS:
        texts[descriptors.name_of(kind, common=True)] = load_descriptor(descriptors.name_of(kind, common=True))
        bound = descriptors.of_deployment(kind, chain_id, address)
        texts[descriptors.name_of(kind, common=False)] = json.dumps(bound, indent=1) + "\n"
    place = Path(folder)
    try:
        place.mkdir(parents=True)
        for name, text in texts.items():
            (place / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{place} cannot be written: {error.strerror}") from error
    paths = sorted(str((place / name).absolute()) for name in texts)
    session.output.result(
        {"chain_id": chain_id, "contract": address, "files": paths},
        Cell("Written.", "green"),
        Fields([("chain", str(chain_id)), ("contract", address), ("files", ", ".join(sorted(texts)))]),
    )
