"""Accounts of Clef, the signer that comes with geth, by its own methods."""

from __future__ import annotations

from typing import Any, ClassVar

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
        return self._connection.ask("account_signTransaction", transaction)
