"""The identities on this machine: a folder for each profile, with the wallet and the root secret encrypted.

    HOME/profiles/NAME/config.toml              the profile's settings
    HOME/profiles/NAME/identity/wallet.json     the wallet's key, a keystore V3 that other wallets read, too; or whose
                                                key is with which kind of signer
    HOME/profiles/NAME/identity/root.json       the root secret, sealed alike; and whose record it opens, if that is
                                                another patient id than the wallet's address (restored, or after a
                                                change of the phrase)
    HOME/profiles/NAME/identity/root-before-N.json  one that it took the place of
    HOME/profiles/NAME/successor/               the same of a new phrase, while the chain is told of it
    HOME/profiles/NAME/given-up-ADDRESS/        of one that the chain was not told of, as it seemed: a transaction may
                                                be mined long after, and without these keys everything would be lost
    HOME/profiles/NAME/replaced/                an identity that its successor takes the place of at this moment

An identity appears with both files in one step, and is overwritten by nothing but its successor.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medrec_py.cli.errors import IdentityExists, IdentityMissing, SignerElsewhere, SuccessorExists
from medrec_py.cli.files import is_exposed, private_folder, sync_folder, write_private
from medrec_py.errors import ConfigurationError, FormatError, InvalidInput, WalletError, WrongPassphrase

if TYPE_CHECKING:
    from medrec_py.crypto.keys import RootSecret
    from medrec_py.wallet import Wallet

_FOLDER: Final = "identity"
_SUCCESSOR: Final = "successor"
_REPLACED: Final = "replaced"
_GIVEN_UP: Final = "given-up-"
_WALLET: Final = "wallet.json"
_ROOT: Final = "root.json"
_STAGED: Final = ".init-"

BROWSER: Final = "browser"
SIGNERS: Final = ("clef", "node", BROWSER)
"""The kinds of signers that can have an identity's key."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An account whose key is not on this machine's disk, or not ours: with a signer.

    Attributes:
        address: EIP-55.
        signer: The kind, one of `SIGNERS`.
    """

    address: str
    signer: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a profile. Its secrets stay on disk, encrypted, until they are asked for.

    Attributes:
        profile: Name of the profile.
        address: Of the wallet, EIP-55.
        folder: Where it is.
    """

    profile: str
    address: str
    folder: Path

    @property
    def signer(self) -> str | None:
        """The kind of signer that has the wallet's key; ``None`` where it is here, in a keystore.

        Raises:
            FormatError, WalletError: the file was damaged, or is that of another identity.
        """
        kind = self._document(_WALLET).get("signer")
        if kind is not None and kind not in SIGNERS:
            raise FormatError(f"{self.folder / _WALLET} names the signer {kind!r}, which this version does not know")
        return kind

    def wallet(self, passphrase: str) -> Wallet:
        """The wallet, without the root secret.

        Raises:
            SignerElsewhere: its key is with a signer.
            WrongPassphrase: the passphrase is another's.
            FormatError, WalletError: the file was damaged, or is that of another identity.
        """
        if self.signer is not None:
            raise SignerElsewhere(f"the key of {self.address} is with a signer ({self.signer})")
        from medrec_py.wallet import Wallet  # noqa: PLC0415 - slow to import

        with self._naming_the_profile():
            return Wallet.from_keystore(self._document(_WALLET), passphrase)

    def root(self, passphrase: str) -> RootSecret:
        """The root secret. Raises as `wallet`."""
        from medrec_py.cli.keystore import open_root  # noqa: PLC0415

        with self._naming_the_profile():
            return open_root(self._document(_ROOT), passphrase)

    def replace_root(self, root: RootSecret, passphrase: str) -> Path:
        """Put another root secret in the place of this one, which stays beside it under another name.

        Args:
            root: The new one.
            passphrase: That of the identity.

        Returns:
            Where the one before is kept, sealed as it was.

        Raises:
            FormatError, WalletError: the file was damaged, or is that of another identity.
            ConfigurationError: the files cannot be written.
        """
        from medrec_py.cli.keystore import is_light, seal_root  # noqa: PLC0415

        before = self._document(_ROOT)
        sealed = seal_root(root, passphrase, light=is_light(before))
        kept = next(path for path in map(self._earlier_root, count(1)) if not path.exists())
        write_private(kept, json.dumps(before, indent=2) + "\n")
        write_private(self.folder / _ROOT, json.dumps({**before, **sealed}, indent=2) + "\n")
        return kept

    @property
    def patient(self) -> str:
        """The patient id whose record the root secret opens, EIP-55: the wallet's address, unless it was restored.

        Raises:
            FormatError: the file was damaged.
        """
        document = self._document(_ROOT)
        return self.address if "patient" not in document else _address_in(document, self.folder / _ROOT, "patient")

    def exposed(self) -> list[Path]:
        """What others on this machine may read or write of it, which nobody should."""
        return [path for path in (self.folder, *sorted(self.folder.iterdir())) if is_exposed(path)]

    def _earlier_root(self, number: int) -> Path:
        return self.folder / f"root-before-{number}.json"

    def _document(self, name: str) -> dict[str, Any]:
        document = _document(self.folder / name)
        if _address_in(document, self.folder / name) != self.address:
            raise WalletError(f"{self.folder / name} belongs to another identity than {self.address}")
        return document

    @contextmanager
    def _naming_the_profile(self) -> Iterator[None]:
        try:
            yield
        except WrongPassphrase:
            raise WrongPassphrase(f"the passphrase does not open the identity of profile {self.profile!r}") from None


