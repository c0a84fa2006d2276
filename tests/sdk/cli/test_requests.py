"""``medrec permission request`` and ``medrec inbox``: asking and answering from the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medrec_py.answering import ID_BEGINNING
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import Deployed
from medrec_py.network import Network
from medrec_py.storage import open_store
from tests.sdk.cli.conftest import Shell
from tests.sdk.cli.test_json import promised
from tests.support.mail import PostRoom, post_room

pytestmark = pytest.mark.slow

ASK = "--profile hospital permission request {default} --read --append --until 90d --what ECG"


@pytest.fixture
def room(world: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostRoom]:
    """A relayer with a mailbox, which is set for everybody."""
    (file,) = (world.home / "deployments").glob("*.json")
    chain = world.there().chain
    contract = MedRecContract(chain, Deployed.read(file).address)
    net = Network(chain, contract, open_store(str(tmp_path / "blocks")), fund=chain.fund)
    folder = tmp_path / "relayer"
    folder.mkdir()
    with post_room(folder, net) as room:
        monkeypatch.setenv("MEDREC_RELAYER", room.url)
        yield room


def ask(world: Shell, line: str = ASK, *more: str) -> dict[str, Any]:
    document = world.ask(line, *more)
    assert set(document) == promised("permission request")
    return document


def test_asked_seen_and_granted_in_part(world: Shell, room: PostRoom) -> None:
    """The patient sees who, as what, what and until when; grants less without ether; the answer is there to read."""
    before = world.there().chain.balance(world.address())
    asked = ask(world, ASK, "--why", "an operation next week", "--compartment", "general", "--purpose", "TREAT")
    listed = world.ask("inbox list")
    assert set(listed) == promised("inbox list")
    (seen,) = listed["requests"]
    assert (seen["id"], seen["name"], seen["kind"]) == (asked["id"], "Hospital", "organisation")
    assert (seen["what"], seen["why"], seen["compartments"]) == ("ECG", "an operation next week", ["general"])
    assert (seen["read"], seen["append"], seen["history"], seen["answered_here"]) == (True, True, False, False)
    assert (seen["until"], seen["answer_by"]) == (asked["until"], asked["waits_until"])
    assert listed["left_out"] == []
    shown = world.ask("inbox show", asked["id"][:ID_BEGINNING])
    assert set(shown) == promised("inbox show")
    assert shown["has"] is None
    some = asked["id"][:ID_BEGINNING]
    granted = world.ask("inbox grant", some, "--read", "general", "--until", "30d", "--reason", "for now")
    assert set(granted) == promised("inbox grant")
    assert granted["is_posted"] is True
    assert world.there().chain.balance(world.address()) == before
    (line,) = world.ask("--profile hospital permission requests")["requests"]
    assert (line["state"], line["version"], line["reason"]) == ("granted in part", granted["version"], "for now")
    assert line["granted_until"] == granted["until"]
    assert world.ask("inbox list")["requests"] == []
    (answered,) = world.ask("inbox answered")["answers"]
    assert (answered["id"], answered["granted"], answered["version"]) == (asked["id"], True, granted["version"])


def test_refused(world: Shell, room: PostRoom) -> None:
    """With a reason; a later look needs no relayer, and holds the answer against the chain again."""
    asked = ask(world)
    refused = world.ask("inbox refuse", asked["id"], "--reason", "ask my GP")
    assert set(refused) == promised("inbox refuse")
    for _ in range(2):
        document = world.ask("--profile hospital permission requests")
        assert set(document) == promised("permission requests")
        (line,) = document["requests"]
        assert (line["state"], line["reason"], line["version"]) == ("refused", "ask my GP", None)
        room.close()
    assert world.fail("inbox list")[0] == 12


def test_shown_to_a_third_party(world: Shell, room: PostRoom) -> None:
    """Either side writes the exchange in the clear; whoever has it checks it without an identity of the two."""
    asked = ask(world)
    world.ask("inbox grant", asked["id"], "--read", "general", "--append", "general")
    theirs = world.ask("--profile hospital permission requests --export shown")["files"]
    given = world.ask("inbox answered --export given")
    assert set(given) == promised("inbox answered")
    assert Path(theirs[0]).read_bytes() == Path(given["files"][0]).read_bytes()
    checked = world.ask("--profile stranger permission check", theirs[0])
    assert set(checked) == promised("permission check")
    assert (checked["state"], checked["requester"]) == ("granted", world.address("hospital"))
    document = json.loads(Path(theirs[0]).read_text())
    document["answer"]["typedData"]["message"]["version"] = "2"
    Path("altered").write_text(json.dumps(document))
    code, error = world.fail("permission check altered")
    assert (code, error["type"]) == (4, "SignatureMissing")
    assert world.fail("permission check nowhere")[0] == 2


def test_what_is_kept_is_sealed(world: Shell, room: PostRoom) -> None:
    """Files of the profile say nothing to whoever has them, open under no other name, and are their owner's alone."""
    why, reason = "an operation next week", "my GP has the ECG"  # long enough that no ciphertext has them by chance
    asked, other = ask(world, ASK, "--why", why), ask(world)
    world.ask("inbox refuse", asked["id"], "--reason", reason)
    folder = world.home / "profiles"
    files = [folder / "hospital" / "requests" / asked["id"], folder / "default" / "answers" / asked["id"]]
    for file in files:
        octets = file.read_bytes()
        assert why.encode() not in octets
        assert reason.encode() not in octets
        assert file.stat().st_mode & 0o077 == 0
    os.replace(files[0], folder / "hospital" / "requests" / other["id"])
    document = world.ask("--profile hospital permission requests")
    assert document["requests"] == []
    assert "altered" in document["warnings"][0]


