"""A provider asks a patient for access through a relayer; the patient grants, in part or not at all, and says so."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.chain.reverts import ProviderSuspended
from medrec_py.chain.types import Flag, ProviderKind, Terms, address_bytes
from medrec_py.crypto import access_answer, access_request
from medrec_py.crypto.access_answer import AccessAnswer, Reason, SignedAnswer
from medrec_py.crypto.access_request import AccessRequest, SignedRequest, Wish
from medrec_py.crypto.exchange import Exchange
from medrec_py.crypto.letter import Recipient
from medrec_py.crypto.posting import Posting
from medrec_py.errors import (
    AccessMismatch,
    AnsweredAlready,
    InvalidInput,
    KeysMissing,
    NotPermitted,
    ProfileNotFound,
    RelayerUnavailable,
    RequestNotFound,
    SignatureMissing,
    SignerError,
    WrongKey,
)
from medrec_py.mail import Waiting
from medrec_py.network import Network
from tests.support.mail import MONTH, Guests, Hostile, PostRoom, inbox_of, invite, key_of, post_room


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with medrec.local() as opened:
        yield opened


@pytest.fixture(scope="module")
def room(net: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostRoom]:
    with post_room(tmp_path_factory.mktemp("relayer"), net) as opened:
        yield opened


@pytest.fixture
def guests(room: PostRoom) -> Guests:
    return invite(room)


def signed_by(wallet: medrec.Wallet, request: AccessRequest, wish: Wish) -> SignedRequest:
    """A request with a signature of whomever's."""
    return SignedRequest(request, wish, wallet.sign_typed_data(request.typed_data()))


class Showing(Hostile):
    """Shows a patient whatever it likes in place of what waits."""

    def __init__(self, guests: Guests, *signed: SignedRequest, to: Recipient | None = None) -> None:
        super().__init__(guests.room.client)
        self.letters = [Waiting(one.request.digest(), one.seal(to or inbox_of(guests))) for one in signed]

    def waiting_for(self, patient: str) -> Sequence[Waiting]:
        return self.letters


# --- the way it goes -------------------------------------------------------------------------------------------------


def test_asked_granted_and_read(guests: Guests, net: Network) -> None:
    """The patient sees who asks, as what and why; grants without ether; the requester reads the answer and a record."""
    asked = guests.ask(append=True, compartments=["general", "heart"], purpose=["TREAT", "COC"], history=True)
    (seen,) = guests.alice.requests()
    assert (seen.id, seen.requester, seen.on_behalf_of) == (asked.id, guests.doctor.address, guests.hospital.address)
    assert (seen.kind, seen.name, seen.requester_name) == (ProviderKind.ORGANISATION, "St Mary's", "Dr Grey")
    assert seen.accredited_until > net.chain.now() < (seen.agent_until or 0)
    assert seen.wish == asked.wish
    assert (seen.wish.what, seen.wish.why) == ("the echo of the heart", "an operation")
    assert [purpose.name for purpose in seen.purposes] == ["TREAT", "COC"]
    assert (seen.expiry, seen.deadline) == (asked.expiry, asked.deadline)
    assert guests.doctor.answer(asked) is None

    granted = guests.alice.grant_request(seen, read=["general"], append=["general"], history=True, reason="gladly")
    assert granted.is_posted
    answer = guests.doctor.answer(asked)
    assert answer is not None
    assert (answer.is_granted, answer.is_whole, answer.reason) == (True, True, "gladly")
    assert answer.version == granted.granted.version  # type: ignore[union-attr]
    chart = guests.doctor.on_behalf_of(guests.hospital).chart(guests.alice.id)
    number = chart.append(b"all well", compartment="general", title="note").number
    assert chart.read(number).read() == b"all well"
    assert net.chain.balance(guests.alice.address) == 0
    assert net.chain.transaction_count(guests.alice.address) == 0
    assert len(guests.alice.requests()) == 0


def test_asked_by_the_provider_itself(guests: Guests) -> None:
    """Nobody is anybody's agent then."""
    asked = guests.hospital.ask(guests.alice, append=True, expires=MONTH)
    (seen,) = guests.alice.requests()
    assert (seen.requester, seen.agent_until) == (guests.hospital.address, None)
    guests.alice.grant_request(seen, append=["general"])
    answer = guests.hospital.answer(asked)
    assert answer is not None
    assert answer.is_whole
    assert answer.reason == ""


