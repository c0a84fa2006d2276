"""Mail between providers and patients: requests for access, and answers, by whoever keeps them until they are fetched.

Whoever carries it is trusted with nothing: it can withhold mail, and neither make it nor read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from medrec_py.crypto.posting import Posting
from medrec_py.crypto.signed_decisions import read_base64, read_hexadecimal
from medrec_py.errors import FormatError, RelayerUnavailable

REQUESTS: Final = "/v1/requests"
ANSWERS: Final = "/v1/answers"
MAX_LIST: Final = 4 << 20
"""Bytes of the longest list of requests that is read."""

_DIGEST_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits, as a relayer says. Nothing of it is verified.

    Attributes:
        id: What the relayer calls it: 32 bytes.
        letter: Sealed.
    """

    id: bytes
    letter: bytes = field(repr=False)


@runtime_checkable
class Mail(Protocol):
    """Carries mail; ``RelayerClient`` does."""

    def post(self, posting: Posting[Any]) -> None:
        """Hand over a request or an answer. The same one again is as once.

        Raises:
            AnsweredAlready: another answer to the request was given.
            MailRefused: it is not taken.
            RelayerUnavailable: nobody answers.
        """

    def waiting_for(self, patient: str) -> Sequence[Waiting]:
        """What waits for a patient.

        Args:
            patient: Patient id, EIP-55.

        Raises:
            MailRefused, RelayerUnavailable: as ``post``.
        """

    def answer_to(self, request: bytes) -> bytes | None:
        """The letter that answers a request; ``None`` if there is none.

        Args:
            request: Digest of the request, 32 bytes.

        Raises:
            MailRefused, RelayerUnavailable: as ``post``.
        """


def read_waiting(document: Mapping[str, Any]) -> list[Waiting]:
    """What a relayer answers when it is asked what waits.

    Raises:
        RelayerUnavailable: it is something else.
    """
    try:
        return [_waiting(one) for one in document["requests"]]
    except (AttributeError, FormatError, KeyError, TypeError) as error:
        raise RelayerUnavailable("the relayer answers with something that is no list of requests") from error


def read_answer(document: Mapping[str, Any]) -> bytes:
    """What a relayer answers when it is asked for an answer. Raises as ``read_waiting``."""
    try:
        return read_base64(document["letter"])
    except (FormatError, KeyError) as error:
        raise RelayerUnavailable("the relayer answers with something that is no answer to a request") from error


def _waiting(one: Mapping[str, Any]) -> Waiting:
    digest = read_hexadecimal(one["id"])
    if len(digest) != _DIGEST_SIZE:
        raise FormatError("an id of a request has 32 bytes")
    return Waiting(digest, read_base64(one["letter"]))
