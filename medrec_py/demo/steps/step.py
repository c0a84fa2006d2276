"""A step of the story."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from medrec_py.demo.checks import Checks
from medrec_py.demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the story.

    Attributes:
        title: What happens.
        explanation: What it is for, in a sentence for a newcomer.
        act: Does it; raises ``Unexpected``, or a ``MedRecError``, where something is not as it should be.
    """

    title: str
    explanation: str
    act: Callable[[Stage, Checks], None]
