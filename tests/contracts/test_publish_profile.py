"""publishProfile(), profileOf()

publishProfile
├── sets the caller's digest, and nobody else's
├── replaces an earlier one
├── zero withdraws it
└── ProfilePublished
"""

import pytest

from tests.contracts.support import Account, Contract, digest, emitted, said

NONE = bytes(32)


def test_publish_profile_sets_the_digest(medrec: Contract, hospital: Account) -> None:
    """The digest is the caller's."""
    medrec.publishProfile(digest("profile"), sender=hospital)
    assert medrec.profileOf(hospital) == digest("profile")


@pytest.mark.parametrize("value", [digest("profile"), NONE])
def test_publish_profile_emits(medrec: Contract, hospital: Account, value: bytes) -> None:
    """ProfilePublished names the account, who decided and the digest, zero too."""
    receipt = medrec.publishProfile(value, sender=hospital)
    assert emitted(medrec, receipt) == [said("ProfilePublished", account=hospital, by=hospital, digest=value)]


def test_publish_profile_replaces(medrec: Contract, hospital: Account) -> None:
    """A later profile takes the place of an earlier one."""
    medrec.publishProfile(digest("first"), sender=hospital)
    medrec.publishProfile(digest("second"), sender=hospital)
    assert medrec.profileOf(hospital) == digest("second")


def test_publish_profile_of_zero_withdraws(medrec: Contract, hospital: Account) -> None:
    """Zero withdraws the profile."""
    medrec.publishProfile(digest("profile"), sender=hospital)
    medrec.publishProfile(NONE, sender=hospital)
    assert medrec.profileOf(hospital) == NONE


def test_publish_profile_cannot_touch_another_account(medrec: Contract, hospital: Account, stranger: Account) -> None:
    """Nobody else can set it."""
    medrec.publishProfile(digest("profile"), sender=hospital)
    medrec.publishProfile(digest("another"), sender=stranger)
    assert medrec.profileOf(hospital) == digest("profile")


def test_profile_of_is_zero_at_first(medrec: Contract, stranger: Account) -> None:
    """Zero if the account has none."""
    assert medrec.profileOf(stranger) == NONE
