"""Long contents: the speed of sealing and opening beside SHA-256 and age, memory for a long stream, reading a range.

The files lie in memory (``/dev/shm``), where there is room, so that no disk decides.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import pyrage

from bench.records import ADDRESS, NOW, SUITE, Draft, Epoch, verified
from bench.timing import best
from medrec_py import records
from medrec_py.chain.types import Kind
from medrec_py.crypto.content import ContentReader, ContentSealer
from medrec_py.crypto.envelope import ContentFile
from medrec_py.history import Entry
from medrec_py.storage import Cid, FolderStore, dag
from medrec_py.storage.cid import RAW

MIB = 1 << 20
FILE_SIZE = 1 << 30
STREAM_SIZE = 10 << 30
_PIECE = os.urandom(MIB)


def in_memory() -> tempfile.TemporaryDirectory[str]:
    """A folder whose files are in memory, if the system has one."""
    shared = Path("/dev/shm")  # noqa: S108 - the folder below it has a random name and is ours alone
    return tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None)


def speed() -> dict[str, float]:
    """How many times as fast as SHA-256 and as age a file of 1 GiB is sealed and opened, from file to file.

    Sealing computes the CIDs of all blocks; opening checks tags, Merkle root and thereby what the author signed. age
    is pyrage's ``encrypt_file`` and ``decrypt_file`` with an X25519 key.
    """
    with in_memory() as folder:
        files = _Files(Path(folder))
        sha, seal, unseal, age_seal, age_open = best(
            files.hash, files.seal, files.open, files.age_seal, files.age_open, rounds=3
        )
    return {"seal_vs_sha256": sha / seal, "seal_vs_pyrage": age_seal / seal, "open_vs_pyrage": age_open / unseal}


class _Files:
    def __init__(self, folder: Path) -> None:
        self._plain, self._sealed, self._age = folder / "plain", folder / "sealed", folder / "age"
        self._opened = folder / "opened"
        self._identity = pyrage.x25519.Identity.generate()
        with self._plain.open("wb") as file:
            for _ in range(FILE_SIZE // MIB):
                file.write(os.urandom(MIB))
        self._draft = Draft(b"")

    def hash(self) -> None:
        digest, buffer = hashlib.sha256(), memoryview(bytearray(MIB))
        with self._plain.open("rb", buffering=0) as file:
            while size := file.readinto(buffer):
                digest.update(buffer[:size])

    def seal(self) -> None:
        with self._plain.open("rb", buffering=0) as source, self._sealed.open("wb", buffering=0) as sink:
            self._draft = Draft(source)
            for cid, block in dag.build(self._draft.chunks):
                if cid.codec == RAW:  # the nodes above are for stores
                    sink.write(block)

    def open(self) -> None:
        draft = self._draft
        reader = ContentReader(draft.data_key, draft.record_id, draft.chunks.size, SUITE)
        with self._sealed.open("rb", buffering=0) as source, self._opened.open("wb", buffering=0) as sink:
            for piece in reader.read_all(source, draft.leaf_salt, draft.chunks.root):
                sink.write(piece)

    def age_seal(self) -> None:
        pyrage.encrypt_file(str(self._plain), str(self._age), [self._identity.to_public()])

    def age_open(self) -> None:
        pyrage.decrypt_file(str(self._age), str(self._opened), [self._identity])


def stream() -> dict[str, float]:
    """MiB of memory above what the process had before, at the most, while 10 GiB are sealed and opened again.

    The source repeats itself and the sink counts. A process of its own, since the system keeps one peak a process.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return {"stream_extra_mib": pool.submit(_stream_extra_mib).result()}


def _stream_extra_mib() -> float:
    _seal_and_open(MIB)  # whatever is loaded and made once
    before = _forget_peak()
    _seal_and_open(STREAM_SIZE)
    return (_peak_kib() - before) / 1024


def _seal_and_open(size: int) -> None:
    """Seal a stream; then seal it once more, to the same bytes, and open them as they come."""
    draft = Draft(_repeated(size))
    sealed = sum(len(block) for _, block in dag.build(draft.chunks))
    again = ContentSealer(_repeated(size), draft.data_key, draft.record_id, draft.leaf_salt, SUITE)
    reader = ContentReader(draft.data_key, draft.record_id, size, SUITE)
    opened = sum(map(len, reader.read_all(again, draft.leaf_salt, draft.chunks.root)))
    assert opened == size < sealed


def _repeated(size: int) -> Iterator[bytes]:
    return repeat(_PIECE, size // MIB)


def _forget_peak() -> int:
    """Have the peak begin anew, and return the memory in use now, KiB.

    Without it the peak of a child begins with its parent's, which may be higher than all that the child needs.
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def _peak_kib() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    """A figure of ``/proc/self/status``, KiB: Linux alone has it, and a peak that can be made to begin anew."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {name}")


def range_read() -> dict[str, float]:
    """MiB of blocks that are fetched for 1 MiB out of the middle of a record of 1 GiB, at the worst place."""
    with in_memory() as folder, _Counting(folder) as store:
        draft, epoch = Draft(_repeated(FILE_SIZE)), Epoch.new(1)
        cid = store.put(draft.chunks)
        sealed = draft.envelope(epoch, ContentFile(bytes(cid), store.size(cid)))
        record = records.from_verified(
            verified(sealed.block, sealed.entry, epoch), _entry(sealed.entry.claim), None, store
        )
        start = FILE_SIZE // 2 + 12_345
        store.fetched = 0
        assert len(record.range(start, start + MIB)) == MIB
        return {"range_read_mib": store.fetched / MIB}


def _entry(claim: bytes) -> Entry:
    return Entry(1, Kind.RECORD, 1, ADDRESS, ADDRESS, NOW, bytes(32), claim, 0, 1, "0x", 1)


class _Counting(FolderStore):
    """A folder that counts the bytes of the blocks that are read from it."""

    fetched = 0

    def get_block(self, cid: Cid) -> bytes:
        block = super().get_block(cid)
        self.fetched += len(block)
        return block
