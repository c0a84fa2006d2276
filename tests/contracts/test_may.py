"""may(): the one predicate for authority

may
├── given the principal is the patient id
│   ├── not registered: PatientUnknown
│   ├── the actor is not its wallet: NotController
│   └── else everything, for any purpose: None
├── given another principal, and Decide
│   ├── no representative: NotController
│   └── else its permission, as below (test_representatives.py)
└── given another principal, the first that applies of
    ├── the agent, where the actor is not the principal:
    │   AgentNotNamed, AgentExpired, AgentSuspended, AgentAccreditationExpired
    ├── the principal: Suspended; for Append also NotAccredited, AccreditationExpired
    └── the permission: NotGranted, Revoked, NotYetValid, Expired, PurposeNotGranted, CompartmentNotGranted

That the functions decide as `may` says, for random permissions, actors and times: tests/invariants/test_predicate.py.
"""

import pytest
from ape.api import ProviderAPI

from tests.contracts.support import (
    ALL,
    APPEND,
    DAY,
    DECIDE,
    GENERAL,
    ORGANISATION,
    PRACTITIONER,
    PSYCHIATRY,
    READ,
    RESEARCH,
    TREAT,
    YEAR_2100,
    ZERO,
    Account,
    Action,
    Clock,
    Contract,
    Denial,
    digest,
    set_slot,
    slot_of,
    terms,
)

SEAL = digest("seal")
every_action = pytest.mark.parametrize("action", Action)


def test_may_gives_the_first_reason_that_applies(
    medrec: Contract, clock: Clock, registrar: Account, alice: Account, carol: Account, stranger: Account
) -> None:
    """Each reason in its order: as soon as one is mended, the next is given."""
    agent, principal, start = carol, stranger, clock.now
    seen = []

    def expect(denial: Denial) -> None:
        assert medrec.may(alice, agent, principal, APPEND, GENERAL | PSYCHIATRY, RESEARCH) == denial
        seen.append(denial)

    medrec.accredit(agent, PRACTITIONER, False, start + DAY, sender=registrar)
    medrec.suspend(agent, sender=registrar)
    expect(Denial.AgentNotNamed)
    medrec.nameAgent(agent, start + DAY, sender=principal)
    clock.show(start + DAY)
    expect(Denial.AgentExpired)
    medrec.nameAgent(agent, YEAR_2100, sender=principal)
    expect(Denial.AgentSuspended)
    medrec.reinstate(agent, sender=registrar)
    expect(Denial.AgentAccreditationExpired)
    medrec.accredit(agent, PRACTITIONER, False, YEAR_2100, sender=registrar)
    expect(Denial.NotAccredited)
    medrec.accredit(principal, ORGANISATION, False, start + 2 * DAY, sender=registrar)
    medrec.suspend(principal, sender=registrar)
    clock.show(start + 2 * DAY)
    expect(Denial.Suspended)
    medrec.reinstate(principal, sender=registrar)
    expect(Denial.AccreditationExpired)
    medrec.accredit(principal, ORGANISATION, False, YEAR_2100, sender=registrar)
    expect(Denial.NotGranted)
    medrec.revoke(alice, principal, sender=alice)
    expect(Denial.Revoked)
    window = {"not_before": start + 3 * DAY, "expiry": start + 4 * DAY}
    medrec.grant(alice, principal, terms(**window), SEAL, 2, sender=alice)
    expect(Denial.NotYetValid)
    clock.show(start + 4 * DAY)
    expect(Denial.Expired)
    medrec.grant(alice, principal, terms(), SEAL, 3, sender=alice)
    expect(Denial.PurposeNotGranted)
    medrec.grant(alice, principal, terms(purposes=1 << RESEARCH), SEAL, 4, sender=alice)
    expect(Denial.CompartmentNotGranted)
    medrec.grant(alice, principal, terms(append=ALL, purposes=1 << RESEARCH), SEAL, 5, sender=alice)
    expect(Denial.None_)
    # A representative is told what lies beyond its limits by the functions: here nothing is given.
    assert set(Denial) - set(seen) == {Denial.PatientUnknown, Denial.NotController, Denial.BeyondLimits}


@every_action
def test_may_of_an_unknown_patient(medrec: Contract, stranger: Account, action: Action) -> None:
    """The patient id is not registered: neither the address itself nor nobody controls it."""
    for actor in (stranger, ZERO):
        assert medrec.may(stranger, actor, stranger, action, GENERAL, TREAT) == Denial.PatientUnknown


@every_action
def test_may_of_the_patients_wallet(medrec: Contract, alice: Account, action: Action) -> None:
    """May everything, for any purpose, with the patient id as principal."""
    for compartments in (0, 1, ALL):
        for purpose in (0, 15):
            assert medrec.may(alice, alice, alice, action, compartments, purpose) == Denial.None_


