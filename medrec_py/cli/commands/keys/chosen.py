"""Which records a command of ``medrec keys`` works on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from medrec_py.cli.charts import open_to_read
from medrec_py.cli.session import Session

Records = Annotated[
    list[int] | None,
    typer.Argument(metavar="[RECORD]...", help="Numbers of records, as `medrec record list` has them."),
]
Compartments = Annotated[
    list[str] | None, typer.Option("--compartment", metavar="NAME", help="All records of it; may be repeated.")
]


def entries_of(
    session: Session,
    records: Sequence[int] | None,
    compartments: Sequence[str] | None,
    patient: str | None = None,
) -> tuple[list[int], int]:
    """The entries of the records that were named, and how many records come into question.

    Raises:
        RecordNotFound: there is no record of a number.
    """
    view = open_to_read(session, patient, None, None)
    named = [view.entry(number) for number in records or ()]
    return named, len(named) if named and not compartments else len(view.numbers)
