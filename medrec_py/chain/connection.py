"""The connection to a node, and the errors of nodes as MedRec's own.

Everything else in this package talks to the chain through `Chain`, which sends plain JSON-RPC requests: that keeps the
node's own error data, which the formatters of web3 drop or reshape, and spares the cost of formatting every log. It
works the same over a URL and over the caller's own ``Web3`` with whatever provider and middleware it has.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Mapping
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeVar

import requests
from requests.adapters import HTTPAdapter
from web3 import HTTPProvider, Web3
from web3.exceptions import ExtraDataLengthError, Web3RPCError
from web3.middleware import AttributeDictMiddleware, ExtraDataToPOAMiddleware
from web3.types import RPCEndpoint

from medrec_py.chain.answers import (
    Block,
    MalformedAnswer,
    Mined,
    Sent,
    to_block,
    to_block_time,
    to_bytes,
    to_count,
    to_int,
    to_mined,
    to_sent,
)
from medrec_py.chain.nonces import Nonces
from medrec_py.chain.types import BlockId
from medrec_py.errors import ChainUnavailable, InvalidInput, WrongChain
from medrec_py.limited_http import is_http, place_of

_T = TypeVar("_T")

TIMEOUT_SECONDS = 30.0
CONFIRMATIONS = 12
"""How deep a block must lie to count as final on a chain whose nodes do not tell."""

RETRIES = 5
"""How often a read is repeated, unless the caller says otherwise; that takes up to four seconds."""

_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 0.125, 10.0
_CONNECTIONS = 32
_NEVER_REPEATED = ("eth_send", "eth_sign")


class NodeError(ChainUnavailable):
    """The node answered a request with an error of its own.

    Attributes:
        code: JSON-RPC error code; zero if it gave none.
        reason: The node's own message.
        revert: What the contract reverted with, if the node ran a call and it reverted; empty if it reverted without
            data.
    """

    def __init__(self, message: str, reason: str = "", code: int = 0, revert: bytes | None = None) -> None:
        super().__init__(message)
        self.reason = reason or message
        self.code = code
        self.revert = revert


class NodeUnreachable(ChainUnavailable):
    """No connection to the node comes about, or it breaks."""


class NodeTimeout(ChainUnavailable):
    """The node did not answer in time."""

    remedy = "Try again, raise the timeout, or use another node."


class NodeFailed(ChainUnavailable):
    """The node, or what stands before it, answered with another status than HTTP 200.

    Attributes:
        status: Of HTTP.
        wait: Seconds after which it wants to be asked again, if it said so.
    """

    def __init__(self, message: str, status: int, wait: float | None) -> None:
        super().__init__(message)
        self.status = status
        self.wait = wait


class RateLimited(ChainUnavailable):
    """The node refuses requests for now because there were too many.

    Attributes:
        wait: Seconds after which it wants to be asked again, if it said so.
    """

    remedy = "Wait, raise the limit with the node's operator, or use a node of your own."

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class Chain:
    """A chain, seen through one node. May be shared between threads.

    Attributes:
        web3: The connection.
        chain_id: EIP-155 chain id.
        confirmations: How deep a block must lie to count as final; ``None``: as the node says, else `CONFIRMATIONS`.
        nonces: Of the accounts that send through this object.
    """

    def __init__(
        self, web3: Web3, *, chain_id: int | None = None, confirmations: int | None = None, retries: int = 0
    ) -> None:
        """Take over a connection.

        Args:
            web3: The caller's own. Its provider, headers, timeouts and middleware are used as they are; on a
                proof-of-authority chain ``ExtraDataToPOAMiddleware`` is put in if it is missing: without it web3 reads
                no block there.
            chain_id: The chain that it is expected to be.
            confirmations: See the class.
            retries: How often a read is repeated while the node cannot be reached or is overloaded. Sending never is.

        Raises:
            ChainUnavailable: the node does not answer.
            WrongChain: it serves another chain than expected.
        """
        self.web3 = web3
        self.confirmations = confirmations
        self.nonces = Nonces()
        self._retries = retries
        self._session: requests.Session | None = None
        self._injecting = Lock()
        self.chain_id = self.ask(to_count, "eth_chainId")
        if chain_id is not None:
            self.require_chain(chain_id)

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_SECONDS,
        chain_id: int | None = None,
        confirmations: int | None = None,
        retries: int = RETRIES,
    ) -> Self:
        """Connect to a node over HTTP or HTTPS.

        Args:
            url: Of its JSON-RPC interface. It may hold a key, so messages show its host alone.
            headers: Sent with each request, ``Authorization`` for instance. Redirects are not followed, so nobody else
                gets them.
            timeout: Seconds until a request is given up.
            chain_id: The chain that it is expected to be.
            confirmations: See the class.
            retries: How often a read is repeated while the node cannot be reached or is overloaded. Sending never is.

        Raises:
            InvalidInput: the URL is not one of HTTP or HTTPS.
            ChainUnavailable: the node does not answer.
            WrongChain: it serves another chain than expected.
        """
        if not is_http(url):
            raise InvalidInput(
                "a node's URL must begin with http:// or https://; for other transports give your own Web3"
            )
        # One session for all threads: those that web3 makes, one for each thread, leave timers behind that keep the
        # process alive.
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))
        provider = HTTPProvider(
            url,
            {
                "timeout": timeout,
                "headers": {**HTTPProvider.get_request_headers(), **(headers or {})},
                "allow_redirects": False,
            },
            session,
            None,  # no repetition by web3, which would repeat sending as well
        )
        # Without web3's validation, which asks for the chain id twice beside each call, to compare it with one in the
        # call. No call here names one; what is signed does, and the chain is looked at when the connection is made.
        web3 = Web3(provider, middleware=[(AttributeDictMiddleware, "attrdict")])
        try:
            chain = cls(web3, chain_id=chain_id, confirmations=confirmations, retries=retries)
        except BaseException:
            session.close()
            raise
        chain._session = session
        return chain

    def close(self) -> None:
        """Close the connections that `connect` opened. The caller's own ``Web3`` is left alone."""
        if self._session is not None:
            self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.chain_id} at {self.node}>"

    @property
    def node(self) -> str:
        """Where the node is, without anything secret that its URL may hold: scheme, host and port."""
        url = getattr(self.web3.provider, "endpoint_uri", None)
        if not isinstance(url, str):
            return type(self.web3.provider).__name__.lstrip("_")
        return place_of(url)

    # --- requests ---------------------------------------------------------------------------------

    def request(self, method: str, *params: Any) -> Any:
        """Send a JSON-RPC request and return its result as JSON has it.

        Raises:
            NodeError: the node answered with an error.
            RateLimited: it wants fewer requests.
            ChainUnavailable: it did not answer, or not in JSON-RPC.
        """
        retries = 0 if method.startswith(_NEVER_REPEATED) else self._retries
        for attempt in range(retries):
            try:
                return self._ask(method, params)
            except ChainUnavailable as error:
                wait = _worth_repeating(method, error, attempt)
                if wait is None:
                    raise
            time.sleep(wait)
        return self._ask(method, params)

    def ask(self, read: Callable[[Any], _T], method: str, *params: Any) -> _T:
        """Send a JSON-RPC request and have its result read by one of `medrec_py.chain.answers`.

        Raises:
            MalformedAnswer: the result is not what the method has to return.
            ChainUnavailable: see `request`.
        """
        answer = self.request(method, *params)
        try:
            return read(answer)
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise MalformedAnswer(
                f"the node at {self.node} answered {method} with something that cannot be used: {error}"
            ) from error

    def _ask(self, method: str, params: tuple[Any, ...]) -> Any:
        try:
            return self._through_web3(method, params)
        except Exception as error:  # noqa: BLE001 - providers and middleware of a caller's own may raise anything
            trouble = self._trouble(method, error)
        # Outside of the clause, so that nothing is chained: what requests and others raise shows the whole URL, with
        # the key that it may hold, in every traceback.
        raise trouble

    def _trouble(self, method: str, error: Exception) -> ChainUnavailable:
        """What went wrong, without anything of the cause's own text but the node's words."""
        if isinstance(error, Web3RPCError):
            return self._node_error(method, error)
        if isinstance(error, requests.HTTPError) and error.response is not None:
            return self._http_error(method, error.response)
        if isinstance(error, requests.Timeout):
            return NodeTimeout(f"the node at {self.node} did not answer {method} in time")
        if isinstance(error, requests.ConnectionError):
            return NodeUnreachable(f"the node at {self.node} cannot be reached")
        return from_eth_tester(error) or ChainUnavailable(
            f"the node at {self.node} gave no answer to {method} that can be used: {type(error).__name__}"
        )

    def _through_web3(self, method: str, params: tuple[Any, ...]) -> Any:
        manager = self.web3.manager
        try:
            return manager.request_blocking(RPCEndpoint(method), list(params))
        except ExtraDataLengthError:  # a proof-of-authority chain, whose blocks carry signatures in that field
            with self._injecting:
                if ExtraDataToPOAMiddleware not in self.web3.middleware_onion:
                    self.web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
            return manager.request_blocking(RPCEndpoint(method), list(params))

    def _node_error(self, method: str, error: Web3RPCError) -> ChainUnavailable:
        details: Any = (error.rpc_response or {}).get("error")
        if not isinstance(details, Mapping):
            details = {"message": str(details or error)}
        reason = str(details.get("message", ""))
        code = details.get("code")
        code = code if isinstance(code, int) else 0
        message = f"the node at {self.node} refused {method}: {reason}"
        if code == 429 or re.search(r"rate limit|too many requests|request limit|per second", reason, re.IGNORECASE):
            return RateLimited(message)
        return NodeError(message, reason, code, _revert_data(code, reason, details.get("data")))

    def _http_error(self, method: str, response: requests.Response) -> ChainUnavailable:
        status = response.status_code
        message = f"the node at {self.node} answered HTTP {status} to {method}"
        asked = response.headers.get("Retry-After", "")
        wait = min(float(asked), _LONGEST_RETRY_SECONDS) if asked.isdecimal() else None
        if status == 429:
            return RateLimited(message, wait)
        # What the client did wrong is final; of a server's failure nobody knows whether the request was carried out.
        return NodeError(message, f"HTTP {status}") if 400 <= status < 500 else NodeFailed(message, status, wait)

    # --- reads ------------------------------------------------------------------------------------

    def require_chain(self, chain_id: int) -> None:
        """Make sure that the node serves the chain.

        Raises:
            WrongChain: it serves another one.
        """
        served = self.ask(to_count, "eth_chainId")
        if served != chain_id:
            raise WrongChain(f"the node at {self.node} serves chain {served}, not chain {chain_id}")

    def block(self, block: BlockId = "latest") -> Block:
        """A block by number, hash or tag.

        Raises:
            NodeError: there is no such block.
        """
        by_hash = isinstance(block, str) and len(block) == 66
        method = f"eth_getBlockBy{'Hash' if by_hash else 'Number'}"
        found = self.ask(to_block, method, to_block_id(block), False)
        if found is None:
            raise NodeError(f"the node at {self.node} has no block {block}")
        return found

    def block_number(self) -> int:
        """The number of the latest block."""
        return self.ask(to_count, "eth_blockNumber")

    def now(self) -> int:
        """The chain's clock: its latest block's, Unix time. Transactions are judged by the next block's."""
        return self.block().timestamp

    def next_time(self) -> int | None:
        """The time that the next block would have if the node made it now; ``None`` where it does not say."""
        try:
            return self.ask(to_block_time, "eth_getBlockByNumber", "pending", False)
        except (NodeError, MalformedAnswer):
            return None

    def final_block(self) -> Block:
        """The newest block that is not expected to be reorganised away.

        That is ``confirmations`` below the latest where they are set, else what the node calls ``finalized``, else,
        where the node knows no such thing, `CONFIRMATIONS` below the latest.
        """
        confirmations = self.confirmations
        if confirmations is None:
            try:
                return self.block("finalized")
            except NodeError:
                confirmations = CONFIRMATIONS
        return self.block(max(0, self.block_number() - confirmations))

    def code(self, address: str, block: BlockId = "latest") -> bytes:
        """The code at an address; empty if it has none."""
        return self.ask(to_bytes, "eth_getCode", address, to_block_id(block))

    def balance(self, address: str) -> int:
        """The balance of an account in wei."""
        return self.ask(to_int, "eth_getBalance", address, "latest")

    def transaction_count(self, address: str, block: BlockId = "pending") -> int:
        """How many transactions an account has sent; with ``pending`` those that wait are counted too."""
        return self.ask(to_count, "eth_getTransactionCount", address, to_block_id(block))

    def call(self, transaction: Mapping[str, Any], block: BlockId = "latest") -> bytes:
        """Run a call without sending it.

        Raises:
            NodeError: it reverted (``revert`` is set), or the node refused.
        """
        return self.ask(to_bytes, "eth_call", dict(transaction), to_block_id(block))

    def receipt(self, transaction: str) -> Mined | None:
        """The receipt of a transaction; ``None`` if it is not mined."""
        return self.ask(to_mined, "eth_getTransactionReceipt", transaction)

    def transaction(self, transaction: str) -> Sent | None:
        """A transaction, mined or waiting; ``None`` if the node has none of that hash."""
        return self.ask(to_sent, "eth_getTransactionByHash", transaction)


