"""Files of any size as blocks of at most 1 MiB: the same blocks, and so the same CID, in every store.

A file of at most 1 MiB is one raw block. A longer one is cut into raw leaves of 1 MiB (the last may be shorter); above
them stand dag-pb nodes with up to 174 links each, filled from the left, all leaves at the same depth. It is what
``ipfs add --raw-leaves --cid-version 1 --chunker size-1048576`` makes.

The size of a file therefore settles everything about its nodes except the hashes. A reader uses that: it rebuilds each
node from its hashes and the size that the parent claims, and refuses the block unless both are identical. So no node
can lie about sizes, be padded, nest deeper than its size asks for, or say the same in a second way.

Standards: dag-pb (https://ipld.io/specs/codecs/dag-pb/spec/), UnixFS 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from medrec_py.errors import FormatError, InvalidInput
from medrec_py.in_order import in_order
from medrec_py.storage.cid import CID_SIZE, DAG_PB, RAW, Cid

LEAF_SIZE: Final = 1 << 20
"""Bytes of file content in a leaf, 1 MiB."""
BLOCK_LIMIT: Final = 1 << 20
"""The largest block that is written or read, in bytes."""
LINKS: Final = 174
"""The most children that a node has."""

Block: TypeAlias = tuple[Cid, bytes]
Get: TypeAlias = Callable[[Cid], bytes]
"""Returns the verified block of a CID, or raises."""


class Readable(Protocol):
    """What a source needs if it is a stream: a binary file, a socket file, a pipe."""

    def read(self, size: int, /) -> bytes:
        """Returns up to ``size`` bytes, none at the end."""
        ...


Octets: TypeAlias = bytes | bytearray | memoryview
Source: TypeAlias = Octets | Readable | Iterable[Octets]
"""Content to store: bytes, a binary stream, or an iterable of bytes of any lengths."""


@dataclass(frozen=True, slots=True)
class Child:
    """A link of a node: where, how much and how deep.

    Attributes:
        cid: The block below.
        size: Bytes of file content below it.
        depth: Levels of nodes below it, 0 for a leaf.
    """

    cid: Cid
    size: int
    depth: int


# --- building -----------------------------------------------------------------------------------


def build(source: Source) -> Iterator[Block]:
    """Cuts content into blocks, leaves first, the root last.

    Leaves are hashed a few ahead, in threads. Memory: those leaves and, per level of nodes, up to 174 links (64 GiB
    have two levels below the root), whatever the size of the source.

    Args:
        source: See ``Source``. An empty one gives a single empty raw block.

    Yields:
        (CID, block) in the order in which they can be stored; the last one is the file.

    Raises:
        InvalidInput: if the source yields something other than bytes.
    """
    levels: list[list[_Link]] = [[]]
    empty = True
    for cid, leaf in in_order(_named, cut(source)):
        empty = False
        yield cid, leaf
        yield from _push(levels, 0, _Link(cid, len(leaf), len(leaf)))
    if empty:
        yield Cid.of(b""), b""
        return
    level = 0
    while level < len(levels) - 1 or len(levels[level]) > 1:
        link, block = _node(levels[level])
        levels[level] = []
        yield link.cid, block
        level += 1
        yield from _push(levels, level, link)


def file_cid(source: Source) -> Cid:
    """The CID that content will have in every store, computed without one (at the speed of SHA-256)."""
    ((root, _),) = deque(build(source), maxlen=1)
    return root


def cut(source: Source) -> Iterator[bytes]:
    """Cuts a source into pieces of exactly ``LEAF_SIZE`` bytes; the last may be shorter, never empty."""
    pending = bytearray()
    for chunk in chunks(source):
        if not pending and len(chunk) == LEAF_SIZE:
            yield bytes(chunk)  # no copy where it is bytes already
            continue
        view = memoryview(chunk)
        start = 0
        while len(view) - start >= LEAF_SIZE - len(pending):
            end = start + LEAF_SIZE - len(pending)
            if pending:
                pending += view[start:end]
                yield bytes(pending)
                pending = bytearray()
            else:
                yield bytes(view[start:end])
            start = end
        pending += view[start:]
    if pending:
        yield bytes(pending)


@dataclass(frozen=True, slots=True)
class _Link:
    cid: Cid
    size: int  # content below, bytes
    stored: int  # blocks below, bytes (dag-pb calls it Tsize)


def _push(levels: list[list[_Link]], level: int, link: _Link) -> Iterator[Block]:
    """Adds a link to a level; a full level first becomes a node of the next."""
    if level == len(levels):
        levels.append([])
    if len(levels[level]) == LINKS:
        node, block = _node(levels[level])
        levels[level] = []
        yield node.cid, block
        yield from _push(levels, level + 1, node)
    levels[level].append(link)


def _named(leaf: bytes) -> Block:
    return Cid.of(leaf), leaf


def _node(links: list[_Link]) -> tuple[_Link, bytes]:
    block = _encode(links)
    cid = Cid.of(block, DAG_PB)
    return _Link(cid, sum(link.size for link in links), len(block) + sum(link.stored for link in links)), block


def chunks(source: Source) -> Iterator[Octets]:
    """The source in pieces as they come."""
    if isinstance(source, (bytes, bytearray)):
        yield source
    elif isinstance(source, memoryview):
        yield source.cast("B")
    elif callable(read := getattr(source, "read", None)):
        while chunk := _octets(read(LEAF_SIZE)):
            yield chunk
    elif isinstance(source, Iterable) and not isinstance(source, str):
        for chunk in source:
            yield _octets(chunk)
    else:
        raise InvalidInput(f"content is bytes, a binary stream or an iterable of bytes, not {type(source).__name__}")


def _octets(chunk: object) -> Octets:
    if isinstance(chunk, (bytes, bytearray)):
        return chunk
    if isinstance(chunk, memoryview):
        return chunk.cast("B")
    raise InvalidInput(f"content must come as bytes, not as {type(chunk).__name__}; open files in binary mode")


# --- reading ------------------------------------------------------------------------------------


def children(block: bytes, size: int | None = None, depth: int | None = None) -> tuple[Child, ...]:
    """Reads an inner node of a file that somebody else may have written.

    Args:
        block: The dag-pb block.
        size: Bytes of content that the parent says are below; None at the root, whose word is taken.
        depth: Levels below, as the parent's depth implies; None at the root: the least for its size.

    Returns:
        The links in the order of the content.

    Raises:
        FormatError: if it is not exactly the node that ``build`` makes for these hashes and that size.
    """
    claimed, cids = _scan(block)
    if size is not None and claimed != size:
        raise FormatError(f"a node claims {claimed} bytes of content where its parent says {size}")
    depth = _depth(claimed) if depth is None else depth
    if depth < 1:
        raise FormatError(f"a file of {claimed} bytes is one raw block and has no node above it")
    sizes = _split(claimed, depth)
    if len(cids) != len(sizes):
        raise FormatError(f"a node over {claimed} bytes has {len(sizes)} links, not {len(cids)}")
    codec = RAW if depth == 1 else DAG_PB
    stored = {part: _stored(part, depth - 1) for part in set(sizes)}
    links = [_Link(cid, part, stored[part]) for cid, part in zip(cids, sizes, strict=True)]
    if any(cid.codec != codec for cid in cids) or _encode(links) != block:
        raise FormatError("a node is not encoded as its content asks for")
    return tuple(Child(cid, part, depth - 1) for cid, part in zip(cids, sizes, strict=True))


def size(get: Get, cid: Cid) -> int:
    """The length of a file in bytes. Fetches the root block only."""
    return _root(get, cid)[0].size


def read(get: Get, cid: Cid, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
    """A file's content from ``offset`` on, leaf by leaf, fetching only the blocks that the range touches.

    A few leaves are fetched ahead, in threads: stores wait for disks and networks, and hashing leaves the
    interpreter's lock.

    Args:
        get: Fetches and verifies a block. Called from several threads.
        cid: The file.
        offset: First byte, from 0. Beyond the end nothing is yielded.
        length: How many bytes at most; None reads to the end.

    Yields:
        Non-empty pieces of at most 1 MiB, each from one verified block.

    Raises:
        InvalidInput: if offset or length is negative.
        FormatError: if a block is not what its place in the file asks for.
    """
    if offset < 0 or (length is not None and length < 0):
        raise InvalidInput(f"offset {offset} and length {length} must not be negative")
    root, block = _root(get, cid)
    end = root.size if length is None else min(root.size, offset + length)

    def fetch(leaf: tuple[int, Child]) -> tuple[int, bytes]:
        start, child = leaf
        found = block if child is root else get(child.cid)
        _check_leaf(found, child.size)
        return start, found

    for start, found in in_order(fetch, _leaves(get, root, block, offset, end)):
        whole = start >= offset and start + len(found) <= end
        yield found if whole else found[max(0, offset - start) : end - start]


def _leaves(get: Get, root: Child, block: bytes, offset: int, end: int) -> Iterator[tuple[int, Child]]:
    """The leaves that hold bytes ``offset`` to ``end`` (excluded), each with its first byte; fetches nodes alone."""
    stack = [(0, root)] if end > offset else []
    while stack:
        start, child = stack.pop()
        if start >= end or start + child.size <= offset:
            continue
        if not child.depth:
            yield start, child
            continue
        node = block if child is root else get(child.cid)
        stack.extend(reversed(_spread(start, children(node, child.size, child.depth))))


def walk(get: Get, cid: Cid) -> Iterator[Block]:
    """Every block of a file in the order of a CAR: each node before what is below it, from left to right."""
    root, block = _root(get, cid)
    stack = [root]
    while stack:
        child = stack.pop()
        if child is not root:
            block = get(child.cid)
        yield child.cid, block
        if child.depth:
            stack.extend(reversed(children(block, child.size, child.depth)))
        else:
            _check_leaf(block, child.size)


def members(get: Get, cid: Cid) -> Iterator[Cid]:
    """Every block of a file by name, fetching its inner nodes only: what must exist for the file to be whole."""
    if cid.codec == RAW:
        yield cid
        return
    root, block = _root(get, cid)
    stack = [root]
    while stack:
        child = stack.pop()
        yield child.cid
        if child.depth:
            if child is not root:
                block = get(child.cid)
            stack.extend(reversed(children(block, child.size, child.depth)))


def _root(get: Get, cid: Cid) -> tuple[Child, bytes]:
    block = get(cid)
    if cid.codec == RAW:
        return Child(cid, len(block), 0), block
    claimed, _ = _scan(block)
    return Child(cid, claimed, _depth(claimed)), block


def _spread(start: int, below: Iterable[Child]) -> list[tuple[int, Child]]:
    placed = []
    for child in below:
        placed.append((start, child))
        start += child.size
    return placed


def _check_leaf(block: bytes, size: int) -> None:
    if len(block) != size:
        raise FormatError(f"a leaf has {len(block)} bytes where its parent says {size}")


# --- the shape that a size implies --------------------------------------------------------------


def _depth(size: int) -> int:
    """Levels of nodes above the leaves of a file of that size."""
    depth, capacity = 0, LEAF_SIZE
    while capacity < size:
        capacity *= LINKS
        depth += 1
    return depth


def _split(size: int, depth: int) -> list[int]:
    """Content below each child of a node with that much content, ``depth`` levels above the leaves."""
    unit = LEAF_SIZE * LINKS ** (depth - 1)
    full, rest = divmod(size, unit)
    if full + bool(rest) > LINKS:
        raise FormatError(f"{size} bytes do not fit below a node of depth {depth}")
    return [unit] * full + [rest] * bool(rest)


def _stored(size: int, depth: int) -> int:
    """Bytes of all blocks of a subtree: content and nodes."""
    if depth == 0:
        return size
    sizes = _split(size, depth)
    below = {part: _stored(part, depth - 1) for part in set(sizes)}
    links = [_Link(_NOWHERE, part, below[part]) for part in sizes]
    return len(_encode(links)) + sum(link.stored for link in links)


# --- protobuf -----------------------------------------------------------------------------------

# PBNode: repeated PBLink Links = 2; bytes Data = 1 (written last, as dag-pb has it)
# PBLink: bytes Hash = 1; string Name = 2; uint64 Tsize = 3
# UnixFS Data: Type = 1 (2 is a file); uint64 filesize = 3; repeated uint64 blocksizes = 4
_NOWHERE = Cid.raw(bytes(32))
_CID_HEAD = b"\x0a" + bytes((CID_SIZE,))


def _encode(links: list[_Link]) -> bytes:
    parts = []
    for link in links:
        body = _CID_HEAD + bytes(link.cid) + b"\x12\x00\x18" + uvarint(link.stored)
        parts += [b"\x12", uvarint(len(body)), body]
    data = b"\x08\x02\x18" + uvarint(sum(link.size for link in links))
    data += b"".join(b"\x20" + uvarint(link.size) for link in links)
    return b"".join([*parts, b"\x0a", uvarint(len(data)), data])


def _scan(block: bytes) -> tuple[int, list[Cid]]:
    """Size and hashes that a node claims; ``children`` checks the rest by encoding them again."""
    cids: list[Cid] = []
    at = 0
    while block[at : at + 1] == b"\x12" and len(cids) <= LINKS:
        length, at = read_uvarint(block, at + 1)
        if block[at : at + 2] != _CID_HEAD:
            raise FormatError("a link of a node does not begin with a CIDv1")
        cids.append(Cid.from_bytes(block[at + 2 : at + 2 + CID_SIZE]))
        at += length
    if block[at : at + 1] != b"\x0a":
        raise FormatError("not an inner node of a file")
    _, at = read_uvarint(block, at + 1)
    if block[at : at + 3] != b"\x08\x02\x18":
        raise FormatError("not an inner node of a UnixFS file")
    claimed, _ = read_uvarint(block, at + 3)
    return claimed, cids


def uvarint(value: int) -> bytes:
    """An unsigned LEB128 integer, as protobuf and CAR use it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_uvarint(data: bytes, at: int) -> tuple[int, int]:
    """Reads an unsigned LEB128 integer below 2**63 in its shortest form.

    Returns:
        The value, and the position behind it.

    Raises:
        FormatError: if it is cut off, longer than 9 bytes or longer than need be.
    """
    value = 0
    for index in range(9):
        if at + index >= len(data):
            raise FormatError("an integer is cut off")
        octet = data[at + index]
        value |= (octet & 0x7F) << (7 * index)
        if octet < 0x80:
            if index and octet == 0:
                raise FormatError("an integer is longer than need be")
            return value, at + index + 1
    raise FormatError("an integer is longer than 9 bytes")
