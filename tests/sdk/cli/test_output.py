"""What is printed does nothing to a terminal, shows no secret, and is clean in a pipe."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from medrec_py.cli.output import Cell, Fields, Output, Table, size
from medrec_py.cli.terminal import printable, quoted
from medrec_py.errors import StoreFull
from medrec_py.storage import FolderStore
from tests.sdk.cli.conftest import PASSPHRASE, Shell

pytestmark = pytest.mark.slow

EVIL = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202e[red]"
"""Sets a title, clears the screen, returns the carriage, colours by a C1 control, turns the direction; is markup."""


@pytest.mark.parametrize(
    "char", [*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), "\u202e", "\u2066", "\u2028", "\ufeff"]
)
def test_controls_are_written_out(char: str) -> None:
    """C0, C1, direction marks and invisible characters never reach a terminal."""
    assert printable(f"a{char}b").isprintable()


def test_other_writing_stays() -> None:
    """Letters of every language, and symbols, stay as they are."""
    assert printable("Überweisung 心电图 מרשם ☤") == "Überweisung 心电图 מרשם ☤"


def test_a_title_cannot_control_the_terminal(granted: Shell) -> None:
    """Neither in lists nor in the history, in errors or after getting a record, in text or in JSON."""
    granted.ask("record add - --compartment general --title", EVIL, stdin=b"All is well.")
    for line in ("record list", "history", "record verify --all", "record get 1 --output out --force"):
        for json_too in ((), ("--json",)):
            result = granted.type(line, *json_too)
            assert result.code == 0, result.err
            assert not set(result.out + result.err) & set("\x1b\x07\r\x9b\u202e"), line
            if json_too:
                assert result.out.isascii()
            elif line != "history":
                assert "\\x1b]0;owned" in result.out
    assert granted.ask("record list")["records"][0]["title"] == EVIL


def test_an_error_cannot_control_the_terminal(shell: Shell) -> None:
    """Messages repeat what was given, and nodes write them too."""
    result = shell.type("provider show", "0x\x1b[2J")
    assert result.code == 2
    assert "\x1b" not in result.err


def test_nothing_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets and colons are what they are."""
    Output(False).result(
        {}, "[bold]a[/bold] :smile:", Fields([("[b]", Cell("[/b]", "green"))]), Table(("x",), [("[y]",)], "")
    )
    out = capsys.readouterr().out
    assert all(text in out for text in ("[bold]a[/bold] :smile:", "[b]", "[/b]", "[y]"))


def test_a_pipe_gets_whole_lines_without_padding(capsys: pytest.CaptureFixture[str]) -> None:
    """No wrapping, no colours, no blanks at the ends of lines."""
    Output(False).result({}, Table(("a", "b"), [("x" * 500, "y"), ("z", "")], ""))
    lines = capsys.readouterr().out.splitlines()
    assert "x" * 500 in lines[2]
    assert not [line for line in lines if line != line.rstrip()]


class Screen(io.StringIO):
    """A terminal that keeps what it is shown."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("as_json", "total", "stream", "is_shown"),
    [
        (False, 64 << 20, Screen(), True),
        (True, 64 << 20, Screen(), False),
        (False, 64 << 10, Screen(), False),
        (False, 64 << 20, io.StringIO(), False),
    ],
    ids=["long", "in JSON", "short", "not a terminal"],
)
def test_progress_is_shown_on_a_terminal_where_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, as_json: bool, total: int, stream: io.StringIO, is_shown: bool
) -> None:
    """On standard error alone, and not in a pipe, in JSON, or for what is done at once."""
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with Output(as_json).progress("fetching\x1b[2J", total) as progress:
        progress(total // 2)
    assert ("fetching" in stream.getvalue()) == is_shown
    assert "\x1b[2J" not in stream.getvalue()


def test_sizes_are_for_people() -> None:
    """Bytes in the unit that fits."""
    assert [size(n) for n in (0, 1023, 1024, 5 << 20, 3 << 30)] == ["0 B", "1023 B", "1.0 KiB", "5.0 MiB", "3.0 GiB"]


def test_no_secret_is_ever_printed(granted: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither passphrase, nor phrase, nor key: not in results, not in errors, not with MEDREC_DEBUG."""
    monkeypatch.setenv("MEDREC_DEBUG", "1")
    Path("note.txt").write_text("All is well.")
    lines = (
        "config show",
        "doctor",
        "patient show",
        "record add note.txt --compartment general",
        "record list",
        "record get 7 --output x",
        "permission grant {stranger} --read general --until 1d",
        "authority add-registrar {doctor}",
        "init",
        "--profile stranger patient show",
    )
    printed = "".join(result.out + result.err for line in lines for result in (granted.type(line),))
    phrases = granted.there().phrases.values()
    secrets = [PASSPHRASE, *phrases, *(" ".join(phrase.split()[:3]) for phrase in phrases)]
    assert "Traceback" in printed
    assert not [secret for secret in secrets if secret in printed]


def test_an_unexpected_error_shows_kind_and_place_alone(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its message may hold anything, so it is shown only with MEDREC_DEBUG. Exit code 1."""
    monkeypatch.setattr("medrec_py.cli.commands.config.described_settings", lambda _: 1 / 0)
    code, error = shell.fail("config show")
    assert (code, error["type"]) == (1, "ZeroDivisionError")
    assert "test_output.py, line" in error["message"]
    assert "division" not in error["message"]
    assert "MEDREC_DEBUG" in error["remedy"]
    monkeypatch.setenv("MEDREC_DEBUG", "1")
    assert "division by zero" in shell.type("config show").err


def test_a_failure_for_people_says_what_to_do(world: Shell) -> None:
    """The message, and the remedy, on standard error."""
    result = world.type("record get 3 --output x")
    assert result.code == 9
    assert result.out == ""
    assert result.err.splitlines()[0].startswith("error: ")
    assert result.err.splitlines()[-1].startswith("what to do: ")


def test_keys_that_could_not_be_changed_are_a_warning(granted: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the store down a revocation still holds, and says what is left to do."""

    def full(*_: object) -> None:
        raise StoreFull("no room")

    monkeypatch.setattr(FolderStore, "put_block", full)
    result = granted.type("permission revoke {hospital} --json")
    document = json.loads(result.out)
    assert (result.code, document["rotated"]) == (0, False)
    assert "no room" in document["warnings"][0]
    assert granted.ask("permission list")["permissions"] == []


def test_a_name_cannot_end_its_quotation() -> None:
    """Nor be so long that nobody sees the address behind it."""
    hostile = 'Hospital” 0x1111, organisation; also "«'
    assert quoted(hostile) == "“Hospital' 0x1111, organisation; also ''”"
    assert quoted("Charité „Mitte“").strip("“”") == "Charité 'Mitte'"
    assert len(quoted("x" * 5000)) == 83
