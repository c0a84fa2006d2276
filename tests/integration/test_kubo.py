"""Blocks on a real Kubo node, and on things that only pretend to be one."""

import itertools
import json
import os
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from medrec_py.errors import (
    BlockMismatch,
    BlockNotFound,
    BlockTooLarge,
    FormatError,
    StorageError,
    StoreFull,
    StoreTimeout,
    StoreUnavailable,
)
from medrec_py.storage import Cid, FallbackStore, FolderStore, KuboStore, dag, export_car, import_car, open_store
from medrec_py.storage.cid import DAG_PB
from tests.support.content import MIB, content, pieces
from tests.support.hostile import Answer, Server, ok, once, serving, status
from tests.support.kubo import TOKEN, KuboNode, kubo_node

IPFS = Path(__file__).parents[1] / "data" / "ipfs"
CASES = json.loads((IPFS / "kubo" / "cids.json").read_text())
ABSENT = Cid.of(b"nobody has this")


@pytest.fixture
def store(kubo: KuboNode) -> Iterator[KuboStore]:
    with KuboStore(kubo.api, search=0) as store:
        yield store


# --- the same CIDs --------------------------------------------------------------------------------------------------


@pytest.mark.kubo
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['size']}/{case['chunk']}")
def test_kubo_gives_the_cids_that_the_vectors_pin(
    kubo: KuboNode, case: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 21 sizes in chunks of 1 MiB and 19 in chunks of 64 bytes, a live Kubo, the vectors and our code agree."""
    size, chunk = int(str(case["size"])), int(str(case["chunk"]))
    monkeypatch.setattr(dag, "LEAF_SIZE", chunk)
    assert kubo.add(content(size), chunk, store=False) == case["cid"] == str(dag.file_cid(pieces(size)))


@pytest.mark.kubo
@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB + 7, 175 * MIB])
def test_each_side_reads_what_the_other_wrote(kubo: KuboNode, store: KuboStore, size: int) -> None:
    """What we put is what ``ipfs cat`` prints, what ``ipfs add`` wrote reads back from our side."""
    cid = store.put(pieces(size))
    assert kubo.run("cat", str(cid)) == content(size)
    assert store.verify(cid) == store.size(cid) == size
    theirs = content(size)[::-1]
    assert store.read(Cid.parse(kubo.add(theirs))) == theirs


@pytest.mark.kubo
def test_a_range_of_a_long_file(store: KuboStore) -> None:
    """A range across leaves of a file of two levels of nodes is the slice."""
    cid = store.put(pieces(176 * MIB))
    at = 174 * MIB - 3
    assert store.read(cid, at, 10) == b"".join(pieces(176 * MIB))[at : at + 10]


@pytest.mark.kubo
def test_memory_stays_small_whatever_the_size(store: KuboStore) -> None:
    """Putting and verifying 64 MiB takes less than 24 MiB of memory on our side."""
    tracemalloc.start()
    try:
        store.verify(store.put(bytes(MIB - 8) + number.to_bytes(8, "big") for number in range(64)))
        assert tracemalloc.get_traced_memory()[1] < 24 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.kubo
def test_content_cannot_break_out_of_its_form(store: KuboStore) -> None:
    """Content that looks like the end of a multipart form is stored as it is."""
    data = b'\r\n--boundary--\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    assert store.verify(store.put_block(data)) == len(data)


# --- pins and missing blocks ----------------------------------------------------------------------------------------


@pytest.mark.kubo
def test_what_is_put_survives_garbage_collection_until_it_is_unpinned(kubo: KuboNode, store: KuboStore) -> None:
    """Kubo's own collection keeps what we put, and removes it once we unpin; unpinning twice is as once."""
    cid = store.put(pieces(2 * MIB + 11))
    block = store.put_block(b"an envelope")
    kubo.run("repo", "gc", "--quiet")
    assert store.verify(cid) == 2 * MIB + 11
    assert store.get_block(block) == b"an envelope"
    pins = json.loads(kubo.run("pin", "ls", "--type=recursive", "--enc=json"))["Keys"]
    assert {str(cid), str(block)} <= set(pins)
    for _ in range(2):
        store.unpin(cid)
    kubo.run("repo", "gc", "--quiet")
    assert not store.has(cid)
    with pytest.raises(BlockNotFound):
        store.verify(cid)
    with pytest.raises(BlockNotFound):
        store.pin(cid)
    assert store.has(block)


@pytest.mark.kubo
def test_many_blocks_are_each_pinned_on_their_own(kubo: KuboNode, store: KuboStore) -> None:
    """Many small blocks and a few large ones survive Kubo's collection until they are unpinned, some at a time.

    Unpinning twice is as once, also where some of many are not pinned any more.
    """
    data = [number.to_bytes(2, "big") * 50 for number in range(150)] + [bytes([n]) * (MIB - n) for n in range(3)]
    cids = list(store.put_many(iter(data)))
    assert cids == [Cid.of(block) for block in data]
    kubo.run("repo", "gc", "--quiet")
    assert [store.get_block(cid) for cid in cids] == data
    pins = json.loads(kubo.run("pin", "ls", "--type=recursive", "--enc=json"))["Keys"]
    assert {str(cid) for cid in cids} <= set(pins)
    store.unpin_many(cids[:70])
    store.unpin_many(iter(cids[60:90]))
    kubo.run("repo", "gc", "--quiet")
    assert [store.has(cid) for cid in cids] == [False] * 90 + [True] * (len(cids) - 90)
    store.unpin_many(cids)


@pytest.mark.kubo
def test_many_copied_to_a_node_are_pinned_there(store: KuboStore, tmp_path: Path) -> None:
    """Blocks and files taken over from a folder together are whole on the node, and pinned; a missing one is told."""
    folder = FolderStore(tmp_path)
    cids = [folder.put_block(b"a block"), folder.put(pieces(2 * MIB + 1)), folder.put_block(b"another")]
    store.copy_many(cids, folder)
    assert [store.verify(cid) for cid in cids] == [7, 2 * MIB + 1, 7]
    store.unpin_many(cids)
    with pytest.raises(BlockNotFound, match=str(ABSENT)):
        store._store([(cids[0], b"a block")], [cids[0], ABSENT])
    store.unpin(cids[0])


@pytest.mark.kubo
@pytest.mark.parametrize("search", [0.0, 0.7], ids=["own blocks only", "asking peers"])
def test_a_missing_block_does_not_hang(kubo: KuboNode, search: float) -> None:
    """A node that waits for peers says within the search time that it has no such block."""
    with KuboStore(kubo.api, search=search) as store:
        began = time.monotonic()
        with pytest.raises(BlockNotFound, match=str(ABSENT)):
            store.get_block(ABSENT)
        assert time.monotonic() - began >= search
        assert not store.has(ABSENT)
        with pytest.raises(BlockNotFound):
            store.pin(ABSENT)


@pytest.mark.kubo
def test_an_offline_node_answers_at_once(tmp_path: Path) -> None:
    """A node without network needs no search time to say no."""
    with kubo_node(tmp_path, offline=True) as node, KuboStore(node.api, search=60) as store:
        began = time.monotonic()
        with pytest.raises(BlockNotFound):
            store.get_block(ABSENT)
        assert time.monotonic() - began < 60


@pytest.mark.kubo
def test_a_file_with_a_hole_cannot_be_pinned(kubo: KuboNode, store: KuboStore) -> None:
    """Pinning a file of which a leaf is missing is BlockNotFound, though Kubo would wait for peers for ever."""
    *leaves, (root, node) = dag.build(content(3 * MIB + 1)[::-1])
    store.put_block(leaves[0][1])
    kubo.run("block", "put", "--cid-codec=dag-pb", stdin=node)
    with KuboStore(kubo.api, timeout=5) as hasty, pytest.raises(BlockNotFound, match=str(root)):
        hasty.pin(root)
    assert str(root) not in kubo.run("pin", "ls", "--type=recursive").decode()
    for _, block in leaves:
        store.put_block(block)
    store.pin(root)
    assert str(root) in kubo.run("pin", "ls", "--type=recursive").decode()


# --- CAR ------------------------------------------------------------------------------------------------------------


@pytest.mark.kubo
@pytest.mark.parametrize(
    ("size", "leaf"), [(0, MIB), (100, MIB), (MIB, MIB), (MIB + 1, MIB), (3 * MIB + 5, MIB), (20_000, 64), (15_000, 64)]
)
def test_export_is_byte_for_byte_kubos(
    kubo: KuboNode, store: KuboStore, size: int, leaf: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our CAR of a file, of up to three levels of blocks, equals that of ``ipfs dag export``."""
    monkeypatch.setattr(dag, "LEAF_SIZE", leaf)
    cid = store.put(pieces(size))
    assert b"".join(export_car(store, cid)) == kubo.run("dag", "export", "--progress=false", str(cid))


@pytest.mark.kubo
def test_cars_go_both_ways(kubo: KuboNode, store: KuboStore, tmp_path: Path) -> None:
    """From a folder by CAR into Kubo with its own importer, and from Kubo by CAR into a folder and into Kubo by us."""
    folder = FolderStore(tmp_path / "store")
    cid = folder.put(pieces(2 * MIB + 99))
    car = b"".join(export_car(folder, cid))
    assert str(cid).encode() in kubo.run("dag", "import", "--stats=false", stdin=car)
    assert kubo.run("cat", str(cid)) == content(2 * MIB + 99)

    theirs = kubo.add(content(3 * MIB)[::-1])
    car = kubo.run("dag", "export", "--progress=false", theirs)
    for target in (FolderStore(tmp_path / "other"), store):
        assert [str(root) for root in import_car(target, car)] == [theirs]


@pytest.mark.kubo
def test_a_directory_from_kubo_is_refused(kubo: KuboNode, store: KuboStore) -> None:
    """A directory has a CID in our form, but is no record: FormatError."""
    empty = kubo.run("files", "stat", "--hash", "--cid-base=base32", "/").decode().strip()
    directory = Cid(DAG_PB, Cid.parse(kubo.run("cid", "base32", empty).decode().strip()).digest)
    with pytest.raises(FormatError):
        store.verify(directory)


# --- access and faults of a real node -------------------------------------------------------------------------------


@pytest.mark.kubo
def test_a_token_opens_a_guarded_node(tmp_path: Path) -> None:
    """Kubo's bearer tokens work; without one, or with another, the error says what is missing."""
    with kubo_node(tmp_path, token=True) as node:
        with open_store(node.api, token=TOKEN) as store:
            assert store.verify(store.put_block(b"guarded")) == 7
        with KuboStore(node.api, headers={"Authorization": f"Bearer {TOKEN}"}) as store:
            assert store.has(Cid.of(b"guarded"))
        for token in (None, "another"):
            with KuboStore(node.api, token=token) as store, pytest.raises(StoreUnavailable, match="token"):
                store.put_block(b"guarded")


@pytest.mark.kubo
def test_a_node_that_stalls_and_a_node_that_dies(tmp_path: Path) -> None:
    """A stopped daemon is StoreTimeout, goes on when it wakes; a killed one is StoreUnavailable."""
    with (
        kubo_node(tmp_path) as node,
        KuboStore(node.api, timeout=60, search=0) as store,
        KuboStore(node.api, timeout=0.5, search=0) as hasty,
    ):
        cid = store.put_block(b"block")
        node.freeze()
        with pytest.raises(StoreTimeout):
            hasty.get_block(cid)
        with pytest.raises(StoreTimeout):
            hasty.put_block(b"more")
        node.thaw()
        assert store.get_block(cid) == b"block"
        node.process.kill()
        node.process.wait()
        for use in (lambda: store.get_block(cid), lambda: store.put_block(b"x"), lambda: store.has(cid)):
            with pytest.raises(StoreUnavailable):
                use()


@pytest.mark.kubo
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_node_whose_disk_is_full(tmp_path: Path) -> None:
    """A node on a disk of 24 MiB answers StoreFull, pins nothing, and still serves what it has."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
    try:
        repository = disk / "repository"
        repository.mkdir()
        with kubo_node(repository) as node, KuboStore(node.api, search=0) as store:
            cid = store.put(pieces(2 * MIB))
            pins = set(node.run("pin", "ls", "--type=recursive").splitlines())
            with pytest.raises(StoreFull, match="no space left"):
                store.put(pieces(40 * MIB))
            assert store.verify(cid) == 2 * MIB
            assert set(node.run("pin", "ls", "--type=recursive").splitlines()) == pins
    finally:
        subprocess.run(["/bin/umount", "--lazy", disk], check=True)


@pytest.mark.kubo
def test_a_collected_file_comes_from_the_folder(kubo: KuboNode, store: KuboStore, tmp_path: Path) -> None:
    """Stored in both, unpinned and collected on the node: reads go on from the folder, and verify says who lost it."""
    folder = FolderStore(tmp_path / "store")
    both = FallbackStore([store, folder], write="all")
    cid = both.put(pieces(2 * MIB + 3))
    store.unpin(cid)
    kubo.run("repo", "gc", "--quiet")
    assert b"".join(both.open(cid)) == content(2 * MIB + 3)
    with pytest.raises(BlockNotFound, match="Kubo"):
        both.verify(cid)


# --- what only pretends to be a node --------------------------------------------------------------------------------

BLOCK = b"a sealed record"
CID = Cid.of(BLOCK)


def error(message: str) -> bytes:
    """An error as Kubo words it."""
    return status(500, json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode())


@pytest.mark.parametrize("body", [b"", b"a sealed recorD", b"another valid block", BLOCK + b"\0"])
def test_wrong_content_is_caught(body: bytes) -> None:
    """A node is not trusted: other bytes raise BlockMismatch."""
    with serving(once(ok(body))) as server, KuboStore(server.url) as store, pytest.raises(BlockMismatch):
        store.get_block(CID)


def endless(head: bytes) -> Answer:
    def answer(server: Server, request: bytes) -> Iterator[bytes]:
        yield head
        for _ in range(4096):
            yield bytes(65536)

    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000\r\n",
        b"HTTP/1.1 500 No\r\nContent-Length: 268435456\r\n\r\n",
        b"HTTP/1.1 500 No\r\n\r\n",
    ],
    ids=["announced", "one huge chunk", "an announced error", "an endless error"],
)
def test_a_flood_is_cut_off(head: bytes) -> None:
    """More than a block, or than a reasonable error message, is neither buffered nor waited for."""
    with serving(endless(head)) as server, KuboStore(server.url) as store:
        tracemalloc.start()
        try:
            with pytest.raises(BlockTooLarge):
                store.get_block(CID)
            assert tracemalloc.get_traced_memory()[1] < 8 * MIB
        finally:
            tracemalloc.stop()
        assert server.sent < 32 * MIB


def never(server: Server, request: bytes) -> Iterator[bytes]:
    server.stop.wait(30)
    yield b""


def dripping(server: Server, request: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    while not server.stop.wait(0.05):
        yield b"."


@pytest.mark.parametrize("answer", [never, dripping])
def test_a_slow_server_times_out(answer: Answer) -> None:
    """The timeout is for the whole answer, whether the server is silent or drips."""
    with (
        serving(answer) as server,
        KuboStore(server.url, timeout=0.5, search=0) as store,
        pytest.raises(StoreTimeout),
    ):
        store.get_block(CID)


def test_a_refused_connection_is_unavailable() -> None:
    """Nobody listens: StoreUnavailable with the system's reason."""
    with serving(once(b"")) as server:
        url = server.url
    with KuboStore(url) as store, pytest.raises(StoreUnavailable, match="refused"):
        store.get_block(CID)


def test_redirects_are_not_followed() -> None:
    """An RPC that redirects, with our token in hand, is an error."""
    with serving(once(ok(BLOCK))) as other, serving(once(status(307, b"", f"Location: {other.url}/x"))) as server:
        with KuboStore(server.url, token="secret") as store, pytest.raises(StoreUnavailable, match="307"):
            store.get_block(CID)
        assert not other.requests
        assert b"Authorization: Bearer secret" in server.requests[0]


def test_a_netrc_file_does_not_replace_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that the user keeps for the same host don't take the token's place."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login alice password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(once(ok(BLOCK))) as server, KuboStore(server.url, token="secret") as store:
        store.get_block(CID)
        assert b"Authorization: Bearer secret" in server.requests[0]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error("write /data/blocks: no space left on device"), StoreFull),
        (error("disk quota exceeded"), StoreFull),
        (error("something else broke"), StoreUnavailable),
        (status(403, b"403 - Forbidden"), StoreUnavailable),
        (status(404, b"404 page not found"), StoreUnavailable),
        (ok(b'{"Key":"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku","Size":0}'), BlockMismatch),
        (ok(b'{"Key":5}'), BlockMismatch),
        (ok(b"[" * 60000), BlockMismatch),
        (ok(b"\xff\xfe"), BlockMismatch),
        (ok(bytes(100_000)), BlockTooLarge),
        (ok(b""), StoreUnavailable),
        (b"", StoreUnavailable),
        (b"SSH-2.0-OpenSSH_9.2\r\n", StoreUnavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", StorageError),
    ],
    ids=[
        "full",
        "quota",
        "an error",
        "forbidden",
        "no RPC",
        "another CID",
        "no CID",
        "deep nesting",
        "no text",
        "an endless answer",
        "nothing",
        "closed at once",
        "another protocol",
        "cut off",
    ],
)
def test_every_answer_to_a_put_is_a_typed_error(answer: bytes, kind: type[Exception]) -> None:
    """Whatever a node answers to a put, the caller sees an error of this package that fits, and no success."""
    with serving(once(answer)) as server, KuboStore(server.url) as store, pytest.raises(kind):
        store.put_block(BLOCK)


