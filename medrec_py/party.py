"""What patients, providers and registrars have in common: a wallet, and an address that others name them by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from medrec_py.chain.transactions import Receipt
from medrec_py.chain.types import ZERO_BYTES32, address_bytes, to_address
from medrec_py.crypto import profile
from medrec_py.crypto.keys import RootSecret
from medrec_py.crypto.profile import ProfileContent
from medrec_py.errors import InvalidInput, ProfileNotFound
from medrec_py.keymodule import RootModule
from medrec_py.ledger import Ledger
from medrec_py.unsealing import ReaderKeys
from medrec_py.wallet import Signer

PROFILE_KEY_NUMBER = 1
"""Of the first profile key of an account. Which is the present one, its published profile says."""


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


@dataclass(frozen=True, slots=True)
class KeyRenewed:
    """A profile key that was published in place of another.

    Attributes:
        number: Of the new key.
        receipt: Of the transaction.
    """

    number: int
    receipt: Receipt = field(repr=False)


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

    def publish_key(self, number: int, public_key: bytes, name: str = "", endpoints: tuple[str, ...] = ()) -> Receipt:
        """Publish a profile with a key whose private half is anywhere, in a key service for instance.

        Args:
            number: Of the profile key: one more than any before it.
            public_key: What grants are sealed to, of the deployment's suite.
            name: Public, and may be empty.
            endpoints: Public addresses of services.

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
            suite=self._ledger.suite,
            check_contract=self._ledger.check_contract,
        )
        pointer = self._ledger.put_block(block)
        return self._ledger.send(self._wallet, self._ledger.contract.publish_profile(pointer))


class KeyedParty(Party):
    """Somebody that documents can be sealed to.

    Args:
        ledger: Chain and store.
        wallet: Signs transactions, statements and the profile.
        root: What the profile keys are derived from.
    """

    def __init__(self, ledger: Ledger, wallet: Signer, root: RootSecret) -> None:
        super().__init__(ledger, wallet)
        self._root = root

    def publish_profile(self, name: str = "", endpoints: tuple[str, ...] = ()) -> Receipt:
        """Publish the key that grants are sealed to, with a name if you want one. The profile is public.

        The key stays the one that was published before, if any: ``renew_key`` publishes the next. It is of the
        deployment's suite: publish again when the deployment has moved to another.

        Raises:
            InvalidInput: the key published before is not of this root secret.
            StorageError: the store did not take it: nothing was published.
            ChainError: the chain did not.
        """
        before = self._last_profile()
        if before is None:
            return self._publish(PROFILE_KEY_NUMBER, name, endpoints)
        if not self._is_own(before):
            raise InvalidInput(
                f"key {before.number}, which {self.address} has published, is not of this root secret: "
                "publish the next one of this root secret by renew_key()"
            )
        return self._publish(before.number, name, endpoints)

    def renew_key(self) -> KeyRenewed:
        """Publish the next key in place of the one published before, with the same name and endpoints.

        For a key that was exposed or has served its time. If the root secret was exposed too, open this party with a
        new one: the next key is of the root secret that this party has. Earlier keys of it still open what was sealed
        to them; what is sealed to those of another root secret opens with that, until patients have healed their
        permissions (``Patient.heal_permissions``).

        Raises:
            ProfileNotFound: no key was published yet.
            StorageError: the store does not give the present profile, or did not take the next: nothing was published.
            ChainError: the chain did not.

        Warning: until a patient's client has healed the permissions, the old key opens what is written for this party.
        """
        before = self._last_profile()
        if before is None:
            raise ProfileNotFound(f"{self.address} has published no profile, so there is no key to renew")
        receipt = self._publish(before.number + 1, before.name, before.endpoints)
        return KeyRenewed(before.number + 1, receipt)

    def keys(self) -> ReaderKeys:
        """Opens what was sealed to this party's profile keys, up to the one that is published now."""
        before = self._last_profile()
        number = PROFILE_KEY_NUMBER if before is None else before.number
        return ReaderKeys(RootModule(self._root, number), self._ledger.deployment, address_bytes(self.address))

    def _publish(self, number: int, name: str, endpoints: tuple[str, ...]) -> Receipt:
        account, suite = address_bytes(self.address), self._ledger.suite
        seed = self._root.profile_key(suite.number, self._ledger.deployment, account, number)
        return self.publish_key(number, suite.public_key(seed), name, endpoints)

    def _last_profile(self) -> ProfileContent | None:
        """The profile that was published last, also if it was withdrawn: its key's number must not come again."""
        digest = self._ledger.contract.profile_of(self.address)
        if digest == ZERO_BYTES32:
            last = self._ledger.chain.block_number()
            published = [log.event.digest for log in self._ledger.profiles_published([self.address], last)]
            digest = next((one for one in reversed(published) if one != ZERO_BYTES32), ZERO_BYTES32)
        return None if digest == ZERO_BYTES32 else self._ledger.profile_named(self.address, digest)

    def _is_own(self, published: ProfileContent) -> bool:
        account, suite = address_bytes(self.address), published.suite
        seed = self._root.profile_key(suite.number, self._ledger.deployment, account, published.number)
        return suite.public_key(seed) == published.public_key
