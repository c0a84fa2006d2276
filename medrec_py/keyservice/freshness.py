"""Requests count once, and only for a short time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final

from medrec_py.errors import RequestReplayed, RequestStale
from medrec_py.keyservice.request import Request

WINDOW: Final = 120
"""Seconds by which the time of a request may differ from the service's clock, either way."""


class Freshness:
    """Remembers the requests of the window. May be shared between threads.

    Args:
        now: Unix time.
        remembered: Agent (20 bytes), nonce and time of requests that came before the service was started.
    """

    def __init__(self, now: Callable[[], float], remembered: Iterable[tuple[bytes, bytes, int]] = ()) -> None:
        self._now = now
        self._latest = now()
        self._lock = threading.Lock()
        self._seen = {(agent, nonce): time for agent, nonce, time in remembered}
        self._swept = self._latest - 2 * WINDOW

    def admit(self, request: Request) -> None:
        """Take a request, once.

        Raises:
            RequestStale: its time is not the service's.
            RequestReplayed: its agent has used its nonce before.
        """
        with self._lock:
            self._latest = max(self._latest, self._now())  # a clock set back would make old requests fresh again
            if abs(request.time - self._latest) > WINDOW:
                apart = round(request.time - self._latest)
                raise RequestStale(f"the request is {abs(apart)} s {'ahead' if apart > 0 else 'old'}: at most {WINDOW}")
            self._forget()
            if (request.agent, request.nonce) in self._seen:
                raise RequestReplayed("the request came before")
            self._seen[request.agent, request.nonce] = request.time

    def _forget(self) -> None:
        """Drop what is stale anyhow, now and then."""
        if self._latest - self._swept > WINDOW:
            self._seen = {key: time for key, time in self._seen.items() if time >= self._latest - WINDOW}
            self._swept = self._latest
