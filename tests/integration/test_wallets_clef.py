"""Wallets with geth's Clef, the real one, with rules in a person's place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.chain.abi import codec, items
from medrec_py.errors import (
    AccountUnknown,
    ForeignChain,
    MethodUnknown,
    SignerRefused,
    SignerUnavailable,
    SigningDeclined,
)
from tests.sdk.wallets.test_remote import DOCUMENT, LEGACY, PRESENT
from tests.support.clef import REJECT, Clef, running_clef
from tests.support.wallets import CHAIN, a_wallets_way, anvil_network

pytestmark = pytest.mark.clef

KEY = b"\x11" * 32
TWIN = medrec.Wallet.from_key(KEY)
"""The same key in this process: what it signs, Clef has to sign."""


@pytest.fixture(scope="module")
def clef() -> Iterator[Clef]:
    """Clef with one account, whose rules approve."""
    with running_clef(KEY, chain_id=CHAIN) as running:
        yield running


@pytest.fixture
def wallet(clef: Clef) -> medrec.ClefWallet:
    """That account."""
    return medrec.ClefWallet(clef.url, TWIN.address, chain_id=CHAIN)


def test_it_signs_what_a_key_here_would_sign(clef: Clef, wallet: medrec.ClefWallet) -> None:
    """Typed data and both kinds of transactions, deterministically (RFC 6979), each entered in Clef's audit log."""
    assert medrec.ClefWallet.accounts(clef.url) == [TWIN.address]
    assert wallet.sign_typed_data(DOCUMENT) == TWIN.sign_typed_data(DOCUMENT)
    for transaction in (PRESENT, LEGACY):
        assert wallet.sign_transaction(transaction) == TWIN.sign_transaction(transaction)
    audit = clef.audit.read_text()
    assert all(f"api={name}" in audit for name in ("SignData", "SignTransaction", "List")) or "SignTypedData" in audit


@pytest.mark.anvil
def test_a_patient_and_an_author_whose_wallet_is_clef(tmp_path: Path, wallet: medrec.ClefWallet) -> None:
    """Everything that a key in this process does. Clef is told MedRec's functions, which it would refuse unknown."""
    with anvil_network(tmp_path) as net:
        a_wallets_way(net, wallet)


def test_clef_is_told_each_function_of_medrecs(wallet: medrec.ClefWallet) -> None:
    """One that it does not know it would not let a rule approve; nor one whose values do not fit what it is told."""
    for function in items("function").values():
        if not function.reads_only:
            data = function.selector + codec.encode(function.input_types, list(map(nothing, function.input_types)))
            transaction = PRESENT | {"data": data}
            assert wallet.sign_transaction(transaction) == TWIN.sign_transaction(transaction), function.name


def nothing(kind: str) -> Any:
    """A value of an ABI type."""
    if kind.endswith("[]"):
        return []
    if kind.startswith("("):
        return tuple(map(nothing, kind[1:-1].split(",")))
    if kind.startswith("bytes"):
        return bytes(int(kind.removeprefix("bytes") or 0))
    return {"address": "0x" + "00" * 20, "bool": False}.get(kind, 0)


def test_another_chain_is_refused_here_since_clef_would_sign(clef: Clef, wallet: medrec.ClefWallet) -> None:
    """The documents of a deployment on chain 1 are none of a wallet's that is meant for another one."""
    foreign = DOCUMENT | {"domain": {**DOCUMENT["domain"], "chainId": 1}}
    with pytest.raises(ForeignChain):
        wallet.sign_typed_data(foreign)
    meant = medrec.ClefWallet(clef.url, TWIN.address, chain_id=1)
    assert meant.sign_typed_data(foreign) == TWIN.sign_typed_data(foreign)  # this is why


def test_an_account_that_clef_does_not_have(clef: Clef) -> None:
    """Said by name."""
    stranger = medrec.ClefWallet(clef.url, medrec.Wallet.create().address, chain_id=CHAIN)
    with pytest.raises(AccountUnknown):
        stranger.sign_typed_data(DOCUMENT)
    with pytest.raises(AccountUnknown):
        stranger.sign_transaction(PRESENT)


def test_another_kind_of_wallet_than_it_is(clef: Clef) -> None:
    """Clef has no eth_ methods, and the error says that the kind is wrong."""
    with pytest.raises(MethodUnknown):
        medrec.NodeWallet(clef.url, TWIN.address, chain_id=CHAIN).sign_typed_data(DOCUMENT)


def test_a_transaction_that_clef_finds_suspicious(wallet: medrec.ClefWallet) -> None:
    """Its own words come through."""
    with pytest.raises(SignerRefused, match="validation failed"):
        wallet.sign_transaction(PRESENT | {"data": b"\x01"})


def test_who_says_no_is_asked_once_and_signs_nothing() -> None:
    """A no is an error of its own, of a person's or a rule's."""
    with running_clef(KEY, rules=REJECT, chain_id=CHAIN) as clef:
        wallet = medrec.ClefWallet(clef.url, TWIN.address, chain_id=CHAIN)
        with pytest.raises(SigningDeclined):
            wallet.sign_typed_data(DOCUMENT)
        with pytest.raises(SigningDeclined):
            wallet.sign_transaction(PRESENT)
        with pytest.raises(SigningDeclined):
            medrec.ClefWallet.accounts(clef.url)
    with pytest.raises(SignerUnavailable):
        wallet.sign_typed_data(DOCUMENT)
