"""append(), historyOf()

append
├── given the caller may not append, on behalf of whom it says, to all compartments, for the purpose: NotPermitted
├── given another keyring version: StaleKeyring
├── given no compartment: CompartmentsEmpty; no pointer: PointerEmpty
├── given it replaces an entry that the history does not have: ReplacedUnknown
└── else the head binds it; RecordAppended; the number is returned
    ├── on behalf of itself, of the patient, of the provider it is an agent of
    └── no other word moves
"""

from typing import Any

import pytest
from ape.api import ProviderAPI

from tests.contracts.support import (
    ALL,
    APPEND,
    DAY,
    GENERAL,
    LAST_VERSION,
    ORGANISATION,
    PSYCHIATRY,
    RESEARCH,
    TREAT,
    Account,
    Clock,
    Contract,
    Denial,
    Entry,
    Said,
    after_records,
    as_previous,
    call_with_words,
    digest,
    emitted,
    entry,
    not_permitted,
    plain,
    refused,
    said,
    set_slot,
    slot_of,
    terms,
    unencodable,
    word_of,
)


def appended(patient: Account, author: Account, on_behalf_of: Account, time: int, previous: int, given: Entry) -> Said:
    """The event of one record."""
    return said(
        "RecordAppended",
        patient=patient,
        author=author,
        onBehalfOf=on_behalf_of,
        time=time,
        previous=as_previous(previous),
        entry=given,
    )


def test_append_binds_the_entry(medrec: Contract, alice: Account, hospital: Account) -> None:
    """RecordAppended has all that the head binds."""
    word = word_of(medrec, alice)
    receipt = medrec.append(alice, hospital, 1, TREAT, entry(), sender=hospital)
    time = receipt.timestamp
    assert emitted(medrec, receipt) == [appended(alice, hospital, hospital, time, word, entry())]
    assert word_of(medrec, alice) == after_records(word, alice, hospital, hospital, time, entry())
    assert plain(medrec.historyOf(alice))[1:] == (2, 1)


def test_append_returns_the_number(medrec: Contract, alice: Account, hospital: Account) -> None:
    """Of the entry in the patient's history, from 1."""
    for number in (2, 3, 4):
        assert medrec.append.call(alice, hospital, 1, TREAT, entry(), sender=hospital) == number
        medrec.append(alice, hospital, 1, TREAT, entry(), sender=hospital)


def test_append_by_the_patient(medrec: Contract, alice: Account) -> None:
    """The patient's own wallet, with the patient id as principal, may everything, for any purpose."""
    given = entry(compartments=ALL)
    for purpose in (TREAT, RESEARCH, 15):
        word = word_of(medrec, alice)
        receipt = medrec.append(alice, alice, 1, purpose, given, sender=alice)
        assert emitted(medrec, receipt) == [appended(alice, alice, alice, receipt.timestamp, word, given)]


def test_append_by_the_patients_wallet(medrec: Contract, provider: ProviderAPI, alice: Account, bob: Account) -> None:
    """Where another wallet controls the id, it is the author, and the id itself no longer writes."""
    set_slot(provider, medrec, slot_of("_patients", alice), int(bob.address, 16))
    word = word_of(medrec, alice)
    receipt = medrec.append(alice, alice, 1, TREAT, entry(), sender=bob)
    assert emitted(medrec, receipt) == [appended(alice, bob, alice, receipt.timestamp, word, entry())]
    assert word_of(medrec, alice) == after_records(word, alice, bob, alice, receipt.timestamp, entry())
    with not_permitted(alice, alice, alice, APPEND, Denial.NotController):
        medrec.append(alice, alice, 1, TREAT, entry(), sender=alice)


