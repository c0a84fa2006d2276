"""appendSigned() and logAccessSigned(): the rest is in test_signed_forms.py and test_unauthorised.py

appendSigned, logAccessSigned
├── given another number than the author's next: RelayedMismatch
├── given what makes a direct call impossible: the same error; no number is taken
└── the entry is the author's; its number rises
    ├── one number for both, whatever the patient; nobody else's rises
    ├── it stays through accreditation and suspension; who is no provider has one too
    └── direct calls take none
"""

from typing import Any

import pytest
from ape.api import ProviderAPI

from tests.contracts.signing import POINTER, Desk
from tests.contracts.support import (
    GENERAL,
    ORGANISATION,
    PSYCHIATRY,
    TREAT,
    YEAR_2100,
    Account,
    Contract,
    after_records,
    as_previous,
    digest,
    emitted,
    entry,
    plain,
    refused,
    said,
    set_slot,
    slot_of,
    terms,
    word_of,
)

LAST_NUMBER = 2**64 - 1


def relayed(medrec: Contract, account: Account) -> int:
    """How many of the account's calls were relayed."""
    number: int = medrec.providerOf(account).relayed
    return number


def test_append_signed_is_an_append(
    medrec: Contract, desk: Desk, alice: Account, hospital: Account, nurse: Account
) -> None:
    """By the author, on behalf of whom it acts for."""
    word = word_of(medrec, alice)
    receipt = desk.carry_out(desk.append(alice, nurse, hospital), nurse)
    assert emitted(medrec, receipt) == [
        said(
            "RecordAppended",
            patient=alice,
            author=nurse,
            onBehalfOf=hospital,
            time=receipt.timestamp,
            previous=as_previous(word),
            entry=entry(),
        )
    ]
    assert word_of(medrec, alice) == after_records(word, alice, nurse, hospital, receipt.timestamp, entry())


def test_log_access_signed_is_an_access(
    medrec: Contract, desk: Desk, alice: Account, hospital: Account, nurse: Account
) -> None:
    receipt = desk.carry_out(desk.access(alice, nurse, hospital), nurse)
    assert emitted(medrec, receipt) == [
        said("AccessLogged", patient=alice, actor=nurse, onBehalfOf=hospital, purpose=TREAT, digest=POINTER)
    ]


def test_a_patient_without_ether_writes(medrec: Contract, desk: Desk, alice: Account) -> None:
    """Into its own record; its wallet has a number like any author."""
    desk.carry_out(desk.append(alice, alice), alice)
    assert (medrec.historyOf(alice).length, relayed(medrec, alice)) == (2, 1)


@pytest.mark.parametrize("number", [0, 2, LAST_NUMBER])
def test_refuses_another_number(desk: Desk, alice: Account, hospital: Account, number: int) -> None:
    """`number` is the number of the author's relayed calls so far plus one."""
    for form in (desk.append(alice, hospital, number=number), desk.access(alice, hospital, number=number)):
        with refused("RelayedMismatch", hospital, 0, number):
            desk.carry_out(form, hospital)


def test_one_number_for_both_and_for_all_patients(
    medrec: Contract, desk: Desk, alice: Account, bob: Account, hospital: Account, nurse: Account
) -> None:
    """In the author's order; nobody else's rises, not the principal's either."""
    medrec.grant(bob, hospital, terms(), digest("seal"), 1, sender=bob)
    desk.carry_out(desk.append(alice, nurse, hospital), nurse)
    desk.carry_out(desk.access(bob, nurse, hospital, number=2), nurse)
    desk.carry_out(desk.append(bob, nurse, hospital, number=3), nurse)
    with refused("RelayedMismatch", nurse, 3, 1):
        desk.carry_out(desk.access(alice, nurse, hospital), nurse)
    assert [relayed(medrec, account) for account in (nurse, hospital, alice, bob)] == [3, 0, 0, 0]


def test_who_is_no_provider_has_a_number(
    medrec: Contract, desk: Desk, alice: Account, hospital: Account, nurse: Account
) -> None:
    """An agent without accreditation: kind None, not suspended, and still an agent afterwards."""
    for number in (1, 2):
        desk.carry_out(desk.append(alice, nurse, hospital, number=number), nurse)
    assert plain(medrec.providerOf(nurse)) == (0, False, False, 0, 2)
    medrec.append(alice, hospital, 1, TREAT, entry(), sender=nurse)


