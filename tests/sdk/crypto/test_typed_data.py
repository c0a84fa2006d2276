"""EIP-712 digests and signatures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec_py.crypto import typed_data
from medrec_py.crypto.keys import Deployment, Place
from medrec_py.crypto.statement import Statement
from medrec_py.crypto.typed_data import (
    TypedStruct,
    check_signature,
    checksum_address,
    digest_of,
    is_signed_by,
    keccak,
    recover,
    sign,
    sign_message,
)
from medrec_py.errors import FormatError, InvalidInput

from .people import ALICE, DOCTOR, OTHER_PLACES, PLACE, STRANGER, some
from .reference import vectors

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

addresses = st.binary(min_size=20, max_size=20)
words = st.binary(min_size=32, max_size=32)
uint64 = st.integers(0, (1 << 64) - 1)
places = st.builds(Place, st.integers(1, (1 << 53) - 1), addresses, addresses)
statements = st.builds(Statement, places, st.binary(min_size=16, max_size=16), addresses, uint64, words, words, uint64)


def digest_by_eth_account(document: dict[str, Any]) -> bytes:
    return bytes(_hash_eip191_message(encode_typed_data(full_message=document)))


def test_the_second_implementation_is_right() -> None:
    """eth-account, which we hold ourselves against, gives the digest that EIP-712 prints for its example."""
    digest = digest_by_eth_account(vectors("eip712_example.json"))
    assert digest.hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"


@given(statements)
@settings(max_examples=60)
def test_a_statement_is_hashed_as_eip_712_says(statement: Statement) -> None:
    """The digest is the one that a wallet computes from the document that we show it."""
    assert statement.digest() == digest_by_eth_account(statement.typed_data())


@given(
    st.lists(st.sampled_from(["address", "bytes4", "bytes16", "bytes32", "uint8", "uint64", "uint256"]), max_size=6),
    places,
)
@settings(max_examples=40)
def test_every_struct_of_plain_words_is_hashed_so(kinds: list[str], place: Place) -> None:
    """The same holds for any struct that a module may define."""
    struct = TypedStruct("Thing", tuple((f"field{n}", kind) for n, kind in enumerate(kinds)))
    sizes = {"address": 20, "bytes4": 4, "bytes16": 16, "bytes32": 32}
    message: dict[str, int | bytes] = {
        name: some(name, sizes[kind]) if kind in sizes else int(kind[4:]) for name, kind in struct.fields
    }
    assert struct.digest(place, message) == digest_by_eth_account(struct.typed_data(place, message))


@given(statements)
@settings(max_examples=60)
def test_a_wallet_hashes_what_it_is_shown(statement: Statement) -> None:
    """From the document alone comes the digest that eth-account computes from it."""
    document = statement.typed_data()
    assert digest_of(document) == statement.digest() == digest_by_eth_account(document)


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document.pop("domain"),
        lambda document: document.update(primaryType="EIP712Domain"),
        lambda document: document.update(primaryType=["Statement"]),
        lambda document: document.update(more=1),
        lambda document: document["domain"].update(name="Other"),
        lambda document: document["domain"].update(version="2"),
        lambda document: document["domain"].update(chainId="x"),
        lambda document: document["domain"].update(chainId=0),
        lambda document: document["domain"].update(verifyingContract="0x12"),
        lambda document: document["domain"].update(salt="0x" + "00" * 32),
        lambda document: document["types"].update(Other=[]),
        lambda document: document["types"]["EIP712Domain"].pop(),
        lambda document: document["types"]["Statement"].pop(),
        lambda document: document["types"]["Statement"].append({"name": "time", "type": "uint64"}),
        lambda document: document["types"]["Statement"][0].update(name="a,b"),
        lambda document: document["types"]["Statement"][0].update(type="string"),
        lambda document: document["types"]["Statement"][0].update(type="Statement"),
        lambda document: document["types"]["Statement"][0].update(type="address[]"),
        lambda document: document["message"].update(more="1"),
        lambda document: document["message"].pop("patient"),
        lambda document: document["message"].update(patient=document["message"]["patient"].lower()),
        lambda document: document["message"].update(patient="0x12"),
        lambda document: document["message"].update(patient=5),
        lambda document: document["message"].update(recordId="0x" + "00" * 32),
        lambda document: document["message"].update(time=5),
        lambda document: document["message"].update(time="05"),
        lambda document: document["message"].update(time="-1"),
        lambda document: document["message"].update(time=str(1 << 64)),
    ],
)
def test_a_document_of_any_other_form_is_not_hashed_here(edit: Callable[[dict[str, Any]], object]) -> None:
    """Only what ``typed_data`` writes is: a wallet never signs what this module has read differently than others do."""
    document = json.loads(json.dumps(Statement(PLACE, bytes(16), DOCTOR.address, 1, bytes(32), bytes(32)).typed_data()))
    assert digest_of(document)
    edit(document)
    assert digest_of(document) is None


def test_the_document_is_plain_json() -> None:
    """A wallet gets strings it can show: checksummed addresses, hexadecimal bytes, decimal numbers of any size."""
    statement = Statement(PLACE, some("id", 16), DOCTOR.address, 1, some("m"), some("c"), (1 << 64) - 1)
    document = statement.typed_data()
    assert document["primaryType"] == "Statement"
    assert document["domain"] == {
        "name": "MedRec",
        "version": "1",
        "chainId": 31337,
        "verifyingContract": checksum_address(PLACE.contract),
    }
    assert document["message"]["replaces"] == "18446744073709551615"
    assert document["message"]["recordId"] == "0x" + some("id", 16).hex()
    assert [member["name"] for member in document["types"]["Statement"]] == list(document["message"])


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_addresses_are_written_as_in_eip_55(address: str) -> None:
    """The examples of EIP-55."""
    assert checksum_address(bytes.fromhex(address[2:])) == address


def test_the_domain_separates_chains_and_contracts() -> None:
    """A signature for one deployment is none for another."""
    separators = {
        typed_data.domain_separator(place) for place in (PLACE, OTHER_PLACES["chain"], OTHER_PLACES["contract"])
    }
    assert len(separators) == 3
    assert typed_data.domain_separator(PLACE) == typed_data.domain_separator(Deployment(PLACE.chain_id, PLACE.contract))


def parse_der(signature: bytes) -> tuple[int, int] | None:
    """r and s of a strictly encoded DER signature, if both fit into 32 bytes."""

    def integer(rest: bytes) -> tuple[int, bytes] | None:
        if len(rest) < 3 or rest[0] != 2 or not 0 < rest[1] < 0x80 or len(rest) < 2 + rest[1] or rest[2] & 0x80:
            return None
        if rest[1] > 1 and rest[2] == 0 and not rest[3] & 0x80:
            return None
        return int.from_bytes(rest[2 : 2 + rest[1]]), rest[2 + rest[1] :]

    if len(signature) < 2 or signature[0] != 0x30 or signature[1] != len(signature) - 2:
        return None
    r = integer(signature[2:])
    s = integer(r[1]) if r else None
    if not r or not s or s[1] or max(r[0], s[0]) >> 256:
        return None
    return r[0], s[0]


NOT_ON_ETHEREUM = "k*G has a large x-coordinate"  # r beyond the order would need a v of 29 or 30
ECDSA = [
    (vector, parsed)
    for vector in vectors("wycheproof_ecdsa_secp256k1.json")
    if (parsed := parse_der(bytes.fromhex(vector["sig"]))) and vector["comment"] != NOT_ON_ETHEREUM
]


def test_most_ecdsa_vectors_can_be_used() -> None:
    """Wycheproof's signatures are DER; those that can be written as r ‖ s ‖ v are tried, good and bad."""
    assert sum(vector["result"] == "valid" for vector, _ in ECDSA) > 150
    assert sum(vector["result"] == "invalid" for vector, _ in ECDSA) > 40


