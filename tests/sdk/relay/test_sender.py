"""Sending: what shares a transaction, what becomes of it, and that no crash loses or doubles anything."""

from __future__ import annotations

from typing import Any

import pytest

from medrec_py.chain.events import PermissionGranted
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.transactions import Call, send
from medrec_py.crypto.signed_decisions import Bundle
from medrec_py.durable_queue import State
from medrec_py.errors import ChainUnavailable, QueueUnwritable
from medrec_py.relay import sender as relay_sender
from medrec_py.relay.fleet import Fleet
from medrec_py.relay.flight import PREFIX, Flight
from medrec_py.relay.sender import RECHECK_SECONDS
from tests.sdk.chain.nodes import refusing
from tests.sdk.relay.conftest import Office
from tests.support.decisions import Desk, person

SEND, RECEIPT, BY_HASH = "eth_sendRawTransaction", "eth_getTransactionReceipt", "eth_getTransactionByHash"


def flights(office: Office) -> list[Flight]:
    return [Flight.from_bytes(note) for note in office.queue.notes(PREFIX).values()]


def sent(office: Office) -> list[str]:
    """Raw transactions that the node was handed, in order."""
    return [params[0] for method, params in office.node.asked if method == SEND]


def grants(desk: Desk, bundle: Bundle) -> int:
    """How often the permission that a bundle ends with was given."""
    decision = bundle.decisions[-1].decision
    events = fetch_logs(desk.contract, [PermissionGranted], from_block=0, patient="0x" + decision.place.patient.hex())
    return len(list(events))


# --- transactions ---------------------------------------------------------------------------------


def test_bundles_of_many_share_a_transaction(office: Office, desk: Desk) -> None:
    """One relay for all that waits; each is done, with the transaction and its block."""
    bundles = [desk.newcomer() for _ in range(5)]
    for bundle in bundles:
        office.take(bundle)
    office.step(2)
    assert len(sent(office)) == 1
    statuses = [office.status(bundle) for bundle in bundles]
    assert {status["state"] for status in statuses} == {"done"}
    assert len({(status["transaction"], status["block"]) for status in statuses}) == 1
    assert [desk.version(bundle) for bundle in bundles] == [1] * 5
    office.step()
    assert (office.queue.counts()[State.FINISHED], office.queue.notes(PREFIX)) == (5, {})
    assert office.take(bundles[0]) == "done"  # and never sent again
    office.step(2)
    assert len(sent(office)) == 1


def test_a_first_bundle_waits_for_others(office: Office, desk: Desk) -> None:
    """For a moment; a transaction that is full waits for nothing."""
    office.open(linger_seconds=5.0, client_burst=1000)
    first = desk.newcomer()
    office.take(first)
    assert 4 < office.relayer.sender.step() <= 5
    office.time += 3
    office.take(desk.newcomer())
    assert 1 < office.relayer.sender.step() <= 2
    assert sent(office) == []
    office.time += 2
    office.step()
    assert len(sent(office)) == 1
    office.step(2)
    for _ in range(14):
        office.take(desk.newcomer())
    office.step()
    assert len(sent(office)) == 3


def test_an_atomic_bundle_takes_place_as_a_whole(office: Office, desk: Desk) -> None:
    """In a transaction of its own; overtaken by another, none of it does, and the reason is told for all."""
    good, bad = desk.newcomer(), desk.newcomer()
    good, bad = (Bundle(one.decisions, atomic=True) for one in (good, bad))
    office.take(good)
    office.take(bad)
    overtake(office, desk, bad)
    office.step(3)
    assert len(sent(office)) == 2
    assert (office.state(good), desk.version(good)) == ("done", 1)
    status = office.status(bad)
    assert (status["state"], [one["error"] for one in status["decisions"]]) == ("refused", ["AlreadyRegistered"] * 2)
    assert desk.version(bad) == 0


def overtake(office: Office, desk: Desk, bundle: Bundle) -> None:
    """Somebody else has the first decision of a bundle carried out."""
    other = person()
    desk.contract.chain.fund(other.address)  # type: ignore[attr-defined]
    form = bundle.decisions[0]
    call = desk.contract.register_signed(form.decision, *form.signatures)  # type: ignore[arg-type]
    desk.contract.send(other, desk.contract.relay([call]))


