"""A relayer as its client sees it: what it may say, and whatever else may come in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import medrec_py as medrec
from medrec_py.chain.reverts import PermissionRevoked, VersionMismatch
from medrec_py.crypto.blocks import pointer_to
from medrec_py.crypto.decisions import PublishKeyring
from medrec_py.crypto.keys import Place
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision
from medrec_py.crypto.typed_data import keccak
from medrec_py.errors import BundleRefused, InvalidInput, QuotaExceeded, RelayerUnavailable, RelayTimeout
from medrec_py.relayer import BundleState, RelayerClient
from tests.support.hostile import Server, ok, once, serving, status

WALLET = medrec.Wallet.from_key(bytes(31) + b"\x07")
ADDRESS = bytes.fromhex(WALLET.address[2:])
DECISION = PublishKeyring(Place(31337, b"\x11" * 20, ADDRESS), ADDRESS, pointer_to(b"keys"), 0, 1, 1_900_000_000)
BUNDLE = Bundle((SignedDecision(DECISION, (WALLET.sign_typed_data(DECISION.typed_data()),)),), (b"keys",))
TRANSACTION = "0x" + "cd" * 32
STALE = keccak(b"VersionMismatch(address,address,uint24,uint24)")[:4] + bytes(32) * 4


def said(state: str, **more: object) -> bytes:
    """What a relayer says of the bundle."""
    return ok(json.dumps({"id": BUNDLE.id, "state": state, "transaction": None, "decisions": [], **more}).encode())


def in_turn(*answers: bytes) -> Iterator[bytes]:
    """One answer after another, and the last one again and again."""
    yield from answers
    while True:
        yield answers[-1]


def relayer(server: Server, patience: float = 30) -> RelayerClient:
    return RelayerClient(server.url, timeout=5, patience=patience)


def test_it_is_waited_for_until_it_is_mined() -> None:
    """Taken, sent, mined: the transaction is what comes back."""
    answers = in_turn(said("waiting"), said("sent", transaction=TRANSACTION), said("done", transaction=TRANSACTION))
    with serving(lambda *_: iter([next(answers)])) as server, relayer(server) as client:
        assert client.carry(BUNDLE) == TRANSACTION
    first = server.requests[0]
    assert first.startswith(b"POST /v1/bundles ")
    assert Bundle.from_json(first.partition(b"\r\n\r\n")[2]) == BUNDLE
    assert all(request.startswith(f"GET /v1/bundles/{BUNDLE.id} ".encode()) for request in server.requests[1:])


def test_what_the_relayer_knew_before() -> None:
    """It answers a bundle that it has carried out, or seen refused, with its state alone: the outcome is asked for."""
    brief = ok(json.dumps({"id": BUNDLE.id, "state": "done"}).encode())
    answers = in_turn(brief, said("done", transaction=TRANSACTION))
    with serving(lambda *_: iter([next(answers)])) as server, relayer(server) as client:
        assert client.carry(BUNDLE) == TRANSACTION
    brief = ok(json.dumps({"id": BUNDLE.id, "state": "refused"}).encode())
    refusals = [{"state": "refused", "reason": "0x" + STALE.hex()}]
    answers = in_turn(brief, said("refused", transaction=TRANSACTION, decisions=refusals))
    with serving(lambda *_: iter([next(answers)])) as server, relayer(server) as client, pytest.raises(VersionMismatch):
        client.carry(BUNDLE)


def test_a_relayer_that_restarts_meanwhile() -> None:
    """It keeps what it took: that it is away for a moment is no failure."""
    answers = in_turn(
        said("waiting"), b"", status(503, b'{"error": {"message": "starting"}}'), said("done", transaction=TRANSACTION)
    )
    with serving(lambda *_: iter([next(answers)])) as server, relayer(server) as client:
        assert client.carry(BUNDLE) == TRANSACTION


def test_what_the_contract_says_is_its_error() -> None:
    """Before anything is paid, and after it was mined with something else first: the same class."""
    fault = {"error": {"code": "contract", "message": "no", "reason": "0x" + STALE.hex()}}
    with serving(once(status(409, json.dumps(fault).encode()))) as server, pytest.raises(VersionMismatch):
        relayer(server).carry(BUNDLE)
    refused = said("refused", transaction=TRANSACTION, decisions=[{"state": "refused", "reason": "0x" + STALE.hex()}])
    with serving(once(refused)) as server, pytest.raises(VersionMismatch):
        relayer(server).carry(BUNDLE)
    with serving(once(refused)) as server:
        found = relayer(server).status(BUNDLE.id)
    assert (found.state, type(found.refusals[0])) == (BundleState.REFUSED, VersionMismatch)
    assert not issubclass(VersionMismatch, PermissionRevoked)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, BundleRefused),
        (403, BundleRefused),
        (404, BundleRefused),
        (422, BundleRefused),
        (429, QuotaExceeded),
        (503, RelayerUnavailable),
    ],
)
def test_refusals(code: int, kind: type[medrec.MedRecError]) -> None:
    """Each status is an error of its own, with the relayer's words."""
    body = b'{"error": {"code": "x", "message": "because it rains"}}'
    with serving(once(status(code, body))) as server, pytest.raises(kind, match="because it rains") as caught:
        relayer(server).submit(BUNDLE)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        ok(b"not JSON"),
        ok(b"[]"),
        ok(b'"text"'),
        ok(b"{}"),
        ok(json.dumps({"id": "0x" + "00" * 32, "state": "done"}).encode()),
        ok(json.dumps({"id": BUNDLE.id, "state": "eaten"}).encode()),
        ok(json.dumps({"id": BUNDLE.id, "state": "done", "transaction": 7}).encode()),
        ok(json.dumps({"id": BUNDLE.id, "state": "done", "transaction": "0x12"}).encode()),
        ok(json.dumps({"id": BUNDLE.id, "state": "done"}).encode()),
        ok(json.dumps({"id": BUNDLE.id, "state": "refused"}).encode()),
        ok(json.dumps({"id": BUNDLE.id, "state": "refused", "decisions": [7]}).encode()),
        ok(json.dumps({"id": BUNDLE.id, "state": "refused", "decisions": [{"state": "refused"}]}).encode()),
        ok(b"[" * 100_000),
        ok(b"{" + b" " * (2 << 20) + b"}"),
        status(409, b'{"error": {"message": "no", "reason": "0xzz"}}'),
        status(400, b"<html>"),
        status(302, b"", "Location: http://127.0.0.1:1/"),
    ],
    ids=range(19),
)
def test_what_no_relayer_says(answer: bytes) -> None:
    """Anything else is a relayer that cannot be used, never a fault of this program and never a success."""
    with serving(once(answer)) as server, pytest.raises(RelayerUnavailable):
        relayer(server).carry(BUNDLE)


def test_never_mined() -> None:
    """Patience ends with an error that has the bundle's id: it may still be mined."""
    with serving(once(said("waiting"))) as server, pytest.raises(RelayTimeout, match=BUNDLE.id) as caught:
        relayer(server, patience=0).carry(BUNDLE)
    assert caught.value.bundle_id == BUNDLE.id


def test_expired() -> None:
    """A bundle whose time passed while it waited."""
    with serving(once(said("expired"))) as server, pytest.raises(BundleRefused, match="deadline"):
        relayer(server).carry(BUNDLE)


def test_whether_it_stores_blocks_is_asked_once() -> None:
    """It says so of itself."""
    with serving(once(ok(b'{"storesBlocks": true}'))) as server, relayer(server) as client:
        assert client.keeps_blocks
        assert client.keeps_blocks
    assert len(server.requests) == 1


@pytest.mark.parametrize("address", ["ftp://x", "http://relay.example", "relay.example", "https://a@b", "unix:here"])
def test_addresses(address: str) -> None:
    """On another machine only over TLS, and nothing secret in the address."""
    with pytest.raises(InvalidInput):
        RelayerClient(address)