@pytest.mark.parametrize(
    ("vector", "parsed"), ECDSA, ids=lambda item: str(item.get("tcId")) if isinstance(item, dict) else ""
)
def test_signers_are_recovered_as_wycheproof_says(vector: dict[str, str], parsed: tuple[int, int]) -> None:
    """A valid signature leads to its key by one of the two v; an invalid one by neither."""
    account = keccak(bytes.fromhex(vector["publicKey"])[1:])[12:]
    digest = hashlib.sha256(bytes.fromhex(vector["msg"])).digest()
    encoded = b"".join(part.to_bytes(32) for part in parsed)
    found = [is_signed_by(account, digest, encoded + bytes([v])) for v in (27, 28)]
    assert any(found) == (vector["result"] == "valid")


@pytest.mark.parametrize("v", [27, 28, 29, 30])
def test_what_ethereum_cannot_write_is_refused(v: int) -> None:
    """A valid signature whose r lies beyond the order needs a v of 29 or 30, which ecrecover does not take either."""
    vector = next(v for v in vectors("wycheproof_ecdsa_secp256k1.json") if v["comment"] == NOT_ON_ETHEREUM)
    parsed = parse_der(bytes.fromhex(vector["sig"]))
    assert vector["result"] == "valid"
    assert parsed
    account = keccak(bytes.fromhex(vector["publicKey"])[1:])[12:]
    digest = hashlib.sha256(bytes.fromhex(vector["msg"])).digest()
    assert not is_signed_by(account, digest, b"".join(part.to_bytes(32) for part in parsed) + bytes([v]))


