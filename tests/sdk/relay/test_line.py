"""The order in which bundles go: first what must not wait, nobody's decisions changing places, and nobody starving."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec_py.chain.types import address_bytes
from medrec_py.crypto.decisions import SetGuardians, StopRecovery
from medrec_py.crypto.guardian_set import MIN_DELAY, GuardianSet
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision
from medrec_py.crypto.wallet_recovery import Request
from medrec_py.durable_queue import Item, State
from medrec_py.relay import sender as relay_sender
from medrec_py.relay.flight import PREFIX, Flight
from medrec_py.relay.line import Rank, hurried, in_turns
from medrec_py.wallet import Wallet
from tests.sdk.relay.conftest import Office
from tests.support.decisions import Desk, person, signed

SEND = "eth_sendRawTransaction"


@pytest.fixture
def office(office: Office) -> Office:
    """One that takes as much as a test hands over, and has one transaction on its way at a time."""
    return office.open(client_burst=10_000, in_flight=1)


@pytest.fixture
def two_at_a_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction has room for more than two decisions."""
    monkeypatch.setattr(relay_sender, "LARGEST_TRANSACTION", 1_500_000)


def settled(office: Office, desk: Desk, *patients: Wallet) -> None:
    """Have patients registered."""
    for patient in patients:
        office.take(Bundle((desk.register(patient),)))
    come_to_an_end(office)


def come_to_an_end(office: Office) -> None:
    while office.queue.counts()[State.WAITING] or office.relayer.sender.in_flight:
        office.step()
    office.step()


def taken(office: Office, *decisions: SignedDecision, atomic: bool = False) -> str:
    """Hand decisions over as a bundle; returns its id."""
    bundle = Bundle(decisions, atomic=atomic)
    office.take(bundle)
    return bundle.id


def went(office: Office) -> list[list[str]]:
    """The bundles of each transaction from now on until nothing waits, in the order in which they are sent."""
    transactions = []
    seen: set[str] = set()
    while office.queue.counts()[State.WAITING] or office.relayer.sender.in_flight:
        office.step()
        for note in office.queue.notes(PREFIX).values():
            flight = Flight.from_bytes(note)
            if flight.hashes[0] not in seen:
                seen.add(flight.hashes[0])
                transactions.append([part.bundle for part in flight.parts])
    return transactions


def order(office: Office) -> list[str]:
    """The same, without where one transaction ends."""
    return [bundle for transaction in went(office) for bundle in transaction]


def recovering(office: Office, desk: Desk, patient: Wallet) -> None:
    """A recovery of a patient's wallet is under way."""
    guardian, thief = person(), person()
    place, wallet = desk.place(patient), address_bytes(thief.address)
    guardians = GuardianSet.choose(1, map(address_bytes, (guardian.address, person().address)), MIN_DELAY)
    mine = SetGuardians(
        place, address_bytes(patient.address), 1, 0, bytes(32), guardians.commitment, bytes(32), desk.deadline
    )
    taken(office, signed(mine, patient))
    come_to_an_end(office)
    ask = Request(place, wallet, 1, desk.deadline)
    given = [who.sign_typed_data(ask.to_sign(address_bytes(who.address)).typed_data()) for who in (thief, guardian)]
    taken(office, SignedDecision(ask.to_sign(wallet), (*given, b""), guardians))
    come_to_an_end(office)


# --- what must not wait ---------------------------------------------------------------------------


def test_revocations_and_vetoes_go_first(office: Office, desk: Desk) -> None:
    """In their order, before everything else that waits; together with anything else they wait like that."""
    alice, bob, carol = person(), person(), person()
    settled(office, desk, alice, bob, carol)
    recovering(office, desk, bob)
    grants = [taken(office, *desk.newcomer().decisions) for _ in range(3)]
    revocation = taken(office, desk.revoke(alice, person(), 0))
    mixed = taken(office, desk.revoke(carol, person(), 0), desk.grant(carol, person()))
    veto = taken(office, signed(StopRecovery(desk.place(bob), address_bytes(bob.address), 1, desk.deadline), bob))
    more = taken(office, *desk.newcomer().decisions)
    assert order(office) == [revocation, veto, *grants, mixed, more]
    text = office.relayer.measurements().decode()
    assert "medrec_relay_urgent_seconds_count 2.0" in text


def test_a_restart_changes_no_order(office: Office, desk: Desk) -> None:
    """The order is in the queue: the next process knows what is urgent, and what goes before it."""
    alice, bob = person(), person()
    settled(office, desk, alice, bob)
    grants = [taken(office, *desk.newcomer().decisions) for _ in range(2)]
    earlier = taken(office, desk.grant(bob, person()))
    urgent = [taken(office, desk.revoke(who, person(), 0)) for who in (alice, bob)]
    office.open()
    assert order(office) == [earlier, *urgent, *grants]


def test_what_is_sent_anew_goes_in_its_order(office: Office, desk: Desk) -> None:
    """A revocation whose transaction came to nothing does not begin at the end of the line."""
    alice = person()
    settled(office, desk, alice)
    revocation = taken(office, desk.revoke(alice, person(), 0))
    office.node.answers[SEND] = lambda *_: "0x" + "00" * 32
    office.step()
    others = [taken(office, *desk.newcomer().decisions) for _ in range(2)]
    del office.node.answers[SEND]
    item = office.queue.get(revocation)
    assert item is not None
    assert item.state is State.TAKEN
    (flight,) = office.relayer.sender._fleet.unmined
    again = office.relayer.sender._fleet._once_more(flight.parts[0], failed=1)
    assert again is not None
    office.queue.write([again], {flight.key: None})
    office.open()
    assert order(office) == [revocation, *others]


