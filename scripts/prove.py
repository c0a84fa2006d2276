"""Prove invariants of permissions with halmos, for all arguments and all storages: exit 1 if one does not hold.

    python -m scripts.prove

What is proved stands in ``tests/invariants/Prove.t.sol``. halmos asks for a rich that ape cannot be installed with, so
uv keeps it in an environment of its own. forge compiles in a folder of its own, with the settings of
``ape-config.yaml``.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.compiler import ROOT, solidity_config
from scripts.setup import uv
from scripts.toolchain import forge, solc

HALMOS = "halmos==0.3.3"
CONTRACT = "Prove"


def foundry_config() -> str:
    """The settings, as forge reads them."""
    config = solidity_config()
    settings = {
        "src": "contracts",
        "test": "test",
        "libs": ["node_modules"],
        "solc": str(solc()),
        "evm_version": config["evm_version"],
        "via_ir": config["via_ir"],
        "optimizer": config["optimize"],
        "optimizer_runs": config["optimization_runs"],
        "offline": True,
        "allow_paths": [str(ROOT)],
        "remappings": ["@openzeppelin/contracts=node_modules/@openzeppelin/contracts"],
    }
    # JSON's texts, numbers, truth values and lists are TOML's too.
    lines = (f"{name} = {json.dumps(value)}" for name, value in settings.items())
    return "\n".join(("[profile.default]", *lines, "[lint]", "lint_on_build = false", ""))


def main() -> int:
    """Say what is proved; 0 if all of it is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "foundry.toml").write_text(foundry_config(), encoding="utf-8")
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
        (folder / "contracts").mkdir()
        for part in (ROOT / "contracts").iterdir():
            if part.name not in {".cache", "test"}:
                (folder / "contracts" / part.name).symlink_to(part)
        (folder / "test").mkdir()
        (folder / "test" / "Prove.t.sol").symlink_to(ROOT / "tests" / "invariants" / "Prove.t.sol")
        command = [str(uv()), "tool", "run", "--python", sys.executable, "--from", HALMOS, "halmos"]
        options = ["--contract", CONTRACT, "--solver-timeout-assertion", "60000"]
        path = os.pathsep.join([str(forge().parent), os.environ["PATH"]])
        return subprocess.run(
            [*command, *options], cwd=folder, check=False, env={**os.environ, "PATH": path}
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
