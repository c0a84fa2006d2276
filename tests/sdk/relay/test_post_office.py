"""What a relayer takes of requests for access and answers, from whom, and how much of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

import medrec_py as medrec
from medrec_py.chain.types import address_bytes
from medrec_py.crypto import access_answer
from medrec_py.crypto.access_answer import Reason
from medrec_py.crypto.access_request import AccessRequest, SignedRequest, Wish
from medrec_py.crypto.exchange import Exchange
from medrec_py.crypto.posting import MAX_POSTING, Posting
from medrec_py.errors import AnsweredAlready, MailRefused, RelayerUnavailable
from medrec_py.listening import Listener
from medrec_py.network import Network
from medrec_py.relay import http
from medrec_py.relay.limits import MailLimits
from medrec_py.relay.quotas import Quota
from medrec_py.relay.refusals import Code, Refusal
from tests.support.hostile import once, serving
from tests.support.mail import MONTH, PLENTY, Guests, PostRoom, inbox_of, invite, key_of, post_room


@pytest.fixture
def room(net: Network, tmp_path: Path) -> Iterator[PostRoom]:
    with post_room(tmp_path, net) as opened:
        yield opened


@pytest.fixture
def guests(room: PostRoom) -> Guests:
    return invite(room)


def unposted(guests: Guests, **changes: Any) -> Posting[AccessRequest]:
    """A good request of the doctor's that no relayer has, with a member changed before it was signed."""
    now = guests.room.net.chain.now()
    wish = Wish(True, False, False, (), "", "")
    request = AccessRequest(
        guests.alice._place,
        requester=address_bytes(guests.doctor.address),
        on_behalf_of=address_bytes(guests.hospital.address),
        purposes=1,
        expiry=now + 10_000,
        wish=wish.hash(),
        deadline=now + 5000,
    )
    return posting_of(guests, guests.doctor._wallet, replace(request, **changes), wish)


def posting_of(guests: Guests, wallet: Any, request: AccessRequest, wish: Wish) -> Posting[AccessRequest]:
    signed = SignedRequest(request, wish, wallet.sign_typed_data(request.typed_data()))
    return Posting(request, signed.signature, signed.seal(inbox_of(guests)))


def refusal(room: PostRoom, body: bytes | Posting[Any], *, answer: bool = False) -> Code:
    """Why something is not taken."""
    office = room.relayer.post_office
    assert office is not None
    octets = body if isinstance(body, bytes) else body.to_json()
    with pytest.raises(Refusal) as caught:
        (office.take_answer if answer else office.take_request)(octets)
    return caught.value.code


def take(room: PostRoom, posting: Posting[Any]) -> dict[str, Any]:
    office = room.relayer.post_office
    assert office is not None
    return office.take_request(posting.to_json())


