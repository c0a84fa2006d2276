"""The page's server and its conversation, without a browser: who is answered, what is taken, and how it ends."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.errors import (
    AccountUnknown,
    ForeignChain,
    InvalidInput,
    PageClosed,
    SignatureForeign,
    SignerMalformed,
    SignerRefused,
    SignerTimeout,
    SignerUnavailable,
    SigningDeclined,
    SignsNoTransactions,
)
from medrec_py.wallets import browser, conversation, page_server
from medrec_py.wallets.connection import parsed
from medrec_py.wallets.page_server import MAX_BODY, PageServer
from tests.sdk.wallets.test_remote import CHAIN, DOCUMENT, KEY, OTHER, PRESENT, SIGNATURE, hexed

SECONDS = 60.0
ANOTHER = DOCUMENT | {"message": DOCUMENT["message"] | {"time": "2"}}


@dataclass
class Page:
    """What stands in for the page: it says to the server what the real one says."""

    url: str
    session: str = ""
    origin: str = field(init=False)
    token: str = field(init=False)

    def __post_init__(self) -> None:
        self.origin, _, self.token = self.url.partition("/#")

    @property
    def host(self) -> str:
        return self.origin.removeprefix("http://")

    def send(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """A request, byte for byte; an empty header is left out."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        given = {"Host": self.host, **headers}
        connection.putrequest("GET" if body is None else "POST", path, skip_host=True, skip_accept_encoding=True)
        for name, value in given.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        answer = response.status, dict(response.getheaders()), response.read()
        connection.close()
        return answer

    def post(self, what: str, document: Any, **changes: str) -> tuple[int, Any]:
        """A call as the page makes it, with some headers changed."""
        body = json.dumps(document).encode()
        headers = {
            "Origin": self.origin,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "X-MedRec-Session": self.session,
        }
        status, _, answer = self.send(f"/api/{what}", body, **headers | changes)
        return status, json.loads(answer or b"null")

    def begin(self) -> Page:
        status, answer = self.post("begin", {"token": self.token})
        assert status == 200
        self.session = answer["session"]
        return self

    def wait(self, known: int = 0) -> Any:
        status, state = self.post("wait", {"known": known})
        assert status == 200
        return state

    def answer(self, number: int = 1, **answer: Any) -> int:
        return self.post("answer", {"number": number, **answer})[0]


def agreeing(wallet: medrec.Wallet) -> Callable[[str], bool]:
    """What opens an address in a browser, for somebody who signs whatever is asked there."""

    def sign(url: str) -> None:
        page = Page(url).begin()
        request = page.wait()["request"]
        page.answer(request["number"], signature=hexed(wallet.sign_typed_data(json.loads(request["typedData"]))))

    def opened(url: str) -> bool:
        threading.Thread(target=sign, args=(url,)).start()
        return True

    return opened


@dataclass
class Asked:
    """A wallet that was asked in a thread, and the page that it opened."""

    page: Page
    signature: Future[bytes]

    def result(self) -> bytes:
        return self.signature.result(SECONDS)


