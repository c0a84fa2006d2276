"""Asking the person at the terminal, and showing texts of others without obeying them."""

from __future__ import annotations

import getpass
import secrets
import sys
from pathlib import Path
from typing import Final

from medrec_py.cli.errors import PassphraseMissing, PinMissing
from medrec_py.errors import InvalidInput

_LONGEST_NAME: Final = 80
_QUOTATION_MARKS: Final = '"“”„‟«»＂〝〞〟❝❞'


def is_interactive() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def printable(text: str) -> str:
    """A text that does nothing to a terminal: what is not printable (controls, direction marks) is written out.

    Titles, names and types come from authors, and messages from nodes and stores.
    """
    return "".join(char if char.isprintable() else _written_out(char) for char in text)


def quoted(name: str) -> str:
    """A name of somebody else's choice, in quotation marks that it cannot close, and not endless.

    Else it could go on with an address and words that seem to be this program's.
    """
    tame = name.translate(dict.fromkeys(map(ord, _QUOTATION_MARKS), "'"))
    return f"“{tame if len(tame) <= _LONGEST_NAME else tame[:_LONGEST_NAME] + '…'}”"


def ask_passphrase(profile: str) -> str:
    """Ask for the passphrase of an identity, without echo.

    Raises:
        PassphraseMissing: nobody is there.
    """
    if not is_interactive():
        raise PassphraseMissing(f"the identity of profile {profile!r} needs its passphrase, and this is no terminal")
    return getpass.getpass(f"Passphrase of profile {profile}: ")


def ask_new_passphrase() -> str:
    """Ask twice for the passphrase of a new identity, without echo.

    Raises:
        PassphraseMissing: nobody is there.
        InvalidInput: it is empty, or the two differ.
    """
    if not is_interactive():
        raise PassphraseMissing("a new identity needs a passphrase, and this is no terminal")
    passphrase = getpass.getpass("New passphrase (encrypts the identity on this machine): ")
    return _repeated(passphrase, "passphrase")


def ask_pin(module: str) -> str:
    """Ask for the PIN of a module of keys, without echo.

    Raises:
        PinMissing: nobody is there.
    """
    if not is_interactive():
        raise PinMissing(f"the keys in {module} need their PIN, and this is no terminal")
    return getpass.getpass(f"PIN of {module}: ")


def ask_new_pin(module: str) -> str:
    """Ask twice for the PIN of a new module of keys, without echo.

    Raises:
        PinMissing: nobody is there.
        InvalidInput: it is empty, or the two differ.
    """
    return _repeated(ask_pin(module), "PIN")


def ask_phrase() -> str:
    """Ask for a phrase, without echo.

    Raises:
        InvalidInput: nobody is there.
    """
    if not is_interactive():
        raise InvalidInput("this is no terminal: give the phrase with --phrase-file FILE, or - for standard input")
    return getpass.getpass("Phrase (the words, separated by spaces): ")


def given_phrase(path: str | None) -> str:
    """The phrase in a file, of which ``-`` is standard input; without one it is asked for.

    Raises:
        InvalidInput: it cannot be read, or nobody is there.
    """
    try:
        if path == "-":
            return sys.stdin.read(1 << 12)
        return ask_phrase() if path is None else Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the phrase cannot be read from {path}") from error


def ask_fingerprint() -> str:
    """Ask for the fingerprint of a request for recovery, as it is read out.

    Raises:
        InvalidInput: nobody is there.
    """
    if not is_interactive():
        raise InvalidInput("this is no terminal: give the digits that were read out with --fingerprint")
    return _ask("Digits: ")


def ask_wallet_passphrase(path: str) -> str:
    """Ask for the passphrase of a keystore, without echo.

    Raises:
        PassphraseMissing: nobody is there.
    """
    if not is_interactive():
        raise PassphraseMissing(f"the keystore {path} needs its passphrase, and this is no terminal")
    return getpass.getpass(f"Passphrase of the keystore {path}: ")


def show_phrase_once(phrase: str) -> None:
    """Show a new phrase on a screen of its own, and have two of its words typed: only what was noted can be.

    The phrase does not stay in the terminal's history. Ctrl-C gives up the whole command.
    """
    from rich.console import Console  # noqa: PLC0415 - slow to import

    words = phrase.split()
    console = Console(stderr=True, highlight=False, markup=False)
    while True:
        with console.screen(hide_cursor=False):
            console.print(_PHRASE_INTRODUCTION)
            for row in range(0, len(words), 4):
                console.print(
                    "   ".join(f"{row + place + 1:2} {word:<10}" for place, word in enumerate(words[row : row + 4]))
                )
            _ask("\nPress Enter when you have written them down. ")
        if all(_typed_right(words, place) for place in sorted(secrets.SystemRandom().sample(range(len(words)), 2))):
            return
        console.print("That is not what was shown. Here are the words again.")
        _ask("Press Enter to see them. ")


_PHRASE_INTRODUCTION = """
These words restore the wallet and open the whole record, on any machine and without the passphrase.
They are shown once and stored nowhere. Write them down in order, on paper, and tell nobody.
"""


def _repeated(secret: str, name: str) -> str:
    if not secret:
        raise InvalidInput(f"a {name} must not be empty")
    if getpass.getpass("The same again: ") != secret:
        raise InvalidInput(f"the two {name}s differ")
    return secret


def _typed_right(words: list[str], place: int) -> bool:
    return _ask(f"Word {place + 1}: ").strip().lower() == words[place]


def _ask(question: str) -> str:
    """Like ``input``, with the question on stderr."""
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        raise KeyboardInterrupt  # the terminal is gone
    return answer


def _written_out(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
