"""Blocks from a trustless gateway: anybody's HTTP server that hands out raw blocks, read-only.

Nothing it says is believed. A block is asked for as raw bytes and compared with its CID; no more than a block is read;
redirects are refused, so a gateway can't send this client to other hosts.

Standard: https://specs.ipfs.tech/http-gateways/trustless-gateway/ (raw blocks).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NoReturn
from urllib.parse import urlsplit

import urllib3

from medrec_py import limited_http
from medrec_py.errors import BlockNotFound, InvalidInput, StoreReadOnly, StoreTimeout, StoreUnavailable
from medrec_py.storage.cid import Cid, Unverified
from medrec_py.storage.dag import BLOCK_LIMIT, Block
from medrec_py.storage.store import BlockStore


class GatewayStore(BlockStore):
    """A trustless gateway, read-only.

    Warning: whoever runs it sees which blocks you fetch, and when. An address that came from somebody else (a
    provider's profile) makes this machine send requests wherever they say.

    Note: Kubo's gateway answers at ``127.0.0.1``, but redirects ``localhost`` to a host for each CID, which is refused.

    Args:
        url: ``https://HOST`` or ``http://HOST:PORT``, with the path before ``/ipfs/`` if it has one.
        token: Bearer token for each request.
        headers: Further HTTP headers for each request.
        timeout: Seconds for connecting, and for each whole answer.

    Raises:
        InvalidInput: if the address can't be used. Nothing is connected yet.
    """

    writable = False

    def __init__(
        self, url: str, *, token: str | None = None, headers: Mapping[str, str] | None = None, timeout: float = 10.0
    ) -> None:
        if timeout <= 0:
            raise InvalidInput("the timeout must be positive")
        self._base = _base(url)
        accept = {"Accept": "application/vnd.ipld.raw", "Accept-Encoding": "identity"}
        self._headers = limited_http.headers(accept, token, headers)
        self._timeout = timeout
        self._pool = limited_http.pool()
        self.name = f"gateway {self._base}"

    def has(self, cid: Cid) -> bool:
        """Whether the gateway says that it can hand out this block."""
        try:
            self._ask("HEAD", cid)
        except BlockNotFound:
            return False
        return True

    def pin(self, cid: Cid) -> NoReturn:
        """Always raises ``StoreReadOnly``."""
        raise StoreReadOnly(f"{self.name} can only be read, so {cid} can't be pinned there")

    def unpin(self, cid: Cid) -> NoReturn:
        """Always raises ``StoreReadOnly``."""
        raise StoreReadOnly(f"{self.name} can only be read, so {cid} can't be unpinned there")

    def close(self) -> None:
        """Closes the connections."""
        limited_http.close(self._pool)

    def _fetch(self, cid: Cid) -> Unverified:
        return Unverified(self._ask("GET", cid))

    def _store(self, blocks: Iterable[Block], roots: Sequence[Cid] | None = None) -> NoReturn:  # noqa: ARG002
        raise StoreReadOnly(f"{self.name} can only be read")

    def _ask(self, method: str, cid: Cid) -> bytes:
        deadline = limited_http.Deadline(self.name, self._timeout)
        with deadline.errors():
            request = partial(
                self._pool.request,
                method,
                f"{self._base}/ipfs/{cid}?format=raw",
                headers=self._headers,
                timeout=urllib3.Timeout(connect=self._timeout, read=self._timeout),
                redirect=False,
                preload_content=False,
            )
            response = limited_http.send(request, deadline)
            try:
                if response.status == 200:
                    return deadline.read(response, BLOCK_LIMIT)
            finally:
                response.close()
        raise self._refusal(cid, response)

    def _refusal(self, cid: Cid, response: urllib3.BaseHTTPResponse) -> Exception:
        """The error that an answer other than 200 means."""
        status = response.status
        if status in (404, 410):
            return BlockNotFound(f"{self.name} does not have {cid}")
        if status == 504:
            return StoreTimeout(f"{self.name} did not find {cid} in time")
        if 300 <= status < 400:
            where = response.headers.get("Location", "nowhere")
            return StoreUnavailable(f"{self.name} redirects to {where[:200]!r}, which is not followed")
        return StoreUnavailable(f"{self.name} answers {status} for {cid}")


def _base(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"not the address of a gateway: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidInput("the address of a gateway is https://HOST or http://HOST:PORT")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidInput("give headers rather than credentials or options in the address of a gateway")
    return url.rstrip("/")
