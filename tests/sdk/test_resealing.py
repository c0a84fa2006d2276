"""Old records get new data keys: what kept keys opened is no longer stored, and what the author signed stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.types import Kind
from medrec_py.chart import RecordUnreadable
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto.keys import DataKey, RootSecret
from medrec_py.errors import BlockNotFound, FormatError, KeysMissing, RecordNotFound, StoreFull, TransactionTimeout
from medrec_py.leftovers import Leftovers
from medrec_py.rekeying import Rekeying
from medrec_py.storage.cid import Cid
from tests.sdk.people import MONTH, People, meet

pytestmark = pytest.mark.slow

LARGE = bytes(range(256)) * 8192  # two chunks


def killed(*_: object) -> None:
    """Stands for a step before which the process is killed."""
    raise KeyboardInterrupt


@pytest.fixture
def net(tmp_path: Path) -> Iterator[medrec.Network]:
    with medrec.local(store=tmp_path / "blocks") as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    return meet(net)


def envelope(people: People, number: int) -> envelopes.UnverifiedEnvelope:
    ledger = people.alice._ledger
    history = ledger.history(people.alice.id)
    return people.alice.chart().envelope(history, history.record(number))


def open_with(people: People, reader: medrec.Provider, number: int) -> DataKey:
    """What a reader's keys open, whatever is permitted."""
    consent = people.alice._ledger.consent(people.alice.id)
    return reader.keys().data_key(consent, envelope(people, number), number, medrec.Purpose.TREAT)


def append_both(people: People) -> tuple[int, int]:
    """A record in its envelope, and one outside it."""
    people.grant()
    chart = people.chart()
    small = chart.append(b"pulse 62", compartment="general", title="pulse")
    large = chart.append(LARGE, compartment="general", title="scan")
    return small.number, large.number


def test_content_author_and_time_stay_what_the_author_signed(people: People) -> None:
    """The claim on chain still fits: nobody can tell a resealed record from one that was left alone."""
    small, large = append_both(people)
    before = [(people.alice.read(number), people.alice.read(number).read()) for number in (small, large)]
    resealed = people.alice.reseal()
    assert resealed.records == (small, large)
    for was, content in before:
        now = people.alice.read(was.number)
        assert now.read() == content
        assert (now.author, now.on_behalf_of, now.signed, now.title) == (
            was.author,
            was.on_behalf_of,
            was.signed,
            was.title,
        )


def test_kept_data_keys_open_nothing_that_is_still_stored(people: People) -> None:
    """New keys, new ciphertexts; the old ones leave the store."""
    small, large = append_both(people)
    old = {number: (open_with(people, people.hospital, number), envelope(people, number)) for number in (small, large)}
    people.alice.revoke(people.hospital)
    people.alice.reseal()
    people.net.store.collect()
    for number, (key, was) in old.items():
        now = envelope(people, number)
        assert now.commitment != was.commitment
        assert now.commitment != key.commitment(now.suite.number, now.record_id)
        with pytest.raises(BlockNotFound):
            people.net.store.get_block(Cid.raw(was.pointer))
    body = old[large][1].body
    assert isinstance(body, envelopes.ContentFile)
    with pytest.raises(BlockNotFound):
        people.net.store.read(Cid.from_bytes(body.cid), 0, 1)


def test_who_may_read_still_reads_and_who_was_revoked_does_not(people: People) -> None:
    """New epochs are sealed to those who may read now."""
    people.grant(history=True)
    clinic = people.clinic()
    people.alice.grant(clinic, read=["general"], expires=MONTH)
    record = people.chart().append(b"pulse 62", compartment="general", title="pulse")
    people.alice.revoke(clinic)
    people.alice.reseal()
    assert people.chart().read(record.number).read() == b"pulse 62"
    with pytest.raises(KeysMissing):
        open_with(people, clinic, record.number)


def test_a_reader_without_history_is_given_nothing_earlier_by_it(people: People) -> None:
    """What was written before a permission stays closed to it; what was written since stays open."""
    early = people.alice.append(b"long ago", compartment="general", title="early")
    people.grant()
    late = people.alice.append(b"today", compartment="general", title="late")
    people.alice.reseal()
    assert people.chart().read(late.number).read() == b"today"
    with pytest.raises(KeysMissing):
        people.chart().read(early.number)
    assert people.alice.read(early.number).read() == b"long ago"


