"""The three words that are packed into storage slots: what goes in comes out, and no field runs into another."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.support import LAST_SECOND, LAST_VERSION, Contract, Denial, ProviderKind, Terms, plain


def bits(size: int) -> st.SearchStrategy[int]:
    """Numbers of that many bits, the largest and the smallest among them more often than by chance."""
    return st.one_of(st.sampled_from([0, 1, 2**size - 1, 2 ** (size - 1)]), st.integers(0, 2**size - 1))


TERMS = st.builds(Terms, bits(64), bits(64), bits(40), bits(40), bits(16), bits(8))
WORD = bits(256)


# ---------------------------------------------------------------------------------------------------------- permissions


def packed(terms: Terms, version: int) -> int:
    """docs of PermissionWord: from the highest bit, each field in its own place."""
    fields = ((terms.read, 64), (terms.append, 64), (terms.not_before, 40), (terms.expiry, 40))
    word = 0
    for value, size in (*fields, (terms.purposes, 16), (terms.flags, 8), (version, 24)):
        word = word << size | value
    return word


@given(terms=TERMS, version=bits(24))
def test_permission_is_packed_in_its_order(words: Contract, terms: Terms, version: int) -> None:
    """Pack is the documented layout, and unpack undoes it."""
    word = words.packPermission(terms, version)
    assert word == packed(terms, version)
    assert plain(words.unpackPermission(word)) == (terms, version)


@given(word=WORD)
def test_permission_is_all_of_its_word(words: Contract, word: int) -> None:
    """There is no bit that unpacking loses."""
    terms, version = plain(words.unpackPermission(word))
    assert packed(Terms(*terms), version) == word


@given(terms=TERMS, version=bits(24))
def test_permission_tombstone_is_the_next_version_alone(words: Contract, terms: Terms, version: int) -> None:
    """Nothing of the terms is left; the last version stays."""
    assert words.tombstone(packed(terms, version)) == min(version + 1, LAST_VERSION)


def denial(terms: Terms, version: int, purpose: int, time: int) -> Denial:
    """Why a permission lacks a compartment, as IMedRec has it."""
    if packed(terms, version) == 0:
        return Denial.NotGranted
    if terms == (0,) * 6:
        return Denial.Revoked
    if time < terms.not_before:
        return Denial.NotYetValid
    if time >= terms.expiry:
        return Denial.Expired
    return Denial.CompartmentNotGranted if terms.purposes >> purpose & 1 else Denial.PurposeNotGranted


@settings(max_examples=50)
@given(terms=TERMS, version=bits(24), purpose=bits(8), data=st.data())
def test_permission_is_open_within_its_window_for_its_purposes(
    words: Contract, terms: Terms, version: int, purpose: int, data: st.DataObject
) -> None:
    """The masks at a time, with a purpose and without, and the reason where they lack something."""
    moments = {terms.not_before - 1, terms.not_before, terms.expiry - 1, terms.expiry, 0, LAST_SECOND} - {-1}
    time = data.draw(st.sampled_from(sorted(moments)))
    live = terms.not_before <= time < terms.expiry
    covered = live and bool(terms.purposes >> purpose & 1)
    assert plain(words.permissionAt(packed(terms, version), purpose, time)) == (
        terms.read * live,
        terms.read * covered,
        terms.append * covered,
        denial(terms, version, purpose, time),
    )


# ------------------------------------------------------------------------------------------------------------ providers

# The bits that nobody has given a meaning: an accreditation leaves them, and the others', as they are.
ACCREDITATION = 0xFF | 1 << 9 | LAST_SECOND << 16
SUSPENDED = 1 << 8


@given(word=WORD, kind=st.sampled_from(ProviderKind), emergency=st.booleans(), expiry=bits(40))
def test_provider_accreditation_sets_its_fields_alone(
    words: Contract, word: int, kind: ProviderKind, emergency: bool, expiry: int
) -> None:
    """Kind, emergency mark and expiry; the suspension, the number of relayed calls and all free bits stay."""
    expected = word & ~ACCREDITATION | kind | emergency << 9 | expiry << 16
    assert words.accredited(word, kind, emergency, expiry) == expected


@given(word=WORD, suspended=st.booleans())
def test_provider_suspension_sets_its_bit_alone(words: Contract, word: int, suspended: bool) -> None:
    """All else stays."""
    assert words.withSuspension(word, suspended) == word & ~SUSPENDED | suspended << 8


@given(kind=st.sampled_from(ProviderKind), word=WORD)
def test_provider_is_unpacked_by_its_layout(words: Contract, kind: ProviderKind, word: int) -> None:
    """kind (8), suspended (1), emergency (1), free (6), expiry (40), relayed (64), free (136), from the lowest bit."""
    word = word & ~0xFF | kind
    assert plain(words.unpackProvider(word)) == (
        kind,
        word >> 8 & 1,
        word >> 9 & 1,
        word >> 16 & LAST_SECOND,
        word >> 56 & (2**64 - 1),
    )


# ------------------------------------------------------------------------------------------------------------ histories


@given(head=bits(200), length=bits(32), version=bits(24))
def test_history_is_unpacked_by_its_layout(words: Contract, head: int, length: int, version: int) -> None:
    """head (200), length (32), keyring version (24), from the highest bit."""
    word = head << 56 | length << 24 | version
    assert plain(words.unpackHistory(word)) == (head.to_bytes(25, "big"), length, version, version == LAST_VERSION)


@given(head=bits(200), length=bits(32), version=bits(24))
def test_history_raises_the_keyring_version_alone(words: Contract, head: int, length: int, version: int) -> None:
    """Head and length stay; so does the last version."""
    word = head << 56 | length << 24
    assert words.withNextKeyringVersion(word | version) == word | min(version + 1, LAST_VERSION)


@given(length=bits(32), rest=bits(24), data=st.data())
def test_history_has_entries_from_one_to_its_length(
    words: Contract, length: int, rest: int, data: st.DataObject
) -> None:
    """Neither entry 0 nor any beyond, of whatever size."""
    asked = data.draw(st.one_of(st.sampled_from([0, 1, length, length + 1]), bits(64)))
    assert words.hasEntry(length << 24 | rest, asked) == (1 <= asked <= length)
