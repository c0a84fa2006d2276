"""What a relayer looks at before it pays, one after another."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.transactions import Call, send
from medrec_py.chain.types import address_bytes
from medrec_py.crypto.blocks import pointer_to
from medrec_py.crypto.decisions import Register
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision
from medrec_py.errors import BundleRefused, NotDeployed, QueueError, StorageError
from medrec_py.relay.batches import BYTES
from medrec_py.relay.blocks import Keeper
from medrec_py.relay.calls import share_of
from medrec_py.relay.refusals import REMEDIES, STATUS, Code
from medrec_py.storage import FolderStore
from medrec_py.storage.cid import Cid
from tests.sdk.chain.nodes import Refusal as NodeRefusal
from tests.sdk.chain.nodes import refusing
from tests.sdk.relay.conftest import Office
from tests.support.decisions import Desk, person, signed

YES = bytes.fromhex("631626ba7e60e01b60005260206000f3")
"""An account with code that takes everything for its signature."""
NO, BURNS = bytes(16), bytes.fromhex("5b600056") + bytes(12)
"""Others: one that takes nothing, and one that uses up all gas."""


def account_with(office: Office, code: bytes) -> bytes:
    """The address of an account with code, 16 bytes of it."""
    creation = bytes.fromhex("6f") + code + bytes.fromhex("60005260106010f3")
    created = send(office.chain, office.wallet, Call(None, creation, "deploy")).created
    assert created is not None
    return address_bytes(created)


def test_every_code_has_a_status_and_a_remedy() -> None:
    """Clients are told what to do, whatever it is."""
    assert set(STATUS) == set(REMEDIES) == set(Code)


def test_a_newcomer_is_taken(office: Office, desk: Desk) -> None:
    """A grant that rests on the registration before it is run with it; the same again is the same."""
    bundle = desk.newcomer()
    assert office.take(bundle) == "waiting"
    assert office.take(bundle) == "waiting"
    assert office.queue.counts()[0] == 1
    assert office.status(bundle)["decisions"] == [{"state": "waiting", "reason": None, "error": None}] * 2


def test_what_is_no_bundle(office: Office) -> None:
    """Malformed, and an error of the SDK's own kind."""
    for body in (b"", b"{", b"[]", b"null", b'{"v": 1}', b"\xff", b"[" * 100_000):
        refusal = office.refused(body)
        assert (refusal.code, refusal.status) == (Code.MALFORMED, 400)
        assert isinstance(refusal, BundleRefused)


def test_another_deployment(office: Office, desk: Desk) -> None:
    """Another chain, another contract."""
    patient = person()
    for place in (
        replace(desk.place(patient), chain_id=1),
        replace(desk.place(patient), contract=address_bytes(person().address)),
    ):
        refusal = office.refused(Bundle((desk.register(patient, place=place),)))
        assert (refusal.code, refusal.status) == (Code.ELSEWHERE, 422)


