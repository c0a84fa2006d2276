"""revokeAndRotate()

revokeAndRotate
├── given the caller may not decide: NotPermitted
├── given the keyring version before the call
│   ├── given no compartments: CompartmentsEmpty; no pointer: PointerEmpty; nothing is revoked either
│   ├── KeyringPublished, then PermissionRevoked; the keyring follows the version that its maker read
│   └── the version rises for the keyring, and for the loss, if any
├── given another version: KeyringSkipped, then PermissionRevoked
└── given no version is left: the same
"""

import pytest
from ape.api import ProviderAPI

from tests.contracts.support import (
    DECIDE,
    GENERAL,
    LAST_VERSION,
    PSYCHIATRY,
    Account,
    Contract,
    Denial,
    Kind,
    as_previous,
    digest,
    emitted,
    head_entry,
    next_word,
    not_permitted,
    plain,
    refused,
    said,
    set_slot,
    slot_of,
    word_of,
)
from tests.contracts.test_revoke import NONE, revoked
from tests.vectors.generate_head import reader_lost

POINTER = digest("keyring")


def test_revoke_and_rotate_does_both(medrec: Contract, alice: Account, hospital: Account) -> None:
    """The keyring is bound to the history as its maker read it; then the permission is gone."""
    word = word_of(medrec, alice)
    receipt = medrec.revokeAndRotate(alice, hospital, 1, GENERAL | PSYCHIATRY, POINTER, sender=alice)
    assert emitted(medrec, receipt) == [
        said(
            "KeyringPublished",
            patient=alice,
            author=alice,
            time=receipt.timestamp,
            previous=as_previous(word),
            compartments=GENERAL | PSYCHIATRY,
            pointer=POINTER,
        ),
        revoked(alice, hospital, 2, GENERAL, 3),
    ]
    bound = head_entry(
        Kind.Keyring, alice, alice, receipt.timestamp, compartments=GENERAL | PSYCHIATRY, pointer=POINTER
    )
    assert word_of(medrec, alice) == reader_lost(next_word(word, alice, bound))
    assert medrec.historyOf(alice).keyringVersion == 3
    assert plain(medrec.permissionOf(alice, hospital)) == (NONE, 2)


def test_revoke_and_rotate_where_nothing_is_lost(medrec: Contract, alice: Account, carol: Account) -> None:
    """A tombstone and a keyring: the version rises for the keyring alone."""
    medrec.revokeAndRotate(alice, carol, 1, GENERAL, POINTER, sender=alice)
    assert medrec.historyOf(alice).keyringVersion == 2
    assert plain(medrec.permissionOf(alice, carol)) == (NONE, 1)


@pytest.mark.parametrize("given", [0, 2, 3, LAST_VERSION])
def test_revoke_and_rotate_revokes_where_the_version_has_passed(
    medrec: Contract, alice: Account, hospital: Account, given: int
) -> None:
    """The revocation takes place all the same and KeyringSkipped is emitted; the new version will not do either."""
    word = reader_lost(word_of(medrec, alice))
    receipt = medrec.revokeAndRotate(alice, hospital, given, GENERAL, POINTER, sender=alice)
    assert emitted(medrec, receipt) == [
        said("KeyringSkipped", patient=alice, current=1, given=given, pointer=POINTER),
        revoked(alice, hospital, 2, GENERAL, 2),
    ]
    assert word_of(medrec, alice) == word
    assert plain(medrec.permissionOf(alice, hospital)) == (NONE, 2)


def test_revoke_and_rotate_revokes_where_no_version_is_left(
    medrec: Contract, provider: ProviderAPI, alice: Account, hospital: Account
) -> None:
    """A patient can always revoke: where the keyring has no version to take, it is skipped."""
    set_slot(provider, medrec, slot_of("_histories", alice), 1 << 24 | LAST_VERSION)
    receipt = medrec.revokeAndRotate(alice, hospital, LAST_VERSION, GENERAL, POINTER, sender=alice)
    assert emitted(medrec, receipt) == [
        said("KeyringSkipped", patient=alice, current=LAST_VERSION, given=LAST_VERSION, pointer=POINTER),
        revoked(alice, hospital, 2, GENERAL, LAST_VERSION),
    ]
    assert plain(medrec.historyOf(alice)) == (bytes(25), 1, LAST_VERSION)


def test_revoke_and_rotate_takes_the_last_version(
    medrec: Contract, provider: ProviderAPI, alice: Account, hospital: Account
) -> None:
    """Where one is left the keyring takes it; the loss after it finds none, and takes place all the same."""
    set_slot(provider, medrec, slot_of("_histories", alice), 1 << 24 | LAST_VERSION - 1)
    receipt = medrec.revokeAndRotate(alice, hospital, LAST_VERSION - 1, GENERAL, POINTER, sender=alice)
    assert emitted(medrec, receipt)[1] == revoked(alice, hospital, 2, GENERAL, LAST_VERSION)
    assert plain(medrec.historyOf(alice))[1:] == (2, LAST_VERSION)


@pytest.mark.parametrize(
    ("compartments", "pointer", "error"), [(0, POINTER, "CompartmentsEmpty"), (GENERAL, bytes(32), "PointerEmpty")]
)
def test_revoke_and_rotate_refuses_an_empty_keyring(
    medrec: Contract, alice: Account, hospital: Account, compartments: int, pointer: bytes, error: str
) -> None:
    """`compartments` and `pointer` are not empty, unless the keyring is skipped."""
    with refused(error):
        medrec.revokeAndRotate(alice, hospital, 1, compartments, pointer, sender=alice)
    assert medrec.permissionOf(alice, hospital).version == 1
    medrec.revokeAndRotate(alice, hospital, 0, compartments, pointer, sender=alice)
    assert plain(medrec.permissionOf(alice, hospital)) == (NONE, 2)


def test_revoke_and_rotate_refuses_others(medrec: Contract, alice: Account, bob: Account, hospital: Account) -> None:
    """The caller may decide for the patient."""
    for caller in (bob, hospital):
        with not_permitted(alice, caller, alice, DECIDE, Denial.NotController):
            medrec.revokeAndRotate(alice, hospital, 1, GENERAL, POINTER, sender=caller)


def test_revoke_and_rotate_refuses_for_an_unknown_patient(
    medrec: Contract, stranger: Account, hospital: Account
) -> None:
    """Nobody decides for an id that is not registered."""
    with not_permitted(stranger, stranger, stranger, DECIDE, Denial.PatientUnknown):
        medrec.revokeAndRotate(stranger, hospital, 0, GENERAL, POINTER, sender=stranger)


def test_revoke_and_rotate_is_the_wallets(
    medrec: Contract, provider: ProviderAPI, alice: Account, bob: Account, hospital: Account
) -> None:
    """Where another wallet controls the id, it is the author of the keyring, on behalf of the patient."""
    set_slot(provider, medrec, slot_of("_patients", alice), int(bob.address, 16))
    word = word_of(medrec, alice)
    receipt = medrec.revokeAndRotate(alice, hospital, 1, GENERAL, POINTER, sender=bob)
    keyring, revocation = emitted(medrec, receipt)
    assert (keyring.arguments["author"], revocation.arguments["by"]) == (bob, bob)
    bound = head_entry(Kind.Keyring, bob, alice, receipt.timestamp, compartments=GENERAL, pointer=POINTER)
    assert word_of(medrec, alice) == reader_lost(next_word(word, alice, bound))
