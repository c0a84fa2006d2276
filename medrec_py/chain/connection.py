"""The connection to a node, and the errors of nodes as MedRec's own.

Everything else in this package talks to the chain through `Chain`, which sends plain JSON-RPC requests: that keeps the node's own
error data, which the formatters of web3 drop or reshape, and spares the cost of formatting every log. It works the same over a URL and over the caller's
own ``Web3`` with whatever provider and middleware it has.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from web3 import HTTPProvider, Web3
from web3.exceptions import ExtraDataLengthError, Web3Exception, Web3RPCError
from web3.middleware import AttributeDictMiddleware, ExtraDataToPOAMiddleware, ValidationMiddleware
from web3.types import RPCEndpoint

from medrec_py.chain.nonces import Nonces
from medrec_py.chain.types import BlockId
from medrec_py.errors import ChainUnavailable, InvalidInput, WrongChain

TIMEOUT_SECONDS = 30.0
CONFIRMATIONS = 12
"""How deep a block must lie to count as final on a chain whose nodes do not tell."""

_RETRIES = 5
_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 0.125, 10.0
_CONNECTIONS = 32


class NodeError(ChainUnavailable):
    """The node answered a request with an error of its own.

    Attributes:
        code: JSON-RPC error code; zero if it gave none.
        reason: The node's own message.
        revert: What the contract reverted with, if the node ran a call and it reverted; empty if it reverted without data.
    """

    def __init__(self, message: str, reason: str = "", code: int = 0, revert: bytes | None = None) -> None:
        super().__init__(message)
        self.reason = reason or message
        self.code = code
        self.revert = revert


class RateLimited(ChainUnavailable):
    """The node refuses requests for now because there were too many."""

    remedy = "Wait, raise the limit with the node's operator, or use a node of your own."


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header, as far as it is needed.

    Attributes:
        number: Its height.
        hash: 0x and 64 hexadecimal digits.
        timestamp: Unix time.
        base_fee: Wei per gas (EIP-1559); ``None`` on a chain without.
        gas_limit: Of all its transactions together.
    """

    number: int
    hash: str
    timestamp: int
    base_fee: int | None
    gas_limit: int


