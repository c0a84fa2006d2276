"""The committed vectors of requests for access: the code still writes and reads them (docs/format.md §15)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from medrec_py.crypto import access_answer, access_request, cbor, letter
from medrec_py.crypto.access_request import AccessRequest
from medrec_py.crypto.exchange import UnverifiedExchange
from medrec_py.crypto.keys import KemSeed, Place
from medrec_py.crypto.posting import Posting
from medrec_py.crypto.suites import Sealed, by_number
from tests.vectors import generate_access

V: dict[str, Any] = json.loads(generate_access.FILE.read_text(encoding="utf-8"))
PLACE = Place(V["place"]["chain"], bytes.fromhex(V["place"]["contract"]), bytes.fromhex(V["place"]["patient"]))
REQUEST = V["request"]
ASKED = AccessRequest.from_typed_data(REQUEST["typedData"])

each_answer = pytest.mark.parametrize("vector", V["answers"], ids=["granted", "refused"])


def test_the_vectors_are_what_the_code_writes() -> None:
    """A change in any byte of the format shows here."""
    assert generate_access.FILE.read_text(encoding="utf-8") == generate_access.render()


def test_the_request_opens() -> None:
    """By the inbox key, with the words, the digest and the signature that stand beside it."""
    sealed = letter.parse(bytes.fromhex(REQUEST["letter"]))
    assert sealed.number == REQUEST["number"]
    signed = access_request.open_letter(sealed, PLACE, KemSeed(bytes.fromhex(REQUEST["seed"]))).verify()
    assert signed.request == ASKED
    assert signed.request.digest().hex() == REQUEST["digest"]
    assert signed.signature.hex() == REQUEST["signature"]
    assert signed.wish.as_map() == {**REQUEST["wish"], "salt": bytes.fromhex(REQUEST["wish"]["salt"])}
    posting = Posting.from_json(REQUEST["posting"].encode(), AccessRequest)
    assert (posting.message, posting.letter.hex()) == (ASKED, REQUEST["letter"])


@each_answer
def test_the_answers_open(vector: dict[str, Any]) -> None:
    """By the requester's profile key, and as part of an exchange."""
    sealed = letter.parse(bytes.fromhex(vector["letter"]))
    key = KemSeed(bytes.fromhex(vector["seed"]))
    signed = access_answer.open_letter(sealed, ASKED, key).verify(ASKED)
    assert signed.answer.digest().hex() == vector["digest"]
    assert (signed.reason.text, signed.signature.hex()) == (vector["reason"], vector["signature"])
    assert UnverifiedExchange.from_json(vector["exchange"].encode()).verify().answer == signed


def test_the_request_is_what_the_format_says() -> None:
    """Written from docs/format.md alone."""
    wish = {**REQUEST["wish"], "salt": bytes.fromhex(REQUEST["wish"]["salt"])}
    hashed = hashlib.sha256(cbor.encode(["medrec/1/access-wish", wish])).hexdigest()
    assert hashed == REQUEST["wishHash"] == REQUEST["typedData"]["message"]["wish"][2:]
    fields = cbor.decode(bytes.fromhex(REQUEST["letter"]))
    suite = by_number(fields["suite"])
    info = cbor.encode(["medrec/1/access-request", 1, PLACE.chain_id, PLACE.contract, PLACE.patient, fields["number"]])
    sealed = Sealed(fields["enc"], fields["ciphertext"])
    padded = suite.open(KemSeed(bytes.fromhex(REQUEST["seed"])), info, sealed)
    assert len(padded) == 4096
    length = int.from_bytes(padded[:4])
    assert padded[4 + length :] == bytes(4096 - 4 - length)
    message = REQUEST["typedData"]["message"]
    assert cbor.decode(padded[4 : 4 + length]) == {
        "requester": bytes.fromhex(message["requester"][2:]),
        "onBehalfOf": bytes.fromhex(message["onBehalfOf"][2:]),
        "purposes": int(message["purposes"]),
        "expiry": int(message["expiry"]),
        "deadline": int(message["deadline"]),
        "wish": wish,
        "signature": bytes.fromhex(REQUEST["signature"]),
    }
    assert json.loads(REQUEST["posting"])["letter"] == base64.b64encode(bytes.fromhex(REQUEST["letter"])).decode()


@each_answer
def test_the_answers_are_what_the_format_says(vector: dict[str, Any]) -> None:
    """Written from docs/format.md alone."""
    salt = bytes.fromhex(vector["salt"])
    hashed = hashlib.sha256(cbor.encode(["medrec/1/access-reason", vector["reason"], salt])).hexdigest()
    message = vector["typedData"]["message"]
    assert hashed == vector["reasonHash"] == message["reason"][2:]
    assert message["request"][2:] == REQUEST["digest"]
    fields = cbor.decode(bytes.fromhex(vector["letter"]))
    requester, digest = bytes.fromhex(message["requester"][2:]), bytes.fromhex(REQUEST["digest"])
    label, number = "medrec/1/access-answer", fields["number"]
    info = cbor.encode([label, 1, PLACE.chain_id, PLACE.contract, requester, number, PLACE.patient, digest])
    sealed = Sealed(fields["enc"], fields["ciphertext"])
    padded = by_number(1).open(KemSeed(bytes.fromhex(vector["seed"])), info, sealed)
    assert cbor.decode(padded[4 : 4 + int.from_bytes(padded[:4])]) == {
        "signer": bytes.fromhex(message["signer"][2:]),
        "version": int(message["version"]),
        "time": int(message["time"]),
        "reason": vector["reason"],
        "salt": salt,
        "signature": bytes.fromhex(vector["signature"]),
    }
