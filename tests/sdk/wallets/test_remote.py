"""Wallets behind JSON-RPC: what they are asked, and that nothing wrong that they answer is taken for a signature."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import rlp
from eth_account import Account

from medrec_py.crypto.keys import Deployment
from medrec_py.crypto.typed_data import TypedStruct, recover
from medrec_py.errors import (
    AccountUnknown,
    ForeignChain,
    InvalidInput,
    MethodUnknown,
    SignatureForeign,
    SignerMalformed,
    SignerRefused,
    SignerTimeout,
    SignerUnavailable,
    SigningDeclined,
    SignsNoTransactions,
)
from medrec_py.wallet import Signer, Wallet
from medrec_py.wallets.clef import ClefWallet
from medrec_py.wallets.connection import MAX_ANSWER
from medrec_py.wallets.node import NodeWallet
from medrec_py.wallets.remote import RemoteWallet
from tests.support.hostile import Server, ok, serving, status

KEY, OTHER = Wallet.from_key("11" * 32), Wallet.from_key("22" * 32)
CHAIN = 31_337
HERE = Deployment(CHAIN, b"\x0c" * 20)
STRUCT = TypedStruct("Statement", (("author", "address"), ("claim", "bytes32"), ("time", "uint64")))
MESSAGE: dict[str, int | bytes] = {"author": b"\x0a" * 20, "claim": b"\x0b" * 32, "time": 1_700_000_000}
DOCUMENT = STRUCT.typed_data(HERE, MESSAGE)
DIGEST = STRUCT.digest(HERE, MESSAGE)
SIGNATURE = KEY.sign_typed_data(DOCUMENT)
TO = "0x00000000000000000000000000000000000000AA"
LEGACY: dict[str, Any] = {
    "chainId": CHAIN, "nonce": 7, "gas": 90_000, "value": 0, "data": bytes.fromhex("1aa3a008"), "to": TO, "gasPrice": 5,
}  # fmt: skip
PRESENT = {key: value for key, value in LEGACY.items() if key != "gasPrice"} | {
    "maxFeePerGas": 9,
    "maxPriorityFeePerGas": 1,
    "type": 2,
}
KINDS: tuple[type[RemoteWallet], ...] = (NodeWallet, ClefWallet)
METHODS = {
    NodeWallet: ("eth_accounts", "eth_signTypedData_v4", "eth_signTransaction"),
    ClefWallet: ("account_list", "account_signTypedData", "account_signTransaction"),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def asked(request: bytes) -> dict[str, Any]:
    """What a request asks for."""
    body: dict[str, Any] = json.loads(request.partition(b"\r\n\r\n")[2])
    return body


def said(request: bytes, **answer: Any) -> bytes:
    """An answer to a request, in JSON-RPC."""
    return ok(json.dumps({"jsonrpc": "2.0", "id": asked(request)["id"], **answer}).encode())


@contextmanager
def signer(answer: Callable[[bytes], bytes]) -> Iterator[Server]:
    """A signer that answers each request with bytes of the test's."""

    def reply(server: Server, request: bytes) -> Iterator[bytes]:
        yield answer(request)

    with serving(reply) as server:
        yield server


@contextmanager
def wallet(kind: type[RemoteWallet], answer: Callable[[bytes], bytes], **options: Any) -> Iterator[RemoteWallet]:
    """A wallet of a kind in front of such a signer."""
    with signer(answer) as server:
        yield kind(server.url, KEY.address, chain_id=CHAIN, **options)


def hexed(octets: bytes) -> str:
    return "0x" + octets.hex()


# --- what is asked, and what is right -------------------------------------------------------------


@each_kind
def test_a_remote_wallet_is_a_signer(kind: type[RemoteWallet]) -> None:
    """It has the three members that MedRec asks for, and shows no more of its URL than the host."""
    made = kind("http://127.0.0.1:1/v3/secret?key=secret", KEY.address.lower(), chain_id=CHAIN)
    assert isinstance(made, Signer)
    assert made.address == KEY.address
    assert "secret" not in repr(made)


