"""Attacks on the SDK: by readers who lost a right or never had it, by hostile authors and patients, by chance."""

from __future__ import annotations

import dataclasses
import secrets
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py import records
from medrec_py.chain.events import Event, Logged, PermissionGranted
from medrec_py.chain.types import Entry, address_bytes
from medrec_py.chart import RecordUnreadable
from medrec_py.crypto import grant_seal, new_keyring
from medrec_py.crypto.grant_seal import GrantedKeys
from medrec_py.crypto.keys import EpochId, EpochKeys
from medrec_py.crypto.suites import Suite
from medrec_py.errors import (
    ChainUnavailable,
    InInbox,
    InvalidInput,
    KeyringMismatch,
    KeysMissing,
    MedRecError,
    RecordNotFound,
    StorageError,
    StoreFull,
    StoreUnavailable,
)
from medrec_py.keyrings import Keyrings
from medrec_py.purposes import Purpose
from medrec_py.records import Draft
from medrec_py.rotation import Holder, plan
from medrec_py.times import MAX_TIME
from tests.sdk.people import MONTH, People, meet
from tests.sdk.test_keys_follow_consent import open_with_keys_alone

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def net() -> Iterator[medrec.Network]:
    with medrec.local() as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    return meet(net)


def number_of(people: People, name: str) -> int:
    return next(number for number, known in people.alice.compartments().items() if known == name)


def append_garbage(people: People, pointer: bytes, name: str = "general") -> int:
    """What a hostile author can do: an entry that points to anything at all."""
    contract = people.net.contract
    version = contract.history_of(people.alice.id).keyring_version
    entry = Entry(1 << number_of(people, name), 0, pointer, secrets.token_bytes(32))
    call = contract.append(people.alice.id, people.hospital.address, version, Purpose.TREAT, entry)
    people.net.contract.send(people.doctor._wallet, call)
    return contract.history_of(people.alice.id).length


def revoke_without_keys(people: People, monkeypatch: pytest.MonkeyPatch, who: medrec.Provider) -> None:
    def down(self: object, data: bytes) -> None:
        raise StoreUnavailable("the store is down")

    with monkeypatch.context() as patch:
        patch.setattr(type(people.net.store), "put_block", down)
        with pytest.warns(medrec.KeysNotRotated):
            people.alice.revoke(who)


# --- who lost a right, or never had it ------------------------------------------------------------------------------


