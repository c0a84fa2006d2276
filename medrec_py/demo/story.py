"""The story, told from its first step to its last, or to the first thing that is not as it should be."""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from rich.console import Console

from medrec_py.demo.checks import Checks, Unexpected
from medrec_py.demo.rendering import Teller
from medrec_py.demo.report import Place, Problem, StepReport, StoryReport
from medrec_py.demo.stage import Stage, open_stage
from medrec_py.demo.steps import STEPS, Step
from medrec_py.errors import MedRecError


class Audience(Protocol):
    """Whoever is told the story while it happens."""

    def begin(self, place: Place) -> None:
        """The stage is set."""

    def during(self, number: int, title: str) -> AbstractContextManager[object]:
        """A step is being carried out, or the stage is being set (number 0)."""

    def say(self, text: str) -> None:
        """How far the step has come."""

    def step(self, report: StepReport) -> None:
        """A step is over."""

    def end(self, report: StoryReport) -> None:
        """The story is over."""


def run(
    chain_url: str | None = None,
    ipfs_url: str | None = None,
    *,
    console: Console | None = None,
    as_json: bool = False,
) -> int:
    """Tell the story, checking every sentence.

    Args:
        chain_url: Of a development node's JSON-RPC interface (Anvil, Ganache); its own unlocked account pays for all.
            A chain inside this process unless given.
        ipfs_url: Of a Kubo node's RPC. A temporary folder unless given.
        console: Where to; standard output unless given.
        as_json: One JSON document at the end instead of a text (its fields: ``StoryReport.as_json``).

    Returns:
        The exit status: 0 if everything was as it should be, else 1.
    """
    console = console or Console()
    if not as_json:
        return _status(tell(chain_url, ipfs_url, Teller(console)))
    report = tell(chain_url, ipfs_url, Teller(Console(quiet=True)))
    console.out(json.dumps(report.as_json(), indent=2), highlight=False)
    return _status(report)


def tell(chain_url: str | None, ipfs_url: str | None, audience: Audience) -> StoryReport:
    """Carry out the steps, up to the first that fails."""
    report = StoryReport()
    began = time.perf_counter()
    try:
        with ExitStack() as resources:
            with audience.during(0, "Setting the stage"):
                stage = resources.enter_context(open_stage(chain_url, ipfs_url))
            report.place = stage.place
            audience.begin(stage.place)
            _tell_on(stage, report, audience)
    except MedRecError as error:
        report.problem = Problem("a chain and a block store to begin with", _said(error), error.remedy)
    report.seconds = time.perf_counter() - began
    audience.end(report)
    return report


def _tell_on(stage: Stage, report: StoryReport, audience: Audience) -> None:
    stage.say = audience.say
    for number, step in enumerate(STEPS, 1):
        done = _carry_out(stage, number, step, audience)
        report.steps.append(done)
        report.contract, report.history, report.problem = stage.contract_address, stage.history, done.problem
        audience.step(done)
        if done.problem is not None:
            return


def _carry_out(stage: Stage, number: int, step: Step, audience: Audience) -> StepReport:
    check, problem = Checks(), None
    began = time.perf_counter()
    try:
        with audience.during(number, step.title):
            step.act(stage, check)
    except Unexpected as unexpected:
        problem = Problem(unexpected.expected, unexpected.happened)
    except MedRecError as error:
        problem = Problem(step.title, _said(error), error.remedy)
    seconds = time.perf_counter() - began
    return StepReport(number, step.title, step.explanation, tuple(check.passed), stage.take_spent(), seconds, problem)


def _said(error: MedRecError) -> str:
    return f"{type(error).__name__}: {error}"


def _status(report: StoryReport) -> int:
    return 0 if report.ok else 1
