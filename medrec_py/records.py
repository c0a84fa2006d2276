"""Records: what an author appends, and what a reader gets back verified."""

from __future__ import annotations

import mimetypes
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TypeAlias, cast

from medrec_py.crypto.content import Source as Octets
from medrec_py.crypto.envelope import ContentFile, VerifiedRecord
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.errors import InvalidInput, StorageError, StoreFull
from medrec_py.history import Entry
from medrec_py.storage.cid import Cid
from medrec_py.storage.store import BlockStore
from medrec_py.times import as_datetime

Source: TypeAlias = str | os.PathLike[str] | Octets
"""A path, or bytes, or an open binary file, or pieces of bytes."""

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of bytes that were handled since the last call."""

MEDIA_TYPES = {
    ".dcm": "application/dicom",  # RFC 3240
    ".hl7": "x-application/hl7-v2+er7",  # HL7 v2.9 chapter 2, as FHIR's DocumentReference examples have it
    ".md": "text/markdown",
}
_POSTDATED = timedelta(hours=1)

UNKNOWN_MEDIA_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Draft:
    """A record that is to be appended.

    Attributes:
        source: Its content.
        compartment: Name of the compartment.
        title: What lists show; the file's name unless given.
        media_type: By RFC 6838; from the file's name unless given.
        created: When the content came to be, Unix time, if that differs from now.
        replaces: Number of the entry that it corrects.
    """

    source: Source = field(repr=False)
    compartment: str
    title: str | None = field(default=None, repr=False)
    media_type: str | None = None
    created: int | None = None
    replaces: int | None = None

    def named(self) -> tuple[str, str]:
        """Title and media type.

        Raises:
            InvalidInput: neither a title nor a path is given.
        """
        name = Path(self.source).name if isinstance(self.source, str | os.PathLike) else ""
        title = self.title if self.title is not None else name
        if not title:
            raise InvalidInput("a record that does not come from a file needs a title")
        return title, self.media_type or guess_media_type(name or title)

    def open(self) -> AbstractContextManager[Octets]:
        """The content, opened if it is a path.

        Raises:
            InvalidInput: the file cannot be read.
        """
        if not isinstance(self.source, str | os.PathLike):
            return nullcontext(self.source)
        try:
            return cast("AbstractContextManager[Octets]", Path(self.source).open("rb"))
        except OSError as error:
            raise InvalidInput(f"{self.source} cannot be read: {error.strerror}") from error
        except ValueError as error:  # a zero byte
            raise InvalidInput(f"{str(self.source)!r} is no path") from error


def guess_media_type(name: str) -> str:
    """The media type that a file's name suggests."""
    suffix = Path(name).suffix.lower()
    # By the suffix alone: mimetypes takes a whole name for a URL, and a title may look like one.
    return MEDIA_TYPES.get(suffix) or mimetypes.guess_type(f"file{suffix}")[0] or UNKNOWN_MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was verified: author, time, title and type are what the author signed and the chain has bound.

    Its content is verified while it is read; see ``save`` and ``read``.

    Attributes:
        number: Of its entry in the history.
        title: As the author gave it. Not shown in the ``repr``.
        media_type: By RFC 6838.
        size: Of the content, in bytes.
        author: Address of the author, EIP-55.
        on_behalf_of: Whom the author acted for, EIP-55.
        signed: When the author signed it, by the author's clock.
        appended: When the chain took it. This is the date to rely on.
        replaces: Number of the record of the same compartment that it corrects, if any. What an author named beside
            that, or in another compartment, is left out.
    """

    number: int
    title: str = field(repr=False)
    media_type: str
    size: int
    author: str
    on_behalf_of: str
    signed: datetime
    appended: datetime
    replaces: int | None
    _verified: VerifiedRecord = field(repr=False)
    _store: BlockStore = field(repr=False)

    @property
    def is_postdated(self) -> bool:
        """Whether it claims to be signed more than an hour after the chain took it: a wrong clock, or a lie."""
        return self.signed - self.appended > _POSTDATED

    def content(self) -> Iterator[bytes]:
        """The content in pieces of at most 1 MiB, each authenticated.

        The last one comes only when all of it fitted the author's signature.

        Raises:
            IntegrityError: content and signature do not fit, or a block was altered.
            StorageError: a block cannot be had.

        Warning: do not act on a part before the end was reached.
        """
        body = self._verified.body
        if not isinstance(body, ContentFile):
            return self._verified.content()
        return self._verified.content(self._store.open(Cid.from_bytes(body.cid), 0, body.size))

    def read(self) -> bytes:
        """The whole content, verified, in memory. Raises as ``content``."""
        return b"".join(self.content())

    def range(self, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop`` (excluded) of the content; fetches only the blocks that hold them.

        Raises:
            InvalidInput: the content has no such range.
            IntegrityError, StorageError: as ``content``.

        Warning: a part is authenticated by the record's key. That it is what the author signed takes all of the
            content.
        """
        reader = self._verified.reader()
        return b"".join(reader.read_range(start, stop, lambda index: self._sealed_chunk(*reader.sealed_span(index))))

    def save(self, path: str | os.PathLike[str], progress: Progress | None = None) -> Path:
        """Write the content to a file. It appears under its name only when all of it was verified.

        Returns:
            The path.

        Raises:
            IntegrityError, StorageError: as ``content``. Nothing is left at ``path`` then; what stood there stays.
        """
        target = Path(path)
        with _renamed_when_whole(target) as output:
            for piece in self.content():
                output.write(piece)
                if progress is not None:
                    progress(len(piece))
        return target

    def verify(self, progress: Progress | None = None) -> int:
        """Read all of the content and throw it away. Returns its size; raises as ``content``."""
        total = 0
        for piece in self.content():
            total += len(piece)
            if progress is not None:
                progress(len(piece))
        return total

    def _sealed_chunk(self, first: int, behind: int) -> bytes:
        body = self._verified.body
        if isinstance(body, ContentFile):
            return self._store.read(Cid.from_bytes(body.cid), first, behind - first)
        return body[first:behind]


def from_verified(verified: VerifiedRecord, entry: Entry, replaced: Entry | None, store: BlockStore) -> Record:
    """A record from its verified envelope and its entry."""
    attestation = verified.attestation
    return Record(
        number=entry.number,
        title=attestation.metadata.title,
        media_type=attestation.metadata.media_type,
        size=attestation.metadata.size,
        author=checksum_address(attestation.author),
        on_behalf_of=checksum_address(attestation.on_behalf_of),
        signed=as_datetime(attestation.time),
        appended=as_datetime(entry.time),
        replaces=None if replaced is None else replaced.number,
        _verified=verified,
        _store=store,
    )


class _renamed_when_whole:  # noqa: N801 - a context manager reads like a function
    """A new file beside the target that takes its place when the block ends well, and is removed when it does not."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __enter__(self) -> IO[bytes]:
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{self._target.name}.", dir=self._target.parent)
        except OSError as error:
            raise StorageError(f"{self._target} cannot be written: {error.strerror}") from error
        self._temporary = Path(name)
        self._file = os.fdopen(descriptor, "wb")
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if kind is None:
                self._temporary.replace(self._target)
        except OSError as failure:
            if error is None:
                raise StoreFull(f"{self._target} cannot be written: {failure.strerror}") from failure
        finally:
            with suppress(OSError):  # a full disk fails here once more
                self._file.close()
            self._temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StoreFull(f"{self._target} cannot be written: {error.strerror}") from error
