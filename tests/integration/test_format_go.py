"""The formats in Go (tools/format): HPKE of Go's own library, another CBOR and another secp256k1 than Python's."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts.toolchain import format_check
from tests.vectors.generate import FILES, HERE

NAMES = {*FILES, "head.json", "refusals.json"}

pytestmark = pytest.mark.format_check


def reports(folder: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """The program's status, and what it says of each file."""
    command = [str(format_check()), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert not done.stderr, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {line["file"]: line for line in lines}


def test_all_vectors_hold() -> None:
    """Each file is known to the program, and each fact in it holds, the refusals with their reasons included."""
    status, found = reports(HERE)
    assert {name: report["failures"] for name, report in found.items()} == {name: [] for name in NAMES}
    assert status == 0
    cases = sum(len(group["cases"]) + 1 for group in json.loads((HERE / "refusals.json").read_text())["groups"])
    assert found["refusals.json"]["facts"] == cases


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("keys.json", '"inboxKeys": [\n  "', '"inboxKeys": [\n  "ff'),
        ("statement.json", '"claim": "', '"claim": "ff'),
        ("head.json", '"word": "0x', '"word": "0xff'),
        ("refusals.json", '"refusal": "BlockMismatch"', '"refusal": "WrongKey"'),
        ("refusals.json", '"refusal": null', '"refusal": "FormatError"'),
    ],
)
def test_a_vector_that_is_wrong_is_noticed(tmp_path: Path, name: str, right: str, wrong: str) -> None:
    """So that the test above means something."""
    for vector in NAMES:
        shutil.copy(HERE / vector, tmp_path)
    text = (HERE / name).read_text(encoding="utf-8")
    assert right in text
    (tmp_path / name).write_text(text.replace(right, wrong, 1), encoding="utf-8")
    status, found = reports(tmp_path)
    assert status == 1
    assert [file for file, report in found.items() if report["failures"]] == [name]
