"""publishMoved(), publishErased()

publishMoved, publishErased
├── given the caller may not decide: NotPermitted
├── given another number than the decision counter plus one: DecisionMismatch
├── given no compartments: CompartmentsEmpty; no pointer: PointerEmpty
└── else the head binds it on behalf of the patient, under its own kind; RecordsMoved, RecordsErased
    ├── the decision counter rises by one, for both together
    └── the keyring version stays
"""

import pytest
from ape.api import ProviderAPI

from tests.contracts.support import (
    ALL,
    DECIDE,
    GENERAL,
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

POINTER = digest("manifest")
LAST_DECISION = 2**64 - 1
FUNCTIONS = {"publishMoved": (Kind.Moved, "RecordsMoved"), "publishErased": (Kind.Erased, "RecordsErased")}
both = pytest.mark.parametrize("function", FUNCTIONS)


@both
@pytest.mark.parametrize("compartments", [GENERAL, ALL])
def test_publish_manifest_binds_it(medrec: Contract, alice: Account, function: str, compartments: int) -> None:
    """The event has all that the head binds; the decision counter rises, the keyring version does not."""
    kind, name = FUNCTIONS[function]
    word = word_of(medrec, alice)
    receipt = getattr(medrec, function)(alice, 1, compartments, POINTER, sender=alice)
    time = receipt.timestamp
    assert emitted(medrec, receipt) == [
        said(
            name,
            patient=alice,
            author=alice,
            time=time,
            previous=as_previous(word),
            compartments=compartments,
            pointer=POINTER,
        )
    ]
    bound = head_entry(kind, alice, alice, time, compartments=compartments, pointer=POINTER)
    assert word_of(medrec, alice) == next_word(word, alice, bound)
    assert plain(medrec.historyOf(alice))[1:] == (2, 1)
    assert medrec.patientOf(alice).decisions == 1


def test_publish_manifest_counts_both_kinds_together(medrec: Contract, alice: Account) -> None:
    """The decision counter is the patient's."""
    medrec.publishMoved(alice, 1, GENERAL, POINTER, sender=alice)
    medrec.publishErased(alice, 2, GENERAL, POINTER, sender=alice)
    with refused("DecisionMismatch", alice, 2, 2):
        medrec.publishMoved(alice, 2, GENERAL, POINTER, sender=alice)
    assert medrec.patientOf(alice).decisions == 2


@both
@pytest.mark.parametrize("given", [0, 1, 3, LAST_DECISION])
def test_publish_manifest_refuses_another_decision(medrec: Contract, alice: Account, function: str, given: int) -> None:
    """`decision` is the patient's decision counter plus one."""
    medrec.publishMoved(alice, 1, GENERAL, POINTER, sender=alice)
    with refused("DecisionMismatch", alice, 1, given):
        getattr(medrec, function)(alice, given, GENERAL, POINTER, sender=alice)


@both
def test_publish_manifest_keeps_the_rest_of_the_slot(
    medrec: Contract, provider: ProviderAPI, alice: Account, function: str
) -> None:
    """Counting touches neither wallet nor flags, up to the last number."""
    slot = slot_of("_patients", alice)
    wallet, flags = int(alice.address, 16), 2**32 - 1
    set_slot(provider, medrec, slot, wallet | (LAST_DECISION - 1) << 160 | flags << 224)
    getattr(medrec, function)(alice, LAST_DECISION, GENERAL, POINTER, sender=alice)
    assert plain(medrec.patientOf(alice)) == (alice.address, LAST_DECISION, flags)
    for given in (0, LAST_DECISION):
        with refused("DecisionMismatch", alice, LAST_DECISION, given):
            getattr(medrec, function)(alice, given, GENERAL, POINTER, sender=alice)


@both
def test_publish_manifest_refuses_no_compartment(medrec: Contract, alice: Account, function: str) -> None:
    """`compartments` are not empty."""
    with refused("CompartmentsEmpty"):
        getattr(medrec, function)(alice, 1, 0, POINTER, sender=alice)


@both
def test_publish_manifest_refuses_no_pointer(medrec: Contract, alice: Account, function: str) -> None:
    """`pointer` is not empty."""
    with refused("PointerEmpty"):
        getattr(medrec, function)(alice, 1, GENERAL, bytes(32), sender=alice)


@both
def test_publish_manifest_refuses_others(
    medrec: Contract, alice: Account, bob: Account, hospital: Account, function: str
) -> None:
    """The caller may decide for the patient."""
    for caller in (bob, hospital):
        with not_permitted(alice, caller, alice, DECIDE, Denial.NotController):
            getattr(medrec, function)(alice, 1, GENERAL, POINTER, sender=caller)


@both
def test_publish_manifest_refuses_for_an_unknown_patient(medrec: Contract, stranger: Account, function: str) -> None:
    """Nobody decides for an id that is not registered."""
    with not_permitted(stranger, stranger, stranger, DECIDE, Denial.PatientUnknown):
        getattr(medrec, function)(stranger, 1, GENERAL, POINTER, sender=stranger)


@both
def test_publish_manifest_names_the_wallet_as_author(
    medrec: Contract, provider: ProviderAPI, alice: Account, bob: Account, function: str
) -> None:
    """Where another wallet controls the id, it writes on behalf of the patient."""
    kind, _ = FUNCTIONS[function]
    set_slot(provider, medrec, slot_of("_patients", alice), int(bob.address, 16))
    word = word_of(medrec, alice)
    receipt = getattr(medrec, function)(alice, 1, GENERAL, POINTER, sender=bob)
    assert emitted(medrec, receipt)[0].arguments["author"] == bob
    bound = head_entry(kind, bob, alice, receipt.timestamp, compartments=GENERAL, pointer=POINTER)
    assert word_of(medrec, alice) == next_word(word, alice, bound)
