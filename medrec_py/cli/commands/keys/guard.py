"""``medrec keys guard``, ``guarded`` and ``hand-over``: a guardian keeps shares of others, and gives them back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from medrec_py.cli.blocks import naming, read_block, require_free, unless_for
from medrec_py.cli.command import command
from medrec_py.cli.errors import ShareNotKept
from medrec_py.cli.files import write_private
from medrec_py.cli.guarded import Guarded, read
from medrec_py.cli.moments import iso, readable
from medrec_py.cli.output import Cell, Document, Fields, Table
from medrec_py.cli.session import Session
from medrec_py.cli.terminal import ask_fingerprint
from medrec_py.errors import MedRecError

if TYPE_CHECKING:
    from medrec_py.crypto.keys import RootSecret
    from medrec_py.crypto.recovery import Request
    from medrec_py.crypto.shares import Share

_FIELDS: Final = ("patient", "name", "set", "share", "threshold", "count", "made")


@dataclass(frozen=True, slots=True)
class _Opened:
    """A share that is kept, opened."""

    name: str
    share: Share


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "guard")(guard)
    command(app, "guarded")(guarded)
    command(app, "hand-over")(hand_over)


def guard(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The share, as the patient gave it.")],
    name: Annotated[
        str, typer.Option("--name", metavar="TEXT", help="Whose it is, in your own words: shown when it is asked for.")
    ] = "",
) -> None:
    """Keep a share of somebody's root secret, after it was opened once with this profile's keys. Asks no node."""
    block, root = read_block(file), session.root
    with naming(file):
        share = _opened_by(session, block, root)
    is_new = _guarded(session).keep(block, name)
    session.output.result(
        {**_document(share, name), "is_new": is_new},
        Cell("Kept.", "green") if is_new else "It was kept already.",
        _fields(share, name),
        "Hand it over only when they ask for it themselves: medrec keys hand-over REQUEST --output FILE",
    )


def guarded(session: Session) -> None:
    """List the shares that this profile keeps for others. Asks no node."""
    rows: list[tuple[str | Cell, ...]] = []
    documents: list[Document] = []
    for path, found in _each(session):
        if isinstance(found, MedRecError):
            documents.append({**dict.fromkeys(_FIELDS), "file": str(path), "problem": str(found)})
            rows.append(("", Cell(f"{path.name}: {found}", "red"), "", "", ""))
            continue
        share = found.share
        documents.append({**_document(share, found.name), "file": str(path), "problem": None})
        rows.append((found.name, _hex(share.place.patient), share.set_name, _part(share), readable(share.time)))
    session.output.result(
        {"shares": documents},
        Table(("name", "patient", "set", "share", "made"), rows, "This profile keeps no share of anybody's."),
    )


def hand_over(
    session: Session,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="The request that the new device made.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="New file, for the new device.")],
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", metavar="DIGITS", help="What the person reads from the new device; else asked."),
    ] = None,
    set_id: Annotated[
        str | None, typer.Option("--set", metavar="ID", help="Of which set, or how it begins; the latest unless given.")
    ] = None,
) -> None:
    """Seal a share to the new device of whom it belongs to, once they have read out the request's fingerprint.

    Whoever made the request gets the share. Speak with the person, and be sure that it is they. Asks no node.
    """
    from medrec_py.crypto import wallet_recovery  # noqa: PLC0415 - slow to import
    from medrec_py.crypto.recovery import parse_request  # noqa: PLC0415
    from medrec_py.guardianship import hand_over_share  # noqa: PLC0415

    target = require_free(output)
    block = read_block(request)
    with naming(request), unless_for("medrec guardian approve", wallet_recovery.parse_request, block):
        asked = parse_request(block)
    opened = _find(session, asked, set_id)
    heard = _heard(session, opened, fingerprint)
    write_private(target, hand_over_share(opened.share, block, heard))
    session.output.result(
        {**_document(opened.share, opened.name), "output": str(target)},
        Cell("Handed over.", "green"),
        _fields(opened.share, opened.name),
        f"Send {target} to them: nobody else can open it.",
    )


def _guarded(session: Session) -> Guarded:
    return Guarded(session.settings.profile_folder(session.settings.profile))


def _opened_by(session: Session, block: bytes, root: RootSecret) -> Share:
    from medrec_py.guardianship import open_share  # noqa: PLC0415

    return open_share(block, session.identity.address, root)


def _each(session: Session) -> Iterator[tuple[Path, _Opened | MedRecError]]:
    """All shares that are kept; in place of one that does not open, why."""
    root = session.root  # a wrong passphrase is no fault of theirs
    for path in _guarded(session).files():
        try:
            kept = read(path)
            yield path, _Opened(kept.name, _opened_by(session, kept.block, root))
        except MedRecError as error:
            yield path, error


def _find(session: Session, asked: Request, set_id: str | None) -> _Opened:
    """The share that a request asks for: of the patient, of the latest set or of the one that is named."""
    found = (opened for _, opened in _each(session) if isinstance(opened, _Opened))  # `guarded` shows the others
    theirs = [opened for opened in found if opened.share.place == asked.place]
    if set_id is not None:
        theirs = [opened for opened in theirs if opened.share.set_id.hex().startswith(set_id.lower())]
    if not theirs:
        of_set = "" if set_id is None else f" of a set {set_id}"
        raise ShareNotKept(
            f"profile {session.settings.profile!r} keeps no share{of_set} of patient {_hex(asked.place.patient)} "
            f"on chain {asked.place.chain_id}"
        )
    if len(theirs) > 1:
        session.output.warn(f"{len(theirs)} shares of that patient are kept; this is the latest (else --set)")
    return max(theirs, key=lambda opened: opened.share.time)


def _heard(session: Session, opened: _Opened, fingerprint: str | None) -> str:
    if fingerprint is not None:
        return fingerprint
    share = opened.share
    session.output.note(f"A share of {opened.name or 'somebody'} ({_hex(share.place.patient)}) is asked for.")
    session.output.note("Call them, make sure that it is they, and have them read the digits on their new device.")
    return ask_fingerprint()


def _hex(address: bytes) -> str:
    from medrec_py.chain.types import address_of  # noqa: PLC0415

    return address_of(address)


def _part(share: Share) -> str:
    return f"{share.index + 1}; any {share.threshold} of {share.count} restore"


def _document(share: Share, name: str) -> Document:
    return {
        "patient": _hex(share.place.patient),
        "name": name,
        "set": share.set_id.hex(),
        "share": share.index + 1,
        "threshold": share.threshold,
        "count": share.count,
        "made": iso(share.time),
    }


def _fields(share: Share, name: str) -> Fields:
    place = share.place
    return Fields(
        [
            ("patient", _hex(place.patient)),
            ("name", name or "none given (--name)"),
            ("contract", f"{_hex(place.contract)} on chain {place.chain_id}"),
            ("set", f"{share.set_name}, made {readable(share.time)}"),
            ("share", _part(share)),
        ]
    )