def test_a_put_of_many_that_breaks_off_says_why() -> None:
    """Kubo names the first of three blocks and stops, its disk being full: the next is asked for alone, which tells."""

    def answer(server: Server, request: bytes) -> Iterator[bytes]:
        if request.count(b"filename") == 3:
            yield ok(json.dumps({"Key": str(Cid.of(b"1")), "Size": 1}).encode() + b"\n")
        else:
            yield error("write /data/blocks: no space left on device")

    with serving(answer) as server, KuboStore(server.url) as store:
        with pytest.raises(StoreFull):
            list(store.put_many([b"1", b"2", b"3"]))
        assert not [request for request in server.requests if b"pin/add" in request]


PROGRESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Stream-Error\r\n\r\n"


def chunk(line: bytes) -> bytes:
    return f"{len(line):x}\r\n".encode() + line + b"\r\n"


def test_a_pin_that_breaks_off_is_no_pin() -> None:
    """Kubo says 200, counts, and fails in a trailer: the reason is asked for, and is the error."""

    def answer(server: Server, request: bytes) -> Iterator[bytes]:
        if b"progress=true" in request:
            yield PROGRESS + chunk(b'{"Progress":7}\n') + b"0\r\nX-Stream-Error: no space left on device\r\n\r\n"
        else:
            yield error("pin: no space left on device")

    with serving(answer) as server, KuboStore(server.url) as store, pytest.raises(StoreFull):
        store.pin(CID)


