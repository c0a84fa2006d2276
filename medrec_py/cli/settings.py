"""Settings, and where each comes from: flags, environment, the profile's file, the file of all profiles, defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from medrec_py.cli import config_file
from medrec_py.errors import ConfigurationError

Value: TypeAlias = str | int | float | list[str] | None

DEFAULT_PROFILE: Final = "default"
CONFIG_NAME: Final = "config.toml"


@dataclass(frozen=True, slots=True)
class Found:
    """A setting's value.

    Attributes:
        value: ``None`` if it is not set.
        source: Where it comes from, for people.
    """

    value: Value
    source: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that there is.

    Attributes:
        name: In files and for ``config set``; the variable is ``MEDREC_`` and the same in capitals.
        help: What it is.
        read: Makes a value of what a flag, a variable or ``config set`` gives; raises ``ValueError``.
        kinds: Types that a file may give.
        shown: The value without anything secret, for people.
        of_profile: May stand in a profile's file.
    """

    name: str
    help: str
    read: Callable[[str], Value]
    kinds: tuple[type, ...]
    shown: Callable[[Value], Value]
    of_profile: bool = True

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return "MEDREC_" + self.name.upper().replace("-", "_")


def profile_name(text: str) -> str:
    """A name that a profile may have; it is that of a folder, too.

    Raises:
        ConfigurationError: it is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text):
        raise ConfigurationError(f"{text!r} cannot name a profile: letters, digits and . _ - will do, up to 64")
    return text


def _as_is(value: Value) -> Value:
    return value


def _url(text: str) -> str:
    if urlsplit(text).scheme not in {"http", "https"} or not urlsplit(text).hostname:
        raise ValueError("its URL begins with http:// or https://")
    return text


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError("it must be more than zero")
    return number


def _chain_id(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError("it must be more than zero")
    return number


def _suite(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError("suites are numbered from 1")
    return number


def _several(text: str) -> list[str]:
    return [one for one in map(str.strip, text.split(",")) if one]


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text.strip()


def _key_service(text: str) -> str:
    if not text.startswith(("unix:/", "https://", "http://")):
        raise ValueError("a key service is at unix:/path/to/socket, https://host:port, or http:// on this machine")
    return text


def _relayer(text: str) -> str:
    if not text.startswith(("unix:/", "https://", "http://")):
        raise ValueError("a relayer is at https://host:port, unix:/path/to/socket, or http:// on this machine")
    return text


def without_secrets(url: str) -> str:
    """A URL without user, password, path and query, which may hold a key; anything else as it is."""
    parts = urlsplit(url)
    if "://" not in url or parts.scheme == "file":
        return url
    host = parts.netloc.rpartition("@")[2]
    bare = parts.path.strip("/") == "" and not parts.query and host == parts.netloc
    return f"{parts.scheme}://{host}" + ("" if bare else "/…")


def _urls(value: Value) -> Value:
    if isinstance(value, list):
        return [without_secrets(one) for one in value]
    return without_secrets(value) if isinstance(value, str) else value


def _hidden(value: Value) -> Value:
    return None if value is None else "(set)"


SETTINGS: Final = {
    setting.name: setting
    for setting in (
        Setting("profile", "identity to use", profile_name, (str,), _as_is, of_profile=False),
        Setting("chain", "URL of the Ethereum node's JSON-RPC interface", _url, (str,), _urls),
        Setting("chain-id", "chain that the node is expected to serve", _chain_id, (int,), _as_is),
        Setting("chain-token", "bearer token for the node", _text, (str,), _hidden),
        Setting("contract", "address of the contract, or a deployment file", _text, (str,), _as_is),
        Setting("suite", "cipher suite of the deployment, where no deployment file says it", _suite, (int,), _as_is),
        Setting(
            "store", "where blocks are: a folder, a Kubo RPC URL, a gateway; or several", _several, (str, list), _urls
        ),
        Setting("store-token", "bearer token for the store", _text, (str,), _hidden),
        Setting("timeout", "seconds until a request to node or store is given up", _positive, (int, float), _as_is),
        Setting("key-service", "key service of the provider that is acted for", _key_service, (str,), _urls),
        Setting("relayer", "relayer that sends what the wallet signs, and pays for it", _relayer, (str,), _urls),
        Setting("signer-url", "where the signer is that has the identity's key", _url, (str,), _urls),
        Setting("signer-token", "bearer token for the signer", _text, (str,), _hidden),
        Setting("signer-timeout", "seconds until a request to the signer is given up", _positive, (int, float), _as_is),
        Setting("passphrase-file", "file whose first line is the passphrase", _text, (str,), _as_is),
    )
}
"""All settings by name, in the order in which they are shown."""

_DEFAULTS: Final[Mapping[str, Value]] = {
    "profile": DEFAULT_PROFILE,
    "chain": "http://127.0.0.1:8545",
    "timeout": 30.0,
    "signer-timeout": 300.0,
}


class Settings:
    """The settings of one call of the program.

    Attributes:
        home: Folder of everything that is kept.
        home_source: Where it is named.
        profile: Name of the profile in use.

    Raises:
        ConfigurationError: a name, a file or a value cannot be used.
    """

    def __init__(
        self,
        flags: Mapping[str, Value],
        environment: Mapping[str, str],
        home: str | None = None,
        profile: str | None = None,
    ) -> None:
        """Find out home and profile; all else is read when it is asked for.

        Args:
            flags: Values of the flags that were given.
            environment: Variables.
            home: Of ``--home``.
            profile: Of ``--profile``.
        """
        self._flags = {name: value for name, value in flags.items() if value is not None}
        self._environment = environment
        self.home, self.home_source = self._find_home(home)
        if profile is not None:
            self._flags["profile"] = profile
        self._profile: str | None = None

    @property
    def profile(self) -> str:
        """Name of the profile in use."""
        if self._profile is None:
            self._profile = profile_name(str(self.find("profile").value))
        return self._profile

    def profile_folder(self, profile: str) -> Path:
        """Folder of a profile."""
        return self.home / "profiles" / profile_name(profile)

    def file(self, profile: str | None = None) -> Path:
        """The file of a profile's settings, or, without a name, that of all profiles."""
        return (self.home if profile is None else self.profile_folder(profile)) / CONFIG_NAME

    @property
    def deployments(self) -> Path:
        """Folder of the deployment files."""
        return self.home / "deployments"

    def find(self, name: str) -> Found:
        """A setting and where it comes from.

        Raises:
            ConfigurationError: a value on the way to it cannot be used.
        """
        setting = SETTINGS[name]
        if name in self._flags:
            return Found(_checked(setting, self._flags[name], f"--{name}"), f"flag --{name}")
        if text := self._environment.get(setting.variable):
            return Found(_checked(setting, text, setting.variable), f"environment {setting.variable}")
        for path in self._files(setting):
            values = known_values(path)
            if name in values:
                return Found(values[name], f"file {path}")
        if name == "store":
            return Found([str(self.home / "blocks")], "default")
        return Found(_DEFAULTS.get(name), "default" if name in _DEFAULTS else "not set")

    def text(self, name: str) -> str | None:
        """A setting that is a text."""
        value = self.find(name).value
        return value if isinstance(value, str) else None

    def passphrase_file(self, profile: str) -> str | None:
        """The passphrase file of any profile. A flag or a variable is for the one in use alone."""
        if profile == self.profile:
            return self.text("passphrase-file")
        value = known_values(self.file(profile)).get("passphrase-file")
        return value if isinstance(value, str) else None

    def _files(self, setting: Setting) -> Iterator[Path]:
        if setting.of_profile:
            yield self.file(self.profile)
        yield self.file()

    def _find_home(self, flag: str | None) -> tuple[Path, str]:
        if flag is not None:
            return Path(flag).expanduser().absolute(), "flag --home"
        if variable := self._environment.get("MEDREC_HOME"):
            return Path(variable).expanduser().absolute(), "environment MEDREC_HOME"
        return Path(os.path.expanduser("~")) / ".medrec", "default"


