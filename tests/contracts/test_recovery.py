"""beginRecovery(), stopRecovery(), completeRecovery(): stopRecoverySigned's rest is in test_signed_forms.py

beginRecovery
├── given the deadline has passed: DeadlinePassed; in its last second it counts
├── given another set than the one that counts: GuardiansMismatch
│   ├── another delay, salt, threshold; one more, one less, a foreign one, one twice, another order
│   ├── fewer or more signatures than guardians
│   └── no set: not even with nobody in it
├── given a signature that is not the guardian's over exactly this: SignatureInvalid
│   ├── another patient, wallet, round, deadline, chain, deployment; another guardian's, in another order; the wallet's
│   ├── high s, 64 bytes, zeros, v of 0 or 1, 66 bytes
│   └── a guardian with code that says no, reverts, burns gas, or answers at another length
├── given the new wallet did not sign: SignatureInvalid; also for the zero wallet
├── given fewer signatures than the threshold: GuardiansTooFew, however many are empty
├── given another round than the next: RecoveryMismatch; after one was begun, stopped or completed
│   └── save the latest one's, where all signed this one, and not all that one, which is not completed
├── given another is under way: RecoveryMismatch, save where all signed this one and not that one
├── given the delay goes beyond the clock's end: refused, nothing wraps
└── RecoveryBegun, whoever sends it, also in a multicall and in a relay
stopRecovery
├── given the caller is not the wallet: NotPermitted (test_unauthorised.py)
├── given none is under way, another round, a due one, one that all signed: RecoveryMismatch
└── RecoveryStopped, to the last second before it is due
completeRecovery
├── given none is under way, or it is not due: RecoveryNotDue
└── WalletChanged, by the new wallet, from the second in which it is due; once
    ├── permissions, history and numbers stay; the old wallet no longer decides
    └── the set that began it counts
a thief who has the wallet
├── changes or removes the guardians first: the old set still acts within its delay, and the change is undone
├── changes the wallet meanwhile: the recovery goes on
├── brings guardians of its own: they do not begin while one that all signed is under way
└── sends what all signed without one signature: what all signed still counts
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager

from tests.contracts.guardians import DELAY, NO_SET, Begun, Guardians, set_guardians
from tests.contracts.signing import AMPLE_GAS, POINTER, Desk, high_s, sign
from tests.contracts.support import (
    DAY,
    DECIDE,
    LAST_SECOND,
    TREAT,
    YEAR_2100,
    ZERO,
    Account,
    Clock,
    Contract,
    Denial,
    call_with_words,
    digest,
    emitted,
    entry,
    error_data,
    not_permitted,
    overflowing,
    plain,
    refused,
    said,
    terms,
    unencodable,
)

People = dict[str, Account]


@pytest.fixture
def guardians(desk: Desk, alice: Account, bob: Account, clinic: Account, doctor: Account) -> Guardians:
    """Alice's: two of three."""
    made = Guardians((bob, clinic, doctor))
    set_guardians(desk, alice, made)
    return made


@pytest.fixture
def recovery(desk: Desk, alice: Account, carol: Account, guardians: Guardians) -> Begun:
    """To carol, by two of the three: it can be stopped."""
    return Begun(desk, alice, carol, guardians, guardians.members[:2])


@pytest.fixture
def unanimous(recovery: Begun) -> Begun:
    """To carol, by all of them: it cannot."""
    return recovery.but(signers=None)


def recovery_of(medrec: Contract, patient: Account) -> tuple[Any, ...]:
    """Round, wallet, due and unanimous."""
    recovering: tuple[Any, ...] = plain(medrec.guardianshipOf(patient))[3:]
    return recovering


# --------------------------------------------------------------------------------------------------------------- begin


@pytest.mark.parametrize("everybody", [False, True])
def test_begin_emits(medrec: Contract, recovery: Begun, alice: Account, carol: Account, everybody: bool) -> None:
    """RecoveryBegun, with the second from which it can be completed; and it is stored."""
    receipt = recovery.but(signers=None if everybody else recovery.signers).send()
    due = receipt.timestamp + DELAY
    assert emitted(medrec, receipt) == [
        said("RecoveryBegun", patient=alice, wallet=carol, round=1, due=due, unanimous=everybody)
    ]
    assert recovery_of(medrec, alice) == (1, carol.address, due, everybody)


def test_it_does_not_matter_who_sends_it(
    medrec: Contract, recovery: Begun, alice: Account, bob: Account, carol: Account, hospital: Account
) -> None:
    """A guardian, the new wallet, even the present one, or anybody."""
    for sender in (alice, bob, carol, hospital):
        medrec.beginRecovery.call(*recovery.arguments(), sender=sender)


