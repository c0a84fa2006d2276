"""setGuardians(), guardianshipOf(): the signed form's rest is in test_signed_forms.py

setGuardians
├── given the caller does not control the patient: NotPermitted (test_unauthorised.py, test_representatives.py)
├── given another number than the next decision's: DecisionMismatch, also after another decision that took it
├── given there is no set that counts: GuardiansSet, at once; whatever is shown of a present one
├── given there is one
│   ├── and another delay or another rest is shown: GuardiansMismatch; also those of a set that does not count yet
│   └── and its own are shown: GuardiansSet, and the new one counts after the delay of the old one, in that very second
│       ├── nothing counts in between but the old one
│       ├── another change meanwhile takes its place, and waits anew, however often
│       ├── no set takes a place as any other does; then the next one counts at once
│       └── a delay beyond the clock's end is refused and wraps nothing
├── the decision counter rises by one; no other patient's guardians move
└── given a patient without guardians: guardianshipOf is empty, and nothing else differs
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec_py.crypto.guardian_set import MAX_DELAY, MIN_DELAY, GuardianSet
from tests.contracts.guardians import DELAY, NO_SET, Begun, Guardians, set_guardians
from tests.contracts.signing import POINTER, Desk, address, sign
from tests.contracts.support import (
    DAY,
    GENERAL,
    LAST_SECOND,
    ZERO,
    Account,
    Clock,
    Contract,
    call_with_words,
    digest,
    emitted,
    overflowing,
    plain,
    refused,
    said,
    unencodable,
)


@pytest.fixture
def old(bob: Account, clinic: Account, doctor: Account) -> Guardians:
    return Guardians((bob, clinic, doctor))


@pytest.fixture
def new(carol: Account, nurse: Account) -> Guardians:
    return Guardians((carol, nurse), threshold=1, delay=DAY, salt=digest("another salt"))


@given(
    delay=st.integers(MIN_DELAY, MAX_DELAY),
    salt=st.binary(min_size=32, max_size=32),
    members=st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=16, unique=True),
)
def test_the_sdk_makes_the_same_commitment(delay: int, salt: bytes, members: list[bytes]) -> None:
    """Of words of 32 bytes, as docs/format.md §13 says."""
    made = GuardianSet(delay, salt, len(members), tuple(members))
    mine = Guardians(tuple(f"0x{one.hex()}" for one in members), len(members), delay, salt)
    assert (made.rest, made.commitment) == (mine.rest, mine.commitment)


def test_a_patient_without_guardians(medrec: Contract, alice: Account, stranger: Account) -> None:
    """Nothing is there, as for an id that nobody registered."""
    for account in (alice, stranger):
        assert plain(medrec.guardianshipOf(account)) == (NO_SET, NO_SET, 0, 0, ZERO, 0, 0)


def test_set_guardians_emits(medrec: Contract, desk: Desk, alice: Account, old: Guardians) -> None:
    """GuardiansSet, by the wallet, with the first second at which the set counts: none, since it counts at once."""
    receipt = set_guardians(desk, alice, old)
    assert emitted(medrec, receipt) == [
        said(
            "GuardiansSet",
            patient=alice,
            by=alice,
            guardians=old.commitment,
            document=POINTER,
            **{"from": 0},
        )
    ]


def test_the_first_set_counts_at_once(
    medrec: Contract, desk: Desk, alice: Account, bob: Account, old: Guardians
) -> None:
    """There is nobody whose time it would take; no other patient's move."""
    set_guardians(desk, alice, old)
    stored = (NO_SET, old.commitment, 0, 0, ZERO, 0, 0)
    assert plain(medrec.guardianshipOf(alice)) == stored
    assert plain(medrec.guardianshipOf(bob)) == (NO_SET, NO_SET, 0, 0, ZERO, 0, 0)
    Begun(desk, alice, bob, old).send()


def test_the_first_set_shows_nothing(medrec: Contract, alice: Account, old: Guardians) -> None:
    """What is said of a present set is not looked at where there is none."""
    medrec.setGuardians(alice, 1, LAST_SECOND, digest("anything"), old.commitment, bytes(32), sender=alice)
    assert medrec.guardianshipOf(alice).next == old.commitment


def test_the_decision_counter_rises(medrec: Contract, desk: Desk, alice: Account, old: Guardians) -> None:
    """By one; wallet and flags stay."""
    set_guardians(desk, alice, old)
    assert plain(medrec.patientOf(alice)) == (alice.address, 1, 0)


