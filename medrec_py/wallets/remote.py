"""What wallets behind JSON-RPC have in common: `medrec_py.wallets.node` and `medrec_py.wallets.clef` say the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from medrec_py.chain.types import to_address
from medrec_py.errors import InvalidInput, SignerMalformed
from medrec_py.wallets import checks
from medrec_py.wallets.connection import APPROVAL_SECONDS, Connection


class RemoteWallet(ABC):
    """An account whose key is with a wallet elsewhere, which is asked over HTTP. May be shared between threads.

    Nothing is asked when it is made: that may take a person's approval. Whatever comes back is checked: a signature
    must be the account's over the very document, a transaction the one that was given.

    Args:
        url: Of HTTP or HTTPS. It may hold a key, so messages show its host alone.
        address: The account.
        chain_id: EIP-155 chain id that it signs for. Documents and transactions for other chains, or for none, are not
            even sent there.
        headers: Sent with each request, ``Authorization`` for instance. Redirects are not followed.
        timeout: Seconds until a request is given up; a person may have to approve.

    Attributes:
        address: The account, in the writing of EIP-55.
        chain_id: See above.

    Raises:
        InvalidInput: URL, address or chain id cannot be used.
    """

    _ACCOUNTS: ClassVar[str]

    def __init__(
        self,
        url: str,
        address: str,
        *,
        chain_id: int,
        headers: Mapping[str, str] | None = None,
        timeout: float = APPROVAL_SECONDS,
    ) -> None:
        self.address = to_address(address)
        if chain_id < 1:
            raise InvalidInput("the id of a chain is more than zero")
        self.chain_id = chain_id
        self._connection = Connection(url, headers=headers, timeout=timeout)

    @classmethod
    def accounts(
        cls, url: str, *, headers: Mapping[str, str] | None = None, timeout: float = APPROVAL_SECONDS
    ) -> Sequence[str]:
        """The accounts that a wallet shows to this program, EIP-55. Some ask a person first.

        Raises:
            SignerError: the wallet refuses, does not answer, or not with a list of addresses.
        """
        connection = Connection(url, headers=headers, timeout=timeout)
        listed = connection.ask(cls._ACCOUNTS)
        try:
            if not isinstance(listed, list):
                raise InvalidInput("no list")
            return [to_address(one) for one in listed]
        except (InvalidInput, TypeError, AttributeError):
            raise SignerMalformed(f"{connection.name} did not answer with a list of addresses") from None

    def sign_typed_data(self, document: dict[str, Any], /) -> bytes:
        """Have an EIP-712 document signed; see ``Signer``.

        Raises:
            SigningDeclined: the person, or a rule, said no.
            SignerError: it was not signed for another reason, or what came back is not the account's signature.
            InvalidInput: it is no EIP-712 document.
        """
        checks.require_chain(document, self.chain_id)
        digest = checks.typed_data_digest(document)
        answer = self._ask_typed_data(document)
        return checks.checked_signature(answer, self.address, digest, self._connection.name)

    def sign_transaction(self, transaction: dict[str, Any], /) -> bytes:
        """Have a transaction signed; see ``Signer``. The wallet may change gas and fees, and nothing else.

        Raises:
            SigningDeclined: the person, or a rule, said no.
            SignsNoTransactions: the wallet only sends transactions itself.
            SignerError: it was not signed for another reason, or what came back is not that transaction.
        """
        checks.require_transaction_chain(transaction, self.chain_id)
        answer = self._ask_transaction(_as_json(transaction, self.address))
        raw = answer.get("raw") if isinstance(answer, dict) else answer
        return checks.checked_transaction(raw, transaction, self.address, self._connection.name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address} of {self._connection.name})"

    @abstractmethod
    def _ask_typed_data(self, document: dict[str, Any]) -> Any: ...

    @abstractmethod
    def _ask_transaction(self, transaction: dict[str, str]) -> Any: ...


def _as_json(transaction: Mapping[str, Any], sender: str) -> dict[str, str]:
    """A transaction as JSON-RPC has it: quantities in hexadecimal digits without leading zeros."""
    written = {name: hex(value) for name, value in transaction.items() if isinstance(value, int)}
    written |= {"from": sender, "data": "0x" + bytes(transaction["data"]).hex()}
    if transaction.get("to") is not None:
        written["to"] = str(transaction["to"])
    return written
