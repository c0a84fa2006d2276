"""Cipher suites (docs/format.md §1): public-key sealing by HPKE (RFC 9180), and the AEAD for content and metadata.

A document names its suite by number; ``by_number`` finds it. Callers have no options: a new algorithm is a new
subclass of ``Suite`` with a new number, registered below, and old documents stay readable.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from medrec_py.crypto.keys import KemSeed
from medrec_py.errors import ContentTampered, FormatError, UnknownSuite, WrongKey


@dataclass(frozen=True, slots=True)
class Sealed:
    """A text sealed to a public key.

    Attributes:
        enc: The HPKE encapsulation.
        ciphertext: The text under the key in it, with its tag.
    """

    enc: bytes
    ciphertext: bytes


class Suite(ABC):
    """One choice of algorithms.

    Attributes:
        number: What documents call it.
        public_key_size: Bytes of a public key.
        enc_size: Bytes of an encapsulation.
        tag_size: Bytes that sealing adds to a text.
        nonce_size: Bytes of an AEAD nonce.
    """

    number: ClassVar[int]
    public_key_size: ClassVar[int]
    enc_size: ClassVar[int]
    tag_size: ClassVar[int]
    nonce_size: ClassVar[int]

    @abstractmethod
    def public_key(self, seed: KemSeed) -> bytes:
        """The public key of a seed, ``public_key_size`` bytes."""

    @abstractmethod
    def check_public_key(self, public_key: bytes) -> None:
        """Refuse a public key that nothing should be sealed to.

        Raises:
            FormatError: it has another size, is no key, or leads every sender to the same secret.
        """

    @abstractmethod
    def seal(self, public_key: bytes, info: bytes, plaintext: bytes) -> Sealed:
        """Seal a text to a public key, bound to ``info``.

        Raises:
            FormatError: as ``check_public_key``.
        """

    @abstractmethod
    def open(self, seed: KemSeed, info: bytes, sealed: Sealed) -> bytes:
        """Open what was sealed to the seed's public key with the same ``info``.

        Raises:
            WrongKey: it was sealed to another key or with another ``info``, or was changed.
        """

    @abstractmethod
    def encrypt(self, key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        """AEAD: ciphertext and tag. One pair of key and nonce may serve for one text only."""

    @abstractmethod
    def decrypt(self, key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
        """AEAD: the text.

        Raises:
            ContentTampered: the ciphertext does not authenticate.
        """

    def __repr__(self) -> str:
        return f"<suite {self.number}>"


class PrivateKey(Protocol):
    """A private key wherever it is: a seed in this process (``KemSeed``), or one that never leaves a module."""

    def open(self, suite: Suite, info: bytes, sealed: Sealed) -> bytes:
        """Open what was sealed to the key's public half with the same ``info``. Raises as ``Suite.open``."""


class XWingAes256(Suite):
    """Suite 1: HPKE base mode, X-Wing (0x647A: ML-KEM-768 and X25519), HKDF-SHA256, AES-256-GCM; AES-256-GCM.

    X-Wing is draft-connolly-cfrg-xwing-kem. Its private key is a 32-byte seed; SHAKE256 expands it to a seed of
    ML-KEM (64 bytes) and a private key of X25519 (32 bytes).
    """

    number = 1
    public_key_size = 1216
    enc_size = 1120
    tag_size = 16
    nonce_size = 12

    _MLKEM_SEED_SIZE = 64
    _MLKEM_PUBLIC_SIZE = 1184
    _hpke = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)

    def public_key(self, seed: KemSeed) -> bytes:
        """The ML-KEM key (1,184 bytes) and the X25519 key (32 bytes)."""
        mlkem, x25519 = self._expand(seed)
        return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def check_public_key(self, public_key: bytes) -> None:
        """Refuse sizes, ML-KEM keys that are not reduced, and X25519 points of low order."""
        _, x25519 = self._parse(public_key)
        try:
            X25519PrivateKey.generate().exchange(x25519)
        except ValueError as error:
            raise FormatError("the X25519 half of a public key is a point of low order") from error

    def seal(self, public_key: bytes, info: bytes, plaintext: bytes) -> Sealed:
        """HPKE, one message."""
        key = hpke.MLKEM768X25519PublicKey(*self._parse(public_key))
        try:
            message = self._hpke.encrypt(plaintext, key, info)
        except ValueError as error:
            raise FormatError("nothing can be sealed to this public key") from error
        return Sealed(message[: self.enc_size], message[self.enc_size :])

    def open(self, seed: KemSeed, info: bytes, sealed: Sealed) -> bytes:
        """HPKE, one message."""
        if len(sealed.enc) != self.enc_size:
            raise WrongKey("an HPKE encapsulation has another size than this suite's")
        key = hpke.MLKEM768X25519PrivateKey(*self._expand(seed))
        try:
            return self._hpke.decrypt(sealed.enc + sealed.ciphertext, key, info)
        except (InvalidTag, ValueError) as error:
            raise WrongKey("a sealed document does not open with this key in this context") from error

    def encrypt(self, key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        """AES-256-GCM."""
        return AESGCM(key).encrypt(nonce, plaintext, associated)

    def decrypt(self, key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
        """AES-256-GCM."""
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, associated)
        except InvalidTag as error:
            raise ContentTampered("a ciphertext does not authenticate") from error

    def _expand(self, seed: KemSeed) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        """The two private keys of a seed (draft-connolly-cfrg-xwing-kem, expandDecapsulationKey)."""
        expanded = hashlib.shake_256(seed.expose()).digest(self._MLKEM_SEED_SIZE + 32)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[: self._MLKEM_SEED_SIZE])
        return mlkem, X25519PrivateKey.from_private_bytes(expanded[self._MLKEM_SEED_SIZE :])

    def _parse(self, public_key: bytes) -> tuple[MLKEM768PublicKey, X25519PublicKey]:
        """The two public keys; OpenSSL makes the modulus check of FIPS 203 §7.2."""
        if len(public_key) != self.public_key_size:
            raise FormatError(f"a public key of suite {self.number} has {self.public_key_size} bytes")
        try:
            mlkem = MLKEM768PublicKey.from_public_bytes(public_key[: self._MLKEM_PUBLIC_SIZE])
            return mlkem, X25519PublicKey.from_public_bytes(public_key[self._MLKEM_PUBLIC_SIZE :])
        except ValueError as error:
            raise FormatError("the ML-KEM half of a public key is not in its canonical form") from error


CURRENT: Suite = XWingAes256()
"""What new documents are sealed with."""

_SUITES = {known.number: known for known in (CURRENT,)}


def by_number(number: int) -> Suite:
    """The suite that a document names.

    Raises:
        UnknownSuite: this version does not have it.
    """
    try:
        return _SUITES[number]
    except KeyError:
        raise UnknownSuite(f"cipher suite {number} is unknown") from None