@each_kind
@pytest.mark.parametrize("v", [0, 27])
def test_the_account_and_the_document_are_sent_and_the_signature_comes_back(kind: type[RemoteWallet], v: int) -> None:
    """The whole document, as an object; a v of 0 or 1, as some wallets return, becomes 27 or 28."""
    requests: list[dict[str, Any]] = []

    def answer(request: bytes) -> bytes:
        requests.append(asked(request))
        return said(request, result=hexed(SIGNATURE[:64] + bytes([SIGNATURE[64] - 27 + v])))

    with wallet(kind, answer, headers={"Authorization": "Bearer key"}) as made:
        assert made.sign_typed_data(DOCUMENT) == SIGNATURE
    assert requests == [{"jsonrpc": "2.0", "id": 1, "method": METHODS[kind][1], "params": [KEY.address, DOCUMENT]}]


@each_kind
@pytest.mark.parametrize("transaction", [LEGACY, PRESENT, {k: v for k, v in PRESENT.items() if k != "to"}])
@pytest.mark.parametrize("wrapped", [False, True])
def test_transactions_come_back_signed(kind: type[RemoteWallet], transaction: dict[str, Any], wrapped: bool) -> None:
    """With and without EIP-1559, deploying too; the bytes alone, or beside the transaction as geth answers."""
    raw = KEY.sign_transaction(transaction)
    requests: list[dict[str, Any]] = []

    def answer(request: bytes) -> bytes:
        requests.append(asked(request))
        return said(request, result={"raw": hexed(raw), "tx": {}} if wrapped else hexed(raw))

    with wallet(kind, answer) as made:
        assert made.sign_transaction(transaction) == raw
    sent, *described = requests[0]["params"]
    assert described == (["register()"] if kind is ClefWallet and "to" in transaction else [])
    assert requests[0]["method"] == METHODS[kind][2]
    assert (sent["from"], sent["nonce"], sent["data"]) == (KEY.address, "0x7", "0x1aa3a008")
    assert sent.get("to") == transaction.get("to")
    assert all(sent[name] == hex(value) for name, value in transaction.items() if isinstance(value, int))


@each_kind
def test_a_wallet_may_change_gas_and_fees(kind: type[RemoteWallet]) -> None:
    """People do so in their wallets."""
    raw = KEY.sign_transaction(PRESENT | {"gas": 91_000, "maxFeePerGas": 12})
    with wallet(kind, lambda request: said(request, result=hexed(raw))) as made:
        assert made.sign_transaction(PRESENT) == raw


@each_kind
def test_accounts_are_listed(kind: type[RemoteWallet]) -> None:
    """In the writing of EIP-55."""
    with signer(lambda request: said(request, result=[KEY.address.lower(), OTHER.address])) as server:
        assert kind.accounts(server.url) == [KEY.address, OTHER.address]
    assert asked(server.requests[0])["method"] == METHODS[kind][0]


@each_kind
@pytest.mark.parametrize("listed", [None, {}, "0x", [1], ["0x12"], [None]])
def test_what_is_no_list_of_accounts_is_refused(kind: type[RemoteWallet], listed: Any) -> None:
    """It never reaches anybody as an address."""
    with signer(lambda request: said(request, result=listed)) as server, pytest.raises(SignerMalformed):
        kind.accounts(server.url)


# --- another chain --------------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("named", [1, "1", "0x1", None, True, "everywhere"])
def test_documents_for_another_chain_are_not_even_sent(kind: type[RemoteWallet], named: Any) -> None:
    """Clef signs for any chain; and a document that names none would be good on all."""
    document = DOCUMENT | {"domain": {**DOCUMENT["domain"], "chainId": named}}
    with signer(lambda request: said(request, result=hexed(SIGNATURE))) as server:
        made = kind(server.url, KEY.address, chain_id=CHAIN)
        with pytest.raises(ForeignChain):
            made.sign_typed_data(document)
        with pytest.raises(ForeignChain):
            made.sign_transaction(LEGACY | {"chainId": named})
    assert not server.requests