def test_a_number_makes_nobody_a_provider(
    medrec: Contract, desk: Desk, alice: Account, carol: Account, registrar: Account
) -> None:
    """Nor one who was never accredited suspendable."""
    medrec.grant(alice, carol, terms(), digest("seal"), 1, sender=alice)
    desk.carry_out(desk.access(alice, carol), carol)
    with refused("UnknownProvider", carol):
        medrec.suspend(carol, sender=registrar)


def test_the_number_stays(medrec: Contract, desk: Desk, alice: Account, hospital: Account, registrar: Account) -> None:
    """Through accreditation, suspension and reinstatement: an older signature never revives."""
    form = desk.append(alice, hospital)
    desk.carry_out(form, hospital)
    medrec.suspend(hospital, sender=registrar)
    medrec.accredit(hospital, ORGANISATION, True, YEAR_2100 + 1, sender=registrar)
    medrec.reinstate(hospital, sender=registrar)
    assert plain(medrec.providerOf(hospital)) == (ORGANISATION, False, True, YEAR_2100 + 1, 1)
    with refused("RelayedMismatch", hospital, 1, 1):
        desk.carry_out(form, hospital)


def test_direct_calls_take_no_number(medrec: Contract, desk: Desk, alice: Account, hospital: Account) -> None:
    """The account's own nonce orders those."""
    medrec.append(alice, hospital, 1, TREAT, entry(), sender=hospital)
    desk.carry_out(desk.append(alice, hospital), hospital)
    assert relayed(medrec, hospital) == 1


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"keyring_version": 2}, ("StaleKeyring", "alice", 1, 2)),
        ({"record": entry(compartments=0)}, ("CompartmentsEmpty",)),
        ({"record": entry(compartments=PSYCHIATRY)}, ("NotPermitted", "alice", "hospital", "hospital", 1, 14)),
        ({"record": entry()._replace(pointer=bytes(32))}, ("PointerEmpty",)),
        ({"record": entry(replaces=9 << 32)}, ("ReplacedUnknown", "alice", 9 << 32, 1)),
        ({"purpose": 7}, ("NotPermitted", "alice", "hospital", "hospital", 1, 15)),
    ],
)
def test_a_refusal_takes_no_number(
    medrec: Contract, desk: Desk, alice: Account, hospital: Account, changed: dict[str, Any], error: tuple[Any, ...]
) -> None:
    """What a direct call is refused for, this is too; the author's next call has the same number."""
    names = {"alice": alice, "hospital": hospital}
    with refused(error[0], *(names.get(value, value) for value in error[1:])):
        desk.carry_out(desk.append(alice, hospital, **changed), hospital)
    assert relayed(medrec, hospital) == 0
    desk.carry_out(desk.append(alice, hospital), hospital)


def test_the_last_number(
    medrec: Contract, desk: Desk, provider: ProviderAPI, alice: Account, hospital: Account
) -> None:
    """It is taken, and none comes behind it; the neighbouring bits are not touched."""
    word = ORGANISATION | YEAR_2100 << 16 | (LAST_NUMBER - 1) << 56
    set_slot(provider, medrec, slot_of("_providers", hospital), word)
    desk.carry_out(desk.append(alice, hospital, number=LAST_NUMBER), hospital)
    assert plain(medrec.providerOf(hospital)) == (ORGANISATION, False, False, YEAR_2100, LAST_NUMBER)
    for number in (0, LAST_NUMBER):
        with refused("RelayedMismatch", hospital, LAST_NUMBER, number):
            desk.carry_out(desk.append(alice, hospital, number=number), hospital)


def test_compartments_are_signed(medrec: Contract, desk: Desk, alice: Account, hospital: Account) -> None:
    """The event has the very entry of the message."""
    record = entry("another", replaces=1 << 32)
    [event] = emitted(medrec, desk.carry_out(desk.append(alice, hospital, record=record), hospital))
    assert event.arguments["entry"] == record
    assert record.compartments == GENERAL
