"""revoke()

revoke
├── given the caller may not decide: NotPermitted
├── given a permission: what is left is the next version; PermissionRevoked
│   ├── refused from the next transaction on
│   └── what was lost, and the keyring version: test_keyring_version.py
├── given none, or a revoked one: a tombstone with the next version, so that a grant in a drawer is dead
└── given the last version: it stays there
"""

from ape.api import ProviderAPI

from tests.contracts.support import (
    APPEND,
    DAY,
    DECIDE,
    GENERAL,
    LAST_VERSION,
    PSYCHIATRY,
    READ,
    TREAT,
    YEAR_2100,
    Account,
    Clock,
    Contract,
    Denial,
    Said,
    Terms,
    digest,
    emitted,
    entry,
    not_permitted,
    plain,
    refused,
    said,
    set_slot,
    slot_of,
    terms,
)

NONE = Terms(0, 0, 0, 0, 0, 0)


def revoked(
    patient: Account,
    grantee: Account,
    version: int,
    lost: int = 0,
    keyring_version: int = 0,
    *,
    by: Account | None = None,
) -> Said:
    """The event of a revocation; the patient decided it unless another is named."""
    return said(
        "PermissionRevoked",
        patient=patient,
        grantee=grantee,
        by=by or patient,
        version=version,
        lost=lost,
        keyringVersion=keyring_version,
    )


def test_revoke_leaves_only_the_version(medrec: Contract, alice: Account, hospital: Account) -> None:
    """Ends whatever the grantee was granted: empty masks with a version."""
    medrec.revoke(alice, hospital, sender=alice)
    assert plain(medrec.permissionOf(alice, hospital)) == (NONE, 2)


def test_revoke_emits(medrec: Contract, alice: Account, hospital: Account) -> None:
    """PermissionRevoked names version, loss and the new keyring version."""
    medrec.grant(alice, hospital, terms(read=GENERAL | PSYCHIATRY, append=GENERAL), digest("seal"), 2, sender=alice)
    receipt = medrec.revoke(alice, hospital, sender=alice)
    assert emitted(medrec, receipt) == [revoked(alice, hospital, 3, GENERAL | PSYCHIATRY, 2)]


def test_revoke_works_from_the_next_transaction(
    medrec: Contract, clock: Clock, alice: Account, hospital: Account, nurse: Account
) -> None:
    """Neither the grantee nor its agents append or enter an access; it is no reader."""
    medrec.revoke(alice, hospital, sender=alice)
    for actor in (hospital, nurse):
        with not_permitted(alice, actor, hospital, APPEND, Denial.Revoked):
            medrec.append(alice, hospital, 2, TREAT, entry(), sender=actor)
        with not_permitted(alice, actor, hospital, READ, Denial.Revoked):
            medrec.logAccess(alice, hospital, TREAT, digest("access"), sender=actor)
    assert medrec.readersAt(alice, [hospital], clock.now) == [0]


def test_revoke_leaves_a_tombstone(medrec: Contract, alice: Account, carol: Account) -> None:
    """Works on an absent permission too: a grant which was signed for the next version is dead."""
    receipt = medrec.revoke(alice, carol, sender=alice)
    assert emitted(medrec, receipt) == [revoked(alice, carol, 1)]
    assert plain(medrec.permissionOf(alice, carol)) == (NONE, 1)
    with refused("VersionMismatch", alice, carol, 1, 1):
        medrec.grant(alice, carol, terms(), digest("from a drawer"), 1, sender=alice)


def test_revoke_works_again(medrec: Contract, alice: Account, hospital: Account) -> None:
    """The version rises each time; nothing more is lost."""
    medrec.revoke(alice, hospital, sender=alice)
    receipt = medrec.revoke(alice, hospital, sender=alice)
    assert emitted(medrec, receipt) == [revoked(alice, hospital, 3)]
    assert plain(medrec.permissionOf(alice, hospital)) == (NONE, 3)


