"""Exit codes: every error has one, and the documentation says which."""

from __future__ import annotations

import re

import pytest

from medrec_py.chain import reverts
from medrec_py.cli.exits import MEANINGS, ExitCode, exit_code
from medrec_py.errors import MedRecError
from scripts.doc_tables import public_errors
from tests.sdk.cli.conftest import Shell
from tests.support.documents import ROOT

EXPECTED = {
    "InvalidInput": 2,
    "ConfigurationError": 2,
    "OutputExists": 2,
    "NotPermitted": 3,
    "PermissionRevoked": 3,
    "NotAuthority": 3,
    "NotRegistrar": 3,
    "FormatError": 4,
    "BlockMismatch": 4,
    "EntryMissing": 4,
    "KeysMissing": 5,
    "KeysElsewhere": 5,
    "StoreFull": 6,
    "StoreTimeout": 6,
    "ChainUnavailable": 7,
    "TransactionTimeout": 7,
    "InsufficientFunds": 7,
    "WrongPassphrase": 8,
    "IdentityExists": 8,
    "PassphraseMissing": 8,
    "RecordNotFound": 9,
    "IdentityMissing": 9,
    "NotDeployed": 9,
    "StaleKeyring": 10,
    "AlreadyRegistered": 10,
}


@pytest.mark.parametrize("error", public_errors()[1:], ids=lambda error: error.__name__)
def test_every_error_has_a_code_of_its_family(error: type[MedRecError]) -> None:
    """No error of the tree ends as an unexpected one, or as success."""
    code = exit_code(error.__new__(error))
    assert code not in {ExitCode.OK, ExitCode.UNEXPECTED}
    assert code == EXPECTED.get(error.__name__, code)


def test_the_errors_that_are_expected_exist() -> None:
    """The table above names errors that there are."""
    assert not set(EXPECTED) - {error.__name__ for error in public_errors()}


def test_reasons_of_the_predicate_are_not_permitted() -> None:
    """Whatever the contract's predicate refuses with ends with 3."""
    assert {exit_code(denied.__new__(denied)) for denied in reverts.DENIALS.values()} == {ExitCode.NOT_PERMITTED}


def test_the_documentation_and_the_help_have_every_code(shell: Shell) -> None:
    """docs/cli.md has a row for each, and ``medrec --help`` names each."""
    document = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    rows = {int(code) for code in re.findall(r"^\| (\d+) \| ", document, re.MULTILINE)}
    assert rows == set(ExitCode) == set(MEANINGS)
    text = " ".join(shell.type("--help").out.split())
    assert all(f"{code:d} {meaning}" in text for code, meaning in MEANINGS.items())
