"""Letters, requests and answers as bytes: what opens to whom, and what any change of them becomes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from medrec_py.crypto import access_answer, access_request, cbor, letter
from medrec_py.crypto.access_answer import AccessAnswer, Reason
from medrec_py.crypto.access_request import AccessRequest, SignedRequest, Wish
from medrec_py.crypto.exchange import Exchange, UnverifiedExchange
from medrec_py.crypto.keys import KemSeed, Place
from medrec_py.crypto.letter import MAX_LETTER, STEP, Recipient
from medrec_py.crypto.posting import Posting
from medrec_py.crypto.suites import SUITES, Suite
from medrec_py.errors import AccessMismatch, FormatError, InvalidInput, MedRecError, SignatureMissing, WrongKey
from medrec_py.wallet import Wallet

PLACE = Place(31337, b"\x11" * 20, b"\xaa" * 20)
DOCTOR, ALICE = Wallet.from_key(bytes(31) + b"\x07"), Wallet.from_key(bytes(31) + b"\x08")
KEY = KemSeed(b"\x05" * 32)
SUITE = SUITES[1]
WISH = Wish(True, True, True, ("general",), "the echo", "an operation", b"\x77" * 32)


def address(wallet: Wallet) -> bytes:
    return bytes.fromhex(wallet.address[2:])


def recipient(account: bytes = PLACE.patient, number: int = 3, suite: Suite = SUITE, place: Place = PLACE) -> Recipient:
    return Recipient(place, account, number, suite, suite.public_key(KEY))


def request(**changes: Any) -> AccessRequest:
    usual = AccessRequest(PLACE, address(DOCTOR), b"\xdd" * 20, 5, 1_800_000_000, WISH.hash(), 1_700_000_000)
    return replace(usual, **changes)


def signed() -> SignedRequest:
    return access_request.build(DOCTOR.sign_typed_data, request(), WISH)


# --- EIP-712 ---------------------------------------------------------------------------------------------------------


def test_what_is_signed_is_eip712() -> None:
    """Digests and signatures are those of another implementation."""
    answer = access_answer.build(ALICE.sign_typed_data, request(), address(ALICE), 4, Reason("yes"), 9).answer
    for message in (request(), answer):
        document = message.typed_data()
        encoded = encode_typed_data(full_message=document)
        assert Account._recover_hash(message.digest(), signature=DOCTOR.sign_typed_data(document)) == DOCTOR.address
        digest = Account.sign_message(encoded, bytes(31) + b"\x07").message_hash
        assert bytes(digest) == message.digest()


def test_documents_are_read_in_one_writing() -> None:
    """What ``typed_data`` makes is read; whatever is written otherwise, or has values out of bounds, is not."""
    answer = access_answer.build(ALICE.sign_typed_data, request(), address(ALICE), 4, Reason("yes"), 9).answer
    kinds: tuple[tuple[AccessRequest | AccessAnswer, Any], ...] = ((request(), AccessRequest), (answer, AccessAnswer))
    for message, kind in kinds:
        document = message.typed_data()
        assert kind.from_typed_data(document) == message
        for change in (
            {"primaryType": "Grant"},
            {"domain": {**document["domain"], "name": "Other"}},
            {"message": {**document["message"], "patient": "0x" + "aa" * 20}},
            {"message": {**document["message"], "more": "1"}},
            {"types": {}},
            {"extra": 1},
        ):
            with pytest.raises(FormatError):
                kind.from_typed_data({**document, **change})
    for member, value in (("purposes", "0"), ("deadline", str(1 << 40)), ("purposes", "65536"), ("expiry", "01")):
        document = request().typed_data()
        document["message"][member] = value
        with pytest.raises(FormatError):
            AccessRequest.from_typed_data(document)


def test_every_member_counts() -> None:
    """Whichever member is changed, the digest is another one."""
    changed = [
        request(place=replace(PLACE, patient=b"\xab" * 20)),
        request(place=replace(PLACE, chain_id=1)),
        request(place=replace(PLACE, contract=b"\x12" * 20)),
        request(requester=b"\x01" * 20),
        request(on_behalf_of=b"\x01" * 20),
        request(purposes=4),
        request(expiry=1),
        request(wish=bytes(32)),
        request(deadline=1),
    ]
    assert len({one.digest() for one in [request(), *changed]}) == len(changed) + 1


def test_every_word_counts() -> None:
    """So does every part of the wish, the salt among them; parts do not run into each other."""
    wishes = [
        replace(WISH, history=False),
        replace(WISH, append=False),
        replace(WISH, read=False, history=False),
        replace(WISH, compartments=()),
        replace(WISH, compartments=("gene", "ral")),
        replace(WISH, what="the echo an"),
        replace(WISH, why=""),
        replace(WISH, what="", why="the echo"),
        replace(WISH, salt=bytes(32)),
    ]
    assert len({one.hash() for one in [WISH, *wishes]}) == len(wishes) + 1
    assert WISH.hash() == hashlib.sha256(cbor.encode(["medrec/1/access-wish", WISH.as_map()])).digest()


# --- letters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES.values(), ids=str)
def test_a_request_opens_to_its_patient(suite: Suite) -> None:
    """By the inbox key of its number; and by nothing else, for nobody else."""
    sealed = letter.parse(signed().seal(recipient(suite=suite)))
    assert (sealed.number, sealed.suite, sealed.deployment) == (3, suite, replace_place())
    assert access_request.open_letter(sealed, PLACE, KEY).verify() == signed()
    attempts: list[tuple[Place, KemSeed, letter.Letter]] = [
        (replace(PLACE, patient=b"\xab" * 20), KEY, sealed),
        (PLACE, KemSeed(b"\x06" * 32), sealed),
        (PLACE, KEY, replace(sealed, number=4)),
        (PLACE, KEY, replace(sealed, deployment=replace(sealed.deployment, chain_id=1))),
    ]
    for place, key, other in attempts:
        with pytest.raises(WrongKey):
            access_request.open_letter(other, place, key)


def replace_place() -> Any:
    return letter.Deployment(PLACE.chain_id, PLACE.contract)


def test_an_answer_opens_to_its_request() -> None:
    """A letter that answers one request answers no other, and is no request."""
    answer = access_answer.build(ALICE.sign_typed_data, request(), address(ALICE), 0, Reason("no"), 9)
    to = recipient(address(DOCTOR))
    sealed = letter.parse(answer.seal(to))
    assert access_answer.open_letter(sealed, request(), KEY).verify(request()) == answer
    for other in (request(deadline=1), request(place=replace(PLACE, patient=b"\xab" * 20))):
        with pytest.raises(WrongKey):
            access_answer.open_letter(sealed, other, KEY)
    with pytest.raises(WrongKey):
        access_request.open_letter(sealed, replace(PLACE, patient=address(DOCTOR)), KEY)


def test_letters_have_few_sizes() -> None:
    """All ordinary ones have one; the longest that can be written fits, with the longest signature."""
    sizes = {
        len(replace(signed(), wish=replace(WISH, what="x" * length, why="y" * length)).seal(recipient()))
        for length in (0, 1, 500, 1000)
    }
    answer = access_answer.build(ALICE.sign_typed_data, request(), address(ALICE), 0, Reason("z" * 2000), 9)
    assert len(sizes | {len(answer.seal(recipient(address(DOCTOR))))}) == 1
    longest = Wish(True, True, True, ("ä" * 128,) * 8, "x" * 1024, "y" * 2048)
    for suite in SUITES.values():
        block = SignedRequest(request(), longest, bytes(4096)).seal(recipient(suite=suite))
        assert len(block) <= MAX_LETTER
        letter.parse(block)


def _changed(block: bytes, **changes: Any) -> bytes:
    fields = cbor.decode(block)
    return cbor.encode({**fields, **changes})


@pytest.mark.parametrize(
    "change",
    [
        lambda block: b"",
        lambda block: block + b"\0",
        lambda block: block[:-1],
        lambda block: b"\x81" * 5000,
        lambda block: b"\xbf\xff",
        lambda block: bytes(MAX_LETTER + 1),
        lambda block: _changed(block, v=2),
        lambda block: _changed(block, suite=99),
        lambda block: _changed(block, chain=0),
        lambda block: _changed(block, contract=bytes(19)),
        lambda block: _changed(block, number=1 << 32),
        lambda block: _changed(block, enc=bytes(7)),
        lambda block: _changed(block, ciphertext=bytes(16)),
        lambda block: _changed(block, ciphertext=bytes(STEP + 17)),
        lambda block: _changed(block, ciphertext=bytes(4 * STEP + 16)),
        lambda block: _changed(block, more=1),
    ],
)
def test_what_is_no_letter(change: Callable[[bytes], bytes]) -> None:
    """Another version or suite, other keys, other sizes: refused before anything is opened."""
    with pytest.raises(FormatError):
        letter.parse(change(signed().seal(recipient())))


def test_what_is_too_long_is_not_decoded() -> None:
    """It is refused for its size, whatever it holds."""
    with pytest.raises(FormatError, match="at most"):
        letter.parse(signed().seal(recipient()).ljust(MAX_LETTER + 1, b"\0"))


def _sealed(document: Any, label: str = "medrec/1/access-request") -> letter.Letter:
    return letter.parse(letter.seal(label, recipient(), document))


def _document(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "requester": address(DOCTOR),
        "onBehalfOf": b"\xdd" * 20,
        "purposes": 5,
        "expiry": 1_800_000_000,
        "deadline": 1_700_000_000,
        "wish": WISH.as_map(),
        "signature": signed().signature,
    }
    return {**document, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"requester": bytes(19)},
        {"purposes": 0},
        {"purposes": 1 << 16},
        {"purposes": True},
        {"expiry": 1 << 40},
        {"deadline": -1},
        {"signature": b""},
        {"signature": bytes(4097)},
        {"more": 1},
        {"wish": None},
        {"wish": {**WISH.as_map(), "read": 1}},
        {"wish": {**WISH.as_map(), "read": False, "append": False}},
        {"wish": {**WISH.as_map(), "salt": bytes(15)}},
        {"wish": {**WISH.as_map(), "what": "\x07"}},
        {"wish": {**WISH.as_map(), "what": "x" * 1025}},
        {"wish": {**WISH.as_map(), "what": b"bytes"}},
        {"wish": {**WISH.as_map(), "compartments": ["a"] * 9}},
        {"wish": {**WISH.as_map(), "compartments": [1]}},
        {"wish": {**WISH.as_map(), "extra": 0}},
    ],
    ids=str,
)
def test_what_is_sealed_and_no_request(changes: dict[str, Any]) -> None:
    """Whoever may seal to the inbox may seal anything: what has the wrong form is a format error, never shown."""
    assert access_request.open_letter(_sealed(_document()), PLACE, KEY).verify() == signed()
    with pytest.raises(FormatError):
        access_request.open_letter(_sealed(_document(**changes)), PLACE, KEY)


def test_padding_has_one_form() -> None:
    """A length that does not fit, and bytes behind the document that are not zero, are refused."""
    info = cbor.encode(["medrec/1/access-request", 1, PLACE.chain_id, PLACE.contract, PLACE.patient, 3])
    block = signed().seal(recipient())
    good = cbor.encode(_document())
    texts = [
        (len(good).to_bytes(4) + good).ljust(STEP - 1, b"\0") + b"\1",
        (len(good).to_bytes(4) + good).ljust(2 * STEP, b"\0"),
        (5 * STEP).to_bytes(4) + bytes(STEP - 4),
        bytes(STEP),
    ]
    for text in texts:
        sealed = SUITE.seal(SUITE.public_key(KEY), info, text)
        other = letter.parse(_changed(block, enc=sealed.enc, ciphertext=sealed.ciphertext))
        with pytest.raises(FormatError):
            access_request.open_letter(other, PLACE, KEY)


@given(st.binary(max_size=3000))
def test_any_bytes(octets: bytes) -> None:
    """Whatever comes: an error of this package's, and no other."""
    for read in (
        letter.parse,
        UnverifiedExchange.from_json,
        lambda data: Posting.from_json(data, AccessRequest),
        lambda data: Posting.from_json(data, AccessAnswer),
    ):
        with pytest.raises(MedRecError):
            read(octets)