@pytest.mark.parametrize(
    "less",
    [{"expires": MONTH}, {"purpose": "TREAT"}, {"append": ()}, {"history": False}],
    ids=["sooner", "fewer-purposes", "no-appending", "no-history"],
)
def test_granted_in_part(guests: Guests, less: dict[str, Any]) -> None:
    """Less of anything than was asked for is granted, and is not the whole."""
    asked = guests.ask(append=True, history=True, purpose=["TREAT", "COC"])
    (seen,) = guests.alice.requests()
    terms = {"read": ["general"], "append": ["general"], "history": True, **less}
    guests.alice.grant_request(seen, **terms)
    answer = guests.doctor.answer(asked)
    assert answer is not None
    assert (answer.is_granted, answer.is_whole) == (True, False)


def test_refused(guests: Guests) -> None:
    """With a reason for the requester; what the provider had already stays."""
    guests.alice.grant(guests.hospital, append=["general"], expires=MONTH)
    asked = guests.ask()
    (seen,) = guests.alice.requests()
    answered = guests.alice.refuse_request(seen, "ask my GP\nfirst")
    assert (answered.granted, answered.is_posted) == (None, True)
    answer = guests.doctor.answer(asked)
    assert answer is not None
    assert (answer.is_granted, answer.is_whole, answer.version, answer.reason) == (False, False, 0, "ask my GP\nfirst")
    assert [line.append for line in guests.alice.permissions()] == [("general",)]


def test_a_third_party_follows_the_answer(guests: Guests) -> None:
    """Both sides keep the same document, and whoever is shown it can hold it against the chain."""
    asked = guests.ask()
    (seen,) = guests.alice.requests()
    answered = guests.alice.grant_request(seen, read=["general"])
    answer = guests.doctor.answer(asked)
    assert answer is not None
    document = answer.exchange.to_json()
    assert document == answered.exchange.to_json()
    shown = guests.room.net.check_exchange(document)
    assert shown == answer
    assert shown.terms == guests.room.net.contract.permission_of(guests.alice.id, guests.hospital.address).terms
    with pytest.raises(RequestNotFound):
        guests.room.net.check_exchange(asked.exchange.to_json())


def test_kept_and_taken_up_again(guests: Guests) -> None:
    """A requester that has nothing but the document finds the answer; another account cannot take it up."""
    asked = guests.doctor.asked(guests.ask().exchange.to_json())
    (seen,) = guests.alice.requests()
    guests.alice.refuse_request(seen)
    assert guests.doctor.answer(asked) is not None
    with pytest.raises(InvalidInput, match="another account"):
        guests.hospital.asked(asked.exchange.to_json())


def test_the_requesters_key_may_change_meanwhile(guests: Guests) -> None:
    """An answer that was sealed to the former key still opens."""
    asked = guests.ask()
    (seen,) = guests.alice.requests()
    guests.alice.refuse_request(seen, "no")
    guests.doctor.renew_key()
    answer = guests.doctor.answer(asked)
    assert answer is not None
    assert answer.reason == "no"


def test_the_keyring_may_change_meanwhile(guests: Guests) -> None:
    """A rotation leaves the inbox; a new root secret does not: what was sealed to the old one is named as such."""
    asked = guests.ask()
    guests.alice.rotate()
    assert [one.id for one in guests.alice.requests()] == [asked.id]
    moneyed = guests.room.network().patient(guests.alice._wallet)
    root = medrec.Wallet.create().root
    assert root is not None
    moneyed.change_root(root)
    alice = guests.room.network().patient(guests.alice._wallet, root)
    again = guests.ask()
    received = alice.requests()
    assert [one.id for one in received] == [again.id]
    assert [(one.id, type(one.error)) for one in received.left_out] == [(asked.id, WrongKey)]


def test_a_request_is_found_by_how_its_id_begins(guests: Guests) -> None:
    """Sixteen digits will do. With fewer, whoever asks can make an id begin like another's, and be granted for it."""
    first, second = guests.ask(), guests.ask()
    received = guests.alice.requests()
    assert received.find(first.id[:18]).id == first.id
    assert received.find(second.id.upper().replace("0X", "0x")).id == second.id
    with pytest.raises(RequestNotFound):
        received.find("0x" + "zz" * 8)
    for short in (first.id[:17], "0x", ""):
        with pytest.raises(InvalidInput, match="at least 16 digits"):
            received.find(short)
    alike = replace(received, requests=(*received.requests, received.requests[0]))
    with pytest.raises(InvalidInput, match="2 requests"):
        alike.find(first.id)


