"""Cipher suites (docs/format.md §1): public-key sealing by HPKE (RFC 9180), and the AEAD for content and metadata.

A document names its suite by number; ``by_number`` finds it. Callers have no options: new documents are of the suite
of the deployment, old ones stay readable, and a new algorithm is a new subclass of ``Suite`` with a higher number,
registered below.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Generic, Protocol, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from medrec_py.crypto.keys import KemSeed
from medrec_py.errors import ContentTampered, FormatError, UnknownSuite, WrongKey

_MLKEM_SEED_SIZE = 64

_Private = TypeVar("_Private", hpke.MLKEM768X25519PrivateKey, hpke.MLKEM1024P384PrivateKey)
_Public = TypeVar("_Public", hpke.MLKEM768X25519PublicKey, hpke.MLKEM1024P384PublicKey)


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


class _Hybrid(Suite, Generic[_Private, _Public]):
    """HPKE in base mode with a hybrid KEM whose private keys are 32-byte seeds, and AES-256-GCM for content."""

    tag_size = 16
    nonce_size = 12

    _hpke: ClassVar[hpke.Suite]

    def check_public_key(self, public_key: bytes) -> None:
        """Refuse sizes, ML-KEM keys that are not reduced, and what is no point of the curve."""
        self._parse(public_key)

    def seal(self, public_key: bytes, info: bytes, plaintext: bytes) -> Sealed:
        """HPKE, one message."""
        key = _parsed(self, public_key)
        try:
            message = self._hpke.encrypt(plaintext, key, info)
        except ValueError as error:
            raise FormatError("nothing can be sealed to this public key") from error
        return Sealed(message[: self.enc_size], message[self.enc_size :])

    def open(self, seed: KemSeed, info: bytes, sealed: Sealed) -> bytes:
        """HPKE, one message."""
        if len(sealed.enc) != self.enc_size:
            raise WrongKey("an HPKE encapsulation has another size than this suite's")
        try:
            return self._hpke.decrypt(sealed.enc + sealed.ciphertext, self._private_key(seed), info)
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

    @abstractmethod
    def _private_key(self, seed: KemSeed) -> _Private:
        """The private key of a seed."""

    @abstractmethod
    def _parse(self, public_key: bytes) -> _Public:
        """A public key's two halves; raises ``FormatError`` if it has another size or one of them is no key."""

    def _halves(self, public_key: bytes, mlkem_size: int) -> tuple[bytes, bytes]:
        """The ML-KEM key and the point of a public key of the right size."""
        if len(public_key) != self.public_key_size:
            raise FormatError(f"a public key of suite {self.number} has {self.public_key_size} bytes")
        return public_key[:mlkem_size], public_key[mlkem_size:]


@lru_cache(maxsize=64)
def _parsed(suite: _Hybrid[_Private, _Public], public_key: bytes) -> _Public:
    """A public key that was parsed: many records are sealed to the same few epochs."""
    return suite._parse(public_key)  # noqa: SLF001 - a method cannot be cached without keeping its suite alive


class XWingAes256(_Hybrid[hpke.MLKEM768X25519PrivateKey, hpke.MLKEM768X25519PublicKey]):
    """Suite 1: HPKE base mode, X-Wing (0x647A: ML-KEM-768 and X25519), HKDF-SHA256, AES-256-GCM; AES-256-GCM.

    X-Wing is draft-connolly-cfrg-xwing-kem. Its private key is a 32-byte seed; SHAKE256 expands it to a seed of
    ML-KEM (64 bytes) and a private key of X25519 (32 bytes).
    """

    number = 1
    public_key_size = 1216
    enc_size = 1120

    _MLKEM_PUBLIC_SIZE = 1184
    _hpke = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)

    def public_key(self, seed: KemSeed) -> bytes:
        """The ML-KEM key (1,184 bytes) and the X25519 key (32 bytes)."""
        mlkem, x25519 = self._expand(seed)
        return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def check_public_key(self, public_key: bytes) -> None:
        """Refuse X25519 points of low order besides: sealing finds them by itself."""
        self._parse(public_key)
        try:
            X25519PrivateKey.generate().exchange(
                X25519PublicKey.from_public_bytes(public_key[self._MLKEM_PUBLIC_SIZE :])
            )
        except ValueError as error:
            raise FormatError("the X25519 half of a public key is a point of low order") from error

    def _private_key(self, seed: KemSeed) -> hpke.MLKEM768X25519PrivateKey:
        return hpke.MLKEM768X25519PrivateKey(*self._expand(seed))

    def _expand(self, seed: KemSeed) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        """The two private keys of a seed (draft-connolly-cfrg-xwing-kem, expandDecapsulationKey)."""
        if self.number not in seed.expanded:
            octets = hashlib.shake_256(seed.expose()).digest(_MLKEM_SEED_SIZE + 32)
            mlkem = MLKEM768PrivateKey.from_seed_bytes(octets[:_MLKEM_SEED_SIZE])
            seed.expanded[self.number] = mlkem, X25519PrivateKey.from_private_bytes(octets[_MLKEM_SEED_SIZE:])
        keys: tuple[MLKEM768PrivateKey, X25519PrivateKey] = seed.expanded[self.number]
        return keys

    def _parse(self, public_key: bytes) -> hpke.MLKEM768X25519PublicKey:
        """OpenSSL makes the modulus check of FIPS 203 §7.2."""
        mlkem, point = self._halves(public_key, self._MLKEM_PUBLIC_SIZE)
        x25519 = X25519PublicKey.from_public_bytes(point)
        try:
            return hpke.MLKEM768X25519PublicKey(MLKEM768PublicKey.from_public_bytes(mlkem), x25519)
        except ValueError as error:
            raise FormatError("the ML-KEM half of a public key is not in its canonical form") from error