def test_revoke_works_for_whoever_it_is(
    medrec: Contract, registrar: Account, alice: Account, hospital: Account, stranger: Account
) -> None:
    """A suspended provider, and an address that nobody knows."""
    medrec.suspend(hospital, sender=registrar)
    medrec.revoke(alice, hospital, sender=alice)
    medrec.revoke(alice, stranger, sender=alice)
    assert (medrec.permissionOf(alice, hospital).version, medrec.permissionOf(alice, stranger).version) == (2, 1)


def test_revoke_works_on_what_has_expired(medrec: Contract, clock: Clock, alice: Account, carol: Account) -> None:
    """It ends nothing that was live, and the version rises."""
    medrec.grant(alice, carol, terms(expiry=clock.now + DAY), digest("seal"), 1, sender=alice)
    clock.set_next(clock.now + 2 * DAY)
    receipt = medrec.revoke(alice, carol, sender=alice)
    assert emitted(medrec, receipt) == [revoked(alice, carol, 2)]


def test_revoke_works_at_the_last_version(
    medrec: Contract, provider: ProviderAPI, alice: Account, hospital: Account
) -> None:
    """At the last version it stays there: revoked for good."""
    word = GENERAL << 192 | GENERAL << 128 | YEAR_2100 << 48 | 1 << 32 | LAST_VERSION
    set_slot(provider, medrec, slot_of("_permissions", alice, hospital), word)
    medrec.append(alice, hospital, 1, TREAT, entry(), sender=hospital)
    receipt = medrec.revoke(alice, hospital, sender=alice)
    assert emitted(medrec, receipt) == [revoked(alice, hospital, LAST_VERSION, GENERAL, 2)]
    assert plain(medrec.permissionOf(alice, hospital)) == (NONE, LAST_VERSION)
    receipt = medrec.revoke(alice, hospital, sender=alice)
    assert emitted(medrec, receipt) == [revoked(alice, hospital, LAST_VERSION)]


def test_revoke_ends_no_other_permission(
    medrec: Contract, alice: Account, bob: Account, hospital: Account, carol: Account
) -> None:
    """Of another grantee, or of the same with another patient."""
    medrec.grant(alice, carol, terms(), digest("seal"), 1, sender=alice)
    medrec.grant(bob, hospital, terms(), digest("seal"), 1, sender=bob)
    medrec.revoke(alice, hospital, sender=alice)
    assert plain(medrec.permissionOf(alice, carol)) == (terms(), 1)
    assert plain(medrec.permissionOf(bob, hospital)) == (terms(), 1)


def test_revoke_refuses_others(
    medrec: Contract, alice: Account, bob: Account, hospital: Account, registrar: Account
) -> None:
    """The caller may decide for the patient; a grantee cannot even resign, nor a registrar revoke."""
    for caller in (bob, hospital, registrar):
        with not_permitted(alice, caller, alice, DECIDE, Denial.NotController):
            medrec.revoke(alice, hospital, sender=caller)


def test_revoke_refuses_for_an_unknown_patient(medrec: Contract, stranger: Account, hospital: Account) -> None:
    """Nobody decides for an id that is not registered."""
    with not_permitted(stranger, stranger, stranger, DECIDE, Denial.PatientUnknown):
        medrec.revoke(stranger, hospital, sender=stranger)


def test_revoke_is_the_wallets(
    medrec: Contract, provider: ProviderAPI, alice: Account, bob: Account, hospital: Account
) -> None:
    """Where another wallet controls the id it decides, and the event names it."""
    set_slot(provider, medrec, slot_of("_patients", alice), int(bob.address, 16))
    with not_permitted(alice, alice, alice, DECIDE, Denial.NotController):
        medrec.revoke(alice, hospital, sender=alice)
    [event] = emitted(medrec, medrec.revoke(alice, hospital, sender=bob))
    assert (event.arguments["patient"], event.arguments["by"]) == (alice, bob)
