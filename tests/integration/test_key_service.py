"""The key service as it is run: a process of its own, on a machine that has none of the hospital's identity."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.chain.deployment import Deployed
from medrec_py.chain.reverts import AgentNotNamed
from medrec_py.crypto import envelope as envelopes
from medrec_py.errors import ChainUnavailable, KeyServiceUnavailable
from medrec_py.keyservice.account import Reading
from medrec_py.purposes import Purpose
from scripts.devchain import running_anvil
from tests.integration.test_cli import PROGRAM, Machine, set_up
from tests.support.content import content

pytestmark = [pytest.mark.anvil, pytest.mark.slow]

SCAN = content(100_000)
GRANT = "permission grant {hospital} --read general --append general --until 90d"
ADD = "--profile doctor record add echo.dcm --patient {default} --compartment general --on-behalf-of {hospital}"
GET = "--profile doctor record get 1 --patient {default} --output copy.dcm --on-behalf-of {hospital}"


@dataclass
class Hospital:
    """The machine of the service.

    Attributes:
        machine: The doctor's and alice's, with the service's address among its variables.
        folder: Module, PIN, account, socket, and a home of its own.
        process: The service.
        ready: What it said when it began.
        anvil: Ends the chain when it is closed.
    """

    machine: Machine
    folder: Path
    anvil: ExitStack
    process: subprocess.Popen[str]
    ready: dict[str, Any]

    @property
    def account(self) -> Path:
        return self.folder / "account.jsonl"

    def restart(self) -> None:
        self.process, self.ready = _serve(self.machine, self.folder)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and standard error."""
        self.process.send_signal(by)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err

    @contextmanager
    def client(self) -> Iterator[tuple[medrec.Network, medrec.KeyServiceClient]]:
        """The doctor's side from Python."""
        variables = self.machine.variables
        deployed = next((Path(variables["MEDREC_HOME"]) / "deployments").iterdir())
        net = medrec.connect(
            variables["MEDREC_CHAIN"], contract=Deployed.read(deployed), store=variables["MEDREC_STORE"]
        )
        keystore = json.loads((Path(variables["MEDREC_HOME"]) / "profiles/doctor/identity/wallet.json").read_text())
        wallet = medrec.Wallet.from_keystore(keystore, "the doctor's own")
        address = variables["MEDREC_KEY_SERVICE"]
        with net, medrec.KeyServiceClient(address, wallet, self.machine.actors["hospital"], timeout=20) as client:
            yield net, client


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """MedRec on Anvil; the hospital's key in a module on its own machine, its identity on neither; one record."""
    tmp_path = tmp_path_factory.mktemp("service")
    with ExitStack() as anvil:
        url = anvil.enter_context(running_anvil())
        machine = set_up(tmp_path, url, str(tmp_path / "blocks"), scan=SCAN, register="patient register")
        folder = tmp_path / "hospital"
        folder.mkdir()
        (folder / "pin").write_text("the hospital's PIN\n")
        pin = f"--pin-file {folder}/pin"
        machine.ask(f"--profile hospital keys module create {folder}/keys.json --from-profile --light-kdf {pin}")
        (folder / "home").mkdir()
        (tmp_path / "home" / "deployments").rename(folder / "home" / "deployments")
        (tmp_path / "home" / "deployments").symlink_to(folder / "home" / "deployments")
        (tmp_path / "home" / "profiles" / "hospital").rename(tmp_path / "in-the-safe")
        machine.variables["MEDREC_KEY_SERVICE"] = f"unix:{folder}/keys.sock"
        process, ready = _serve(machine, folder)
        machine.ask(GRANT)
        machine.ask(ADD)
        there = Hospital(machine, folder, anvil, process, ready)
        yield there
        if there.process.poll() is None:
            there.stop()


