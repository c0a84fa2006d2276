"""A fresh chain inside the process for each test, with MedRec on it and the usual people."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import creation_code
from medrec_py.chain.local import LocalChain
from medrec_py.chain.transactions import Call, send
from medrec_py.chain.types import Entry, ProviderKind, Terms
from medrec_py.wallet import Wallet

DAY = 86_400
TREAT = 0


@pytest.fixture
def chain() -> LocalChain:
    """A chain inside the process."""
    return LocalChain()


@dataclass(frozen=True)
class World:
    """MedRec on a chain, and wallets with ether: the authority, a registrar, a patient, a hospital and a stranger."""

    chain: LocalChain
    contract: MedRecContract
    authority: Wallet
    registrar: Wallet
    alice: Wallet
    hospital: Wallet
    stranger: Wallet

    def terms(self, **changes: int) -> Terms:
        """Reading and appending in compartments 0 and 1, for a day, for treatment."""
        usual = {"read": 3, "append": 3, "not_before": 0, "expiry": self.chain.now() + DAY, "purposes": 1 << TREAT}
        return Terms(**(usual | changes))

    def register(self) -> None:
        """Alice registers."""
        self.contract.send(self.alice, self.contract.register())

    def accredit(self) -> None:
        """The registrar accredits the hospital, for ten days."""
        call = self.contract.accredit(
            self.hospital.address, ProviderKind.ORGANISATION, emergency=False, expiry=self.chain.now() + 10 * DAY
        )
        self.contract.send(self.registrar, call)

    def grant(self, version: int = 1, **changes: int) -> None:
        """Alice grants the hospital `terms`."""
        call = self.contract.grant(self.alice.address, self.hospital.address, self.terms(**changes), bytes(32), version)
        self.contract.send(self.alice, call)

    def append(self, entry: Entry | None = None, keyring_version: int = 0) -> Call:
        """What appends a record of the hospital's to Alice's history."""
        return self.contract.append(
            self.alice.address, self.hospital.address, keyring_version, TREAT, entry or some_entry()
        )

    def prepare(self) -> None:
        """Register, accredit, grant."""
        self.register()
        self.accredit()
        self.grant()


def some_entry(compartments: int = 1, replaces: int = 0, pointer: bytes = b"\x11" * 32) -> Entry:
    """An entry of compartment 0."""
    return Entry(compartments, replaces, pointer, b"\x22" * 32)


@pytest.fixture
def world(chain: LocalChain) -> World:
    """MedRec with its people, new for each test."""
    return settle(chain)


def settle(chain: LocalChain) -> World:
    """Deploy MedRec and give its people ether."""
    wallets = [Wallet.from_key(bytes([number]) * 32) for number in range(1, 6)]
    for wallet in wallets:
        chain.fund(wallet.address)
    authority, registrar, *others = wallets
    receipt = send(chain, authority, Call(None, creation_code(authority.address), "deploy"))
    assert receipt.created is not None
    contract = MedRecContract(chain, receipt.created)
    contract.send(authority, contract.add_registrar(registrar.address))
    return World(chain, contract, authority, registrar, *others)
