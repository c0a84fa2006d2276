"""Every command with ``--json``: one document, with the fields that docs/cli.md promises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from medrec_py.chain.types import address_of
from medrec_py.cli.app import app
from medrec_py.crypto import wallet_recovery
from medrec_py.crypto.keys import Deployment
from medrec_py.crypto.recovery import parse_request
from medrec_py.demo import story
from medrec_py.keyservice.account import Account
from tests.sdk.cli.conftest import GRANT, Result, Shell
from tests.sdk.wallets.test_browser import agreeing
from tests.sdk.wallets.test_remote import DOCUMENT as STATEMENT
from tests.sdk.wallets.test_remote import KEY
from tests.support.documents import ROOT

pytestmark = pytest.mark.slow

DOCUMENT = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")

# In an order in which each finds what it needs.
EXAMPLES = {
    "init": "--profile newcomer init --light-kdf",
    "deploy": "--profile registrar deploy",
    "config set": "config set timeout 20",
    "config show": "config show",
    "config unset": "config unset timeout",
    "doctor": "doctor",
    "keys module create": "--profile hospital keys module create keys.json --light-kdf --pin-file pin",
    "keys module add": "keys module add keys.json --pin-file pin",
    "keys module show": "keys module show keys.json",
    "keys module publish": "--profile hospital keys module publish keys.json",
    "keys account": "keys account account.jsonl",
    "provider publish": "--profile stranger provider publish --name Stranger --endpoint https://example.org",
    "provider show": "provider show {hospital}",
    "provider agent add": "--profile hospital provider agent add {stranger} --until 30d",
    "provider agent remove": "--profile hospital provider agent remove {stranger}",
    "registrar accredit": "--profile registrar registrar accredit {doctor} {stranger} --kind practitioner --emergency",
    "registrar suspend": "--profile registrar registrar suspend {stranger}",
    "registrar reinstate": "--profile registrar registrar reinstate {stranger}",
    "patient register": "--profile stranger patient register",
    "patient show": "patient show",
    "patient compartment add": "patient compartment add dental",
    "permission grant": GRANT + " --purpose TREAT --purpose COC",
    "permission list": "permission list",
    "permission log": "permission log",
    "representative appoint": "representative appoint {stranger} --compartment general --born 2020-02-29",
    "representative list": "representative list",
    "representative resign": "--profile stranger representative resign --patient {default}",
    "patient hand-over": "patient hand-over --patient CHILD --to stranger",
    "relay send": "relay send signed.json --at-own-expense",
    "record add": "record add note.txt --compartment general",
    "record list": "record list",
    "record get": "record get 1 --output copy.txt",
    "record verify": "record verify --all",
    "history": "history",
    "descriptors": "descriptors words",
    "sign": "sign statement.json --browser --account " + KEY.address,
    "keys renew": "--profile hospital keys renew",
    "keys stale": "keys stale",
    "keys heal": "keys heal",
    "keys share": "keys share {hospital} {stranger} --threshold 2 --output shares",
    "keys guard": "--profile hospital keys guard shares/{hospital}.share --name Alice",
    "keys guarded": "--profile hospital keys guarded",
    "keys recover": "--profile recovered keys recover --patient {default} --output request --light-kdf",
    "keys hand-over": "--profile hospital keys hand-over request --output one --fingerprint FINGERPRINT",
    "keys restore": "--profile recovered keys restore one another",
    "guardian set": "guardian set {hospital} {stranger} --threshold 1 --delay 1h",
    "guardian status": "guardian status",
    "recover": "--profile recovered recover --output wanted",
    "guardian approve": "--profile hospital guardian approve wanted --output approved --fingerprint FINGERPRINT",
    "guardian stop": "guardian stop",
    "guardian remove": "guardian remove",
    "keys reseal": "keys reseal",
    "keys clean": "keys clean",
    "keys finish": "keys finish",
    "permission revoke": "permission revoke {hospital}",
    "patient rotate": "patient rotate --compartment dental",
    "authority show": "authority show",
    "authority add-registrar": "--profile registrar authority add-registrar {stranger}",
    "authority remove-registrar": "--profile registrar authority remove-registrar {stranger}",
    "authority offer": "--profile registrar authority offer {stranger}",
    "authority accept": "--profile stranger authority accept",
    "keys erase": "keys erase 1 --light-kdf",
    "keys change-root": "keys change-root --light-kdf",
}


def type_example(shell: Shell, command: str, line: str, *more: str) -> Result:
    """Run an example: with the fingerprint that the new device shows, and beside what the other guardian does."""
    digits = parse_request(Path("request").read_bytes()).fingerprint() if Path("request").exists() else ""
    if command == "guardian approve":
        digits = wallet_recovery.parse_request(Path("wanted").read_bytes()).fingerprint()
    if command == "guardian stop":
        wanted = wallet_recovery.parse_request(Path("wanted").read_bytes())
        shell.there().chain.fund(address_of(wanted.wallet))
        shell.ask("--profile recovered recover approved")
    if command == "keys restore":
        shell.ask(f"--profile stranger keys guard shares/{shell.address('stranger')}.share")
        shell.ask("--profile stranger keys hand-over request --output another --fingerprint", digits)
    if command == "relay send":
        shell.ask("permission revoke {stranger} --offline signed.json")
    if command == "patient hand-over":
        line = line.replace("CHILD", shell.ask("patient register --newborn")["patient"])
    return shell.type(line.replace("FINGERPRINT", digits.replace(" ", "-")), *more)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all commands below one."""
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from leaves(child, (*path, name))
        else:
            yield " ".join((*path, name))