class MLKEM1024P384Aes256(_Hybrid[hpke.MLKEM1024P384PrivateKey, hpke.MLKEM1024P384PublicKey]):
    """Suite 2: HPKE base mode, MLKEM1024-P384 (0x0051), HKDF-SHA384, AES-256-GCM; AES-256-GCM.

    The KEM is that of draft-ietf-hpke-pq and draft-irtf-cfrg-concrete-hybrid-kems. Its private key is a 32-byte seed;
    SHAKE256 expands it to a seed of ML-KEM (64 bytes) and a private key of P-384 (48 bytes, big-endian).
    """

    number = 2
    public_key_size = 1665
    enc_size = 1665

    _MLKEM_PUBLIC_SIZE = 1568
    _SCALAR_SIZE = 48
    _hpke = hpke.Suite(hpke.KEM.MLKEM1024_P384, hpke.KDF.HKDF_SHA384, hpke.AEAD.AES_256_GCM)

    def public_key(self, seed: KemSeed) -> bytes:
        """The ML-KEM key (1,568 bytes) and the point on P-384, uncompressed (SEC 1: 97 bytes)."""
        mlkem, p384 = self._expand(seed)
        point = p384.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return mlkem.public_key().public_bytes_raw() + point

    def _private_key(self, seed: KemSeed) -> hpke.MLKEM1024P384PrivateKey:
        return hpke.MLKEM1024P384PrivateKey(*self._expand(seed))

    def _expand(self, seed: KemSeed) -> tuple[MLKEM1024PrivateKey, ec.EllipticCurvePrivateKey]:
        """The two private keys of a seed (draft-irtf-cfrg-hybrid-kems, expandDecapsulationKeyG).

        The draft refuses a scalar that is zero or not below the order, and so does the library, with ``ValueError``:
        one seed in 2^194 has such a scalar.
        """
        if self.number not in seed.expanded:
            octets = hashlib.shake_256(seed.expose()).digest(_MLKEM_SEED_SIZE + self._SCALAR_SIZE)
            mlkem = MLKEM1024PrivateKey.from_seed_bytes(octets[:_MLKEM_SEED_SIZE])
            scalar = int.from_bytes(octets[_MLKEM_SEED_SIZE:])
            seed.expanded[self.number] = mlkem, ec.derive_private_key(scalar, ec.SECP384R1())
        keys: tuple[MLKEM1024PrivateKey, ec.EllipticCurvePrivateKey] = seed.expanded[self.number]
        return keys

    def _parse(self, public_key: bytes) -> hpke.MLKEM1024P384PublicKey:
        """OpenSSL makes the modulus check of FIPS 203 §7.2 and finds what is no point of the curve.

        The curve's order is prime: there are no points of low order, and infinity has no encoding of 97 bytes.
        """
        mlkem, point = self._halves(public_key, self._MLKEM_PUBLIC_SIZE)
        try:
            p384 = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point)
        except ValueError as error:
            raise FormatError("the P-384 half of a public key is no point of the curve, uncompressed") from error
        try:
            return hpke.MLKEM1024P384PublicKey(MLKEM1024PublicKey.from_public_bytes(mlkem), p384)
        except ValueError as error:
            raise FormatError("the ML-KEM half of a public key is not in its canonical form") from error


SUITES: Mapping[int, Suite] = {known.number: known for known in (XWingAes256(), MLKEM1024P384Aes256())}
"""All suites by number. A higher number came later: a deployment moves from one to a higher one, and never back."""

FIRST_SUITE = 1
"""Number of the suite of deployments that name none."""


def by_number(number: int) -> Suite:
    """The suite that a document or a deployment names.

    Raises:
        UnknownSuite: this version does not have it.
    """
    try:
        return SUITES[number]
    except KeyError:
        raise UnknownSuite(f"cipher suite {number} is unknown") from None
