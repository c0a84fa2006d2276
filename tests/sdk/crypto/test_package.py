"""What the package as a whole must be."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

import medrec_py.crypto
from medrec_py.crypto import blocks
from medrec_py.errors import BlockMismatch, FormatError, MedRecError

SOURCES = sorted(Path(medrec_py.crypto.__path__[0]).glob("*.py"))
ALLOWED = {"cbor2", "cryptography", "eth_hash", "eth_keys", "eth_utils", "medrec_py", "shamir_mnemonic"}
OURS = {"medrec_py.errors", "medrec_py.in_order"}


def imports(source: Path) -> set[str]:
    """Names of the modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_few_packages_are_imported(source: Path) -> None:
    """No chain, no network, no storage, and nothing of the project but this package, errors, and threads for work."""
    for name in imports(source):
        top = name.partition(".")[0]
        assert top in ALLOWED or top in sys.stdlib_module_names, name
        assert top not in {"random", "socket", "subprocess", "urllib", "http", "pickle", "logging"}, name
        if top == "medrec_py":
            assert name in OURS or name.startswith("medrec_py.crypto"), name


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_module_is_too_long(source: Path) -> None:
    """One concept each."""
    assert len(source.read_text().splitlines()) < 450


def test_a_block_is_the_one_that_was_asked_for() -> None:
    """A store is not trusted: bytes are held against their pointer."""
    block = b"some block"
    pointer = blocks.pointer_to(block)
    assert blocks.fetch_block(lambda _: block, pointer) == block
    wrong: dict[bytes, type[MedRecError]] = {
        b"other": BlockMismatch,
        b"": BlockMismatch,
        bytes((1 << 20) + 1): FormatError,
    }
    for answer, error in wrong.items():
        with pytest.raises(error):
            blocks.fetch_block(Mock(return_value=answer), pointer)


@pytest.mark.parametrize("prefix", ["01551220", "01701220"])
def test_a_cid_names_a_raw_or_dag_pb_block(prefix: str) -> None:
    """CIDv1, sha2-256; anything else is refused."""
    cid = bytes.fromhex(prefix) + bytes(32)
    assert blocks.check_cid(cid) == cid
    for wrong in (
        cid[:-1],
        cid + b"\0",
        b"\0" + cid[1:],
        cid[:1] + b"\x71" + cid[2:],
        cid[:2] + b"\x13" + cid[3:],
        b"",
    ):
        with pytest.raises(FormatError):
            blocks.check_cid(wrong)
