"""Configuration files: flat TOML, read with ``tomllib`` and changed a line at a time, so that comments stay."""

from __future__ import annotations

import re
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import Any

from medrec_py.cli.files import private_folder, write_private
from medrec_py.errors import ConfigurationError


def read(path: Path) -> dict[str, Any]:
    """What a file says; nothing if there is none.

    Raises:
        ConfigurationError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(_text(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error


def change(path: Path, name: str, value: str | float | list[str] | None) -> None:
    """Set a value, or take it out with ``None``. The rest of the file, comments included, stays as it is.

    Raises:
        ConfigurationError: the file cannot be read or written, or is built so that a line cannot be exchanged.
    """
    before = read(path)
    after = {**before, name: value}
    if value is None:
        after.pop(name, None)
    kept = _without(_text(path).splitlines(keepends=True), name)
    if kept and not kept[-1].endswith("\n"):
        kept.append("\n")
    if value is not None:
        kept.insert(_head(kept), f"{name} = {_toml(value)}\n")
    text = "".join(kept)
    if not _says(text, after):
        raise ConfigurationError(f"{path} cannot be changed safely: edit it yourself ({name})")
    private_folder(path.parent)
    write_private(path, text)


def _says(text: str, values: dict[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == values
    except tomllib.TOMLDecodeError:
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def _head(lines: list[str]) -> int:
    """Where a new value goes: behind the comments that the file begins with."""
    return next((place for place, line in enumerate(lines) if not line.startswith("#")), len(lines))


def _without(lines: list[str], name: str) -> list[str]:
    """The lines without the value of that name, which may take several."""
    top = list(takewhile(lambda line: not line.startswith("["), lines))  # what follows belongs to a [table]
    start = next((place for place, line in enumerate(top) if re.match(rf'"?{re.escape(name)}"?\s*=', line)), None)
    if start is None:
        return lines
    for end in range(start + 1, len(lines) + 1):
        try:
            tomllib.loads("".join(lines[start:end]))
        except tomllib.TOMLDecodeError:
            continue
        return lines[:start] + lines[end:]
    return lines


def _toml(value: str | float | list[str]) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if not isinstance(value, str):
        return repr(value)
    escaped = "".join(_ESCAPES.get(char, char if char.isprintable() else f"\\U{ord(char):08x}") for char in value)
    return f'"{escaped}"'


_ESCAPES = {'"': '\\"', "\\": "\\\\"}
