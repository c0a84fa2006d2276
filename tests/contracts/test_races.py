"""What comes first in a block wins: a revocation waits for nothing, and no author writes past it.

two transactions in one block
├── append, then revoke: the record is in the history, sealed to keys of before the revocation
├── revoke, then append
│   ├── by the one revoked: refused, whatever version it names
│   └── by another author with the version before: StaleKeyring, until it seals anew
├── append, then revokeAndRotate: both; a keyring names a version, and no length
├── two keyrings of two devices: the second reads again
├── a keyring, then revokeAndRotate: the revocation takes place, its keyring is skipped
├── two grants of one version: the second is refused
└── revoke, then a grant from a drawer: the grant is dead
"""

from typing import Any

from ape.api import ProviderAPI
from ape.managers.chain import ChainManager

from tests.contracts.support import (
    APPEND,
    GENERAL,
    TREAT,
    Account,
    Contract,
    Denial,
    after_records,
    digest,
    entry,
    in_one_block,
    not_permitted,
    plain,
    refused,
    terms,
    word_of,
)
from tests.contracts.test_revoke import NONE
from tests.vectors.generate_head import reader_lost

DONE, FAILED = 1, 0
SEAL = digest("seal")


def outcomes(receipts: list[Any]) -> list[int]:
    """Which transactions were carried out."""
    return [receipt["status"] for receipt in receipts]


def test_append_before_a_revocation(
    medrec: Contract, provider: ProviderAPI, chain: ChainManager, alice: Account, hospital: Account
) -> None:
    """The record is taken: it was written while it was permitted."""
    word = word_of(medrec, alice)
    receipts = in_one_block(
        provider,
        (medrec.append, (alice, hospital, 1, TREAT, entry()), hospital),
        (medrec.revoke, (alice, hospital), alice),
    )
    assert outcomes(receipts) == [DONE, DONE]
    time = chain.blocks[receipts[0]["blockNumber"]].timestamp
    assert word_of(medrec, alice) == reader_lost(after_records(word, alice, hospital, hospital, time, entry()))


def test_append_after_a_revocation(medrec: Contract, provider: ProviderAPI, alice: Account, hospital: Account) -> None:
    """The one that was revoked writes nothing more, from the next transaction on, even in the same block."""
    word = word_of(medrec, alice)
    receipts = in_one_block(
        provider,
        (medrec.revoke, (alice, hospital), alice),
        (medrec.append, (alice, hospital, 1, TREAT, entry()), hospital),
        (medrec.append, (alice, hospital, 2, TREAT, entry()), hospital),
    )
    assert outcomes(receipts) == [DONE, FAILED, FAILED]
    assert word_of(medrec, alice) == reader_lost(word)
    for version in (1, 2):
        with not_permitted(alice, hospital, hospital, APPEND, Denial.Revoked):
            medrec.append(alice, hospital, version, TREAT, entry(), sender=hospital)


def test_append_by_another_author_after_a_revocation(
    medrec: Contract, provider: ProviderAPI, alice: Account, hospital: Account, clinic: Account
) -> None:
    """What it sealed to the keys of the one revoked is refused; sealed anew, it is taken."""
    medrec.grant(alice, clinic, terms(), SEAL, 1, sender=alice)
    receipts = in_one_block(
        provider,
        (medrec.revoke, (alice, hospital), alice),
        (medrec.append, (alice, clinic, 1, TREAT, entry()), clinic),
        (medrec.append, (alice, clinic, 2, TREAT, entry()), clinic),
    )
    assert outcomes(receipts) == [DONE, FAILED, DONE]
    assert plain(medrec.historyOf(alice))[1:] == (2, 2)
    with refused("StaleKeyring", alice, 2, 1):
        medrec.append(alice, clinic, 1, TREAT, entry(), sender=clinic)


