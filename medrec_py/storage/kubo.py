"""Blocks on a Kubo node (IPFS), over its RPC, with ipfshttpclient.

ipfshttpclient brings the address forms and the connections. The answers are read here: its own methods buffer
whatever a node sends and follow redirects, and this store does neither.

Standard: https://docs.ipfs.tech/reference/kubo/rpc/, tried with Kubo 0.41.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv6Address, ip_address
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from medrec_py import limited_http
from medrec_py.crypto import untrusted_json
from medrec_py.errors import (
    BlockMismatch,
    BlockNotFound,
    ConfigurationError,
    InvalidInput,
    StoreFull,
    StoreTimeout,
    StoreUnavailable,
)
from medrec_py.storage.cid import DAG_PB, RAW, Cid, Unverified
from medrec_py.storage.dag import BLOCK_LIMIT, Block
from medrec_py.storage.store import BlockStore

if TYPE_CHECKING:
    import requests

DEFAULT_ADDRESS: Final = "http://127.0.0.1:5001"
_MESSAGE_LIMIT: Final = 1 << 16
_FILES, _PINS, _AT_ONCE = 256, 64, 4  # blocks and pins in a request, and requests under way
_MISSING: Final = ("could not find", "not found", "context deadline exceeded")
_FULL: Final = ("no space left on device", "disk quota exceeded", "file too large")


_GC_SECONDS = 600.0
"""A node may take so long to collect its garbage."""


class KuboStore(BlockStore):
    """A block store on a Kubo node.

    Blocks and CIDs are those of ``ipfs add --raw-leaves --cid-version 1 --chunker size-1048576``. Everything is
    fetched block by block and checked, so the node is not trusted.

    Args:
        address: URL of the RPC (``http://127.0.0.1:5001``) or its multiaddr (``/ip4/127.0.0.1/tcp/5001``,
            ``/unix/…``).
        token: Bearer token, as Kubo's ``API.Authorizations`` asks for.
        headers: Further HTTP headers for each request.
        timeout: Seconds for connecting, and for each answer.
        search: Seconds that the node may look for a block among its peers; 0 asks for its own blocks only.

    Attributes:
        client: The ``ipfshttpclient.Client``, for what else an application wants from the node.

    Raises:
        ConfigurationError: if ipfshttpclient is not installed.
        InvalidInput: if the address can't be used. Nothing is connected yet.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        search: float = 5.0,
    ) -> None:
        if timeout <= 0 or search < 0:
            raise InvalidInput("the timeout must be positive, and the search time not negative")
        self._timeout = timeout
        self._search = search
        all_headers = limited_http.headers({"Accept-Encoding": "identity"}, token, headers)
        multiaddr, base = _multiaddr(address)
        self.client = _client(multiaddr, base)
        http = self.client._client  # noqa: SLF001  what carries its requests; the version is pinned
        self._session: requests.Session = http._session  # noqa: SLF001
        self._base: str = http._base_url  # noqa: SLF001
        for adapter in self._session.adapters.values():
            adapter.poolmanager.connection_pool_kw.pop("strict", None)  # urllib3 would warn at each request
        self._session.headers.update(all_headers)
        if "Authorization" in all_headers:
            self._session.auth = lambda request: request  # without it, ~/.netrc would replace the header
        self.name = f"Kubo {address}"

    # --- primitives -------------------------------------------------------------------------------------------------

    def has(self, cid: Cid) -> bool:
        """Whether the node says that it holds the block itself, without asking its peers."""
        try:
            self._rpc("block/stat", [cid], {"offline": "true"})
        except BlockNotFound:
            return False
        return True

    def pin(self, cid: Cid) -> None:
        """Pins a block or file that the node holds whole; see ``BlockStore.pin``.

        The timeout is for each step: a large file takes its time.
        """
        # Kubo asks its peers for a missing block below the root even if told not to: so watch whether it gets on.
        progress = _Progress()
        try:
            options = {"offline": "true", "progress": "true"}
            answer = self._rpc("pin/add", [cid], options, limit=BLOCK_LIMIT, moves=progress.moves)
        except StoreTimeout as error:
            if progress.count:
                raise BlockNotFound(f"{self.name} lacks a block of {cid}") from error
            raise
        if b'"Pins"' not in answer:  # it broke off, and said why where no HTTP client of Python looks: ask again
            self._rpc("pin/add", [cid], {"timeout": f"{self._timeout:.3f}s"}, extra=1)

    def unpin(self, cid: Cid) -> None:
        """Lets the node's garbage collection remove a block or file, unless another pin holds it."""
        try:
            self._rpc("pin/rm", [cid])
        except StoreUnavailable as error:
            if "not pinned" not in str(error):
                raise

    def unpin_many(self, cids: Iterable[Cid]) -> None:
        """Unpins many, dozens in a request. Kubo gives up a request at the first that is not pinned: then singly."""
        source = iter(cids)
        while some := list(islice(source, _PINS)):
            try:
                self._rpc("pin/rm", some)
            except StoreUnavailable as error:
                if "not pinned" not in str(error):
                    raise
                super().unpin_many(some)

    def collect(self) -> None:
        """Has the node collect its garbage: every block that nothing pins, whoever put it. It may take a while."""
        progress = _Progress()
        self._rpc("repo/gc", [], {"silent": "true"}, limit=BLOCK_LIMIT, extra=_GC_SECONDS, moves=progress.moves)

    def _fetch(self, cid: Cid) -> Unverified:
        where = {"timeout": f"{self._search:.3f}s"} if self._search else {"offline": "true"}
        return Unverified(self._rpc("block/get", [cid], where, limit=BLOCK_LIMIT, extra=self._search))

    def _store(self, blocks: Iterable[Block], roots: Sequence[Cid] | None = None) -> Cid:
        last: Cid | None = None
        for some in _forms(blocks):
            self._put(some)
            last = some[-1][0]
        if last is None:
            raise InvalidInput("there is no block to store")
        self._pin_many([last] if roots is None else roots)
        return last

    def _put(self, blocks: Sequence[Block]) -> None:
        """Sends blocks of one codec in one request."""
        codec = "dag-pb" if blocks[0][0].codec == DAG_PB else "raw"
        options = {"cid-codec": codec, "mhtype": "sha2-256"}
        answers = self._rpc("block/put", [], options, files=[block for _, block in blocks]).splitlines()
        for (cid, _), answer in zip(blocks, answers, strict=False):
            if (named := _field(answer, "Key")) != str(cid):
                raise BlockMismatch(f"{self.name} stored {cid} under another name: {named!r}")
        for missing in blocks[len(answers) :]:  # it broke off; asked for one block alone, it says why
            if len(blocks) == 1:
                raise StoreUnavailable(f"{self.name} does not say that it stored {missing[0]}")
            self._put([missing])

    def _pin_many(self, roots: Sequence[Cid]) -> None:
        """Pins files one by one, so that progress is seen, and single blocks by the dozen."""
        for file in [root for root in roots if root.codec == DAG_PB]:
            self.pin(file)
        blocks = iter([root for root in roots if root.codec == RAW])
        while some := list(islice(blocks, _PINS)):
            if len(some) == 1:
                self.pin(some[0])
            else:
                self._rpc("pin/add", some, {"offline": "true"})

    def _verify_many(self, cids: Sequence[Cid]) -> None:
        """Reads back several blocks at once: a node far away takes its time for each."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            deque(pool.map(self.get_block, cids), maxlen=0)

    def version(self) -> str:
        """The node's own version, such as ``0.41.0``."""
        return str(_field(self._rpc("version", []), "Version") or "unknown")

    def close(self) -> None:
        """Closes the connections."""
        for adapter in self._session.adapters.values():
            limited_http.close(adapter.poolmanager)  # type: ignore[attr-defined]
        self.client.close()

    # --- requests ---------------------------------------------------------------------------------------------------

    def _rpc(
        self,
        command: str,
        cids: Sequence[Cid],
        options: Mapping[str, str] | None = None,
        *,
        files: Sequence[bytes] = (),
        limit: int = _MESSAGE_LIMIT,
        extra: float = 0.0,
        moves: Callable[[bytes], bool] | None = None,
    ) -> bytes:
        """Calls a command of the node.

        Args:
            command: Its path below ``/api/v0``.
            cids: Its arguments.
            options: Its options.
            files: What to send.
            limit: The most bytes that the answer may have.
            extra: Seconds to wait on top of the timeout.
            moves: See ``Deadline.read``.

        Returns:
            The answer, at most ``limit`` bytes.
        """
        deadline = limited_http.Deadline(self.name, self._timeout + extra)
        boundary = secrets.token_hex(16)
        request = partial(
            self._session.request,
            "POST",
            self._base + command,
            params={**(options or {}), "arg": [str(cid) for cid in cids]},
            data=_form(files, boundary) if files else None,
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"} if files else {},
            timeout=(self._timeout, self._timeout + extra),
            stream=True,
            allow_redirects=False,
        )
        with deadline.errors(), limited_http.send(request, deadline) as response:
            if response.status_code == 200:
                return deadline.read(response.raw, limit, moves)
            message = deadline.read(response.raw, _MESSAGE_LIMIT)
        raise self._refusal(cids, response.status_code, str(_field(message, "Message") or ""))

    def _refusal(self, cids: Sequence[Cid], status: int, message: str) -> Exception:
        """The error that an answer other than 200 means."""
        if cids and status == 500 and any(words in message for words in _MISSING):
            missing = [str(cid) for cid in cids if len(cids) == 1 or str(cid) in message]
            return BlockNotFound(f"{self.name} does not have {', '.join(missing) or 'a block'}")
        if any(words in message for words in _FULL):
            return StoreFull(f"{self.name}: {message}")
        hint = " (does it ask for a token?)" if status in (401, 403) else ""
        return StoreUnavailable(f"{self.name} answers {status}{hint}: {message[:200] or 'without a reason'}")