# --- who may ask ---------------------------------------------------------------------------------------------------


def test_nobody_asks_who_may_not(guests: Guests, net: Network) -> None:
    """A stranger, an agent that was dismissed, a provider that is suspended or no longer accredited."""
    stranger = guests.room.network().reader(medrec.Wallet.create())
    for principal in (None, guests.hospital):
        with pytest.raises(NotPermitted):
            stranger.ask(guests.alice, read=True, expires=MONTH, on_behalf_of=principal)
    net.registrar().suspend(guests.hospital)
    with pytest.raises(ProviderSuspended):
        guests.ask()
    net.registrar().reinstate(guests.hospital)
    guests.hospital.remove_agent(guests.doctor)
    with pytest.raises(NotPermitted):
        guests.ask()
    with pytest.raises(NotPermitted):
        guests.hospital.ask(guests.alice, read=True, expires=MONTH, on_behalf_of=guests.alice)
    herself = guests.room.network().practitioner(guests.alice._wallet)
    with pytest.raises(NotPermitted):
        herself.ask(guests.alice, read=True, expires=MONTH, on_behalf_of=guests.alice)


def test_nobody_is_asked_in_vain(guests: Guests) -> None:
    """Without a published key no answer could be opened; without a patient nobody would answer."""
    nameless = guests.room.network().practitioner(medrec.Wallet.create(), publish=False)
    guests.room.net.registrar().accredit(nameless)
    with pytest.raises(ProfileNotFound):
        nameless.ask(guests.alice, read=True, expires=MONTH)
    agent = guests.room.network().practitioner(medrec.Wallet.create(), publish=False)
    guests.hospital.add_agent(agent)
    with pytest.raises(ProfileNotFound):
        agent.ask(guests.alice, read=True, expires=MONTH, on_behalf_of=guests.hospital)
    with pytest.raises(KeysMissing):
        guests.ask(patient=guests.hospital)
    with pytest.raises(InvalidInput, match="none is named"):
        guests.room.net.practitioner(guests.doctor._wallet).ask(guests.alice, read=True, expires=MONTH)


@pytest.mark.parametrize(
    "change",
    [
        {"read": False},
        {"read": False, "append": True, "history": True},
        {"what": "x" * 1025},
        {"why": "x" * 2049},
        {"what": "a\x1b[31m"},
        {"why": "\u202eevil"},
        {"what": "\ud800"},
        {"compartments": ["a"] * 9},
        {"compartments": ["ä" * 129]},
        {"compartments": ["two\nlines"]},
        {"compartments": [" "]},
        {"purpose": []},
        {"purpose": "NOPE"},
        {"expires": timedelta(days=-1)},
        {"stands_for": timedelta(days=-1)},
    ],
)
def test_what_nobody_can_be_asked(guests: Guests, change: dict[str, Any]) -> None:
    """Nothing, too much, or texts that do something else than being read: nothing is signed or sent."""
    with pytest.raises(InvalidInput):
        guests.ask(**change)
    assert len(guests.alice.requests()) == 0


def test_who_may_no_longer_ask_is_left_out(guests: Guests, net: Network) -> None:
    """A provider that was suspended after it asked, an agent that was dismissed: named, and not answered."""
    asked = guests.ask()
    (seen,) = guests.alice.requests()
    net.registrar().suspend(guests.hospital)
    received = guests.alice.requests()
    assert (len(received), [one.id for one in received.left_out]) == (0, [asked.id])
    assert isinstance(received.left_out[0].error, ProviderSuspended)
    with pytest.raises(ProviderSuspended):
        guests.alice.grant_request(seen, read=["general"])
    assert not list(guests.alice.permissions())
    net.registrar().reinstate(guests.hospital)
    guests.hospital.remove_agent(guests.doctor)
    assert len(guests.alice.requests()) == 0


# --- attacks on the patient ------------------------------------------------------------------------------------------


