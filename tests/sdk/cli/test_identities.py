"""Identities: made once, whole or not at all, for their owner alone, and restored by their phrase."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account

from medrec_py.cli import identities, keystore
from medrec_py.cli.errors import IdentityExists
from medrec_py.cli.identities import Identities
from medrec_py.cli.settings import Settings
from medrec_py.crypto.keys import RootSecret
from medrec_py.errors import FormatError, WalletError, WrongPassphrase
from medrec_py.wallet import STANDARD_COST, Wallet
from tests.sdk.cli.conftest import PASSPHRASE, Shell

pytestmark = pytest.mark.slow

ANVIL = "test test test test test test test test test test test junk"
"""The phrase of Anvil's own accounts, and the address of the first of them."""
ANVIL_ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def folder(shell: Shell, profile: str = "default") -> Path:
    return shell.home / "profiles" / profile / "identity"


def store(shell: Shell) -> Identities:
    return Identities(shell.home, Settings({}, os.environ).profile_folder)


def test_a_new_identity_is_told_how_it_gets_ether(shell: Shell) -> None:
    """Without ether nothing can be sent: the line for a development chain is shown. JSON stays as it is."""
    shown = shell.type("init --light-kdf")
    address = re.search(r"0x[0-9a-fA-F]{40}", shown.out)
    assert address is not None
    assert f"cast rpc anvil_setBalance {address[0]} 0xde0b6b3a7640000" in shown.out
    assert "\\n" not in shown.out
    assert set(shell.ask("--profile other init --light-kdf")) == {"profile", "address", "folder", "phrase"}


def test_a_new_identity_has_a_phrase_of_24_words_that_is_shown_once(shell: Shell) -> None:
    """The phrase is in the answer of ``init`` and in no file."""
    made = shell.ask("init --light-kdf")
    assert len(made["phrase"].split()) == 24
    assert Wallet.from_phrase(made["phrase"]).address == made["address"]
    word = made["phrase"].split()[0]
    assert not [path for path in shell.home.rglob("*") if path.is_file() and f" {word} " in path.read_text()]


def test_the_phrase_restores_the_identical_identity(shell: Shell) -> None:
    """Address and root secret are the same on another machine, under another passphrase."""
    phrase = shell.ask("init --light-kdf")["phrase"]
    first = store(shell).get("default")
    restored = shell.type("--profile copy init --light-kdf --phrase-file - --json", stdin=phrase.upper().encode())
    assert "phrase" not in restored.document
    second = store(shell).get("copy")
    assert second.address == first.address
    assert second.root(PASSPHRASE) == first.root(PASSPHRASE)
    assert second.wallet(PASSPHRASE).address == first.address


def test_a_known_phrase_gives_the_address_that_every_wallet_gives(shell: Shell) -> None:
    """BIP-39 and BIP-44 as elsewhere: Anvil's phrase gives Anvil's first account."""
    Path("phrase").write_text(f"{ANVIL}\n")
    assert shell.ask("init --light-kdf --phrase-file phrase")["address"] == ANVIL_ADDRESS


def test_words_that_are_no_phrase_are_refused(shell: Shell) -> None:
    """Exit code 8, nothing is made, and the words are not repeated."""
    Path("phrase").write_text(ANVIL.replace("junk", "abandon"))
    code, error = shell.fail("init --light-kdf --phrase-file phrase")
    assert (code, error["type"]) == (8, "InvalidPhrase")
    assert "abandon" not in error["message"]
    assert not folder(shell).exists()


def test_an_identity_is_never_overwritten(shell: Shell) -> None:
    """A second ``init`` is refused before anything is asked, and the first identity stays as it is."""
    shell.ask("init --light-kdf")
    before = [path.read_bytes() for path in sorted(folder(shell).iterdir())]
    code, error = shell.fail("init --light-kdf")
    assert (code, error["type"]) == (8, "IdentityExists")
    assert [path.read_bytes() for path in sorted(folder(shell).iterdir())] == before


def test_one_that_appears_meanwhile_wins(shell: Shell) -> None:
    """Two calls of ``init`` at the same time: one makes the identity, the other is refused."""
    there = store(shell)
    first, second = Wallet.create(), Wallet.create()
    with (
        pytest.raises(IdentityExists),
        there.creating("default", second, PASSPHRASE, light=True),
        there.creating("default", first, PASSPHRASE, light=True),
    ):
        pass
    assert there.get("default").address == first.address
    assert not list(folder(shell).parent.glob(".*"))


def test_files_and_folders_are_for_their_owner_alone(shell: Shell) -> None:
    """Folders 0700 and files 0600, whatever the umask."""
    before = os.umask(0)
    try:
        shell.ask("init --light-kdf")
        shell.ask("config set timeout 10")
    finally:
        os.umask(before)
    modes = {path.relative_to(shell.home): path.stat().st_mode & 0o777 for path in [shell.home, *shell.home.rglob("*")]}
    assert {mode for path, mode in modes.items() if (shell.home / path).is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if (shell.home / path).is_file()} == {0o600}


def test_the_wallet_is_a_keystore_that_others_read(shell: Shell) -> None:
    """``wallet.json`` is Web3 Secret Storage, version 3: eth_account opens it, and the SDK too."""
    made = shell.ask("init --light-kdf")
    document = json.loads((folder(shell) / "wallet.json").read_text())
    assert document["version"] == 3
    assert Account.from_key(Account.decrypt(document, PASSPHRASE)).address == made["address"]
    assert Wallet.from_keystore(document, PASSPHRASE).address == made["address"]


