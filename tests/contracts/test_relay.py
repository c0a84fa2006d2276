"""relay()

relay
├── carries out signed forms of any patients and authors, in their order
├── given one is refused: CallRefused with its place and its reason; the others are carried out
│   ├── however often it is altered, left out, sent in another order or in pieces: only what was signed is carried out
│   └── an account with code that burns gas sinks its own call alone
├── given a call of anything but a signed form: CallRefused, NotRelayable
│   └── also multicall, relay, every direct form, and what is no call
├── given too little gas before a call: RelayGasTooLow; everything is undone
│   ├── a gas limit never makes a good call a refused one
│   └── nor do bytes put behind a call
└── takes no ether
"""

from collections.abc import Iterator

import pytest
from ape.api import ProviderAPI
from ape.exceptions import ContractLogicError
from ape.managers.project import ProjectManager

from tests.contracts.signing import POINTER, Desk, sign
from tests.contracts.support import (
    GENERAL,
    TREAT,
    YEAR_2100,
    Account,
    Contract,
    Said,
    digest,
    emitted,
    entry,
    error_data,
    plain,
    rehearsed,
    revert_data,
    said,
    terms,
    word_of,
)

SEAL = digest("seal")
# What `SmartAccount` answers.
COSTLY = 6


def refusal(desk: Desk, item: int, name: str, *values: object) -> Said:
    """The event of one that was refused."""
    return said("CallRefused", relayer=desk.stranger, item=item, reason=error_data(name, *values))


def names(events: list[Said]) -> list[str]:
    return [event.name for event in events]


def test_relay_carries_out_a_mixture(
    medrec: Contract, desk: Desk, alice: Account, bob: Account, carol: Account, hospital: Account, clinic: Account
) -> None:
    """Of patients and authors; each sees what those before it did."""
    calls = [
        desk.signed(desk.grant(alice, clinic), alice),
        desk.call(desk.register(carol), sign(desk.register(carol), carol), b""),
        desk.signed(desk.grant(carol, hospital), carol),
        desk.signed(desk.append(alice, hospital), hospital),
        desk.signed(desk.append(carol, hospital, keyring_version=0, number=2), hospital),
        desk.signed(desk.keyring(bob), bob),
        desk.signed(desk.revoke(alice, hospital), alice),
    ]
    events = emitted(medrec, desk.relay(calls))
    assert names(events) == [
        "PermissionGranted",
        "PatientRegistered",
        "PermissionGranted",
        "RecordAppended",
        "RecordAppended",
        "KeyringPublished",
        "PermissionRevoked",
    ]
    assert plain(medrec.permissionOf(carol, hospital)) == (terms(), 1)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_is_refused_sinks_no_other(
    medrec: Contract, desk: Desk, alice: Account, bob: Account, clinic: Account, place: int
) -> None:
    """Wherever it stands, its place and its reason are told."""
    calls = [desk.signed(desk.grant(patient, clinic), patient) for patient in (alice, bob)]
    calls.insert(place, desk.signed(desk.keyring(alice, version=9), alice))
    events = emitted(medrec, desk.relay(calls))
    assert events[place] == refusal(desk, place, "StaleKeyring", alice, 1, 9)
    assert names(events[:place] + events[place + 1 :]) == ["PermissionGranted"] * 2


def test_what_is_refused_changes_nothing(medrec: Contract, desk: Desk, alice: Account, hospital: Account) -> None:
    """Not even the author's number, so the call behind it has the same one."""
    calls = [
        desk.signed(desk.append(alice, hospital, keyring_version=9), hospital),
        desk.signed(desk.append(alice, hospital), hospital),
    ]
    events = emitted(medrec, desk.relay(calls))
    assert events[0] == refusal(desk, 0, "StaleKeyring", alice, 1, 9)
    assert names(events[1:]) == ["RecordAppended"]
    assert medrec.providerOf(hospital).relayed == 1


