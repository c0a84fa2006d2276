"""The sessions of the README, run as they stand there."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import deploy
from medrec_py.chain.local import LocalChain
from medrec_py.cli import main
from medrec_py.courier import OwnExpense
from medrec_py.relayer import RelayerClient
from tests.support.documents import ROOT, code_blocks
from tests.support.mail import post_room

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text(encoding="utf-8")
SCAN = bytes(range(256)) * 5_000  # 1.2 MiB: more than one block


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the sessions name, as the present one."""
    (tmp_path / "echo.dcm").write_bytes(SCAN)
    (tmp_path / "late.pdf").write_bytes(b"%PDF-1.7")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_session_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the README shows runs as it stands: a record comes back byte for byte, and a revocation is real."""
    session, _, _ = code_blocks(README, "python")
    exec(compile(session, "README.md", "exec"), {})  # noqa: S102 - the README is ours
    assert (folder / "copy.dcm").read_bytes() == SCAN
    refusal, remedy, *entries = capsys.readouterr().out.splitlines()
    assert "has revoked the permission" in refusal
    assert remedy == "Ask the patient for a new permission."
    assert [line.split()[3] for line in entries] == ["KEYRING", "KEYRING", "RECORD", "KEYRING"]
    assert entries[2].endswith(" echo.dcm")


@dataclass
class Benefactor:
    """Stands where the README has a relayer: pays for what it is given.

    Attributes:
        net: Whose accounts have ether.
    """

    net: medrec.Network
    keeps_blocks: bool = False

    def carry(self, bundle: medrec.Bundle) -> str:
        """As a relayer."""
        payer = medrec.Wallet.create()
        self.net.chain.fund(payer.address)  # type: ignore[attr-defined]
        return OwnExpense(self.net.contract, payer).carry(bundle)


def test_the_session_of_representatives_runs() -> None:
    """A representative grants within its limits, and a newborn is registered under a parent's wallet."""
    *_, session = code_blocks(README, "python")
    with medrec.local() as net:
        alice = net.patient(medrec.Wallet.create()).register()
        names: dict[str, Any] = {
            "medrec": medrec,
            "timedelta": timedelta,
            "net": net,
            "alice": alice,
            "wallet": medrec.Wallet.create(),
            "paediatrician": net.practitioner(medrec.Wallet.create()),
            "born": datetime.now(UTC).date() - timedelta(days=3000),
        }
        exec(compile(session, "README.md", "exec"), names)  # noqa: S102 - the README is ours
        assert {line.by for line in alice.permissions()} == {alice.address, names["mother"].address}
        assert names["anna"].id == names["newborn"].address
        assert net.contract.patient_of(names["anna"].id).wallet == names["wallet"].address