def test_it_goes_into_a_multicall_and_a_relay(medrec: Contract, desk: Desk, recovery: Begun, stranger: Account) -> None:
    """Who recovers a record has no ether, as a rule."""
    medrec.multicall.call([recovery.call()], sender=stranger, gas=AMPLE_GAS)
    receipt = desk.relay([recovery.call()])
    assert [event.name for event in emitted(medrec, receipt)] == ["RecoveryBegun"]


def test_all_of_it_in_a_relay(
    medrec: Contract, desk: Desk, recovery: Begun, clock: Clock, alice: Account, carol: Account
) -> None:
    """Set, begun, stopped and completed, with a reason for what is refused."""
    receipt = desk.relay([recovery.call(), desk.signed(desk.stop_recovery(alice), alice)])
    assert [event.name for event in emitted(medrec, receipt)] == ["RecoveryBegun", "RecoveryStopped"]
    complete = bytes(medrec.completeRecovery.encode_input(alice))
    receipt = desk.relay([recovery.but(number=2).call(), complete])
    due = receipt.timestamp + DELAY
    assert emitted(medrec, receipt)[1] == said(
        "CallRefused", relayer=desk.stranger, item=1, reason=error_data("RecoveryNotDue", alice, due)
    )
    clock.set_next(due)
    assert [event.name for event in emitted(medrec, desk.relay([complete]))] == ["WalletChanged"]
    assert medrec.patientOf(alice).wallet == carol


@pytest.mark.parametrize("signing", [(0, 1), (0, 2), (1, 2)])
def test_any_two_of_three(medrec: Contract, recovery: Begun, alice: Account, signing: tuple[int, ...]) -> None:
    """Whichever place is empty."""
    recovery.but(signers=[recovery.shown.members[place] for place in signing]).send()
    assert recovery_of(medrec, alice)[0] == 1


def test_refuses_too_few(recovery: Begun, alice: Account) -> None:
    """An empty place is nobody's signature."""
    for signers in (recovery.shown.members[:1], recovery.shown.members[2:], ()):
        with refused("GuardiansTooFew", alice, 3 - len(signers), 2):
            recovery.but(signers=signers).send()


@pytest.mark.parametrize(
    "change",
    [
        lambda shown, people: shown.but(delay=0),
        lambda shown, people: shown.but(delay=DELAY - 1),
        lambda shown, people: shown.but(salt=digest("another salt")),
        lambda shown, people: shown.but(threshold=1),
        lambda shown, people: shown.but(threshold=0),
        lambda shown, people: shown.but(members=(*shown.members, people["nurse"])),
        lambda shown, people: shown.but(members=shown.members[:2]),
        lambda shown, people: shown.but(members=(*shown.members[:2], people["nurse"])),
        lambda shown, people: shown.but(members=(*shown.members[:2], shown.members[0])),
        lambda shown, people: shown.but(members=(shown.members[0], shown.members[0])),
        lambda shown, people: shown.but(members=shown.members[::-1]),
        lambda shown, people: shown.but(members=()),
        lambda shown, people: shown.but(members=(), threshold=0),
    ],
    ids=[
        *("no delay", "a shorter delay", "another salt", "a lower threshold", "no threshold", "one more", "one less"),
        *("a foreign one", "one twice for another", "one twice", "another order", "nobody", "nobody and no threshold"),
    ],
)
def test_refuses_another_set(
    recovery: Begun, alice: Account, nurse: Account, change: Callable[[Guardians, People], Guardians]
) -> None:
    """Than the one that the patient committed to: though each of it signed."""
    with refused("GuardiansMismatch", alice):
        recovery.but(shown=change(recovery.shown, {"nurse": nurse}), signers=None).send()


def test_refuses_another_number_of_signatures(recovery: Begun, alice: Account, bob: Account, clinic: Account) -> None:
    """One for each guardian."""
    two = [recovery.signature(bob), recovery.signature(clinic)]
    for signatures in ([], two, [*two, b"", b""]):
        with refused("GuardiansMismatch", alice):
            recovery.but(signatures=signatures).send()


@pytest.mark.parametrize("threshold", [0, 1])
def test_a_patient_without_guardians_has_none(
    desk: Desk, bob: Account, carol: Account, stranger: Account, threshold: int
) -> None:
    """Nothing that anybody could show is a commitment of zero: not for a patient, nor for an id without one."""
    for patient in (bob, stranger):
        for members in ((), (carol,)):
            for delay in (0, DELAY):
                shown = Guardians(members, threshold, delay, bytes(32))
                with refused("GuardiansMismatch", patient):
                    Begun(desk, patient, carol, shown).send()


def test_a_patient_without_guardians_can_do_what_it_could(
    medrec: Contract, desk: Desk, alice: Account, carol: Account
) -> None:
    """Nobody completes or stops anything."""
    with refused("RecoveryNotDue", alice, 0):
        medrec.completeRecovery(alice, sender=carol)
    for number in (0, 1):
        with refused("RecoveryMismatch", alice, 0, number):
            medrec.stopRecovery(alice, number, sender=alice)
    form = desk.change_wallet(alice, carol)
    desk.send(form, sign(form, alice), sign(desk.consent(form), carol))
    assert medrec.patientOf(alice).wallet == carol