def test_a_newcomer_without_history_opens_nothing_that_waited_in_the_inbox(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before a grant without HISTORY stays closed to it, though it lay in the inbox meanwhile."""
    carer, laboratory = people.clinic(), people.clinic()
    people.grant()
    people.alice.grant(carer, read=["general"], expires=MONTH)
    people.alice.grant(laboratory, append=["general"], expires=MONTH)
    revoke_without_keys(people, monkeypatch, people.hospital)
    between = laboratory.chart(people.alice).append(b"between", compartment="general", title="between")
    assert between.in_inbox
    people.grant()
    people.alice.rotate()
    with pytest.raises((KeysMissing, InInbox)):
        open_with_keys_alone(people, people.hospital, between.number)
    assert open_with_keys_alone(people, carer, between.number) == b"between"


def test_what_is_still_in_the_inbox_when_a_newcomer_comes_is_not_moved_to_it(people: People) -> None:
    """A record older than a reader's grant is never moved to keys of that reader, whenever it is moved."""
    clinic, laboratory = people.clinic(), people.clinic()
    people.grant()
    people.alice.grant(laboratory, append=["general"], expires=MONTH)
    people.net.registrar().suspend(people.hospital)
    between = laboratory.chart(people.alice).append(b"between", compartment="general", title="between")
    assert between.in_inbox
    people.net.registrar().reinstate(people.hospital)  # authors seal to the epoch again, and the record still waits
    people.alice.grant(clinic, read=["general"], expires=MONTH)
    people.alice.rotate()
    with pytest.raises((KeysMissing, InInbox)):
        open_with_keys_alone(people, clinic, between.number)
    assert people.alice.read(between).read() == b"between"


def test_a_reader_who_renewed_in_time_is_given_what_waited_in_the_inbox(people: People) -> None:
    """A renewal does not make a newcomer: the right reaches back to the first grant of an unbroken row."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general"], append=["general"], expires=MONTH)
    people.net.registrar().suspend(people.hospital)
    between = clinic.chart(people.alice).append(b"between", compartment="general", title="between")
    people.alice.grant(clinic, read=["general"], append=["general"], expires=2 * MONTH)
    people.alice.rotate()
    assert clinic.chart(people.alice).read(between).read() == b"between"


def test_renewing_a_suspended_reader_gives_it_nothing_from_its_suspension(people: People) -> None:
    """A renewal without HISTORY gives no key of an epoch that began while the reader was suspended."""
    people.grant()
    people.net.registrar().suspend(people.hospital)
    people.alice.rotate()
    during = people.alice.append(b"during", compartment="general", title="during")
    people.grant(expires=2 * MONTH)
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, during.number)


def test_a_reader_who_holds_a_later_epoch_counts_as_a_holder_of_those_it_leads_back_to(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A back-link from a scheduled epoch opens the present one: none seals to it once the reader is revoked."""
    first, other = people.clinic(), people.clinic()
    people.grant(history=True)
    people.alice.grant(first, read=["general"], expires=timedelta(days=5))
    people.net.registrar().suspend(people.hospital)
    people.alice.rotate()  # the hospital has no key of this epoch
    people.net.registrar().reinstate(people.hospital)
    people.alice.grant(other, read=["general"], expires=2 * MONTH, history=True)  # plans later epochs, the hospital in
    revoke_without_keys(people, monkeypatch, people.hospital)
    secret = people.alice.append(b"secret", compartment="general", title="secret")
    with pytest.raises((KeysMissing, InInbox)):
        open_with_keys_alone(people, people.hospital, secret.number)


def test_a_reorganisation_hides_no_grant(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grant that a reorganisation moved into an older block is seen, though nothing else tells of it."""
    ledger = people.alice._ledger
    people.grant()
    hidden = people.net.chain.block().number
    original, original_block = ledger._events, ledger.chain.block

    def other_fork(*arguments: object) -> list[Logged[Event]]:
        logs = original(*arguments)  # type: ignore[arg-type]
        return [log for log in logs if not (isinstance(log.event, PermissionGranted) and log.block == hidden)]

    ledger._decisions.clear()
    with monkeypatch.context() as patch:  # the same height, another block
        patch.setattr(ledger, "_events", other_fork)
        patch.setattr(
            ledger.chain,
            "block",
            lambda block="latest": dataclasses.replace(original_block(block), hash="0x" + "11" * 32),
        )
        assert address_bytes(people.hospital.address) not in ledger.consent(people.alice.id).permissions
    assert address_bytes(people.hospital.address) in ledger.consent(people.alice.id).permissions


def test_a_keyring_that_was_read_for_one_entry_stands_for_no_other(people: People) -> None:
    """A cached keyring is no keyring of another patient, or of another version, that names the same block."""
    people.grant()
    consent = people.alice._ledger.consent(people.alice.id)
    entry = consent.keyrings.entries[-1]
    cache = consent.keyrings._cache
    consent.keyrings.read(entry)
    mallory = people.net.patient(medrec.Wallet.create())
    stolen = Keyrings(people.alice._ledger.place(mallory.id), [entry], consent.keyrings.fetch, cache)
    with pytest.raises(KeyringMismatch):
        stolen.read(entry)
    with pytest.raises(KeyringMismatch):
        consent.keyrings.read(dataclasses.replace(entry, version=entry.version + 1))


# --- who has a right and could not use it ---------------------------------------------------------------------------


def test_a_renewal_without_end_replaces_the_epoch_that_was_planned_for_the_first_end(people: People) -> None:
    """Who is granted reading for ever reads on behind the end of its first permission."""
    people.grant(expires=timedelta(days=1))
    people.grant(expires=MAX_TIME)
    people.travel(timedelta(days=2))
    late = people.alice.append(b"late", compartment="general", title="late")
    assert people.chart().read(late).read() == b"late"


def test_a_renewal_that_is_mined_behind_the_first_end_is_read_with(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A permission renewed in its last seconds opens what is written afterwards, whenever the renewal is mined."""
    expiry = people.grant(expires=timedelta(days=1)).expiry
    people.net.chain.travel(to=expiry - 30)  # type: ignore[attr-defined]
    ledger = people.alice._ledger
    original = ledger.send

    def slowly(wallet: medrec.Signer, *calls: object) -> medrec.Receipt:
        people.travel(timedelta(minutes=2))
        return original(wallet, *calls)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "send", slowly)
        people.grant(expires=MONTH)
    after = people.alice.append(b"after", compartment="general", title="after")
    assert people.chart().read(after).read() == b"after"


def test_a_fast_clock_gives_a_reader_no_keys_of_the_future(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grant from a machine whose clock is hours ahead opens what others write at once."""
    ledger = people.alice._ledger
    real = ledger.now
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "now", lambda: real() + 7200)
        people.grant()
    record = people.chart().append(b"x", compartment="general", title="x")
    assert people.chart().read(record).read() == b"x"


def test_many_readers_of_many_compartments_fit_into_a_keyring(people: People) -> None:
    """However many permissions end at times of their own, all compartments are rotated in one keyring of one block."""
    consent = people.alice._ledger.consent(people.alice.id)
    suite = people.alice._ledger.suite
    root = people.alice._keys.public_key(people.alice._place, suite)
    holders = [Holder(secrets.token_bytes(20), root, (1 << 64) - 1, False, 10**10 + n) for n in range(40)]
    every = Keyrings(consent.place, [], consent.keyrings.fetch, {})
    planned = plan(every, lambda epoch: EpochKeys.generate(), holders, now=1, begin=1, rotate=(1 << 64) - 1, schedule=0)
    built = new_keyring.build(
        consent.place,
        0,
        epochs=planned.epochs,
        readers=planned.readers,
        root_public_key=root,
        names={},
        inbox=None,
        suite=suite,
    )
    assert len(built.block) <= 1 << 20


# --- nothing blocks a revocation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [ChainUnavailable("no logs"), RecursionError(), KeyError("x")])
def test_no_failure_to_prepare_keys_blocks_a_revocation(
    people: People, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """Where the node serves no logs, or anything else fails, the permission is revoked all the same."""
    people.grant()

    def fail(*arguments: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(people.alice._ledger, "_events", fail)
        with pytest.warns(medrec.KeysNotRotated):
            assert not people.alice.revoke(people.hospital).rotated
    with pytest.raises(medrec.PermissionRevoked):
        people.chart().append(b"x", compartment="general", title="x")


def test_readers_whose_profiles_take_for_ever_do_not_hold_up_a_revocation(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revocation waits for others' profiles for a while, and then goes without new keys."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general"], expires=MONTH)
    monkeypatch.setattr("medrec_py.deciding.PATIENCE", -1.0)
    with pytest.warns(medrec.KeysNotRotated, match="too long"):
        assert not people.alice.revoke(people.hospital).rotated


# --- hostile authors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [False, True], ids=["nowhere", "garbage"])
def test_an_author_who_appends_garbage_stops_neither_history_nor_rotation_nor_the_inbox(
    people: People, *, stored: bool
) -> None:
    """A pointer to nothing, or to garbage, is a problem of its own entry alone."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general"], append=["general"], expires=MONTH)
    garbage = people.net.store.put_block(b"garbage").digest if stored else secrets.token_bytes(32)
    number = append_garbage(people, garbage)
    people.net.registrar().suspend(people.hospital)
    between = clinic.chart(people.alice).append(b"between", compartment="general", title="between")
    assert between.in_inbox
    with pytest.warns(RecordUnreadable, match=f"entry {number},"):
        people.alice.rotate()
    assert clinic.chart(people.alice).read(between).read() == b"between"
    problems = [entry.number for entry in people.alice.history() if entry.problem is not None]
    assert problems == [number]
    with pytest.warns(RecordUnreadable, match=f"entry {number},"):
        assert [record.number for record in people.alice.records()] == [between.number]


