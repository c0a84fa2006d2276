"""``medrec doctor``: what is found, what is missing, and what to do."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from medrec_py.cli import opening
from medrec_py.cli.checks import CLOCK_AHEAD, CLOCK_BEHIND
from medrec_py.errors import StoreUnavailable
from medrec_py.storage import FolderStore
from tests.sdk.cli.conftest import NOBODY, Result, Shell
from tests.support.hostile import ok, once, serving

pytestmark = pytest.mark.slow


def examined(shell: Shell, line: str = "doctor") -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit code, and for each name the worst state and its message."""
    result = shell.type(line, "--json")
    found: dict[str, tuple[str, str]] = {}
    order = ["info", "ok", "warning", "problem"]
    for one in document(result)["checks"]:
        if order.index(one["state"]) >= order.index(found.get(one["name"], ("info",))[0]):
            found[one["name"]] = (one["state"], one["message"])
    return result.code, found


def document(result: Result) -> dict[str, Any]:
    """What it says in JSON, whatever its exit code is."""
    answer: dict[str, Any] = json.loads(result.out)
    return answer


def test_where_everything_is_there_it_ends_well(world: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """No problem, exit code 0, and no passphrase is asked for."""
    monkeypatch.delenv("MEDREC_PASSPHRASE")
    code, found = examined(world, "doctor --profile hospital")
    assert code == 0
    assert {found[name][0] for name in ("python", "identity", "node", "clock", "contract", "store", "balance")} == {
        "ok"
    }
    assert found["accreditation"][0] == "ok"
    assert found["profile"] == ("info", "published")
    assert found["authority"] == ("info", world.address("registrar"))
    assert document(world.type("doctor --json"))["ok"] is True


def test_a_bare_machine_is_told_everything_at_once(shell: Shell) -> None:
    """No identity, no node: each is said once, with what to do; the store is tried all the same."""
    code, found = examined(shell)
    assert code == 1
    assert found["identity"][0] == "warning"
    assert found["node"][0] == "problem"
    assert "contract" not in found
    assert found["store"][0] == "ok"
    text = shell.type("doctor").out
    assert "medrec --profile default init" in text
    assert "There are problems." in text


def test_every_problem_says_what_to_do(shell: Shell) -> None:
    """No problem or warning without a remedy."""
    checks_made = document(shell.type("doctor --json --store", f"{NOBODY}"))["checks"]
    assert all(one["remedy"] for one in checks_made if one["state"] in {"problem", "warning"})
    assert {one["name"] for one in checks_made if one["state"] == "problem"} == {"node", "store"}


def test_it_leaves_nothing_in_the_store(world: Shell) -> None:
    """The block that it tried the store with is no longer held, so cleaning up removes it."""
    with FolderStore(world.home / "blocks") as store:
        before = set(store.pins())
        examined(world)
        assert set(store.pins()) == before
        assert store.collect().blocks == 1


def test_a_missing_contract_is_a_problem(world: Shell) -> None:
    """With what to do about it."""
    for path in (world.home / "deployments").iterdir():
        path.unlink()
    code, found = examined(world)
    assert (code, found["contract"][0]) == (1, "problem")


@pytest.mark.parametrize("name", ["wallet.json", "root.json", ""])
def test_keys_that_others_can_read_are_a_problem(world: Shell, name: str) -> None:
    """Files and folder of the identity are for their owner alone."""
    path = world.home / "profiles" / "default" / "identity" / name
    path.chmod(0o755)
    code, found = examined(world)
    assert (code, found["identity"]) == (1, ("problem", f"others on this machine may use {path}"))


def test_a_passphrase_file_that_others_can_read_is_a_problem(world: Shell) -> None:
    """It is as good as the keys."""
    Path("secret").write_text("x")
    os.chmod("secret", 0o644)
    world.ask("config set passphrase-file secret")
    code, found = examined(world)
    assert (code, found["identity"][0]) == (1, "problem")


@pytest.mark.parametrize(
    ("ahead", "state"),
    [
        (0, "ok"),
        (CLOCK_AHEAD, "ok"),
        (CLOCK_AHEAD + 60, "problem"),
        (-CLOCK_BEHIND + 60, "ok"),
        (-CLOCK_BEHIND - 60, "warning"),
    ],
)
def test_the_chains_clock_is_compared(world: Shell, monkeypatch: pytest.MonkeyPatch, ahead: int, state: str) -> None:
    """A chain in the future is a problem, since permissions end early there; an old block is a warning."""
    monkeypatch.setattr(type(world.there().chain), "now", lambda _: int(time.time()) + ahead)
    _, found = examined(world)
    assert found["clock"][0] == state


def test_a_wallet_without_ether_is_a_warning(world: Shell) -> None:
    """With the address to send some to."""
    address = world.ask("--profile poor init --light-kdf")["address"]
    code, found = examined(world, "doctor --profile poor")
    assert (code, found["balance"][0]) == (0, "warning")
    assert address in world.type("doctor --profile poor").out


def test_a_relayer_is_asked_for_what_it_relays(world: Shell) -> None:
    """One of another deployment is a problem, and so is one that does not answer; a patient needs no ether then."""
    place = json.loads(next((world.home / "deployments").iterdir()).read_text())
    chain, contract = place["chain_id"], place["address"]
    for info, state in (
        ({"chainId": chain, "contract": world.address()}, "problem"),
        ({"chainId": chain + 1, "contract": contract}, "problem"),
        ({"chainId": chain, "contract": contract}, "ok"),
    ):
        with serving(once(ok(json.dumps(info).encode()))) as server:
            _, found = examined(world, f"doctor --relayer {server.url}")
        assert found["relayer"][0] == state, info
    _, found = examined(world, f"doctor --relayer {NOBODY}")
    assert found["relayer"][0] == "problem"
    assert "relayer" not in examined(world)[1]
    world.ask("--profile pauper init --light-kdf")
    with serving(once(ok(json.dumps({"chainId": chain, "contract": contract}).encode()))) as server:
        code, found = examined(world, f"--profile pauper doctor --relayer {server.url}")
    assert (code, found["balance"][0]) == (0, "info")


def test_a_missing_extra_is_a_problem_where_it_is_needed(world: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """[ipfs] for a Kubo node; otherwise it is only said."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert examined(world)[1]["extra [ipfs]"][0] == "info"
    code, found = examined(world, f"doctor --store {NOBODY}")
    assert (code, found["extra [ipfs]"][0]) == (1, "problem")


def test_a_gateway_can_be_read_only(world: Shell) -> None:
    """A warning: records can be read, and nothing can be stored."""
    code, found = examined(world, "doctor --store gateway+https://127.0.0.1:9")
    assert (code, found["store"][0]) == (0, "warning")


def test_a_suspension_is_told(world: Shell) -> None:
    """A provider learns why it can't append."""
    world.ask("--profile registrar registrar suspend {hospital}")
    code, found = examined(world, "doctor --profile hospital")
    assert (code, found["accreditation"][0]) == (0, "warning")
    assert "suspended" in found["accreditation"][1]


def test_foreign_code_at_the_address_is_a_warning(world: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """It calls itself MedRec, and is not what this version deploys."""
    monkeypatch.setattr("medrec_py.chain.deployment.is_medrec_code", lambda _: False)
    code, found = examined(world)
    assert (code, found["contract"][0]) == (0, "warning")


def test_a_setting_that_cannot_be_used_is_a_problem(world: Shell) -> None:
    """It is told as one, and the other checks take place."""
    (world.home / "config.toml").write_text("color = 1")
    result = world.type("doctor --json --profile default")
    found = {one["name"]: one["state"] for one in document(result)["checks"]}
    assert result.code == 1
    assert found["settings"] == "problem"
    assert found["python"] == "ok"


def test_settings_are_shown_with_their_sources(world: Shell) -> None:
    """The same as `config show`."""
    assert document(world.type("doctor --json"))["settings"] == world.ask("config show")["settings"]


def test_nothing_is_raised_whatever_fails(world: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check that fails is a finding of its own."""

    def down(*_: object) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(opening, "open_blocks", down)
    code, found = examined(world)
    assert (code, found["store"]) == (1, ("problem", "down"))