@each_kind
@pytest.mark.parametrize("document", [{}, {"domain": 1}, {"domain": {"chainId": CHAIN}}, DOCUMENT | {"types": {}}])
def test_what_is_no_typed_data_is_not_sent(kind: type[RemoteWallet], document: dict[str, Any]) -> None:
    """The caller's mistake is the caller's error."""
    with signer(lambda request: said(request, result=hexed(SIGNATURE))) as server, pytest.raises(InvalidInput):
        kind(server.url, KEY.address, chain_id=CHAIN).sign_typed_data(document)
    assert not server.requests


# --- signatures that are none ---------------------------------------------------------------------

HIGH_S = (
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - int.from_bytes(SIGNATURE[32:64])
).to_bytes(32)


@each_kind
@pytest.mark.parametrize(
    "answer",
    [
        None,
        True,
        17,
        [],
        {},
        "",
        "0x",
        "signed",
        hexed(SIGNATURE)[:-2],
        hexed(SIGNATURE) + "00",
        hexed(SIGNATURE[:64] + b"\x1d"),
        hexed(bytes(64) + b"\x1b"),
        hexed(SIGNATURE[:32] + HIGH_S + bytes([55 - SIGNATURE[64]])),
    ],
)
def test_what_is_no_signature_is_refused(kind: type[RemoteWallet], answer: Any) -> None:
    """Another length or form, a v of neither writing, zeros, and the twin in the upper half (EIP-2)."""
    with wallet(kind, lambda request: said(request, result=answer)) as made, pytest.raises(SignerMalformed):
        made.sign_typed_data(DOCUMENT)


@each_kind
def test_signatures_of_others_and_over_other_documents_are_refused(kind: type[RemoteWallet]) -> None:
    """Another account's; and the account's own over another time, contract, or a plain message."""
    elsewhere = STRUCT.typed_data(Deployment(CHAIN, b"\x0d" * 20), MESSAGE)
    for signature in (
        OTHER.sign_typed_data(DOCUMENT),
        KEY.sign_typed_data(STRUCT.typed_data(HERE, MESSAGE | {"time": 1})),
        KEY.sign_typed_data(elsewhere),
    ):
        assert recover(DIGEST, signature).hex() != KEY.address[2:].lower()
        result = hexed(signature)
        with wallet(kind, lambda request, r=result: said(request, result=r)) as made, pytest.raises(SignatureForeign):
            made.sign_typed_data(DOCUMENT)


def _altered() -> Iterator[tuple[str, bytes]]:
    for name, value in (("nonce", 8), ("value", 1), ("data", b"\x01"), ("to", OTHER.address), ("chainId", 1)):
        yield f"{name}, legacy", KEY.sign_transaction(LEGACY | {name: value})
        yield name, KEY.sign_transaction(PRESENT | {name: value})
    yield "deploying", KEY.sign_transaction({k: v for k, v in PRESENT.items() if k != "to"})
    yield "sender", OTHER.sign_transaction(PRESENT)
    everywhere = {name: value for name, value in LEGACY.items() if name != "chainId"}
    yield "good on every chain", bytes(Account.sign_transaction(everywhere, "11" * 32).raw_transaction)


@each_kind
@pytest.mark.parametrize(("name", "raw"), [pytest.param(*pair, id=pair[0]) for pair in _altered()])
def test_another_transaction_than_was_given_is_refused(kind: type[RemoteWallet], name: str, raw: bytes) -> None:
    """Whom it calls, with what, under which nonce, on which chain: nothing of it may be another."""
    asked_for = LEGACY if raw[0] > 0x7F else PRESENT
    with (
        wallet(kind, lambda request: said(request, result=hexed(raw))) as made,
        pytest.raises((SignatureForeign, SignerMalformed)),
    ):
        made.sign_transaction(asked_for)


RAW = KEY.sign_transaction(PRESENT)
NESTED = b"\x02" + b"\xc1" * 3000 + b"\xc0"


