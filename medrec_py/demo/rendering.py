"""How the story looks: for a terminal of any width, and without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from textwrap import wrap

from rich import box
from rich.console import Console, RenderableType
from rich.filesize import decimal
from rich.status import Status
from rich.table import Table
from rich.text import Text

from medrec_py.chain.types import Kind
from medrec_py.chart import TimelineEntry
from medrec_py.demo.report import Place, Problem, StepReport, StoryReport

NARROWEST, WIDEST = 60, 110
"""Between these the text follows the terminal: longer lines are hard to read, shorter ones hold too little."""

ROOMY = 100
"""From here on the timeline's columns stand further apart."""

INDENT = " " * 4

OPENING = (
    "A patient lets a hospital in, to one part of the record and until a date, and shows it the door again. "
    "Everything below happens for real and is checked; the first thing that is not as it should be ends the story."
)
NEXT = (
    ("README.md", "the same in Python and on the command line"),
    ("docs/", "how it works, what is protected from whom, and what is not"),
    ("medrec --help", "to begin with a record of your own: medrec init"),
    ("make demo", 'ARGS="--chain http://localhost:8545 --ipfs http://localhost:5001"'),
)


class Teller:
    """Prints the story as it happens; an ``Audience`` of the story.

    Args:
        console: Where to. Colours and moving parts are left out where it is not a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = max(NARROWEST, min(console.width, WIDEST))
        yes, no = ("+", "x") if console.options.ascii_only else ("✓", "✗")
        self._yes, self._no = Text(yes, style="bold green"), Text(no, style="bold red")
        self._status: Status | None = None
        self._title = ""

    def begin(self, place: Place) -> None:
        """Who and where."""
        self._print(Text("MedRec: a patient's story", style="bold cyan"))
        self._lines("", OPENING)
        self._print("")
        self._pairs(
            [
                ("chain", f"{place.chain}, chain id {place.chain_id}"),
                ("blocks", place.store),
                *place.people.items(),
            ]
        )

    @contextmanager
    def during(self, number: int, title: str) -> Iterator[None]:
        """Shows on a terminal that something is going on."""
        self._title = f"{number}. {title}" if number else title
        with self._console.status(Text(self._title), spinner_style="cyan") as self._status:
            yield
        self._status = None

    def say(self, text: str) -> None:
        """Shows there how far it has come."""
        if self._status is not None:
            self._status.update(Text(f"{self._title} ({text})"))

    def step(self, report: StepReport) -> None:
        """A step with its checks."""
        self._print("")
        self._print(self._heading(report))
        self._lines(INDENT, report.explanation, style="italic")
        for check in report.checks:
            self._lines(INDENT, check, mark=self._yes)
        if report.problem is not None:
            self._problem(report.problem)

    def end(self, report: StoryReport) -> None:
        """The timeline, what all of it cost, and what to do next; or that there was no end."""
        if report.history and report.place is not None:
            self._print("")
            self._print(Text(f"The patient's history, {report.history[0].time:%Y-%m-%d} UTC", style="bold"))
            self._print(self._timeline(report.history, report.place))
        self._print("")
        if report.problem is None:
            self._conclusion(report)
            return
        if not report.steps:
            self._problem(report.problem)
        self._print(Text("The story could not be told to its end.", style="bold red"))

    # --- private ------------------------------------------------------------------------------------------------------

    def _print(self, what: RenderableType) -> None:
        self._console.print(what, width=self._width, highlight=False, markup=False)

    def _lines(self, indent: str, text: str, *, mark: Text | None = None, style: str = "") -> None:
        """Print a text with its lines indented alike, behind a mark of one character if there is one."""
        hanging = indent if mark is None else f"{indent}  "
        lines = [wrapped for line in text.splitlines() for wrapped in wrap(line, self._width - len(hanging))]
        for number, line in enumerate(lines):
            beginning = Text(hanging) if number or mark is None else Text.assemble(indent, mark, " ")
            self._print(beginning.append(line, style=style))

    def _pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        widest = max(len(name) for name, _ in pairs)
        for name, text in pairs:
            self._print(Text.assemble((name.ljust(widest), "cyan"), "  ", text, overflow="fold"))

    def _heading(self, report: StepReport) -> Text:
        """Number and title on the left, what it cost on the right."""
        cost = f"{report.gas:,} gas  " if report.gas else ""
        cost += f"{report.seconds:.1f} s"
        number = f"{report.number:>{len(INDENT) - 1}} "
        title = report.title.ljust(self._width - len(number) - len(cost) - 1)
        return Text.assemble((number, "cyan"), (title, "bold" if report.ok else "bold red"), " ", (cost, "dim"))

    def _problem(self, problem: Problem) -> None:
        text = f"expected: {problem.expected}\nhappened: {problem.happened}"
        if problem.remedy:
            text += f"\nto do: {problem.remedy}"
        self._lines(INDENT, text, mark=self._no, style="red")

    def _timeline(self, history: Iterable[TimelineEntry], place: Place) -> RenderableType:
        apart = 1 if self._width >= ROOMY else 0  # on top of the one that the box has
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, apart), header_style="cyan")
        table.add_column("No.", justify="right")
        for name in ("Time", "Kind", "Author", "On behalf of", "Compartment", "Title"):
            table.add_column(name)
        table.add_column("Size", justify="right", no_wrap=True)
        for entry in history:
            table.add_row(*_row(entry, place), style="" if entry.kind is Kind.RECORD else "dim")
        return table

    def _conclusion(self, report: StoryReport) -> None:
        steps, checks = len(report.steps), sum(len(step.checks) for step in report.steps)
        self._lines(
            "",
            f"Everything was as it should be: {steps} steps, {checks} checks, {report.seconds:.1f} seconds.\n"
            f"{report.transactions} transactions used {report.gas:,} gas, {report.steps[0].gas:,} of it to deploy.",
            mark=self._yes,
            style="bold",
        )
        self._print("")
        self._print(Text("What to do next", style="bold"))
        self._pairs(NEXT)


def _row(entry: TimelineEntry, place: Place) -> tuple[str, ...]:
    title = "(new keys)" if entry.kind is Kind.KEYRING else entry.title or f"not opened: {entry.problem}"
    return (
        str(entry.number),
        entry.time.strftime("%H:%M:%S"),
        entry.kind.name.lower(),
        place.name_of(entry.author),
        place.name_of(entry.on_behalf_of),
        ", ".join(sorted(entry.compartments)),
        title,
        "" if entry.size is None else decimal(entry.size),
    )
