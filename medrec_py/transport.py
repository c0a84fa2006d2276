"""How a client reaches a service of MedRec's: a Unix socket, or HTTP. No redirects, no proxies, limits on all."""

from __future__ import annotations

import ipaddress
import socket
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection

from medrec_py.errors import InvalidInput, MedRecError

_PIECE: Final = 1 << 14
_UNIX: Final = "unix:"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        status: Of HTTP.
        body: Whole.
    """

    status: int
    body: bytes


class Transport:
    """Connections to one service. May be shared between threads.

    Args:
        address: ``unix:/path/to/socket``, ``https://host:port``, or ``http://`` on this machine.
        timeout: Seconds until a request is given up.
        service: What messages call it.
        unavailable: What is raised where there is no answer.

    Raises:
        InvalidInput: the address cannot be used.
    """

    def __init__(self, address: str, timeout: float, service: str, unavailable: type[MedRecError]) -> None:
        self._address = address
        self._timeout = timeout
        self._service = service
        self._unavailable = unavailable
        self._pool = _pool(address, service)

    def post(self, path: str, body: bytes, limit: int) -> Reply:
        """Send a request.

        Args:
            path: Of the URL.
            body: JSON.
            limit: Most bytes of the answer.

        Raises:
            The error for a service that is unavailable: there is no answer, not in time, or it is larger.
        """
        return self._request("POST", path, body, limit)

    def get(self, path: str, limit: int) -> Reply:
        """Ask for something. Arguments and errors as for ``post``."""
        return self._request("GET", path, None, limit)

    def _request(self, method: str, path: str, body: bytes | None, limit: int) -> Reply:
        end = time.monotonic() + self._timeout
        try:
            response = self._pool.urlopen(
                method,
                path,
                body=body,
                headers={} if body is None else {"Content-Type": "application/json"},
                timeout=urllib3.Timeout(total=self._timeout),
                retries=False,
                preload_content=False,
            )
            with response:
                return Reply(response.status, self._read(response, limit, end))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unavailable(
                f"no answer from the {self._service} at {self._address}: {_reason(error)}"
            ) from error

    def close(self) -> None:
        """Close the connections. Closing twice is as once."""
        self._pool.close()

    def _read(self, response: urllib3.BaseHTTPResponse, limit: int, end: float) -> bytes:
        data = bytearray()
        while piece := response.read1(_PIECE, decode_content=False):
            data += piece
            if len(data) > limit:
                raise self._unavailable(f"the {self._service} at {self._address} sends more than {limit} bytes")
            if time.monotonic() > end:
                raise TimeoutError(f"not all of it came within {self._timeout:g} s")
        return bytes(data)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket in place of a host."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self.timeout)
            connection.connect(self._path)
        except BaseException:
            connection.close()
            raise
        self.sock = connection


class _UnixPool(urllib3.HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", maxsize=4)
        self._path = path

    def _new_conn(self) -> _UnixConnection:
        return _UnixConnection(self._path)


def _pool(address: str, service: str) -> urllib3.HTTPConnectionPool:
    if address.startswith(_UNIX):
        if not address.removeprefix(_UNIX).startswith("/"):
            raise InvalidInput("the address of a socket is unix: and the whole path, as in unix:/run/medrec/keys.sock")
        return _UnixPool(address.removeprefix(_UNIX))
    parts = urlsplit(address)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.username
    ):
        raise InvalidInput(f"the address of a {service} is unix:/path, https://host:port, or http:// on this machine")
    if parts.scheme == "http" and not is_here(parts.hostname):
        raise InvalidInput(f"a {service} on another machine is reached by https: over http anybody may answer for it")
    return urllib3.connection_from_url(address, maxsize=4)


def is_here(host: str) -> bool:
    """Whether a host is this machine by its name alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(error: BaseException) -> str:
    while isinstance(error.__context__, Exception):
        error = error.__context__
    return str(error) or type(error).__name__
