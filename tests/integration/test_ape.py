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


STORY = """
from datetime import timedelta

import medrec_py as medrec
from ape import accounts, networks
from ape_accounts import import_account_from_private_key
from medrec_py.chain.connection import Chain
from medrec_py.chain.deployment import deploy
from medrec_py.chain.transactions import Call, send
from medrec_py.errors import ForeignChain


def main():
    rich, other = accounts.test_accounts[0], accounts.test_accounts[1]
    kept = import_account_from_private_key("alice", "a passphrase", "0x" + "11" * 32)
    kept.set_autosign(True, passphrase="a passphrase")
    authority, doctor, alice = map(medrec.ApeWallet, (rich, other, kept))
    assert isinstance(alice, medrec.Signer)
    chain = Chain(networks.provider.web3)
    send(chain, authority, Call(alice.address, b"", "fund", 10**18))
    deployed = deploy(chain, authority)
    net = medrec.connect(w3=networks.provider.web3, contract=deployed.address, store="STORE")
    net.authority(authority).add_registrar(authority)
    doctor = net.practitioner(doctor, medrec.Wallet.create().root)
    net.registrar(authority).accredit(doctor)
    patient = net.patient(alice, medrec.Wallet.create().root).register(compartments=["general"])
    patient.grant(doctor, read=["general"], append=["general"], expires=timedelta(days=30))
    chart = doctor.chart(patient)
    record = chart.append(b"signed in ape", title="note.txt", compartment="general")
    print("READ", patient.chart().read(record.number).read().decode())
    patient.revoke(doctor)
    try:
        chart.append(b"too late", title="late.txt", compartment="general")
    except medrec.PermissionRevoked:
        print("REVOKED")
    twin = medrec.Wallet.from_key("11" * 32)
    document = {
        "types": {"EIP712Domain": [{"name": "chainId", "type": "uint256"}], "T": [{"name": "x", "type": "uint256"}]},
        "primaryType": "T", "domain": {"chainId": net.chain_id}, "message": {"x": 1},
    }
    print("SAME", alice.sign_typed_data(document) == twin.sign_typed_data(document))
    try:
        alice.sign_typed_data({**document, "domain": {"chainId": 1}})
    except ForeignChain:
        print("FOREIGN")
"""


CONSOLE = """
import medrec_py as medrec
from medrec_py.chain.connection import Chain
from medrec_py.chain.deployment import deploy
wallet = medrec.ApeWallet(accounts.test_accounts[0])
print("AT", deploy(Chain(networks.provider.web3), wallet).address)
"""


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """A project of ape's with that script, and without any configuration."""
    folder = tmp_path / "clinic"
    (folder / "scripts").mkdir(parents=True)
    story = STORY.replace("STORE", str(tmp_path / "blocks"))
    (folder / "scripts" / "story.py").write_text(story.lstrip(), encoding="utf-8")
    (folder / "ape-config.yaml").write_text("name: clinic\n", encoding="utf-8")
    return folder


@pytest.mark.anvil
def test_apes_accounts_are_wallets(tmp_path: Path, clinic: Path) -> None:
    """In a script: test accounts and one of a keystore decide, sign statements and typed data, as keys here would."""
    with running_anvil() as url:
        network = f"ethereum:local:{url}"
        done = ape("run", "story", "--network", network, folder=clinic, APE_DATA_FOLDER=str(tmp_path / "ape"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.isupper() or line.startswith(("READ", "SAME"))] == [
        "READ signed in ape",
        "REVOKED",
        "SAME True",
        "FOREIGN",
    ]


@pytest.mark.anvil
def test_apes_accounts_are_wallets_in_its_console(tmp_path: Path, clinic: Path) -> None:
    """What is typed there: the accounts and networks that the console has."""
    code = CONSOLE.strip()
    with running_anvil() as url:
        network = f"ethereum:local:{url}"
        done = ape(
            "console", "--network", network, "--code", code, folder=clinic, APE_DATA_FOLDER=str(tmp_path / "ape")
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"AT {create2_address(RICH.address)}" in done.stdout


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
