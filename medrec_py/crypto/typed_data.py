"""EIP-712 typed data and its signatures, for structs of plain words.

A struct's digest is put together here, without a library; ``TypedStruct.typed_data`` gives the same thing as
the JSON document that a wallet shows and signs. Tests hold the two against each other through eth-account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

from eth_hash.abc import BackendAPI
from eth_hash.backends.auto import AutoBackend
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from medrec_py.crypto.keys import ADDRESS_SIZE, Deployment, check_size
from medrec_py.errors import FormatError, InvalidInput

_keccak_backend: BackendAPI
try:
    from eth_hash.backends.pysha3 import PySha3Backend

    _keccak_backend = PySha3Backend()
except ImportError:  # it has no wheel everywhere; eth-hash's own choice is slower
    _keccak_backend = AutoBackend()

SIGNATURE_SIZE = 65
MAX_SIGNATURE_SIZE = 4096
"""Of an account with code (ERC-1271), in bytes; a key's signature has 65."""

SignTypedData: TypeAlias = Callable[[dict[str, Any]], bytes]
"""A wallet: takes the EIP-712 document (``eth_signTypedData_v4``) and returns ``r ‖ s ‖ v``."""

CheckContractSignature: TypeAlias = Callable[[bytes, bytes, bytes], bool]
"""Asks an account with code (ERC-1271) about a signature: address (20 bytes), digest (32 bytes), signature → valid."""

Message: TypeAlias = Mapping[str, int | bytes]


class Signable(Protocol):
    """What is to be signed, and knows how a wallet is shown it."""

    def typed_data(self) -> dict[str, Any]:
        """The EIP-712 document."""

    def digest(self) -> bytes:
        """The EIP-712 digest, 32 bytes."""


_UNREADABLE = (ArithmeticError, AttributeError, InvalidInput, LookupError, TypeError, ValueError)
"""What reading a document of any form may raise."""

DOMAIN_NAME = "MedRec"
DOMAIN_VERSION = "1"
_DOMAIN_FIELDS = (("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address"))
_SIZES = {"address": ADDRESS_SIZE} | {f"bytes{n}": n for n in range(1, 33)} | {f"uint{8 * n}": n for n in range(1, 33)}
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # SEC 2, secp256k1


def keccak(octets: bytes) -> bytes:
    """Keccak-256, as Ethereum uses it; 32 bytes."""
    return _keccak_backend.keccak256(octets)


@lru_cache(maxsize=1024)
def checksum_address(address: bytes) -> str:
    """The address of 20 bytes in the writing of EIP-55."""
    digits = address.hex()
    digest = keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(h, 16) >= 8 else d for d, h in zip(digits, digest, strict=False))


@dataclass(frozen=True, slots=True)
class TypedStruct:
    """An EIP-712 struct type whose members are addresses, ``bytes1`` to ``bytes32`` and unsigned integers.

    Attributes:
        name: Of the type.
        fields: Name and type of each member, in their order.
    """

    name: str
    fields: tuple[tuple[str, str], ...]

    def digest(self, deployment: Deployment, message: Message) -> bytes:
        """What is signed: ``keccak(0x1901 ‖ domain separator ‖ hashStruct(message))``, 32 bytes."""
        return keccak(b"\x19\x01" + domain_separator(deployment) + self._hash(message))

    def typed_data(self, deployment: Deployment, message: Message) -> dict[str, Any]:
        """The whole document as JSON has it. Integers are decimal strings: JavaScript cannot hold 64 bits."""
        return {
            "types": {"EIP712Domain": _members(_DOMAIN_FIELDS), self.name: _members(self.fields)},
            "primaryType": self.name,
            "domain": {
                "name": DOMAIN_NAME,
                "version": DOMAIN_VERSION,
                "chainId": deployment.chain_id,
                "verifyingContract": checksum_address(deployment.contract),
            },
            "message": {name: _json(kind, message[name]) for name, kind in self.fields},
        }

    def read(self, document: Mapping[str, Any]) -> tuple[Deployment, Message]:
        """Domain and message of a document that is exactly one that ``typed_data`` makes.

        Raises:
            FormatError: it is another one, or is written otherwise.
        """
        try:
            struct, deployment, message = _read(document)
        except _UNREADABLE as error:
            raise FormatError(f"the document is no {self.name} as MedRec writes it") from error
        if struct != self or self.typed_data(deployment, message) != document:
            raise FormatError(f"the document is no {self.name} as MedRec writes it")
        return deployment, message

    def _hash(self, message: Message) -> bytes:
        return keccak(_type_hash(self) + b"".join([_word(kind, message[name]) for name, kind in self.fields]))


@lru_cache(maxsize=64)
def _type_hash(struct: TypedStruct) -> bytes:
    members = ",".join(f"{kind} {name}" for name, kind in struct.fields)
    return keccak(f"{struct.name}({members})".encode())


def digest_of(document: Mapping[str, Any]) -> bytes | None:
    """What is signed of a document, 32 bytes, if it is exactly one that ``TypedStruct.typed_data`` makes.

    A wallet in this process signs those in a fifth of the time that a library for all of EIP-712 takes.

    Returns:
        ``None`` for every other document: of another domain, with other types, or written otherwise.
    """
    try:
        struct, deployment, message = _read(document)
    except _UNREADABLE:
        return None
    return struct.digest(deployment, message) if struct.typed_data(deployment, message) == document else None