# --- nobody's decisions change places -------------------------------------------------------------


def test_a_revocation_ends_the_grant_that_waits(office: Office, desk: Desk) -> None:
    """Signed while a tombstone stood, it would find nothing to end if it came before the grant behind that."""
    alice, clinic = person(), person()
    settled(office, desk, alice)
    taken(office, desk.grant(alice, clinic, 1))
    come_to_an_end(office)
    taken(office, desk.revoke(alice, clinic, 1))
    come_to_an_end(office)
    other = taken(office, *desk.newcomer().decisions)
    granted = taken(office, desk.grant(alice, clinic, 3))
    revoked = taken(office, desk.revoke(alice, clinic, 2))
    assert order(office) == [granted, revoked, other]
    stored = desk.contract.permission_of(alice.address, clinic.address)
    assert (stored.version, stored.terms.read) == (4, 0)


@pytest.mark.usefixtures("two_at_a_time")
def test_a_grant_behind_a_revocation_stays_behind_it(office: Office, desk: Desk) -> None:
    """However many urgent ones are before it: the others' turns are not for what came later."""
    office.open(in_flight=8)
    alice, clinic, strangers = person(), person(), [person() for _ in range(5)]
    settled(office, desk, alice, *strangers)
    taken(office, desk.grant(alice, clinic, 1))
    come_to_an_end(office)
    flood = [taken(office, desk.revoke(who, person(), 0)) for who in strangers]
    revoked = taken(office, desk.revoke(alice, clinic, 1))
    granted = taken(office, desk.grant(alice, clinic, 2))
    assert order(office) == [*flood, revoked, granted]
    assert desk.contract.permission_of(alice.address, clinic.address).terms.read == 0


def test_entries_keep_no_revocation_waiting(office: Office, desk: Desk) -> None:
    """What a provider enters in a record goes behind the patient's revocation, as the rest does."""
    alice, clinic = person(), person()
    settled(office, desk, alice)
    taken(office, desk.grant(alice, clinic))
    come_to_an_end(office)
    access = taken(office, desk.access(alice, clinic, 1))
    revoked = taken(office, desk.revoke(alice, clinic, 1))
    assert order(office) == [revoked, access]


def test_a_strangers_bundle_hurries_nobody_else(office: Office, desk: Desk) -> None:
    """Decisions that are public, handed in again by somebody, put nothing of his before a revocation."""
    alice = person()
    settled(office, desk, alice)
    grant = desk.grant(alice, person())
    granted = taken(office, grant)
    stranger = desk.newcomer()
    again = taken(office, *stranger.decisions, grant)
    revoked = taken(office, desk.revoke(alice, person(), 0))
    assert order(office) == [granted, revoked, again]


# --- nobody starves -------------------------------------------------------------------------------


@pytest.mark.usefixtures("two_at_a_time")
@pytest.mark.parametrize("atomic", [False, True])
def test_a_flood_of_revocations_holds_nobody_up(office: Office, desk: Desk, atomic: bool) -> None:
    """Each second transaction is of those that were overtaken, whatever goes on coming."""
    stranger = person()
    settled(office, desk, stranger)
    others = [taken(office, *desk.newcomer().decisions) for _ in range(2)]
    found: list[str] = []
    for _ in range(4):
        for _ in range(2):  # twice as much as goes at a time
            taken(office, *(desk.revoke(stranger, person(), 0) for _ in range(2)), atomic=atomic)
        office.step()
        (flight,) = office.relayer.sender._fleet.unmined
        found += [part.bundle for part in flight.parts]
    assert found[1::2] == others
    assert not set(found[::2]) & set(others)


# --- the rules, whatever waits --------------------------------------------------------------------

RANKS = st.lists(st.builds(Rank, st.booleans(), st.frozensets(st.sampled_from("abcdef"), max_size=2)), max_size=30)


def item(seq: int) -> Item:
    return Item(seq, str(seq), b"", State.WAITING, 0, 0.0, b"", 0.0, 0.0)


def lanes(ranks: list[Rank]) -> tuple[Iterator[Item], Iterator[Item], set[int]]:
    ahead = hurried(dict(enumerate(ranks)))
    first = (item(seq) for seq in range(len(ranks)) if seq in ahead)
    return first, (item(seq) for seq in range(len(ranks)) if seq not in ahead), ahead


@given(RANKS, st.integers(1, 4), st.booleans())
def test_order_holds_among_the_same_people(ranks: list[Rank], size: int, others_begin: bool) -> None:
    """All go, each once; what shares a person with a later one goes before it; only what is hurried overtakes."""
    first, others, ahead = lanes(ranks)
    found = [one.seq for one in in_turns(first, others, size, lambda _: 1, others_begin=others_begin)]
    assert sorted(found) == list(range(len(ranks)))
    place = {seq: number for number, seq in enumerate(found)}
    for later, rank in enumerate(ranks):
        for earlier in range(later):
            if place[earlier] > place[later]:
                assert later in ahead
                assert earlier not in ahead
                assert not rank.people & ranks[earlier].people


@given(RANKS, st.integers(1, 4))
def test_nobody_is_overtaken_by_more_than_a_turn_at_a_time(ranks: list[Rank], size: int) -> None:
    """Between two turns of those that are overtaken there is one turn of those that overtake them."""
    first, others, ahead = lanes(ranks)
    in_a_row, left = 0, sorted(set(range(len(ranks))) - ahead)
    for one in in_turns(first, others, size, lambda _: 1, others_begin=False):
        if one.seq not in ahead:
            left.remove(one.seq)
            in_a_row = 0
        elif left and left[0] < one.seq:
            in_a_row += 1
            assert in_a_row <= size
