"""authority(), pendingAuthority(), offerAuthority(), acceptAuthority()

offerAuthority
├── given the caller is not the authority: NotAuthority
└── given it is
    ├── the candidate is pending, the authority the same
    ├── a second offer replaces the first
    ├── zero withdraws the offer
    └── AuthorityOffered
acceptAuthority
├── given the caller is not the candidate: NotAuthority
│   ├── also the authority itself
│   ├── also one whose offer was replaced or withdrawn
│   └── also one that accepted before
└── given it is
    ├── it is the authority, nothing is pending, the previous one has no power
    └── AuthorityAccepted
"""

import pytest

from tests.contracts.support import ZERO, Account, Contract, emitted, refused, said


def test_offer_authority_changes_nothing_yet(medrec: Contract, authority: Account, carol: Account) -> None:
    """Nothing changes until the candidate accepts."""
    medrec.offerAuthority(carol, sender=authority)
    assert (medrec.authority(), medrec.pendingAuthority()) == (authority, carol)
    with refused("NotAuthority", carol):
        medrec.addRegistrar(carol, sender=carol)


def test_offer_authority_emits(medrec: Contract, authority: Account, carol: Account) -> None:
    """AuthorityOffered names both."""
    receipt = medrec.offerAuthority(carol, sender=authority)
    assert emitted(medrec, receipt) == [said("AuthorityOffered", authority=authority, candidate=carol)]


def test_offer_authority_refuses_others(medrec: Contract, registrar: Account, carol: Account) -> None:
    """The caller is the authority."""
    with refused("NotAuthority", registrar):
        medrec.offerAuthority(carol, sender=registrar)


def test_offer_authority_refuses_the_candidate(
    medrec: Contract, authority: Account, carol: Account, stranger: Account
) -> None:
    """Being offered it is not yet being it."""
    medrec.offerAuthority(carol, sender=authority)
    with refused("NotAuthority", carol):
        medrec.offerAuthority(stranger, sender=carol)


def test_offer_authority_replaces_an_earlier_offer(
    medrec: Contract, authority: Account, carol: Account, stranger: Account
) -> None:
    """A second offer replaces the first."""
    medrec.offerAuthority(carol, sender=authority)
    medrec.offerAuthority(stranger, sender=authority)
    assert medrec.pendingAuthority() == stranger
    with refused("NotAuthority", carol):
        medrec.acceptAuthority(sender=carol)


def test_offer_authority_to_zero_withdraws(medrec: Contract, authority: Account, carol: Account) -> None:
    """Offering to zero withdraws the offer."""
    medrec.offerAuthority(carol, sender=authority)
    receipt = medrec.offerAuthority(ZERO, sender=authority)
    assert emitted(medrec, receipt) == [said("AuthorityOffered", authority=authority, candidate=ZERO)]
    assert medrec.pendingAuthority() == ZERO
    with refused("NotAuthority", carol):
        medrec.acceptAuthority(sender=carol)


def test_accept_authority_hands_over(medrec: Contract, authority: Account, carol: Account, stranger: Account) -> None:
    """The candidate has the powers, the previous authority none."""
    medrec.offerAuthority(carol, sender=authority)
    medrec.acceptAuthority(sender=carol)
    assert (medrec.authority(), medrec.pendingAuthority()) == (carol, ZERO)
    medrec.addRegistrar(stranger, sender=carol)
    with refused("NotAuthority", authority):
        medrec.addRegistrar(authority, sender=authority)


def test_accept_authority_emits(medrec: Contract, authority: Account, carol: Account) -> None:
    """AuthorityAccepted names the previous authority and the new one."""
    medrec.offerAuthority(carol, sender=authority)
    receipt = medrec.acceptAuthority(sender=carol)
    assert emitted(medrec, receipt) == [said("AuthorityAccepted", previous=authority, authority=carol)]


@pytest.mark.parametrize("offered", [False, True])
def test_accept_authority_refuses_others(
    medrec: Contract, authority: Account, carol: Account, stranger: Account, offered: bool
) -> None:
    """The caller is the account that it was offered to; neither the authority itself nor anybody else."""
    if offered:
        medrec.offerAuthority(carol, sender=authority)
    for caller in (stranger, authority):
        with refused("NotAuthority", caller):
            medrec.acceptAuthority(sender=caller)


def test_accept_authority_takes_an_offer_once(medrec: Contract, authority: Account, carol: Account) -> None:
    """An offer that was accepted is gone: it cannot be taken back with it later."""
    medrec.offerAuthority(carol, sender=authority)
    medrec.acceptAuthority(sender=carol)
    medrec.offerAuthority(authority, sender=carol)
    medrec.acceptAuthority(sender=authority)
    with refused("NotAuthority", carol):
        medrec.acceptAuthority(sender=carol)


def test_accept_authority_keeps_registrars(
    medrec: Contract, authority: Account, registrar: Account, carol: Account
) -> None:
    """A new authority finds the registrars as they were."""
    medrec.offerAuthority(carol, sender=authority)
    medrec.acceptAuthority(sender=carol)
    assert medrec.isRegistrar(registrar)