@given(st.recursive(st.none() | st.integers() | st.text() | st.booleans(), st.lists, max_leaves=5))
def test_any_json(value: Any) -> None:
    """Nor does JSON of any form get further, in the place of any member."""
    document = json.loads(Exchange(signed()).to_json())
    for member in document:
        if {**document, member: value} == document:
            continue
        with pytest.raises(MedRecError):
            UnverifiedExchange.from_json(json.dumps({**document, member: value}).encode())
    posting = json.loads(Posting(request(), signed().signature, signed().seal(recipient())).to_json())
    for member in posting:
        with pytest.raises(MedRecError):
            Posting.from_json(json.dumps({**posting, member: value}).encode(), AccessRequest)


# --- verifying -------------------------------------------------------------------------------------------------------


def test_kept_and_read_again() -> None:
    """An exchange is written in one way, and gives back what it was made of."""
    answer = access_answer.build(ALICE.sign_typed_data, request(), address(ALICE), 4, Reason("yes"), 9)
    for exchange in (Exchange(signed()), Exchange(signed(), answer)):
        octets = exchange.to_json()
        read = UnverifiedExchange.from_json(octets).verify()
        assert read == exchange
        assert read.to_json() == octets
    posting = Posting(request(), signed().signature, signed().seal(recipient()))
    assert Posting.from_json(posting.to_json(), AccessRequest) == posting


