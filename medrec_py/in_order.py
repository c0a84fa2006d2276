"""``map`` with a few items under way in threads, for work that leaves the interpreter's lock: hashing, files."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar


def _cores() -> int:
    """The cores that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable is not None else os.cpu_count() or 1


_WORKERS = min(4, max(2, _cores()))
_AHEAD = 2 * _WORKERS

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Like ``map``, with items under way in two to four threads, by the cores there are, and two items for each.

    Memory: those items and their results. A single item is worked on here: no thread is worth its start.

    Note: work that holds the interpreter's lock most of the time, as opening and sealing small documents does, takes
    twice as long in two threads as in none. That of large contents takes half.
    """
    iterator = iter(items)
    first = list(islice(iterator, 2))
    if len(first) < 2:
        yield from map(work, first)
        return
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="medrec")
    try:
        under_way: deque[Future[_Result]] = deque()
        for item in chain(first, iterator):
            under_way.append(pool.submit(work, item))
            if len(under_way) > _AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:  # after an error as well, or if the caller has had enough: what has not begun never does
        pool.shutdown(cancel_futures=True)
