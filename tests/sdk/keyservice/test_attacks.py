"""What a key service refuses: each with an error of its own, and nothing is given."""

from __future__ import annotations

import base64
import secrets
import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest

import medrec_py as medrec
from medrec_py import listening
from medrec_py.chain.reverts import AgentExpired, AgentNotNamed, ProviderSuspended
from medrec_py.chain.types import Entry, address_bytes
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto.keys import KemSeed, Place
from medrec_py.crypto.suites import FIRST_SUITE, by_number
from medrec_py.crypto.typed_data import sign
from medrec_py.errors import (
    KeyServiceUnavailable,
    MedRecError,
    RequestElsewhere,
    RequestMalformed,
    RequestNotSigned,
    RequestReplayed,
    RequestStale,
    RequestTooLarge,
    StatementMismatch,
    StorageError,
)
from medrec_py.keyservice import answer, faults
from medrec_py.keyservice import request as requests
from medrec_py.keyservice.freshness import WINDOW, Freshness
from medrec_py.keyservice.request import MAX_REQUEST, Request
from medrec_py.purposes import Purpose
from medrec_py.transport import Reply
from tests.sdk.keyservice.conftest import House, alter, signature

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)


@pytest.fixture
def record(house: House) -> int:
    """A record of alice's in general."""
    return house.chart().append(b"pulse 62", compartment="general", title="pulse").number


def refused(reply: Reply, asked: Request) -> MedRecError:
    """The error in a reply that gives nothing."""
    assert reply.status >= 400
    for member in (b"enc", b"ciphertext"):
        assert member not in reply.body
    return faults.decode(reply.body, asked)


# --- agents ---------------------------------------------------------------------------------------------------------


def test_an_agent_who_left_takes_no_key_along(house: House, record: int) -> None:
    """Dismissed, it has the socket's address and all that it ever received: that opens the record that it had opened
    before, which nobody can take back, and no other; and the service refuses it from the next transaction on."""
    people, kept = house.people, {}
    consent, envelope, entry = house.whole(record)
    client = house.client()
    kept[entry] = client.data_key(consent, envelope, entry, Purpose.TREAT)
    other = house.chart(people.hospital._wallet).append(b"other", compartment="general", title="other").number
    people.hospital.remove_agent(people.doctor)
    for number in (record, other):
        with pytest.raises(AgentNotNamed):
            client.data_key(*house.whole(number), Purpose.TREAT)
    with pytest.raises(AgentNotNamed):
        client.names(consent, Purpose.TREAT)
    assert [line.outcome for line in house.lines()[-3:]] == ["AgentNotNamed"] * 3
    ledger = people.alice._ledger
    fact = ledger.history(people.alice.id).record(entry)
    what = envelopes.Entry(fact.pointer, fact.author, fact.on_behalf_of, fact.compartments, fact.claim, fact.replaces)
    opened = envelopes.verify(envelope, kept[entry], ledger.place(people.alice.id), what)
    assert b"".join(opened.content()) == b"pulse 62"  # what it had opened stays open
    with pytest.raises(medrec.IntegrityError):
        envelopes.verify(house.whole(other)[1], kept[entry], ledger.place(people.alice.id), what)


def test_an_agent_whose_time_is_over(house: House, record: int) -> None:
    """By the chain's clock, with nobody doing anything."""
    house.people.hospital.add_agent(house.people.doctor, expires=DAY)
    house.people.travel(2 * DAY)
    with pytest.raises(AgentExpired):
        house.client().data_key(*house.whole(record), Purpose.TREAT)


def test_a_stranger(house: House, record: int) -> None:
    """Anybody who reaches the socket may sign a request; the contract says that it is nobody's agent."""
    stranger = medrec.Wallet.create()
    with pytest.raises(AgentNotNamed, match=stranger.address):
        house.client(stranger).data_key(*house.whole(record), Purpose.TREAT)
    with pytest.raises(AgentNotNamed):
        house.client(stranger).names(house.whole(record)[0], Purpose.TREAT)


def test_an_agent_of_another_hospital(house: House, record: int) -> None:
    """Who acts for a clinic gets nothing from the hospital's service, in whosever name it asks."""
    nurse, clinic = medrec.Wallet.create(), house.people.clinic()
    clinic.add_agent(nurse.address)
    with pytest.raises(AgentNotNamed):
        house.client(nurse).data_key(*house.whole(record), Purpose.TREAT)
    with pytest.raises(RequestElsewhere, match=clinic.address):
        house.client(nurse, clinic.address).data_key(*house.whole(record), Purpose.TREAT)


