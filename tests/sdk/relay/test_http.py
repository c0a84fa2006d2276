"""The relayer's HTTP: what it answers to whom, and that nobody stops it by how they ask."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest
import urllib3

from medrec_py import listening
from medrec_py.crypto.signed_decisions import MAX_BUNDLE, Bundle
from medrec_py.listening import Listener
from medrec_py.relay import http
from medrec_py.relay.refusals import Code
from tests.sdk.relay.conftest import Office
from tests.support.decisions import Desk, person

JSON = {"Content-Type": "application/json"}


class Client:
    """Asks the relayer.

    Attributes:
        url: Where it listens.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool = urllib3.PoolManager(maxsize=20)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            method, self.url + path, body=body, headers=JSON | headers, retries=False, timeout=30, redirect=False
        )

    def post(self, bundle: Bundle | bytes, **headers: str) -> urllib3.BaseHTTPResponse:
        body = bundle if isinstance(bundle, bytes) else bundle.to_json()
        return self.ask("POST", "/v1/bundles", body, **headers)

    def close(self) -> None:
        self._pool.clear()


@pytest.fixture
def client(office: Office) -> Iterator[Client]:
    with Listener(http.application(office.relayer), "127.0.0.1:0", service="relayer") as listener:
        client = Client(listener.address)
        yield client
        client.close()


def error(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    found: dict[str, Any] = response.json()["error"]
    assert set(found) == {"code", "message", "remedy", "reason", "decision"}
    return found


def test_a_bundles_way(client: Client, office: Office, desk: Desk) -> None:
    """Taken, asked about, done; the same again is the same."""
    bundle = desk.newcomer()
    for _ in range(2):
        taken = client.post(bundle)
        assert (taken.status, taken.json()) == (202, {"id": bundle.id, "state": "waiting"})
        assert taken.headers["Cache-Control"] == "no-store"
    office.step(2)
    asked = client.ask("GET", f"/v1/bundles/{bundle.id}")
    status = asked.json()
    assert (asked.status, status["id"], status["state"]) == (200, bundle.id, "done")
    assert status["decisions"] == [{"state": "done", "reason": None, "error": None}] * 2
    assert status["transaction"].startswith("0x")
    assert isinstance(status["block"], int)
    assert client.post(bundle).json()["state"] == "done"


def test_refusals_are_json_with_a_fitting_status(client: Client, office: Office, desk: Desk) -> None:
    """Code, message, remedy, and the contract's reason where it has one."""
    patient = person()
    wrong = Bundle((desk.register(patient), desk.grant(patient, person(), version=9)))
    refused = client.post(wrong)
    found = error(refused)
    assert (refused.status, found["code"], found["decision"]) == (409, "contract", 1)
    assert found["reason"].startswith("0x")
    for response, status, code in (
        (client.post(b"{}"), 400, "malformed"),
        (client.post(desk.newcomer(), **{"Content-Type": "text/plain"}), 415, "media-type"),
        (client.ask("GET", "/v1/bundles/0x" + "00" * 32), 404, "unknown"),
        (client.ask("GET", "/v1/bundles/nothing"), 404, "unknown"),
        (client.ask("GET", "/elsewhere"), 404, "unknown"),
        (client.ask("DELETE", "/v1/bundles"), 404, "unknown"),
    ):
        assert (response.status, error(response)["code"]) == (status, code)


def test_a_quota_says_when_to_come_back(office: Office, desk: Desk) -> None:
    """By the client's address, or by what one proxy says that it is; nobody else is believed."""
    office.open(client_burst=2, client_per_hour=60)
    for behind_proxy in (False, True):
        app = http.application(office.relayer, behind_proxy=behind_proxy)
        with Listener(app, "127.0.0.1:0", service="relayer") as listener:
            client = Client(listener.address)
            answers = [
                client.post(desk.newcomer(), **{"X-Forwarded-For": f"198.51.100.9, 192.0.2.{number}"})
                for number in range(3)
            ]
            client.close()
        assert [answer.status for answer in answers] == ([202] * 3 if behind_proxy else [202, 429, 429])
        if not behind_proxy:
            assert error(answers[1])["code"] == "quota"
            assert 0 < int(answers[1].headers["Retry-After"]) <= 120


def test_what_it_says_of_itself(client: Client, office: Office) -> None:
    """Info, health, metrics, and a description of all of it."""
    info = client.ask("GET", "/v1/info").json()
    assert (info["relayer"], info["contract"]) == (office.wallet.address, office.desk.contract.address)
    assert (info["chainId"], info["storesBlocks"]) == (office.chain.chain_id, False)
    assert info["limits"]["bundleBytes"] == MAX_BUNDLE
    health = client.ask("GET", "/health")
    assert (health.status, health.json()["ok"], health.json()["node"]) == (200, True, True)
    metrics = client.ask("GET", "/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain")
    assert "medrec_relay_queue" in metrics.data.decode()
    described = client.ask("GET", "/openapi.json").json()
    assert set(described["paths"]) == {"/v1/bundles", "/v1/bundles/{bundle}", "/v1/info", "/health", "/metrics"}
    assert set(described["paths"]["/v1/bundles"]["post"]["responses"]) >= {
        "202",
        "400",
        "403",
        "409",
        "413",
        "429",
        "503",
    }
    office.relayer.drain()
    health = client.ask("GET", "/health")
    assert (health.status, health.json()["draining"]) == (503, True)


def test_too_much_is_not_read(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the head says; in pieces, as soon as it is too much; and what nobody has room for comes back later."""
    with closing(socket.create_connection(("127.0.0.1", int(client.url.rpartition(":")[2])))) as raw:
        raw.settimeout(20)
        head = b"POST /v1/bundles HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        raw.sendall(head + b"Content-Length: 99999999999\r\n\r\n")
        assert b" 413 " in raw.recv(1 << 16)
    pieces = client._pool.request(
        "POST",
        client.url + "/v1/bundles",
        body=(b" " * (1 << 20) for _ in range(14)),
        headers=JSON,
        retries=False,
        timeout=30,
    )
    assert (pieces.status, error(pieces)["code"]) == (413, "too-large")
    monkeypatch.setattr(http, "BYTES_AT_ONCE", 10)
    busy = client.post(b" " * 11)
    assert (busy.status, error(busy)["code"], busy.headers["Retry-After"]) == (503, "busy", "5")


def test_a_request_that_trickles(client: Client, office: Office, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head or a body that never ends is cut off, and others are served meanwhile."""
    monkeypatch.setattr(listening, "RECEIVE_SECONDS", 4.0)  # for the honest request, too
    monkeypatch.setattr(http, "BODY_SECONDS", 4.0)
    post = b"POST /v1/bundles HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    where = ("127.0.0.1", int(client.url.rpartition(":")[2]))
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(socket.create_connection(where, timeout=60))) for _ in range(3)]
        for one, started in zip(slow, (b"POST /v1/bu", post, b""), strict=True):
            one.sendall(started)
        assert client.post(desk.newcomer()).status == 202
        for one in slow:
            assert b" 202 " not in one.recv(1 << 16)