def test_accounts_with_code_are_asked() -> None:
    """A signature that no key made is the account's if its code says so."""
    code = b"any bytes that the account takes"
    unverified = access_request.UnverifiedRequest.of(request(), WISH, code)
    asked: list[tuple[bytes, bytes, bytes]] = []

    def check(account: bytes, digest: bytes, signature: bytes) -> bool:
        asked.append((account, digest, signature))
        return True

    assert unverified.verify(check).signature == code
    assert asked == [(address(DOCTOR), request().digest(), code)]
    for checker in (None, lambda *_: False):
        with pytest.raises(SignatureMissing):
            unverified.verify(checker)


def test_answers_are_held_against_their_request() -> None:
    """Other people, another request, another reason, another signer."""
    good = access_answer.build(ALICE.sign_typed_data, request(), address(ALICE), 4, Reason("yes"), 9)
    for changed in (
        replace(good.answer, request=bytes(32)),
        replace(good.answer, requester=bytes(20)),
        replace(good.answer, on_behalf_of=bytes(20)),
        replace(good.answer, place=replace(PLACE, patient=bytes(20))),
    ):
        with pytest.raises(AccessMismatch):
            access_answer.UnverifiedAnswer.of(changed, good.reason, good.signature).verify(request())
    with pytest.raises(AccessMismatch):
        access_answer.UnverifiedAnswer.of(good.answer, Reason("no"), good.signature).verify(request())
    for altered in (replace(good.answer, version=5), replace(good.answer, signer=address(DOCTOR))):
        with pytest.raises(SignatureMissing):
            access_answer.UnverifiedAnswer.of(altered, good.reason, good.signature).verify(request())
    with pytest.raises(InvalidInput):
        access_request.build(DOCTOR.sign_typed_data, request(), replace(WISH, what="other"))
