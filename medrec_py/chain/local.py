"""A chain inside the process, for demonstrations and tests: py-evm through eth-tester (the extra ``[local]``).

Every transaction is mined at once in a block of its own. Its clock follows this machine's, a second further with each
block at least, and can be set ahead. Nothing is stored: it ends with the process.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import RLock
from typing import Any

from web3 import EthereumTesterProvider, Web3
from web3.types import RPCEndpoint, RPCResponse

from medrec_py.chain.answers import to_bytes, to_int
from medrec_py.chain.connection import Chain
from medrec_py.chain.types import to_address
from medrec_py.errors import ConfigurationError, InvalidInput

FUNDS = 100 * 10**18
"""What `LocalChain.fund` gives unless told otherwise: 100 ether."""

BLOCK_SECONDS = 12
"""When nobody writes, a block is made for the first reader after this many seconds."""

_JUDGED_BY_THE_CLOCK = frozenset({"eth_call", "eth_estimateGas", "eth_getBlockByNumber"})


class LocalChain(Chain):
    """A chain inside the process, of EVM version London. May be shared between threads.

    Raises:
        ConfigurationError: the extra ``[local]`` is not installed.
    """

    def __init__(self) -> None:
        try:
            self._provider = _Provider(_tester())
        except ImportError as error:
            raise ConfigurationError(
                "a chain inside the process needs the extra [local]: pip install 'medrec-py[local]'"
            ) from error
        super().__init__(Web3(self._provider, middleware=[]), confirmations=0)

    def fund(self, address: str, wei: int = FUNDS) -> None:
        """Make sure that an account has ether: unless it has half as much already, it is given ``wei``."""
        if self.balance(address) * 2 >= wei:
            return
        rich = self.request("eth_accounts")[0]
        self.request(
            "eth_sendTransaction", {"from": rich, "to": to_address(address), "value": hex(wei), "gas": hex(21_000)}
        )

    def travel(self, *, seconds: int | None = None, to: int | None = None) -> int:
        """Set the clock ahead and mine a block at that time.

        Args:
            seconds: By how many.
            to: Unix time.

        Returns:
            The chain's time now.

        Raises:
            InvalidInput: it lies in the past.
        """
        with self._provider.lock:
            target = self.now() + seconds if seconds is not None else to
            if target is None or target <= self.now():
                raise InvalidInput("the chain's clock can only be set ahead")
            self._provider.set_clock(target)
            return self.mine()

    def next_block_at(self, timestamp: int) -> None:
        """Set the clock so that the next transaction's block has exactly this time.

        Raises:
            InvalidInput: the latest block is not older than that.
        """
        with self._provider.lock:
            if timestamp <= self.now():
                raise InvalidInput("the chain's clock can only be set ahead")
            self._provider.set_clock(timestamp)

    def mine(self, blocks: int = 1) -> int:
        """Mine empty blocks. Returns the chain's time now."""
        self._provider.mine(blocks)
        return self.now()


def _tester() -> Any:
    from eth.vm.forks.london import LondonVM  # noqa: PLC0415 - an extra
    from eth.vm.forks.london.state import LondonState  # noqa: PLC0415
    from eth.vm.spoof import SpoofTransaction  # noqa: PLC0415
    from eth_tester import EthereumTester, PyEVMBackend  # type: ignore[import-untyped]  # noqa: PLC0415

    class State(LondonState):
        """Has calls and estimates cost nothing, as on other nodes: py-evm refuses those of accounts without ether."""

        def validate_transaction(self, transaction: Any) -> None:
            if isinstance(transaction, SpoofTransaction):
                self.set_balance(transaction.sender, 2**128)  # the state is thrown away after the call
            super().validate_transaction(transaction)

    class VM(LondonVM):
        _state_class = State

    return EthereumTester(PyEVMBackend(vm_configuration=((0, VM),)))


