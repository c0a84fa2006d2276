"""The deployment's cipher suite on the command line: in the deployment file, or as a setting beside an address."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.sdk.cli.conftest import GRANT, Shell

pytestmark = pytest.mark.slow

PATIENT = "patient show"


def test_a_deployment_moves_to_a_later_suite_by_deploy(world: Shell) -> None:
    """Nothing is sent; the file says so from then on, and everything new is sealed by that suite."""
    before = world.ask("--profile registrar deploy")
    moved = world.ask("--profile registrar deploy --suite 2")
    assert (before["suite"], moved["suite"], moved["is_new"]) == (1, 2, False)
    assert moved["address"] == before["address"]
    assert world.ask("--profile registrar deploy")["suite"] == 2
    code, error = world.fail("--profile registrar deploy --suite 1")
    assert (code, error["type"]) == (7, "DeploymentDiffers")


def test_a_reader_publishes_a_new_key_before_it_is_granted_anything(world: Shell) -> None:
    """The error says so: exit code 9, as where there is no profile."""
    world.ask("--profile registrar deploy --suite 2")
    code, error = world.fail(GRANT)
    assert (code, error["type"]) == (9, "ProfileOutdated")
    assert "medrec provider publish" in error["remedy"]
    world.ask("--profile hospital provider publish --name Hospital")
    assert world.ask(GRANT)["grantee"] == world.address("hospital")


def test_an_address_alone_says_no_suite_and_the_setting_does(world: Shell) -> None:
    """Without a deployment file the setting decides, and then the program seals by it."""
    address = world.ask("--profile registrar deploy")["address"]
    for path in (world.home / "deployments").iterdir():
        path.unlink()
    world.ask(f"config set contract {address} --global")
    assert _suite(world) == "<suite 1>"
    world.ask("config set suite 2 --global")
    assert _suite(world) == "<suite 2>"
    assert world.fail(GRANT)[1]["type"] == "ProfileOutdated"
    world.monkeypatch.setenv("MEDREC_SUITE", "1")
    assert world.ask(GRANT)["grantee"] == world.address("hospital")


def _suite(world: Shell) -> str:
    (line,) = (one for one in world.ask("doctor")["checks"] if one["name"] == "suite")
    return str(line["message"]).rpartition("by ")[2]


def test_a_setting_never_overrules_the_deployment_file(world: Shell) -> None:
    """What contradicts it is an error of the configuration: exit code 2. What agrees with it is none."""
    (path,) = (world.home / "deployments").iterdir()
    shutil.copy(path, "given.json")
    address = json.loads(path.read_text())["address"]
    world.ask("config set suite 2")
    for line in (PATIENT, f"{PATIENT} --contract given.json", f"{PATIENT} --contract {address}"):
        code, error = world.fail(line)
        assert (code, error["type"]) == (2, "ConfigurationError")
        assert "suite 2" in error["message"]
    world.ask("config set suite 1")
    assert world.ask(PATIENT)["is_registered"]


def test_keys_do_not_go_back_because_a_machine_has_an_old_file(world: Shell) -> None:
    """A patient's machine with the file from before the move: exit code 2, and the remedy names the file."""
    (path,) = (world.home / "deployments").iterdir()
    old = path.read_bytes()
    world.ask("--profile registrar deploy --suite 2")
    world.ask("patient rotate")
    path.write_bytes(old)
    code, error = world.fail("patient rotate")
    assert (code, error["type"]) == (2, "SuiteDowngrade")
    assert "file" in error["remedy"]


@pytest.mark.parametrize("number", ["0", "9"])
def test_a_suite_that_there_is_not_is_refused(world: Shell, number: str) -> None:
    """By deploy, before anything is sent: exit code 4."""
    code, error = world.fail(f"--profile registrar deploy --suite {number}")
    assert (code, error["type"]) == (4, "UnknownSuite")
