"""What is checked around a wallet that is not trusted: what it is asked to sign, and what it returns.

A wallet that signs something else than it was asked to, with another key, or for another chain is found out here,
before its signature is used anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import rlp
from eth_account.messages import encode_typed_data
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException

from medrec_py.crypto.typed_data import SIGNATURE_SIZE, checksum_address, digest_of, keccak, recover
from medrec_py.errors import ForeignChain, FormatError, InvalidInput, SignatureForeign, SignerMalformed

_Fields = Sequence[Any]
_MISREAD = (ValueError, IndexError, TypeError, AttributeError, OverflowError, RecursionError)
_TYPES = {1: 8, 2: 9}  # EIP-2718 type → how many fields there are before the signature's three (EIP-2930, EIP-1559)


def typed_data_digest(document: dict[str, Any]) -> bytes:
    """What is signed of any EIP-712 document, 32 bytes.

    Raises:
        InvalidInput: it is none.
    """
    if (digest := digest_of(document)) is not None:
        return digest
    try:
        message = encode_typed_data(full_message=document)
    except Exception as error:
        raise InvalidInput("the document to sign is not EIP-712 typed data") from error
    return keccak(b"\x19" + message.version + message.header + message.body)


def require_chain(document: Mapping[str, Any], chain_id: int) -> None:
    """Make sure that a document's domain names a chain, and this one: some wallets sign for any chain.

    Raises:
        ForeignChain: it does not.
        InvalidInput: it has no domain.
    """
    domain = document.get("domain")
    if not isinstance(domain, Mapping):
        raise InvalidInput("the document to sign is not EIP-712 typed data")
    named = domain.get("chainId")
    if named is None or _number(named) != chain_id:
        raise ForeignChain(
            f"the document to sign names the chain {named}, and the wallet is meant for chain {chain_id}"
        )


def require_transaction_chain(transaction: Mapping[str, Any], chain_id: int) -> None:
    """Make sure that a transaction is for a chain.

    Raises:
        ForeignChain: it is for another one, or for any (EIP-155).
    """
    if transaction.get("chainId") != chain_id:
        named = transaction.get("chainId")
        raise ForeignChain(f"the transaction is for the chain {named}, and the wallet is meant for chain {chain_id}")


def checked_signature(answer: object, account: str, digest: bytes, name: str) -> bytes:
    """The signature that a wallet returned, if it is the account's over a digest.

    Args:
        answer: As JSON has it: 0x and hexadecimal digits.
        account: EIP-55.
        digest: 32 bytes.
        name: The wallet, for messages.

    Returns:
        65 bytes ``r ‖ s ‖ v`` with ``v`` 27 or 28, whichever way the wallet writes it.

    Raises:
        SignerMalformed: it is no signature.
        SignatureForeign: it is another's, or over something else.
    """
    signature = octets_of(answer)
    if len(signature) != SIGNATURE_SIZE:
        raise SignerMalformed(f"{name} returned no signature of {SIGNATURE_SIZE} bytes")
    if signature[64] in (0, 1):
        signature = signature[:64] + bytes([signature[64] + 27])
    try:
        signer = checksum_address(recover(digest, signature))
    except FormatError as error:
        raise SignerMalformed(f"{name} returned a signature that is none: {error}") from None
    if signer != account:
        raise SignatureForeign(f"{name} returned a signature that is not one of {account} over the document")
    return signature


def checked_transaction(answer: object, asked: Mapping[str, Any], account: str, name: str) -> bytes:
    """The transaction that a wallet returned, if it is the one that was asked for, signed by the account.

    Gas and fees may differ: wallets let people change those. What is called, with which value, under which nonce and on
    which chain may not.

    Args:
        answer: Its bytes.
        asked: See ``Signer.sign_transaction``.
        account: EIP-55.
        name: The wallet, for messages.

    Raises:
        SignerMalformed: it is no signed transaction of a kind that is asked for.
        SignatureForeign: it is another one, or another account's.
    """
    raw = octets_of(answer)
    try:
        essence, digest, signature = _read(raw)
        signer = checksum_address(recover(digest, signature))
    except (*_MISREAD, RLPException, FormatError, BadSignature, ValidationError):
        raise SignerMalformed(f"{name} returned no signed transaction") from None
    if signer != account:
        raise SignatureForeign(f"{name} returned a transaction that {signer} signed, not {account}")
    if essence != _essence_of(asked):
        raise SignatureForeign(f"{name} signed another transaction than it was given")
    return raw


def octets_of(answer: object) -> bytes:
    """The bytes that an answer has in hexadecimal digits; none if it is no such text."""
    if isinstance(answer, bytes):
        return answer
    try:
        return bytes.fromhex(answer.removeprefix("0x")) if isinstance(answer, str) else b""
    except ValueError:
        return b""


class _Essence(NamedTuple):
    """What of a transaction may not be another; ``to`` is 20 bytes, or none to deploy."""

    chain_id: int
    nonce: int
    to: bytes
    value: int
    data: bytes


def _essence_of(transaction: Mapping[str, Any]) -> _Essence:
    to = transaction.get("to")
    return _Essence(
        int(transaction["chainId"]),
        int(transaction["nonce"]),
        b"" if to is None else bytes.fromhex(str(to).removeprefix("0x")),
        int(transaction["value"]),
        bytes(transaction["data"]),
    )


def _read(raw: bytes) -> tuple[_Essence, bytes, bytes]:
    """What a signed transaction does, the digest that is signed, and the signature ``r ‖ s ‖ v``."""
    if raw[0] in _TYPES:
        before = _TYPES[raw[0]]
        fields: _Fields = rlp.decode(raw[1:])
        if len(fields) != before + 3:
            raise ValueError(len(fields))
        digest = keccak(raw[:1] + rlp.encode(fields[:before]))
        to = before - 4  # followed by value, data and access list
        essence = _Essence(_int(fields[0]), _int(fields[1]), fields[to], _int(fields[to + 1]), fields[to + 2])
        return essence, digest, _signature(fields[before + 1], fields[before + 2], _int(fields[before]))
    fields = rlp.decode(raw)
    if len(fields) != 9:
        raise ValueError(len(fields))
    v = _int(fields[6])
    chain_id, parity = (v - 35) // 2, (v - 35) % 2  # EIP-155; below zero for one that is good on every chain
    digest = keccak(rlp.encode([*fields[:6], _quantity(chain_id), b"", b""]))
    essence = _Essence(chain_id, _int(fields[0]), fields[3], _int(fields[4]), fields[5])
    return essence, digest, _signature(fields[7], fields[8], parity)


def _quantity(number: int) -> bytes:
    """An integer as RLP has it."""
    return number.to_bytes((number.bit_length() + 7) // 8)


def _signature(r: bytes, s: bytes, parity: int) -> bytes:
    signature = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([parity])
    Signature(signature)  # raises for what is out of range
    return signature[:64] + bytes([27 + parity])


def _int(octets: Any) -> int:
    if not isinstance(octets, bytes):
        raise TypeError("a list where a number has to be")
    return int.from_bytes(octets)


def _number(written: object) -> int | None:
    """A number of a document: as such, in decimal or, behind 0x, in hexadecimal digits."""
    if isinstance(written, int) and not isinstance(written, bool):
        return written
    try:
        return int(written, 16 if written[:2].lower() == "0x" else 10) if isinstance(written, str) else None
    except ValueError:
        return None
