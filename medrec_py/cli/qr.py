"""QR codes of signed decisions, as SVG files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from medrec_py.cli.files import private_folder, write_private
from medrec_py.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from medrec_py.crypto.signed_decisions import Bundle


def write_codes(bundle: Bundle, folder: Path) -> list[Path]:
    """Write the parts of a bundle as QR codes (ISO/IEC 18004), one file each, numbered.

    Args:
        bundle: What to write.
        folder: Made for it; it must not be there yet, lest codes of two bundles be mixed.

    Returns:
        The files, in order.

    Raises:
        InvalidInput: the folder is there already, or the bundle takes more codes than anybody scans.
        ConfigurationError: the extra ``qr`` is not installed, or a file cannot be written.
    """
    from medrec_py.crypto.bundle_texts import to_parts  # noqa: PLC0415 - slow to import

    try:
        import segno  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError("QR codes need the extra qr: pip install 'medrec-py[qr]'") from error
    parts = to_parts(bundle)
    if folder.exists():
        raise InvalidInput(f"{folder} is there already: name a new folder for the QR codes")
    private_folder(folder)
    paths = [folder / f"{number:02}-of-{len(parts):02}.svg" for number in range(1, len(parts) + 1)]
    for path, part in zip(paths, parts, strict=True):
        image = io.BytesIO()
        segno.make(part, error="l", micro=False, boost_error=False).save(image, kind="svg", scale=4)
        write_private(path, image.getvalue())
    return paths