def test_a_forged_requester(guests: Guests) -> None:
    """Whoever signs with another key than the requester's, or changes what was signed, is left out and named."""
    asked = guests.ask().exchange.request
    mallory = medrec.Wallet.create()
    own = guests.doctor._wallet
    wider = Wish(True, True, True, (), "everything", "")
    forgeries = [
        signed_by(mallory, asked.request, asked.wish),
        replace(asked, request=replace(asked.request, expiry=asked.request.expiry + 1)),
        replace(asked, request=replace(asked.request, purposes=0xFFFF)),
        replace(asked, request=replace(asked.request, deadline=asked.request.deadline + 9999)),
        replace(asked, request=replace(asked.request, on_behalf_of=asked.request.requester)),
        replace(asked, request=replace(asked.request, wish=wider.hash()), wish=wider),
        replace(asked, signature=bytes(65)),
    ]
    received = guests.alice_through(Showing(guests, *forgeries)).requests()
    assert len(received) == 0
    assert [type(one.error) for one in received.left_out] == [SignatureMissing] * len(forgeries)
    honest = signed_by(own, asked.request, asked.wish)  # type: ignore[arg-type]
    assert len(guests.alice_through(Showing(guests, honest)).requests()) == 1


def test_from_nobody_that_is_accredited(guests: Guests) -> None:
    """A stranger signs well, for itself or as an agent that nobody named; past the relayer it gets no further."""
    mallory = medrec.Wallet.create()
    asked = guests.ask().exchange.request
    me = address_bytes(mallory.address)
    requests = [
        replace(asked.request, requester=me),
        replace(asked.request, requester=me, on_behalf_of=me),
        replace(asked.request, requester=me, on_behalf_of=asked.request.place.patient),
    ]
    shown = Showing(guests, *(signed_by(mallory, one, asked.wish) for one in requests))
    received = guests.alice_through(shown).requests()
    assert (len(received), len(received.left_out)) == (0, 3)
    assert all(isinstance(one.error, NotPermitted) for one in received.left_out)


def test_another_patients_request_moved_over(guests: Guests) -> None:
    """Neither the letter as it is, nor its content sealed anew, is a request to somebody else."""
    bob = guests.room.network(ether=False).patient(medrec.Wallet.create()).register(["general"])
    asked = guests.ask(patient=bob)
    letters = list(guests.room.client.waiting_for(bob.id))
    moved = Showing(guests)
    moved.letters = letters
    received = guests.alice_through(moved).requests()
    assert [type(one.error) for one in received.left_out] == [WrongKey]
    received = guests.alice_through(Showing(guests, asked.exchange.request)).requests()
    assert [type(one.error) for one in received.left_out] == [SignatureMissing]
    (seen,) = bob.requests()
    with pytest.raises(InvalidInput, match="another patient"):
        guests.alice.refuse_request(seen)


def test_over_or_under_another_name(guests: Guests, net: Network) -> None:
    """A request whose time is over, or that the relayer calls by another id, is no request; the same twice is one."""
    asked = guests.ask().exchange.request
    late = replace(asked.request, deadline=net.chain.now() - 1)
    over = Showing(guests, signed_by(guests.doctor._wallet, late, asked.wish))  # type: ignore[arg-type]
    renamed = Showing(guests, asked)
    renamed.letters = [replace(renamed.letters[0], id=secrets.token_bytes(32))]
    for mail in (over, renamed):
        received = guests.alice_through(mail).requests()
        assert [type(one.error) for one in received.left_out] == [AccessMismatch]
    twice = Showing(guests, asked, asked)
    assert len(guests.alice_through(twice).requests()) == 1


def test_letters_of_hostile_bytes(guests: Guests) -> None:
    """Whatever is no letter is left out, and hides no other."""
    asked = guests.ask().exchange.request
    good = Showing(guests, asked).letters[0]
    deep = b"\x81" * 2000 + b"\x00"
    for junk in (b"", b"\xff", deep, b"\xbf", good.letter[:-1], good.letter + b"\0", bytes(20_000)):
        mail = Showing(guests)
        mail.letters = [Waiting(secrets.token_bytes(32), junk), good]
        received = guests.alice_through(mail).requests()
        assert (len(received), len(received.left_out)) == (1, 1)


def test_a_relayer_that_withholds(guests: Guests) -> None:
    """It can: nothing is forged by it, and another relayer takes the same request."""
    asked = guests.ask()
    hidden = Showing(guests)
    assert len(guests.alice_through(hidden).requests()) == 0
    guests.doctor.ask_again(asked)  # as once, where it is
    assert [one.id for one in guests.alice.requests()] == [asked.id]


# --- answering -------------------------------------------------------------------------------------------------------


