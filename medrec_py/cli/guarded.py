"""The shares that a profile keeps as a guardian of others: a file each, as it came, sealed to the profile's own key.

HOME/profiles/NAME/guarded/DIGEST.json
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medrec_py.cli.files import private_folder, write_private
from medrec_py.errors import FormatError

_FOLDER: Final = "guarded"


@dataclass(frozen=True, slots=True)
class Kept:
    """A share that is kept.

    Attributes:
        name: Whose it is, in the guardian's own words; may be empty.
        block: The sealed share.
    """

    name: str
    block: bytes


class Guarded:
    """The shares of a profile.

    Args:
        folder: Of the profile.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER

    def keep(self, block: bytes, name: str) -> bool:
        """Keep a share, under another name if it is kept already. Returns whether it is new.

        Raises:
            ConfigurationError: it cannot be written.
        """
        path = private_folder(self._folder) / f"{hashlib.sha256(block).hexdigest()}.json"
        is_new = not path.exists()
        write_private(path, json.dumps({"name": name, "block": block.hex()}, indent=2) + "\n")
        return is_new

    def files(self) -> list[Path]:
        """Where they are, each to be read by itself: one that was damaged keeps nobody from the others."""
        return sorted(self._folder.glob("*.json"))


def read(path: Path) -> Kept:
    """A share that is kept, still sealed.

    Raises:
        FormatError: its file was damaged.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        name, block = document["name"], bytes.fromhex(document["block"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} cannot be read") from error
    if not isinstance(name, str) or hashlib.sha256(block).hexdigest() != path.stem:
        raise FormatError(f"{path} was changed")
    return Kept(name, block)
