"""Records that a profile is handing over: noted from before the chain is told until all of it is done.

HOME/profiles/NAME/handing-over-CHILD

With a relayer a hand-over goes step by step. In between the child's wallet decides, so the chain does not show any more
that the parent's phrase is needed; and it still is, for what the child's does not open yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from medrec_py.cli.files import private_folder, sync_folder, write_private

_NAME: Final = "handing-over-"


@contextmanager
def noted(folder: Path, child: str) -> Iterator[None]:
    """Note it while the block runs, and for as long as it has not ended well.

    Args:
        folder: Of the profile.
        child: Patient id, EIP-55.

    Raises:
        ConfigurationError: it cannot be written.
    """
    path = private_folder(folder) / f"{_NAME}{child}"
    write_private(path, "")
    yield
    path.unlink(missing_ok=True)
    sync_folder(folder)


def unfinished(folder: Path) -> list[str]:
    """The patient ids whose hand-over has begun and not ended well, EIP-55."""
    return sorted(path.name.removeprefix(_NAME) for path in folder.glob(f"{_NAME}0x*"))
