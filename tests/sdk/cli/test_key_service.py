"""``medrec keys …`` and ``--key-service``: the hospital's key in a module, its service, and the account."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medrec_py.cli.options import Given
from medrec_py.cli.output import Output
from medrec_py.cli.session import Session
from medrec_py.keyfile import KeyFile
from medrec_py.keyservice.server import Server
from tests.sdk.cli.conftest import GRANT, Shell

pytestmark = pytest.mark.slow

PIN = "the hospital's PIN"
ADD = "--profile doctor record add echo.dcm --patient {default} --compartment general --on-behalf-of {hospital}"
GET = "--profile doctor record get 1 --patient {default} --output copy.dcm --on-behalf-of {hospital}"


@pytest.fixture(autouse=True)
def pin(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The PIN from the environment, and a file to append."""
    monkeypatch.setenv("MEDREC_PIN", PIN)
    Path("echo.dcm").write_bytes(b"\0" * 1000)


@contextmanager
def serving(shell: Shell) -> Iterator[str]:
    """The hospital's service on a socket, in this process: `medrec keys serve` itself is tested as one of its own."""
    variables = {"MEDREC_HOME": str(shell.home), "MEDREC_CHAIN": "http://in.process"}
    session = Session(Given(), Output(as_json=True), variables)
    file = KeyFile.read(Path("keys.json"))
    service = session.network.key_service(shell.address("hospital"), file.login(PIN), "account.jsonl")
    with Server(service.handle, f"unix:{Path('keys.sock').absolute()}") as server:
        yield server.address
    service.close()
    session.close()


def test_a_doctor_works_without_the_hospitals_keys(granted: Shell) -> None:
    """The keys that grants were sealed to move into a module; the hospital's profile leaves the doctor's machine."""
    made = granted.ask("--profile hospital keys module create keys.json --from-profile --light-kdf")
    assert ([key["number"] for key in made["keys"]], made["account"]) == ([1], granted.address("hospital"))
    shutil.rmtree(granted.home / "profiles" / "hospital")
    code, error = granted.fail(ADD)
    assert (code, error["type"]) == (5, "KeysElsewhere")
    assert "--key-service" in error["remedy"]
    with serving(granted) as address:
        assert granted.ask(ADD, "--key-service", address)["on_behalf_of"] == granted.address("hospital")
        granted.ask(f"--profile doctor config set key-service {address}")
        assert granted.type(GET).code == 0
        assert Path("copy.dcm").read_bytes() == Path("echo.dcm").read_bytes()
        (line,) = granted.ask("--profile doctor record list --patient {default} --on-behalf-of {hospital}")["records"]
        assert (line["title"], line["compartments"]) == ("echo.dcm", ["general"])
        granted.ask("permission revoke {hospital}")
        Path("copy.dcm").unlink()
        code, error = granted.fail(GET)
        assert (code, error["type"]) == (3, "PermissionRevoked")
    document = granted.ask("keys account account.jsonl")
    assert {line["outcome"] for line in document["lines"]} == {"granted"}
    assert {line["agent"] for line in document["lines"]} == {granted.address("doctor")}
    assert "Complete" in granted.type("keys account account.jsonl").out


def test_an_agent_who_was_dismissed_is_refused_by_the_service(granted: Shell) -> None:
    """Exit code 3, with the contract's reason; the account names who asked."""
    granted.ask("--profile hospital keys module create keys.json --from-profile --light-kdf")
    with serving(granted) as address:
        granted.ask(ADD, "--key-service", address)
        granted.ask("--profile hospital provider agent remove {doctor}")
        code, error = granted.fail(GET, "--key-service", address)
        assert (code, error["type"]) == (3, "AgentNotNamed")
    code, error = granted.fail(GET, "--key-service", f"unix:{Path('keys.sock').absolute()}")
    assert (code, error["type"]) == (3, "AgentNotNamed")  # the doctor's own machine asks the contract first
    granted.ask("--profile hospital provider agent add {doctor}")
    code, error = granted.fail(GET, "--key-service", f"unix:{Path('keys.sock').absolute()}")
    assert (code, error["type"]) == (11, "KeyServiceUnavailable")


