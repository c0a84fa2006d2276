"""Signing without sending: what ``--offline`` writes, for a permission that somebody else is to send."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from medrec_py.cli.blocks import require_free
from medrec_py.cli.files import write_private
from medrec_py.cli.moments import iso, parse_moment, readable
from medrec_py.cli.output import Cell, Document, Fields
from medrec_py.cli.qr import write_codes
from medrec_py.cli.session import Session
from medrec_py.errors import InvalidInput

if TYPE_CHECKING:
    from medrec_py.crypto.signed_decisions import Bundle

Offline: TypeAlias = Annotated[
    str | None,
    typer.Option("--offline", metavar="FILE", help="Sign, write the signed decision to a new FILE, and send nothing."),
]
Valid: TypeAlias = Annotated[
    str,
    typer.Option("--valid", metavar="SPAN", help="How long the signature counts, with --offline: 1h, 30m, 2d."),
]
QrCodes: TypeAlias = Annotated[
    str | None,
    typer.Option("--qr", metavar="FOLDER", help="With --offline: QR codes besides, as SVG files in a new folder."),
]

DEFAULT_VALID: Final = "1h"


def sign_only(
    session: Session,
    decide: Callable[[Any], object],
    *,
    file: str,
    valid: str,
    codes: str | None,
    patient: str | None = None,
) -> None:
    """Sign what ``decide`` does, and write it down in place of sending it.

    Args:
        session: Whose profile signs.
        decide: Takes one decision of the ``Patient`` or ``Representative`` that it is given.
        file: Where to write it.
        valid: How long it counts.
        codes: Folder for QR codes.
        patient: For whom the profile decides; for itself unless given.

    Raises:
        InvalidInput: the span is none, the file or the folder for codes is there already, or there are too many codes.
        ConfigurationError: a file cannot be written.
    """
    from medrec_py.crypto.bundle_texts import to_link  # noqa: PLC0415 - slow to import

    span = parse_moment(valid)
    if not isinstance(span, timedelta):
        raise InvalidInput("give --valid as a span: 1h, 30m, 2d")
    target = require_free(file)
    bundle = session.decider(patient).signed(decide, valid=span)
    written = write_codes(bundle, Path(codes)) if codes is not None else []
    write_private(target, bundle.to_json())
    session.output.result(
        {
            **described(bundle),
            "file": str(target.absolute()),
            "link": to_link(bundle),
            "qr": [str(path.absolute()) for path in written],
        },
        Cell("Signed, and not sent.", "green"),
        Fields(
            [
                ("decisions", ", ".join(type(signed.decision).__name__ for signed in bundle.decisions)),
                ("counts until", readable(bundle.deadline)),
                ("file", file),
                *([("QR codes", f"{len(written)} in {codes}")] if written else []),
                ("to send it", f"medrec relay send {file}"),
            ]
        ),
    )


def described(bundle: Bundle) -> Document:
    """A bundle, for machines."""
    from medrec_py.chain.types import address_of  # noqa: PLC0415

    return {
        "bundle": bundle.id,
        "patient": address_of(bundle.place.patient),
        "decisions": [type(signed.decision).__name__ for signed in bundle.decisions],
        "deadline": iso(bundle.deadline),
    }
