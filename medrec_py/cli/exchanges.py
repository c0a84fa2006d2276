"""Requests for access and answers that a profile has signed, kept so that no relayer has to be relied on.

HOME/profiles/NAME/requests/ID: what it asked, and the answer once it came.
HOME/profiles/NAME/answers/ID: what it answered.

What was asked and why is nobody's to read who gets hold of the device: the files are sealed with a key of the root
secret, and bound to their names.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medrec_py.cli.files import private_folder, write_private
from medrec_py.cli.session import Session
from medrec_py.errors import ConfigurationError

if TYPE_CHECKING:
    from medrec_py.crypto.exchange import Exchange

ASKED: Final = "requests"
ANSWERED: Final = "answers"
_NONCE_SIZE: Final = 12


class Exchanges:
    """The exchanges of one kind of the profile in use.

    Args:
        session: Of the command.
        kind: ``ASKED`` or ``ANSWERED``.
    """

    def __init__(self, session: Session, kind: str) -> None:
        self._session = session
        self._folder = session.settings.profile_folder(session.settings.profile) / kind

    def keep(self, exchange: Exchange) -> Path:
        """Write one down, in place of what was kept of it before.

        Raises:
            ConfigurationError: it cannot be written.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - slow to import

        name, nonce = exchange.request.request.id, secrets.token_bytes(_NONCE_SIZE)
        path = private_folder(self._folder) / name
        write_private(path, nonce + AESGCM(self._key()).encrypt(nonce, exchange.to_json(), name.encode()))
        return path

    def has(self, request: str) -> bool:
        """Whether one of that id is kept."""
        return (self._folder / request).exists()

    def all(self) -> Iterator[tuple[str, bytes]]:
        """Those that are kept, by id. What another root secret or deployment has left behind is warned of.

        Raises:
            ConfigurationError: one cannot be read.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        for path in sorted(self._folder.glob("0x*")):
            octets = self._read(path)
            try:
                nonce, sealed = octets[:_NONCE_SIZE], octets[_NONCE_SIZE:]
                yield path.name, AESGCM(self._key()).decrypt(nonce, sealed, path.name.encode())
            except (InvalidTag, ValueError):
                self._session.output.warn(f"{path} was kept with an earlier phrase or for another contract, or altered")

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error

    def _key(self) -> bytes:
        return self._session.root.exchange_key(self._session.network.deployment)


def export(folder: str, documents: list[tuple[str, bytes]]) -> list[str]:
    """Write exchanges in the clear into a folder, for whoever is to be shown them. Returns the files.

    Raises:
        ConfigurationError: one cannot be written.
    """
    where = private_folder(Path(folder).expanduser())
    for name, document in documents:
        write_private(where / f"{name}.json", document)
    return [str((where / f"{name}.json").absolute()) for name, _ in documents]
