"""Ether for the people of the story, from the account that a development node has unlocked."""

from __future__ import annotations

import time
from collections.abc import Sequence

from medrec_py.chain.answers import to_accounts, to_hash
from medrec_py.chain.connection import Chain, NodeError
from medrec_py.chain.transactions import RECEIPT_SECONDS
from medrec_py.errors import ConfigurationError, TransactionTimeout

WEI = 10**18
"""What each is given: 1 ether, of which the story uses a small part."""

_POLL_SECONDS = 0.05


def fund(chain: Chain, addresses: Sequence[str], wei: int = WEI) -> None:
    """Have the node's own account give ether to each address, and wait until they have it.

    Raises:
        ConfigurationError: the node has no account of its own, or it does not pay.
        TransactionTimeout: a transfer was not mined in time.
        ChainUnavailable: the node does not answer.
    """
    rich = _rich_account(chain)
    try:
        sent = [
            chain.ask(
                to_hash,
                "eth_sendTransaction",
                {"from": rich, "to": address, "value": hex(wei), "gas": hex(21_000)},
            )
            for address in addresses
        ]
    except NodeError as error:
        raise ConfigurationError(
            f"the node's own account {rich} does not pay for the people of the story: {error.reason}"
        ) from error
    deadline = time.monotonic() + RECEIPT_SECONDS
    for transaction in sent:
        while chain.receipt(transaction) is None:
            if time.monotonic() > deadline:
                raise TransactionTimeout(
                    f"a transfer of ether was not mined in {RECEIPT_SECONDS:g} seconds", transaction
                )
            time.sleep(_POLL_SECONDS)


def _rich_account(chain: Chain) -> str:
    try:
        accounts = chain.ask(to_accounts, "eth_accounts")
    except NodeError:  # some nodes do not know the method
        accounts = []
    if not accounts:
        raise ConfigurationError(
            f"the node at {chain.node} has no unlocked account that could pay for the people of the story: "
            "use a development node, such as Anvil or Ganache"
        )
    return accounts[0]
