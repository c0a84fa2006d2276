"""Reading answers of servers that are not trusted: limited in size and in time, as they come, never decompressed."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import ClassVar, Final, TypeVar
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from medrec_py.errors import BlockTooLarge, InvalidInput, MedRecError, StoreTimeout, StoreUnavailable

_PIECE: Final = 1 << 16
_HEADER_NAME: Final = re.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_T = TypeVar("_T")


def is_http(url: str) -> bool:
    """Whether a URL is one of HTTP or HTTPS that can be asked."""
    parts = urlsplit(url)
    try:
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False


def place_of(url: str) -> str:
    """Where a URL leads, without anything secret that it may hold: scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


class Deadline:
    """The time by which a whole answer must be there.

    Attributes:
        late: What is raised when it is not; those here and below are a store's, and others say other things.
        unreachable: What is raised where the server cannot be reached.
        too_large: What is raised where there is more than was asked for.

    Args:
        name: The server, for messages.
        seconds: From now.
    """

    late: ClassVar[type[MedRecError]] = StoreTimeout
    unreachable: ClassVar[type[MedRecError]] = StoreUnavailable
    too_large: ClassVar[type[MedRecError]] = BlockTooLarge

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def passed(self) -> bool:
        """Whether it is too late."""
        return time.monotonic() >= self._end

    def error(self) -> MedRecError:
        """What to raise then."""
        return self.late(f"{self._name} did not answer within {self._seconds:g} s")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what the network says into this package's errors."""
        try:
            yield
        except (urllib3.exceptions.HTTPError, OSError) as error:  # requests' errors are OSErrors
            if self.passed() or _is_timeout(error):
                raise self.error() from error
            raise self.unreachable(f"{self._name} can't be reached: {_innermost(error)}") from error

    def read(
        self, response: urllib3.BaseHTTPResponse, limit: int, moves: Callable[[bytes], bool] | None = None
    ) -> bytes:
        """Reads the body of an answer, keeping no more than ``limit`` bytes and one piece.

        Args:
            response: Not read yet.
            limit: Bytes.
            moves: Told what has come so far, whether the server is getting on; if so, the time starts anew.

        Raises:
            BlockTooLarge: if there is more (``too_large``).
            StoreTimeout: if it isn't there in time.
        """
        data = bytearray()
        while True:
            piece = response.read1(_PIECE, decode_content=False)
            if self.passed():  # also what looks like an end because the watch below hung up
                raise self.error()
            if not piece:
                return bytes(data)
            data += piece
            if len(data) > limit:
                raise self.too_large(f"{self._name} sends more than {limit} bytes")
            if moves is not None and moves(bytes(data)):
                self._end = time.monotonic() + self._seconds


def headers(base: Mapping[str, str], token: str | None, given: Mapping[str, str] | None) -> dict[str, str]:
    """The headers of each request.

    Raises:
        InvalidInput: if one can't be sent, such as a token with the line break of the file that it came from. The
            message names the header and does not show its value.
    """
    secret = {} if token is None else {"Authorization": f"Bearer {token}"}
    together = {**base, **secret, **(given or {})}
    for name, value in together.items():
        if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise InvalidInput(f"the header {name!r} has characters that HTTP can't carry (a line break?)")
    return together


def send(request: Callable[[], _T], deadline: Deadline) -> _T:
    """Sends a request, and once more if the server hung up instead of answering.

    A server may close an idle connection in the moment in which it is used again. Everything that the stores ask for
    can be asked twice.
    """
    try:
        return request()
    except (urllib3.exceptions.ProtocolError, OSError) as error:
        if deadline.passed() or not _hung_up(error):
            raise
    return request()


class _Punctual(HTTPConnection):
    """Hangs up on a server whose headers take longer than the timeout, however busily it sends."""

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        watch = threading.Timer(self.timeout or 0, self._hang_up)
        watch.daemon = True
        watch.start()
        try:
            return super().getresponse()
        finally:
            watch.cancel()

    def _hang_up(self) -> None:
        if (connection := self.sock) is not None:
            with suppress(OSError):  # it may be closed already
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _PunctualTls(_Punctual, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Punctual


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PunctualTls


def pool() -> urllib3.PoolManager:
    """Connections for servers that are not trusted: no retries, no redirects, headers in time."""
    manager = urllib3.PoolManager(retries=False, maxsize=4)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager


def close(manager: urllib3.PoolManager) -> None:
    """Closes the connections now; urllib3 itself leaves that to the garbage collector."""
    for key in manager.pools.keys():  # noqa: SIM118  no mapping for all its looks
        if (one := manager.pools.get(key)) is not None:
            one.close()
    manager.clear()


def _hung_up(error: BaseException) -> bool:
    """Whether the connection was lost, by what urllib3 says or requests wraps."""
    inner = error.args[0] if error.args else None
    return isinstance(error, urllib3.exceptions.ProtocolError) or isinstance(inner, urllib3.exceptions.ProtocolError)


def _is_timeout(error: BaseException) -> bool:
    if isinstance(error, urllib3.exceptions.NewConnectionError):  # urllib3 counts refusals among the timeouts
        return False
    if isinstance(error, (TimeoutError, urllib3.exceptions.TimeoutError)):
        return True
    return any(isinstance(inner, Exception) and _is_timeout(inner) for inner in (*error.args, error.__cause__) if inner)


def _innermost(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__
