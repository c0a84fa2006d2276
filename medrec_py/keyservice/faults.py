"""Errors between a key service and its agents: an agent gets the error that it would have got with the keys at hand.

Only the kinds listed here cross. What concerns the service's own node and store crosses without its message, which may
name machines that are no agent's business.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from medrec_py import errors
from medrec_py.chain.reverts import not_permitted
from medrec_py.chain.types import Action, Denial
from medrec_py.crypto import untrusted_json
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.errors import KeyServiceError, KeyServiceUnavailable, MedRecError, NotPermitted
from medrec_py.keyservice.request import Request

_MAX_MESSAGE: Final = 1000

_STATUS: Final[dict[type[MedRecError], HTTPStatus]] = {
    errors.RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.RequestMalformed: HTTPStatus.BAD_REQUEST,
    errors.RequestElsewhere: HTTPStatus.MISDIRECTED_REQUEST,
    errors.RequestNotSigned: HTTPStatus.UNAUTHORIZED,
    errors.RequestStale: HTTPStatus.UNAUTHORIZED,
    errors.RequestReplayed: HTTPStatus.CONFLICT,
    errors.AccountUnwritable: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.NotPermitted: HTTPStatus.FORBIDDEN,
    errors.KeyModuleError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ChainError: HTTPStatus.BAD_GATEWAY,
    errors.StorageError: HTTPStatus.BAD_GATEWAY,
    errors.IntegrityError: HTTPStatus.BAD_GATEWAY,
    errors.FormatError: HTTPStatus.BAD_GATEWAY,
    errors.KeyUnavailable: HTTPStatus.NOT_FOUND,
    errors.NotFound: HTTPStatus.NOT_FOUND,
}

_OF_THE_SERVICE: Final[dict[type[MedRecError], str]] = {
    errors.ChainError: "the key service cannot use its node",
    errors.StorageError: "the key service cannot get a block from its store",
    errors.KeyModuleError: "the key service cannot use its module of keys",
}

_KINDS: Final[tuple[type[MedRecError], ...]] = (
    errors.KeyServiceError,
    errors.KeyServiceUnavailable,
    errors.AccountUnwritable,
    errors.RequestRefused,
    errors.RequestMalformed,
    errors.RequestTooLarge,
    errors.RequestElsewhere,
    errors.RequestNotSigned,
    errors.RequestStale,
    errors.RequestReplayed,
    errors.KeyUnavailable,
    errors.KeysMissing,
    errors.InInbox,
    errors.WrongKey,
    errors.FormatError,
    errors.UnknownSuite,
    errors.IntegrityError,
    errors.BlockMismatch,
    errors.ContentTampered,
    errors.StatementMismatch,
    errors.KeyringMismatch,
    errors.HistoryMismatch,
    errors.EntryMissing,
    errors.EntryAltered,
    errors.EntryExtra,
    errors.StorageError,
    errors.BlockNotFound,
    errors.BlockTooLarge,
    errors.StoreUnavailable,
    errors.StoreTimeout,
    errors.ChainError,
    errors.ChainUnavailable,
    errors.WrongChain,
    errors.NotFound,
    errors.RecordNotFound,
    errors.RecordErased,
    errors.KeyModuleError,
)
_BY_NAME: Final = {kind.__name__: kind for kind in _KINDS}


def name_of(error: MedRecError) -> str:
    """The kind of an error as the account and the wire have it: its own class, or the nearest that they know."""
    if isinstance(error, NotPermitted):
        return type(error).__name__
    return next((kind.__name__ for kind in type(error).__mro__ if kind in _KINDS), KeyServiceError.__name__)


def encode(error: MedRecError) -> tuple[HTTPStatus, bytes]:
    """An error as the service answers it."""
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)
    document: dict[str, Any] = {"type": name_of(error), "message": _message(error)}
    if isinstance(error, NotPermitted):
        values = error.values
        document = {"type": NotPermitted.__name__, "denial": values["denial"].name, "action": values["action"].name}
    return status, json.dumps({"error": document}).encode()


def decode(answer: bytes, request: Request) -> MedRecError:
    """The error that a service answered a request with. It is returned, and for the caller to raise."""
    try:
        document: dict[str, Any] = untrusted_json.loads(answer)["error"]
        if document["type"] == NotPermitted.__name__:
            return _denied(request, Action[document["action"]], Denial[document["denial"]])
        kind, message = _BY_NAME[document["type"]], document["message"]
    except (ValueError, TypeError, KeyError):
        return KeyServiceUnavailable("the key service answers with something else than it should")
    return kind(f"the key service says: {str(message)[:_MAX_MESSAGE]}")


def _denied(request: Request, action: Action, denial: Denial) -> NotPermitted:
    """Made of what was asked, not of what was answered."""
    people = (request.place.patient, request.agent, request.principal)
    patient, agent, principal = map(checksum_address, people)
    return not_permitted(patient, agent, principal, action, denial)


def _message(error: MedRecError) -> str:
    return next((text for kind, text in _OF_THE_SERVICE.items() if isinstance(error, kind)), str(error))
