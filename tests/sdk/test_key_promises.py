"""What keys promise whatever the length of a record's life: sizes to the byte, a year offline, devices at once."""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest

import medrec_py as medrec
from medrec_py.chain.events import PermissionGranted
from medrec_py.chain.transactions import Call
from medrec_py.chain.types import address_bytes
from medrec_py.consent import Consent
from medrec_py.crypto.epochs import walk_back
from medrec_py.crypto.keys import EpochId, EpochKeys
from medrec_py.errors import KeysMissing
from medrec_py.ledger import Ledger
from medrec_py.records import Draft
from tests.sdk.people import MONTH, People, meet
from tests.sdk.test_keys_follow_consent import destination_of, open_with_keys_alone

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
    ledger = Ledger(net.chain, net.contract, net.store)
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
    author: int
    grant: bool


def visits(start: int, grants: int, authors: int, chance: random.Random) -> list[Due]:
    """Grants over a year and, for each, one or two records while it lasts."""
    due = [
        Due(start + visit * 365 * DAY // grants + chance.randrange(DAY), visit, visit % authors, True)
        for visit in range(grants)
    ]
    heapq.heapify(due)
    return due


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_year_of_short_grants_with_the_patient_offline(people: People) -> None:
    """200 grants to 50 authors, nothing but a grant at each visit: nobody is blocked, and no end is overrun."""
    chance = random.Random(4)
    alice, ledger = people.alice, people.alice._ledger
    authors = [people.net.organisation(medrec.Wallet.create()) for _ in range(AUTHORS)]
    people.net.registrar().accredit(*authors, expires=timedelta(days=2 * 365))
    due = visits(ledger.now(), GRANTS, AUTHORS, chance)
    ends: dict[int, tuple[int, str]] = {}
    written: list[tuple[medrec.chart.Appended, bytes]] = []
    while due:
        now = heapq.heappop(due)
        if now.time > people.net.chain.now():
            people.net.chain.travel(to=now.time)  # type: ignore[attr-defined]
        author = authors[now.author]
        if now.grant:
            compartment = chance.choice(["general", "psychiatry"])
            length = chance.choice([HOUR, 6 * HOUR, DAY, 3 * DAY, 7 * DAY, 14 * DAY])
            granted = alice.grant(
                author,
                read=[compartment],
                append=[compartment],
                expires=timedelta(seconds=length),
                history=chance.random() < 0.2,
            )
            ends[now.author] = granted.expiry, compartment
            first = people.net.chain.now()
            for _ in range(chance.choice([1, 1, 2])):
                when = chance.randrange(first, granted.expiry - 30)
                heapq.heappush(due, Due(when, len(written) + GRANTS, now.author, False))
            heapq.heappush(due, Due(granted.expiry - 20, len(written) + GRANTS, now.author, False))
        elif ends[now.author][0] > people.net.chain.now() + 5:
            content = f"{len(written)}".encode()
            record = author.chart(alice).append(content, compartment=ends[now.author][1], title="note")
            written.append((record, content))
    check_the_year(people, authors, written)


AUTHORS, GRANTS = 50, 200


def check_the_year(
    people: People, authors: Sequence[medrec.Provider], written: Sequence[tuple[medrec.chart.Appended, bytes]]
) -> None:
    """Who holds what at its end; then the patient comes back, and what waits is moved in order."""
    alice, ledger = people.alice, people.alice._ledger
    history, consent = ledger.history(alice.id), ledger.consent(alice.id)
    times = {grant.block: ledger.chain.block(grant.block).timestamp for grant in consent.grants}
    held = {author.address: everything_openable(ledger, alice.id, author) for author in authors}
    inbox = [record for record, _ in written if record.in_inbox]
    print(f"{len(written)} records, {len(inbox)} of them to the inbox, {len(consent.keyrings.entries)} keyrings")
    for record, _ in written:
        if record.in_inbox:
            continue
        to = destination_of(people, record.number)
        epoch, time = EpochId(to.compartment, to.number), history.record(record.number).time
        for author in authors:
            if epoch in held[author.address]:
                assert was_entitled(consent, times, address_bytes(author.address), epoch, time)
    claims = [(entry.number, entry.claim, entry.time, entry.author) for entry in history.entries]
    alice.rotate()
    after = ledger.history(alice.id)
    assert [(e.number, e.claim, e.time, e.author) for e in after.entries[: len(claims)]] == claims
    assert all(destination_of(people, record.number).kind.name == "EPOCH" for record in inbox)
    assert [record.read() for record in alice.records()] == [content for _, content in written]
