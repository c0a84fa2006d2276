"""Registrars accredit and suspend providers; the authority names registrars.

Neither can grant, widen or read anything.
"""

from __future__ import annotations

from datetime import timedelta

from medrec_py.chain.transactions import Receipt
from medrec_py.chain.types import ProviderKind
from medrec_py.errors import InvalidInput
from medrec_py.party import Account, Party, address_of
from medrec_py.provider import Provider
from medrec_py.times import Moment, unix_time

ACCREDITATION_TIME = timedelta(days=365)


class Registrar(Party):
    """Accredits providers, and suspends them."""

    def accredit(
        self,
        *providers: Provider | Account,
        expires: Moment = ACCREDITATION_TIME,
        kind: ProviderKind | None = None,
        emergency: bool = False,
    ) -> Receipt:
        """Accredit providers in one transaction, or change their accreditation. A suspension stays.

        Args:
            providers: Organisations and practitioners, or their addresses.
            expires: First moment after the accreditation.
            kind: What they are; needed for addresses.
            emergency: They may open what patients granted to the emergency role.

        Raises:
            InvalidInput: no provider is given, or what it is is not known.
            ContractError: the wallet is no registrar's, or the moment has passed.
        """
        if not providers:
            raise InvalidInput("name a provider to accredit")
        expiry = unix_time(expires, self._ledger.now())
        calls = [
            self._ledger.contract.accredit(
                address_of(provider), _kind_of(provider, kind), emergency=emergency, expiry=expiry
            )
            for provider in providers
        ]
        return self._ledger.send(self._wallet, *calls)

    def suspend(self, provider: Account) -> Receipt:
        """Suspend a provider, whoever accredited it: it appends nothing from the next transaction on.

        Raises:
            ContractError: the wallet is no registrar's, or the provider was never accredited.
        """
        return self._ledger.send(self._wallet, self._ledger.contract.suspend(address_of(provider)))

    def reinstate(self, provider: Account) -> Receipt:
        """End a suspension. Raises as ``suspend``."""
        return self._ledger.send(self._wallet, self._ledger.contract.reinstate(address_of(provider)))


class Authority(Party):
    """Names registrars."""

    def add_registrar(self, account: Account) -> Receipt:
        """Name a registrar.

        Raises:
            ContractError: the wallet is not the authority's, or the account is a registrar already.
        """
        return self._ledger.send(self._wallet, self._ledger.contract.add_registrar(address_of(account)))

    def remove_registrar(self, account: Account) -> Receipt:
        """Remove a registrar. What it accredited stays.

        Raises:
            ContractError: the wallet is not the authority's, or the account is no registrar.
        """
        return self._ledger.send(self._wallet, self._ledger.contract.remove_registrar(address_of(account)))

    def offer(self, account: Account) -> Receipt:
        """Offer the authority to another account, which has to accept it.

        Raises:
            ContractError: the wallet is not the authority's.
        """
        return self._ledger.send(self._wallet, self._ledger.contract.offer_authority(address_of(account)))

    def accept(self) -> Receipt:
        """Take over the authority that was offered to this wallet.

        Raises:
            ContractError: it was not.
        """
        return self._ledger.send(self._wallet, self._ledger.contract.accept_authority())


def _kind_of(provider: Provider | Account, kind: ProviderKind | None) -> ProviderKind:
    found = kind if kind is not None else getattr(provider, "kind", ProviderKind.NONE)
    if found is ProviderKind.NONE:
        raise InvalidInput(f"say what {address_of(provider)} is: an organisation or a practitioner")
    return ProviderKind(found)
