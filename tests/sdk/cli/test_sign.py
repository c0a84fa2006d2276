"""``medrec sign --browser``: which document, which account, which names, and what is written where."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.crypto.decisions import Register, Revoke
from medrec_py.crypto.keys import Place
from tests.sdk.cli.conftest import Shell
from tests.sdk.wallets.test_browser import Page, agreeing
from tests.sdk.wallets.test_remote import DOCUMENT, KEY, SIGNATURE, hexed

MINE = bytes.fromhex(KEY.address[2:])


@pytest.fixture(autouse=True)
def browser(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
    """A browser in which somebody signs whatever is asked, and a document in the shell's folder."""
    monkeypatch.setattr("webbrowser.open", agreeing(KEY))
    Path("document.json").write_text(json.dumps(DOCUMENT))


def revocation(patient: bytes = MINE, signer: bytes = MINE, grantee: bytes = b"\xc1" * 20) -> dict[str, Any]:
    place = Place(31_337, b"\x0c" * 20, patient)
    terms = {"version": 1, "keyring_version": 0, "compartments": 1 << 5, "keyring": bytes(32)}
    return Revoke(place, signer, grantee, **terms, deadline=int(time.time()) + 60).typed_data()  # type: ignore[arg-type]


def test_a_document_is_signed(shell: Shell) -> None:
    """By the account that is named, for whichever chain the document names; no identity and no node is needed."""
    told = shell.ask("sign document.json --browser --account", KEY.address.lower())
    assert told == {"account": KEY.address, "type": "Statement", "signature": hexed(SIGNATURE), "file": None}


def test_the_signature_is_written_to_a_new_file(shell: Shell) -> None:
    """And over none that is there: then nobody is asked."""
    told = shell.ask("sign document.json --browser --output signature --account", KEY.address)
    assert Path(told["file"]).read_text() == hexed(SIGNATURE) + "\n"
    code, error = shell.fail("sign document.json --browser --output signature --account " + KEY.address)
    assert (code, error["type"]) == (2, "InvalidInput")


def test_the_document_says_who_signs(shell: Shell) -> None:
    """A decision's signer, a registration's patient."""
    register = Register(Place(31_337, b"\x0c" * 20, MINE), b"\xb2" * 20, 1).typed_data()
    for document in (revocation(patient=b"\xa7" * 20), register):
        Path("document.json").write_text(json.dumps(document))
        told = shell.ask("sign document.json --browser")
        assert (told["account"], told["signature"]) == (KEY.address, hexed(KEY.sign_typed_data(document)))


def test_a_chain_in_any_writing(shell: Shell) -> None:
    """A number, in decimal or hexadecimal digits."""
    for chain in ("31337", "0x7a69"):
        document = DOCUMENT | {"domain": DOCUMENT["domain"] | {"chainId": chain}}
        Path("document.json").write_text(json.dumps(document))
        assert shell.ask("sign document.json --browser --account", KEY.address)["signature"] == hexed(SIGNATURE)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"domain": 5}',
        '{"domain": {"chainId": "one"}}',
        '{"domain": {"chainId": []}}',
        '{"domain": {"chainId": 1}}',
    ],
)
def test_what_is_no_document_is_refused(shell: Shell, content: str) -> None:
    """Before anything opens."""
    Path("document.json").write_text(content)
    code, error = shell.fail("sign document.json --browser --account " + KEY.address)
    assert (code, error["type"]) == (2, "InvalidInput")


def test_what_is_left_out_is_said(shell: Shell) -> None:
    """The wallet, the account where the document names none, a file that is not there, a span that is none."""
    anonymous = DOCUMENT | {"message": {}}
    Path("anonymous.json").write_text(json.dumps(anonymous))
    for line in ("sign document.json", "sign anonymous.json --browser", "sign nothing.json --browser"):
        assert shell.fail(line)[0] == 2, line
    assert shell.fail("sign document.json --browser --wait 2030-01-01 --account " + KEY.address)[0] == 2


def test_a_signature_of_another_account_is_refused(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exit code of wallets."""
    monkeypatch.setattr("webbrowser.open", agreeing(medrec.Wallet.create()))
    code, error = shell.fail("sign document.json --browser --account " + KEY.address)
    assert (code, error["type"]) == (8, "SignatureForeign")


def test_without_a_browser_the_address_is_shown(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """To people; a program is told by an error."""
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    line = "sign document.json --browser --wait 1s --account " + KEY.address
    told = shell.type(line)
    assert told.code == 8
    assert "http://127.0.0.1:" in told.err
    code, error = shell.fail(line)
    assert (code, error["type"]) == (8, "SignerUnavailable")


def test_names_are_those_of_the_profile(world: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its compartments and of accounts that publish one; about another patient's compartments it knows nothing."""
    seen: list[Any] = []

    def sign(url: str) -> bool:
        def record(inner: str) -> None:
            page = Page(inner).begin()
            request = page.wait()["request"]
            seen.append(request["names"])
            page.answer(code=4001, message="no")

        threading.Thread(target=record, args=(url,)).start()
        return True

    monkeypatch.setattr("webbrowser.open", sign)
    mine, hospital = (bytes.fromhex(world.address(name)[2:]) for name in ("default", "hospital"))
    for patient in (mine, hospital):
        Path("document.json").write_text(json.dumps(revocation(patient, grantee=hospital)))
        assert world.type("sign document.json --browser --names").code == 8
    assert sorted(seen[0]["compartments"].values()) == ["general", "psychiatry"]
    assert seen[1]["compartments"] == {}
    assert all(one["accounts"] == {world.address("hospital"): "Hospital"} for one in seen)
