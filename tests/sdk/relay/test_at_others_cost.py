"""What strangers, accounts with code and empty accounts can make a relayer and its patients pay: not what they like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medrec_py.chain.transactions import Call, send
from medrec_py.chain.types import Flag, address_bytes
from medrec_py.crypto.blocks import pointer_to
from medrec_py.crypto.decisions import Register, SetGuardians, StopRecovery
from medrec_py.crypto.guardian_set import MIN_DELAY, GuardianSet
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision
from medrec_py.crypto.wallet_recovery import CompleteRecovery, Request
from medrec_py.durable_queue import State
from medrec_py.relay.fleet import Fleet
from medrec_py.relay.leftovers import PREFIX
from medrec_py.relay.refusals import Code
from medrec_py.relay.sender import TIDY_SECONDS
from medrec_py.signed_forms import signed_call
from medrec_py.storage import FolderStore
from medrec_py.storage.cid import Cid
from medrec_py.wallet import Wallet
from tests.sdk.relay.conftest import Office
from tests.sdk.relay.test_checks import YES, account_with
from tests.sdk.relay.test_sender import sent
from tests.support.decisions import Desk, person, signed

STRANGER = "198.51.100.9"
YEAR = 365 * 86_400


def a_turncoat(office: Office) -> bytes:
    """The address of an account with code that takes everything for its signature when it is only tried.

    In a transaction of the relayer's it uses up all gas that it is given. Real ones tell the two apart by the price of
    gas, for which this chain has no zero: here the node tries calls for somebody else.
    """
    behind, somebody = office.node.behind, person().address

    def tried(transaction: dict[str, str], *rest: object) -> object:
        return behind.request("eth_call", {**transaction, "from": somebody}, *rest)

    office.node.answers["eth_call"] = tried
    code = bytes.fromhex(f"3273{office.wallet.address[2:]}14602a57631626ba7e60e01b60005260206000f35bfe")
    creation = bytes([0x60, len(code), 0x60, 12, 0x60, 0, 0x39, 0x60, len(code), 0x60, 0, 0xF3]) + code
    created = send(office.chain, office.wallet, Call(None, creation, "deploy")).created
    assert created is not None
    return address_bytes(created)


def wait(office: Office, seconds: float = TIDY_SECONDS) -> None:
    """Let time pass, and make passes until what waited has come to its end."""
    office.time += seconds
    office.step(3)


# --- (a) what is public ------------------------------------------------------------------------------


def test_what_is_public_costs_its_patient_nothing(office: Office, desk: Desk) -> None:
    """A stranger hands it in again, while it waits and after it was carried out; the patient's share is as it was."""
    office.open(patient_burst=4, patient_per_hour=0.001, client_burst=1000)
    patient, clinic = person(), person()
    register, grant = desk.register(patient), desk.grant(patient, clinic)
    office.take(Bundle((register,)))
    wait(office)
    office.take(Bundle((grant,)))
    for _ in range(4):
        office.take(Bundle((*desk.newcomer().decisions, grant), atomic=False), STRANGER)
    office.open()
    for _ in range(4):
        office.take(Bundle((*desk.newcomer().decisions, grant)), STRANGER)
    wait(office)
    for _ in range(4):
        office.take(Bundle((*desk.newcomer().decisions, grant)), STRANGER)
    office.open()
    for _ in range(4):
        office.take(Bundle((*desk.newcomer().decisions, grant)), STRANGER)
    wait(office)
    keyring = b"\x51" * 32
    revoke = desk.revoke(patient, clinic, compartments=1, keyring=keyring, keyring_version=0)
    office.take(Bundle((revoke,)))
    wait(office)
    assert desk.contract.history_of(patient.address).keyring_version > 0
    for _ in range(4):
        office.take(Bundle((*desk.newcomer().decisions, revoke)), STRANGER)
    assert office.take(Bundle((desk.grant(patient, person()),))) == "waiting"
    assert office.refused(Bundle((desk.grant(patient, person()),))).code is Code.QUOTA


def test_what_another_relayer_carried_out_costs_nothing_either(office: Office, desk: Desk) -> None:
    """It is on the chain, and this relayer has never seen it."""
    office.open(patient_burst=1, patient_per_hour=0.001)
    patient, clinic, payer = person(), person(), person()
    desk.contract.chain.fund(payer.address)  # type: ignore[attr-defined]
    grant = desk.grant(patient, clinic)
    calls = [signed_call(desk.contract, one) for one in (desk.register(patient), grant)]
    desk.contract.send(payer, desk.contract.relay(calls))
    office.take(Bundle((grant,)), STRANGER)
    wait(office)
    assert office.take(Bundle((desk.grant(patient, person()),))) == "waiting"