def test_one_signature_counts_once(recovery: Begun, bob: Account, clinic: Account) -> None:
    """In another's place it is none of theirs."""
    signature = recovery.signature(bob)
    for signatures in ([signature, signature, b""], [b"", signature, signature], [signature, b"", signature]):
        wrong = clinic if signatures[1] else recovery.shown.members[2]
        with refused("SignatureInvalid", wrong):
            recovery.but(signatures=signatures).send()


def test_signatures_stand_in_the_order_of_the_set(recovery: Begun, bob: Account, clinic: Account) -> None:
    with refused("SignatureInvalid", bob):
        recovery.but(signatures=[recovery.signature(clinic), recovery.signature(bob), b""]).send()


def test_a_bad_signature_spoils_the_good_ones(recovery: Begun, doctor: Account, nurse: Account) -> None:
    """Enough of them are good, and still nothing is begun: what is not understood is not passed over."""
    good = [recovery.signature(member) for member in recovery.shown.members[:2]]
    with refused("SignatureInvalid", doctor):
        recovery.but(signatures=[*good, recovery.signature(nurse)]).send()


@pytest.mark.parametrize("field", ["patient", "wallet", "number", "deadline", "signer"])
def test_each_member_is_signed(recovery: Begun, bob: Account, carol: Account, nurse: Account, field: str) -> None:
    """By guardians and by the new wallet."""
    others = {"patient": nurse, "wallet": nurse, "number": 2, "deadline": YEAR_2100 - 1, "signer": nurse}
    form = recovery.desk.recover(
        **{
            "patient": recovery.patient,
            "signer": bob,
            "wallet": carol,
            "number": 1,
            "deadline": YEAR_2100,
            field: others[field],
        }
    )
    with refused("SignatureInvalid", bob):
        recovery.but(signatures=[sign(form, bob), b"", b""]).send()
    consent = form if field == "signer" else replace(form, signer=bytes.fromhex(carol.address[2:]))
    with refused("SignatureInvalid", carol):
        recovery.but(consent=sign(consent, carol)).send()


@pytest.mark.parametrize("change", [{"chain_id": 1}, {"contract": bytes(20)}])
def test_the_domain_is_signed(recovery: Begun, alice: Account, bob: Account, carol: Account, change: Any) -> None:
    """Nor is what was signed for another chain or another deployment."""
    for signer in (bob, carol):
        form = recovery.desk.recover(alice, signer, carol)
        foreign = sign(replace(form, place=replace(form.place, **change)), signer)
        given = {"consent": foreign} if signer is carol else {"signatures": [foreign, b"", b""]}
        with refused("SignatureInvalid", signer):
            recovery.but(**given).send()


def test_another_deployment_refuses(
    project: ProjectManager, chain: ChainManager, recovery: Begun, authority: Account, alice: Account, carol: Account
) -> None:
    """The same call, where the same patient has the same guardians."""
    second = Desk(authority.deploy(project.MedRec, authority), chain.chain_id, authority)
    second.medrec.register(sender=alice)
    set_guardians(second, alice, recovery.shown)
    with refused("SignatureInvalid", carol):
        second.medrec.beginRecovery(*recovery.arguments(), sender=authority, gas=AMPLE_GAS)


