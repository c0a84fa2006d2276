"""The seal that comes with a grant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from medrec_py.crypto import grant_seal, padding
from medrec_py.crypto.grant_seal import GrantedKeys
from medrec_py.crypto.keys import EpochId, EpochKeys, KemSeed, Place
from medrec_py.errors import FormatError, InvalidInput, KeyringMismatch, MedRecError, UnknownSuite, WrongKey

from .people import CLINIC, GENERAL, OTHER_PLACES, PLACE, PSYCHIATRY, STRANGER, SUITE, altered, some

SEED = KemSeed(some("seed of clinic"))
PUBLIC_KEY = SUITE.public_key(SEED)
KEYS = GrantedKeys(
    {
        EpochId(PSYCHIATRY, 2): EpochKeys.generate().without_history(),
        EpochId(GENERAL, 3): EpochKeys.generate(),
        EpochId(GENERAL, 4): EpochKeys.generate(),
    },
    {GENERAL: "general", PSYCHIATRY: "psychiatry"},
)
BLOCK = grant_seal.build(PLACE, CLINIC.address, 7, PUBLIC_KEY, KEYS, suite=SUITE)


def opened(
    block: bytes = BLOCK, place: Place = PLACE, grantee: bytes = CLINIC.address, version: int = 7
) -> GrantedKeys:
    return grant_seal.open_seal(block, place, grantee, version, SEED)


def test_the_grantee_gets_the_keys() -> None:
    """Seeds, history keys where there is HISTORY, and the names of the compartments."""
    assert opened() == KEYS


def test_the_size_does_not_depend_on_the_names_or_the_history() -> None:
    """A few compartments look alike, however they are called and however old they are."""
    other = GrantedKeys({EpochId(1, 1_000_000): EpochKeys.generate()}, {1: "a longer name than before"})
    assert len(grant_seal.build(PLACE, CLINIC.address, 8, PUBLIC_KEY, other, suite=SUITE)) == len(BLOCK)


def test_nothing_secret_is_shown() -> None:
    """Neither keys nor names are in the block or in what is printed."""
    for name in KEYS.names.values():
        assert name.encode() not in BLOCK
        assert name not in repr(KEYS)
    assert all(keys.seed.expose() not in BLOCK for keys in KEYS.epochs.values())


@pytest.mark.parametrize(
    "change",
    [
        *({"place": place} for place in OTHER_PLACES.values()),
        {"grantee": STRANGER.address},
        {"version": 8},
        {"version": 6},
    ],
    ids=[*OTHER_PLACES, "grantee", "later", "earlier"],
)
def test_a_seal_belongs_to_one_grant(change: dict[str, Any]) -> None:
    """Another patient, deployment, grantee or version: neither as it is nor relabelled does it open."""
    with pytest.raises(KeyringMismatch):
        opened(**change)
    place: Place = change.get("place", PLACE)
    labels = {"chain": place.chain_id, "contract": place.contract, "patient": place.patient, **change}
    labels.pop("place", None)
    relabelled = altered(BLOCK, lambda fields: fields.update(labels))
    with pytest.raises(WrongKey):
        opened(relabelled, **change)


def test_a_grant_to_append_alone_brings_names_without_keys() -> None:
    """Its grantee seals to public keys and opens nothing, but must know which compartment is which."""
    names_only = GrantedKeys({}, {GENERAL: "general"})
    block = grant_seal.build(PLACE, CLINIC.address, 7, PUBLIC_KEY, names_only, suite=SUITE)
    assert opened(block) == names_only
    assert len(block) == len(BLOCK)


def test_only_the_grantees_key_opens() -> None:
    """A later key of the same grantee needs a renewal."""
    with pytest.raises(WrongKey):
        grant_seal.open_seal(BLOCK, PLACE, CLINIC.address, 7, KemSeed(some("newer key")))


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda fields: fields.update(ciphertext=fields["ciphertext"][:-1]), WrongKey),
        (lambda fields: fields.update(ciphertext=b""), WrongKey),
        (lambda fields: fields.update(enc=bytes(1120)), WrongKey),
        (lambda fields: fields.update(enc=b""), FormatError),
        (lambda fields: fields.update(v=2), FormatError),
        (lambda fields: fields.update(suite=9), UnknownSuite),
        (lambda fields: fields.pop("enc"), FormatError),
        (lambda fields: fields.update(x=1), FormatError),
    ],
)
def test_an_edited_seal_is_refused(edit: Callable[[dict[str, Any]], Any], error: type[MedRecError]) -> None:
    """No field can be changed."""
    with pytest.raises(error):
        opened(altered(BLOCK, edit))


ROW = [GENERAL, 3, bytes(32), None]


@pytest.mark.parametrize(
    "document",
    [
        {"epochs": None, "names": {}},
        {"epochs": [ROW, ROW], "names": {}},
        {"epochs": [[GENERAL, 4, bytes(32), None], ROW], "names": {}},
        {"epochs": [[64, 3, bytes(32), None]], "names": {}},
        {"epochs": [[1, 0, bytes(32), None]], "names": {}},
        {"epochs": [[1, 3, bytes(31), None]], "names": {}},
        {"epochs": [[1, 3, bytes(32), b""]], "names": {}},
        {"epochs": [[1, 3, bytes(32)]], "names": {}},
        {"epochs": [ROW], "names": {99: ""}},
        {"epochs": [ROW]},
        [ROW],
    ],
)
def test_what_is_sealed_has_one_form(document: Any) -> None:
    """A grant's author can seal anything; the grantee takes the format only."""
    padded = padding.pad(cbor2.dumps(document, canonical=True))
    sealed = SUITE.seal(PUBLIC_KEY, grant_seal._info(SUITE, PLACE, CLINIC.address, 7), padded)
    block = altered(BLOCK, lambda fields: fields.update(enc=sealed.enc, ciphertext=sealed.ciphertext))
    with pytest.raises(FormatError):
        opened(block)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"grantee": b"short"}, InvalidInput),
        ({"version": 1 << 24}, InvalidInput),
        ({"keys": GrantedKeys({}, {})}, InvalidInput),
        ({"keys": GrantedKeys({EpochId(64, 1): EpochKeys.generate()}, {})}, InvalidInput),
        ({"keys": GrantedKeys(KEYS.epochs, {-1: "x"})}, InvalidInput),
        ({"public_key": PUBLIC_KEY[:1184] + bytes(32)}, FormatError),
    ],
)
def test_no_seal_is_made_of_bad_values(change: dict[str, Any], error: type[MedRecError]) -> None:
    """A patient's client finds its own mistakes, and keys that nothing can be sealed to."""
    terms: dict[str, Any] = {
        "place": PLACE,
        "grantee": CLINIC.address,
        "version": 7,
        "public_key": PUBLIC_KEY,
        "keys": KEYS,
        "suite": SUITE,
    }
    with pytest.raises(error):
        grant_seal.build(**terms | change)
