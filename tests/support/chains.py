"""Development chains for the integration tests: rich wallets, a deployment, and processes that can be killed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

import pytest

from medrec_py.chain import reverts
from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import deploy
from medrec_py.chain.events import ProfilePublished, RecordAppended
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.transactions import Call, send
from medrec_py.chain.types import Entry, ProviderKind, Terms
from medrec_py.errors import ChainUnavailable
from medrec_py.wallet import Wallet
from scripts.toolchain import anvil

ETHER = 10**18
DAY = 86_400
TREAT = 0
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


def profiles(site: Site, account: Wallet) -> list[int]:
    """The numbers that an account published, in order."""
    found = fetch_logs(site.contract, [ProfilePublished], from_block=0, account=account.address)
    return [int.from_bytes(log.event.digest) for log in found if isinstance(log.event, ProfilePublished)]


def a_records_way(site: Site) -> None:
    """Register, accredit, grant, append, be refused, revoke, be refused: with the contract's own words each time."""
    contract, alice, hospital = site.contract, site.person(), site.person()
    end = site.chain.now() + DAY
    entry = Entry(1, 0, b"\x11" * 32, b"\x22" * 32)
    append = contract.append(alice.address, hospital.address, 0, TREAT, entry)

    with pytest.raises(reverts.PatientUnknown):
        contract.send(alice, contract.revoke(alice.address, hospital.address))
    contract.send(alice, contract.register())
    with pytest.raises(reverts.AlreadyRegistered) as twice:
        contract.send(alice, contract.register())
    assert twice.value.values == {"patient": alice.address}
    with pytest.raises(reverts.NotAccredited):
        contract.send(hospital, append)
    with pytest.raises(reverts.NotRegistrar):
        contract.send(alice, contract.accredit(alice.address, ProviderKind.PRACTITIONER, False, end))
    contract.send(site.rich, contract.accredit(hospital.address, ProviderKind.ORGANISATION, False, end))
    with pytest.raises(reverts.PermissionMissing):
        contract.send(hospital, append)
    terms = Terms(1, 1, 0, end, 1 << TREAT)
    contract.send(alice, contract.grant(alice.address, hospital.address, terms, bytes(32), 1))
    receipt = contract.send(hospital, append)
    assert receipt.only(RecordAppended).entry == entry
    assert receipt.only(RecordAppended).time == receipt.timestamp
    assert contract.history_of(alice.address).length == 1

    with pytest.raises(reverts.StaleKeyring) as stale:
        contract.send(hospital, contract.append(alice.address, hospital.address, 7, TREAT, entry))
    assert (stale.value.values["current"], stale.value.values["given"]) == (0, 7)
    contract.send(alice, contract.revoke_and_rotate(alice.address, hospital.address, 0, 1, b"\x33" * 32))
    with pytest.raises(reverts.PermissionRevoked):
        contract.send(hospital, append)
    with pytest.raises(reverts.PermissionRevoked) as mined:
        contract.send(hospital, append, gas=200_000)
    assert mined.value.__notes__
