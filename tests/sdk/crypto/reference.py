"""HPKE (RFC 9180, base mode), X-Wing and MLKEM1024-P384, written a second time from their specifications.

The suites are held against them.

Nothing here goes through ``cryptography``'s HPKE. Given the randomness of a known encapsulation, sealing is
deterministic, which is how the vectors in ``tests/vectors`` come about.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from medrec_py.crypto.suites import MLKEM1024P384Aes256, Sealed, XWingAes256

DATA = Path(__file__).parents[2] / "data" / "crypto"
X_WING = 0x647A
MLKEM1024_P384 = 0x51
KEY_SIZES = {1: 16, 2: 32, 3: 32}
HASHES = {1: "sha256", 2: "sha384", 3: "sha512"}


def vectors(name: str) -> Any:
    """The vectors of a file in ``tests/data/crypto``."""
    return json.loads((DATA / name).read_text())


class Hpke:
    """The key schedule of RFC 9180 §5.1 in base mode, and the first message of a context."""

    def __init__(self, kem: int, kdf: int, aead: int) -> None:
        self._id = b"HPKE" + b"".join(number.to_bytes(2) for number in (kem, kdf, aead))
        self._hash = HASHES[kdf]
        self._aead = aead

    def _extract(self, salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return hmac.digest(salt, b"HPKE-v1" + self._id + label + ikm, self._hash)

    def _expand(self, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
        labelled = length.to_bytes(2) + b"HPKE-v1" + self._id + label + info
        block = hmac.digest(prk, labelled + b"\x01", self._hash)
        assert length <= len(block)
        return block[:length]

    def key_and_nonce(self, shared_secret: bytes, info: bytes) -> tuple[bytes, bytes]:
        context = b"\0" + self._extract(b"", b"psk_id_hash", b"") + self._extract(b"", b"info_hash", info)
        secret = self._extract(shared_secret, b"secret", b"")
        key = self._expand(secret, b"key", context, KEY_SIZES[self._aead])
        return key, self._expand(secret, b"base_nonce", context, 12)

    def seal(self, shared_secret: bytes, info: bytes, text: bytes, associated: bytes = b"") -> bytes:
        key, nonce = self.key_and_nonce(shared_secret, info)
        return self._cipher(key).encrypt(nonce, text, associated)

    def open(self, shared_secret: bytes, info: bytes, ciphertext: bytes, associated: bytes = b"") -> bytes:
        key, nonce = self.key_and_nonce(shared_secret, info)
        return self._cipher(key).decrypt(nonce, ciphertext, associated)

    def _cipher(self, key: bytes) -> AESGCM | ChaCha20Poly1305:
        return ChaCha20Poly1305(key) if self._aead == 3 else AESGCM(key)


SUITE_1 = Hpke(X_WING, 1, 2)
SUITE_2 = Hpke(MLKEM1024_P384, 2, 2)


def x_wing_decapsulate(seed: bytes, encapsulation: bytes) -> bytes:
    """The shared secret (draft-connolly-cfrg-xwing-kem), from both secrets, X25519's ciphertext and key, a label."""
    expanded = hashlib.shake_256(seed).digest(96)
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
    ss_m = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).decapsulate(encapsulation[:1088])
    ss_x = x25519.exchange(X25519PublicKey.from_public_bytes(encapsulation[1088:]))
    public = x25519.public_key().public_bytes_raw()
    return hashlib.sha3_256(ss_m + ss_x + encapsulation[1088:] + public + rb"\.//^" + b"\\").digest()


def ml_kem_1024_p384_decapsulate(seed: bytes, encapsulation: bytes) -> bytes:
    """The shared secret (draft-ietf-hpke-pq), from both secrets, the point that was sent, our own, and a label."""
    expanded = hashlib.shake_256(seed).digest(112)
    p384 = ec.derive_private_key(int.from_bytes(expanded[64:]), ec.SECP384R1())
    point = encapsulation[1568:]
    ss_m = MLKEM1024PrivateKey.from_seed_bytes(expanded[:64]).decapsulate(encapsulation[:1568])
    ss_t = p384.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point))
    public = p384.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return hashlib.sha3_256(ss_m + ss_t + point + public + b"MLKEM1024-P384").digest()


class _Known:
    """Seals under encapsulations that are known, to the keys that they were made for: the same way each time."""

    _reference: Hpke
    _known: dict[bytes, tuple[bytes, bytes]]  # public key → encapsulation and shared secret

    def seal(self, public_key: bytes, info: bytes, plaintext: bytes) -> Sealed:
        enc, shared_secret = self._known[public_key]
        return Sealed(enc, self._reference.seal(shared_secret, info, plaintext))


class KnownEncapsulations(_Known, XWingAes256):
    """Suite 1 with the randomness of the X-Wing vectors: it seals to their three keys."""

    _reference = SUITE_1

    def __init__(self) -> None:
        self._known = {
            bytes.fromhex(v["pk"]): (bytes.fromhex(v["ct"]), bytes.fromhex(v["ss"])) for v in vectors("x_wing.json")
        }


class KnownEncapsulations2(_Known, MLKEM1024P384Aes256):
    """Suite 2 with the randomness of the vectors that Go sealed: it seals to their four keys."""

    _reference = SUITE_2

    def __init__(self) -> None:
        self._known = {}
        for v in vectors("ml_kem_1024_p384.json"):
            if v["sealedBy"] == "Go crypto/hpke":
                seed, public_key, enc = (bytes.fromhex(v[field]) for field in ("seed", "publicKey", "enc"))
                self._known[public_key] = enc, ml_kem_1024_p384_decapsulate(seed, enc)
