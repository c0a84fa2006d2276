"""Compile the contracts outside ape, with the settings of ``ape-config.yaml``, hence to the same bytecode.

Use it where ape is too much: to export artifacts, to compare them, to measure, to hand Slither what it reads.

    from scripts.compiler import compile_contracts

    artifact = compile_contracts()["MedRec"]     # {"abi": [...], "evm": {"bytecode": {"object": "60..."}, ...}, ...}
"""

from pathlib import Path
from typing import Any

import solcx
import yaml

ROOT = Path(__file__).resolve().parent.parent
OUTPUTS = (
    "abi",
    "devdoc",
    "userdoc",
    "metadata",
    "storageLayout",
    "evm.bytecode",
    "evm.deployedBytecode",
    "evm.methodIdentifiers",
)


def solidity_config(root: Path = ROOT) -> dict[str, Any]:
    """The ``solidity`` section of ``ape-config.yaml``."""
    config: dict[str, Any] = yaml.safe_load((root / "ape-config.yaml").read_text(encoding="utf-8"))
    section: dict[str, Any] = config["solidity"]
    return section


def contract_sources(root: Path = ROOT, *, tests: bool = False) -> list[Path]:
    """Every Solidity file below ``contracts/``; the mocks of ``contracts/test/`` only if asked for."""
    contracts = root / "contracts"
    sources = sorted(path for path in contracts.rglob("*.sol") if ".cache" not in path.parts)
    return [path for path in sources if tests or path.relative_to(contracts).parts[0] != "test"]


def standard_input(root: Path = ROOT, *, tests: bool = False, outputs: tuple[str, ...] = OUTPUTS) -> dict[str, Any]:
    """The standard-JSON input for this repository; the compiler reads what it imports below `root` by itself."""
    config = solidity_config(root)
    return {
        "language": "Solidity",
        "sources": {
            path.relative_to(root).as_posix(): {"content": path.read_text(encoding="utf-8")}
            for path in contract_sources(root, tests=tests)
        },
        "settings": {
            "evmVersion": config["evm_version"],
            "viaIR": config["via_ir"],
            "optimizer": {"enabled": config["optimize"], "runs": config["optimization_runs"]},
            "remappings": sorted(config["import_remapping"]),
            "outputSelection": {"*": {"*": list(outputs), "": ["ast"]}},
        },
    }


def compile_sources(root: Path = ROOT, *, tests: bool = False) -> dict[str, Any]:
    """The compiler's whole standard-JSON output.

    Raises:
        solcx.exceptions.SolcError: a contract does not compile.
        solcx.exceptions.SolcNotInstalled: run ``make setup-solc`` first.
    """
    output: dict[str, Any] = solcx.compile_standard(
        standard_input(root, tests=tests),
        solc_version=str(solidity_config(root)["version"]),
        base_path=root,
    )
    return output


def compile_contracts(root: Path = ROOT, *, tests: bool = False) -> dict[str, dict[str, Any]]:
    """The compiled contracts of this repository by name, those of libraries left out."""
    contracts: dict[str, dict[str, Any]] = {}
    for source, by_name in compile_sources(root, tests=tests)["contracts"].items():
        if source.startswith("contracts/") and ".cache" not in source.split("/"):
            contracts.update(by_name)
    return contracts