def test_an_altered_call_is_refused_and_the_original_stays_good(
    medrec: Contract, desk: Desk, alice: Account, clinic: Account
) -> None:
    """A relayer can change nothing of it: each bit of each word of the message is signed."""
    call = desk.signed(desk.grant(alice, clinic), alice)
    altered = [
        call[: 4 + 32 * word + 31] + bytes([call[4 + 32 * word + 31] ^ 1]) + call[4 + 32 * (word + 1) :]
        for word in range(2, 12)
    ]
    events = emitted(medrec, desk.relay(altered))
    assert names(events) == ["CallRefused"] * 10
    assert {event.arguments["reason"][:4] for event in events} == {error_data("SignatureInvalid", alice)[:4]}
    assert medrec.permissionOf(alice, clinic).version == 0
    assert names(emitted(medrec, desk.relay([call]))) == ["PermissionGranted"]


def test_another_order_carries_out_no_more_than_was_signed(
    medrec: Contract, desk: Desk, alice: Account, clinic: Account
) -> None:
    """Two renewals of one permission: in the wrong order the second is refused, and good again later."""
    first, second = (desk.signed(desk.grant(alice, clinic, version=version), alice) for version in (1, 2))
    events = emitted(medrec, desk.relay([second, first]))
    assert events[0] == refusal(desk, 0, "VersionMismatch", alice, clinic, 0, 2)
    assert names(events[1:]) == ["PermissionGranted"]
    assert names(emitted(medrec, desk.relay([second]))) == ["PermissionGranted"]


def test_pieces_and_repetitions(medrec: Contract, desk: Desk, alice: Account, bob: Account, clinic: Account) -> None:
    """A relayer that splits, drops or doubles what it was given changes when it happens, and nothing else."""
    calls = [desk.signed(desk.grant(patient, clinic), patient) for patient in (alice, bob)]
    assert names(emitted(medrec, desk.relay(calls[1:]))) == ["PermissionGranted"]
    assert names(emitted(medrec, desk.relay(calls + calls))) == ["PermissionGranted"]
    assert [medrec.permissionOf(patient, clinic).version for patient in (alice, bob)] == [1, 1]


def test_relay_of_none_does_nothing(medrec: Contract, desk: Desk) -> None:
    assert emitted(medrec, desk.relay([], gas=60_000)) == []


# ------------------------------------------------------------------------------------------------------ other functions


def direct_calls(medrec: Contract, desk: Desk, alice: Account, clinic: Account) -> Iterator[bytes]:
    """What alice could send by herself, and what is no call."""
    signed = desk.signed(desk.grant(alice, clinic), alice)
    yield bytes(medrec.grant.encode_input(alice, clinic, terms(), SEAL, 1))
    yield bytes(medrec.revoke.encode_input(alice, clinic))
    yield bytes(medrec.publishKeyring.encode_input(alice, 1, GENERAL, POINTER))
    yield bytes(medrec.append.encode_input(alice, alice, 1, TREAT, entry()))
    yield bytes(medrec.changeWallet.encode_input(alice, clinic, 1, YEAR_2100, b""))
    yield bytes(medrec.nameAgent.encode_input(clinic, YEAR_2100))
    yield bytes(medrec.multicall.encode_input([signed]))
    yield bytes(medrec.relay.encode_input([signed]))
    yield bytes(medrec.patientOf.encode_input(alice))
    yield b"\xde\xad\xbe\xef"


def test_only_signed_forms_are_relayed(medrec: Contract, desk: Desk, alice: Account, clinic: Account) -> None:
    """Also for somebody who could send them directly; and nothing is put around a signed form."""
    calls = list(direct_calls(medrec, desk, alice, clinic))
    receipt = medrec.relay(calls, sender=alice, gas=3_000_000)
    assert emitted(medrec, receipt) == [
        said("CallRefused", relayer=alice, item=item, reason=error_data("NotRelayable", call[:4]))
        for item, call in enumerate(calls)
    ]


