"""Compute `head.json`, the vectors of a history's head, from docs/format.md §10 alone.

    python -m tests.vectors.generate_head    # write tests/vectors/head.json

Nothing of the contracts or of the SDK is used, so the three are compared with one another. In the file, bytes and
numbers that may have more than 53 bits are hexadecimal text; a `word` is what the chain stores, and `previous` the word
before the entry. Between two entries the keyring version may have risen, since a reader was lost.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple, TypedDict

from eth_utils import keccak

FILE = Path(__file__).with_name("head.json")

RECORD, BATCH, KEYRING, MOVED, ERASED, CONTINUES = range(1, 7)
KINDS = {RECORD: "Record", BATCH: "Batch", KEYRING: "Keyring", MOVED: "Moved", ERASED: "Erased", CONTINUES: "Continues"}
LAST_KEYRING_VERSION = 2**24 - 1
NOTHING = bytes(32)


class Entry(NamedTuple):
    """An entry of a history, all that its hash covers but the patient and the word before."""

    kind: int
    compartments: int
    author: bytes
    on_behalf_of: bytes
    time: int
    pointer: bytes
    claim: bytes = NOTHING
    replaces: int = 0


class EntryVector(TypedDict):
    """An entry in the file."""

    number: int
    previous: str
    kind: int
    kindName: str
    compartments: str
    author: str
    onBehalfOf: str
    time: int
    pointer: str
    claim: str
    replaces: str
    preimage: str
    word: str
    head: str
    length: int
    keyringVersion: int


class HistoryVector(TypedDict):
    """A history in the file."""

    name: str
    patient: str
    entries: list[EntryVector]


def _number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def preimage(previous: int, patient: bytes, entry: Entry) -> bytes:
    """The ten words that the hash covers."""
    return b"".join([
        _number(previous),
        patient.rjust(32, b"\0"),
        _number(entry.kind),
        _number(entry.compartments),
        entry.author.rjust(32, b"\0"),
        entry.on_behalf_of.rjust(32, b"\0"),
        _number(entry.time),
        entry.pointer,
        entry.claim,
        _number(entry.replaces),
    ])  # fmt: skip


def word_of(head: bytes, length: int, keyring_version: int) -> int:
    """`head (25 bytes) ‖ length (4) ‖ keyring version (3)` as a number."""
    return int.from_bytes(head + length.to_bytes(4, "big") + keyring_version.to_bytes(3, "big"), "big")


def parts_of(word: int) -> tuple[bytes, int, int]:
    """Head, length and keyring version."""
    text = _number(word)
    return text[:25], int.from_bytes(text[25:29], "big"), int.from_bytes(text[29:], "big")


def next_word(previous: int, patient: bytes, entry: Entry) -> int:
    """The patient's word after an entry."""
    _, length, keyring_version = parts_of(previous)
    head = keccak(preimage(previous, patient, entry))[:25]
    if entry.kind == KEYRING:
        keyring_version += 1
    return word_of(head, length + 1, keyring_version)


def reader_lost(word: int) -> int:
    """The patient's word after a decision that took a live reading right from somebody."""
    head, length, keyring_version = parts_of(word)
    return word_of(head, length, min(keyring_version + 1, LAST_KEYRING_VERSION))


# -------------------------------------------------------------------------------------------------------------- vectors


def _digest(label: str) -> bytes:
    return hashlib.sha256(label.encode()).digest()


def _address(label: str) -> bytes:
    return _digest(f"address of {label}")[:20]


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _entry_vector(previous: int, patient: bytes, entry: Entry) -> EntryVector:
    word = next_word(previous, patient, entry)
    head, length, keyring_version = parts_of(word)
    return {
        "number": length,
        "previous": _hex(_number(previous)),
        "kind": entry.kind,
        "kindName": KINDS[entry.kind],
        "compartments": f"0x{entry.compartments:016x}",
        "author": _hex(entry.author),
        "onBehalfOf": _hex(entry.on_behalf_of),
        "time": entry.time,
        "pointer": _hex(entry.pointer),
        "claim": _hex(entry.claim),
        "replaces": f"0x{entry.replaces:016x}",
        "preimage": _hex(preimage(previous, patient, entry)),
        "word": _hex(_number(word)),
        "head": _hex(head),
        "length": length,
        "keyringVersion": keyring_version,
    }


def _history(name: str, patient: bytes, steps: list[Entry | None], start: int = 0) -> HistoryVector:
    """A history of entries; `None` stands for a reader that was lost."""
    word = start
    entries = []
    for step in steps:
        if step is None:
            word = reader_lost(word)
        else:
            entries.append(_entry_vector(word, patient, step))
            word = next_word(word, patient, step)
    return {"name": name, "patient": _hex(patient), "entries": entries}


def _patients_life() -> HistoryVector:
    alice, hospital, doctor = (_address(name) for name in ("alice", "hospital", "doctor"))
    start = 1_800_000_000
    general, psychiatry = 1 << 5, 1 << 41
    steps = [
        Entry(KEYRING, general | psychiatry, alice, alice, start, _digest("keyring 1")),
        Entry(RECORD, general, doctor, hospital, start + 60, _digest("pointer 1"), _digest("claim 1")),
        Entry(RECORD, general, doctor, hospital, start + 60, _digest("pointer 2"), _digest("claim 2"), 2 << 32),
        Entry(RECORD, psychiatry, alice, alice, start + 3600, _digest("pointer 3"), _digest("claim 3")),
        None,
        Entry(KEYRING, general, alice, alice, start + 7200, _digest("keyring 2")),
        None,
        None,
        Entry(MOVED, general, alice, alice, start + 7260, _digest("moved")),
        Entry(ERASED, psychiatry, alice, alice, start + 7320, _digest("erased")),
        Entry(RECORD, general | psychiatry, alice, alice, start + 9000, _digest("pointer 4"), _digest("claim 4")),
    ]
    return _history("a patient's life", alice, steps)


def _reserved_kinds() -> HistoryVector:
    bob, clinic = _address("bob"), _address("clinic")
    steps: list[Entry | None] = [
        Entry(CONTINUES, 2**64 - 1, bob, bob, 1_900_000_000, _digest("earlier deployment"), _digest("its head"), 77),
        Entry(BATCH, 1, clinic, clinic, 1_900_000_012, _digest("root"), _digest("claim of the root"), (1 << 32) + 5),
    ]
    return _history("kinds of entries that later deployments write", bob, steps)


def _extremes() -> HistoryVector:
    nobody, everybody = bytes(20), b"\xff" * 20
    largest = Entry(RECORD, 2**64 - 1, everybody, everybody, 2**40 - 1, b"\xff" * 32, b"\xff" * 32, 2**64 - 1)
    smallest = Entry(RECORD, 0, nobody, nobody, 0, NOTHING)
    start = word_of(b"\xff" * 25, 2**32 - 3, LAST_KEYRING_VERSION - 1)
    steps = [largest, None, smallest, None]
    return _history(
        "the largest and the smallest of everything, near the last length and version", everybody, steps, start
    )


def vectors() -> dict[str, object]:
    """What stands in the file."""
    return {
        "description": "docs/format.md section 10; written by tests/vectors/generate_head.py",
        "histories": [_patients_life(), _reserved_kinds(), _extremes()],
    }


def render() -> str:
    """The text of the file."""
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