def test_the_same_decision_twice_at_once_is_counted_once(office: Office, desk: Desk) -> None:
    """While the first is being taken the second is known; where the first fails, it is not known any more."""
    bundle = desk.newcomer()
    known = office.relayer._known
    with known.fresh(bundle.id, bundle.decisions) as first, known.fresh("0xother", bundle.decisions) as second:
        assert (len(first), second) == (2, [])
    with pytest.raises(KeyError), known.fresh("0xagain", bundle.decisions):
        raise KeyError
    with known.fresh("0xmore", bundle.decisions) as again:
        assert again == []  # the first was not put into the queue, and is taken for one that is being put


def test_a_completion_costs_its_patient_once_whatever_a_stranger_writes_into_it(office: Office, desk: Desk) -> None:
    """Nobody signs it: with other numbers it is the same, and the new wallet has decisions left when it takes over."""
    office.open(patient_burst=3, patient_per_hour=0.001, client_burst=1000)
    patient, guardian, heir, contract = person(), person(), person(), desk.contract
    place, chosen = desk.place(patient), GuardianSet.choose(1, [address_bytes(guardian.address)], 3600)
    for wallet in (patient, heir):
        contract.chain.fund(wallet.address)  # type: ignore[attr-defined]
    contract.send(patient, contract.register())
    naming = contract.set_guardians(
        patient.address, 1, delay=0, rest=bytes(32), guardians=chosen.commitment, document=bytes(32)
    )
    contract.send(patient, naming)
    asked = Request(place, address_bytes(heir.address), 1, desk.deadline)
    forms = [asked.to_sign(address_bytes(who.address)) for who in (heir, guardian)]
    consent, approval = (
        who.sign_typed_data(form.typed_data()) for who, form in zip((heir, guardian), forms, strict=True)
    )
    given = {address_bytes(guardian.address): approval}
    contract.send(heir, contract.begin_recovery(forms[0], consent, chosen, given))
    contract.chain.travel(seconds=3600)  # type: ignore[attr-defined]
    office.step()
    deadline = contract.chain.now() + 3600
    for more in range(6):
        junk = CompleteRecovery(place, bytes([more]) * 20, more, deadline + more)
        office.take(Bundle((SignedDecision(junk, ()),)), STRANGER)
    twice = tuple(SignedDecision(CompleteRecovery(place, bytes(20), 0, deadline + n), ()) for n in (7, 8))
    assert office.refused(Bundle(twice)).code is Code.MALFORMED
    office.step(6)
    assert contract.patient_of(patient.address).wallet == heir.address
    for _ in range(2):
        mine = desk.grant(patient, person(), signer=address_bytes(heir.address), deadline=deadline).decision
        office.take(Bundle((signed(mine, heir),)))


# --- (b) accounts with code --------------------------------------------------------------------------


def a_turncoats(office: Office, desk: Desk, account: bytes, *, atomic: bool) -> Bundle:
    """A registration under an account with code, and another decision."""
    patient = person()
    register = Register(desk.place(patient), account, desk.deadline)
    both = SignedDecision(register, (patient.sign_typed_data(register.typed_data()), b"whatever it takes"))
    return Bundle((both, *desk.newcomer().decisions), atomic=atomic)


@pytest.mark.parametrize("atomic", [True, False])
def test_an_account_that_burns_gas_is_paid_for_once(office: Office, desk: Desk, atomic: bool) -> None:
    """It says yes when it is asked, and not when it counts: refused at once, and no more of it, after a restart too."""
    account = a_turncoat(office)
    bundle = a_turncoats(office, desk, account, atomic=atomic)
    office.take(bundle)
    office.step(6)
    assert office.state(bundle) == "refused"
    assert len(sent(office)) == 1
    refusal = office.refused(a_turncoats(office, desk, account, atomic=atomic))
    assert (refusal.code, refusal.status) == (Code.QUOTA, 429)
    assert refusal.retry_after is not None
    office.open()
    assert office.refused(a_turncoats(office, desk, account, atomic=atomic)).code is Code.QUOTA
    office.time += 24 * 3600
    assert office.take(a_turncoats(office, desk, account, atomic=atomic)) == "waiting"


