"""``medrec guardian``: who can hand a patient id to a new wallet, and what such a guardian does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from medrec_py.cli.arguments import OfChild, all_checked, checked_or_none
from medrec_py.cli.blocks import naming, read_block, require_free, unless_for
from medrec_py.cli.command import command, group
from medrec_py.cli.files import write_private
from medrec_py.cli.moments import iso, parse_moment, readable, span
from medrec_py.cli.output import Cell, Document, Fields
from medrec_py.cli.session import Session
from medrec_py.cli.terminal import ask_fingerprint
from medrec_py.errors import InvalidInput

if TYPE_CHECKING:
    from medrec_py.guardians import Guardians, UnderWay

app = typer.Typer(
    help="Guardians, who can hand a patient to a new wallet together.\n\n"
    "They open no record: those who do so together are dealt shares by `medrec keys share`.",
    no_args_is_help=True,
)
group(app)


@command(app, "set")
def set_guardians(
    session: Session,
    guardians: Annotated[list[str], typer.Argument(metavar="GUARDIAN...", help="Accounts, at most 16.")],
    threshold: Annotated[int, typer.Option("--threshold", metavar="M", help="How many of them it takes.")],
    delay: Annotated[
        str, typer.Option("--delay", metavar="SPAN", help="Time in which a recovery can be stopped: 1h to 366d.")
    ] = "7d",
    patient_id: OfChild = None,
) -> None:
    """Name who together can hand the profile's patient to a new wallet. The chain does not show who they are.

    Where there were guardians, the new ones count after the delay of those.
    """
    addresses, wait = all_checked(guardians), parse_moment(delay)
    if not isinstance(wait, timedelta):
        raise InvalidInput(f"the delay is a span, such as 7d, and not {delay!r}")
    patient = session.patient(checked_or_none(patient_id))
    if threshold == len(addresses):
        session.output.warn(
            "all guardians are needed: no recovery of theirs can be stopped, and one that is lost ends it"
        )
    patient.set_guardians(threshold, addresses, delay=wait)
    _show(session, patient.id, "Set.")
    session.output.note("They move the wallet, and open nothing. Deal them shares, too, if not done: medrec keys share")


@command(app, "remove")
def remove(session: Session, patient_id: OfChild = None) -> None:
    """Have no guardians any more, after the delay of those there are."""
    patient = session.patient(checked_or_none(patient_id))
    patient.remove_guardians()
    _show(session, patient.id, "Removed, as soon as the delay is over.")


@command(app, "status")
def status(session: Session, patient_id: OfChild = None) -> None:
    """Who guards the profile's patient, and whether a recovery is under way."""
    _show(session, checked_or_none(patient_id), None)


@command(app, "stop")
def stop(session: Session, patient_id: OfChild = None) -> None:
    """Stop the recovery that is under way: the wallet is not lost, or somebody else began it."""
    patient = session.patient(checked_or_none(patient_id))
    patient.stop_recovery()
    _show(session, patient.id, "Stopped. It goes on only if all guardians sign, and then nobody can stop it.")


@command(app, "approve")
def approve(
    session: Session,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="The request of the new wallet.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="New file, for the new wallet.")],
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", metavar="DIGITS", help="What the person reads from the new device; else asked."),
    ] = None,
) -> None:
    """Sign, as a guardian, that a patient goes to a new wallet, once the person has read out the request's digits.

    Together with the others it hands the whole record over. Speak with the person, and be sure that it is they.
    """
    from medrec_py.chain.types import address_of  # noqa: PLC0415 - slow to import
    from medrec_py.crypto import recovery  # noqa: PLC0415
    from medrec_py.crypto.wallet_recovery import parse_request  # noqa: PLC0415

    target, block = require_free(output), read_block(request)
    with naming(request), unless_for("medrec keys hand-over", recovery.parse_request, block):
        asked = parse_request(block)
    patient, wallet = address_of(asked.place.patient), address_of(asked.wallet)
    heard = fingerprint if fingerprint is not None else _heard(session, patient, wallet)
    write_private(target, session.network.approve_recovery(session.wallet, block, heard))
    session.output.result(
        {"patient": patient, "wallet": wallet, "guardian": session.wallet.address, "output": str(target)},
        Cell("Signed.", "green"),
        Fields([("patient", patient), ("new wallet", wallet)]),
        f"Send {target} to them. It holds no secret.",
    )


def _heard(session: Session, patient: str, wallet: str) -> str:
    session.output.note(f"The patient {patient} shall go to the wallet {wallet}.")
    session.output.note("Call them, make sure that it is they, and have them read the digits on their new device.")
    return ask_fingerprint()


def _show(session: Session, patient_id: str | None, title: str | None) -> None:
    patient = session.patient(patient_id, locked=True)
    found = patient.guardians()
    document: Document = {
        "patient": patient.id,
        "present": _document(found.present),
        "following": _document(found.following),
        "present_unknown": found.present_unknown,
        "following_unknown": found.following_unknown,
        "since": iso(found.since) if found.since else None,
        "recovery": recovery_document(found.recovery),
    }
    rows = [("patient", patient.id), ("guardians", _words(found.present, unknown=found.present_unknown))]
    if found.since:
        rows.append((f"from {readable(found.since)}", _words(found.following, unknown=found.following_unknown)))
    if session.receipts:
        document["transactions"] = session.transactions()
        rows.append(session.sent())
    session.output.result(
        document,
        *([] if title is None else [Cell(title, "green")]),
        Fields(rows),
        *([] if found.recovery is None else [Cell(_warning(found.recovery, session.chain.now()), "yellow")]),
    )


def recovery_document(recovery: UnderWay | None) -> Document | None:
    """A recovery that is under way, for machines."""
    if recovery is None:
        return None
    return {
        "wallet": recovery.wallet,
        "round": recovery.round,
        "due": iso(recovery.due),
        "unanimous": recovery.unanimous,
    }


def _warning(recovery: UnderWay, now: int) -> str:
    if recovery.due <= now:
        return f"Anybody can complete the hand-over of the patient to the wallet {recovery.wallet}: it is due."
    stoppable = "nobody can stop it, since all of them signed"
    if not recovery.unanimous:
        stoppable = "if you did not ask for it, `medrec guardian stop`"
    return f"Guardians hand the patient to the wallet {recovery.wallet} at {readable(recovery.due)}: {stoppable}."


def _document(guardians: Guardians | None) -> Document | None:
    if guardians is None:
        return None
    return {"accounts": list(guardians.accounts), "threshold": guardians.threshold, "delay": guardians.delay}


def _words(guardians: Guardians | None, *, unknown: bool) -> str:
    if unknown:
        return "some that this device cannot name: if you did not set them, somebody else has the wallet"
    if guardians is None:
        return "none"
    return f"any {guardians.threshold} of {', '.join(guardians.accounts)}; they wait {span(guardians.delay)}"
