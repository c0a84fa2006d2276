"""``medrec recover``: from a lost device and wallet to new ones. Each call does what comes next, and says what will.

    1. a request for the guardians' shares                              (as ``medrec keys recover``)
    2. with their files: the record opens again, with a new wallet      (as ``medrec keys restore``)
    3. a request to hand the patient to that wallet
    4. with the guardians' signatures: it begins, and can be stopped by the wallet before
    5. once it is due: it is completed

Whoever has the phrase begins at 3, in a profile that ``medrec init`` made from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from medrec_py.cli.arguments import ADDRESS, checked
from medrec_py.cli.blocks import naming, read_block, require_free
from medrec_py.cli.command import command
from medrec_py.cli.commands.guardian import recovery_document
from medrec_py.cli.commands.keys import recover as shares
from medrec_py.cli.errors import RecoveryMissing
from medrec_py.cli.files import private_folder, write_private
from medrec_py.cli.moments import readable
from medrec_py.cli.output import Cell, Document, Fields
from medrec_py.cli.pending import PendingRecovery
from medrec_py.cli.session import Session
from medrec_py.errors import InvalidInput, RecoveryOver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec_py.wallet_recovery import WalletRecovery

_REQUEST: Final = "wallet-recovery"
"""File, in the profile's folder, of the request that guardians were sent: their signatures belong to it alone."""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "recover")(recover)


def recover(
    session: Session,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE...", help="What guardians sent in answer to the last request.")
    ] = None,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar=ADDRESS, help="Patient id that is to be recovered.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="New file for a request to the guardians.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Ask anew: the last request was stopped, or its time is over.")
    ] = False,
    light_kdf: Annotated[
        bool, typer.Option("--light-kdf", help="As for init: for tests and identities of no value alone.")
    ] = False,
) -> None:
    """Recover a patient whose device and wallet are lost, with the guardians. Each call does the next step.

    First the guardians' shares open the record again; then their signatures hand the patient to the new wallet.
    """
    if session.settings.profile not in session.identities.names():
        _restore(session, files or [], patient, output, light_kdf=light_kdf)
        return
    whose = session.patient_id if patient is None else checked(patient)
    if session.network.contract.patient_of(whose).wallet == session.identity.address:
        _finished(session, whose)
        return
    if again and files:
        raise InvalidInput("files answer a request that was made: ask anew with --again, and give them later")
    recovery = _recovery(session, whose, again=again)
    if files:
        _begin(session, recovery, files)
    elif again or (under_way := recovery.under_way) is None:
        _ask(session, recovery, output)
    elif under_way.due <= session.chain.now():
        recovery.complete()
        _finished(session, whose)
    else:
        _waiting(session, recovery)


def _restore(
    session: Session, files: Sequence[str], patient: str | None, output: str | None, *, light_kdf: bool
) -> None:
    """Steps 1 and 2, on a device that has nothing."""
    if files:
        shares.restore(session, list(files))
        session.output.note("Next, have the guardians hand the patient to the new wallet: medrec recover --output FILE")
        return
    if patient is None:
        patient = _patient_asked_for(session)
    if output is None:
        raise InvalidInput("give a new file for the guardians: --output FILE; or the files that they sent")
    shares.ask(session, patient, output, light_kdf, next_command="medrec recover FILE...")


def _patient_asked_for(session: Session) -> str:
    """Whose shares the guardians were asked for in this profile."""
    try:
        return PendingRecovery.find(session.settings.profile_folder(session.settings.profile)).patient
    except RecoveryMissing:
        raise InvalidInput("name the patient id (--patient), and a new file for the guardians (--output)") from None


def _recovery(session: Session, patient: str, *, again: bool) -> WalletRecovery:
    """The recovery that was asked for, or a new one."""
    path = _kept(session)
    known = read_block(str(path)) if path.exists() and not again else None
    with naming(str(path)):
        recovery = session.network.wallet_recovery(patient, session.wallet, session.root, request=known)
    if recovery.patient != patient:
        raise InvalidInput(f"{path} is a request for the patient {recovery.patient}: ask anew with --again")
    return recovery


def _kept(session: Session) -> Path:
    """Where the request is kept."""
    return session.settings.profile_folder(session.settings.profile) / _REQUEST


def _ask(session: Session, recovery: WalletRecovery, output: str | None) -> None:
    """Step 3."""
    from medrec_py.chain.types import address_of  # noqa: PLC0415 - slow to import

    if session.network.contract.guardianship_of(recovery.patient).round >= recovery.round:
        raise RecoveryOver("that recovery was stopped, or another was begun: ask anew with --again")
    if output is None:
        raise InvalidInput("give a new file for the guardians: --output FILE; or the files that they sent")
    target = require_free(output)
    guardians = recovery.guardians()
    if (rival := recovery.rival) is not None:
        session.output.warn(
            f"a recovery to another wallet, {rival.wallet}, is under way until {readable(rival.due)}: this one comes "
            "before it only if all guardians sign"
        )
    # Only now: what was asked for before, and its answers, are worthless from here on.
    kept = _kept(session)
    write_private(private_folder(kept.parent) / kept.name, recovery.request)
    write_private(target, recovery.request)
    names = [address_of(guardian) for guardian in guardians.guardians]
    session.output.result(
        {
            "step": "asked",
            "patient": recovery.patient,
            "wallet": session.identity.address,
            "request": str(target),
            "fingerprint": recovery.fingerprint,
            "guardians": names,
            "threshold": guardians.threshold,
        },
        Fields(
            [
                ("patient", recovery.patient),
                ("new wallet", session.identity.address),
                ("request", str(target)),
                ("fingerprint", Cell(recovery.fingerprint, "bold")),
                ("guardians", f"any {guardians.threshold} of {', '.join(names)}"),
            ]
        ),
        "Send the request to them, speak with each, and read the digits out. They sign with medrec guardian approve.",
        "When enough of them have sent their files: medrec recover FILE...",
    )


def _begin(session: Session, recovery: WalletRecovery, files: Sequence[str]) -> None:
    """Step 4."""
    approvals = []
    for file in files:
        block = read_block(file)
        with naming(file):
            approvals.append(recovery.receive(block))
    recovery.begin(approvals)
    _waiting(session, recovery)


def _waiting(session: Session, recovery: WalletRecovery) -> None:
    under_way = recovery.under_way
    if under_way is None:
        raise RecoveryOver("the recovery was stopped")
    document: Document = {
        "step": "begun",
        "patient": recovery.patient,
        "recovery": recovery_document(under_way),
        "transactions": session.transactions(),
    }
    meanwhile = "the wallet before can stop it"
    if under_way.unanimous:
        meanwhile = "nobody can stop it: all guardians signed"
    session.output.result(
        document,
        Cell("Begun.", "green"),
        Fields([("patient", recovery.patient), ("due", readable(under_way.due)), ("meanwhile", meanwhile)]),
        "When it is due: medrec recover",
    )


def _finished(session: Session, patient: str) -> None:
    """Step 5, and whatever is left to do by other commands."""
    _kept(session).unlink(missing_ok=True)
    session.output.result(
        {
            "step": "completed",
            "patient": patient,
            "wallet": session.identity.address,
            "transactions": session.transactions(),
        },
        Cell("The new wallet decides.", "green"),
        Fields([("patient", patient), ("wallet", session.identity.address)]),
        "Look at who may do what, the wallet before may have been stolen: medrec permission list",
        "Then take a new root secret, since the guardians know this one together: medrec keys change-root",
        "It is sent by the new wallet itself, which needs some ether for it.",
    )
