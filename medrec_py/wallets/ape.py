"""Accounts of ape, in ``ape run`` and in ape's console. Nothing of ape is imported: it is used as it is found."""

from __future__ import annotations

from typing import Any, Protocol

from eth_account.messages import encode_typed_data

from medrec_py.chain.types import to_address
from medrec_py.errors import SignerRefused, SignerUnavailable, SigningDeclined
from medrec_py.wallets import checks


class ApeAccount(Protocol):
    """What is used of ``ape.api.AccountAPI``."""

    @property
    def address(self) -> Any:
        """EIP-55."""
        ...

    @property
    def provider(self) -> Any:
        """The chain that ape is connected to."""
        ...

    def sign_message(self, msg: Any, **signer_options: Any) -> Any:
        """A signature of ape's, or ``None``."""
        ...

    def sign_transaction(self, txn: Any, **signer_options: Any) -> Any:
        """The transaction with its signature, or ``None``."""
        ...


class ApeWallet:
    """An account of ape's as a wallet of MedRec's: of a keystore, a test account, or a plugin's device.

        from ape import accounts, networks
        import medrec_py as medrec

        net = medrec.connect(w3=networks.provider.web3, contract="0x…", store="blocks")
        alice = net.patient(medrec.ApeWallet(accounts.load("alice")), root)

    It asks before it signs, as ape's accounts do. ape has to be connected, and to the chain that the document or the
    transaction is for.

    Args:
        account: An ``ape.api.AccountAPI``.

    Attributes:
        address: The account, in the writing of EIP-55.
    """

    def __init__(self, account: ApeAccount) -> None:
        self.address = to_address(str(account.address))
        self._account = account

    def sign_typed_data(self, document: dict[str, Any], /) -> bytes:
        """Have an EIP-712 document signed; see ``Signer``.

        Raises:
            SigningDeclined: the person said no, or the account does not sign typed data.
            ForeignChain: the document is for another chain than ape is connected to.
            SignerError: it was not signed for another reason, or what came back is not the account's signature.
            InvalidInput: it is no EIP-712 document.
        """
        checks.require_chain(document, self._chain_id())
        digest = checks.typed_data_digest(document)
        signature = self._asked(self._account.sign_message, encode_typed_data(full_message=document))
        octets = signature.encode_rsv() if hasattr(signature, "encode_rsv") else signature
        return checks.checked_signature(bytes(octets), self.address, digest, self._name)

    def sign_transaction(self, transaction: dict[str, Any], /) -> bytes:
        """Have a transaction signed; see ``Signer``. Raises as `sign_typed_data`."""
        checks.require_transaction_chain(transaction, self._chain_id())
        ecosystem = self._account.provider.network.ecosystem
        kind = transaction.get("type", 0)
        unsigned = ecosystem.create_transaction(**{**transaction, "sender": self.address, "type": kind})
        signed = self._asked(self._account.sign_transaction, unsigned)
        return checks.checked_transaction(bytes(signed.serialize_transaction()), transaction, self.address, self._name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"

    @property
    def _name(self) -> str:
        return "the account of ape's"

    def _chain_id(self) -> int:
        """As the node says: ape's own word for a local network is 1337, whatever is connected."""
        try:
            return int(self._account.provider.web3.eth.chain_id)
        except Exception as error:
            raise SignerUnavailable(f"ape is not connected to a chain: {error}") from error

    def _asked(self, sign: Any, what: Any) -> Any:
        try:
            signed = sign(what)
        except Exception as error:
            kind = SigningDeclined if type(error).__name__ == "Abort" else SignerRefused  # click's, where one types ^C
            raise kind(f"{self._name} {self.address} did not sign: {error}") from error
        if signed is None:
            raise SigningDeclined(f"{self._name} {self.address} declined to sign")
        return signed