@pytest.mark.parametrize("decision", [0, 2])
def test_refuses_another_decision(medrec: Contract, alice: Account, old: Guardians, decision: int) -> None:
    """`decision` is the patient's decision counter plus one."""
    with refused("DecisionMismatch", alice, 0, decision):
        medrec.setGuardians(alice, decision, 0, bytes(32), old.commitment, POINTER, sender=alice)


def test_other_decisions_take_the_same_numbers(medrec: Contract, desk: Desk, alice: Account, old: Guardians) -> None:
    """What was signed before one of them is dead."""
    form = desk.set_guardians(alice, old.commitment)
    medrec.publishMoved(alice, 1, GENERAL, POINTER, sender=alice)
    with refused("DecisionMismatch", alice, 1, 1):
        desk.carry_out(form, alice)
    desk.carry_out(desk.set_guardians(alice, old.commitment, decision=2), alice)
    with refused("DecisionMismatch", alice, 2, 2):
        medrec.publishMoved(alice, 2, GENERAL, POINTER, sender=alice)


def test_refuses_a_change_that_does_not_show_the_present_set(
    medrec: Contract, desk: Desk, alice: Account, old: Guardians, new: Guardians
) -> None:
    """A shorter delay than the real one would let a thief replace guardians before they act."""
    set_guardians(desk, alice, old)
    for delay, rest in (
        (0, old.rest),
        (old.delay - 1, old.rest),
        (old.delay + 1, old.rest),
        (old.delay, new.rest),
        (old.delay, bytes(32)),
        (0, bytes(32)),
        (new.delay, new.rest),
        (0, old.commitment),
    ):
        with refused("GuardiansMismatch", alice):
            medrec.setGuardians(alice, 2, delay, rest, new.commitment, POINTER, sender=alice)
        with refused("GuardiansMismatch", alice):
            desk.carry_out(desk.set_guardians(alice, new.commitment, decision=2, delay=delay, rest=rest), alice)


def test_a_change_waits_for_the_delay_of_the_present_set(
    medrec: Contract,
    desk: Desk,
    clock: Clock,
    alice: Account,
    bob: Account,
    carol: Account,
    old: Guardians,
    new: Guardians,
) -> None:
    """The old set counts to the last second of its delay, and the new one from the next on."""
    set_guardians(desk, alice, old)
    receipt = set_guardians(desk, alice, new, old)
    since = receipt.timestamp + DELAY
    assert emitted(medrec, receipt)[0].arguments["from"] == since
    assert plain(medrec.guardianshipOf(alice))[:3] == (old.commitment, new.commitment, since)
    by_old, by_new = Begun(desk, alice, bob, old), Begun(desk, alice, bob, new)
    for time, good, bad in ((since - 1, by_old, by_new), (since, by_new, by_old)):
        clock.show(time)
        with refused("GuardiansMismatch", alice):
            medrec.beginRecovery.call(*bad.arguments(), sender=carol)
        medrec.beginRecovery.call(*good.arguments(), sender=carol)


def test_the_last_second_of_the_old_set_in_a_transaction(
    medrec: Contract, desk: Desk, clock: Clock, alice: Account, bob: Account, old: Guardians, new: Guardians
) -> None:
    """Mined, and not only asked for."""
    set_guardians(desk, alice, old)
    since = set_guardians(desk, alice, new, old).timestamp + DELAY
    clock.set_next(since - 1)
    Begun(desk, alice, bob, old).send()
    assert medrec.guardianshipOf(alice).due == since - 1 + DELAY


def test_the_first_second_of_the_new_set_in_a_transaction(
    medrec: Contract, desk: Desk, clock: Clock, alice: Account, bob: Account, old: Guardians, new: Guardians
) -> None:
    set_guardians(desk, alice, old)
    since = set_guardians(desk, alice, new, old).timestamp + DELAY
    clock.set_next(since)
    Begun(desk, alice, bob, new).send()
    assert medrec.guardianshipOf(alice).due == since + new.delay


def test_another_change_takes_the_place_of_one_that_waits(
    medrec: Contract, desk: Desk, clock: Clock, alice: Account, bob: Account, old: Guardians, new: Guardians
) -> None:
    """And waits anew: a thief who changes again and again only puts the day off."""
    set_guardians(desk, alice, old)
    for place in range(3):
        changed = new.but(salt=digest(f"change {place}"))
        receipt = set_guardians(desk, alice, changed, old)
        since = receipt.timestamp + DELAY
        assert plain(medrec.guardianshipOf(alice))[:3] == (old.commitment, changed.commitment, since)
        clock.show(since - DAY)
    Begun(desk, alice, bob, old).send()


