"""revokeSigned(): what holds for every signed form is in test_signed_forms.py

revokeSigned, which names the lowest version that it kills
├── given a permission that stands
│   ├── at that version or a later one: PermissionRevoked
│   ├── at the last version: the same, and the version stays
│   └── below it: VersionMismatch
├── given nothing was ever granted
│   ├── version 0 or 1: a tombstone; a grant in a drawer is dead
│   └── above: VersionMismatch
├── given it is revoked already
│   ├── at that version or a later one: done; no event, no version rises
│   ├── one below it: a further tombstone, so that a grant of that version in a drawer is dead
│   └── further below: VersionMismatch
└── given a keyring comes with it
    ├── of the present version: KeyringPublished, then PermissionRevoked
    ├── of another: KeyringSkipped, then PermissionRevoked
    ├── given no compartments: CompartmentsEmpty; nothing is revoked either
    └── given it is revoked already: published if it is still good, else nothing at all
"""

import pytest
from ape.api import ProviderAPI

from tests.contracts.signing import POINTER, Desk
from tests.contracts.support import (
    GENERAL,
    LAST_VERSION,
    Account,
    Contract,
    digest,
    emitted,
    plain,
    refused,
    said,
    set_slot,
    slot_of,
    terms,
    word_of,
)
from tests.contracts.test_revoke import NONE, revoked

SEAL = digest("seal")


def stored(medrec: Contract, patient: Account, grantee: Account) -> tuple[bool, int]:
    """Whether a permission stands, and its version."""
    given, version = plain(medrec.permissionOf(patient, grantee))
    return given != NONE, version


@pytest.mark.parametrize("version", [0, 1])
def test_revokes_that_version(medrec: Contract, desk: Desk, alice: Account, hospital: Account, version: int) -> None:
    """The permission stands at version 1, and everything from 0 or 1 on shall die."""
    receipt = desk.carry_out(desk.revoke(alice, hospital, version=version), alice)
    assert emitted(medrec, receipt) == [revoked(alice, hospital, 2, GENERAL, 2)]
    assert stored(medrec, alice, hospital) == (False, 2)


def test_revokes_a_later_version(medrec: Contract, desk: Desk, alice: Account, hospital: Account) -> None:
    """Nobody escapes by a grant that comes first, be it a relayer's that it held back."""
    form = desk.revoke(alice, hospital)
    medrec.grant(alice, hospital, terms(), SEAL, 2, sender=alice)
    desk.carry_out(desk.grant(alice, hospital, version=3), alice)
    desk.carry_out(form, alice)
    assert stored(medrec, alice, hospital) == (False, 4)


def test_works_until_its_deadline(medrec: Contract, desk: Desk, alice: Account, hospital: Account) -> None:
    """Until then it ends what is granted anew too, each time once: choose an early deadline."""
    form = desk.revoke(alice, hospital)
    desk.carry_out(form, alice)
    medrec.grant(alice, hospital, terms(), SEAL, 3, sender=alice)
    desk.carry_out(form, alice)
    assert stored(medrec, alice, hospital) == (False, 4)


def test_refuses_a_version_that_is_not_there(medrec: Contract, desk: Desk, alice: Account, hospital: Account) -> None:
    """What stands is below the lowest that shall die."""
    for version in (2, 3, LAST_VERSION):
        with refused("VersionMismatch", alice, hospital, 1, version):
            desk.carry_out(desk.revoke(alice, hospital, version=version), alice)
    assert stored(medrec, alice, hospital) == (True, 1)


@pytest.mark.parametrize("version", [0, 1])
def test_leaves_a_tombstone(medrec: Contract, desk: Desk, alice: Account, clinic: Account, version: int) -> None:
    """Nothing was ever granted: a grant in a drawer is dead all the same."""
    receipt = desk.carry_out(desk.revoke(alice, clinic, version=version), alice)
    assert emitted(medrec, receipt) == [revoked(alice, clinic, 1, 0, 0)]
    with refused("VersionMismatch", alice, clinic, 1, 1):
        desk.carry_out(desk.grant(alice, clinic), alice)


def test_a_tombstone_is_one_step(desk: Desk, alice: Account, clinic: Account) -> None:
    """Versions are not skipped."""
    for version in (2, LAST_VERSION):
        with refused("VersionMismatch", alice, clinic, 0, version):
            desk.carry_out(desk.revoke(alice, clinic, version=version), alice)


def test_a_replay_pumps_no_version(medrec: Contract, desk: Desk, alice: Account, hospital: Account) -> None:
    """What is revoked at that version or a later one is done: no error, no event, no change."""
    medrec.revoke(alice, hospital, sender=alice)
    word = word_of(medrec, alice)
    for version in (0, 1, 2):
        assert emitted(medrec, desk.carry_out(desk.revoke(alice, hospital, version=version), alice)) == []
    assert stored(medrec, alice, hospital) == (False, 2)
    assert word_of(medrec, alice) == word


