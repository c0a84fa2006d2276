"""A module of keys in software: private keys in one encrypted file (docs/key-service.md).

The file is JSON. Its heading says which keys are in it and their public halves, so that a profile can be published
without the PIN; the seeds are under AES-256-GCM with a key that scrypt makes of the PIN, bound to the heading. It holds
several numbered keys of one account: a renewed key is added, and those before it go on opening what was sealed to them.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from medrec_py.crypto import cbor
from medrec_py.crypto.keys import ADDRESS_SIZE, SECRET_SIZE, Deployment, KemSeed, check_size
from medrec_py.crypto.suites import Sealed, by_number
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.errors import FormatError, InvalidInput, KeyModuleError, KeysMissing, WrongPin
from medrec_py.keymodule import MAX_NUMBER, Hpke, KeyId, ModuleKey
from medrec_py.wallet import LIGHT_COST, STANDARD_COST

_HOLDS: Final = "profile keys of medrec"
_VERSION: Final = 1
_BLOCK_SIZE, _PARALLEL = 8, 1
_SALT_SIZE, _NONCE_SIZE = 32, 12
_MAX_SIZE: Final = 1 << 24
_Number = tuple[int, int]  # suite and number of a key


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a key.

    Attributes:
        suite: Number of its suite.
        number: Of the profile key.
        octets: As a profile publishes it.
    """

    suite: int
    number: int
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file of keys before one is logged in: what its heading says, which only ``login`` verifies.

    Attributes:
        path: The file.
        deployment: Chain and contract that the keys are for.
        account: Whose they are, 20 bytes.
        keys: Public halves, the oldest first.
    """

    path: Path
    deployment: Deployment
    account: bytes
    keys: tuple[PublicKey, ...]
    _heading: Mapping[str, Any] = field(repr=False)
    _ciphertext: bytes = field(repr=False)

    @classmethod
    def create(
        cls,
        path: Path,
        deployment: Deployment,
        account: bytes,
        seeds: Mapping[_Number, KemSeed],
        pin: str,
        *,
        light: bool = False,
    ) -> Self:
        """Make a file.

        Args:
            path: Where. Nothing may be there.
            deployment: Chain and contract that the keys are for.
            account: Whose they are, 20 bytes.
            seeds: The private keys by suite and number of the profile key.
            pin: Encrypts them. Not empty.
            light: As ``Wallet.to_keystore``: quick to open, and quick to guess. For tests.

        Raises:
            InvalidInput: there is a file already, there are no keys, or the PIN is empty.
            KeyModuleError: it cannot be written.
        """
        check_size(account, ADDRESS_SIZE, "the account")
        _write(path, _seal(deployment, account, seeds, pin, LIGHT_COST if light else STANDARD_COST), os.link)
        return cls.read(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the heading of a file.

        Raises:
            KeyModuleError: it cannot be read.
            FormatError: it is no file of keys of this version.
        """
        try:
            with path.open("rb") as file:
                octets = file.read(_MAX_SIZE)
        except OSError as error:
            raise KeyModuleError(f"the keys in {path} cannot be read: {error.strerror}") from error
        try:
            heading = json.loads(octets)
            ciphertext = bytes.fromhex(heading.pop("ciphertext"))
            if heading["holds"] != _HOLDS or heading["v"] != _VERSION:
                raise ValueError("another version")
            deployment = Deployment(heading["chain"], _address(heading["contract"]))
            keys = tuple(PublicKey(key["suite"], key["number"], bytes.fromhex(key["key"])) for key in heading["keys"])
            return cls(path, deployment, _address(heading["account"]), keys, heading, ciphertext)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise FormatError(f"{path} is no file of keys of this version") from error

    def newest(self, suite: int) -> PublicKey:
        """The public half that a profile should publish: of the deployment's suite, with the highest number.

        Raises:
            KeysMissing: there is none of that suite.
        """
        of_now = [key for key in self.keys if key.suite == suite]
        if not of_now:
            raise KeysMissing(f"{self.path} has no key of suite {suite}")
        return max(of_now, key=lambda key: key.number)

    def login(self, pin: str) -> KeyFileSession:
        """As ``KeyToken``.

        Raises:
            WrongPin: the PIN is another, or the file was altered.
            FormatError: what is in it is not what its heading says.
        """
        return KeyFileSession(self, self._seeds(pin))

    def add(self, seeds: Mapping[_Number, KemSeed], pin: str) -> Self:
        """Add keys; the file is the old one or the new, even after a crash.

        Raises:
            InvalidInput: a key of that number is there already.
            WrongPin, KeyModuleError: as ``login`` and ``create``.
        """
        there = self._seeds(pin)
        if taken := there.keys() & seeds.keys():
            raise InvalidInput(f"{self.path} has a key {min(taken)[1]} already")
        _write(
            self.path, _seal(self.deployment, self.account, {**there, **seeds}, pin, _cost(self._heading)), os.replace
        )
        return type(self).read(self.path)

    def _seeds(self, pin: str) -> dict[_Number, KemSeed]:
        try:
            nonce = bytes.fromhex(self._heading["nonce"])
            opened = AESGCM(_key(self._heading, pin)).decrypt(nonce, self._ciphertext, _associated(self._heading))
        except InvalidTag:
            raise WrongPin(f"the PIN does not open the keys in {self.path}, or they were altered") from None
        except (ValueError, TypeError, KeyError) as error:
            raise FormatError(f"{self.path} is no file of keys of this version") from error
        seeds = dict(_parse_seeds(opened))
        if list(self.keys) != [*_public(seeds)]:
            raise FormatError(f"the keys in {self.path} are not those of its heading")
        return seeds


