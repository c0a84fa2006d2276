"""What must not open: tests/vectors/refusals.json, which the TypeScript module and the Go program read too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vectors import generate_refusals
from tests.vectors.refusals import changed, refusal

GROUPS = json.loads(generate_refusals.FILE.read_text(encoding="utf-8"))["groups"]


def test_the_refusals_are_what_the_code_writes() -> None:
    """A change in what is refused, or in the error, shows here."""
    assert generate_refusals.FILE.read_text(encoding="utf-8") == generate_refusals.render()


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group["of"])
def test_unchanged_inputs_open(group: dict[str, Any]) -> None:
    """So that a refusal is due to the change."""
    assert not refusal(group["of"], group["inputs"])


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group["of"])
def test_each_change_is_refused_as_it_should_be(group: dict[str, Any]) -> None:
    """One bit of each part, other encodings, other places and keys, and documents that were sealed wrongly."""
    for case in group["cases"]:
        found = refusal(group["of"], changed(group["inputs"], case["change"]))
        assert (found or None) == case["refusal"], case["what"]
