"""The TypeScript module of web/src/format: compiled, its tests, and a process that seals and opens."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts import toolchain
from scripts.toolchain import ROOT

TESTS = ROOT / "web" / "build" / "test"


def compile_tests() -> None:
    """Compile sources and tests into web/build; what has not changed is not compiled again."""
    subprocess.run([*toolchain.typescript(), "-b", "web/test"], cwd=ROOT, check=True)


def own_tests() -> list[Path]:
    """The compiled test files."""
    return sorted(TESTS.glob("*.test.js"))


class Refused(Exception):
    """The module refused a job; ``name`` is that of its error."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class Interop:
    """A running web/test/interop.ts."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, do: str, sign: Callable[[dict[str, Any]], bytes] | None = None, **job: Any) -> Any:
        """Have a job done; ``sign`` is the wallet that it may ask.

        Raises:
            Refused: the module threw one of its own errors.
        """
        answer = self._exchange(job | {"do": do})
        if "sign" in answer:
            assert sign is not None
            answer = self._exchange({"signature": sign(answer["sign"]).hex()})
        if "error" in answer:
            raise Refused(answer["error"], answer["message"])
        return answer.get("answer")

    def _exchange(self, line: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def running() -> Iterator[Interop]:
    """An ``Interop`` that ends with the block."""
    compile_tests()
    command = [str(toolchain.node()), str(TESTS / "interop.js")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8") as process:
        yield Interop(process)  # leaving the block closes its input, at which it ends
    assert process.returncode == 0