class Chain:
    """A chain, seen through one node. May be shared between threads.

    Attributes:
        web3: The connection.
        chain_id: EIP-155 chain id.
        confirmations: How deep a block must lie to count as final; ``None``: as the node says, else `CONFIRMATIONS`.
        nonces: Of the accounts that send through this object.
    """

    def __init__(self, web3: Web3, *, chain_id: int | None = None, confirmations: int | None = None) -> None:
        """Take over a connection.

        Args:
            web3: The caller's own. Its provider, headers, timeouts and middleware are used as they are.
            chain_id: The chain that it is expected to be.
            confirmations: See the class.

        Raises:
            ChainUnavailable: the node does not answer.
            WrongChain: it serves another chain than expected.
        """
        self.web3 = web3
        self.confirmations = confirmations
        self.nonces = Nonces()
        self.chain_id = to_int(self.request("eth_chainId"))
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
    ) -> Self:
        """Connect to a node over HTTP or HTTPS. Reads are repeated up to five times when it does not answer; sending never is.

        Args:
            url: Of its JSON-RPC interface. It may hold a key, so messages show its host alone.
            headers: Sent with each request, ``Authorization`` for instance.
            timeout: Seconds until a request is given up.
            chain_id: The chain that it is expected to be.
            confirmations: See the class.

        Raises:
            InvalidInput: the URL is not one of HTTP or HTTPS.
            ChainUnavailable: the node does not answer.
            WrongChain: it serves another chain than expected.
        """
        if urlsplit(url).scheme not in {"http", "https"}:
            raise InvalidInput(
                "a node's URL must begin with http:// or https://; for other transports give your own Web3"
            )
        provider = HTTPProvider(
            url,
            request_kwargs={
                "timeout": timeout,
                "headers": {**HTTPProvider.get_request_headers(), **(headers or {})},
                "allow_redirects": False,  # or headers with keys would go wherever the node says
            },
            exception_retry_configuration=ExceptionRetryConfiguration(
                errors=(requests.ConnectionError, requests.HTTPError, requests.Timeout),
                retries=_RETRIES,
                backoff_factor=_RETRY_SECONDS,
                method_allowlist=_RETRIED,
            ),
        )
        web3 = Web3(provider, middleware=[(AttributeDictMiddleware, "attrdict"), (ValidationMiddleware, "validation")])
        return cls(web3, chain_id=chain_id, confirmations=confirmations)

    def __repr__(self) -> str:
        return f"<Chain {self.chain_id} at {self.node}>"

    @property
    def node(self) -> str:
        """Where the node is, without anything secret that its URL may hold: scheme, host and port."""
        url = getattr(self.web3.provider, "endpoint_uri", None)
        if not isinstance(url, str):
            return type(self.web3.provider).__name__
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")

    # ----------------------------------------------------------------------------------------------------------- requests

    def request(self, method: str, *params: Any) -> Any:
        """Send a JSON-RPC request.

        Raises:
            NodeError: the node answered with an error.
            RateLimited: it answered HTTP 429, or an error that says as much.
            ChainUnavailable: it did not answer, or not in JSON-RPC.
        """
        try:
            return self._request(method, params)
        except Web3RPCError as error:
            raise self._node_error(method, error) from error
        except requests.HTTPError as error:
            status = error.response.status_code
            kind = RateLimited if status == 429 else ChainUnavailable
            raise kind(f"the node at {self.node} answered HTTP {status} to {method}") from error
        except (Web3Exception, requests.RequestException, OSError, ValueError) as error:
            tester = from_eth_tester(error)
            if tester is not None:
                raise tester from error
            raise ChainUnavailable(f"the node at {self.node} does not answer {method}: {_brief(error)}") from error
        except Exception as error:
            tester = from_eth_tester(error)
            if tester is None:
                raise
            raise tester from error

    def _request(self, method: str, params: tuple[Any, ...]) -> Any:
        try:
            return self.web3.manager.request_blocking(RPCEndpoint(method), list(params))
        except ExtraDataLengthError:  # a proof-of-authority chain, whose blocks carry signatures there
            self.web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
            return self.web3.manager.request_blocking(RPCEndpoint(method), list(params))

    def _node_error(self, method: str, error: Web3RPCError) -> ChainUnavailable:
        response = error.rpc_response or {}
        details: Any = response.get("error")
        if not isinstance(details, Mapping):
            details = {"message": str(details or error)}
        reason = str(details.get("message", ""))
        code = details.get("code")
        code = code if isinstance(code, int) else 0
        message = f"the node at {self.node} refused {method}: {reason}"
        if code == 429 or re.search(r"rate limit|too many requests|request limit|per second", reason, re.IGNORECASE):
            return RateLimited(message)
        return NodeError(message, reason, code, _revert_data(code, reason, details.get("data")))

    # -------------------------------------------------------------------------------------------------------------- reads

    def require_chain(self, chain_id: int) -> None:
        """Make sure that the node serves the chain.

        Raises:
            WrongChain: it serves another one.
        """
        served = to_int(self.request("eth_chainId"))
        if served != chain_id or self.chain_id != chain_id:
            raise WrongChain(f"the node at {self.node} serves chain {served}, not chain {chain_id}")

    def block(self, block: BlockId = "latest") -> Block:
        """A block by number, hash or tag.

        Raises:
            NodeError: there is no such block.
        """
        by_hash = isinstance(block, str) and len(block) == 66
        found = self.request(f"eth_getBlockBy{'Hash' if by_hash else 'Number'}", to_block_id(block), False)
        if found is None:
            raise NodeError(f"the node at {self.node} has no block {block}")
        base_fee = found.get("baseFeePerGas")
        return Block(
            to_int(found["number"]),
            to_hex(found["hash"]),
            to_int(found["timestamp"]),
            None if base_fee is None else to_int(base_fee),
            to_int(found["gasLimit"]),
        )

    def block_number(self) -> int:
        """The number of the latest block."""
        return to_int(self.request("eth_blockNumber"))

    def now(self) -> int:
        """The chain's clock: the time of its latest block, Unix time. Expiries are judged by the clock of the *next* one."""
        return self.block().timestamp

    def final_block(self) -> Block:
        """The newest block that is not expected to be reorganised away.

        That is ``confirmations`` below the latest where they are set, else what the node calls ``finalized``, else, where the node
        knows no such thing, `CONFIRMATIONS` below the latest.
        """
        confirmations = self.confirmations
        if confirmations is None:
            try:
                return self.block("finalized")
            except NodeError:
                confirmations = CONFIRMATIONS
        return self.block(max(0, self.block().number - confirmations))

    def code(self, address: str, block: BlockId = "latest") -> bytes:
        """The code at an address; empty if it has none."""
        return to_bytes(self.request("eth_getCode", address, to_block_id(block)))

    def balance(self, address: str) -> int:
        """The balance of an account in wei."""
        return to_int(self.request("eth_getBalance", address, "latest"))

    def transaction_count(self, address: str, block: BlockId = "pending") -> int:
        """How many transactions an account has sent; with ``pending`` those that wait are counted too."""
        return to_int(self.request("eth_getTransactionCount", address, to_block_id(block)))

    def call(self, transaction: Mapping[str, Any], block: BlockId = "latest") -> bytes:
        """Run a call without sending it.

        Raises:
            NodeError: it reverted (``revert`` is set), or the node refused.
        """
        return to_bytes(self.request("eth_call", dict(transaction), to_block_id(block)))

    def receipt(self, transaction: str) -> Mapping[str, Any] | None:
        """The receipt of a transaction as the node gives it; ``None`` if it is not mined."""
        found: Mapping[str, Any] | None = self.request("eth_getTransactionReceipt", transaction)
        return found if found is not None and found.get("blockHash") is not None else None

    def knows_transaction(self, transaction: str) -> bool:
        """Whether the node has the transaction, mined or waiting."""
        return self.request("eth_getTransactionByHash", transaction) is not None


