"""A patient's history: its entries, proved complete against the head that the contract holds (docs/format.md §10).

The events of a node are only a claim. Hashed again one after another they must lead to the contract's word, or an
error says which entries are missing, or names the last one that does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from medrec_py.chain.events import (
    Event,
    HistoryEvent,
    KeyringPublished,
    Logged,
    PatientEntryEvent,
    RecordAppended,
    RecordsAppended,
    RecordsErased,
    RecordsMoved,
)
from medrec_py.chain.types import Entry as Row
from medrec_py.chain.types import Kind, address_bytes
from medrec_py.crypto.typed_data import keccak
from medrec_py.errors import EntryAltered, EntryExtra, EntryMissing, RecordNotFound

_VERSION_AND_LENGTH = 56  # bits below the head
_BELOW_HEAD = (1 << _VERSION_AND_LENGTH) - 1
_ONE_ENTRY = 1 << 24
_VERSION = (1 << 24) - 1
_KINDS = {
    RecordAppended: Kind.RECORD,
    RecordsAppended: Kind.RECORD,
    KeyringPublished: Kind.KEYRING,
    RecordsMoved: Kind.MOVED,
    RecordsErased: Kind.ERASED,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a history.

    Attributes:
        number: From 1.
        kind: What it is.
        compartments: Mask of the compartments that it belongs to.
        author: Who wrote it, 20 bytes.
        on_behalf_of: Whom the author acted for, 20 bytes.
        time: Of its block, Unix time.
        pointer: SHA-256 of the block that it names, 32 bytes.
        claim: Commitment to the author's statement, 32 bytes; zero for the patient's own entries.
        replaces: Entry number × 2^32 + leaf of the record that it corrects, or 0.
        keyring_version: Before the entry.
        transaction: Hash of its transaction, 0x and hexadecimal digits.
        block: Number of the block that it was mined in, as the node says.
    """

    number: int
    kind: Kind
    compartments: int
    author: bytes
    on_behalf_of: bytes
    time: int
    pointer: bytes
    claim: bytes
    replaces: int
    keyring_version: int
    transaction: str = field(compare=False)
    block: int = field(compare=False)


@dataclass(frozen=True)
class History:
    """A history that was checked: its entries lead to the contract's head.

    Attributes:
        entries: All of them, in order.
        word: The patient's word that they lead to.
        block: Number of the block that this is the state after.
    """

    entries: Sequence[Entry]
    word: int
    block: int

    def record(self, number: int) -> Entry:
        """The record of a number.

        Raises:
            RecordNotFound: there is no such entry, or it is no record.
        """
        if not 1 <= number <= len(self.entries):
            raise RecordNotFound(f"the history has {len(self.entries)} entries, and no number {number}")
        entry = self.entries[number - 1]
        if entry.kind is not Kind.RECORD:
            raise RecordNotFound(f"entry {number} is no record but a {entry.kind.name.lower()} entry")
        return entry

    def replaced_by(self, entry: Entry) -> Entry | None:
        """The record that an entry corrects; ``None`` if it names none, or what is no record of its compartments."""
        number, leaf = entry.replaces >> 32, entry.replaces & 0xFFFFFFFF
        if leaf or not 1 <= number < entry.number:
            return None
        named = self.entries[number - 1]
        return named if named.kind is Kind.RECORD and named.compartments == entry.compartments else None

    def earlier_with_claim_of(self, entry: Entry) -> Iterator[Entry]:
        """The records before an entry that have its author and its claim."""
        same = (entry.author, entry.claim)
        earlier = self.entries[: entry.number - 1]
        return (one for one in earlier if one.kind is Kind.RECORD and (one.author, one.claim) == same)


def next_word(word: int, patient: bytes, entry: Entry) -> int:
    """The patient's word after an entry, as the contract computes it (without the step of the keyring version)."""
    fields = (
        word,
        int.from_bytes(patient),
        int(entry.kind),
        entry.compartments,
        int.from_bytes(entry.author),
        int.from_bytes(entry.on_behalf_of),
        entry.time,
        int.from_bytes(entry.pointer),
        int.from_bytes(entry.claim),
        entry.replaces,
    )
    digest = int.from_bytes(keccak(b"".join(value.to_bytes(32) for value in fields)))
    return (digest & ~_BELOW_HEAD) | ((word & _BELOW_HEAD) + _ONE_ENTRY)


