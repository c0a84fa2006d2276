"""Files that only their owner may read, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from medrec_py.errors import ConfigurationError

_FOLDER_MODE = 0o700


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, for its owner alone. One that is there stays as it is.

    Raises:
        ConfigurationError: it cannot be made.
    """
    try:
        for folder in reversed([path, *path.parents]):
            if not folder.exists():
                folder.mkdir(_FOLDER_MODE, exist_ok=True)
        if not path.is_dir():
            raise ConfigurationError(f"{path} is not a folder")
    except OSError as error:
        raise ConfigurationError(f"the folder {path} cannot be made: {error.strerror}") from error
    return path


def write_private(path: Path, text: str | bytes) -> None:
    """Write a file that only its owner may read, in one step: it is the old one or the new, even after a crash.

    Raises:
        ConfigurationError: it cannot be written.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # of mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def is_exposed(path: Path) -> bool:
    """Whether others than its owner may read, write or enter it. What is not there is not."""
    return path.exists() and bool(path.stat().st_mode & 0o077)


def sync_folder(path: Path) -> None:
    """Have the names in a folder survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
