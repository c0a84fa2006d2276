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

from tests.contracts.support import ZERO, emitted, refused, said


def test_offer_authority_changes_nothing_yet(medrec, authority, carol):
    """Nothing changes until the candidate accepts."""
    medrec.offerAuthority(carol, sender=authority)
    assert (medrec.authority(), medrec.pendingAuthority()) == (authority, carol)
    with refused("NotAuthority", carol):
        medrec.addRegistrar(carol, sender=carol)


def test_offer_authority_emits(medrec, authority, carol):
    """AuthorityOffered names both."""
    receipt = medrec.offerAuthority(carol, sender=authority)
    assert emitted(medrec, receipt) == [said("AuthorityOffered", authority=authority, candidate=carol)]


def test_offer_authority_refuses_others(medrec, registrar, carol):
    """The caller is the authority."""
    with refused("NotAuthority", registrar):
        medrec.offerAuthority(carol, sender=registrar)


def test_offer_authority_refuses_the_candidate(medrec, authority, carol, stranger):
    """Being offered it is not yet being it."""
    medrec.offerAuthority(carol, sender=authority)
    with refused("NotAuthority", carol):
        medrec.offerAuthority(stranger, sender=carol)


def test_offer_authority_replaces_an_earlier_offer(medrec, authority, carol, stranger):
    """A second offer replaces the first."""
    medrec.offerAuthority(carol, sender=authority)
    medrec.offerAuthority(stranger, sender=authority)
    assert medrec.pendingAuthority() == stranger
    with refused("NotAuthority", carol):
        medrec.acceptAuthority(sender=carol)


def test_offer_authority_to_zero_withdraws(medrec, authority, carol):
    """Offering to zero withdraws the offer."""
    medrec.offerAuthority(carol, sender=authority)
    receipt = medrec.offerAuthority(ZERO, sender=authority)
    assert emitted(medrec, receipt) == [said("AuthorityOffered", authority=authority, candidate=ZERO)]
    assert medrec.pendingAuthority() == ZERO
    with refused("NotAuthority", carol):
        medrec.acceptAuthority(sender=carol)


def test_accept_authority_hands_over(medrec, authority, carol, stranger):
    """The candidate has the powers, the previous authority none."""
    medrec.offerAuthority(carol, sender=authority)
    medrec.acceptAuthority(sender=carol)
    assert (medrec.authority(), medrec.pendingAuthority()) == (carol, ZERO)
    medrec.addRegistrar(stranger, sender=carol)
    with refused("NotAuthority", authority):
        medrec.addRegistrar(authority, sender=authority)


def test_accept_authority_emits(medrec, authority, carol):
    """AuthorityAccepted names the previous authority and the new one."""
    medrec.offerAuthority(carol, sender=authority)
    receipt = medrec.acceptAuthority(sender=carol)
    assert emitted(medrec, receipt) == [said("AuthorityAccepted", previous=authority, authority=carol)]


@pytest.mark.parametrize("offered", [False, True])
def test_accept_authority_refuses_others(medrec, authority, carol, stranger, offered):
    """The caller is the account that it was offered to; neither the authority itself nor anybody else."""
    if offered:
        medrec.offerAuthority(carol, sender=authority)
    for caller in (stranger, authority):
        with refused("NotAuthority", caller):
            medrec.acceptAuthority(sender=caller)


def test_accept_authority_takes_an_offer_once(medrec, authority, carol):
    """An offer that was accepted is gone: it cannot be taken back with it later."""
    medrec.offerAuthority(carol, sender=authority)
    medrec.acceptAuthority(sender=carol)
    medrec.offerAuthority(authority, sender=carol)
    medrec.acceptAuthority(sender=authority)
    with refused("NotAuthority", carol):
        medrec.acceptAuthority(sender=carol)


def test_accept_authority_keeps_registrars(medrec, authority, registrar, carol):
    """A new authority finds the registrars as they were."""
    medrec.offerAuthority(carol, sender=authority)
    medrec.acceptAuthority(sender=carol)
    assert medrec.isRegistrar(registrar)
