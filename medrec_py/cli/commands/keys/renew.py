"""``medrec keys renew``: the next key of whoever holds permissions."""

from __future__ import annotations

from typing import Annotated

import typer

from medrec_py.cli.command import command
from medrec_py.cli.output import Cell, Document, Fields
from medrec_py.cli.session import Session
from medrec_py.cli.terminal import is_interactive, show_phrase_once
from medrec_py.errors import InvalidInput, MedRecError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "renew")(renew)


def renew(
    session: Session,
    new_phrase: Annotated[
        bool,
        typer.Option(
            "--new-phrase", help="Take a new root secret, of a new phrase shown once: where the old one was exposed."
        ),
    ] = False,
) -> None:
    """Publish the next key that permissions are sealed to, in place of one that was exposed or has served its time.

    Until a patient has healed the permission (`medrec keys heal`), the old key opens what is written.
    """
    phrase = _replace_root(session) if new_phrase else None
    provider = session.provider()
    try:
        renewed = provider.renew_key()
    except MedRecError as error:
        if new_phrase:
            error.add_note("The root secret is replaced already: publish its key by `medrec keys renew`.")
        raise
    document: Document = {
        "address": provider.address,
        "number": renewed.number,
        **({} if phrase is None else {"phrase": phrase}),
        "transactions": session.transactions(),
    }
    session.output.result(
        document,
        Cell("Published. Ask each patient to heal your permission: `medrec keys heal`.", "green"),
        Fields(
            [
                ("address", provider.address),
                ("key", f"number {renewed.number}"),
                *([] if phrase is None else [("phrase", phrase)]),
                session.sent(),
            ]
        ),
    )


def _replace_root(session: Session) -> str | None:
    """A new root secret in the place of the profile's. Returns its phrase, unless a person has seen it."""
    from medrec_py.wallet import Wallet, require_root  # noqa: PLC0415 - slow to import

    identity = session.identity
    if identity.patient != identity.address or session.network.controls(identity.address):
        raise InvalidInput(f"{identity.address} is a patient, whose record only the present root secret opens")
    session.network.profile(identity.address)  # or there is no key to renew
    passphrase = session.passphrases.of(identity.profile)
    identity.root(passphrase)  # the passphrase is right
    made = Wallet.create()
    phrase = made.phrase
    if phrase is not None and is_interactive() and not session.output.as_json:
        show_phrase_once(phrase)
        phrase = None
    identity.replace_root(require_root(made), passphrase)
    return phrase