MALFORMED = {
    "high s": high_s,
    "64 bytes": lambda signature: signature[:64],
    "zeros": lambda signature: bytes(65),
    "v of 0 or 1": lambda signature: signature[:64] + bytes([signature[64] - 27]),
    "66 bytes": lambda signature: signature + b"\0",
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
def test_refuses_malformed_signatures(recovery: Begun, bob: Account, clinic: Account, malformed: Any) -> None:
    """One signature has one encoding, a guardian's and the new wallet's."""
    signatures = [recovery.signature(bob), malformed(recovery.signature(clinic)), b""]
    with refused("SignatureInvalid", clinic):
        recovery.but(signatures=signatures).send()
    with refused("SignatureInvalid", recovery.wallet):
        recovery.but(consent=malformed(recovery.signature(recovery.wallet))).send()


def test_the_new_wallet_agrees(recovery: Begun, alice: Account, bob: Account, carol: Account) -> None:
    """A typing error would lock everybody out: nobody agrees in its name, not even all guardians."""
    by_others = [sign(recovery.desk.recover(alice, carol, carol), one) for one in (alice, bob)]
    for consent in (b"", *by_others, recovery.signature(bob)):
        with refused("SignatureInvalid", carol):
            recovery.but(signers=None, consent=consent).send()


@pytest.mark.parametrize("consent", [b"", bytes(65)])
def test_nobody_is_no_wallet(recovery: Begun, alice: Account, consent: bytes) -> None:
    """No malformed signature recovers to the zero address."""
    arguments = recovery.arguments()
    arguments[1], arguments[8] = ZERO, consent
    with refused("SignatureInvalid", ZERO):
        recovery.desk.medrec.beginRecovery(*arguments, sender=alice, gas=AMPLE_GAS)


def test_nobody_is_no_guardian(desk: Desk, alice: Account, carol: Account, doctor: Account) -> None:
    """Nor where the patient made it one."""
    set_guardians(desk, alice, shown := Guardians((ZERO, doctor), threshold=1))
    for signature in (bytes(65), bytes(64) + b"\x1b"):
        with refused("SignatureInvalid", ZERO):
            Begun(desk, alice, carol, shown, signatures=[signature, b""]).send()
    Begun(desk, alice, carol, shown, [doctor]).send()


@pytest.fixture
def with_code(desk: Desk, alice: Account, bob: Account, carol: Account, smart: Contract) -> Begun:
    """One of alice's guardians is an account with code."""
    set_guardians(desk, alice, shown := Guardians((smart, bob)))
    recovery = Begun(desk, alice, carol, shown, [])
    return recovery.but(signatures=[b"two owners", recovery.signature(bob)])


def test_a_guardian_with_code_signs(medrec: Contract, with_code: Begun, alice: Account, carol: Account) -> None:
    """By ERC-1271, whatever it takes for a signature."""
    with_code.send()
    assert recovery_of(medrec, alice)[1] == carol.address


@pytest.mark.parametrize("answer", [1, 2, 3, 4, 5], ids=["no", "revert", "burn gas", "too long", "short"])
def test_a_guardian_with_code_that_does_not_agree(
    with_code: Begun, smart: Contract, authority: Account, answer: int
) -> None:
    """Whatever it does, the answer is that it did not sign, at a bounded price."""
    smart.setAnswer(answer, sender=authority)
    with refused("SignatureInvalid", smart):
        with_code.send()


def test_a_wallet_with_code_takes_over(
    medrec: Contract, recovery: Begun, clock: Clock, alice: Account, smart: Contract
) -> None:
    """As it takes over in a change of wallet."""
    wallet = recovery.but(wallet=smart, consent=b"two owners")
    clock.set_next(wallet.send().timestamp + DELAY)
    wallet.complete()
    assert medrec.patientOf(alice).wallet == smart.address


def test_the_deadline_is_the_last_second(recovery: Begun, clock: Clock) -> None:
    """It counts in that second, and not in the next."""
    late = recovery.but(deadline=clock.now + DAY)
    clock.set_next(late.deadline + 1)
    with refused("DeadlinePassed", late.deadline):
        late.send()


def test_in_the_last_second_it_counts(medrec: Contract, recovery: Begun, clock: Clock, alice: Account) -> None:
    late = recovery.but(deadline=clock.now + DAY)
    clock.set_next(late.deadline)
    late.send()
    assert recovery_of(medrec, alice)[0] == 1


@pytest.mark.parametrize("number", [0, 2, 2**55, 2**55 + 1, 2**64 - 1])
def test_refuses_another_round(recovery: Begun, alice: Account, number: int) -> None:
    """It is the number of the latest recovery plus one, also where it agrees with that in the bits that are stored."""
    for signers in (recovery.signers, None):
        with refused("RecoveryMismatch", alice, 0, number):
            recovery.but(number=number, signers=signers).send()


def test_a_delay_beyond_the_clocks_end_wraps_nothing(desk: Desk, alice: Account, bob: Account, carol: Account) -> None:
    """It would be due at once."""
    set_guardians(desk, alice, forever := Guardians((bob,), threshold=1, delay=LAST_SECOND))
    with overflowing():
        Begun(desk, alice, carol, forever).send()


def test_the_longest_delay_that_there_can_be(
    medrec: Contract, desk: Desk, clock: Clock, alice: Account, bob: Account, carol: Account
) -> None:
    """It is due in the clock's last second, and not before."""
    begin = clock.now + DAY
    set_guardians(desk, alice, long := Guardians((bob,), threshold=1, delay=LAST_SECOND - begin))
    clock.set_next(begin)
    Begun(desk, alice, carol, long).send()
    assert recovery_of(medrec, alice)[2] == LAST_SECOND
    with refused("RecoveryNotDue", alice, LAST_SECOND):
        medrec.completeRecovery(alice, sender=carol)


def test_a_threshold_beyond_all_wraps_nothing(desk: Desk, alice: Account, bob: Account, carol: Account) -> None:
    """Neither with nor without signatures: the threshold and what is missing are added."""
    set_guardians(desk, alice, never := Guardians((bob,), threshold=2**256 - 1))
    with overflowing():
        Begun(desk, alice, carol, never, []).send()
    with refused("GuardiansTooFew", alice, 0, 2**256 - 1):
        Begun(desk, alice, carol, never).send()


def test_no_delay_is_due_at_once(medrec: Contract, desk: Desk, alice: Account, bob: Account, carol: Account) -> None:
    """Which no SDK sets: nobody could stop it."""
    set_guardians(desk, alice, shown := Guardians((bob, carol), threshold=1, delay=0))
    recovery = Begun(desk, alice, carol, shown, [bob])
    recovery.send()
    with refused("RecoveryMismatch", alice, 1, 1):
        medrec.stopRecovery.call(alice, 1, sender=alice)
    recovery.complete()
    assert medrec.patientOf(alice).wallet == carol


def test_refuses_words_that_are_no_values(recovery: Begun, stranger: Account) -> None:
    """A guardian's address of 21 bytes, a round of 65 bits, a delay of 41: what is hashed is what is meant."""
    call = bytearray(recovery.call())
    first_guardian = 4 + 32 * 10 + 32
    for place in (4 + 11, 4 + 32 + 11, 4 + 32 * 2 + 23, 4 + 32 * 4 + 26, first_guardian + 11):
        spoilt = call.copy()
        spoilt[place] = 1
        with refused("FailedCall"):
            recovery.desk.medrec.multicall.call([bytes(spoilt)], sender=stranger, gas=AMPLE_GAS)


def test_complete_refuses_words_that_are_no_values(medrec: Contract, stranger: Account) -> None:
    """An address of 21 bytes names no patient."""
    with unencodable():
        call_with_words(medrec, stranger, "completeRecovery", 1 << 160)


# ---------------------------------------------------------------------------------------------------------------- stop


def test_stop_emits(medrec: Contract, recovery: Begun, alice: Account) -> None:
    """RecoveryStopped, by the wallet; nothing is left but the round."""
    recovery.send()
    receipt = medrec.stopRecovery(alice, 1, sender=alice)
    assert emitted(medrec, receipt) == [said("RecoveryStopped", patient=alice, by=alice, round=1)]
    assert recovery_of(medrec, alice) == (1, ZERO, 0, 0)
    assert medrec.patientOf(alice).decisions == 1


def test_the_last_second_to_stop(medrec: Contract, recovery: Begun, clock: Clock, alice: Account) -> None:
    """It is the one before it is due."""
    clock.set_next(recovery.send().timestamp + DELAY - 1)
    medrec.stopRecovery(alice, 1, sender=alice)
    assert recovery_of(medrec, alice)[1] == ZERO


@pytest.mark.parametrize("later", [0, 1, DAY])
def test_a_due_one_is_not_stopped(
    medrec: Contract, desk: Desk, recovery: Begun, clock: Clock, alice: Account, later: int
) -> None:
    """From the second on in which it can be completed, also where nobody has."""
    due = recovery.send().timestamp + DELAY
    clock.show(due + later)
    with refused("RecoveryMismatch", alice, 1, 1):
        medrec.stopRecovery.call(alice, 1, sender=alice)
    with refused("RecoveryMismatch", alice, 1, 1):
        desk.carry_out(desk.stop_recovery(alice), alice)


def test_one_that_all_signed_is_not_stopped(medrec: Contract, desk: Desk, unanimous: Begun, alice: Account) -> None:
    """Not even at once: a thief who holds the wallet cannot outvote everybody."""
    unanimous.send()
    with refused("RecoveryMismatch", alice, 1, 1):
        medrec.stopRecovery(alice, 1, sender=alice)
    with refused("RecoveryMismatch", alice, 1, 1):
        desk.carry_out(desk.stop_recovery(alice), alice)


@pytest.mark.parametrize("number", [0, 2, 2**55 + 1])
def test_stop_names_the_round(medrec: Contract, recovery: Begun, alice: Account, number: int) -> None:
    """So a signature to stop one stops no other."""
    recovery.send()
    with refused("RecoveryMismatch", alice, 1, number):
        medrec.stopRecovery(alice, number, sender=alice)


def test_nothing_is_stopped_twice(medrec: Contract, recovery: Begun, alice: Account) -> None:
    recovery.send()
    medrec.stopRecovery(alice, 1, sender=alice)
    with refused("RecoveryMismatch", alice, 1, 1):
        medrec.stopRecovery(alice, 1, sender=alice)


def test_nor_before_it_is_begun(medrec: Contract, alice: Account, guardians: Guardians) -> None:
    with refused("RecoveryMismatch", alice, 0, 1):
        medrec.stopRecovery(alice, 1, sender=alice)


def test_signatures_do_not_outlive_a_stop(medrec: Contract, recovery: Begun, alice: Account) -> None:
    """It takes new ones for the next round, and then it begins again."""
    recovery.send()
    medrec.stopRecovery(alice, 1, sender=alice)
    with refused("RecoveryMismatch", alice, 1, 1):
        recovery.send()
    with refused("SignatureInvalid", recovery.wallet):
        recovery.but(number=2, consent=recovery.signature(recovery.wallet)).send()
    again = recovery.but(number=2)
    with refused("SignatureInvalid", recovery.shown.members[0]):
        again.but(signatures=recovery.arguments()[-1]).send()
    again.send()
    assert recovery_of(medrec, alice)[0] == 2


def test_only_the_present_wallet_stops_it(
    medrec: Contract, desk: Desk, recovery: Begun, alice: Account, bob: Account, carol: Account, hospital: Account
) -> None:
    """Not a guardian, not the new wallet, not a provider; nor the id's own key once it has another wallet."""
    recovery.send()
    for other in (bob, carol, hospital):
        with not_permitted(alice, other, alice, DECIDE, Denial.NotController):
            medrec.stopRecovery(alice, 1, sender=other)
    form = desk.change_wallet(alice, hospital, decision=2)
    desk.send(form, sign(form, alice), sign(desk.consent(form), hospital))
    with not_permitted(alice, alice, alice, DECIDE, Denial.NotController):
        medrec.stopRecovery(alice, 1, sender=alice)
    medrec.stopRecovery(alice, 1, sender=hospital)


# ------------------------------------------------------------------------------------------------------------ complete


def test_complete_emits(
    medrec: Contract, recovery: Begun, clock: Clock, alice: Account, carol: Account, stranger: Account
) -> None:
    """WalletChanged, by the new wallet, whoever sends it; nothing is left but the round."""
    clock.set_next(recovery.send().timestamp + DELAY)
    receipt = medrec.completeRecovery(alice, sender=stranger)
    assert emitted(medrec, receipt) == [said("WalletChanged", patient=alice, wallet=carol, by=carol)]
    assert recovery_of(medrec, alice)[:3] == (1, ZERO, 0)


def test_not_before_it_is_due(medrec: Contract, recovery: Begun, clock: Clock, alice: Account) -> None:
    """Not in the second before; unanimity does not hurry it either."""
    due = recovery.but(signers=None).send().timestamp + DELAY
    with refused("RecoveryNotDue", alice, due):
        recovery.complete()
    clock.set_next(due - 1)
    with refused("RecoveryNotDue", alice, due):
        recovery.complete()


def test_it_is_completed_once(medrec: Contract, recovery: Begun, clock: Clock, alice: Account, carol: Account) -> None:
    """Or the id would come back to carol after she handed it on."""
    clock.set_next(recovery.send().timestamp + DELAY)
    recovery.complete()
    with refused("RecoveryNotDue", alice, 0):
        recovery.complete()
    form = recovery.desk.change_wallet(alice, alice, signer=carol, decision=2)
    recovery.desk.send(form, sign(form, carol), sign(recovery.desk.consent(form), alice))
    with refused("RecoveryNotDue", alice, 0):
        recovery.complete()
    for signers in (recovery.signers, None):
        with refused("RecoveryMismatch", alice, 1, 1):
            recovery.but(signers=signers).send()


def test_a_stopped_one_is_not_completed(medrec: Contract, recovery: Begun, clock: Clock, alice: Account) -> None:
    due = recovery.send().timestamp + DELAY
    medrec.stopRecovery(alice, 1, sender=alice)
    clock.set_next(due)
    with refused("RecoveryNotDue", alice, 0):
        recovery.complete()


def test_the_new_wallet_decides_and_the_old_one_no_longer(
    medrec: Contract, desk: Desk, recovery: Begun, clock: Clock, alice: Account, carol: Account, clinic: Account
) -> None:
    """Directly and by signatures, also by those that were made before."""
    signed_before = desk.grant(alice, clinic)
    clock.set_next(recovery.send().timestamp + DELAY)
    recovery.complete()
    with not_permitted(alice, alice, alice, DECIDE, Denial.NotController):
        medrec.grant(alice, clinic, terms(), digest("seal"), 1, sender=alice)
    with not_permitted(alice, alice, alice, DECIDE, Denial.NotController):
        desk.carry_out(signed_before, alice)
    medrec.grant(alice, clinic, terms(), digest("seal"), 1, sender=carol)
    medrec.append(alice, alice, 1, TREAT, entry(), sender=carol)


def test_everything_else_stays(
    medrec: Contract, recovery: Begun, clock: Clock, alice: Account, hospital: Account
) -> None:
    """History, permissions, the number of decisions and the guardians."""

    def state() -> Any:
        views = [medrec.historyOf(alice), medrec.permissionOf(alice, hospital), medrec.patientOf(alice).decisions]
        return plain([*views, medrec.guardianshipOf(alice).next])

    before = state()
    clock.set_next(recovery.send().timestamp + DELAY)
    recovery.complete()
    assert state() == before


def test_the_same_guardians_count_afterwards(
    medrec: Contract, recovery: Begun, clock: Clock, alice: Account, bob: Account
) -> None:
    """At once, for the next round."""
    clock.set_next(recovery.send().timestamp + DELAY)
    recovery.complete()
    recovery.but(wallet=bob, number=2).send()
    assert recovery_of(medrec, alice)[:2] == (2, bob.address)


# ---------------------------------------------------------------------------------------------------- one after another


def test_one_at_a_time(recovery: Begun, alice: Account, bob: Account) -> None:
    """One that some signed does not take the place of another, nor wait behind it."""
    recovery.send()
    for wallet in (recovery.wallet, bob):
        with refused("RecoveryMismatch", alice, 1, 2):
            recovery.but(wallet=wallet, number=2).send()


def test_one_that_all_signed_takes_the_place_of_another(
    medrec: Contract, recovery: Begun, clock: Clock, alice: Account, bob: Account
) -> None:
    """Two careless guardians and the thief's wallet are outvoted by all; the delay begins anew."""
    recovery.send()
    clock.set_next(clock.now + DAY)
    receipt = recovery.but(wallet=bob, number=2, signers=None).send()
    assert recovery_of(medrec, alice) == (2, bob.address, receipt.timestamp + DELAY, True)
    with refused("RecoveryMismatch", alice, 2, 1):
        medrec.stopRecovery(alice, 1, sender=alice)


def test_nothing_takes_the_place_of_one_that_all_signed(unanimous: Begun, alice: Account, bob: Account) -> None:
    """Not one that some signed, nor another that all did, of whatever round."""
    unanimous.send()
    for signers in (None, unanimous.shown.members[:2]):
        for number in (1, 2):
            with refused("RecoveryMismatch", alice, 1, number):
                unanimous.but(wallet=bob, number=number, signers=signers).send()


def test_nor_once_it_is_due(unanimous: Begun, clock: Clock, alice: Account, bob: Account) -> None:
    clock.set_next(unanimous.send().timestamp + DELAY)
    with refused("RecoveryMismatch", alice, 1, 2):
        unanimous.but(wallet=bob, number=2).send()


# ------------------------------------------------------------------------------------------ a thief who has the wallet


@pytest.fixture
def thiefs(stranger: Account, nurse: Account) -> Guardians:
    """A set of the thief's, without delay."""
    return Guardians((stranger, nurse), threshold=1, delay=0, salt=digest("thief's salt"))


@pytest.mark.parametrize("removed", [False, True])
def test_a_thief_changes_the_guardians_first(
    medrec: Contract,
    desk: Desk,
    clock: Clock,
    recovery: Begun,
    thiefs: Guardians,
    alice: Account,
    carol: Account,
    removed: bool,
) -> None:
    """The old ones still act within their delay, and what the thief changed is undone when they are done."""
    since = set_guardians(desk, alice, None if removed else thiefs, recovery.shown).timestamp + DELAY
    clock.set_next(since - 1)
    due = recovery.but(signers=None).send().timestamp + DELAY
    clock.set_next(due)
    recovery.complete()
    assert plain(medrec.patientOf(alice))[0] == carol.address
    assert medrec.guardianshipOf(alice).next == recovery.shown.commitment
    with refused("GuardiansMismatch", alice):
        Begun(desk, alice, recovery.desk.stranger, thiefs, number=2).send()
    recovery.but(number=2).send()


def test_after_the_delay_the_old_ones_are_gone(
    desk: Desk, clock: Clock, recovery: Begun, thiefs: Guardians, alice: Account
) -> None:
    """Whoever does not notice for as long as the delay has lost: so the delay is long."""
    clock.set_next(set_guardians(desk, alice, thiefs, recovery.shown).timestamp + DELAY)
    with refused("GuardiansMismatch", alice):
        recovery.but(signers=None).send()


def test_a_thief_changes_them_again_and_again(
    desk: Desk, clock: Clock, recovery: Begun, thiefs: Guardians, alice: Account
) -> None:
    """Each change waits for the real guardians' delay, and meanwhile they act."""
    for place in range(3):
        changed = thiefs.but(salt=digest(f"change {place}"))
        clock.set_next(set_guardians(desk, alice, changed, recovery.shown).timestamp + DELAY - 1)
    recovery.but(signers=None).send()


def test_a_thief_cannot_show_its_own_set_in_their_place(
    medrec: Contract, desk: Desk, recovery: Begun, thiefs: Guardians, alice: Account
) -> None:
    """By a second change that waits only for the first one's delay, which is none."""
    set_guardians(desk, alice, thiefs, recovery.shown)
    with refused("GuardiansMismatch", alice):
        medrec.setGuardians(alice, 3, thiefs.delay, thiefs.rest, thiefs.commitment, POINTER, sender=alice)


def test_the_thiefs_guardians_wait_for_one_that_all_signed(
    medrec: Contract, desk: Desk, clock: Clock, unanimous: Begun, thiefs: Guardians, alice: Account, carol: Account
) -> None:
    """Also once they count, before and after it is due."""
    since = set_guardians(desk, alice, thiefs, unanimous.shown).timestamp + DELAY
    clock.set_next(since - DAY)
    due = unanimous.send().timestamp + DELAY
    for time in (since, due):
        clock.show(time)
        for signers in (None, thiefs.members[:1]):
            with refused("RecoveryMismatch", alice, 1, 2):
                Begun(desk, alice, desk.stranger, thiefs, signers, number=2).send()
    unanimous.complete()
    assert medrec.patientOf(alice).wallet == carol


def test_the_thief_changes_them_while_a_recovery_is_under_way(
    medrec: Contract, desk: Desk, clock: Clock, unanimous: Begun, thiefs: Guardians, alice: Account
) -> None:
    """The set that began it counts afterwards, and from the first second on."""
    due = unanimous.send().timestamp + DELAY
    set_guardians(desk, alice, thiefs, unanimous.shown)
    clock.set_next(due)
    unanimous.complete()
    assert plain(medrec.guardianshipOf(alice))[1:3] == (unanimous.shown.commitment, 0)


def test_the_thief_moves_the_wallet_meanwhile(
    medrec: Contract, desk: Desk, clock: Clock, unanimous: Begun, alice: Account, nurse: Account, carol: Account
) -> None:
    """The recovery is the patient's, and not the wallet's."""
    due = unanimous.send().timestamp + DELAY
    form = desk.change_wallet(alice, nurse, decision=2)
    desk.send(form, sign(form, alice), sign(desk.consent(form), nurse))
    with refused("RecoveryMismatch", alice, 1, 1):
        medrec.stopRecovery(alice, 1, sender=nurse)
    clock.set_next(due)
    receipt = unanimous.complete()
    assert emitted(medrec, receipt) == [said("WalletChanged", patient=alice, wallet=carol, by=carol)]


def test_what_the_thief_signed_for_later_is_worth_nothing(
    medrec: Contract, desk: Desk, clock: Clock, unanimous: Begun, thiefs: Guardians, alice: Account, nurse: Account
) -> None:
    """Changes of wallet and of guardians by the old wallet, for numbers to come."""
    clock.set_next(unanimous.send().timestamp + DELAY)
    unanimous.complete()
    change = desk.change_wallet(alice, nurse, decision=2)
    with not_permitted(alice, alice, alice, DECIDE, Denial.NotController):
        desk.send(change, sign(change, alice), sign(desk.consent(change), nurse))
    with not_permitted(alice, alice, alice, DECIDE, Denial.NotController):
        desk.carry_out(desk.set_guardians(alice, thiefs.commitment, decision=2), alice)


@pytest.mark.parametrize("stopped", [False, True])
def test_the_thief_sends_less_than_was_signed(
    medrec: Contract, unanimous: Begun, alice: Account, carol: Account, stopped: bool
) -> None:
    """Who sees on its way what all signed, and sends it first without one signature, to stop that.

    All guardians together cannot be stopped: what all signed still counts, and counts once.
    """
    unanimous.but(signatures=[*unanimous.arguments()[-1][:-1], b""]).send(sender=alice)
    if stopped:
        medrec.stopRecovery(alice, 1, sender=alice)
    receipt = unanimous.send()
    assert recovery_of(medrec, alice) == (1, carol.address, receipt.timestamp + DELAY, True)
    with refused("RecoveryMismatch", alice, 1, 1):
        unanimous.send()
    with refused("RecoveryMismatch", alice, 1, 1):
        medrec.stopRecovery(alice, 1, sender=alice)


def test_it_sends_less_and_nobody_stops_that(
    medrec: Contract, unanimous: Begun, clock: Clock, alice: Account, bob: Account
) -> None:
    """Once that is completed, what all signed for its round is spent."""
    clock.set_next(unanimous.but(signers=unanimous.shown.members[:2]).send().timestamp + DELAY)
    unanimous.complete()
    for wallet in (unanimous.wallet, bob):
        with refused("RecoveryMismatch", alice, 1, 1):
            unanimous.but(wallet=wallet).send()
    unanimous.but(wallet=bob, number=2).send()


def test_the_guardianship_of_nobody_is_touched(
    medrec: Contract, unanimous: Begun, clock: Clock, bob: Account, carol: Account
) -> None:
    """Of other patients nothing changes: not of a guardian, nor of the new wallet."""
    clock.set_next(unanimous.send().timestamp + DELAY)
    unanimous.complete()
    for other in (bob, carol):
        assert plain(medrec.guardianshipOf(other)) == (NO_SET, NO_SET, 0, 0, ZERO, 0, 0)
