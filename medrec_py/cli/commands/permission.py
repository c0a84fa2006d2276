"""``medrec permission``: who may read and append."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from medrec_py.cli.arguments import Address, ForPatient, MayAppend, MayRead, checked, checked_or_none
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
    from medrec_py.permission_lines import PermissionLine
    from medrec_py.representative import Representative

app = typer.Typer(help="The profile as a patient: who may read and append.", no_args_is_help=True)
group(app)


@command(app, "grant")
def grant(
    session: Session,
    address: Address,
    until: Annotated[str, typer.Option("--until", metavar="WHEN", help=f"First moment after the permission: {FORMS}.")],
    read: MayRead = None,
    append: MayAppend = None,
    purpose: Annotated[
        list[str] | None,
        typer.Option("--purpose", metavar="CODE", help="Purpose of use (HL7 v3): TREAT unless given; may be repeated."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="WHEN", help="First moment of it; now unless given. Not with --read."),
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="What was written before may be read, too.")] = False,
    patient: ForPatient = None,
    offline: Offline = None,
    valid: Valid = DEFAULT_VALID,
    qr: QrCodes = None,
) -> None:
    """Let somebody read or append, in place of whatever they had. The keys go along, sealed to their published key."""
    grantee, end, whose = checked(address), parse_moment(until), checked_or_none(patient)
    session.mentioned.append(grantee)
    start_moment = None if start is None else parse_moment(start)
    purposes = [Purpose.parse(code) for code in purpose or ["TREAT"]]
    if not read and not append:
        raise InvalidInput("name what may be read (--read) or appended to (--append)")

    def decide(who: Patient | Representative) -> Granted:
        return who.grant(
            grantee,
            read=read or (),
            append=append or (),
            purpose=purposes,
            expires=end,
            starts=start_moment,
            history=history,
        )

    if offline is not None:
        sign_only(session, decide, file=offline, valid=valid, codes=qr, patient=whose)
        return
    who = session.decider(whose)
    granted = decide(who)
    if append:
        _warn_unless_accredited(session, grantee)
    session.output.result(
        {
            "patient": _patient_id(who),
            "grantee": granted.grantee,
            "read": read or [],
            "append": append or [],
            "purposes": [one.name for one in purposes],
            "history": history,
            "until": iso(granted.expiry),
            "version": granted.version,
            "transactions": session.transactions(),
        },
        Cell("Granted.", "green"),
        Fields(
            [
                ("to", granted.grantee),
                ("may read", ", ".join(read or ()) or "nothing"),
                ("may append to", ", ".join(append or ()) or "nothing"),
                ("for", ", ".join(one.name for one in purposes)),
                ("until", readable(granted.expiry)),
                session.sent(),
            ]
        ),
    )


@command(app, "revoke")
def revoke(
    session: Session,
    address: Address,
    with_grants: Annotated[
        bool, typer.Option("--with-grants", help="Of a representative: revoke what it granted, too.")
    ] = False,
    patient: ForPatient = None,
    offline: Offline = None,
    valid: Valid = DEFAULT_VALID,
    qr: QrCodes = None,
) -> None:
    """End whatever somebody was granted, and change the keys, in one transaction.

    What a representative granted stays; the program says what that is.
    """
    from medrec_py.chain.events import KeyringPublished  # noqa: PLC0415 - slow to import

    grantee, whose = checked(address), checked_or_none(patient)
    session.mentioned.append(grantee)
    if offline is not None:
        if with_grants:
            raise InvalidInput("with --offline sign each revocation by itself: leave out --with-grants")
        sign_only(session, lambda who: who.revoke(grantee), file=offline, valid=valid, codes=qr, patient=whose)
        return
    who = session.decider(whose)
    revoked = [who.revoke(grantee)]
    left = [line for line in who.permissions() if line.by == grantee]
    if with_grants:
        revoked += [who.revoke(line.grantee) for line in left]
        left = []
    changed = any(any(receipt.every(KeyringPublished)) for receipt in session.receipts)
    if not all(one.rotated for one in revoked):
        keys = "not changed yet: `medrec patient rotate`"
    else:
        keys = "changed" if changed else "unchanged, since nothing could be read"
    session.output.result(
        {
            "patient": _patient_id(who),
            "grantee": grantee,
            "rotated": all(one.rotated for one in revoked),
            "revoked_too": [one.grantee for one in revoked[1:]],
            "its_grants": [line.grantee for line in left],
            "transactions": session.transactions(),
        },
        Cell("Revoked.", "green"),
        Fields(
            [
                ("from", grantee),
                *(("and from", one.grantee) for one in revoked[1:]),
                ("keys", keys),
                session.sent(),
                *(_left_behind(grantee, left) if left else ()),
            ]
        ),
    )


@command(app, "list")
def list_permissions(session: Session, patient: ForPatient = None) -> None:
    """List the permissions in force, and those that are over or have not begun."""
    who = session.decider(checked_or_none(patient), locked=True)
    now = session.chain.now()
    wallet = session.network.contract.patient_of(_patient_id(who)).wallet
    documents: list[Document] = []
    rows = []
    for line in who.permissions():
        state = "over" if line.expiry <= now else "not begun" if line.not_before > now else "in force"
        codes = [purpose.name for purpose in line.purposes]
        documents.append(
            {
                "grantee": line.grantee,
                "read": list(line.read),
                "append": list(line.append),
                "purposes": codes,
                "history": line.history,
                "is_representative": line.manages,
                "from": iso(line.not_before) if line.not_before else None,
                "until": iso(line.expiry),
                "state": state,
                "version": line.version,
                "by": line.by,
            }
        )
        style = "green" if state == "in force" else "dim"
        read = ", ".join(line.read) + (" (with what was before)" if line.history else "")
        grantee = f"{line.grantee} (representative)" if line.manages else line.grantee
        by = "" if line.by == wallet else line.by
        row = (grantee, read, ", ".join(line.append), ", ".join(codes), readable(line.expiry), Cell(state, style), by)
        rows.append(row)
    columns = ("grantee", "read", "append", "for", "until", "", "granted by another")
    session.output.result({"permissions": documents}, Table(columns, rows, "Nobody was granted anything."))


@command(app, "log")
def log(session: Session, patient: ForPatient = None) -> None:
    """Show every decision so far, and whose it was: what was granted, revoked and changed, and not only what stands."""
    from medrec_py.compartments import numbers_in  # noqa: PLC0415 - slow to import

    who = session.decider(checked_or_none(patient), locked=True)
    names = who.compartments()
    lines = [(line, [names.get(n, f"#{n}") for n in numbers_in(line.compartments)]) for line in who.decisions()]
    session.output.result(
        {
            "patient": _patient_id(who),
            "decisions": [
                {
                    "time": iso(line.time),
                    "kind": line.kind.name,
                    "by": line.by,
                    "by_representative": line.by_representative,
                    "about": line.about,
                    "compartments": compartments,
                    "transaction": line.transaction,
                }
                for line, compartments in lines
            ],
        },
        Table(
            ("time", "what", "about", "compartments", "by"),
            [
                (
                    readable(line.time),
                    line.kind.value,
                    line.about or "",
                    ", ".join(compartments),
                    f"{line.by} (representative)" if line.by_representative else line.by,
                )
                for line, compartments in lines
            ],
            "Nothing was decided.",
        ),
    )


def _patient_id(who: Patient | Representative) -> str:
    from medrec_py.representative import Representative  # noqa: PLC0415 - slow to import

    return who.patient if isinstance(who, Representative) else who.id


def _left_behind(representative: str, left: Sequence[PermissionLine]) -> list[tuple[str, str]]:
    """What a representative granted, and how to end it."""
    return [
        ("it had granted", ", ".join(line.grantee for line in left)),
        ("to end that too", f"medrec permission revoke {representative} --with-grants"),
    ]


def _warn_unless_accredited(session: Session, grantee: str) -> None:
    state = session.network.contract.provider_of(grantee)
    if not state.kind or state.suspended or state.expiry <= session.chain.now():
        session.output.warn(f"{grantee} can append only once a registrar has accredited it")
