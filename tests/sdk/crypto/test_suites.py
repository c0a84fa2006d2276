"""The suites against vectors from elsewhere, against a second implementation, and against bad keys."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec_py.crypto.keys import KemSeed
from medrec_py.crypto.suites import FIRST_SUITE, SUITES, Sealed, Suite, by_number
from medrec_py.errors import ContentTampered, FormatError, UnknownSuite, WrongKey

from .people import SUITE, some
from .reference import (
    SUITE_1,
    SUITE_2,
    Hpke,
    KnownEncapsulations,
    KnownEncapsulations2,
    ml_kem_1024_p384_decapsulate,
    vectors,
    x_wing_decapsulate,
)

X_WING = vectors("x_wing.json")
PUBLISHED = vectors("hpke_pq.json")
WITH_GO = vectors("ml_kem_1024_p384.json")
SEED = KemSeed(some("seed"))
PUBLIC_KEY = SUITE.public_key(SEED)
LATER = by_number(2)
LATER_PUBLIC_KEY = LATER.public_key(SEED)


class Case(NamedTuple):
    """A suite, and what it is held against."""

    suite: Suite
    hpke: Hpke
    decapsulate: Callable[[bytes, bytes], bytes]
    mlkem_public_size: int
    mlkem_enc_size: int


CASES = [
    Case(SUITE, SUITE_1, x_wing_decapsulate, 1184, 1088),
    Case(LATER, SUITE_2, ml_kem_1024_p384_decapsulate, 1568, 1568),
]
each_suite = pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.suite))


def flip(octets: bytes, place: int) -> bytes:
    changed = bytearray(octets)
    changed[place] ^= 1
    return bytes(changed)


def unhex(vector: dict[str, str], *fields: str) -> list[bytes]:
    return [bytes.fromhex(vector[field]) for field in fields]


@pytest.mark.parametrize("vector", vectors("wycheproof_aes_256_gcm.json"), ids=lambda vector: str(vector["tcId"]))
def test_the_aead_is_aes_256_gcm(vector: dict[str, str]) -> None:
    """Wycheproof's valid texts come out in both directions, in every suite; its invalid ones are refused."""
    key, nonce, associated, text, ciphertext, tag = unhex(vector, "key", "iv", "aad", "msg", "ct", "tag")
    for suite in SUITES.values():
        if vector["result"] == "valid":
            assert suite.encrypt(key, nonce, text, associated) == ciphertext + tag
            assert suite.decrypt(key, nonce, ciphertext + tag, associated) == text
        else:
            with pytest.raises(ContentTampered):
                suite.decrypt(key, nonce, ciphertext + tag, associated)


@each_suite
@pytest.mark.parametrize("size", [0, 1, 15])
def test_less_than_a_tag_is_refused(case: Case, size: int) -> None:
    """A ciphertext that is too short for its tag is tampered with, not an error of another kind."""
    with pytest.raises(ContentTampered):
        case.suite.decrypt(bytes(32), bytes(12), bytes(size), b"")


@pytest.mark.parametrize("vector", X_WING, ids=range(len(X_WING)))
def test_a_seed_gives_the_public_key_of_x_wing(vector: dict[str, str]) -> None:
    """Our expansion of the 32-byte private key is that of the draft's vectors."""
    seed, public_key = unhex(vector, "sk", "pk")
    assert SUITE.public_key(KemSeed(seed)) == public_key
    SUITE.check_public_key(public_key)


@each_suite
def test_a_seed_that_was_used_is_the_same_seed(case: Case) -> None:
    """What a suite leaves with a seed shows nowhere: equal, copied and sent to another process as its bytes are."""
    used, fresh = KemSeed(some("seed")), KemSeed(some("seed"))
    public_key = case.suite.public_key(used)
    assert case.suite.public_key(used) == public_key
    assert set(used.expanded) == {case.suite.number}
    assert used == fresh
    assert repr(used) == repr(fresh)
    for again in (copy.copy(used), copy.deepcopy(used), pickle.loads(pickle.dumps(used))):  # noqa: S301 - our own
        assert again == used
        assert not again.expanded
        assert case.suite.public_key(again) == public_key


@pytest.mark.parametrize("vector", X_WING, ids=range(len(X_WING)))
def test_a_seed_decapsulates_as_x_wing(vector: dict[str, str]) -> None:
    """What is sealed under the vector's shared secret opens with the vector's seed and encapsulation."""
    seed, enc, shared_secret = unhex(vector, "sk", "ct", "ss")
    assert x_wing_decapsulate(seed, enc) == shared_secret
    ciphertext = SUITE_1.seal(shared_secret, b"info", b"text")
    assert SUITE.open(KemSeed(seed), b"info", Sealed(enc, ciphertext)) == b"text"


