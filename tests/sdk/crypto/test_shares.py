"""Shares of the root secret: any m of n restore it, fewer do not, and each kind of mistake has an error of its own."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import cbor2
import pytest
import shamir_mnemonic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shamir_mnemonic.utils import MnemonicError

from medrec_py.crypto import shares
from medrec_py.crypto.keys import Place, RootSecret
from medrec_py.crypto.shares import Share
from medrec_py.errors import (
    FormatError,
    InvalidInput,
    MedRecError,
    ShareDamaged,
    ShareOfAnotherPatient,
    ShareRepeated,
    SharesContradict,
    SharesOfSeveralSets,
    TooFewShares,
)

from .people import NOW, OTHER_PLACES, PLACE, some
from .reference import vectors

ROOT = RootSecret(some("root secret"))
GUARDIANS = [some(f"guardian {number}", 20) for number in range(16)]
SET = shares.split(ROOT, PLACE, GUARDIANS[:5], 3, NOW)
WORDS = SET[0].words.split()
TURN = next(place for place in range(9, len(WORDS)) if WORDS[place] != WORDS[place - 1])
"""Where two words that follow each other differ: those of a share are random."""
OFFICIAL = vectors("slip39.json")


def with_words(share: Share, **changes: Any) -> str:
    """The words of a share after a change of what SLIP-39 puts into them, with a checksum that fits."""
    return replace(shamir_mnemonic.Share.from_mnemonic(share.words), **changes).mnemonic()


@st.composite
def sets(draw: st.DrawFn) -> tuple[int, int]:
    count = draw(st.integers(shares.MIN_THRESHOLD, shares.MAX_SHARES))
    return draw(st.integers(shares.MIN_THRESHOLD, count)), count


@pytest.mark.slow
@given(size=sets(), secret=st.binary(min_size=32, max_size=32), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_m_of_n_restore_and_fewer_do_not(size: tuple[int, int], secret: bytes, data: st.DataObject) -> None:
    """For every m and n, whichever they are and in any order; with one less there is an error."""
    threshold, count = size
    root = RootSecret(secret)
    dealt = shares.split(root, PLACE, GUARDIANS[:count], threshold, NOW)
    assert [(share.index, share.threshold, share.count) for share in dealt] == [
        (index, threshold, count) for index in range(count)
    ]
    mixed = data.draw(st.permutations(dealt))
    assert shares.combine(PLACE, mixed[:threshold]) == root
    with pytest.raises(TooFewShares, match=f"^{threshold} shares"):
        shares.combine(PLACE, mixed[: threshold - 1])


def multiply(a: int, b: int) -> int:
    """In GF(256) with the polynomial of SLIP-39, x^8 + x^4 + x^3 + x + 1."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def interpolated(points: list[tuple[int, bytes]], at: int) -> bytes:
    """Lagrange's interpolation in GF(256), byte by byte, written from the specification."""
    value = bytes(len(points[0][1]))
    for x, octets in points:
        others = [other for other, _ in points if other != x]
        above = reduce(multiply, [at ^ other for other in others], 1)
        below = reduce(multiply, [x ^ other for other in others], 1)
        inverse = next(number for number in range(1, 256) if multiply(below, number) == 1)
        factor = multiply(above, inverse)
        value = bytes(already ^ multiply(octet, factor) for already, octet in zip(value, octets, strict=True))
    return value


def test_a_second_implementation_agrees() -> None:
    """The words hold points of a polynomial over GF(256); at 255 is the secret, encrypted without passphrase."""
    points = [
        (share.index, bytes(shamir_mnemonic.Share.from_mnemonic(share.words).value)) for share in (SET[4], *SET[:2])
    ]
    encrypted, digest = interpolated(points, 255), interpolated(points, 254)
    assert digest[:4] == hmac.digest(digest[4:], encrypted, "sha256")[:4]
    assert shamir_mnemonic.decrypt(encrypted, b"", 0, SET[0].identifier, True) == ROOT.expose()


@given(secret=st.binary(min_size=32, max_size=32))
@settings(max_examples=20, deadline=None)
def test_fewer_shares_fit_any_secret(secret: bytes) -> None:
    """One share less, and for whatever secret there is a last share that would give it: so nothing is learnt."""
    encrypted = shamir_mnemonic.encrypt(secret, b"", 0, SET[0].identifier, True)
    random_part = some("random part", 28)
    digest = hmac.digest(random_part, encrypted, "sha256")[:4] + random_part
    two = SET[:1]  # of three: with the secret and its digest, the polynomial is determined by one share more
    known = [(share.index, bytes(shamir_mnemonic.Share.from_mnemonic(share.words).value)) for share in two]
    others = [interpolated([*known, (254, digest), (255, encrypted)], index) for index in (1, 2)]
    made = [replace_words(SET[index], value) for index, value in zip((1, 2), others, strict=True)]
    assert shares.combine(PLACE, [*two, *made]) == RootSecret(secret)


