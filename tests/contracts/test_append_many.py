"""appendMany()

appendMany
├── given all entries are accepted
│   ├── the head is that of the entries one after another
│   └── one event: RecordAppended for one entry, RecordsAppended for more; none for none
└── given one is refused
    ├── unless `skipRefused`: the error that append would give; nothing is written
    └── with `skipRefused`: EntryRefused with its place and that error; the rest as if it were not there
        └── an event for each run of accepted entries, in the order of the call
"""

from typing import Any

import pytest
from ape.api import ProviderAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.support import (
    ALL,
    APPEND,
    GENERAL,
    PSYCHIATRY,
    READ,
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
    digest,
    emitted,
    entry,
    error_data,
    not_permitted,
    plain,
    refused,
    rehearsed,
    said,
    terms,
    word_of,
)
from tests.contracts.test_append import appended

ONE, TWO, THREE, FOUR = (entry(name) for name in ("one", "two", "three", "four"))
CLOSED = entry("of a compartment that is not granted", compartments=PSYCHIATRY)
POINTLESS = entry()._replace(pointer=bytes(32))


def appended_many(
    patient: Account, author: Account, on_behalf_of: Account, time: int, previous: int, entries: list[Entry]
) -> Said:
    """The event of several records."""
    return said(
        "RecordsAppended",
        patient=patient,
        author=author,
        onBehalfOf=on_behalf_of,
        time=time,
        previous=as_previous(previous),
        entries=entries,
    )


def skipped(patient: Account, author: Account, on_behalf_of: Account, item: int, reason: bytes) -> Said:
    """The event of one that was refused."""
    return said("EntryRefused", patient=patient, author=author, onBehalfOf=on_behalf_of, item=item, reason=reason)


def closed(
    patient: Account, author: Account, on_behalf_of: Account, denial: Denial = Denial.CompartmentNotGranted
) -> bytes:
    """Why an entry of a compartment that is not granted is refused."""
    return error_data("NotPermitted", patient, author, on_behalf_of, APPEND, denial)


@pytest.mark.parametrize("skip", [False, True])
def test_append_many_binds_all(medrec: Contract, alice: Account, hospital: Account, nurse: Account, skip: bool) -> None:
    """The same as its entries one after another, in one event."""
    word = word_of(medrec, alice)
    entries = [ONE, TWO, THREE]
    receipt = medrec.appendMany(alice, hospital, 1, TREAT, entries, skip, sender=nurse)
    time = receipt.timestamp
    assert emitted(medrec, receipt) == [appended_many(alice, nurse, hospital, time, word, entries)]
    assert word_of(medrec, alice) == after_records(word, alice, nurse, hospital, time, *entries)


def test_append_many_of_one_is_an_append(medrec: Contract, alice: Account, hospital: Account) -> None:
    """RecordAppended, as for a single one."""
    word = word_of(medrec, alice)
    receipt = medrec.appendMany(alice, hospital, 1, TREAT, [ONE], False, sender=hospital)
    assert emitted(medrec, receipt) == [appended(alice, hospital, hospital, receipt.timestamp, word, ONE)]
    assert word_of(medrec, alice) == after_records(word, alice, hospital, hospital, receipt.timestamp, ONE)


@pytest.mark.parametrize("skip", [False, True])
def test_append_many_of_none_does_nothing(
    medrec: Contract, alice: Account, hospital: Account, stranger: Account, skip: bool
) -> None:
    """No event and no change, whoever calls: there is nothing to refuse."""
    for caller in (hospital, stranger):
        word = word_of(medrec, alice)
        receipt = medrec.appendMany(alice, hospital, 1, TREAT, [], skip, sender=caller)
        assert emitted(medrec, receipt) == []
        assert word_of(medrec, alice) == word


def test_append_many_equals_singles_in_order(
    medrec: Contract, provider: ProviderAPI, clock: Clock, alice: Account, hospital: Account
) -> None:
    """In the same second: the same head."""
    time, entries = clock.now + 1000, [ONE, TWO, entry("correction", replaces=2 << 32), FOUR]
    with rehearsed(provider):
        clock.set_next(time)
        calls = [medrec.append.encode_input(alice, hospital, 1, TREAT, one) for one in entries]
        medrec.multicall(calls, sender=hospital)
        singles = word_of(medrec, alice)
    clock.set_next(time)
    medrec.appendMany(alice, hospital, 1, TREAT, entries, False, sender=hospital)
    assert word_of(medrec, alice) == singles


def test_append_many_by_the_patient(medrec: Contract, alice: Account) -> None:
    """With the patient id as principal."""
    entries = [entry(compartments=ALL), CLOSED]
    word = word_of(medrec, alice)
    receipt = medrec.appendMany(alice, alice, 1, RESEARCH, entries, False, sender=alice)
    assert emitted(medrec, receipt) == [appended_many(alice, alice, alice, receipt.timestamp, word, entries)]


