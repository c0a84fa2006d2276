"""JSON of strangers.

Python's parser calls itself for each bracket. It stops at the interpreter's limit of recursion, and where another
library has raised that, as py-evm does, deep nesting ends the whole process before it is reached.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

MOST_BRACKETS: Final = 500
"""Opening brackets and braces that a text may have unless told otherwise; in strings they count as well."""


def loads(
    octets: bytes,
    *,
    most_brackets: int = MOST_BRACKETS,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """As ``json.loads``, of UTF-8.

    Args:
        octets: The text.
        most_brackets: That it may have.
        object_pairs_hook: As there.

    Raises:
        ValueError: it is not JSON, or has more brackets.
        RecursionError: never where ``most_brackets`` is below the interpreter's limit.
    """
    if octets.count(b"[") + octets.count(b"{") > most_brackets:
        raise ValueError("the JSON has more brackets than it may have")
    return json.loads(octets.decode("utf-8"), object_pairs_hook=object_pairs_hook)