def test_the_session_without_ether_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patient registers, grants and signs, and has nothing to pay with."""
    _, session, _ = code_blocks(README, "python")
    wallet = medrec.Wallet.create()
    with medrec.local() as net:
        asked: dict[str, Any] = {}

        def connect(url: str, **options: Any) -> medrec.Network:
            asked.update(options, url=url)
            return medrec.Network(net.chain, net.contract, net.store, courier=Benefactor(net))

        monkeypatch.setattr(medrec, "connect", connect, raising=False)
        names = {
            "medrec": medrec,
            "timedelta": timedelta,
            "url": "http://node",
            "address": net.address,
            "phrase": wallet.phrase,
            "hospital": net.organisation(medrec.Wallet.create()),
        }
        exec(compile(session, "README.md", "exec"), names)  # noqa: S102 - the README is ours
        assert asked["relayer"] == "https://relay.example"
        assert [type(signed.decision).__name__ for signed in names["bundle"].decisions] == ["Revoke"]  # type: ignore[attr-defined]
        assert net.chain.transaction_count(wallet.address) == 0


@dataclass
class Shell:
    """Types commands into the program itself, in this process; what it connects to is a chain inside the process.

    Attributes:
        chain: The chain.
        capsys: Reads what the program prints.
        contract: Where MedRec is.
    """

    chain: LocalChain
    capsys: pytest.CaptureFixture[str]
    contract: str = ""

    def type(self, line: str) -> int:
        """Run a line of a session, with the variables in it; returns the exit code."""
        program, *arguments = shlex.split(os.path.expandvars(line))
        assert program == "medrec"
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        return int(ended.value.code or 0)

    def ask(self, line: str) -> Any:
        """Run a line and return what it says in JSON."""
        self.capsys.readouterr()
        assert self.type(f"{line} --json") == 0, self.capsys.readouterr().err
        return json.loads(self.capsys.readouterr().out)

    def identity(self, profile: str) -> str:
        """Make the identity of a profile, quick to unlock and with ether, and return its address."""
        address: str = self.ask(f"medrec --profile {profile} init --light-kdf")["address"]
        self.chain.fund(address)
        return address


@pytest.fixture
def shell(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The deployment that the session supposes: the hospital is accredited, and the doctor is its agent."""
    for name in [name for name in os.environ if name.startswith("MEDREC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MEDREC_HOME", str(folder / "home"))
    monkeypatch.setenv("MEDREC_PASSPHRASE", "correct horse battery staple")
    chain = LocalChain()
    monkeypatch.setattr(Chain, "connect", classmethod(lambda cls, url, **options: chain))
    shell = Shell(chain, capsys)

    authority = medrec.Wallet.create()
    chain.fund(authority.address)
    deployed = deploy(chain, authority, folder=folder / "home" / "deployments").deployed
    shell.contract = deployed.address
    hospital, doctor = shell.identity("hospital"), shell.identity("doctor")
    with ExitStack() as resources:
        net = resources.enter_context(
            medrec.connect("http://here", contract=deployed, store=folder / "home" / "blocks")
        )
        net.authority(authority).add_registrar(authority)
        net.registrar(authority).accredit(hospital, kind=medrec.ProviderKind.ORGANISATION)
    shell.ask("medrec --profile hospital provider publish --name 'General Hospital'")
    shell.ask(f"medrec --profile hospital provider agent add {doctor}")
    monkeypatch.setenv("HOSPITAL", hospital)
    return shell


def test_the_session_on_the_command_line_runs(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line of the README's session ends well, in order, and does what it says."""
    session, without_ether, _ = code_blocks(README, "console")
    begin, *lines = [line.removeprefix("$ ") for line in session.splitlines()]
    assert begin == "medrec init"
    alice = shell.identity("default")
    monkeypatch.setenv("ALICE", alice)
    for line in lines:
        assert shell.type(line) == 0, capsys.readouterr().err
    assert (folder / "copy.dcm").read_bytes() == SCAN
    assert "1 of 1 verified" in capsys.readouterr().out

    kinds = [entry["kind"] for entry in shell.ask("medrec history")["entries"]]
    assert kinds == ["KEYRING", "KEYRING", "RECORD", "KEYRING"]
    assert shell.ask("medrec permission list")["permissions"] == []
    refused = shell.type(
        "medrec --profile doctor record add late.pdf --patient $ALICE --compartment general --on-behalf-of $HOSPITAL"
    )
    assert (refused, "has revoked the permission" in capsys.readouterr().err) == (3, True)

    shell.identity("friend")
    spent = shell.chain.transaction_count(alice)
    with medrec.connect("http://here", contract=shell.contract, store=folder / "home" / "blocks") as net:
        monkeypatch.setattr(RelayerClient, "keeps_blocks", False)
        monkeypatch.setattr(RelayerClient, "carry", lambda _, bundle: Benefactor(net).carry(bundle))
        states = []
        for line in [line.removeprefix("$ ") for line in without_ether.splitlines()]:
            assert shell.type(line) == 0, capsys.readouterr().err
            states.append(len(shell.ask("medrec permission list")["permissions"]))
    assert states == [1, 1, 0]
    assert len(list((folder / "codes").iterdir())) > 0
    assert shell.chain.transaction_count(alice) == spent


def test_the_session_of_asking_runs(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hospital asks, the patient sees it and grants a part, and the hospital is told, all through a relayer."""
    *_, session = code_blocks(README, "console")
    monkeypatch.setenv("ALICE", shell.identity("default"))
    assert shell.type("medrec patient register") == 0
    contract = MedRecContract(shell.chain, shell.contract)
    store = medrec.open_store(str(folder / "home" / "blocks"))
    net = medrec.Network(shell.chain, contract, store, fund=shell.chain.fund)
    with post_room(folder, net) as room:
        monkeypatch.setenv("MEDREC_RELAYER", room.url)
        for line in [line.removeprefix("$ ") for line in session.splitlines()]:
            assert shell.type(line) == 0, capsys.readouterr().err
            waiting = shell.ask("medrec inbox")["requests"]
            monkeypatch.setenv("REQUEST", waiting[0]["id"] if waiting else "")
        (asked,) = shell.ask("medrec --profile hospital permission requests")["requests"]
    assert (asked["state"], asked["what"]) == ("granted in part", "the echo of the heart")