class Person:
    """Has wallets sign in threads, and stands before the pages that open."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self.urls: SimpleQueue[str] = SimpleQueue()

    def wallet(self, **options: Any) -> medrec.BrowserWallet:
        given: dict[str, Any] = {"chain_id": CHAIN, "open_page": self.urls.put, "timeout": SECONDS}
        return medrec.BrowserWallet(KEY.address, **given | options)

    def asked(self, wallet: medrec.BrowserWallet | None = None, document: dict[str, Any] = DOCUMENT) -> Asked:
        signature = self._threads.submit((wallet or self.wallet()).sign_typed_data, document)
        return Asked(Page(self.urls.get(timeout=SECONDS)), signature)


@pytest.fixture
def person() -> Iterator[Person]:
    with ThreadPoolExecutor(4) as threads:
        yield Person(threads)


# --- what is asked, and what is right -------------------------------------------------------------


def test_it_is_a_signer() -> None:
    """With the three members that MedRec asks for."""
    wallet = medrec.BrowserWallet(KEY.address.lower(), chain_id=CHAIN)
    assert isinstance(wallet, medrec.Signer)
    assert wallet.address == KEY.address


def test_the_page_gets_the_document_and_gives_the_signature(person: Person) -> None:
    """The very document, the account, the chain and the names; and it is told how it ended, before all is closed."""
    names = medrec.KnownNames({3: "general"}, {OTHER.address: "Clinic"})
    asked = person.asked(person.wallet(names=names))
    page = asked.page.begin()
    request = page.wait()["request"]
    assert json.loads(request.pop("typedData")) == DOCUMENT
    assert request == {
        "number": 1,
        "account": KEY.address,
        "chainId": CHAIN,
        "names": {"compartments": {"3": "general"}, "accounts": {OTHER.address: "Clinic"}},
    }
    status, state = page.post("answer", {"number": 1, "signature": hexed(SIGNATURE)})
    assert (status, state["outcome"]) == (200, "signed")
    assert asked.result() == SIGNATURE
    with pytest.raises(OSError, match="refused"):
        page.send("/")


def test_no_name_enters_the_document(person: Person) -> None:
    """What is signed is the same with names and without."""
    documents = []
    for names in (None, medrec.KnownNames({3: "psychiatry"}, {KEY.address: "Alice"})):
        asked = person.asked(person.wallet(names=names))
        documents.append(asked.page.begin().wait()["request"]["typedData"])
        asked.page.answer(signature=hexed(SIGNATURE))
        asked.result()
    assert documents[0] == documents[1]
    assert "psychiatry" not in documents[0]


def test_names_are_asked_for_when_they_are_needed(person: Person) -> None:
    """And where there are none, because nothing is registered yet, signing goes on without."""

    def none() -> medrec.KnownNames:
        raise medrec.MedRecError("not registered")

    asked = person.asked(person.wallet(names=none))
    assert asked.page.begin().wait()["request"]["names"] == {"compartments": {}, "accounts": {}}
    asked.page.answer(signature=hexed(SIGNATURE))
    assert asked.result() == SIGNATURE


def test_numbers_that_javascript_rounds_go_as_digits() -> None:
    """2^53 and beyond, at any depth; bytes in hexadecimal digits."""
    value = {"a": [1 << 53, (1 << 53) - 1, -(1 << 60)], "b": b"\x01\xff", "c": True, "d": None, "e": "x"}
    exact = {"a": [str(1 << 53), (1 << 53) - 1, str(-(1 << 60))], "b": "0x01ff", "c": True, "d": None, "e": "x"}
    assert browser._exact(value) == exact


def test_one_page_for_a_block_of_signatures(person: Person) -> None:
    """As a context manager it keeps the page; it is told of each end, and that it is over at last."""
    with person.wallet() as wallet:
        first = person.asked(wallet)
        page = first.page.begin()
        page.answer(1, signature=hexed(SIGNATURE))
        assert first.result() == SIGNATURE
        state = page.wait(1)
        assert (state["request"], state["outcome"], state["over"]) == (None, "signed", False)
        with ThreadPoolExecutor(1) as threads:
            second = threads.submit(wallet.sign_typed_data, DOCUMENT)
            assert page.wait(0)["request"]["number"] == 2
            assert page.answer(1, signature=hexed(SIGNATURE)) == 409
            assert page.answer(2, signature=hexed(SIGNATURE)) == 200
            assert second.result(SECONDS) == SIGNATURE
            end = threads.submit(page.wait)
            while not wallet._page.server._server._busy:  # type: ignore[union-attr]
                time.sleep(0.01)
            wallet.close()
            assert end.result(SECONDS)["over"] is True
    assert person.urls.empty()


def test_a_page_that_was_closed_in_between_is_opened_again(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who closes the page after the first signature is shown another for the second."""
    monkeypatch.setattr(conversation, "GRACE_SECONDS", 0.0)
    with person.wallet() as wallet:
        first = person.asked(wallet)
        first.page.begin().answer(signature=hexed(SIGNATURE))
        first.result()
        first.page.post("leave", {})
        second = person.asked(wallet)
        assert second.page.origin != first.page.origin
        second.page.begin().answer(signature=hexed(SIGNATURE))
        assert second.result() == SIGNATURE


# --- who is answered -------------------------------------------------------------------------------


