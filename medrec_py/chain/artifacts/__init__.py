"""The compiled contract, so that nobody needs a compiler. Written by ``scripts/export_artifacts.py``."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def load_artifact(name: str = "MedRec") -> dict[str, Any]:
    """The artifact of a contract: ``abi``, ``bytecode`` (0x and digits), and what it was compiled with."""
    text = resources.files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    artifact: dict[str, Any] = json.loads(text)
    return artifact


def load_descriptor(name: str) -> str:
    """The text of a descriptor for wallets (ERC-7730), by the name of its file."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