def test_kills_a_grant_in_a_drawer_behind_a_tombstone(
    medrec: Contract, desk: Desk, alice: Account, hospital: Account
) -> None:
    """It is revoked at 2, and a grant that would create 3 was signed and not sent: naming 3 kills it."""
    medrec.revoke(alice, hospital, sender=alice)
    receipt = desk.carry_out(desk.revoke(alice, hospital, version=3), alice)
    assert emitted(medrec, receipt) == [revoked(alice, hospital, 3, 0, 0)]
    with refused("VersionMismatch", alice, hospital, 3, 3):
        desk.carry_out(desk.grant(alice, hospital, version=3), alice)
    with refused("VersionMismatch", alice, hospital, 3, 5):
        desk.carry_out(desk.revoke(alice, hospital, version=5), alice)


@pytest.mark.parametrize("version", [0, 1, LAST_VERSION])
def test_works_at_the_last_version(
    medrec: Contract, desk: Desk, provider: ProviderAPI, alice: Account, hospital: Account, version: int
) -> None:
    """It stays there, revoked for good; then it is done."""
    standing = GENERAL << 192 | (2**40 - 1) << 48 | 1 << 32 | LAST_VERSION
    set_slot(provider, medrec, slot_of("_permissions", alice, hospital), standing)
    form = desk.revoke(alice, hospital, version=version)
    assert emitted(medrec, desk.carry_out(form, alice)) == [revoked(alice, hospital, LAST_VERSION, GENERAL, 2)]
    assert stored(medrec, alice, hospital) == (False, LAST_VERSION)
    assert emitted(medrec, desk.carry_out(form, alice)) == []


def test_revokes_and_rotates(medrec: Contract, desk: Desk, alice: Account, hospital: Account) -> None:
    """The keyring first, which follows the version that its maker read; then the permission is gone."""
    form = desk.revoke(alice, hospital, keyring_version=1, compartments=GENERAL, keyring=POINTER)
    keyring, revocation = emitted(medrec, desk.carry_out(form, alice))
    assert (keyring.name, keyring.arguments["pointer"], keyring.arguments["author"]) == (
        "KeyringPublished",
        POINTER,
        alice,
    )
    assert revocation == revoked(alice, hospital, 2, GENERAL, 3)
    assert medrec.historyOf(alice).keyringVersion == 3


@pytest.mark.parametrize("given", [0, 2, LAST_VERSION])
def test_revokes_where_the_keyring_is_stale(
    medrec: Contract, desk: Desk, alice: Account, hospital: Account, given: int
) -> None:
    """A patient's revocation waits for nothing."""
    form = desk.revoke(alice, hospital, keyring_version=given, compartments=GENERAL, keyring=POINTER)
    assert emitted(medrec, desk.carry_out(form, alice)) == [
        said("KeyringSkipped", patient=alice, current=1, given=given, pointer=POINTER),
        revoked(alice, hospital, 2, GENERAL, 2),
    ]


def test_without_a_keyring_the_rest_says_nothing(
    medrec: Contract, desk: Desk, alice: Account, hospital: Account
) -> None:
    """A pointer of zero: no keyring comes with it."""
    form = desk.revoke(alice, hospital, keyring_version=9, compartments=GENERAL)
    assert emitted(medrec, desk.carry_out(form, alice)) == [revoked(alice, hospital, 2, GENERAL, 2)]


def test_refuses_a_keyring_of_no_compartments(medrec: Contract, desk: Desk, alice: Account, hospital: Account) -> None:
    """Nothing is revoked either, as in the direct form."""
    with refused("CompartmentsEmpty"):
        desk.carry_out(desk.revoke(alice, hospital, keyring_version=1, keyring=POINTER), alice)
    assert stored(medrec, alice, hospital) == (True, 1)


def test_a_replay_with_a_keyring_leaves_no_trace(
    medrec: Contract, desk: Desk, alice: Account, hospital: Account
) -> None:
    """Neither a keyring nor the news that it was skipped."""
    form = desk.revoke(alice, hospital, keyring_version=1, compartments=GENERAL, keyring=POINTER)
    desk.carry_out(form, alice)
    word = word_of(medrec, alice)
    assert emitted(medrec, desk.carry_out(form, alice)) == []
    assert word_of(medrec, alice) == word


def test_a_keyring_that_is_still_good_is_published(
    medrec: Contract, desk: Desk, alice: Account, clinic: Account
) -> None:
    """Somebody else's revocation of what could only append came first, and took no keyring version."""
    medrec.grant(alice, clinic, terms(read=0), SEAL, 1, sender=alice)
    form = desk.revoke(alice, clinic, keyring_version=1, compartments=GENERAL, keyring=POINTER)
    medrec.revoke(alice, clinic, sender=alice)
    [event] = emitted(medrec, desk.carry_out(form, alice))
    assert event.name == "KeyringPublished"
    assert stored(medrec, alice, clinic) == (False, 2)
