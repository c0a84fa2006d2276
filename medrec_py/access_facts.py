"""What a request for access says, as applications read it: the same for whoever asked and whoever was asked."""

from __future__ import annotations

from medrec_py.chain.types import address_of
from medrec_py.crypto.access_request import AccessRequest
from medrec_py.purposes import Purpose, purposes_in


class AccessFacts:
    """Base of both sides' views of a request."""

    __slots__ = ()

    @property
    def id(self) -> str:
        """What it is called: 0x and 64 digits."""
        return self._request.id

    @property
    def requester(self) -> str:
        """Who asks, and signed, EIP-55."""
        return address_of(self._request.requester)

    @property
    def on_behalf_of(self) -> str:
        """Who would be granted, EIP-55."""
        return address_of(self._request.on_behalf_of)

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """What for."""
        return purposes_in(self._request.purposes)

    @property
    def expiry(self) -> int:
        """First second after the permission that is asked for, Unix time."""
        return self._request.expiry

    @property
    def deadline(self) -> int:
        """Last second at which it waits for an answer, Unix time."""
        return self._request.deadline

    @property
    def _request(self) -> AccessRequest:
        raise NotImplementedError