def known_values(path: Path) -> dict[str, Value]:
    """The settings in a file, checked.

    Raises:
        ConfigurationError: it has one that there is not, or of the wrong type.
    """
    values = config_file.read(path)
    for name, value in values.items():
        if name not in SETTINGS:
            raise ConfigurationError(f"{path} has {name!r}, which is no setting; there are {', '.join(SETTINGS)}")
        values[name] = _checked(SETTINGS[name], value, f"{name} in {path}")
    return values


def read_setting(name: str, texts: list[str]) -> Value:
    """A setting's value from the words that ``config set`` was given.

    Raises:
        ConfigurationError: there is no such setting, or the value cannot be used.
    """
    if name not in SETTINGS:
        raise ConfigurationError(f"{name!r} is no setting; there are {', '.join(SETTINGS)}")
    if len(texts) > 1 and name != "store":
        raise ConfigurationError(f"{name} takes one value")
    value = _checked(SETTINGS[name], texts if len(texts) > 1 else texts[0], name)
    if name in {"store", "contract", "passphrase-file"}:
        return [_from_anywhere(one) for one in value] if isinstance(value, list) else _from_anywhere(str(value))
    return value


def _from_anywhere(address: str) -> str:
    """An address as it is; a path so that it names the same file from any folder."""
    return address if "://" in address or address.startswith(("/", "~", "0x")) else str(Path(address).absolute())


def _checked(setting: Setting, value: Any, where: str) -> Value:
    """A value of the setting's type; a text is read as a flag would be."""
    try:
        if isinstance(value, str):
            return setting.read(value)
        if isinstance(value, list) and list in setting.kinds and value:
            return [_text(one) for one in value]
        if isinstance(value, setting.kinds) and not isinstance(value, bool | list):
            return setting.read(str(value))
    except (ValueError, AttributeError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"{where}: {without_secrets(str(value))!r} cannot be used: {error}") from None
    raise ConfigurationError(f"{where}: it must be {' or '.join(kind.__name__ for kind in setting.kinds)}")
