"""JSON of strangers: what would end the process, or take all memory, is refused before it is parsed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from medrec_py.crypto import untrusted_json
from medrec_py.crypto.untrusted_json import MAX_DEPTH, MAX_PARTS


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + closing * depth


def test_it_is_read_as_json_is() -> None:
    """Brackets in strings are no nesting, escaped quotes end no string, and other alphabets are read."""
    text = {"a": "[" * 1000, "b": '"' + "{" * 1000, "ä": ["\\", '\\"[[', "é" * 9], "c": [1, 2.5, None, True]}
    for ascii_alone in (True, False):
        assert untrusted_json.loads(json.dumps(text, ensure_ascii=ascii_alone).encode()) == text
    assert untrusted_json.loads(b'{"a": 1, "a": 2}', object_pairs_hook=lambda pairs: pairs) == [("a", 1), ("a", 2)]


@pytest.mark.parametrize("text", [b"", b"\xff", b"{", b'"', b'"\\', b"]" * 1000, b"{" * 10, b'["a]', b"[1}"])
def test_what_is_no_json(text: bytes) -> None:
    """A `ValueError`, as of `json` itself."""
    with pytest.raises(ValueError):  # noqa: PT011 - whichever
        untrusted_json.loads(text)


def test_depth_and_parts_are_bounded() -> None:
    """Exactly, and whatever stands between the brackets."""
    assert untrusted_json.loads(nested(MAX_DEPTH)) is not None
    half = MAX_DEPTH // 2
    assert untrusted_json.loads(b'[{"a":' * half + b"1" + b"}]" * half) is not None
    for text in (nested(MAX_DEPTH + 1), b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), nested(10**6)):
        with pytest.raises(ValueError, match="nested deeper"):
            untrusted_json.loads(text)
    most = [""] * (MAX_PARTS // 2 - 1)  # with commas between them, and two brackets around
    assert untrusted_json.loads(json.dumps(most).encode()) == most
    with pytest.raises(ValueError, match="more parts"):
        untrusted_json.loads(json.dumps([*most, "", ""]).encode())


@pytest.mark.parametrize("part", [b"1", b"1e9", b"null", b"-1000"])
def test_numbers_and_literals_are_parts(part: bytes) -> None:
    """Each takes many times its size in memory, as strings do."""
    assert len(untrusted_json.loads(b"[" + b",".join([part] * (MAX_PARTS - 1)) + b"]")) == MAX_PARTS - 1
    with pytest.raises(ValueError, match="more parts"):
        untrusted_json.loads(b"[" + b",".join([part] * (MAX_PARTS + 1)) + b"]")


def test_the_process_survives_where_the_limit_of_recursion_was_raised() -> None:
    """As py-evm does it; `json` itself would end the process there."""
    program = (
        "import sys; sys.setrecursionlimit(10**9)\n"
        "from medrec_py.crypto import untrusted_json\n"
        "try: untrusted_json.loads(b'[' * 10**6)\n"
        "except ValueError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n")