# --- the patient's decisions ----------------------------------------------------------------------------------------


def test_a_revoked_permission(house: House, record: int) -> None:
    """From the next transaction on, whatever the hospital's key would still open."""
    house.people.alice.revoke(house.people.hospital)
    with pytest.raises(medrec.PermissionRevoked):
        house.client().data_key(*house.whole(record), Purpose.TREAT)
    assert house.lines()[-1].outcome == "PermissionRevoked"


def test_an_expired_permission(house: House, record: int) -> None:
    """By the chain's clock."""
    house.people.travel(40 * DAY)
    with pytest.raises(medrec.PermissionExpired):
        house.client().data_key(*house.whole(record), Purpose.TREAT)


def test_another_compartment(house: House, record: int) -> None:
    """The permission is for general alone."""
    secret = house.people.alice.append(b"secret", compartment="psychiatry", title="secret").number
    with pytest.raises(medrec.CompartmentNotGranted):
        house.client().data_key(*house.whole(secret), Purpose.TREAT)


def test_another_purpose(house: House, record: int) -> None:
    """The permission is for treatment, and the agent says that it is for research."""
    with pytest.raises(medrec.PurposeNotGranted):
        house.client().data_key(*house.whole(record), Purpose.HRESCH)
    assert house.lines()[-1].purpose == "HRESCH"


def test_a_suspended_hospital(house: House, record: int) -> None:
    """A registrar's suspension stops reading through the service at once."""
    house.people.net.registrar().suspend(house.people.hospital)
    with pytest.raises(ProviderSuspended):
        house.client().data_key(*house.whole(record), Purpose.TREAT)


def test_an_entry_that_points_to_another_compartments_envelope(house: House) -> None:
    """The hospital could read psychiatry once, and its module still opens those seals. An agent who may append to
    general enters the old envelope there: the service compares the compartments before it opens anything."""
    people = house.people
    people.grant(read=["general", "psychiatry"], append=["general"])
    secret = people.alice.append(b"secret", compartment="psychiatry", title="secret").number
    assert house.chart().read(secret).read() == b"secret"
    people.grant()
    with pytest.raises(medrec.CompartmentNotGranted):
        house.chart().read(secret)
    contract, consent = people.net.contract, house.whole(secret)[0]
    general = next(number for number, name in people.alice.compartments().items() if name == "general")
    pointer = people.alice._ledger.history(people.alice.id).record(secret).pointer
    smuggled = Entry(compartments=1 << general, replaces=0, pointer=pointer, claim=secrets.token_bytes(32))
    contract.send(
        people.doctor._wallet,
        contract.append(people.alice.id, people.hospital.address, consent.keyring_version, Purpose.TREAT, smuggled),
    )
    number = len(people.alice._ledger.history(people.alice.id).entries)
    with pytest.raises(StatementMismatch, match="compartment"):
        house.client().data_key(*house.whole(number), Purpose.TREAT)


# --- requests -------------------------------------------------------------------------------------------------------


def test_a_request_that_comes_a_second_time(house: House, record: int) -> None:
    """Whoever listened cannot send it again, not even after the service was started anew."""
    asked = house.request(record)
    assert house.ask(asked).status == 200
    assert type(refused(house.ask(asked), asked)) is RequestReplayed
    house.restart()
    assert type(refused(house.ask(asked), asked)) is RequestReplayed
    assert [line.outcome for line in house.lines() if line.entry == record] == ["granted"]


def test_a_refused_request_counts_as_well(house: House, record: int) -> None:
    """A request that was refused for its purpose cannot be kept until the patient has granted that purpose."""
    asked = house.request(record, purpose=Purpose.HRESCH)
    assert type(refused(house.ask(asked), asked)) is medrec.PurposeNotGranted
    house.people.grant(purpose=["TREAT", "HRESCH"])
    assert type(refused(house.ask(asked), asked)) is RequestReplayed


ALTERATIONS: dict[str, Callable[[House, Request], object]] = {
    "entry": lambda _, asked: asked.entry + 1,
    "pointer": lambda *_: bytes(31) + b"\1",
    "purpose": lambda *_: Purpose.HRESCH,
    "recipient": lambda *_: by_number(FIRST_SUITE).public_key(KemSeed.generate()),
    "time": lambda _, asked: asked.time + 1,
    "nonce": lambda *_: secrets.token_bytes(32),
    "agent": lambda house, _: address_bytes(house.people.hospital.address),
    "place": lambda house, asked: Place(
        asked.place.chain_id, asked.place.contract, address_bytes(house.people.doctor.address)
    ),
}


