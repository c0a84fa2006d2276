"""When the keyring version rises

It rises by one
├── with each keyring (test_publish_keyring.py)
└── with each decision after which a grantee's live reading mask has lost a bit, and the event names what was lost
    ├── not where only appending, a purpose or later seconds are lost
    ├── not where the permission had not begun or had ended, was revoked or absent
    └── at the last version it stays, and the decision takes place
It does not move with records, manifests, suspensions, or decisions about other patients.
"""

from typing import NamedTuple

import pytest
from ape.api import ProviderAPI, ReceiptAPI

from tests.contracts.support import (
    ALL,
    DAY,
    GENERAL,
    HISTORY,
    LAST_VERSION,
    PSYCHIATRY,
    RESEARCH,
    TREAT,
    YEAR_2100,
    Account,
    Clock,
    Contract,
    Item,
    Terms,
    digest,
    emitted,
    entry,
    plain,
    rehearsed,
    set_slot,
    slot_of,
    terms,
)

SEAL = digest("seal")
BOTH = GENERAL | PSYCHIATRY


class Case(NamedTuple):
    """A permission, what the patient decides next (`None`: to revoke), and what is lost."""

    before: Terms | None
    after: Terms | None
    lost: int


CASES = {
    "a first grant": Case(None, terms(read=ALL), 0),
    "a tombstone": Case(None, None, 0),
    "a renewal": Case(terms(), terms(expiry=YEAR_2100 + 1), 0),
    "a wider mask": Case(terms(read=GENERAL), terms(read=BOTH), 0),
    "a narrower mask": Case(terms(read=BOTH), terms(read=GENERAL), PSYCHIATRY),
    "another mask": Case(terms(read=GENERAL), terms(read=PSYCHIATRY), GENERAL),
    "the first and the last compartment": Case(terms(read=ALL), terms(read=ALL >> 1 & ~1), 1 | 1 << 63),
    "appending only from now on": Case(terms(read=BOTH), terms(read=0), BOTH),
    "less appending": Case(terms(append=BOTH), terms(append=0), 0),
    "another purpose": Case(terms(), terms(purposes=1 << RESEARCH), 0),
    "history no more": Case(terms(flags=HISTORY), terms(), 0),
    "an earlier end": Case(terms(), terms(expiry=YEAR_2100 - 1), 0),
    "a beginning that lies ahead": Case(terms(read=BOTH), terms(read=ALL, not_before=YEAR_2100 - 1), BOTH),
    "what had not begun, granted anew": Case(terms(not_before=YEAR_2100 - 1), terms(read=PSYCHIATRY), 0),
    "what had not begun, revoked": Case(terms(not_before=YEAR_2100 - 1), None, 0),
    "what could be read, revoked": Case(terms(read=BOTH), None, BOTH),
    "what could only be appended, revoked": Case(terms(read=0), None, 0),
}


def decide(medrec: Contract, patient: Account, grantee: Account, given: Terms | None, version: int) -> ReceiptAPI:
    """Grant the terms as that version, or revoke."""
    if given is None:
        return medrec.revoke(patient, grantee, sender=patient)
    return medrec.grant(patient, grantee, given, SEAL, version, sender=patient)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_keyring_version_rises_exactly_where_a_reading_right_is_lost(
    medrec: Contract, alice: Account, carol: Account, case: Case
) -> None:
    """By one, and the event names the compartments and the new version; else it names neither."""
    version = 0
    if case.before is not None:
        decide(medrec, alice, carol, case.before, 1)
        version = 1
    receipt = decide(medrec, alice, carol, case.after, version + 1)
    [event] = emitted(medrec, receipt)
    assert event.arguments["lost"] == case.lost
    assert event.arguments["keyringVersion"] == (2 if case.lost else 0)
    assert plain(medrec.historyOf(alice))[1:] == (1, 2 if case.lost else 1)


