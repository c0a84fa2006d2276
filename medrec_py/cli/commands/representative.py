"""``medrec representative``: who decides for a patient, within limits."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from medrec_py.cli.arguments import ADDRESS, Address, checked
from medrec_py.cli.command import command, group
from medrec_py.cli.moments import FORMS, iso, parse_moment, readable
from medrec_py.cli.output import Cell, Document, Fields, Table
from medrec_py.cli.session import Session
from medrec_py.cli.signing import DEFAULT_VALID, Offline, QrCodes, Valid, sign_only
from medrec_py.errors import InvalidInput
from medrec_py.purposes import Purpose

if TYPE_CHECKING:
    from medrec_py.deciding import Granted
    from medrec_py.patient import Patient
    from medrec_py.times import Moment

app = typer.Typer(help="Parents, carers and attorneys, who decide for a patient within limits.", no_args_is_help=True)
group(app)


@command(app, "appoint")
def appoint(
    session: Session,
    address: Address,
    compartment: Annotated[
        list[str],
        typer.Option("--compartment", metavar="NAME", help="It reads this, and decides about it; may be repeated."),
    ],
    append: Annotated[
        list[str] | None,
        typer.Option("--append", metavar="NAME", help="It may let others append to this; the same unless given."),
    ] = None,
    purpose: Annotated[
        list[str] | None,
        typer.Option("--purpose", metavar="CODE", help="For which it reads and grants: TREAT and FAMRQT unless given."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help=f"First moment after it: {FORMS}.")
    ] = None,
    born: Annotated[
        str | None,
        typer.Option("--born", metavar="DATE", help="In place of --until: it ends on the patient's 18th birthday."),
    ] = None,
    no_history: Annotated[
        bool,
        typer.Option("--no-history", help="It reads nothing written before, and can then change no keys."),
    ] = False,
    offline: Offline = None,
    valid: Valid = DEFAULT_VALID,
    qr: QrCodes = None,
) -> None:
    """Name a representative, in place of whatever it had. It grants and revokes for the profile within these limits."""
    representative, end = checked(address), _end(until, born)
    purposes = [Purpose.parse(code) for code in purpose or ["TREAT", "FAMRQT"]]

    def decide(patient: Patient) -> Granted:
        return patient.appoint(
            representative,
            compartments=compartment,
            append=append,
            purpose=purposes,
            until=end,
            history=not no_history,
        )

    if offline is not None:
        sign_only(session, decide, file=offline, valid=valid, codes=qr)
        return
    patient = session.patient()
    granted = decide(patient)
    appended = compartment if append is None else append
    session.output.result(
        {
            "patient": patient.id,
            "representative": granted.grantee,
            "compartments": list(compartment),
            "append": list(appended),
            "purposes": [one.name for one in purposes],
            "history": not no_history,
            "until": iso(granted.expiry),
            "version": granted.version,
            "transactions": session.transactions(),
        },
        Cell("Appointed.", "green"),
        Fields(
            [
                ("representative", granted.grantee),
                ("reads and decides about", ", ".join(compartment)),
                ("may let others append to", ", ".join(appended) or "nothing"),
                ("for", ", ".join(one.name for one in purposes)),
                ("until", readable(granted.expiry)),
                ("remember", "what it grants stays when it ends: `medrec permission revoke ADDRESS --with-grants`"),
                session.sent(),
            ]
        ),
    )


@command(app, "list")
def list_representatives(session: Session) -> None:
    """List the profile's representatives, and to whom each has granted something that stands."""
    patient = session.patient(locked=True)
    now = session.chain.now()
    permissions = patient.permissions()
    documents: list[Document] = []
    rows = []
    for line in (line for line in permissions if line.manages):
        granted = [other.grantee for other in permissions if other.by == line.grantee]
        state = "over" if line.expiry <= now else "in force"
        documents.append(
            {
                "representative": line.grantee,
                "compartments": list(line.read),
                "append": list(line.append),
                "purposes": [purpose.name for purpose in line.purposes],
                "history": line.history,
                "until": iso(line.expiry),
                "state": state,
                "granted_to": granted,
            }
        )
        style = "green" if state == "in force" else "dim"
        row = (line.grantee, ", ".join(line.read), readable(line.expiry), Cell(state, style), ", ".join(granted))
        rows.append(row)
    columns = ("representative", "compartments", "until", "", "has granted to")
    session.output.result({"representatives": documents}, Table(columns, rows, "Nobody represents you."))


@command(app, "resign")
def resign(
    session: Session,
    patient: Annotated[str, typer.Option("--patient", metavar=ADDRESS, help="Whom the profile represents.")],
    offline: Offline = None,
    valid: Valid = DEFAULT_VALID,
    qr: QrCodes = None,
) -> None:
    """Resign as a representative. What it granted stays, and the patient changes the keys with the next rotation."""
    whose = checked(patient)
    if session.decides_for(whose):
        raise InvalidInput("the profile is the patient itself, or controls its record: there is nothing to resign from")
    if offline is not None:
        sign_only(session, lambda who: who.resign(), file=offline, valid=valid, codes=qr, patient=whose)
        return
    network = session.network
    representative = network.representative(session.wallet, whose, session.root, publish=False)
    representative.resign()
    session.output.result(
        {"patient": whose, "representative": representative.address, "transactions": session.transactions()},
        Cell("Resigned.", "green"),
        Fields([("patient", whose), session.sent()]),
    )


def _end(until: str | None, born: str | None) -> Moment:
    from medrec_py.times import majority  # noqa: PLC0415

    if (until is None) == (born is None):
        raise InvalidInput("say when it ends: --until, or --born for a minor")
    if until is not None:
        return parse_moment(until)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", born or ""):
            return majority(date.fromisoformat(born or ""))
    except ValueError:
        pass
    raise InvalidInput(f"{born!r} is no date of birth: give it as 2010-03-01")