def test_records_are_not_passed_over_where_the_store_is_down(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer is an error, not an empty record."""
    people.alice.append(b"x", compartment="general", title="x")

    def down(self: object, cid: object) -> None:
        raise StoreUnavailable("the store is down")

    monkeypatch.setattr(type(people.net.store), "get_block", down)
    with pytest.raises(StorageError):
        list(people.alice.records())


def test_a_record_of_two_compartments_leaves_the_inbox_once_and_for_good(people: People) -> None:
    """The manifest's mask covers all compartments of the records that it moves, or the move would count for nothing."""
    both = ["general", "psychiatry"]
    clinic = people.clinic()
    people.grant(read=both, append=both)
    people.alice.grant(clinic, read=both, append=both, expires=MONTH)
    people.net.registrar().suspend(people.hospital)
    chart = clinic.chart(people.alice)
    original = chart._ledger.contract.append

    def widened(patient: str, principal: str, *, entry: Entry, **others: object) -> object:
        wide = dataclasses.replace(entry, compartments=sum(1 << number_of(people, name) for name in both))
        return original(patient, principal, entry=wide, **others)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chart._ledger.contract, "append", widened)
        between = chart.append(b"between", compartment="general", title="between")
    assert between.in_inbox
    people.alice.rotate()
    assert chart.read(between).read() == b"between"
    assert people.alice.empty_inbox() == 0


# --- hostile patients -----------------------------------------------------------------------------------------------


