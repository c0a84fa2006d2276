"""nameAgent(), dismissAgent(), agentUntil()

nameAgent
├── given the agent is zero: ZeroAddress; given it is the caller: SelfAgent
├── given `until` is not in the future: ExpiryPassed
└── else it is the caller's agent until then, in place of an earlier time; AgentNamed
dismissAgent
└── it is no agent, and others still are; AgentDismissed, also where it was none
given an agent
├── before `until` it appends and enters accesses on the principal's behalf, and is recorded beside it
├── from `until` on, or dismissed: refused
├── it neither decides for a patient nor names agents for the principal; one level deep
├── an agent that is a provider needs to be live itself
└── an agent of a patient does nothing for the patient's record
"""

import pytest

from tests.contracts.support import (
    APPEND,
    DAY,
    DECIDE,
    GENERAL,
    LAST_SECOND,
    PRACTITIONER,
    READ,
    TREAT,
    YEAR_2100,
    ZERO,
    Account,
    Clock,
    Contract,
    Denial,
    after_records,
    as_previous,
    digest,
    emitted,
    entry,
    not_permitted,
    refused,
    said,
    terms,
    word_of,
)


def test_name_agent_stores_the_time(medrec: Contract, clinic: Account, carol: Account) -> None:
    """The agent acts until then, for that principal alone."""
    medrec.nameAgent(carol, LAST_SECOND, sender=clinic)
    assert medrec.agentUntil(clinic, carol) == LAST_SECOND
    assert medrec.agentUntil(carol, clinic) == 0


def test_name_agent_emits(medrec: Contract, clinic: Account, carol: Account) -> None:
    """AgentNamed names principal, agent, who decided, and the time."""
    receipt = medrec.nameAgent(carol, YEAR_2100, sender=clinic)
    assert emitted(medrec, receipt) == [said("AgentNamed", principal=clinic, agent=carol, by=clinic, until=YEAR_2100)]


def test_name_agent_changes_the_time(medrec: Contract, clock: Clock, hospital: Account, nurse: Account) -> None:
    """To a later or to an earlier one."""
    for until in (YEAR_2100 + 1, clock.now + DAY):
        medrec.nameAgent(nurse, until, sender=hospital)
        assert medrec.agentUntil(hospital, nurse) == until


def test_name_agent_asks_for_no_accreditation(medrec: Contract, carol: Account, stranger: Account) -> None:
    """Whether the caller is an accredited provider is asked when the agent acts, not here."""
    medrec.nameAgent(carol, YEAR_2100, sender=stranger)
    assert medrec.agentUntil(stranger, carol) == YEAR_2100


def test_name_agent_refuses_zero(medrec: Contract, hospital: Account) -> None:
    """`agent` is not zero."""
    with refused("ZeroAddress"):
        medrec.nameAgent(ZERO, YEAR_2100, sender=hospital)


def test_name_agent_refuses_the_caller(medrec: Contract, hospital: Account) -> None:
    """`agent` is not the caller."""
    with refused("SelfAgent", hospital):
        medrec.nameAgent(hospital, YEAR_2100, sender=hospital)


@pytest.mark.parametrize("seconds", [-1, 0])
def test_name_agent_refuses_a_time_that_has_passed(
    medrec: Contract, clock: Clock, hospital: Account, carol: Account, seconds: int
) -> None:
    """`until` lies in the future: the second of the block does not."""
    now = clock.now + DAY
    clock.set_next(now)
    with refused("ExpiryPassed", now + seconds):
        medrec.nameAgent(carol, now + seconds, sender=hospital)


def test_name_agent_takes_the_next_second(medrec: Contract, clock: Clock, hospital: Account, carol: Account) -> None:
    """The earliest time there is."""
    now = clock.now + DAY
    clock.set_next(now)
    medrec.nameAgent(carol, now + 1, sender=hospital)
    assert medrec.agentUntil(hospital, carol) == now + 1