@pytest.mark.parametrize("compartment", [0, 31, 32, 63])
def test_append_to_the_compartment_that_is_granted(
    medrec: Contract, alice: Account, clinic: Account, compartment: int
) -> None:
    """The first, the last, and those in the middle: that one alone. (All 64: test_append_many.py.)"""
    mask = 1 << compartment
    medrec.grant(alice, clinic, terms(read=0, append=mask), digest("seal"), 1, sender=alice)
    medrec.append(alice, clinic, 1, TREAT, entry(compartments=mask), sender=clinic)
    with not_permitted(alice, clinic, clinic, APPEND, Denial.CompartmentNotGranted):
        medrec.append(alice, clinic, 1, TREAT, entry(compartments=ALL ^ mask), sender=clinic)


def test_append_binds_largest_values(medrec: Contract, alice: Account, clinic: Account) -> None:
    """Nothing of an entry is cut off."""
    medrec.grant(alice, clinic, terms(append=ALL), digest("seal"), 1, sender=alice)
    largest = Entry(ALL, 1 << 32 | 0xFFFFFFFF, b"\xff" * 32, b"\xff" * 32)
    word = word_of(medrec, alice)
    receipt = medrec.append(alice, clinic, 1, TREAT, largest, sender=clinic)
    assert emitted(medrec, receipt) == [appended(alice, clinic, clinic, receipt.timestamp, word, largest)]
    assert word_of(medrec, alice) == after_records(word, alice, clinic, clinic, receipt.timestamp, largest)


def test_append_needs_no_claim(medrec: Contract, alice: Account, hospital: Account) -> None:
    """An entry without a statement has a claim of zero."""
    word = word_of(medrec, alice)
    given = entry()._replace(claim=bytes(32))
    receipt = medrec.append(alice, hospital, 1, TREAT, given, sender=hospital)
    assert word_of(medrec, alice) == after_records(word, alice, hospital, hospital, receipt.timestamp, given)


def test_append_moves_no_other_word(medrec: Contract, alice: Account, bob: Account, hospital: Account) -> None:
    """Not another patient's history, not the patient's decisions, not the permission."""

    def others() -> Any:
        return plain([medrec.historyOf(bob), medrec.patientOf(alice), medrec.permissionOf(alice, hospital)])

    before = others()
    medrec.append(alice, hospital, 1, TREAT, entry(), sender=hospital)
    assert others() == before


# ------------------------------------------------------------------------------------------------------- who may append


def test_append_refuses_who_has_no_permission(
    medrec: Contract, alice: Account, clinic: Account, carol: Account, stranger: Account
) -> None:
    """An accredited provider that was granted nothing; a relative; a stranger."""
    with not_permitted(alice, clinic, clinic, APPEND, Denial.NotGranted):
        medrec.append(alice, clinic, 1, TREAT, entry(), sender=clinic)
    medrec.grant(alice, carol, terms(), digest("seal"), 1, sender=alice)
    for actor in (carol, stranger):
        with not_permitted(alice, actor, actor, APPEND, Denial.NotAccredited):
            medrec.append(alice, actor, 1, TREAT, entry(), sender=actor)


def test_append_refuses_on_behalf_of_somebody_else(
    medrec: Contract, alice: Account, clinic: Account, stranger: Account, hospital: Account
) -> None:
    """The caller is the principal, its agent, or the patient's wallet."""
    for actor in (clinic, stranger, alice):
        with not_permitted(alice, actor, hospital, APPEND, Denial.AgentNotNamed):
            medrec.append(alice, hospital, 1, TREAT, entry(), sender=actor)
    for actor in (hospital, stranger):
        with not_permitted(alice, actor, alice, APPEND, Denial.NotController):
            medrec.append(alice, alice, 1, TREAT, entry(), sender=actor)


@pytest.mark.parametrize("compartments", [PSYCHIATRY, GENERAL | PSYCHIATRY, ALL, 1])
def test_append_refuses_a_compartment_that_is_not_granted(
    medrec: Contract, alice: Account, hospital: Account, compartments: int
) -> None:
    """All of the entry's compartments must be granted."""
    with not_permitted(alice, hospital, hospital, APPEND, Denial.CompartmentNotGranted):
        medrec.append(alice, hospital, 1, TREAT, entry(compartments=compartments), sender=hospital)


