"""Secrets under a passphrase, the root secret first of all, as strongly as the wallet's key.

It is the crypto section of a keystore V3 over their 32 bytes: scrypt, AES-128-CTR and a MAC (Web3 Secret Storage), with
a salt of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from eth_account import Account

from medrec_py.crypto.keys import RootSecret, Secret
from medrec_py.errors import FormatError, WrongPassphrase
from medrec_py.wallet import LIGHT_COST, STANDARD_COST

_Secret = TypeVar("_Secret", bound=Secret)


def seal_root(root: RootSecret, passphrase: str, *, light: bool = False) -> dict[str, Any]:
    """Encrypt a root secret.

    Args:
        root: The secret.
        passphrase: Not empty.
        light: See ``Wallet.to_keystore``.
    """
    return seal_secret(root, passphrase, light=light)


def is_light(document: Mapping[str, Any]) -> bool:
    """Whether a root secret is sealed at the light cost."""
    try:
        return bool(document["crypto"]["kdfparams"]["n"] == LIGHT_COST)
    except (KeyError, TypeError):
        raise FormatError("the root secret cannot be read: its file is no keystore of version 3") from None


def open_root(document: Mapping[str, Any], passphrase: str) -> RootSecret:
    """Decrypt what `seal_root` made.

    Raises:
        WrongPassphrase: the passphrase is another's.
        FormatError: the document was damaged.
    """
    return open_secret(document, passphrase, RootSecret)


def seal_secret(secret: Secret, passphrase: str, *, light: bool = False) -> dict[str, Any]:
    """Encrypt any secret of 32 bytes, as `seal_root`."""
    cost = LIGHT_COST if light else STANDARD_COST
    document: dict[str, Any] = Account.encrypt(secret.expose(), passphrase, kdf="scrypt", iterations=cost)
    del document["address"]  # the one that the secret would have as a wallet's key, which it is not
    return document


def open_secret(document: Mapping[str, Any], passphrase: str, kind: type[_Secret]) -> _Secret:
    """Decrypt what `seal_secret` made. Raises as `open_root`."""
    try:
        return kind(bytes(Account.decrypt(dict(document), passphrase)))
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError, NotImplementedError) as error:
        if str(error) == "MAC mismatch":
            raise WrongPassphrase("the passphrase does not open the secret") from None
        raise FormatError("the secret cannot be read: its file is no keystore of version 3") from None
