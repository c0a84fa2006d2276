"""Serves the page on which a person signs, to this machine alone: HTTP on the loopback, at a port of chance.

What is refused, and why:

- another ``Host`` than the address that was opened: a name of somebody else's that leads here (DNS rebinding);
- a request of another origin than the page's, and every call without the session that the page alone has;
- bodies that are long, requests that are slow, and more of them at a time than a page makes.

The page may load nothing from elsewhere, run no script but its own, and stand in no frame (Content-Security-Policy).
Nothing is logged.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, ClassVar, Final

from medrec_py.wallets.connection import parsed
from medrec_py.wallets.conversation import Conversation

HOST: Final = "127.0.0.1"
MAX_BODY: Final = 1 << 16
"""Bytes: a signature, even of an account with code, has less."""

_REQUEST_SECONDS: Final = 10.0
_WAIT_SECONDS: Final = 20.0
_CHECKING_SECONDS: Final = 5.0  # for the program to look at an answer
_AT_ONCE: Final = 16
_CLOSING_SECONDS: Final = 2.0

_FILES: Final[Mapping[str, tuple[str, str]]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/sign.js": ("sign.js", "text/javascript; charset=utf-8"),
    "/sign.css": ("sign.css", "text/css; charset=utf-8"),
}

_HEADERS: Final[Mapping[str, str]] = {
    # `data:` is for the pictures that wallets announce themselves with (EIP-6963).
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    # With popups: some wallets open a window of their own.
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class PageServer:
    """The page, served until it is closed.

    Args:
        conversation: What the page and the program say to each other.

    Attributes:
        origin: ``http://127.0.0.1:PORT``.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._server = _Server(conversation)
        self.origin = self._server.origin
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The page's address. Secret: the token stands behind ``#``, which browsers send to no server."""
        return f"{self.origin}/#{self._conversation.token}"

    def close(self) -> None:
        """Tell the page that it is over, and serve no more. Closing twice is as once."""
        self._conversation.end()
        self._server.drain(_CLOSING_SECONDS)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = False
    request_queue_size = 2 * _AT_ONCE

    def __init__(self, conversation: Conversation) -> None:
        super().__init__((HOST, 0), _Handler)
        self.conversation = conversation
        self.host = f"{HOST}:{self.server_address[1]}"
        self.origin = f"http://{self.host}"
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        self._idle = threading.Condition()
        self._busy = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a request, unless too many are served already."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a request in a thread of its own."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Count an answer as being given: browsers also open connections on which they ask nothing."""
        with self._idle:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def drain(self, seconds: float) -> None:
        """Let what is being answered be answered."""
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0, seconds)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no news."""


class _Refused(Exception):
    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _REQUEST_SECONDS
    server_version = "MedRec"
    sys_version = ""
    protocol_version = "HTTP/1.0"  # a connection a request: none is held open

    def do_GET(self) -> None:
        """The three files of the page."""
        self._answer(self._file)

    def do_POST(self) -> None:
        """What the page says."""
        self._answer(self._call)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Logs nothing."""

    def end_headers(self) -> None:
        """Every answer, of an error too, has the headers that protect the page."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def _answer(self, make: Callable[[], tuple[str, bytes]]) -> None:
        with self.server.answering():
            self._answer_by(make)

    def _answer_by(self, make: Callable[[], tuple[str, bytes]]) -> None:
        try:
            self._require_here()
            kind, body = make()
            status = HTTPStatus.OK
        except _Refused as refused:
            status, kind, body = refused.status, "application/json", b"{}"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _require_here(self) -> None:
        """Only the page itself asks, under the address that was opened."""
        if self.headers.get_all("Host") != [self.server.host]:
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST)
        origins = self.headers.get_all("Origin") or []
        needed = self.command == "POST"
        if any(origin != self.server.origin for origin in origins) or (needed and len(origins) != 1):
            raise _Refused(HTTPStatus.FORBIDDEN)

    def _file(self) -> tuple[str, bytes]:
        if self.path not in _FILES:
            raise _Refused(HTTPStatus.NOT_FOUND)
        name, kind = _FILES[self.path]
        return kind, files("medrec_py.wallets").joinpath("page", name).read_bytes()

    def _call(self) -> tuple[str, bytes]:
        document = self._document()
        if self.path == "/api/begin":
            session = self.server.conversation.begin(_text(document, "token"))
            if session is None:
                raise _Refused(HTTPStatus.FORBIDDEN)
            return _json({"session": session})
        if not self.server.conversation.knows(self.headers.get("X-MedRec-Session", "")):
            raise _Refused(HTTPStatus.FORBIDDEN)
        call = self._CALLS.get(self.path)
        if call is None:
            raise _Refused(HTTPStatus.NOT_FOUND)
        return _json(call(self, document))

    def _wait(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.server.conversation.wait(_number(document, "known"), _WAIT_SECONDS)

    def _take(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        number = _number(document, "number")
        if "signature" in document:
            answer: dict[str, Any] = {"signature": _text(document, "signature")}
        else:
            answer = {"code": _number(document, "code"), "message": _text(document, "message")}
        if not self.server.conversation.answer(number, answer):
            raise _Refused(HTTPStatus.CONFLICT)
        return self.server.conversation.wait(number, _CHECKING_SECONDS)

    def _leave(self, _document: Mapping[str, Any]) -> Mapping[str, Any]:
        self.server.conversation.leave()
        return {}

    _CALLS: ClassVar[Mapping[str, Callable[[_Handler, Mapping[str, Any]], Mapping[str, Any]]]] = {
        "/api/wait": _wait,
        "/api/answer": _take,
        "/api/leave": _leave,
    }

    def _document(self) -> Mapping[str, Any]:
        if self.headers.get_content_type() != "application/json" or "Transfer-Encoding" in self.headers:
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        size = self.headers.get("Content-Length", "")
        if not (size.isascii() and size.isdigit()):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED)
        if int(size[:8]) > MAX_BODY or len(size) > 8:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            document = parsed(self.rfile.read(int(size)))
        except TimeoutError:
            raise _Refused(HTTPStatus.REQUEST_TIMEOUT) from None
        if not isinstance(document, dict):
            raise _Refused(HTTPStatus.BAD_REQUEST)
        return document


def _json(document: Mapping[str, Any]) -> tuple[str, bytes]:
    return "application/json", json.dumps(document).encode()


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise _Refused(HTTPStatus.BAD_REQUEST)
    return value


def _number(document: Mapping[str, Any], name: str) -> int:
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Refused(HTTPStatus.BAD_REQUEST)
    return value
