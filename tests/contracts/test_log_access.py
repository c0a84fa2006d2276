"""logAccess()

logAccess
├── given the caller may read nothing of the patient's on behalf of whom it says, for the purpose: NotPermitted
└── else AccessLogged; nothing is stored
    ├── a grantee without any accreditation, or whose accreditation is over, may
    └── the patient's own wallet may
"""

import pytest
from ape.api import ProviderAPI

from tests.contracts.support import (
    DAY,
    GENERAL,
    ORGANISATION,
    PSYCHIATRY,
    READ,
    RESEARCH,
    TREAT,
    Account,
    Clock,
    Contract,
    Denial,
    Said,
    digest,
    emitted,
    not_permitted,
    plain,
    said,
    set_slot,
    slot_of,
    terms,
)

DOCUMENT = digest("sealed document")


def logged(patient: Account, actor: Account, on_behalf_of: Account, purpose: int = TREAT) -> Said:
    """The event of an access."""
    return said("AccessLogged", patient=patient, actor=actor, onBehalfOf=on_behalf_of, purpose=purpose, digest=DOCUMENT)


def test_log_access_emits(medrec: Contract, alice: Account, hospital: Account, nurse: Account) -> None:
    """AccessLogged names who read, for whom and what for; the digest stands for the rest."""
    for actor in (hospital, nurse):
        receipt = medrec.logAccess(alice, hospital, TREAT, DOCUMENT, sender=actor)
        assert emitted(medrec, receipt) == [logged(alice, actor, hospital)]


def test_log_access_stores_nothing(medrec: Contract, alice: Account, hospital: Account) -> None:
    """It is no entry of the history."""
    before = plain([medrec.historyOf(alice), medrec.patientOf(alice), medrec.permissionOf(alice, hospital)])
    medrec.logAccess(alice, hospital, TREAT, DOCUMENT, sender=hospital)
    assert plain([medrec.historyOf(alice), medrec.patientOf(alice), medrec.permissionOf(alice, hospital)]) == before


def test_log_access_by_a_relative(medrec: Contract, alice: Account, carol: Account) -> None:
    """Reading needs no accreditation; a single compartment is something."""
    medrec.grant(alice, carol, terms(read=PSYCHIATRY, append=0), digest("seal"), 1, sender=alice)
    receipt = medrec.logAccess(alice, carol, TREAT, DOCUMENT, sender=carol)
    assert emitted(medrec, receipt) == [logged(alice, carol, carol)]


@pytest.mark.parametrize("purpose", [TREAT, RESEARCH, 15])
def test_log_access_by_the_patient(medrec: Contract, alice: Account, purpose: int) -> None:
    """The patient's own wallet, with the patient id as principal, for any purpose."""
    receipt = medrec.logAccess(alice, alice, purpose, DOCUMENT, sender=alice)
    assert emitted(medrec, receipt) == [logged(alice, alice, alice, purpose)]


def test_log_access_by_the_patients_wallet(
    medrec: Contract, provider: ProviderAPI, alice: Account, bob: Account
) -> None:
    """Where another wallet controls the id, that wallet and no longer the id's own key."""
    set_slot(provider, medrec, slot_of("_patients", alice), int(bob.address, 16))
    receipt = medrec.logAccess(alice, alice, TREAT, DOCUMENT, sender=bob)
    assert emitted(medrec, receipt) == [logged(alice, bob, alice)]
    with not_permitted(alice, alice, alice, READ, Denial.NotController):
        medrec.logAccess(alice, alice, TREAT, DOCUMENT, sender=alice)


def test_log_access_after_the_accreditation(
    medrec: Contract, clock: Clock, registrar: Account, alice: Account, hospital: Account
) -> None:
    """A provider whose accreditation is over may still read what it was granted."""
    medrec.accredit(hospital, ORGANISATION, False, clock.now + DAY, sender=registrar)
    clock.set_next(clock.now + 2 * DAY)
    medrec.logAccess(alice, hospital, TREAT, DOCUMENT, sender=hospital)


def test_log_access_within_the_window(medrec: Contract, clock: Clock, alice: Account, carol: Account) -> None:
    """From the first second of the permission to the last."""
    begin, end = clock.now + DAY, clock.now + 2 * DAY
    medrec.grant(alice, carol, terms(not_before=begin, expiry=end), digest("seal"), 1, sender=alice)
    for time, denial in ((begin - 1, Denial.NotYetValid), (begin, None), (end - 1, None), (end, Denial.Expired)):
        clock.set_next(time)
        if denial is None:
            medrec.logAccess(alice, carol, TREAT, DOCUMENT, sender=carol)
        else:
            with not_permitted(alice, carol, carol, READ, denial):
                medrec.logAccess(alice, carol, TREAT, DOCUMENT, sender=carol)


def test_log_access_refuses_who_may_not_read(
    medrec: Contract,
    alice: Account,
    bob: Account,
    carol: Account,
    hospital: Account,
    clinic: Account,
    stranger: Account,
) -> None:
    """Nobody but who was granted to read, or its agent, or the patient."""
    medrec.grant(alice, clinic, terms(read=0, append=GENERAL), digest("seal"), 1, sender=alice)
    medrec.revoke(alice, carol, sender=alice)
    for actor, principal, denial in (
        (stranger, stranger, Denial.NotGranted),
        (bob, bob, Denial.NotGranted),
        (carol, carol, Denial.Revoked),
        (clinic, clinic, Denial.CompartmentNotGranted),
        (stranger, hospital, Denial.AgentNotNamed),
        (alice, hospital, Denial.AgentNotNamed),
        (hospital, alice, Denial.NotController),
    ):
        with not_permitted(alice, actor, principal, READ, denial):
            medrec.logAccess(alice, principal, TREAT, DOCUMENT, sender=actor)


@pytest.mark.parametrize("purpose", [RESEARCH, 15, 16, 255])
def test_log_access_refuses_a_purpose_that_is_not_granted(
    medrec: Contract, alice: Account, hospital: Account, purpose: int
) -> None:
    """For the purpose."""
    with not_permitted(alice, hospital, hospital, READ, Denial.PurposeNotGranted):
        medrec.logAccess(alice, hospital, purpose, DOCUMENT, sender=hospital)


def test_log_access_refuses_for_an_unknown_patient(medrec: Contract, hospital: Account, stranger: Account) -> None:
    """Of an id that is not registered nobody was granted anything."""
    with not_permitted(stranger, hospital, hospital, READ, Denial.NotGranted):
        medrec.logAccess(stranger, hospital, TREAT, DOCUMENT, sender=hospital)
    with not_permitted(stranger, stranger, stranger, READ, Denial.PatientUnknown):
        medrec.logAccess(stranger, stranger, TREAT, DOCUMENT, sender=stranger)
