"""grantSigned(): what holds for every signed form is in test_signed_forms.py

grantSigned
├── given what makes a direct grant impossible: the same error
├── given the version that it creates is not the next
│   ├── given the stored permission is exactly what it would write: done; no event, nothing changes
│   └── else VersionMismatch: overtaken by another grant, direct or signed, or by a revocation
└── given it is the next: PermissionGranted, by the signer; the keyring version as in a direct grant
"""

from typing import Any

import pytest

from tests.contracts.signing import SEAL, Desk
from tests.contracts.support import (
    EMERGENCY,
    GENERAL,
    PSYCHIATRY,
    YEAR_2100,
    ZERO,
    Account,
    Contract,
    Terms,
    digest,
    emitted,
    plain,
    refused,
    said,
    terms,
    word_of,
)


def test_grant_signed_is_a_grant(medrec: Contract, desk: Desk, alice: Account, clinic: Account) -> None:
    """Every member arrives in its place."""
    given = Terms(PSYCHIATRY, GENERAL, 5, YEAR_2100, 0b1000_0001, 1)
    receipt = desk.carry_out(desk.grant(alice, clinic, given, seal=digest("this seal")), alice)
    assert emitted(medrec, receipt) == [
        said(
            "PermissionGranted",
            patient=alice,
            grantee=clinic,
            by=alice,
            version=1,
            terms=given,
            seal=digest("this seal"),
            lost=0,
            keyringVersion=0,
        )
    ]
    assert plain(medrec.permissionOf(alice, clinic)) == (given, 1)


def test_narrowing_raises_the_keyring_version(medrec: Contract, desk: Desk, alice: Account, hospital: Account) -> None:
    """As in a direct grant."""
    [event] = emitted(medrec, desk.carry_out(desk.grant(alice, hospital, terms(read=0), version=2), alice))
    assert (event.arguments["lost"], event.arguments["keyringVersion"]) == (GENERAL, 2)


def test_an_identical_front_run_is_done(medrec: Contract, desk: Desk, alice: Account, clinic: Account) -> None:
    """Whoever sends it second finds it done: no error, no event, no change. It does not matter how it came there."""
    form = desk.grant(alice, clinic)
    for first in ("signed", "direct"):
        version = medrec.permissionOf(alice, clinic).version + 1
        form = desk.grant(alice, clinic, version=version)
        if first == "signed":
            desk.carry_out(form, alice)
        else:
            medrec.grant(alice, clinic, terms(), SEAL, version, sender=alice)
        word = word_of(medrec, alice)
        assert emitted(medrec, desk.carry_out(form, alice)) == []
        assert plain(medrec.permissionOf(alice, clinic)) == (terms(), version)
        assert word_of(medrec, alice) == word


@pytest.mark.parametrize(
    "other",
    [terms(read=PSYCHIATRY), terms(append=0), terms(not_before=1), terms(expiry=YEAR_2100 - 1), terms(purposes=2)],
)
def test_done_is_what_is_the_same_in_everything(
    medrec: Contract, desk: Desk, alice: Account, clinic: Account, other: Terms
) -> None:
    """Another permission of the same version is not this one."""
    medrec.grant(alice, clinic, other, SEAL, 1, sender=alice)
    with refused("VersionMismatch", alice, clinic, 1, 1):
        desk.carry_out(desk.grant(alice, clinic), alice)


def test_the_direct_form_says_that_it_came_second(medrec: Contract, alice: Account, hospital: Account) -> None:
    """Only signed decisions may come twice."""
    with refused("VersionMismatch", alice, hospital, 1, 1):
        medrec.grant(alice, hospital, terms(), SEAL, 1, sender=alice)


@pytest.mark.parametrize("version", [0, 1, 3, 2**24 - 1])
def test_refuses_another_version(desk: Desk, alice: Account, hospital: Account, version: int) -> None:
    """`version` is the stored version plus one."""
    with refused("VersionMismatch", alice, hospital, 1, version):
        desk.carry_out(desk.grant(alice, hospital, terms(append=0), version=version), alice)


def test_a_revocation_kills_what_lies_in_a_drawer(
    medrec: Contract, desk: Desk, alice: Account, hospital: Account, clinic: Account
) -> None:
    """A grant that was signed and not sent is dead once its version was taken, also where nothing had been granted."""
    renewal, first = desk.grant(alice, hospital, version=2), desk.grant(alice, clinic)
    medrec.revoke(alice, hospital, sender=alice)
    medrec.revoke(alice, clinic, sender=alice)
    for form, grantee, current in ((renewal, hospital, 2), (first, clinic, 1)):
        with refused("VersionMismatch", alice, grantee, current, form.version):
            desk.carry_out(form, alice)


def test_a_grant_comes_back_by_no_replay(medrec: Contract, desk: Desk, alice: Account, clinic: Account) -> None:
    """After the revocation of what it gave."""
    form = desk.grant(alice, clinic)
    desk.carry_out(form, alice)
    medrec.revoke(alice, clinic, sender=alice)
    with refused("VersionMismatch", alice, clinic, 2, 1):
        desk.carry_out(form, alice)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"grantee": ZERO}, ("ZeroAddress",)),
        ({"grantee": "alice"}, ("SelfGrant", "alice")),
        ({"terms": terms(read=0, append=0)}, ("CompartmentsEmpty",)),
        ({"terms": terms(purposes=0)}, ("PurposesEmpty",)),
        ({"terms": terms(flags=EMERGENCY)}, ("FlagsNotSupported", EMERGENCY)),
        ({"terms": terms(expiry=1)}, ("WindowInvalid", 0, 1)),
    ],
)
def test_refuses_what_a_direct_grant_refuses(
    desk: Desk, alice: Account, clinic: Account, changed: dict[str, Any], error: tuple[Any, ...]
) -> None:
    """A signature makes no bad grant good."""
    names = {"alice": alice}
    grantee = changed.get("grantee", clinic)
    form = desk.grant(alice, names.get(grantee, grantee) if isinstance(grantee, str) else grantee, changed.get("terms"))
    with refused(error[0], *(names.get(value, value) for value in error[1:])):
        desk.carry_out(form, alice)
