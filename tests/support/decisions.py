"""Decisions that wallets sign, and bundles of them, for tests of what relays them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.types import address_bytes
from medrec_py.crypto.decisions import Grant, LogAccess, Register, Revoke, SignedForm
from medrec_py.crypto.keys import Place
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision
from medrec_py.wallet import Wallet

HOUR, MONTH = 3600, 30 * 86_400


def person() -> Wallet:
    """A wallet without anything."""
    return Wallet.from_key(os.urandom(32))


def signed(decision: SignedForm, *wallets: Wallet) -> SignedDecision:
    """A decision, signed by whoever is given."""
    return SignedDecision(decision, tuple(wallet.sign_typed_data(decision.typed_data()) for wallet in wallets))


@dataclass(frozen=True)
class Desk:
    """Where people sign for one deployment."""

    contract: MedRecContract

    @property
    def deadline(self) -> int:
        return self.contract.chain.now() + HOUR

    def place(self, patient: Wallet) -> Place:
        chain, contract = self.contract.chain.chain_id, address_bytes(self.contract.address)
        return Place(chain, contract, address_bytes(patient.address))

    def register(self, patient: Wallet, **changes: Any) -> SignedDecision:
        decision = Register(self.place(patient), address_bytes(patient.address), self.deadline)
        return signed(replace(decision, **changes), patient)

    def grant(self, patient: Wallet, grantee: Wallet, version: int = 1, **changes: Any) -> SignedDecision:
        decision = Grant(
            self.place(patient),
            signer=address_bytes(patient.address),
            grantee=address_bytes(grantee.address),
            read=1,
            append=1,
            not_before=0,
            expiry=self.deadline + MONTH,
            purposes=1,
            flags=0,
            seal=bytes(32),
            version=version,
            deadline=self.deadline,
        )
        return signed(replace(decision, **changes), patient)

    def revoke(self, patient: Wallet, grantee: Wallet, version: int = 1, **changes: Any) -> SignedDecision:
        decision = Revoke(
            self.place(patient),
            signer=address_bytes(patient.address),
            grantee=address_bytes(grantee.address),
            version=version,
            keyring_version=0,
            compartments=0,
            keyring=bytes(32),
            deadline=self.deadline,
        )
        return signed(replace(decision, **changes), patient)

    def access(self, patient: Wallet, reader: Wallet, number: int) -> SignedDecision:
        decision = LogAccess(
            self.place(patient),
            address_bytes(reader.address),
            address_bytes(reader.address),
            bytes([1]) * 32,
            0,
            number,
            self.deadline,
        )
        return signed(decision, reader)

    def newcomer(self, grantee: Wallet | None = None) -> Bundle:
        """Somebody new: registered, with a first grant."""
        patient = person()
        return Bundle((self.register(patient), self.grant(patient, grantee or person())))

    def version(self, bundle: Bundle) -> int:
        """Of the permission that the last decision of a bundle is about."""
        decision = bundle.decisions[-1].decision
        assert isinstance(decision, Grant | Revoke)
        return self.contract.permission_of("0x" + decision.place.patient.hex(), "0x" + decision.grantee.hex()).version