class _Progress:
    """How many blocks a node has pinned, by the lines that it sends twice a second."""

    def __init__(self) -> None:
        self.count = 0

    def moves(self, answer: bytes) -> bool:
        """Whether the last whole line counts more than the one before it."""
        lines = answer.rsplit(b"\n", 2)
        before, self.count = self.count, max(self.count, _number(lines[-2], "Progress") if len(lines) > 1 else 0)
        return self.count > before


def _client(multiaddr: str, base: str) -> Any:
    try:
        import ipfshttpclient  # noqa: PLC0415  optional
    except ImportError as error:
        raise ConfigurationError("a Kubo node needs ipfshttpclient: pip install medrec-py[ipfs]") from error
    try:
        # not connect(): it warns about every Kubo of this decade
        return ipfshttpclient.Client(multiaddr, base, session=True, timeout=None)
    except ipfshttpclient.exceptions.AddressError as error:
        raise InvalidInput(f"not the address of a Kubo RPC: {multiaddr}") from error


def _multiaddr(address: str) -> tuple[str, str]:
    """Address and path prefix as ipfshttpclient wants them."""
    if address.startswith("/"):
        return address, "api/v0"
    try:
        url = urlsplit(address)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise InvalidInput(f"not the address of a Kubo RPC: {error}") from None
    if url.scheme not in ("http", "https") or not host:
        raise InvalidInput("the address of a Kubo RPC is http://HOST:PORT, https://HOST:PORT or a multiaddr")
    if url.username or url.password or url.query or url.fragment:
        raise InvalidInput("give a token or headers rather than credentials or options in the address of a Kubo RPC")
    try:
        kind = "ip6" if isinstance(ip_address(host), IPv6Address) else "ip4"
    except ValueError:
        kind = "dns"
    port = port or (443 if url.scheme == "https" else 80)
    return f"/{kind}/{host}/tcp/{port}/{url.scheme}", f"{url.path.strip('/')}/api/v0".lstrip("/")


def _forms(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """The blocks in the portions in which they are sent: of one codec, and together no larger than a block may be."""
    some: list[Block] = []
    size = 0
    for cid, block in blocks:
        if some and (cid.codec != some[0][0].codec or size + len(block) > BLOCK_LIMIT or len(some) == _FILES):
            yield some
            some, size = [], 0
        some.append((cid, block))
        size += len(block)
    if some:
        yield some


def _form(files: Sequence[bytes], boundary: str) -> bytes:
    """A multipart form with files (RFC 7578)."""
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="block"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    parts = [part for file in files for part in (head, file, b"\r\n")]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _field(answer: bytes, name: str) -> object:
    """A field of a JSON answer that may be anything; None if there is none."""
    try:
        return untrusted_json.loads(answer)[name]
    except (ValueError, TypeError, KeyError, IndexError):
        return None


def _number(answer: bytes, name: str) -> int:
    value = _field(answer, name)
    return value if isinstance(value, int) else 0
