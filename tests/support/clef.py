"""A real Clef: accounts of its own, rules that approve, HTTP on a free port, gone at the end."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account

from scripts.devchain import free_port
from scripts.toolchain import clef

APPROVE = """
function OnSignerStartup(info) {}
function OnApprovedTx(response) {}
function ApproveListing(request) { return "Approve" }
function ApproveSignData(request) { return "Approve" }
function ApproveTx(request) { return "Approve" }
"""
REJECT = APPROVE.replace('"Approve"', '"Reject"')

_PASSWORD = "a password of Clef's"  # Clef wants ten characters at least
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Clef:
    """A running Clef.

    Attributes:
        url: Where it listens.
        audit: Its audit log: a line for each request and each answer.
    """

    url: str
    audit: Path


@contextmanager
def running_clef(*keys: bytes, rules: str = APPROVE, chain_id: int = 31_337) -> Iterator[Clef]:
    """Starts Clef with some private keys and with rules that decide in a person's place, and stops it at the end."""
    with tempfile.TemporaryDirectory(prefix="medrec-clef-") as temporary:
        folder = Path(temporary)
        configuration, keystore, javascript = folder / "config", folder / "keystore", folder / "rules.js"
        common = ["--suppress-bootwarn", "--configdir", str(configuration), "--keystore", str(keystore), "--lightkdf"]
        javascript.write_text(rules)
        _set_up(common, folder, keys, hashlib.sha256(javascript.read_bytes()).hexdigest())
        port, audit, log = free_port(), folder / "audit.log", folder / "log"
        command = [
            *(str(clef()), *common, "--chainid", str(chain_id), "--rules", str(javascript), "--auditlog", str(audit)),
            *("--signersecret", str(configuration / "masterseed.json"), "--ipcdisable", "--nousb"),
            *("--http", "--http.port", str(port), "--http.vhosts", "*"),
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(  # it writes the functions that it is told into the present folder
                command, cwd=folder, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            assert process.stdin is not None
            process.stdin.write(f"{_PASSWORD}\n".encode())
            process.stdin.flush()  # and left open: at its end Clef ends too
            _wait_until_it_listens(process, log)
            yield Clef(f"http://127.0.0.1:{port}", audit)
        finally:
            process.kill()
            process.communicate()


def _set_up(common: Sequence[str], folder: Path, keys: Sequence[bytes], attested: str) -> None:
    """The accounts, the master seed, and that these rules may use the accounts."""
    _run(common, ["init"], _PASSWORD, _PASSWORD)
    for number, key in enumerate(keys):
        path = folder / f"key-{number}"
        path.write_text(key.hex())
        _run(common, ["importraw", str(path)], _PASSWORD, _PASSWORD)
        _run(common, ["setpw", Account.from_key(key).address], _PASSWORD, _PASSWORD, _PASSWORD)
    _run(common, ["attest", attested], _PASSWORD)


def _run(common: Sequence[str], command: Sequence[str], *typed: str) -> None:
    done = subprocess.run(
        [str(clef()), *common, *command],
        input="".join(f"{line}\n" for line in typed).encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"clef {' '.join(command[:1])}: {done.stdout.decode()} {done.stderr.decode()}")


def _wait_until_it_listens(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while b"HTTP endpoint opened" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Clef did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)