def test_append_before_a_rotation(
    medrec: Contract, provider: ProviderAPI, alice: Account, hospital: Account, clinic: Account
) -> None:
    """An author cannot make a revocation or its keyring fail: they name no length."""
    medrec.grant(alice, clinic, terms(), SEAL, 1, sender=alice)
    receipts = in_one_block(
        provider,
        (medrec.append, (alice, hospital, 1, TREAT, entry()), hospital),
        (medrec.append, (alice, clinic, 1, TREAT, entry()), clinic),
        (medrec.revokeAndRotate, (alice, hospital, 1, GENERAL, digest("keyring")), alice),
        (medrec.append, (alice, clinic, 2, TREAT, entry()), clinic),
        (medrec.append, (alice, clinic, 3, TREAT, entry()), clinic),
    )
    assert outcomes(receipts) == [DONE, DONE, DONE, FAILED, DONE]
    assert plain(medrec.historyOf(alice))[1:] == (5, 3)


def test_two_keyrings_of_two_devices(medrec: Contract, provider: ProviderAPI, alice: Account) -> None:
    """The one that loses the compare-and-swap reads again."""
    receipts = in_one_block(
        provider,
        (medrec.publishKeyring, (alice, 1, GENERAL, digest("of the telephone")), alice),
        (medrec.publishKeyring, (alice, 1, GENERAL, digest("of the tablet")), alice),
    )
    assert outcomes(receipts) == [DONE, FAILED]
    with refused("StaleKeyring", alice, 2, 1):
        medrec.publishKeyring(alice, 1, GENERAL, digest("of the tablet"), sender=alice)


def test_a_keyring_before_a_rotation(
    medrec: Contract, provider: ProviderAPI, alice: Account, hospital: Account
) -> None:
    """The revocation waits for nothing."""
    receipts = in_one_block(
        provider,
        (medrec.publishKeyring, (alice, 1, GENERAL, digest("of the telephone")), alice),
        (medrec.revokeAndRotate, (alice, hospital, 1, GENERAL, digest("of the tablet")), alice),
    )
    assert outcomes(receipts) == [DONE, DONE]
    assert plain(medrec.permissionOf(alice, hospital)) == (NONE, 2)
    assert plain(medrec.historyOf(alice))[1:] == (2, 3)


def test_two_grants_of_one_version(medrec: Contract, provider: ProviderAPI, alice: Account, clinic: Account) -> None:
    """A grant names the version that it creates: the second would overwrite what its author never saw."""
    receipts = in_one_block(
        provider,
        (medrec.grant, (alice, clinic, terms(append=0), SEAL, 1), alice),
        (medrec.grant, (alice, clinic, terms(), SEAL, 1), alice),
    )
    assert outcomes(receipts) == [DONE, FAILED]
    assert plain(medrec.permissionOf(alice, clinic)) == (terms(append=0), 1)


def test_a_revocation_before_a_grant_from_a_drawer(
    medrec: Contract, provider: ProviderAPI, alice: Account, clinic: Account
) -> None:
    """What was to come next is dead once the patient has revoked, though nothing had been granted."""
    receipts = in_one_block(
        provider,
        (medrec.revoke, (alice, clinic), alice),
        (medrec.grant, (alice, clinic, terms(), SEAL, 1), alice),
    )
    assert outcomes(receipts) == [DONE, FAILED]
    assert plain(medrec.permissionOf(alice, clinic)) == (NONE, 1)


def test_a_suspension_before_an_append(
    medrec: Contract, provider: ProviderAPI, registrar: Account, alice: Account, hospital: Account, nurse: Account
) -> None:
    """Suspension by a registrar stops writing at once."""
    receipts = in_one_block(
        provider,
        (medrec.append, (alice, hospital, 1, TREAT, entry()), nurse),
        (medrec.suspend, (hospital,), registrar),
        (medrec.append, (alice, hospital, 1, TREAT, entry()), nurse),
    )
    assert outcomes(receipts) == [DONE, DONE, FAILED]


def test_a_dismissal_before_an_append(
    medrec: Contract, provider: ProviderAPI, alice: Account, hospital: Account, nurse: Account
) -> None:
    """A dismissed agent writes nothing more, from the next transaction."""
    receipts = in_one_block(
        provider,
        (medrec.dismissAgent, (nurse,), hospital),
        (medrec.append, (alice, hospital, 1, TREAT, entry()), nurse),
        (medrec.append, (alice, hospital, 1, TREAT, entry()), hospital),
    )
    assert outcomes(receipts) == [DONE, FAILED, DONE]