def asked(room: PostRoom, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
    """The relayer over HTTP."""
    headers = {} if body is None else {"Content-Type": "application/json"}
    with urllib3.PoolManager() as pool:
        answer = pool.request(method, room.url + path, body=body, headers=headers, retries=False, timeout=30)
        return answer.status, answer.json()


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_good_one_is_taken_once(guests: Guests, room: PostRoom) -> None:
    """The same again has the same id, and stands in the list once; a letter sealed anew changes nothing."""
    posting = unposted(guests)
    first = take(room, posting)
    assert first == {"id": posting.message.id, "state": "taken"}
    resealed = replace(posting, letter=unposted(guests).letter)
    assert take(room, posting) == take(room, resealed) == first
    assert [one.letter for one in room.client.waiting_for(guests.alice.id)] == [posting.letter]


def test_what_is_not_signed_by_the_requester(guests: Guests, room: PostRoom) -> None:
    """Any member that was changed, another key, another deployment."""
    good = unposted(guests)
    mallory = medrec.Wallet.create()
    request = good.message
    for changed in (
        replace(request, expiry=request.expiry + 1),
        replace(request, purposes=2),
        replace(request, wish=bytes(32)),
        replace(request, deadline=request.deadline + 1),
        replace(request, requester=request.on_behalf_of),
    ):
        assert refusal(room, replace(good, message=changed)) is Code.SIGNATURE
    assert refusal(room, posting_of(guests, mallory, request, Wish(True, False, False, (), "", ""))) is Code.SIGNATURE
    assert len(room.client.waiting_for(guests.alice.id)) == 0


def test_for_another_deployment(guests: Guests, room: PostRoom) -> None:
    """Another chain or contract: the message, and the letter beside it."""
    document = json.loads(unposted(guests).to_json())
    document["typedData"]["domain"]["chainId"] += 1
    assert refusal(room, json.dumps(document).encode()) is Code.MALFORMED  # its letter is still of the first
    place = guests.alice._place
    elsewhere = replace(place, chain_id=place.chain_id + 1)
    recipient = inbox_of(guests)
    wish = Wish(True, False, False, (), "", "")
    request = replace(unposted(guests).message, place=elsewhere, wish=wish.hash())
    signed = SignedRequest(request, wish, guests.doctor._wallet.sign_typed_data(request.typed_data()))
    deployment = replace(recipient.deployment, chain_id=place.chain_id + 1)
    letter = signed.seal(replace(recipient, deployment=deployment))
    assert refusal(room, Posting(request, signed.signature, letter)) is Code.ELSEWHERE


def test_who_may_not_ask(guests: Guests, room: PostRoom, net: Network) -> None:
    """A stranger; an agent of nobody's; a suspended provider; one whose accreditation is over; for the patient."""
    wish = Wish(True, False, False, (), "", "")
    mallory = medrec.Wallet.create()
    me, request = address_bytes(mallory.address), unposted(guests).message
    for principal in (me, request.on_behalf_of, request.place.patient):
        own = replace(request, requester=me, on_behalf_of=principal, wish=wish.hash())
        assert refusal(room, posting_of(guests, mallory, own, wish)) is Code.STANDING
    net.registrar().suspend(guests.hospital)
    assert refusal(room, unposted(guests)) is Code.STANDING
    net.registrar().reinstate(guests.hospital)
    brief = guests.room.network().organisation(medrec.Wallet.create())
    net.registrar().accredit(brief, expires=timedelta(hours=1))
    net.chain.travel(seconds=3700)  # type: ignore[attr-defined]
    late = replace(
        unposted(guests).message,
        requester=address_bytes(brief.address),
        on_behalf_of=address_bytes(brief.address),
        wish=wish.hash(),
    )
    assert refusal(room, posting_of(guests, brief._wallet, late, wish)) is Code.STANDING


def test_nobody_is_asked_who_is_no_patient(guests: Guests, room: PostRoom) -> None:
    """An inbox of an address that is not registered would be anybody's room for nothing."""
    place = replace(guests.alice._place, patient=address_bytes(guests.hospital.address))
    assert refusal(room, unposted(guests, place=place)) is Code.UNKNOWN


def test_deadlines_are_bounded(guests: Guests, room: PostRoom) -> None:
    """Neither past nor further ahead than the relayer keeps requests for."""
    now = guests.room.net.chain.now()
    assert refusal(room, unposted(guests, deadline=now - 10_000)) is Code.DEADLINE
    assert refusal(room, unposted(guests, deadline=now + 91 * 86_400)) is Code.DEADLINE


def test_hostile_bytes(guests: Guests, room: PostRoom) -> None:
    """Each is refused as malformed: no JSON, deep, another version or type, a letter that is none or too long."""
    good = json.loads(unposted(guests).to_json())
    letter = base64.b64decode(good["letter"])

    def with_letter(octets: bytes) -> bytes:
        return json.dumps({**good, "letter": base64.b64encode(octets).decode()}).encode()

    bodies = [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        json.dumps({**good, "v": True}).encode(),
        json.dumps({**good, "more": 1}).encode(),
        json.dumps({**good, "signature": "0x"}).encode(),
        json.dumps({**good, "signature": "0x" + "00" * 4097}).encode(),
        json.dumps({**good, "typedData": {**good["typedData"], "primaryType": "AccessAnswer"}}).encode(),
        json.dumps({**good, "typedData": {**good["typedData"], "extra": 1}}).encode(),
        json.dumps({**good, "typedData": None}).encode(),
        with_letter(b""),
        with_letter(letter + b"\0"),
        with_letter(b"\x81" * 4000),
        with_letter(bytes(20_000)),
        with_letter(letter.replace(b"ciphertext", b"ciphertexu")),
        b" " * (MAX_POSTING + 1),
    ]
    assert [refusal(room, body) for body in bodies] == [Code.MALFORMED] * len(bodies)


def test_one_provider_crowds_out_no_other(guests: Guests, room: PostRoom, net: Network) -> None:
    """Whichever of its agents asks: a provider has few requests at a patient's door, and others still come in."""
    nurse = room.network().practitioner(medrec.Wallet.create())
    guests.hospital.add_agent(nurse)
    for _ in range(PLENTY.per_principal):
        guests.ask()
    for agent in (guests.doctor, nurse):
        with pytest.raises(MailRefused, match="wait for the patient's answer"):
            agent.ask(guests.alice, read=True, expires=MONTH, on_behalf_of=guests.hospital)
    clinic = room.network().organisation(medrec.Wallet.create())
    net.registrar().accredit(clinic)
    clinic.ask(guests.alice, read=True, expires=MONTH)
    received = guests.alice.requests()
    assert len(received) == PLENTY.per_principal + 1
    guests.alice.refuse_request(received.requests[0])
    guests.ask()  # an answer makes room
    bob = room.network(ether=False).patient(medrec.Wallet.create()).register()
    guests.ask(patient=bob)  # and it is counted for each patient


def test_other_bounds(net: Network, tmp_path: Path) -> None:
    """Of a patient's open requests, of all that is kept, and of one account's; the time to come back is told."""
    limits = MailLimits(per_principal=9, per_patient=2, all=3, requester_burst=2, requester_per_hour=36.0)
    with post_room(tmp_path, net, limits) as room:
        guests = invite(room)
        for _ in range(2):
            guests.ask()
        assert refusal(room, unposted(guests)) is Code.QUOTA  # the patient's
        bob = room.network(ether=False).patient(medrec.Wallet.create()).register()
        with pytest.raises(MailRefused, match="asked enough"):
            guests.ask(patient=bob)
        guests.hospital.ask(bob, read=True, expires=MONTH)
        assert refusal(room, unposted(guests, place=bob._place)) is Code.QUEUE  # all


def test_one_provider_does_not_fill_the_mailbox(net: Network, tmp_path: Path) -> None:
    """Whichever agents it has ask, and however many patients: others still find room. Answers make none."""
    with post_room(tmp_path, net, replace(PLENTY, per_provider=2, all=3)) as room:
        guests = invite(room)
        guests.ask()
        guests.alice.refuse_request(guests.alice.requests().requests[0])
        bob = room.network(ether=False).patient(medrec.Wallet.create()).register()
        guests.ask(patient=bob)
        assert refusal(room, unposted(guests)) is Code.QUOTA
        clinic = room.network().organisation(medrec.Wallet.create())
        net.registrar().accredit(clinic)
        clinic.ask(guests.alice, read=True, expires=MONTH)


def test_a_restart_fills_no_requesters_quota(net: Network, tmp_path: Path) -> None:
    """What an account has asked is written down with what bundles have cost."""
    with post_room(tmp_path, net, MailLimits(requester_burst=2, requester_per_hour=0.001)) as room:
        guests = invite(room)
        guests.ask()
        room.open()
        again = room.relayer.post_office
        assert again is not None
        taken = again.take_request(unposted(guests).to_json())
        assert taken["state"] == "taken"
        assert refusal(room, unposted(guests)) is Code.QUOTA


def test_a_stranger_uses_up_nobodys_quota(net: Network, tmp_path: Path) -> None:
    """What is refused for its signature or standing is not counted against whom it names."""
    limits = MailLimits(requester_burst=1, requester_per_hour=0.001)
    with post_room(tmp_path, net, limits) as room:
        guests = invite(room)
        good = unposted(guests)
        for _ in range(3):
            assert refusal(room, replace(good, signature=bytes(65))) is Code.SIGNATURE
        take(room, good)


# --- the list --------------------------------------------------------------------------------------------------------


def test_strangers_learn_no_names(guests: Guests, room: PostRoom) -> None:
    """The list says how many wait and until when; ids and letters are of one size and open to the patient alone."""
    guests.ask()
    guests.hospital.ask(guests.alice, append=True, history=False, what="w" * 1000, why="y" * 2000, expires=MONTH)
    status, document = asked(room, "GET", f"/v1/requests/{guests.alice.id}")
    assert status == 200
    assert [set(one) for one in document["requests"]] == [{"id", "deadline", "letter"}] * 2
    assert len({len(one["letter"]) for one in document["requests"]}) == 1
    text = json.dumps(document).lower()
    assert not any(account.address.lower()[2:] in text for account in (guests.doctor, guests.hospital))
    letters = [base64.b64decode(one["letter"]) for one in document["requests"]]
    assert not any(address_bytes(guests.doctor.address) in letter for letter in letters)
    assert asked(room, "GET", "/v1/requests/" + medrec.Wallet.create().address) == (200, {"requests": []})
    assert asked(room, "GET", "/v1/requests/0x12")[0] == 404


def test_what_is_over_is_removed(guests: Guests, room: PostRoom) -> None:
    """It is in no list after its deadline, and off the disk once the relayer tidies up."""
    guests.ask(stands_for=timedelta(hours=1))
    assert room.mailbox.waiting() == 1
    guests.room.net.chain.travel(seconds=3700)  # type: ignore[attr-defined]
    room.relayer.sender.step()  # it sees the chain's clock
    assert room.client.waiting_for(guests.alice.id) == []
    room.relayer.measurements()
    assert room.mailbox.waiting() == 0


def test_metrics_and_description(guests: Guests, room: PostRoom) -> None:
    """What was taken, refused and forgotten is counted, without names; OpenAPI has the routes; info says so."""
    guests.ask()
    refusal(room, b"{}")
    text = room.relayer.measurements().decode()
    assert 'medrec_relay_mail_total{event="request"} 1.0' in text
    assert 'medrec_relay_mail_refused_total{code="malformed"} 1.0' in text
    assert "medrec_relay_mail_open 1.0" in text
    assert guests.alice.id.lower() not in text.lower()
    paths = asked(room, "GET", "/openapi.json")[1]["paths"]
    assert {"/v1/requests", "/v1/requests/{patient}", "/v1/answers", "/v1/answers/{request_id}"} <= set(paths)
    assert room.client.info()["takesRequests"] is True


# --- answers ---------------------------------------------------------------------------------------------------------


def answer(guests: Guests, exchange: Exchange, wallet: Any, version: int = 0, **changes: Any) -> Posting[Any]:
    """An answer to a request by whomever."""
    signed = access_answer.build(
        wallet.sign_typed_data,
        exchange.request.request,
        address_bytes(wallet.address),
        version,
        Reason("no"),
        guests.room.net.chain.now(),
    )
    message = replace(signed.answer, **changes)
    return Posting(message, signed.signature, signed.seal(key_of(guests.doctor)))


def test_only_the_patients_wallet_answers(guests: Guests, room: PostRoom) -> None:
    """A stranger, the requester itself, an altered answer, one to a request that is not here, one of other people."""
    exchange = guests.ask().exchange
    wallet = guests.alice._wallet
    good = answer(guests, exchange, wallet)
    for wrong in (
        answer(guests, exchange, medrec.Wallet.create()),
        answer(guests, exchange, guests.doctor._wallet),
        replace(good, message=replace(good.message, version=1)),
        replace(good, message=replace(good.message, time=1)),
        replace(good, message=replace(good.message, requester=good.message.on_behalf_of)),
    ):
        assert refusal(room, wrong, answer=True) is Code.SIGNATURE
    swapped = replace(good.message, requester=good.message.on_behalf_of)  # signed well, and about nobody who asked
    resigned = Posting(swapped, wallet.sign_typed_data(swapped.typed_data()), good.letter)
    assert refusal(room, resigned, answer=True) is Code.SIGNATURE
    elsewhere = replace(good, message=replace(good.message, request=bytes(32)))
    assert refusal(room, elsewhere, answer=True) is Code.UNKNOWN
    assert refusal(room, unposted(guests), answer=True) is Code.MALFORMED
    assert room.client.answer_to(exchange.request.request.digest()) is None
    room.client.post(good)
    assert room.client.answer_to(exchange.request.request.digest()) == good.letter


def test_the_first_answer_stays(guests: Guests, room: PostRoom) -> None:
    """The same again is as once; any other one is refused, and changes nothing."""
    exchange = guests.ask().exchange
    wallet, digest = guests.alice._wallet, exchange.request.request.digest()
    first = answer(guests, exchange, wallet)
    room.client.post(first)
    room.client.post(replace(first, letter=answer(guests, exchange, wallet).letter))
    with pytest.raises(AnsweredAlready):
        room.client.post(answer(guests, exchange, wallet, 1))
    assert room.client.answer_to(digest) == first.letter
    kept = room.mailbox.get(digest)
    assert kept is not None
    assert kept.letter is None  # what was asked is dropped once it is answered


def test_an_answer_after_the_deadline(guests: Guests, room: PostRoom) -> None:
    """Comes too late; one that came in time is still there for whoever asked."""
    late, early = guests.ask(stands_for=timedelta(hours=1)), guests.ask(stands_for=timedelta(hours=1))
    wallet = guests.alice._wallet
    room.client.post(answer(guests, early.exchange, wallet))
    guests.room.net.chain.travel(seconds=3700)  # type: ignore[attr-defined]
    room.relayer.sender.step()
    assert refusal(room, answer(guests, late.exchange, wallet), answer=True) is Code.DEADLINE
    room.relayer.measurements()
    assert room.client.answer_to(early.exchange.request.request.digest()) is not None
    assert refusal(room, answer(guests, late.exchange, wallet), answer=True) is Code.UNKNOWN


# --- HTTP ------------------------------------------------------------------------------------------------------------


def test_over_http(guests: Guests, room: PostRoom) -> None:
    """Statuses and codes as the documentation has them; a body that says it is too large is not read."""
    posting = unposted(guests)
    assert asked(room, "POST", "/v1/requests", posting.to_json())[0] == 202
    digest = posting.message.id
    for status, code, (method, path, body) in (
        (400, "malformed", ("POST", "/v1/requests", b"{}")),
        (413, "too-large", ("POST", "/v1/requests", b" " * (MAX_POSTING + 1))),
        (403, "signature", ("POST", "/v1/requests", replace(unposted(guests), signature=bytes(65)).to_json())),
        (422, "deadline", ("POST", "/v1/requests", unposted(guests, deadline=1).to_json())),
        (404, "unknown", ("GET", f"/v1/answers/{digest}", None)),
        (404, "unknown", ("GET", "/v1/answers/0x12", None)),
    ):
        answered, document = asked(room, method, path, body)
        assert (answered, document["error"]["code"]) == (status, code)


def test_an_address_asks_so_often(guests: Guests, room: PostRoom) -> None:
    """Looking counts as sending does: a stranger neither fills inboxes nor leafs through all of them."""
    posting = unposted(guests)
    room.relayer._clients = Quota("client", 3, 1)
    assert asked(room, "POST", "/v1/requests", posting.to_json())[0] == 202
    assert asked(room, "GET", f"/v1/requests/{guests.alice.id}")[0] == 200
    assert asked(room, "GET", f"/v1/answers/{posting.message.id}")[0] == 404
    for method, path, body in (
        ("GET", f"/v1/requests/{guests.alice.id}", None),
        ("GET", f"/v1/answers/{posting.message.id}", None),
        ("POST", "/v1/answers", b"{}"),
    ):
        status, document = asked(room, method, path, body)
        assert (status, document["error"]["code"]) == (429, "quota")


def test_a_relayer_that_takes_none(net: Network, room: PostRoom) -> None:
    """Without a mailbox there is nothing there."""
    room.relayer.post_office = None
    with Listener(http.application(room.relayer), "127.0.0.1:0", service="relayer") as listener:
        room.url = listener.address
        assert asked(room, "GET", "/v1/requests/" + net.address)[0] == 404
        assert asked(room, "GET", "/v1/info")[1]["takesRequests"] is False


@pytest.mark.parametrize(
    "said",
    [b"{}", b'{"requests": 1}', b'{"requests": [{}]}', b'{"requests": [{"id": "0x12", "letter": ""}]}', b"[]", b"\xff"],
)
def test_a_relayer_that_talks_nonsense(said: bytes) -> None:
    """Whatever is no list, or no answer, is an error of the relayer's, not of this program."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(said)}\r\nConnection: close\r\n\r\n".encode()
    with serving(once(head + said)) as server, medrec.RelayerClient(server.url) as client:
        with pytest.raises(RelayerUnavailable):
            client.waiting_for(medrec.Wallet.create().address)
        with pytest.raises(RelayerUnavailable):
            client.answer_to(bytes(32))


def test_a_relayer_that_blames_the_contract() -> None:
    """Nobody asks a contract about mail: whatever reason it gives is an error of the relayer's."""
    fault = {"error": {"code": "contract", "message": "no", "reason": "0x" + "11" * 36}}
    said = json.dumps(fault).encode()
    head = f"HTTP/1.1 409 Conflict\r\nContent-Length: {len(said)}\r\nConnection: close\r\n\r\n".encode()
    with (
        serving(once(head + said)) as server,
        medrec.RelayerClient(server.url) as client,
        pytest.raises(RelayerUnavailable, match="contract's"),
    ):
        client.waiting_for(medrec.Wallet.create().address)


def test_what_was_taken_survives(guests: Guests, room: PostRoom) -> None:
    """A relayer that is started again has requests and answers as they were."""
    first, second = guests.ask().exchange, guests.ask().exchange
    room.client.post(answer(guests, first, guests.alice._wallet))
    room.open()
    assert [one.id for one in room.client.waiting_for(guests.alice.id)] == [second.request.request.digest()]
    assert room.client.answer_to(first.request.request.digest()) is not None
