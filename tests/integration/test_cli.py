"""The program as people run it: processes of its own, on a real Anvil and a real Kubo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medrec_py.chain.connection import Chain
from scripts.devchain import running_anvil
from scripts.toolchain import kubo_version
from tests.support.content import content
from tests.support.kubo import KuboNode

pytestmark = [pytest.mark.anvil, pytest.mark.kubo]

PROGRAM = [sys.executable, "-m", "medrec_py.cli"]
PASSPHRASES = {"default": "alice's own", "hospital": "the hospital's own", "doctor": "the doctor's own"}
ETHER = 10**18
SCAN = content((5 << 20) + 12_345)


@dataclass(frozen=True)
class Machine:
    """A machine with several people's profiles on it, each with a passphrase of its own.

    Attributes:
        folder: The present folder; the home is in it.
        variables: Of its processes.
        chain: The node that they use.
        actors: Profile → address.
    """

    folder: Path
    variables: dict[str, str]
    chain: Chain
    actors: dict[str, str]

    def start(self, line: str) -> subprocess.Popen[str]:
        """Start a command, in which ``{doctor}`` is the doctor's address."""
        return subprocess.Popen(
            [*PROGRAM, *line.format(**self.actors).split()],
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, line: str) -> tuple[int, str, str]:
        """Run a command: exit code, standard output, standard error."""
        with self.start(line) as process:
            out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def ask(self, line: str) -> dict[str, Any]:
        """Run a command with ``--json`` that ends well."""
        code, out, err = self.run(f"{line} --json")
        assert code == 0, err
        document: dict[str, Any] = json.loads(out)
        return document

    def fail(self, line: str) -> tuple[int, str]:
        """Run a command with ``--json`` that does not: exit code and kind of error."""
        code, out, err = self.run(f"{line} --json")
        assert (code != 0, out) == (True, ""), out
        return code, json.loads(err)["error"]["type"]

    def identity(self, profile: str) -> None:
        """Make an identity with a passphrase file of its own, and give it ether."""
        secret = self.folder / f"{profile}.secret"
        secret.write_text(PASSPHRASES.get(profile, "of no matter") + "\n")
        secret.chmod(0o600)
        self.ask(f"config set passphrase-file {secret} --profile {profile}")
        self.actors[profile] = self.ask(f"--profile {profile} init --light-kdf")["address"]
        self.chain.request("anvil_setBalance", self.actors[profile], hex(10 * ETHER))


def set_up(folder: Path, url: str, store: str, *, scan: bytes, register: str) -> Machine:
    """An accredited hospital with a doctor as its agent, and a patient who is registered by a line of her own."""
    (folder / "echo.dcm").write_bytes(scan)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEDREC_")}
    variables = {"MEDREC_HOME": str(folder / "home"), "MEDREC_CHAIN": url, "MEDREC_STORE": store}
    machine = Machine(folder, kept | variables, Chain.connect(url), {})
    for profile in ("default", "hospital", "doctor", "registrar"):
        machine.identity(profile)
    for line in (
        "--profile registrar deploy",
        "--profile registrar authority add-registrar {registrar}",
        "--profile registrar registrar accredit {hospital} --kind organisation",
        "--profile hospital provider publish --name Hospital",
        "--profile hospital provider agent add {doctor}",
        register,
    ):
        machine.ask(line)
    return machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, kubo: KuboNode) -> Iterator[Machine]:
    """MedRec on Anvil, an accredited hospital with a doctor as its agent, and a patient: all by the program."""
    with running_anvil() as url:
        yield set_up(
            tmp_path_factory.mktemp("machine"),
            url,
            kubo.api,
            scan=SCAN,
            register="patient register --compartment general --compartment psychiatry",
        )


GRANT = "permission grant {hospital} --read general --append general --purpose TREAT --until 90d"
ADD = "--profile doctor record add echo.dcm --patient {default} --compartment general --on-behalf-of {hospital}"


def test_the_session_of_the_issue(machine: Machine) -> None:
    """Each line in a process of its own: the record comes back byte for byte, and the revocation is real."""
    get = "--profile doctor record get 1 --patient {default} --output copy.dcm"
    for line in (GRANT, ADD, get):
        code, _, err = machine.run(line)
        assert code == 0, err
    assert (machine.folder / "copy.dcm").read_bytes() == SCAN
    assert machine.run("permission revoke {hospital}")[0] == 0
    code, out, err = machine.run("record verify --all")
    assert (code, "1 of 1 verified" in out) == (0, True), err
    (machine.folder / "copy.dcm").unlink()
    assert machine.fail(get) == (3, "PermissionRevoked")
    assert machine.fail(ADD) == (3, "PermissionRevoked")


