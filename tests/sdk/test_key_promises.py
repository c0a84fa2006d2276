"""What keys promise whatever the length of a record's life: sizes to the byte, a year offline, devices at once."""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

import medrec_py as medrec
from medrec_py.chain.events import PermissionGranted
from medrec_py.chain.transactions import Call
from medrec_py.chain.types import address_bytes
from medrec_py.consent import Consent
from medrec_py.crypto.envelope import Kind
from medrec_py.crypto.epochs import walk_back
from medrec_py.crypto.keys import EpochId, EpochKeys
from medrec_py.errors import KeysMissing
from medrec_py.ledger import Ledger
from medrec_py.records import Draft
from tests.sdk.people import MONTH, People, meet
from tests.sdk.test_keys_follow_consent import destination_of, open_with_keys_alone

pytestmark = pytest.mark.slow

HOUR, DAY = 3600, 86_400


@pytest.fixture(scope="module")
def net() -> Iterator[medrec.Network]:
    with medrec.local() as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    return meet(net)


# --- sizes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """What a grant sends and stores, in bytes."""

    seal: int
    keyring: int
    pages: int
    transaction: int


def size_of_a_grant(people: People, monkeypatch: pytest.MonkeyPatch, *, history: bool) -> Size:
    """Grant the hospital general for a month, and weigh it."""
    sent: list[Call] = []
    ledger, original = people.alice._ledger, people.alice._ledger.send

    def weigh(wallet: medrec.Signer, *calls: Call) -> medrec.Receipt:
        sent.extend(calls)
        return original(wallet, *calls)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "send", weigh)
        granted = people.grant(history=history)
    (event,) = granted.receipt.every(PermissionGranted)
    keyrings = ledger.consent(people.alice.id).keyrings
    latest = keyrings.read(keyrings.entries[-1])
    return Size(
        seal=len(ledger.fetch(event.seal)),
        keyring=len(ledger.fetch(keyrings.entries[-1].pointer)),
        pages=len(latest.pages),
        transaction=sum(len(call.data) for call in sent),
    )


@pytest.mark.parametrize("history", [True, False], ids=["with HISTORY", "from now on"])
def test_a_grant_weighs_the_same_whatever_lies_behind(
    people: People, monkeypatch: pytest.MonkeyPatch, *, history: bool
) -> None:
    """One record or sixty, no rotation or ten: the same bytes of seal, keyring and transaction."""
    people.alice.append(b"first", compartment="general", title="first")
    people.alice.rotate()  # so that both grants lead back to an epoch
    short = size_of_a_grant(people, monkeypatch, history=history)
    people.alice.revoke(people.hospital)
    people.alice.chart().append_many([Draft(b"x", "general", f"record {n}") for n in range(60)])
    for _ in range(10):
        people.alice.rotate("general")
    long = size_of_a_grant(people, monkeypatch, history=history)
    assert long == short
    assert short.seal < 2048


def test_a_keyring_grows_by_back_links_and_by_nothing_else(people: People) -> None:
    """80 bytes a compartment with four of framing, once; a later keyring is as long as the one before, to the byte."""
    keyrings = people.alice._ledger.consent(people.alice.id).keyrings
    lengths = [len(people.alice._ledger.fetch(keyrings.entries[0].pointer))]
    for _ in range(12):
        people.alice.rotate()
        entry = people.alice._ledger.consent(people.alice.id).keyrings.entries[-1]
        lengths.append(len(people.alice._ledger.fetch(entry.pointer)))
    compartments = len(people.alice.compartments())
    framing = 1 + 1 + 2  # CBOR: a pair, the epoch's number up to 23, the head of 80 bytes
    start = 4  # the first epochs begin at 0, later ones at a time
    assert lengths[1] - lengths[0] == compartments * (80 + framing + start)
    assert set(lengths[1:]) == {lengths[1]}


def test_from_now_on_opens_no_earlier_epoch_of_many(people: People) -> None:
    """Not one of the epochs before the grant, by any seal, keyring or way back."""
    numbers = []
    for n in range(6):
        numbers.append(people.alice.append(str(n).encode(), compartment="general", title=str(n)).number)
        people.alice.rotate("general")
    people.grant()
    people.alice.rotate("general")
    after = people.alice.append(b"after", compartment="general", title="after").number
    held = everything_openable(people.alice._ledger, people.alice.id, people.hospital)
    assert destination_of(people, after).number in {epoch.number for epoch in held}
    assert not {destination_of(people, number).number for number in numbers} & {epoch.number for epoch in held}
    for number in numbers:
        with pytest.raises(KeysMissing):
            open_with_keys_alone(people, people.hospital, number)


# --- authors without reading ----------------------------------------------------------------------------------------


