"""grant(), permissionOf()

grant
├── given the caller may not decide: NotPermitted (PatientUnknown, NotController)
├── given the grantee is zero: ZeroAddress; the patient id or its wallet: SelfGrant
├── given neither reading nor appending: CompartmentsEmpty
├── given no purpose: PurposesEmpty
├── given a flag but HISTORY and MANAGE (test_representatives.py): FlagsNotSupported
├── given the expiry is not in the future, or not behind `notBefore`: WindowInvalid
├── given the version is not the stored one plus one: VersionMismatch
│   └── at the last version there is none
└── else
    ├── the terms are stored as they are, at their largest too, in place of earlier ones
    ├── PermissionGranted, with what was lost (test_keyring_version.py)
    └── no other permission and no counter of the patient moves
"""

from typing import Any

import pytest
from ape.api import ProviderAPI

from tests.contracts.support import (
    ALL,
    DAY,
    DECIDE,
    EMERGENCY,
    GENERAL,
    HISTORY,
    LAST_SECOND,
    LAST_VERSION,
    MANAGE,
    PSYCHIATRY,
    YEAR_2100,
    ZERO,
    Account,
    Clock,
    Contract,
    Denial,
    Terms,
    call_with_words,
    digest,
    emitted,
    not_permitted,
    plain,
    refused,
    said,
    set_slot,
    slot_of,
    terms,
    unencodable,
)

SEAL = digest("seal")
NONE = Terms(0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "given",
    [
        terms(),
        terms(read=0),
        terms(append=0, flags=HISTORY),
        terms(read=1, append=1 << 63, purposes=1 << 15),
        Terms(ALL, ALL, LAST_SECOND - 1, LAST_SECOND, 2**16 - 1, HISTORY),
        Terms(PSYCHIATRY, GENERAL, YEAR_2100 - 7, YEAR_2100, 0x8421, 0),
    ],
)
def test_grant_stores_the_terms(medrec: Contract, alice: Account, carol: Account, given: Terms) -> None:
    """All 64 compartments, all purposes, the last second: what is granted is what is stored."""
    medrec.grant(alice, carol, given, SEAL, 1, sender=alice)
    assert plain(medrec.permissionOf(alice, carol)) == (given, 1)


def test_grant_emits(medrec: Contract, alice: Account, carol: Account) -> None:
    """PermissionGranted says all of it; nothing was lost."""
    given = Terms(PSYCHIATRY, GENERAL, 5, YEAR_2100, 0x8421, HISTORY)
    receipt = medrec.grant(alice, carol, given, SEAL, 1, sender=alice)
    assert emitted(medrec, receipt) == [
        said(
            "PermissionGranted",
            patient=alice,
            grantee=carol,
            by=alice,
            version=1,
            terms=given,
            seal=SEAL,
            lost=0,
            keyringVersion=0,
        )
    ]


def test_grant_replaces_what_was_granted(medrec: Contract, alice: Account, hospital: Account) -> None:
    """In place of the terms that it had: nothing of them is left."""
    given = Terms(GENERAL | PSYCHIATRY, 0, 0, YEAR_2100 + 9, 0b1000, 0)
    medrec.grant(alice, hospital, given, SEAL, 2, sender=alice)
    assert plain(medrec.permissionOf(alice, hospital)) == (given, 2)


def test_grant_says_what_is_lost(medrec: Contract, alice: Account, hospital: Account) -> None:
    """The event names the compartments that the grantee could read and the new keyring version."""
    medrec.grant(alice, hospital, terms(read=GENERAL | PSYCHIATRY), SEAL, 2, sender=alice)
    receipt = medrec.grant(alice, hospital, terms(read=GENERAL), SEAL, 3, sender=alice)
    [event] = emitted(medrec, receipt)
    assert (event.arguments["lost"], event.arguments["keyringVersion"]) == (PSYCHIATRY, 2)
    assert medrec.historyOf(alice).keyringVersion == 2


def test_grant_needs_no_seal(medrec: Contract, alice: Account, carol: Account) -> None:
    """The seal is zero if none comes with it."""
    receipt = medrec.grant(alice, carol, terms(), bytes(32), 1, sender=alice)
    assert emitted(medrec, receipt)[0].arguments["seal"] == bytes(32)


