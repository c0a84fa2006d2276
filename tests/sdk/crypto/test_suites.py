"""Suite 1 against vectors from elsewhere, against a second implementation, and against bad keys."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec_py.crypto.keys import KemSeed
from medrec_py.crypto.suites import CURRENT, Sealed, Suite, by_number
from medrec_py.errors import ContentTampered, FormatError, UnknownSuite, WrongKey

from .people import some
from .reference import SUITE_1, Hpke, KnownEncapsulations, vectors, x_wing_decapsulate

X_WING = vectors("x_wing.json")
SEED = KemSeed(some("seed"))
PUBLIC_KEY = CURRENT.public_key(SEED)


def unhex(vector: dict[str, str], *fields: str) -> list[bytes]:
    return [bytes.fromhex(vector[field]) for field in fields]


@pytest.mark.parametrize("vector", vectors("wycheproof_aes_256_gcm.json"), ids=lambda vector: str(vector["tcId"]))
def test_the_aead_is_aes_256_gcm(vector: dict[str, str]) -> None:
    """Wycheproof's valid texts come out in both directions; its invalid ones are refused."""
    key, nonce, associated, text, ciphertext, tag = unhex(vector, "key", "iv", "aad", "msg", "ct", "tag")
    if vector["result"] == "valid":
        assert CURRENT.encrypt(key, nonce, text, associated) == ciphertext + tag
        assert CURRENT.decrypt(key, nonce, ciphertext + tag, associated) == text
    else:
        with pytest.raises(ContentTampered):
            CURRENT.decrypt(key, nonce, ciphertext + tag, associated)


@pytest.mark.parametrize("size", [0, 1, 15])
def test_less_than_a_tag_is_refused(size: int) -> None:
    """A ciphertext that is too short for its tag is tampered with, not an error of another kind."""
    with pytest.raises(ContentTampered):
        CURRENT.decrypt(bytes(32), bytes(12), bytes(size), b"")


@pytest.mark.parametrize("vector", X_WING, ids=range(len(X_WING)))
def test_a_seed_gives_the_public_key_of_x_wing(vector: dict[str, str]) -> None:
    """Our expansion of the 32-byte private key is that of the draft's vectors."""
    seed, public_key = unhex(vector, "sk", "pk")
    assert CURRENT.public_key(KemSeed(seed)) == public_key
    CURRENT.check_public_key(public_key)


def test_a_seed_that_was_used_is_the_same_seed() -> None:
    """What a suite leaves with a seed shows nowhere: equal, copied and sent to another process as its bytes are."""
    used, fresh = KemSeed(some("seed")), KemSeed(some("seed"))
    assert CURRENT.public_key(used) == PUBLIC_KEY
    assert used.expanded
    assert used == fresh
    assert repr(used) == repr(fresh)
    for again in (copy.copy(used), copy.deepcopy(used), pickle.loads(pickle.dumps(used))):  # noqa: S301 - our own
        assert again == used
        assert not again.expanded
        assert CURRENT.public_key(again) == PUBLIC_KEY


@pytest.mark.parametrize("vector", X_WING, ids=range(len(X_WING)))
def test_a_seed_decapsulates_as_x_wing(vector: dict[str, str]) -> None:
    """What is sealed under the vector's shared secret opens with the vector's seed and encapsulation."""
    seed, enc, shared_secret = unhex(vector, "sk", "ct", "ss")
    assert x_wing_decapsulate(seed, enc) == shared_secret
    ciphertext = SUITE_1.seal(shared_secret, b"info", b"text")
    assert CURRENT.open(KemSeed(seed), b"info", Sealed(enc, ciphertext)) == b"text"


@pytest.mark.parametrize("vector", vectors("wycheproof_mlkem_768.json"), ids=lambda vector: str(vector["tcId"]))
def test_ml_kem_is_that_of_fips_203(vector: dict[str, str]) -> None:
    """The ML-KEM underneath gives Wycheproof's public keys and shared secrets."""
    seed, public_key, ciphertext, secret = unhex(vector, "seed", "ek", "c", "K")
    private = MLKEM768PrivateKey.from_seed_bytes(seed)
    assert private.public_key().public_bytes_raw() == public_key
    assert private.decapsulate(ciphertext) == secret


