"""suspend(), reinstate()

suspend, reinstate
├── given the caller is no registrar: NotRegistrar
├── given the provider was never accredited: UnknownProvider
└── else
    ├── only the suspension changes; any registrar may; also where the accreditation is over
    ├── twice is done, not an error
    └── ProviderSuspended, ProviderReinstated
given a suspended provider
├── it appends nothing, from the next transaction, nor do its agents
├── it enters no access, and is no reader at the next rotation
└── reinstated, it does what it could before
"""

import pytest

from tests.contracts.support import (
    APPEND,
    DAY,
    GENERAL,
    ORGANISATION,
    READ,
    TREAT,
    YEAR_2100,
    Account,
    Clock,
    Contract,
    Denial,
    digest,
    emitted,
    entry,
    not_permitted,
    plain,
    refused,
    said,
)

EVENTS = {"suspend": "ProviderSuspended", "reinstate": "ProviderReinstated"}
both = pytest.mark.parametrize("function", EVENTS)


@both
def test_suspension_changes_nothing_else(medrec: Contract, registrar: Account, carol: Account, function: str) -> None:
    """Kind, emergency mark, expiry and number stay."""
    medrec.accredit(carol, ORGANISATION, True, YEAR_2100, sender=registrar)
    medrec.suspend(carol, sender=registrar)
    getattr(medrec, function)(carol, sender=registrar)
    assert plain(medrec.providerOf(carol)) == (ORGANISATION, function == "suspend", True, YEAR_2100, 0)


@both
def test_suspension_emits(medrec: Contract, registrar: Account, hospital: Account, function: str) -> None:
    """The event says who and by whom; repeating it is done, not an error."""
    for _ in range(2):
        receipt = getattr(medrec, function)(hospital, sender=registrar)
        assert emitted(medrec, receipt) == [said(EVENTS[function], provider=hospital, registrar=registrar)]
        assert medrec.providerOf(hospital).suspended == (function == "suspend")


@both
def test_suspension_refuses_others(
    medrec: Contract, authority: Account, hospital: Account, alice: Account, function: str
) -> None:
    """The caller is a registrar: not the authority, nor the provider itself, nor its patient."""
    for caller in (authority, hospital, alice):
        with refused("NotRegistrar", caller):
            getattr(medrec, function)(hospital, sender=caller)


@both
def test_suspension_refuses_an_unknown_provider(
    medrec: Contract, registrar: Account, carol: Account, function: str
) -> None:
    """`provider` has been accredited at some time."""
    with refused("UnknownProvider", carol):
        getattr(medrec, function)(carol, sender=registrar)


@both
def test_suspension_takes_any_registrar(
    medrec: Contract, authority: Account, hospital: Account, carol: Account, function: str
) -> None:
    """Whoever accredited."""
    medrec.addRegistrar(carol, sender=authority)
    getattr(medrec, function)(hospital, sender=carol)
    assert medrec.providerOf(hospital).suspended == (function == "suspend")


@both
def test_suspension_takes_a_provider_whose_accreditation_is_over(
    medrec: Contract, clock: Clock, registrar: Account, carol: Account, function: str
) -> None:
    """It was accredited at some time: a later renewal finds it suspended."""
    medrec.accredit(carol, ORGANISATION, False, clock.now + DAY, sender=registrar)
    clock.set_next(clock.now + 2 * DAY)
    getattr(medrec, function)(carol, sender=registrar)
    assert medrec.providerOf(carol).suspended == (function == "suspend")


def test_suspend_stops_writing_at_once(
    medrec: Contract, registrar: Account, alice: Account, hospital: Account, nurse: Account
) -> None:
    """It can append nothing from the next transaction, nor can its agents on its behalf."""
    medrec.suspend(hospital, sender=registrar)
    for actor in (hospital, nurse):
        with not_permitted(alice, actor, hospital, APPEND, Denial.Suspended):
            medrec.append(alice, hospital, 1, TREAT, entry(), sender=actor)


def test_suspend_refuses_entries_of_accesses(
    medrec: Contract, registrar: Account, alice: Account, hospital: Account, nurse: Account
) -> None:
    """Reading needs no accreditation, and yet no suspension."""
    medrec.suspend(hospital, sender=registrar)
    for actor in (hospital, nurse):
        with not_permitted(alice, actor, hospital, READ, Denial.Suspended):
            medrec.logAccess(alice, hospital, TREAT, digest("access"), sender=actor)


def test_suspend_takes_it_from_the_readers(
    medrec: Contract, clock: Clock, registrar: Account, alice: Account, hospital: Account
) -> None:
    """It is given no key at the next rotation."""
    medrec.suspend(hospital, sender=registrar)
    assert medrec.readersAt(alice, [hospital], clock.now) == [0]


def test_suspend_leaves_permissions_and_keyring_version(
    medrec: Contract, registrar: Account, alice: Account, hospital: Account
) -> None:
    """A registrar decides nothing for patients."""
    before = plain(medrec.permissionOf(alice, hospital)), plain(medrec.historyOf(alice))
    medrec.suspend(hospital, sender=registrar)
    assert (plain(medrec.permissionOf(alice, hospital)), plain(medrec.historyOf(alice))) == before


def test_reinstate_gives_back_what_it_could_do(
    medrec: Contract, clock: Clock, registrar: Account, alice: Account, hospital: Account
) -> None:
    """Ends a suspension."""
    medrec.suspend(hospital, sender=registrar)
    medrec.reinstate(hospital, sender=registrar)
    medrec.append(alice, hospital, 1, TREAT, entry(), sender=hospital)
    assert medrec.readersAt(alice, [hospital], clock.now) == [GENERAL]
