"""Requests for access and their answers over HTTP, beside the routes of ``http``."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final, Protocol

from fastapi import FastAPI, Path, Request, Response
from pydantic import BaseModel

from medrec_py.crypto.posting import MAX_POSTING
from medrec_py.relay.post_office import PostOffice


class Desk(Protocol):
    """What receives requests: the one of ``http``."""

    async def handle(self, request: Request, most: int, work: Callable[[bytes], dict[str, Any]]) -> Response:
        """Admit a request, receive its body of at most ``most`` bytes, and answer 202 with what the work says."""

    async def ask(self, request: Request, work: Callable[..., dict[str, Any]], *arguments: Any) -> Response:
        """Admit a request without a body, and answer 200 with what the work says."""


class Posted(BaseModel):
    """A request or an answer that was taken."""

    id: str
    state: str


class OpenRequest(BaseModel):
    """A request that waits for its answer."""

    id: str
    deadline: int
    letter: str


class OpenRequests(BaseModel):
    """The requests that wait for a patient."""

    requests: list[OpenRequest]


class AnswerLetter(BaseModel):
    """The answer to a request."""

    request: str
    letter: str


def add_to(app: FastAPI, office: PostOffice, desk: Desk, refusals: dict[int | str, Any]) -> None:
    """Add the routes.

    Args:
        app: The relayer's.
        office: Takes and gives.
        desk: Receives.
        refusals: How OpenAPI describes a refusal, by status.
    """

    @app.post(
        "/v1/requests",
        status_code=HTTPStatus.ACCEPTED,
        response_model=Posted,
        responses=refusals,
        openapi_extra=_BODY,
        summary="Ask a patient for access",
    )
    async def post_request(request: Request) -> Response:
        return await desk.handle(request, MAX_POSTING, office.take_request)

    @app.get(
        "/v1/requests/{patient}",
        response_model=OpenRequests,
        responses={status: refusals[status] for status in (400, 429, 503)},
        summary="What waits for a patient, sealed",
    )
    async def get_requests(request: Request, patient: Annotated[str, Path(pattern="^0x[0-9a-fA-F]{40}$")]) -> Response:
        return await desk.ask(request, office.requests, patient)

    @app.post(
        "/v1/answers",
        status_code=HTTPStatus.ACCEPTED,
        response_model=Posted,
        responses=refusals,
        openapi_extra=_BODY,
        summary="Answer a request",
    )
    async def post_answer(request: Request) -> Response:
        return await desk.handle(request, MAX_POSTING, office.take_answer)

    @app.get(
        "/v1/answers/{request_id}",
        response_model=AnswerLetter,
        responses={status: refusals[status] for status in (404, 429, 503)},
        summary="What was answered, sealed",
    )
    async def get_answer(request: Request, request_id: Annotated[str, Path(pattern="^0x[0-9a-f]{64}$")]) -> Response:
        return await desk.ask(request, office.answer, bytes.fromhex(request_id[2:]))


_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "A posting (docs/format.md §15).",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
