"""changeWallet()

changeWallet
├── given the caller does not control the patient: NotPermitted (test_unauthorised.py)
├── given the new wallet is zero: ZeroAddress
├── given it is the present one: WalletUnchanged
├── given another number than the next decision's: DecisionMismatch
├── given the deadline has passed: DeadlinePassed
├── given the signature is not the new wallet's over exactly this: SignatureInvalid
│   ├── another signer; a changed field; another chain or contract
│   ├── high s, 64 bytes, empty, v of 0 or 1
│   └── an account with code that says no, reverts, burns gas, or answers at another length
└── given it is
    ├── WalletChanged; the wallet decides, the old one no longer does
    ├── the id, its history and its permissions stay
    ├── the decision counter rises by one
    └── also where an account with code agrees (ERC-1271)
"""

from typing import Any

import pytest
from ape.managers.chain import ChainManager
from eth_account import Account as Keys

from tests.contracts.support import (
    DAY,
    DECIDE,
    GENERAL,
    TREAT,
    YEAR_2100,
    ZERO,
    Account,
    Clock,
    Contract,
    Denial,
    digest,
    emitted,
    entry,
    not_permitted,
    plain,
    refused,
    said,
    terms,
)

TYPES = {
    "WalletChange": [
        {"name": "patient", "type": "address"},
        {"name": "wallet", "type": "address"},
        {"name": "decision", "type": "uint64"},
        {"name": "deadline", "type": "uint256"},
    ]
}
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Change:
    """A change of alice's wallet to carol's, with one thing or another changed."""

    def __init__(self, medrec: Contract, chain_id: int, alice: Account, carol: Account) -> None:
        self.message: dict[str, Any] = {
            "patient": alice.address,
            "wallet": carol.address,
            "decision": 1,
            "deadline": YEAR_2100,
        }
        self.domain = {"name": "MedRec", "version": "1", "chainId": chain_id, "verifyingContract": medrec.address}
        self.key = carol.private_key

    def signature(self, key: str | None = None, domain: dict[str, Any] | None = None, **changed: Any) -> bytes:
        """By the new wallet's key, over this, unless something else is given."""
        message = {**self.message, **changed}
        signed = Keys.sign_typed_data(key or self.key, {**self.domain, **(domain or {})}, TYPES, message)
        return bytes(signed.signature)

    def arguments(self, signature: bytes | None = None) -> tuple[Any, ...]:
        """As the function takes them."""
        return (*self.message.values(), self.signature() if signature is None else signature)


@pytest.fixture
def change(medrec: Contract, chain: ChainManager, alice: Account, carol: Account) -> Change:
    return Change(medrec, chain.chain_id, alice, carol)


def test_the_new_wallet_decides_and_the_old_one_no_longer(
    medrec: Contract, change: Change, alice: Account, carol: Account, clinic: Account
) -> None:
    """From the next transaction; the patient is named by the same id as before."""
    medrec.changeWallet(*change.arguments(), sender=alice)
    assert plain(medrec.patientOf(alice)) == (carol.address, 1, 0)
    with not_permitted(alice, alice, alice, DECIDE, Denial.NotController):
        medrec.grant(alice, clinic, terms(), digest("seal"), 1, sender=alice)
    medrec.grant(alice, clinic, terms(), digest("seal"), 1, sender=carol)
    medrec.append(alice, alice, 1, TREAT, entry(), sender=carol)


def test_change_wallet_emits(medrec: Contract, change: Change, alice: Account, carol: Account) -> None:
    """WalletChanged names the id, the new wallet and who decided."""
    receipt = medrec.changeWallet(*change.arguments(), sender=alice)
    assert emitted(medrec, receipt) == [said("WalletChanged", patient=alice, wallet=carol, by=alice)]


def test_history_and_permissions_stay(medrec: Contract, change: Change, alice: Account, hospital: Account) -> None:
    """The wallet is no part of them."""
    before = plain([medrec.historyOf(alice), medrec.permissionOf(alice, hospital)])
    medrec.changeWallet(*change.arguments(), sender=alice)
    assert plain([medrec.historyOf(alice), medrec.permissionOf(alice, hospital)]) == before


def test_it_can_be_handed_back(medrec: Contract, change: Change, alice: Account, carol: Account) -> None:
    """The wallet that registered the id is one like any other."""
    medrec.changeWallet(*change.arguments(), sender=alice)
    back = change.signature(alice.private_key, wallet=alice.address, decision=2)
    medrec.changeWallet(alice, alice, 2, YEAR_2100, back, sender=carol)
    assert medrec.patientOf(alice).wallet == alice


def test_refuses_no_wallet(medrec: Contract, change: Change, alice: Account) -> None:
    """`wallet` is not zero: no malformed signature may recover to it either."""
    with refused("ZeroAddress"):
        medrec.changeWallet(alice, ZERO, 1, YEAR_2100, bytes(65), sender=alice)


def test_refuses_the_present_wallet(medrec: Contract, change: Change, alice: Account) -> None:
    """A change that changes nothing is a mistake."""
    signature = change.signature(alice.private_key, wallet=alice.address)
    with refused("WalletUnchanged", alice, alice):
        medrec.changeWallet(alice, alice, 1, YEAR_2100, signature, sender=alice)


