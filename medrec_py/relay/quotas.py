"""How much each patient and each client may ask for: token buckets, in bounded memory.

A bucket is full at first, holds ``burst`` tokens, and gets ``per_hour`` of them back in an hour. They are forgotten
with the process: a restart gives everybody a full one.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from medrec_py.relay.limits import HOUR

MAX_BUCKETS: Final = 100_000
"""Buckets that are remembered. Beyond that the one that was asked for longest ago is forgotten."""


class Quota:
    """Buckets of one kind. May be shared between threads.

    Args:
        burst: Tokens of a full bucket.
        per_hour: Tokens that come back in an hour.
        now: Seconds of a clock that only goes forward.
        max_buckets: See `MAX_BUCKETS`.
    """

    def __init__(
        self,
        burst: int,
        per_hour: float,
        now: Callable[[], float] = time.monotonic,
        max_buckets: int = MAX_BUCKETS,
    ) -> None:
        self.burst = burst
        self._rate = per_hour / HOUR
        self._now = now
        self._max = max_buckets
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were so many

    def take(self, wanted: Mapping[str, int], before: int = 0) -> float:
        """Take tokens from several buckets, from all of them or from none.

        Args:
            wanted: How many from which.
            before: So many were taken from each for the same purpose before, and will be again at the next attempt.

        Returns:
            Zero if they were taken; else the seconds after which there are enough, infinite if there never are.
        """
        with self._lock:
            moment = self._now()
            there = {key: self._tokens(key, moment) for key in wanted}
            lacking = max((amount - there[key] for key, amount in wanted.items()), default=0.0)
            if lacking > 0:
                never = self._rate <= 0 or any(amount + before > self.burst for amount in wanted.values())
                return float("inf") if never else (lacking + before) / self._rate
            for key, amount in wanted.items():
                self._buckets[key] = there[key] - amount, moment
                self._buckets.move_to_end(key)
            while len(self._buckets) > self._max:
                self._buckets.popitem(last=False)
            return 0.0

    def give_back(self, taken: Mapping[str, int]) -> None:
        """Undo a ``take``."""
        with self._lock:
            moment = self._now()
            for key, amount in taken.items():
                if key in self._buckets:  # else it was forgotten, and is full
                    self._buckets[key] = min(float(self.burst), self._tokens(key, moment) + amount), moment

    def _tokens(self, key: str, moment: float) -> float:
        tokens, since = self._buckets.get(key, (float(self.burst), moment))
        return min(float(self.burst), tokens + (moment - since) * self._rate)


def client_key(address: str | None) -> str:
    """The bucket of a client: its address, or of IPv6 the /64 of a subscriber. Who comes by a socket shares one."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "here"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((found, 64), strict=False).network_address) + "/64"
    return str(found)
