"""Secrets, and the keys that are derived from them (docs/format.md §2, §3 and §6).

Every secret is an object of its own class, so that a history key cannot be passed where a data key is meant.
None shows its bytes in a ``repr`` or an error; ``expose()`` gives them to those who must have them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from medrec_py.crypto import cbor
from medrec_py.errors import InvalidInput

if TYPE_CHECKING:
    from medrec_py.crypto.suites import Sealed, Suite

ADDRESS_SIZE = 20
RECORD_ID_SIZE = 16
SECRET_SIZE = 32
BIP39_SEED_SIZE = 64
COMPARTMENTS = 64
"""Compartments are numbered from 0 to 63."""

_ROOT_SECRET = "medrec/1/root-secret"  # noqa: S105 - a label
_ROOT_KEY = "medrec/1/root-key"
_INBOX_KEY = "medrec/1/inbox-key"
_PROFILE_KEY = "medrec/1/profile-key"
_JOURNAL_KEY = "medrec/1/journal-key"
_EXCHANGE_KEY = "medrec/1/exchange-key"
_CONTENT = "medrec/1/content"
_COMMITMENT = "medrec/1/commitment"
_METADATA = "medrec/1/metadata"


def context(label: str, *items: cbor.Value) -> bytes:
    """An ``info`` or associated data: the CBOR array of a label and what the key or ciphertext is bound to (§1)."""
    return cbor.encode([label, *items])


def hkdf(secret: bytes, info: bytes, salt: bytes = b"") -> bytes:
    """HKDF-SHA256 (RFC 5869), 32 bytes of output."""
    return HKDF(algorithm=SHA256(), length=SECRET_SIZE, salt=salt, info=info).derive(secret)


def check_size(value: bytes, size: int, what: str) -> bytes:
    """``value`` as ``bytes`` if it has ``size`` bytes; raises ``InvalidInput`` naming ``what`` otherwise."""
    if not isinstance(value, bytes | bytearray | memoryview) or len(value) != size:
        raise InvalidInput(f"{what} must be {size} bytes")
    return bytes(value)


def check_uint(value: int, what: str, maximum: int = cbor.MAX_UINT, minimum: int = 0) -> int:
    """``value`` if it lies within the bounds; raises ``InvalidInput`` naming ``what`` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise InvalidInput(f"{what} must be an integer from {minimum} to {maximum}")
    return value


def new_record_id() -> bytes:
    """A random record id, 16 bytes."""
    return secrets.token_bytes(RECORD_ID_SIZE)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One contract on one chain.

    Attributes:
        chain_id: EIP-155 chain id, from 1.
        contract: Address of the contract, 20 bytes.
    """

    chain_id: int
    contract: bytes

    def __post_init__(self) -> None:
        check_uint(self.chain_id, "the chain id", minimum=1)
        check_size(self.contract, ADDRESS_SIZE, "the contract's address")


@dataclass(frozen=True, slots=True)
class Place(Deployment):
    """One patient of one deployment: what every seal is bound to (§1).

    Attributes:
        patient: The patient id, an address of 20 bytes.
    """

    patient: bytes

    def __post_init__(self) -> None:
        Deployment.__post_init__(self)
        check_size(self.patient, ADDRESS_SIZE, "the patient id")

    def __iter__(self) -> Iterator[int | bytes]:
        """The three CBOR items of a place, in their order."""
        return iter((self.chain_id, self.contract, self.patient))


class Secret:
    """32 secret bytes. Compared in constant time, never shown, not hashable.

    Raises:
        InvalidInput: another number of bytes is given.
    """

    __slots__ = ("_octets",)
    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __init__(self, octets: bytes) -> None:
        self._octets = check_size(octets, SECRET_SIZE, f"a {type(self).__name__}")

    @classmethod
    def generate(cls) -> Self:
        """A new one, from the operating system's random numbers."""
        return cls(secrets.token_bytes(SECRET_SIZE))

    def expose(self) -> bytes:
        """The 32 bytes. Do not log, print or store them in the clear."""
        return self._octets

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and hmac.compare_digest(self._octets, other._octets)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class KemSeed(Secret):
    """A private key of a suite's KEM, as the 32-byte seed that it is expanded from.

    Expanding takes longer than opening with what comes out, and an epoch's seed opens many records. So a suite
    leaves what it expanded in ``expanded``, under its number: there it lives as long as the seed, and no longer.
    """

    __slots__ = ("expanded",)

    def __init__(self, octets: bytes) -> None:
        super().__init__(octets)
        self.expanded: dict[int, Any] = {}

    def __reduce__(self) -> tuple[type[Self], tuple[bytes]]:
        """A copy, in this process or another, is of the 32 bytes alone."""
        return type(self), (self._octets,)

    def open(self, suite: Suite, info: bytes, sealed: Sealed) -> bytes:
        """Open what was sealed to the seed's public key with the same ``info``. Raises as ``Suite.open``."""
        return suite.open(self, info, sealed)