def test_a_turncoat_blackens_nobody_else(office: Office, desk: Desk) -> None:
    """Put beside it into a bundle, somebody's account with code stays in good standing."""
    turncoat, honest = a_turncoat(office), account_with(office, YES)
    registers = [a_turncoats(office, desk, account, atomic=True).decisions[0] for account in (turncoat, honest)]
    bundle = Bundle(tuple(registers), atomic=True)
    office.take(bundle)
    office.step(4)
    assert (office.state(bundle), len(sent(office))) == ("refused", 1)
    again = [a_turncoats(office, desk, account, atomic=True).decisions[0] for account in (turncoat, honest)]
    assert office.refused(Bundle(tuple(again), atomic=True)).code is Code.QUOTA
    assert office.take(Bundle((registers[1],))) == "waiting"
    office.step(2)
    assert office.state(Bundle((registers[1],))) == "done"


# --- (c) blocks of what came to nothing --------------------------------------------------------------


def with_block(desk: Desk, block: bytes, patient: Wallet | None = None, **changes: int) -> Bundle:
    """A bundle that brings a block."""
    patient = patient or person()
    grant = desk.grant(patient, person(), seal=pointer_to(block), **changes)
    return Bundle((desk.register(patient), grant), (block,), atomic=True)


def overtaken(office: Office, desk: Desk, bundle: Bundle, decisions: int = 1) -> None:
    """Somebody else has the first decisions of a bundle carried out, so that the bundle is refused."""
    payer = person()
    desk.contract.chain.fund(payer.address)  # type: ignore[attr-defined]
    calls = [signed_call(desk.contract, one) for one in bundle.decisions[:decisions]]
    desk.contract.send(payer, desk.contract.relay(calls))


def come_to_an_end(office: Office) -> None:
    """Until no deadline of what was signed before is ahead."""
    wait(office)
    office.desk.contract.chain.travel(seconds=2 * 3600)  # type: ignore[attr-defined]
    wait(office)


def test_blocks_of_what_was_refused_are_let_go(office: Office, desk: Desk, tmp_path: Path) -> None:
    """Of what was refused and of what expired, also after a restart; of what was done they stay."""
    done, refused = with_block(desk, b"of what is done"), with_block(desk, b"of what is refused")
    with FolderStore(tmp_path / "blocks") as store:
        office.open(store=store)
        office.take(done)
        office.take(refused)
        overtaken(office, desk, refused)
        wait(office)
        wait(office)
        assert (office.state(done), office.state(refused)) == ("done", "refused")
        assert Cid.of(b"of what is refused") in set(store.pins())  # somebody else may carry out the half of it
        come_to_an_end(office)
        assert set(store.pins()) == {Cid.of(b"of what is done")}
        assert office.queue.notes(PREFIX) == {}
        expires = with_block(desk, b"of what expires")
        office.take(expires)
        office.open(store=store)
        desk.contract.chain.travel(seconds=2 * 3600)  # type: ignore[attr-defined]
        come_to_an_end(office)
        assert office.state(expires) == "expired"
        assert set(store.pins()) == {Cid.of(b"of what is done")}


def test_a_strangers_bundle_takes_nobodys_blocks_away(office: Office, desk: Desk, tmp_path: Path) -> None:
    """Whoever brings a block first: it stays while another bundle needs it, and for good once one was carried out."""
    block = b"the keys, sealed"
    strangers, mine = with_block(desk, block), with_block(desk, block)
    with FolderStore(tmp_path / "blocks") as store:
        office.open(store=store)
        office.take(strangers, STRANGER)
        office.take(mine)
        overtaken(office, desk, strangers)
        come_to_an_end(office)
        assert (office.state(strangers), office.state(mine)) == ("refused", "done")
        assert set(store.pins()) == {Cid.of(block)}


def test_a_strangers_bundle_that_ends_later_takes_them_away_neither(office: Office, desk: Desk, tmp_path: Path) -> None:
    """It brought the block, and is still open when the other is done and the relayer starts anew."""
    block = b"the keys, sealed"
    with FolderStore(tmp_path / "blocks") as store:
        office.open(store=store)
        mine, strangers = with_block(desk, block), with_block(desk, block)
        office.take(strangers, STRANGER)
        office.take(mine)
        leftovers = office.relayer._leftovers
        assert leftovers is not None
        item = office.queue.get(mine.id)
        assert item is not None
        with_done = '{"decisions":[["done",null],["done",null]],"transaction":null,"block":1}'
        office.queue.write([replace(item, state=State.FINISHED, result=with_done.encode())])
        leftovers.tidy()
        office.open(store=store)
        overtaken(office, desk, strangers)
        come_to_an_end(office)
        assert office.state(strangers) == "refused"
        assert set(store.pins()) == {Cid.of(block)}


