"""Development chains as processes: Anvil and Ganache, started on a free port and stopped again.

with running_anvil("--hardfork", "prague") as url:
    ...
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.toolchain import anvil, ganache

START_SECONDS = 60.0


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_anvil(*arguments: str, port: int | None = None) -> Iterator[str]:
    """Run Anvil and give its URL.

    Args:
        arguments: More of Anvil's own arguments.
        port: Where it listens; a free port if not given.

    Raises:
        MissingComponentError: Anvil is neither on PATH nor set up.
        RuntimeError: It did not start; the message has its last words.
    """
    port = port or free_port()
    with _running([str(anvil()), "--port", str(port), "--quiet", *arguments], port) as url:
        yield url


@contextmanager
def running_ganache(*arguments: str) -> Iterator[str]:
    """Run Ganache and give its URL. Errors as for `running_anvil`."""
    port = free_port()
    command = [*map(str, ganache()), "--server.port", str(port), "--logging.quiet", *arguments]
    with _running(command, port) as url:
        yield url


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            _wait_until_it_answers(process, url, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)  # polling another process: there is nothing to wait on


def _answers(url: str) -> bool:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return "result" in json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return False