def test_the_files_of_the_page_and_nothing_else(person: Person) -> None:
    """Without anything secret in them, and with the headers that protect them."""
    asked = person.asked()
    for path, kind in (("/", "text/html"), ("/sign.js", "text/javascript"), ("/sign.css", "text/css")):
        status, headers, body = asked.page.send(path)
        assert (status, headers["Content-Type"].partition(";")[0]) == (200, kind)
        assert asked.page.token.encode() not in body
    for path in (
        "/index.html",
        "/../browser.py",
        "/..%2fbrowser.py",
        "/sign.js?x",
        "/api/wait",
        "/api/begin",
    ):
        assert asked.page.send(path)[0] == 404
    asked.page.begin().answer(code=4001, message="no")
    with pytest.raises(SigningDeclined):
        asked.result()


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/wait"])
def test_every_answer_has_the_headers_that_protect_the_page(path: str) -> None:
    """Errors too."""
    server = PageServer(conversation.Conversation())
    page = Page(server.url)
    _, headers, _ = page.send(path)
    server.close()
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"].strip() == "MedRec"
    assert "Access-Control-Allow-Origin" not in headers


FOREIGN = "http://evil.example"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": FOREIGN}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"X-MedRec-Session": ""}, 403),
        ({"X-MedRec-Session": "A" * 43}, 403),
        ({"X-MedRec-Session": "ä"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Transfer-Encoding": "chunked"}, 415),
        ({"Content-Length": ""}, 411),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": str(MAX_BODY + 1)}, 413),
        ({"Content-Length": "9" * 5000}, 413),
    ],
)
def test_only_the_page_itself_is_answered(person: Person, headers: dict[str, str], status: int) -> None:
    """By the name that was opened, from its own origin, with its session, in JSON of a known and bounded length."""
    asked = person.asked()
    page = asked.page.begin()
    assert page.post("wait", {"known": 0}, **headers)[0] == status
    assert page.post("answer", {"number": 1, "signature": hexed(SIGNATURE)}, **headers)[0] == status
    assert not asked.signature.done()
    page.answer(signature=hexed(SIGNATURE))
    asked.result()


def test_another_name_gets_not_even_the_page(person: Person) -> None:
    """DNS rebinding: a name of somebody else's that leads here; and a page of another origin that reads."""
    asked = person.asked()
    assert asked.page.send("/", Host="evil.example")[0] == 421
    assert asked.page.send("/", Origin=FOREIGN)[0] == 403
    asked.page.begin().answer(signature=hexed(SIGNATURE))
    asked.result()


def test_the_address_is_good_once(person: Person) -> None:
    """The token opens one session; a wrong one opens none and uses nothing up."""
    asked = person.asked()
    page, other = asked.page, Page(asked.page.url)
    assert other.post("begin", {"token": "A" * 43})[0] == 403
    assert other.post("begin", {"token": ""})[0] == 403
    assert other.post("begin", {})[0] == 400
    page.begin()
    assert other.post("begin", {"token": other.token})[0] == 403
    assert other.post("wait", {"known": 0}, **{"X-MedRec-Session": page.token})[0] == 403
    page.answer(signature=hexed(SIGNATURE))
    asked.result()


def test_two_pages_have_nothing_in_common(person: Person) -> None:
    """Another token each time, and a session of one is none of the other."""
    one, two = person.asked(), person.asked()
    assert one.page.token != two.page.token
    assert len(one.page.token) >= 43
    one.page.begin()
    two.page.begin()
    assert two.page.post("wait", {"known": 0}, **{"X-MedRec-Session": one.page.session})[0] == 403
    for asked in (one, two):
        asked.page.answer(signature=hexed(SIGNATURE))
        asked.result()