def test_append_refuses_where_only_reading_is_granted(medrec: Contract, alice: Account, hospital: Account) -> None:
    """Reading is not appending."""
    medrec.grant(alice, hospital, terms(append=0), digest("seal"), 2, sender=alice)
    for compartments in (GENERAL, 0):
        with not_permitted(alice, hospital, hospital, APPEND, Denial.CompartmentNotGranted):
            medrec.append(alice, hospital, 1, TREAT, entry(compartments=compartments), sender=hospital)


def test_append_takes_where_only_appending_is_granted(medrec: Contract, alice: Account, clinic: Account) -> None:
    """A laboratory appends without being able to read."""
    medrec.grant(alice, clinic, terms(read=0), digest("seal"), 1, sender=alice)
    medrec.append(alice, clinic, 1, TREAT, entry(), sender=clinic)


@pytest.mark.parametrize("purpose", [1, RESEARCH, 15, 16, 32, 255])
def test_append_refuses_a_purpose_that_is_not_granted(
    medrec: Contract, alice: Account, hospital: Account, purpose: int
) -> None:
    """For the purpose: one of the sixteen that was not named, or a number that is none."""
    with not_permitted(alice, hospital, hospital, APPEND, Denial.PurposeNotGranted):
        medrec.append(alice, hospital, 1, purpose, entry(), sender=hospital)


@pytest.mark.parametrize("purpose", [16, 17, 255])
def test_append_refuses_a_number_that_is_no_purpose(
    medrec: Contract, alice: Account, clinic: Account, purpose: int
) -> None:
    """Whoever asks, with all purposes granted: the patient too."""
    medrec.grant(alice, clinic, terms(purposes=2**16 - 1), digest("seal"), 1, sender=alice)
    for actor in (clinic, alice):
        with not_permitted(alice, actor, actor, APPEND, Denial.PurposeNotGranted):
            medrec.append(alice, actor, 1, purpose, entry(), sender=actor)


def test_append_takes_each_purpose_granted(medrec: Contract, alice: Account, clinic: Account) -> None:
    """Of several purposes the author names one."""
    medrec.grant(alice, clinic, terms(purposes=1 << RESEARCH | 1 << 15), digest("seal"), 1, sender=alice)
    for purpose in (RESEARCH, 15):
        medrec.append(alice, clinic, 1, purpose, entry(), sender=clinic)
    with not_permitted(alice, clinic, clinic, APPEND, Denial.PurposeNotGranted):
        medrec.append(alice, clinic, 1, TREAT, entry(), sender=clinic)


def test_append_within_the_window(medrec: Contract, clock: Clock, alice: Account, clinic: Account) -> None:
    """From the first second of the permission to the last."""
    begin, end = clock.now + DAY, clock.now + 2 * DAY
    medrec.grant(alice, clinic, terms(not_before=begin, expiry=end), digest("seal"), 1, sender=alice)
    for time in (begin - 1, begin, end - 1, end):
        clock.set_next(time)
        if begin <= time < end:
            medrec.append(alice, clinic, 1, TREAT, entry(), sender=clinic)
        else:
            denial = Denial.NotYetValid if time < begin else Denial.Expired
            with not_permitted(alice, clinic, clinic, APPEND, denial):
                medrec.append(alice, clinic, 1, TREAT, entry(), sender=clinic)


def test_append_while_accredited(
    medrec: Contract, clock: Clock, registrar: Account, alice: Account, hospital: Account, nurse: Account
) -> None:
    """The principal must be accredited at the time of use, whoever acts for it."""
    end = clock.now + DAY
    medrec.accredit(hospital, ORGANISATION, False, end, sender=registrar)
    clock.set_next(end - 1)
    medrec.append(alice, hospital, 1, TREAT, entry(), sender=hospital)
    clock.set_next(end)
    for actor in (hospital, nurse):
        with not_permitted(alice, actor, hospital, APPEND, Denial.AccreditationExpired):
            medrec.append(alice, hospital, 1, TREAT, entry(), sender=actor)