@pytest.mark.parametrize("stalls", [False, True])
def test_a_long_pin_may_take_longer_than_the_timeout_while_it_gets_on(stalls: bool) -> None:
    """The time starts anew with each step; a pin that only repeats itself waits for a block that nobody has."""

    def answer(server: Server, request: bytes) -> Iterator[bytes]:
        yield PROGRESS
        for count in itertools.repeat(1) if stalls else range(1, 9):
            server.stop.wait(0.5)
            yield chunk(b'{"Progress":%d}\n' % count)
        yield chunk(b'{"Pins":["%s"]}\n' % str(CID).encode()) + b"0\r\n\r\n"

    with serving(answer) as server, KuboStore(server.url, timeout=3) as store:
        if stalls:
            with pytest.raises(BlockNotFound):
                store.pin(CID)
        else:
            store.pin(CID)


def test_the_boundary_of_a_form_is_new_each_time() -> None:
    """Nobody can prepare content that ends the form early, since its boundary is random."""
    with serving(once(ok(b"{}"))) as server, KuboStore(server.url) as store:
        for _ in range(2):
            with pytest.raises(BlockMismatch):
                store.put_block(BLOCK)
        first, second = (request.split(b"boundary=")[1][:32] for request in server.requests)
        assert first != second
        assert all(BLOCK in request for request in server.requests)
