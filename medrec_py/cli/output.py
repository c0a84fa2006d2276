"""What the program prints: results on stdout, for people or as one JSON document; everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from medrec_py.cli.terminal import printable
from medrec_py.errors import MedRecError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import ProgressColumn
    from rich.text import Text

Document: TypeAlias = dict[str, Any]

_COUNT_FROM = 20
_PROGRESS_FROM = 4 << 20
_STEPS_FROM = 10
_NO_WRAPPING = 1 << 16


@dataclass(frozen=True, slots=True)
class Cell:
    """A text in a colour (``green``, ``yellow``, ``red``, ``dim``, ``bold``)."""

    text: str
    style: str


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and values, one pair a line."""

    rows: Sequence[tuple[str, str | Cell]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        columns: Their headings.
        rows: Texts, one for each column.
        empty: What is shown in place of a table without rows.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    empty: str


Block: TypeAlias = str | Cell | Fields | Table


@dataclass
class Output:
    """The two streams.

    Attributes:
        as_json: One JSON document on stdout, or, where the command failed, on stderr; and nothing else.
        warnings: What went less well than it should; shown at the end.
    """

    as_json: bool
    warnings: list[str] = field(default_factory=list)

    def result(self, document: Document, *blocks: Block) -> None:
        """Print what the command is for.

        Args:
            document: For machines.
            blocks: The same for people.
        """
        if self.as_json:
            if self.warnings:
                document = {**document, "warnings": self.warnings}
                self.warnings = []
            _write_json(sys.stdout, document)
            return
        for block in blocks:
            _print(self._out, _rendered(block))

    def note(self, text: str) -> None:
        """Tell a person something on the way, on stderr."""
        if not self.as_json:
            self._err.print(_styled(Cell(text, "dim")))

    def warn(self, text: str) -> None:
        """Keep a warning for the end."""
        self.warnings.append(text)

    def show_warnings(self) -> None:
        """Show the warnings that no JSON document has carried."""
        for text in self.warnings:
            if self.as_json:
                _write_json(sys.stderr, {"warning": text})
            else:
                self._err.print(_styled(Cell(f"warning: {text}", "yellow")))
        self.warnings = []

    def failure(self, kind: str, message: str, remedy: str, notes: Sequence[str] = ()) -> None:
        """Print why the command failed, and what to do."""
        if self.as_json:
            error: Document = {"type": kind, "message": message, "remedy": remedy}
            if notes:
                error["notes"] = list(notes)
            document: Document = {"error": error}
            if self.warnings:
                document["warnings"] = self.warnings
                self.warnings = []
            _write_json(sys.stderr, document)
            return
        self.show_warnings()
        self._err.print(_styled(Cell("error: ", "bold red"), message))
        for note in notes:
            self._err.print(_styled(note))
        if remedy:
            self._err.print(_styled(Cell("what to do: ", "bold"), remedy))

    def error(self, error: MedRecError) -> None:
        """Print an error of MedRec's."""
        self.failure(type(error).__name__, str(error), error.remedy, getattr(error, "__notes__", ()))

    @contextmanager
    def count(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show how many of some things are done, on a terminal and where there are many.

        Args:
            what: What is done.
            total: How many there are; more may come.

        Yields:
            To be called with the number done since the last call.
        """
        if self.as_json or total < _COUNT_FROM or not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn  # noqa: PLC0415

        with self._bar(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), what=what, total=total) as advance:
            yield advance

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show how far something is, on a terminal and where it takes a while.

        Args:
            what: What is done.
            total: Bytes to handle; more may come, for padding.

        Yields:
            To be called with the number of bytes handled since the last call.
        """
        if self.as_json or total < _PROGRESS_FROM or not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn  # noqa: PLC0415

        with self._bar(BarColumn(), DownloadColumn(), TransferSpeedColumn(), what=what, total=total) as advance:
            yield advance

    @contextmanager
    def _bar(self, *columns: ProgressColumn, what: str, total: int) -> Iterator[Callable[[int], None]]:
        from rich.progress import Progress, TextColumn  # noqa: PLC0415

        described = TextColumn("{task.description}", markup=False)
        with Progress(described, *columns, console=self._err, transient=True) as progress:
            task = progress.add_task(printable(what), total=total)
            yield lambda count: progress.advance(task, count)

    @contextmanager
    def steps(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show how many of a number of things are done, on a terminal and where there are several.

        Args:
            what: What is done.
            total: How many things.

        Yields:
            To be called with the number of things done since the last call.
        """
        if self.as_json or total < _STEPS_FROM or not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeRemainingColumn(), console=self._err, transient=True) as progress:
            task = progress.add_task(printable(what), total=total)
            yield lambda count: progress.advance(task, count)

    @cached_property
    def _out(self) -> Console:
        return _console(stderr=False)

    @cached_property
    def _err(self) -> Console:
        return _console(stderr=True)


def size(count: int) -> str:
    """A number of bytes for people."""
    for unit, step in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} B"


def _print(console: Console, block: RenderableType) -> None:
    """Print, without the blanks that fill up the lines of a table where they would only be in the way."""
    if console.is_terminal:
        console.print(block)
        return
    with console.capture() as capture:
        console.print(block)
    console.file.write("".join(line.rstrip() + "\n" for line in capture.get().splitlines()))


def _console(*, stderr: bool) -> Console:
    from rich.console import Console  # noqa: PLC0415 - slow to import, and not needed for JSON

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _NO_WRAPPING
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def _rendered(block: Block) -> RenderableType:
    from rich import box  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415

    if isinstance(block, str | Cell):
        return _styled(block)
    if isinstance(block, Fields):
        grid = RichTable.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in block.rows:
            grid.add_row(_styled(Cell(name, "dim")), _styled(value))
        return grid
    if not block.rows:
        return _styled(Cell(block.empty, "dim"))
    table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    for heading in block.columns:
        table.add_column(heading, overflow="fold")
    for row in block.rows:
        table.add_row(*map(_styled, row))
    return table


def _styled(*parts: str | Cell) -> Text:
    """The one place where texts become output: nothing in them is markup, and no control reaches the terminal."""
    from rich.text import Text  # noqa: PLC0415

    text = Text()
    for part in parts:
        content, style = (part.text, part.style) if isinstance(part, Cell) else (part, "")
        text.append(printable(content), style=style)
    return text


def _write_json(stream: Any, document: Mapping[str, Any]) -> None:
    # ASCII, so that whatever a title holds does nothing to a terminal either.
    stream.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")
    stream.flush()