class HistoryKey(Secret):
    """Opens the back-links of one epoch, and so the epochs before it (§6)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class EpochKeys:
    """The keys of an epoch that somebody holds.

    Attributes:
        seed: Opens what is sealed to the epoch.
        history: Opens the epochs before it; ``None`` for a reader without HISTORY.
    """

    seed: KemSeed
    history: HistoryKey | None

    @classmethod
    def generate(cls) -> Self:
        """Keys of a new epoch."""
        return cls(KemSeed.generate(), HistoryKey.generate())

    def without_history(self) -> EpochKeys:
        """The same without the way back, for a reader without HISTORY."""
        return EpochKeys(self.seed, None)


class EpochId(NamedTuple):
    """Names an epoch of a patient: compartment (0 to 63) and number (from 1)."""

    compartment: int
    number: int


class RootSecret(Secret):
    """What all long-lived keys of a person or an organisation come from (§2)."""

    __slots__ = ()

    @classmethod
    def from_bip39_seed(cls, seed: bytes) -> Self:
        """The root secret of the 64-byte seed that a BIP-39 phrase gives."""
        return cls(hkdf(check_size(seed, BIP39_SEED_SIZE, "a BIP-39 seed"), context(_ROOT_SECRET)))

    def root_key(self, suite: int, place: Place) -> KemSeed:
        """The key that opens every epoch of the patient."""
        return self._derive(_ROOT_KEY, suite, *place)

    def inbox_key(self, suite: int, place: Place, number: int) -> KemSeed:
        """The key of the patient's inbox ``number``."""
        return self._derive(_INBOX_KEY, suite, *place, number)

    def profile_key(self, suite: int, deployment: Deployment, account: bytes, number: int) -> KemSeed:
        """The key ``number`` that ``account`` (20 bytes) publishes in its profile, and that grants are sealed to."""
        check_size(account, ADDRESS_SIZE, "the account")
        return self._derive(_PROFILE_KEY, suite, deployment.chain_id, deployment.contract, account, number)

    def journal_key(self, place: Place) -> bytes:
        """The AEAD key of what is kept on this machine while records are sealed anew, 32 bytes. It leaves no device."""
        return self._derive(_JOURNAL_KEY, *place).expose()

    def exchange_key(self, deployment: Deployment) -> bytes:
        """The AEAD key of requests for access and answers that are kept on this machine, 32 bytes."""
        return self._derive(_EXCHANGE_KEY, deployment.chain_id, deployment.contract).expose()

    def _derive(self, label: str, *items: cbor.Value) -> KemSeed:
        return KemSeed(hkdf(self._octets, context(label, *items)))


class DataKey(Secret):
    """The key of one record (§3).

    Warning: it seals one content. Whoever has to start again with content that may have changed takes a new
        data key: the chunk
    nonces are counted, and AES-GCM gives its key away when one nonce seals two texts.
    """

    __slots__ = ()

    def content_key(self, suite: int, record_id: bytes) -> bytes:
        """The AEAD key of the chunks, 32 bytes."""
        return hkdf(self._octets, context(_CONTENT, suite, record_id))

    def commitment(self, suite: int, record_id: bytes) -> bytes:
        """The 32 bytes in the envelope that tie its ciphertexts to this key. They tell nothing about it."""
        return hkdf(self._octets, context(_COMMITMENT, suite, record_id))

    def metadata_key(self, suite: int, record_id: bytes, enc: bytes) -> bytes:
        """The AEAD key of the metadata in the envelope with the HPKE encapsulation ``enc``, 32 bytes."""
        return hkdf(self._octets, context(_METADATA, suite, record_id), salt=hashlib.sha256(enc).digest())
