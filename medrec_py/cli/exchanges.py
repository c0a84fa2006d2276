"""Requests for access and answers that a profile has signed, kept so that no relayer has to be relied on.

HOME/profiles/NAME/requests/ID.json: what it asked, and the answer once it came.
HOME/profiles/NAME/answers/ID.json: what it answered.
"""

from __future__ import annotations

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


class Exchanges:
    """The exchanges of one kind of the profile in use.

    Args:
        session: Of the command.
        kind: ``ASKED`` or ``ANSWERED``.
    """

    def __init__(self, session: Session, kind: str) -> None:
        self._folder = session.settings.profile_folder(session.settings.profile) / kind

    def keep(self, exchange: Exchange) -> Path:
        """Write one down, in place of what was kept of it before.

        Raises:
            ConfigurationError: it cannot be written.
        """
        path = private_folder(self._folder) / f"{exchange.request.request.id}.json"
        write_private(path, exchange.to_json())
        return path

    def has(self, request: str) -> bool:
        """Whether one of that id is kept."""
        return (self._folder / f"{request}.json").exists()

    def all(self) -> Iterator[tuple[Path, bytes]]:
        """Those that are kept, by path.

        Raises:
            ConfigurationError: one cannot be read.
        """
        for path in sorted(self._folder.glob("0x*.json")):
            try:
                yield path, path.read_bytes()
            except OSError as error:
                raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
