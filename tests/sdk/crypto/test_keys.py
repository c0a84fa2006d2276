"""Secrets and derived keys."""

from __future__ import annotations

import copy
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec_py.crypto.keys import (
    DataKey,
    Deployment,
    EpochKeys,
    HistoryKey,
    KemSeed,
    Place,
    RootSecret,
    Secret,
    hkdf,
    new_record_id,
)
from medrec_py.errors import InvalidInput

from .people import ALICE, DOCTOR, OTHER_PLACES, PLACE, some
from .reference import vectors

ALL = (DataKey, HistoryKey, KemSeed, RootSecret)


@pytest.mark.parametrize("vector", vectors("wycheproof_hkdf_sha256.json"), ids=lambda vector: str(vector["tcId"]))
def test_hkdf_is_that_of_rfc_5869(vector: dict[str, str]) -> None:
    """Wycheproof's outputs agree with ours, as far as the shorter one goes."""
    okm = bytes.fromhex(vector["okm"])
    ours = hkdf(*(bytes.fromhex(vector[field]) for field in ("ikm", "info", "salt")))
    if vector["result"] == "valid":
        assert ours[: len(okm)] == okm[:32]


@pytest.mark.parametrize("kind", ALL)
def test_no_secret_is_shown(kind: type[Secret]) -> None:
    """Neither repr nor str nor an error nor a dataclass around it gives the bytes away."""
    octets = bytes(range(200, 232))
    secret = kind(octets)
    shown = f"{secret!r} {secret} {secret!s} {[secret]} {EpochKeys(KemSeed(octets), HistoryKey(octets))}"
    assert octets.hex() not in shown
    assert repr(octets)[2:-1] not in shown
    with pytest.raises(InvalidInput) as caught:
        kind(octets + b"\x01")
    assert octets.hex() not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_secret_has_32_bytes(kind: type[Secret], size: int) -> None:
    """Another size is a mistake of the caller's."""
    with pytest.raises(InvalidInput):
        kind(bytes(size))


def test_secrets_are_compared_by_kind_and_value() -> None:
    """Equal bytes in another role are another secret, and secrets do not go into sets, whose order would show them."""
    octets = some("secret")
    assert DataKey(octets) == DataKey(octets)
    assert DataKey(octets) != DataKey(some("other"))
    assert DataKey(octets) != KemSeed(octets)
    assert DataKey(octets) != octets
    assert copy.copy(DataKey(octets)) == DataKey(octets)
    with pytest.raises(TypeError):
        hash(DataKey(octets))


def test_random_keys_differ() -> None:
    """Every generated key and record id is a new one."""
    assert DataKey.generate() != DataKey.generate()
    assert EpochKeys.generate() != EpochKeys.generate()
    assert new_record_id() != new_record_id()


def test_every_long_lived_key_is_its_own() -> None:
    """Role, suite, chain, contract, patient, account and number each give another key."""
    root = RootSecret.from_bip39_seed(some("bip-39", 64))
    other = RootSecret.from_bip39_seed(some("another", 64))
    seeds = [root.root_key(1, PLACE), root.root_key(2, PLACE), other.root_key(1, PLACE)]
    seeds += [root.root_key(1, place) for place in OTHER_PLACES.values()]
    seeds += [root.inbox_key(1, PLACE, n) for n in (0, 1)] + [root.inbox_key(2, PLACE, 0)]
    seeds += [root.inbox_key(1, place, 0) for place in OTHER_PLACES.values()]
    seeds += [root.profile_key(1, PLACE, ALICE.address, n) for n in (0, 1)]
    seeds += [root.profile_key(1, OTHER_PLACES[k], ALICE.address, 0) for k in ("chain", "contract")]
    seeds += [root.profile_key(2, PLACE, ALICE.address, 0), root.profile_key(1, PLACE, DOCTOR.address, 0)]
    assert len({seed.expose() for seed in seeds}) == len(seeds)


def test_a_profile_key_belongs_to_the_account_not_to_a_patient() -> None:
    """A provider has one profile for all patients of a deployment."""
    root = RootSecret.generate()
    deployment = Deployment(PLACE.chain_id, PLACE.contract)
    assert root.profile_key(1, PLACE, DOCTOR.address, 0) == root.profile_key(1, deployment, DOCTOR.address, 0)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
def test_the_keys_of_a_record_are_its_own(octets: bytes, record_id: bytes) -> None:
    """Content key, commitment and metadata key differ, and so do those of another record, suite or encapsulation."""
    key = DataKey(octets)
    found = {
        key.content_key(1, record_id),
        key.commitment(1, record_id),
        key.metadata_key(1, record_id, b"one"),
        key.metadata_key(1, record_id, b"two"),
        key.content_key(2, record_id),
        key.content_key(1, record_id[:15] + bytes([record_id[15] ^ 1])),
    }
    assert len(found) == 6
    assert octets not in found


@pytest.mark.parametrize(
    "parts",
    [
        (0, bytes(20), bytes(20)),
        (-1, bytes(20), bytes(20)),
        (1 << 64, bytes(20), bytes(20)),
        (True, bytes(20), bytes(20)),
        (1, bytes(19), bytes(20)),
        (1, bytes(20), bytes(21)),
        (1, "0x" + "00" * 9, bytes(20)),
    ],
)
def test_a_place_has_a_chain_and_two_addresses(parts: tuple[int, bytes, bytes]) -> None:
    """A place that could not be on chain cannot be sealed to."""
    with pytest.raises(InvalidInput):
        Place(*parts)


def test_a_root_secret_comes_from_a_whole_bip39_seed() -> None:
    """The seed has 64 bytes; the phrase's entropy or a cut seed is refused."""
    with pytest.raises(InvalidInput):
        RootSecret.from_bip39_seed(bytes(32))
