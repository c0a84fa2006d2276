"""``medrec keys change-root``, ``erase`` and ``finish``: a new phrase in place of the old one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medrec_py.cli.arguments import ADDRESS, checked_or_none
from medrec_py.cli.charts import View
from medrec_py.cli.command import command
from medrec_py.cli.commands.keys.chosen import Compartments, Records, entries_of
from medrec_py.cli.commands.keys.reseal import journal_of
from medrec_py.cli.errors import SignerElsewhere
from medrec_py.cli.handing_over import unfinished
from medrec_py.cli.identities import Identity
from medrec_py.cli.output import Cell, Document, Fields, Table
from medrec_py.cli.session import Session
from medrec_py.cli.terminal import given_phrase, is_interactive, show_phrase_once
from medrec_py.errors import (
    ChainUnavailable,
    InvalidInput,
    MedRecError,
    RelayError,
    TransactionTimeout,
)

if TYPE_CHECKING:
    from medrec_py.patient import Erased, Patient
    from medrec_py.wallet import Wallet

Leave = Annotated[
    list[int] | None,
    typer.Option("--leave", metavar="RECORD", help="A record that cannot be read may stay behind; may be repeated."),
]
LightKdf = Annotated[
    bool, typer.Option("--light-kdf", help="Quick to unlock and quick to guess: for tests and identities of no value.")
]
DESTROY = (
    "Destroy the old phrase and every share of it: with a copy of the blocks it still opens what was sealed before. "
    "Copies that readers have made are beyond reach."
)

UNSEEN = (
    "If the new phrase was not shown before the interruption, take one that you have seen: `medrec keys change-root`."
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "change-root")(change_root)
    command(app, "erase")(erase)
    command(app, "finish")(finish)


def change_root(session: Session, leave: Leave = None, light_kdf: LightKdf = False) -> None:
    """Take a new phrase in place of the old one: for one that others may know, and after guardians gave their shares.

    It gives a new wallet and a new root secret. The new phrase is shown once.
    """
    left, _ = entries_of(session, leave, None)
    count = len(session.patient(locked=True).chart().entries())
    with (
        _successor(session, light_kdf) as (patient, wallet, phrase),
        session.output.count("moving records", count) as progress,
    ):
        changed = patient.change_root(wallet=wallet, leave=left, progress=progress)
    _show(session, patient, phrase, {"moved": len(changed.moved)}, "The phrase is changed.", [])


def erase(
    session: Session,
    records: Records = None,
    compartment: Compartments = None,
    everything: Annotated[bool, typer.Option("--everything", help="All records.")] = False,
    leave: Leave = None,
    light_kdf: LightKdf = False,
) -> None:
    """Erase records by shredding their keys, and take a new phrase, since the old one would open them.

    Their blocks are removed from the store. What else there is gets new envelopes, and is opened by the new phrase,
    which is shown once.
    """
    if not (records or compartment or everything):
        raise InvalidInput("name records, a compartment (--compartment), or --everything")
    named, count = entries_of(session, records, compartment)
    left, _ = entries_of(session, leave, None)
    with (
        _successor(session, light_kdf) as (patient, wallet, phrase),
        session.output.count("moving what stays", count) as progress,
    ):
        erased = patient.erase(
            *named,
            compartments=compartment or (),
            everything=everything,
            wallet=wallet,
            leave=left,
            progress=progress,
        )
    _show(session, patient, phrase, _report(erased), "Erased.", [("survivors moved", str(len(erased.survivors)))])


def finish(
    session: Session,
    leave: Leave = None,
    old_phrase_file: Annotated[
        str | None,
        typer.Option(
            "--old-phrase-file",
            metavar="FILE",
            help="Finish it on another device, whose profile has the new phrase: the old one; - is standard input.",
        ),
    ] = None,
    patient_id: Annotated[
        str | None,
        typer.Option(
            "--patient", metavar=ADDRESS, help="With --old-phrase-file: whose, if the profile decides for several."
        ),
    ] = None,
) -> None:
    """Finish a change of the phrase that was interrupted, or set it aside if the chain was not told of it."""
    if old_phrase_file is not None:
        _finish_elsewhere(session, old_phrase_file, checked_or_none(patient_id), leave)
        return
    profile, identities = session.settings.profile, session.identities
    identities.complete(profile)
    told = _told(session)
    if told is None:
        _set_aside(session)
        return
    _require_no_children(session, told.patient)
    passphrase = session.passphrases.of(profile)
    wallet, root = told.wallet(passphrase), told.root(passphrase)
    patient = session.network.patient(wallet, root, patient=told.patient)
    moved = patient.rescue(session.root, wallet=session.wallet, leave=_left(patient, told.address, leave))
    if told.folder != identities.successor_folder(profile):
        identities.take_up(told)
    identities.install_successor(profile)
    _finished(session, patient, told.address, moved, [("now", UNSEEN)])


def _set_aside(session: Session) -> None:
    """The chain was not told of a successor: it is set aside, if the old phrase is still the right one."""
    profile, identities = session.settings.profile, session.identities
    waiting = identities.successor(profile)
    if waiting is None:
        patient = session.patient(locked=True)
        if patient.is_registered:
            patient.compartments()  # says so where the phrase is not the patient's present one
        session.output.result({"finished": False}, "Nothing was interrupted.")
        return
    decides = session.network.contract.patient_of(waiting.patient).wallet
    if decides != session.identity.address:
        raise InvalidInput(
            f"{decides} decides for {waiting.patient} by now, and neither the wallet of the old phrase nor that of the "
            "new one: keep both phrases"
        )
    identities.give_up_successor(profile)
    session.output.result(
        {"finished": False},
        "The chain was not told of it: the old phrase stays the right one. The new keys are set aside, and if the "
        "chain hears of them yet, `medrec keys finish` takes them up.",
    )


def _finish_elsewhere(session: Session, old_phrase_file: str, patient_id: str | None, leave: list[int] | None) -> None:
    """On a device that has neither of the two identities of the change, and was given the new one."""
    from medrec_py.wallet import Wallet, require_root  # noqa: PLC0415 - slow to import

    old, network, address = Wallet.from_phrase(given_phrase(old_phrase_file)), session.network, session.identity.address
    if old.address == address:
        raise InvalidInput(
            "that is this profile's own phrase: the profile has the new one, and the file is to have the old"
        )
    if not network.controls(address):
        raise InvalidInput(
            f"this profile's wallet {address} decides for no patient: the chain was not told of a change to its "
            "phrase, or another wallet decides by now. Keep both phrases"
        )
    others = network.patient_ids(old.address)
    if others:
        raise InvalidInput(
            f"the old phrase still decides for {', '.join(others)}. If a child's record was being handed over, type "
            "`medrec patient hand-over` again on the parent's device; else hand these over first"
        )
    patient = session.patient(patient_id)
    moved = patient.rescue(require_root(old), wallet=old, leave=_left(patient, address, leave))
    _finished(session, patient, address, moved, [])


def _left(patient: Patient, wallet: str, leave: list[int] | None) -> list[int]:
    view = View(patient.chart(), True, wallet)
    return [view.entry(number) for number in leave or ()]


def _finished(session: Session, patient: Patient, wallet: str, moved: int, rows: list[tuple[str, Any]]) -> None:
    patient.drop_leftovers()
    session.output.result(
        {"finished": True, "patient": patient.id, "wallet": wallet, "moved": moved},
        Cell("Finished.", "green"),
        Fields([("patient", patient.id), ("wallet", wallet), ("moved", str(moved)), *rows, ("then", DESTROY)]),
    )


def _told(session: Session) -> Identity | None:
    """The successor that the chain was told of: the one that waits, or one that was set aside.

    Not one that decides for somebody else alone: its phrase may have been taken for another's.
    """
    profile, identities = session.settings.profile, session.identities
    waiting = identities.successor(profile)
    candidates = [*([] if waiting is None else [waiting]), *identities.given_up(profile)]
    return next((one for one in candidates if session.decides(one)), None)


@contextmanager
def _successor(session: Session, light: bool) -> Iterator[tuple[Patient, Wallet, str | None]]:
    """The patient, and a new wallet that is its successor in the profile when the block ends well.

    The phrase is shown first, and its identity is on disk before the chain is told of it.
    """
    from medrec_py.wallet import Wallet  # noqa: PLC0415 - slow to import

    profile = session.settings.profile
    if session.identity.signer is not None:
        raise SignerElsewhere(f"the key of {session.identity.address} is with a signer ({session.identity.signer})")
    patient = session.patient()
    _require_no_children(session, patient.id)
    passphrase = session.passphrases.of(profile)
    wallet = Wallet.create()
    patient.give_up_resealing(journal_of(session, patient.id))
    phrase = wallet.phrase
    if phrase is not None and is_interactive() and not session.output.as_json:
        show_phrase_once(phrase)
        phrase = None
    session.identities.stage_successor(profile, wallet, passphrase, light=light, patient=patient.id)
    try:
        yield patient, wallet, phrase
    except BaseException as error:
        if _in_doubt(error) or not _set_aside_unless_told(session):
            session.output.note("`medrec keys finish` finishes this, or sets it aside if the chain was not told of it")
            if phrase is not None:
                session.output.note(f"the new phrase, should it be finished: {phrase}")
        raise
    session.identities.install_successor(profile)


def _in_doubt(error: BaseException) -> bool:
    """Whether the chain may hear of it yet, or has heard of a part of it that was not seen."""
    return isinstance(error, ChainUnavailable | TransactionTimeout | RelayError | KeyboardInterrupt | SystemExit)


def _require_no_children(session: Session, own: str) -> None:
    """The old phrase is to be destroyed, and children's records would be lost with it."""
    others = [patient for patient in session.network.patient_ids(session.identity.address) if patient != own]
    if others:
        raise InvalidInput(
            f"this profile's phrase also decides for {', '.join(others)}, and opens what is theirs: hand them over "
            "first (`medrec patient hand-over`), to another profile of yours if they are to stay with you"
        )
    begun = unfinished(session.settings.profile_folder(session.settings.profile))
    if begun:
        raise InvalidInput(
            f"the record of {', '.join(begun)} is being handed over, and this profile's phrase still opens what the "
            "child's does not: type `medrec patient hand-over` again first"
        )