def test_an_answer_is_given_once(world: Shell, room: PostRoom) -> None:
    """Also where the relayer forgets that it was given, and shows the request again."""
    asked = ask(world)
    world.ask("inbox refuse", asked["id"])
    for file in ("mail", "mail-wal", "mail-shm"):
        room._stack.close()
        (room.folder / file).unlink(missing_ok=True)
    room.open()
    resent = world.ask(f"--profile hospital permission requests --resend --relayer {room.url}")
    assert [line["state"] for line in resent["requests"]] == ["waiting"]
    (seen,) = world.ask(f"inbox list --relayer {room.url}")["requests"]
    assert seen["answered_here"] is True
    code, error = world.fail(f"inbox grant {asked['id']} --read general --relayer {room.url}")
    assert (code, error["type"]) == (12, "AnsweredAlready")
    assert world.ask("permission list")["permissions"] == []
    document = world.ask(f"inbox answered --resend --relayer {room.url}")
    assert [one["problem"] for one in document["answers"]] == [None]
    (line,) = world.ask(f"--profile hospital permission requests --relayer {room.url}")["requests"]
    assert line["state"] == "refused"


def test_where_the_relayer_is_gone(world: Shell, room: PostRoom) -> None:
    """What was signed is kept and handed over later."""
    room.close()
    code, error = world.fail(ASK)
    assert (code, error["type"]) == (12, "RelayerUnavailable")
    assert "--resend" in json.dumps(error["notes"])
    room.open()
    world.ask(f"--profile hospital permission requests --resend --relayer {room.url}")
    (seen,) = world.ask(f"inbox list --relayer {room.url}")["requests"]
    assert seen["what"] == "ECG"


def test_for_people(world: Shell, room: PostRoom) -> None:
    """Words, and nothing that a stranger wrote does anything to the terminal; `medrec inbox` alone is the list."""
    assert "Nothing waits" in world.type("inbox").out
    asked = ask(world)
    listed = world.type("inbox")
    assert (listed.code, listed.out) == (0, world.type("inbox list").out)
    assert "“Hospital”" in listed.out
    assert "read, append" in listed.out
    assert asked["id"][:ID_BEGINNING] in listed.out
    shown = world.type("inbox show", asked["id"]).out
    assert "calls" not in shown
    assert "ECG" in shown
    assert "nothing" in shown
    world.type("permission grant {hospital} --append psychiatry --until 30d")
    assert "granting takes its place" in world.type("inbox show", asked["id"]).out
    assert world.type("--profile hospital permission requests").out.count("waiting") == 1
    assert "Granted." in world.type("inbox grant", asked["id"], "--read", "general").out
    assert "granted in part" in world.type("--profile hospital permission requests").out
    assert "granted" in world.type("inbox answered").out
    assert world.ask("inbox")["requests"] == []


def test_what_cannot_be_asked_or_answered(world: Shell, room: PostRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its exit code: no relayer, a stranger, nothing asked, no such request, more than was asked."""
    for line, code, kind in (
        (ASK.replace("--read --append", ""), 2, "InvalidInput"),
        (ASK + " --valid 2027-01-01", 2, "InvalidInput"),
        (ASK + " --on-behalf-of {stranger}", 3, "AgentNotNamed"),
        (ASK.replace("hospital", "stranger"), 3, "NotAccredited"),
        ("inbox show 0x12", 2, "InvalidInput"),
        ("inbox show 0x1234567890abcdef", 9, "RequestNotFound"),
        ("inbox refuse 0x1234567890abcdef", 9, "RequestNotFound"),
    ):
        found, error = world.fail(line)
        assert (found, error["type"]) == (code, kind), line
    asked = ask(world)
    assert world.fail("inbox grant", asked["id"], "--read", "general", "--history")[0] == 2
    assert world.fail("inbox grant", asked["id"])[0] == 2
    monkeypatch.delenv("MEDREC_RELAYER")
    found, error = world.fail("inbox list")
    assert (found, error["type"]) == (2, "InvalidInput")
