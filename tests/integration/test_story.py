"""The story of ``medrec demo`` on real nodes: the same steps, the same checks, on Anvil, on Ganache and on Kubo."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from rich.console import Console

from medrec_py.demo import story
from medrec_py.demo.checks import Checks
from medrec_py.demo.stage import Stage
from medrec_py.demo.steps import STEPS, Step
from scripts.devchain import running_anvil, running_ganache
from scripts.pytest_components import require
from tests.support.kubo import KuboNode


@pytest.fixture(scope="module")
def anvil() -> Iterator[str]:
    """A chain that mines at once, as a developer starts it."""
    require("anvil")
    with running_anvil() as url:
        yield url


@pytest.fixture(scope="module")
def ganache() -> Iterator[str]:
    """The same of the other kind."""
    require("ganache")
    with running_ganache() as url:
        yield url


def told(chain: str | None = None, ipfs: str | None = None) -> dict[str, Any]:
    """The story in its JSON form; its exit status must say the same."""
    output = io.StringIO()
    status = story.run(chain, ipfs, console=Console(file=output, width=80), as_json=True)
    document: dict[str, Any] = json.loads(output.getvalue())
    assert status == (0 if document["ok"] else 1)
    return document


def assert_whole(document: dict[str, Any]) -> None:
    """Every step was told, and four transactions really were mined and reverted."""
    assert document["problem"] is None
    assert [step["title"] for step in document["steps"]] == [step.title for step in STEPS]
    spent = [spent for step in document["steps"] for spent in step["transactions"]]
    assert sum(transaction["refused"] for transaction in spent) == 4
    assert len({transaction["hash"] for transaction in spent}) == len(spent) == document["transactions"]
    assert len(document["history"]) == 8


@pytest.mark.anvil
def test_on_anvil(anvil: str) -> None:
    """On Anvil, with blocks in a folder."""
    document = told(anvil)
    assert_whole(document)
    assert document["chain"] == {"name": anvil, "id": 31337}
    assert document["store"].startswith("folder")


@pytest.mark.anvil
def test_told_twice_on_one_chain(anvil: str) -> None:
    """Each time with new people and a deployment of their own: one story does not stand in the way of the next."""
    first, second = told(anvil), told(anvil)
    assert_whole(first)
    assert_whole(second)
    assert first["contract"] != second["contract"]


@pytest.mark.anvil
def test_on_a_chain_that_takes_its_time() -> None:
    """With a block each second, as on a network, it takes longer and holds as well."""
    with running_anvil("--block-time", "1") as url:
        assert_whole(told(url))


@pytest.mark.ganache
def test_on_ganache(ganache: str) -> None:
    """On Ganache, which knows neither all methods nor all error data of the others."""
    document = told(ganache)
    assert_whole(document)
    assert document["chain"] == {"name": ganache, "id": 1337}


@pytest.mark.kubo
def test_on_kubo(kubo: KuboNode) -> None:
    """With blocks on Kubo, altered on their way from there; afterwards Kubo may drop what was put."""
    before = set(kubo.run("pin", "ls").splitlines())
    document = told(None, kubo.api)
    assert_whole(document)
    assert document["store"] == f"Kubo {kubo.api}"
    (tampering,) = [step for step in document["steps"] if "flipped" in step["title"]]
    assert sum("on the way from the node" in check for check in tampering["checks"]) == 2
    assert set(kubo.run("pin", "ls").splitlines()) == before


@pytest.mark.anvil
@pytest.mark.ganache
@pytest.mark.kubo
@pytest.mark.parametrize("chain", ["anvil", "ganache"])
def test_on_real_nodes_alone(request: pytest.FixtureRequest, kubo: KuboNode, chain: str) -> None:
    """With nothing embedded, as ``make demo ARGS="--chain URL --ipfs URL"`` tells it."""
    assert_whole(told(request.getfixturevalue(chain), kubo.api))


@pytest.mark.kubo
def test_the_blocks_are_really_on_kubo(kubo: KuboNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked by its own program, Kubo gives every block that the story has put, byte for byte."""

    def look(stage: Stage, check: Checks) -> None:
        for cid, block in stage.vault.blocks.items():
            check.equal(str(cid), kubo.run("block", "get", str(cid)), block)

    asking = Step("Kubo is asked", "By another client.", look)
    monkeypatch.setattr(story, "STEPS", (*STEPS[:5], asking))
    document = told(None, kubo.api)
    assert document["ok"], document["problem"]
    assert len(document["steps"][-1]["checks"]) >= 4  # two profiles, a keyring, the note


@pytest.mark.ganache
def test_a_node_without_accounts_is_told_apart() -> None:
    """A node that can pay for nobody is named, with what to use instead, before anything else happens."""
    with running_ganache("--wallet.totalAccounts", "0") as url:
        document = told(url)
    assert document["ok"] is False
    assert document["steps"] == []
    assert "no unlocked account" in document["problem"]["happened"]


@pytest.mark.anvil
def test_a_node_that_goes_away_ends_the_story(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle, the node is what the story complains of; nothing hangs and nothing is left out silently."""
    with ExitStack() as running:
        url = running.enter_context(running_anvil())

        def switch_off(*_: object) -> None:
            running.close()

        broken = Step("The node is switched off", "As nodes are.", switch_off)
        monkeypatch.setattr(story, "STEPS", (*STEPS[:3], broken, *STEPS[3:]))
        document = told(url)
    assert document["ok"] is False
    assert len(document["steps"]) == 5
    assert "NodeUnreachable" in document["problem"]["happened"]
