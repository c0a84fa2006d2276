"""What a program and the page in a browser say to each other while somebody signs, whatever carries it.

The address of the page holds a *token*, which is good once: it is changed for a *session*, which the page keeps to
itself. So an address that was seen by others, in a list of processes for one, opens nothing afterwards; and if somebody
else was quicker, the person sees that, and nothing can be signed for them: only the account's own wallet can.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from medrec_py.errors import PageClosed, SignerTimeout

Answer = Mapping[str, Any]

GRACE_SECONDS: Final = 3.0
"""How long after the page went away it is waited for: it may only be loaded again."""

_TOKEN_BYTES: Final = 32


class Outcome(StrEnum):
    """How a request ended, for the page to show."""

    SIGNED = "signed"
    DECLINED = "declined"
    UNUSABLE = "unusable"
    LATE = "late"


class Conversation:
    """One page's. May be used from several threads; the program asks one thing at a time.

    Attributes:
        token: For the page's address. Secret.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._token: str | None = self.token
        self._session: str | None = None
        self._changed = threading.Condition()
        self._number = 0
        self._request: Mapping[str, Any] | None = None
        self._answer: Answer | None = None
        self._outcome: Outcome | None = None
        self._over = False
        self._left: float | None = None

    # --- the page's side --------------------------------------------------------------------------------------------

    def begin(self, token: str) -> str | None:
        """The session, in exchange for the token; ``None`` for another token, and for the second time."""
        with self._changed:
            if self._token is None or not _same(token, self._token):
                return None
            self._token = None
            self._session = secrets.token_urlsafe(_TOKEN_BYTES)
            return self._session

    def knows(self, session: str) -> bool:
        """Whether a session is the page's."""
        with self._changed:
            return self._session is not None and _same(session, self._session)

    def wait(self, known: int, seconds: float) -> Mapping[str, Any]:
        """Where things stand, as soon as it is not request ``known`` that is asked, or after some seconds."""
        with self._changed:
            self._returned()
            self._changed.wait_for(lambda: self._over or self._current() != known, seconds)
            asked = None if self._request is None else {"number": self._number, **self._request}
            return {"request": asked, "outcome": self._outcome, "over": self._over}

    def answer(self, number: int, answer: Answer) -> bool:
        """Take the answer to a request; ``False`` if that is not asked any more, or was answered."""
        with self._changed:
            self._returned()
            if number != self._current() or self._answer is not None:
                return False
            self._answer = answer
            self._changed.notify_all()
            return True

    def leave(self) -> None:
        """The page goes away: for good, or to be loaded again."""
        with self._changed:
            self._left = time.monotonic()
            self._changed.notify_all()

    def _returned(self) -> None:
        self._left = None

    # --- the program's side -----------------------------------------------------------------------------------------

    def ask(self, request: Mapping[str, Any], seconds: float) -> Answer:
        """Ask, and wait for the answer. `conclude` has to follow.

        Raises:
            SignerTimeout: nobody answered in time.
            PageClosed: the page was closed.
        """
        with self._changed:
            self._number += 1
            self._request, self._answer, self._outcome = request, None, None
            self._changed.notify_all()
            end = time.monotonic() + seconds
            while self._answer is None:
                now = time.monotonic()
                if self._left is not None and now >= self._left + GRACE_SECONDS:
                    raise PageClosed("the page was closed before anything was signed on it")
                if now >= end:
                    raise SignerTimeout(f"nobody signed in the browser within {seconds:g} seconds")
                self._changed.wait(min(end, self._deadline_of_return(end)) - now)
            return self._answer

    def conclude(self, outcome: Outcome) -> None:
        """Tell the page how its answer was taken."""
        with self._changed:
            self._request, self._outcome = None, outcome
            self._changed.notify_all()

    def is_abandoned(self) -> bool:
        """Whether the page went away, and did not come back."""
        with self._changed:
            return self._left is not None and time.monotonic() >= self._left + GRACE_SECONDS

    def end(self) -> None:
        """Tell the page that nothing more will be asked. Ending twice is as once."""
        with self._changed:
            self._over = True
            self._request = None
            self._changed.notify_all()

    # --- private ----------------------------------------------------------------------------------------------------

    def _current(self) -> int:
        return 0 if self._request is None else self._number

    def _deadline_of_return(self, otherwise: float) -> float:
        return otherwise if self._left is None else self._left + GRACE_SECONDS


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())