def test_no_answer_gives_more_than_was_asked(guests: Guests) -> None:
    """That would be a grant of its own; nothing is granted or answered."""
    guests.ask()
    (seen,) = guests.alice.requests()
    terms: tuple[dict[str, Any], ...] = (
        {},
        {"append": ["general"]},
        {"read": ["general"], "history": True},
        {"read": ["general"], "purpose": ["TREAT", "HRESCH"]},
        {"read": ["general"], "expires": timedelta(days=91)},
        {"read": ["general"], "reason": "x" * 2049},
        {"read": ["no such compartment"]},
    )
    for more in terms:
        with pytest.raises(InvalidInput):
            guests.alice.grant_request(seen, **more)
    assert not list(guests.alice.permissions())
    assert [one.id for one in guests.alice.requests()] == [seen.id]


def test_an_answer_is_given_once(guests: Guests) -> None:
    """The second one is refused before anything is granted, whichever device it comes from."""
    asked = guests.ask()
    (seen,) = guests.alice.requests()
    refused = guests.alice.refuse_request(seen, "no")
    with pytest.raises(AnsweredAlready):
        guests.alice.grant_request(seen, read=["general"])
    with pytest.raises(AnsweredAlready):
        guests.alice.refuse_request(seen, "no, again")
    assert not list(guests.alice.permissions())
    guests.alice.post_answer(refused.exchange.to_json())  # the same once more is as once
    answer = guests.doctor.answer(asked)
    assert answer is not None
    assert answer.reason == "no"


def test_two_devices_at_once(guests: Guests) -> None:
    """Both found it unanswered: the relayer takes the first answer, and the second device is told."""
    guests.ask()
    (seen,) = guests.alice.requests()

    class Slow(Hostile):
        def answer_to(self, request: bytes) -> bytes | None:
            return None

    other = guests.alice_through(Slow(guests.room.client))
    guests.alice.refuse_request(seen, "no")
    with pytest.raises(AnsweredAlready) as caught:
        other.refuse_request(seen, "not now")
    assert caught.value.exchange.answer.reason.text == "not now"
    with pytest.warns(medrec.AnswerNotPosted, match="was given already"):
        answered = other.grant_request(seen, read=["general"])
    assert (answered.is_posted, answered.granted is not None) == (False, True)


def test_a_grant_stands_whatever_becomes_of_the_answer(guests: Guests) -> None:
    """The relayer is gone after the grant: a warning; the answer is kept, and handed over later."""
    asked = guests.ask()

    class Gone(Hostile):
        def post(self, posting: Posting[Any]) -> None:
            raise RelayerUnavailable("gone")

    alice = guests.alice_through(Gone(guests.room.client))
    (seen,) = alice.requests()
    with pytest.warns(medrec.AnswerNotPosted, match="gone"):
        answered = alice.grant_request(seen, read=["general"])
    assert not answered.is_posted
    assert guests.doctor.answer(asked) is None
    guests.alice.post_answer(answered.exchange.to_json())
    answer = guests.doctor.answer(asked)
    assert answer is not None
    assert answer.is_granted


def test_only_the_patients_wallet_answers(guests: Guests) -> None:
    """Another wallet with the patient's root secret reads the request, and is refused before anything is done."""
    guests.ask()
    root = guests.alice._root
    other = guests.room.network().patient(medrec.Wallet.create(), root, patient=guests.alice.id)
    (seen,) = other.requests()
    with pytest.raises(InvalidInput, match="does not decide"):
        other.refuse_request(seen)
    assert [one.id for one in guests.alice.requests()] == [seen.id]


def test_a_request_of_the_past_is_not_answered(guests: Guests, net: Network) -> None:
    """Its time is over: neither granted nor refused, and no longer listed."""
    guests.ask(stands_for=timedelta(hours=1))
    (seen,) = guests.alice.requests()
    net.chain.travel(seconds=3700)  # type: ignore[attr-defined]
    with pytest.raises(RequestNotFound):
        guests.alice.refuse_request(seen)
    received = guests.alice.requests()
    assert len(received) == 0
    assert all(
        isinstance(one.error, AccessMismatch) for one in received.left_out
    )  # while the relayer's clock is behind


# --- attacks on the requester ----------------------------------------------------------------------------------------


class Answering(Hostile):
    """Gives an answer of its own making."""

    def __init__(self, guests: Guests, letter: bytes | None) -> None:
        super().__init__(guests.room.client)
        self.letter = letter

    def answer_to(self, request: bytes) -> bytes | None:
        return self.letter


