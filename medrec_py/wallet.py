"""Wallets: who signs.

`Signer` is all that MedRec asks of a wallet; anything with these three members will do: a hardware wallet, a key
service, a browser. `Wallet` is one whose key is in this process, made from a BIP-39 phrase or kept in a keystore;
`medrec_py.wallets` has those whose key is elsewhere.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any, NoReturn, Protocol, Self, runtime_checkable

from eth_account import Account
from eth_account.hdaccount import key_from_seed
from eth_account.hdaccount.mnemonic import Mnemonic
from eth_account.signers.local import LocalAccount
from eth_account.types import Language
from eth_keys.datatypes import PrivateKey

from medrec_py.crypto.keys import RootSecret
from medrec_py.crypto.typed_data import digest_of
from medrec_py.errors import FormatError, InvalidInput, InvalidPhrase, RootSecretMissing, WalletError, WrongPassphrase

WORDS = 24
"""Length of a new phrase: 256 bits."""

STANDARD_COST, LIGHT_COST = 1 << 18, 1 << 12
"""scrypt's n of a keystore: 256 MiB and most of a second for each guess, or 4 MiB and a hundredth of a second."""

# Of scrypt, 128·n·r bytes of memory: ours take 256 MiB, and a keystore that asks for more than a GiB is meant to stop
# us.
_MOST_MEMORY = 1 << 30
_MOST_ITERATIONS = 1 << 24

_PATH = "m/44'/60'/0'/0"
_ACCOUNTS = 1 << 31  # BIP-32: above are the hardened ones


@runtime_checkable
class Signer(Protocol):
    """What MedRec asks of a wallet."""

    @property
    def address(self) -> str:
        """The account, in the writing of EIP-55."""
        ...

    def sign_transaction(self, transaction: dict[str, Any], /) -> bytes:
        """Sign a transaction and return its bytes as ``eth_sendRawTransaction`` takes them.

        Args:
            transaction: ``chainId``, ``nonce``, ``gas``, ``value`` (integers), ``data`` (bytes), ``to`` (address;
                absent to deploy), and ``gasPrice``, or ``maxFeePerGas`` and ``maxPriorityFeePerGas`` with ``type`` 2.
        """
        ...

    def sign_typed_data(self, document: dict[str, Any], /) -> bytes:
        """Sign an EIP-712 document (``eth_signTypedData_v4``): 65 bytes ``r ‖ s ‖ v``, low ``s``, ``v`` 27 or 28.

        An account with code returns what it takes for its signature (ERC-1271), at most 4,096 bytes.
        """
        ...


