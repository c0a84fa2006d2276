"""multicall()

multicall
├── carries out all calls in their order, for the sender; gives back what each returns
├── given one fails: its error; nothing is carried out
├── opens nothing that the sender could not call by itself
└── takes no ether
"""

import pytest
from eth_abi import decode

from tests.contracts.support import (
    APPEND,
    DECIDE,
    GENERAL,
    TREAT,
    Account,
    Contract,
    Denial,
    call_with_words,
    digest,
    emitted,
    entry,
    not_permitted,
    plain,
    refused,
    terms,
    unencodable,
    word_of,
)

SEAL = digest("seal")


def test_multicall_carries_out_all(medrec: Contract, alice: Account, clinic: Account) -> None:
    """A grant and the keyring that goes with it, in one transaction."""
    calls = [
        medrec.publishKeyring.encode_input(alice, 1, GENERAL, digest("keyring")),
        medrec.grant.encode_input(alice, clinic, terms(), SEAL, 1),
    ]
    receipt = medrec.multicall(calls, sender=alice)
    assert [event.name for event in emitted(medrec, receipt)] == ["KeyringPublished", "PermissionGranted"]
    assert emitted(medrec, receipt)[1].arguments["by"] == alice
    assert plain(medrec.permissionOf(alice, clinic)) == (terms(), 1)


def test_multicall_is_in_order(medrec: Contract, alice: Account, hospital: Account) -> None:
    """A call sees what those before it did."""
    calls = [
        medrec.revoke.encode_input(alice, hospital),
        medrec.grant.encode_input(alice, hospital, terms(append=0), SEAL, 3),
        medrec.append.encode_input(alice, alice, 2, TREAT, entry()),
    ]
    medrec.multicall(calls, sender=alice)
    assert plain(medrec.permissionOf(alice, hospital)) == (terms(append=0), 3)
    assert plain(medrec.historyOf(alice))[1:] == (2, 2)


def test_multicall_gives_back_what_each_returns(medrec: Contract, alice: Account, hospital: Account) -> None:
    """Numbers of entries, and nothing where nothing is returned."""
    one = medrec.append.encode_input(alice, hospital, 1, TREAT, entry())
    access = medrec.logAccess.encode_input(alice, hospital, TREAT, digest("access"))
    results = medrec.multicall.call([one, access, one], sender=hospital)
    assert [bytes(result) for result in results] == [(2).to_bytes(32, "big"), b"", (3).to_bytes(32, "big")]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_multicall_is_atomic(medrec: Contract, alice: Account, hospital: Account, place: int) -> None:
    """Where one fails its error is what the caller sees, and nothing of the others is carried out."""
    word = word_of(medrec, alice)
    calls = [medrec.append.encode_input(alice, hospital, 1, TREAT, entry(name)) for name in ("one", "two")]
    calls.insert(place, medrec.append.encode_input(alice, hospital, 9, TREAT, entry()))
    with refused("StaleKeyring", alice, 1, 9):
        medrec.multicall(calls, sender=hospital)
    assert word_of(medrec, alice) == word


def test_multicall_opens_nothing(medrec: Contract, alice: Account, hospital: Account, stranger: Account) -> None:
    """The sender is who is asked for, also in a multicall within a multicall."""
    grant = medrec.grant.encode_input(alice, stranger, terms(), SEAL, 1)
    append = medrec.append.encode_input(alice, hospital, 1, TREAT, entry())
    for _ in range(3):
        with not_permitted(alice, stranger, alice, DECIDE, Denial.NotController):
            medrec.multicall([grant], sender=stranger)
        with not_permitted(alice, stranger, hospital, APPEND, Denial.AgentNotNamed):
            medrec.multicall([append], sender=stranger)
        grant, append = (medrec.multicall.encode_input([call]) for call in (grant, append))


def test_multicall_within_a_multicall(medrec: Contract, alice: Account, hospital: Account) -> None:
    """Is carried out like any other call."""
    inner = medrec.multicall.encode_input([medrec.append.encode_input(alice, hospital, 1, TREAT, entry())])
    [result] = medrec.multicall.call([inner], sender=hospital)
    [[number]] = decode(["bytes[]"], bytes(result))
    assert int.from_bytes(number, "big") == 2


def test_multicall_of_none_does_nothing(medrec: Contract, stranger: Account) -> None:
    """An empty list is done at once."""
    receipt = medrec.multicall([], sender=stranger)
    assert emitted(medrec, receipt) == []


def test_multicall_refuses_what_is_no_call(medrec: Contract, stranger: Account) -> None:
    """There is no function to fall back to."""
    for call in (b"", b"\x01", digest("no selector")):
        with refused("FailedCall"):
            medrec.multicall([call], sender=stranger)


def test_multicall_refuses_a_length_that_is_a_lie(medrec: Contract, stranger: Account) -> None:
    """A list of calls that are not there."""
    with unencodable():
        call_with_words(medrec, stranger, "multicall", 32, 2**64)
