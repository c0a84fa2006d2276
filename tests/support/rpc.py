"""A node over HTTP: JSON-RPC in front of a chain in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from medrec_py.chain.connection import Chain
from tests.support.hostile import Server, ok

CLOSE = "Connection: close"
"""The server closes the connection behind each answer; a client that is not told so may use it again."""


def rpc(result: Any) -> bytes:
    """An answer with a result."""
    octets = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}, default=lambda value: "0x" + bytes(value).hex())
    return ok(octets.encode(), CLOSE)


def in_front_of(chain: Chain) -> Callable[[Server, bytes], Iterator[bytes]]:
    """What answers for a chain, for ``serving``."""

    def reply(server: Server, request: bytes) -> Iterator[bytes]:
        asked = json.loads(request.partition(b"\r\n\r\n")[2])
        yield rpc(chain.request(asked["method"], *asked.get("params", ())))

    return reply
