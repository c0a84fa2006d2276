"""Reading from trustless gateways: Kubo's own, and ones that lie, flood, dawdle and lead elsewhere."""

import gzip
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from medrec_py.errors import (
    BlockMismatch,
    BlockNotFound,
    BlockTooLarge,
    StorageError,
    StoreReadOnly,
    StoreTimeout,
    StoreUnavailable,
)
from medrec_py.storage import Cid, FallbackStore, FolderStore, GatewayStore, KuboStore, open_store
from tests.support.content import MIB, content, pieces
from tests.support.hostile import Answer, Server, ok, once, serving, status
from tests.support.kubo import KuboNode

BLOCK = b"a sealed record"
CID = Cid.of(BLOCK)


@pytest.mark.kubo
def test_files_read_from_kubos_gateway(kubo: KuboNode) -> None:
    """Files of one and of many blocks read whole and in ranges through a real gateway."""
    writer = KuboStore(kubo.api)
    with GatewayStore(kubo.gateway) as gateway:
        for size in (0, 5, MIB, 3 * MIB + 9):
            cid = writer.put(pieces(size))
            assert gateway.has(cid)
            assert gateway.verify(cid) == size
            assert gateway.read(cid, size // 2, 100) == content(size)[size // 2 : size // 2 + 100]


@pytest.mark.kubo
def test_a_block_that_kubos_gateway_lacks_is_not_found(kubo: KuboNode) -> None:
    """A real gateway's 404 is BlockNotFound."""
    with GatewayStore(kubo.gateway) as gateway:
        with pytest.raises(BlockNotFound):
            gateway.get_block(Cid.of(b"nobody has this"))
        assert not gateway.has(Cid.of(b"nobody has this"))


def test_the_request_is_the_one_of_the_specification() -> None:
    """Raw bytes are asked for by parameter and by header, uncompressed, with the caller's headers."""
    with serving(once(ok(BLOCK))) as server:
        store = open_store(f"gateway+{server.url}/prefix", token="secret", headers={"X-Clinic": "7"})
        assert store.get_block(CID) == BLOCK
        head = server.requests[0].decode()
    assert head.startswith(f"GET /prefix/ipfs/{CID}?format=raw HTTP/1.1\r\n")
    for line in (
        "Accept: application/vnd.ipld.raw",
        "Accept-Encoding: identity",
        "Authorization: Bearer secret",
        "X-Clinic: 7",
    ):
        assert line in head


def test_writing_is_refused() -> None:
    """A gateway can be read only, and isn't even asked."""
    store = GatewayStore("http://127.0.0.1:1")
    writes: list[Callable[[], object]] = [
        lambda: store.put(b"x"),
        lambda: store.put_block(b"x"),
        lambda: store.pin(CID),
        lambda: store.unpin(CID),
    ]
    for write in writes:
        with pytest.raises(StoreReadOnly):
            write()


@pytest.mark.parametrize("body", [b"", b"a sealed recorD", b"another valid block", BLOCK + b"\0"])
def test_wrong_content_is_caught(body: bytes) -> None:
    """Other bytes, one flipped bit or another block, raise BlockMismatch."""
    with serving(once(ok(body))) as server, GatewayStore(server.url) as store, pytest.raises(BlockMismatch):
        store.get_block(CID)


def test_compressed_answers_are_not_unpacked() -> None:
    """A small answer that unpacks to a gigabyte is compared as it came: no bomb goes off."""
    bomb = gzip.compress(bytes(64 * MIB))
    with serving(once(ok(bomb, "Content-Encoding: gzip"))) as server, GatewayStore(server.url) as store:
        tracemalloc.start()
        try:
            with pytest.raises(BlockMismatch):
                store.get_block(CID)
            assert tracemalloc.get_traced_memory()[1] < 8 * MIB
        finally:
            tracemalloc.stop()


def endless(head: bytes) -> Answer:
    def answer(server: Server, request: bytes) -> Iterator[bytes]:
        yield head
        for _ in range(4096):
            yield bytes(65536)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n"),
        endless(b"HTTP/1.1 200 OK\r\n\r\n"),
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000\r\n"),
    ],
    ids=["announced", "until it closes", "one huge chunk"],
)
def test_a_flood_is_cut_off(answer: Answer) -> None:
    """More than a block raises BlockTooLarge; neither memory nor time is spent on the rest."""
    with serving(answer) as server, GatewayStore(server.url) as store:
        tracemalloc.start()
        try:
            with pytest.raises(BlockTooLarge):
                store.get_block(CID)
            assert tracemalloc.get_traced_memory()[1] < 8 * MIB
        finally:
            tracemalloc.stop()
        assert server.sent < 32 * MIB  # what lay in the buffers of the sockets


