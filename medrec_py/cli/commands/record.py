"""``medrec record``: appending records, and getting them back verified."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medrec_py.cli import charts
from medrec_py.cli.arguments import ForPurpose, OfPatient, OnBehalfOf
from medrec_py.cli.charts import View
from medrec_py.cli.command import command, group
from medrec_py.cli.errors import OutputExists
from medrec_py.cli.exits import ExitCode, exit_code
from medrec_py.cli.moments import iso, parse_moment, readable
from medrec_py.cli.output import Cell, Document, Fields, Output, Table, size
from medrec_py.cli.session import Session
from medrec_py.errors import (
    FormatError,
    IntegrityError,
    InvalidInput,
    KeyUnavailable,
    MedRecError,
    NotFound,
    NotPermitted,
    RecordErased,
    StorageError,
)
from medrec_py.times import unix_time

if TYPE_CHECKING:
    from medrec_py.chart import TimelineEntry
    from medrec_py.records import Draft, Record

app = typer.Typer(help="Records: append, list, get, verify.", no_args_is_help=True)
group(app)

_OF_ONE_RECORD = (FormatError, IntegrityError, KeyUnavailable, NotFound, NotPermitted, StorageError)
_STDIN = "-"


@command(app, "add")
def add(
    session: Session,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="What to append; - is standard input.")],
    compartment: Annotated[str, typer.Option("--compartment", metavar="NAME", help="Where it belongs.")],
    patient: OfPatient = None,
    on_behalf_of: OnBehalfOf = None,
    purpose: ForPurpose = None,
    title: Annotated[
        str | None,
        typer.Option("--title", metavar="TEXT", help="What lists show; the file's name unless given. Encrypted."),
    ] = None,
    media_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Media type; by the file's name unless given.")
    ] = None,
    created: Annotated[
        str | None,
        typer.Option("--created", metavar="WHEN", help="When the content came to be, if that differs from now."),
    ] = None,
    replaces: Annotated[
        int | None, typer.Option("--replaces", metavar="N", help="Number of the record that this one corrects.")
    ] = None,
) -> None:
    """Encrypt files on this machine, store them, and append them to a record: all of them, or none."""
    drafts = _drafts(files, compartment, title, media_type, created)
    total = sum(Path(file).stat().st_size for file in files if file != _STDIN and Path(file).is_file())
    view = charts.open_to_append(session, patient, on_behalf_of, purpose)
    if replaces is not None:
        drafts = [_replacing(draft, view.entry(replaces)) for draft in drafts]
    with session.output.progress("encrypting and storing", total) as progress:
        appended = view.chart.append_many(drafts, progress=progress)
    numbers = view.numbers
    records = [
        {"number": numbers[one.number], "entry": one.number, "id": one.record_id.hex(), "in_inbox": one.in_inbox}
        for one in appended
    ]
    if any(one.in_inbox for one in appended):
        session.output.warn(
            "the keys are changing: readers get it once the patient's client has moved it from the inbox"
        )
    session.output.result(
        {
            "patient": view.patient,
            "on_behalf_of": view.principal,
            "compartment": compartment,
            "records": records,
            "transactions": session.transactions(),
        },
        Cell("Appended.", "green"),
        Fields(
            [
                ("patient", view.patient),
                ("on behalf of", view.principal),
                *(("record", f"{record['number']}") for record in records),
                session.sent(),
            ]
        ),
    )


@command(app, "list")
def list_records(
    session: Session, patient: OfPatient = None, on_behalf_of: OnBehalfOf = None, purpose: ForPurpose = None
) -> None:
    """List the records, with titles where they open here. Their numbers are for `get` and `verify`."""
    view = charts.open_to_read(session, patient, on_behalf_of, purpose)
    numbers = view.numbers
    lines = [(numbers[line.number], line) for line in view.chart.history() if line.number in numbers]
    charts.warn_of_problems(session.output, [line for _, line in lines])
    session.output.result(
        {"patient": view.patient, "records": [_listed(number, line) for number, line in lines]},
        Table(
            ("no.", "appended", "compartment", "title", "type", "size", "author"),
            [_row(number, line) for number, line in lines],
            "There are no records.",
        ),
    )


@command(app, "get")
def get(
    session: Session,
    number: Annotated[int, typer.Argument(metavar="N", help="Number of the record (`medrec record list`).")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is standard output.")],
    patient: OfPatient = None,
    on_behalf_of: OnBehalfOf = None,
    purpose: ForPurpose = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file, or write to a terminal.")] = False,
) -> None:
    """Get a record back, verified: the file appears whole or not at all."""
    to_stdout = output == "-"
    _check_target(session.output, output, force)
    view = charts.open_to_read(session, patient, on_behalf_of, purpose)
    record = view.chart.read(view.entry(number))
    if to_stdout:
        _write_verified(session.output, record)
        return
    with session.output.progress("fetching and verifying", record.size) as progress:
        record.save(output, progress=progress)
    if record.is_postdated:
        session.output.warn(
            f"record {number} says that it was signed at {readable(record.signed)}, and the chain took it at "
            f"{readable(record.appended)}: its author's clock is wrong, or it lies"
        )
    session.output.result(
        {"patient": view.patient, **_described(number, record), "output": str(Path(output).absolute())},
        Cell("Verified and written.", "green"),
        Fields(
            [
                ("record", str(number)),
                ("title", record.title),
                ("author", record.author),
                ("on behalf of", record.on_behalf_of),
                ("signed", readable(record.signed)),
                ("file", f"{output} ({size(record.size)})"),
            ]
        ),
    )


@command(app, "verify")
def verify(
    session: Session,
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[N...]", help="Numbers of records.")] = None,
    all_records: Annotated[bool, typer.Option("--all", help="All records that are for this profile.")] = False,
    patient: OfPatient = None,
    on_behalf_of: OnBehalfOf = None,
    purpose: ForPurpose = None,
) -> int:
    """Check that the history is complete, and that records are, byte for byte, what their authors signed."""
    if all_records == bool(numbers):
        raise InvalidInput("name the records to verify, or --all")
    view = charts.open_to_read(session, patient, on_behalf_of, purpose)
    wanted = list(numbers or view.numbers.values())
    results = [_verified(session.output, view, number) for number in wanted]
    failed = [error for _, _, error in results if error and not (all_records and _is_expected(view, error))]
    erased = sum(all_records and isinstance(error, RecordErased) for _, _, error in results)
    documents = [_verification(number, record, error) for number, record, error in results]
    sound = sum(error is None for _, _, error in results)
    entries = len(view.chart.entries())
    session.output.result(
        {
            "patient": view.patient,
            "entries": entries,
            "verified": sound,
            "erased": erased,
            "failed": len(failed),
            "records": documents,
        },
        f"The history is complete: {entries} entries lead to the contract's head.",
        Table(
            ("no.", "", "title", "size", ""),
            [_verification_row(number, record, error, error in failed) for number, record, error in results],
            "There are no records.",
        ),
        Cell(
            f"{sound} of {len(results)} verified{f', {erased} erased by the patient' if erased else ''}.",
            "red" if failed else "green",
        ),
    )
    codes = [exit_code(error) for error in failed]
    return ExitCode.INTEGRITY if ExitCode.INTEGRITY in codes else codes[0] if codes else ExitCode.OK


# ---------------------------------------------------------------------------------------------------------- appending


def _drafts(
    files: Sequence[str], compartment: str, title: str | None, media_type: str | None, created: str | None
) -> list[Draft]:
    from medrec_py.records import Draft  # noqa: PLC0415 - slow to import

    if len(files) > 1 and (title is not None or media_type is not None):
        raise InvalidInput("--title and --type are for one file")
    if _STDIN in files and title is None:
        raise InvalidInput("standard input needs a --title")
    moment = None if created is None else unix_time(parse_moment(created), 0)
    return [
        Draft(sys.stdin.buffer if file == _STDIN else Path(file), compartment, title, media_type, moment)
        for file in files
    ]


def _replacing(draft: Draft, entry: int) -> Draft:
    from dataclasses import replace  # noqa: PLC0415

    return replace(draft, replaces=entry)


# ------------------------------------------------------------------------------------------------------------ getting


def _check_target(output: Output, target: str, force: bool) -> None:
    if target == "-":
        if output.as_json:
            raise InvalidInput("--json and --output - both want standard output")
        if sys.stdout.isatty() and not force:
            raise OutputExists("a record may hold control sequences: it is not written to a terminal without --force")
        return
    path = Path(target)
    if path.is_dir():
        raise OutputExists(f"{target} is a folder")
    if path.exists() and not force:
        raise OutputExists(f"{target} is there already")


def _write_verified(output: Output, record: Record) -> None:
    """Read it twice: nothing is let out before all of it was verified, and no plaintext is put aside meanwhile."""
    with output.progress("verifying", record.size) as progress:
        record.verify(progress)
    for piece in record.content():
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


# ---------------------------------------------------------------------------------------------------------- verifying


def _verified(output: Output, view: View, number: int) -> tuple[int, Record | None, MedRecError | None]:
    record: Record | None = None
    try:
        record = view.chart.read(view.entry(number))
        with output.progress(f"verifying record {number}", record.size) as progress:
            record.verify(progress)
    except _OF_ONE_RECORD as error:
        return number, record, error
    return number, record, None


def _is_expected(view: View, error: MedRecError) -> bool:
    """Whether nothing is wrong with the record: the patient erased it, or it is for others."""
    return isinstance(error, RecordErased) or (not view.is_own and isinstance(error, charts.NOT_FOR_US))


def _verification(number: int, record: Record | None, error: MedRecError | None) -> Document:
    document: Document = {"number": number, "ok": error is None}
    if record is not None:
        document |= _described(number, record)
    if error is not None:
        document["error"] = _problem(error)
    return document


def _verification_row(
    number: int, record: Record | None, error: MedRecError | None, failed: bool
) -> tuple[str | Cell, ...]:
    mark = Cell("FAILED", "bold red") if failed else Cell("not for us", "dim")
    if error is None:
        mark = Cell("ok", "green")
    elif isinstance(error, RecordErased) and not failed:
        mark = Cell("erased", "dim")
    title, length = (record.title, size(record.size)) if record else ("", "")
    return (str(number), mark, title, length, "" if error is None else f"{type(error).__name__}: {error}")


# --------------------------------------------------------------------------------------------------------- describing


def _described(number: int, record: Record) -> Document:
    return {
        "number": number,
        "entry": record.number,
        "title": record.title,
        "type": record.media_type,
        "size": record.size,
        "author": record.author,
        "on_behalf_of": record.on_behalf_of,
        "signed": iso(record.signed),
        "appended": iso(record.appended),
    }


def _listed(number: int, line: TimelineEntry) -> Document:
    return {
        "number": number,
        "entry": line.number,
        "time": iso(line.time),
        "author": line.author,
        "on_behalf_of": line.on_behalf_of,
        "compartments": list(line.compartments),
        "title": line.title,
        "type": line.media_type,
        "size": line.size,
        "problem": None if line.problem is None else _problem(line.problem),
        "transaction": line.transaction,
    }


def _row(number: int, line: TimelineEntry) -> tuple[str | Cell, ...]:
    title: str | Cell = line.title or ""
    if line.problem is not None:
        title = Cell(type(line.problem).__name__, "yellow")
    author = line.author if line.author == line.on_behalf_of else f"{line.author} for {line.on_behalf_of}"
    length = "" if line.size is None else size(line.size)
    return (
        str(number),
        readable(line.time),
        ", ".join(line.compartments),
        title,
        line.media_type or "",
        length,
        author,
    )


def _problem(error: MedRecError) -> Document:
    return {"type": type(error).__name__, "message": str(error), "remedy": error.remedy}
