"""Erasing shreds keys: with the new phrase and every block that ever was, what was erased opens no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.types import Kind
from medrec_py.crypto import envelope as envelopes
from medrec_py.errors import (
    BlockNotFound,
    InvalidInput,
    KeyUnavailable,
    RecordErased,
    RecordNotFound,
    RootSecretMissing,
    SurvivorUnreadable,
)
from medrec_py.leftovers import Leftovers
from medrec_py.root_keys import RootKeys
from medrec_py.storage.cid import Cid
from medrec_py.storage.folder import FolderStore
from tests.sdk.people import MONTH, People, meet

pytestmark = pytest.mark.slow

LARGE = bytes(range(256)) * 8192


@pytest.fixture
def net(tmp_path: Path) -> Iterator[medrec.Network]:
    with medrec.local(store=tmp_path / "blocks") as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    return meet(net)


class Replica:
    """Somebody who copies every block that is ever stored, and knows all events."""

    def __init__(self, people: People, folder: Path) -> None:
        self._people = people
        self._store = FolderStore(folder)
        self._seen: dict[bytes, bytes] = {}

    def copy(self) -> None:
        """Take what is there now."""
        for pin in self._people.net.store.pins():  # type: ignore[attr-defined]
            self._store.copy(pin, self._people.net.store)

    def first_envelope(self, number: int) -> envelopes.UnverifiedEnvelope:
        """The envelope that a record was appended with."""
        ledger = self._people.alice._ledger
        pointer = ledger.history(self._people.alice.id).record(number).pointer
        return envelopes.parse(self._store.get_block(Cid.raw(pointer)))

    def opens(self, number: int, keys: RootKeys) -> bool:
        """Whether keys of a patient open the envelope that a record was appended with."""
        consent = self._people.alice._ledger.consent(self._people.alice.id)
        try:
            keys.data_key(consent, self.first_envelope(number))
        except KeyUnavailable:
            return False
        return True


@pytest.fixture
def replica(people: People, tmp_path: Path) -> Replica:
    return Replica(people, tmp_path / "replica")


def fill(people: People) -> dict[str, int]:
    """Records in both compartments, in and outside envelopes, over several epochs."""
    people.grant(history=True)
    numbers: dict[str, int] = {}
    for name, compartment, content in (
        ("shame", "general", b"to be forgotten"),
        ("scan", "general", LARGE),
        ("pulse", "general", b"62"),
        ("talk", "psychiatry", b"private"),
    ):
        numbers[name] = people.alice.append(content, compartment=compartment, title=name).number
        people.alice.rotate(compartment)
    return numbers


def test_one_record_is_shredded_and_every_other_opens(people: People, replica: Replica) -> None:
    """With the new phrase alone, and a replica of every block that ever existed."""
    numbers = fill(people)
    replica.copy()
    old = people.alice._root
    heir = medrec.Wallet.create()
    erased = people.alice.erase(numbers["shame"], wallet=heir)
    replica.copy()
    assert erased.records == (numbers["shame"],)
    device = people.net.patient(medrec.Wallet.from_phrase(heir.phrase or ""))
    with pytest.raises(RecordErased):
        device.read(numbers["shame"])
    new = RootKeys(heir.root or old)
    assert not replica.opens(numbers["shame"], new)
    contents = {name: device.read(numbers[name]).read() for name in ("scan", "pulse", "talk")}
    assert contents == {"scan": LARGE, "pulse": b"62", "talk": b"private"}


def test_the_old_phrase_with_a_stray_replica_still_opens_it(people: People, replica: Replica) -> None:
    """Which is why it has to be destroyed: nothing else can be promised, and this is what we say."""
    numbers = fill(people)
    replica.copy()
    old = people.alice._root
    people.alice.erase(numbers["shame"], wallet=medrec.Wallet.create())
    assert replica.opens(numbers["shame"], RootKeys(old))


def test_its_blocks_leave_the_store(people: People) -> None:
    """Envelope and content, and the superseded envelopes of what survives."""
    numbers = fill(people)
    ledger = people.alice._ledger

    def pointer(name: str) -> bytes:
        history = ledger.history(people.alice.id)
        return people.alice.chart().envelope(history, history.record(numbers[name])).pointer

    gone, superseded = pointer("scan"), pointer("pulse")
    body = envelopes.parse(ledger.fetch(gone)).body
    assert isinstance(body, envelopes.ContentFile)
    people.alice.erase(numbers["scan"], wallet=medrec.Wallet.create())
    for cid in (Cid.raw(gone), Cid.raw(superseded), Cid.from_bytes(body.cid)):
        with pytest.raises(BlockNotFound):
            people.net.store.get_block(cid)


def test_a_compartment_is_shredded(people: People, replica: Replica) -> None:
    """All records of it, and none of the other; it can be written to again."""
    numbers = fill(people)
    replica.copy()
    heir = medrec.Wallet.create()
    erased = people.alice.erase(compartments=["general"], wallet=heir)
    assert erased.records == tuple(numbers[name] for name in ("shame", "scan", "pulse"))
    assert erased.survivors == ()
    assert people.alice.read(numbers["talk"]).read() == b"private"
    assert not any(replica.opens(number, RootKeys(heir.root)) for number in erased.records)  # type: ignore[arg-type]
    again = people.alice.append(b"new", compartment="general", title="new")
    assert people.alice.read(again.number).read() == b"new"


def test_a_whole_patient_is_shredded(people: People, replica: Replica) -> None:
    """Nothing opens, and the history still shows that there was something."""
    numbers = fill(people)
    replica.copy()
    heir = medrec.Wallet.create()
    people.alice.erase(everything=True, wallet=heir)
    assert list(people.alice.records()) == []
    lines = [line for line in people.alice.history() if line.kind is Kind.RECORD]
    assert [line.number for line in lines] == sorted(numbers.values())
    assert all(isinstance(line.problem, RecordErased) for line in lines)
    assert not any(replica.opens(number, RootKeys(heir.root)) for number in numbers.values())  # type: ignore[arg-type]


def test_readers_keep_what_survives_and_lose_what_was_erased(people: People) -> None:
    """Their permissions stay; the erased record says what became of it."""
    numbers = fill(people)
    people.alice.erase(numbers["shame"], wallet=medrec.Wallet.create())
    assert people.chart().read(numbers["pulse"]).read() == b"62"
    with pytest.raises(RecordErased):
        people.chart().read(numbers["shame"])
    record = people.chart().append(b"next", compartment="general", title="next")
    assert people.alice.read(record.number).read() == b"next"


def test_a_reader_without_history_is_given_nothing_earlier(people: People) -> None:
    """Survivors from before its permission are sealed to others."""
    early = people.alice.append(b"early", compartment="general", title="early")
    shame = people.alice.append(b"shame", compartment="general", title="shame")
    people.grant()
    late = people.alice.append(b"late", compartment="general", title="late")
    people.alice.erase(shame.number, wallet=medrec.Wallet.create())
    assert people.chart().read(late.number).read() == b"late"
    with pytest.raises(KeyUnavailable):
        people.chart().read(early.number)
    assert people.alice.read(early.number).read() == b"early"


def test_statements_of_survivors_stay_what_their_authors_signed(people: People) -> None:
    """New envelopes, the same claims: nothing has to be signed again."""
    people.grant()
    kept = people.chart().append(b"62", compartment="general", title="pulse")
    shame = people.chart().append(b"x", compartment="general", title="x")
    before = people.alice.read(kept.number)
    people.alice.erase(shame.number, wallet=medrec.Wallet.create())
    after = people.alice.read(kept.number)
    assert (after.author, after.on_behalf_of, after.signed, after.title) == (
        people.doctor.address,
        people.hospital.address,
        before.signed,
        "pulse",
    )


def test_it_reports_who_had_access(people: People) -> None:
    """Readers then and since, and authors; not who was revoked before, or came later without HISTORY."""
    gone, later = people.clinic(), people.clinic()
    people.alice.grant(gone, read=["general"], expires=MONTH)
    people.alice.revoke(gone)
    people.grant()
    record = people.chart().append(b"x", compartment="general", title="x")
    people.alice.grant(later, read=["general"], expires=MONTH)
    with_history = people.clinic()
    people.alice.grant(with_history, read=["general"], history=True, expires=MONTH)
    had = {one.account: one for one in people.alice.erase(record.number, wallet=medrec.Wallet.create()).had_access}
    assert had.keys() == {people.hospital.address, people.doctor.address, with_history.address}
    assert had[people.doctor.address].as_author
    assert had[people.hospital.address].as_author
    assert not had[with_history.address].as_author
    assert had[with_history.address].records == (record.number,)


def test_it_is_one_transaction(people: People) -> None:
    """Keyring, survivors, erased records and wallet: all of it, or nothing."""
    numbers = fill(people)
    length = len(people.alice.chart().entries())
    people.alice.erase(numbers["shame"], wallet=medrec.Wallet.create())
    added = people.alice.chart().entries()[length:]
    assert [entry.kind for entry in added] == [Kind.KEYRING, Kind.MOVED, Kind.ERASED]
    assert len({entry.transaction for entry in added}) == 1


def test_erasing_again_leaves_what_was_erased(people: People) -> None:
    """It stays erased, and cannot be named a second time."""
    numbers = fill(people)
    people.alice.erase(numbers["shame"], wallet=medrec.Wallet.create())
    with pytest.raises(InvalidInput):
        people.alice.erase(numbers["shame"], wallet=medrec.Wallet.create())
    erased = people.alice.erase(everything=True, wallet=medrec.Wallet.create())
    assert numbers["shame"] not in erased.records
    assert len(erased.records) == 3


def test_a_survivor_that_cannot_be_read_stops_it(people: People) -> None:
    """It would be lost with the old phrase. It may be erased as well, or left behind on purpose."""
    numbers = fill(people)
    ledger = people.alice._ledger
    history = ledger.history(people.alice.id)
    pointer = people.alice.chart().envelope(history, history.record(numbers["pulse"])).pointer
    people.net.store.unpin(Cid.raw(pointer))
    people.net.store.collect()
    length = len(people.alice.chart().entries())
    with pytest.raises(SurvivorUnreadable, match=f"entry {numbers['pulse']},"):
        people.alice.erase(numbers["shame"], wallet=medrec.Wallet.create())
    assert len(people.alice.chart().entries()) == length
    erased = people.alice.erase(numbers["shame"], numbers["pulse"], wallet=medrec.Wallet.create())
    assert erased.records == tuple(sorted((numbers["shame"], numbers["pulse"])))


@pytest.mark.parametrize("records", [[], [99]])
def test_what_is_not_there_cannot_be_erased(people: People, records: list[int]) -> None:
    """Nothing named, or a number that the history does not have."""
    with pytest.raises((InvalidInput, RecordNotFound)):
        people.alice.erase(*records, wallet=medrec.Wallet.create())


def test_the_root_secret_must_change(people: People) -> None:
    """Under the old one nothing would be shredded."""
    numbers = fill(people)
    with pytest.raises(RootSecretMissing):
        people.alice.erase(numbers["shame"])


def test_leftovers_are_dropped_later_where_that_was_interrupted(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which envelopes moved records left behind follows from the history."""
    numbers = fill(people)
    ledger = people.alice._ledger
    history = ledger.history(people.alice.id)
    pointer = people.alice.chart().envelope(history, history.record(numbers["pulse"])).pointer
    with monkeypatch.context() as patch:
        patch.setattr(Leftovers, "drop", lambda *_: 0)
        people.alice.erase(numbers["shame"], wallet=medrec.Wallet.create())
    assert people.net.store.get_block(Cid.raw(pointer))
    assert people.alice.drop_leftovers() > 0
    people.net.store.collect()
    with pytest.raises(BlockNotFound):
        people.net.store.get_block(Cid.raw(pointer))
    assert people.alice.read(numbers["pulse"]).read() == b"62"
    assert people.alice.read(numbers["scan"]).read() == LARGE


