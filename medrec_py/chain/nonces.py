"""Nonces of the accounts that send through one connection.

A nonce is chosen, its transaction signed and handed over while the account's lock is held, so that threads never share
one; a transaction that the node refuses takes none. Other processes may use the same account: the node's count is asked
each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple


class Signed(NamedTuple):
    """A signed transaction: its hash (0x and 64 digits) and its bytes."""

    hash: str
    raw: bytes


@dataclass(slots=True)
class Account:
    """What is known of one account's nonces.

    Attributes:
        lock: Held while a nonce is chosen, its transaction signed and handed over. Signing may take as long as a person
            takes, so nothing else waits for it.
        mined: The highest nonce that was seen mined, and its transaction.
    """

    lock: Lock = field(default_factory=Lock)
    mined: tuple[int, str] | None = None
    _awaited: dict[int, Signed] = field(default_factory=dict)
    _guard: Lock = field(default_factory=Lock)

    def under_way(self) -> dict[int, Signed]:
        """What was handed over and has no receipt so far, by nonce."""
        with self._guard:
            return dict(self._awaited)

    def sent(self, nonce: int, signed: Signed) -> None:
        """Note that a transaction was handed over, or may have been."""
        with self._guard:
            self._awaited[nonce] = signed

    def done(self, nonce: int, signed: Signed, *, mined: bool) -> None:
        """Note that a transaction was mined, or is not waited for any longer."""
        with self._guard:
            if self._awaited.get(nonce) == signed:
                del self._awaited[nonce]
            if mined and (self.mined is None or nonce > self.mined[0]):
                self.mined = (nonce, signed.hash)


class Nonces:
    """The accounts of one connection."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._accounts: dict[str, Account] = {}

    def of(self, address: str) -> Account:
        """The account, the same object each time."""
        with self._lock:
            return self._accounts.setdefault(address, Account())
