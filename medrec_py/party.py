"""What patients, providers and registrars have in common: a wallet, and an address that others name them by."""

from __future__ import annotations

from typing import Protocol, TypeAlias, runtime_checkable

from medrec_py.chain.transactions import Receipt
from medrec_py.chain.types import address_bytes, to_address
from medrec_py.crypto import profile
from medrec_py.crypto.keys import RootSecret
from medrec_py.crypto.suites import CURRENT, Suite
from medrec_py.keymodule import KeyId, ModuleKey, RootModule
from medrec_py.ledger import Ledger
from medrec_py.unsealing import ReaderKeys
from medrec_py.wallet import Signer

PROFILE_KEY_NUMBER = 1


@runtime_checkable
class HasAddress(Protocol):
    """Whatever has an address: a wallet, a patient, a provider."""

    @property
    def address(self) -> str:
        """EIP-55."""


Account: TypeAlias = str | HasAddress
"""An address, or what has one."""


def address_of(account: Account) -> str:
    """The address of an account, EIP-55.

    Raises:
        InvalidInput: a text is no address, or its capitals contradict its checksum.
    """
    return to_address(account if isinstance(account, str) else account.address)


class Party:
    """Somebody with a wallet.

    Args:
        ledger: Chain and store.
        wallet: Signs transactions, statements and the profile.
    """

    def __init__(self, ledger: Ledger, wallet: Signer) -> None:
        self._ledger = ledger
        self._wallet = wallet

    @property
    def address(self) -> str:
        """Of the wallet, EIP-55."""
        return self._wallet.address

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address}>"

    def publish_key(
        self, number: int, public_key: bytes, name: str = "", endpoints: tuple[str, ...] = (), suite: Suite = CURRENT
    ) -> Receipt:
        """Publish a profile with a key whose private half is anywhere, in a key service for instance.

        Args:
            number: Of the profile key: one more than any before it.
            public_key: What grants are sealed to.
            name: Public, and may be empty.
            endpoints: Public addresses of services.
            suite: Of the key.

        Raises:
            FormatError: nothing can be sealed to the public key.
            StorageError: the store did not take the profile: nothing was published.
            ChainError: the chain did not.
        """
        block = profile.build(
            self._wallet.sign_typed_data,
            self._ledger.deployment,
            address_bytes(self.address),
            number,
            public_key,
            name=name,
            endpoints=endpoints,
            time=self._ledger.now(),
            suite=suite,
        )
        pointer = self._ledger.put_block(block)
        return self._ledger.send(self._wallet, self._ledger.contract.publish_profile(pointer))


class KeyedParty(Party):
    """Somebody that documents can be sealed to.

    Args:
        ledger: Chain and store.
        wallet: Signs transactions, statements and the profile.
        root: What the profile key is derived from.
    """

    def __init__(self, ledger: Ledger, wallet: Signer, root: RootSecret) -> None:
        super().__init__(ledger, wallet)
        self._root = root

    def publish_profile(self, name: str = "", endpoints: tuple[str, ...] = ()) -> Receipt:
        """Publish the key that grants are sealed to, with a name if you want one. The profile is public.

        Raises:
            StorageError: the store did not take it: nothing was published.
            ChainError: the chain did not.
        """
        key = ModuleKey(KeyId(CURRENT.number, self._ledger.deployment, address_bytes(self.address)), PROFILE_KEY_NUMBER)
        return self.publish_key(key.number, self._module().public_key(key), name, endpoints)

    def keys(self) -> ReaderKeys:
        """Opens what was sealed to this party's profile key."""
        return ReaderKeys(self._module(), self._ledger.deployment, address_bytes(self.address))

    def _module(self) -> RootModule:
        return RootModule(self._root, PROFILE_KEY_NUMBER)