@pytest.mark.parametrize("member", ALTERATIONS)
def test_a_request_that_was_altered_on_its_way(house: House, record: int, member: str) -> None:
    """Every member is in the signature: another record, patient, purpose, key, time, nonce, or another's name."""
    asked = house.request(record)
    reply = house.ask(asked, **{member: ALTERATIONS[member](house, asked)})
    assert type(refused(reply, asked)) is RequestNotSigned
    assert house.ask(asked).status == 200  # the agent's own still counts


def test_anothers_signature(house: House, record: int) -> None:
    """A stranger who names the doctor as the one who asks."""
    asked = house.request(record)
    assert type(refused(house.ask(asked, medrec.Wallet.create()), asked)) is RequestNotSigned


def test_a_request_for_another_service(house: House, record: int) -> None:
    """Made for another principal, chain or contract it is refused as such; rewritten to fit, it has no signature."""
    right = house.request(record)
    place = right.place
    wrong = {
        "principal": house.request(record, principal=address_bytes(house.people.clinic().address)),
        "chain": house.request(record, place=Place(place.chain_id + 1, place.contract, place.patient)),
        "contract": house.request(record, place=Place(place.chain_id, bytes(19) + b"\1", place.patient)),
    }
    for asked in wrong.values():
        assert type(refused(house.ask(asked), asked)) is RequestElsewhere
        fitted = {"principal": right.principal, "place": place}
        assert type(refused(house.ask(asked, **fitted), asked)) is RequestNotSigned


@pytest.mark.parametrize("apart", [-WINDOW - 60, WINDOW + 60])
def test_a_stale_clock(house: House, record: int, apart: int) -> None:
    """A request from the past was kept, and one from the future is meant to be."""
    asked = house.request(record)
    asked = alter(asked, {"time": asked.time + apart})
    assert type(refused(house.ask(asked), asked)) is RequestStale


def test_a_clock_set_back_makes_no_request_fresh_again(house: House, record: int) -> None:
    """The window only moves forward, so what was forgotten as stale stays stale."""
    asked = house.request(record)
    now = float(asked.time)
    freshness = Freshness(lambda: now)
    freshness.admit(asked)
    now += 10 * WINDOW
    freshness.admit(alter(asked, {"time": int(now), "nonce": bytes(32)}))
    now = float(asked.time)
    with pytest.raises(RequestStale):
        freshness.admit(asked)


def test_what_is_remembered_stays_bounded(house: House, record: int) -> None:
    """Requests that are stale anyhow are forgotten."""
    asked = house.request(record)
    now = float(asked.time)
    freshness = Freshness(lambda: now)
    for _ in range(50):
        now += WINDOW
        freshness.admit(alter(asked, {"time": int(now), "nonce": secrets.token_bytes(32)}))
    assert len(freshness._seen) <= 4  # those of the window, and of the one since it was last looked through


def test_an_answer_opens_for_the_one_who_asked_alone(house: House, record: int) -> None:
    """It is sealed to the one-time key of that request: who listens, or has the key of another, has nothing."""
    seed, other = KemSeed.generate(), KemSeed.generate()
    asked = house.request(record, recipient=by_number(FIRST_SUITE).public_key(seed))
    reply = house.ask(asked)
    consent, envelope, _ = house.whole(record)
    data_key = house.people.alice._keys.data_key(consent, envelope)
    assert answer.open_data_key(asked, seed, reply.body) == data_key
    assert base64.b64encode(data_key.expose()) not in reply.body
    for request, key in ((asked, other), (alter(asked, {"entry": 77}), seed)):
        with pytest.raises(KeyServiceUnavailable):
            answer.open_data_key(request, key, reply.body)


def test_an_account_with_code_is_refused_with_its_reason(house: House, record: int) -> None:
    """Signatures of another form than a key's (ERC-1271) are not taken, and the error says so."""
    asked = house.request(record)
    for contracts in (secrets.token_bytes(200), bytes(65), b""):
        error = refused(house.send(requests.encode(asked, contracts)), asked)
        assert type(error) is RequestNotSigned
        assert "ERC-1271" in str(error)


# --- bytes ----------------------------------------------------------------------------------------------------------