class Wallet:
    """A wallet whose key is in this process.

    It never shows its key: not in ``repr``, not in errors, and it cannot be pickled or copied.

    Attributes:
        address: The account, in the writing of EIP-55.
        root: What the person's long-lived keys come from; ``None`` for a wallet that was not made from a phrase.
        phrase: The words that it was made from; ``None`` if it was not.
    """

    __slots__ = ("_account", "_key", "_phrase", "_root")

    def __init__(self, key: bytes, *, root: RootSecret | None = None, phrase: str | None = None) -> None:
        """Take a private key. `create`, `from_phrase`, `from_key` and `from_keystore` are what you want.

        Raises:
            InvalidInput: it is not a private key of secp256k1.
        """
        account = _account_of(key)
        if account is None:
            raise InvalidInput("a private key must be 32 bytes, neither zero nor beyond the curve's order")
        self._account = account
        self._key = PrivateKey(key)
        self._root = root
        self._phrase = phrase

    @classmethod
    def create(cls) -> Self:
        """A new wallet from a new BIP-39 phrase of 24 words. Have the person write `phrase` down."""
        return cls.from_phrase(Mnemonic(Language.ENGLISH).generate(WORDS))

    @classmethod
    def from_phrase(cls, phrase: str, account: int = 0) -> Self:
        """The wallet and root secret of a BIP-39 phrase in English (docs/format.md §2; BIP-44).

        Args:
            phrase: 12, 15, 18, 21 or 24 words. Upper case and any white space between them will do, and so will the
                first four letters of each, which is what some people engrave.
            account: Number of the account, from 0: the key at ``m/44'/60'/0'/0/account``, as most wallets count. The
                root secret is the phrase's, the same with each account; `phrase` restores the account only together
                with its number.

        Raises:
            InvalidPhrase: a word is unknown, or the checksum does not fit. The message does not show the words.
            InvalidInput: there is no account of that number.

        Warning: what one account of a phrase can open, its root secret opens, and so whoever holds the phrase. Accounts
            of different people have phrases of their own.
        """
        if not 0 <= account < _ACCOUNTS:
            raise InvalidInput("the accounts of a phrase are numbered from 0 to 2^31 - 1")
        words = Mnemonic(Language.ENGLISH).expand(" ".join(unicodedata.normalize("NFKD", phrase).lower().split()))
        seed = _seed_of(words)
        if seed is None:
            raise InvalidPhrase("the words are not a valid BIP-39 phrase")
        return cls(key_from_seed(seed, f"{_PATH}/{account}"), root=RootSecret.from_bip39_seed(seed), phrase=words)

    @classmethod
    def from_key(cls, key: bytes | str, *, root: RootSecret | None = None) -> Self:
        """The wallet of a private key: 32 bytes, or 64 hexadecimal digits with or without 0x.

        Raises:
            InvalidInput: it is not a private key of secp256k1.
        """
        return cls(_octets(key) if isinstance(key, str) else key, root=root)

    @classmethod
    def from_keystore(
        cls, keystore: Mapping[str, Any] | str, passphrase: str, *, root: RootSecret | None = None
    ) -> Self:
        """The wallet in a keystore (Web3 Secret Storage, version 3), of ours, geth's or another's.

        Args:
            keystore: The JSON document, as text or as read.
            passphrase: What it was encrypted with.
            root: The person's root secret, which a keystore does not hold.

        Raises:
            FormatError: it is not such a document.
            WrongPassphrase: the passphrase does not open it.
            WalletError: it asks for an unreasonable amount of memory or time, or its address is not that of its key.
        """
        document = _read_keystore(keystore)
        try:
            key = bytes(Account.decrypt(document, passphrase))
        except (ValueError, TypeError, KeyError, AttributeError, AssertionError, NotImplementedError) as error:
            if str(error) == "MAC mismatch":
                raise WrongPassphrase("the passphrase does not open the keystore") from None
            raise FormatError("the keystore cannot be read: it is not a version 3 document of known ciphers") from error
        wallet = cls(key, root=root)
        stated = str(document.get("address", "")).lower().removeprefix("0x")
        if stated and stated != wallet.address[2:].lower():
            raise WalletError(f"the keystore says that it is of 0x{stated}, and its key is that of {wallet.address}")
        return wallet

    def to_keystore(self, passphrase: str, *, light: bool = False) -> dict[str, Any]:
        """The key, encrypted with a passphrase: a keystore of version 3 with scrypt (n = 2^18), which geth reads too.

        It holds the wallet's key alone, neither phrase nor root secret.

        Args:
            passphrase: Not empty.
            light: Use n = 2^12, as geth's ``--lightkdf`` does: quick to open and quick to guess. For tests.

        Raises:
            InvalidInput: the passphrase is empty.
        """
        if not passphrase:
            raise InvalidInput("an empty passphrase protects nothing")
        cost = LIGHT_COST if light else STANDARD_COST
        document: dict[str, Any] = Account.encrypt(self._account.key, passphrase, kdf="scrypt", iterations=cost)
        return document

    @property
    def address(self) -> str:
        """The account, in the writing of EIP-55."""
        return str(self._account.address)

    @property
    def root(self) -> RootSecret | None:
        """What the person's long-lived keys come from; ``None`` for a wallet that was not made from a phrase."""
        return self._root

    @property
    def phrase(self) -> str | None:
        """The BIP-39 phrase that the wallet was made from. Secret: it restores the wallet and opens the record."""
        return self._phrase

    def sign_transaction(self, transaction: dict[str, Any], /) -> bytes:
        """Sign a transaction; see `Signer`.

        Raises:
            InvalidInput: a field is missing or out of range.
        """
        try:
            return bytes(self._account.sign_transaction(transaction).raw_transaction)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"the transaction cannot be signed: {error}") from error

    def sign_typed_data(self, document: dict[str, Any], /) -> bytes:
        """Sign an EIP-712 document; see `Signer`. Deterministic (RFC 6979).

        Raises:
            InvalidInput: it is no EIP-712 document.
        """
        if (digest := digest_of(document)) is not None:
            signature = self._key.sign_msg_hash(digest).to_bytes()
            return signature[:64] + bytes([27 + signature[64]])
        try:
            return bytes(self._account.sign_typed_data(full_message=document).signature)
        except Exception as error:
            raise InvalidInput("the document to sign is not EIP-712 typed data") from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a wallet cannot be pickled or copied: that would spread its key")


