"""A node's interface with a test in between, which sees each request before the node does, and may keep it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

Forward = Callable[[], bytes]
Hook = Callable[[str, Forward], bytes | None]


@dataclass
class Between:
    """What stands between.

    Attributes:
        url: Where it listens.
        hook: Called with the method and a function that has the node answer. ``None``: the connection is closed.
        asked: Methods, in order.
        raw: Transactions that were to be handed over, in order.
    """

    url: str = ""
    hook: Hook = lambda _method, forward: forward()
    asked: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)


@contextmanager
def between(node: str) -> Iterator[Between]:
    """Stand in front of a node, over HTTP."""
    there = Between()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = json.loads(body)
            there.asked.append(asked["method"])
            if asked["method"] == "eth_sendRawTransaction":
                there.raw.append(asked["params"][0])
            answer = there.hook(asked["method"], lambda: _ask(node, body))
            if answer is None:
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that was killed is no error here."""

    server = Quiet(("127.0.0.1", 0), Handler)
    there.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _ask(node: str, body: bytes) -> bytes:
    try:
        answer = requests.post(node, data=body, headers={"Content-Type": "application/json"}, timeout=30)
        return answer.content
    except requests.RequestException as error:
        return json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": str(error)}}).encode()
