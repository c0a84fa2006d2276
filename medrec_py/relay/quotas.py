"""How much each patient, client and account may ask for: token buckets, in bounded memory.

A bucket is full at first, holds ``burst`` tokens, and gets ``per_hour`` of them back in an hour. Buckets that are not
full can be written down as notes of the queue, and begin there again after a restart.
"""

from __future__ import annotations

import ipaddress
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from medrec_py.relay.limits import HOUR

PREFIX: Final = "quota/"
"""Of the keys of the notes."""

MAX_BUCKETS: Final = 100_000
"""Buckets that are remembered. Beyond that the one that was asked for longest ago is forgotten."""

SHARES_OF_SITE: Final = 16
"""As many IPv6 subscribers as a /48 counts for, if they all come at once."""

_NOTE: Final = struct.Struct(">dd")  # tokens, and when there were so many


class Quota:
    """Buckets of one kind. May be shared between threads.

    Args:
        name: Of the kind; in the keys of the notes.
        burst: Tokens of a full bucket.
        per_hour: Tokens that come back in an hour.
        now: Unix time. Where it goes back, nothing comes back meanwhile.
        max_buckets: See `MAX_BUCKETS`.
    """

    def __init__(
        self,
        name: str,
        burst: int,
        per_hour: float,
        now: Callable[[], float] = time.time,
        max_buckets: int = MAX_BUCKETS,
    ) -> None:
        self.burst = burst
        self._prefix = f"{PREFIX}{name}/"
        self._rate = per_hour / HOUR
        self._now = now
        self._max = max_buckets
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were so many

    def take(self, wanted: Mapping[str, float], before: float = 0) -> float:
        """Take tokens from several buckets, from all of them or from none.

        Args:
            wanted: How many from which.
            before: So many were taken for the same purpose before, at the most, and will be again at the next attempt.

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
                self._set(key, there[key] - amount, moment)
            return 0.0

    def spend(self, keys: Iterable[str]) -> None:
        """Take a token from each bucket, as far as there is one."""
        with self._lock:
            moment = self._now()
            for key in keys:
                self._set(key, max(0.0, self._tokens(key, moment) - 1), moment)

    def wait(self, keys: Iterable[str]) -> float:
        """Seconds until there is a token in each of these buckets; zero if there is. Takes none."""
        with self._lock:
            moment = self._now()
            lacking = max((1 - self._tokens(key, moment) for key in keys), default=0.0)
        if lacking <= 0:
            return 0.0
        return lacking / self._rate if self._rate > 0 else float("inf")

    def give_back(self, taken: Mapping[str, float]) -> None:
        """Undo a ``take``."""
        with self._lock:
            moment = self._now()
            for key, amount in taken.items():
                if key in self._buckets:  # else it was forgotten, and is full
                    self._buckets[key] = min(float(self.burst), self._tokens(key, moment) + amount), moment

    # --- written down -------------------------------------------------------------------------------------------------

    def notes(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Some buckets as notes of the queue."""
        with self._lock:
            return {self._prefix + key: _NOTE.pack(*self._buckets[key]) for key in keys if key in self._buckets}

    def restore(self, notes: Mapping[str, bytes]) -> None:
        """Take up what was written down, among it notes of other kinds."""
        with self._lock:
            for key, note in self._mine(notes).items():
                self._set(key, *note)

    def full(self, notes: Mapping[str, bytes]) -> dict[str, None]:
        """Those of the notes whose buckets are full by now: to be removed, as the queue's ``write`` takes it."""
        with self._lock:
            moment = self._now()
            full = [key for key, note in self._mine(notes).items() if self._refilled(*note, moment) >= self.burst]
        return dict.fromkeys(self._prefix + key for key in full)

    # --- private ------------------------------------------------------------------------------------------------------

    def _mine(self, notes: Mapping[str, bytes]) -> dict[str, tuple[float, float]]:
        return {
            key.removeprefix(self._prefix): _NOTE.unpack(note)
            for key, note in notes.items()
            if key.startswith(self._prefix)
        }

    def _set(self, key: str, tokens: float, moment: float) -> None:
        self._buckets[key] = tokens, moment
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._max:
            self._buckets.popitem(last=False)

    def _tokens(self, key: str, moment: float) -> float:
        return self._refilled(*self._buckets.get(key, (float(self.burst), moment)), moment)

    def _refilled(self, tokens: float, since: float, moment: float) -> float:
        return min(float(self.burst), tokens + max(0.0, moment - since) * self._rate)


def client_shares(address: str | None, tokens: int = 1) -> dict[str, float]:
    """What a client draws on for some tokens: the bucket of its address. Who comes by a socket shares one.

    Of IPv6 it is the /64 of a subscriber, and the /48 around it for a sixteenth: whole ones are given away, with 65,536
    subscribers' worth of addresses for a single sender.
    """
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return {"here": tokens}
    if not isinstance(found, ipaddress.IPv6Address):
        return {str(found): tokens}
    if found.ipv4_mapped is not None:
        return {str(found.ipv4_mapped): tokens}
    subscriber, site = (ipaddress.IPv6Network((found, length), strict=False) for length in (64, 48))
    return {str(subscriber): tokens, str(site): tokens / SHARES_OF_SITE}
