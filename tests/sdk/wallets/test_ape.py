"""ape's accounts as wallets, as far as no ape is needed: what they return is checked, and a no is an error."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from medrec_py.errors import (
    ForeignChain,
    SignatureForeign,
    SignerMalformed,
    SignerRefused,
    SignerUnavailable,
    SigningDeclined,
)
from medrec_py.wallet import Signer
from medrec_py.wallets.ape import ApeWallet
from tests.sdk.wallets.test_remote import CHAIN, DOCUMENT, KEY, OTHER, PRESENT, SIGNATURE


class Abort(RuntimeError):
    """What click raises where a person types Ctrl-C."""


class Unsigned:
    """A transaction of ape's."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        self.raw = b""

    def serialize_transaction(self) -> bytes:
        return self.raw


class Account:
    """An account of ape's that signs with a key, or does something else."""

    def __init__(self, answer: Any = None, key: Any = KEY, chain_id: int = CHAIN) -> None:
        self.address = KEY.address
        self._answer, self._key, self._chain_id = answer, key, chain_id
        self.asked: list[Any] = []

    @property
    def provider(self) -> Any:
        return self

    network = ecosystem = web3 = eth = provider

    @property
    def chain_id(self) -> int:
        if self._chain_id == 0:
            raise RuntimeError("not connected")
        return self._chain_id

    @staticmethod
    def create_transaction(**fields: Any) -> Unsigned:
        return Unsigned(**fields)

    def sign_message(self, msg: Any, **_: Any) -> Any:
        self.asked.append(msg)
        return self._given()

    def sign_transaction(self, txn: Unsigned, **_: Any) -> Any:
        self.asked.append(txn)
        txn.raw = self._key.sign_transaction({k: v for k, v in txn.fields.items() if k != "sender"})
        return self._given() if self._answer != SIGNATURE else txn

    def _given(self) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_it_is_a_signer() -> None:
    """And signs what it is asked to, with the sender's name on it, as ape wants it."""
    account = Account(SIGNATURE)
    wallet = ApeWallet(account)
    assert isinstance(wallet, Signer)
    assert wallet.sign_typed_data(DOCUMENT) == SIGNATURE
    assert wallet.sign_transaction(PRESENT) == KEY.sign_transaction(PRESENT)
    assert account.asked[1].fields["sender"] == KEY.address


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, SigningDeclined),
        (Abort(), SigningDeclined),
        (ValueError("the passphrase is wrong"), SignerRefused),
        (SIGNATURE[:-1], SignerMalformed),
        (OTHER.sign_typed_data(DOCUMENT), SignatureForeign),
    ],
)
def test_a_no_and_a_wrong_signature_are_errors(answer: Any, error: type[Exception]) -> None:
    """A person who declines, a failure, another key."""
    with pytest.raises(error) as caught:
        ApeWallet(Account(answer)).sign_typed_data(DOCUMENT)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("account", "error"),
    [
        (Account(None), SigningDeclined),
        (Account(Abort()), SigningDeclined),
        (Account(SIGNATURE, key=OTHER), SignatureForeign),
    ],
)
def test_transactions_too(account: Account, error: type[Exception]) -> None:
    """The same of transactions."""
    with pytest.raises(error):
        ApeWallet(account).sign_transaction(PRESENT)


def test_the_chain_is_the_one_that_ape_is_connected_to() -> None:
    """Nothing is asked of an account for another one, nor without a connection."""
    for chain_id, error in ((1, ForeignChain), (0, SignerUnavailable)):
        account = Account(SIGNATURE, chain_id=chain_id)
        for sign, what in (
            (ApeWallet(account).sign_typed_data, DOCUMENT),
            (ApeWallet(account).sign_transaction, PRESENT),
        ):
            with pytest.raises(error):
                sign(what)
        assert not account.asked


def test_nothing_of_ape_is_imported() -> None:
    """It is no dependency of the SDK's."""
    check = "import sys, medrec_py; medrec_py.ApeWallet; sys.exit(any(n.split('.')[0] == 'ape' for n in sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