def test_a_set_that_waits_cannot_be_shown(
    medrec: Contract, desk: Desk, alice: Account, old: Guardians, new: Guardians
) -> None:
    """Its delay is not the one that a change has to wait for."""
    set_guardians(desk, alice, old)
    set_guardians(desk, alice, new, old)
    with refused("GuardiansMismatch", alice):
        medrec.setGuardians(alice, 3, new.delay, new.rest, digest("third"), POINTER, sender=alice)


def test_a_set_that_came_to_count_is_the_one_to_show(
    medrec: Contract, desk: Desk, clock: Clock, alice: Account, old: Guardians, new: Guardians
) -> None:
    """The next change waits for its delay, and no longer for the first one's."""
    set_guardians(desk, alice, old)
    since = set_guardians(desk, alice, new, old).timestamp + DELAY
    clock.set_next(since)
    with refused("GuardiansMismatch", alice):
        medrec.setGuardians(alice, 3, old.delay, old.rest, digest("third"), POINTER, sender=alice)
    receipt = set_guardians(desk, alice, old, new)
    stored = (new.commitment, old.commitment, receipt.timestamp + new.delay)
    assert plain(medrec.guardianshipOf(alice))[:3] == stored


def test_removing_guardians_waits_as_well(
    medrec: Contract, desk: Desk, clock: Clock, alice: Account, bob: Account, old: Guardians, new: Guardians
) -> None:
    """Or a thief would remove them first. Once there are none, the next set counts at once."""
    set_guardians(desk, alice, old)
    receipt = set_guardians(desk, alice, None, old)
    since = receipt.timestamp + DELAY
    assert emitted(medrec, receipt)[0].arguments["guardians"] == NO_SET
    clock.show(since - 1)
    medrec.beginRecovery.call(*Begun(desk, alice, bob, old).arguments(), sender=bob)
    clock.show(since)
    with refused("GuardiansMismatch", alice):
        medrec.beginRecovery.call(*Begun(desk, alice, bob, old).arguments(), sender=bob)
    set_guardians(desk, alice, new)
    assert plain(medrec.guardianshipOf(alice))[:3] == (NO_SET, new.commitment, 0)


def test_the_same_set_again_changes_nothing_that_counts(
    medrec: Contract, desk: Desk, alice: Account, bob: Account, old: Guardians, new: Guardians
) -> None:
    """So a patient takes a change back with the next decision."""
    set_guardians(desk, alice, old)
    set_guardians(desk, alice, new, old)
    set_guardians(desk, alice, old, old)
    assert medrec.guardianshipOf(alice).next == old.commitment
    Begun(desk, alice, bob, old).send()


def test_a_delay_beyond_the_clocks_end_wraps_nothing(
    medrec: Contract, desk: Desk, alice: Account, old: Guardians, new: Guardians
) -> None:
    """Such a set can never be changed, which is better than at once; nor can it begin anything (test_recovery.py)."""
    forever = old.but(delay=LAST_SECOND)
    set_guardians(desk, alice, forever)
    arguments = (alice, 2, forever.delay, forever.rest, new.commitment, POINTER)
    with overflowing():
        medrec.setGuardians(*arguments, sender=alice)
    assert medrec.guardianshipOf(alice).next == forever.commitment


def test_refuses_words_that_are_no_values(medrec: Contract, alice: Account) -> None:
    """A delay of 41 bits: no shorter one with the same commitment can be shown."""
    with unencodable():
        call_with_words(medrec, alice, "setGuardians", alice, 1, 1 << 40, bytes(32), bytes(32), bytes(32))
    with unencodable():
        call_with_words(medrec, alice, "setGuardians", alice, 1 << 64 | 1, 0, bytes(32), bytes(32), bytes(32))


def test_whoever_controls_the_id_now_sets_them(
    medrec: Contract, desk: Desk, alice: Account, bob: Account, carol: Account, old: Guardians, new: Guardians
) -> None:
    """After a change of wallet the guardians stay, and the new wallet changes them."""
    set_guardians(desk, alice, old)
    form = desk.change_wallet(alice, carol, decision=2)
    desk.send(form, sign(form, alice), sign(desk.consent(form), carol))
    assert medrec.guardianshipOf(alice).next == old.commitment
    receipt = set_guardians(desk, alice, new, old, by=carol)
    assert emitted(medrec, receipt)[0].arguments["by"] == carol.address
    Begun(desk, alice, bob, old).send()


def test_who_they_are_is_in_no_call(
    medrec: Contract, desk: Desk, alice: Account, old: Guardians, new: Guardians
) -> None:
    """Neither of setting nor of changing them: what is sent holds hashes alone."""
    set_guardians(desk, alice, old)
    receipt = set_guardians(desk, alice, new, old)
    for member in (*old.members, *new.members):
        assert address(member) not in bytes(receipt.data)
