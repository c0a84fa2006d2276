"""``medrec relay serve``: what it needs before it begins. As a process it is tested in tests/integration."""

from __future__ import annotations

import json
from pathlib import Path

from medrec_py.wallet import Wallet
from tests.sdk.cli.conftest import Shell

SERVE = "relay serve --listen 127.0.0.1:0"


def test_what_keeps_a_relayer_from_beginning(world: Shell) -> None:
    """A keystore that is not there, another's passphrase, half a certificate, an address, a queue that is none."""
    keystore = Path("payer.json")
    keystore.write_text(json.dumps(Wallet.create().to_keystore("another", light=True)))
    Path("none").write_text("no queue at all, and long enough for SQLite to look at it" * 10)
    for line, code, kind in (
        (f"{SERVE} --keystore nowhere.json", 2, "ConfigurationError"),
        (f"{SERVE} --keystore {keystore}", 8, "WrongPassphrase"),
        (f"{SERVE} --certificate only.pem", 2, "InvalidInput"),
        ("relay serve --listen 192.0.2.1:80", 2, "ConfigurationError"),
        (f"{SERVE} --queue none", 6, "QueueDamaged"),
        (f"{SERVE} --queue nowhere/queue", 6, "QueueUnwritable"),
    ):
        found, error = world.fail(line)
        assert (found, error["type"]) == (code, kind), line
