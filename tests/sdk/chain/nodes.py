"""Made-up nodes: the chain inside the process, with some of its answers replaced by a test."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import rlp
from eth_account._utils.legacy_transactions import Transaction
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from web3 import Web3
from web3.providers import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from medrec_py.chain.connection import Chain, NodeError

Answer = Callable[..., Any]


class Refusal(Exception):
    """What a node answers in place of a result: a JSON-RPC error."""

    def __init__(self, message: str, code: int = -32000, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


class Node(BaseProvider):
    """A node in front of another chain.

    Attributes:
        answers: For each method that is answered differently: called with the method's parameters; its result is the
            node's, a `Refusal` that it raises the node's error, any other exception a failure of the transport.
        asked: The methods that were asked for, in order, with their parameters.
    """

    def __init__(self, behind: Chain, answers: dict[str, Answer] | None = None) -> None:
        super().__init__()
        self.behind = behind
        self.answers = answers or {}
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self._lock = Lock()

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        with self._lock:
            self.asked.append((method, tuple(params)))
        try:
            if method in self.answers:
                return {"jsonrpc": "2.0", "id": 1, "result": self.answers[method](*params)}
            return {"jsonrpc": "2.0", "id": 1, "result": self.behind.request(method, *params)}
        except Refusal as refusal:
            return {"jsonrpc": "2.0", "id": 1, "error": refusal.error}  # type: ignore[typeddict-item]
        except NodeError as error:
            data = None if error.revert is None else "0x" + error.revert.hex()
            refusal = Refusal(error.reason, 3 if data else error.code, data)
            return {"jsonrpc": "2.0", "id": 1, "error": refusal.error}  # type: ignore[typeddict-item]

    def count(self, method: str) -> int:
        """How often a method was asked for."""
        return sum(asked == method for asked, _ in self.asked)

    def sent(self) -> list[dict[str, Any]]:
        """The transactions that were handed over, decoded, in order."""
        raws = [HexBytes(params[0]) for method, params in self.asked if method == "eth_sendRawTransaction"]
        return [
            TypedTransaction.from_bytes(raw).as_dict() if raw[0] < 0x80 else rlp.decode(raw, Transaction).as_dict()
            for raw in raws
        ]

    def chain(self, **options: Any) -> Chain:
        """The chain, seen through this node."""
        return Chain(Web3(self, middleware=[]), **options)


def refusing(message: str, code: int = -32000, data: Any = None) -> Answer:
    """An answer that is always the same error."""

    def answer(*_: Any) -> Any:
        raise Refusal(message, code, data)

    return answer


def in_turn(*answers: Any) -> Answer:
    """Each answer once, in order, then the last one for ever. An exception is raised, a function called."""
    left = list(answers)

    def answer(*params: Any) -> Any:
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, BaseException):
            raise one
        return one(*params) if callable(one) else one

    return answer
