"""Configuration files: what is there stays, what is set is there, and nothing is ever half written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec_py.cli import config_file, files
from medrec_py.errors import ConfigurationError

BY_HAND = """# My settings.
# The node in the cellar:
chain = "http://10.0.0.1:8545"   # not the one upstairs

store = [
    "/var/blocks",  # first
    "http://127.0.0.1:5001",
]
timeout = 5
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that somebody wrote by hand."""
    path = tmp_path / "config.toml"
    path.write_text(BY_HAND)
    return path


def test_comments_and_other_values_stay(path: Path) -> None:
    """A change touches the lines of one value, be they several, and no other."""
    config_file.change(path, "store", "/elsewhere")
    text = path.read_text()
    assert tomllib.loads(text) == {"chain": "http://10.0.0.1:8545", "store": "/elsewhere", "timeout": 5}
    for kept in ("# My settings.", "# The node in the cellar:", "# not the one upstairs"):
        assert kept in text
    assert "/var/blocks" not in text


def test_taking_out_leaves_the_rest(path: Path) -> None:
    """The lines of the value go, and what was not there stays away."""
    config_file.change(path, "store", None)
    config_file.change(path, "contract", None)
    assert tomllib.loads(path.read_text()) == {"chain": "http://10.0.0.1:8545", "timeout": 5}


def test_a_value_does_not_get_into_a_table(path: Path) -> None:
    """Even if the file has tables, which MedRec has no use for, a value is set at the top."""
    path.write_text("[table]\nchain = 1")
    config_file.change(path, "chain", "http://a")
    assert config_file.read(path) == {"chain": "http://a", "table": {"chain": 1}}


def test_a_file_that_cannot_be_changed_safely_stays(path: Path) -> None:
    """Where a line cannot be exchanged without changing something else, nothing is written."""
    text = 'a = """\nchain = 1\n"""\nchain = 2\n'
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="edit it yourself"):
        config_file.change(path, "chain", "http://a")
    assert path.read_text() == text


def test_a_file_that_is_no_toml_is_not_overwritten(path: Path) -> None:
    """It is an error, and it stays for its owner to repair."""
    path.write_text("chain = ")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        config_file.change(path, "chain", "http://a")
    assert path.read_text() == "chain = "


@given(value=st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.lists(st.text())))
def test_whatever_is_set_is_read_back(tmp_path_factory: pytest.TempPathFactory, value: str | float | list[str]) -> None:
    """Quotes, backslashes, controls and every other character survive."""
    if any(
        0xD800 <= ord(char) < 0xE000 for text in (value if isinstance(value, list) else [str(value)]) for char in text
    ):
        return  # no text that a shell can give
    path = tmp_path_factory.mktemp("config") / "config.toml"
    config_file.change(path, "a-name", value)
    assert config_file.read(path) == {"a-name": value}


def test_a_crash_while_writing_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is exchanged in one step, and nothing is left beside it."""

    def crash(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files.os, "fsync", crash)  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="Input/output error"):
        config_file.change(path, "timeout", 6)
    assert path.read_text() == BY_HAND
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """For example where a file has its name."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError):
            files.private_folder(folder)