def test_several_readers_from_several_times_keep_just_what_they_had(people: People) -> None:
    """One epoch for each set of readers, whatever the number of records."""
    readers: list[medrec.Organisation] = []
    numbers: list[int] = []
    for step in range(4):
        numbers.append(people.alice.append(bytes([step]), compartment="general", title=f"r{step}").number)
        readers.append(people.net.organisation(medrec.Wallet.create()))
        people.alice.grant(readers[-1], read=["general"], history=step == 1, expires=MONTH)
    numbers.append(people.alice.append(b"last", compartment="general", title="last").number)

    def open_to(reader: medrec.Organisation) -> list[int]:
        return [record.number for record in reader.chart(people.alice).records()]

    before = [open_to(reader) for reader in readers]
    people.alice.reseal()
    assert [open_to(reader) for reader in readers] == before
    assert before == [numbers[1:], numbers, numbers[3:], numbers[4:]]


def test_one_entry_moves_any_number_of_records(people: People) -> None:
    """A keyring and a manifest, in one transaction."""
    append_both(people)
    length = len(people.alice.chart().entries())
    people.alice.reseal()
    added = people.alice.chart().entries()[length:]
    assert [entry.kind for entry in added] == [Kind.KEYRING, Kind.MOVED]
    assert added[0].transaction == added[1].transaction


def test_only_what_was_named_is_sealed_anew(people: People) -> None:
    """By number, or by compartment."""
    small, large = append_both(people)
    private = people.alice.append(b"x", compartment="psychiatry", title="x").number
    before = {number: envelope(people, number).pointer for number in (small, large, private)}
    assert people.alice.reseal(large).records == (large,)
    assert people.alice.reseal(compartments=["psychiatry"]).records == (private,)
    assert envelope(people, small).pointer == before[small]
    with pytest.raises(RecordNotFound):
        people.alice.reseal(99)


def test_without_a_record_nothing_is_sent(people: People) -> None:
    """An empty history costs nothing."""
    assert people.alice.reseal() == medrec.Resealed((), None)


def test_what_waits_in_the_inbox_is_moved_with_it(people: People) -> None:
    """It belongs to its readers afterwards."""
    people.grant()
    clinic = people.clinic()
    people.alice.grant(clinic, read=["general"], expires=MONTH)
    people.net.registrar().suspend(clinic)
    waiting = people.chart().append(b"waits", compartment="general", title="waits")
    assert waiting.in_inbox
    people.alice.reseal()
    assert people.chart().read(waiting.number).read() == b"waits"


