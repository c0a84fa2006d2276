"""Accounts of Clef, the signer that comes with geth, by its own methods."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from medrec_py.chain.abi import items
from medrec_py.wallets.remote import RemoteWallet


class ClefWallet(RemoteWallet):
    """An account whose key is with Clef, where a person or a rule approves each signature.

        wallet = medrec.ClefWallet("http://127.0.0.1:8550", account, chain_id=1)

    Clef has to listen on HTTP (``clef --http``). It signs for whatever chain a document names, so the chain is checked
    here; and it does not send transactions, which the SDK does.

    Arguments, attributes and errors: see `medrec_py.wallets.remote.RemoteWallet`. A person's or a rule's no is
    ``SigningDeclined``; listing the accounts takes an approval as well.
    """

    _ACCOUNTS: ClassVar[str] = "account_list"

    def _ask_typed_data(self, document: dict[str, Any]) -> Any:
        return self._connection.ask("account_signTypedData", self.address, document)

    def _ask_transaction(self, transaction: dict[str, str]) -> Any:
        # Clef shows a call in words, and lets rules approve it, only where it knows the function: MedRec's are not
        # among those that it comes with.
        signature = _signatures().get(transaction["data"][2:10]) if "to" in transaction else None
        return self._connection.ask("account_signTransaction", transaction, *filter(None, [signature]))


@cache
def _signatures() -> Mapping[str, str]:
    """MedRec's functions by their selectors in hexadecimal digits."""
    return {function.selector.hex(): function.signature for function in items("function").values()}
