"""Decisions that are prepared anew while another device of the patient's decides at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from medrec_py.chain.reverts import DecisionMismatch, StaleKeyring, VersionMismatch

ATTEMPTS = 5

_Result = TypeVar("_Result")


def again_when_stale(attempt: Callable[[], _Result]) -> _Result:
    """Prepare and send a decision, again where another one came in between.

    Raises:
        StaleKeyring, VersionMismatch, DecisionMismatch: it did at each attempt.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except (StaleKeyring, VersionMismatch, DecisionMismatch):
            continue
    return attempt()