def extend(patient: bytes, word: int, events: Iterable[Logged[Event]], stated: int) -> tuple[list[Entry], int]:
    """Hash the entries of events onto a word, and hold the result against the contract's.

    Args:
        patient: Patient id, 20 bytes.
        word: The word that the events go on from; zero for the whole history.
        events: Of the patient, in order. Those that are no entries are passed over.
        stated: The word that the contract holds.

    Returns:
        The entries, and the word, which is ``stated``.

    Raises:
        EntryMissing: an entry before the one named in the message was left out, or the last ones were.
        EntryAltered: the entry named in the message is not the one that the contract hashed.
        EntryExtra: there are more entries than the contract has.
    """
    entries: list[Entry] = []
    for logged in events:
        for entry, previous in _entries(logged):
            if previous is not None:
                _check_link(word, previous)
                word = previous  # the same but for the keyring version, which revocations raise without an entry
            entries.append(entry)
            word = next_word(word, patient, entry)
            if entry.kind is Kind.KEYRING:
                word += 1
    _check_end(word, stated)
    return entries, stated


def _entries(logged: Logged[Event]) -> Iterable[tuple[Entry, int | None]]:
    """The entries of an event, each with the word that the event says stood before it, where it says so."""
    event = logged.event
    if not isinstance(event, HistoryEvent):
        return
    previous = int.from_bytes(event.previous)
    for offset, row in enumerate(_rows(event)):
        entry = Entry(
            number=_length(previous) + 1 + offset,
            kind=_KINDS[type(event)],
            compartments=row.compartments,
            author=address_bytes(event.author),
            on_behalf_of=address_bytes(_principal(event)),
            time=event.time,
            pointer=row.pointer,
            claim=row.claim,
            replaces=row.replaces,
            keyring_version=previous & _VERSION,
            transaction=logged.transaction,
            block=logged.block,
        )
        yield entry, None if offset else previous


def _rows(event: HistoryEvent) -> Sequence[Row]:
    if isinstance(event, RecordAppended):
        return [event.entry]
    if isinstance(event, RecordsAppended):
        return event.entries
    assert isinstance(event, PatientEntryEvent)  # noqa: S101 - there are no others
    return [Row(compartments=event.compartments, replaces=0, pointer=event.pointer, claim=bytes(32))]


def _principal(event: HistoryEvent) -> str:
    return event.on_behalf_of if isinstance(event, RecordAppended | RecordsAppended) else event.patient


def _check_link(word: int, previous: int) -> None:
    """Whether an event goes on where the one before it ended."""
    have, said = _length(word), _length(previous)
    if said > have:
        which = f"entry {said}" if have + 1 == said else f"entries {have + 1} to {said}"
        raise EntryMissing(f"{which} of the history are missing from the node's events")
    if said < have:
        raise EntryExtra(f"the node returned a second entry {said + 1}")
    if previous >> _VERSION_AND_LENGTH != word >> _VERSION_AND_LENGTH or previous & _VERSION < word & _VERSION:
        raise EntryAltered(f"entry {have} is not the one that the contract hashed")


def _check_end(word: int, stated: int) -> None:
    have, want = _length(word), _length(stated)
    if have < want:
        which = f"entry {want}" if have + 1 == want else f"entries {have + 1} to {want}"
        raise EntryMissing(f"{which} of the history are missing from the node's events")
    if have > want:
        raise EntryExtra(f"the node returned {have} entries where the contract has {want}")
    if word >> _VERSION_AND_LENGTH != stated >> _VERSION_AND_LENGTH:
        raise EntryAltered(f"entry {have} is not the one that the contract hashed")


def _length(word: int) -> int:
    return word >> 24 & 0xFFFFFFFF