class Identities:
    """All identities.

    Args:
        home: Folder of everything.
        folder_of: From a profile's name to its folder.
    """

    def __init__(self, home: Path, folder_of: Callable[[str], Path]) -> None:
        self._profiles = home / "profiles"
        self._folder_of = folder_of

    def names(self) -> list[str]:
        """The profiles that have one, sorted."""
        try:
            return sorted(path.name for path in self._profiles.iterdir() if (path / _FOLDER / _WALLET).is_file())
        except OSError:
            return []

    def get(self, profile: str) -> Identity:
        """The identity of a profile.

        Raises:
            IdentityMissing: it has none.
            FormatError: its file was damaged.
        """
        folder = self._folder_of(profile) / _FOLDER
        path = folder / _WALLET
        if not path.is_file():
            if folder.with_name(_REPLACED).exists():
                raise IdentityMissing(
                    f"the change of the phrase of profile {profile!r} was interrupted: `medrec keys finish` goes on"
                )
            there = ", ".join(self.names()) or "none"
            raise IdentityMissing(f"there is no identity in the profile {profile!r}; profiles with one: {there}")
        return Identity(profile, _address_in(_document(path), path), folder)

    def find(self, address: str) -> Identity | None:
        """The identity of an address (EIP-55), if it is on this machine."""
        return next((identity for identity in self.all() if identity.address == address), None)

    def all(self) -> Iterator[Identity]:
        """All that can be read."""
        for name in self.names():
            try:
                yield self.get(name)
            except FormatError:
                continue

    @contextmanager
    def creating(
        self,
        profile: str,
        wallet: Wallet | Elsewhere,
        passphrase: str,
        *,
        light: bool,
        root: RootSecret | None = None,
        patient: str | None = None,
    ) -> Iterator[Identity]:
        """Make an identity: it is there when the block ends well, and until then, whatever happens, it is not.

        Args:
            profile: Name of the profile.
            wallet: Made from a phrase, unless a root secret is given; or where its key is.
            passphrase: Encrypts both files.
            light: See ``Wallet.to_keystore``.
            root: The root secret, if it is not the wallet's own.
            patient: Patient id whose record it opens, if that is not the wallet's address.

        Raises:
            IdentityExists: the profile has one.
            ConfigurationError: the files cannot be written.
        """
        folder = self._folder_of(profile)
        identity = Identity(profile, wallet.address, folder / _FOLDER)
        self.require_free(profile)
        private_folder(folder)
        try:
            staged = Path(tempfile.mkdtemp(prefix=_STAGED, dir=folder))  # of mode 0700
        except OSError as error:
            raise ConfigurationError(f"{folder} cannot be written: {error.strerror}") from error
        try:
            _write_secrets(staged, wallet, passphrase, light, root, patient)
            yield identity
            _appear(staged, identity)
        finally:
            for left_over in (staged, *folder.glob(_STAGED + "*")) if identity.folder.exists() else (staged,):
                shutil.rmtree(left_over, ignore_errors=True)

    def successor_folder(self, profile: str) -> Path:
        """Where the identity is that is to take the place of a profile's."""
        return self._folder_of(profile) / _SUCCESSOR

    def successor(self, profile: str) -> Identity | None:
        """The identity that is to take the place of a profile's, where that was begun.

        Raises:
            FormatError: its file was damaged.
        """
        folder = self.successor_folder(profile)
        if not folder.is_dir():
            return None
        return Identity(profile, _address_in(_document(folder / _WALLET), folder / _WALLET), folder)

    def stage_successor(self, profile: str, wallet: Wallet, passphrase: str, *, light: bool, patient: str) -> None:
        """Write the identity that is to take the place of a profile's: it is on disk before the chain is told of it.

        Args:
            profile: Name of the profile.
            wallet: Made from the new phrase.
            passphrase: Encrypts both files.
            light: See ``Wallet.to_keystore``.
            patient: Patient id for which it is to decide, EIP-55.

        Raises:
            SuccessorExists: there is one already.
            ConfigurationError: the files cannot be written.
        """
        folder = self._folder_of(profile)
        if (folder / _SUCCESSOR).exists():
            raise SuccessorExists(f"the profile {profile!r} has begun to change its phrase, and not finished")
        staged = Path(tempfile.mkdtemp(prefix=_STAGED, dir=folder))
        try:
            _write_secrets(staged, wallet, passphrase, light, None, patient)
            os.rename(staged, folder / _SUCCESSOR)
            sync_folder(folder)
        except OSError as error:
            raise ConfigurationError(f"{folder} cannot be written: {error.strerror}") from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def install_successor(self, profile: str) -> None:
        """Put the successor in the place of the identity, whose files are removed.

        Raises:
            ConfigurationError: the files cannot be written.
        """
        folder = self._folder_of(profile)
        _move(folder / _FOLDER, folder / _REPLACED)
        self.complete(profile)

    def complete(self, profile: str) -> None:
        """Go on where putting a successor in the place of its identity was interrupted; or do nothing.

        Raises:
            ConfigurationError: the files cannot be written.
        """
        folder = self._folder_of(profile)
        if not (folder / _REPLACED).exists():
            return
        if not (folder / _FOLDER).exists():
            _move(folder / _SUCCESSOR, folder / _FOLDER)
        shutil.rmtree(folder / _REPLACED, ignore_errors=True)

    def give_up_successor(self, profile: str) -> None:
        """Set a successor aside that the chain was not told of. Its keys stay: the chain may hear of it yet.

        Raises:
            FormatError, ConfigurationError: its files were damaged, or cannot be moved.
        """
        successor = self.successor(profile)
        if successor is not None:
            _move(successor.folder, successor.folder.with_name(_GIVEN_UP + successor.address))

    def given_up(self, profile: str) -> list[Identity]:
        """The successors that were set aside.

        Raises:
            FormatError: a file was damaged.
        """
        folders = sorted(self._folder_of(profile).glob(_GIVEN_UP + "*"))
        return [
            Identity(profile, _address_in(_document(folder / _WALLET), folder / _WALLET), folder) for folder in folders
        ]

    def take_up(self, given_up: Identity) -> None:
        """Make one that was set aside the successor; one that is there is set aside.

        Raises:
            FormatError, ConfigurationError: as `give_up_successor`.
        """
        self.give_up_successor(given_up.profile)
        _move(given_up.folder, given_up.folder.with_name(_SUCCESSOR))

    def require_free(self, profile: str) -> None:
        """Make sure that a profile has no identity yet.

        Raises:
            IdentityExists: it has one.
        """
        for folder in (self._folder_of(profile) / name for name in (_FOLDER, _REPLACED)):
            if folder.exists():
                raise IdentityExists(f"the profile {profile!r} has an identity already, in {folder}")