class _Provider(EthereumTesterProvider):
    """eth-tester as a provider, with a lock, since py-evm has none, and a clock."""

    def __init__(self, tester: Any) -> None:
        super().__init__(tester)
        self.lock = RLock()
        self._backend = tester.backend
        self._tester = tester
        self._ahead = 0  # seconds that the chain's clock is set ahead of the machine's
        self._exact: int | None = None
        self._clocks: dict[Any, tuple[int, int | None]] = {}  # of each snapshot
        self._read: list[tuple[bytes, list[Any]]] = []  # hash and logs of each block that was asked for

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        with self.lock:
            if method.startswith("eth_send"):
                self._tick()
            elif method in _JUDGED_BY_THE_CLOCK and self._is_behind():
                self.mine(1)
            if method in {"evm_snapshot", "evm_revert"}:
                return self._with_clock(method, params)
            if method == "eth_getLogs" and "block_hash" not in params[0]:
                return {"jsonrpc": "2.0", "id": 1, "result": self._logs(params[0])}
            return super().make_request(method, params)

    def _with_clock(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """A snapshot has the clock in it, as Anvil's has."""
        answer = super().make_request(method, params)
        if method == "evm_snapshot":
            self._clocks[answer["result"]] = self._ahead, self._exact
        elif "error" not in answer:
            self._ahead, self._exact = self._clocks.get(params[0], (self._ahead, self._exact))
        return answer

    def _logs(self, wanted: Mapping[str, Any]) -> list[Any]:
        """The logs of a range. eth-tester would execute every block of it again, each time; here each is read once."""
        last = self._backend.chain.header.block_number - 1  # the header is that of the block being made
        numbers = {"earliest": 0, "latest": last, "pending": last}
        first, end = (
            numbers[bound] if bound in numbers else to_int(bound)
            for bound in (wanted.get("from_block", "latest"), wanted.get("to_block", "latest"))
        )
        while self._read and self._read[-1][0] != self._hash_of(len(self._read) - 1):
            self._read.pop()  # a snapshot was gone back to
        while len(self._read) <= min(end, last):
            number = len(self._read)
            block = {"from_block": number, "to_block": number}
            found: list[Any] = super().make_request(RPCEndpoint("eth_getLogs"), [block]).get("result", [])
            self._read.append((self._hash_of(number), found))
        return [log for _, logs in self._read[first : end + 1] for log in logs if _fits(log, wanted)]

    def _hash_of(self, number: int) -> bytes:
        if number >= self._backend.chain.header.block_number:
            return b""
        return bytes(self._backend.chain.get_canonical_block_header_by_number(number).hash)

    def _is_behind(self) -> bool:
        """Whether a block is due: on a real chain they come by themselves, so a permission ends while nobody writes."""
        latest = self._backend.get_block_by_number("latest", False)["timestamp"]
        return self._exact is None and int(time.time()) + self._ahead >= latest + BLOCK_SECONDS

    def set_clock(self, timestamp: int) -> None:
        """Make ``timestamp`` the time of the next block; the clock goes on from there."""
        self._ahead = timestamp - int(time.time())
        self._exact = timestamp

    def mine(self, blocks: int) -> None:
        with self.lock:
            for _ in range(blocks):
                self._tick()
                self._tester.mine_blocks(1)

    def _tick(self) -> None:
        """Give the block that is being made its time. py-evm itself counts a second for each block."""
        header = self._backend.chain.header
        wanted = self._exact if self._exact is not None else int(time.time()) + self._ahead
        self._exact = None
        if wanted > header.timestamp:
            self._backend.chain.header = header.copy(timestamp=wanted)


def _fits(log: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a log is one that a filter of ``eth_getLogs`` asks for."""
    address = wanted.get("address")
    addresses = [address] if isinstance(address, str) else address
    if addresses and to_address(log["address"]) not in map(to_address, addresses):
        return False
    topics = [to_bytes(topic) for topic in log["topics"]]
    places = wanted.get("topics") or ()
    if len(places) > len(topics):
        return False
    for choice, topic in zip(places, topics, strict=False):
        choices = [choice] if isinstance(choice, str) else choice
        if choices and topic not in map(to_bytes, choices):
            return False
    return True
