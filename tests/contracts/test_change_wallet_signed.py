"""changeWalletSigned(): the rest is in test_signed_forms.py, and for the new wallet's consent in test_change_wallet.py

changeWalletSigned
├── given the signer is not the present wallet: NotPermitted (test_unauthorised.py)
├── given the new wallet is zero or the present one: ZeroAddress, WalletUnchanged
├── given another number than the next decision's: DecisionMismatch, also after a direct decision that took it
├── given no consent of the new wallet over the same decision and deadline: SignatureInvalid, of the new wallet
└── given both: WalletChanged; what the old wallet signed before is dead
"""

from dataclasses import replace

import pytest

from tests.contracts.signing import Desk, sign
from tests.contracts.support import (
    DECIDE,
    GENERAL,
    ZERO,
    Account,
    Contract,
    Denial,
    digest,
    emitted,
    not_permitted,
    plain,
    refused,
    said,
)


def test_both_wallets_sign(medrec: Contract, desk: Desk, alice: Account, carol: Account) -> None:
    """The present one decides, the new one says that it is there; neither sends anything."""
    form = desk.change_wallet(alice, carol)
    receipt = desk.send(form, sign(form, alice), sign(desk.consent(form), carol))
    assert emitted(medrec, receipt) == [said("WalletChanged", patient=alice, wallet=carol, by=alice)]
    assert plain(medrec.patientOf(alice)) == (carol.address, 1, 0)


def test_what_the_old_wallet_signed_is_dead(
    medrec: Contract, desk: Desk, alice: Account, carol: Account, clinic: Account
) -> None:
    """It no longer decides, whatever it signed before and however long that would count."""
    in_a_drawer = desk.signed(desk.grant(alice, clinic), alice)
    form = desk.change_wallet(alice, carol)
    desk.send(form, sign(form, alice), sign(desk.consent(form), carol))
    with not_permitted(alice, alice, alice, DECIDE, Denial.NotController):
        medrec.multicall.call([in_a_drawer], sender=desk.stranger)


def test_refuses_no_wallet_and_the_present_one(desk: Desk, alice: Account) -> None:
    form = desk.change_wallet(alice, ZERO)
    with refused("ZeroAddress"):
        desk.send(form, sign(form, alice), bytes(65))
    form = desk.change_wallet(alice, alice)
    with refused("WalletUnchanged", alice, alice):
        desk.send(form, sign(form, alice), sign(desk.consent(form), alice))


@pytest.mark.parametrize("decision", [2, 3])
def test_refuses_another_decision(desk: Desk, alice: Account, carol: Account, decision: int) -> None:
    """`decision` is the patient's decision counter plus one."""
    form = desk.change_wallet(alice, carol, decision=decision)
    with refused("DecisionMismatch", alice, 0, decision):
        desk.send(form, sign(form, alice), sign(desk.consent(form), carol))


def test_a_direct_decision_takes_the_number(medrec: Contract, desk: Desk, alice: Account, carol: Account) -> None:
    """What was signed before it is overtaken, although the decision was about something else."""
    form = desk.change_wallet(alice, carol)
    medrec.publishMoved(alice, 1, GENERAL, digest("manifest"), sender=alice)
    with refused("DecisionMismatch", alice, 1, 1):
        desk.send(form, sign(form, alice), sign(desk.consent(form), carol))


def test_the_new_wallet_consents_to_the_same(desk: Desk, alice: Account, carol: Account, bob: Account) -> None:
    """Its consent names the same decision and deadline, and nobody gives it in its place."""
    form = desk.change_wallet(alice, carol)
    consent = desk.consent(form)
    others = [sign(replace(consent, decision=2), carol), sign(replace(consent, deadline=1), carol), sign(consent, bob)]
    for other in [*others, sign(form, carol), b""]:
        with refused("SignatureInvalid", carol):
            desk.send(form, sign(form, alice), other)
