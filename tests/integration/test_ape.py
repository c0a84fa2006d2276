"""MedRec in the hands of ape: the deployment script, and the contracts as another project's dependency."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import Deployed, create2_address
from medrec_py.wallet import Wallet
from scripts.devchain import running_anvil
from scripts.toolchain import ROOT
from tests.support.chains import ANVIL_PHRASE

pytestmark = pytest.mark.slow

RICH = Wallet.from_phrase(ANVIL_PHRASE)


def ape(*arguments: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ape as a user would."""
    programs = Path(sys.executable).parent
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    return subprocess.run(
        [str(programs / "ape"), *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.anvil
def test_the_script_deploys(tmp_path: Path) -> None:
    """With a keystore it deploys and writes the file, the second time does nothing, and refuses another authority."""
    keystore = tmp_path / "key.json"
    keystore.write_text(json.dumps(RICH.to_keystore("passphrase")), encoding="utf-8")
    with running_anvil() as url, Chain.connect(url) as chain:
        command = ["run", "deploy", "--network", url, "--keystore", str(keystore), "--folder", str(tmp_path / "d")]
        first = ape(*command, MEDREC_PASSPHRASE="passphrase")
        assert first.returncode == 0, first.stderr
        deployed = Deployed.load(tmp_path / "d", chain.chain_id)
        assert deployed.address == create2_address(RICH.address)
        assert deployed.address in first.stdout
        assert MedRecContract(chain, deployed.address).authority() == RICH.address
        second = ape(*command, MEDREC_PASSPHRASE="passphrase")
        assert second.returncode == 0
        assert "there already, nothing was sent" in second.stdout
        other = ape(*command, "--authority", Wallet.create().address, MEDREC_PASSPHRASE="passphrase")
        assert other.returncode == 1
        assert "has the authority" in other.stderr


@pytest.mark.anvil
def test_the_script_deploys_with_an_ape_account(tmp_path: Path) -> None:
    """An account of ape's signs, and the address is that of any other way to deploy."""
    with running_anvil() as url, Chain.connect(url) as chain:
        network = f"ethereum:local:{url}"
        done = ape("run", "deploy", "--network", network, "--account", "TEST::0", "--folder", str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert Deployed.load(tmp_path, chain.chain_id).address == create2_address(RICH.address)


CONFIG = """
name: clinic
dependencies:
  - name: medrec
    local: ../medrec
  - name: openzeppelin
    npm: "@openzeppelin/contracts"
    version: 5.3.0
    config_override:
      contracts_folder: .
solidity:
  version: 0.8.37
  evm_version: london
  via_ir: true
  optimize: true
  optimization_runs: 200
  import_remapping:
    - "@medrec=medrec"
    - "@openzeppelin/contracts=openzeppelin"
"""

CLINIC = """
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;
import {Action, Denial, IMedRec} from "@medrec/contracts/interfaces/IMedRec.sol";

contract Clinic {
    function mayRead(IMedRec medrec, address patient) external view returns (bool) {
        return medrec.may(patient, address(this), address(this), Action.Read, 0, 0) == Denial.None;
    }
}
"""

BRANCH = """
// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;
import {MedRec} from "@medrec/contracts/MedRec.sol";

contract Branch is MedRec {
    constructor(address authority) MedRec(authority) {}
}
"""

TEST = """
def test_the_dependency(project, accounts):
    owner = accounts[0]
    branch = owner.deploy(project.Branch, owner)
    assert branch.authority() == owner
    clinic = owner.deploy(project.Clinic)
    assert clinic.mayRead(branch, owner) is False
"""


@pytest.mark.solc
@pytest.mark.node
def test_the_contracts_are_a_dependency(tmp_path: Path) -> None:
    """Another ape project calls MedRec by its interface and builds on its contracts, as scripts/deploy.py says."""
    medrec, clinic = tmp_path / "medrec", tmp_path / "clinic"
    medrec.mkdir()
    shutil.copy(ROOT / "ape-config.yaml", medrec)
    shutil.copytree(ROOT / "contracts", medrec / "contracts", ignore=shutil.ignore_patterns(".cache"))
    libraries = Path("node_modules", "@openzeppelin", "contracts")
    shutil.copytree(ROOT / libraries, clinic / libraries)
    for name, text in {
        "ape-config.yaml": CONFIG,
        "contracts/Clinic.sol": CLINIC,
        "contracts/Branch.sol": BRANCH,
        "tests/test_dependency.py": TEST,
    }.items():
        path = clinic / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip(), encoding="utf-8")
    temporary = tmp_path / "tmp"  # elsewhere: a project below the folder for temporary files is compiled in its place
    temporary.mkdir()
    done = ape("test", folder=clinic, APE_DATA_FOLDER=str(tmp_path / "ape"), TMPDIR=str(temporary))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