class Locked:
    """A wallet of which only the address is known: it signs nothing.

    Args:
        address: EIP-55.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def sign_transaction(self, _transaction: dict[str, Any], /) -> bytes:
        """Refuses."""
        raise WalletError(f"the wallet of {self.address} is locked, or is not here")

    def sign_typed_data(self, _document: dict[str, Any], /) -> bytes:
        """Refuses."""
        raise WalletError(f"the wallet of {self.address} is locked, or is not here")


def require_root(signer: Signer, root: RootSecret | None = None) -> RootSecret:
    """The root secret to use with a wallet: the one given, else the wallet's own.

    Raises:
        RootSecretMissing: there is neither.
    """
    found = root if root is not None else getattr(signer, "root", None)
    if not isinstance(found, RootSecret):
        raise RootSecretMissing(f"the wallet of {signer.address} has no root secret")
    return found


# These return nothing in place of raising: the errors of the libraries show what they were given, and an exception that
# is being handled stays attached to one that is raised from there, even with `from None`.


def _account_of(key: bytes) -> LocalAccount | None:
    try:
        account: LocalAccount = Account.from_key(key)
        return account
    except Exception:  # noqa: BLE001
        return None


def _octets(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits.removeprefix("0x"))
    except ValueError:
        return b""


def _seed_of(words: str) -> bytes | None:
    try:
        return Mnemonic.to_seed(words) if Mnemonic(Language.ENGLISH).is_mnemonic_valid(words) else None
    except Exception:  # noqa: BLE001
        return None


def _read_keystore(keystore: Mapping[str, Any] | str) -> dict[str, Any]:
    if isinstance(keystore, str):
        try:
            keystore = json.loads(keystore)
        except ValueError as error:
            raise FormatError("the keystore is not JSON") from error
    if not isinstance(keystore, Mapping) or keystore.get("version") != 3:
        raise FormatError("the keystore is not one of version 3 (Web3 Secret Storage)")
    document = {str(name).lower(): value for name, value in keystore.items()}
    try:
        cost = document["crypto"]["kdfparams"]
        memory = 128 * int(cost.get("n", 0)) * int(cost.get("r", 0)) * max(1, int(cost.get("p", 1)))
        iterations = int(cost.get("c", 0))
        size = int(cost["dklen"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError("the keystore does not say how its key is derived") from error
    if size != 32:
        raise FormatError("the keystore's derived key must have 32 bytes")
    if memory > _MOST_MEMORY or iterations > _MOST_ITERATIONS:
        raise WalletError("the keystore asks for an unreasonable amount of memory or time")
    return document