def test_a_seal_that_names_epochs_that_never_were_is_no_crash(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile patient's seal ends in MedRec's own errors, in reading and in the history."""
    before = people.alice.append(b"before", compartment="general", title="before")
    compartment = number_of(people, "general")
    original = grant_seal.build

    def forged(place: object, grantee: object, version: int, key: bytes, keys: GrantedKeys, *, suite: Suite) -> bytes:
        epochs = {EpochId(compartment, 999): EpochKeys.generate()}
        return original(place, grantee, version, key, GrantedKeys(epochs, keys.names), suite=suite)  # type: ignore[arg-type]

    monkeypatch.setattr(grant_seal, "build", forged)
    people.grant(history=True)
    with pytest.raises(MedRecError):
        people.chart().read(before)
    assert [entry.problem is None for entry in people.chart().history() if entry.number == before.number] == [False]


# --- what is lost, and what is shown --------------------------------------------------------------------------------


def test_an_interruption_while_waiting_for_the_receipt_keeps_the_content(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after the transaction was handed over leaves what it points to pinned: it may still be mined."""
    people.grant()
    unpinned: list[object] = []
    chart = people.chart()
    original = chart._ledger.send

    def interrupted(wallet: medrec.Signer, *calls: object) -> None:
        original(wallet, *calls)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(chart._ledger, "send", interrupted)
    monkeypatch.setattr(people.net.store, "unpin", unpinned.append)
    with pytest.raises(KeyboardInterrupt):
        chart.append(b"a" * 100_000, compartment="general", title="long")
    assert not unpinned


def test_content_that_is_never_appended_is_not_kept(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that fails after its content was stored, for its media type for instance, leaves nothing pinned."""
    people.grant()
    unpinned: list[object] = []
    monkeypatch.setattr(people.net.store, "unpin", unpinned.append)
    with pytest.raises(InvalidInput):
        people.chart().append(b"a" * 100_000, compartment="general", title="x", media_type="no media type")
    assert len(unpinned) == 1


def test_what_was_appended_is_read_or_an_error(people: People) -> None:
    """After a reorganisation another record may stand at the number: it is not taken for the one that was appended."""
    people.grant()
    first = people.chart().append(b"first", compartment="general", title="first")
    second = people.chart().append(b"second", compartment="general", title="second")
    with pytest.raises(RecordNotFound):
        people.chart().read(dataclasses.replace(first, number=second.number))


def test_saving_to_a_full_disk_leaves_nothing(people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up is MedRec's own error, and no half-written file stays."""
    people.grant()
    record = people.chart().read(people.chart().append(b"a" * 100_000, compartment="general", title="long"))

    class Full:
        def __init__(self, file: object) -> None:
            self.file = file

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def flush(self) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            self.file.close()  # type: ignore[attr-defined]
            raise OSError(28, "No space left on device")

    original: Callable[..., object] = records.os.fdopen
    monkeypatch.setattr(records.os, "fdopen", lambda *arguments: Full(original(*arguments)))
    with pytest.raises(StoreFull):
        record.save(tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_a_record_stands_in_a_repr(people: People) -> None:
    """Titles and contents, which may be diagnoses, do not get into logs by way of a repr."""
    people.grant()
    appended = people.chart().append(b"content", compartment="general", title="HIV test")
    record = people.chart().read(appended)
    lines = list(people.chart().history())
    shown = repr((appended, record, lines, Draft(b"content", "general", "HIV test"), people.alice, people.chart()))
    assert "HIV" not in shown
    assert "content" not in shown


@pytest.mark.parametrize("title", ["http://[x", "data:a b/c,", "//[", "a\0b", "x." + "y" * 300])
def test_any_title_gets_a_media_type(people: People, title: str) -> None:
    """A title that looks like a URL is a title."""
    people.grant()
    assert people.chart().read(people.chart().append(b"x", compartment="general", title=title)).title == title


def test_a_path_with_a_zero_byte_is_the_callers_error(people: People) -> None:
    """Whatever cannot be opened is InvalidInput."""
    people.grant()
    with pytest.raises(InvalidInput):
        people.chart().append("a\0b", compartment="general")


def test_a_compartment_is_not_there_twice_for_a_space(people: People) -> None:
    """Names are compared as they are kept: two compartments of one name could not be told apart."""
    with pytest.raises(InvalidInput, match="already"):
        people.alice.add_compartment(" general ")


def test_grants_take_one_transaction_where_nothing_waits(people: People) -> None:
    """Looking after the inbox costs nothing while authors do not use it."""
    receipts: list[medrec.Receipt] = []
    people.net.on_receipt(receipts.append)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        people.grant()
        people.grant(expires=2 * MONTH)
        people.grant(read=["general", "psychiatry"], history=True)
    assert len(receipts) == 3