@every_action
def test_may_of_another_wallet(
    medrec: Contract,
    provider: ProviderAPI,
    alice: Account,
    bob: Account,
    hospital: Account,
    nurse: Account,
    action: Action,
) -> None:
    """The actor is not the wallet that controls the patient id: nobody else is, and the id's own key may not be."""
    for actor in (bob, hospital, nurse, ZERO):
        assert medrec.may(alice, actor, alice, action, GENERAL, TREAT) == Denial.NotController
    set_slot(provider, medrec, slot_of("_patients", alice), int(bob.address, 16))
    assert medrec.may(alice, alice, alice, action, GENERAL, TREAT) == Denial.NotController
    assert medrec.may(alice, bob, alice, action, GENERAL, TREAT) == Denial.None_


def test_may_decide_is_nobody_elses(
    medrec: Contract, alice: Account, hospital: Account, nurse: Account, stranger: Account
) -> None:
    """Whatever was granted: agents and grantees decide nothing for the patient."""
    for actor, principal in ((hospital, hospital), (nurse, hospital), (stranger, stranger), (alice, hospital)):
        assert medrec.may(alice, actor, principal, DECIDE, 0, TREAT) == Denial.NotController


def test_may_read_asks_for_any_compartment(
    medrec: Contract, alice: Account, hospital: Account, clinic: Account
) -> None:
    """Empty `compartments` ask for any; the mask for appending is none."""
    assert medrec.may(alice, hospital, hospital, READ, 0, TREAT) == Denial.None_
    medrec.grant(alice, clinic, terms(read=0), SEAL, 1, sender=alice)
    assert medrec.may(alice, clinic, clinic, READ, 0, TREAT) == Denial.CompartmentNotGranted


@pytest.mark.parametrize("action", [READ, APPEND])
def test_may_asks_for_all_compartments(medrec: Contract, alice: Account, hospital: Account, action: Action) -> None:
    """All of them must be granted, in the mask of the action."""
    masks = {"read": GENERAL, "append": PSYCHIATRY}
    medrec.grant(alice, hospital, terms(**masks), SEAL, 2, sender=alice)
    for compartments in (GENERAL, PSYCHIATRY, GENERAL | PSYCHIATRY, ALL):
        granted = compartments == masks[action.name.lower()]
        expected = Denial.None_ if granted else Denial.CompartmentNotGranted
        assert medrec.may(alice, hospital, hospital, action, compartments, TREAT) == expected


def test_may_read_without_accreditation(
    medrec: Contract, clock: Clock, registrar: Account, alice: Account, hospital: Account, carol: Account
) -> None:
    """For Read no accreditation is needed, for Append it is; a suspended provider is refused either."""
    medrec.grant(alice, carol, terms(), SEAL, 1, sender=alice)
    medrec.accredit(hospital, ORGANISATION, False, clock.now + DAY, sender=registrar)
    clock.show(clock.now + DAY)

    def both(principal: Account) -> list[int]:
        return [medrec.may(alice, principal, principal, action, GENERAL, TREAT) for action in (READ, APPEND)]

    assert both(carol) == [Denial.None_, Denial.NotAccredited]
    assert both(hospital) == [Denial.None_, Denial.AccreditationExpired]
    medrec.suspend(hospital, sender=registrar)
    assert both(hospital) == [Denial.Suspended, Denial.Suspended]


@pytest.mark.parametrize("purpose", [16, 17, 31, 32, 255])
def test_may_knows_sixteen_purposes(medrec: Contract, alice: Account, hospital: Account, purpose: int) -> None:
    """A number beyond 15 is no purpose: it was granted to nobody, and is not the lowest bits of another."""
    medrec.grant(alice, hospital, terms(purposes=2**16 - 1), SEAL, 2, sender=alice)
    for actor in (hospital, alice):
        assert medrec.may(alice, actor, actor, READ, GENERAL, purpose) == Denial.PurposeNotGranted


def test_may_is_of_one_patient_and_one_principal(
    medrec: Contract, alice: Account, bob: Account, hospital: Account, clinic: Account, nurse: Account
) -> None:
    """What alice granted the hospital says nothing of bob, nor of the clinic, nor of the agent itself."""
    assert medrec.may(alice, nurse, hospital, READ, GENERAL, TREAT) == Denial.None_
    assert medrec.may(bob, nurse, hospital, READ, GENERAL, TREAT) == Denial.NotGranted
    assert medrec.may(alice, clinic, clinic, READ, GENERAL, TREAT) == Denial.NotGranted
    assert medrec.may(alice, nurse, nurse, READ, GENERAL, TREAT) == Denial.NotGranted
    assert medrec.may(alice, nurse, clinic, READ, GENERAL, TREAT) == Denial.AgentNotNamed