def test_a_store_that_cannot_remove_blocks_is_no_reason_to_fail(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys are gone all the same, and the patient is told."""
    numbers = fill(people)

    def broken(_: object) -> None:
        raise medrec.errors.StoreUnavailable("down")

    monkeypatch.setattr(type(people.net.store), "collect", broken)
    with pytest.warns(medrec.BlocksNotRemoved):
        people.alice.erase(numbers["shame"], wallet=medrec.Wallet.create())


def test_two_devices_that_erase_the_same_do_not_undo_each_other(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both make the same list of what was erased: the one that is refused does not drop it."""
    numbers = fill(people)
    alice, ledger = people.alice, people.alice._ledger
    other = people.net.patient(alice._wallet, alice._root)  # type: ignore[arg-type]
    heir, send = medrec.Wallet.create(), ledger.send

    def after_the_other(wallet: object, *calls: object, **how: object) -> object:
        monkeypatch.setattr(ledger, "send", send)
        other.erase(numbers["shame"], wallet=heir)
        return send(wallet, *calls, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "send", after_the_other)
    with pytest.raises(medrec.errors.MedRecError):
        alice.erase(numbers["shame"], wallet=medrec.Wallet.create())
    people.net.store.collect()
    device = medrec.Network(people.net.chain, people.net.contract, people.net.store).patient(heir)
    with pytest.raises(RecordErased):
        device.read(numbers["shame"])
    assert device.read(numbers["scan"]).read() == LARGE


def test_a_permission_is_healed_after_erasing(people: People) -> None:
    """What the erasure cut off is out of reach for everybody, and no reason to fail."""
    people.grant()
    gone, kept = (people.chart().append(text, compartment="general", title="t").number for text in (b"a", b"b"))
    people.alice.erase(gone, wallet=medrec.Wallet.create())
    people.hospital.renew_key()
    assert people.alice.heal_permissions()
    assert people.chart().read(kept).read() == b"b"


def test_a_root_secret_of_before_cannot_come_back(people: People) -> None:
    """It opens what was sealed then, and so what was to be erased."""
    numbers = fill(people)
    first = people.alice._root
    people.alice.change_root(wallet=medrec.Wallet.create())
    with pytest.raises(InvalidInput, match="had this root secret before"):
        people.alice.erase(numbers["shame"], root=first)
    assert people.alice.read(numbers["shame"]).read() == b"to be forgotten"
