"""``medrec permission request`` and ``requests``: asking a patient for access, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medrec_py.cli.arguments import ADDRESS, checked
from medrec_py.cli.command import command
from medrec_py.cli.exchanges import ASKED, Exchanges, export
from medrec_py.cli.moments import FORMS, iso, parse_moment, readable
from medrec_py.cli.output import Cell, Document, Fields, Table
from medrec_py.cli.session import Session
from medrec_py.errors import AccessMismatch, ConfigurationError, InvalidInput, RelayError
from medrec_py.purposes import Purpose

if TYPE_CHECKING:
    from medrec_py.answers import Answer
    from medrec_py.asking import Asked
    from medrec_py.provider import Provider


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "request")(request)
    command(app, "requests")(requests)
    command(app, "check")(check)


def request(
    session: Session,
    patient: Annotated[str, typer.Argument(metavar=ADDRESS, help="The patient who is asked.")],
    until: Annotated[
        str, typer.Option("--until", metavar="WHEN", help=f"First moment after what is asked for: {FORMS}.")
    ],
    read: Annotated[bool, typer.Option("--read", help="Ask to read.")] = False,
    append: Annotated[bool, typer.Option("--append", help="Ask to append.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Ask to read what was written before, too.")] = False,
    compartment: Annotated[
        list[str] | None,
        typer.Option("--compartment", metavar="NAME", help="One that may fit; the patient chooses; may be repeated."),
    ] = None,
    what: Annotated[str, typer.Option("--what", metavar="TEXT", help="What is asked, in words.")] = "",
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why, in words.")] = "",
    purpose: Annotated[
        list[str] | None,
        typer.Option("--purpose", metavar="CODE", help="Purpose of use (HL7 v3): TREAT unless given; may be repeated."),
    ] = None,
    on_behalf_of: Annotated[
        str | None,
        typer.Option("--on-behalf-of", metavar=ADDRESS, help="Provider that would be granted, if not this profile."),
    ] = None,
    valid: Annotated[
        str, typer.Option("--valid", metavar="SPAN", help="How long the request waits for an answer: 30d, 12h.")
    ] = "30d",
) -> None:
    """Ask a patient for access, through the relayer that is set. It sees who asks whom, and neither what nor why."""
    who, end, span = checked(patient), parse_moment(until), parse_moment(valid)
    if not isinstance(span, timedelta):
        raise InvalidInput("give --valid as a span: 30d, 12h")
    principal = None if on_behalf_of is None else checked(on_behalf_of)
    purposes = [Purpose.parse(code) for code in purpose or ["TREAT"]]
    kept = Exchanges(session, ASKED)
    try:
        asked = session.provider().ask(
            who,
            read=read,
            append=append,
            history=history,
            compartments=compartment or (),
            what=what,
            why=why,
            purpose=purposes,
            expires=end,
            on_behalf_of=principal,
            stands_for=span,
        )
    except RelayError as error:
        if error.exchange is not None:
            path = kept.keep(error.exchange)
            error.add_note(f"The request is in {path}: `medrec permission requests --resend` hands it over again.")
        raise
    path = kept.keep(asked.exchange)
    session.output.result(
        {**_described(asked), "file": str(path)},
        Cell("Asked.", "green"),
        Fields(
            [
                ("id", asked.id),
                ("patient", asked.patient),
                ("for", ", ".join(one.name for one in asked.purposes)),
                ("until", readable(asked.expiry)),
                ("waits until", readable(asked.deadline)),
                ("to see the answer", "medrec permission requests"),
            ]
        ),
    )


def requests(
    session: Session,
    resend: Annotated[
        bool, typer.Option("--resend", help="Hand those without an answer over again, to a relayer that has lost them.")
    ] = False,
    export_to: Annotated[
        str | None,
        typer.Option("--export", metavar="FOLDER", help="Write them in the clear besides, with their answers."),
    ] = None,
) -> None:
    """List what this profile asked patients for, and what they answered. Each answer is held against the chain."""
    from medrec_py.wallet import Locked  # noqa: PLC0415 - slow to import

    network = session.network
    provider = network.reader(Locked(session.identity.address), session.root, publish=False)
    documents: list[Document] = []
    rows: list[list[str | Cell]] = []
    shown: list[tuple[str, bytes]] = []
    for asked, answer, state in _followed(session, provider, resend):
        shown.append((asked.id, (asked.exchange if answer is None else answer.exchange).to_json()))
        documents.append({**_described(asked), "state": state, **_answered(answer)})
        reason = "" if answer is None else answer.reason
        style = "green" if answer is not None and answer.is_granted else "yellow" if answer is None else "red"
        rows.append([asked.id[:10], asked.patient, asked.wish.what, readable(asked.expiry), Cell(state, style), reason])
    session.output.result(
        {"requests": documents, "files": [] if export_to is None else export(export_to, shown)},
        Table(("id", "patient", "what", "until", "answer", "reason"), rows, "Nothing was asked."),
    )


def check(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="What --export wrote.")],
) -> None:
    """Check that a request was made and answered so: both signatures, and the grant on the chain. Needs no identity."""
    from medrec_py.asking import Asked  # noqa: PLC0415 - slow to import

    answer = session.network.check_exchange(_read(file))
    asked = Asked(answer.exchange)
    state = _state(asked, answer, session.chain.now())
    session.output.result(
        {**_described(asked), "requester": asked.requester, "state": state, **_answered(answer)},
        Cell(f"It was asked, and {state}.", "green"),
        Fields(
            [
                ("id", asked.id),
                ("patient", asked.patient),
                ("asked by", asked.requester),
                ("on behalf of", asked.on_behalf_of),
                ("what", asked.wish.what or "not said"),
                ("why", asked.wish.why or "not said"),
                ("answered", readable(answer.time)),
                ("permission", f"version {answer.version}" if answer.is_granted else "none"),
                ("reason", answer.reason or "not said"),
            ]
        ),
    )


# ------------------------------------------------------------------------------------------------------------ private


def _read(file: str) -> bytes:
    from medrec_py.crypto.exchange import MAX_EXCHANGE  # noqa: PLC0415 - slow to import

    try:
        with Path(file).expanduser().open("rb") as stream:
            return stream.read(MAX_EXCHANGE + 1)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error


def _followed(session: Session, provider: Provider, resend: bool) -> Iterator[tuple[Asked, Answer | None, str]]:
    """Each request that is kept, its answer, and the state of it in words. An answer that comes is kept with it."""
    kept, now = Exchanges(session, ASKED), session.chain.now()
    for name, document in kept.all():
        asked = provider.asked(document)
        try:
            answer = _answer_of(session, provider, asked, document)
        except AccessMismatch as error:
            session.output.warn(f"the answer to {name} does not count: {error}")
            yield asked, None, "not to be trusted"
            continue
        if answer is None and resend and asked.deadline >= now:
            provider.ask_again(asked)
        elif answer is not None and asked.exchange.answer is None:
            kept.keep(answer.exchange)
        yield asked, answer, _state(asked, answer, now)


def _answer_of(session: Session, provider: Provider, asked: Asked, document: bytes) -> Answer | None:
    if asked.exchange.answer is None:
        return provider.answer(asked)
    return session.network.check_exchange(document)


def _state(asked: Asked, answer: Answer | None, now: int) -> str:
    if answer is None:
        return "waiting" if asked.deadline >= now else "no answer in time"
    if not answer.is_granted:
        return "refused"
    return "granted" if answer.is_whole else "granted in part"


def _described(asked: Asked) -> Document:
    wish = asked.wish
    return {
        "id": asked.id,
        "patient": asked.patient,
        "on_behalf_of": asked.on_behalf_of,
        "read": wish.read,
        "append": wish.append,
        "history": wish.history,
        "compartments": list(wish.compartments),
        "what": wish.what,
        "why": wish.why,
        "purposes": [purpose.name for purpose in asked.purposes],
        "until": iso(asked.expiry),
        "waits_until": iso(asked.deadline),
    }


def _answered(answer: Answer | None) -> Document:
    if answer is None:
        return {"version": None, "granted_until": None, "reason": None, "answered": None}
    return {
        "version": answer.version or None,
        "granted_until": None if answer.terms is None else iso(answer.terms.expiry),
        "reason": answer.reason,
        "answered": iso(answer.time),
    }
