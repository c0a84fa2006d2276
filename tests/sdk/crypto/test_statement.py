"""Metadata, statements, claims and attestations."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec_py.crypto import padding
from medrec_py.crypto.attestation import Attestation, attest
from medrec_py.crypto.metadata import Metadata
from medrec_py.crypto.statement import Statement
from medrec_py.errors import FormatError, InvalidInput, StatementMismatch

from .people import CLINIC, DOCTOR, NOW, OTHER_PLACES, PLACE, RECORD_ID, STRANGER, refused, some

METADATA = Metadata("Blutdruck äöü 血圧", "text/plain; charset=utf-8", 22, created=NOW - 60)
TERMS: dict[str, Any] = {
    "metadata": METADATA,
    "author": DOCTOR.address,
    "on_behalf_of": CLINIC.address,
    "time": NOW,
    "content": some("root"),
    "leaf_salt": some("leaf salt"),
    "replaces": 9 << 32,
}
ATTESTATION = attest(DOCTOR.sign_typed_data, PLACE, RECORD_ID, **TERMS)


class TestMetadata:
    """What a record says of its content."""

    def test_it_is_read_again(self) -> None:
        """The map that is encoded gives the same metadata."""
        assert Metadata.from_map(METADATA.as_map()) == METADATA
        assert "created" not in Metadata("", "a/b", 0).as_map()

    def test_the_digest_covers_every_field(self) -> None:
        """Another title, type, size or time is other metadata."""
        others = [
            replace(METADATA, title="x"),
            replace(METADATA, media_type="text/html"),
            replace(METADATA, size=23),
            replace(METADATA, created=0),
            replace(METADATA, created=None),
        ]
        assert len({metadata.digest() for metadata in [METADATA, *others]}) == 6
        encoded = cbor2.dumps(METADATA.as_map(), canonical=True)
        assert METADATA.digest() == hashlib.sha256(encoded).digest()

    def test_a_title_is_not_shown(self) -> None:
        """Titles are about health; they do not get into logs."""
        assert "Blut" not in repr(METADATA)
        assert "Blut" not in repr(ATTESTATION)

    @pytest.mark.parametrize(
        "media_type",
        [
            "text/plain",
            "application/fhir+json",
            "application/dicom",
            "image/svg+xml",
            "text/csv;header=present; charset=x",
        ],
    )
    def test_media_types_of_rfc_6838_are_taken(self, media_type: str) -> None:
        """With or without parameters."""
        assert Metadata("", media_type, 0).media_type == media_type

    @pytest.mark.parametrize(
        "media_type",
        [
            "",
            "text",
            "text/",
            "/plain",
            "te xt/plain",
            "text/plain\r\nX: y",
            "text/plain\n",
            "text/<b>",
            "a/" + "b" * 300,
            "a/b; c",
        ],
    )
    def test_other_media_types_are_refused(self, media_type: str) -> None:
        """A media type ends up in headers and pages; nothing can be smuggled in with it."""
        with pytest.raises(InvalidInput):
            Metadata("", media_type, 0)
        with pytest.raises(FormatError):
            Metadata.from_map({"title": "", "type": media_type, "size": 0})

    @pytest.mark.parametrize(
        "change",
        [
            {"title": "x" * 1025},
            {"title": "\ud800"},
            {"size": -1},
            {"size": 1 << 63},
            {"created": -1},
            {"created": 1 << 64},
        ],
    )
    def test_values_have_bounds(self, change: dict[str, Any]) -> None:
        """What could not be encoded, or never be a file, is refused."""
        with pytest.raises(InvalidInput):
            replace(METADATA, **change)

    @pytest.mark.parametrize(
        "value",
        [
            {},
            [],
            {"title": "", "type": "a/b"},
            {"title": 1, "type": "a/b", "size": 0},
            {"title": "", "type": "a/b", "size": 1 << 63},
        ],
    )
    def test_other_maps_are_refused(self, value: Any) -> None:
        """A missing key, another type or an impossible size."""
        with pytest.raises(FormatError):
            Metadata.from_map(value)


class TestStatement:
    """What the author signs, and the claim on chain."""

    def test_every_fact_is_signed(self) -> None:
        """Another place, record, principal, time, metadata, content or replaced record is another statement."""
        statement = ATTESTATION.statement(PLACE, RECORD_ID)
        others = [replace(statement, place=place) for place in OTHER_PLACES.values()] + [
            replace(statement, record_id=some("other", 16)),
            replace(statement, on_behalf_of=DOCTOR.address),
            replace(statement, time=NOW + 1),
            replace(statement, metadata=some("other")),
            replace(statement, content=some("other")),
            replace(statement, replaces=0),
        ]
        assert len({other.digest() for other in [statement, *others]}) == len(others) + 1
        assert len({other.claim(some("s"), b"sig") for other in [statement, *others]}) == len(others) + 1

    def test_the_claim_is_the_hash_that_the_format_says(self) -> None:
        """H("medrec/1/claim" ‖ salt ‖ digest ‖ signature)."""
        digest = ATTESTATION.statement(PLACE, RECORD_ID).digest()
        preimage = b"medrec/1/claim" + ATTESTATION.claim_salt + digest + ATTESTATION.signature
        assert ATTESTATION.claim(PLACE, RECORD_ID) == hashlib.sha256(preimage).digest()

    def test_a_claim_cannot_be_guessed(self) -> None:
        """The same statement and signature under another salt is another claim; each attestation draws its own."""
        again = attest(DOCTOR.sign_typed_data, PLACE, RECORD_ID, **TERMS)
        assert again.signature == ATTESTATION.signature
        assert again.claim_salt != ATTESTATION.claim_salt
        assert again.claim(PLACE, RECORD_ID) != ATTESTATION.claim(PLACE, RECORD_ID)

    @pytest.mark.parametrize(
        "change",
        [
            {"record_id": bytes(15)},
            {"on_behalf_of": bytes(21)},
            {"time": -1},
            {"time": 1 << 64},
            {"metadata": b""},
            {"content": bytes(31)},
            {"replaces": 1 << 64},
        ],
    )
    def test_values_have_bounds(self, change: dict[str, Any]) -> None:
        """What EIP-712 could not encode is refused before a wallet is asked."""
        with pytest.raises(InvalidInput):
            replace(ATTESTATION.statement(PLACE, RECORD_ID), **change)

    def test_a_claims_salt_has_32_bytes(self) -> None:
        """A short salt would let others guess."""
        with pytest.raises(InvalidInput):
            Statement(PLACE, RECORD_ID, bytes(20), 0, bytes(32), bytes(32)).claim(b"short", b"")


class TestAttestation:
    """Metadata with the author's signature."""

    def test_it_is_read_again(self) -> None:
        """The padded document gives the same attestation, and it verifies."""
        assert Attestation.from_bytes(ATTESTATION.to_bytes()) == ATTESTATION
        ATTESTATION.verify(PLACE, RECORD_ID)

    @pytest.mark.parametrize(
        "change",
        [
            {"metadata": replace(METADATA, title="x")},
            {"author": STRANGER.address},
            {"author": bytes(20)},
            {"on_behalf_of": STRANGER.address},
            {"time": NOW - 1},
            {"replaces": 0},
            {"content": some("other")},
            {"signature": ATTESTATION.signature[:64] + bytes([55 - ATTESTATION.signature[64]])},
            {"signature": bytes(65)},
        ],
    )
    def test_whatever_is_changed_is_found(self, change: dict[str, Any]) -> None:
        """The signature covers all that an attestation says."""
        with pytest.raises(StatementMismatch):
            replace(ATTESTATION, **change).verify(PLACE, RECORD_ID)

    @pytest.mark.parametrize("place", OTHER_PLACES.values(), ids=OTHER_PLACES)
    def test_it_cannot_be_carried_to_another_place(self, place: Any) -> None:
        """A statement about one patient says nothing about another, nor on another chain or contract."""
        with pytest.raises(StatementMismatch):
            ATTESTATION.verify(place, RECORD_ID)

    def test_it_cannot_be_carried_to_another_record(self) -> None:
        """The record id is signed."""
        with pytest.raises(StatementMismatch):
            ATTESTATION.verify(PLACE, some("other", 16))

    def test_an_author_with_code_can_sign(self) -> None:
        """ERC-1271: an account that is a contract vouches itself, at signing and at verifying."""

        def vouch(account: bytes, digest: bytes, signature: bytes) -> bool:
            return (account, signature) == (CLINIC.address, b"two of three")

        made = attest(
            lambda _: b"two of three", PLACE, RECORD_ID, **TERMS | {"author": CLINIC.address}, check_contract=vouch
        )
        read = Attestation.from_bytes(made.to_bytes())
        read.verify(PLACE, RECORD_ID, vouch)
        with pytest.raises(StatementMismatch):
            read.verify(PLACE, RECORD_ID)

    def test_the_wallet_must_be_the_authors(self) -> None:
        """A record in another's name does not come about."""
        with pytest.raises(InvalidInput):
            attest(STRANGER.sign_typed_data, PLACE, RECORD_ID, **TERMS)

    @pytest.mark.parametrize("change", [{"author": b""}, {"leaf_salt": b""}, {"claim_salt": b"x"}, {"time": -1}])
    def test_bad_values_never_reach_the_wallet(self, change: dict[str, Any]) -> None:
        """They are refused first."""
        with pytest.raises(InvalidInput):
            attest(refused, PLACE, RECORD_ID, **TERMS | change)

    @pytest.mark.parametrize("size", [0, 4097])
    def test_a_signature_has_a_size(self, size: int) -> None:
        """65 bytes of a key, up to 4,096 of an account with code."""
        with pytest.raises(FormatError):
            Attestation.from_bytes(replace(ATTESTATION, signature=bytes(size)).to_bytes())

    @given(
        st.sampled_from(sorted(cbor2.loads(padding.unpad(ATTESTATION.to_bytes())))),
        st.none() | st.integers() | st.binary(),
    )
    def test_every_field_has_its_form(self, key: str, value: Any) -> None:
        """A field of another type or size is refused when it is read."""
        fields = cbor2.loads(padding.unpad(ATTESTATION.to_bytes()))
        document = padding.pad(cbor2.dumps(fields | {key: value}, canonical=True))
        try:
            Attestation.from_bytes(document)
        except FormatError:
            return
        assert type(value) is type(fields[key])