def test_deep_nesting_does_not_end_the_process() -> None:
    """Even where something has raised Python's limit of recursion to beyond the stack, as py-evm does."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        assert parsed(b"[" * 200_000) is None
        assert parsed(b'{"a":' * 50_000) is None
        assert parsed(b'{"a": [1]}') == {"a": [1]}
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 60_000, b"1"])
def test_what_is_no_json_object_is_refused(person: Person, body: bytes) -> None:
    """Without harm."""
    asked = person.asked()
    page = asked.page.begin()
    headers = {"Origin": page.origin, "Content-Type": "application/json", "Content-Length": str(len(body))}
    assert page.send("/api/wait", body, **headers, **{"X-MedRec-Session": page.session})[0] == 400
    page.answer(signature=hexed(SIGNATURE))
    asked.result()


@pytest.mark.parametrize(
    "answer",
    [
        {"number": "1", "signature": "0x"},
        {"number": True, "signature": "0x"},
        {"number": 1},
        {"number": 1, "signature": 5},
        {"number": 1, "code": "4001", "message": ""},
        {"number": 1, "code": 4001},
    ],
)
def test_an_answer_of_another_shape_is_refused(person: Person, answer: dict[str, Any]) -> None:
    """And nothing is taken of it."""
    asked = person.asked()
    page = asked.page.begin()
    assert page.post("answer", answer)[0] == 400
    assert page.answer(2, signature=hexed(SIGNATURE)) == 409
    assert page.answer(signature=hexed(SIGNATURE)) == 200
    asked.result()


def test_other_methods_are_not_known(person: Person) -> None:
    """So a browser asks nothing across origins."""
    asked = person.asked()
    for method in ("OPTIONS", "PUT", "HEAD"):
        connection = http.client.HTTPConnection(asked.page.host, timeout=SECONDS)
        connection.request(method, "/")
        assert connection.getresponse().status == 501
        connection.close()
    asked.page.begin().answer(signature=hexed(SIGNATURE))
    asked.result()


def test_idle_connections_keep_neither_the_page_nor_the_end_waiting(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browsers open connections ahead, on which they ask nothing."""
    monkeypatch.setattr(page_server, "_CLOSING_SECONDS", 4 * SECONDS)
    asked = person.asked()
    host, _, port = asked.page.host.partition(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(8)]
    page = asked.page.begin()
    page.answer(signature=hexed(SIGNATURE))
    asked.result()
    for one in idle:
        one.close()


def test_more_connections_than_a_page_makes_are_closed(person: Person) -> None:
    """Somebody else on the machine cannot have a thread started for each of a thousand."""
    asked = person.asked()
    host, _, port = asked.page.host.partition(":")
    opened = [socket.create_connection((host, int(port))) for _ in range(page_server._AT_ONCE + 8)]
    for one in opened[-8:]:
        one.settimeout(SECONDS)
        assert one.recv(1) == b""
    assert threading.active_count() < 3 * page_server._AT_ONCE
    for one in opened:
        one.close()
    deadline = time.monotonic() + SECONDS
    while asked.page.session == "":
        try:
            asked.page.begin()
        except OSError:
            assert time.monotonic() < deadline
    asked.page.answer(signature=hexed(SIGNATURE))
    assert asked.result() == SIGNATURE


def test_it_listens_on_the_loopback_alone() -> None:
    """At a port that the system chooses."""
    servers = [PageServer(conversation.Conversation()) for _ in range(2)]
    assert {server._server.server_address[0] for server in servers} == {"127.0.0.1"}
    assert servers[0].origin != servers[1].origin
    for server in servers:
        server.close()
        server.close()