def _read(document: Mapping[str, Any]) -> tuple[TypedStruct, Deployment, Message]:
    """Struct, domain and message of a document; raises one of many errors if it has others than those here."""
    name, domain, message = document["primaryType"], document["domain"], document["message"]
    struct = TypedStruct(name, tuple((member["name"], member["type"]) for member in document["types"][name]))
    values = {member: _value(kind, message[member]) for member, kind in struct.fields}
    names_are_plain = all(map(str.isidentifier, (name, *values)))
    if name == "EIP712Domain" or len(values) < len(struct.fields) or not names_are_plain:
        raise ValueError(name)
    return struct, Deployment(int(domain["chainId"]), bytes.fromhex(domain["verifyingContract"][2:])), values


def domain_separator(deployment: Deployment) -> bytes:
    """The hash of the contract's EIP-712 domain, 32 bytes."""
    return _domain_separator(deployment.chain_id, deployment.contract)


@lru_cache(maxsize=64)
def _domain_separator(chain_id: int, contract: bytes) -> bytes:
    members = ",".join(f"{kind} {name}" for name, kind in _DOMAIN_FIELDS)
    return keccak(
        keccak(f"EIP712Domain({members})".encode())
        + keccak(DOMAIN_NAME.encode())
        + keccak(DOMAIN_VERSION.encode())
        + _word("uint256", chain_id)
        + _word("address", contract)
    )


def recover(digest: bytes, signature: bytes) -> bytes:
    """The address, 20 bytes, whose key made an ECDSA signature.

    Raises:
        FormatError: the signature is not ``r ‖ s ‖ v`` of 65 bytes with v 27 or 28, ``r`` or ``s`` is out of range,
            ``s`` lies in the upper half (EIP-2: one signature, one encoding), or there is no such key.
    """
    if len(signature) != SIGNATURE_SIZE or signature[64] not in (27, 28):
        raise FormatError("an ECDSA signature must be 65 bytes, r ‖ s ‖ v, with v 27 or 28")
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])
    if not (0 < r < _CURVE_ORDER and 0 < s <= _CURVE_ORDER // 2):
        raise FormatError("r or s of a signature is out of range")
    try:
        parsed = Signature(signature[:64] + bytes([signature[64] - 27]))
        public_key = parsed.recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError) as error:
        raise FormatError("a signature belongs to no key") from error
    return keccak(public_key.to_bytes())[-ADDRESS_SIZE:]


def is_signed_by(
    account: bytes, digest: bytes, signature: bytes, check_contract: CheckContractSignature | None = None
) -> bool:
    """Whether ``account`` signed ``digest``, with its key or, given ``check_contract``, by its code (ERC-1271)."""
    try:
        if recover(digest, signature) == account:
            return True
    except FormatError:
        pass
    return check_contract is not None and check_contract(account, digest, signature)


def check_signature(signature: bytes) -> bytes:
    """The signature, if it has a size that one can have. Whose it is, `is_signed_by` says.

    Raises:
        FormatError: it has none.
    """
    if not 0 < len(signature) <= MAX_SIGNATURE_SIZE:
        raise FormatError(f"a signature has between 1 and {MAX_SIGNATURE_SIZE} bytes, not {len(signature)}")
    return signature


def sign_message(
    sign_typed_data: SignTypedData,
    account: bytes,
    message: Signable,
    check_contract: CheckContractSignature | None = None,
) -> bytes:
    """`sign`, for what knows its document and its digest."""
    return sign(sign_typed_data, account, message.typed_data(), message.digest(), check_contract)


def sign(
    sign_typed_data: SignTypedData,
    account: bytes,
    document: dict[str, Any],
    digest: bytes,
    check_contract: CheckContractSignature | None = None,
) -> bytes:
    """Have a wallet sign and check what it returns. A ``v`` of 0 or 1, as some wallets return, becomes 27 or 28.

    Raises:
        InvalidInput: the signature is not one of ``account`` over ``digest``.
    """
    signature = bytes(sign_typed_data(document))
    if len(signature) == SIGNATURE_SIZE and signature[64] in (0, 1):
        signature = signature[:64] + bytes([signature[64] + 27])
    if len(signature) > MAX_SIGNATURE_SIZE or not is_signed_by(account, digest, signature, check_contract):
        raise InvalidInput(f"the wallet's signature is not one of {checksum_address(account)}")
    return signature


def _members(fields: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields]


def _word(kind: str, value: int | bytes) -> bytes:
    """A value as 32 bytes (EIP-712, encodeData): integers and addresses to the right, bytes to the left."""
    if isinstance(value, int):
        return value.to_bytes(32)
    return value.rjust(32, b"\0") if kind == "address" else value.ljust(32, b"\0")


def _value(kind: str, written: str) -> int | bytes:
    """What ``_json`` wrote; raises for a kind that is no plain word, and for a value that has no room in it."""
    size = _SIZES[kind]
    if not kind.startswith("uint"):
        return check_size(bytes.fromhex(written[2:]), size, kind)
    number = int(written)
    number.to_bytes(size)  # raises OverflowError
    return number


def _json(kind: str, value: int | bytes) -> str:
    if isinstance(value, int):
        return str(value)
    return checksum_address(value) if kind == "address" else "0x" + value.hex()