def replace_words(share: Share, value: bytes) -> Share:
    return replace(share, words=with_words(share, value=value))


@pytest.mark.parametrize("vector", OFFICIAL, ids=lambda vector: vector[0])
def test_the_official_vectors(vector: tuple[str, list[str], str, str]) -> None:
    """SLIP-39's own, all 45: the library restores the secret, or refuses."""
    _, mnemonics, secret, _ = vector
    if secret:
        assert shamir_mnemonic.combine_mnemonics(mnemonics, b"TREZOR").hex() == secret
    else:
        with pytest.raises(MnemonicError):
            shamir_mnemonic.combine_mnemonics(mnemonics, b"TREZOR")


def test_words_of_other_uses_are_no_shares_of_ours() -> None:
    """Other sizes, groups, passphrases to stretch: of the official ones, only the last set has the form of ours."""
    for _, mnemonics, *_ in OFFICIAL[:-1]:
        for words in mnemonics:
            with pytest.raises(ShareDamaged):
                replace(SET[0], words=words)
    assert [replace(SET[0], words=words).threshold for words in OFFICIAL[-1][1]] == [2, 2]


def test_a_set_says_what_it_belongs_to() -> None:
    """Place, guardian, set and time, the same in all but guardian and words."""
    assert {
        (share.place, share.set_id, share.count, share.time, share.threshold, share.identifier) for share in SET
    } == {(PLACE, SET[0].set_id, 5, NOW, 3, SET[0].identifier)}
    assert [share.guardian for share in SET] == GUARDIANS[:5]
    other = shares.split(ROOT, PLACE, GUARDIANS[:5], 3, NOW)
    assert other[0].set_id != SET[0].set_id
    assert {share.words for share in other} & {share.words for share in SET} == set()


def test_nothing_secret_is_shown() -> None:
    """Words and secret are in no ``repr``."""
    assert not [pair for pair in pairwise(WORDS) if " ".join(pair) in repr(SET)]


def test_shares_of_several_sets_are_told_apart() -> None:
    """The latest set first, each with its guardians; also where only SLIP-39's own number differs."""
    later = shares.split(ROOT, PLACE, GUARDIANS[:3], 2, NOW + 60)
    with pytest.raises(SharesOfSeveralSets) as caught:
        shares.combine(PLACE, [SET[0], SET[1], later[2]])
    first, second = str(caught.value).split("first: ")[1].split("; ")
    assert first.startswith(f"{later[0].set_name} (2 of 3): ")
    assert GUARDIANS[2].hex() in first
    assert second.startswith(f"{SET[0].set_name} (3 of 5): ")
    assert GUARDIANS[0].hex() in second
    assert GUARDIANS[1].hex() in second
    relabelled = replace(SET[2], words=with_words(SET[2], identifier=SET[2].identifier ^ 1))
    for other in (relabelled, replace(SET[2], set_id=later[0].set_id)):
        with pytest.raises(SharesOfSeveralSets):
            shares.combine(PLACE, [*SET[:2], other])


def test_a_share_is_counted_once() -> None:
    """The same twice is an error, from one guardian or from two; another with its number is a forgery."""
    with pytest.raises(ShareRepeated, match="share 1 is there 2 times"):
        shares.combine(PLACE, [SET[0], SET[0], SET[1]])
    with pytest.raises(ShareRepeated):
        shares.combine(PLACE, [SET[0], replace(SET[0], guardian=GUARDIANS[9]), SET[1]])
    with pytest.raises(SharesContradict):
        shares.combine(PLACE, [SET[0], replace_words(SET[0], bytes(32)), SET[1]])


@pytest.mark.parametrize("place", OTHER_PLACES.values(), ids=OTHER_PLACES)
def test_a_share_of_another_patient_or_deployment_is_named(place: Place) -> None:
    """Whose it is, and which guardian's."""
    other = replace(SET[1], place=place)
    with pytest.raises(ShareOfAnotherPatient) as caught:
        shares.combine(PLACE, [SET[0], other, SET[2]])
    assert GUARDIANS[1].hex() in str(caught.value)
    assert place.patient.hex() in str(caught.value)
    assert GUARDIANS[0].hex() not in str(caught.value)


def test_a_forged_share_is_found_where_there_are_enough_others() -> None:
    """Three honest ones among five restore; with two the forgery is told."""
    forged = [replace_words(share, some(f"forged {share.index}")) for share in SET]
    assert shares.combine(PLACE, [forged[0], SET[1], forged[2], SET[3], SET[4]]) == ROOT
    with pytest.raises(SharesContradict):
        shares.combine(PLACE, [forged[0], SET[1], forged[2], SET[3]])
    with pytest.raises(SharesContradict):
        shares.combine(PLACE, [forged[0], SET[1], SET[2]])


