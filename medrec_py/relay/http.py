"""A relayer over HTTP, described by OpenAPI at ``/openapi.json`` (docs/relay.md; the extra ``[relay]``)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from medrec_py import listening
from medrec_py.crypto.signed_decisions import MAX_BUNDLE
from medrec_py.errors import MedRecError
from medrec_py.relay import mail_routes
from medrec_py.relay.refusals import Code, Refusal
from medrec_py.relay.service import Relayer

THREADS: Final = 16
"""Bundles that are checked at a time."""

BYTES_AT_ONCE: Final = 64 << 20
"""Of request bodies that are being received or checked; more is told to come back."""

BODY_SECONDS: Final = 60.0
"""Within which a bundle must have come."""

_T = TypeVar("_T")
_log: Final = logging.getLogger(__name__)


class Taken(BaseModel):
    """A bundle that was taken."""

    id: str
    state: str


class Fault(BaseModel):
    """Why something was refused."""

    code: str
    message: str
    remedy: str
    reason: str | None
    decision: int | None


class Refused(BaseModel):
    """A refusal."""

    error: Fault


class DecisionState(BaseModel):
    """What became of a decision."""

    state: str
    reason: str | None
    error: str | None


class BundleState(BaseModel):
    """What became of a bundle."""

    id: str
    state: str
    transaction: str | None
    block: int | None
    decisions: list[DecisionState]


class Info(BaseModel):
    """What the relayer is, and what it takes."""

    version: str
    chainId: int  # noqa: N815 - JSON's spelling
    contract: str
    relayer: str
    storesBlocks: bool  # noqa: N815
    takesRequests: bool  # noqa: N815
    limits: dict[str, float]


class Health(BaseModel):
    """Whether the relayer can do its work."""

    ok: bool
    node: bool
    queue: int | None
    inFlight: int  # noqa: N815
    balance: str
    draining: bool
    trouble: str | None


class _Room:
    """Bytes of bodies at a time: those that have come, since what is announced costs nobody anything."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = 0

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """Room for one body. What it yields is told of each piece that has come."""
        mine = 0

        def add(size: int) -> None:
            nonlocal mine
            with self._lock:
                if self._held + size > BYTES_AT_ONCE:
                    raise Refusal(Code.BUSY, "the relayer is receiving as much as it can")
                self._held += size
                mine += size

        try:
            yield add
        finally:
            with self._lock:
                self._held -= mine


class _Desk:
    """Receives what clients send, and has it worked on in a thread."""

    def __init__(self, relayer: Relayer, behind_proxy: bool) -> None:
        self._relayer = relayer
        self._behind_proxy = behind_proxy
        self._limiter = CapacityLimiter(THREADS)
        self._room = _Room()

    async def handle(self, request: Request, most: int, work: Callable[[bytes], dict[str, Any]]) -> Response:
        """Admit a request, receive its body of at most ``most`` bytes, and answer 202 with what the work says."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(Code.MEDIA_TYPE, "what is sent here is application/json")
        _require_small(request, most)
        self._relayer.admit(_client(request, self._behind_proxy))
        with self._room.hold() as add:
            body = await listening.read_body(request, most, lambda: _too_large(most), BODY_SECONDS, add)
            return _json(await self.in_thread(work, body), HTTPStatus.ACCEPTED)

    async def ask(self, request: Request, work: Callable[..., dict[str, Any]], *arguments: Any) -> Response:
        """Admit a request without a body, and answer 200 with what the work says."""
        self._relayer.admit(_client(request, self._behind_proxy))
        return _json(await self.in_thread(work, *arguments))

    async def in_thread(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """What the work gives; what it fails with is an error of MedRec's."""
        try:
            return await to_thread.run_sync(work, *arguments, limiter=self._limiter)
        except MedRecError:
            raise
        except Exception as error:  # noqa: BLE001 - what it says may hold anything: its kind must do
            raise _failed(error) from None


