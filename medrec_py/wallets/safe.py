"""Safe: an account with code that several owners decide for (Safe 1.3 and 1.4; ERC-1271).

    safe = medrec.SafeWallet(net.chain, "0xSafe…", owners=[alice, bob])
    patient.change_root(wallet=safe, root=root)    # from then on the Safe decides

Its signature over typed data is its owners' signatures over ``SafeMessage(bytes message)``, whose message is the digest
of the document, in the Safe's own domain {chainId, verifyingContract}: so it is good for no other Safe of theirs. Its
transactions are calls of ``execTransaction`` that the owners sign and one account, `SafeWallet.payer`, sends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from medrec_py.chain.abi import codec
from medrec_py.chain.connection import Chain
from medrec_py.chain.transactions import Call, simulate
from medrec_py.chain.types import ZERO_ADDRESS, to_address
from medrec_py.crypto.typed_data import keccak, sign
from medrec_py.errors import ChainUnavailable, ContractError, InvalidInput, OwnersMissing, SignsNoTransactions
from medrec_py.wallet import Signer
from medrec_py.wallets import checks

_DOMAIN: Final = [{"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}]
_MESSAGE: Final = [{"name": "message", "type": "bytes"}]
_TRANSACTION: Final = (
    ("to", "address"),
    ("value", "uint256"),
    ("data", "bytes"),
    ("operation", "uint8"),
    ("safeTxGas", "uint256"),
    ("baseGas", "uint256"),
    ("gasPrice", "uint256"),
    ("gasToken", "address"),
    ("refundReceiver", "address"),
)
_DOMAIN_TYPE: Final = keccak(b"EIP712Domain(uint256 chainId,address verifyingContract)")


class SafeWallet:
    """A Safe whose owners' wallets are here.

    It asks as many owners as its threshold says, in the order in which they are given. Owners are accounts with keys:
    a Safe that owns a Safe is not asked.

    Transactions of one Safe are sent one at a time, whichever thread sends: each is signed for the Safe's next number.

    Args:
        chain: Where the Safe is.
        address: Of the Safe.
        owners: Wallets of owners: as many as the threshold says, or more.
        payer: Sends the Safe's transactions and pays for their gas; the first of the owners unless given.

    Attributes:
        address: Of the Safe, EIP-55.
        payer: See above.

    Raises:
        InvalidInput: there is no Safe of version 1.3 or later at the address.
        OwnersMissing: too few wallets are given, or one is not an owner's.
        ChainUnavailable: the node does not answer.
    """

    def __init__(self, chain: Chain, address: str, owners: Sequence[Signer], *, payer: Signer | None = None) -> None:
        self.address = to_address(address)
        self._chain = chain
        self._require_safe()
        self._owners = self._signing(owners)
        self.payer = owners[0] if payer is None else payer

    def sign_typed_data(self, document: dict[str, Any], /) -> bytes:
        """Have the owners sign an EIP-712 document for the Safe; see ``Signer``.

        Returns:
            As many times 65 bytes as the threshold says, in the order of the owners' addresses, as
            ``isValidSignature`` wants them.

        Raises:
            ForeignChain: the document is for another chain.
            InvalidInput: it is no EIP-712 document, or a wallet signed with another key than its owner's.
            OwnersMissing: the owners were changed.
        """
        checks.require_chain(document, self._chain.chain_id)
        digest = checks.typed_data_digest(document)
        return self._signed("SafeMessage", _MESSAGE, {"message": "0x" + digest.hex()})

    def sign_transaction(self, _transaction: dict[str, Any], /) -> bytes:
        """Refuses: an account with code has no key to sign a transaction with. `carry` is what it does instead.

        Raises:
            SignsNoTransactions: always.
        """
        raise SignsNoTransactions(f"the Safe {self.address} has no key: its transactions are sent through by an owner")

    def carry(self, call: Call, /) -> Call:
        """The call that has the Safe make a call, signed by its owners for the Safe's next number.

        ``medrec_py.chain.transactions.submit`` sends it from `payer` wherever a Safe is the signer. It fails as a whole
        if the call fails.

        Raises:
            SignsNoTransactions: it would deploy a contract, which a Safe does not do by a call.
            InvalidInput, OwnersMissing, ChainUnavailable: as `sign_typed_data`.
        """
        if call.to is None:
            raise SignsNoTransactions(f"the Safe {self.address} cannot deploy a contract: let another account do so")
        # No refund of gas, and no limit for the call: then the Safe reverts where the call does.
        unpaid = (0, 0, 0, ZERO_ADDRESS, ZERO_ADDRESS)
        values = (call.to, call.value, call.data, 0, *unpaid)
        names, kinds = zip(*_TRANSACTION, strict=True)
        number = self._number("nonce()")
        fields = [{"name": name, "type": kind} for name, kind in (*_TRANSACTION, ("nonce", "uint256"))]
        message = dict(zip(names, map(_json, values), strict=True)) | {"nonce": str(number)}
        signatures = self._signed("SafeTx", fields, message)
        selector = keccak(f"execTransaction({','.join((*kinds, 'bytes'))})".encode())[:4]
        data = selector + codec.encode([*kinds, "bytes"], [*values, signatures])
        return Call(self.address, data, f"execTransaction of {call.function}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"

    def _signed(self, kind: str, fields: list[dict[str, str]], message: dict[str, Any]) -> bytes:
        document = {
            "types": {"EIP712Domain": _DOMAIN, kind: fields},
            "primaryType": kind,
            "domain": {"chainId": self._chain.chain_id, "verifyingContract": self.address},
            "message": message,
        }
        digest = checks.typed_data_digest(document)
        signatures = {}
        for owner in self._signing(self._owners):
            account = bytes.fromhex(owner.address[2:])
            signatures[account] = sign(owner.sign_typed_data, account, document, digest)  # 65 bytes: a key's
        return b"".join(signatures[account] for account in sorted(signatures))

    def _signing(self, given: Sequence[Signer]) -> list[Signer]:
        """Those that have to sign: as many as the Safe asks for now, each of them an owner now."""
        owners = set(self._read("getOwners()", lambda data: codec.decode(["address[]"], data)[0]))
        wallets = {wallet.address: wallet for wallet in given}
        strangers = [address for address in wallets if address.lower() not in owners]
        if strangers:
            raise OwnersMissing(f"{', '.join(strangers)} is no owner of the Safe {self.address}")
        threshold = self._number("getThreshold()")
        if len(wallets) < threshold:
            raise OwnersMissing(
                f"of the Safe {self.address} {threshold} owners have to sign, and {len(wallets)} are here"
            )
        return list(wallets.values())[:threshold]

    def _require_safe(self) -> None:
        """A Safe since 1.3 has a domain that names its chain, and says so; nothing else has the same at its address."""
        named = codec.encode(["bytes32", "uint256", "address"], [_DOMAIN_TYPE, self._chain.chain_id, self.address])
        try:
            said = simulate(self._chain, None, _question(self.address, "domainSeparator()"))
        except ContractError:
            said = b""
        if said != keccak(named):
            raise InvalidInput(f"there is no Safe of version 1.3 or later at {self.address}")

    def _number(self, function: str) -> int:
        return int.from_bytes(self._read(function, lambda data: data))

    def _read(self, function: str, decode: Callable[[bytes], Any]) -> Any:
        try:
            return decode(simulate(self._chain, None, _question(self.address, function)))
        except (ContractError, ValueError) as error:
            raise ChainUnavailable(f"the Safe {self.address} does not say {function}") from error


def _question(address: str, function: str) -> Call:
    return Call(address, keccak(function.encode())[:4], function)


def _json(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value)