# ------------------------------------------------------------------------------------------------------- JSON-RPC's values


def to_int(value: Any) -> int:
    """A quantity: JSON-RPC's 0x and digits, or the integer that eth-tester gives."""
    return value if isinstance(value, int) else int(value, 16)


def to_bytes(value: Any) -> bytes:
    """Octets: JSON-RPC's 0x and digits, or the ``bytes`` that a caller's middleware made of them."""
    return bytes(value) if isinstance(value, bytes) else bytes.fromhex(value.removeprefix("0x"))


def to_hex(value: Any) -> str:
    """Octets as 0x and digits."""
    return "0x" + to_bytes(value).hex()


def to_block_id(block: BlockId) -> str:
    """A block as a parameter of JSON-RPC."""
    return hex(block) if isinstance(block, int) else block


# ------------------------------------------------------------------------------------------------- what nodes say of reverts


def _revert_data(code: int, reason: str, data: Any) -> bytes | None:
    """What a call reverted with, from the shapes in which nodes tell it; ``None`` if it did not revert.

    geth, Anvil: ``{"code": 3, "data": "0x…"}``; Ganache: ``data`` as a string for a call, ``{"result": "0x…"}`` for an estimate; OpenEthereum and
    Nethermind: ``"data": "Reverted 0x…"``; others put an object of their own around it.
    """
    return _hex_in(data) or (b"" if code == 3 or re.search(r"\brevert", reason, re.IGNORECASE) else None)


def _hex_in(data: Any) -> bytes | None:
    if isinstance(data, Mapping):
        candidates = (data[key] for key in ("result", "return", "output", "data", "originalError") if data.get(key))
        return next((found for found in map(_hex_in, candidates) if found is not None), None)
    if not isinstance(data, str):
        return None
    match = re.search(r"0x([0-9a-fA-F]*)$", data.strip())
    return bytes.fromhex(match[1]) if match and len(match[1]) % 2 == 0 else None


def from_eth_tester(error: BaseException) -> NodeError | None:
    """What eth-tester and py-evm raise in place of answering, as a node's error; ``None`` for anything else."""
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    text = str(error)
    data = getattr(error, "data", None)
    if isinstance(data, str) and names & {"web3.ContractLogicError"}:
        return NodeError(f"the call reverted: {text}", text, revert=_hex_in(data) or b"")
    if "eth_tester.TransactionFailed" in names:
        return NodeError(f"the call reverted: {text}", text, revert=_tester_revert(error))
    if names & {"eth_utils.ValidationError", "eth_tester.ValidationError", "eth_tester.BlockNotFound"}:
        return NodeError(f"the chain refused: {text}", text)
    return None


def _tester_revert(error: BaseException) -> bytes:
    original = error.__context__
    candidates = [*(original.args if original else ()), *error.args]
    for candidate in candidates:
        if isinstance(candidate, bytes):
            return candidate
        match = re.search(r"b(['\"]).*\1$", str(candidate), re.DOTALL)
        if match:
            octets: bytes = ast.literal_eval(match[0])
            return octets
    return b""


def _brief(error: BaseException) -> str:
    """An error's kind, not its text: that of HTTP libraries holds the URL, which may hold a key."""
    return type(error).__name__
