"""Blocks as files, which people send one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from medrec_py.errors import FormatError, InvalidInput, MedRecError

_MOST = 1 << 20
"""A block is no larger."""


def read_block(path: str) -> bytes:
    """A block from a file.

    Raises:
        InvalidInput: it cannot be read, or is larger than a block can be.
    """
    try:
        with Path(path).expanduser().open("rb") as file:
            block = file.read(_MOST + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    if len(block) > _MOST:
        raise InvalidInput(f"{path} is larger than any block")
    return block


def require_free(path: str) -> Path:
    """A path at which nothing is yet.

    Raises:
        InvalidInput: something is there.
    """
    target = Path(path).expanduser()
    if target.exists():
        raise InvalidInput(f"{path} is there already: give another name")
    return target


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Have an error say which file it is about."""
    try:
        yield
    except MedRecError as error:
        error.add_note(f"in {path}")
        raise


@contextmanager
def unless_for(command: str, read: Callable[[bytes], object], block: bytes) -> Iterator[None]:
    """Where a file is none of the kind that is read, say if it is what another command takes.

    Args:
        command: That command.
        read: Reads its kind, and raises `FormatError` for any other.
        block: What is in the file.

    Raises:
        InvalidInput: it is.
    """
    try:
        yield
    except FormatError:
        try:
            read(block)
        except MedRecError:
            pass
        else:
            raise InvalidInput(f"it is a request of another kind: answer it with `{command}`") from None
        raise
