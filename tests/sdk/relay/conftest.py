"""A relayer over a chain in this process, of which the test makes each pass itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.crypto.signed_decisions import Bundle
from medrec_py.durable_queue import DurableQueue
from medrec_py.relay.limits import Limits
from medrec_py.relay.refusals import Refusal
from medrec_py.relay.service import Relayer
from medrec_py.wallet import Wallet
from tests.sdk.chain.nodes import Node
from tests.support.decisions import Desk


@dataclass
class Office:
    """A relayer with its node, its queue and its account.

    Attributes:
        desk: Where decisions are signed.
        node: In front of the chain, whose answers a test can replace.
        wallet: The account that pays.
        path: Of the queue.
    """

    desk: Desk
    node: Node
    wallet: Wallet
    path: Path
    options: dict[str, Any] = field(default_factory=dict)
    time: float = field(default_factory=time.time)
    _stack: ExitStack = field(default_factory=ExitStack)

    def open(self, **options: Any) -> Office:
        """Start it, or start it again; with limits as given."""
        self._stack.close()
        self._stack = ExitStack()
        store = options.pop("store", None)
        confirmations = options.pop("confirmations", 0)
        self.options |= options
        queue = self._stack.enter_context(DurableQueue(self.path, now=self.clock))
        chain = self.node.chain(confirmations=confirmations)
        contract = MedRecContract(chain, self.desk.contract.address)
        self.relayer = Relayer(contract, self.wallet, queue, store, self.limits(), self.clock)
        self.queue = queue
        return self

    def limits(self) -> Limits:
        return Limits(**({"linger_seconds": 0.0} | self.options))

    def clock(self) -> float:
        return self.time

    def close(self) -> None:
        self._stack.close()

    @property
    def chain(self) -> Chain:
        return self.node.behind

    def take(self, bundle: Bundle, client: str | None = None) -> str:
        """Hand a bundle over; returns its state."""
        answer = self.relayer.accept(bundle.to_json(), client)
        assert answer["id"] == bundle.id
        return str(answer["state"])

    def refused(self, bundle: Bundle | bytes, client: str | None = None) -> Refusal:
        """Why a bundle is not taken."""
        with pytest.raises(Refusal) as caught:
            self.relayer.accept(bundle if isinstance(bundle, bytes) else bundle.to_json(), client)
        return caught.value

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.relayer.sender.step()

    def state(self, bundle: Bundle) -> str:
        return str(self.status(bundle)["state"])

    def status(self, bundle: Bundle) -> dict[str, Any]:
        return self.relayer.status(bundle.id)


@pytest.fixture(scope="session")
def net() -> Iterator[medrec.Network]:
    with medrec.local() as net:
        yield net


@pytest.fixture
def desk(net: medrec.Network) -> Desk:
    return Desk(net.contract)


@pytest.fixture
def office(desk: Desk, tmp_path: Path) -> Iterator[Office]:
    wallet = Wallet.create()
    desk.contract.chain.fund(wallet.address)  # type: ignore[attr-defined]
    office = Office(desk, Node(desk.contract.chain), wallet, tmp_path / "queue").open()
    yield office
    office.close()
