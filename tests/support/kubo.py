"""A private Kubo node for tests: own swarm key, no routing, no peers, free ports, gone at the end."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.pytest_components import require
from scripts.toolchain import ipfs

TOKEN = "medrec-test-token"
_START_SECONDS = 60.0


@dataclass(frozen=True)
class KuboNode:
    """A running node.

    Attributes:
        api: Address of its RPC, ``http://127.0.0.1:PORT``. Asks for the bearer token ``TOKEN`` if it was started so.
        gateway: Address of its trustless gateway.
        repository: Its folder, IPFS_PATH.
        process: The daemon.
    """

    api: str
    gateway: str
    repository: Path
    process: subprocess.Popen[bytes]

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Runs the ipfs program against this node and returns its output: a second opinion beside our client."""
        return _run(self.repository, *arguments, stdin=stdin)

    def add(self, content: bytes, chunk: int = 1 << 20, *, store: bool = True) -> str:
        """Adds a file the way that MedRec's format has it, or only names it; returns the CID that Kubo gives it."""
        options = ["--quieter", "--cid-version=1", "--raw-leaves", f"--chunker=size-{chunk}"]
        if not store:
            options.append("--only-hash")
        return self.run("add", *options, stdin=content).decode().strip()

    def freeze(self) -> None:
        """Stops the daemon as it is, and waits until the system has done so."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """Lets it go on."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def kubo_node(repository: Path, *, offline: bool = False, token: bool = False) -> Iterator[KuboNode]:
    """Starts a node in an empty folder and kills it at the end.

    Args:
        repository: Where its repository goes.
        offline: Never asks a peer. Otherwise the node waits for peers that it doesn't have, as one in a network does.
        token: Answers RPC calls with the bearer token only.
    """
    _run(repository, "init", "--empty-repo", "--profile=test")
    (repository / "swarm.key").write_text(f"/key/swarm/psk/1.0.0/\n/base16/\n{secrets.token_hex(32)}\n")
    path = repository / "config"
    config = json.loads(path.read_text())
    config["Addresses"] |= {"API": "/ip4/127.0.0.1/tcp/0", "Gateway": "/ip4/127.0.0.1/tcp/0", "Swarm": []}
    config["Bootstrap"] = []
    config["Routing"] = {"Type": "none"}
    config["Provide"] = {"Enabled": False}
    config["AutoConf"] = {"Enabled": False}
    config["AutoTLS"] = {"Enabled": False}
    config["Discovery"] = {"MDNS": {"Enabled": False}}
    config["Gateway"] |= {"NoFetch": True}
    if token:
        rule = {"AuthSecret": f"bearer:{TOKEN}", "AllowedPaths": ["/api/v0"]}
        config["API"]["Authorizations"] = {"tests": rule}
    path.write_text(json.dumps(config))

    with (repository / "daemon.log").open("wb") as log:
        arguments: Sequence[str] = ["--offline"] if offline else []
        process = subprocess.Popen(
            [ipfs(), "daemon", "--migrate=false", *arguments],
            env=_environment(repository),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        api, gateway = _addresses(process, repository)
        yield KuboNode(api, gateway, repository, process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def kubo() -> Iterator[KuboNode]:
    """A node that waits for peers which never come, shared by the tests of a run."""
    require("kubo")
    with tempfile.TemporaryDirectory(prefix="medrec-kubo-") as folder, kubo_node(Path(folder)) as node:
        yield node


def _addresses(process: subprocess.Popen[bytes], repository: Path) -> tuple[str, str]:
    """Waits until the daemon is up. It writes where it listens into two files."""
    log = repository / "daemon.log"
    deadline = time.monotonic() + _START_SECONDS
    while b"Daemon is ready" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Kubo did not start:\n{log.read_text()}")
        time.sleep(0.02)
    _, _, host, _, port = (repository / "api").read_text().strip().split("/")
    return f"http://{host}:{port}", (repository / "gateway").read_text().strip()


def _run(repository: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        [ipfs(), *arguments], env=_environment(repository), input=stdin, capture_output=True, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError(f"ipfs {' '.join(arguments)}: {done.stderr.decode()}")
    return done.stdout


def _environment(repository: Path) -> dict[str, str]:
    return os.environ | {"IPFS_PATH": str(repository), "IPFS_TELEMETRY": "off", "LIBP2P_FORCE_PNET": "1"}
