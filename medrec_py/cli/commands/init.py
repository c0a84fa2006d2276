"""``medrec init``: an identity for a profile."""

from __future__ import annotations

from typing import Annotated

import typer

from medrec_py.cli.command import command
from medrec_py.cli.identities import BROWSER, SIGNERS, Elsewhere
from medrec_py.cli.output import Document, Fields
from medrec_py.cli.session import Session
from medrec_py.cli.terminal import given_phrase, is_interactive, show_phrase_once
from medrec_py.errors import InvalidInput

_FUNDING = """\
It needs some ether for gas before its first transaction. On a development chain that Anvil runs here:
  cast rpc anvil_setBalance {address} 0xde0b6b3a7640000"""

_NO_FUNDING = """\
Its wallet signs in a browser, and sends nothing. Name a relayer that sends and pays for what it signs:
  medrec config set relayer URL
or sign with --offline, and have somebody send it with `medrec relay send`."""

_SHOWN = ("profile", "address", "signer", "phrase", "folder")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "init", common=("profile", "as_json", "home", "passphrase_file"))(init)


def init(
    session: Session,
    from_phrase: Annotated[
        bool, typer.Option("--from-phrase", help="Restore from a phrase, which is asked for without echo.")
    ] = False,
    phrase_file: Annotated[
        str | None,
        typer.Option("--phrase-file", metavar="FILE", help="Restore from the phrase in a file; - is standard input."),
    ] = None,
    light_kdf: Annotated[
        bool,
        typer.Option(
            "--light-kdf", help="Quick to unlock and quick to guess: for tests and identities of no value alone."
        ),
    ] = False,
    signer: Annotated[
        str | None,
        typer.Option(
            "--signer",
            metavar="KIND",
            help="The wallet's key is with a signer: clef, node for an account of a node's, or browser for a wallet "
            "in a browser on this machine. The phrase gives the root secret alone.",
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", metavar="ADDRESS", help="The signer's account; with --signer.")
    ] = None,
) -> None:
    """Make the identity of a profile: a new phrase of 24 words, shown once, gives its wallet and its root secret.

    Both are kept encrypted under a passphrase. An identity that is there is never overwritten. With --signer the key
    stays with the signer, which is asked for each signature.
    """
    from medrec_py.wallet import Wallet  # noqa: PLC0415 - slow to import

    profile = session.settings.profile
    elsewhere = _elsewhere(signer, address)
    session.identities.require_free(profile)
    restored = from_phrase or phrase_file is not None
    wallet = Wallet.from_phrase(given_phrase(phrase_file)) if restored else Wallet.create()
    passphrase = session.passphrases.new()
    owner = elsewhere or wallet
    with session.identities.creating(profile, owner, passphrase, light=light_kdf, root=wallet.root) as identity:
        document: Document = {"profile": profile, "address": identity.address, "folder": str(identity.folder)}
        if elsewhere is not None:
            document["signer"] = elsewhere.signer
        phrase = None if restored else wallet.phrase
        if phrase is not None and is_interactive() and not session.output.as_json:
            show_phrase_once(phrase)
            phrase = None
        if phrase is not None:
            document["phrase"] = phrase
        # Shown before the identity is there: better a phrase without an identity than an identity without its phrase.
        session.output.result(
            document,
            Fields([(name, document[name]) for name in _SHOWN if name in document]),
            *([] if restored else _after(elsewhere).format(address=identity.address).splitlines()),
        )


def _after(elsewhere: Elsewhere | None) -> str:
    """What the account needs before it can decide anything."""
    return _NO_FUNDING if elsewhere is not None and elsewhere.signer == BROWSER else _FUNDING


def _elsewhere(signer: str | None, address: str | None) -> Elsewhere | None:
    from medrec_py.chain.types import to_address  # noqa: PLC0415

    if (signer is None) != (address is None):
        raise InvalidInput("--signer KIND and --address ADDRESS go together")
    if signer is None or address is None:
        return None
    if signer not in SIGNERS:
        raise InvalidInput(f"a signer is one of {', '.join(SIGNERS)}, not {signer!r}")
    return Elsewhere(to_address(address), signer)