def test_append_refuses_for_an_unknown_patient(medrec: Contract, hospital: Account, stranger: Account) -> None:
    """To an id that is not registered nobody was granted anything, and the id itself is no patient."""
    with not_permitted(stranger, hospital, hospital, APPEND, Denial.NotGranted):
        medrec.append(stranger, hospital, 0, TREAT, entry(), sender=hospital)
    with not_permitted(stranger, stranger, stranger, APPEND, Denial.PatientUnknown):
        medrec.append(stranger, stranger, 0, TREAT, entry(), sender=stranger)


# -------------------------------------------------------------------------------------------------- the keyring version


@pytest.mark.parametrize("given", [0, 2, LAST_VERSION])
def test_append_refuses_another_keyring_version(
    medrec: Contract, alice: Account, hospital: Account, given: int
) -> None:
    """`keyringVersion` is the current one: what was sealed to other keys is refused."""
    with refused("StaleKeyring", alice, 1, given):
        medrec.append(alice, hospital, given, TREAT, entry(), sender=hospital)


def test_append_refuses_the_version_before_a_reader_was_lost(
    medrec: Contract, alice: Account, hospital: Account, carol: Account
) -> None:
    """An author who has not seen the revocation seals anew before the record is taken."""
    medrec.grant(alice, carol, terms(append=0), digest("seal"), 1, sender=alice)
    medrec.revoke(alice, carol, sender=alice)
    with refused("StaleKeyring", alice, 2, 1):
        medrec.append(alice, hospital, 1, TREAT, entry(), sender=hospital)
    medrec.append(alice, hospital, 2, TREAT, entry(), sender=hospital)


def test_append_takes_version_zero_before_any_keyring(medrec: Contract, carol: Account) -> None:
    """A history may begin with a record."""
    medrec.register(sender=carol)
    medrec.append(carol, carol, 0, TREAT, entry(), sender=carol)
    assert plain(medrec.historyOf(carol))[1:] == (1, 0)


def test_append_takes_the_last_version(
    medrec: Contract, provider: ProviderAPI, alice: Account, hospital: Account
) -> None:
    """Where the keyring version stays at its last number, writing goes on."""
    set_slot(provider, medrec, slot_of("_histories", alice), LAST_VERSION)
    medrec.append(alice, hospital, LAST_VERSION, TREAT, entry(), sender=hospital)
    assert plain(medrec.historyOf(alice))[1:] == (1, LAST_VERSION)


# ------------------------------------------------------------------------------------------------------------ the entry


def test_append_refuses_no_compartment(medrec: Contract, alice: Account, hospital: Account) -> None:
    """The entry names a compartment, whoever writes it."""
    for author in (hospital, alice):
        with refused("CompartmentsEmpty"):
            medrec.append(alice, author, 1, TREAT, entry(compartments=0), sender=author)


def test_append_refuses_no_pointer(medrec: Contract, alice: Account, hospital: Account) -> None:
    """The entry names a pointer."""
    with refused("PointerEmpty"):
        medrec.append(alice, hospital, 1, TREAT, entry()._replace(pointer=bytes(32)), sender=hospital)


@pytest.mark.parametrize("leaf", [0, 1, 2**32 - 1])
def test_append_replaces_an_entry_of_the_history(
    medrec: Contract, alice: Account, hospital: Account, leaf: int
) -> None:
    """The entry that it replaces is in the history: from the first to the one before."""
    medrec.append(alice, hospital, 1, TREAT, entry(), sender=hospital)
    for number in (1, 2):
        word = word_of(medrec, alice)
        given = entry(replaces=number << 32 | leaf)
        receipt = medrec.append(alice, hospital, 1, TREAT, given, sender=hospital)
        assert word_of(medrec, alice) == after_records(word, alice, hospital, hospital, receipt.timestamp, given)