def answer_of(wallet: Any, request: AccessRequest, granted: int, **changes: Any) -> SignedAnswer:
    """An answer to a request, signed by whoever's wallet."""
    signer, reason = address_bytes(wallet.address), Reason("so")
    signed = access_answer.build(wallet.sign_typed_data, request, signer, granted, reason, 1)
    if not changes:
        return signed
    return replace(signed, answer=replace(signed.answer, **changes))


def test_answers_that_are_none(guests: Guests) -> None:
    """Of a stranger; of a version that the chain has not, or that somebody else granted; altered; sealed to others."""
    asked = guests.ask()
    request = asked.exchange.request.request
    wallet, mallory = guests.alice._wallet, medrec.Wallet.create()
    guests.alice.grant(guests.hospital, append=["general"], expires=MONTH)  # version 1
    to = key_of(guests.doctor)
    cases: list[tuple[SignedAnswer, type[Exception]]] = [
        (answer_of(mallory, request, 0), AccessMismatch),
        (answer_of(mallory, request, 1), AccessMismatch),
        (answer_of(wallet, request, 2), AccessMismatch),
        (answer_of(wallet, request, 0, version=1), SignatureMissing),
        (answer_of(mallory, request, 1, signer=address_bytes(wallet.address)), SignatureMissing),
    ]
    for signed, kind in cases:
        doctor = guests.doctor_through(Answering(guests, signed.seal(to)))
        with pytest.raises(kind):
            doctor.answer(asked)
    for junk in (b"", b"\x81" * 3000, answer_of(wallet, request, 1).seal(key_of(guests.hospital))):
        with pytest.raises(AccessMismatch):
            guests.doctor_through(Answering(guests, junk)).answer(asked)
    good = guests.doctor_through(Answering(guests, answer_of(wallet, request, 1).seal(to))).answer(asked)
    assert good is not None
    assert good.is_granted


def test_an_answer_to_another_request(guests: Guests) -> None:
    """A grant that answered one request does not answer the next, though both are of the same people."""
    first = guests.ask()
    (seen,) = guests.alice.requests()
    guests.alice.grant_request(seen, read=["general"])
    letter = guests.room.client.answer_to(first.exchange.request.request.digest())
    second = guests.ask()
    with pytest.raises(AccessMismatch):
        guests.doctor_through(Answering(guests, letter)).answer(second)
    granted = guests.doctor.answer(first)
    assert granted is not None
    spliced = Exchange(second.exchange.request, granted.exchange.answer)
    with pytest.raises(AccessMismatch, match="another request"):
        guests.room.net.check_exchange(spliced.to_json())


def test_a_representatives_grant_is_no_answer(guests: Guests, net: Network) -> None:
    """A version that a representative granted is not what the patient's wallet says that it granted."""
    asked = guests.ask()
    contract, wallet, representative = net.contract, guests.alice._wallet, medrec.Wallet.create()
    for account in (wallet, representative):
        net.chain.fund(account.address)  # type: ignore[attr-defined]
    end = net.chain.now() + 86_400
    everything = sum(1 << number for number in guests.alice.compartments())
    manages = Terms(0, everything, 0, end, 1, int(Flag.MANAGE))
    contract.send(wallet, contract.grant(guests.alice.id, representative.address, manages, bytes(32), 1))
    appends = Terms(0, everything, 0, end, 1)
    contract.send(representative, contract.grant(guests.alice.id, guests.hospital.address, appends, bytes(32), 1))
    letter = answer_of(wallet, asked.exchange.request.request, 1).seal(key_of(guests.doctor))
    with pytest.raises(AccessMismatch, match="has not granted"):
        guests.doctor_through(Answering(guests, letter)).answer(asked)


