"""Where the passphrase of an identity comes from: a file, the environment, or the person. Never an argument."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medrec_py.cli.settings import Settings
from medrec_py.cli.terminal import ask_new_passphrase, ask_passphrase
from medrec_py.errors import ConfigurationError

VARIABLE = "MEDREC_PASSPHRASE"


class Passphrases:
    """The passphrases of one call of the program. Each is asked for once.

    Args:
        settings: Name the files.
        environment: Variables.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = environment
        self._known: dict[str, str] = {}

    def of(self, profile: str) -> str:
        """The passphrase of a profile's identity.

        For the profile in use: ``--passphrase-file``, else ``MEDREC_PASSPHRASE``, else the setting passphrase-file. For
        another one, whose keys are needed beside it: its own setting, else ``MEDREC_PASSPHRASE``. Else it is asked for.

        Raises:
            PassphraseMissing: nobody is there to ask.
            ConfigurationError: the file cannot be read.
        """
        if profile not in self._known:
            given = self._given(profile)
            self._known[profile] = ask_passphrase(profile) if given is None else given
        return self._known[profile]

    def new(self) -> str:
        """The passphrase of an identity that is about to be made, from the same places; a person types it twice.

        Raises:
            PassphraseMissing, ConfigurationError: as `of`.
            InvalidInput: it is empty, or the two differ.
        """
        given = self._given(self._settings.profile)
        return ask_new_passphrase() if given is None else given

    def _given(self, profile: str) -> str | None:
        own = profile == self._settings.profile
        found = self._settings.find("passphrase-file") if own else None
        from_flag = found is not None and found.source.startswith("flag")
        path = self._settings.passphrase_file(profile)
        if path is not None and (from_flag or not own):
            return first_line(path)
        if self._environment.get(VARIABLE):
            return self._environment[VARIABLE]
        return None if path is None else first_line(path)


def first_line(path: str) -> str:
    """The passphrase in a file.

    Raises:
        ConfigurationError: the file cannot be read, or its first line is empty.
    """
    try:
        with Path(path).expanduser().open(encoding="utf-8") as file:
            line = file.readline(1 << 16).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(f"the passphrase file {path} cannot be read: {reason}") from error
    if not line:
        raise ConfigurationError(f"the first line of the passphrase file {path} is empty")
    return line
