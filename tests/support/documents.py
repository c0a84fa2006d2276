"""The documents of this repository, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def documents() -> list[Path]:
    """Everything that is written for people: at the root, in docs/, and beside tests."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("tests/*/README.md")])


def name_of(path: Path) -> str:
    """A path as people name it in this repository."""
    return path.relative_to(ROOT).as_posix()


def code_blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return [body for found, body in _FENCE.findall(text) if found == language]


def links(text: str) -> list[str]:
    """Where a document links to; what looks like a link inside of code is none."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text)))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to a document's headings."""
    return {_slug(heading) for heading in _HEADING.findall(_FENCE.sub("", text))}


def code_spans(text: str) -> Iterator[str]:
    """What stands between backticks in running text, and the lines of fenced blocks."""
    yield from re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
    for _, body in _FENCE.findall(text):
        yield from body.splitlines()


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