def test_blocks_that_were_there_before_or_are_named_on_the_chain_stay(
    office: Office, desk: Desk, tmp_path: Path
) -> None:
    """What the store had; and what a decision names that somebody else carried out, though this relayer was refused."""
    before, elsewhere = b"there before", b"carried out by somebody else"
    with FolderStore(tmp_path / "blocks") as store:
        store.put_block(before)
        office.open(store=store)
        bundles = [with_block(desk, before), with_block(desk, elsewhere)]
        for bundle, decisions in zip(bundles, (1, 2), strict=True):
            office.take(bundle)
            overtaken(office, desk, bundle, decisions)
        come_to_an_end(office)
        assert [office.state(bundle) for bundle in bundles] == ["refused"] * 2
        assert set(store.pins()) == {Cid.of(before), Cid.of(elsewhere)}


def test_a_block_that_is_being_taken_stays(office: Office, desk: Desk, tmp_path: Path) -> None:
    """Between looking whether it is there and writing down who needs it."""
    block = b"the keys, sealed"
    refused = with_block(desk, block)
    with FolderStore(tmp_path / "blocks") as store:
        office.open(store=store)
        office.take(refused)
        overtaken(office, desk, refused)
        office.step(3)
        assert office.state(refused) == "refused"
        keeper = office.relayer._keeper
        assert keeper is not None
        with keeper.kept([block]):
            come_to_an_end(office)
            assert set(store.pins()) == {Cid.of(block)}


# --- (d) shares after a restart ----------------------------------------------------------------------


def test_a_restart_fills_no_share(office: Office, desk: Desk) -> None:
    """Neither the patient's nor the address'; what comes back in time does so while nothing runs, too."""
    office.open(patient_burst=2, patient_per_hour=60, client_burst=2, client_per_hour=60)
    patient = person()
    office.take(Bundle((desk.register(patient), desk.grant(patient, person()))), "192.0.2.1")
    office.open()
    more = Bundle((desk.grant(patient, person()),))
    assert office.refused(more, "192.0.2.1").code is Code.QUOTA
    wait(office)
    refusal = office.refused(more, "192.0.2.2")
    assert (refusal.code, "patient" in str(refusal)) == (Code.QUOTA, True)
    office.open()
    office.time += 3600
    assert office.take(more, "192.0.2.1") == "waiting"
    wait(office, 2 * 3600)
    assert office.queue.notes("quota/") == {}  # full again: nobody's address stays on the disk


# --- (e) no ether ------------------------------------------------------------------------------------


