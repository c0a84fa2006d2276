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
from types import TracebackType
from typing import Self

from scripts.toolchain import anvil, ganache

START_SECONDS = 60.0


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on, and that nobody else is given for a minute.

    A connection that was just closed keeps it (TIME_WAIT): who asks for this number, as servers do with SO_REUSEADDR,
    gets it, and who asks for any port gets another.
    """
    with socket.socket() as server, socket.socket() as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        client.connect(server.getsockname())
        server.accept()[0].close()  # the side that closes first is the one that waits
        client.recv(1)
        port: int = server.getsockname()[1]
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


class KillableAnvil:
    """Anvil on a port of its own with its state in a file: it can be killed at any moment, and started again.

    What was mined after the state was written last is gone then, as if the chain had gone back. Use it as a context
    manager.

    Args:
        folder: Where the state is kept.
        arguments: More of Anvil's own arguments.

    Attributes:
        url: Where it listens.
        state: The file; Anvil writes it every second.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.state = folder / "anvil.json"
        self._log = folder / "anvil.log"
        self._command = [str(anvil()), "--port", str(self._port), "--quiet", "--state", str(self.state)]
        self._command += ["--state-interval", "1", *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        _wait_until_it_answers(self._process, self.url, self._log)

    def kill(self) -> None:
        """Kill it with signal 9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wait_for_state(self) -> None:
        """Wait until the state was written once more, whole: what was mined before this call is in it."""
        before = time.time()
        deadline = time.monotonic() + START_SECONDS
        while not self._is_written_since(before):
            if time.monotonic() > deadline:
                raise RuntimeError("Anvil does not write its state")
            time.sleep(0.02)  # polling another process: there is nothing to wait on

    def _is_written_since(self, moment: float) -> bool:
        try:
            if self.state.stat().st_mtime <= moment:
                return False
            json.loads(self.state.read_bytes())
        except (OSError, ValueError):
            return False
        return True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


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
