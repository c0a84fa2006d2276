"""A patient takes another root secret, and another wallet with it: the new phrase opens and decides everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.reverts import NotController
from medrec_py.chain.types import Kind
from medrec_py.crypto import envelope as envelopes
from medrec_py.errors import (
    InvalidInput,
    KeyUnavailable,
    RootSecretMissing,
    RootSecretReplaced,
    StoreFull,
    SurvivorUnreadable,
)
from medrec_py.root_change import RootChange
from medrec_py.storage.cid import Cid
from tests.sdk.people import MONTH, People, meet

pytestmark = pytest.mark.slow


@pytest.fixture
def net(tmp_path: Path) -> Iterator[medrec.Network]:
    with medrec.local(store=tmp_path / "blocks") as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    return meet(net)


def fill_inbox(people: People) -> medrec.Appended:
    """A record that was sealed to the inbox, since a reader was suspended."""
    people.grant()
    clinic = people.clinic()
    people.alice.grant(clinic, read=["general"], expires=MONTH)
    people.net.registrar().suspend(clinic)
    waiting = people.chart().append(b"waits", compartment="general", title="waits")
    assert waiting.in_inbox
    return waiting


def test_the_new_phrase_alone_restores_everything(people: People) -> None:
    """On a new device, with the chain and the store: all records, old and new, and all decisions."""
    people.grant(history=True)
    before = people.chart().append(b"before", compartment="general", title="before")
    private = people.alice.append(b"private", compartment="psychiatry", title="private")
    for _ in range(3):
        people.alice.rotate()
    heir = medrec.Wallet.create()
    people.alice.change_root(wallet=heir)
    after = people.chart().append(b"after", compartment="general", title="after")
    device = people.net.patient(medrec.Wallet.from_phrase(heir.phrase or ""))
    assert device.id == people.alice.id != heir.address
    contents = [device.read(record.number).read() for record in (before, private, after)]
    assert contents == [b"before", b"private", b"after"]
    assert [line.title for line in device.history() if line.title] == ["before", "private", "after"]
    device.revoke(people.hospital)
    with pytest.raises(medrec.PermissionRevoked):
        people.chart().read(after.number)


def test_the_object_goes_on_with_the_new_keys(people: People) -> None:
    """It decides, reads and writes as before."""
    people.alice.change_root(wallet=medrec.Wallet.create())
    people.grant()
    record = people.chart().append(b"x", compartment="general", title="x")
    assert people.alice.read(record.number).read() == b"x"
    assert people.alice.append(b"y", compartment="psychiatry", title="y").number


def test_readers_notice_nothing(people: People) -> None:
    """Their permissions stay, and their keys open what they did."""
    people.grant()
    record = people.chart().append(b"x", compartment="general", title="x")
    people.alice.change_root(medrec.RootSecret.generate())
    assert people.chart().read(record.number).read() == b"x"


def test_the_old_phrase_decides_and_publishes_nothing_more(people: People) -> None:
    """Neither its wallet on chain, nor a device that has only the old root secret."""
    old = people.net.patient(people.alice._wallet)
    people.alice.change_root(wallet=medrec.Wallet.create())
    with pytest.raises(RootSecretReplaced):
        old.rotate()
    with pytest.raises(RootSecretReplaced):
        old.compartments()
    with pytest.raises(NotController):
        old._ledger.send(old._wallet, old._ledger.contract.revoke(old.id, people.hospital.address))


def test_a_device_with_the_old_root_cannot_publish_even_where_the_wallet_stays(people: People) -> None:
    """It would seal the record to keys that the patient believes are gone."""
    stale = people.net.patient(people.alice._wallet)
    people.alice.change_root(medrec.RootSecret.generate())
    with pytest.raises(RootSecretReplaced):
        stale.rotate()
    with pytest.raises(RootSecretReplaced):
        stale.add_compartment("genetics")


def test_the_old_root_opens_nothing_that_is_sealed_afterwards(people: People) -> None:
    """Not in an epoch, and not in the inbox, which has another number now."""
    stale = people.net.patient(people.alice._wallet)
    people.alice.change_root(wallet=medrec.Wallet.create())
    record = people.alice.append(b"new", compartment="general", title="new")
    waiting = fill_inbox(people)
    for number in (record.number, waiting.number):
        ledger = stale._ledger
        history, consent = ledger.history(stale.id), ledger.consent(stale.id)
        with pytest.raises((KeyUnavailable, RootSecretReplaced)):
            stale.chart().verified(history, consent, history.record(number))


def test_what_waits_in_the_inbox_is_moved(people: People) -> None:
    """Only the old root secret opens the old inbox."""
    waiting = fill_inbox(people)
    changed = people.alice.change_root(wallet=medrec.Wallet.create())
    assert changed.moved == (waiting.number,)
    assert people.alice.read(waiting.number).read() == b"waits"
    assert people.chart().read(waiting.number).read() == b"waits"


def test_it_is_one_transaction(people: People) -> None:
    """A keyring, what was moved, and the wallet; or nothing."""
    fill_inbox(people)
    length = len(people.alice.chart().entries())
    people.alice.change_root(wallet=medrec.Wallet.create())
    added = people.alice.chart().entries()[length:]
    assert [entry.kind for entry in added] == [Kind.KEYRING, Kind.MOVED]
    assert len({entry.transaction for entry in added}) == 1


def test_twice_is_as_good_as_once(people: People) -> None:
    """A third root secret reaches back over both changes."""
    record = people.alice.append(b"x", compartment="general", title="x")
    for _ in range(2):
        people.alice.rotate()
        people.alice.change_root(wallet=medrec.Wallet.create())
    assert people.alice.read(record.number).read() == b"x"
    people.alice.reseal()
    assert people.alice.read(record.number).read() == b"x"


def test_what_is_appended_meanwhile_is_moved_afterwards(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking at the inbox and the transaction, an author may have sealed one more record to it."""
    fill_inbox(people)
    late: list[medrec.Appended] = []
    attempt = RootChange._attempt

    def overtaken(change: RootChange, *arguments: object) -> object:
        send = change.ledger.send

        def slow(*calls: object, **how: object) -> object:
            monkeypatch.setattr(change.ledger, "send", send)
            late.append(people.chart().append(b"late", compartment="general", title="late"))
            return send(*calls, **how)  # type: ignore[arg-type]

        if not late:
            monkeypatch.setattr(change.ledger, "send", slow)
        return attempt(change, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(RootChange, "_attempt", overtaken)
    heir = medrec.Wallet.create()
    people.alice.change_root(wallet=heir)
    assert late[0].in_inbox
    device = people.net.patient(medrec.Wallet.from_phrase(heir.phrase or ""))
    assert device.read(late[0].number).read() == b"late"


def test_a_change_that_was_interrupted_behind_its_transaction_is_finished_by_hand(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the old root secret is there, what it alone opens is moved."""
    fill_inbox(people)
    old, heir = people.alice._root, medrec.Wallet.create()
    before = people.net.patient(people.alice._wallet)
    attempt = RootChange._attempt

    def overtaken(change: RootChange, erased: object) -> object:
        done = attempt(change, erased)  # type: ignore[arg-type]
        raise KeyboardInterrupt(done)

    late_chart = people.chart()
    sent = people.alice._ledger.send

    def late_send(*calls: object, **how: object) -> object:
        monkeypatch.setattr(people.alice._ledger, "send", sent)
        late_chart.append(b"late", compartment="general", title="late")
        return sent(*calls, **how)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(RootChange, "_attempt", overtaken)
        patch.setattr(people.alice._ledger, "send", late_send)
        with pytest.raises(KeyboardInterrupt):
            people.alice.change_root(wallet=heir)
    assert before.id == people.alice.id
    device = people.net.patient(medrec.Wallet.from_phrase(heir.phrase or ""))
    (late,) = [entry for entry in device.chart().entries() if entry.kind is Kind.RECORD][-1:]
    with pytest.raises(KeyUnavailable):
        device.read(late.number)
    assert device.rescue(old) == 1
    assert device.read(late.number).read() == b"late"
    assert device.rescue(old) == 0


def test_a_record_that_cannot_be_read_stops_it(people: People) -> None:
    """It might wait in the inbox, and would be lost; the patient may say that it may be."""
    waiting = fill_inbox(people)
    ledger = people.alice._ledger
    history = ledger.history(people.alice.id)
    pointer = people.alice.chart().envelope(history, history.record(waiting.number)).pointer
    people.net.store.unpin(Cid.raw(pointer))
    people.net.store.collect()
    length = len(people.alice.chart().entries())
    with pytest.raises(SurvivorUnreadable, match=f"entry {waiting.number},"):
        people.alice.change_root(wallet=medrec.Wallet.create())
    assert len(people.alice.chart().entries()) == length
    people.alice.change_root(wallet=medrec.Wallet.create(), leave=[waiting.number])


def test_a_full_store_changes_nothing(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old phrase stays the right one."""
    wallet = people.alice._wallet

    def full(*_: object) -> None:
        raise StoreFull("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(people.alice._ledger, "put_block", full)
        with pytest.raises(StoreFull):
            people.alice.change_root(wallet=medrec.Wallet.create())
    assert people.net.contract.patient_of(people.alice.id).wallet == wallet.address
    people.alice.rotate()


def test_a_new_root_secret_must_be_new(people: People) -> None:
    """The same one changes nothing; a wallet without one gives none."""
    with pytest.raises(RootSecretMissing):
        people.alice.change_root()
    with pytest.raises(RootSecretMissing):
        people.alice.change_root(people.alice._root)
    with pytest.raises(RootSecretMissing):
        people.alice.change_root(wallet=medrec.Wallet.from_key(b"\1" * 32))


def test_a_wallet_of_several_patients_must_say_which(people: People) -> None:
    """It was handed two ids."""
    other = people.net.patient(medrec.Wallet.create()).register()
    heir = medrec.Wallet.create()
    people.alice.change_root(wallet=heir)
    other.change_root(medrec.RootSecret.generate(), wallet=heir)
    with pytest.raises(InvalidInput, match="several"):
        people.net.patient(heir)
    assert people.net.patient(heir, patient=people.alice.id).compartments() == people.alice.compartments()


def test_the_new_wallet_is_given_the_ether_of_the_old_one(people: People) -> None:
    """It pays for what it decides next; next to nothing stays where the old phrase is destroyed."""
    old, heir = people.alice._wallet.address, medrec.Wallet.create()
    before = people.net.chain.balance(old)
    people.alice.change_root(wallet=heir)
    assert people.net.chain.balance(heir.address) > before * 0.99
    assert people.net.chain.balance(old) < before * 0.01


def test_the_new_wallet_need_not_come_from_a_phrase(people: People) -> None:
    """A wallet elsewhere signs, and the root secret is kept apart."""
    heir, root = medrec.Wallet.from_key(b"\2" * 32), medrec.RootSecret.generate()
    people.alice.change_root(root, wallet=heir)
    assert people.net.contract.patient_of(people.alice.id).wallet == heir.address
    assert people.net.patient(heir, root).compartments() == people.alice.compartments()


def test_sealed_to_is_what_it_was(people: People) -> None:
    """Records that the back-links reach are not touched."""
    record = people.alice.append(b"x", compartment="general", title="x")
    ledger = people.alice._ledger

    def where() -> envelopes.UnverifiedEnvelope:
        history = ledger.history(people.alice.id)
        return people.alice.chart().envelope(history, history.record(record.number))

    before = where()
    people.alice.change_root(wallet=medrec.Wallet.create())
    assert where() == before


def test_a_compartment_that_another_device_adds_meanwhile_is_kept(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys are handed over like all others."""
    alice = people.alice
    other = people.net.patient(alice._wallet, alice._root)  # type: ignore[arg-type]
    tasks, added = RootChange._tasks, []

    def meanwhile(change: RootChange, *arguments: object) -> Iterator[object]:
        yield from tasks(change, *arguments)  # type: ignore[arg-type]
        if not added:
            added.append(other.add_compartment("dental"))

    monkeypatch.setattr(RootChange, "_tasks", meanwhile)
    alice.change_root(wallet=medrec.Wallet.create())
    assert "dental" in alice.compartments().values()
    record = alice.append(b"tooth", compartment="dental", title="tooth")
    assert alice.read(record.number).read() == b"tooth"
    alice.rotate()
    assert alice.read(record.number).read() == b"tooth"