def _worth_repeating(method: str, error: ChainUnavailable, attempt: int) -> float | None:
    """How many seconds to wait before a read is repeated; ``None`` if that would not help."""
    if isinstance(error, NodeTimeout):
        # Once: Ganache for one loses requests when many come at a time. But whoever asks for logs asks for fewer.
        return 0.0 if attempt == 0 and method != "eth_getLogs" else None
    wait = min(_RETRY_SECONDS * 2**attempt, _LONGEST_RETRY_SECONDS)
    if isinstance(error, RateLimited) or (isinstance(error, NodeFailed) and error.status in {502, 503, 504}):
        return wait if error.wait is None else error.wait
    return wait if isinstance(error, NodeUnreachable) else None


def to_block_id(block: BlockId) -> str:
    """A block as a parameter of JSON-RPC."""
    return hex(block) if isinstance(block, int) else block


# --- what nodes say of reverts --------------------------------------------------------------------


def _revert_data(code: int, reason: str, data: Any) -> bytes | None:
    """What a call reverted with, from the shapes in which nodes tell it; ``None`` if it did not revert.

    geth, Anvil: ``{"code": 3, "data": "0x…"}``. Ganache: ``data`` for a call, ``data.result`` for an estimate.
    Nethermind: ``"data": "Reverted 0x…"``. Gateways put an object of their own around it.
    """
    return _hex_in(data) or (b"" if code == 3 or re.search(r"\brevert", reason, re.IGNORECASE) else None)


