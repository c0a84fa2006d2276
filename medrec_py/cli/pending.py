"""A recovery that has begun in a profile: whose, and its one-time key, under the passphrase of the identity to come.

HOME/profiles/NAME/recovery.json
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from medrec_py.cli.errors import RecoveryMissing
from medrec_py.cli.files import private_folder, write_private
from medrec_py.errors import FormatError, InvalidInput, WrongPassphrase

if TYPE_CHECKING:
    from medrec_py.crypto.keys import KemSeed

_FILE: Final = "recovery.json"


@dataclass(frozen=True, slots=True)
class PendingRecovery:
    """A recovery that waits for the guardians' shares.

    Attributes:
        patient: Patient id, EIP-55.
        is_light: Its key is as quick to guess as ``--light-kdf`` makes it, and the identity will be.
        path: Where it is.
    """

    patient: str
    is_light: bool
    path: Path
    _sealed: dict[str, Any]

    @classmethod
    def path_in(cls, folder: Path) -> Path:
        """Where a profile's would be."""
        return folder / _FILE

    @classmethod
    def begin(cls, folder: Path, patient: str, seed: KemSeed, passphrase: str, *, light: bool) -> Self:
        """Write it down.

        Args:
            folder: Of the profile.
            patient: Patient id, EIP-55.
            seed: The one-time key.
            passphrase: Encrypts it, and the identity once it is there.
            light: See ``Wallet.to_keystore``.

        Raises:
            ConfigurationError: it cannot be written.
        """
        from medrec_py.cli.keystore import seal_secret  # noqa: PLC0415 - slow to import

        sealed = seal_secret(seed, passphrase, light=light)
        path = cls.path_in(private_folder(folder))
        document = {"holds": "medrec recovery key", "patient": patient, "light": light, **sealed}
        write_private(path, json.dumps(document, indent=2) + "\n")
        return cls(patient, light, path, document)

    @classmethod
    def find(cls, folder: Path) -> Self:
        """That of a profile.

        Raises:
            RecoveryMissing: none has begun.
            FormatError: its file was damaged.
        """
        from medrec_py.chain.types import to_address  # noqa: PLC0415

        path = cls.path_in(folder)
        if not path.exists():
            raise RecoveryMissing(f"no recovery has begun in {folder}")
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(to_address(document["patient"]), document["light"] is True, path, document)
        except (OSError, ValueError, KeyError, TypeError, InvalidInput) as error:
            raise FormatError(f"{path} cannot be read") from error

    def seed(self, passphrase: str) -> KemSeed:
        """The one-time key.

        Raises:
            WrongPassphrase: the passphrase is another's.
            FormatError: the file was damaged.
        """
        from medrec_py.cli.keystore import open_secret  # noqa: PLC0415
        from medrec_py.crypto.keys import KemSeed  # noqa: PLC0415

        try:
            return open_secret(self._sealed, passphrase, KemSeed)
        except WrongPassphrase:
            raise WrongPassphrase("the passphrase is not the one that the recovery was begun with") from None

    def end(self) -> None:
        """Forget the key: the identity is there, or nobody wants it any more."""
        self.path.unlink(missing_ok=True)