def promised(command: str) -> set[str]:
    """The fields that the documentation promises for a command: its own, and those of another that it names."""
    section = DOCUMENT.partition(f"### `medrec {command}`\n")[2].partition("\n### ")[0]
    fields = " ".join(section.split()).partition("JSON: ")[2]
    assert fields, command
    while re.search(r"\([^()]*\)", fields):
        fields = re.sub(r"\([^()]*\)", "", fields)
    as_of = (promised(other) for other in re.findall(r"as of `medrec ([a-z -]+)`", fields))
    return set(re.findall(r"`(\w+)`", fields)).union(*as_of)


@pytest.fixture(autouse=True)
def browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser in which somebody signs whatever is asked."""
    monkeypatch.setattr("webbrowser.open", agreeing(KEY))


def prepare() -> None:
    """The files that the examples take."""
    Path("note.txt").write_text("All is well.")
    Path("pin").write_text("the hospital's PIN\n")
    Path("statement.json").write_text(json.dumps(STATEMENT))
    Account(Path("account.jsonl"), Deployment(1, bytes(20)), bytes(20), 0).close()


def test_there_is_an_example_of_every_command() -> None:
    """No command is left out below; the demonstration and what needs a server have tests of their own."""
    assert set(leaves(typer.main.get_command(app))) == {
        *EXAMPLES,
        "demo",
        "keys serve",
        "relay serve",
        "relay status",
        "sign",
        *(f"inbox {name}" for name in ("list", "show", "grant", "refuse", "answered")),
        *(f"permission {name}" for name in ("request", "requests", "check")),
    }


def test_every_command_answers_in_json(world: Shell) -> None:
    """One document on standard output, nothing on standard error, and exactly the fields that are documented."""
    prepare()
    for command, line in EXAMPLES.items():
        result = type_example(world, command, line, "--json")
        assert result.code == 0, (command, result.err)
        assert result.err == "", command
        assert set(result.document) - {"warnings"} == promised(command), command


def test_json_may_stand_anywhere(world: Shell) -> None:
    """Before the command, between its words and behind it: the same answer."""
    answers = [world.type(line) for line in ("--json config show", "config --json show", "config show --json")]
    assert answers[0].document == answers[1].document == answers[2].document


def test_a_human_reads_the_same(world: Shell) -> None:
    """Every command has a form for people, too: something on standard output that is no JSON."""
    prepare()
    for command, line in EXAMPLES.items():
        result = type_example(world, command, line)
        assert result.code == 0, (command, result.err)
        assert result.out.strip(), command
        with pytest.raises(ValueError, match=r"Expecting|Extra"):
            json.loads(result.out)


def test_usage_errors_are_json_too(shell: Shell) -> None:
    """An unknown command, a missing option and a value that is none: exit code 2 and an error document."""
    for line in ("nope", "record add", "record get one --output x", "registrar accredit 0x0 --kind wizard"):
        code, error = shell.fail(line)
        assert (code, error["type"]) == (2, "UsageError"), line


def test_warnings_stand_in_the_document(world: Shell) -> None:
    """What went less well than it should is part of the answer."""
    world.ask("--profile stranger provider publish")
    document = world.ask("permission grant {stranger} --append general --until 30d")
    assert document["warnings"] == [f"{world.address('stranger')} can append only once a registrar has accredited it"]


def test_warnings_are_shown_to_people(world: Shell) -> None:
    """The same on standard error, for people."""
    world.ask("--profile stranger provider publish")
    result = world.type("permission grant {stranger} --append general --until 30d")
    assert "warning: " in result.err
    assert "accredited" in result.err


def test_the_demo_is_told_where_and_how(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """``demo`` takes --chain from either side and --ipfs, leaves the settings alone, and ends as the story ends."""
    told: list[tuple[Any, ...]] = []

    def run(chain: str | None, ipfs: str | None, *, as_json: bool) -> int:
        told.append((chain, ipfs, as_json))
        return 1

    monkeypatch.setattr(story, "run", run)
    assert shell.type("demo").code == 1
    assert shell.type("--chain http://a:1 demo --ipfs http://b:2 --json").code == 1
    assert shell.type("demo --chain http://c:3").code == 1
    assert told == [(None, None, False), ("http://a:1", "http://b:2", True), ("http://c:3", None, False)]