def test_a_decision_that_is_refused_sinks_no_other(office: Office, desk: Desk) -> None:
    """Somebody else's came first: the reason is the contract's; what stands on the chain already is done."""
    raced, other = desk.newcomer(), desk.newcomer()
    office.take(raced)
    office.take(other)
    overtake(office, desk, raced)
    office.step(2)
    status = office.status(raced)
    assert status["state"] == "refused"
    assert [(one["state"], one["error"]) for one in status["decisions"]] == [
        ("refused", "AlreadyRegistered"),
        ("done", None),
    ]
    assert status["decisions"][0]["reason"].startswith("0x")
    assert (office.state(other), desk.version(raced)) == ("done", 1)


def test_two_relayers_send_the_same(office: Office, desk: Desk) -> None:
    """Both say that it is done, and it took place once."""
    patient, clinic = person(), person()
    office.take(Bundle((desk.register(patient),)))
    office.step(3)
    grant = desk.grant(patient, clinic)
    bundle = Bundle((grant,))
    office.take(bundle)
    second = person()
    desk.contract.chain.fund(second.address)  # type: ignore[attr-defined]
    desk.contract.send(second, desk.contract.relay([desk.contract.grant_signed(grant.decision, *grant.signatures)]))  # type: ignore[arg-type]
    office.step(2)
    assert (office.state(bundle), desk.version(bundle), grants(desk, bundle)) == ("done", 1, 1)


def test_a_bundle_of_a_hundred_decisions(office: Office, desk: Desk) -> None:
    """It takes several transactions, with one nonce after another, and keeps its order."""
    patient = person()
    bundle = Bundle((desk.register(patient), *(desk.grant(patient, person()) for _ in range(99))))
    office.take(bundle)
    office.step(5)
    assert len(sent(office)) in {4, 5}
    assert (office.state(bundle), desk.version(bundle)) == ("done", 1)
    assert all(one["state"] == "done" for one in office.status(bundle)["decisions"])


def test_gas_never_runs_short(office: Office, desk: Desk) -> None:
    """A relay's limit is the contract's share for each call; with less the contract undoes everything."""
    bundles = [desk.newcomer() for _ in range(3)]
    for bundle in bundles:
        office.take(bundle)
    office.node.answers[SEND] = lambda *_: "0x" + "00" * 32
    office.step()
    (flight,) = flights(office)
    share = office.relayer.sender._share
    assert 6 * share < flight.gas <= 1 << 24
    with pytest.raises(Exception, match="gas"):
        send(office.chain, office.wallet, Call(desk.contract.address, flight.data), gas=share)
    assert desk.version(bundles[0]) == 0


def test_an_account_with_little_ether_sends_little_at_a_time(office: Office, desk: Desk) -> None:
    """Nodes want to see what all transactions on their way could cost, which is far more than they do."""
    bundles = [desk.newcomer() for _ in range(3)]
    price = office.relayer.sender._fleet.fees()["maxFeePerGas"]
    office.node.answers["eth_getBalance"] = lambda *_: hex(price * 1_500_000)
    office.open()
    for bundle in bundles:
        office.take(bundle)
    office.step(4)
    assert len(sent(office)) == 3
    assert all(transaction["gas"] <= 1_500_000 for transaction in office.node.sent())
    assert [office.state(bundle) for bundle in bundles] == ["done"] * 3
    fleet = office.relayer.sender._fleet
    assert fleet.affordable_gas({"gasPrice": 0}, 0) == 1 << 24
    assert fleet.affordable_gas({"gasPrice": 10}, 10**9) == 10**8
    assert 600_000 < fleet.affordable_gas({"gasPrice": 10}, 0) < 750_000


def steady_price(office: Office, monkeypatch: pytest.MonkeyPatch) -> int:
    """The highest price of a unit of gas, the same from now on: each block that is not full makes it lower."""
    fees = office.relayer.sender._fleet.fees()
    monkeypatch.setattr(Fleet, "fees", lambda _: fees)
    return fees["maxFeePerGas"]


