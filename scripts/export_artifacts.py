"""Write the artifacts that the SDK ships: ABI and bytecode of MedRec, so that its users need no compiler.

ape run export_artifacts            # write medrec_py/chain/artifacts/MedRec.json
ape run export_artifacts --check    # compare with a fresh compilation; exit 1 if they differ
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from scripts.compiler import ROOT, compile_contracts, solidity_config

ARTIFACT = ROOT / "medrec_py" / "chain" / "artifacts" / "MedRec.json"


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


def export(path: Path = ARTIFACT) -> None:
    """Compile and write the artifact."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(artifact()), encoding="utf-8")


def is_current(path: Path = ARTIFACT) -> bool:
    """Whether the artifact in the tree is what the contracts in the tree compile to."""
    return path.exists() and path.read_text(encoding="utf-8") == render(artifact())


@click.command()
@click.option("--check", is_flag=True, help="Compare instead of writing.")
def cli(check: bool) -> None:
    """Export the artifacts that the SDK ships."""
    if not check:
        export()
        click.echo(f"Wrote {ARTIFACT.relative_to(ROOT)}.")
    elif is_current():
        click.echo("The shipped artifacts are those of the contracts.")
    else:
        click.echo(
            f"{ARTIFACT.relative_to(ROOT)} differs from the contracts: run `ape run export_artifacts`.", err=True
        )
        sys.exit(1)


if __name__ == "__main__":
    cli()
