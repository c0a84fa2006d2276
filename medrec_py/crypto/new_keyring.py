"""Making a keyring: new epochs, sealed to those who may read them and to the patient's root key (docs/format.md §6)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from medrec_py.crypto import cbor, padding
from medrec_py.crypto.blocks import MAX_BLOCK, pointer_to
from medrec_py.crypto.epochs import check_epoch_id, check_names, keys_row, seal_back
from medrec_py.crypto.keyring import MAX_NUMBER, MAX_SEALS, MAX_VERSION, VERSION, Inbox, reader_info, root_info
from medrec_py.crypto.keys import ADDRESS_SIZE, EpochId, EpochKeys, Place, check_size, check_uint
from medrec_py.crypto.suites import Sealed, Suite
from medrec_py.errors import InvalidInput

_PAGE_HEAD_SIZE = 3  # of a CBOR array of up to 256 items


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """An epoch to publish.

    Attributes:
        id: Compartment and number; a number is never used again.
        start: First second of the epoch, Unix time.
        keys: New and random. A second attempt at an epoch with other back-links takes other keys.
        back: Number → keys of each earlier epoch of the compartment that this one opens.
    """

    id: EpochId
    start: int
    keys: EpochKeys
    back: Mapping[int, EpochKeys] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who is to hold keys of the new epochs.

    Attributes:
        address: 20 bytes.
        public_key: From the reader's verified profile.
        epochs: Those of the new epochs that the reader may read.
        history: Whether the reader may also read what was written before them.
    """

    address: bytes
    public_key: bytes = field(repr=False)
    epochs: Collection[EpochId]
    history: bool


@dataclass(frozen=True, slots=True)
class NewKeyring:
    """The blocks of a keyring; store all of them before the entry is published.

    Attributes:
        block: That the entry points to.
        pages: The readers' seals.
        compartments: The mask for the entry; bit c stands for compartment c.
    """

    block: bytes = field(repr=False)
    pages: tuple[bytes, ...] = field(repr=False)
    compartments: int

    @property
    def pointer(self) -> bytes:
        """What the entry points to, 32 bytes."""
        return pointer_to(self.block)


def build(
    place: Place,
    version: int,
    *,
    epochs: Iterable[NewEpoch],
    readers: Iterable[Reader],
    root_public_key: bytes,
    names: Mapping[int, str],
    inbox: Inbox | None,
    suite: Suite,
) -> NewKeyring:
    """Seal a keyring.

    Args:
        place: Chain, contract and patient.
        version: The keyring version before this keyring: the one that its entry names.
        epochs: The new epochs.
        readers: Who is to read them.
        root_public_key: Of the patient's root key.
        names: Number → name of the compartments, for the root key alone.
        inbox: Where authors may seal otherwise; ``None`` from a representative.
        suite: By which to seal.

    Raises:
        InvalidInput: a number is out of bounds; an epoch or reader is given twice, or a reader no epoch or one that
            is not published here; a way back leads forward or lacks a history key; or the keyring is larger than a
            block: publish it in parts, some compartments each.
        FormatError: nothing can be sealed to one of the public keys.
    """
    check_uint(version, "the keyring version", MAX_VERSION)
    new = sorted(epochs, key=lambda epoch: epoch.id)
    holders = sorted(readers, key=lambda reader: reader.address)
    _check(new, holders)
    pages = list(_pages(_seal_to_reader(suite, place, version, new, reader) for reader in holders))
    document = {"epochs": [keys_row(epoch.keys) for epoch in new], "names": check_names(names)}
    info = root_info(suite, place, version)
    root_seal = suite.seal(root_public_key, info, padding.pad(cbor.encode(document)))
    block = cbor.encode(
        {
            "v": VERSION,
            "suite": suite.number,
            "chain": place.chain_id,
            "contract": place.contract,
            "patient": place.patient,
            "version": version,
            "epochs": [_epoch_row(suite, place, epoch) for epoch in new],
            "holders": [[reader.address, _indices(new, reader)] for reader in holders],
            "pages": [[first, pointer_to(page)] for first, page in pages],
            "root": [root_public_key, root_seal.enc, root_seal.ciphertext],
            "inbox": None if inbox is None else _inbox_row(suite, inbox),
        }
    )
    if len(block) > MAX_BLOCK:
        raise InvalidInput(f"the keyring has {len(block)} bytes: publish it in parts, some compartments each")
    mask = sum({1 << epoch.id.compartment for epoch in new})
    return NewKeyring(block, tuple(page for _, page in pages), mask)


def _check(epochs: Sequence[NewEpoch], readers: Sequence[Reader]) -> None:
    known = {check_epoch_id(epoch.id) for epoch in epochs}
    if not known:
        raise InvalidInput("a keyring needs an epoch")
    if len(known) < len(epochs) or len({reader.address for reader in readers}) < len(readers):
        raise InvalidInput("an epoch or a reader is given twice")
    if any(epoch.keys.history is None for epoch in epochs):
        raise InvalidInput("an epoch is published with its history key")
    for reader in readers:
        check_size(reader.address, ADDRESS_SIZE, "a reader's address")
        if not reader.epochs or not known.issuperset(reader.epochs):
            raise InvalidInput("a reader is given no epoch, or one that is not in the keyring")


def _epoch_row(suite: Suite, place: Place, epoch: NewEpoch) -> list[cbor.Value]:
    start = check_uint(epoch.start, "the start of an epoch")
    back = [
        [number, seal_back(suite, place, epoch.id, epoch.keys, number=number, earlier=epoch.back[number])]
        for number in sorted(epoch.back)
    ]
    return [*epoch.id, start, suite.public_key(epoch.keys.seed), back]


def _indices(epochs: Sequence[NewEpoch], reader: Reader) -> list[int]:
    held = frozenset(reader.epochs)
    return [index for index, epoch in enumerate(epochs) if epoch.id in held]


def _seal_to_reader(suite: Suite, place: Place, version: int, epochs: Sequence[NewEpoch], reader: Reader) -> Sealed:
    held = [epochs[index].keys for index in _indices(epochs, reader)]
    rows = [keys_row(keys if reader.history else keys.without_history()) for keys in held]
    info = reader_info(suite, place, version, reader.address)
    return suite.seal(reader.public_key, info, padding.pad(cbor.encode(rows)))


def _pages(seals: Iterable[Sealed]) -> Iterator[tuple[int, bytes]]:
    """The pages, each with the place of its first seal: as many seals as fit, up to 256."""
    page: list[list[bytes]] = []
    first, size = 0, 0
    for index, seal in enumerate(seals):
        row = [seal.enc, seal.ciphertext]
        more = len(cbor.encode(row))
        if page and (len(page) == MAX_SEALS or size + more > MAX_BLOCK - _PAGE_HEAD_SIZE):
            yield first, cbor.encode(page)
            page, first, size = [], index, 0
        page.append(row)
        size += more
    if page:
        yield first, cbor.encode(page)


def _inbox_row(suite: Suite, inbox: Inbox) -> list[cbor.Value]:
    suite.check_public_key(inbox.public_key)
    return [check_uint(inbox.number, "the number of the inbox", MAX_NUMBER), inbox.public_key]