def never(server: Server, request: bytes) -> Iterator[bytes]:
    server.stop.wait(30)
    yield b""


def dripping_head(server: Server, request: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while not server.stop.wait(0.05):
        yield b"X-Patience: please\r\n"


def dripping_body(server: Server, request: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    while not server.stop.wait(0.05):
        yield b"."


@pytest.mark.parametrize("answer", [never, dripping_head, dripping_body])
def test_a_slow_server_times_out(answer: Answer) -> None:
    """The timeout is for the whole answer: silence and a drip of bytes, in head or body, all end in StoreTimeout."""
    with serving(answer) as server, GatewayStore(server.url, timeout=0.5) as store, pytest.raises(StoreTimeout):
        store.get_block(CID)


def test_a_refused_connection_is_unavailable() -> None:
    """Nobody listens: StoreUnavailable with the system's reason."""
    with serving(once(b"")) as server:
        url = server.url
    with GatewayStore(url) as store, pytest.raises(StoreUnavailable, match="refused"):
        store.get_block(CID)


@pytest.mark.parametrize("kind", [GatewayStore, KuboStore])
def test_a_connection_that_was_closed_while_idle_is_made_anew(kind: type[GatewayStore] | type[KuboStore]) -> None:
    """A server that hangs up on the second request of a connection is asked again on a fresh one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(ok(BLOCK))
                    connection.recv(1)  # the next request, which is not answered

        server = threading.Thread(target=serve)
        server.start()
        with kind(f"http://127.0.0.1:{listener.getsockname()[1]}") as store:
            assert store.get_block(CID) == BLOCK
            assert store.get_block(CID) == BLOCK
        server.join(10)
        assert not server.is_alive()  # closing the store closed its connection


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(code: int) -> None:
    """A gateway can't send this client to another host, not even one that has the block: SSRF."""
    with serving(once(ok(BLOCK))) as other, serving(once(status(code, b"", f"Location: {other.url}/x"))) as server:
        with GatewayStore(server.url) as store, pytest.raises(StoreUnavailable, match="redirects"):
            store.get_block(CID)
        assert not other.requests


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(404), BlockNotFound),
        (status(410), BlockNotFound),
        (status(504), StoreTimeout),
        (status(429), StoreUnavailable),
        (status(500, b"x" * 100000), StoreUnavailable),
        (status(401), StoreUnavailable),
        (b"", StoreUnavailable),
        (b"SSH-2.0-OpenSSH_9.2\r\n", StoreUnavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\na sealed", StorageError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", BlockMismatch),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", StoreUnavailable),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", StoreUnavailable),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100000 + b"\r\n\r\n", StoreUnavailable),
    ],
    ids=[
        "not found",
        "gone",
        "not found in time",
        "too many requests",
        "an error",
        "no access",
        "closed at once",
        "another protocol",
        "cut off",
        "a negative length",
        "broken chunks",
        "a thousand headers",
        "an endless header",
    ],
)
def test_every_other_answer_is_a_typed_error(answer: bytes, error: type[Exception]) -> None:
    """Whatever a server answers, the caller sees an error of this package that fits."""
    with serving(once(answer)) as server, GatewayStore(server.url) as store, pytest.raises(error):
        store.get_block(CID)


def test_a_lying_gateway_before_an_honest_folder(tmp_path: object, caplog: pytest.LogCaptureFixture) -> None:
    """In a fallback the lie is logged with the gateway's address, and the record comes from the folder."""
    folder = FolderStore(f"{tmp_path}/store")
    folder.put_block(BLOCK)
    with serving(once(ok(b"lie"))) as server, FallbackStore([GatewayStore(server.url), folder]) as store:
        assert store.get_block(CID) == BLOCK
        assert server.url in caplog.text
