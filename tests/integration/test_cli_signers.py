"""The program with keys that are with signers: a patient's with a real Clef, a doctor's with Anvil."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from medrec_py.chain.connection import Chain
from medrec_py.wallet import Wallet
from scripts.devchain import running_anvil
from tests.sdk.cli.conftest import PASSPHRASE, SET_UP, Shell, World
from tests.support.chains import ANVIL_PHRASE, ETHER
from tests.support.clef import REJECT, running_clef
from tests.support.wallets import CHAIN

pytestmark = [pytest.mark.anvil, pytest.mark.clef]

KEY = b"\x11" * 32
VERA = Wallet.from_key(KEY).address
SURGEON = Wallet.from_phrase(ANVIL_PHRASE, account=1).address


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """The program on Anvil, with blocks in a folder, an accredited hospital and a registrar."""
    with running_anvil() as url, Chain.connect(url) as chain:
        for name, value in (("HOME", str(tmp_path / "home")), ("PASSPHRASE", PASSPHRASE), ("CHAIN", url)):
            monkeypatch.setenv(f"MEDREC_{name}", value)
        monkeypatch.chdir(tmp_path)
        world = World(chain, tmp_path / "home", {}, {})  # type: ignore[arg-type]
        made = Shell(tmp_path / "home", capsys, monkeypatch, world)
        for profile in ("registrar", "hospital"):
            known(made, profile, made.ask(f"--profile {profile} init --light-kdf"))
        for line in SET_UP[:4]:
            made.ask(line)
        yield made


def known(shell: Shell, profile: str, made: dict[str, str]) -> None:
    """Give an identity ether, and its address a name."""
    shell.there().actors[profile] = made["address"]
    shell.there().chain.request("anvil_setBalance", made["address"], hex(10 * ETHER))


def test_deciding_and_appending_with_signers(shell: Shell, tmp_path: Path) -> None:
    """Register, grant, append, read, revoke, be refused; what Clef's rules decline is not done."""
    (tmp_path / "echo.dcm").write_bytes(b"scan")
    with running_clef(KEY, chain_id=CHAIN) as clef:
        shell.ask(f"--profile vera config set signer-url {clef.url}")
        for profile, kind, address in (("vera", "clef", VERA), ("surgeon", "node", SURGEON)):
            known(
                shell, profile, shell.ask(f"--profile {profile} init --light-kdf --signer {kind} --address {address}")
            )
        shell.ask("--profile vera patient register --compartment general")
        shell.ask("--profile vera permission grant {hospital} --read general --append general --until 90d")
        shell.ask("--profile hospital provider agent add {surgeon}")
        added = "--profile surgeon record add echo.dcm --patient {vera} --compartment general --on-behalf-of {hospital}"
        shell.ask(added)
        shell.ask("--profile vera record get 1 --output copy.dcm")
        assert (tmp_path / "copy.dcm").read_bytes() == b"scan"
        assert shell.ask("--profile vera record list")["records"][0]["author"] == SURGEON
        shell.ask("--profile vera permission revoke {hospital}")
        code, error = shell.fail(added)
        assert (code, error["type"]) == (3, "PermissionRevoked")
    with running_clef(KEY, rules=REJECT, chain_id=CHAIN) as strict:
        shell.ask(f"--profile vera config set signer-url {strict.url}")
        code, error = shell.fail("--profile vera permission grant {hospital} --read general --until 90d")
        assert (code, error["type"]) == (8, "SigningDeclined")
    identity = tmp_path / "home" / "profiles" / "vera" / "identity" / "wallet.json"
    assert json.loads(identity.read_text()) == {"address": VERA, "signer": "clef"}