def _set_aside_unless_told(session: Session) -> bool:
    """Set the successor aside if the chain was not told of it, as far as that can be found out now."""
    with suppress(MedRecError):
        if _told(session) is None:
            session.identities.give_up_successor(session.settings.profile)
            return True
    return False


def _report(erased: Erased) -> Document:
    return {
        "erased": len(erased.records),
        "survivors": len(erased.survivors),
        "had_access": [
            {"account": one.account, "entries": list(one.records), "as_author": one.as_author}
            for one in erased.had_access
        ],
    }


def _show(
    session: Session, patient: Patient, phrase: str | None, document: Document, title: str, rows: list[tuple[str, Any]]
) -> None:
    wallet = session.network.contract.patient_of(patient.id).wallet
    whole: Document = {"patient": patient.id, "wallet": wallet, **document, "transactions": session.transactions()}
    if phrase is not None:
        whole["phrase"] = phrase
        rows = [*rows, ("phrase", phrase)]
    had = [(one["account"], "author" if one["as_author"] else "reader") for one in document.get("had_access", ())]
    session.output.result(
        whole,
        Cell(title, "green"),
        Fields([("patient", patient.id), ("new wallet", wallet), *rows, session.sent(), ("now", DESTROY)]),
        *([Table(("who could read what was erased", ""), had, "")] if had else []),
    )