def test_nothing_is_written_anywhere(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the token nor anything else, whatever is asked."""
    asked = person.asked()
    asked.page.begin()
    asked.page.send("/nothing")
    asked.page.post("begin", {"token": "wrong"})
    asked.page.answer(signature=hexed(SIGNATURE))
    asked.result()
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_no_thread_stays_behind(person: Person) -> None:
    """After a signature, a refusal and a page that nobody opened."""
    before = threading.active_count()
    for answer in ({"signature": hexed(SIGNATURE)}, {"code": 4001, "message": "no"}):
        asked = person.asked()
        asked.page.begin().answer(**answer)
        asked.signature.exception(SECONDS)
    with pytest.raises(SignerTimeout):
        person.wallet(timeout=0.05).sign_typed_data(DOCUMENT)
    deadline = time.monotonic() + SECONDS
    while threading.active_count() > before + 1 and time.monotonic() < deadline:  # one is the person's own
        time.sleep(0.02)
    assert threading.active_count() <= before + 1


# --- how it ends otherwise -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"code": 4001, "message": "User rejected the request."}, SigningDeclined),
        ({"code": 4100, "message": "unauthorized"}, AccountUnknown),
        ({"code": -32603, "message": "internal"}, SignerRefused),
        ({"signature": hexed(OTHER.sign_typed_data(DOCUMENT))}, SignatureForeign),
        ({"signature": hexed(KEY.sign_typed_data(ANOTHER))}, SignatureForeign),
        ({"signature": "0x"}, SignerMalformed),
        ({"signature": "no digits"}, SignerMalformed),
        ({"signature": hexed(SIGNATURE + b"\0")}, SignerMalformed),
        ({"signature": hexed(b"\xff" * 65)}, SignerMalformed),
    ],
)  # fmt: skip
def test_what_is_no_signature_of_the_account_is_a_typed_error(
    person: Person, answer: dict[str, Any], error: type[Exception]
) -> None:
    """The wallet's no keeps its code and reason; the page is told that it was not accepted."""
    asked = person.asked()
    _, state = asked.page.begin().post("answer", {"number": 1, **answer})
    assert state["outcome"] == ("declined" if error is SigningDeclined else "unusable")
    with pytest.raises(error) as raised:
        asked.result()
    if "code" in answer:
        assert isinstance(raised.value, SignerRefused)
        assert (raised.value.code, raised.value.reason) == (answer["code"], answer["message"])


def test_a_reason_is_cut(person: Person) -> None:
    """A wallet may say what it likes, not as long as it likes."""
    asked = person.asked()
    asked.page.begin().answer(code=-1, message="x" * 5000)
    with pytest.raises(SignerRefused) as raised:
        asked.result()
    assert len(raised.value.reason) == 500


def test_nobody_answers(person: Person) -> None:
    """In time."""
    with pytest.raises(SignerTimeout, match="nobody signed"):
        person.wallet(timeout=0.1).sign_typed_data(DOCUMENT)


def test_a_page_that_is_closed_ends_the_wait(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon, and not only when the time is over."""
    monkeypatch.setattr(conversation, "GRACE_SECONDS", 0.1)
    asked = person.asked()
    asked.page.begin().post("leave", {})
    with pytest.raises(PageClosed):
        asked.result()


def test_a_page_that_is_loaded_again_goes_on(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the session that it kept."""
    now = 0.0
    monkeypatch.setattr(conversation, "time", SimpleNamespace(monotonic=lambda: now))
    wallet = person.wallet()
    asked = person.asked(wallet)
    page = asked.page.begin()
    page.post("leave", {})
    assert page.wait()["request"]["number"] == 1
    now += conversation.GRACE_SECONDS + 1
    assert not wallet._page.conversation.is_abandoned()  # type: ignore[union-attr]
    page.answer(signature=hexed(SIGNATURE))
    assert asked.result() == SIGNATURE


def test_no_browser_can_be_started(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing stays open."""
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    with pytest.raises(SignerUnavailable, match="no browser"):
        person.wallet(open_page=browser.open_in_browser).sign_typed_data(DOCUMENT)


def test_nothing_can_be_served(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the system is one of the wallet's."""

    def busy(_: object) -> PageServer:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(browser, "PageServer", busy)
    with pytest.raises(SignerUnavailable, match="Address already in use"):
        person.wallet().sign_typed_data(DOCUMENT)


def test_foreign_and_odd_documents_are_not_even_shown(person: Person) -> None:
    """Of another chain, of none, no documents at all, and endless ones."""
    wallet = person.wallet()
    with pytest.raises(ForeignChain):
        wallet.sign_typed_data(DOCUMENT | {"domain": DOCUMENT["domain"] | {"chainId": 1}})
    with pytest.raises(InvalidInput):
        wallet.sign_typed_data({"domain": {"chainId": CHAIN}})
    types = DOCUMENT["types"] | {"Statement": [{"name": "note", "type": "string"}]}
    endless = DOCUMENT | {"types": types, "message": {"note": "x" * browser.MAX_DOCUMENT}}
    with pytest.raises(InvalidInput, match="at most"):
        wallet.sign_typed_data(endless)
    assert person.urls.empty()


def test_it_signs_no_transactions(person: Person) -> None:
    """And says who sends what it signs."""
    with pytest.raises(SignsNoTransactions, match="relayer"):
        person.wallet().sign_transaction(PRESENT)
    assert person.urls.empty()


@pytest.mark.parametrize("wrong", [{"chain_id": 0}, {"chain_id": 1 << 53}, {"timeout": 0}, {"timeout": float("nan")}])
def test_what_cannot_be_used_is_refused_at_once(person: Person, wrong: dict[str, Any]) -> None:
    """Chain id and timeout."""
    with pytest.raises(InvalidInput):
        person.wallet(**wrong)


def test_the_address_of_the_page_is_in_no_error_and_no_repr(person: Person) -> None:
    """It holds the token."""
    asked = person.asked()
    asked.page.begin().answer(code=4001, message="no")
    error = asked.signature.exception(SECONDS)
    assert asked.page.token not in f"{error!r} {error} {error.__context__!r} {error.__cause__!r}"  # type: ignore[union-attr]
    assert repr(person.wallet()) == f"BrowserWallet({KEY.address})"
