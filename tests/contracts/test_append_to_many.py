"""appendToMany()

appendToMany
├── given all items are accepted: RecordAppended for each, each patient's head as after a single append
│   └── also several items of one patient, and items of the sender's own record
└── given one is refused
    ├── unless `skipRefused`: the error that append would give; nothing is written
    └── with `skipRefused`: EntryRefused with its place and that error; the others are appended
"""

import pytest

from tests.contracts.support import (
    ALL,
    APPEND,
    GENERAL,
    PSYCHIATRY,
    RESEARCH,
    TREAT,
    YEAR_2100,
    Account,
    Contract,
    Denial,
    Item,
    after_records,
    digest,
    emitted,
    entry,
    error_data,
    not_permitted,
    refused,
    terms,
    word_of,
)
from tests.contracts.test_append import appended
from tests.contracts.test_append_many import CLOSED, ONE, POINTLESS, THREE, TWO, closed, skipped


@pytest.fixture
def both(medrec: Contract, bob: Account, hospital: Account) -> Contract:
    """Bob grants the hospital what alice granted it."""
    medrec.grant(bob, hospital, terms(), digest("seal"), 1, sender=bob)
    return medrec


@pytest.mark.parametrize("skip", [False, True])
def test_append_to_many_binds_each(
    both: Contract, alice: Account, bob: Account, hospital: Account, nurse: Account, skip: bool
) -> None:
    """The same as its items one after another; a patient may come twice."""
    first, other = word_of(both, alice), word_of(both, bob)
    items = [Item(alice, 1, ONE), Item(bob, 1, TWO), Item(alice, 1, THREE)]
    receipt = both.appendToMany(hospital, TREAT, items, skip, sender=nurse)
    time = receipt.timestamp
    second = after_records(first, alice, nurse, hospital, time, ONE)
    assert emitted(both, receipt) == [
        appended(alice, nurse, hospital, time, first, ONE),
        appended(bob, nurse, hospital, time, other, TWO),
        appended(alice, nurse, hospital, time, second, THREE),
    ]
    assert word_of(both, alice) == after_records(second, alice, nurse, hospital, time, THREE)
    assert word_of(both, bob) == after_records(other, bob, nurse, hospital, time, TWO)


@pytest.mark.parametrize("skip", [False, True])
def test_append_to_many_of_none_does_nothing(
    medrec: Contract, hospital: Account, stranger: Account, skip: bool
) -> None:
    """No event, whoever calls: there is nothing to refuse."""
    for caller in (hospital, stranger):
        receipt = medrec.appendToMany(hospital, TREAT, [], skip, sender=caller)
        assert emitted(medrec, receipt) == []


def test_append_to_many_by_a_patient_for_its_own_record(medrec: Contract, alice: Account) -> None:
    """Needs no accreditation, and takes any compartment and purpose."""
    word = word_of(medrec, alice)
    own = entry(compartments=ALL)
    receipt = medrec.appendToMany(alice, RESEARCH, [Item(alice, 1, own)], False, sender=alice)
    assert emitted(medrec, receipt) == [appended(alice, alice, alice, receipt.timestamp, word, own)]


def test_append_to_many_by_a_provider_that_is_a_patient(medrec: Contract, alice: Account, hospital: Account) -> None:
    """Its own record is open to it as a patient, another's as far as it was granted."""
    medrec.register(sender=hospital)
    items = [Item(hospital, 0, CLOSED), Item(alice, 1, CLOSED), Item(alice, 1, ONE)]
    receipt = medrec.appendToMany(hospital, TREAT, items, True, sender=hospital)
    own, refusal, taken = emitted(medrec, receipt)
    assert own == appended(hospital, hospital, hospital, receipt.timestamp, 0, CLOSED)
    assert refusal == skipped(alice, hospital, hospital, 1, closed(alice, hospital, hospital))
    assert taken.name == "RecordAppended"


def test_append_to_many_by_an_agent_of_a_provider_that_is_a_patient(
    medrec: Contract, hospital: Account, nurse: Account
) -> None:
    """An agent writes for the provider, and never into its principal's own record."""
    medrec.register(sender=hospital)
    with not_permitted(hospital, nurse, hospital, APPEND, Denial.NotController):
        medrec.appendToMany(hospital, TREAT, [Item(hospital, 0, ONE)], False, sender=nurse)


def test_append_to_many_replaces_an_entry_of_the_same_call(medrec: Contract, alice: Account, hospital: Account) -> None:
    """What was accepted before in the call is in the patient's history."""
    items = [Item(alice, 1, ONE), Item(alice, 1, entry(replaces=2 << 32))]
    medrec.appendToMany(hospital, TREAT, items, False, sender=hospital)
    assert medrec.historyOf(alice).length == 3


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("place", [0, 1])
def test_append_to_many_reverts_with_the_first_refusal(
    both: Contract, alice: Account, bob: Account, hospital: Account, place: int
) -> None:
    """Unless refusals are skipped: nothing of the call is written."""
    words = word_of(both, alice), word_of(both, bob)
    items = [Item(bob, 1, ONE)]
    items.insert(place, Item(alice, 1, CLOSED))
    with not_permitted(alice, hospital, hospital, APPEND, Denial.CompartmentNotGranted):
        both.appendToMany(hospital, TREAT, items, False, sender=hospital)
    assert (word_of(both, alice), word_of(both, bob)) == words


