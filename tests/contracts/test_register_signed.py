"""registerSigned(): what holds for every signed form is in test_signed_forms.py

registerSigned
├── given the id is registered: AlreadyRegistered
├── given the wallet is zero: ZeroAddress
├── given another wallet, which did not sign: SignatureInvalid, of the wallet
├── given the wallet signed and the id's own key did not: SignatureInvalid, of the id
└── given both did
    ├── PatientRegistered, by the id; the wallet decides, the id's own key does not
    └── the id's own signature alone does where it is the wallet; a second one is not looked at
"""

from tests.contracts.signing import Desk, sign
from tests.contracts.support import (
    DECIDE,
    ZERO,
    Account,
    Contract,
    Denial,
    emitted,
    not_permitted,
    plain,
    refused,
    said,
    terms,
)


def test_register_signed_by_itself(medrec: Contract, desk: Desk, carol: Account) -> None:
    """A patient with a key and no ether; what stands for another wallet's signature is not looked at."""
    form = desk.register(carol)
    receipt = desk.send(form, sign(form, carol), b"anything")
    assert emitted(medrec, receipt) == [said("PatientRegistered", patient=carol, wallet=carol, by=carol)]
    assert plain(medrec.patientOf(carol)) == (carol.address, 0, 0)


def test_a_newborns_record_under_a_parents_wallet(
    medrec: Contract, desk: Desk, carol: Account, bob: Account, clinic: Account
) -> None:
    """The id's own key and the wallet sign the same; from then on the wallet decides, and the key does not."""
    receipt = desk.carry_out(desk.register(carol, bob), carol, bob)
    assert emitted(medrec, receipt) == [said("PatientRegistered", patient=carol, wallet=bob, by=carol)]
    with not_permitted(carol, carol, carol, DECIDE, Denial.NotController):
        desk.carry_out(desk.grant(carol, clinic), carol)
    desk.carry_out(desk.grant(carol, clinic, signer=bob), bob)
    assert plain(medrec.permissionOf(carol, clinic)) == (terms(), 1)


def test_a_wallet_that_did_not_sign(desk: Desk, carol: Account, bob: Account) -> None:
    """Nobody is made to control a record: neither an empty signature nor the id's own is the wallet's."""
    form = desk.register(carol, bob)
    for signature in (b"", sign(form, carol)):
        with refused("SignatureInvalid", bob):
            desk.send(form, sign(form, carol), signature)


def test_a_wallet_cannot_register_others(desk: Desk, carol: Account, bob: Account) -> None:
    """The id's own key always decides about its registration."""
    form = desk.register(carol, bob)
    with refused("SignatureInvalid", carol):
        desk.send(form, sign(form, bob), sign(form, bob))


def test_a_wallet_with_code_controls_an_id(medrec: Contract, desk: Desk, carol: Account, smart: Contract) -> None:
    """It agrees by ERC-1271."""
    form = desk.register(carol, smart)
    desk.send(form, sign(form, carol), b"any")
    assert medrec.patientOf(carol).wallet == smart.address


def test_an_account_with_code_is_a_patient(medrec: Contract, desk: Desk, smart: Contract, bob: Account) -> None:
    """Its id is its address."""
    form = desk.register(smart, bob)
    desk.send(form, b"any", sign(form, bob))
    assert medrec.patientOf(smart).wallet == bob


def test_refuses_no_wallet(desk: Desk, carol: Account) -> None:
    """Nobody could ever decide."""
    with refused("ZeroAddress"):
        desk.carry_out(desk.register(carol, ZERO), carol, carol)


def test_an_id_registers_once(medrec: Contract, desk: Desk, alice: Account, carol: Account, bob: Account) -> None:
    """Whether it was registered directly or by a signature, and whoever controls it: what lies in a drawer is dead."""
    with refused("AlreadyRegistered", alice):
        desk.carry_out(desk.register(alice, bob), alice, bob)
    medrec.register(sender=carol)
    with refused("AlreadyRegistered", carol):
        desk.carry_out(desk.register(carol, bob), carol, bob)