@pytest.mark.parametrize("decision", [0, 2])
def test_refuses_another_decision(
    medrec: Contract, change: Change, alice: Account, carol: Account, decision: int
) -> None:
    """`decision` is the patient's decision counter plus one."""
    with refused("DecisionMismatch", alice, 0, decision):
        medrec.changeWallet(alice, carol, decision, YEAR_2100, change.signature(decision=decision), sender=alice)


def test_refuses_a_replay(medrec: Contract, change: Change, alice: Account, carol: Account) -> None:
    """After it was handed back, the old signature is dead."""
    arguments = change.arguments()
    medrec.changeWallet(*arguments, sender=alice)
    back = change.signature(alice.private_key, wallet=alice.address, decision=2)
    medrec.changeWallet(alice, alice, 2, YEAR_2100, back, sender=carol)
    with refused("DecisionMismatch", alice, 2, 1):
        medrec.changeWallet(*arguments, sender=alice)


def test_the_deadline_is_the_last_second(
    medrec: Contract, change: Change, clock: Clock, alice: Account, carol: Account
) -> None:
    """It counts in that second, and not in the next."""
    deadline = clock.now + DAY
    signature = change.signature(deadline=deadline)
    clock.set_next(deadline + 1)
    with refused("DeadlinePassed", deadline):
        medrec.changeWallet(alice, carol, 1, deadline, signature, sender=alice)


def test_in_the_last_second_it_counts(
    medrec: Contract, change: Change, clock: Clock, alice: Account, carol: Account
) -> None:
    deadline = clock.now + DAY
    clock.set_next(deadline)
    medrec.changeWallet(alice, carol, 1, deadline, change.signature(deadline=deadline), sender=alice)
    assert medrec.patientOf(alice).wallet == carol


@pytest.mark.parametrize(
    ("field", "value"),
    [("patient", "bob"), ("wallet", "bob"), ("decision", 2), ("deadline", YEAR_2100 - 1)],
)
def test_each_field_is_signed(
    medrec: Contract, change: Change, alice: Account, bob: Account, carol: Account, field: str, value: Any
) -> None:
    """A signature over another patient, wallet, number or deadline is none for this."""
    signature = change.signature(**{field: bob.address if value == "bob" else value})
    with refused("SignatureInvalid", carol):
        medrec.changeWallet(*change.arguments(signature), sender=alice)


@pytest.mark.parametrize("domain", [{"chainId": 1}, {"verifyingContract": ZERO}, {"version": "2"}, {"name": "Other"}])
def test_the_domain_is_signed(
    medrec: Contract, change: Change, alice: Account, carol: Account, domain: dict[str, Any]
) -> None:
    """Nor is one for another chain, contract, version or application."""
    with refused("SignatureInvalid", carol):
        medrec.changeWallet(*change.arguments(change.signature(domain=domain)), sender=alice)


def test_only_the_new_wallet_can_agree(medrec: Contract, change: Change, alice: Account, carol: Account) -> None:
    """Not the patient in its name."""
    with refused("SignatureInvalid", carol):
        medrec.changeWallet(*change.arguments(change.signature(alice.private_key)), sender=alice)


def _high_s(signature: bytes) -> bytes:
    s = CURVE_ORDER - int.from_bytes(signature[32:64])
    return signature[:32] + s.to_bytes(32) + bytes([55 - signature[64]])


@pytest.mark.parametrize(
    "malformed",
    [
        _high_s,
        lambda signature: signature[:64],
        lambda signature: b"",
        lambda signature: bytes(65),
        lambda signature: signature[:64] + bytes([signature[64] - 27]),
        lambda signature: signature + b"\0",
    ],
    ids=["high s", "64 bytes", "empty", "zeros", "v of 0 or 1", "66 bytes"],
)
def test_refuses_malformed_signatures(
    medrec: Contract, change: Change, alice: Account, carol: Account, malformed: Any
) -> None:
    """One signature has one encoding."""
    with refused("SignatureInvalid", carol):
        medrec.changeWallet(*change.arguments(malformed(change.signature())), sender=alice)


def test_an_account_with_code_agrees(medrec: Contract, alice: Account, smart: Contract) -> None:
    """By ERC-1271, whatever it takes for a signature."""
    medrec.changeWallet(alice, smart, 1, YEAR_2100, b"two owners", sender=alice)
    assert medrec.patientOf(alice).wallet == smart.address


@pytest.mark.parametrize("answer", [1, 2, 3, 4, 5], ids=["no", "revert", "burn gas", "too long", "short"])
def test_an_account_with_code_that_does_not_agree(
    medrec: Contract, alice: Account, smart: Contract, authority: Account, answer: int
) -> None:
    """Whatever it does, the answer is that it did not sign, at a bounded price."""
    smart.setAnswer(answer, sender=authority)
    with refused("SignatureInvalid", smart):
        medrec.changeWallet(alice, smart, 1, YEAR_2100, b"", sender=alice, gas=1_000_000)


def test_it_goes_into_a_multicall(medrec: Contract, change: Change, alice: Account, carol: Account) -> None:
    """With a keyring before it, as one decision; behind it the sender decides nothing more."""
    keyring = medrec.publishKeyring.encode_input(alice, 1, GENERAL, digest("keyring"))
    changed = medrec.changeWallet.encode_input(*change.arguments())
    with not_permitted(alice, alice, alice, DECIDE, Denial.NotController):
        medrec.multicall([changed, keyring], sender=alice)
    medrec.multicall([keyring, changed], sender=alice)
    assert medrec.patientOf(alice).wallet == carol
