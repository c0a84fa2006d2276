"""A wallet that is not here, or is not to be unlocked."""

from __future__ import annotations

from typing import Any

from medrec_py.errors import WalletError


class Locked:
    """A wallet of which only the address is known: it signs nothing.

    Args:
        address: EIP-55.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def sign_transaction(self, _transaction: dict[str, Any], /) -> bytes:
        """Refuses."""
        raise WalletError(f"the wallet of {self.address} is locked")

    def sign_typed_data(self, _document: dict[str, Any], /) -> bytes:
        """Refuses."""
        raise WalletError(f"the wallet of {self.address} is locked")
