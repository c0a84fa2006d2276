"""Wallets with a node: the accounts that Anvil and Ganache have themselves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.errors import AccountUnknown
from scripts.devchain import running_anvil, running_ganache
from tests.sdk.wallets.test_remote import DOCUMENT, LEGACY, PRESENT
from tests.support.chains import ANVIL_PHRASE, GANACHE_PHRASE
from tests.support.wallets import CHAIN, a_wallets_way, anvil_network


def ganache() -> AbstractContextManager[str]:
    """Ganache with the accounts of its documentation, on Anvil's chain id."""
    return running_ganache("--wallet.deterministic", "--chain.chainId", str(CHAIN))


@pytest.mark.parametrize(
    ("running", "phrase"),
    [
        pytest.param(running_anvil, ANVIL_PHRASE, marks=pytest.mark.anvil),
        pytest.param(ganache, GANACHE_PHRASE, marks=pytest.mark.ganache),
    ],
)
def test_a_node_signs_what_a_key_here_would_sign(
    running: Callable[[], AbstractContextManager[str]], phrase: str
) -> None:
    """Typed data and both kinds of transactions, with each account of its phrase; and no account that it has not."""
    with running() as url:
        listed = medrec.NodeWallet.accounts(url)
        for number in (0, 1, 9):
            twin = medrec.Wallet.from_phrase(phrase, account=number)
            assert twin.address == listed[number]
            wallet = medrec.NodeWallet(url, listed[number], chain_id=CHAIN)
            for _ in range(20):  # whatever the node thinks of so many connections
                assert wallet.sign_typed_data(DOCUMENT) == twin.sign_typed_data(DOCUMENT)
            for transaction in (PRESENT, LEGACY):
                assert wallet.sign_transaction(transaction) == twin.sign_transaction(transaction)
        stranger = medrec.NodeWallet(url, medrec.Wallet.create().address, chain_id=CHAIN)
        with pytest.raises(AccountUnknown):
            stranger.sign_typed_data(DOCUMENT)
        with pytest.raises(AccountUnknown):
            stranger.sign_transaction(PRESENT)


@pytest.mark.anvil
def test_a_patient_and_an_author_whose_wallet_is_the_nodes(tmp_path: Path) -> None:
    """Everything that a key in this process does."""
    with anvil_network(tmp_path) as net:
        account = medrec.NodeWallet.accounts(net.chain.web3.provider.endpoint_uri)[0]  # type: ignore[attr-defined]
        a_wallets_way(net, medrec.NodeWallet(net.chain.node, account, chain_id=CHAIN))
