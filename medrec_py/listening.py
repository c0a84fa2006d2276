"""A service that listens: HTTP on a Unix socket or an address, in this process.

Slow clients are hung up on, and a service that stops answers what it has begun. What it answers is an ASGI application,
the key service's (``medrec_py.keyservice.server``) or the relayer's (``medrec_py.relay.http``).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import h11
import uvicorn
from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from medrec_py.errors import ConfigurationError, MedRecError
from medrec_py.transport import is_here

CONNECTIONS: Final = 512
"""Connections at a time; further ones are told to come back."""

RECEIVE_SECONDS: Final = 10.0
"""Within which a request's head, and then its body, must have come."""

STOP_SECONDS: Final = 30
"""How long requests that were begun are waited for when the service stops."""

_IDLE_SECONDS: Final = 60
_MAX_HEAD: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate for HTTPS.

    Attributes:
        certificate: PEM file, with the chain.
        key: PEM file.
    """

    certificate: Path
    key: Path


class Listener:
    """A service that listens until it is stopped. Use it as a context manager.

    Args:
        application: What answers (ASGI 3).
        address: ``unix:/path/to/socket``, or ``host:port`` (port 0: any that is free).
        tls: For HTTPS.
        service: What messages call it.

    Attributes:
        address: Where it listens, as a client takes it.

    Raises:
        ConfigurationError: it cannot listen there, or the certificate cannot be used.
    """

    def __init__(self, application: Any, address: str, tls: Tls | None = None, *, service: str) -> None:
        self._socket, self.address = _listen(address, tls, service)
        try:
            config = uvicorn.Config(
                application,
                http=_Punctual,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=CONNECTIONS,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=STOP_SECONDS,
                h11_max_incomplete_event_size=_MAX_HEAD,
                ssl_certfile=None if tls is None else tls.certificate,
                ssl_keyfile=None if tls is None else str(tls.key),
            )
            config.load()
        except (OSError, ssl.SSLError) as error:
            self._socket.close()
            raise ConfigurationError(f"the certificate cannot be used: {error}") from error
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name=f"medrec-{service.replace(' ', '-')}")

    def start(self) -> None:
        """Begin to listen. Connections that come from now on are answered."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, answer those that were begun, and close. Stopping twice is as once."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()
        if self.address.startswith(_UNIX):
            Path(self.address.removeprefix(_UNIX)).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))


async def read_body(
    request: Request,
    limit: int,
    too_large: Callable[[], MedRecError],
    seconds: float | None = None,
    arrived: Callable[[int], None] | None = None,
) -> bytes:
    """The body of a request, which must not take longer than it may.

    Args:
        request: From Starlette.
        limit: Most bytes of it.
        too_large: Makes what is raised where there are more.
        seconds: Within which it must have come; `RECEIVE_SECONDS` unless given.
        arrived: Called with the size of each piece that has come; what it raises ends the reading.

    Raises:
        TimeoutError: it did not come in time.
    """
    reading = _read(request, limit, too_large, arrived)
    return await asyncio.wait_for(reading, RECEIVE_SECONDS if seconds is None else seconds)


# ------------------------------------------------------------------------------------------------------------ private

_UNIX: Final = "unix:"


async def _read(
    request: Request, limit: int, too_large: Callable[[], MedRecError], arrived: Callable[[int], None] | None
) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        if arrived is not None:
            arrived(len(piece))
        body += piece
        if len(body) > limit:
            raise too_large()
    return bytes(body)


class _Punctual(H11Protocol):
    """Hangs up where a request's head takes longer than it may, however busily it comes."""

    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_watch()

    def data_received(self, data: bytes) -> None:
        if self._watch is None:
            self._set_watch()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._drop_watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop_watch()
        super().connection_lost(exc)

    def _set_watch(self) -> None:
        self._watch = self.loop.call_later(RECEIVE_SECONDS, self.transport.abort)

    def _drop_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


def _listen(address: str, tls: Tls | None, service: str) -> tuple[socket.socket, str]:
    try:
        if address.startswith(_UNIX):
            return _listen_unix(Path(address.removeprefix(_UNIX))), address
        host, _, port = address.rpartition(":")
        if tls is None and not is_here(host.strip("[]")):
            raise ValueError("on an address that others reach it needs a certificate")
        if not 0 <= int(port) < 1 << 16:
            raise ValueError(f"{port} is no port")
        listener = socket.create_server((host.strip("[]"), int(port)), family=_family(host))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the {service} cannot listen on {address}: {error}") from error
    where = f"[{host.strip('[]')}]" if ":" in host else host
    return listener, f"{'http' if tls is None else 'https'}://{where}:{listener.getsockname()[1]}"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _listen_unix(path: Path) -> socket.socket:
    """A socket for its owner and group. One that a killed service left behind is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and stat.S_ISSOCK(path.lstat().st_mode) and not _is_answered(path):
            path.unlink()
        before = os.umask(0o117)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(CONNECTIONS)
    except BaseException:
        listener.close()
        raise
    return listener


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError as error:
            return error.errno not in {errno.ECONNREFUSED, errno.ENOENT}
        return True
