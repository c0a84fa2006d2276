"""publishKeyring()

publishKeyring
├── given the caller may not decide: NotPermitted
├── given another version than the current one: StaleKeyring
├── given no compartments: CompartmentsEmpty; no pointer: PointerEmpty
├── given the last version: KeyringExhausted
└── else the head binds it on behalf of the patient, the version rises by one; KeyringPublished
"""

import pytest
from ape.api import ProviderAPI

from tests.contracts.support import (
    ALL,
    DECIDE,
    GENERAL,
    LAST_VERSION,
    Account,
    Contract,
    Denial,
    Kind,
    as_previous,
    digest,
    emitted,
    head_entry,
    next_word,
    not_permitted,
    plain,
    refused,
    said,
    set_slot,
    slot_of,
    word_of,
)

POINTER = digest("keyring")


@pytest.mark.parametrize("compartments", [1, GENERAL, 1 << 63, ALL])
def test_publish_keyring_binds_it(medrec: Contract, alice: Account, compartments: int) -> None:
    """KeyringPublished has all that the head binds; the version rises by one."""
    word = word_of(medrec, alice)
    receipt = medrec.publishKeyring(alice, 1, compartments, POINTER, sender=alice)
    time = receipt.timestamp
    assert emitted(medrec, receipt) == [
        said(
            "KeyringPublished",
            patient=alice,
            author=alice,
            time=time,
            previous=as_previous(word),
            compartments=compartments,
            pointer=POINTER,
        )
    ]
    bound = head_entry(Kind.Keyring, alice, alice, time, compartments=compartments, pointer=POINTER)
    assert word_of(medrec, alice) == next_word(word, alice, bound)
    assert plain(medrec.historyOf(alice))[1:] == (2, 2)


def test_publish_keyring_begins_with_version_zero(medrec: Contract, carol: Account) -> None:
    """The first keyring names version 0, and is entry 1."""
    medrec.register(sender=carol)
    medrec.publishKeyring(carol, 0, GENERAL, POINTER, sender=carol)
    assert plain(medrec.historyOf(carol))[1:] == (1, 1)


@pytest.mark.parametrize("given", [0, 2, LAST_VERSION])
def test_publish_keyring_refuses_another_version(medrec: Contract, alice: Account, given: int) -> None:
    """`keyringVersion` is the current one: of two devices, the one that comes second reads again."""
    with refused("StaleKeyring", alice, 1, given):
        medrec.publishKeyring(alice, given, GENERAL, POINTER, sender=alice)


def test_publish_keyring_reaches_the_last_version_and_no_further(
    medrec: Contract, provider: ProviderAPI, alice: Account
) -> None:
    """`keyringVersion` is not the last."""
    set_slot(provider, medrec, slot_of("_histories", alice), 1 << 24 | LAST_VERSION - 1)
    medrec.publishKeyring(alice, LAST_VERSION - 1, GENERAL, POINTER, sender=alice)
    assert plain(medrec.historyOf(alice))[1:] == (2, LAST_VERSION)
    with refused("KeyringExhausted", alice):
        medrec.publishKeyring(alice, LAST_VERSION, GENERAL, POINTER, sender=alice)


def test_publish_keyring_refuses_no_compartment(medrec: Contract, alice: Account) -> None:
    """`compartments` are not empty."""
    with refused("CompartmentsEmpty"):
        medrec.publishKeyring(alice, 1, 0, POINTER, sender=alice)


def test_publish_keyring_refuses_no_pointer(medrec: Contract, alice: Account) -> None:
    """`pointer` is not empty."""
    with refused("PointerEmpty"):
        medrec.publishKeyring(alice, 1, GENERAL, bytes(32), sender=alice)


def test_publish_keyring_moves_no_decision(medrec: Contract, alice: Account) -> None:
    """It takes the keyring version, and no number of the patient's decisions."""
    medrec.publishKeyring(alice, 1, GENERAL, POINTER, sender=alice)
    assert medrec.patientOf(alice).decisions == 0


def test_publish_keyring_refuses_others(medrec: Contract, alice: Account, bob: Account, hospital: Account) -> None:
    """The caller may decide for the patient."""
    for caller in (bob, hospital):
        with not_permitted(alice, caller, alice, DECIDE, Denial.NotController):
            medrec.publishKeyring(alice, 1, GENERAL, POINTER, sender=caller)


def test_publish_keyring_refuses_for_an_unknown_patient(medrec: Contract, stranger: Account) -> None:
    """Nobody decides for an id that is not registered."""
    with not_permitted(stranger, stranger, stranger, DECIDE, Denial.PatientUnknown):
        medrec.publishKeyring(stranger, 0, GENERAL, POINTER, sender=stranger)


def test_publish_keyring_names_the_wallet_as_author(
    medrec: Contract, provider: ProviderAPI, alice: Account, bob: Account
) -> None:
    """Where another wallet controls the id, it writes on behalf of the patient."""
    set_slot(provider, medrec, slot_of("_patients", alice), int(bob.address, 16))
    word = word_of(medrec, alice)
    receipt = medrec.publishKeyring(alice, 1, GENERAL, POINTER, sender=bob)
    assert emitted(medrec, receipt)[0].arguments["author"] == bob
    bound = head_entry(Kind.Keyring, bob, alice, receipt.timestamp, compartments=GENERAL, pointer=POINTER)
    assert word_of(medrec, alice) == next_word(word, alice, bound)
