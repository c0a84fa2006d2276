"""Losing a device loses nothing: phrase, chain and store restore everything, with no other file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.cli.conftest import Shell

pytestmark = pytest.mark.slow

ADD = "--profile doctor record add {file} --patient {{default}} --compartment general --on-behalf-of {{hospital}}"


@pytest.fixture
def new_device(granted: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """Another machine, after a life on the first: it knows where contract and store are, and has an empty home."""
    for name, text in (("small.txt", "All is well."), ("large.bin", "x" * 1_500_000)):
        Path(name).write_text(text)
        granted.ask(ADD.format(file=name))
    granted.ask("record add small.txt --compartment psychiatry --title", "My own")
    granted.ask("patient rotate")
    granted.ask("--profile stranger provider publish")
    granted.ask("permission grant {stranger} --read psychiatry --until 30d --history")
    contract = granted.ask("--profile registrar deploy")["address"]
    store = tmp_path / "store"
    (granted.home / "blocks").rename(store)
    granted.home.rename(tmp_path / "lost")
    for name, value in (("HOME", tmp_path / "elsewhere"), ("CONTRACT", contract), ("STORE", store)):
        monkeypatch.setenv(f"MEDREC_{name}", str(value))
    granted.home = tmp_path / "elsewhere"
    return granted


def restore(shell: Shell, profile: str) -> str:
    """Type the phrase on the new device; the address."""
    phrase = shell.there().phrases[profile]
    address: str = shell.ask(f"--profile {profile} init --light-kdf --phrase-file -", stdin=phrase.encode())["address"]
    return address


def test_a_patient_is_back_with_everything(new_device: Shell) -> None:
    """Records, whoever wrote them, byte for byte; compartments, permissions and history; and the patient decides."""
    shell = new_device
    assert restore(shell, "default") == shell.address()
    records = shell.ask("record list")["records"]
    assert [record["title"] for record in records] == ["small.txt", "large.bin", "My own"]
    for number, content in ((1, "All is well."), (2, "x" * 1_500_000), (3, "All is well.")):
        shell.ask(f"record get {number} --output copy-{number}")
        assert Path(f"copy-{number}").read_text() == content
    assert shell.ask("record verify --all")["verified"] == 3
    permissions = {line["grantee"]: line for line in shell.ask("permission list")["permissions"]}
    assert permissions[shell.address("hospital")]["read"] == ["general"]
    assert permissions[shell.address("stranger")]["history"] is True
    assert shell.ask("patient show")["compartments"] == ["general", "psychiatry"]
    assert len(shell.ask("history")["entries"]) > 3
    assert shell.ask("permission revoke {hospital}")["rotated"] is True
    shell.ask("record add small.txt --compartment general")
    assert len(shell.ask("record list")["records"]) == 4


def test_a_provider_and_its_agent_are_back(new_device: Shell) -> None:
    """The hospital's phrase opens what was granted to it, the doctor reads and appends for it as before."""
    shell = new_device
    assert restore(shell, "hospital") == shell.address("hospital")
    assert restore(shell, "doctor") == shell.address("doctor")
    read = "--profile doctor record get 2 --patient {default} --on-behalf-of {hospital} --output copy"
    shell.ask(read)
    assert Path("copy").read_text() == "x" * 1_500_000
    shell.ask(ADD.format(file="small.txt"))
    records = shell.ask("--profile doctor record list --patient {default} --on-behalf-of {hospital}")["records"]
    assert [record["title"] for record in records] == ["small.txt", "large.bin", None, "small.txt"]


def test_a_relative_is_back(new_device: Shell) -> None:
    """Who is no provider, and was granted the past of one compartment."""
    shell = new_device
    assert restore(shell, "stranger") == shell.address("stranger")
    records = shell.ask("--profile stranger record list --patient {default}")["records"]
    assert [record["title"] for record in records] == [None, None, "My own"]
    assert shell.ask("--profile stranger provider show")["profile"] is not None


def test_the_guardians_shares_are_no_use_without_the_guardians_phrase(new_device: Shell) -> None:
    """A new device knows nothing that was not in phrase, chain and store: what a guardian kept was a file."""
    restore(new_device, "hospital")
    assert new_device.ask("--profile hospital keys guarded")["shares"] == []