def test_append_many_replaces_an_entry_of_the_same_call(medrec: Contract, alice: Account, hospital: Account) -> None:
    """What was accepted before in the call is in the history; what comes later is not, nor is the entry itself."""
    correction = entry("correction", replaces=2 << 32)
    medrec.appendMany(alice, hospital, 1, TREAT, [ONE, correction], False, sender=hospital)
    for number in (5, 6):
        late = entry("late", replaces=number << 32)
        with refused("ReplacedUnknown", alice, number << 32, 4):
            medrec.appendMany(alice, hospital, 1, TREAT, [ONE, late, TWO], False, sender=hospital)


def test_append_many_counts_no_entry_that_was_skipped(medrec: Contract, alice: Account, hospital: Account) -> None:
    """An entry that names one by the number it would have had, had none been skipped, is refused."""
    late = entry("late", replaces=3 << 32)
    receipt = medrec.appendMany(alice, hospital, 1, TREAT, [ONE, CLOSED, late], True, sender=hospital)
    reason = error_data("ReplacedUnknown", alice, 3 << 32, 2)
    assert emitted(medrec, receipt)[-1] == skipped(alice, hospital, hospital, 2, reason)
    assert medrec.historyOf(alice).length == 2


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("place", [0, 1, 2])
def test_append_many_reverts_with_the_first_refusal(
    medrec: Contract, alice: Account, hospital: Account, place: int
) -> None:
    """Unless refusals are skipped: nothing of the call is written."""
    word = word_of(medrec, alice)
    entries = [ONE, TWO]
    entries.insert(place, CLOSED)
    with not_permitted(alice, hospital, hospital, APPEND, Denial.CompartmentNotGranted):
        medrec.appendMany(alice, hospital, 1, TREAT, entries, False, sender=hospital)
    assert word_of(medrec, alice) == word


@pytest.mark.parametrize(
    ("refusal", "name"), [(entry(compartments=0), "CompartmentsEmpty"), (POINTLESS, "PointerEmpty")]
)
def test_append_many_refuses_as_append_does(
    medrec: Contract, alice: Account, hospital: Account, refusal: Entry, name: str
) -> None:
    """Requirements, for each entry: those of append."""
    with refused(name):
        medrec.appendMany(alice, hospital, 1, TREAT, [ONE, refusal], False, sender=hospital)


def test_append_many_refuses_who_may_not(
    medrec: Contract, registrar: Account, alice: Account, hospital: Account, clinic: Account, stranger: Account
) -> None:
    """Authority is asked as for a single entry."""
    attempts = [
        (stranger, hospital, Denial.AgentNotNamed),
        (clinic, clinic, Denial.NotGranted),
        (stranger, stranger, Denial.NotAccredited),
        (hospital, alice, Denial.NotController),
    ]
    for actor, principal, denial in attempts:
        with not_permitted(alice, actor, principal, APPEND, denial):
            medrec.appendMany(alice, principal, 1, TREAT, [ONE], False, sender=actor)
    with not_permitted(alice, hospital, hospital, APPEND, Denial.PurposeNotGranted):
        medrec.appendMany(alice, hospital, 1, RESEARCH, [ONE], False, sender=hospital)
    medrec.suspend(hospital, sender=registrar)
    with not_permitted(alice, hospital, hospital, APPEND, Denial.Suspended):
        medrec.appendMany(alice, hospital, 1, TREAT, [ONE], False, sender=hospital)


def test_append_many_refuses_a_stale_keyring(medrec: Contract, alice: Account, hospital: Account) -> None:
    """For all of its entries; with `skipRefused` each is reported."""
    with refused("StaleKeyring", alice, 1, 0):
        medrec.appendMany(alice, hospital, 0, TREAT, [ONE, TWO], False, sender=hospital)
    receipt = medrec.appendMany(alice, hospital, 0, TREAT, [ONE, TWO], True, sender=hospital)
    stale = error_data("StaleKeyring", alice, 1, 0)
    assert emitted(medrec, receipt) == [skipped(alice, hospital, hospital, item, stale) for item in (0, 1)]
    assert plain(medrec.historyOf(alice))[1:] == (1, 1)