@pytest.mark.parametrize("vector", PUBLISHED, ids=["draft-ietf-hpke-pq"])
def test_suite_2_is_that_of_the_published_vector(vector: dict[str, Any]) -> None:
    """Seed, public key, encapsulation, shared secret, keys and message of the draft's vector for MLKEM1024-P384."""
    seed, public_key, enc, shared_secret, info = unhex(vector, "skRm", "pkRm", "enc", "shared_secret", "info")
    key, nonce = unhex(vector, "key", "base_nonce")
    associated, text, ciphertext = unhex(vector["encryptions"][0], "aad", "pt", "ct")
    assert LATER.public_key(KemSeed(seed)) == public_key
    LATER.check_public_key(public_key)
    assert ml_kem_1024_p384_decapsulate(seed, enc) == shared_secret
    assert SUITE_2.key_and_nonce(shared_secret, info) == (key, nonce)
    assert SUITE_2.seal(shared_secret, info, text, associated) == ciphertext
    assert LATER.open(KemSeed(seed), info, Sealed(enc, SUITE_2.seal(shared_secret, info, text))) == text


@pytest.mark.parametrize("vector", WITH_GO, ids=lambda vector: f"{vector['sealedBy']} {vector['seed'][:4]}")
def test_suite_2_agrees_with_go(vector: dict[str, str]) -> None:
    """Go's public key of a seed is ours, and what Go sealed opens; what we sealed then was opened by Go."""
    seed, public_key, info, text, enc, ciphertext = unhex(
        vector, "seed", "publicKey", "info", "text", "enc", "ciphertext"
    )
    assert LATER.public_key(KemSeed(seed)) == public_key
    assert LATER.open(KemSeed(seed), info, Sealed(enc, ciphertext)) == text


def test_both_directions_were_tried_with_go() -> None:
    """Every seed has a message that ours sealed and one that Go sealed."""
    sealed = {(vector["sealedBy"], vector["seed"]) for vector in WITH_GO}
    seeds = {seed for _, seed in sealed}
    assert sealed == {(side, seed) for side in ("cryptography", "Go crypto/hpke") for seed in seeds}
    assert len(seeds) >= 4


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


@each_suite
@given(text=st.binary(max_size=300), info=st.binary(max_size=100))
@settings(max_examples=30)
def test_a_second_implementation_opens_what_is_sealed(case: Case, text: bytes, info: bytes) -> None:
    """What we seal is HPKE base mode over the suite's KEM, with the context in info and no associated data."""
    suite = case.suite
    sealed = suite.seal(suite.public_key(SEED), info, text)
    assert len(sealed.enc) == suite.enc_size
    assert len(sealed.ciphertext) == len(text) + suite.tag_size
    assert case.hpke.open(case.decapsulate(SEED.expose(), sealed.enc), info, sealed.ciphertext) == text
    assert suite.open(SEED, info, sealed) == text


@each_suite
def test_sealing_twice_gives_two_encapsulations(case: Case) -> None:
    """Every seal has its own encapsulation: equal texts do not look equal."""
    public_key = case.suite.public_key(SEED)
    assert case.suite.seal(public_key, b"", b"same") != case.suite.seal(public_key, b"", b"same")


@each_suite
def test_only_the_right_key_info_and_bytes_open(case: Case) -> None:
    """Another key, another context or one changed bit raises WrongKey, in either half of the encapsulation."""
    suite = case.suite
    sealed = suite.seal(suite.public_key(SEED), b"info", b"text")
    flipped_mlkem = bytes([sealed.enc[0] ^ 1]) + sealed.enc[1:]
    flipped_point = sealed.enc[:-1] + bytes([sealed.enc[-1] ^ 1])
    no_point = sealed.enc[: case.mlkem_enc_size] + bytes(suite.enc_size - case.mlkem_enc_size)
    for seed, info, wrong in (
        (KemSeed(some("other")), b"info", sealed),
        (SEED, b"Info", sealed),
        (SEED, b"", sealed),
        (SEED, b"info", Sealed(flipped_mlkem, sealed.ciphertext)),
        (SEED, b"info", Sealed(flipped_point, sealed.ciphertext)),
        (SEED, b"info", Sealed(no_point, sealed.ciphertext)),
        (SEED, b"info", Sealed(sealed.enc, sealed.ciphertext[:-1])),
        (SEED, b"info", Sealed(sealed.enc, sealed.ciphertext + b"\0")),
        (SEED, b"info", Sealed(sealed.enc, b"")),
        (SEED, b"info", Sealed(sealed.enc[:-1], sealed.ciphertext)),
        (SEED, b"info", Sealed(sealed.enc + sealed.ciphertext[:1], sealed.ciphertext[1:])),
        (SEED, b"info", Sealed(b"", b"")),
    ):
        with pytest.raises(WrongKey):
            suite.open(seed, info, wrong)


LOW_ORDER = [bytes.fromhex(vector["public"]) for vector in vectors("wycheproof_x25519_low_order.json")]


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:12])
def test_low_order_points_are_refused(point: bytes) -> None:
    """Nobody can publish a key, or send an encapsulation, whose X25519 half is known to everybody."""
    public_key = PUBLIC_KEY[:1184] + point
    with pytest.raises(FormatError):
        SUITE.check_public_key(public_key)
    with pytest.raises(FormatError):
        SUITE.seal(public_key, b"info", b"text")
    sealed = SUITE.seal(PUBLIC_KEY, b"info", b"text")
    with pytest.raises(WrongKey):
        SUITE.open(SEED, b"info", Sealed(sealed.enc[:1088] + point, sealed.ciphertext))


