"""Identities whose key is with a signer: what is kept here, what is asked there, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from medrec_py.wallet import Wallet
from tests.sdk.cli.conftest import IN_PROCESS, Shell
from tests.support.hostile import Server, ok, serving

KEY = Wallet.from_key("11" * 32)
INIT = f"--profile vera init --light-kdf --signer clef --address {KEY.address}"


def answered(asked: dict[str, Any]) -> Any:
    """What Clef does with an account whose key is `KEY`."""
    if asked["method"] == "account_signTypedData":
        return "0x" + KEY.sign_typed_data(asked["params"][1]).hex()
    assert asked["method"] == "account_signTransaction"
    sent = asked["params"][0]
    transaction = {name: int(value, 16) for name, value in sent.items() if name not in {"from", "to", "data"}}
    data = {"data": bytes.fromhex(sent["data"][2:]), "to": sent["to"]}
    return {"raw": "0x" + KEY.sign_transaction(transaction | data).hex()}


@contextmanager
def clef(error: dict[str, Any] | None = None) -> Iterator[Server]:
    """A made-up Clef, that signs or refuses everything."""

    def reply(server: Server, request: bytes) -> Iterator[bytes]:
        asked = json.loads(request.partition(b"\r\n\r\n")[2])
        said = {"result": answered(asked)} if error is None else {"error": error}
        yield ok(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **said}).encode())

    with serving(reply) as server:
        yield server


def vera(shell: Shell, server: Server) -> None:
    """A profile whose key is with that Clef, with ether for gas."""
    shell.ask(f"--profile vera config set signer-url {server.url}/topsecret")
    shell.ask(INIT)
    shell.there().chain.fund(KEY.address)


def folder(shell: Shell) -> Path:
    return shell.home / "profiles" / "vera" / "identity"


def test_the_key_is_not_here_and_the_root_secret_is(shell: Shell) -> None:
    """The phrase gives the root secret alone; beside it stands whose key is where. Nothing is asked of the signer."""
    made = shell.ask(INIT)
    assert (made["address"], made["signer"], len(made["phrase"].split())) == (KEY.address, "clef", 24)
    assert json.loads((folder(shell) / "wallet.json").read_text()) == {"address": KEY.address, "signer": "clef"}
    again = shell.ask(INIT.replace("vera", "other"), "--phrase-file", "-", stdin=made["phrase"].encode())
    assert set(again) == {"profile", "address", "folder", "signer"}
    assert "signer" in shell.type(INIT.replace("vera", "third")).out


@pytest.mark.parametrize(
    "line",
    [
        "init --light-kdf --signer clef",
        f"init --light-kdf --address {KEY.address}",
        f"init --light-kdf --signer ledger --address {KEY.address}",
        "init --light-kdf --signer clef --address 0x12",
    ],
)
def test_a_signer_is_named_with_its_account(shell: Shell, line: str) -> None:
    """Both or neither, a kind that there is, and an address."""
    code, error = shell.fail(line)
    assert (code, error["type"]) == (2, "InvalidInput")
    assert not list(shell.home.rglob("wallet.json"))


@pytest.mark.slow
def test_a_patient_and_an_author_whose_key_is_with_clef(world: Shell, tmp_path: Path) -> None:
    """Register, grant, append, read, revoke: each signature comes from there, and reading asks for none."""
    (tmp_path / "here" / "note.txt").write_text("seen")
    with clef() as server:
        vera(world, server)
        world.ask("--profile vera patient register --compartment general")
        world.ask("--profile vera permission grant {hospital} --read general --append general --until 90d")
        added = f"record add note.txt --patient {KEY.address} --compartment general"
        world.ask(f"--profile doctor {added} --on-behalf-of {{hospital}}")
        asked = len(server.requests)
        world.ask("--profile vera record get 1 --output copy.txt")
        assert (tmp_path / "here" / "copy.txt").read_text() == "seen"
        assert len(server.requests) == asked
        world.ask("--profile vera permission revoke {hospital}")
        world.ask(f"--profile hospital provider agent add {KEY.address}")
        world.ask("permission grant {hospital} --append general --until 90d")
        added = "record add note.txt --patient {default} --compartment general"
        world.ask(f"--profile vera {added} --on-behalf-of {{hospital}}")
        assert world.ask("record list")["records"][0]["author"] == KEY.address


def test_a_signer_that_is_not_there_or_says_no(world: Shell) -> None:
    """Exit code 8, an error of its own, and nothing of a URL but the host."""
    with clef({"code": -32000, "message": "Request denied"}) as server:
        vera(world, server)
        code, error = world.fail("--profile vera patient register")
        assert (code, error["type"]) == (8, "SigningDeclined")
    code, error = world.fail("--profile vera patient register")
    assert (code, error["type"]) == (8, "SignerUnavailable")
    assert "topsecret" not in json.dumps(error)
    assert server.url in error["message"]


def test_a_new_phrase_is_not_for_a_key_that_is_elsewhere(world: Shell) -> None:
    """The command would put a wallet of its own in the signer's place."""
    with clef() as server:
        vera(world, server)
        world.ask("--profile vera patient register --compartment general")
        for line in ("keys change-root --light-kdf", "keys erase --everything --light-kdf"):
            code, error = world.fail(f"--profile vera {line}")
            assert (code, error["type"]) == (8, "SignerElsewhere")
            assert "change_root" in error["remedy"]
    assert not (folder(world).parent / "successor").exists()


def test_settings_and_doctor_name_the_signer_without_its_secrets(world: Shell) -> None:
    """Path and token are hidden; the doctor says where the key is, and asks nobody."""
    with clef() as server:
        vera(world, server)
        world.ask("--profile vera config set signer-token topsecret")
        shown = world.type("--profile vera config show").out
        assert "topsecret" not in shown
        checks = json.loads(world.type("--profile vera doctor --json").out)["checks"]
        assert any("key is with a signer (clef)" in check["message"] for check in checks)
    assert not server.requests


def test_a_signer_of_another_version_is_not_guessed(world: Shell) -> None:
    """A kind that this version does not know is an error."""
    world.ask(INIT)
    path = folder(world) / "wallet.json"
    path.write_text(path.read_text().replace("clef", "ledger"))
    code, error = world.fail("--profile vera patient register")
    assert (code, error["type"]) == (4, "FormatError")


def test_the_default_places(world: Shell) -> None:
    """Clef is where it listens by itself; a node's accounts are with the node in use, whose token they take, too."""
    from medrec_py.cli import opening  # noqa: PLC0415
    from medrec_py.cli.settings import Settings  # noqa: PLC0415

    environment = {"MEDREC_HOME": str(world.home), "MEDREC_CHAIN": IN_PROCESS, "MEDREC_CHAIN_TOKEN": "abc"}
    settings = Settings({}, environment)
    assert "8550" in repr(opening.open_signer(settings, "clef", KEY.address, 1))
    assert IN_PROCESS in repr(opening.open_signer(settings, "node", KEY.address, 1))


def test_a_wallet_in_a_browser_sends_nothing_itself(world: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a relayer the command ends, no page is opened, and what to do is said; reading needs no browser."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    made = world.ask(f"--profile vera init --light-kdf --signer browser --address {KEY.address}")
    assert (made["address"], made["signer"]) == (KEY.address, "browser")
    code, error = world.fail("--profile vera patient register --compartment general")
    assert (code, error["type"]) == (8, "SignsNoTransactions")
    assert "--relayer" in error["message"]
    assert opened == []
