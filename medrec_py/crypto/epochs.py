"""Epochs of a compartment: what is public of them, and the way back through their keys (docs/format.md §6).

An epoch's back-links hold the keys of epochs before it under its history key. Whoever has the newest history
key gets to all of them; a reader without HISTORY is given seeds alone and gets nowhere.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from medrec_py.crypto import cbor
from medrec_py.crypto.keys import (
    COMPARTMENTS,
    SECRET_SIZE,
    EpochId,
    EpochKeys,
    HistoryKey,
    KemSeed,
    Place,
    check_uint,
    context,
)
from medrec_py.crypto.suites import Suite
from medrec_py.errors import ContentTampered, InvalidInput, KeyringMismatch, KeysMissing

MAX_EPOCH = (1 << 32) - 1
_BACK = "medrec/1/back"


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch as everybody sees it.

    Attributes:
        id: Compartment and number.
        suite: Of its key.
        start: First second of the epoch, Unix time.
        public_key: What envelopes are sealed to.
        back: Number → sealed keys of each earlier epoch that this one opens.
    """

    id: EpochId
    suite: Suite
    start: int
    public_key: bytes = field(repr=False)
    back: Mapping[int, bytes] = field(repr=False)


def check_epoch_id(epoch: EpochId) -> EpochId:
    """``epoch`` if compartment and number are within bounds; raises ``InvalidInput`` otherwise."""
    check_uint(epoch.compartment, "the compartment", COMPARTMENTS - 1)
    check_uint(epoch.number, "the number of an epoch", MAX_EPOCH, minimum=1)
    return epoch


def parse_epoch_id(compartment: cbor.Value, number: cbor.Value, what: str) -> EpochId:
    """Two decoded items as the id of an epoch; raises ``FormatError`` naming ``what`` if they are none."""
    return EpochId(
        cbor.uint(compartment, f"a compartment of {what}", COMPARTMENTS - 1),
        cbor.uint(number, f"the number of an epoch of {what}", MAX_EPOCH, minimum=1),
    )


def keys_row(keys: EpochKeys) -> list[bytes | None]:
    """``[seed, history key or null]``, as seals hold them."""
    return [keys.seed.expose(), None if keys.history is None else keys.history.expose()]


def parse_keys(seed: cbor.Value, history: cbor.Value, what: str) -> EpochKeys:
    """Two decoded items as the keys of an epoch; raises ``FormatError`` naming ``what`` if they are none."""
    key = None if history is None else HistoryKey(cbor.octets(history, f"a history key of {what}", SECRET_SIZE))
    return EpochKeys(KemSeed(cbor.octets(seed, f"a seed of {what}", SECRET_SIZE)), key)


def check_keys(epoch: Epoch, keys: EpochKeys) -> EpochKeys:
    """``keys`` if the seed is that of the epoch's public key.

    Raises:
        KeyringMismatch: it is not, so what authors seal to the epoch would not open.
    """
    if not hmac.compare_digest(epoch.suite.public_key(keys.seed), epoch.public_key):
        raise KeyringMismatch(
            f"the public key of {_name(epoch.id)} does not belong to the seed that was sealed with it"
        )
    return keys


def seal_back(suite: Suite, place: Place, epoch: EpochId, keys: EpochKeys, *, number: int, earlier: EpochKeys) -> bytes:
    """The back-link by which ``epoch`` opens the earlier epoch ``number`` of its compartment, 80 bytes.

    Raises:
        InvalidInput: a history key is missing, or the epoch is not earlier.

    Warning: the nonce is ``number``. Never link the same epoch, under the same history key, to other keys of
        that number.
    """
    if keys.history is None or earlier.history is None:
        raise InvalidInput("a back-link needs the history keys of both epochs")
    if not 0 < number < epoch.number:
        raise InvalidInput("an epoch opens only epochs before it")
    opened = earlier.seed.expose() + earlier.history.expose()
    nonce = number.to_bytes(suite.nonce_size)
    return suite.encrypt(keys.history.expose(), nonce, opened, _associated(place, epoch, number))


