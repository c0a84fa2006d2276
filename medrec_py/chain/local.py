"""A chain inside the process, for demonstrations, notebooks and tests: py-evm through eth-tester (the extra ``[local]``).

Every transaction is mined at once in a block of its own. Its clock follows this machine's, a second further with each block at least,
and can be set ahead. Nothing is stored: it ends with the process.
"""

from __future__ import annotations

import time
from threading import RLock
from typing import Any

from web3 import EthereumTesterProvider, Web3
from web3.types import RPCEndpoint, RPCResponse

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
            from eth.vm.forks.london import LondonVM  # noqa: PLC0415 - an extra
            from eth_tester import (  # type: ignore[import-untyped]  # noqa: PLC0415
                EthereumTester,
                PyEVMBackend,
            )
        except ImportError as error:
            raise ConfigurationError(
                "a chain inside the process needs the extra [local]: pip install 'medrec-py[local]'"
            ) from error
        self._provider = _Provider(EthereumTester(PyEVMBackend(vm_configuration=((0, LondonVM),))))
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


class _Provider(EthereumTesterProvider):
    """eth-tester as a provider, with a lock, since py-evm has none, and a clock."""

    def __init__(self, tester: Any) -> None:
        super().__init__(tester)
        self.lock = RLock()
        self._backend = tester.backend
        self._tester = tester
        self._ahead = 0  # seconds that the chain's clock is set ahead of the machine's
        self._exact: int | None = None

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        with self.lock:
            if method.startswith("eth_send"):
                self._tick()
            elif method in _JUDGED_BY_THE_CLOCK and self._is_behind():
                self.mine(1)
            return super().make_request(method, params)

    def _is_behind(self) -> bool:
        """Whether a block is due: on a real chain they come by themselves, so that a permission ends while nobody writes."""
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
        """Give the block that is being made its time. py-evm itself counts a second a block, whatever the clock says."""
        header = self._backend.chain.header
        wanted = self._exact if self._exact is not None else int(time.time()) + self._ahead
        self._exact = None
        if wanted > header.timestamp:
            self._backend.chain.header = header.copy(timestamp=wanted)