def _hex_in(data: Any) -> bytes | None:
    if isinstance(data, Mapping):
        candidates = (data[key] for key in ("result", "return", "output", "data", "originalError") if data.get(key))
        return next((found for found in map(_hex_in, candidates) if found is not None), None)
    if not isinstance(data, str):
        return None
    match = re.search(r"0x((?:[0-9a-fA-F]{2})*)$", data.strip())
    return bytes.fromhex(match[1]) if match else None


def from_eth_tester(error: BaseException) -> NodeError | None:
    """What eth-tester and py-evm raise in place of answering, as a node's error; ``None`` for anything else."""
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    text = str(error)
    if "web3.ContractLogicError" in names:
        return NodeError(f"the call reverted: {text}", text, revert=_hex_in(getattr(error, "data", None)) or b"")
    if "eth_tester.TransactionFailed" in names:
        return NodeError(f"the call reverted: {text}", text, revert=_tester_revert(error))
    if names & {"eth_utils.ValidationError", "eth_tester.ValidationError", "eth_tester.BlockNotFound"}:
        return NodeError(f"the chain refused: {text}", text)
    return None


def _tester_revert(error: BaseException) -> bytes:
    """The revert data, which eth-tester raises as bytes and web3's provider turns into the text of a Python literal."""
    original = error.__context__
    for candidate in (*(original.args if original is not None else ()), *error.args):
        if isinstance(candidate, bytes):
            return candidate
        match = re.search(r"b(['\"]).*\1$", str(candidate), re.DOTALL)
        if match:
            octets: bytes = ast.literal_eval(match[0])
            return octets
    return b""
