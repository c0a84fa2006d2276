"""Why a relayer does not take a bundle: a code for each reason, with its HTTP status and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from medrec_py.errors import BundleRefused


class Code(StrEnum):
    """Reasons. They never change their meaning."""

    MALFORMED = "malformed"
    TOO_LARGE = "too-large"
    MEDIA_TYPE = "media-type"
    ELSEWHERE = "elsewhere"
    DEADLINE = "deadline"
    SIGNATURE = "signature"
    CONTRACT = "contract"
    GAS = "gas"
    BLOCKS = "blocks"
    STANDING = "standing"
    ANSWERED = "answered"
    QUOTA = "quota"
    UNKNOWN = "unknown"
    NODE = "node"
    STORE = "store"
    QUEUE = "queue"
    FUNDS = "funds"
    DRAINING = "draining"
    BUSY = "busy"
    FAILED = "failed"


STATUS: Final[Mapping[Code, HTTPStatus]] = {
    Code.MALFORMED: HTTPStatus.BAD_REQUEST,
    Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.ELSEWHERE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.DEADLINE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.SIGNATURE: HTTPStatus.FORBIDDEN,
    Code.CONTRACT: HTTPStatus.CONFLICT,
    Code.GAS: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.BLOCKS: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.STANDING: HTTPStatus.FORBIDDEN,
    Code.ANSWERED: HTTPStatus.CONFLICT,
    Code.QUOTA: HTTPStatus.TOO_MANY_REQUESTS,
    Code.UNKNOWN: HTTPStatus.NOT_FOUND,
    Code.NODE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.STORE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.QUEUE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.FUNDS: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.DRAINING: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_LATER: Final = "Send the same again later, or through another relayer: sending it twice is as once."
REMEDIES: Final[Mapping[Code, str]] = {
    Code.MALFORMED: "Use the same version of medrec-py on both sides, and put each decision into a bundle once.",
    Code.TOO_LARGE: "Send fewer decisions or blocks at once; store blocks yourself.",
    Code.MEDIA_TYPE: "Send application/json.",
    Code.ELSEWHERE: "Use a relayer of the deployment that the decisions were signed for.",
    Code.DEADLINE: "Have it signed again with a later deadline, and compare this machine's clock with the chain's.",
    Code.SIGNATURE: "Have the account that is named sign it, for this chain, contract and patient.",
    Code.CONTRACT: "The reason is the contract's own: what was decided has to change, or was decided already.",
    Code.GAS: "Send fewer decisions at once; an account with code has to check signatures with less gas.",
    Code.BLOCKS: "Store the blocks yourself and send the decisions without them.",
    Code.STANDING: "Ask as an accredited provider, or as an agent that one has named; the registrar accredits.",
    Code.ANSWERED: "An answer is given once. To decide otherwise, grant or revoke.",
    Code.QUOTA: "Wait, use another relayer, or send the decisions yourself.",
    Code.UNKNOWN: "Send the bundle: this relayer does not have it, or has forgotten it after its time.",
    Code.NODE: _LATER,
    Code.STORE: _LATER,
    Code.QUEUE: _LATER,
    Code.FUNDS: "Use another relayer, or send the decisions yourself; its operator has to send it ether.",
    Code.DRAINING: _LATER,
    Code.BUSY: _LATER,
    Code.FAILED: "Report it to the relayer's operator.",
}

RETRY_SECONDS: Final = 5
"""After which it is worth asking again where the relayer itself is in trouble."""


class Refusal(BundleRefused):
    """A relayer says no.

    Attributes:
        code: Why.
        decision: Place of the decision in the bundle that is to blame, if one is.
        reason: What the contract reverted with, ABI-encoded, if it did.
        retry_after: Seconds after which it is worth asking again; ``None`` if it is not.
    """

    remedy = "Do what the relayer's answer says."

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        decision: int | None = None,
        reason: bytes | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.decision = decision
        self.reason = reason
        unavailable = STATUS[code] is HTTPStatus.SERVICE_UNAVAILABLE
        self.retry_after = RETRY_SECONDS if retry_after is None and unavailable else retry_after

    @property
    def status(self) -> HTTPStatus:
        """Of HTTP."""
        return STATUS[self.code]

    def document(self) -> dict[str, Any]:
        """The answer's body."""
        return {
            "error": {
                "code": self.code.value,
                "message": str(self),
                "remedy": REMEDIES[self.code],
                "reason": None if self.reason is None else "0x" + self.reason.hex(),
                "decision": self.decision,
            }
        }