def test_append_to_many_skips_what_is_refused(
    both: Contract, alice: Account, bob: Account, carol: Account, hospital: Account
) -> None:
    """Each with the error that it would have reverted with; the others are appended."""
    items = [
        Item(alice, 1, CLOSED),
        Item(bob, 0, ONE),
        Item(carol, 0, ONE),
        Item(alice, 1, ONE),
        Item(alice, 1, entry(compartments=0)),
        Item(alice, 1, POINTLESS),
        Item(bob, 1, entry(replaces=2 << 32)),
        Item(bob, 1, TWO),
    ]
    words = {patient: word_of(both, patient) for patient in (alice, bob)}
    receipt = both.appendToMany(hospital, TREAT, items, True, sender=hospital)
    time = receipt.timestamp
    assert emitted(both, receipt) == [
        skipped(alice, hospital, hospital, 0, closed(alice, hospital, hospital)),
        skipped(bob, hospital, hospital, 1, error_data("StaleKeyring", bob, 1, 0)),
        skipped(carol, hospital, hospital, 2, closed(carol, hospital, hospital, Denial.NotGranted)),
        appended(alice, hospital, hospital, time, words[alice], ONE),
        skipped(alice, hospital, hospital, 4, error_data("CompartmentsEmpty")),
        skipped(alice, hospital, hospital, 5, error_data("PointerEmpty")),
        skipped(bob, hospital, hospital, 6, error_data("ReplacedUnknown", bob, 2 << 32, 1)),
        appended(bob, hospital, hospital, time, words[bob], TWO),
    ]
    assert word_of(both, alice) == after_records(words[alice], alice, hospital, hospital, time, ONE)
    assert word_of(both, bob) == after_records(words[bob], bob, hospital, hospital, time, TWO)
    assert word_of(both, carol) == 0


def test_append_to_many_refuses_as_append_does(both: Contract, alice: Account, bob: Account, hospital: Account) -> None:
    """Requirements, for each item: those of append."""
    for item, name, values in (
        (Item(alice, 2, ONE), "StaleKeyring", (alice, 1, 2)),
        (Item(alice, 1, entry(compartments=0)), "CompartmentsEmpty", ()),
        (Item(alice, 1, POINTLESS), "PointerEmpty", ()),
        (Item(alice, 1, entry(replaces=2 << 32)), "ReplacedUnknown", (alice, 2 << 32, 1)),
    ):
        with refused(name, *values):
            both.appendToMany(hospital, TREAT, [Item(bob, 1, ONE), item], False, sender=hospital)


def test_append_to_many_refuses_who_may_not(
    medrec: Contract,
    registrar: Account,
    alice: Account,
    bob: Account,
    hospital: Account,
    clinic: Account,
    nurse: Account,
    stranger: Account,
) -> None:
    """Standing and permission are asked for each item."""
    medrec.nameAgent(stranger, YEAR_2100, sender=clinic)
    attempts = [
        (stranger, hospital, alice, TREAT, Denial.AgentNotNamed),
        (stranger, stranger, alice, TREAT, Denial.NotAccredited),
        (stranger, clinic, alice, TREAT, Denial.NotGranted),
        (hospital, hospital, bob, TREAT, Denial.NotGranted),
        (hospital, alice, alice, TREAT, Denial.NotController),
        (hospital, hospital, alice, RESEARCH, Denial.PurposeNotGranted),
    ]
    for actor, principal, patient, purpose, denial in attempts:
        with not_permitted(patient, actor, principal, APPEND, denial):
            medrec.appendToMany(principal, purpose, [Item(patient, 1, ONE)], False, sender=actor)
    medrec.suspend(hospital, sender=registrar)
    for actor in (hospital, nurse):
        with not_permitted(alice, actor, hospital, APPEND, Denial.Suspended):
            medrec.appendToMany(hospital, TREAT, [Item(alice, 1, ONE)], False, sender=actor)


def test_append_to_many_asks_each_patients_permission(
    both: Contract, alice: Account, bob: Account, hospital: Account
) -> None:
    """A compartment that is open for one patient is not for another."""
    both.grant(alice, hospital, terms(append=GENERAL | PSYCHIATRY), digest("seal"), 2, sender=alice)
    items = [Item(alice, 1, CLOSED), Item(bob, 1, CLOSED)]
    receipt = both.appendToMany(hospital, TREAT, items, True, sender=hospital)
    assert emitted(both, receipt)[1] == skipped(bob, hospital, hospital, 1, closed(bob, hospital, hospital))
    assert (both.historyOf(alice).length, both.historyOf(bob).length) == (2, 1)