@pytest.mark.parametrize("call", [b"", b"\x69", b"\x69\x01\x4f"])
def test_what_is_no_call_is_refused(medrec: Contract, desk: Desk, call: bytes) -> None:
    """Shorter than a selector, which is filled up with zeros."""
    assert emitted(medrec, desk.relay([call])) == [refusal(desk, 0, "NotRelayable", call.ljust(4, b"\0"))]


def test_a_call_that_is_cut_short_is_refused(medrec: Contract, desk: Desk, alice: Account, clinic: Account) -> None:
    """Its arguments are no encoding: there is no reason to tell, and the next is carried out."""
    call = desk.signed(desk.grant(alice, clinic), alice)
    events = emitted(medrec, desk.relay([call[:100], call]))
    assert events[0] == said("CallRefused", relayer=desk.stranger, item=0, reason=b"")
    assert names(events[1:]) == ["PermissionGranted"]


# ------------------------------------------------------------------------------------------------------------------ gas


def test_a_gas_limit_makes_no_refusal(
    medrec: Contract, desk: Desk, provider: ProviderAPI, alice: Account, bob: Account, clinic: Account
) -> None:
    """Whatever the relayer gives: all is carried out, or all is undone. No good call is ever told to be refused."""
    calls = [desk.signed(desk.grant(patient, clinic), patient) for patient in (alice, bob)]
    outcomes = set()
    for gas in [*range(60_000, 160_000, 20_000), *range(600_000, 760_000, 8_000)]:
        with rehearsed(provider):
            try:
                outcomes.add(tuple(names(emitted(medrec, desk.relay(calls, gas=gas)))))
            except ContractLogicError as error:
                outcomes.add(revert_data(error)[:4])
                assert medrec.permissionOf(alice, clinic).version == 0
    gas_too_low = error_data("RelayGasTooLow", 0, 0, 0)[:4]
    assert outcomes - {b""} == {("PermissionGranted",) * 2, gas_too_low}


def test_gas_too_low_says_where_and_how_much(
    medrec: Contract, desk: Desk, alice: Account, bob: Account, clinic: Account
) -> None:
    """Before the second call, say."""
    calls = [desk.signed(desk.grant(patient, clinic), patient) for patient in (alice, bob)]
    with pytest.raises(ContractLogicError) as caught:
        desk.relay(calls, gas=680_000)
    data = revert_data(caught.value)
    item, left, needed = (int.from_bytes(data[4 + 32 * word : 36 + 32 * word]) for word in range(3))
    assert (item, left < needed, needed) == (1, True, 612_523)


@pytest.mark.parametrize(("padding", "first"), [(0, 420_000), (320_000, 1_700_000)])
def test_no_relayer_starves_the_dearest_call(
    project: ProjectManager,
    medrec: Contract,
    desk: Desk,
    provider: ProviderAPI,
    authority: Account,
    alice: Account,
    padding: int,
    first: int,
) -> None:
    """Two accounts with code are asked, and each uses up what it may: whatever the gas limit, they have it.

    A relayer may also put many bytes behind the call. Copying them costs gas, which is looked at afterwards.
    """
    wallet, heir = authority.deploy(project.SmartAccount), authority.deploy(project.SmartAccount)
    medrec.changeWallet(alice, wallet, 1, YEAR_2100, b"", sender=alice, gas=1_000_000)
    for account in (wallet, heir):
        account.setAnswer(COSTLY, sender=authority)
    change = desk.change_wallet(alice, heir, signer=wallet, decision=2)
    call = desk.call(change, b"any", b"any") + bytes(padding)
    outcomes = []
    for gas in range(first, first + 600_000, 15_000):
        with rehearsed(provider):
            try:
                outcomes.append(tuple(names(emitted(medrec, desk.relay([call], gas=gas)))))
            except ContractLogicError as error:
                outcomes.append(revert_data(error)[:4])
    assert set(outcomes) - {b""} == {("WalletChanged",), error_data("RelayGasTooLow", 0, 0, 0)[:4]}
    assert outcomes[-1] == ("WalletChanged",)