def test_an_interrupted_work_goes_on_where_it_stopped(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a journal, no content is sealed twice; and the journal opens nothing without the root secret."""
    _, large = append_both(people)
    journal = tmp_path / "journal"

    with monkeypatch.context() as patch:
        patch.setattr(Rekeying, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            people.alice.reseal(journal=journal)
    (line,) = journal.read_text().splitlines()
    assert json.loads(line)["entry"] == large
    assert journal.stat().st_mode & 0o077 == 0
    journal.write_text(line + "\n" + line[:20])  # the next line was cut off
    people.alice.reseal(journal=journal)
    body = envelope(people, large).body
    assert isinstance(body, envelopes.ContentFile)
    assert body.cid.hex() == json.loads(line)["cid"]
    assert people.alice.read(large).read() == LARGE
    assert not journal.exists()


def test_a_journal_of_somebody_else_is_refused(people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its keys would be nonsense here."""
    append_both(people)
    journal = tmp_path / "journal"
    with monkeypatch.context() as patch:
        patch.setattr(Rekeying, "publish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            people.alice.reseal(journal=journal)
    monkeypatch.setattr(people.alice, "_root", RootSecret.generate())
    with pytest.raises(FormatError, match="another"):
        people.alice.reseal(journal=journal)


def test_a_store_that_is_full_changes_nothing(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes on chain, and all records read as before."""
    _, large = append_both(people)
    length = len(people.alice.chart().entries())

    def full(*_: object) -> None:
        raise StoreFull("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(type(people.net.store), "put_many", full)
        with pytest.raises(StoreFull):
            people.alice.reseal()
    assert len(people.alice.chart().entries()) == length
    assert people.alice.read(large).read() == LARGE


def test_a_record_that_is_damaged_stays_and_is_named(people: People) -> None:
    """The others are sealed anew."""
    small, large = append_both(people)
    people.net.store.unpin(Cid.raw(envelope(people, small).pointer))
    people.net.store.collect()
    with pytest.warns(RecordUnreadable, match=f"entry {small},"):
        assert people.alice.reseal().records == (large,)


def test_another_device_that_decides_meanwhile_is_waited_for(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is prepared anew by what the other device decided: who was revoked is given nothing."""
    people.grant()
    clinic = people.clinic()
    people.alice.grant(clinic, read=["general"], expires=MONTH)
    record = people.chart().append(b"pulse", compartment="general", title="pulse")
    publish, calls = Rekeying.publish, []

    def overtaken(work: Rekeying, *arguments: object) -> object:
        if not calls:
            monkeypatch.setattr(
                work.ledger, "put_block", _after(lambda: _revoke_elsewhere(people, clinic), work.ledger.put_block)
            )
        calls.append(1)
        return publish(work, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Rekeying, "publish", overtaken)
    people.alice.reseal()
    assert len(calls) == 2
    with pytest.raises(KeysMissing):
        open_with(people, clinic, record.number)
    assert people.chart().read(record.number).read() == b"pulse"


def _after(first: object, then: object) -> object:
    done: list[int] = []

    def run(*arguments: object) -> object:
        if not done:
            done.append(1)
            first()  # type: ignore[operator]
        return then(*arguments)  # type: ignore[operator]

    return run


def _revoke_elsewhere(people: People, clinic: medrec.Organisation) -> None:
    other = people.net.patient(people.alice._wallet)
    other._ledger.send(people.alice._wallet, other._ledger.contract.revoke(people.alice.id, clinic.address))


def test_short_grants_that_end_take_no_part(people: People) -> None:
    """A reader whose time is over is given nothing by it."""
    people.grant()
    clinic = people.clinic()
    people.alice.grant(clinic, read=["general"], expires=timedelta(hours=2))
    record = people.chart().append(b"pulse", compartment="general", title="pulse")
    people.travel(timedelta(hours=3))
    people.alice.reseal()
    with pytest.raises(KeysMissing):
        open_with(people, clinic, record.number)


def test_a_journal_that_outlived_its_work_takes_nothing_with_it(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed right behind the transaction: what is in the journal is what the record is made of now."""
    first = people.alice.append(LARGE, compartment="general", title="first").number
    second = people.alice.append(LARGE[::-1], compartment="general", title="second").number
    journal = tmp_path / "journal"

    with monkeypatch.context() as patch:
        patch.setattr(Leftovers, "drop", killed)
        with pytest.raises(KeyboardInterrupt):
            people.alice.reseal(first, journal=journal)
    people.alice.reseal(second, journal=journal)
    people.net.store.collect()
    assert people.alice.read(first).read() == LARGE
    assert people.alice.read(second).read() == LARGE[::-1]


def test_what_may_be_mined_yet_keeps_its_contents(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody saw the transaction mined, and it was."""
    number = people.alice.append(LARGE, compartment="general", title="scan").number
    send = people.alice._ledger.contract.send

    def late(*arguments: object, **named: object) -> None:
        send(*arguments, **named)  # type: ignore[arg-type]
        raise TransactionTimeout("no receipt yet", "0x00")

    with monkeypatch.context() as patch:
        patch.setattr(people.alice._ledger.contract, "send", late)
        with pytest.raises(TransactionTimeout):
            people.alice.reseal(number)
    people.net.store.collect()
    assert people.alice.read(number).read() == LARGE


def test_giving_up_drops_what_was_sealed_and_the_journal(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the root secret changes, which alone opens it."""
    number = people.alice.append(LARGE, compartment="general", title="scan").number
    journal = tmp_path / "journal"

    with monkeypatch.context() as patch:
        patch.setattr(Rekeying, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            people.alice.reseal(number, journal=journal)
    pins = len(list(people.net.store.pins()))  # type: ignore[attr-defined]
    people.alice.give_up_resealing(journal)
    people.net.store.collect()
    assert len(list(people.net.store.pins())) < pins  # type: ignore[attr-defined]
    assert not journal.exists()
    assert people.alice.read(number).read() == LARGE
    people.alice.give_up_resealing(journal)


def test_a_record_whose_content_is_gone_does_not_stop_the_others(people: People) -> None:
    """It is named, and stays as it is."""
    whole = people.alice.append(LARGE, compartment="general", title="whole").number
    broken = people.alice.append(LARGE[::-1], compartment="general", title="broken").number
    body = envelope(people, broken).body
    assert isinstance(body, envelopes.ContentFile)
    people.net.store.unpin(Cid.from_bytes(body.cid))
    people.net.store.collect()
    with pytest.warns(RecordUnreadable, match=f"entry {broken},"):
        assert people.alice.reseal().records == (whole,)
    assert people.alice.read(whole).read() == LARGE