def beginning(announced: int, came: bytes = b"") -> bytes:
    head = f"POST /v1/bundles HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {announced}\r\n"
    return head.encode() + b"\r\n" + came


def test_what_is_announced_takes_no_room(client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what has come does: idle connections keep nobody out. It is given back when they end."""
    monkeypatch.setattr(http, "BYTES_AT_ONCE", 3 * MAX_BUNDLE)
    where = ("127.0.0.1", int(client.url.rpartition(":")[2]))
    with ExitStack() as stack:
        for _ in range(3):
            idle = stack.enter_context(closing(socket.create_connection(where)))
            idle.sendall(beginning(MAX_BUNDLE, b"{"))
        assert client.post(desk.newcomer()).status == 202
        monkeypatch.setattr(http, "BYTES_AT_ONCE", 64 << 10)
        full = stack.enter_context(closing(socket.create_connection(where)))
        full.settimeout(20)
        full.sendall(beginning(MAX_BUNDLE, b" " * (70 << 10)))
        assert b" 503 " in full.recv(1 << 16)
    assert client.post(desk.newcomer()).status == 202


def test_whoever_asked_for_enough_is_not_read(office: Office, desk: Desk) -> None:
    """The address' share is asked for before the body has come, and the connection ends."""
    office.open(client_burst=1, client_per_hour=1)
    with Listener(http.application(office.relayer), "127.0.0.1:0", service="relayer") as listener:
        where = ("127.0.0.1", int(listener.address.rpartition(":")[2]))
        with closing(socket.create_connection(where)) as first, closing(socket.create_connection(where)) as second:
            for one in (first, second):
                one.settimeout(20)
            first.sendall(beginning(2, b"{}"))
            assert b" 400 " in first.recv(1 << 16)
            second.sendall(beginning(MAX_BUNDLE))
            answer = second.recv(1 << 16)
            assert b" 429 " in answer
            assert b"connection: close" in answer.lower()


def test_what_fails_without_a_reason_says_its_kind_alone(
    client: Client, office: Office, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What an unexpected error says may hold anything."""
    secret = "https://node.example/secret-key"

    def fails(*_: object) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr(office.relayer, "take", fails)
    answer = client.post(desk.newcomer())
    assert (answer.status, error(answer)["code"]) == (500, Code.FAILED.value)
    assert secret not in answer.data.decode()
    assert secret not in caplog.text
    assert "RuntimeError" in caplog.text


def test_many_clients_at_once(client: Client, office: Office, desk: Desk) -> None:
    """Each bundle is taken once, whoever sends it how often; all of them are done."""
    bundles = [desk.newcomer() for _ in range(10)]
    with office.relayer, ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(client.post, bundles * 3))
        assert {answer.status for answer in answers} == {202}
        done = threading.Event()
        while not all(
            json.loads(client.ask("GET", f"/v1/bundles/{one.id}").data)["state"] == "done" for one in bundles
        ):
            assert not done.wait(0.02)
    assert [desk.version(bundle) for bundle in bundles] == [1] * 10
    assert sum(office.queue.counts().values()) == 10