def test_dismiss_agent_ends_it(
    medrec: Contract, alice: Account, hospital: Account, nurse: Account, doctor: Account
) -> None:
    """From the next transaction; other agents stay."""
    medrec.dismissAgent(nurse, sender=hospital)
    assert medrec.agentUntil(hospital, nurse) == 0
    assert medrec.agentUntil(hospital, doctor) == YEAR_2100
    with not_permitted(alice, nurse, hospital, APPEND, Denial.AgentNotNamed):
        medrec.append(alice, hospital, 1, TREAT, entry(), sender=nurse)


def test_dismiss_agent_emits(medrec: Contract, hospital: Account, nurse: Account, stranger: Account) -> None:
    """AgentDismissed, for somebody who is no agent too."""
    for agent in (nurse, stranger):
        receipt = medrec.dismissAgent(agent, sender=hospital)
        assert emitted(medrec, receipt) == [said("AgentDismissed", principal=hospital, agent=agent, by=hospital)]


def test_dismiss_agent_leaves_the_same_agent_of_another(
    medrec: Contract, hospital: Account, clinic: Account, nurse: Account
) -> None:
    """An agent of two is dismissed by one."""
    medrec.nameAgent(nurse, YEAR_2100, sender=clinic)
    medrec.dismissAgent(nurse, sender=clinic)
    assert medrec.agentUntil(hospital, nurse) == YEAR_2100


def test_agent_until_is_zero_for_others(medrec: Contract, hospital: Account, stranger: Account) -> None:
    """Zero if it never was one."""
    assert medrec.agentUntil(hospital, stranger) == 0


# ------------------------------------------------------------------------------------------------- what an agent may do


def test_agent_writes_in_its_principals_name(
    medrec: Contract, alice: Account, hospital: Account, nurse: Account
) -> None:
    """Whoever acts is recorded beside whom it acts for, in the event and in the head."""
    word = word_of(medrec, alice)
    receipt = medrec.append(alice, hospital, 1, TREAT, entry(), sender=nurse)
    assert emitted(medrec, receipt) == [
        said(
            "RecordAppended",
            patient=alice,
            author=nurse,
            onBehalfOf=hospital,
            time=receipt.timestamp,
            previous=as_previous(word),
            entry=entry(),
        )
    ]
    assert word_of(medrec, alice) == after_records(word, alice, nurse, hospital, receipt.timestamp, entry())


def test_agent_enters_accesses(medrec: Contract, alice: Account, hospital: Account, nurse: Account) -> None:
    """On the principal's behalf."""
    receipt = medrec.logAccess(alice, hospital, TREAT, digest("access"), sender=nurse)
    assert emitted(medrec, receipt) == [
        said("AccessLogged", patient=alice, actor=nurse, onBehalfOf=hospital, purpose=TREAT, digest=digest("access"))
    ]


def test_agent_acts_up_to_its_last_second(
    medrec: Contract, clock: Clock, alice: Account, hospital: Account, carol: Account
) -> None:
    """`until` is the first second at which it no longer acts."""
    until = clock.now + DAY
    medrec.nameAgent(carol, until, sender=hospital)
    clock.set_next(until - 1)
    medrec.append(alice, hospital, 1, TREAT, entry(), sender=carol)
    clock.set_next(until)
    with not_permitted(alice, carol, hospital, APPEND, Denial.AgentExpired):
        medrec.append(alice, hospital, 1, TREAT, entry(), sender=carol)


def test_agent_has_nothing_in_its_own_name(medrec: Contract, alice: Account, nurse: Account) -> None:
    """What the principal was granted is the principal's."""
    with not_permitted(alice, nurse, nurse, APPEND, Denial.NotAccredited):
        medrec.append(alice, nurse, 1, TREAT, entry(), sender=nurse)


def test_agent_cannot_decide_for_the_patient(
    medrec: Contract, alice: Account, hospital: Account, nurse: Account, carol: Account
) -> None:
    """It cannot grant or decide, whomever it is an agent of."""
    medrec.nameAgent(nurse, YEAR_2100, sender=alice)
    for attempt in (
        lambda: medrec.grant(alice, carol, terms(), digest("seal"), 1, sender=nurse),
        lambda: medrec.revoke(alice, hospital, sender=nurse),
        lambda: medrec.publishKeyring(alice, 1, GENERAL, digest("keyring"), sender=nurse),
    ):
        with not_permitted(alice, nurse, alice, DECIDE, Denial.NotController):
            attempt()


