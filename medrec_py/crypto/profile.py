"""Profiles: the public key, name and endpoints that an account publishes for itself (docs/format.md §8)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from medrec_py.crypto import cbor
from medrec_py.crypto.blocks import check_size
from medrec_py.crypto.keys import ADDRESS_SIZE, Deployment, check_uint
from medrec_py.crypto.keys import check_size as check_input
from medrec_py.crypto.suites import Suite, by_number
from medrec_py.crypto.typed_data import (
    CheckContractSignature,
    SignTypedData,
    TypedStruct,
    check_signature,
    is_signed_by,
    sign,
)
from medrec_py.errors import FormatError, IntegrityError

VERSION = 1

_KEYS = ("v", "suite", "account", "number", "key", "name", "endpoints", "time", "signature")
_MAX_NUMBER = (1 << 32) - 1
PROFILE = TypedStruct("Profile", (("account", "address"), ("content", "bytes32")))


@dataclass(frozen=True, slots=True)
class ProfileContent:
    """What a profile says. As such it is not verified.

    Attributes:
        suite: Of the key.
        account: Whose profile it is, an address of 20 bytes.
        number: Of the profile key, so that the account finds it in its root secret.
        public_key: What grants are sealed to.
        name: May be empty: a provider names itself, a relative need not.
        endpoints: URLs, as the account gives them.
        time: When it was signed, Unix time.
    """

    suite: Suite
    account: bytes
    number: int
    public_key: bytes = field(repr=False)
    name: str
    endpoints: tuple[str, ...]
    time: int

    def typed_data(self, deployment: Deployment) -> dict[str, Any]:
        """The EIP-712 document as JSON has it, for a wallet to show and sign."""
        return PROFILE.typed_data(deployment, self._message())

    def digest(self, deployment: Deployment) -> bytes:
        """The EIP-712 digest that is signed, 32 bytes."""
        return PROFILE.digest(deployment, self._message())

    def as_map(self) -> dict[str, cbor.Value]:
        """The profile's map without its signature."""
        return {
            "v": VERSION,
            "suite": self.suite.number,
            "account": self.account,
            "number": self.number,
            "key": self.public_key,
            "name": self.name,
            "endpoints": list(self.endpoints),
            "time": self.time,
        }

    def _message(self) -> dict[str, int | bytes]:
        return {"account": self.account, "content": hashlib.sha256(cbor.encode(self.as_map())).digest()}


@dataclass(frozen=True, slots=True)
class UnverifiedProfile:
    """A profile that has the right form. Only ``verify`` gives its content."""

    _content: ProfileContent
    _signature: bytes = field(repr=False)

    def verify(
        self, deployment: Deployment, account: bytes, check_contract: CheckContractSignature | None = None
    ) -> ProfileContent:
        """What the profile says, if the account said so.

        Args:
            deployment: Chain and contract in whose domain it is signed.
            account: Whose profile it must be, 20 bytes.
            check_contract: Asks an account with code (ERC-1271); without it such accounts are refused.

        Raises:
            IntegrityError: it is another account's, or not signed by it for this deployment.
        """
        if self._content.account != account:
            raise IntegrityError("the profile belongs to another account")
        if not is_signed_by(account, self._content.digest(deployment), self._signature, check_contract):
            raise IntegrityError("the profile is not signed by its account for this deployment")
        return self._content


def build(
    sign_typed_data: SignTypedData,
    deployment: Deployment,
    account: bytes,
    number: int,
    public_key: bytes,
    *,
    name: str = "",
    endpoints: Sequence[str] = (),
    time: int,
    suite: Suite,
    check_contract: CheckContractSignature | None = None,
) -> bytes:
    """Have an account's wallet sign its profile; the SHA-256 of the block goes into ``publishProfile``.

    Raises:
        InvalidInput: a number is out of bounds, or the wallet signed with another key.
        FormatError: nothing can be sealed to the public key, or a text is not valid Unicode.
    """
    suite.check_public_key(public_key)
    content = ProfileContent(
        suite=suite,
        account=check_input(account, ADDRESS_SIZE, "the account"),
        number=check_uint(number, "the number of the profile key", _MAX_NUMBER),
        public_key=public_key,
        name=name,
        endpoints=tuple(endpoints),
        time=check_uint(time, "the time"),
    )
    document, digest = content.typed_data(deployment), content.digest(deployment)
    signature = sign(sign_typed_data, account, document, digest, check_contract)
    return check_size(cbor.encode(content.as_map() | {"signature": signature}), "the profile")


def parse(block: bytes) -> UnverifiedProfile:
    """Read a profile.

    Raises:
        FormatError: the block is no profile of this version, or nothing can be sealed to its public key.
        UnknownSuite: the key is of a suite that this version does not have.
    """
    fields = cbor.Fields(cbor.decode(block), "the profile", _KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError("a profile of another version")
    suite = by_number(fields.uint("suite"))
    public_key = fields.octets("key", suite.public_key_size)
    suite.check_public_key(public_key)
    signature = check_signature(fields.octets("signature"))
    content = ProfileContent(
        suite=suite,
        account=fields.octets("account", ADDRESS_SIZE),
        number=fields.uint("number", _MAX_NUMBER),
        public_key=public_key,
        name=fields.text("name"),
        endpoints=tuple(cbor.text(endpoint, "an endpoint") for endpoint in fields.array("endpoints")),
        time=fields.uint("time"),
    )
    return UnverifiedProfile(content, signature)
