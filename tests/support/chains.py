"""Development chains for the integration tests: rich wallets, a deployment, and processes that can be killed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import deploy
from medrec_py.chain.transactions import Call, send
from medrec_py.errors import ChainUnavailable
from medrec_py.wallet import Wallet
from scripts.toolchain import anvil

ETHER = 10**18
ANVIL_PHRASE = "test test test test test test test test test test test junk"
GANACHE_PHRASE = "myth like bonus scare over problem client lizard pioneer submit female collect"
PATIENCE = 60.0
"""Seconds after which something that should have happened has not."""


@dataclass(frozen=True)
class Site:
    """MedRec on a development chain.

    Attributes:
        chain: The connection.
        contract: MedRec, whose authority and only registrar is `rich`.
        rich: The chain's own account, with ether.
    """

    chain: Chain
    contract: MedRecContract
    rich: Wallet

    def person(self, ether: int = 1) -> Wallet:
        """A new wallet with ether."""
        wallet = Wallet.create()
        send(self.chain, self.rich, Call(wallet.address, b"", "fund", ether * ETHER))
        return wallet

    def digest(self, number: int) -> Call:
        """A call that anybody may make and that leaves a trace: a profile's digest."""
        return self.contract.publish_profile(number.to_bytes(32))


def settle(chain: Chain, phrase: str) -> Site:
    """Deploy MedRec with the chain's own account."""
    rich = Wallet.from_phrase(phrase)
    site = Site(chain, MedRecContract(chain, deploy(chain, rich).address), rich)
    if not site.contract.is_registrar(rich.address):
        site.contract.send(rich, site.contract.add_registrar(rich.address))
    return site


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    pause = Event()
    while not happened():
        assert time.monotonic() < deadline, "it has not happened in time"
        pause.wait(0.02)


@contextmanager
def killable_anvil(port: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Anvil on a port, as a process that the test may kill."""
    process = subprocess.Popen(
        [str(anvil()), "--port", str(port), "--quiet", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}"))
        yield process
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    """Whether a node answers at a URL."""
    try:
        Chain.connect(url, retries=0).close()
    except ChainUnavailable:
        return False
    return True
