"""Fuzz each parser for a while with atheris: ``python -m tests.fuzz [SECONDS [PARSER]]``.

Each parser runs in a process of its own, from valid bytes as its corpus. Half of the inputs are valid CBOR in which a
part was exchanged, so that they get behind the check for one encoding. Anything but a return or a `MedRecError` ends
the run with the bytes that brought it about.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import atheris
import cbor2

with atheris.instrument_imports(include=["medrec_py.crypto"]):
    from medrec_py.crypto import cbor
    from medrec_py.errors import MedRecError
    from tests.sdk.crypto.test_fuzz import CBOR_PARSERS, PARSERS

ONE = "--one"
SECONDS = 20
LARGEST = 8192
ODD = [None, True, 0, 1, 24, 1 << 24, 1 << 32, (1 << 64) - 1, -1, b"", b"\0" * 32, "", "x", [], {}, [[]], {"v": 1}, 1.5]


def main(arguments: list[str]) -> int:
    """Fuzz all parsers, or the one that is named. Returns 0 if nothing was found."""
    seconds = int(arguments[0]) if arguments else SECONDS
    names = arguments[1:] or list(PARSERS)
    broken = [name for name in names if not holds(name, seconds)]
    print(f"broken: {', '.join(broken)}" if broken else f"{len(names)} parsers, {seconds} s each: nothing found")
    return int(bool(broken))


def holds(name: str, seconds: int) -> bool:
    """Fuzz one parser in a process of its own, which libFuzzer ends."""
    print(f"--- {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "valid").write_bytes(PARSERS[name][1])
        command = [sys.executable, "-m", "tests.fuzz", ONE, name, str(seconds), folder]
        return subprocess.run(command, check=False).returncode == 0


def fuzz(name: str, seconds: str, folder: str) -> None:
    """Fuzz one parser with the corpus in a folder; ends the process."""
    parser, _ = PARSERS[name]

    def one(octets: bytes) -> None:
        with suppress(MedRecError):
            parser(octets)

    options = [f"-max_total_time={seconds}", f"-max_len={LARGEST}", "-timeout=10", "-verbosity=0", folder]
    mutator: dict[str, Callable[..., bytes]] = {"custom_mutator": mutate} if name in CBOR_PARSERS else {}
    atheris.Setup([sys.argv[0], *options], one, **mutator)
    atheris.Fuzz()


def mutate(octets: bytes, largest: int, seed: int) -> bytes:
    """Half the time another part in the document, else libFuzzer's own changes."""
    chance = random.Random(seed)
    if chance.random() < 0.5:
        with suppress(Exception):
            changed = cbor.encode(exchange(cbor2.loads(octets), chance))
            if len(changed) <= largest:
                return changed
    mutated: bytes = atheris.Mutate(octets, largest)
    return mutated


def exchange(value: Any, chance: random.Random) -> Any:
    """The value with one part, at any depth, exchanged, removed or doubled."""
    if not isinstance(value, list | dict) or not value or chance.random() < 0.2:
        return chance.choice(ODD) if chance.random() < 0.7 else chance.randbytes(chance.choice([1, 16, 20, 32, 80]))
    keys = list(range(len(value))) if isinstance(value, list) else list(value)
    key = chance.choice(keys)
    copy = value.copy()
    match chance.choice(["inside", "inside", "inside", "remove", "double"]):
        case "inside":
            copy[key] = exchange(value[key], chance)
        case "remove":
            del copy[key]
        case _ if isinstance(copy, list):
            copy.append(value[key])
        case _:
            copy[chance.choice([*keys, 99, "other"])] = value[key]
    return copy


if __name__ == "__main__":
    if sys.argv[1:2] == [ONE]:
        fuzz(*sys.argv[2:])
    sys.exit(main(sys.argv[1:]))
