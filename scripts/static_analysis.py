"""Run Slither over the contracts: exit 1 if a finding is left without its reason.

    python -m scripts.static_analysis

A finding that is no fault is switched off where it is, with the reason in the comment line above:

    // The digest is compared, not a balance: nobody can push it off its value.
    // slither-disable-next-line incorrect-equality
    if (stored == digest) return;

What holds for the whole code is switched off in `EXCLUDED`.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from crytic_compile import CryticCompile
from crytic_compile.platform.solc_standard_json import SolcStandardJson

from scripts.compiler import ROOT, contract_sources, standard_input
from scripts.toolchain import solc

EXCLUDED = {
    "assembly": "solhint's no-inline-assembly asks for the reason at each place",
    "incorrect-equality": "about balances and times that others can push past a value; none is compared so",
    "timestamp": "what a patient grants ends at a time; the seconds that a block producer can shift are accepted",
}
OUTPUTS = ("abi", "metadata", "devdoc", "userdoc", "evm.bytecode", "evm.deployedBytecode", "evm.methodIdentifiers")
SWITCH = re.compile(r"^\s*//+\s*slither-disable-(next-line|start)\b")
COMMENT = re.compile(r"^\s*(//|\*|/\*)")


def unexplained_switches() -> list[str]:
    """Each place that switches Slither off without a comment line above it, as ``file:line``."""
    places = []
    for path in contract_sources():
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            above = lines[number - 2] if number > 1 else ""
            if SWITCH.match(line) and (not COMMENT.match(above) or SWITCH.match(above)):
                places.append(f"{path.relative_to(ROOT)}:{number}")
    return places


def export_compilation(folder: Path) -> Path:
    """Compile with the settings of this repository into the format that Slither reads; it knows no ape projects."""
    source = folder / "contracts"
    source.write_text(json.dumps(standard_input(outputs=OUTPUTS)), encoding="utf-8")
    options = {"solc": str(solc()), "solc_disable_warnings": "yes"}
    compilation = CryticCompile(SolcStandardJson(str(source)), **options)
    exported: list[str] = compilation.export(export_format="standard", export_dir=str(folder))
    return Path(exported[0]).rename(folder / "contracts_export.json")


def main() -> int:
    """Say what Slither finds; 0 if there is nothing."""
    unexplained = unexplained_switches()
    for place in unexplained:
        print(f"{place}: slither-disable without a comment line above it that says why", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(Path(sys.executable).with_name("slither")),
            str(export_compilation(Path(folder))),
            # Else foundry.toml makes it a Foundry project.
            "--compile-force-framework=Standard",
            "--filter-paths=contracts/.cache|node_modules",
            f"--exclude={','.join(EXCLUDED)}",
            "--fail-pedantic",
        ]
        found = subprocess.run(command, cwd=ROOT, check=False).returncode
    return 1 if found or unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