def test_a_new_key_is_published_from_a_module(granted: Shell) -> None:
    """By the wallet alone, without the PIN; what was sealed to the older key opens still."""
    granted.ask("--profile hospital keys module create keys.json --from-profile --light-kdf")
    with serving(granted) as address:
        granted.ask(ADD, "--key-service", address)
    added = granted.ask("keys module add keys.json")
    assert [key["number"] for key in added["keys"]] == [1, 2]
    published = granted.ask("--profile hospital keys module publish keys.json --name Hospital")
    assert (published["number"], published["address"]) == (2, granted.address("hospital"))
    granted.ask(GRANT)
    with serving(granted) as address:
        granted.ask(ADD, "--key-service", address)
        lines = granted.ask(
            "--profile doctor record list --patient {default} --on-behalf-of {hospital}", "--key-service", address
        )["records"]
    assert [line["title"] for line in lines] == ["echo.dcm", "echo.dcm"]
    code, error = granted.fail("--profile doctor keys module publish keys.json")
    assert (code, error["type"]) == (2, "InvalidInput")


def test_a_module_with_a_key_of_its_own(world: Shell) -> None:
    """Without --from-profile the key is random, and its number follows the published one."""
    made = world.ask("--profile hospital keys module create keys.json --light-kdf")
    assert [key["number"] for key in made["keys"]] == [2]
    assert world.ask("keys module show keys.json") == made
    assert PIN not in Path("keys.json").read_text()
    code, error = world.fail("--profile hospital keys module create keys.json --light-kdf")
    assert (code, error["type"]) == (2, "InvalidInput")
    never = world.ask("--profile stranger keys module create others.json --light-kdf")
    assert [key["number"] for key in never["keys"]] == [1]


def test_a_wrong_pin_and_none(world: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 8, as with a passphrase; a file may hold it, an argument never does."""
    world.ask("--profile hospital keys module create keys.json --light-kdf")
    Path("pin").write_text("wrong\n")
    for line in (
        "keys module add keys.json --pin-file pin",
        "keys serve --module keys.json --account a --pin-file pin",
    ):
        code, error = world.fail(line)
        assert (code, error["type"]) == (8, "WrongPin"), line
    monkeypatch.delenv("MEDREC_PIN")
    code, error = world.fail("keys module add keys.json")
    assert (code, error["type"]) == (8, "PinMissing")
    Path("pin").write_text(PIN + "\n")
    assert len(world.ask("keys module add keys.json --pin-file pin")["keys"]) == 2
    assert not Path("a").exists()


def test_serving_keys_of_another_deployment_is_refused(world: Shell) -> None:
    """And so are half a certificate, an address that others reach without one, and what is no module."""
    world.ask("--profile hospital keys module create keys.json --light-kdf")
    serve = "keys serve --module keys.json --account account.jsonl"
    for more in ("--listen 0.0.0.0:0", "--certificate cert.pem", "--listen nonsense"):
        code, _ = world.fail(f"{serve} {more}")
        assert code == 2, more
    document = json.loads(Path("keys.json").read_text())
    Path("keys.json").write_text(json.dumps({**document, "chain": 1}))
    code, error = world.fail(serve)
    assert (code, error["type"]) == (2, "ConfigurationError")
    Path("keys.json").write_text("{}")
    code, error = world.fail(serve)
    assert (code, error["type"]) == (4, "FormatError")


def test_a_tampered_account_ends_with_4(granted: Shell) -> None:
    """And a head that was noted before is held against it."""
    granted.ask("--profile hospital keys module create keys.json --from-profile --light-kdf")
    with serving(granted) as address:
        granted.ask(ADD, "--key-service", address)
        granted.ask(GET, "--key-service", address)
    head = granted.ask("keys account account.jsonl")["head"]
    assert granted.ask("keys account account.jsonl", "--head", head)["head"] == head
    assert granted.ask("keys account account.jsonl --agent {hospital}")["lines"] == []
    assert len(granted.ask("keys account account.jsonl --patient {default}")["lines"]) == 2
    code, error = granted.fail("keys account account.jsonl", "--head", "9:" + "00" * 32)
    assert (code, error["type"]) == (4, "AccountAltered")
    code, error = granted.fail("keys account account.jsonl", "--head", "nonsense")
    assert (code, error["type"]) == (2, "InvalidInput")
    text = Path("account.jsonl").read_text()
    Path("account.jsonl").write_text(text.replace('"granted"', '"refused"', 1))
    code, error = granted.fail("keys account account.jsonl")
    assert (code, error["type"]) == (4, "AccountAltered")


def test_an_address_that_is_none(world: Shell) -> None:
    """As a setting, as a flag and in the environment."""
    for line in ("config set key-service keys.sock", "record list --key-service ftp://x --on-behalf-of {hospital}"):
        code, error = world.fail(line)
        assert (code, error["type"]) == (2, "ConfigurationError"), line
