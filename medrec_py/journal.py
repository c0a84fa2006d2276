"""What a long work has done already, on disk: sealed contents that no envelope names yet, with their data keys.

A line of JSON for each record, written and flushed when its content is stored, so that a process that was killed goes
on where it stopped. Data keys stand in it encrypted under a key of the root secret's: the file opens nothing by itself.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from medrec_py.crypto.envelope import ContentFile
from medrec_py.crypto.keys import DataKey
from medrec_py.crypto.suites import Suite, by_number
from medrec_py.errors import ConfigurationError, FormatError, StoreFull

_NONCE_SIZE = 12


class Sealed(NamedTuple):
    """Content that was sealed anew and is stored.

    Attributes:
        pointer: SHA-256 of the envelope that it was read from, 32 bytes: of another one it says nothing.
        data_key: The new one.
        suite: By which the new content is sealed.
        body: Where the new content is.
    """

    pointer: bytes
    data_key: DataKey
    suite: Suite
    body: ContentFile


@dataclass
class Journal:
    """The contents that were sealed so far, by the number of their entry.

    Args:
        key: Of the AEAD (AES-256-GCM), 32 bytes.
        path: The file; in memory alone without one.

    Raises:
        FormatError: the file is no journal, or that of another patient or root secret.
        ConfigurationError: it cannot be read.
    """

    key: bytes = field(repr=False)
    path: Path | None = None

    def __post_init__(self) -> None:
        self._sealed: dict[int, Sealed] = {}
        if self.path is not None and self.path.exists():
            for line in self._lines(self.path):
                self._take(line)

    def __getitem__(self, entry: int) -> Sealed:
        return self._sealed[entry]

    def __iter__(self) -> Iterator[int]:
        return iter(self._sealed)

    def fits(self, entry: int, pointer: bytes) -> bool:
        """Whether the content of a record was sealed already, from the envelope that it has now."""
        return entry in self._sealed and self._sealed[entry].pointer == pointer

    def add(self, entry: int, sealed: Sealed) -> None:
        """Note a content; on disk when this returns.

        Raises:
            StoreFull: the file cannot be written.
        """
        if self.path is not None:
            nonce = secrets.token_bytes(_NONCE_SIZE)
            bound = _bound(entry, sealed.pointer, sealed.suite.number)
            key = nonce + AESGCM(self.key).encrypt(nonce, sealed.data_key.expose(), bound)
            line = {
                "entry": entry,
                "suite": sealed.suite.number,
                "pointer": sealed.pointer.hex(),
                "key": key.hex(),
                "cid": sealed.body.cid.hex(),
                "size": sealed.body.size,
            }
            self._append(self.path, json.dumps(line) + "\n")
        self._sealed[entry] = sealed

    def close(self) -> None:
        """The work is done: remove the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _append(self, path: Path, line: str) -> None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreFull(f"{path} cannot be written: {error.strerror}") from error

    def _lines(self, path: Path) -> Iterator[dict[str, Any]]:
        """The whole lines; the last may have been cut off when the process was killed."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"the journal {path} cannot be read") from error
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            os.truncate(path, len(whole.encode()))
        for line in whole.splitlines():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise FormatError(f"{path} is no journal") from error

    def _take(self, line: dict[str, Any]) -> None:
        try:
            entry, pointer, key = int(line["entry"]), bytes.fromhex(line["pointer"]), bytes.fromhex(line["key"])
            bound = _bound(entry, pointer, int(line["suite"]))
            opened = AESGCM(self.key).decrypt(key[:_NONCE_SIZE], key[_NONCE_SIZE:], bound)
            body = ContentFile(bytes.fromhex(line["cid"]), int(line["size"]))
        except InvalidTag as error:
            raise FormatError(f"the journal {self.path} is of another patient or another root secret") from error
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise FormatError(f"{self.path} is no journal") from error
        self._sealed[entry] = Sealed(pointer, DataKey(opened), by_number(line["suite"]), body)


def _bound(entry: int, pointer: bytes, suite: int) -> bytes:
    return entry.to_bytes(8) + suite.to_bytes(8) + pointer
