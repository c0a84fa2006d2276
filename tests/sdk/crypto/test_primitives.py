"""The primitives below the suite, as we call them, against vectors from elsewhere that try to break them."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from medrec_py.crypto.keys import KemSeed
from medrec_py.crypto.merkle import leaf_salt
from medrec_py.crypto.suites import FIRST_SUITE, Sealed, by_number
from medrec_py.errors import MedRecError, WrongKey

from .people import some
from .reference import vectors

X25519 = vectors("wycheproof_x25519.json")
ML_KEM = vectors("wycheproof_mlkem_768_hard.json")
SEED = KemSeed(some("seed"))
CURRENT = by_number(FIRST_SUITE)
PUBLIC_KEY = CURRENT.public_key(SEED)


@pytest.mark.parametrize("vector", X25519, ids=lambda vector: str(vector["tcId"]))
def test_x25519_is_that_of_rfc_7748(vector: dict[str, Any]) -> None:
    """Wycheproof's shared secrets, twists and non-canonical points included; a secret that is zero is refused."""
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(vector["private"]))
    public = X25519PublicKey.from_public_bytes(bytes.fromhex(vector["public"]))
    if "ZeroSharedSecret" in vector["flags"]:
        with pytest.raises(ValueError, match="shared key"):
            private.exchange(public)
    else:
        assert private.exchange(public).hex() == vector["shared"]


def outcome(call: Callable[[bytes], object], public_key: bytes) -> str:
    try:
        call(public_key)
    except MedRecError as error:
        return type(error).__name__
    return "sound"


def test_any_x25519_half_is_sealed_to_or_refused() -> None:
    """A public key with any of these points is either sound or FormatError, whether checked or sealed to."""
    for vector in X25519:
        public_key = PUBLIC_KEY[:1184] + bytes.fromhex(vector["public"])
        expected = "FormatError" if "ZeroSharedSecret" in vector["flags"] else "sound"
        assert outcome(CURRENT.check_public_key, public_key) == expected
        assert outcome(lambda key: CURRENT.seal(key, b"info", b"text"), public_key) == expected


@pytest.mark.parametrize(
    "vector", [v for v in ML_KEM if v["result"] == "valid"], ids=lambda vector: str(vector["tcId"])
)
def test_hard_cases_of_ml_kem(vector: dict[str, Any]) -> None:
    """Random and flipped ciphertexts give the secret of implicit rejection; odd matrices give the right keys."""
    private = MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(vector["seed"]))
    assert private.public_key().public_bytes_raw().hex() == vector["ek"]
    assert private.decapsulate(bytes.fromhex(vector["c"])).hex() == vector["K"]


@pytest.mark.parametrize(
    "vector", [v for v in ML_KEM if v["result"] == "invalid"], ids=lambda vector: str(vector["tcId"])
)
def test_bad_sizes_of_ml_kem(vector: dict[str, Any]) -> None:
    """Seeds and ciphertexts of another size are refused by the library, and encapsulations by the suite."""
    seed, ciphertext = bytes.fromhex(vector["seed"]), bytes.fromhex(vector["c"])
    with pytest.raises(ValueError, match=r".*"):
        MLKEM768PrivateKey.from_seed_bytes(seed).decapsulate(ciphertext)
    if len(ciphertext) != 1088:
        with pytest.raises(WrongKey):
            CURRENT.open(SEED, b"info", Sealed(ciphertext + bytes(32), bytes(16)))


RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
]
"""Test cases 1 to 4 and 6 of RFC 4231 §4, for SHA-256."""


@pytest.mark.parametrize(("key", "text", "tag"), RFC_4231, ids=["1", "2", "3", "4", "6"])
def test_hmac_is_that_of_rfc_4231(key: bytes, text: bytes, tag: str) -> None:
    """The function that salts leaves."""
    assert hmac.digest(key, text, "sha256").hex() == tag


def test_leaves_are_salted_by_hmac() -> None:
    """HMAC-SHA256 of the index in eight bytes."""
    assert leaf_salt(some("leaf salt"), 5) == hmac.digest(some("leaf salt"), bytes(7) + b"\x05", "sha256")


def test_public_keys_of_ml_kem_have_one_form() -> None:
    """What the library reads, it writes again."""
    half = PUBLIC_KEY[:1184]
    assert MLKEM768PublicKey.from_public_bytes(half).public_bytes_raw() == half