KEMS = {0x10: hpke.KEM.P256, 0x12: hpke.KEM.P521, 0x20: hpke.KEM.X25519}
KDFS = {1: hpke.KDF.HKDF_SHA256, 3: hpke.KDF.HKDF_SHA512}
AEADS = {1: hpke.AEAD.AES_128_GCM, 2: hpke.AEAD.AES_256_GCM, 3: hpke.AEAD.CHACHA20_POLY1305}
RFC_9180 = vectors("rfc9180_base_mode.json")


def private_key(vector: dict[str, Any]) -> X25519PrivateKey | ec.EllipticCurvePrivateKey:
    secret = bytes.fromhex(vector["skRm"])
    if vector["kem_id"] == 0x20:
        return X25519PrivateKey.from_private_bytes(secret)
    return ec.derive_private_key(int.from_bytes(secret), {0x10: ec.SECP256R1(), 0x12: ec.SECP521R1()}[vector["kem_id"]])


@pytest.mark.parametrize("vector", RFC_9180, ids=lambda v: f"{v['kem_id']}-{v['kdf_id']}-{v['aead_id']}")
def test_hpke_is_that_of_rfc_9180(vector: dict[str, Any]) -> None:
    """Library and reference give RFC 9180's keys and ciphertexts, with info and associated data in their places."""
    info, enc, shared_secret, key, nonce = unhex(vector, "info", "enc", "shared_secret", "key", "base_nonce")
    associated, text, ciphertext = unhex(vector["encryptions"][0], "aad", "pt", "ct")
    reference = Hpke(vector["kem_id"], vector["kdf_id"], vector["aead_id"])
    assert reference.key_and_nonce(shared_secret, info) == (key, nonce)
    assert reference.seal(shared_secret, info, text, associated) == ciphertext
    if vector["kem_id"] not in KEMS:
        return  # the library has no X448: these vectors hold the reference alone
    library = hpke.Suite(KEMS[vector["kem_id"]], KDFS[vector["kdf_id"]], AEADS[vector["aead_id"]])
    without_associated = reference.seal(shared_secret, info, text)
    assert library.decrypt(enc + without_associated, private_key(vector), info) == text
    with pytest.raises(InvalidTag):
        library.decrypt(enc + ciphertext, private_key(vector), info)  # it takes no associated data


@given(st.binary(max_size=300), st.binary(max_size=100))
@settings(max_examples=30)
def test_a_second_implementation_opens_what_is_sealed(text: bytes, info: bytes) -> None:
    """What we seal is HPKE base mode over X-Wing with the context in info and no associated data."""
    sealed = CURRENT.seal(PUBLIC_KEY, info, text)
    assert len(sealed.enc) == CURRENT.enc_size
    assert len(sealed.ciphertext) == len(text) + CURRENT.tag_size
    assert SUITE_1.open(x_wing_decapsulate(SEED.expose(), sealed.enc), info, sealed.ciphertext) == text
    assert CURRENT.open(SEED, info, sealed) == text


def test_sealing_twice_gives_two_encapsulations() -> None:
    """Every seal has its own encapsulation: equal texts do not look equal."""
    assert CURRENT.seal(PUBLIC_KEY, b"", b"same") != CURRENT.seal(PUBLIC_KEY, b"", b"same")


