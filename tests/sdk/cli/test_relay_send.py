"""``--offline`` and ``medrec relay``: signed here, sent there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medrec_py.crypto.bundle_texts import from_text, to_parts
from tests.sdk.cli.conftest import GRANT, Shell
from tests.support.hostile import once, serving

pytestmark = pytest.mark.slow

ANSWER = {"id": "0x" + "ab" * 32, "state": "done", "transaction": "0x" + "cd" * 32, "block": 3, "decisions": []}


def answer(document: dict[str, object], status: str = "200 OK") -> bytes:
    """An answer of a relayer's."""
    body = json.dumps(document).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def test_signed_by_one_and_sent_by_another(world: Shell) -> None:
    """The patient signs and pays nothing; whoever sends it pays, and the hospital may then append."""
    before = world.there().chain.balance(world.address())
    signed = world.ask(GRANT, "--offline", "grant.json", "--valid", "2h")
    assert signed["decisions"] == ["PublishKeyring", "Grant"]
    assert world.ask("permission list")["permissions"] == []
    sent = world.ask("--profile stranger relay send grant.json --at-own-expense")
    assert (sent["bundle"], sent["patient"]) == (signed["bundle"], world.address())
    assert [line["state"] for line in world.ask("permission list")["permissions"]] == ["in force"]
    assert world.there().chain.balance(world.address()) == before
    again = world.ask("--profile stranger relay send grant.json --at-own-expense")
    assert again["transaction"] == sent["transaction"]


def test_as_a_link_and_as_codes(world: Shell) -> None:
    """The link and the texts of the QR codes carry the same bundle; a code is an SVG of its own."""
    signed = world.ask(GRANT, "--offline", "grant.json", "--qr", "codes")
    bundle = from_text(Path("grant.json").read_text())
    assert from_text(signed["link"]) == bundle
    assert len(signed["qr"]) == len(to_parts(bundle))
    assert all(Path(path).read_bytes().startswith(b"<?xml") for path in signed["qr"])
    scanned = "\n".join(reversed(to_parts(bundle))).encode()
    sent = world.ask("--profile stranger relay send --at-own-expense", stdin=scanned)
    assert sent["bundle"] == bundle.id == signed["bundle"]


def test_a_revocation_in_a_drawer(world: Shell) -> None:
    """Signed ahead, it ends the permission when it is sent."""
    world.ask(GRANT)
    world.ask("permission revoke {hospital} --offline revoke.json")
    assert len(world.ask("permission list")["permissions"]) == 1
    world.ask("--profile stranger relay send revoke.json --at-own-expense")
    assert world.ask("permission list")["permissions"] == []


def test_what_cannot_be_sent(world: Shell) -> None:
    """Each with its exit code and what to do: no relayer, no bundle, altered, for another contract, a folder in use."""
    world.ask(GRANT, "--offline", "grant.json")
    code, error = world.fail("relay send grant.json")
    assert (code, error["type"]) == (2, "InvalidInput")
    Path("other.txt").write_text("hello")
    assert world.fail("relay send other.txt --at-own-expense")[0] == 4
    assert world.fail("relay send missing.json --at-own-expense")[0] == 2
    document = json.loads(Path("grant.json").read_text())
    document["decisions"][1]["typedData"]["message"]["append"] = "3"
    Path("wider.json").write_text(json.dumps(document))
    code, error = world.fail("relay send wider.json --at-own-expense")
    assert (code, error["type"]) == (4, "SignatureMissing")
    assert world.fail(GRANT, "--offline", "grant.json")[0] == 2
    Path("codes").mkdir()
    assert world.fail(GRANT, "--offline", "again.json", "--qr", "codes")[0] == 2
    assert not Path("again.json").exists()
    assert world.fail(GRANT, "--offline", "again.json", "--valid", "2027-01-01")[0] == 2


def test_what_a_relayer_does_not_do_is_kept(world: Shell) -> None:
    """The error says where the signed decision is, and anybody sends it from there."""
    answers = iter([answer({"storesBlocks": True}), answer({"error": {"message": "no more today"}}, "503 Busy")])
    with serving(lambda *_: iter([next(answers)])) as server:
        result = world.type(f"{GRANT} --relayer {server.url} --json")
    assert (result.code, result.error["type"]) == (12, "RelayerUnavailable")
    (kept,) = (world.home / "profiles" / "default" / "unsent").iterdir()
    assert str(kept) in json.dumps(result.error)
    assert kept.stat().st_mode & 0o077 == 0
    assert world.ask("permission list")["permissions"] == []
    world.ask(f"--profile stranger relay send {kept} --at-own-expense")
    assert len(world.ask("permission list")["permissions"]) == 1


def test_status(world: Shell) -> None:
    """What the relayer says; without one, that none is set."""
    with serving(once(answer(ANSWER))) as server:
        found = world.ask(f"relay status 0x{'ab' * 32} --relayer {server.url}")
    assert (found["state"], found["transaction"], found["refusals"]) == ("done", ANSWER["transaction"], {})
    code, error = world.fail(f"relay status 0x{'ab' * 32}")
    assert (code, error["type"]) == (2, "ConfigurationError")
    assert world.fail("relay status 0xabc")[0] == 2
    with serving(once(answer({"error": {"message": "no such bundle"}}, "404 Not Found"))) as server:
        assert world.fail(f"relay status 0x{'ab' * 32} --relayer {server.url}")[0] == 12