def test_agent_of_a_patient_cannot_write_as_the_patient(medrec: Contract, alice: Account, nurse: Account) -> None:
    """With the patient id as principal only the patient's wallet acts."""
    medrec.nameAgent(nurse, YEAR_2100, sender=alice)
    with not_permitted(alice, nurse, alice, APPEND, Denial.NotController):
        medrec.append(alice, alice, 1, TREAT, entry(), sender=nurse)
    with not_permitted(alice, nurse, alice, READ, Denial.NotController):
        medrec.logAccess(alice, alice, TREAT, digest("access"), sender=nurse)


def test_agent_of_an_agent_is_none(
    medrec: Contract, alice: Account, hospital: Account, nurse: Account, carol: Account
) -> None:
    """One level deep: whom an agent names is the agent's own agent, and not the principal's."""
    medrec.nameAgent(carol, YEAR_2100, sender=nurse)
    assert medrec.agentUntil(hospital, carol) == 0
    with not_permitted(alice, carol, hospital, APPEND, Denial.AgentNotNamed):
        medrec.append(alice, hospital, 1, TREAT, entry(), sender=carol)


def test_agent_of_another_principal_is_none(
    medrec: Contract, alice: Account, hospital: Account, clinic: Account, carol: Account
) -> None:
    """An agent of the clinic does nothing for the hospital."""
    medrec.nameAgent(carol, YEAR_2100, sender=clinic)
    with not_permitted(alice, carol, hospital, APPEND, Denial.AgentNotNamed):
        medrec.append(alice, hospital, 1, TREAT, entry(), sender=carol)


def test_agent_that_is_a_provider_must_not_be_suspended(
    medrec: Contract, registrar: Account, alice: Account, hospital: Account, doctor: Account
) -> None:
    """An agent who has a provider record needs it live: here it is suspended."""
    medrec.suspend(doctor, sender=registrar)
    with not_permitted(alice, doctor, hospital, APPEND, Denial.AgentSuspended):
        medrec.append(alice, hospital, 1, TREAT, entry(), sender=doctor)
    with not_permitted(alice, doctor, hospital, READ, Denial.AgentSuspended):
        medrec.logAccess(alice, hospital, TREAT, digest("access"), sender=doctor)


def test_agent_that_is_a_provider_must_be_accredited_now(
    medrec: Contract, clock: Clock, registrar: Account, alice: Account, hospital: Account, doctor: Account
) -> None:
    """An agent who has a provider record needs it live: here its accreditation ends."""
    expiry = clock.now + DAY
    medrec.accredit(doctor, PRACTITIONER, False, expiry, sender=registrar)
    clock.set_next(expiry - 1)
    medrec.append(alice, hospital, 1, TREAT, entry(), sender=doctor)
    clock.set_next(expiry)
    with not_permitted(alice, doctor, hospital, APPEND, Denial.AgentAccreditationExpired):
        medrec.append(alice, hospital, 1, TREAT, entry(), sender=doctor)
    with not_permitted(alice, doctor, hospital, READ, Denial.AgentAccreditationExpired):
        medrec.logAccess(alice, hospital, TREAT, digest("access"), sender=doctor)


def test_agent_of_a_relative_enters_accesses_and_appends_nothing(
    medrec: Contract, alice: Account, carol: Account, stranger: Account
) -> None:
    """Reading needs no accreditation of the principal, appending does."""
    medrec.grant(alice, carol, terms(), digest("seal"), 1, sender=alice)
    medrec.nameAgent(stranger, YEAR_2100, sender=carol)
    medrec.logAccess(alice, carol, TREAT, digest("access"), sender=stranger)
    with not_permitted(alice, stranger, carol, APPEND, Denial.NotAccredited):
        medrec.append(alice, carol, 1, TREAT, entry(), sender=stranger)