def test_only_the_right_key_info_and_bytes_open() -> None:
    """Another key, another context or one changed bit raises WrongKey."""
    sealed = CURRENT.seal(PUBLIC_KEY, b"info", b"text")
    flipped_enc = bytes([sealed.enc[0] ^ 1]) + sealed.enc[1:]
    flipped_x25519 = sealed.enc[:-1] + bytes([sealed.enc[-1] ^ 1])
    for seed, info, wrong in (
        (KemSeed(some("other")), b"info", sealed),
        (SEED, b"Info", sealed),
        (SEED, b"", sealed),
        (SEED, b"info", Sealed(flipped_enc, sealed.ciphertext)),
        (SEED, b"info", Sealed(flipped_x25519, sealed.ciphertext)),
        (SEED, b"info", Sealed(sealed.enc, sealed.ciphertext[:-1])),
        (SEED, b"info", Sealed(sealed.enc, sealed.ciphertext + b"\0")),
        (SEED, b"info", Sealed(sealed.enc, b"")),
        (SEED, b"info", Sealed(sealed.enc[:-1], sealed.ciphertext)),
        (SEED, b"info", Sealed(sealed.enc + sealed.ciphertext[:1], sealed.ciphertext[1:])),
        (SEED, b"info", Sealed(b"", b"")),
    ):
        with pytest.raises(WrongKey):
            CURRENT.open(seed, info, wrong)


LOW_ORDER = [bytes.fromhex(vector["public"]) for vector in vectors("wycheproof_x25519_low_order.json")]


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:12])
def test_low_order_points_are_refused(point: bytes) -> None:
    """Nobody can publish a key, or send an encapsulation, whose X25519 half is known to everybody."""
    public_key = PUBLIC_KEY[:1184] + point
    with pytest.raises(FormatError):
        CURRENT.check_public_key(public_key)
    with pytest.raises(FormatError):
        CURRENT.seal(public_key, b"info", b"text")
    sealed = CURRENT.seal(PUBLIC_KEY, b"info", b"text")
    with pytest.raises(WrongKey):
        CURRENT.open(SEED, b"info", Sealed(sealed.enc[:1088] + point, sealed.ciphertext))


def with_coefficient(number: int, value: int) -> bytes:
    """The public key with one of its 768 coefficients, of 12 bits each, set."""
    polynomial = int.from_bytes(PUBLIC_KEY[:1152], "little")
    polynomial &= ~(0xFFF << 12 * number)
    return (polynomial | value << 12 * number).to_bytes(1152, "little") + PUBLIC_KEY[1152:]


@pytest.mark.parametrize("number", [0, 1, 255, 256, 767])
@pytest.mark.parametrize("value", [3329, 4095])
def test_ml_kem_keys_must_be_reduced(number: int, value: int) -> None:
    """FIPS 203 §7.2: a coefficient of q or more is no public key, wherever it stands."""
    CURRENT.check_public_key(with_coefficient(number, 3328))
    for refuse in (CURRENT.check_public_key, lambda key: CURRENT.seal(key, b"", b"")):
        with pytest.raises(FormatError):
            refuse(with_coefficient(number, value))


@pytest.mark.parametrize(
    "public_key",
    [b"", PUBLIC_KEY[:-1], PUBLIC_KEY + b"\0", PUBLIC_KEY[:1184], bytes(range(32))],
    ids=["empty", "shorter", "longer", "ML-KEM half", "X25519 half"],
)
def test_public_keys_have_one_size(public_key: bytes) -> None:
    """Anything else than 1,216 bytes is refused."""
    for refuse in (CURRENT.check_public_key, lambda key: CURRENT.seal(key, b"", b"")):
        with pytest.raises(FormatError):
            refuse(public_key)


def test_a_suite_is_found_by_its_number() -> None:
    """Documents name their suite; a number that this version does not know is an error of its own."""
    assert by_number(1) is CURRENT
    for number in (0, 2, 1 << 64):
        with pytest.raises(UnknownSuite):
            by_number(number)


def test_another_suite_fits_in() -> None:
    """A suite is one subclass with everything that documents need to know of it."""
    other: Suite = KnownEncapsulations()
    public_key = bytes.fromhex(X_WING[0]["pk"])
    sealed = other.seal(public_key, b"info", b"text")
    assert other.seal(public_key, b"info", b"text") == sealed
    assert CURRENT.open(KemSeed(bytes.fromhex(X_WING[0]["sk"])), b"info", sealed) == b"text"
    assert repr(other) == "<suite 1>"