def open_back(place: Place, epoch: Epoch, keys: EpochKeys, number: int) -> EpochKeys:
    """The keys of the earlier epoch ``number``, by a back-link of ``epoch``. Check them with ``check_keys``.

    Raises:
        KeysMissing: there is no history key: the reader has no HISTORY.
        KeyringMismatch: the epoch has no such back-link, or it does not open.
    """
    if keys.history is None:
        raise KeysMissing(f"without HISTORY there is no way back from {_name(epoch.id)}")
    if number not in epoch.back:
        raise KeyringMismatch(f"{_name(epoch.id)} does not lead back to epoch {number}")
    nonce, associated = number.to_bytes(epoch.suite.nonce_size), _associated(place, epoch.id, number)
    try:
        opened = epoch.suite.decrypt(keys.history.expose(), nonce, epoch.back[number], associated)
    except ContentTampered as error:
        raise KeyringMismatch(f"the way back from {_name(epoch.id)} to epoch {number} does not open") from error
    return EpochKeys(KemSeed(opened[:SECRET_SIZE]), HistoryKey(opened[SECRET_SIZE:]))


def walk_back(
    place: Place, published: Mapping[EpochId, Epoch], start: EpochId, keys: EpochKeys
) -> Iterator[tuple[EpochId, EpochKeys]]:
    """All epochs before ``start`` that its history key leads to, nearest first, each checked against its public key.

    A link that is bad ends its own way alone: what others lead to is found, and then the walk ends with its error.

    Args:
        place: Chain, contract and patient.
        published: The epochs of the patient's keyrings.
        start: Where to begin.
        keys: Of that epoch.

    Raises:
        KeysMissing: ``keys`` hold no history key, so the reader has no HISTORY.
        KeyringMismatch: a back-link does not open, gives keys that do not fit the epoch it names, or names one that
            no keyring has published. What came before that is good.
    """
    reached = {start: keys}
    open_ends = [start]
    bad: KeyringMismatch | None = None
    while open_ends:
        epoch = _published(published, open_ends.pop(0))
        for number in sorted(epoch.back, reverse=True):
            earlier = EpochId(epoch.id.compartment, number)
            if earlier in reached:
                continue
            try:
                opened = open_back(place, epoch, reached[epoch.id], number)
                reached[earlier] = check_keys(_published(published, earlier), opened)
            except KeyringMismatch as error:
                bad = bad or error
                continue
            open_ends.append(earlier)
            yield earlier, opened
    if bad is not None:
        raise bad


def check_names(names: Mapping[int, str]) -> dict[int, str]:
    """``names`` as a plain map if they name compartments; raises ``InvalidInput`` otherwise."""
    for number, name in names.items():
        check_uint(number, "the compartment", COMPARTMENTS - 1)
        if not isinstance(name, str):
            raise InvalidInput(f"the name of compartment {number} is not text")
    return dict(names)


def parse_names(value: cbor.Value, what: str) -> dict[int, str]:
    """A decoded map as the names of compartments; raises ``FormatError`` naming ``what`` if it is none."""
    names = cbor.mapping(value, f"the names of {what}")
    for number, name in names.items():
        cbor.uint(number, f"a compartment of {what}", COMPARTMENTS - 1)
        cbor.text(name, f"the name of a compartment of {what}")
    return names


def _associated(place: Place, epoch: EpochId, number: int) -> bytes:
    return context(_BACK, *place, epoch.compartment, epoch.number, number)


def _published(published: Mapping[EpochId, Epoch], epoch: EpochId) -> Epoch:
    try:
        return published[epoch]
    except KeyError:
        raise KeyringMismatch(f"no keyring has published {_name(epoch)}") from None


def _name(epoch: EpochId) -> str:
    return f"epoch {epoch.number} of compartment {epoch.compartment}"