def _serve(machine: Machine, folder: Path) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start the service and wait until it says that it is ready."""
    line = (
        f"keys serve --module keys.json --account account.jsonl --listen unix:{folder}/keys.sock --pin-file pin --json"
    )
    process = subprocess.Popen(
        [*PROGRAM, *line.split()],
        cwd=folder,
        env={**machine.variables, "MEDREC_HOME": str(folder / "home")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    document = ""
    for piece in process.stdout:
        document += piece
        if piece == "}\n":
            break
    assert document, process.communicate()[1]
    ready: dict[str, Any] = json.loads(document)
    return process, ready


def test_a_day_of_a_key_service(hospital: Hospital) -> None:
    """A doctor works without the hospital's keys; dismissed, it is refused; stopped, the service ends with 0."""
    machine = hospital.machine
    assert hospital.ready["principal"] == machine.actors["hospital"]
    machine.ask(GET)
    assert (machine.folder / "copy.dcm").read_bytes() == SCAN
    account = machine.ask(f"keys account {hospital.account}")
    assert [(line["what"], line["outcome"]) for line in account["lines"]] == [
        ("names", "granted"),
        ("data-key", "granted"),
    ]
    (machine.folder / "copy.dcm").unlink()
    (machine.folder / "in-the-safe").rename(machine.folder / "home" / "profiles" / "hospital")
    machine.ask("--profile hospital provider agent remove {doctor}")
    with hospital.client() as (net, client), pytest.raises(AgentNotNamed):
        client.data_key(*_whole(net, hospital.machine.actors["default"]), Purpose.TREAT)
    machine.ask("--profile hospital provider agent add {doctor}")
    (machine.folder / "home" / "profiles" / "hospital").rename(machine.folder / "in-the-safe")
    code, err = hospital.stop()
    assert (code, (hospital.folder / "keys.sock").exists()) == (0, False)
    for secret in ("the hospital's PIN", "echo", SCAN[:16].hex()):
        assert secret not in err
    later = machine.ask(f"keys account {hospital.account} --head {account['head']}")
    assert [line["outcome"] for line in later["lines"]] == ["granted", "granted", "AgentNotNamed"]
    hospital.restart()


def test_a_service_that_is_killed_in_the_middle(hospital: Hospital) -> None:
    """Agents get a typed error; the account is intact, and has a line for every key that left; all goes on after."""
    with hospital.client() as (net, client):
        whole = _whole(net, hospital.machine.actors["default"])
        begun = len(list(Reading(hospital.account)))

        def ask(turn: int) -> bool:
            if turn == 40:
                hospital.process.kill()
            try:
                client.data_key(*whole, Purpose.TREAT)
            except KeyServiceUnavailable:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            answered = sum(pool.map(ask, range(80)))
        assert 0 < answered < 80
        hospital.process.communicate(timeout=60)
        granted = len(list(Reading(hospital.account))) - begun
        assert answered <= granted <= answered + 8
        hospital.restart()  # over the socket that was left behind
        assert client.data_key(*whole, Purpose.TREAT)
    hospital.machine.ask(f"keys account {hospital.account}")


def test_a_full_disk(hospital: Hospital) -> None:
    """No key leaves while its line cannot be written, nothing of the line is left, and with room all goes on."""
    machine, before = hospital.machine, hospital.account.read_bytes()
    limits = resource.prlimit(hospital.process.pid, resource.RLIMIT_FSIZE)
    for room in (0, 100):
        resource.prlimit(hospital.process.pid, resource.RLIMIT_FSIZE, (len(before) + room, limits[1]))
        assert machine.fail(GET) == (11, "AccountUnwritable")
        assert hospital.account.read_bytes() == before
        assert not (machine.folder / "copy.dcm").exists()
    resource.prlimit(hospital.process.pid, resource.RLIMIT_FSIZE, limits)
    machine.ask(GET)
    (machine.folder / "copy.dcm").unlink()
    assert hospital.account.read_bytes().startswith(before)


def test_a_second_service_with_the_same_account(hospital: Hospital) -> None:
    """It is refused, and the first goes on."""
    line = f"keys serve --module keys.json --account {hospital.account} --listen 127.0.0.1:0 --pin-file pin --json"
    variables = {**hospital.machine.variables, "MEDREC_HOME": str(hospital.folder / "home")}
    second = subprocess.run(
        [*PROGRAM, *line.split()],
        cwd=hospital.folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (second.returncode, json.loads(second.stderr)["error"]["type"]) == (2, "ConfigurationError")
    hospital.machine.ask(f"{GET} --force")


def test_a_node_that_is_down(hospital: Hospital) -> None:
    """The last test, since the chain is gone after it. The service says that it is its node, and gives nothing."""
    with hospital.client() as (net, client):
        whole = _whole(net, hospital.machine.actors["default"])
        hospital.anvil.close()
        with pytest.raises(ChainUnavailable, match="key service cannot use its node") as caught:
            client.data_key(*whole, Purpose.TREAT)
    assert "127.0.0.1" not in str(caught.value)
    assert list(Reading(hospital.account))[-1].outcome == "ChainUnavailable"


def _whole(net: medrec.Network, patient: str) -> tuple[Any, Any, int]:
    """What a chart asks the service with, for the first record."""
    ledger = net._ledger
    history = ledger.history(patient)
    entry = next(entry for entry in history.entries if entry.kind.name == "RECORD")
    return ledger.consent(patient), envelopes.parse(ledger.fetch(entry.pointer)), entry.number
