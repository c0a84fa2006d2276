"""``medrec sign``: have a wallet sign a document, shown in plain words first."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medrec_py.cli.arguments import ADDRESS, checked
from medrec_py.cli.browsers import account_names, open_page
from medrec_py.cli.command import command
from medrec_py.cli.files import write_private
from medrec_py.cli.moments import parse_moment
from medrec_py.cli.output import Cell, Fields
from medrec_py.cli.session import Session
from medrec_py.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from medrec_py.wallets.browser import KnownNames

_SIGNERS = ("signer", "author", "actor", "account", "wallet", "patient")
"""Members of MedRec's documents that say who has to sign, the telling ones first."""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "sign")(sign)


def sign(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The EIP-712 document, as JSON.")],
    browser: Annotated[
        bool, typer.Option("--browser", help="By a wallet in a browser on this machine, the only kind so far.")
    ] = False,
    account: Annotated[
        str | None,
        typer.Option("--account", metavar=ADDRESS, help="Who signs; whom the document names unless given."),
    ] = None,
    names: Annotated[
        bool,
        typer.Option("--names", help="Show names: of the profile's compartments, and of accounts that publish one."),
    ] = False,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write the signature to a new file, too.")
    ] = None,
    wait: Annotated[
        str, typer.Option("--wait", metavar="SPAN", help="How long to wait for the person: 5m, 1h.")
    ] = "5m",
) -> None:
    """Have a document signed that another command or program has written, after it was shown in plain words."""
    from medrec_py.wallets.browser import BrowserWallet  # noqa: PLC0415 - slow to import

    if not browser:
        raise InvalidInput("say which wallet signs: --browser")
    if output is not None and Path(output).exists():
        raise InvalidInput(f"{output} is there already")
    document = _read(Path(file))
    wallet = BrowserWallet(
        checked(account) if account is not None else _signer(document),
        chain_id=_chain_id(document),
        timeout=_seconds(wait),
        open_page=lambda url: open_page(session.output, url),
    )
    if names:
        wallet.names = _names(session, document)
    signature = "0x" + wallet.sign_typed_data(document).hex()
    if output is not None:
        write_private(Path(output), signature + "\n")
    session.output.result(
        {
            "account": wallet.address,
            "type": document["primaryType"],
            "signature": signature,
            "file": None if output is None else str(Path(output).absolute()),
        },
        Cell("Signed.", "green"),
        Fields(
            [
                ("what", str(document["primaryType"])),
                ("by", wallet.address),
                ("signature", signature),
                *([] if output is None else [("file", output)]),
            ]
        ),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON") from error
    if not isinstance(document, dict):
        raise InvalidInput(f"{path} is not an EIP-712 document")
    return document


def _signer(document: dict[str, Any]) -> str:
    """The account that has to sign, where the document is of a kind that says so."""
    message = document.get("message")
    named = message if isinstance(message, dict) else {}
    if document.get("primaryType") == "Register":  # its wallet may have to sign as well, its patient always
        named = {"patient": named.get("patient")}
    found = next((named[member] for member in _SIGNERS if isinstance(named.get(member), str)), None)
    if found is None:
        raise InvalidInput("the document does not say who has to sign: give --account")
    return checked(found)


def _chain_id(document: dict[str, Any]) -> int:
    domain = document.get("domain")
    named = domain.get("chainId") if isinstance(domain, dict) else None
    try:
        return int(named, 0) if isinstance(named, str) else int(named or 0)
    except (TypeError, ValueError):
        raise InvalidInput("the document names no chain") from None


def _seconds(span: str) -> float:
    parsed = parse_moment(span)
    if not isinstance(parsed, timedelta):
        raise InvalidInput("give --wait as a span: 5m, 1h")
    return parsed.total_seconds()


def _names(session: Session, document: dict[str, Any]) -> KnownNames:
    """What is known of names; a warning in place of what cannot be found out."""
    from medrec_py.wallets.browser import KnownNames  # noqa: PLC0415

    patient = session.patient(locked=True)
    message = document.get("message")
    members = message if isinstance(message, dict) else {}
    compartments = {}
    if str(members.get("patient", "")).lower() == patient.id.lower():
        compartments = dict(patient.compartments())
    else:
        session.output.warn("the document is about another patient than the profile's: no compartment has a name here")
    addresses = {value for value in members.values() if isinstance(value, str) and len(value) == len(patient.id)}
    return KnownNames(compartments, account_names(session.network, addresses))