def test_grant_moves_nothing_else(
    medrec: Contract, alice: Account, bob: Account, hospital: Account, carol: Account
) -> None:
    """Not another grantee's permission, not the same grantee's with another patient, not the patient's counters."""

    def others() -> list[Any]:
        pairs = ((alice, hospital), (bob, carol), (carol, alice))
        views = (medrec.patientOf(alice), medrec.historyOf(alice))
        return [plain(medrec.permissionOf(*pair)) for pair in pairs] + [plain(view) for view in views]

    before = others()
    medrec.grant(alice, carol, terms(), SEAL, 1, sender=alice)
    assert others() == before


def test_grant_asks_for_no_accreditation(medrec: Contract, alice: Account, stranger: Account) -> None:
    """Standing is checked when it matters: at use."""
    medrec.grant(alice, stranger, terms(), SEAL, 1, sender=alice)
    assert medrec.permissionOf(alice, stranger).version == 1


# --------------------------------------------------------------------------------------------------- the caller decides


def test_grant_refuses_others(
    medrec: Contract, alice: Account, bob: Account, hospital: Account, carol: Account
) -> None:
    """The caller may decide for the patient; the grantee does not."""
    for caller in (bob, hospital, carol):
        with not_permitted(alice, caller, alice, DECIDE, Denial.NotController):
            medrec.grant(alice, carol, terms(), SEAL, 1, sender=caller)


def test_grant_refuses_for_an_unknown_patient(medrec: Contract, stranger: Account, carol: Account) -> None:
    """Nobody decides for an id that is not registered, not even the address itself."""
    with not_permitted(stranger, stranger, stranger, DECIDE, Denial.PatientUnknown):
        medrec.grant(stranger, carol, terms(), SEAL, 1, sender=stranger)


def test_grant_is_the_wallets_and_not_the_ids(
    medrec: Contract, provider: ProviderAPI, alice: Account, bob: Account, carol: Account
) -> None:
    """Where another wallet controls the id it decides, and events name it."""
    set_slot(provider, medrec, slot_of("_patients", alice), int(bob.address, 16))
    with not_permitted(alice, alice, alice, DECIDE, Denial.NotController):
        medrec.grant(alice, carol, terms(), SEAL, 1, sender=alice)
    receipt = medrec.grant(alice, carol, terms(), SEAL, 1, sender=bob)
    [event] = emitted(medrec, receipt)
    assert (event.arguments["patient"], event.arguments["by"]) == (alice, bob)
    for grantee in (alice, bob):
        with refused("SelfGrant", alice):
            medrec.grant(alice, grantee, terms(), SEAL, 1, sender=bob)


# ---------------------------------------------------------------------------------------------------- grantee and terms


def test_grant_refuses_zero(medrec: Contract, alice: Account) -> None:
    """`grantee` is not zero."""
    with refused("ZeroAddress"):
        medrec.grant(alice, ZERO, terms(), SEAL, 1, sender=alice)


def test_grant_refuses_the_patient(medrec: Contract, alice: Account) -> None:
    """`grantee` is not the patient id."""
    with refused("SelfGrant", alice):
        medrec.grant(alice, alice, terms(), SEAL, 1, sender=alice)


def test_grant_takes_another_patient(medrec: Contract, alice: Account, bob: Account) -> None:
    """A patient may be a relative of another."""
    medrec.grant(alice, bob, terms(), SEAL, 1, sender=alice)
    assert medrec.permissionOf(alice, bob).version == 1


def test_grant_refuses_no_compartment(medrec: Contract, alice: Account, carol: Account) -> None:
    """`terms` name at least one compartment."""
    with refused("CompartmentsEmpty"):
        medrec.grant(alice, carol, terms(read=0, append=0), SEAL, 1, sender=alice)


def test_grant_refuses_no_purpose(medrec: Contract, alice: Account, carol: Account) -> None:
    """`terms` name at least one purpose."""
    with refused("PurposesEmpty"):
        medrec.grant(alice, carol, terms(purposes=0), SEAL, 1, sender=alice)


@pytest.mark.parametrize("flags", [EMERGENCY, EMERGENCY | MANAGE, EMERGENCY | HISTORY, 8, 16, 32, 64, 128, 255])
def test_grant_refuses_reserved_flags(medrec: Contract, alice: Account, carol: Account, flags: int) -> None:
    """`terms` carry no flag but HISTORY and MANAGE."""
    with refused("FlagsNotSupported", flags):
        medrec.grant(alice, carol, terms(flags=flags), SEAL, 1, sender=alice)


