"""Deciding without sending: what would have been sent is signed, and kept for somebody to send later."""

from __future__ import annotations

from typing import Final, NoReturn

from medrec_py.crypto.signed_decisions import Bundle


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