@each_kind
@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        "0x02",
        hexed(RAW[:-1]),
        hexed(RAW + b"\0"),
        hexed(b"\x03" + RAW[1:]),
        hexed(rlp.encode([b"\x01"] * 9)),
        hexed(rlp.encode([[]] * 9)),
        hexed(b"\x02" + rlp.encode([[]] * 12)),
        hexed(b"\x02" + rlp.encode([b"\xff" * 40] * 12)),
        hexed(NESTED),
        {"raw": None},
        {"tx": hexed(RAW)},
        [hexed(RAW)],
    ],
)
def test_what_is_no_transaction_is_refused(kind: type[RemoteWallet], answer: Any) -> None:
    """Cut short, too long, of a kind that was not asked for, of another form, or none at all."""
    with wallet(kind, lambda request: said(request, result=answer)) as made, pytest.raises(SignerMalformed):
        made.sign_transaction(PRESENT)


# --- refusals -------------------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (4001, "User rejected the request.", SigningDeclined),
        (-32000, "Request denied", SigningDeclined),
        (-32603, "MetaMask Tx Signature: User denied transaction signature.", SigningDeclined),
        (4100, "The requested account has not been authorized", AccountUnknown),
        (-32000, "unknown account", AccountUnknown),
        (-32602, "No Signer available", AccountUnknown),
        (-32601, "the method x does not exist/is not available", MethodUnknown),
        (4200, "unsupported", MethodUnknown),
        (-32000, "the disk is full", SignerRefused),
        ("x", None, SignerRefused),
    ],
)
def test_each_refusal_has_its_error(kind: type[RemoteWallet], code: Any, message: Any, error: type[Exception]) -> None:
    """A person's no (EIP-1193, 4001), an account that is not there, a method that is missing, and the rest."""
    refusal = {"code": code, "message": message}
    with wallet(kind, lambda request: said(request, error=refusal)) as made, pytest.raises(SignerRefused) as caught:
        made.sign_typed_data(DOCUMENT)
    assert type(caught.value) is error
    assert caught.value.code == (code if isinstance(code, int) else 0)
    assert caught.value.remedy


@each_kind
@pytest.mark.parametrize("error", [1, "no", [], [1], {"message": "\x1b[2J" + "x" * 100_000}])
def test_refusals_of_any_form_are_refusals(kind: type[RemoteWallet], error: Any) -> None:
    """And what they say stays short."""
    with wallet(kind, lambda request: said(request, error=error)) as made, pytest.raises(SignerRefused) as caught:
        made.sign_typed_data(DOCUMENT)
    assert len(str(caught.value)) < 700


def test_a_node_that_only_sends_transactions_says_what_to_do() -> None:
    """eth_sendTransaction is not used: nobody could tell after a lost answer what was sent."""
    missing = {"code": -32601, "message": "Method not found"}
    with (
        wallet(NodeWallet, lambda request: said(request, error=missing)) as made,
        pytest.raises(SignsNoTransactions, match="eth_signTransaction") as caught,
    ):
        made.sign_transaction(PRESENT)
    assert "keystore" in caught.value.remedy


# --- transport ------------------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize(
    "answer",
    [
        ok(b""),
        ok(b"<html>"),
        ok(b"[]"),
        ok(b"null"),
        ok(b'"0x"'),
        ok(b"{}"),
        ok(b'{"id": 1}'),
        ok(b'{"id": 2, "result": "0x"}'),
        ok(b"\xff\xfe"),
        ok(b'{"id": 1, "result": "' + b"0" * (MAX_ANSWER + 1) + b'"}'),
    ],
)
def test_answers_that_are_not_json_rpc_are_refused(kind: type[RemoteWallet], answer: bytes) -> None:
    """Nothing, HTML, other JSON, another request's answer, and more than there can be."""
    with wallet(kind, lambda _: answer) as made, pytest.raises(SignerMalformed):
        made.sign_typed_data(DOCUMENT)


@each_kind
@pytest.mark.parametrize("limit", [1_000, 100_000])
def test_endless_nesting_is_refused(kind: type[RemoteWallet], limit: int) -> None:
    """Also where the limit of recursion was raised, as py-evm does: there JSON's own parser would end the process."""
    before = sys.getrecursionlimit()
    nested = b'{"id": 1, "result": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    sys.setrecursionlimit(max(before, limit))
    try:
        with wallet(kind, lambda _: ok(nested)) as made, pytest.raises(SignerMalformed):
            made.sign_typed_data(DOCUMENT)
    finally:
        sys.setrecursionlimit(before)


