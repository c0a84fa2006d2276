"""The certificate of a service, as its two flags name it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medrec_py.errors import InvalidInput

if TYPE_CHECKING:
    from medrec_py.listening import Tls


def tls(certificate: str | None, key: str | None) -> Tls | None:
    """For HTTPS; ``None`` without both flags.

    Raises:
        InvalidInput: one is given without the other.
    """
    from medrec_py.listening import Tls  # noqa: PLC0415 - an extra

    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InvalidInput("--certificate and --certificate-key go together")
    return Tls(Path(certificate), Path(key))
