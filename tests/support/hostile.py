"""A small HTTP server on the loopback whose answers a test chooses byte for byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Server:
    """A running server.

    Attributes:
        url: ``http://127.0.0.1:PORT``.
        requests: The requests that came, head and body, as far as they had come when the answer began.
        sent: Bytes that the client took, over all answers.
    """

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    sent: int = 0
    stop: threading.Event = field(default_factory=threading.Event)


Answer = Callable[[Server, bytes], Iterator[bytes]]
"""Gives the bytes of an answer, piece by piece, to a request."""


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    """Serves every request with the bytes that ``answer`` yields, then closes the connection.

    Args:
        answer: Gets the server and the request; yields the answer from its status line on. It may take its time by
            ``server.stop.wait(seconds)``, which ends at once when the test does.
    """
    server = Server()
    listener = socket.create_server(("127.0.0.1", 0))
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(20)
            request = _read_request(connection)
            server.requests.append(request)
            for piece in answer(server, request):
                if server.stop.is_set():
                    return
                connection.sendall(piece)
                server.sent += len(piece)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                thread = threading.Thread(target=serve, args=[connection], daemon=True)
                thread.start()
                threads.append(thread)

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        server.stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (accepting, *threads):
            thread.join(10)


_LAST = ("Connection: close",)
"""Said, so that no client sends its next request where nobody listens any more."""


def once(answer: bytes) -> Answer:
    """Answers every request with the same bytes."""

    def reply(server: Server, request: bytes) -> Iterator[bytes]:
        yield answer

    return reply


def ok(body: bytes, *headers: str) -> bytes:
    """A whole answer."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *_LAST, *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def status(code: int, body: bytes = b"", *headers: str) -> bytes:
    """A whole answer of another status."""
    lines = [f"HTTP/1.1 {code} Whatever", f"Content-Length: {len(body)}", *_LAST, *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and (piece := connection.recv(65536)):
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            while len(body) < int(value) and (piece := connection.recv(65536)):
                body += piece
    return head + b"\r\n\r\n" + body