def test_an_account_that_cannot_pay_signs_nothing(office: Office, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so in its health and its metrics, takes nothing more, and goes on when there is ether."""
    fees = office.relayer.sender._fleet.fees()
    monkeypatch.setattr(Fleet, "fees", lambda _: fees)
    bundle = desk.newcomer()
    office.take(bundle)
    office.node.answers["eth_getBalance"] = lambda *_: hex(fees["maxFeePerGas"] * 100_000)
    office.time += 6
    office.step(3)
    assert (office.state(bundle), sent(office)) == ("waiting", [])
    is_well, health = office.relayer.health()
    assert (is_well, health["trouble"]) == (False, "ether")
    assert b"medrec_relay_out_of_ether 1.0" in office.relayer.measurements()
    assert office.refused(desk.newcomer()).code is Code.FUNDS
    del office.node.answers["eth_getBalance"]
    office.time += 6
    office.step(2)
    assert office.state(bundle) == "done"
    assert office.relayer.health()[0] is True
    assert b"medrec_relay_out_of_ether 0.0" in office.relayer.measurements()


def test_an_account_is_not_broke_for_ever(office: Office, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it could not pay for has expired; when ether comes it takes bundles again."""
    fees = office.relayer.sender._fleet.fees()
    monkeypatch.setattr(Fleet, "fees", lambda _: fees)
    office.take(desk.newcomer())
    office.node.answers["eth_getBalance"] = lambda *_: hex(fees["maxFeePerGas"] * 100_000)
    office.time += 6
    office.step(2)
    desk.contract.chain.travel(seconds=2 * 3600)  # type: ignore[attr-defined]
    office.step(2)
    assert office.refused(desk.newcomer()).code is Code.FUNDS
    del office.node.answers["eth_getBalance"]
    office.time += 6
    office.step()
    assert office.take(desk.newcomer()) == "waiting"


# --- (d) a patient's share is the patient's ----------------------------------------------------------


def test_a_representative_uses_up_its_own_share(office: Office, desk: Desk) -> None:
    """It decides as often as it may, and the patient's revocation of it is taken all the same."""
    office.open(patient_burst=3, patient_per_hour=0.001)
    patient, manager = person(), person()
    office.take(
        Bundle((desk.register(patient), desk.grant(patient, manager, flags=Flag.MANAGE, expiry=desk.deadline + YEAR)))
    )
    wait(office)
    within = {"signer": address_bytes(manager.address)}
    several = [signed(replace(desk.grant(patient, person()).decision, **within), manager) for _ in range(4)]
    office.take(Bundle(tuple(several[:3])))
    assert office.refused(Bundle((several[3],))).code is Code.QUOTA
    assert office.take(Bundle((desk.revoke(patient, manager),))) == "waiting"


def test_a_recovery_uses_up_nothing_of_the_patients(office: Office, desk: Desk) -> None:
    """Guardians begin it again and again, and once it is due anybody completes it: veto and decisions are taken."""
    office.open(patient_burst=3, patient_per_hour=0.001, client_burst=1000)
    patient, guardian, thief = person(), person(), person()
    place, wallet = desk.place(patient), address_bytes(thief.address)
    guardians = GuardianSet.choose(1, map(address_bytes, (guardian.address, person().address)), MIN_DELAY)
    mine = SetGuardians(
        place, address_bytes(patient.address), 1, 0, bytes(32), guardians.commitment, bytes(32), desk.deadline
    )
    office.take(Bundle((desk.register(patient), signed(mine, patient))))
    wait(office)

    def recover(number: int, later: int) -> Bundle:
        ask = Request(place, wallet, number, desk.deadline + later)
        given = [who.sign_typed_data(ask.to_sign(address_bytes(who.address)).typed_data()) for who in (thief, guardian)]
        return Bundle((SignedDecision(ask.to_sign(wallet), (*given, b""), guardians),))

    for later in range(3):
        office.take(recover(1, later), STRANGER)
    assert office.refused(recover(1, 4), STRANGER).code is Code.QUOTA
    wait(office)
    stop = StopRecovery(place, address_bytes(patient.address), 1, desk.deadline)
    assert office.take(Bundle((signed(stop, patient),))) == "waiting"
    wait(office)
    office.open(patient_burst=4)
    office.time += 10**9  # all shares are full again
    office.take(recover(2, 0), STRANGER)
    wait(office)
    desk.contract.chain.travel(seconds=MIN_DELAY)  # type: ignore[attr-defined]
    wait(office)
    for later in range(4):
        complete = CompleteRecovery(place, wallet, 2, desk.deadline + later)
        office.take(Bundle((SignedDecision(complete, ()),)), STRANGER)
    assert office.take(Bundle((desk.grant(patient, person()),))) == "waiting"


def test_each_guardian_who_signed_is_work_that_an_address_pays_for(office: Office, desk: Desk) -> None:
    """Else a bundle could have sixteen times as many accounts with code asked as others."""
    office.open(client_burst=4, client_per_hour=0.001)
    patient, new = person(), person()
    behind = [person() for _ in range(4)]
    guardians = GuardianSet.choose(1, [address_bytes(one.address) for one in behind], MIN_DELAY)
    ask = Request(desk.place(patient), address_bytes(new.address), 1, desk.deadline)
    given = [who.sign_typed_data(ask.to_sign(address_bytes(who.address)).typed_data()) for who in (new, *behind)]
    signed_by_all = SignedDecision(ask.to_sign(address_bytes(new.address)), tuple(given), guardians)
    assert office.refused(Bundle((signed_by_all,)), STRANGER).code is Code.QUOTA
    three = replace(signed_by_all, signatures=(*given[:4], b""))
    assert office.refused(Bundle((three,)), "198.51.100.10").code is Code.CONTRACT
