"""From an address to a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from medrec_py.errors import InvalidInput
from medrec_py.storage.fallback import FallbackStore
from medrec_py.storage.folder import FolderStore
from medrec_py.storage.gateway import GatewayStore
from medrec_py.storage.kubo import KuboStore
from medrec_py.storage.store import BlockStore

Address: TypeAlias = str | Path | BlockStore

_MULTIADDR: Final = ("/ip4/", "/ip6/", "/dns/", "/dns4/", "/dns6/", "/unix/")


def open_store(
    address: Address | Sequence[Address],
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
) -> BlockStore:
    """Opens the store that an address names.

    ========================================================  ==========================================
    address                                                   store
    ========================================================  ==========================================
    ``/var/lib/medrec``, ``blocks``, ``file:///…``, a Path    ``FolderStore``
    ``http://127.0.0.1:5001``, ``https://…``                  ``KuboStore``, by the URL of its RPC
    ``/ip4/127.0.0.1/tcp/5001``, ``/dns/…``, ``/unix/…``      ``KuboStore``, by the multiaddr of its RPC
    ``gateway+https://…``, ``gateway+http://…``               ``GatewayStore``, read-only
    several of them in a list                                 ``FallbackStore`` in that order
    a ``BlockStore``                                          itself
    ========================================================  ==========================================

    Args:
        address: See above. ``~`` is the home directory.
        token: Bearer token for Kubo or the gateway. Never sent to several: open those one by one.
        headers: Further HTTP headers, likewise.
        timeout: Seconds, as each store has it.

    Raises:
        InvalidInput: if the address can't be used, or a token or headers are given with a list or a folder.
        ConfigurationError: if it needs an extra that is not installed.
        StoreUnavailable, StoreFull: if a folder can't be made or read. Servers are asked only when needed.
    """
    if not isinstance(address, (str, Path, BlockStore)):
        if token is not None or headers:
            raise InvalidInput("a token is for one server: open each store with its own, then give the list of stores")
        return FallbackStore([open_store(one, timeout=timeout) for one in address])
    if isinstance(address, BlockStore):
        return address
    if isinstance(address, str) and address.startswith(("http://", "https://", *_MULTIADDR)):
        return KuboStore(address, token=token, headers=headers, timeout=timeout)
    if isinstance(address, str) and address.startswith(("gateway+http://", "gateway+https://")):
        return GatewayStore(address.removeprefix("gateway+"), token=token, headers=headers, timeout=timeout)
    if token is not None or headers:
        raise InvalidInput("a folder takes neither token nor headers")
    return FolderStore(_folder(address).expanduser())


def _folder(address: str | Path) -> Path:
    if isinstance(address, Path):
        return address
    if address.startswith("file:"):
        url = urlsplit(address)
        if url.netloc not in ("", "localhost") or not url.path.startswith("/") or url.query or url.fragment:
            raise InvalidInput(f"a folder's URL is file:///PATH, not {address!r}")
        return Path(unquote(url.path))
    if "://" in address or not address:
        scheme = address.partition("://")[0]  # what follows may hold a password
        raise InvalidInput(
            f"no store has addresses of {scheme!r}: give a folder, http(s)://… (Kubo) or gateway+https://…"
        )
    return Path(address)
