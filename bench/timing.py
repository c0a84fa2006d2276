"""Measuring time on a machine that does other things as well."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(work: Callable[[], object], calls: int = 1) -> float:
    """How long a call takes, in seconds, over so many of them."""
    began = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - began) / calls


def best(*works: Callable[[], object], rounds: int, calls: int = 1) -> list[float]:
    """The least that each of several works takes, in seconds, taken in turns.

    In turns, so that what else the machine does falls on all alike; the least, since it only ever adds.
    """
    taken = [[seconds(work, calls) for work in works] for _ in range(rounds)]
    return [min(column) for column in zip(*taken, strict=True)]