def _write_secrets(
    folder: Path, wallet: Wallet | Elsewhere, passphrase: str, light: bool, root: RootSecret | None, patient: str | None
) -> None:
    from medrec_py.cli.keystore import seal_root  # noqa: PLC0415
    from medrec_py.wallet import Locked, require_root  # noqa: PLC0415

    if isinstance(wallet, Elsewhere):
        key: dict[str, Any] = {"address": wallet.address, "signer": wallet.signer}
        secret = require_root(Locked(wallet.address), root)
    else:
        key, secret = wallet.to_keystore(passphrase, light=light), require_root(wallet, root)
    sealed = seal_root(secret, passphrase, light=light)
    owner = {"holds": "medrec root secret", "address": key["address"]}
    if patient is not None and patient != wallet.address:
        owner["patient"] = patient
    write_private(folder / _WALLET, json.dumps(key, indent=2) + "\n")
    write_private(folder / _ROOT, json.dumps({**owner, **sealed}, indent=2) + "\n")


def _move(folder: Path, to: Path) -> None:
    try:
        os.rename(folder, to)
        sync_folder(to.parent)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot become {to.name}: {error.strerror}") from error


def _appear(staged: Path, identity: Identity) -> None:
    try:
        os.rename(staged, identity.folder)
        sync_folder(identity.folder.parent)
    except OSError as error:
        if identity.folder.exists():
            raise IdentityExists(f"the profile {identity.profile!r} was given an identity meanwhile") from error
        raise ConfigurationError(f"{identity.folder} cannot be written: {error.strerror}") from error


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} cannot be read") from error
    if not isinstance(document, dict):
        raise FormatError(f"{path} is no keystore")
    return document


def _address_in(document: dict[str, Any], path: Path, name: str = "address") -> str:
    from medrec_py.chain.types import to_address  # noqa: PLC0415

    try:
        return to_address("0x" + str(document.get(name, "")).removeprefix("0x"))
    except InvalidInput as error:
        raise FormatError(f"{path} does not say whose it is") from error
