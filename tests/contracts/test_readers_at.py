"""readersAt()

readersAt, for each grantee
├── given it is suspended now: 0
├── given the time is outside its window: 0
└── else its reading mask, whatever its accreditation and purposes
"""

import pytest

from tests.contracts.support import (
    ALL,
    DAY,
    GENERAL,
    LAST_SECOND,
    ORGANISATION,
    PSYCHIATRY,
    RESEARCH,
    YEAR_2100,
    Account,
    Clock,
    Contract,
    digest,
    terms,
)

SEAL = digest("seal")


def test_readers_at_gives_each_mask(
    medrec: Contract,
    clock: Clock,
    alice: Account,
    hospital: Account,
    clinic: Account,
    carol: Account,
    stranger: Account,
) -> None:
    """In the order of the question; a grantee may be asked for twice, and nobody is no reader."""
    medrec.grant(alice, carol, terms(read=PSYCHIATRY | 1, append=0), SEAL, 1, sender=alice)
    medrec.grant(alice, clinic, terms(read=0, append=ALL), SEAL, 1, sender=alice)
    grantees = [stranger, carol, hospital, clinic, carol, alice]
    masks = [0, PSYCHIATRY | 1, GENERAL, 0, PSYCHIATRY | 1, 0]
    assert medrec.readersAt(alice, grantees, clock.now) == masks
    assert medrec.readersAt(alice, [], clock.now) == []


def test_readers_at_within_the_window(medrec: Contract, clock: Clock, alice: Account, carol: Account) -> None:
    """From the first second to the last, at any time that is asked for."""
    begin, end = clock.now + DAY, clock.now + 2 * DAY
    medrec.grant(alice, carol, terms(read=ALL, not_before=begin, expiry=end), SEAL, 1, sender=alice)
    for time in (0, begin - 1, begin, end - 1, end, LAST_SECOND):
        assert medrec.readersAt(alice, [carol], time) == [ALL if begin <= time < end else 0]


def test_readers_at_leaves_out_the_suspended(
    medrec: Contract, clock: Clock, registrar: Account, alice: Account, hospital: Account, carol: Account
) -> None:
    """Zero while it is suspended, at whatever time; the others are not touched."""
    medrec.grant(alice, carol, terms(), SEAL, 1, sender=alice)
    medrec.suspend(hospital, sender=registrar)
    for time in (clock.now, YEAR_2100 - 1):
        assert medrec.readersAt(alice, [hospital, carol], time) == [0, GENERAL]
    medrec.reinstate(hospital, sender=registrar)
    assert medrec.readersAt(alice, [hospital, carol], clock.now) == [GENERAL, GENERAL]


def test_readers_at_leaves_out_the_revoked(medrec: Contract, clock: Clock, alice: Account, hospital: Account) -> None:
    """A tombstone reads nothing."""
    medrec.revoke(alice, hospital, sender=alice)
    assert medrec.readersAt(alice, [hospital], clock.now) == [0]


@pytest.mark.parametrize("purposes", [1 << RESEARCH, 2**16 - 1])
def test_readers_at_asks_for_no_purpose_or_accreditation(
    medrec: Contract, clock: Clock, registrar: Account, alice: Account, hospital: Account, purposes: int
) -> None:
    """Keys know no purpose, and relatives read without an accreditation."""
    medrec.grant(alice, hospital, terms(purposes=purposes), SEAL, 2, sender=alice)
    medrec.accredit(hospital, ORGANISATION, False, clock.now + DAY, sender=registrar)
    clock.show(clock.now + 2 * DAY)
    assert medrec.readersAt(alice, [hospital], clock.now) == [GENERAL]


def test_readers_at_is_of_one_patient(medrec: Contract, clock: Clock, bob: Account, hospital: Account) -> None:
    """What alice granted says nothing of bob."""
    assert medrec.readersAt(bob, [hospital], clock.now) == [0]
