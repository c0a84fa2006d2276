"""JSON-RPC 2.0 over HTTP with a wallet that is not trusted.

Each request has a deadline and each answer a largest size; redirects are not followed; nothing is asked twice, since a
person may be asked there. The URL may hold a key: messages, and what is chained to errors, show its host alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import count
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import urllib3

from medrec_py import limited_http
from medrec_py.crypto import untrusted_json
from medrec_py.errors import (
    AccountUnknown,
    InvalidInput,
    MethodUnknown,
    SignerError,
    SignerMalformed,
    SignerRefused,
    SignerTimeout,
    SignerUnavailable,
    SigningDeclined,
)
from medrec_py.limited_http import Deadline, is_http, place_of

APPROVAL_SECONDS: Final = 300.0
"""How long an answer is waited for unless the caller says otherwise: a person may have to find the device first."""

MAX_ANSWER: Final = 1 << 20
"""Bytes. The largest transaction that nodes pass on has 128 KiB, and Clef returns it twice, in hexadecimal digits."""

MAX_REASON: Final = 500
"""Characters that are kept of what a wallet says of itself."""

_MOST_BRACKETS: Final = 2000
_DECLINED: Final = re.compile(
    r"request denied|(user|owner) (has )?(rejected|denied|declined|cancell?ed)", re.IGNORECASE
)
_ACCOUNT: Final = re.compile(
    r"unknown account|no signer available|no private key|account .*(not found|not available)|could not find .*account"
    r"|sender doesn't have|sender account not recognized",
    re.IGNORECASE,
)
_METHOD: Final = re.compile(r"method .*(not found|not supported|not exist|not available)", re.IGNORECASE)


class _SignerDeadline(Deadline):
    late = SignerTimeout
    unreachable = SignerUnavailable
    too_large = SignerMalformed


class Connection:
    """Requests to one wallet. May be shared between threads.

    Args:
        url: Of HTTP or HTTPS.
        headers: Sent with each request, ``Authorization`` for instance.
        timeout: Seconds until a request is given up.

    Attributes:
        name: The wallet, for messages.

    Raises:
        InvalidInput: the URL, a header or the timeout cannot be used.
    """

    def __init__(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout: float = APPROVAL_SECONDS
    ) -> None:
        if not is_http(url):
            raise InvalidInput("a wallet's URL must begin with http:// or https://")
        if "@" in urlsplit(url).netloc:
            raise InvalidInput("a wallet's URL must not hold a user's name: give it as the header Authorization")
        if not timeout > 0:
            raise InvalidInput("the timeout must be more than zero seconds")
        self.name = f"the wallet at {place_of(url)}"
        base = {"Content-Type": "application/json", "Accept": "application/json"}
        self._headers = limited_http.headers(base, None, headers)
        self._url = url
        self._timeout = timeout
        self._numbers = count(1)

    def ask(self, method: str, *params: Any) -> Any:
        """Send a request, once, and return its result as JSON has it.

        Raises:
            SignerUnavailable: there is no answer, or not in time.
            SignerMalformed: the answer is none of JSON-RPC, or too long.
            SignerRefused: the wallet refuses.
        """
        number = next(self._numbers)
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
        try:
            status, octets = self._post(body)
        except SignerError as error:
            trouble = error
        else:
            return self._result(method, number, status, octets)
        # Outside of the clause, and without its cause: what urllib3 raises shows the URL, which may hold a key.
        trouble.__cause__ = trouble.__context__ = None
        raise trouble.with_traceback(None)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """Send the request over a connection of its own.

        One that is kept may be closed from over there just when it is used again, and nobody could tell whether the
        request was seen. It is closed from here: Ganache, told to close it, now and then forgets to answer first.
        """
        deadline, pool = _SignerDeadline(self.name, self._timeout), limited_http.pool()
        try:
            with deadline.errors():
                response = pool.urlopen(
                    "POST",
                    self._url,
                    body=body,
                    headers=self._headers,
                    timeout=urllib3.Timeout(total=self._timeout),
                    redirect=False,
                    retries=False,
                    preload_content=False,
                )
                with response:
                    return response.status, deadline.read(response, MAX_ANSWER)
        finally:
            limited_http.close(pool)

    def _result(self, method: str, number: int, status: int, octets: bytes) -> Any:
        answer = parsed(octets)
        error = answer.get("error") if isinstance(answer, dict) else None
        if error is not None:  # some say so under another status than 200
            self._refuse(method, error)
        if status != 200:
            raise SignerUnavailable(f"{self.name} answered HTTP {status} to {method}")
        if not isinstance(answer, dict) or answer.get("id") != number or "result" not in answer:
            raise SignerMalformed(f"{self.name} did not answer {method} in JSON-RPC")
        return answer["result"]

    def _refuse(self, method: str, error: Any) -> NoReturn:
        details = error if isinstance(error, dict) else {}
        reason = str(details.get("message", ""))[:MAX_REASON] or "no reason is given"
        code = details.get("code")
        code = code if isinstance(code, int) and not isinstance(code, bool) else 0
        raise refusal(code, reason)(f"{self.name} refused {method}: {reason}", code, reason)


def refusal(code: int, reason: str) -> type[SignerRefused]:
    """The error of a wallet's no: by its code where that is one of EIP-1193 or JSON-RPC, else by what wallets write."""
    by_code = {4001: SigningDeclined, 4100: AccountUnknown, 4200: MethodUnknown, -32601: MethodUnknown}
    if code in by_code:
        return by_code[code]
    by_text = ((_DECLINED, SigningDeclined), (_ACCOUNT, AccountUnknown), (_METHOD, MethodUnknown))
    return next((kind for pattern, kind in by_text if pattern.search(reason)), SignerRefused)


def parsed(octets: bytes) -> Any:
    """What JSON of somebody who is not trusted says; ``None`` if it is none, or nests as nothing does that is meant.

    Python's own limit does not always help: py-evm raises it for the whole process, to where the stack ends first.
    """
    if octets.count(b"[") + octets.count(b"{") > _MOST_BRACKETS:
        return None
    try:
        return untrusted_json.loads(octets)
    except ValueError:
        return None