def test_a_deadline_that_is_near_or_past(office: Office, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The earliest of a bundle counts, by the chain's clock."""
    still = time.time()
    monkeypatch.setattr(time, "time", lambda: still)  # so the chain makes no block of its own meanwhile
    patient = person()
    now = office.relayer.sender.clock()[0]
    for deadline in (0, now - 1, now + 59):
        late = desk.register(patient, deadline=deadline)
        refusal = office.refused(Bundle((late, desk.grant(patient, person()))))
        assert (refusal.code, refusal.status) == (Code.DEADLINE, 422)
    assert office.take(Bundle((desk.register(patient, deadline=now + 60),))) == "waiting"


def test_signatures_of_others(office: Office, desk: Desk) -> None:
    """The decision is named; nobody's share is used up by it."""
    office.open(patient_burst=1, patient_per_hour=1)
    patient, stranger = person(), person()
    good = desk.register(patient)
    for signatures in ((stranger.sign_typed_data(good.decision.typed_data()),), (b"\1" * 65,), (bytes(65),), (b"x",)):
        forged = SignedDecision(good.decision, signatures)
        for _ in range(2):
            refusal = office.refused(Bundle((desk.register(person()), forged)))
            assert (refusal.code, refusal.status, refusal.decision) == (Code.SIGNATURE, 403, 1)
            assert patient.address[2:].lower() in str(refusal)
    assert office.take(Bundle((good,))) == "waiting"


def test_a_newborn_under_a_parents_wallet(office: Office, desk: Desk) -> None:
    """Both sign; with one missing it is no bundle, with one forged it is refused."""
    child, parent = person(), person()
    register = replace(desk.register(child).decision, wallet=address_bytes(parent.address))
    assert office.refused(Bundle((signed(register, child, child),))).code is Code.SIGNATURE
    bundle = Bundle((signed(register, child, parent),))
    office.take(bundle)
    office.step(2)
    assert office.status(bundle)["state"] == "done"
    assert desk.contract.patient_of(child.address).wallet == parent.address


def test_accounts_with_code_are_asked(office: Office, desk: Desk) -> None:
    """ERC-1271 by the chain: whoever says yes is believed, whoever does not is not, or fails."""
    outcomes = {}
    for name, code in (("yes", YES), ("no", NO), ("burns", BURNS)):
        patient, account = person(), account_with(office, code)
        register = Register(desk.place(patient), account, desk.deadline)
        signature = patient.sign_typed_data(register.typed_data())
        bundle = Bundle((SignedDecision(register, (signature, b"whatever it takes")),))
        try:
            outcomes[name] = office.take(bundle)
            office.step(2)
            assert office.status(bundle)["state"] == "done"
        except BundleRefused:
            outcomes[name] = str(office.refused(bundle).code)
    assert outcomes == {"yes": "waiting", "no": "signature", "burns": "signature"}


def test_what_the_contract_would_refuse(office: Office, desk: Desk) -> None:
    """With the contract's own reason, and which decision it is."""
    patient, clinic = person(), person()
    wrong = desk.grant(patient, clinic, version=7)
    for good in range(4):
        before = [desk.register(patient), *(desk.grant(patient, person()) for _ in range(3))][:good]
        for atomic in (False, True):
            refusal = office.refused(Bundle((*before, wrong), atomic=atomic))
            assert (refusal.code, refusal.status, refusal.decision) == (Code.CONTRACT, 409, good)
            error = refusal.document()["error"]
            assert bytes.fromhex(error["reason"][2:]) == refusal.reason
            assert (error["decision"], bool(error["remedy"])) == (good, True)


def test_too_much_gas(office: Office, desk: Desk) -> None:
    """More than a decision may use is refused before it costs anything."""
    office.open(gas_per_decision=10_000)
    refusal = office.refused(desk.newcomer())
    assert refusal.code in {Code.GAS, Code.CONTRACT}  # py-evm says of code that ran out of gas that it reverted
    office.node.answers["eth_call"] = refusing("out of gas: gas required exceeds allowance")
    refusal = office.refused(desk.newcomer())
    assert (refusal.code, refusal.status) == (Code.GAS, 422)


def test_decisions_that_no_transaction_holds(office: Office, desk: Desk) -> None:
    """Signatures of accounts with code may be long, and nodes take so many bytes."""
    patient, account = person(), account_with(office, YES)
    register = Register(desk.place(patient), account, desk.deadline)
    mine = patient.sign_typed_data(register.typed_data())
    grants = [
        SignedDecision(replace(desk.grant(patient, person()).decision, signer=account), (bytes(4096),))
        for _ in range(40)
    ]
    bundle = Bundle((SignedDecision(register, (mine, b"x")), *grants))
    refusal = office.refused(bundle)
    assert (refusal.code, refusal.status, str(BYTES) in str(refusal)) == (Code.TOO_LARGE, 413, True)


def test_quotas_of_patients_and_clients(office: Office, desk: Desk) -> None:
    """With the time after which it is worth asking again; what was taken already is free but for the address."""
    office.open(patient_burst=2, patient_per_hour=3600, client_burst=5, client_per_hour=60)
    patient = person()
    taken = Bundle((desk.register(patient), desk.grant(patient, person())))
    office.take(taken, "192.0.2.1")
    refusal = office.refused(Bundle((desk.register(patient), desk.grant(patient, person()))), "192.0.2.2")
    assert (refusal.code, refusal.status, refusal.retry_after) == (Code.QUOTA, 429, 1)  # one of them is known
    for _ in range(3):
        office.take(taken, "192.0.2.1")
    assert office.refused(taken, "192.0.2.1").code is Code.QUOTA
    office.take(taken, "192.0.2.2")
    too_many = Bundle((desk.register(patient), *(desk.grant(patient, person()) for _ in range(3))))
    refusal = office.refused(too_many, "192.0.2.3")
    assert (refusal.code, refusal.retry_after, "at most 2" in str(refusal)) == (Code.QUOTA, None, True)


def test_strangers_use_up_nobodys_share(office: Office, desk: Desk) -> None:
    """Whoever signed, but may not decide for the patient, takes nothing from it; nor does what is not taken at last."""
    office.open(patient_burst=2, patient_per_hour=1)
    patient, stranger = person(), person()
    office.take(Bundle((desk.register(patient),)))
    office.step(2)
    foreign = desk.grant(patient, stranger).decision
    for _ in range(3):
        refusal = office.refused(Bundle((signed(replace(foreign, signer=address_bytes(stranger.address)), stranger),)))
        assert refusal.code is Code.CONTRACT
    mine = Bundle((desk.grant(patient, person()),))
    limits, office.queue._limits = office.queue._limits, (0, 1 << 20)
    assert [office.refused(mine).code for _ in range(3)] == [Code.QUEUE] * 3
    office.queue._limits = limits
    assert office.take(mine) == "waiting"
    assert office.refused(Bundle((desk.grant(patient, person()),))).code is Code.QUOTA


def test_the_same_decision_twice(office: Office, desk: Desk) -> None:
    """It would be paid for twice, and count twice."""
    register = desk.register(person())
    for atomic in (False, True):
        refusal = office.refused(Bundle((register, desk.register(person()), register), atomic=atomic))
        assert (refusal.code, refusal.status, refusal.decision) == (Code.MALFORMED, 400, 2)


def test_an_address_pays_for_each_decision(office: Office, desk: Desk) -> None:
    """Not for each bundle; and the time that it is told is enough, with what every request costs."""
    office.open(client_burst=5, client_per_hour=60)
    bundles = [desk.newcomer() for _ in range(3)]
    for bundle in bundles[:2]:
        office.take(bundle, "192.0.2.1")
    refusal = office.refused(bundles[2], "192.0.2.1")
    assert (refusal.code, refusal.status) == (Code.QUOTA, 429)
    assert refusal.retry_after is not None
    assert 60 < refusal.retry_after <= 120
    too_many = Bundle(tuple(decision for bundle in bundles for decision in bundle.decisions))
    refusal = office.refused(too_many, "192.0.2.2")
    assert (refusal.code, refusal.retry_after, "at most 5" in str(refusal)) == (Code.QUOTA, None, True)


def test_an_atomic_bundle_that_cannot_be_paid_for(office: Office, desk: Desk) -> None:
    """It needs a transaction of its own, which no node would take; others share what there is ether for."""
    price = office.relayer.sender._fleet.fees()["maxFeePerGas"]
    office.node.answers["eth_getBalance"] = lambda *_: hex(price * 1_000_000)
    office.open()
    decisions = desk.newcomer().decisions
    refusal = office.refused(Bundle(decisions, atomic=True))
    assert (refusal.code, refusal.status, refusal.retry_after) == (Code.FUNDS, 503, 5)
    assert office.take(Bundle(decisions)) == "waiting"
    office.node.answers["eth_getBalance"] = lambda *_: hex(price * 1_400_000)
    office.open()
    assert office.take(Bundle(desk.newcomer().decisions, atomic=True)) == "waiting"


def test_blocks_are_kept_before_anything_is_sent(office: Office, desk: Desk, tmp_path: Path) -> None:
    """Without a store they are not taken; where the store fails, neither; a block that nobody signed is no bundle."""
    patient, block = person(), b"the keys, sealed"
    grant = desk.grant(patient, person(), seal=pointer_to(block))
    bundle = Bundle((desk.register(patient), grant), (block,))
    refusal = office.refused(bundle)
    assert (refusal.code, refusal.status) == (Code.BLOCKS, 422)
    assert not office.relayer.info()["storesBlocks"]

    class Broken(FolderStore):
        def _store(self, *_: object) -> None:
            raise StorageError("full")

    office.open(store=Broken(tmp_path / "broken"))
    refusal = office.refused(bundle)
    assert (refusal.code, refusal.status, refusal.retry_after) == (Code.STORE, 503, 5)
    assert office.queue.get(bundle.id) is None
    with FolderStore(tmp_path / "blocks") as store:
        office.open(store=store)
        office.take(bundle)
        assert store.get_block(Cid.of(block)) == block
    document = json.loads(bundle.to_json())
    document["decisions"] = document["decisions"][:1]
    assert office.refused(json.dumps(document).encode()).code is Code.MALFORMED


def test_blocks_of_what_is_not_taken_are_let_go(office: Office, desk: Desk, tmp_path: Path) -> None:
    """Where the queue is full, say; but not what was there before."""
    patient, mine, before = person(), b"mine, sealed", b"there before"
    grants = [desk.grant(patient, person(), seal=pointer_to(block)) for block in (mine, before)]
    bundle = Bundle((desk.register(patient), *grants), (mine, before))
    with FolderStore(tmp_path / "blocks") as store:
        store.put_block(before)
        office.open(store=store)
        limits, office.queue._limits = office.queue._limits, (0, 1 << 20)
        assert office.refused(bundle).code is Code.QUEUE
        assert set(store.pins()) == {Cid.of(before)}
        office.queue._limits = limits
        office.take(bundle)
        assert set(store.pins()) == {Cid.of(before), Cid.of(mine)}


def test_blocks_that_two_bundles_bring_at_once_stay(tmp_path: Path) -> None:
    """Whichever of them began first, also where the store did not have it yet when it was asked."""

    class Behind(FolderStore):
        def has(self, cid: Cid) -> bool:
            return False

    for begins, kind in product((False, True), (FolderStore, Behind)):
        with kind(tmp_path / f"{kind.__name__}{begins}") as store:
            keeper = Keeper(store)
            refused = keeper.kept([b"shared", b"alone"])
            if begins:
                refused.__enter__()
            with keeper.kept([b"shared"]):
                if not begins:
                    refused.__enter__()
            assert not refused.__exit__(QueueError, QueueError("full"), None)
            assert set(store.pins()) == {Cid.of(b"shared")}


def test_a_node_that_is_down(office: Office, desk: Desk) -> None:
    """Not the client's fault: 503, and nothing is taken."""
    bundle = desk.newcomer()
    for fault in (ConnectionError("gone"), NodeRefusal("header not found")):
        office.node.answers["eth_call"] = _raising(fault)
        refusal = office.refused(bundle)
        assert (refusal.code, refusal.status, refusal.retry_after) == (Code.NODE, 503, 5)
    del office.node.answers["eth_call"]
    assert office.take(bundle) == "waiting"


def test_a_queue_that_is_full_or_cannot_be_written(office: Office, desk: Desk, tmp_path: Path) -> None:
    """503 again; what was taken stays."""
    first = desk.newcomer()
    office.take(first)
    office.queue._limits = (1, 1 << 20)
    refusal = office.refused(desk.newcomer())
    assert (refusal.code, refusal.status) == (Code.QUEUE, 503)
    office.queue._db.execute("PRAGMA query_only = 1")
    office.queue._limits = (9, 1 << 20)
    assert office.refused(desk.newcomer()).code is Code.QUEUE
    assert office.take(first) == "waiting"


def test_an_account_without_ether_and_a_relayer_that_ends(office: Office, desk: Desk) -> None:
    """It takes nothing that it could not send."""
    office.open(least_balance=10**30)
    refusal = office.refused(desk.newcomer())
    assert (refusal.code, refusal.status) == (Code.FUNDS, 503)
    assert office.relayer.health()[0] is False
    office.open(least_balance=0)
    assert office.relayer.health()[0] is True
    office.relayer.drain()
    refusal = office.refused(desk.newcomer())
    assert (refusal.code, refusal.status) == (Code.DRAINING, 503)


def test_the_contract_says_what_share_of_gas_a_call_gets(office: Office, desk: Desk) -> None:
    """It is asked, not copied; what does not relay is found out at the start."""
    assert 500_000 < share_of(desk.contract) < 700_000
    for answer in (refusing("execution reverted", 3, "0x"), lambda *_: "0x"):
        office.node.answers["eth_call"] = answer
        with pytest.raises(NotDeployed, match="does not relay"):
            share_of(MedRecContract(office.node.chain(), desk.contract.address, check=False))


def _raising(error: Exception):  # type: ignore[no-untyped-def]
    def answer(*_: object) -> None:
        raise error

    return answer
