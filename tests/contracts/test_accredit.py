"""accredit(), providerOf()

accredit
├── given the caller is no registrar: NotRegistrar
├── given the provider is zero: ZeroAddress
├── given no kind: ProviderKindMissing; given a kind that is none: no encoding
├── given the expiry is not in the future: ExpiryPassed
└── else
    ├── kind, emergency mark and expiry are stored, in place of earlier ones
    ├── a suspension and the number of relayed calls stay
    ├── any registrar may, whoever accredited
    └── ProviderAccredited
"""

import pytest
from ape.api import ProviderAPI

from tests.contracts.support import (
    DAY,
    LAST_SECOND,
    ORGANISATION,
    PRACTITIONER,
    YEAR_2100,
    ZERO,
    Account,
    Clock,
    Contract,
    ProviderKind,
    emitted,
    plain,
    refused,
    said,
    set_slot,
    slot_of,
    unencodable,
)


@pytest.mark.parametrize("kind", [ORGANISATION, PRACTITIONER])
@pytest.mark.parametrize("emergency", [False, True])
def test_accredit_stores_what_it_is_given(
    medrec: Contract, registrar: Account, carol: Account, kind: ProviderKind, emergency: bool
) -> None:
    """A new provider is not suspended, and no call of it was relayed."""
    medrec.accredit(carol, kind, emergency, YEAR_2100, sender=registrar)
    assert plain(medrec.providerOf(carol)) == (kind, False, emergency, YEAR_2100, 0)


def test_accredit_emits(medrec: Contract, registrar: Account, carol: Account) -> None:
    """ProviderAccredited says by whom and what."""
    receipt = medrec.accredit(carol, PRACTITIONER, True, YEAR_2100, sender=registrar)
    expected = said(
        "ProviderAccredited", provider=carol, registrar=registrar, kind=PRACTITIONER, emergency=True, expiry=YEAR_2100
    )
    assert emitted(medrec, receipt) == [expected]


def test_accredit_changes_an_accreditation(
    medrec: Contract, authority: Account, registrar: Account, hospital: Account, carol: Account
) -> None:
    """Any registrar may change it, in all its parts and back."""
    medrec.addRegistrar(carol, sender=authority)
    medrec.accredit(hospital, PRACTITIONER, True, LAST_SECOND, sender=carol)
    assert plain(medrec.providerOf(hospital)) == (PRACTITIONER, False, True, LAST_SECOND, 0)
    medrec.accredit(hospital, ORGANISATION, False, YEAR_2100, sender=registrar)
    assert plain(medrec.providerOf(hospital)) == (ORGANISATION, False, False, YEAR_2100, 0)


def test_accredit_keeps_a_suspension(medrec: Contract, registrar: Account, hospital: Account) -> None:
    """A suspension stays."""
    medrec.suspend(hospital, sender=registrar)
    medrec.accredit(hospital, ORGANISATION, True, YEAR_2100, sender=registrar)
    assert plain(medrec.providerOf(hospital)) == (ORGANISATION, True, True, YEAR_2100, 0)


def test_accredit_keeps_the_number_of_relayed_calls(
    medrec: Contract, provider: ProviderAPI, registrar: Account, hospital: Account
) -> None:
    """Or a call that was relayed before could be relayed again."""
    slot = slot_of("_providers", hospital)
    set_slot(provider, medrec, slot, ORGANISATION | YEAR_2100 << 16 | (2**64 - 1) << 56)
    medrec.accredit(hospital, PRACTITIONER, True, YEAR_2100 + 1, sender=registrar)
    assert plain(medrec.providerOf(hospital)) == (PRACTITIONER, False, True, YEAR_2100 + 1, 2**64 - 1)


def test_accredit_refuses_others(medrec: Contract, authority: Account, hospital: Account, carol: Account) -> None:
    """The caller is a registrar: neither the authority nor a provider is one."""
    for caller in (authority, hospital, carol):
        with refused("NotRegistrar", caller):
            medrec.accredit(carol, ORGANISATION, False, YEAR_2100, sender=caller)


def test_accredit_refuses_zero(medrec: Contract, registrar: Account) -> None:
    """`provider` is not zero."""
    with refused("ZeroAddress"):
        medrec.accredit(ZERO, ORGANISATION, False, YEAR_2100, sender=registrar)


def test_accredit_refuses_no_kind(medrec: Contract, registrar: Account, carol: Account) -> None:
    """`kind` is given."""
    with refused("ProviderKindMissing", carol):
        medrec.accredit(carol, ProviderKind.None_, False, YEAR_2100, sender=registrar)


def test_accredit_refuses_a_kind_that_does_not_exist(medrec: Contract, registrar: Account, carol: Account) -> None:
    """`kind` is one of the enumeration."""
    with unencodable():
        medrec.accredit(carol, 3, False, YEAR_2100, sender=registrar)


@pytest.mark.parametrize("seconds", [-DAY, -1, 0])
def test_accredit_refuses_an_expiry_that_has_passed(
    medrec: Contract, clock: Clock, registrar: Account, carol: Account, seconds: int
) -> None:
    """`expiry` lies in the future: the second of the block does not."""
    now = clock.now + 2 * DAY
    clock.set_next(now)
    with refused("ExpiryPassed", now + seconds):
        medrec.accredit(carol, ORGANISATION, False, now + seconds, sender=registrar)


def test_accredit_takes_the_next_second(medrec: Contract, clock: Clock, registrar: Account, carol: Account) -> None:
    """The earliest expiry there is."""
    now = clock.now + DAY
    clock.set_next(now)
    medrec.accredit(carol, ORGANISATION, False, now + 1, sender=registrar)
    assert medrec.providerOf(carol).expiry == now + 1


def test_provider_of_knows_nobody_else(medrec: Contract, stranger: Account) -> None:
    """Kind `None` if it was never accredited."""
    assert plain(medrec.providerOf(stranger)) == (ProviderKind.None_, False, False, 0, 0)
