"""A relayer as its clients have it: signed decisions go to it over HTTP, and it pays for them (docs/relay.md)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

from medrec_py.chain.reverts import decode_revert
from medrec_py.crypto import untrusted_json
from medrec_py.crypto.access_request import AccessRequest
from medrec_py.crypto.posting import Posting
from medrec_py.crypto.signed_decisions import Bundle
from medrec_py.errors import (
    AnsweredAlready,
    BundleRefused,
    ContractError,
    MailRefused,
    QuotaExceeded,
    RelayerUnavailable,
    RelayTimeout,
)
from medrec_py.mail import ANSWERS, MAX_LIST, REQUESTS, Waiting, read_answer, read_waiting
from medrec_py.transport import Reply, Transport

BUNDLES: Final = "/v1/bundles"
INFO: Final = "/v1/info"
TIMEOUT: Final = 30.0
"""Seconds until a request is given up."""
PATIENCE: Final = 180.0
"""Seconds until a bundle that is not mined is given up."""

_MAX_ANSWER: Final = 1 << 20
_POLL_FIRST, _POLL_LONGEST = 0.1, 2.0


class BundleState(StrEnum):
    """What became of a bundle."""

    WAITING = "waiting"
    """The relayer has it and has sent nothing yet."""
    SENT = "sent"
    """It is in a transaction that is not mined yet."""
    DONE = "done"
    """All of it was carried out."""
    REFUSED = "refused"
    """The contract refused something of it."""
    EXPIRED = "expired"
    """Its deadline passed before it was sent."""


@dataclass(frozen=True, slots=True)
class BundleStatus:
    """What a relayer says of a bundle.

    Attributes:
        id: Of the bundle, 0x and 64 digits.
        state: What became of it.
        transaction: Hash of the transaction that it is in; ``None`` if there is none yet.
        refusals: Place of a decision → why the contract refused it.
    """

    id: str
    state: BundleState
    transaction: str | None
    refusals: Mapping[int, ContractError]


class RelayerClient:
    """A relayer.

    It is trusted with nothing but to be there: it can withhold what it is given, and change none of it. Sending the
    same bundle again, to the same or to another relayer, is as once. May be shared between threads::

        net = medrec.connect(url, contract=address, store=folder, relayer="https://relay.example")

    Args:
        address: ``https://host:port``, ``unix:/path/to/socket``, or ``http://`` on this machine.
        timeout: Seconds until a request is given up.
        patience: Seconds that ``carry`` waits for a bundle to be mined.

    Raises:
        InvalidInput: the address cannot be used.
    """

    def __init__(self, address: str, *, timeout: float = TIMEOUT, patience: float = PATIENCE) -> None:
        self._transport = Transport(address, timeout, "relayer", RelayerUnavailable)
        self._patience = patience

    @cached_property
    def keeps_blocks(self) -> bool:
        """Whether it stores the blocks of a bundle.

        Raises:
            RelayerUnavailable: it does not answer.
        """
        return bool(self.info().get("storesBlocks"))

    def info(self) -> Mapping[str, Any]:
        """What it says of itself: chain, contract, the account that pays, limits.

        Raises:
            RelayerUnavailable: it does not answer.
        """
        return self._answer(self._transport.get(INFO, _MAX_ANSWER))

    def submit(self, bundle: Bundle) -> BundleStatus:
        """Hand a bundle over, without waiting.

        Raises:
            ContractError: the contract would refuse it; the class says why.
            QuotaExceeded: the relayer has done enough for this patient, or for this client, for now.
            BundleRefused: it does not take it for another reason.
            RelayerUnavailable: it does not answer.
        """
        return self._status(bundle.id, self._answer(self._transport.post(BUNDLES, bundle.to_json(), _MAX_ANSWER)))

    def status(self, bundle: str) -> BundleStatus:
        """What became of a bundle.

        Args:
            bundle: Its id, 0x and 64 digits.

        Raises:
            BundleRefused: the relayer does not know it.
            RelayerUnavailable: it does not answer.
        """
        return self._status(bundle, self._answer(self._transport.get(f"{BUNDLES}/{bundle}", _MAX_ANSWER)))

    def carry(self, bundle: Bundle) -> str:
        """As ``Courier``: hand a bundle over, and wait until it was carried out.

        Raises:
            ContractError: the contract refused one of the decisions.
            RelayTimeout: it is not mined yet.
            BundleRefused: the relayer did not take it, or its deadline has passed.
            RelayerUnavailable: the relayer does not answer.
        """
        end = time.monotonic() + self._patience
        status, delay = self.submit(bundle), _POLL_FIRST
        if status.state not in {BundleState.WAITING, BundleState.SENT}:  # known before: the answer has no outcome in it
            status = self.status(bundle.id)
        while status.state in {BundleState.WAITING, BundleState.SENT}:
            remaining = end - time.monotonic()
            if remaining <= 0:
                raise RelayTimeout(
                    f"the relayer has not carried out {bundle.id} within {self._patience:g} s", bundle.id
                )
            time.sleep(min(delay, remaining))
            delay = min(delay * 1.5, _POLL_LONGEST)
            status = self._status(bundle.id, self._polled(bundle.id))
        return self._transaction(status)

    # --- mail -------------------------------------------------------------------------------------

    def post(self, posting: Posting[Any]) -> None:
        """As ``Mail``: hand over a request for access, or an answer to one."""
        path = REQUESTS if isinstance(posting.message, AccessRequest) else ANSWERS
        self._mail(self._transport.post(path, posting.to_json(), _MAX_ANSWER))

    def waiting_for(self, patient: str) -> Sequence[Waiting]:
        """As ``Mail``: the requests for access that wait for a patient."""
        return read_waiting(self._mail(self._transport.get(f"{REQUESTS}/{patient}", MAX_LIST)))

    def answer_to(self, request: bytes) -> bytes | None:
        """As ``Mail``: the answer to a request for access."""
        reply = self._transport.get(f"{ANSWERS}/0x{request.hex()}", _MAX_ANSWER)
        if reply.status == HTTPStatus.NOT_FOUND:
            return None
        return read_answer(self._mail(reply))

    def close(self) -> None:
        """Close the connections. Closing twice is as once."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _mail(self, reply: Reply) -> Mapping[str, Any]:
        try:
            return self._answer(reply)
        except BundleRefused as error:
            kind = AnsweredAlready if reply.status == HTTPStatus.CONFLICT else MailRefused
            raise kind(str(error)) from None
        except ContractError as error:  # no contract is asked about mail
            raise RelayerUnavailable("the relayer answers about mail with a refusal of the contract's") from error

    def _polled(self, bundle: str) -> Mapping[str, Any]:
        """The relayer's answer; a moment's absence is a state of waiting, for it keeps what it took."""
        try:
            return self._answer(self._transport.get(f"{BUNDLES}/{bundle}", _MAX_ANSWER))
        except RelayerUnavailable:
            return {"id": bundle, "state": BundleState.WAITING}

    def _transaction(self, status: BundleStatus) -> str:
        if status.state is BundleState.EXPIRED:
            raise BundleRefused(f"the deadline of {status.id} passed before the relayer had sent it")
        for refusal in status.refusals.values():
            raise refusal
        if status.state is not BundleState.DONE or status.transaction is None:
            raise RelayerUnavailable(f"the relayer says that {status.id} is {status.state}, and not why")
        return status.transaction

    def _status(self, bundle: str, answer: Mapping[str, Any]) -> BundleStatus:
        try:
            if answer["id"] != bundle:
                raise ValueError(bundle)
            decisions = answer.get("decisions") or []
            reasons = {place: one["reason"] for place, one in enumerate(decisions) if one.get("state") == "refused"}
            return BundleStatus(
                bundle,
                BundleState(answer["state"]),
                _hash(answer.get("transaction")),
                {place: decode_revert(_octets(reason)) for place, reason in reasons.items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RelayerUnavailable("the relayer answers with something that is no state of a bundle") from error

    def _answer(self, reply: Reply) -> Mapping[str, Any]:
        try:
            document = untrusted_json.loads(reply.body)
            if not isinstance(document, dict):
                raise TypeError(document)
            if reply.status < HTTPStatus.BAD_REQUEST:
                return document
            fault = document["error"]
            message, reason = str(fault["message"]), fault.get("reason")
            if reason is not None:
                raise decode_revert(_octets(reason))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RelayerUnavailable(f"the relayer answers HTTP {reply.status} with something else") from error
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise QuotaExceeded(f"the relayer says: {message}")
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RelayerUnavailable(f"the relayer says: {message}")
        raise BundleRefused(f"the relayer says: {message}")


def _octets(written: Any) -> bytes:
    if not isinstance(written, str) or not written.startswith("0x"):
        raise ValueError(written)
    return bytes.fromhex(written[2:])


def _hash(written: Any) -> str | None:
    if written is None:
        return None
    if len(_octets(written)) != 32:
        raise ValueError(written)
    return str(written)