@each_kind
def test_an_endless_answer_is_given_up(kind: type[RemoteWallet]) -> None:
    """After the largest answer that there can be, and not kept in memory."""

    def endless(server: Server, _request: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield b"x" * 65536

    with serving(endless) as server, pytest.raises(SignerMalformed):
        kind(server.url, KEY.address, chain_id=CHAIN).sign_typed_data(DOCUMENT)
    assert server.sent < 64 * MAX_ANSWER


@each_kind
@pytest.mark.parametrize("slow", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n{"])
def test_a_wallet_that_does_not_answer_in_time_is_given_up(kind: type[RemoteWallet], slow: bytes) -> None:
    """Before, within and behind the headers, however busily it trickles."""

    def trickle(server: Server, _request: bytes) -> Iterator[bytes]:
        yield slow
        while not server.stop.wait(0.05):
            yield b"x" if slow.endswith(b"{") else b"X-A: b\r\n" if slow else b""

    with serving(trickle) as server:
        made = kind(server.url, KEY.address, chain_id=CHAIN, timeout=0.4)
        with pytest.raises(SignerTimeout):
            made.sign_typed_data(DOCUMENT)


@each_kind
@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_are_not_followed(kind: type[RemoteWallet], code: int) -> None:
    """Nobody else is shown what is signed, nor gets the headers."""
    with (
        signer(lambda request: said(request, result=hexed(SIGNATURE))) as elsewhere,
        wallet(kind, lambda _: status(code, b"", f"Location: {elsewhere.url}")) as made,
        pytest.raises(SignerUnavailable, match=str(code)),
    ):
        made.sign_typed_data(DOCUMENT)
    assert not elsewhere.requests


@each_kind
def test_a_request_is_sent_once(kind: type[RemoteWallet]) -> None:
    """A person is not asked again because the connection broke."""
    with signer(lambda _: b"") as server, pytest.raises(SignerUnavailable):
        kind(server.url, KEY.address, chain_id=CHAIN).sign_typed_data(DOCUMENT)
    assert len(server.requests) == 1


@each_kind
@pytest.mark.parametrize("answer", [b"", status(500, b"no"), status(403)])
def test_secrets_in_the_url_are_in_no_traceback(kind: type[RemoteWallet], answer: bytes) -> None:
    """Neither where the wallet fails nor where nobody listens."""
    with signer(lambda _: answer) as server:
        for url in (server.url, "http://127.0.0.1:9"):
            made = kind(f"{url}/v3/topsecret?key=topsecret", KEY.address, chain_id=CHAIN)
            with pytest.raises(SignerUnavailable) as caught:
                made.sign_typed_data(DOCUMENT)
            assert "topsecret" not in "".join(traceback.format_exception(caught.value))
            assert url in str(caught.value)


@each_kind
@pytest.mark.parametrize(
    "url", ["", "ftp://host", "http://", "127.0.0.1:8545", "http://user:topsecret@host", "http://host:0"]
)
def test_urls_that_cannot_be_used_are_refused(kind: type[RemoteWallet], url: str) -> None:
    """And what they hold is not shown."""
    with pytest.raises(InvalidInput) as caught:
        kind(url, KEY.address, chain_id=CHAIN)
    assert "topsecret" not in str(caught.value)


@each_kind
def test_other_arguments_that_cannot_be_used_are_refused(kind: type[RemoteWallet]) -> None:
    """No address, no chain, no time, and a header that would begin another one."""
    wrong: list[dict[str, Any]] = [
        {"address": "0x12"},
        {"chain_id": 0},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"headers": {"Authorization": "a\r\nb"}},
    ]
    for one in wrong:
        with pytest.raises(InvalidInput):
            kind(**{"url": "http://127.0.0.1", "address": KEY.address, "chain_id": CHAIN, **one})
