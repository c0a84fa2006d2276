"""Write the artifacts that the SDK ships: ABI and bytecode, so that its users need no compiler, and words for wallets.

ape run export_artifacts            # write medrec_py/chain/artifacts
ape run export_artifacts --check    # compare with a fresh compilation; exit 1 if they differ
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from medrec_py.chain import descriptors
from scripts.compiler import ROOT, compile_contracts, solidity_config

FOLDER = ROOT / "medrec_py" / "chain" / "artifacts"
ARTIFACT = FOLDER / "MedRec.json"


def artifact() -> dict[str, Any]:
    """What a fresh compilation of this repository gives."""
    compiled = compile_contracts()["MedRec"]
    return {
        "contractName": "MedRec",
        "compiler": solidity_config(),
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployedSize": len(compiled["evm"]["deployedBytecode"]["object"]) // 2,
    }


def render(content: dict[str, Any]) -> str:
    """The text of an artifact file: sorted and indented, so that a change shows in review."""
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def render_descriptors(abi: list[dict[str, Any]]) -> dict[str, str]:
    """The texts of the descriptors' files by their names; their order is the one in which members are shown."""
    return {
        descriptors.name_of(kind, common=True): json.dumps(descriptors.common(kind, abi), indent=1) + "\n"
        for kind in descriptors.KINDS
    }


def contents() -> dict[str, str]:
    """The text of each file by its name."""
    compiled = artifact()
    return {ARTIFACT.name: render(compiled), **render_descriptors(compiled["abi"])}


def export(folder: Path = FOLDER) -> None:
    """Compile and write the artifacts."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents().items():
        (folder / name).write_text(text, encoding="utf-8")


def differences(folder: Path = FOLDER) -> list[str]:
    """The files in the tree that are not what the contracts in the tree give."""
    paths = {folder / name: text for name, text in contents().items()}
    return [path.name for path, text in paths.items() if not path.exists() or path.read_text(encoding="utf-8") != text]


@click.command()
@click.option("--check", is_flag=True, help="Compare instead of writing.")
def cli(check: bool) -> None:
    """Export the artifacts that the SDK ships."""
    if not check:
        export()
        click.echo(f"Wrote {FOLDER.relative_to(ROOT)}.")
    elif not (stale := differences()):
        click.echo("The shipped artifacts are those of the contracts.")
    else:
        click.echo(
            f"{', '.join(stale)} in {FOLDER.relative_to(ROOT)} differ from the contracts: "
            "run `ape run export_artifacts`.",
            err=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    cli()