def test_what_the_patient_adds_after_the_revocation_stays_closed(machine: Machine) -> None:
    """Granted anew without --history the hospital reads what comes then, and not what came before."""
    machine.ask("permission revoke {hospital}")
    before = machine.ask("record add echo.dcm --compartment general --title before")["records"][0]["number"]
    machine.ask(GRANT)
    after = machine.ask(ADD)["records"][0]["number"]
    lines = machine.ask("--profile doctor record list --patient {default}")["records"]
    titles = {line["number"]: line["title"] for line in lines}
    assert (titles[before], titles[after]) == (None, "echo.dcm")


def test_the_doctor_finds_everything(machine: Machine) -> None:
    """Node, contract, Kubo and its version, store, balance: no problem, for a provider's profile."""
    document = machine.ask("--profile hospital doctor")
    found = {one["name"]: one for one in document["checks"]}
    assert document["ok"]
    assert f"version {kubo_version()}" in found["kubo"]["message"]
    assert {found[name]["state"] for name in ("node", "contract", "store", "balance", "accreditation")} == {"ok"}


def test_two_processes_append_at_the_same_time(machine: Machine) -> None:
    """One account in two processes: both records are there, and each is whole."""
    machine.ask(GRANT)
    before = len(machine.ask("record list")["records"])
    both = [machine.start(ADD + " --json") for _ in range(2)]
    numbers = []
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        numbers.append(json.loads(out)["records"][0]["number"])
    assert sorted(numbers) == [before + 1, before + 2]
    code, out, err = machine.run(f"record verify {before + 1} {before + 2}")
    assert (code, "2 of 2 verified" in out) == (0, True), err


def test_a_kill_while_it_appends_leaves_the_record_whole(machine: Machine) -> None:
    """Killed at any point, the history is complete, holds the record or does not, and appending goes on."""
    (machine.folder / "large.bin").write_bytes(content(64 << 20))
    before = len(machine.ask("record list")["records"])
    process = machine.start("record add large.bin --compartment general")
    time.sleep(4)  # it is storing by then, or nearly done: either is a point to be killed at
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    there = machine.ask("record list")["records"]
    assert len(there) in {before, before + 1}
    assert machine.ask("record add echo.dcm --compartment general")["records"][0]["number"] == len(there) + 1
    assert machine.run("record verify --all")[0] == 0


def test_a_node_that_is_gone_is_told(machine: Machine) -> None:
    """Exit code 7 for the chain, 6 for the store."""
    assert machine.fail("record list --chain http://127.0.0.1:9") == (7, "NodeUnreachable")
    code, kind = machine.fail("record add echo.dcm --compartment general --store http://127.0.0.1:9")
    assert (code, kind) == (6, "StoreUnavailable")


def test_another_machine_with_the_phrase_reads_everything(machine: Machine) -> None:
    """Phrase, chain and store restore everything: a new home, nothing of the old one, and every title is there."""
    words = machine.ask("--profile eve init --light-kdf --passphrase-file default.secret")["phrase"]
    machine.chain.request("anvil_setBalance", _address(machine, "eve"), hex(ETHER))
    machine.ask("--profile eve patient register --passphrase-file default.secret")
    machine.ask("--profile eve record add echo.dcm --compartment general --passphrase-file default.secret")
    (machine.folder / "phrase").write_text(words)
    contract = machine.ask("--profile registrar deploy")["file"]
    elsewhere = f"--home {machine.folder / 'elsewhere'} --passphrase-file doctor.secret"
    machine.ask(f"init --light-kdf --phrase-file phrase {elsewhere}")
    assert machine.ask(f"record list --contract {contract} {elsewhere}")["records"][0]["title"] == "echo.dcm"
    machine.ask(f"record get 1 --output again.dcm --contract {contract} {elsewhere}")
    assert (machine.folder / "again.dcm").read_bytes() == SCAN


def _address(machine: Machine, profile: str) -> str:
    profiles = machine.ask("config show")["profiles"]
    return str(next(one["address"] for one in profiles if one["name"] == profile))
