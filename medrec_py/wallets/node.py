"""Accounts of a node, or of any remote signer with the methods of nodes."""

from __future__ import annotations

from typing import Any, ClassVar

from medrec_py.errors import MethodUnknown, SignsNoTransactions
from medrec_py.wallets.remote import RemoteWallet


class NodeWallet(RemoteWallet):
    """An account whose key is with a node or a remote signer: Anvil's and Ganache's own, or a signing service's.

        medrec.NodeWallet.accounts("http://127.0.0.1:8545")
        wallet = medrec.NodeWallet("http://127.0.0.1:8545", account, chain_id=31337)

    It signs typed data where the node has ``eth_signTypedData_v4`` (EIP-712), and transactions where it has
    ``eth_signTransaction``. One that has ``eth_sendTransaction`` alone signs typed data only: the SDK has to know a
    transaction's hash and bytes before it is sent, or nobody could tell, after a lost answer, whether to send again.

    Arguments, attributes and errors: see `medrec_py.wallets.remote.RemoteWallet`.
    """

    _ACCOUNTS: ClassVar[str] = "eth_accounts"

    def _ask_typed_data(self, document: dict[str, Any]) -> Any:
        return self._connection.ask("eth_signTypedData_v4", self.address, document)

    def _ask_transaction(self, transaction: dict[str, str]) -> Any:
        try:
            return self._connection.ask("eth_signTransaction", transaction)
        except MethodUnknown as error:
            raise SignsNoTransactions(f"{self._connection.name} has no eth_signTransaction") from error
