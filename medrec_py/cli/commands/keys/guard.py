"""``medrec keys guard``, ``guarded`` and ``hand-over``: a guardian keeps shares of others, and gives them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from medrec_py.cli.blocks import naming, read_block, require_free
from medrec_py.cli.command import command
from medrec_py.cli.errors import ShareNotKept
from medrec_py.cli.files import write_private
from medrec_py.cli.guarded import Guarded, Kept
from medrec_py.cli.moments import iso, readable
from medrec_py.cli.output import Cell, Document, Fields, Table
from medrec_py.cli.session import Session
from medrec_py.cli.terminal import ask_fingerprint
from medrec_py.errors import MedRecError

if TYPE_CHECKING:
    from medrec_py.crypto.recovery import Request
    from medrec_py.crypto.shares import Share


@dataclass(frozen=True, slots=True)
class _Opened:
    """A share that is kept, opened."""

    kept: Kept
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
    block = read_block(file)
    with naming(file):
        share = _open(session, block)
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
    for kept in _guarded(session).all():
        try:
            share = _open(session, kept.block)
        except MedRecError as error:
            documents.append({"name": kept.name, "file": str(kept.path), "problem": str(error)})
            rows.append((kept.name, Cell(str(error), "red"), "", "", ""))
            continue
        documents.append({**_document(share, kept.name), "file": str(kept.path), "problem": None})
        rows.append((kept.name, _hex(share.place.patient), share.set_name, _part(share), readable(share.time)))
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
    from medrec_py.crypto.recovery import parse_request  # noqa: PLC0415 - slow to import
    from medrec_py.guardianship import hand_over_share  # noqa: PLC0415

    target = require_free(output)
    block = read_block(request)
    with naming(request):
        asked = parse_request(block)
    opened = _find(session, asked, set_id)
    heard = _heard(session, opened, fingerprint)
    write_private(target, hand_over_share(opened.share, block, heard))
    session.output.result(
        {**_document(opened.share, opened.kept.name), "output": str(target)},
        Cell("Handed over.", "green"),
        _fields(opened.share, opened.kept.name),
        f"Send {target} to them: nobody else can open it.",
    )


def _guarded(session: Session) -> Guarded:
    return Guarded(session.settings.profile_folder(session.settings.profile))


def _open(session: Session, block: bytes) -> Share:
    from medrec_py.guardianship import open_share  # noqa: PLC0415

    return open_share(block, session.identity.address, session.root)


def _find(session: Session, asked: Request, set_id: str | None) -> _Opened:
    """The share that a request asks for: of the patient, of the latest set or of the one that is named."""
    found = []
    for kept in _guarded(session).all():
        try:
            found.append(_Opened(kept, _open(session, kept.block)))
        except MedRecError:
            continue  # `medrec keys guarded` shows it
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
    session.output.note(f"A share of {opened.kept.name or 'somebody'} ({_hex(share.place.patient)}) is asked for.")
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