def test_bodies_that_are_no_requests(house: House, record: int) -> None:
    """Oversized, malformed, not JSON: typed errors, and neither the chain nor the account hears of them."""
    asked, before = house.request(record), house.service.head
    right = requests.encode(asked, signature(asked, house.people.doctor._wallet))
    bodies = {
        b" " * (MAX_REQUEST + 1): RequestTooLarge,
        right + b" " * MAX_REQUEST: RequestTooLarge,
        b"": RequestMalformed,
        b"\xff\xfe": RequestMalformed,
        b"enc=1": RequestMalformed,
        b"[" * 8000: RequestMalformed,
        b"[]": RequestMalformed,
        b"{}": RequestMalformed,
        right[:-1]: RequestMalformed,
        right[:-1] + b', "v": 1}': RequestMalformed,
        right[:-1] + b', "more": 1}': RequestMalformed,
        right.replace(b'"v": 1', b'"v": 2'): RequestMalformed,
        right.replace(b'"v": 1', b'"v": true'): RequestMalformed,
        right.replace(b'"TREAT"', b'"FUN"'): RequestMalformed,
        right.replace(b'"suite": 1', b'"suite": 99'): RequestMalformed,
        right.replace(b'"suite": 1', b'"suite": NaN'): RequestMalformed,
        right.replace(b'"data-key"', b'"names"'): RequestMalformed,
        right.replace(b'"data-key"', b'"root"'): RequestMalformed,
    }
    for body, kind in bodies.items():
        assert type(refused(house.send(body), asked)) is kind, body[:80]
    assert house.service.head == before
    assert house.send(right).status == 200


def test_a_request_that_never_ends(house: House, record: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head or a body that trickles is cut off, and others are served meanwhile."""
    monkeypatch.setattr(listening, "RECEIVE_SECONDS", 4.0)  # for the honest request, too
    beginnings = (b"POST /v1/op", b"POST /v1/open HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", b"")
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(socket.socket(socket.AF_UNIX))) for _ in beginnings]
        for one, beginning in zip(slow, beginnings, strict=True):
            one.connect(house.address.removeprefix("unix:"))
            one.settimeout(60)
            one.sendall(beginning)
        house.client().data_key(*house.whole(record), Purpose.TREAT)
        for one in slow:
            assert b"200 OK" not in one.recv(1 << 16)  # an error, or the end


def test_other_paths_and_methods_lead_nowhere(house: House) -> None:
    """There is one thing to ask."""
    pool = house.client()._transport._pool
    for method, path, status in (("GET", "/v1/open", 405), ("POST", "/", 404), ("GET", "/docs", 404)):
        assert pool.urlopen(method, path).status == status


# --- what the service needs -----------------------------------------------------------------------------------------


def test_a_store_that_is_down(house: House, record: int) -> None:
    """The agent is told that it is the service's store, not where that is; the account has it."""
    asked, folder = house.request(record), house.people.net.store.path  # type: ignore[attr-defined]
    away = folder.with_name(folder.name + "-away")
    shutil.move(folder, away)
    try:
        error = refused(house.ask(asked), asked)
    finally:
        shutil.move(away, folder)
    assert isinstance(error, StorageError)
    assert str(folder) not in str(error)
    assert house.lines()[-1].outcome == type(error).__name__


def test_a_service_that_is_not_there(house: House, record: int) -> None:
    """A socket that nobody answers is named, with what to do."""
    house.server.stop()
    with pytest.raises(KeyServiceUnavailable, match=r"keys\.sock"):
        house.client().data_key(*house.whole(record), Purpose.TREAT)


def test_an_answer_that_is_another_records_key(house: House, record: int) -> None:
    """A service that gives the wrong key is found out by the envelope's commitment."""
    other = house.people.alice.append(b"x", compartment="general", title="x").number
    consent, envelope, _ = house.whole(record)
    lying = house.whole(other)[1]
    client = house.client()
    mixed = envelopes.UnverifiedEnvelope(
        **{name: getattr(lying if name == "pointer" else envelope, name) for name in lying.__slots__}
    )
    with pytest.raises(medrec.IntegrityError, match="another data key"):
        client.data_key(consent, mixed, other, Purpose.TREAT)


def test_the_signature_is_one_that_wallets_make(house: House, record: int) -> None:
    """The typed data are EIP-712 as eth-account reads them: any wallet that signs it may be an agent's."""
    asked = house.request(record)
    wallet = house.people.doctor._wallet
    made = sign(wallet.sign_typed_data, asked.agent, asked.typed_data(), asked.digest)
    assert requests.parse(requests.encode(asked, made)).verify() == asked