class KeyFileSession:
    """A file of keys that one is logged in to. The seeds are in this process. May be shared between threads."""

    def __init__(self, file: KeyFile, seeds: Mapping[_Number, KemSeed]) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._seeds = dict(seeds)

    def find(self, key_id: KeyId) -> Sequence[ModuleKey]:
        """As ``KeySession``."""
        if (key_id.deployment, key_id.account) != (self._file.deployment, self._file.account):
            return []
        with self._lock:
            numbers = sorted((number for suite, number in self._seeds if suite == key_id.suite), reverse=True)
        return [ModuleKey(key_id, number) for number in numbers]

    def public_key(self, key: ModuleKey) -> bytes:
        """As ``KeySession``."""
        return by_number(key.id.suite).public_key(self._seed(key))

    def decrypt(self, key: ModuleKey, mechanism: Hpke, ciphertext: bytes) -> bytes:
        """As ``KeySession``."""
        return mechanism.suite.open(self._seed(key), mechanism.info, Sealed(mechanism.enc, ciphertext))

    def close(self) -> None:
        """As ``KeySession``: from now on there are no keys."""
        with self._lock:
            self._seeds.clear()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._file.path}>"

    def _seed(self, key: ModuleKey) -> KemSeed:
        known = (key.id.deployment, key.id.account) == (self._file.deployment, self._file.account)
        with self._lock:
            seed = self._seeds.get((key.id.suite, key.number)) if known else None
        if seed is None:
            raise KeysMissing(f"{self._file.path} does not have the {key.label} of suite {key.id.suite}")
        return seed


def _seal(
    deployment: Deployment, account: bytes, seeds: Mapping[_Number, KemSeed], pin: str, cost: int
) -> dict[str, Any]:
    if not pin:
        raise InvalidInput("an empty PIN protects nothing")
    if not seeds:
        raise InvalidInput("a file of keys holds one at least")
    heading: dict[str, Any] = {
        "holds": _HOLDS,
        "v": _VERSION,
        "chain": deployment.chain_id,
        "contract": checksum_address(deployment.contract),
        "account": checksum_address(account),
        "keys": [{"suite": key.suite, "number": key.number, "key": key.octets.hex()} for key in _public(seeds)],
        "scrypt": {"n": cost, "r": _BLOCK_SIZE, "p": _PARALLEL, "salt": secrets.token_hex(_SALT_SIZE)},
        "nonce": secrets.token_hex(_NONCE_SIZE),
    }
    rows = [[suite, number, seeds[suite, number].expose()] for suite, number in sorted(seeds)]
    nonce = bytes.fromhex(heading["nonce"])
    ciphertext = AESGCM(_key(heading, pin)).encrypt(nonce, cbor.encode(rows), _associated(heading))
    return {**heading, "ciphertext": ciphertext.hex()}


def _public(seeds: Mapping[_Number, KemSeed]) -> Iterable[PublicKey]:
    for suite, number in sorted(seeds):
        yield PublicKey(suite, number, by_number(suite).public_key(seeds[suite, number]))


def _parse_seeds(opened: bytes) -> Iterable[tuple[_Number, KemSeed]]:
    for row in cbor.array(cbor.decode(opened), "the keys"):
        suite, number, seed = cbor.array(row, "a key", 3)
        named = cbor.uint(suite, "a suite"), cbor.uint(number, "the number of a key", MAX_NUMBER, minimum=1)
        yield named, KemSeed(cbor.octets(seed, "a seed", SECRET_SIZE))


def _key(heading: Mapping[str, Any], pin: str) -> bytes:
    salt = bytes.fromhex(heading["scrypt"]["salt"])
    return Scrypt(salt=salt, length=32, n=_cost(heading), r=_BLOCK_SIZE, p=_PARALLEL).derive(pin.encode())


def _cost(heading: Mapping[str, Any]) -> int:
    """Scrypt's n. Others than ours are refused: they would cost memory, or protect too little."""
    scrypt = heading["scrypt"]
    if scrypt["n"] not in {LIGHT_COST, STANDARD_COST} or (scrypt["r"], scrypt["p"]) != (_BLOCK_SIZE, _PARALLEL):
        raise ValueError("an unknown cost")
    cost: int = scrypt["n"]
    return cost


def _associated(heading: Mapping[str, Any]) -> bytes:
    return json.dumps(heading, sort_keys=True, separators=(",", ":")).encode()


def _address(text: str) -> bytes:
    return check_size(bytes.fromhex(text.removeprefix("0x")), ADDRESS_SIZE, "an address")


def _write(path: Path, document: Mapping[str, Any], appear: Callable[[str, Path], None]) -> None:
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # of mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        appear(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError as error:
        raise InvalidInput(f"{path} exists already, and keys are never overwritten") from error
    except OSError as error:
        raise KeyModuleError(f"the keys cannot be written to {path}: {error.strerror}") from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