@pytest.mark.parametrize("seconds", [-DAY, -1, 0])
def test_grant_refuses_an_expiry_that_has_passed(
    medrec: Contract, clock: Clock, alice: Account, carol: Account, seconds: int
) -> None:
    """`terms.expiry` lies in the future: the second of the block does not."""
    now = clock.now + 2 * DAY
    clock.set_next(now)
    with refused("WindowInvalid", 0, now + seconds):
        medrec.grant(alice, carol, terms(expiry=now + seconds), SEAL, 1, sender=alice)


def test_grant_takes_the_next_second(medrec: Contract, clock: Clock, alice: Account, carol: Account) -> None:
    """The shortest permission there is."""
    now = clock.now + DAY
    clock.set_next(now)
    medrec.grant(alice, carol, terms(expiry=now + 1), SEAL, 1, sender=alice)
    assert medrec.permissionOf(alice, carol).terms.expiry == now + 1


@pytest.mark.parametrize("seconds", [0, 1])
def test_grant_refuses_a_window_that_is_empty(medrec: Contract, alice: Account, carol: Account, seconds: int) -> None:
    """`terms.expiry` lies behind `terms.notBefore`."""
    with refused("WindowInvalid", YEAR_2100 + seconds, YEAR_2100):
        medrec.grant(alice, carol, terms(not_before=YEAR_2100 + seconds), SEAL, 1, sender=alice)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("read", 2**64),
        ("append", 2**64),
        ("not_before", 2**40),
        ("expiry", 2**40),
        ("purposes", 2**16),
        ("flags", 2**8),
    ],
)
def test_grant_refuses_what_does_not_fit(
    medrec: Contract, alice: Account, carol: Account, field: str, value: int
) -> None:
    """A field that is too large is no encoding; it does not run into its neighbour."""
    call_with_words(medrec, alice, "grant", alice, carol, *terms(), SEAL, 1)
    with unencodable():
        call_with_words(medrec, alice, "grant", alice, carol, *terms()._replace(**{field: value}), SEAL, 1)


# ------------------------------------------------------------------------------------------------------------- versions


@pytest.mark.parametrize("version", [0, 1, 3, LAST_VERSION])
def test_grant_refuses_another_version(medrec: Contract, alice: Account, hospital: Account, version: int) -> None:
    """`version` is the stored version plus one: not the stored one again, nor any later."""
    with refused("VersionMismatch", alice, hospital, 1, version):
        medrec.grant(alice, hospital, terms(), SEAL, version, sender=alice)


def test_grant_begins_with_version_one(medrec: Contract, alice: Account, carol: Account) -> None:
    """Version 0 means that nothing was ever granted or revoked."""
    assert plain(medrec.permissionOf(alice, carol)) == (NONE, 0)
    for version in (0, 2):
        with refused("VersionMismatch", alice, carol, 0, version):
            medrec.grant(alice, carol, terms(), SEAL, version, sender=alice)


def test_grant_follows_a_revocation(medrec: Contract, alice: Account, hospital: Account) -> None:
    """The version of the revocation counts: what was signed for it before is dead."""
    medrec.revoke(alice, hospital, sender=alice)
    with refused("VersionMismatch", alice, hospital, 2, 2):
        medrec.grant(alice, hospital, terms(), SEAL, 2, sender=alice)
    medrec.grant(alice, hospital, terms(), SEAL, 3, sender=alice)
    assert plain(medrec.permissionOf(alice, hospital)) == (terms(), 3)


def test_grant_reaches_the_last_version_and_no_further(
    medrec: Contract, provider: ProviderAPI, alice: Account, carol: Account
) -> None:
    """Versions do not start again: a grant for a version that was would come back to life."""
    set_slot(provider, medrec, slot_of("_permissions", alice, carol), LAST_VERSION - 1)
    medrec.grant(alice, carol, terms(), SEAL, LAST_VERSION, sender=alice)
    assert plain(medrec.permissionOf(alice, carol)) == (terms(), LAST_VERSION)
    for version in (0, 1, LAST_VERSION):
        with refused("VersionMismatch", alice, carol, LAST_VERSION, version):
            medrec.grant(alice, carol, terms(), SEAL, version, sender=alice)
