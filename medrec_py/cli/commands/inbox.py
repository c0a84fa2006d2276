"""``medrec inbox``: what providers ask the profile for, as a patient, and answering it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from medrec_py.cli.arguments import MayAppend, MayRead, checked
from medrec_py.cli.command import command, group
from medrec_py.cli.exchanges import ANSWERED, Exchanges, export
from medrec_py.cli.moments import FORMS, iso, parse_moment, readable
from medrec_py.cli.output import Cell, Document, Fields, Table
from medrec_py.cli.session import Session
from medrec_py.cli.terminal import quoted
from medrec_py.errors import AccessMismatch, AnsweredAlready, RelayError
from medrec_py.purposes import Purpose

if TYPE_CHECKING:
    from medrec_py.answering import Answered, ReceivedRequest
    from medrec_py.answers import Answer
    from medrec_py.patient import Patient
    from medrec_py.permission_lines import PermissionLine

app = typer.Typer(help="The profile as a patient: what providers ask for, through the relayer that is set.")
group(app, default="list")

_ID_SHOWN: Final = 18  # as many as name a request (``answering.ID_BEGINNING``, which is slow to import)

RequestId = Annotated[str, typer.Argument(metavar="ID", help="Of the request, or how it begins: 0x and 16 digits.")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="For whoever asked, in words.")]


@command(app, "list")
def list_requests(session: Session) -> None:
    """List what waits for an answer. Signatures, and who may ask at all, are checked; what does not count is named."""
    patient = session.patient(locked=True)
    received = patient.requests()
    answered = Exchanges(session, ANSWERED)
    rows: list[list[str | Cell]] = [
        [
            one.id[:_ID_SHOWN],
            _who(one),
            _kinds(one),
            one.wish.what,
            ", ".join(purpose.name for purpose in one.purposes),
            readable(one.expiry),
            Cell("answered here before", "dim") if answered.has(one.id) else readable(one.deadline),
        ]
        for one in received
    ]
    left_out = [
        {"id": one.id, "error": type(one.error).__name__, "message": str(one.error)} for one in received.left_out
    ]
    columns = ("id", "from", "asks to", "what", "for", "until", "answer by")
    blocks = [Cell(f"{one['id'][:_ID_SHOWN]} does not count: {one['message']}", "yellow") for one in left_out]
    session.output.result(
        {
            "patient": patient.id,
            "requests": [{**_described(one), "answered_here": answered.has(one.id)} for one in received],
            "left_out": left_out,
        },
        Table(columns, rows, "Nothing waits for an answer."),
        *blocks,
    )


@command(app, "show")
def show(session: Session, request: RequestId) -> None:
    """Show all of a request, and what the provider may do already."""
    patient = session.patient(locked=True)
    one = patient.requests().find(request)
    has = next((line for line in patient.permissions() if line.grantee == one.on_behalf_of), None)
    wish = one.wish
    agent = (
        []
        if one.agent_until is None
        else [("asked by", f"{_named(one.requester_name)}{one.requester}, its agent until {readable(one.agent_until)}")]
    )
    session.output.result(
        {**_described(one), "has": None if has is None else _permission(has)},
        Fields(
            [
                ("id", one.id),
                ("from", f"{_named(one.name)}{one.on_behalf_of}"),
                ("accredited", f"as {one.kind.name.lower()}, until {readable(one.accredited_until)}"),
                *agent,
                ("asks to", _kinds(one)),
                ("suggests", ", ".join(wish.compartments) or "no compartment"),
                ("what", wish.what or "not said"),
                ("why", wish.why or "not said"),
                ("for", ", ".join(purpose.name for purpose in one.purposes)),
                ("until", readable(one.expiry)),
                ("answer by", readable(one.deadline)),
                ("has now", "nothing" if has is None else _in_words(has)),
            ]
        ),
    )


@command(app, "grant")
def grant(
    session: Session,
    request: RequestId,
    read: MayRead = None,
    append: MayAppend = None,
    purpose: Annotated[
        list[str] | None,
        typer.Option("--purpose", metavar="CODE", help="Of those asked for; all unless given; may be repeated."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help=f"Earlier than asked for, if given: {FORMS}.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="What was written before may be read, too, if that was asked for.")
    ] = False,
    reason: Why = "",
) -> None:
    """Grant what was asked for, or less, in place of whatever the provider had, and say so in a signed answer."""
    purposes = None if purpose is None else [Purpose.parse(code) for code in purpose]
    end = None if until is None else parse_moment(until)
    patient = session.patient()
    one = _unanswered(session, patient, request)
    answered = patient.grant_request(
        one, read=read or (), append=append or (), purpose=purposes, expires=end, history=history, reason=reason
    )
    assert answered.granted is not None  # noqa: S101 - or it would have raised
    kept = Exchanges(session, ANSWERED).keep(answered.exchange) if answered.exchange.answer is not None else None
    session.output.result(
        {
            **_outcome(patient, answered),
            "read": read or [],
            "append": append or [],
            "until": iso(answered.granted.expiry),
            "file": None if kept is None else str(kept),
            "transactions": session.transactions(),
        },
        Cell("Granted.", "green"),
        Fields(
            [
                ("to", answered.granted.grantee),
                ("may read", ", ".join(read or ()) or "nothing"),
                ("may append to", ", ".join(append or ()) or "nothing"),
                ("until", readable(answered.granted.expiry)),
                ("answer", "sent" if answered.is_posted else "not sent: `medrec inbox answered --resend`"),
                session.sent(),
            ]
        ),
    )


@command(app, "refuse")
def refuse(session: Session, request: RequestId, reason: Why = "") -> None:
    """Refuse, in a signed answer. What the provider may do already stays as it is."""
    patient = session.patient()
    one = _unanswered(session, patient, request)
    kept = Exchanges(session, ANSWERED)
    try:
        answered = patient.refuse_request(one, reason)
    except RelayError as error:
        if error.exchange is not None and not isinstance(error, AnsweredAlready):
            path = kept.keep(error.exchange)
            error.add_note(f"The answer is in {path}: `medrec inbox answered --resend` hands it over again.")
        raise
    path = kept.keep(answered.exchange)
    session.output.result(
        {**_outcome(patient, answered), "file": str(path)},
        Cell("Refused.", "green"),
        Fields(
            [
                ("from", _who(one)),
                ("what", one.wish.what or "not said"),
                ("answer", "sent"),
                ("kept in", str(path)),
            ]
        ),
    )


@command(app, "answered")
def answered_requests(
    session: Session,
    resend: Annotated[
        bool, typer.Option("--resend", help="Hand the answers over again, to a relayer that has lost them.")
    ] = False,
    export_to: Annotated[
        str | None, typer.Option("--export", metavar="FOLDER", help="Write them in the clear besides.")
    ] = None,
) -> None:
    """List what was answered from here. Each answer is held against the chain."""
    patient = session.patient(locked=True)
    answers = list(_given(session, patient, resend))
    documents = [_given_document(answer, problem) for answer, problem in answers]
    files = [] if export_to is None else export(export_to, [(_id(one), one.exchange.to_json()) for one, _ in answers])
    rows = [
        [
            _id(answer)[:_ID_SHOWN],
            document["on_behalf_of"],
            answer.exchange.request.wish.what,
            readable(answer.time),
            Cell("granted" if answer.is_granted else "refused", "green" if answer.is_granted else "red"),
            document["problem"] or "",
        ]
        for (answer, _), document in zip(answers, documents, strict=True)
    ]
    session.output.result(
        {"patient": patient.id, "answers": documents, "files": files},
        Table(("id", "from", "what", "answered", "", ""), rows, "Nothing was answered from here."),
    )


# ------------------------------------------------------------------------------------------------------------ private


def _unanswered(session: Session, patient: Patient, request: str) -> ReceivedRequest:
    """A request that this device has not answered: a relayer that goes on showing one gets no second answer.

    Raises:
        AnsweredAlready: it has.
        RequestNotFound, InvalidInput: none begins so, or several do.
    """
    found = patient.requests().find(request)
    if Exchanges(session, ANSWERED).has(found.id):
        raise AnsweredAlready(
            f"{found.id} was answered from here; `medrec inbox answered --resend` hands that answer over again"
        )
    return found


def _given(session: Session, patient: Patient, resend: bool) -> Iterator[tuple[Answer, str | None]]:
    """Each answer that is kept, and why the relayer does not take it again, if it does not."""
    for name, document in Exchanges(session, ANSWERED).all():
        try:
            answer = session.network.check_exchange(document)
        except AccessMismatch as error:
            session.output.warn(f"the answer to {name} does not fit the chain: {error}")
            continue
        problem = None
        if resend:
            try:
                patient.post_answer(document)
            except RelayError as error:
                problem = str(error)
        yield answer, problem


def _given_document(answer: Answer, problem: str | None) -> Document:
    request, wish = answer.exchange.request.request, answer.exchange.request.wish
    return {
        "id": request.id,
        "on_behalf_of": checked("0x" + request.on_behalf_of.hex()),
        "what": wish.what,
        "granted": answer.is_granted,
        "version": answer.version or None,
        "reason": answer.reason,
        "answered": iso(answer.time),
        "problem": problem,
    }


def _id(answer: Answer) -> str:
    return answer.exchange.request.request.id


def _outcome(patient: Patient, answered: Answered) -> Document:
    request = answered.exchange.request.request
    return {
        "patient": patient.id,
        "id": request.id,
        "version": None if answered.granted is None else answered.granted.version,
        "is_posted": answered.is_posted,
    }


def _described(one: ReceivedRequest) -> Document:
    wish = one.wish
    return {
        "id": one.id,
        "on_behalf_of": one.on_behalf_of,
        "name": one.name,
        "kind": one.kind.name.lower(),
        "accredited_until": iso(one.accredited_until),
        "requester": one.requester,
        "requester_name": one.requester_name,
        "agent_until": None if one.agent_until is None else iso(one.agent_until),
        "read": wish.read,
        "append": wish.append,
        "history": wish.history,
        "compartments": list(wish.compartments),
        "what": wish.what,
        "why": wish.why,
        "purposes": [purpose.name for purpose in one.purposes],
        "until": iso(one.expiry),
        "answer_by": iso(one.deadline),
    }


def _permission(line: PermissionLine) -> Document:
    return {
        "read": list(line.read),
        "append": list(line.append),
        "purposes": [purpose.name for purpose in line.purposes],
        "history": line.history,
        "until": iso(line.expiry),
        "version": line.version,
    }


def _in_words(line: PermissionLine) -> str:
    read, append = (", ".join(names) or "nothing" for names in (line.read, line.append))
    return f"may read {read}, append to {append}, until {readable(line.expiry)}; granting takes its place"


def _who(one: ReceivedRequest) -> str:
    return f"{_named(one.name)}{one.on_behalf_of}, {one.kind.name.lower()}"


def _named(name: str | None) -> str:
    """What somebody calls itself; nobody has checked that."""
    return f"{quoted(name)} " if name else ""


def _kinds(one: ReceivedRequest) -> str:
    wish = one.wish
    kinds = [("read", wish.read), ("append", wish.append), ("read what was before", wish.history)]
    return ", ".join(kind for kind, is_asked in kinds if is_asked)
