"""Reading a keyring: public keys for authors, private keys for the readers and the patient (docs/format.md §6).

The block holds what everybody needs; the readers' seals lie on pages, of which a reader fetches one.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from medrec_py.crypto import cbor, padding
from medrec_py.crypto.blocks import POINTER_SIZE, Fetch, fetch_block
from medrec_py.crypto.epochs import Epoch, check_keys, parse_epoch_id, parse_keys, parse_names
from medrec_py.crypto.keys import ADDRESS_SIZE, SECRET_SIZE, EpochId, EpochKeys, KemSeed, Place, context
from medrec_py.crypto.suites import PrivateKey, Sealed, Suite, by_number
from medrec_py.errors import FormatError, KeyringMismatch, KeysMissing

VERSION = 1
MAX_SEALS = 256
"""Readers' seals on a page."""
MAX_VERSION = (1 << 24) - 1
MAX_NUMBER = (1 << 32) - 1

_READER_SEAL = "medrec/1/keyring-seal"
_ROOT_SEAL = "medrec/1/keyring-root"
_PLACE = ("chain", "contract", "patient")
_KEYS = ("v", "suite", *_PLACE, "version", "epochs", "holders", "pages", "root", "inbox")


@dataclass(frozen=True, slots=True)
class Inbox:
    """Where authors seal records that fit no epoch; only the patient's root secret opens it.

    Attributes:
        number: Of the inbox key.
        public_key: Of the suite of the keyring.
    """

    number: int
    public_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keyring:
    """A keyring that fits its entry.

    Attributes:
        suite: By which it is sealed.
        place: Chain, contract and patient.
        version: The keyring version before it, which its entry names.
        epochs: The epochs that it publishes, ascending by compartment and number.
        holders: Reader's address → the epochs sealed to it, ascending by address.
        pages: Place of the first holder, and pointer, of each page of seals.
        root_public_key: Of the patient's root key.
        root_seal: The keys of all epochs, sealed to the root key.
        inbox: ``None`` if a representative published the keyring.
    """

    suite: Suite
    place: Place
    version: int
    epochs: Mapping[EpochId, Epoch]
    holders: Mapping[bytes, tuple[EpochId, ...]]
    pages: tuple[tuple[int, bytes], ...] = field(repr=False)
    root_public_key: bytes = field(repr=False)
    root_seal: Sealed = field(repr=False)
    inbox: Inbox | None


@dataclass(frozen=True, slots=True)
class RootKeys:
    """What the patient's root key finds in a keyring.

    Attributes:
        epochs: Keys of every epoch of the keyring.
        names: Number → name of the compartments.
    """

    epochs: Mapping[EpochId, EpochKeys]
    names: Mapping[int, str] = field(repr=False)


