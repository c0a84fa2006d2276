"""The faults of the MedRec of 2016, each with a test that this one does not have it.

Of its faults outside the contracts (a database password in the code, records unencrypted, viewers that the off-chain
side never asked for) the tests of the SDK and the command line have to speak.
"""

import pytest

from tests.contracts.support import (
    APPEND,
    DAY,
    DECIDE,
    GENERAL,
    ORGANISATION,
    READ,
    TREAT,
    YEAR_2100,
    Account,
    Clock,
    Contract,
    Denial,
    call_with_words,
    digest,
    entry,
    not_permitted,
    plain,
    refused,
    terms,
    unencodable,
)

SEAL = digest("seal")


def test_no_setter_is_open_to_all(medrec: Contract, hospital: Account, stranger: Account, carol: Account) -> None:
    """`enableCustodian`, `setProviderName`, `setProviderAddress` were.

    Here only the provider sets who acts for it and what it says of itself, and only a registrar who is one.
    """
    before = plain([medrec.providerOf(hospital), medrec.agentUntil(hospital, carol), medrec.profileOf(hospital)])
    medrec.nameAgent(carol, YEAR_2100, sender=stranger)
    medrec.publishProfile(digest("another name"), sender=stranger)
    with refused("NotRegistrar", stranger):
        medrec.accredit(hospital, ORGANISATION, True, YEAR_2100, sender=stranger)
    after = plain([medrec.providerOf(hospital), medrec.agentUntil(hospital, carol), medrec.profileOf(hospital)])
    assert after == before


def test_no_constructor_can_be_called_again(medrec: Contract, authority: Account, stranger: Account) -> None:
    """A constructor by a wrong name was a function: here no function gives the authority but accepting an offer."""
    names = {abi.name.lower() for abi in medrec.contract_type.mutable_methods}
    assert not [name for name in names if "init" in name or "medrec" in name or "owner" in name]
    with refused("NotAuthority", stranger):
        medrec.acceptAuthority(sender=stranger)
    assert medrec.authority() == authority


def test_removing_who_is_absent_drops_nobody(
    medrec: Contract,
    authority: Account,
    registrar: Account,
    hospital: Account,
    nurse: Account,
    doctor: Account,
    stranger: Account,
) -> None:
    """Removing an absent custodian dropped the last one: here agents and registrars stay, whoever is removed."""
    medrec.dismissAgent(stranger, sender=hospital)
    assert [medrec.agentUntil(hospital, agent) for agent in (nurse, doctor)] == [YEAR_2100, YEAR_2100]
    with refused("NotRegistrar", stranger):
        medrec.removeRegistrar(stranger, sender=authority)
    assert medrec.isRegistrar(registrar)


def test_permissions_are_not_taken_from_anybody(
    medrec: Contract, alice: Account, hospital: Account, stranger: Account
) -> None:
    """Permission calls authenticated nobody: here the patient's wallet alone grants and revokes."""
    for attempt in (
        lambda: medrec.grant(alice, stranger, terms(), SEAL, 1, sender=stranger),
        lambda: medrec.revoke(alice, hospital, sender=stranger),
    ):
        with not_permitted(alice, stranger, alice, DECIDE, Denial.NotController):
            attempt()


def test_a_removed_permission_is_written_back(
    medrec: Contract, clock: Clock, alice: Account, hospital: Account
) -> None:
    """A removal never reached storage, and `isViewer` stayed true: here every view and every function knows."""
    medrec.revoke(alice, hospital, sender=alice)
    stored = medrec.permissionOf(alice, hospital)
    assert (stored.terms.read, stored.terms.append, stored.version) == (0, 0, 2)
    assert medrec.readersAt(alice, [hospital], clock.now) == [0]
    for action in (READ, APPEND):
        assert medrec.may(alice, hospital, hospital, action, GENERAL, TREAT) == Denial.Revoked
    with not_permitted(alice, hospital, hospital, APPEND, Denial.Revoked):
        medrec.append(alice, hospital, 2, TREAT, entry(), sender=hospital)


def test_times_are_seconds(medrec: Contract, clock: Clock, alice: Account, carol: Account) -> None:
    """Milliseconds compared with seconds never ended: here a time in milliseconds does not fit, and seconds end."""
    milliseconds = clock.now * 1000
    with unencodable():
        call_with_words(medrec, alice, "grant", alice, carol, *terms(expiry=milliseconds), SEAL, 1)
    end = clock.now + DAY
    medrec.grant(alice, carol, terms(expiry=end), SEAL, 1, sender=alice)
    clock.show(end)
    assert medrec.may(alice, carol, carol, READ, GENERAL, TREAT) == Denial.Expired


def test_viewers_can_be_asked_for(
    medrec: Contract, clock: Clock, alice: Account, hospital: Account, carol: Account
) -> None:
    """Who may view was stored and never asked: here one view answers for the author's rule, for any grantees."""
    medrec.grant(alice, carol, terms(), SEAL, 1, sender=alice)
    assert medrec.readersAt(alice, [hospital, carol], clock.now) == [GENERAL, GENERAL]


@pytest.mark.parametrize("function", ["grant", "revoke"])
def test_decisions_leave_events(medrec: Contract, alice: Account, carol: Account, function: str) -> None:
    """There were none. (Of all functions: test_unauthorised.py.)"""
    arguments = (alice, carol, terms(), SEAL, 1) if function == "grant" else (alice, carol)
    receipt = getattr(medrec, function)(*arguments, sender=alice)
    assert len(receipt.logs) == 1
