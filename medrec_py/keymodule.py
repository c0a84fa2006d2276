"""Modules that hold private keys and never give them away, in the shape of PKCS#11 (docs/key-service.md).

A *token* is logged in to with a PIN and gives a *session*; a session finds keys by their attributes, tells their public
halves, and decrypts with them. That is all a reader needs to have seals opened, so whatever can do it (an HSM, a KMS,
the encrypted file of ``keystore``, a root secret in this process) may stand behind ``ReaderKeys``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from medrec_py.crypto.keys import ADDRESS_SIZE, Deployment, KemSeed, RootSecret, check_size, check_uint, context
from medrec_py.crypto.suites import Sealed, Suite, by_number

MAX_NUMBER = (1 << 32) - 1
"""Of a profile key."""

_KEY_ID = "medrec/1/key-id"


@dataclass(frozen=True, slots=True)
class KeyId:
    """What the profile keys of an account are found by.

    Attributes:
        suite: Number of their suite.
        deployment: Chain and contract that they are for.
        account: Whose, 20 bytes.
    """

    suite: int
    deployment: Deployment
    account: bytes

    def __post_init__(self) -> None:
        check_size(self.account, ADDRESS_SIZE, "the account")

    @property
    def octets(self) -> bytes:
        """The id where an id is a byte string (``CKA_ID``), 32 bytes. Nothing in it is secret."""
        deployment = self.deployment
        named = context(_KEY_ID, self.suite, deployment.chain_id, deployment.contract, self.account)
        return hashlib.sha256(named).digest()


@dataclass(frozen=True, slots=True)
class ModuleKey:
    """A private key in a module, by its attributes.

    Attributes:
        id: Of the account's keys of one suite.
        number: Of the profile key, from 1; the newest has the highest.
    """

    id: KeyId
    number: int

    def __post_init__(self) -> None:
        check_uint(self.number, "the number of a profile key", MAX_NUMBER, minimum=1)

    @property
    def label(self) -> str:
        """What people see (``CKA_LABEL``)."""
        return f"medrec profile key {self.number}"


@dataclass(frozen=True, slots=True)
class Hpke:
    """How to decrypt: HPKE base mode, one message (``CK_MECHANISM``).

    Attributes:
        suite: KEM, KDF and AEAD.
        info: What the ciphertext is bound to.
        enc: The encapsulation.
    """

    suite: Suite
    info: bytes = field(repr=False)
    enc: bytes = field(repr=False)


class KeySession(Protocol):
    """A module that one is logged in to. May be shared between threads."""

    def find(self, key_id: KeyId) -> Sequence[ModuleKey]:
        """The keys of an id, the newest first; none if there are none.

        Raises:
            KeyModuleError: the module cannot be used.
        """

    def public_key(self, key: ModuleKey) -> bytes:
        """The public half, as a profile publishes it.

        Raises:
            KeysMissing: the module does not have the key.
            KeyModuleError: it cannot be used.
        """

    def decrypt(self, key: ModuleKey, mechanism: Hpke, ciphertext: bytes) -> bytes:
        """What was sealed to the key's public half.

        Raises:
            WrongKey: it was sealed to another key or bound to something else, or was changed.
            KeysMissing: the module does not have the key.
            KeyModuleError: it cannot be used.
        """

    def close(self) -> None:
        """Log out. Closing twice is as once."""


class KeyToken(Protocol):
    """A module before one is logged in."""

    def login(self, pin: str) -> KeySession:
        """Log in as the user of the keys.

        Raises:
            WrongPin: the PIN is another.
            KeyModuleError: the module cannot be used.
        """


@dataclass(frozen=True, slots=True)
class KeyInModule:
    """A private key that stays where it is; opens seals as a seed in this process does.

    Attributes:
        session: Of the module.
        key: Which one.
    """

    session: KeySession
    key: ModuleKey

    def open(self, suite: Suite, info: bytes, sealed: Sealed) -> bytes:
        """Have the module open what was sealed with ``info``. Raises as ``KeySession.decrypt``."""
        return self.session.decrypt(self.key, Hpke(suite, info, sealed.enc), sealed.ciphertext)


class RootModule:
    """The profile keys that come from a root secret in this process.

    Args:
        root: The secret.
        number: Of the newest; earlier ones are there too.
    """

    def __init__(self, root: RootSecret, number: int) -> None:
        self._root = root
        self._number = number

    def find(self, key_id: KeyId) -> Sequence[ModuleKey]:
        """As ``KeySession``; every id has keys, since they are derived when they are used."""
        return [ModuleKey(key_id, number) for number in range(self._number, 0, -1)]

    def public_key(self, key: ModuleKey) -> bytes:
        """As ``KeySession``."""
        return by_number(key.id.suite).public_key(self._seed(key))

    def decrypt(self, key: ModuleKey, mechanism: Hpke, ciphertext: bytes) -> bytes:
        """As ``KeySession``."""
        return mechanism.suite.open(self._seed(key), mechanism.info, Sealed(mechanism.enc, ciphertext))

    def close(self) -> None:
        """Nothing is held open."""

    def _seed(self, key: ModuleKey) -> KemSeed:
        return self._root.profile_key(key.id.suite, key.id.deployment, key.id.account, key.number)