def test_nothing_is_too_few() -> None:
    """No share at all."""
    with pytest.raises(TooFewShares):
        shares.combine(PLACE, [])


DAMAGED = {
    "nothing": "",
    "one word less": " ".join(WORDS[:-1]),
    "one word more": " ".join([*WORDS, "academic"]),
    "an unknown word": " ".join(["zebra", *WORDS[1:]]),
    "two words exchanged": " ".join([*WORDS[: TURN - 1], WORDS[TURN], WORDS[TURN - 1], *WORDS[TURN + 1 :]]),
    "another word": " ".join([*WORDS[:9], "academic" if WORDS[9] != "academic" else "acid", *WORDS[10:]]),
    "upper case": SET[0].words.upper(),
    "a space behind": SET[0].words + " ",
    "two spaces": "  ".join(WORDS),
    "no end": "academic " * 1000,
    "group 2 of 2": with_words(SET[0], group_index=1, group_count=2),
    "two groups": with_words(SET[0], group_count=2),
    "two groups needed": with_words(SET[0], group_threshold=2, group_count=2),
    "not extendable": with_words(SET[0], extendable=False),
    "stretched": with_words(SET[0], iteration_exponent=1),
    "threshold 1": with_words(SET[0], member_threshold=1),
    "threshold 6 of 5": with_words(SET[0], member_threshold=6),
    "index 5 of 5": with_words(SET[0], index=5),
    "16 bytes": with_words(SET[0], value=bytes(16)),
    "34 bytes": with_words(SET[0], value=bytes(34)),
}


@pytest.mark.parametrize("words", DAMAGED.values(), ids=DAMAGED)
def test_damaged_words_are_refused(words: str) -> None:
    """A word altered, missing, added or moved; written otherwise; or of another kind of set."""
    with pytest.raises(ShareDamaged) as caught:
        replace(SET[0], words=words)
    assert caught.value.__context__ is None  # the library's own error shows words
    assert not [word for word in WORDS[5:] if word in str(caught.value).split()]


def test_a_book_of_words_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever seals a megabyte of words with a checksum that fits keeps nobody busy: only short texts are parsed."""
    parse = Mock(side_effect=AssertionError("the words were parsed"))
    monkeypatch.setattr(shamir_mnemonic.Share, "from_mnemonic", parse)
    with pytest.raises(ShareDamaged):
        Share(PLACE, GUARDIANS[0], SET[0].set_id, 5, NOW, "academic " * 60)


def test_what_is_sealed_is_read_back() -> None:
    """One document, canonical."""
    assert Share.from_bytes(SET[3].to_bytes(), PLACE) == SET[3]


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda fields: fields.update(count=1), ShareDamaged),
        (lambda fields: fields.update(count=2), ShareDamaged),
        (lambda fields: fields.update(count=17), FormatError),
        (lambda fields: fields.update(words="academic"), ShareDamaged),
        (lambda fields: fields.update(words=b"academic"), FormatError),
        (lambda fields: fields.update(set=bytes(15)), FormatError),
        (lambda fields: fields.update(patient=bytes(21)), FormatError),
        (lambda fields: fields.update(guardian=b""), FormatError),
        (lambda fields: fields.update(time=-1), FormatError),
        (lambda fields: fields.pop("time"), FormatError),
        (lambda fields: fields.update(x=1), FormatError),
    ],
)
def test_what_is_sealed_has_one_form(edit: Callable[[dict[str, Any]], Any], error: type[MedRecError]) -> None:
    """Whoever seals can seal anything."""
    fields = cbor2.loads(SET[0].to_bytes())
    edit(fields)
    with pytest.raises(error):
        Share.from_bytes(cbor2.dumps(fields, canonical=True), PLACE)


@pytest.mark.parametrize(
    ("count", "threshold"), [(0, 2), (1, 1), (1, 2), (3, 0), (3, 1), (3, 4), (3, -1), (17, 2), (3, True)]
)
def test_sets_that_make_no_sense_are_not_dealt(count: int, threshold: int) -> None:
    """From two of two to sixteen of sixteen."""
    with pytest.raises(InvalidInput):
        shares.split(ROOT, PLACE, [some(f"guardian {number}", 20) for number in range(count)], threshold, NOW)


def test_nobody_is_dealt_two() -> None:
    """Two shares in one hand count double."""
    with pytest.raises(InvalidInput, match="twice"):
        shares.split(ROOT, PLACE, [*GUARDIANS[:2], GUARDIANS[0]], 2, NOW)