def parse(block: bytes, place: Place, version: int, compartments: int) -> Keyring:
    """Read a keyring and hold it against its entry.

    Args:
        block: That the entry points to.
        place: Chain, contract and patient of the entry.
        version: The keyring version that the entry names.
        compartments: The entry's mask; bit c stands for compartment c.

    Raises:
        FormatError: the block is no keyring of this version.
        UnknownSuite: it is sealed by a suite that this version does not have.
        KeyringMismatch: it is not the keyring of that entry.
    """
    fields = cbor.Fields(cbor.decode(block), "the keyring", _KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError("a keyring of another version")
    suite = by_number(fields.uint("suite"))
    _check_entry(fields, place, version)
    epochs = _parse_epochs(suite, fields.array("epochs"))
    if sum({1 << epoch.compartment for epoch in epochs}) != compartments:
        raise KeyringMismatch("the keyring covers other compartments than its entry")
    holders = _parse_holders(fields.array("holders"), tuple(epochs))
    root_public_key, enc, ciphertext = fields.array("root", 3)
    return Keyring(
        suite=suite,
        place=place,
        version=version,
        epochs=epochs,
        holders=holders,
        pages=_parse_pages(fields.array("pages"), len(holders)),
        root_public_key=cbor.octets(root_public_key, "the root public key", suite.public_key_size),
        root_seal=_parse_sealed(suite, enc, ciphertext),
        inbox=_parse_inbox(suite, fields.value("inbox")),
    )


def open_as_reader(keyring: Keyring, reader: bytes, key: PrivateKey, fetch: Fetch) -> dict[EpochId, EpochKeys]:
    """The keys that a keyring holds for a reader, each checked against its epoch's public key.

    Args:
        keyring: Of the entry.
        reader: Address of the reader, 20 bytes.
        key: The reader's profile key.
        fetch: Gives the page.

    Raises:
        KeysMissing: nothing is sealed to this reader.
        WrongKey: it is sealed to another key of the reader's, or the seal was changed or moved.
        FormatError: page or seal have the wrong form.
        KeyringMismatch: a seed does not belong to the public key that authors use.
        BlockMismatch, StorageError: the page cannot be had.
    """
    if reader not in keyring.holders:
        raise KeysMissing("nothing in this keyring is sealed to this reader")
    sealed = _fetch_seal(keyring, list(keyring.holders).index(reader), fetch)
    info = reader_info(keyring.suite, keyring.place, keyring.version, reader)
    rows = cbor.decode(padding.unpad(key.open(keyring.suite, info, sealed)))
    return _match_keys(keyring, keyring.holders[reader], rows)


def open_as_root(keyring: Keyring, seed: KemSeed) -> RootKeys:
    """All keys of a keyring, by the patient's root key, each checked against its epoch's public key.

    Raises:
        WrongKey: it is sealed to another root key, or the seal was changed or moved.
        FormatError: the seal has the wrong form.
        KeyringMismatch: a seed does not belong to the public key that authors use, or the root public key, to which
            the next keyring would be sealed, is not that of ``seed``.
    """
    suite = keyring.suite
    opened = suite.open(seed, root_info(suite, keyring.place, keyring.version), keyring.root_seal)
    if not hmac.compare_digest(suite.public_key(seed), keyring.root_public_key):
        raise KeyringMismatch("the keyring names another root public key than the one it is sealed to")
    fields = cbor.Fields(cbor.decode(padding.unpad(opened)), "the root's seal", ("epochs", "names"))
    keys = _match_keys(keyring, tuple(keyring.epochs), fields.array("epochs"))
    if any(found.history is None for found in keys.values()):
        raise FormatError("the root's seal lacks a history key")
    return RootKeys(keys, parse_names(fields.value("names"), "the root's seal"))


def reader_info(suite: Suite, place: Place, version: int, reader: bytes) -> bytes:
    """The HPKE ``info`` of a reader's seal."""
    return context(_READER_SEAL, suite.number, *place, version, reader)


def root_info(suite: Suite, place: Place, version: int) -> bytes:
    """The HPKE ``info`` of the root's seal."""
    return context(_ROOT_SEAL, suite.number, *place, version)


def _check_entry(fields: cbor.Fields, place: Place, version: int) -> None:
    there = (fields.uint("chain"), fields.octets("contract", ADDRESS_SIZE), fields.octets("patient", ADDRESS_SIZE))
    if there != tuple(place):
        raise KeyringMismatch("the keyring was made for another chain, contract or patient")
    if fields.uint("version", MAX_VERSION) != version:
        raise KeyringMismatch("the keyring was made for another version than its entry names")


def _parse_epochs(suite: Suite, rows: list[cbor.Value]) -> dict[EpochId, Epoch]:
    parsed = [_parse_epoch(suite, row) for row in rows]
    _check_ascending([epoch.id for epoch in parsed], "the epochs of the keyring")
    return {epoch.id: epoch for epoch in parsed}


def _parse_epoch(suite: Suite, row: cbor.Value) -> Epoch:
    compartment, number, start, public_key, back = cbor.array(row, "an epoch of the keyring", 5)
    epoch = parse_epoch_id(compartment, number, "the keyring")
    links = [cbor.array(link, "a back-link", 2) for link in cbor.array(back, "the back-links of an epoch")]
    numbers = [cbor.uint(number, "the number of a back-link", epoch.number - 1) for number, _ in links]
    _check_ascending([0, *numbers], "the back-links of an epoch")
    return Epoch(
        id=epoch,
        suite=suite,
        start=cbor.uint(start, "the start of an epoch"),
        public_key=cbor.octets(public_key, "the public key of an epoch", suite.public_key_size),
        back={number: cbor.octets(link, "a back-link", 2 * SECRET_SIZE + suite.tag_size) for number, link in links},
    )


def _parse_holders(rows: list[cbor.Value], epochs: tuple[EpochId, ...]) -> dict[bytes, tuple[EpochId, ...]]:
    pairs = [cbor.array(row, "a holder of the keyring", 2) for row in rows]
    addresses = [cbor.octets(address, "a holder's address", ADDRESS_SIZE) for address, _ in pairs]
    _check_ascending(addresses, "the holders of the keyring")
    return {address: _parse_indices(indices, epochs) for address, (_, indices) in zip(addresses, pairs, strict=True)}


def _parse_indices(value: cbor.Value, epochs: tuple[EpochId, ...]) -> tuple[EpochId, ...]:
    indices = [cbor.uint(i, "a holder's epoch", len(epochs) - 1) for i in cbor.array(value, "a holder's epochs")]
    _check_ascending(indices, "a holder's epochs")
    if not indices:
        raise FormatError("a holder of the keyring has no epoch")
    return tuple(epochs[index] for index in indices)


def _parse_pages(rows: list[cbor.Value], holders: int) -> tuple[tuple[int, bytes], ...]:
    pages = []
    for row in rows:
        first, pointer = cbor.array(row, "a page of the keyring", 2)
        pages.append((cbor.uint(first, "the first holder of a page"), cbor.octets(pointer, "a page", POINTER_SIZE)))
    bounds = [first for first, _ in pages] + [holders]
    if bounds[0] != 0 or not all(0 < behind - first <= MAX_SEALS for first, behind in pairwise(bounds)):
        raise FormatError("the pages of the keyring do not divide its holders")
    return tuple(pages)


def _parse_sealed(suite: Suite, enc: cbor.Value, ciphertext: cbor.Value) -> Sealed:
    return Sealed(cbor.octets(enc, "an encapsulation", suite.enc_size), cbor.octets(ciphertext, "a ciphertext"))


def _parse_inbox(suite: Suite, value: cbor.Value) -> Inbox | None:
    if value is None:
        return None
    number, public_key = cbor.array(value, "the inbox", 2)
    public_key = cbor.octets(public_key, "the inbox public key", suite.public_key_size)
    return Inbox(cbor.uint(number, "the number of the inbox", MAX_NUMBER), public_key)


def _fetch_seal(keyring: Keyring, index: int, fetch: Fetch) -> Sealed:
    """The seal of the holder at ``index``, from the one page that has it."""
    bounds = [*(first for first, _ in keyring.pages), len(keyring.holders)]
    page = next(page for page, behind in enumerate(bounds[1:]) if index < behind)
    block = fetch_block(fetch, keyring.pages[page][1])
    seals = cbor.array(cbor.decode(block), "a page of the keyring", bounds[page + 1] - bounds[page])
    return _parse_sealed(keyring.suite, *cbor.array(seals[index - bounds[page]], "a seal", 2))


def _match_keys(keyring: Keyring, ids: tuple[EpochId, ...], value: cbor.Value) -> dict[EpochId, EpochKeys]:
    rows = [cbor.array(row, "the keys of an epoch", 2) for row in cbor.array(value, "a keyring's seal", len(ids))]
    return {
        epoch: check_keys(keyring.epochs[epoch], parse_keys(seed, history, "a keyring's seal"))
        for epoch, (seed, history) in zip(ids, rows, strict=True)
    }


def _check_ascending(items: Sequence[Any], what: str) -> None:
    if any(not first < then for first, then in pairwise(items)):
        raise FormatError(f"{what} are not in ascending order")