P384 = LATER_PUBLIC_KEY[1568:]
NO_POINTS = {
    "zeros": bytes(97),
    "origin": b"\x04" + bytes(96),
    "off the curve": flip(P384, -1),
    "coordinates beyond the field": b"\x04" + b"\xff" * 96,
    "compressed, filled up": b"\x02" + P384[1:49] + bytes(48),
    "hybrid form": bytes([6 + (P384[-1] & 1)]) + P384[1:],
    "of P-256, filled up": b"\x04" + bytes(32) + P384[1:65],
}


@pytest.mark.parametrize("point", NO_POINTS.values(), ids=NO_POINTS)
def test_what_is_no_point_of_p_384_is_refused(point: bytes) -> None:
    """Nobody can publish a key, or send an encapsulation, with anything but an uncompressed point of the curve."""
    public_key = LATER_PUBLIC_KEY[:1568] + point
    for refuse in (LATER.check_public_key, lambda key: LATER.seal(key, b"", b"")):
        with pytest.raises(FormatError):
            refuse(public_key)
    sealed = LATER.seal(LATER_PUBLIC_KEY, b"info", b"text")
    with pytest.raises(WrongKey):
        LATER.open(SEED, b"info", Sealed(sealed.enc[:1568] + point, sealed.ciphertext))


def with_coefficient(case: Case, number: int, value: int) -> bytes:
    """The public key with one of its coefficients, of 12 bits each, set."""
    public_key = case.suite.public_key(SEED)
    size = case.mlkem_public_size - 32  # the rest of it is the seed of the matrix
    polynomial = int.from_bytes(public_key[:size], "little")
    polynomial &= ~(0xFFF << 12 * number)
    return (polynomial | value << 12 * number).to_bytes(size, "little") + public_key[size:]


@each_suite
@pytest.mark.parametrize("number", [0, 1, 255, 256, 767, -1])
@pytest.mark.parametrize("value", [3329, 4095])
def test_ml_kem_keys_must_be_reduced(case: Case, number: int, value: int) -> None:
    """FIPS 203 §7.2: a coefficient of q or more is no public key, wherever it stands, the last included."""
    place = number % ((case.mlkem_public_size - 32) * 8 // 12)
    case.suite.check_public_key(with_coefficient(case, place, 3328))
    for refuse in (case.suite.check_public_key, lambda key: case.suite.seal(key, b"", b"")):
        with pytest.raises(FormatError):
            refuse(with_coefficient(case, place, value))


@each_suite
def test_public_keys_have_one_size(case: Case) -> None:
    """Nothing is sealed to a key of another size: a half, a longer one, one of another suite."""
    public_key = case.suite.public_key(SEED)
    others = [other.public_key(SEED) for other in SUITES.values() if other is not case.suite]
    mlkem, point = public_key[: case.mlkem_public_size], public_key[case.mlkem_public_size :]
    for refuse in (case.suite.check_public_key, lambda key: case.suite.seal(key, b"", b"")):
        for wrong in (b"", public_key[:-1], public_key + b"\0", mlkem, point, *others):
            with pytest.raises(FormatError):
                refuse(wrong)


def test_what_one_suite_sealed_no_other_opens() -> None:
    """One seed has a key in every suite; a message is of one of them, cut or filled up to whatever size."""
    for suite in SUITES.values():
        sealed = suite.seal(suite.public_key(SEED), b"info", b"text")
        for other in set(SUITES.values()) - {suite}:
            message = (sealed.enc + sealed.ciphertext).ljust(other.enc_size + 20, b"\0")
            for wrong in (sealed, Sealed(message[: other.enc_size], message[other.enc_size :])):
                with pytest.raises(WrongKey):
                    other.open(SEED, b"info", wrong)


def test_a_suite_is_found_by_its_number() -> None:
    """Documents name their suite; a number that this version does not know is an error of its own."""
    assert {number: suite.number for number, suite in SUITES.items()} == {1: 1, 2: 2}
    assert all(by_number(number) is suite for number, suite in SUITES.items())
    assert min(SUITES) == FIRST_SUITE
    for number in (0, 3, 1 << 64):
        with pytest.raises(UnknownSuite):
            by_number(number)


@pytest.mark.parametrize("other", [KnownEncapsulations(), KnownEncapsulations2()], ids=repr)
def test_another_suite_fits_in(other: KnownEncapsulations | KnownEncapsulations2) -> None:
    """A suite is one subclass with everything that documents need to know of it."""
    seeds = [v["sk"] for v in X_WING] if other.number == 1 else [v["seed"] for v in WITH_GO]
    seed = KemSeed(bytes.fromhex(seeds[0]))
    sealed = other.seal(other.public_key(seed), b"info", b"text")
    assert other.seal(other.public_key(seed), b"info", b"text") == sealed
    assert by_number(other.number).open(seed, b"info", sealed) == b"text"
    assert repr(other) == f"<suite {other.number}>"
