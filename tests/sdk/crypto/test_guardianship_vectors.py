"""The committed vectors of guardians' shares: the code still writes them, and still reads them (docs/format.md §11)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from medrec_py.crypto import cbor, recovery, share_seal, shares
from medrec_py.crypto.keys import KemSeed, Place, RootSecret
from medrec_py.crypto.shares import Share
from medrec_py.crypto.suites import CURRENT
from tests.vectors import generate_guardianship

V: dict[str, Any] = json.loads(generate_guardianship.FILE.read_text(encoding="utf-8"))
PLACE = Place(V["place"]["chain"], bytes.fromhex(V["place"]["contract"]), bytes.fromhex(V["place"]["patient"]))


def opened(vector: dict[str, Any]) -> Share:
    sealed = share_seal.parse(bytes.fromhex(vector["block"]))
    assert sealed.number == vector["number"]
    return sealed.open(bytes.fromhex(vector["guardian"]), KemSeed(bytes.fromhex(vector["seed"])))


def test_the_vectors_are_what_the_code_writes() -> None:
    """A change in any byte of the format shows here."""
    assert generate_guardianship.FILE.read_text(encoding="utf-8") == generate_guardianship.render()


@pytest.mark.parametrize("vector", V["shares"], ids=lambda vector: str(vector["index"]))
def test_the_shares_open(vector: dict[str, Any]) -> None:
    """For their guardians, and on the new device."""
    share = opened(vector)
    assert share.place == PLACE
    assert (share.index, share.identifier, share.words) == (vector["index"], vector["identifier"], vector["words"])
    assert (share.set_id.hex(), share.threshold, share.time) == (V["set"], V["threshold"], V["time"])
    seed = KemSeed(bytes.fromhex(V["request"]["seed"]))
    request = recovery.Request.make(PLACE, seed, CURRENT)
    assert recovery.receive(bytes.fromhex(vector["handedOver"]), request, seed) == share


@pytest.mark.parametrize("which", [(0, 1), (1, 2), (2, 0)])
def test_any_two_restore_the_secret(which: tuple[int, int]) -> None:
    """In any order."""
    dealt = [opened(V["shares"][index]) for index in which]
    assert shares.combine(PLACE, dealt) == RootSecret(bytes.fromhex(V["rootSecret"]))


def test_the_document_and_the_request_are_what_the_format_says() -> None:
    """Written from docs/format.md alone."""
    vector = V["shares"][0]
    document = {
        "patient": PLACE.patient,
        "guardian": bytes.fromhex(vector["guardian"]),
        "set": bytes.fromhex(V["set"]),
        "count": 3,
        "time": V["time"],
        "words": vector["words"],
    }
    assert cbor.encode(document).hex() == vector["document"]
    block = bytes.fromhex(V["request"]["block"])
    assert hashlib.sha256(block).hexdigest() == V["request"]["digest"]
    number = int.from_bytes(hashlib.sha256(b"medrec/1/recovery-fingerprint" + block).digest(), "big") % 10**24
    assert V["request"]["fingerprint"].replace(" ", "") == f"{number:024}"
