"""A share sealed to its guardian, a new device's request, and the share handed over to it (docs/format.md §11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest

from medrec_py.crypto import padding, recovery, share_seal, shares
from medrec_py.crypto.keys import KemSeed, RootSecret
from medrec_py.crypto.shares import Share
from medrec_py.crypto.suites import FIRST_SUITE, by_number
from medrec_py.errors import (
    FingerprintMismatch,
    FormatError,
    InvalidInput,
    KeyringMismatch,
    MedRecError,
    ShareOfAnotherPatient,
    UnknownSuite,
    WrongKey,
)

from .people import ALICE, CLINIC, DOCTOR, NOW, OTHER_PLACES, PLACE, STRANGER, altered, some

SUITE = by_number(FIRST_SUITE)

SEED = KemSeed(some("seed of clinic"))
PUBLIC_KEY = SUITE.public_key(SEED)
SHARE, OTHERS = shares.split(RootSecret(some("root")), PLACE, [CLINIC.address, DOCTOR.address], 2, NOW)
BLOCK = share_seal.build(SHARE, PUBLIC_KEY, 3, SUITE)

DEVICE = KemSeed(some("seed of the new device"))
REQUEST = recovery.Request.make(PLACE, DEVICE, SUITE)
HANDED_OVER = recovery.hand_over(SHARE, REQUEST)

Edit = Callable[[dict[str, Any]], Any]


def opened(block: bytes = BLOCK, guardian: bytes = CLINIC.address, seed: KemSeed = SEED) -> Share:
    return share_seal.parse(block).open(guardian, seed)


def sealed_to_guardian(document: bytes, guardian: bytes = CLINIC.address) -> bytes:
    """What anybody can seal to a guardian."""
    sealed = SUITE.seal(PUBLIC_KEY, share_seal._info(SUITE, PLACE, guardian, 3), padding.pad(document))
    return altered(BLOCK, lambda fields: fields.update(enc=sealed.enc, ciphertext=sealed.ciphertext))


def test_the_guardian_opens_its_share() -> None:
    """All of it; and the block says by which of the guardian's keys."""
    assert opened() == SHARE
    assert share_seal.parse(BLOCK).number == 3


def test_the_block_tells_neither_whose_share_nor_whose_guardian() -> None:
    """Nor which set, how many, or when: it can lie in a public store. All blocks have one size."""
    for secret in (PLACE.patient, CLINIC.address, SHARE.set_id, SHARE.words.encode()):
        assert secret not in BLOCK
        assert secret not in HANDED_OVER
    many = shares.split(RootSecret.generate(), PLACE, [some(f"{n}", 20) for n in range(16)], 9, 2**33)
    assert {len(share_seal.build(share, PUBLIC_KEY, 3, SUITE)) for share in many} == {len(BLOCK)}
    assert {len(recovery.hand_over(share, REQUEST)) for share in many} == {len(HANDED_OVER)}


@pytest.mark.parametrize(
    "edit",
    [
        lambda fields: fields.update(chain=1),
        lambda fields: fields.update(contract=some("another contract", 20)),
        lambda fields: fields.update(number=4),
        lambda fields: fields.update(enc=bytes(1120)),
        lambda fields: fields.update(ciphertext=fields["ciphertext"][:-1]),
        lambda fields: fields.update(ciphertext=b""),
    ],
    ids=["chain", "contract", "number", "encapsulation", "cut", "empty"],
)
def test_a_share_opens_where_it_was_sealed_alone(edit: Edit) -> None:
    """Relabelled for another chain, contract or key of the guardian's, or changed: it does not open."""
    with pytest.raises(WrongKey):
        opened(altered(BLOCK, edit))


def test_nobody_else_opens_it() -> None:
    """Neither another's key nor the right key for another account."""
    with pytest.raises(WrongKey):
        opened(seed=KemSeed(some("another seed")))
    with pytest.raises(WrongKey):
        opened(guardian=STRANGER.address)


def test_a_share_that_was_passed_on_is_told() -> None:
    """A guardian who seals its share to another one does not make that one a guardian."""
    with pytest.raises(KeyringMismatch, match=DOCTOR.address.hex()):
        opened(sealed_to_guardian(OTHERS.to_bytes()))


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda fields: fields.update(v=2), FormatError),
        (lambda fields: fields.update(suite=99), UnknownSuite),
        (lambda fields: fields.update(chain=0), FormatError),
        (lambda fields: fields.update(contract=bytes(19)), FormatError),
        (lambda fields: fields.update(number=1 << 32), FormatError),
        (lambda fields: fields.update(enc=b""), FormatError),
        (lambda fields: fields.pop("number"), FormatError),
        (lambda fields: fields.update(x=1), FormatError),
    ],
)
def test_a_block_of_another_form_is_refused(edit: Edit, error: type[MedRecError]) -> None:
    """Before anything is opened."""
    with pytest.raises(error):
        share_seal.parse(altered(BLOCK, edit))


@pytest.mark.parametrize("document", [b"", b"\xa0", b"\x80", cbor2.dumps({"patient": PLACE.patient})])
def test_what_is_sealed_must_be_a_share(document: bytes) -> None:
    """Anybody can seal anything to a guardian."""
    with pytest.raises(FormatError):
        opened(sealed_to_guardian(document))


def test_blocks_beyond_the_size_of_a_block_are_not_read() -> None:
    """Nobody makes us parse a gigabyte."""
    huge = bytes((1 << 20) + 1)
    for parse in (share_seal.parse, recovery.parse_request, lambda block: recovery.receive(block, REQUEST, DEVICE)):
        with pytest.raises(FormatError):
            parse(huge)