def application(relayer: Relayer, *, behind_proxy: bool = False) -> FastAPI:
    """The relayer as an ASGI application.

    Args:
        relayer: Started, and closed after the application is no longer served.
        behind_proxy: Requests come through one proxy, which puts the client's address last into ``X-Forwarded-For``.
    """
    app = FastAPI(title="MedRec relayer", version="1", docs_url=None, redoc_url=None)
    desk = _Desk(relayer, behind_proxy)
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": Refused} for status in sorted({int(one) for one in _STATUSES})
    }

    @app.post(
        "/v1/bundles",
        status_code=HTTPStatus.ACCEPTED,
        response_model=Taken,
        responses=refusals,
        openapi_extra=_BODY,
        summary="Have signed decisions carried out",
    )
    async def post(request: Request) -> Response:
        client = _client(request, behind_proxy)
        return await desk.handle(request, MAX_BUNDLE, lambda body: relayer.take(body, client))

    @app.get(
        "/v1/bundles/{bundle}",
        response_model=BundleState,
        responses={HTTPStatus.NOT_FOUND: {"model": Refused}},
        summary="What became of them",
    )
    async def get(bundle: Annotated[str, Path(pattern="^0x[0-9a-f]{64}$")]) -> Response:
        return _json(await desk.in_thread(relayer.status, bundle))

    @app.get("/v1/info", response_model=Info, summary="What this relayer is and takes")
    async def info() -> Response:
        return _json(relayer.info())

    @app.get("/health", response_model=Health, summary="Whether it can do its work")
    async def health() -> Response:
        is_well, document = await desk.in_thread(relayer.health)
        return _json(document, HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE)

    @app.get("/metrics", response_class=Response, summary="For Prometheus")
    async def metrics() -> Response:
        return Response(
            await desk.in_thread(relayer.measurements), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    if relayer.post_office is not None:
        mail_routes.add_to(app, relayer.post_office, desk, refusals | {404: {"model": Refused}})
    _handle_errors(app)
    return app


# ------------------------------------------------------------------------------------------------------------ private

_STATUSES: Final = (400, 403, 409, 413, 415, 422, 429, 503)
_UNREAD: Final = frozenset(
    {Code.TOO_LARGE, Code.MEDIA_TYPE, Code.BUSY, Code.MALFORMED, Code.QUOTA, Code.DRAINING}
)  # of what is refused so, the body may not have been read
_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "A bundle (docs/format.md §14).",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


def _handle_errors(app: FastAPI) -> None:
    async def refuse(_request: Request, error: Exception) -> Response:
        return _refusal(_as_refusal(error))

    kinds: tuple[type[Exception], ...] = (
        MedRecError,
        RequestValidationError,
        HTTPException,
        TimeoutError,
        ClientDisconnect,
        Exception,
    )
    for kind in kinds:
        app.exception_handler(kind)(refuse)


def _as_refusal(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, HTTPException | RequestValidationError):
        return Refusal(Code.UNKNOWN, "there is nothing there")
    if isinstance(error, TimeoutError | ClientDisconnect):
        return Refusal(Code.MALFORMED, f"the request did not come within {BODY_SECONDS:g} s")
    return _failed(error)


def _failed(error: Exception) -> Refusal:
    _log.error("a request failed: %s", type(error).__name__)
    return Refusal(Code.FAILED, f"the relayer failed ({type(error).__name__})")


def _refusal(refusal: Refusal) -> Response:
    response = _json(refusal.document(), refusal.status)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    if refusal.code in _UNREAD:
        response.headers["Connection"] = "close"  # the rest of what comes on it is not worth reading
    return response


def _json(document: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    return JSONResponse(document, status, headers={"Cache-Control": "no-store"})


def _too_large(most: int) -> MedRecError:
    return Refusal(Code.TOO_LARGE, f"what is sent here has at most {most} bytes")


def _require_small(request: Request, most: int) -> None:
    """Refuse a body that says itself that it is too large."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise _too_large(most)


def _client(request: Request, behind_proxy: bool) -> str | None:
    if behind_proxy:
        return request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip() or None
    return request.client.host if request.client is not None else None
