"""Blocks in a local folder: the embedded default, needing nothing but a disk.

Layout, version 1::

    medrec-store           names the layout
    lock                   held shared while blocks become visible, exclusively by ``collect``
    blocks/ab/ab12…        one file a block, named by the SHA-256 of its bytes
    pins/ab/bafk…          one empty file a pin, named by its CID, sharded by the digest
    incoming/<random>/     blocks of a ``put`` that has not finished; its ``lock`` is held by its process

A block is written to ``incoming``, flushed to the disk, and moved into place only when the whole
file has arrived; the pin comes last. So a reader never sees half a block, a crash or a full disk
leaves at most a folder in ``incoming`` that the next process removes, and ``collect`` may run
beside writers of any number of processes. The locks are the kernel's (flock): a killed process
holds none.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from medrec_py.errors import (
    BlockNotFound,
    BlockTooLarge,
    InvalidInput,
    StorageError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from medrec_py.storage import dag
from medrec_py.storage.cid import Cid, Unverified
from medrec_py.storage.dag import BLOCK_LIMIT, Block
from medrec_py.storage.store import BATCH, BlockStore

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LAYOUT: Final = "medrec block store, layout 1\n"
_SHARDS: Final = [f"{number:02x}" for number in range(256)]
_OURS: Final = {"medrec-store", "lock", "blocks", "pins", "incoming"}
_WRITERS: Final = 4
_SMALL: Final = 1 << 16
"""Bytes. A block below this is written in less time than it takes to hand it to a thread."""
_FLUSHERS: Final = 16
_flush = getattr(os, "fdatasync", os.fsync)  # without the times of change, where the system can
_BLOCK_NAME: Final = re.compile("[0-9a-f]{64}")
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN: Final = {errno.EACCES, errno.EPERM, errno.EROFS}


class Collected(NamedTuple):
    """What ``FolderStore.collect`` removed.

    Attributes:
        blocks: How many blocks.
        bytes: Their size together.
    """

    blocks: int
    bytes: int


class FolderStore(BlockStore):
    """A block store in a folder of the local file system.

    Any number of threads and processes may use the same folder at once.

    Note: without POSIX file locks (Windows) nothing is cleaned up and ``collect`` refuses.

    Args:
        path: The folder. Made, with its parents, if it doesn't exist.

    Raises:
        InvalidInput: if the folder holds something else, or a layout that this version doesn't
            know.
        StoreUnavailable: if it can't be made or read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self.name = f"folder {self.path}"
        self._marker = self.path / "medrec-store"
        with self._errors("open"):
            self._prepare()
        with suppress(OSError):  # a store that can only be read stays as it is
            self._clean()

    # --- primitives ---------------------------------------------------------------------------

    def has(self, cid: Cid) -> bool:
        """Whether there is a file for this block."""
        with self._errors("look into"):
            try:
                os.stat(self._block(cid))
            except FileNotFoundError:
                os.stat(self._marker)
                return False
            return True

    def pin(self, cid: Cid) -> None:
        """Keeps a block or file, with every block below it; see ``BlockStore.pin``."""
        with self._errors("write to"), self._locked():
            for member in dag.members(self.get_block, cid):
                if not self.has(member):
                    raise BlockNotFound(f"{self.name} lacks {member}, a block of {cid}")
            self._pin([cid])

    def unpin(self, cid: Cid) -> None:
        """Lets the next ``collect`` remove a block or file, unless another pin holds it."""
        with self._errors("write to"), self._locked():
            self._unpin([cid])

    def unpin_many(self, cids: Iterable[Cid]) -> None:
        """Unpins many, and flushes each folder of pins once for some thousands of them."""
        source = iter(cids)
        while batch := list(islice(source, BATCH)):
            with self._errors("write to"), self._locked():
                self._unpin(batch)

    def pins(self) -> Iterator[Cid]:
        """Everything that is pinned, in no particular order."""
        for shard in _SHARDS:
            with self._errors("read from"):
                names = os.listdir(self.path / "pins" / shard)
            for name in names:
                if not name.startswith("."):  # such as file managers and NFS leave
                    yield Cid.parse(name)

    def _fetch(self, cid: Cid) -> Unverified:
        with self._errors("read from"):
            try:
                with open(self._block(cid), "rb", buffering=0) as file:
                    size = os.fstat(file.fileno()).st_size
                    if size > BLOCK_LIMIT:
                        raise BlockTooLarge(f"{self.name}: the file of {cid} has {size} bytes")
                    return Unverified(file.read(size) or b"")
            except FileNotFoundError:
                os.stat(self._marker)  # an unplugged disk is not a missing block
                raise BlockNotFound(f"{self.name} does not have {cid}") from None

    def _store(self, blocks: Iterable[Block], roots: Sequence[Cid] | None = None) -> Cid:
        with self._incoming() as folder:
            last = self._take(blocks, folder)
            with self._errors("write to"), self._locked():
                self._publish(folder)
                self._pin([last] if roots is None else roots)
        return last

    def _take(self, blocks: Iterable[Block], folder: Path) -> Cid:
        """Writes blocks to a folder, and flushes them: large ones while the next come, small ones many at a time.

        Returns:
            The CID of the last one.
        """
        last: Cid | None = None
        small: list[str] = []
        with ThreadPoolExecutor(_WRITERS) as pool:  # flushing waits for the disk, hashing for nothing
            under_way: deque[Future[None]] = deque()
            for last, block in blocks:
                path = f"{folder}/{last.digest.hex()}"
                with self._errors("write to"):
                    if len(block) < _SMALL:
                        _write(path, block)
                        small.append(path)
                    else:
                        under_way.append(pool.submit(_write_through, path, block))
                    if len(under_way) > _WRITERS:
                        under_way.popleft().result()
                    if len(small) == BATCH:
                        _at_once(_flush_file, small)
                        small.clear()
            with self._errors("write to"):
                for writing in under_way:
                    writing.result()
                _at_once(_flush_file, small)
        if last is None:
            raise InvalidInput("there is no block to store")
        return last

    # --- housekeeping -------------------------------------------------------------------------

    def collect(self) -> Collected:
        """Removes every block that no pin holds, and what killed writers left behind.

        Waits for writers that are just making blocks visible, and they wait for it; a ``put``
        that is still taking content in is neither disturbed nor waited for. Memory: about 100
        bytes for each block that stays.

        Raises:
            BlockNotFound, BlockMismatch, FormatError: if an inner node of a pinned file is missing
                or damaged, since what is below it can't be known. Nothing was removed: store the
                file again, or unpin it.
        """
        if fcntl is None:
            raise StorageError("collect needs POSIX file locks, which this system lacks")
        with self._errors("clean up"), self._locked(exclusive=True):
            kept = {member.digest.hex() for pin in self.pins() for member in dag.members(self.get_block, pin)}
            self._sweep_incoming()
            count = size = 0
            for shard in _SHARDS:
                with os.scandir(self.path / "blocks" / shard) as entries:
                    dead = [entry for entry in entries if _BLOCK_NAME.fullmatch(entry.name) and entry.name not in kept]
                for entry in dead:
                    size += entry.stat().st_size
                    os.unlink(entry.path)
                count += len(dead)
            return Collected(count, size)

    def _prepare(self) -> None:
        if not self._marker.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            strange = {entry.name for entry in os.scandir(self.path)} - _OURS
            if any(not name.startswith(".") for name in strange):
                raise InvalidInput(f"{self.path} is neither empty nor a MedRec block store")
            for kind in ("blocks", "pins"):
                for shard in _SHARDS:
                    (self.path / kind / shard).mkdir(parents=True, exist_ok=True)
                _flush_folder(self.path / kind)
            (self.path / "incoming").mkdir(exist_ok=True)
            draft = self.path / f".medrec-store-{secrets.token_hex(8)}"
            _write_through(str(draft), _LAYOUT.encode())
            os.replace(draft, self._marker)
            _flush_folder(self.path)
        elif self._marker.read_text() != _LAYOUT:
            raise InvalidInput(f"{self.path} has a layout that this version does not know")

    def _clean(self) -> None:
        """Removes what killed processes left, unless somebody is writing: then another time."""
        with suppress(BlockingIOError), self._locked(exclusive=True, wait=False):
            self._sweep_incoming()

    def _sweep_incoming(self) -> None:
        """Under the exclusive lock: nobody is making a folder just now."""
        if fcntl is None:
            return
        for folder in [entry for entry in (self.path / "incoming").iterdir() if entry.is_dir()]:
            with suppress(BlockingIOError, FileNotFoundError):  # its writer lives, or is just removing it itself
                _remove_abandoned(folder)

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        """A folder for the blocks of one ``put``, gone afterwards whatever happens."""
        folder = self.path / "incoming" / secrets.token_hex(16)
        with self._errors("write to"), self._locked():
            folder.mkdir()
            descriptor = _lock(folder / "lock", exclusive=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _unlock(descriptor)

    def _publish(self, folder: Path) -> None:
        """Moves whole, flushed blocks into place."""
        moves = {f"{folder}/{name}": self._block_file(name) for name in os.listdir(folder) if name != "lock"}
        for written, block in moves.items():
            os.replace(written, block)
        _flush_folders_of(moves.values())

    def _pin(self, roots: Sequence[Cid]) -> None:
        paths = [self._pin_file(cid) for cid in roots]
        made: list[str] = []
        try:
            for path in paths:
                with suppress(FileExistsError):
                    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
                    made.append(path)
            _flush_folders_of(paths)
        except OSError:  # all pins or none: a full disk leaves nothing behind that nobody will ever unpin
            _remove(made)
            raise

    def _unpin(self, roots: Sequence[Cid]) -> None:
        paths = [self._pin_file(cid) for cid in roots]
        _remove(paths)
        _flush_folders_of(paths)

    # Strings, for paths as objects take longer to make than files.

    def _block(self, cid: Cid) -> str:
        return self._block_file(cid.digest.hex())

    def _block_file(self, name: str) -> str:
        return f"{self.path}/blocks/{name[:2]}/{name}"

    def _pin_file(self, cid: Cid) -> str:
        return f"{self.path}/pins/{_SHARDS[cid.digest[0]]}/{cid}"

    @contextmanager
    def _locked(self, *, exclusive: bool = False, wait: bool = True) -> Iterator[None]:
        descriptor = _lock(self.path / "lock", exclusive=exclusive, wait=wait)
        try:
            yield
        finally:
            _unlock(descriptor)

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Turns what the system says into this package's errors."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            message = f"can't {doing} {self.name}: {reason}"
            if error.errno in _FULL:
                raise StoreFull(message) from error
            if error.errno in _FORBIDDEN and doing == "write to":
                raise StoreReadOnly(message) from error
            raise StoreUnavailable(message) from error


def _remove_abandoned(folder: Path) -> None:
    """Removes a folder of blocks that came in, unless its writer holds its lock."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def _write(path: str, data: bytes) -> None:
    """Writes a new file. A file of that name is the same block."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def _write_through(path: str, data: bytes) -> None:
    """Writes a new file and flushes it to the disk."""
    _write(path, data)
    _flush_file(path)


def _flush_file(path: str) -> None:
    """Makes the bytes of a file durable, whoever wrote them."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        _flush(descriptor)
    finally:
        os.close(descriptor)


def _at_once(flush: Callable[[str], None], paths: Sequence[str]) -> None:
    """Flushes several files or folders at a time, since a disk takes their flushes together."""

    def some(first: int) -> None:
        for path in paths[first::_FLUSHERS]:
            flush(path)

    if len(paths) == 1:  # no thread is worth its start
        some(0)
        return
    with ThreadPoolExecutor(_FLUSHERS) as pool:
        deque(pool.map(some, range(_FLUSHERS)), maxlen=0)


def _remove(files: Iterable[str]) -> None:
    for file in files:
        with suppress(FileNotFoundError):
            os.unlink(file)


def _flush_folders_of(files: Iterable[str]) -> None:
    """Makes the names of files durable."""
    _at_once(_flush_folder, list({os.path.dirname(file) for file in files}))


def _flush_folder(path: Path | str) -> None:
    """Makes the names in a folder durable."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(path: Path, *, exclusive: bool, wait: bool = True) -> int:
    """Locks a file and returns its descriptor; ``BlockingIOError`` if it is held and not waited for."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if fcntl is not None:
            kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
            fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _unlock(descriptor: int) -> None:
    """Unlocks first: a process forked meanwhile has the descriptor too and would keep the lock."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
