"""Every parser of untrusted bytes either returns or raises a MedRecError, whatever it is given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medrec_py.crypto import (
    access_answer,
    access_request,
    bundle_texts,
    cbor,
    envelope,
    grant_seal,
    guardian_document,
    keyring,
    letter,
    manifest,
    merkle,
    new_keyring,
    padding,
    profile,
    recovery,
    share_seal,
    shares,
    untrusted_json,
    wallet_recovery,
)
from medrec_py.crypto.attestation import Attestation
from medrec_py.crypto.blocks import check_cid
from medrec_py.crypto.content import ContentReader
from medrec_py.crypto.decisions import Revoke
from medrec_py.crypto.epochs import keys_row, walk_back
from medrec_py.crypto.exchange import Exchange, UnverifiedExchange
from medrec_py.crypto.grant_seal import GrantedKeys
from medrec_py.crypto.guardian_set import MIN_DELAY, GuardianSet
from medrec_py.crypto.keys import EpochId, EpochKeys, RootSecret
from medrec_py.crypto.manifest import ManifestBuilder, Row
from medrec_py.crypto.metadata import Metadata
from medrec_py.crypto.new_keyring import NewEpoch, Reader
from medrec_py.crypto.posting import Posting
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision
from medrec_py.crypto.suites import Sealed, by_number
from medrec_py.crypto.typed_data import recover
from medrec_py.errors import MedRecError
from medrec_py.mail import read_waiting

from .people import ALICE, CLINIC, DOCTOR, EPOCH_KEYS, EPOCH_PUBLIC_KEY, GENERAL, NOW, PLACE, SUITE, seal_record, some

pytestmark = pytest.mark.slow

SEED, PUBLIC_KEY = EPOCH_KEYS.seed, EPOCH_PUBLIC_KEY
LATER = by_number(2)
LATER_PUBLIC_KEY = LATER.public_key(SEED)
LATER_SEALED = LATER.seal(LATER_PUBLIC_KEY, b"", b"text")
RECORD = seal_record()
EPOCH, EARLIER = EpochId(GENERAL, 2), EpochId(GENERAL, 1)
KEYS = EpochKeys.generate()
MADE = new_keyring.build(
    PLACE,
    1,
    epochs=[NewEpoch(EPOCH, NOW, EPOCH_KEYS, {1: KEYS}), NewEpoch(EARLIER, NOW, KEYS)],
    readers=[Reader(CLINIC.address, PUBLIC_KEY, [EPOCH, EARLIER], True)],
    root_public_key=PUBLIC_KEY,
    names={GENERAL: "general"},
    inbox=keyring.Inbox(0, PUBLIC_KEY),
    suite=SUITE,
)
PARSED = keyring.parse(MADE.block, PLACE, 1, 1 << GENERAL)
GRANTED = GrantedKeys({EPOCH: EPOCH_KEYS}, {GENERAL: "general"})
GRANT = grant_seal.build(PLACE, CLINIC.address, 1, PUBLIC_KEY, GRANTED, suite=SUITE)
PROFILE = profile.build(
    CLINIC.sign_typed_data,
    PLACE,
    CLINIC.address,
    0,
    PUBLIC_KEY,
    name="clinic",
    endpoints=["https://x"],
    time=NOW,
    suite=SUITE,
)
SHARE, OTHER_SHARE = shares.split(RootSecret.generate(), PLACE, [CLINIC.address, some("guardian", 20)], 2, NOW)
WISH = access_request.Wish(True, False, False, ("general",), "what", "why", bytes(32))
ASKED = access_request.build(
    DOCTOR.sign_typed_data,
    access_request.AccessRequest(PLACE, DOCTOR.address, CLINIC.address, 1, NOW, WISH.hash(), NOW),
    WISH,
)
ASKED_LETTER = ASKED.seal(letter.Recipient(PLACE, PLACE.patient, 1, SUITE, PUBLIC_KEY))
ASKED_DOCUMENT = cbor.encode(
    {
        "requester": DOCTOR.address,
        "onBehalfOf": CLINIC.address,
        "purposes": 1,
        "expiry": NOW,
        "deadline": NOW,
        "wish": WISH.as_map(),
        "signature": ASKED.signature,
    }
)
ANSWERED = access_answer.build(
    ALICE.sign_typed_data, ASKED.request, ALICE.address, 1, access_answer.Reason("so", bytes(32)), NOW
)
ANSWER_LETTER = ANSWERED.seal(letter.Recipient(PLACE, DOCTOR.address, 1, SUITE, PUBLIC_KEY))
ANSWER_DOCUMENT = cbor.encode(
    {
        "signer": ALICE.address,
        "version": 1,
        "time": NOW,
        "reason": "so",
        "salt": bytes(32),
        "signature": ANSWERED.signature,
    }
)
SEALED_SHARE = share_seal.build(SHARE, PUBLIC_KEY, 1, SUITE)
REQUEST = recovery.Request.make(PLACE, SEED, SUITE)
REVOKE = Revoke(PLACE, CLINIC.address, some("grantee", 20), 1, 0, 0, bytes(32), NOW)
BUNDLE = Bundle((SignedDecision(REVOKE, (CLINIC.sign_typed_data(REVOKE.typed_data()),)),))
GUARDIANS = GuardianSet(MIN_DELAY, bytes(32), 1, (CLINIC.address, some("guardian", 20)))
GUARDIANS_ROOT = RootSecret.generate()
GUARDIANS_DOCUMENT = guardian_document.seal(
    [GUARDIANS, GUARDIANS], PLACE, SUITE.public_key(GUARDIANS_ROOT.root_key(SUITE.number, PLACE)), SUITE
)
NEW_WALLET = wallet_recovery.Request(PLACE, DOCTOR.address, 1, NOW)
APPROVAL = wallet_recovery.Approval(
    CLINIC.address, CLINIC.sign_typed_data(NEW_WALLET.to_sign(CLINIC.address).typed_data())
)
RECOVER = NEW_WALLET.to_sign(DOCTOR.address)
RECOVERY_BUNDLE = Bundle(
    (
        SignedDecision(RECOVER, (DOCTOR.sign_typed_data(RECOVER.typed_data()), APPROVAL.signature, b""), GUARDIANS),
        SignedDecision(wallet_recovery.CompleteRecovery(PLACE, DOCTOR.address, 1, NOW), ()),
    )
)
MANIFEST = ManifestBuilder(PLACE, [Row(1, 0, bytes(32)), Row(2, 5, some("pointer"))])
PAGE = next(iter(MANIFEST))
list(MANIFEST)


def read_envelope(block: bytes) -> None:
    parsed = envelope.parse(block)
    for data_key in (RECORD.data_key, envelope.open_data_key(parsed, PLACE, SEED)):
        list(envelope.verify(parsed, data_key, PLACE, RECORD.entry).content())


def read_metadata(block: bytes) -> None:
    envelope.verify(envelope.parse(block), RECORD.data_key, PLACE, RECORD.entry)


def walk_keyring(block: bytes) -> None:
    list(walk_back(PLACE, keyring.parse(block, PLACE, 1, 1 << GENERAL).epochs, EPOCH, EPOCH_KEYS))


def read_keyring(block: bytes) -> None:
    parsed = keyring.parse(block, PLACE, 1, 1 << GENERAL)
    keyring.open_as_reader(parsed, CLINIC.address, SEED, lambda _: MADE.pages[0])


def read_keyring_as_patient(block: bytes) -> None:
    keyring.open_as_root(keyring.parse(block, PLACE, 1, 1 << GENERAL), SEED)


def with_page(page: bytes) -> keyring.Keyring:
    fields = {name: getattr(PARSED, name) for name in keyring.Keyring.__slots__}
    return keyring.Keyring(**fields | {"pages": ((0, hashlib.sha256(page).digest()),)})


def read_page(page: bytes) -> None:
    keyring.open_as_reader(with_page(page), CLINIC.address, SEED, lambda _: page)


def read_readers_seal(document: bytes) -> None:
    info = keyring.reader_info(SUITE, PLACE, 1, CLINIC.address)
    sealed = SUITE.seal(PUBLIC_KEY, info, padding.pad(document))
    read_page(cbor.encode([[sealed.enc, sealed.ciphertext]]))


def read_roots_seal(document: bytes) -> None:
    sealed = SUITE.seal(PUBLIC_KEY, keyring.root_info(SUITE, PLACE, 1), padding.pad(document))
    fields = {name: getattr(PARSED, name) for name in keyring.Keyring.__slots__}
    keyring.open_as_root(keyring.Keyring(**fields | {"root_seal": sealed}), SEED)


def read_grant(block: bytes) -> None:
    grant_seal.open_seal(block, PLACE, CLINIC.address, 1, SEED)


def read_grants_document(document: bytes) -> None:
    info = grant_seal._info(SUITE, PLACE, CLINIC.address, 1)
    sealed = SUITE.seal(PUBLIC_KEY, info, padding.pad(document))
    fields = cbor2.loads(GRANT) | {"enc": sealed.enc, "ciphertext": sealed.ciphertext}
    read_grant(cbor.encode(fields))


def read_share(block: bytes) -> None:
    share_seal.parse(block).open(CLINIC.address, SEED)


def read_shares_document(document: bytes) -> None:
    sealed = SUITE.seal(PUBLIC_KEY, share_seal._info(SUITE, PLACE, CLINIC.address, 1), padding.pad(document))
    share = share_seal.SealedShare(SUITE, PLACE, 1, sealed).open(CLINIC.address, SEED)
    shares.combine(PLACE, [share, OTHER_SHARE])


def read_request(block: bytes) -> None:
    request = recovery.parse_request(block)
    request.check_fingerprint(REQUEST.fingerprint())
    recovery.hand_over(SHARE, request)


def read_handed_over(block: bytes) -> None:
    recovery.receive(block, REQUEST, SEED)


def read_words(octets: bytes) -> None:
    shares.Share(PLACE, CLINIC.address, SHARE.set_id, 2, NOW, octets.decode("utf-8", "replace"))


def read_access_request(block: bytes) -> None:
    access_request.open_letter(letter.parse(block), PLACE, SEED).verify()


def in_letter(document: bytes, like: bytes, info: bytes) -> bytes:
    padded = (len(document).to_bytes(4) + document).ljust(letter.STEP, b"\0")[: letter.STEP]
    sealed = SUITE.seal(PUBLIC_KEY, info, padded)
    return cbor.encode(cbor2.loads(like) | {"enc": sealed.enc, "ciphertext": sealed.ciphertext})


def read_requests_document(document: bytes) -> None:
    info = letter._info(access_request._LETTER, SUITE, PLACE, PLACE.patient, 1, ())
    read_access_request(in_letter(document, ASKED_LETTER, info))


def read_answers_document(document: bytes) -> None:
    about = PLACE.patient, ASKED.request.digest()
    info = letter._info(access_answer._LETTER, SUITE, PLACE, DOCTOR.address, 1, about)
    read_access_answer(in_letter(document, ANSWER_LETTER, info))


def read_access_answer(block: bytes) -> None:
    access_answer.open_letter(letter.parse(block), ASKED.request, SEED).verify(ASKED.request)


def read_guardians(octets: bytes) -> None:
    assert len(GuardianSet.from_bytes(octets).commitment) == 32


def read_guardians_document(block: bytes) -> None:
    guardian_document.open_sets(block, PLACE, GUARDIANS_ROOT)


def read_sets_of_guardians(document: bytes) -> None:
    public_key = SUITE.public_key(GUARDIANS_ROOT.root_key(SUITE.number, PLACE))
    sealed = SUITE.seal(public_key, guardian_document._info(SUITE, PLACE), padding.pad(document))
    fields = cbor2.loads(GUARDIANS_DOCUMENT) | {"enc": sealed.enc, "ciphertext": sealed.ciphertext}
    read_guardians_document(cbor.encode(fields))


def read_new_wallet(block: bytes) -> None:
    request = wallet_recovery.parse_request(block)
    assert wallet_recovery.parse_request(request.to_bytes()) == request
    request.fingerprint()
    request.to_sign(CLINIC.address).digest()


def read_approval(block: bytes) -> None:
    wallet_recovery.parse_approval(block, NEW_WALLET)


def read_profile(block: bytes) -> None:
    profile.parse(block).verify(PLACE, CLINIC.address)


def read_manifest(block: bytes) -> None:
    parsed = manifest.parse(block, PLACE)
    parsed.find(2, 5, lambda _: PAGE)
    list(parsed.rows(lambda _: PAGE))


def read_manifest_page(page: bytes) -> None:
    parsed = manifest.Manifest(2, ((int.from_bytes(page[:8]), hashlib.sha256(page).digest()),))
    parsed.find(2, 5, lambda _: page)
    list(parsed.rows(lambda _: page))


def read_attestation(document: bytes) -> None:
    Attestation.from_bytes(padding.pad(document)).verify(PLACE, RECORD.record_id)


def read_map_of_metadata(document: bytes) -> None:
    Metadata.from_map(cbor.decode(document))


CBOR_PARSERS: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "cbor": (cbor.decode, RECORD.block),
    "envelope": (read_envelope, RECORD.block),
    "envelope, with the data key": (read_metadata, RECORD.block),
    "attestation": (read_attestation, padding.unpad(RECORD.attestation.to_bytes())),
    "metadata": (read_map_of_metadata, cbor.encode(RECORD.attestation.metadata.as_map())),
    "keyring": (read_keyring, MADE.block),
    "keyring, for the patient": (read_keyring_as_patient, MADE.block),
    "keyring, for the way back": (walk_keyring, MADE.block),
    "page of seals": (read_page, MADE.pages[0]),
    "reader's seal": (read_readers_seal, cbor.encode([keys_row(KEYS.without_history()), keys_row(EPOCH_KEYS)])),
    "root's seal": (
        read_roots_seal,
        cbor.encode({"epochs": [keys_row(KEYS), keys_row(EPOCH_KEYS)], "names": {7: "x"}}),
    ),
    "grant": (read_grant, GRANT),
    "grant's document": (read_grants_document, cbor.encode({"epochs": [[7, 2, bytes(32), None]], "names": {7: "x"}})),
    "guardian's share": (read_share, SEALED_SHARE),
    "share's document": (read_shares_document, SHARE.to_bytes()),
    "request for recovery": (read_request, REQUEST.to_bytes()),
    "share handed over": (read_handed_over, recovery.hand_over(SHARE, REQUEST)),
    "request for access": (read_access_request, ASKED_LETTER),
    "request's document": (read_requests_document, ASKED_DOCUMENT),
    "answer to a request": (read_access_answer, ANSWER_LETTER),
    "answer's document": (read_answers_document, ANSWER_DOCUMENT),
    "set of guardians": (read_guardians, GUARDIANS.to_bytes()),
    "block of the guardians": (read_guardians_document, GUARDIANS_DOCUMENT),
    "sets in it": (read_sets_of_guardians, cbor.encode([GUARDIANS.to_bytes()])),
    "request for a new wallet": (read_new_wallet, NEW_WALLET.to_bytes()),
    "guardian's approval": (read_approval, APPROVAL.to_bytes(NEW_WALLET)),
    "profile": (read_profile, PROFILE),
    "manifest": (read_manifest, MANIFEST.block),
}


def read_bundle(octets: bytes) -> None:
    bundle = Bundle.from_json(octets)
    assert Bundle.from_json(bundle.to_json()) == bundle
    bundle.verify()


def read_posting(octets: bytes) -> None:
    posting = Posting.from_json(octets, access_request.AccessRequest)
    assert Posting.from_json(posting.to_json(), access_request.AccessRequest) == posting


def read_posted_answer(octets: bytes) -> None:
    posting = Posting.from_json(octets, access_answer.AccessAnswer)
    assert Posting.from_json(posting.to_json(), access_answer.AccessAnswer) == posting


def read_text(octets: bytes) -> None:
    bundle_texts.from_text(octets.decode("utf-8", "replace"))


def read_list_of_requests(octets: bytes) -> None:
    with suppress(ValueError):
        document = untrusted_json.loads(octets)
        if isinstance(document, dict):  # as the client has it
            read_waiting(document)


JSON_PARSERS: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "bundle": (read_bundle, BUNDLE.to_json()),
    "bundle of a recovery": (read_bundle, RECOVERY_BUNDLE.to_json()),
    "posting of a request": (read_posting, Posting(ASKED.request, ASKED.signature, ASKED_LETTER).to_json()),
    "posting of an answer": (
        read_posted_answer,
        Posting(ANSWERED.answer, ANSWERED.signature, ANSWER_LETTER).to_json(),
    ),
    "exchange": (lambda octets: UnverifiedExchange.from_json(octets).verify(), Exchange(ASKED, ANSWERED).to_json()),
    "list of requests": (
        read_list_of_requests,
        json.dumps({"requests": [{"id": "0x" + "11" * 32, "letter": "AAAA"}]}).encode(),
    ),
}


OTHER_PARSERS: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "words of a share": (read_words, SHARE.words.encode()),
    "link to a bundle": (read_text, bundle_texts.to_link(RECOVERY_BUNDLE).encode()),
    "parts of a bundle": (read_text, " ".join(bundle_texts.to_parts(RECOVERY_BUNDLE)).encode()),
    "padding": (padding.unpad, padding.pad(b"document")),
    "padded attestation": (Attestation.from_bytes, RECORD.attestation.to_bytes()),
    "page of a manifest": (read_manifest_page, PAGE),
    "signature": (lambda octets: recover(some("digest"), octets), RECORD.attestation.signature),
    "chunk": (
        lambda octets: ContentReader(RECORD.data_key, RECORD.record_id, 22, SUITE).open_chunk(0, octets),
        RECORD.chunks[0],
    ),
    "content": (
        lambda octets: list(
            ContentReader(RECORD.data_key, RECORD.record_id, 22, SUITE).read_all(octets, bytes(32), bytes(32))
        ),
        RECORD.chunks[0],
    ),
    "public key": (SUITE.check_public_key, PUBLIC_KEY),
    "public key to seal to": (lambda octets: SUITE.seal(octets, b"", b""), PUBLIC_KEY),
    "public key of suite 2": (LATER.check_public_key, LATER_PUBLIC_KEY),
    "public key of suite 2 to seal to": (lambda octets: LATER.seal(octets, b"", b""), LATER_PUBLIC_KEY),
    "sealed message of suite 2": (
        lambda octets: LATER.open(SEED, b"", Sealed(octets[:1665], octets[1665:])),
        LATER_SEALED.enc + LATER_SEALED.ciphertext,
    ),
    "sealed message": (lambda octets: SUITE.open(SEED, b"", Sealed(octets[:1120], octets[1120:])), bytes(1200)),
    "ciphertext": (lambda octets: SUITE.decrypt(bytes(32), bytes(12), octets, b""), bytes(20)),
    "CID": (check_cid, b"\x01\x55\x12\x20" + bytes(32)),
    "inclusion path": (
        lambda octets: merkle.verify_inclusion(bytes(32), bytes(32), octets[0] if octets else 0, 5, [octets, octets]),
        bytes(32),
    ),
}
PARSERS = CBOR_PARSERS | JSON_PARSERS | OTHER_PARSERS

fuzz = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 64), (1 << 64) - 1),
    st.sampled_from([0, 1, 1 << 24, 1 << 32, (1 << 64) - 1, b"", "", [], {}, [[]], {"v": 1}, 1.5, float("inf")]),
    st.binary(max_size=40),
    st.text(max_size=5),
)


def returns_or_refuses(parser: Callable[[bytes], Any], octets: bytes) -> None:
    with suppress(MedRecError):
        parser(octets)


@pytest.mark.parametrize("name", PARSERS)
@given(octets=st.binary(max_size=1500))
@fuzz
def test_random_bytes(name: str, octets: bytes) -> None:
    """Bytes that mean nothing."""
    returns_or_refuses(PARSERS[name][0], octets)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
@fuzz
def test_valid_bytes_with_mutations(name: str, data: st.DataObject) -> None:
    """Valid bytes after flips, cuts, insertions and repetitions."""
    parser, valid = PARSERS[name]
    octets = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(octets)))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "repeat", "end"])):
            case "flip" if place < len(octets):
                octets[place] = data.draw(st.integers(0, 255))
            case "cut":
                del octets[place : place + data.draw(st.integers(1, 40))]
            case "insert":
                octets[place:place] = data.draw(st.binary(min_size=1, max_size=9))
            case "repeat":
                octets += octets[place : place + 100]
            case _:
                del octets[place:]
    returns_or_refuses(parser, bytes(octets))


def replace_somewhere(value: Any, data: st.DataObject) -> Any:
    """The value with one part, at any depth, exchanged, removed or doubled."""
    if isinstance(value, list | dict) and value and data.draw(st.integers(0, 3)):
        keys = list(range(len(value))) if isinstance(value, list) else list(value)
        key = data.draw(st.sampled_from(keys))
        copy = value.copy()
        match data.draw(st.sampled_from(["inside", "inside", "inside", "remove", "double"])):
            case "inside":
                copy[key] = replace_somewhere(value[key], data)
            case "remove":
                del copy[key]
            case _ if isinstance(copy, list):
                copy.append(value[key])
            case _:
                copy[data.draw(st.sampled_from([*keys, 99, "other"]))] = value[key]
        return copy
    return data.draw(odd_values)


@pytest.mark.parametrize("name", CBOR_PARSERS)
@given(data=st.data())
@settings(fuzz, max_examples=80)
def test_valid_documents_with_other_parts(name: str, data: st.DataObject) -> None:
    """Well-formed CBOR in which one part is something else: what an attacker who knows the format sends."""
    parser, valid = CBOR_PARSERS[name]
    changed = replace_somewhere(cbor2.loads(valid), data)
    returns_or_refuses(parser, cbor2.dumps(changed, canonical=True))


@pytest.mark.parametrize("name", JSON_PARSERS)
@given(data=st.data())
@settings(fuzz, max_examples=80)
def test_valid_json_with_other_parts(name: str, data: st.DataObject) -> None:
    """The same of JSON, whose odd values are others: bytes become texts of them, and numbers may be infinite."""
    parser, valid = JSON_PARSERS[name]
    changed = replace_somewhere(json.loads(valid), data)
    returns_or_refuses(parser, json.dumps(changed, default=lambda octets: "0x" + octets.hex()).encode())


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_mutated_was_valid_at_first(name: str) -> None:
    """Otherwise the mutations would test the first check only."""
    parser, valid = PARSERS[name]
    if name in {"content", "sealed message", "ciphertext", "inclusion path"}:
        with pytest.raises(MedRecError):
            parser(valid)
    else:
        parser(valid)