@pytest.mark.parametrize("after", [None, terms(read=PSYCHIATRY)], ids=["revoke", "grant"])
@pytest.mark.parametrize(("second", "live"), [("not_before", 1), ("expiry", 0)])
def test_keyring_version_counts_a_permission_while_it_is_live(
    medrec: Contract,
    provider: ProviderAPI,
    clock: Clock,
    alice: Account,
    carol: Account,
    after: Terms | None,
    second: str,
    live: int,
) -> None:
    """From the first second to the last; not the second before, nor the second after."""
    begin = clock.now + DAY
    given = terms(not_before=begin, expiry=begin + DAY)
    medrec.grant(alice, carol, given, SEAL, 1, sender=alice)
    time = getattr(given, second)
    with rehearsed(provider):
        clock.set_next(time - 1)
        [event] = emitted(medrec, decide(medrec, alice, carol, after, 2))
        assert event.arguments["lost"] == GENERAL * (1 - live)
    clock.set_next(time)
    [event] = emitted(medrec, decide(medrec, alice, carol, after, 2))
    assert event.arguments["lost"] == GENERAL * live


@pytest.mark.parametrize(("seconds", "lost"), [(0, 0), (1, GENERAL)])
def test_keyring_version_counts_new_terms_from_their_first_second(
    medrec: Contract, clock: Clock, alice: Account, hospital: Account, seconds: int, lost: int
) -> None:
    """Terms that begin in the same second take nothing away; those that begin a second later do."""
    now = clock.now + DAY
    clock.set_next(now)
    receipt = medrec.grant(alice, hospital, terms(not_before=now + seconds), SEAL, 2, sender=alice)
    assert emitted(medrec, receipt)[0].arguments["lost"] == lost


def test_keyring_version_rises_where_the_reader_was_suspended(
    medrec: Contract, registrar: Account, alice: Account, hospital: Account
) -> None:
    """It may have its keys still, and may be reinstated."""
    medrec.suspend(hospital, sender=registrar)
    receipt = medrec.revoke(alice, hospital, sender=alice)
    assert emitted(medrec, receipt)[0].arguments["lost"] == GENERAL
    assert medrec.historyOf(alice).keyringVersion == 2


def test_keyring_version_keeps_head_and_length(medrec: Contract, alice: Account, hospital: Account) -> None:
    """A lost reader is no entry: it is bound by the next entry's hash, which covers the version."""
    medrec.append(alice, hospital, 1, TREAT, entry(), sender=hospital)
    head, length, _ = plain(medrec.historyOf(alice))
    medrec.revoke(alice, hospital, sender=alice)
    assert plain(medrec.historyOf(alice)) == (head, length, 2)


@pytest.mark.parametrize("current", [LAST_VERSION - 1, LAST_VERSION])
@pytest.mark.parametrize("after", [None, terms(read=0)], ids=["revoke", "grant"])
def test_keyring_version_stays_at_the_last(
    medrec: Contract, provider: ProviderAPI, alice: Account, hospital: Account, current: int, after: Terms | None
) -> None:
    """Revoking and narrowing must always work; length and head are not touched."""
    set_slot(provider, medrec, slot_of("_histories", alice), 0xABCDEF << 56 | 7 << 24 | current)
    receipt = decide(medrec, alice, hospital, after, 2)
    [event] = emitted(medrec, receipt)
    assert (event.arguments["lost"], event.arguments["keyringVersion"]) == (GENERAL, LAST_VERSION)
    assert plain(medrec.historyOf(alice)) == ((0xABCDEF).to_bytes(25, "big"), 7, LAST_VERSION)


def test_keyring_version_does_not_move_otherwise(
    medrec: Contract, registrar: Account, alice: Account, bob: Account, hospital: Account
) -> None:
    """Not with records, manifests or suspensions; nor with another patient's decisions."""
    medrec.grant(bob, hospital, terms(), SEAL, 1, sender=bob)
    medrec.append(alice, hospital, 1, TREAT, entry(), sender=hospital)
    medrec.appendMany(alice, hospital, 1, TREAT, [entry(), entry("second")], False, sender=hospital)
    medrec.appendToMany(hospital, TREAT, [Item(alice, 1, entry())], False, sender=hospital)
    medrec.publishMoved(alice, 1, GENERAL, digest("moved"), sender=alice)
    medrec.publishErased(alice, 2, GENERAL, digest("erased"), sender=alice)
    medrec.revoke(bob, hospital, sender=bob)
    medrec.suspend(hospital, sender=registrar)
    assert plain(medrec.historyOf(alice))[1:] == (7, 1)