@pytest.mark.parametrize("replaces", [1, 2**32 - 1, 2 << 32, 3 << 32 | 1, 2**64 - 1, 2**63])
def test_append_refuses_to_replace_what_is_not_there(
    medrec: Contract, alice: Account, hospital: Account, replaces: int
) -> None:
    """Neither itself nor a later entry, nor a leaf of none."""
    with refused("ReplacedUnknown", alice, replaces, 1):
        medrec.append(alice, hospital, 1, TREAT, entry(replaces=replaces), sender=hospital)


def test_append_refuses_to_replace_in_an_empty_history(medrec: Contract, carol: Account) -> None:
    """The first entry replaces nothing."""
    medrec.register(sender=carol)
    with refused("ReplacedUnknown", carol, 1 << 32, 0):
        medrec.append(carol, carol, 0, TREAT, entry(replaces=1 << 32), sender=carol)


def test_append_names_the_first_reason(medrec: Contract, alice: Account, hospital: Account) -> None:
    """Permission, keyring version, compartments, pointer, the entry replaced: in this order."""
    nothing = Entry(0, 9 << 32, bytes(32), bytes(32))
    with not_permitted(alice, hospital, hospital, APPEND, Denial.CompartmentNotGranted):
        medrec.append(alice, hospital, 0, TREAT, nothing._replace(compartments=PSYCHIATRY), sender=hospital)
    with refused("StaleKeyring", alice, 1, 0):
        medrec.append(alice, hospital, 0, TREAT, nothing, sender=hospital)
    with refused("CompartmentsEmpty"):
        medrec.append(alice, hospital, 1, TREAT, nothing, sender=hospital)
    with refused("PointerEmpty"):
        medrec.append(alice, hospital, 1, TREAT, nothing._replace(compartments=GENERAL), sender=hospital)
    with refused("ReplacedUnknown", alice, 9 << 32, 1):
        medrec.append(alice, hospital, 1, TREAT, entry(replaces=9 << 32), sender=hospital)


@pytest.mark.parametrize("field", ["compartments", "replaces"])
def test_append_refuses_what_does_not_fit(medrec: Contract, alice: Account, hospital: Account, field: str) -> None:
    """A field that is too large is no encoding: it is neither cut off nor hashed as it is."""
    call_with_words(medrec, hospital, "append", alice, hospital, 1, TREAT, *entry())
    dirty = entry()._replace(**{field: getattr(entry(), field) | 1 << 64})
    with unencodable():
        call_with_words(medrec, hospital, "append", alice, hospital, 1, TREAT, *dirty)


@pytest.mark.parametrize(("version", "purpose"), [(1 | 1 << 24, TREAT), (1, TREAT | 1 << 8)])
def test_append_refuses_arguments_that_do_not_fit(
    medrec: Contract, alice: Account, hospital: Account, version: int, purpose: int
) -> None:
    """Keyring version and purpose as well."""
    with unencodable():
        call_with_words(medrec, hospital, "append", alice, hospital, version, purpose, *entry())


# -------------------------------------------------------------------------------------------------------------- history


def test_history_of_is_empty_for_others(medrec: Contract, stranger: Account) -> None:
    """The head is zero if there are no entries."""
    assert plain(medrec.historyOf(stranger)) == (bytes(25), 0, 0)


def test_history_of_gives_head_length_and_version(medrec: Contract, provider: ProviderAPI, alice: Account) -> None:
    """The three parts of the word, each at its largest and alone."""
    slot = slot_of("_histories", alice)
    for head, length, version in ((2**200 - 1, 0, 0), (0, 2**32 - 1, 0), (0, 0, LAST_VERSION)):
        set_slot(provider, medrec, slot, head << 56 | length << 24 | version)
        assert plain(medrec.historyOf(alice)) == (head.to_bytes(25, "big"), length, version)
