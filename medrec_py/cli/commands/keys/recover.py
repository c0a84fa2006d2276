"""``medrec keys recover`` and ``restore``: a new device asks guardians for their shares, and is restored from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medrec_py.cli.arguments import ADDRESS, checked
from medrec_py.cli.blocks import naming, read_block, require_free
from medrec_py.cli.command import command
from medrec_py.cli.errors import RecoveryMissing, RecoveryPending
from medrec_py.cli.files import write_private
from medrec_py.cli.output import Cell, Document, Fields
from medrec_py.cli.passphrases import first_line
from medrec_py.cli.pending import PendingRecovery
from medrec_py.cli.session import Session
from medrec_py.cli.terminal import ask_wallet_passphrase, is_interactive, show_phrase_once
from medrec_py.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec_py.crypto.shares import Share
    from medrec_py.guardianship import Recovery
    from medrec_py.wallet import Wallet


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "recover")(recover)
    command(app, "restore")(restore)


def recover(
    session: Session,
    patient: Annotated[str, typer.Option("--patient", metavar=ADDRESS, help="Patient id that is to be restored.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="New file, for the guardians.")],
    light_kdf: Annotated[
        bool, typer.Option("--light-kdf", help="As for init: for tests and identities of no value alone.")
    ] = False,
) -> None:
    """Begin to restore a patient on this device: a request for the guardians, and digits to read out to them.

    Needs no ether and no identity. Begun once, the same request can be written again.
    """
    ask(session, patient, output, light_kdf, next_command="medrec keys restore FILE...")


def ask(session: Session, patient: str, output: str, light_kdf: bool, *, next_command: str) -> None:
    """Write a request for the guardians' shares.

    Args:
        session: Of a profile without identity.
        patient: Patient id, as it was typed.
        output: New file.
        light_kdf: See `recover`.
        next_command: What to do once the guardians have answered.
    """
    whose, target = checked(patient), require_free(output)
    session.identities.require_free(session.settings.profile)
    begun = _begun(session, whose) or _begin(session, whose, light_kdf)
    write_private(target, begun.request)
    session.output.result(
        {
            "patient": whose,
            "profile": session.settings.profile,
            "request": str(target),
            "fingerprint": begun.fingerprint,
        },
        Fields(
            [
                ("patient", whose),
                ("request", str(target)),
                ("fingerprint", Cell(begun.fingerprint, "bold")),
            ]
        ),
        "Send the request to your guardians. Speak with each of them, and read the digits out. They answer it with "
        "medrec keys hand-over.",
        f"When enough of them have sent their files: {next_command}",
    )


def restore(
    session: Session,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="What guardians handed over, as many as they say.")
    ],
    wallet: Annotated[
        str | None,
        typer.Option("--wallet", metavar="KEYSTORE", help="The wallet that you still have; a new one unless given."),
    ] = None,
    wallet_passphrase_file: Annotated[
        str | None,
        typer.Option("--wallet-passphrase-file", metavar="FILE", help="Its passphrase, in the first line; else asked."),
    ] = None,
) -> None:
    """Restore the root secret from guardians' shares, and make the identity of the profile from it.

    The secret is held against the keys that the chain names before anything is written.
    """
    profile = session.settings.profile
    session.identities.require_free(profile)
    pending = PendingRecovery.find(session.settings.profile_folder(profile))
    begun = _continue(session, pending)
    root = begun.restore(_received(begun, files))
    signer = _wallet(wallet, wallet_passphrase_file)
    decides = session.network.contract.patient_of(begun.patient).wallet == signer.address
    passphrase = session.passphrases.of(profile)
    with session.identities.creating(
        profile, signer, passphrase, light=pending.is_light, root=root, patient=begun.patient
    ) as identity:
        document: Document = {
            "patient": begun.patient,
            "profile": profile,
            "address": identity.address,
            "folder": str(identity.folder),
            "decides": decides,
            "next": _next(begun.patient, identity.address, decides),
        }
        _show(session, document, signer.phrase)
    pending.end()


def _begun(session: Session, patient: str) -> Recovery | None:
    """The recovery that has begun in the profile, if it is this patient's."""
    folder = session.settings.profile_folder(session.settings.profile)
    try:
        pending = PendingRecovery.find(folder)
    except RecoveryMissing:
        return None
    if pending.patient != patient:
        raise RecoveryPending(f"a recovery of patient {pending.patient} has begun in this profile: {pending.path}")
    return _continue(session, pending)


def _begin(session: Session, patient: str, light: bool) -> Recovery:
    begun = session.network.recovery(patient)
    folder = session.settings.profile_folder(session.settings.profile)
    PendingRecovery.begin(folder, patient, begun.seed, session.passphrases.new(), light=light)
    return begun


def _continue(session: Session, pending: PendingRecovery) -> Recovery:
    network = session.network
    seed = pending.seed(session.passphrases.of(session.settings.profile))
    return network.recovery(pending.patient, seed)


def _received(begun: Recovery, files: Sequence[str]) -> list[Share]:
    shares = []
    for file in files:
        block = read_block(file)
        with naming(file):
            shares.append(begun.receive(block))
    return shares


def _wallet(path: str | None, passphrase_file: str | None) -> Wallet:
    """The wallet in a keystore; a new one, from a new phrase, unless a keystore is given."""
    from medrec_py.wallet import Wallet  # noqa: PLC0415 - slow to import

    if path is None:
        return Wallet.create()
    try:
        keystore = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the keystore {path} cannot be read") from error
    passphrase = ask_wallet_passphrase(path) if passphrase_file is None else first_line(passphrase_file)
    return Wallet.from_keystore(keystore, passphrase)


def _next(patient: str, address: str, decides: bool) -> str:
    change = "guardians know this root secret together: change it with `medrec keys change-root`"
    if decides:
        return change
    return f"everything can be read and nothing decided until {address} is made the wallet of {patient}; then, {change}"


def _show(session: Session, document: Document, phrase: str | None) -> None:
    """Before the identity is there: better a phrase without an identity than an identity without its phrase."""
    if phrase is not None and is_interactive() and not session.output.as_json:
        show_phrase_once(phrase)
    elif phrase is not None:
        document["phrase"] = phrase
    names = [name for name in ("patient", "profile", "address", "phrase", "folder") if name in document]
    session.output.result(
        document,
        Cell("Restored.", "green"),
        Fields([*((name, document[name]) for name in names), ("next", Cell(document["next"], "yellow"))]),
    )
