"""publishKeyringSigned(), publishMovedSigned(): the rest is in test_signed_forms.py

publishKeyringSigned
├── given another keyring version: StaleKeyring, also after a direct decision that took it
├── given the last: KeyringExhausted
├── given no compartments: CompartmentsEmpty; no pointer: PointerEmpty
└── KeyringPublished, by the signer; bound to the history as the direct form binds it
publishMovedSigned
├── given another number than the next decision's: DecisionMismatch, also after a direct decision that took it
├── given no compartments: CompartmentsEmpty; no pointer: PointerEmpty
└── RecordsMoved, by the signer; a representative signs none (test_representatives.py)
"""

import pytest
from ape.api import ProviderAPI

from tests.contracts.signing import POINTER, Desk
from tests.contracts.support import (
    GENERAL,
    LAST_VERSION,
    PSYCHIATRY,
    Account,
    Contract,
    Kind,
    as_previous,
    digest,
    emitted,
    head_entry,
    next_word,
    refused,
    said,
    set_slot,
    slot_of,
    terms,
    word_of,
)


def test_publish_keyring_signed_binds_it(medrec: Contract, desk: Desk, alice: Account) -> None:
    """Into the head, by the signer on behalf of the patient, and the version rises by one."""
    word, both = word_of(medrec, alice), GENERAL | PSYCHIATRY
    receipt = desk.carry_out(desk.keyring(alice, compartments=both), alice)
    assert emitted(medrec, receipt) == [
        said(
            "KeyringPublished",
            patient=alice,
            author=alice,
            time=receipt.timestamp,
            previous=as_previous(word),
            compartments=both,
            pointer=POINTER,
        )
    ]
    bound = head_entry(Kind.Keyring, alice, alice, receipt.timestamp, compartments=both, pointer=POINTER)
    assert word_of(medrec, alice) == next_word(word, alice, bound)


@pytest.mark.parametrize("version", [0, 2, LAST_VERSION])
def test_publish_keyring_signed_refuses_another_version(desk: Desk, alice: Account, version: int) -> None:
    """`keyringVersion` is the current one."""
    with refused("StaleKeyring", alice, 1, version):
        desk.carry_out(desk.keyring(alice, version=version), alice)


def test_a_direct_decision_takes_the_keyring_version(
    medrec: Contract, desk: Desk, alice: Account, hospital: Account
) -> None:
    """A keyring, or the loss of a reader: what was signed before is dead."""
    form = desk.keyring(alice)
    medrec.publishKeyring(alice, 1, GENERAL, digest("another"), sender=alice)
    with refused("StaleKeyring", alice, 2, 1):
        desk.carry_out(form, alice)
    form = desk.keyring(alice, version=2)
    medrec.grant(alice, hospital, terms(read=0), digest("seal"), 2, sender=alice)
    with refused("StaleKeyring", alice, 3, 2):
        desk.carry_out(form, alice)


def test_publish_keyring_signed_refuses_the_last_version(
    medrec: Contract, desk: Desk, provider: ProviderAPI, alice: Account
) -> None:
    """There is none behind it."""
    set_slot(provider, medrec, slot_of("_histories", alice), 1 << 24 | LAST_VERSION)
    with refused("KeyringExhausted", alice):
        desk.carry_out(desk.keyring(alice, version=LAST_VERSION), alice)


def test_publish_keyring_signed_refuses_what_is_empty(desk: Desk, alice: Account) -> None:
    with refused("CompartmentsEmpty"):
        desk.carry_out(desk.keyring(alice, compartments=0), alice)
    with refused("PointerEmpty"):
        desk.carry_out(desk.keyring(alice, pointer=bytes(32)), alice)


def test_a_signed_manifest_is_bound(medrec: Contract, desk: Desk, alice: Account) -> None:
    """Into the head, by the signer on behalf of the patient, and the decision counter rises by one."""
    word = word_of(medrec, alice)
    receipt = desk.carry_out(desk.moved(alice), alice)
    assert emitted(medrec, receipt) == [
        said(
            "RecordsMoved",
            patient=alice,
            author=alice,
            time=receipt.timestamp,
            previous=as_previous(word),
            compartments=GENERAL,
            pointer=POINTER,
        )
    ]
    bound = head_entry(Kind.Moved, alice, alice, receipt.timestamp, compartments=GENERAL, pointer=POINTER)
    assert word_of(medrec, alice) == next_word(word, alice, bound)
    assert medrec.patientOf(alice).decisions == 1


def test_a_signed_manifest_names_the_next_decision(medrec: Contract, desk: Desk, alice: Account) -> None:
    """The same numbers as the direct form's, and those of all other numbered decisions."""
    for decision in (0, 2):
        with refused("DecisionMismatch", alice, 0, decision):
            desk.carry_out(desk.moved(alice, decision=decision), alice)
    medrec.publishErased(alice, 1, GENERAL, digest("another"), sender=alice)
    with refused("DecisionMismatch", alice, 1, 1):
        desk.carry_out(desk.moved(alice), alice)
    desk.carry_out(desk.moved(alice, decision=2), alice)


def test_a_signed_manifest_is_not_empty(desk: Desk, alice: Account) -> None:
    with refused("CompartmentsEmpty"):
        desk.carry_out(desk.moved(alice, compartments=0), alice)
    with refused("PointerEmpty"):
        desk.carry_out(desk.moved(alice, pointer=bytes(32)), alice)