def test_an_atomic_bundle_that_has_become_too_dear(office: Office, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits, and nothing waits for it: what is behind it is sent; once there is ether it is sent as well."""
    price = steady_price(office, monkeypatch)
    dear = [Bundle(desk.newcomer().decisions, atomic=True) for _ in range(2)]
    others = [desk.newcomer() for _ in range(2)]
    for bundle in (*dear, *others):
        office.take(bundle)
    office.node.answers["eth_getBalance"] = lambda *_: hex(price * 1_000_000)
    office.open()
    office.step(6)
    assert [office.state(bundle) for bundle in (*dear, *others)] == ["waiting"] * 2 + ["done"] * 2
    assert office.relayer.sender.step() > 0
    assert office.relayer.health()[1]["trouble"] == "ether"
    office.node.answers["eth_getBalance"] = lambda *_: hex(price * 2_000_000)
    office.time += 6
    before = len(sent(office))
    office.step()
    assert len(sent(office)) == before + 1  # the second cannot be paid for beside the first
    office.step(3)
    assert [office.state(bundle) for bundle in dear] == ["done"] * 2


def test_many_that_are_too_dear_hold_up_nobody(office: Office, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than are looked at at once."""
    monkeypatch.setattr(relay_sender, "_MOST_BUNDLES", 2)
    price = steady_price(office, monkeypatch)
    for _ in range(4):
        office.take(Bundle(desk.newcomer().decisions, atomic=True))
    other = desk.newcomer()
    office.take(other)
    office.node.answers["eth_getBalance"] = lambda *_: hex(price * 1_000_000)
    office.open()
    office.step(4)
    assert office.state(other) == "done"


# --- time -----------------------------------------------------------------------------------------


def test_what_is_too_late_is_not_sent(office: Office, desk: Desk) -> None:
    """Its state says so, and nothing is paid."""
    bundle = desk.newcomer()
    office.take(bundle)
    chain: Any = desk.contract.chain
    chain.travel(to=bundle.deadline - 5)
    office.step(2)
    status = office.status(bundle)
    assert (status["state"], sent(office)) == ("expired", [])
    assert [one["state"] for one in status["decisions"]] == ["expired"] * 2


def test_what_waited_long_is_checked_again(office: Office, desk: Desk) -> None:
    """A bundle that has become hopeless in the meantime is refused without being paid for."""
    bundle = Bundle(desk.newcomer().decisions, atomic=True)
    office.take(bundle)
    overtake(office, desk, bundle)
    office.time += RECHECK_SECONDS + 1
    office.step()
    assert (office.state(bundle), sent(office)) == ("refused", [])
    assert office.status(bundle)["decisions"][0]["error"] == "AlreadyRegistered"


def test_outcomes_are_kept_for_a_time(office: Office, desk: Desk) -> None:
    """Then they are forgotten, and memory and disk stay bounded."""
    bundle = desk.newcomer()
    office.take(bundle)
    office.step(3)
    office.time += 8 * 86_400
    office.step()
    assert office.queue.get(bundle.id) is None


# --- crashes --------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


def killed(*_: Any) -> None:
    raise Killed


def test_killed_before_it_was_handed_over(office: Office, desk: Desk) -> None:
    """It was signed and written down: the next process hands over that, and nothing else."""
    bundle = desk.newcomer()
    office.take(bundle)
    office.node.answers[SEND] = killed
    with pytest.raises(Killed):
        office.step()
    (flight,) = flights(office)
    del office.node.answers[SEND]
    office.open()
    assert office.state(bundle) == "sent"
    office.step(2)
    assert sent(office)[-1] == "0x" + flight.raw.hex()
    assert office.state(bundle) == "done"
    assert office.status(bundle)["transaction"] == flight.hashes[0]
    assert (desk.version(bundle), grants(desk, bundle)) == (1, 1)


def test_killed_after_it_was_handed_over(office: Office, desk: Desk) -> None:
    """It is found by its hash, and not handed over again."""
    bundle = desk.newcomer()
    office.take(bundle)

    def taken_and_killed(raw: str) -> None:
        office.chain.request(SEND, raw)
        raise Killed

    office.node.answers[SEND] = taken_and_killed
    with pytest.raises(Killed):
        office.step()
    office.open()
    office.step(2)
    assert len(sent(office)) == 1
    assert (office.state(bundle), grants(desk, bundle)) == ("done", 1)


def test_killed_before_anything_was_written(office: Office, desk: Desk) -> None:
    """What was taken is sent by the next process; with a full disk nothing is handed over."""
    bundle = desk.newcomer()
    office.take(bundle)
    office.queue._db.execute("PRAGMA query_only = 1")
    with pytest.raises(QueueUnwritable):
        office.step()
    assert sent(office) == []
    office.open()
    office.step(2)
    assert (office.state(bundle), grants(desk, bundle)) == ("done", 1)


def test_a_node_that_does_not_answer(office: Office, desk: Desk) -> None:
    """Whatever it did with the transaction: it is looked up, or handed over again."""
    for arrives in (False, True):
        bundle = desk.newcomer()
        office.take(bundle)

        def lost(raw: str, arrives: bool = arrives) -> None:
            if arrives:
                office.chain.request(SEND, raw)
            raise ConnectionError("gone")

        office.node.answers[SEND] = lost
        with pytest.raises(ChainUnavailable):
            office.step()
        del office.node.answers[SEND]
        office.time += 3
        office.step(2)
        assert (office.state(bundle), grants(desk, bundle)) == ("done", 1)


def test_a_node_that_forgets(office: Office, desk: Desk) -> None:
    """A transaction that is in no pool any more is handed over again, unchanged."""
    bundle = desk.newcomer()
    office.take(bundle)
    office.node.answers[SEND] = lambda *_: "0x" + "00" * 32
    office.step()
    office.time += 3
    office.step()
    assert len(sent(office)) == 2
    assert len(set(sent(office))) == 1
    del office.node.answers[SEND]
    office.time += 3
    office.step(2)
    assert (office.state(bundle), grants(desk, bundle)) == ("done", 1)


# --- stuck ----------------------------------------------------------------------------------------


def test_a_stuck_transaction_is_made_to_pay_more(office: Office, desk: Desk) -> None:
    """Same nonce, same calls, every price an eighth higher, every hash remembered; whichever is mined counts."""
    office.open(bump_seconds=10.0)
    for mined in (0, 1):
        bundle = desk.newcomer()
        office.take(bundle)
        before = len(sent(office))
        office.node.answers[SEND] = lambda *_: "0x" + "00" * 32
        office.step()
        office.time += 11
        office.step()
        (flight,) = flights(office)
        first, second = office.node.sent()[-2:] if len(sent(office)) - before == 2 else office.node.sent()[-3::2]
        assert (first["nonce"], first["data"], first["gas"]) == (second["nonce"], second["data"], second["gas"])
        for price in ("maxFeePerGas", "maxPriorityFeePerGas"):
            assert second[price] >= first[price] * 9 // 8
        assert len(flight.hashes) == 2
        del office.node.answers[SEND]
        office.chain.request(
            SEND, dict.fromkeys(sent(office)[before:]) and list(dict.fromkeys(sent(office)[before:]))[mined]
        )
        office.step(2)
        assert office.status(bundle)["transaction"] == flight.hashes[mined]
        assert (office.state(bundle), grants(desk, bundle)) == ("done", 1)


def test_a_ceiling_on_fees(office: Office, desk: Desk) -> None:
    """Beyond it nothing is sent and nothing replaced; what waits goes on waiting, and the state says why."""
    office.open(max_fee_per_gas=1)
    bundle = desk.newcomer()
    office.take(bundle)
    office.step()
    assert (office.state(bundle), sent(office)) == ("waiting", [])
    assert office.relayer.health()[1]["trouble"] == "fees"
    price = office.chain.block().base_fee
    assert price is not None
    office.open(max_fee_per_gas=2 * price + 10**9, bump_seconds=1.0)
    office.node.answers[SEND] = lambda *_: "0x" + "00" * 32
    office.step()
    for _ in range(20):
        office.time += 5
        office.step()
    (flight,) = flights(office)
    assert flight.fees["maxFeePerGas"] <= 2 * price + 10**9


def test_a_chain_that_stands_still(office: Office, desk: Desk) -> None:
    """Without a ceiling, too, there is an end to paying more, and to what is remembered."""
    office.take(desk.newcomer())
    office.node.answers[SEND] = lambda *_: "0x" + "00" * 32
    for _ in range(26):
        office.step()
        office.time += 50
    (flight,) = flights(office)
    assert flight.fees["maxFeePerGas"] <= 10 * office.relayer.sender._fleet.fees()["maxFeePerGas"]
    assert 10 < len(flight.hashes) < 24


def test_a_transaction_that_fails_again_and_again(office: Office, desk: Desk) -> None:
    """It is sent anew, and given up after three times: the decision is refused, without the contract's reason."""
    bundle = desk.newcomer()
    office.take(bundle)

    def failed(transaction: str) -> Any:
        receipt = office.chain.request(RECEIPT, transaction)
        return None if receipt is None else {**receipt, "status": 0, "logs": []}

    office.node.answers[RECEIPT] = failed
    office.step(8)
    assert len(sent(office)) == 3
    status = office.status(bundle)
    assert (status["state"], [one["reason"] for one in status["decisions"]]) == ("refused", ["0x", "0x"])
    assert office.queue.counts()[State.FINISHED] == 1


def test_a_nonce_that_went_to_another_transaction(office: Office, desk: Desk) -> None:
    """The account's key is used elsewhere, or the queue was lost: what was void is sent with another nonce."""
    bundle = desk.newcomer()
    office.take(bundle)
    office.node.answers[SEND] = lambda *_: "0x" + "00" * 32
    office.step()
    del office.node.answers[SEND]
    send(office.chain, office.wallet, Call(person().address, b"", "elsewhere", 1))
    for _ in range(4):
        office.time += 3
        office.step()
    office.step(2)
    assert (office.state(bundle), grants(desk, bundle)) == ("done", 1)


def test_no_ether(office: Office, desk: Desk) -> None:
    """The transaction waits, written down, until there is some."""
    bundle = desk.newcomer()
    office.take(bundle)
    office.node.answers[SEND] = refusing("insufficient funds for gas * price + value")
    office.step()
    assert office.state(bundle) == "sent"
    del office.node.answers[SEND]
    office.time += 3
    office.step(2)
    assert (office.state(bundle), grants(desk, bundle)) == ("done", 1)


# --- the chain goes back --------------------------------------------------------------------------


def test_a_reorganisation(office: Office, desk: Desk) -> None:
    """What is not final is looked at again: gone with its block, it is handed over again, and never signed anew."""
    office.open(confirmations=5)
    bundle = desk.newcomer()
    office.take(bundle)
    snapshot = office.chain.request("evm_snapshot")
    office.step(2)
    assert office.state(bundle) == "done"
    office.chain.request("evm_revert", snapshot)
    assert desk.version(bundle) == 0
    chain: Any = desk.contract.chain
    chain.mine()
    office.step(3)
    assert (office.state(bundle), grants(desk, bundle)) == ("done", 1)
    assert len(set(sent(office))) == 1
    assert office.queue.counts()[State.TAKEN] == 1
    chain.mine(6)
    office.step(2)
    assert (office.queue.counts()[State.FINISHED], office.queue.notes(PREFIX)) == (1, {})


def test_a_reorganisation_that_changes_the_outcome(office: Office, desk: Desk) -> None:
    """Done in one block, refused in the next: the last word counts."""
    office.open(confirmations=5)
    bundle = Bundle((desk.register(person()),))
    office.take(bundle)
    snapshot = office.chain.request("evm_snapshot")
    office.step(2)
    assert office.state(bundle) == "done"
    office.chain.request("evm_revert", snapshot)
    overtake(office, desk, bundle)
    office.step(3)
    assert office.state(bundle) == "refused"
    assert office.status(bundle)["decisions"][0]["error"] == "AlreadyRegistered"


def test_a_relayer_that_starts_after_a_reorganisation(office: Office, desk: Desk) -> None:
    """What is not final outlives the process as well."""
    office.open(confirmations=5)
    bundle = desk.newcomer()
    office.take(bundle)
    snapshot = office.chain.request("evm_snapshot")
    office.step(2)
    office.chain.request("evm_revert", snapshot)
    office.open(confirmations=5)
    office.step(3)
    assert (office.state(bundle), grants(desk, bundle)) == ("done", 1)


# --- the thread -----------------------------------------------------------------------------------


def test_the_thread_sends_and_ends(office: Office, desk: Desk) -> None:
    """Woken by what is taken; stopped, it hands over what waits, and is gone."""
    office.open(linger_seconds=60.0)
    with office.relayer:
        bundles = [desk.newcomer() for _ in range(3)]
        for bundle in bundles:
            office.take(bundle)
    assert not office.relayer.sender._thread.is_alive()
    office.relayer.close()
    assert [office.state(bundle) for bundle in bundles] != ["waiting"] * 3
    office.open(linger_seconds=0.0)
    office.step(2)
    assert [office.state(bundle) for bundle in bundles] == ["done"] * 3
    assert [grants(desk, bundle) for bundle in bundles] == [1] * 3


def test_the_thread_outlives_trouble(office: Office, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A node that is away, or answers rubbish, is logged; nothing that was signed stands in the log."""
    sender = office.relayer.sender
    bundle = desk.newcomer()
    office.take(bundle)
    office.node.answers["eth_getBlockByNumber"] = lambda *_: {"rubbish": True}
    assert sender._careful_step() > 0
    assert (office.relayer.health()[0], office.relayer.health()[1]["node"]) == (False, False)
    del office.node.answers["eth_getBlockByNumber"]
    office.step(3)
    assert (office.state(bundle), office.relayer.health()[0]) == ("done", True)
    (signature,) = bundle.decisions[0].signatures
    assert signature.hex() not in caplog.text
    text = office.relayer.measurements().decode()
    assert 'medrec_relay_decisions_total{outcome="done"} 2.0' in text
    patient = bundle.decisions[0].decision.place.patient.hex()
    assert patient not in text.lower()
    assert signature.hex() not in text
