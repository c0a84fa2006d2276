"""JSON of strangers.

Python's parser calls itself for each bracket. It stops at the interpreter's limit of recursion, and where another
library has raised that, as py-evm does, deep nesting ends the whole process before it is reached. And a text of many
small parts takes many times its size in memory. So both are counted before anything is parsed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

MAX_DEPTH: Final = 16
"""Arrays and objects inside of each other. Nothing that MedRec reads has half as many."""
MAX_PARTS: Final = 100_000
"""Brackets, braces, commas and strings: numbers and literals stand between commas."""

_PART: Final = re.compile(rb'[\[\]{},]|"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)
"""What opens, closes or divides something outside of strings; and strings. UTF-8 has these bytes nowhere else."""
_STEPS: Final = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def loads(octets: bytes, *, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """As ``json.loads``, of UTF-8.

    Args:
        octets: The text.
        object_pairs_hook: As there.

    Raises:
        ValueError: it is not JSON, is nested deeper than `MAX_DEPTH`, or has more than `MAX_PARTS`.
    """
    depth = 0
    for count, part in enumerate(_PART.finditer(octets)):
        depth += _STEPS.get(part[0], 0)
        if depth > MAX_DEPTH or count >= MAX_PARTS:
            raise ValueError("the JSON is nested deeper, or has more parts, than any has to")
    return json.loads(octets.decode("utf-8"), object_pairs_hook=object_pairs_hook)