DIGEST = some("digest")
STATEMENT = Statement(PLACE, some("id", 16), DOCTOR.address, 5, some("m"), some("c"))
SIGNATURE = DOCTOR.sign_typed_data(STATEMENT.typed_data())


def test_the_signer_is_recovered() -> None:
    """The address comes from the signature and not from what somebody claims."""
    assert recover(STATEMENT.digest(), SIGNATURE) == DOCTOR.address
    assert recover(replace(STATEMENT, time=6).digest(), SIGNATURE) != DOCTOR.address


def high_s(signature: bytes) -> bytes:
    """The other signature over the same digest by the same key, which EIP-2 rules out."""
    s = ORDER - int.from_bytes(signature[32:64])
    return signature[:32] + s.to_bytes(32) + bytes([55 - signature[64]])


@pytest.mark.parametrize(
    "signature",
    [
        high_s(SIGNATURE),
        SIGNATURE[:64] + b"\x00",
        SIGNATURE[:64] + b"\x01",
        SIGNATURE[:64] + b"\x1d",
        SIGNATURE[:64],
        SIGNATURE + b"\0",
        b"",
        bytes(65),
        bytes(64) + b"\x1b",
        bytes(32) + SIGNATURE[32:],
        SIGNATURE[:32] + bytes(32) + SIGNATURE[64:],
        ORDER.to_bytes(32) + SIGNATURE[32:],
        SIGNATURE[:32] + ORDER.to_bytes(32) + SIGNATURE[64:],
        b"\xff" * 64 + b"\x1b",
    ],
    ids=[
        "high s",
        "v 0",
        "v 1",
        "v 29",
        "64 bytes",
        "66 bytes",
        "empty",
        "zero",
        "zero v27",
        "r 0",
        "s 0",
        "r n",
        "s n",
        "ff",
    ],
)
def test_malformed_signatures_are_refused(signature: bytes) -> None:
    """One signature has one encoding, and nothing malformed leads to an address, least of all to the zero address."""
    with pytest.raises(FormatError):
        recover(STATEMENT.digest(), signature)
    assert not is_signed_by(DOCTOR.address, STATEMENT.digest(), signature)
    assert not is_signed_by(bytes(20), STATEMENT.digest(), signature)


@given(st.binary(min_size=64, max_size=64), st.sampled_from([27, 28]))
def test_any_bytes_lead_to_an_address_or_an_error(octets: bytes, v: int) -> None:
    """Recovery never fails in another way."""
    with suppress(FormatError):
        assert len(recover(DIGEST, octets + bytes([v]))) == 20


def test_an_account_with_code_is_asked() -> None:
    """ERC-1271: where no key fits, the account itself may vouch, if the caller can ask it."""
    asked = []

    def vouch(account: bytes, digest: bytes, signature: bytes) -> bool:
        asked.append((account, digest, signature))
        return signature == b"multisig"

    assert is_signed_by(ALICE.address, DIGEST, b"multisig", vouch)
    assert asked == [(ALICE.address, DIGEST, b"multisig")]
    assert not is_signed_by(ALICE.address, DIGEST, b"other", vouch)
    assert not is_signed_by(ALICE.address, DIGEST, b"multisig")


def test_a_key_is_tried_before_the_code() -> None:
    """A delegated account (EIP-7702) has code and still signs with its key."""

    def never(*_: bytes) -> bool:
        raise AssertionError("asked in vain")

    assert is_signed_by(DOCTOR.address, STATEMENT.digest(), SIGNATURE, never)


def test_what_a_wallet_returns_is_checked() -> None:
    """A wallet with another key, or one that signs something else, is found out before anything is stored."""
    document, digest = STATEMENT.typed_data(), STATEMENT.digest()
    assert sign(DOCTOR.sign_typed_data, DOCTOR.address, document, digest) == SIGNATURE
    assert sign_message(DOCTOR.sign_typed_data, DOCTOR.address, STATEMENT) == SIGNATURE
    for wallet in (STRANGER.sign_typed_data, lambda _: b"", lambda _: high_s(SIGNATURE), lambda _: bytes(5000)):
        with pytest.raises(InvalidInput):
            sign(wallet, DOCTOR.address, document, digest)


def test_wallets_that_count_v_from_zero_are_understood() -> None:
    """A v of 0 or 1 becomes 27 or 28, so that the claim covers one form only."""
    plain = SIGNATURE[:64] + bytes([SIGNATURE[64] - 27])
    assert sign(lambda _: plain, DOCTOR.address, STATEMENT.typed_data(), STATEMENT.digest()) == SIGNATURE


def test_a_signature_has_a_size() -> None:
    """Not none, and not more than an account with code is asked about."""
    for size in (1, 65, 4096):
        assert check_signature(bytes(size)) == bytes(size)
    for size in (0, 4097):
        with pytest.raises(FormatError, match=f"not {size}"):
            check_signature(bytes(size))