def test_a_wallets_answers_end_with_it(guests: Guests) -> None:
    """A former wallet's refusal counts no more, its grants do; the new one has not granted what was before it."""
    asked = guests.ask()
    request = asked.exchange.request.request
    guests.alice.grant(guests.hospital, append=["general"], expires=MONTH)
    moneyed = guests.room.network().patient(guests.alice._wallet)
    wallet = medrec.Wallet.create()
    former, to = guests.alice._wallet, key_of(guests.doctor)
    refused = answer_of(former, request, 0).seal(to)
    assert guests.doctor_through(Answering(guests, refused)).answer(asked) is not None
    root = wallet.root
    assert root is not None
    moneyed.change_root(root, wallet=wallet)
    with pytest.raises(AccessMismatch, match="does not decide"):
        guests.doctor_through(Answering(guests, refused)).answer(asked)
    granted = answer_of(former, request, 1).seal(to)
    still = guests.doctor_through(Answering(guests, granted)).answer(asked)
    assert still is not None  # it granted that while it decided
    late = answer_of(wallet, request, 1).seal(to)
    with pytest.raises(AccessMismatch, match="has not granted"):
        guests.doctor_through(Answering(guests, late)).answer(asked)


def test_an_altered_document(guests: Guests) -> None:
    """Words, signatures and the parts of what is kept: any change is noticed."""
    asked = guests.ask()
    (seen,) = guests.alice.requests()
    document = json.loads(guests.alice.refuse_request(seen, "no").exchange.to_json())
    changes = [
        ("request", "wish", {**document["request"]["wish"], "what": "other"}),
        ("request", "wish", {**document["request"]["wish"], "salt": "0x" + "00" * 32}),
        ("request", "signature", "0x" + "11" * 65),
        ("answer", "reason", "yes"),
        ("answer", "signature", document["request"]["signature"]),
    ]
    for part, member, value in changes:
        altered = {**document, part: {**document[part], member: value}}
        with pytest.raises((AccessMismatch, SignatureMissing)):
            guests.room.net.check_exchange(json.dumps(altered).encode())
    with pytest.raises((AccessMismatch, SignatureMissing)):
        guests.doctor.asked(json.dumps({**altered, "request": {**document["request"], "signature": "0x01"}}).encode())
    assert guests.doctor.answer(asked) is not None


def test_a_wallet_that_declines_the_answer(guests: Guests) -> None:
    """Asked to refuse, it signs nothing: nothing is posted. What was granted before it declined stands."""
    asked = guests.ask()
    (seen,) = guests.alice.requests()

    class Declining(medrec.Wallet):
        def sign_typed_data(self, document: dict[str, Any]) -> bytes:
            if document["primaryType"] == AccessAnswer.struct.name:
                raise SignerError("no")
            return super().sign_typed_data(document)

    key = bytes(guests.alice._wallet._account.key)  # type: ignore[attr-defined]
    wallet = Declining.from_key(key, root=guests.alice._root)
    alice = guests.room.network().patient(wallet)
    with pytest.raises(SignerError):
        alice.refuse_request(seen)
    with pytest.warns(medrec.AnswerNotPosted):
        answered = alice.grant_request(seen, read=["general"])
    assert (answered.is_posted, answered.exchange.answer) == (False, None)
    assert guests.doctor.answer(asked) is None


# --- what strangers learn --------------------------------------------------------------------------------------------


def test_the_relayer_and_onlookers_learn_no_words(guests: Guests) -> None:
    """Neither words nor reasons leave a device in the clear, and sizes and ids tell nothing of who asks for what."""
    posted: list[bytes] = []

    class Listening(Hostile):
        def post(self, posting: Posting[Any]) -> None:
            posted.append(posting.to_json() + posting.letter)
            super().post(posting)

    mail = Listening(guests.room.client)
    asked = guests.doctor_through(mail).ask(
        guests.alice, read=True, what="echo of the heart", expires=MONTH, on_behalf_of=guests.hospital
    )
    guests.ask(what="x" * 700, why="y" * 1500)
    listed = guests.room.client.waiting_for(guests.alice.id)
    assert len({len(one.letter) for one in listed}) == 1
    seen = guests.alice_through(mail).requests().find(asked.id)
    guests.alice_through(mail).refuse_request(seen, "of the heart, no")
    assert len(posted) == 2
    assert not any(b"of the heart" in octets for octets in posted)
    for one in listed:
        for account in (guests.doctor, guests.hospital, guests.alice):
            assert address_bytes(account.address) not in one.letter
    kept = (guests.room.folder / "mail").read_bytes() + (guests.room.folder / "mail-wal").read_bytes()
    assert b"of the heart" not in kept


def test_the_same_wish_has_another_hash_each_time() -> None:
    """So nobody finds out by guessing what was asked."""
    first, second = (Wish(True, False, False, (), "the same", "") for _ in range(2))
    assert first.hash() != second.hash()
    assert access_request.MAX_WHAT >= 512