def test_no_seal_is_made_of_bad_values() -> None:
    """A number out of bounds, a key that nothing can be sealed to."""
    with pytest.raises(InvalidInput):
        share_seal.build(SHARE, PUBLIC_KEY, 1 << 32, SUITE)
    with pytest.raises(FormatError):
        share_seal.build(SHARE, PUBLIC_KEY[:1184] + bytes(32), 1, SUITE)


# --- the request ----------------------------------------------------------------------------------------------------


def test_a_request_is_read_back() -> None:
    """It names the patient, and its key is the device's."""
    assert recovery.parse_request(REQUEST.to_bytes()) == REQUEST


def test_the_fingerprint_is_24_digits_of_the_whole_request() -> None:
    """In groups of four; another patient, deployment or key gives another."""
    digits = REQUEST.fingerprint()
    assert [len(group) for group in digits.split(" ")] == [4] * 6
    assert digits.replace(" ", "").isdecimal()
    others = [recovery.Request.make(place, DEVICE, SUITE) for place in OTHER_PLACES.values()]
    others.append(recovery.Request.make(PLACE, SEED, SUITE))
    assert len({digits, *(other.fingerprint() for other in others)}) == 5


@pytest.mark.parametrize("heard", ["", " ", "0", "x" * 24, "٠" * 24])
def test_other_digits_are_refused(heard: str) -> None:
    """Nothing, too few, no digits, and digits of another script."""
    with pytest.raises(FingerprintMismatch):
        REQUEST.check_fingerprint(heard)


def test_one_wrong_digit_is_refused() -> None:
    """Whichever it is; spaces and dashes do not matter."""
    digits = REQUEST.fingerprint().replace(" ", "")
    for place in range(24):
        wrong = digits[:place] + str((int(digits[place]) + 1) % 10) + digits[place + 1 :]
        with pytest.raises(FingerprintMismatch) as caught:
            REQUEST.check_fingerprint(wrong)
        assert digits not in str(caught.value)
    REQUEST.check_fingerprint("-".join(digits))


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda fields: fields.update(v=2), FormatError),
        (lambda fields: fields.update(suite=99), UnknownSuite),
        (lambda fields: fields.update(chain=0), FormatError),
        (lambda fields: fields.update(patient=bytes(19)), FormatError),
        (lambda fields: fields.update(key=bytes(1216)), FormatError),
        (lambda fields: fields.update(key=PUBLIC_KEY[:1184] + bytes(32)), FormatError),
        (lambda fields: fields.pop("key"), FormatError),
        (lambda fields: fields.update(x=1), FormatError),
    ],
)
def test_a_request_of_another_form_is_refused(edit: Edit, error: type[MedRecError]) -> None:
    """Keys that lead every sender to one secret included."""
    with pytest.raises(error):
        recovery.parse_request(altered(REQUEST.to_bytes(), edit))


# --- handing over ---------------------------------------------------------------------------------------------------


def test_the_new_device_opens_what_was_handed_over() -> None:
    """The same share."""
    assert recovery.receive(HANDED_OVER, REQUEST, DEVICE) == SHARE


def test_it_answers_one_request() -> None:
    """Another request of the same device or for another patient: neither as it is nor relabelled does it open."""
    for other in (
        *(recovery.Request.make(place, DEVICE, SUITE) for place in OTHER_PLACES.values()),
        recovery.Request.make(PLACE, SEED, SUITE),
    ):
        with pytest.raises(KeyringMismatch):
            recovery.receive(HANDED_OVER, other, DEVICE)
        relabelled = altered(HANDED_OVER, lambda fields, other=other: fields.update(request=other.digest()))
        with pytest.raises(WrongKey):
            recovery.receive(relabelled, other, DEVICE)


def test_only_the_devices_key_opens_it() -> None:
    """Not the guardian's own."""
    with pytest.raises(WrongKey):
        recovery.receive(HANDED_OVER, REQUEST, SEED)


@pytest.mark.parametrize("place", OTHER_PLACES.values(), ids=OTHER_PLACES)
def test_nothing_is_handed_over_for_another_patient_or_deployment(place: Any) -> None:
    """Whatever somebody asks for."""
    with pytest.raises(ShareOfAnotherPatient):
        recovery.hand_over(SHARE, recovery.Request.make(place, DEVICE, SUITE))


def test_a_hostile_guardian_can_name_another_patient_and_is_told_so() -> None:
    """The share says whose it is: combining names the guardian."""
    lied = replace(SHARE, place=OTHER_PLACES["patient"])
    sealed = SUITE.seal(REQUEST.public_key, recovery._info(REQUEST), padding.pad(lied.to_bytes()))
    block = altered(HANDED_OVER, lambda fields: fields.update(enc=sealed.enc, ciphertext=sealed.ciphertext))
    with pytest.raises(ShareOfAnotherPatient, match=CLINIC.address.hex()):
        shares.combine(PLACE, [recovery.receive(block, REQUEST, DEVICE), OTHERS])


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda fields: fields.update(v=2), FormatError),
        (lambda fields: fields.update(suite=99), UnknownSuite),
        (lambda fields: fields.update(request=bytes(31)), FormatError),
        (lambda fields: fields.update(enc=b""), FormatError),
        (lambda fields: fields.update(enc=bytes(1120)), WrongKey),
        (lambda fields: fields.update(ciphertext=fields["ciphertext"][1:]), WrongKey),
        (lambda fields: fields.pop("request"), FormatError),
        (lambda fields: fields.update(patient=ALICE.address), FormatError),
    ],
)
def test_a_changed_answer_is_refused(edit: Edit, error: type[MedRecError]) -> None:
    """No field can be changed."""
    with pytest.raises(error):
        recovery.receive(altered(HANDED_OVER, edit), REQUEST, DEVICE)
