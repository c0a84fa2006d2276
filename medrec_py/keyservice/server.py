"""A key service that listens: HTTP on a Unix socket or an address, in this process (the extra ``[service]``).

Each request is small, whole within seconds, and decided in a thread of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from medrec_py import listening
from medrec_py.errors import KeyServiceError, MedRecError, RequestMalformed, RequestTooLarge
from medrec_py.keyservice import faults
from medrec_py.keyservice.client import PATH
from medrec_py.keyservice.request import MAX_REQUEST
from medrec_py.listening import Listener, Tls

__all__ = ["THREADS", "Server", "Tls"]

THREADS: Final = 16
"""Requests that are decided at a time."""

_log: Final = logging.getLogger(__name__)


class Server(Listener):
    """A key service that listens; see ``Listener``.

    Args:
        handle: Answers a request's body, in a thread; raises ``MedRecError`` to refuse.
        address: ``unix:/path/to/socket``, or ``host:port`` (port 0: any that is free).
        tls: For HTTPS.
    """

    def __init__(self, handle: Callable[[bytes], bytes], address: str, tls: Tls | None = None) -> None:
        super().__init__(_application(handle), address, tls, service="key service")


def _application(handle: Callable[[bytes], bytes]) -> Starlette:
    limiter = CapacityLimiter(THREADS)

    async def answer(request: Request) -> Response:
        try:
            body = await listening.read_body(request, MAX_REQUEST, _too_large)
            return _json(HTTPStatus.OK, await to_thread.run_sync(handle, body, limiter=limiter))
        except TimeoutError:
            return _refusal(RequestMalformed(f"the request did not come within {listening.RECEIVE_SECONDS:g} s"))
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except MedRecError as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001 - what it says may hold anything: its kind must do
            return _refusal(KeyServiceError(f"the key service failed ({type(error).__name__})"))

    return Starlette(routes=[Route(PATH, answer, methods=["POST"])])


def _too_large() -> MedRecError:
    return RequestTooLarge(f"a request has at most {MAX_REQUEST} bytes")


def _refusal(error: MedRecError) -> Response:
    _log.info("refused: %s: %s", type(error).__name__, error)
    status, body = faults.encode(error)
    response = _json(status, body)
    if isinstance(error, RequestMalformed):
        response.headers["Connection"] = "close"  # the rest of what comes on it is not worth reading
    return response


def _json(status: HTTPStatus, body: bytes) -> Response:
    return Response(body, status_code=status, media_type="application/json", headers={"Cache-Control": "no-store"})
