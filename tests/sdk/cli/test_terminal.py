"""A person at a terminal: what is asked, what is echoed, and what stays on the screen. On a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from medrec_py.cli.identities import Identities
from medrec_py.cli.settings import Settings
from medrec_py.wallet import Wallet

pytestmark = pytest.mark.slow

PASSPHRASE = "tr0ub4dor"
ALTERNATE_SCREEN, MAIN_SCREEN = "\x1b[?1049h", "\x1b[?1049l"


@dataclass
class Terminal:
    """A pseudo-terminal with the program in it.

    Attributes:
        master: Our side of it.
        process: The program.
        shown: All that it has shown.
    """

    master: int
    process: subprocess.Popen[bytes]
    shown: str = ""
    _read: int = field(default=0)

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until it shows something new."""
        deadline = time.monotonic() + 60
        while (found := re.search(pattern, self.shown[self._read :], re.DOTALL)) is None:
            if not self._take(deadline - time.monotonic()):
                raise AssertionError(f"{pattern!r} was not shown: {self.shown[self._read :]!r}")
        self._read += found.end()
        return found

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self.master, text.encode() + b"\n")

    def press(self, char: str) -> None:
        """Press a key."""
        os.write(self.master, char.encode())

    def end(self) -> int:
        """Wait for its end; returns the exit code."""
        while self._take(60):
            pass
        return self.process.wait(60)

    def _take(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], max(0.0, seconds))[0]:
            return False
        with suppress(OSError):  # so a pseudo-terminal says that the other side is closed
            piece = os.read(self.master, 1 << 16)
            self.shown += piece.decode()
            return bool(piece)
        return False


@contextmanager
def at_a_terminal(home: Path, *arguments: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEDREC_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "medrec_py.cli", "--home", str(home), *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=kept | {"TERM": "xterm-256color", "COLUMNS": "100"},
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - the terminal has to become the child's own, for Ctrl-C and /dev/tty
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)


def _take_terminal() -> None:
    import fcntl  # noqa: PLC0415
    import termios  # noqa: PLC0415

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def choose_passphrase(terminal: Terminal) -> None:
    """Type a new passphrase twice."""
    terminal.expect("New passphrase")
    terminal.type(PASSPHRASE)
    terminal.expect("again")
    terminal.type(PASSPHRASE)


def shown_phrase(text: str) -> list[str]:
    """The words in the numbered list on the screen."""
    numbered = {int(number): word for number, word in re.findall(r"(\d+) ([a-z]+)", text)}
    return [numbered[place] for place in sorted(numbered)]


def names(home: Path) -> list[str]:
    return Identities(home, Settings({}, {}, home=str(home)).profile_folder).names()


def test_a_new_phrase_is_shown_once_and_confirmed(tmp_path: Path) -> None:
    """On a screen of its own; two words have to be typed before the identity is there; it stays nowhere."""
    with at_a_terminal(tmp_path, "init", "--light-kdf") as terminal:
        choose_passphrase(terminal)
        screen = terminal.expect(re.escape(ALTERNATE_SCREEN) + "(.*)Press Enter")[1]
        words = shown_phrase(screen)
        assert len(words) == 24
        assert names(tmp_path) == []
        terminal.type("")
        terminal.expect(re.escape(MAIN_SCREEN))
        for _ in range(2):
            asked = int(terminal.expect(r"Word (\d+): ")[1])
            assert names(tmp_path) == []
            terminal.type(words[asked - 1].upper())
        assert terminal.end() == 0
        after = terminal.shown.partition(MAIN_SCREEN)[2]
    assert Wallet.from_phrase(" ".join(words)).address in after
    assert len(shown_phrase(after)) < 4
    assert names(tmp_path) == ["default"]
    assert PASSPHRASE not in terminal.shown


def test_words_that_were_not_noted_are_shown_again(tmp_path: Path) -> None:
    """A wrong word leads back to the list, and not to an identity whose phrase nobody has."""
    with at_a_terminal(tmp_path, "init", "--light-kdf") as terminal:
        choose_passphrase(terminal)
        words = shown_phrase(terminal.expect(re.escape(ALTERNATE_SCREEN) + "(.*)Press Enter")[1])
        terminal.type("")
        terminal.expect(r"Word \d+: ")
        terminal.type("nonsense")
        terminal.expect("not what was shown.*Press Enter")
        terminal.type("")
        assert shown_phrase(terminal.expect(re.escape(ALTERNATE_SCREEN) + "(.*)Press Enter")[1]) == words
        assert names(tmp_path) == []


def test_ctrl_c_before_the_words_are_confirmed_leaves_nothing(tmp_path: Path) -> None:
    """Exit code 130, no identity, the ordinary screen, and no traceback."""
    with at_a_terminal(tmp_path, "init", "--light-kdf") as terminal:
        choose_passphrase(terminal)
        terminal.expect("Press Enter")
        terminal.press("\x03")
        assert terminal.end() == 130
    assert MAIN_SCREEN in terminal.shown
    assert "interrupted" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert names(tmp_path) == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("typed", "complaint"), [(("", None), "must not be empty"), (("a", "b"), "differ")])
def test_a_passphrase_is_typed_twice(tmp_path: Path, typed: tuple[str, str | None], complaint: str) -> None:
    """An empty one, or two that differ, are refused, and nothing is made."""
    with at_a_terminal(tmp_path, "init", "--light-kdf") as terminal:
        for text, question in zip(typed, ("New passphrase", "again"), strict=True):
            if text is not None:
                terminal.expect(question)
                terminal.type(text)
        assert terminal.end() == 2
    assert complaint in terminal.shown
    assert names(tmp_path) == []


def test_a_phrase_is_typed_without_echo(tmp_path: Path) -> None:
    """--from-phrase asks for it, and it does not appear."""
    wallet = Wallet.create()
    assert wallet.phrase
    with at_a_terminal(tmp_path, "init", "--light-kdf", "--from-phrase") as terminal:
        terminal.expect("Phrase")
        terminal.type(wallet.phrase)
        choose_passphrase(terminal)
        assert terminal.end() == 0
    assert wallet.address in terminal.shown
    assert " ".join(wallet.phrase.split()[:2]) not in terminal.shown
    assert PASSPHRASE not in terminal.shown


def test_a_record_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    """It may hold control sequences. Told before anything is fetched."""
    with at_a_terminal(tmp_path, "record", "get", "1", "--output", "-") as terminal:
        assert terminal.end() == 2
    assert "--force" in terminal.shown
