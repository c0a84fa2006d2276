"""Deciding without sending: what would have been sent is signed, and kept for somebody to send later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, NoReturn

from medrec_py.crypto.signed_decisions import Bundle
from medrec_py.errors import InvalidInput
from medrec_py.ledger import Ledger


class Kept(Exception):
    """What was decided lies in the drawer.

    Attributes:
        bundle: It.
    """

    def __init__(self, bundle: Bundle) -> None:
        super().__init__("signed, and not sent")
        self.bundle = bundle


class Drawer:
    """A courier that carries nothing: the first bundle that it is given ends the work with ``Kept``."""

    keeps_blocks: Final = True

    def carry(self, bundle: Bundle) -> NoReturn:
        """Keep it."""
        raise Kept(bundle)


def sign_only(ledger: Ledger, decide: Callable[[Ledger], object], valid: timedelta) -> Bundle:
    """Sign what would be sent, and send nothing.

    Args:
        ledger: Chain and store.
        decide: Takes one decision with the ledger that it is given.
        valid: How long the signatures count.

    Raises:
        InvalidInput: ``valid`` is not positive, nothing was decided, or the wallet has to send it itself.
    """
    seconds = int(valid.total_seconds())
    if seconds <= 0:
        raise InvalidInput("signatures must count for a second at least")
    try:
        decide(ledger.only_signing(Drawer(), seconds))
    except Kept as kept:
        return kept.bundle
    raise InvalidInput("nothing was decided, so there is nothing to sign")