def test_both_files_are_sealed_with_the_standard_cost_unless_told_otherwise(shell: Shell) -> None:
    """Scrypt with n = 2^18, r = 8, p = 1 for wallet and root secret alike, each with a salt of its own."""
    shell.ask("init")
    costs = [json.loads(path.read_text())["crypto"] for path in sorted(folder(shell).iterdir())]
    assert [(one["kdf"], one["kdfparams"]["n"], one["kdfparams"]["r"]) for one in costs] == [("scrypt", 1 << 18, 8)] * 2
    assert STANDARD_COST == 1 << 18
    assert costs[0]["kdfparams"]["salt"] != costs[1]["kdfparams"]["salt"]


def test_the_root_file_says_nothing_of_the_secret(shell: Shell) -> None:
    """The address in it is the wallet's, not one computed from the root secret."""
    made = shell.ask("init --light-kdf")
    document = json.loads((folder(shell) / "root.json").read_text())
    root = store(shell).get("default").root(PASSPHRASE)
    assert document["address"].lower() == made["address"][2:].lower()
    assert Account.from_key(root.expose()).address[2:].lower() not in json.dumps(document).lower()


def test_the_wrong_passphrase_opens_neither_file(shell: Shell) -> None:
    """And the error names the profile."""
    shell.ask("init --light-kdf")
    identity = store(shell).get("default")
    for opening in (identity.wallet, identity.root):
        with pytest.raises(WrongPassphrase, match="profile 'default'"):
            opening("not it")


def test_the_files_of_two_identities_cannot_be_mixed(shell: Shell) -> None:
    """A root secret beside another's wallet is refused: new keys would be sealed to the wrong person."""
    for profile in ("default", "other"):
        shell.ask(f"--profile {profile} init --light-kdf")
    (folder(shell, "other") / "root.json").replace(folder(shell) / "root.json")
    with pytest.raises(WalletError, match="another identity"):
        store(shell).get("default").root(PASSPHRASE)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"address": "zz"}', '{"address": 7}', "\xff"])
def test_a_damaged_file_is_an_error_that_names_it(shell: Shell, content: str) -> None:
    """Whatever stands in ``wallet.json``, it is no traceback."""
    shell.ask("init --light-kdf")
    (folder(shell) / "wallet.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(FormatError, match=r"wallet\.json"):
        store(shell).get("default")


@pytest.mark.parametrize("document", [{}, {"version": 3}, {"version": 3, "crypto": {"kdf": "none"}}, {"version": 9}])
def test_a_damaged_root_file_is_an_error(document: dict[str, object]) -> None:
    """What is no keystore is a FormatError, never something of a library's."""
    with pytest.raises(FormatError):
        keystore.open_root(document, PASSPHRASE)


def test_a_root_secret_comes_back_as_it_was() -> None:
    """Sealing and opening are inverse, and two seals of one secret differ."""
    root = RootSecret.generate()
    first, second = (keystore.seal_root(root, PASSPHRASE, light=True) for _ in range(2))
    assert keystore.open_root(first, PASSPHRASE) == keystore.open_root(second, PASSPHRASE) == root
    assert first["crypto"] != second["crypto"]


KILLED = """
import os, signal, sys
from medrec_py.cli import identities
from medrec_py.cli.app import main

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

usual, seen = identities.write_private, []
def second(path, text):
    usual(path, text)
    seen.append(path)
    if len(seen) == 2:
        kill()

setattr(identities, {name!r}, {replacement})
main(["init", "--light-kdf", "--json"])
"""


@pytest.mark.parametrize(
    ("name", "replacement"),
    [("write_private", "kill"), ("write_private", "second"), ("_appear", "kill")],
    ids=["before the first file", "after the second file", "before it appears"],
)
def test_a_kill_in_the_middle_leaves_no_half_identity(shell: Shell, name: str, replacement: str) -> None:
    """However far ``init`` has come, there is no identity after a kill, and a second ``init`` makes a whole one."""
    program = KILLED.replace("{name!r}", repr(name)).replace("{replacement}", replacement)
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert store(shell).names() == []
    assert not folder(shell).exists()
    made = shell.ask("init --light-kdf")
    assert store(shell).get("default").wallet(PASSPHRASE).address == made["address"]
    assert sorted(path.name for path in folder(shell).parent.iterdir()) == ["identity"]


def test_what_fails_while_it_is_made_leaves_nothing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the middle: an error, no identity, and nothing left over."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(identities.os, "rename", full)  # type: ignore[attr-defined]
    result = shell.type("init --light-kdf")
    assert (result.code, "No space left" in result.err) == (2, True)
    assert list((shell.home / "profiles" / "default").iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "x" * 65, "a b"])
def test_a_profile_cannot_be_named_like_a_path(shell: Shell, name: str) -> None:
    """Names of profiles are those of folders, and nothing that leads elsewhere."""
    result = shell.type("init --light-kdf --json --profile", name)
    if name == "":
        assert result.document["profile"] == "default"  # an empty name is none
        return
    assert (result.code, result.error["type"]) == (2, "ConfigurationError")
    assert not (shell.home / "profiles").exists()