def test_an_account_that_burns_gas_sinks_its_own_call_alone(
    medrec: Contract, desk: Desk, authority: Account, alice: Account, bob: Account, smart: Contract, clinic: Account
) -> None:
    """Its call is refused as any other that was not signed, at a bounded price."""
    medrec.changeWallet(alice, smart, 1, YEAR_2100, b"", sender=alice, gas=1_000_000)
    smart.setAnswer(3, sender=authority)
    burning = desk.call(desk.grant(alice, clinic, signer=smart), b"any")
    good = desk.signed(desk.grant(bob, clinic), bob)
    receipt = desk.relay([burning, good])
    events = emitted(medrec, receipt)
    assert events[0] == refusal(desk, 0, "SignatureInvalid", smart)
    assert names(events[1:]) == ["PermissionGranted"]
    assert receipt.gas_used < 400_000


def test_two_accounts_that_burn_gas_in_one_call(
    project: ProjectManager,
    medrec: Contract,
    desk: Desk,
    authority: Account,
    alice: Account,
    bob: Account,
    clinic: Account,
) -> None:
    """The dearest form asks two accounts with code: each has its share, and the others are carried out."""
    wallet, heir = authority.deploy(project.SmartAccount), authority.deploy(project.SmartAccount)
    medrec.changeWallet(alice, wallet, 1, YEAR_2100, b"", sender=alice, gas=1_000_000)
    heir.setAnswer(3, sender=authority)
    change = desk.change_wallet(alice, heir, signer=wallet, decision=2)
    good = desk.signed(desk.grant(bob, clinic), bob)
    events = emitted(medrec, desk.relay([desk.call(change, b"any", b"any"), good]))
    assert events[0] == refusal(desk, 0, "SignatureInvalid", heir)
    assert names(events[1:]) == ["PermissionGranted"]
    heir.setAnswer(0, sender=authority)
    assert names(emitted(medrec, desk.relay([desk.call(change, b"any", b"any")]))) == ["WalletChanged"]


@pytest.mark.parametrize("answer", [1, 2, 4, 5], ids=["no", "revert", "too long", "short"])
def test_an_account_cannot_write_into_the_refusal(
    medrec: Contract, desk: Desk, authority: Account, alice: Account, smart: Contract, clinic: Account, answer: int
) -> None:
    """What it answers or reverts with is told to nobody: the reason is the contract's own."""
    medrec.changeWallet(alice, smart, 1, YEAR_2100, b"", sender=alice, gas=1_000_000)
    smart.setAnswer(answer, sender=authority)
    call = desk.call(desk.grant(alice, clinic, signer=smart), b"any")
    assert emitted(medrec, desk.relay([call])) == [refusal(desk, 0, "SignatureInvalid", smart)]


def test_relay_goes_into_a_multicall(medrec: Contract, desk: Desk, alice: Account, clinic: Account) -> None:
    """As any other function; the gas is looked at all the same."""
    inner = medrec.relay.encode_input([desk.signed(desk.grant(alice, clinic), alice)])
    with pytest.raises(ContractLogicError):
        medrec.multicall([inner], sender=desk.stranger, gas=500_000)
    receipt = medrec.multicall([inner], sender=desk.stranger, gas=1_000_000)
    assert names(emitted(medrec, receipt)) == ["PermissionGranted"]


def test_many_in_a_relay_cost_no_more_each(medrec: Contract, desk: Desk, alice: Account, clinic: Account) -> None:
    """Memory is not kept from call to call: renewals in a relay of 30 cost what they cost in one of 10."""
    gas = []
    version = 0
    for count in (10, 30):
        calls = [desk.signed(desk.grant(alice, clinic, version=version + 1 + i), alice) for i in range(count)]
        version += count
        gas.append((desk.relay(calls).gas_used - 21_000) / count)
    assert gas[1] < gas[0]
    assert word_of(medrec, alice)
