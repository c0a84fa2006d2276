"""The account of a key service: who asked for what, when and why, and what came of it.

A text file of one JSON object a line, which only grows. Each line carries the SHA-256 of the line before it, so that an
altered, removed or inserted line shows; beside it ``<file>.head`` says how many lines there are and what the last one's
digest is, so that lines missing at the end show, too. Whoever may write to both can write a whole new account: note the
head elsewhere from time to time.

No key, no title and no name stands in it. A line is on the disk before what it tells of leaves the service.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from medrec_py.crypto.keys import Deployment
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.errors import AccountAltered, AccountUnwritable, ConfigurationError
from medrec_py.keyservice.request import Request

GRANTED: Final = "granted"
_HOLDS: Final = "account of a medrec key service"
_VERSION: Final = 1
_BEGINNING: Final = "0" * 64
_MAX_LINE: Final = 4096
_flush = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class Line:
    """One request and what came of it.

    Attributes:
        number: Of the line, from 1.
        time: When it was decided, Unix time.
        agent: Who asked, EIP-55.
        patient: About whom, EIP-55.
        what: ``data-key`` or ``names``.
        entry: Number of the record's entry; 0 for names.
        purpose: Code of the purpose of use.
        outcome: ``granted``, or the kind of the error.
        asked: When the agent says that it asked, Unix time.
        nonce: Of the request, 64 hexadecimal digits.
    """

    number: int
    time: int
    agent: str
    patient: str
    what: str
    entry: int
    purpose: str
    outcome: str
    asked: int
    nonce: str

    @classmethod
    def of(cls, request: Request, time: int, outcome: str) -> Line:
        """The line of a request; it gets its number when it is written."""
        return cls(
            number=0,
            time=time,
            agent=checksum_address(request.agent),
            patient=checksum_address(request.place.patient),
            what=request.what.value,
            entry=request.entry,
            purpose=request.purpose.name,
            outcome=outcome,
            asked=request.time,
            nonce=request.nonce.hex(),
        )


@dataclass(frozen=True, slots=True)
class Head:
    """The end of an account.

    Attributes:
        lines: How many there are.
        digest: SHA-256 of the last one, or of the heading, 64 hexadecimal digits.
    """

    lines: int
    digest: str

    def __str__(self) -> str:
        return f"{self.lines}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """The head that ``str`` wrote.

        Raises:
            ValueError: it is none.
        """
        lines, _, digest = text.strip().partition(":")
        if len(bytes.fromhex(digest)) != 32 or not lines.isdecimal():
            raise ValueError("a head is a number of lines, a colon and a digest of 64 hexadecimal digits")
        return cls(int(lines), digest.lower())


class Reading:
    """An account that is read from its beginning; every line is held against the one before it.

    Iterate over it to the end: only then is everything checked.

    Args:
        path: The file.
        noted: Heads that were noted before, which must still be there.

    Attributes:
        heading: What the account is of: ``chain``, ``contract``, ``principal``.
        head: Of what was read so far.
        size: Bytes that were read so far.
        unfinished: Bytes behind the last line: it was being written when the service was stopped short.

    Raises:
        ConfigurationError: the file cannot be read.
        AccountAltered: it is no account.
    """

    def __init__(self, path: Path, noted: tuple[Head, ...] = ()) -> None:
        self._path = path
        beside = _read_head(path)  # before the lines: the service may be writing
        self._noted = [*noted, *([] if beside is None else [beside])]
        self.head = Head(-1, _BEGINNING)
        self.size = self.unfinished = 0
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise ConfigurationError(f"the account {path} cannot be read: {error.strerror}") from error
        try:
            self.heading = self._heading()
        except BaseException:
            self._file.close()
            raise

    def __iter__(self) -> Iterator[Line]:
        with self._file:
            while (found := self._next()) is not None:
                yield self._line(found)
        if (most := max((one.lines for one in self._noted), default=0)) > self.head.lines:
            raise AccountAltered(f"the account {self._path} ends with line {self.head.lines}, and it had {most} once")

    def _line(self, found: dict[str, Any]) -> Line:
        try:
            return Line(**found)
        except TypeError:
            raise AccountAltered(f"line {self.head.lines} of the account {self._path} has other members") from None

    def _heading(self) -> dict[str, Any]:
        found = self._next()
        if found is None or found.pop("holds", None) != _HOLDS or found.pop("v", None) != _VERSION:
            raise AccountAltered(f"{self._path} does not begin as an account of this version")
        return found

    def _next(self) -> dict[str, Any] | None:
        octets = self._file.readline(_MAX_LINE)
        if not octets.endswith(b"\n") and len(octets) < _MAX_LINE:
            self.unfinished = len(octets)
            return None
        try:
            found: dict[str, Any] = json.loads(octets)
            number, previous = found["number"], found.pop("previous")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._altered("is not a line of an account") from None
        if previous != self.head.digest or number != self.head.lines + 1:
            raise self._altered("does not follow the line before it")
        self.head = Head(self.head.lines + 1, hashlib.sha256(octets).hexdigest())
        self.size += len(octets)
        if any(one.lines == self.head.lines and one.digest != self.head.digest for one in self._noted):
            raise AccountAltered(f"line {self.head.lines} of the account {self._path} is not the one that was noted")
        if number == 0:
            del found["number"]
        return found

    def _altered(self, what: str) -> AccountAltered:
        return AccountAltered(f"line {self.head.lines + 1} of the account {self._path} {what}")


class Account:
    """An account that is being kept. One process at a time may; any of its threads.

    Args:
        path: The file; made, for its owner alone, if it is not there.
        deployment: Chain and contract.
        principal: Whose keys they are, 20 bytes.
        now: Unix time, for the heading.
        since: Which of the requests that are there already are ``recent``, Unix time.

    Attributes:
        recent: Lines of requests made since then, for whoever has to remember them.

    Raises:
        ConfigurationError: the file cannot be used, or another service keeps it.
        AccountAltered: it was altered, or is the account of something else.
        AccountUnwritable: it cannot be written.
    """

    def __init__(self, path: Path, deployment: Deployment, principal: bytes, now: int, since: int = 0) -> None:
        self.path = path
        self._lock = threading.Lock()
        heading = {
            "chain": deployment.chain_id,
            "contract": checksum_address(deployment.contract),
            "principal": checksum_address(principal),
        }
        self._handle = _open(path)
        try:
            self._head_file = os.open(_head_path(path), os.O_RDWR | os.O_CREAT, 0o600)
            if os.fstat(self._handle).st_size == 0 and _read_head(path) is None:
                self._begin(heading, now)
            self.recent = self._take_up(heading, since)
        except BaseException:
            os.close(self._handle)
            raise

    @property
    def head(self) -> Head:
        """Of what was written so far."""
        return self._head

    def write(self, line: Line) -> None:
        """Add a line; when this returns, it is on the disk.

        Raises:
            AccountUnwritable: it is not there, whatever remains of it is taken back.
            AccountAltered: somebody else wrote to the file, or put another in its place.
        """
        with self._lock:
            self._check_untouched()
            numbered = replace(line, number=self._head.lines + 1)
            self._append(asdict(numbered), numbered.number)

    def close(self) -> None:
        """Close the file and let others keep it. Closing twice is as once."""
        with self._lock:
            for handle in (self._handle, self._head_file):
                if handle >= 0:
                    os.close(handle)
            self._handle = self._head_file = -1

    def _begin(self, heading: dict[str, Any], now: int) -> None:
        self._head, self._size = Head(-1, _BEGINNING), 0
        self._append({"holds": _HOLDS, "v": _VERSION, "number": 0, "since": now, **heading}, 0)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _take_up(self, heading: dict[str, Any], since: int) -> list[Line]:
        """Read what is there, and take back a line that was never finished: nothing left the service for it."""
        reading = Reading(self.path)
        recent = [line for line in reading if line.asked >= since]
        if {name: reading.heading.get(name) for name in heading} != heading:
            raise AccountAltered(f"{self.path} is the account of another provider or deployment")
        self._head, self._size = reading.head, reading.size
        os.ftruncate(self._handle, self._size)
        return recent

    def _append(self, members: dict[str, Any], number: int) -> None:
        document = json.dumps({**members, "previous": self._head.digest}, separators=(",", ":"))
        octets = document.encode() + b"\n"
        try:
            if os.write(self._handle, octets) != len(octets):
                raise OSError("it was written in part only")
            _flush(self._handle)
        except OSError as error:
            self._take_back()
            reason = error.strerror or error
            raise AccountUnwritable(f"the account {self.path} cannot be written: {reason}") from error
        self._head = Head(number, hashlib.sha256(octets).hexdigest())
        self._size += len(octets)
        self._write_head()

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._handle, self._size)
        except OSError:
            self._size = -1  # nothing fits this any more: every further line is refused

    def _write_head(self) -> None:
        """Not flushed: a head that is behind after a loss of power only notices less, and never too much."""
        octets = f"{self._head}\n".encode()
        try:
            os.pwrite(self._head_file, octets, 0)
        except OSError as error:
            raise AccountUnwritable(f"{_head_path(self.path)} cannot be written: {error.strerror}") from error

    def _check_untouched(self) -> None:
        try:
            there, ours = os.stat(self.path), os.fstat(self._handle)
        except OSError as error:
            raise AccountUnwritable(f"the account {self.path} cannot be used: {error.strerror}") from error
        if ours.st_size != self._size or (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            raise AccountAltered(f"somebody else wrote to the account {self.path}, or put another in its place")


def _open(path: Path) -> int:
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"the account {path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise ConfigurationError(f"another key service keeps the account {path}") from None
    return handle


def _head_path(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _read_head(path: Path) -> Head | None:
    """What stands beside the account; ``None`` if nothing does."""
    try:
        text = _head_path(path).read_text(encoding="ascii")
        return Head.parse(text.splitlines()[0]) if text else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise AccountAltered(f"{_head_path(path)} is no head of an account") from error
