"""Chromium, driven by web/test/chromium/driver.ts: tabs, and the wallets in them."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from scripts import toolchain
from tests.support import typescript

LONGEST = 120.0
"""Seconds until a driver that does not answer is given up."""


class Browser:
    """A running driver."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._numbers = count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, do: str, **job: Any) -> Future[Any]:
        """Begin a job."""
        future: Future[Any] = Future()
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = future
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"id": number, "do": do, **job}) + "\n")
            self._process.stdin.flush()
        return future

    def ask(self, do: str, **job: Any) -> Any:
        """Do a job, and wait until it is done."""
        return self.start(do, **job).result(LONGEST)

    def open(self, url: str, *wallets: dict[str, Any], **more: Any) -> Tab:
        """Open an address in a tab of its own, with wallets that are injected there."""
        return Tab(self, self.ask("open", url=url, wallets=list(wallets), **more))

    def end(self) -> None:
        """End driver and Chromium: at the end of its input the driver closes both."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(LONGEST)
        finally:
            self._process.kill()
            self._reader.join(LONGEST)
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            future = self._waiting.pop(said["id"])
            if "error" in said:
                future.set_exception(AssertionError(said["error"]))
            else:
                future.set_result(said["answer"])
        for future in self._waiting.values():
            future.set_exception(AssertionError("the driver ended"))


class Tab:
    """A tab."""

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser = browser
        self._number = number

    def click(self, name: str, role: str = "button") -> None:
        """Press what has a role and a name, as somebody does who uses a screen reader."""
        self.ask("click", role=role, name=name)

    def see(self, text: str) -> None:
        """Wait until a text is seen."""
        self.ask("see", text=text)

    def text(self, selector: str = "main") -> str:
        """What is read there."""
        return str(self.ask("text", selector=selector))

    def calls(self, wallet: int = 0) -> list[dict[str, Any]]:
        """What a wallet was asked."""
        calls: list[dict[str, Any]] = self.ask("seen")["calls"][wallet]
        return calls

    def ask(self, do: str, **job: Any) -> Any:
        """Have the driver do something with this tab."""
        return self._browser.ask(do, tab=self._number, **job)


@contextmanager
def running(folder: Path) -> Iterator[Browser]:
    """A `Browser` that ends with the block."""
    typescript.compile_tests()
    driver = typescript.TESTS / "chromium" / "driver.js"
    command = [str(toolchain.node()), str(driver), str(toolchain.chromium()), str(folder / "extension")]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")
    browser = Browser(process)
    try:
        yield browser
    finally:
        browser.end()