def test_append_many_skips_what_is_refused(medrec: Contract, alice: Account, hospital: Account, nurse: Account) -> None:
    """An event for each run of accepted entries, EntryRefused for each one skipped, in the order of the call."""
    entries = [CLOSED, ONE, TWO, POINTLESS, CLOSED, THREE, entry(replaces=77 << 32), FOUR, ONE]
    first = word_of(medrec, alice)
    receipt = medrec.appendMany(alice, hospital, 1, TREAT, entries, True, sender=nurse)
    time = receipt.timestamp
    second = after_records(first, alice, nurse, hospital, time, ONE, TWO)
    third = after_records(second, alice, nurse, hospital, time, THREE)
    assert emitted(medrec, receipt) == [
        skipped(alice, nurse, hospital, 0, closed(alice, nurse, hospital)),
        appended_many(alice, nurse, hospital, time, first, [ONE, TWO]),
        skipped(alice, nurse, hospital, 3, error_data("PointerEmpty")),
        skipped(alice, nurse, hospital, 4, closed(alice, nurse, hospital)),
        appended(alice, nurse, hospital, time, second, THREE),
        skipped(alice, nurse, hospital, 6, error_data("ReplacedUnknown", alice, 77 << 32, 4)),
        appended_many(alice, nurse, hospital, time, third, [FOUR, ONE]),
    ]
    assert word_of(medrec, alice) == after_records(third, alice, nurse, hospital, time, FOUR, ONE)


def test_append_many_skips_the_last(medrec: Contract, alice: Account, hospital: Account) -> None:
    """No event of an empty run follows."""
    word = word_of(medrec, alice)
    receipt = medrec.appendMany(alice, hospital, 1, TREAT, [ONE, CLOSED], True, sender=hospital)
    assert emitted(medrec, receipt) == [
        appended(alice, hospital, hospital, receipt.timestamp, word, ONE),
        skipped(alice, hospital, hospital, 1, closed(alice, hospital, hospital)),
    ]


def test_append_many_skips_all_of_somebody_who_may_not(medrec: Contract, alice: Account, stranger: Account) -> None:
    """Each entry is reported, and nothing is written."""
    word = word_of(medrec, alice)
    receipt = medrec.appendMany(alice, stranger, 1, TREAT, [ONE, TWO], True, sender=stranger)
    reason = closed(alice, stranger, stranger, Denial.NotAccredited)
    assert emitted(medrec, receipt) == [skipped(alice, stranger, stranger, item, reason) for item in (0, 1)]
    assert word_of(medrec, alice) == word


@pytest.mark.parametrize("granted", [0x5555555555555555, 0xAAAAAAAAAAAAAAAA, ALL])
def test_append_many_to_all_compartments(medrec: Contract, alice: Account, clinic: Account, granted: int) -> None:
    """Each of the 64 alone, where it is granted, and no other."""
    medrec.grant(alice, clinic, terms(read=0, append=granted), digest("seal"), 1, sender=alice)
    entries = [entry(compartments=1 << compartment) for compartment in range(64)]
    receipt = medrec.appendMany(alice, clinic, 1, TREAT, entries, True, sender=clinic)
    refusals = [event.arguments["item"] for event in emitted(medrec, receipt) if event.name == "EntryRefused"]
    assert refusals == [compartment for compartment in range(64) if not granted >> compartment & 1]
    assert medrec.historyOf(alice).length == 1 + 64 - len(refusals)


def test_append_many_is_no_way_to_read(medrec: Contract, alice: Account, clinic: Account) -> None:
    """A permission to append gives no other."""
    medrec.grant(alice, clinic, terms(read=0), digest("seal"), 1, sender=alice)
    medrec.appendMany(alice, clinic, 1, TREAT, [ONE, TWO], False, sender=clinic)
    assert medrec.may(alice, clinic, clinic, READ, GENERAL, TREAT) == Denial.CompartmentNotGranted


@settings(max_examples=10)
@given(pattern=st.lists(st.sampled_from(["taken", "closed", "empty"]), max_size=7))
def test_append_many_equals_its_accepted_entries(
    medrec: Contract, provider: ProviderAPI, alice: Account, hospital: Account, pattern: list[str]
) -> None:
    """Whatever is refused in between: the head is that of the accepted ones, and the events account for each."""
    kinds = {"taken": entry, "closed": lambda label: CLOSED, "empty": lambda label: POINTLESS}
    entries = [kinds[kind](str(place)) for place, kind in enumerate(pattern)]
    with rehearsed(provider):
        word = word_of(medrec, alice)
        receipt = medrec.appendMany(alice, hospital, 1, TREAT, entries, True, sender=hospital)
        accepted = [one for one, kind in zip(entries, pattern, strict=True) if kind == "taken"]
        assert word_of(medrec, alice) == after_records(word, alice, hospital, hospital, receipt.timestamp, *accepted)
        bound: list[Any] = []
        refusals: list[int] = []
        for event in emitted(medrec, receipt):
            if event.name == "EntryRefused":
                refusals.append(event.arguments["item"])
                continue
            assert event.arguments["previous"] == as_previous(word)
            run = [event.arguments["entry"]] if event.name == "RecordAppended" else event.arguments["entries"]
            word = after_records(
                word, alice, hospital, hospital, receipt.timestamp, *(type(ONE)(*values) for values in run)
            )
            bound += run
        assert bound == accepted
        assert refusals == [place for place, kind in enumerate(pattern) if kind != "taken"]