def test_a_laboratory_that_may_only_append_holds_no_key_at_all(people: People) -> None:
    """Whatever it kept, through grants, renewals, rotations and other readers' comings: no seed of any epoch."""
    laboratory = people.clinic()
    people.grant(history=True)
    people.alice.grant(laboratory, append=["general", "psychiatry"], expires=MONTH)
    first = laboratory.chart(people.alice).append(b"Hb 13.9", compartment="general", title="blood count")
    people.alice.rotate()
    people.alice.grant(laboratory, append=["general"], expires=2 * MONTH, history=True)
    second = laboratory.chart(people.alice).append(b"Hb 12.1", compartment="general", title="blood count")
    assert everything_openable(people.alice._ledger, people.alice.id, laboratory) == {}
    for result in (first, second):
        with pytest.raises(KeysMissing):
            open_with_keys_alone(people, laboratory, result.number)
        assert people.chart().read(result).read().startswith(b"Hb")


# --- two devices ----------------------------------------------------------------------------------------------------


def test_devices_that_rotate_at_the_same_moment_end_in_one_chain_of_keyrings(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both prepare for the same version; the one that loses reads again, and no version has two keyrings."""
    people.grant(history=True)
    first = people.alice.append(b"first", compartment="general", title="first").number
    contract, original = people.net.contract, people.net.contract.publish_keyring
    devices = [people.alice, other_device(people)]
    together, prepared = threading.Barrier(len(devices), timeout=120), threading.local()

    def at_once(patient: str, **arguments: object) -> object:
        call = original(patient, **arguments)  # type: ignore[arg-type]
        if not getattr(prepared, "once", False):
            prepared.once = True
            together.wait()
        return call

    monkeypatch.setattr(contract, "publish_keyring", at_once)
    with ThreadPoolExecutor(len(devices)) as threads:
        receipts = list(threads.map(lambda device: device.rotate(), devices))
    assert receipts[0].transaction != receipts[1].transaction
    for device in devices:
        versions = [entry.version for entry in device._ledger.consent(people.alice.id).keyrings.entries]
        assert versions == list(range(4))  # registration, grant, and both rotations
    after = devices[1].append(b"after", compartment="general", title="after").number
    for number, content in ((first, b"first"), (after, b"after")):
        assert open_with_keys_alone(people, people.hospital, number) == content
        assert all(device.read(number).read() == content for device in devices)


def other_device(people: People) -> medrec.Patient:
    """Another device with the same wallet and root secret, which remembers nothing of the first."""
    net = people.net
    ledger = Ledger(net.chain, net.contract, net.store, suite=net.suite)
    wallet = people.alice._wallet
    return medrec.Patient(ledger, wallet, wallet.root)  # type: ignore[attr-defined]


# --- a year ---------------------------------------------------------------------------------------------------------


def everything_openable(ledger: Ledger, patient: str, reader: medrec.Provider) -> dict[EpochId, EpochKeys]:
    """All keys that a reader gets to who keeps everything for ever: from every seal, and every way back."""
    consent = ledger.consent(patient)
    keys, address = reader.keys(), address_bytes(reader.address)
    found: dict[EpochId, EpochKeys] = {}
    for grant in consent.grants_to(address):
        found |= keys._open_grant(consent, grant.version, grant.seal).epochs
    for entry in consent.keyrings.entries:
        published = consent.keyrings.read(entry)
        if address in published.holders:
            found |= keys._open_keyring(consent, published)
    for epoch, pair in list(found.items()):
        if pair.history is not None and epoch in consent.keyrings:
            found |= dict(walk_back(consent.place, consent.keyrings, epoch, pair))
    return found


def was_entitled(consent: Consent, times: dict[int, int], reader: bytes, epoch: EpochId, time: int) -> bool:
    """Whether a reader may hold what was sealed at a time: by a grant in force then, or by a later one with HISTORY."""
    row = [grant for grant in consent.grants if grant.grantee == reader]
    return any(
        grant.terms.read >> epoch.compartment & 1
        and ((times[grant.block] <= time < grant.terms.expiry) or (grant.history and times[grant.block] > time))
        for grant in row
    )


@dataclass(order=True)
class Due:
    """Something that happens in the year."""

    time: int
    order: int
    happens: Callable[[], None] = field(compare=False)


@dataclass
class Year:
    """A patient who is online for a grant at each visit, and for nothing else.

    Attributes:
        people: The patient, and a network.
        authors: Whom the grants are given, one after another.
        carer: Reads everything all the year, and is suspended for a while.
        written: Each record, its content, and whether the carer was suspended then.
    """

    people: People
    authors: Sequence[medrec.Provider]
    carer: medrec.Provider
    chance: random.Random = field(default_factory=lambda: random.Random(4))
    due: list[Due] = field(default_factory=list)
    permitted: dict[str, tuple[int, str]] = field(default_factory=dict)
    written: list[tuple[medrec.chart.Appended, bytes, bool]] = field(default_factory=list)
    suspended: bool = False

    def at(self, time: int, happens: Callable[[], None]) -> None:
        heapq.heappush(self.due, Due(time, len(self.due) + 1000 * len(self.written), happens))

    def pass_by(self) -> None:
        """Let everything happen at its time, on the chain's clock."""
        chain = self.people.net.chain
        while self.due:
            next_one = heapq.heappop(self.due)
            if next_one.time > chain.now():
                chain.travel(to=next_one.time)  # type: ignore[attr-defined]
            next_one.happens()

    def visit(self, author: medrec.Provider) -> None:
        """A short grant, and records while it lasts, the last one seconds before its end."""
        compartment = self.chance.choice(["general", "psychiatry"])
        granted = self.people.alice.grant(
            author,
            read=[compartment],
            append=[compartment],
            expires=timedelta(seconds=self.chance.choice([HOUR, 6 * HOUR, DAY, 3 * DAY, 7 * DAY, 14 * DAY])),
            history=self.chance.random() < 0.2,
        )
        self.permitted[author.address] = granted.expiry, compartment
        begin, end = self.people.net.chain.now(), granted.expiry - 20
        for time in [*(self.chance.randrange(begin, end) for _ in range(self.chance.choice([1, 1, 2]))), end]:
            self.at(time, lambda: self.write(author))

    def write(self, author: medrec.Provider) -> None:
        """One record, where the author's latest grant still holds."""
        expiry, compartment = self.permitted[author.address]
        if expiry > self.people.net.chain.now() + 5:
            content = str(len(self.written)).encode()
            record = author.chart(self.people.alice).append(content, compartment=compartment, title="note")
            self.written.append((record, content, self.suspended))

    def suspend(self) -> None:
        self.people.net.registrar().suspend(self.carer)
        self.suspended = True

    def reinstate(self) -> None:
        self.people.net.registrar().reinstate(self.carer)
        self.suspended = False


@pytest.mark.timeout(1800)
def test_a_year_of_short_grants_with_the_patient_offline(people: People) -> None:
    """200 grants to 50 authors, nothing but a grant at each visit: nobody is blocked, and no end is overrun.

    Authors use the inbox while a reader is suspended and the patient has not come by since, and never else.
    """
    authors = [people.net.organisation(medrec.Wallet.create()) for _ in range(AUTHORS)]
    carer = people.net.organisation(medrec.Wallet.create())
    people.net.registrar().accredit(*authors, carer, expires=timedelta(days=2 * 365))
    people.alice.grant(carer, read=["general", "psychiatry"], expires=timedelta(days=400))
    year = Year(people, authors, carer)
    start = people.net.chain.now()
    for visit in range(GRANTS):
        time = start + visit * 365 * DAY // GRANTS + year.chance.randrange(DAY)
        year.at(time, lambda visit=visit: year.visit(authors[visit % AUTHORS]))
    for month in range(1, 12):
        year.at(start + month * 30 * DAY, year.suspend)
        year.at(start + (month * 30 + 6) * DAY, year.reinstate)
    year.pass_by()
    assert_nobody_overran(people, [*authors, carer], year.written)
    assert_the_inbox_is_moved(people, year.written)


AUTHORS, GRANTS = 50, 200


def assert_nobody_overran(
    people: People,
    readers: Sequence[medrec.Provider],
    written: Sequence[tuple[medrec.chart.Appended, bytes, bool]],
) -> None:
    """Whoever holds a key to a record was entitled to it when it was written, or later with HISTORY."""
    ledger = people.alice._ledger
    history, consent = ledger.history(people.alice.id), ledger.consent(people.alice.id)
    times = {grant.block: ledger.chain.block(grant.block).timestamp for grant in consent.grants}
    held = {reader.address: everything_openable(ledger, people.alice.id, reader) for reader in readers}
    holders = 0
    for record, _, suspended in written:
        assert suspended or not record.in_inbox
        to = destination_of(people, record.number)
        if to.kind is Kind.INBOX:
            continue
        epoch, time = EpochId(to.compartment, to.number), history.record(record.number).time
        for reader in readers:
            if not record.in_inbox and epoch in held[reader.address]:
                assert was_entitled(consent, times, address_bytes(reader.address), epoch, time)
                holders += 1
    assert holders > len(written)  # the check has found something to check


def assert_the_inbox_is_moved(people: People, written: Sequence[tuple[medrec.chart.Appended, bytes, bool]]) -> None:
    """When the patient rotates; order, authors, claims and times stay, and every record is read."""
    alice, ledger = people.alice, people.alice._ledger
    before = ledger.history(alice.id).entries
    assert any(record.in_inbox for record, _, _ in written)
    alice.rotate()
    after = ledger.history(alice.id).entries
    assert list(after[: len(before)]) == list(before)
    assert [record.read() for record in alice.records()] == [content for _, content, _ in written]
    assert all(destination_of(people, record.number).kind is Kind.EPOCH for record, _, _ in written)
