"""Keyrings: publishing epochs, opening them as reader and as patient, and walking back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec_py.crypto import epochs, keyring, new_keyring, padding
from medrec_py.crypto.epochs import Epoch, check_keys, open_back, seal_back, walk_back
from medrec_py.crypto.keyring import Inbox, Keyring, open_as_reader, open_as_root
from medrec_py.crypto.keys import EpochId, EpochKeys, HistoryKey, KemSeed, Place, RootSecret
from medrec_py.crypto.new_keyring import NewEpoch, NewKeyring, Reader
from medrec_py.errors import (
    BlockMismatch,
    BlockNotFound,
    FormatError,
    InvalidInput,
    KeyringMismatch,
    KeysMissing,
    MedRecError,
    UnknownSuite,
    WrongKey,
)

from .people import CLINIC, DOCTOR, GENERAL, NOW, OTHER_PLACES, PLACE, PSYCHIATRY, STRANGER, SUITE, altered, some

ROOT = RootSecret(some("root secret"))
ROOT_KEY = ROOT.root_key(1, PLACE)
INBOX = Inbox(0, SUITE.public_key(ROOT.inbox_key(1, PLACE, 0)))
NAMES = {GENERAL: "general", PSYCHIATRY: "psychiatry"}
VERSION = 5
SEEDS = {person.address: KemSeed(some(f"seed of {person.address.hex()}")) for person in (CLINIC, DOCTOR, STRANGER)}

G1, G2, G3, P4 = EpochId(GENERAL, 1), EpochId(GENERAL, 2), EpochId(GENERAL, 3), EpochId(PSYCHIATRY, 4)
KEYS = {
    epoch: EpochKeys(KemSeed(some(f"seed {epoch}")), HistoryKey(some(f"history {epoch}"))) for epoch in (G1, G2, G3, P4)
}
MASK = 1 << GENERAL | 1 << PSYCHIATRY


def reader(person: Any, *ids: EpochId, history: bool = True) -> Reader:
    return Reader(person.address, SUITE.public_key(SEEDS[person.address]), ids, history)


TERMS: dict[str, Any] = {
    "epochs": [
        NewEpoch(P4, NOW, KEYS[P4]),
        NewEpoch(G3, NOW + 60, KEYS[G3], {2: KEYS[G2]}),
        NewEpoch(G2, NOW, KEYS[G2], {1: KEYS[G1]}),
    ],
    "readers": [reader(CLINIC, G2, G3, P4), reader(DOCTOR, G2, history=False)],
    "root_public_key": SUITE.public_key(ROOT_KEY),
    "names": NAMES,
    "inbox": INBOX,
    "suite": SUITE,
}


def build(**changes: Any) -> NewKeyring:
    return new_keyring.build(PLACE, VERSION, **TERMS | changes)


MADE = build()
PARSED = keyring.parse(MADE.block, PLACE, VERSION, MASK)


def fetch(pointer: bytes, made: NewKeyring = MADE) -> bytes:
    """A store with the pages."""
    return {hashlib.sha256(page).digest(): page for page in made.pages}[pointer]


# ------------------------------------------------------------------------------------------ what works


def test_authors_see_the_public_keys() -> None:
    """Everybody sees what to seal to, from when on, and who holds it."""
    assert list(PARSED.epochs) == [G2, G3, P4]
    assert {epoch.start for epoch in PARSED.epochs.values()} == {NOW, NOW + 60}
    assert PARSED.epochs[G2].public_key == SUITE.public_key(KEYS[G2].seed)
    assert PARSED.inbox == INBOX
    assert dict(PARSED.holders) == {CLINIC.address: (G2, G3, P4), DOCTOR.address: (G2,)}
    assert MADE.compartments == MASK
    assert MADE.pointer == hashlib.sha256(MADE.block).digest()


def test_a_reader_gets_the_keys_of_its_epochs() -> None:
    """With HISTORY seeds and history keys, without it seeds alone, of the epochs listed and no others."""
    clinic = open_as_reader(PARSED, CLINIC.address, SEEDS[CLINIC.address], fetch)
    assert clinic == {epoch: KEYS[epoch] for epoch in (G2, G3, P4)}
    doctor = open_as_reader(PARSED, DOCTOR.address, SEEDS[DOCTOR.address], fetch)
    assert doctor == {G2: KEYS[G2].without_history()}


def test_the_patient_gets_everything() -> None:
    """The root key opens all epochs and the names of the compartments."""
    opened = open_as_root(PARSED, ROOT_KEY)
    assert opened.epochs == {epoch: KEYS[epoch] for epoch in (G2, G3, P4)}
    assert opened.names == NAMES


def test_a_representative_knows_neither_inbox_nor_all_names() -> None:
    """Without inbox and names the keyring is whole all the same."""
    made = build(inbox=None, names={}, readers=[])
    parsed = keyring.parse(made.block, PLACE, VERSION, MASK)
    assert parsed.inbox is None
    assert (made.pages, parsed.pages) == ((), ())
    assert open_as_root(parsed, ROOT_KEY).names == {}


def test_nothing_secret_stands_in_the_open() -> None:
    """Neither seeds, history keys nor names are in the blocks or in what is printed."""
    public = MADE.block + b"".join(MADE.pages)
    shown = f"{MADE} {PARSED} {open_as_root(PARSED, ROOT_KEY)} {TERMS['epochs']}"
    for keys in KEYS.values():
        for secret in (keys.seed, keys.history):
            assert secret is not None
            assert secret.expose() not in public
            assert secret.expose().hex() not in shown
            assert repr(secret.expose())[2:-1] not in shown
    for name in NAMES.values():
        assert name.encode() not in public
        assert name not in shown


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.data())
def test_every_reader_opens_one_page(count: int, per_reader: int, data: st.DataObject) -> None:
    """However many readers and epochs there are, each one finds its own seal on one page."""
    ids = [EpochId(compartment, 1) for compartment in range(per_reader)]
    keys = dict.fromkeys(ids, KEYS[G2])
    public = SUITE.public_key(SEEDS[CLINIC.address])
    readers = [
        Reader(some(f"reader {n}", 20), public, data.draw(st.lists(st.sampled_from(ids), min_size=1)), True)
        for n in range(count)
    ]
    made = build(epochs=[NewEpoch(epoch, NOW, keys[epoch]) for epoch in ids], readers=readers)
    parsed = keyring.parse(made.block, PLACE, VERSION, (1 << per_reader) - 1)
    fetched = list[bytes]()

    def count_fetches(pointer: bytes) -> bytes:
        fetched.append(pointer)
        return fetch(pointer, made)

    chosen = data.draw(st.sampled_from(readers))
    opened = open_as_reader(parsed, chosen.address, SEEDS[CLINIC.address], count_fetches)
    assert set(opened) == set(chosen.epochs)
    assert len(fetched) == 1


def test_pages_are_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page has up to 256 seals, fewer where they would not fit, and each reader finds its own in both cases."""
    public = SUITE.public_key(SEEDS[CLINIC.address])
    readers = [Reader(n.to_bytes(20), public, [G2], True) for n in range(1, 301)]
    made = build(readers=readers)
    parsed = keyring.parse(made.block, PLACE, VERSION, MASK)
    assert [first for first, _ in parsed.pages] == [0, 256]
    for number in (1, 256, 257, 300):
        found = open_as_reader(parsed, number.to_bytes(20), SEEDS[CLINIC.address], lambda p: fetch(p, made))
        assert found == {G2: KEYS[G2]}

    ids = [EpochId(compartment, 1) for compartment in range(64)]
    all_of_them = [NewEpoch(epoch, NOW, KEYS[G2]) for epoch in ids]
    made = build(epochs=all_of_them, readers=[replace(one, epochs=ids) for one in readers[:200]])
    parsed = keyring.parse(made.block, PLACE, VERSION, (1 << 64) - 1)
    assert len(parsed.pages) == 2
    assert all(len(page) <= 1 << 20 for page in made.pages)
    assert len(open_as_reader(parsed, (200).to_bytes(20), SEEDS[CLINIC.address], lambda p: fetch(p, made))) == 64


# ------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("place", OTHER_PLACES.values(), ids=OTHER_PLACES)
def test_a_keyring_belongs_to_one_place(place: Place) -> None:
    """Another patient's keyring, or one of another deployment, is refused, and its seals would not open."""
    with pytest.raises(KeyringMismatch):
        keyring.parse(MADE.block, place, VERSION, MASK)
    moved = replace(PARSED, place=place)
    with pytest.raises(WrongKey):
        open_as_root(moved, ROOT_KEY)
    with pytest.raises(WrongKey):
        open_as_reader(moved, CLINIC.address, SEEDS[CLINIC.address], fetch)


def test_a_keyring_belongs_to_one_version() -> None:
    """An older keyring cannot be shown again in a later entry."""
    with pytest.raises(KeyringMismatch):
        keyring.parse(MADE.block, PLACE, VERSION + 1, MASK)
    with pytest.raises(WrongKey):
        open_as_root(replace(PARSED, version=VERSION + 1), ROOT_KEY)


@pytest.mark.parametrize("mask", [0, 1 << GENERAL, MASK | 1])
def test_a_keyring_covers_the_compartments_of_its_entry(mask: int) -> None:
    """It publishes epochs of no compartment that the entry does not name, and leaves none out."""
    with pytest.raises(KeyringMismatch):
        keyring.parse(MADE.block, PLACE, VERSION, mask)


def test_a_public_key_must_belong_to_its_seed() -> None:
    """Who writes another public key into the keyring, so that records go to him, is found by readers and patient."""
    theirs = SUITE.public_key(SEEDS[STRANGER.address])
    block = altered(MADE.block, lambda fields: fields["epochs"][0].__setitem__(3, theirs))
    forged = keyring.parse(block, PLACE, VERSION, MASK)
    for opening in (
        lambda: open_as_reader(forged, CLINIC.address, SEEDS[CLINIC.address], fetch),
        lambda: open_as_reader(forged, DOCTOR.address, SEEDS[DOCTOR.address], fetch),
        lambda: open_as_root(forged, ROOT_KEY),
    ):
        with pytest.raises(KeyringMismatch):
            opening()


def test_the_root_public_key_must_be_the_patients() -> None:
    """Who writes another root key into a keyring, so that the next one is sealed to him, is found by the patient."""
    theirs = SUITE.public_key(SEEDS[STRANGER.address])
    block = altered(MADE.block, lambda fields: fields["root"].__setitem__(0, theirs))
    with pytest.raises(KeyringMismatch):
        open_as_root(keyring.parse(block, PLACE, VERSION, MASK), ROOT_KEY)


def test_only_those_it_is_sealed_to_open_it() -> None:
    """Nothing for strangers; another key of a reader's, or another's, does not open."""
    with pytest.raises(KeysMissing):
        open_as_reader(PARSED, STRANGER.address, SEEDS[STRANGER.address], fetch)
    with pytest.raises(WrongKey):
        open_as_reader(PARSED, CLINIC.address, SEEDS[STRANGER.address], fetch)
    with pytest.raises(WrongKey):
        open_as_root(PARSED, SEEDS[CLINIC.address])


def test_a_seal_belongs_to_one_reader() -> None:
    """A seal under another reader's address does not open, even for the same key."""
    same_key = SUITE.public_key(SEEDS[CLINIC.address])
    readers = [Reader(person.address, same_key, [G2], True) for person in (CLINIC, DOCTOR)]
    made = build(readers=readers)
    swapped = altered(made.pages[0], lambda seals: seals.reverse())
    block = altered(made.block, lambda fields: fields["pages"][0].__setitem__(1, hashlib.sha256(swapped).digest()))
    forged = keyring.parse(block, PLACE, VERSION, MASK)
    for person in (CLINIC, DOCTOR):
        with pytest.raises(WrongKey):
            open_as_reader(forged, person.address, SEEDS[CLINIC.address], lambda _: swapped)


def test_a_page_must_be_the_one_that_is_named() -> None:
    """What the store returns is checked against the pointer; its own errors come through."""
    with pytest.raises(BlockMismatch):
        open_as_reader(PARSED, CLINIC.address, SEEDS[CLINIC.address], lambda _: MADE.pages[0] + b"\0")

    def empty(_: bytes) -> bytes:
        raise BlockNotFound("gone")

    with pytest.raises(BlockNotFound):
        open_as_reader(PARSED, CLINIC.address, SEEDS[CLINIC.address], empty)


def reseal_to_root(document: Any) -> Keyring:
    """The keyring with another document in the root's seal, made by somebody who may publish."""
    padded = padding.pad(cbor2.dumps(document, canonical=True))
    info = keyring.root_info(SUITE, PLACE, VERSION)
    return replace(PARSED, root_seal=SUITE.seal(TERMS["root_public_key"], info, padded))


def reseal_to_clinic(document: Any) -> tuple[Keyring, bytes]:
    """The same for the clinic's seal, which is then alone on its page."""
    padded = padding.pad(cbor2.dumps(document, canonical=True))
    info = keyring.reader_info(SUITE, PLACE, VERSION, CLINIC.address)
    sealed = SUITE.seal(SUITE.public_key(SEEDS[CLINIC.address]), info, padded)
    page = cbor2.dumps([[sealed.enc, sealed.ciphertext]])
    pages = ((0, hashlib.sha256(page).digest()),)
    return replace(PARSED, holders={CLINIC.address: (G2, G3, P4)}, pages=pages), page


ROWS = [epochs.keys_row(KEYS[epoch]) for epoch in (G2, G3, P4)]


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        (ROWS[:2], FormatError),
        ([*ROWS, ROWS[0]], FormatError),
        ([*ROWS[:2], [bytes(31), None]], FormatError),
        ([*ROWS[:2], [bytes(32), bytes(33)]], FormatError),
        ([*ROWS[:2], [bytes(32)]], FormatError),
        ([ROWS[1], ROWS[0], ROWS[2]], KeyringMismatch),
        ([*ROWS[:2], [bytes(32), None]], KeyringMismatch),
        ({}, FormatError),
        (None, FormatError),
    ],
)
def test_a_seal_must_hold_what_the_keyring_lists(rows: Any, error: type[MedRecError]) -> None:
    """One row of keys for each epoch listed for the reader, in their order, and they must be the right ones."""
    forged, page = reseal_to_clinic(rows)
    with pytest.raises(error):
        open_as_reader(forged, CLINIC.address, SEEDS[CLINIC.address], lambda _: page)


@pytest.mark.parametrize(
    "document",
    [
        {"epochs": ROWS},
        {"epochs": ROWS, "names": {64: "x"}},
        {"epochs": ROWS, "names": {"x": "x"}},
        {"epochs": ROWS, "names": {1: 2}},
        {"epochs": ROWS, "names": []},
        {"epochs": [*ROWS[:2], [ROWS[2][0], None]], "names": {}},
        [],
    ],
)
def test_the_roots_seal_has_one_form(document: Any) -> None:
    """All epochs with their history keys, and names of compartments."""
    with pytest.raises(FormatError):
        open_as_root(reseal_to_root(document), ROOT_KEY)


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda f: f.update(v=2), FormatError),
        (lambda f: f.update(suite=9), UnknownSuite),
        (lambda f: f.update(more=1), FormatError),
        (lambda f: f.pop("inbox"), FormatError),
        (lambda f: f["epochs"].reverse(), FormatError),
        (lambda f: f["epochs"].append(f["epochs"][-1]), FormatError),
        (lambda f: f["epochs"][0].__setitem__(0, 64), FormatError),
        (lambda f: f["epochs"][0].__setitem__(1, 0), FormatError),
        (lambda f: f["epochs"][0].__setitem__(1, "x"), FormatError),
        (lambda f: f["epochs"][0].__setitem__(3, bytes(1215)), FormatError),
        (lambda f: f["epochs"][0].append(1), FormatError),
        (lambda f: f["epochs"][0][4].append([2, bytes(80)]), FormatError),
        (lambda f: f["epochs"][0][4].append([1, bytes(80)]), FormatError),
        (lambda f: f["epochs"][0][4].insert(0, [0, bytes(80)]), FormatError),
        (lambda f: f["epochs"][0][4][0].__setitem__(1, bytes(79)), FormatError),
        (lambda f: f["holders"].reverse(), FormatError),
        (lambda f: f["holders"].append(f["holders"][-1]), FormatError),
        (lambda f: f["holders"][0].__setitem__(0, bytes(19)), FormatError),
        (lambda f: f["holders"][0].__setitem__(1, []), FormatError),
        (lambda f: f["holders"][0].__setitem__(1, [0, 0]), FormatError),
        (lambda f: f["holders"][0].__setitem__(1, [3]), FormatError),
        (lambda f: f.update(pages=[]), FormatError),
        (lambda f: f["pages"][0].__setitem__(0, 1), FormatError),
        (lambda f: f["pages"].append([2, bytes(32)]), FormatError),
        (lambda f: f["pages"].append([1, bytes(31)]), FormatError),
        (lambda f: f["root"].pop(), FormatError),
        (lambda f: f["root"].__setitem__(1, b""), FormatError),
        (lambda f: f.update(inbox=[0]), FormatError),
        (lambda f: f.update(inbox=[0, bytes(5)]), FormatError),
        (lambda f: f.update(epochs=[]), KeyringMismatch),
    ],
)
def test_other_forms_are_refused(edit: Callable[[dict[str, Any]], Any], error: type[MedRecError]) -> None:
    """Orders, sizes, numbers and types are those of the format, so a keyring has one encoding."""
    with pytest.raises(error):
        keyring.parse(altered(MADE.block, edit), PLACE, VERSION, MASK)


def test_a_page_that_covers_too_many_is_refused() -> None:
    """No page has more than 256 seals."""
    holders = [[n.to_bytes(20), [0]] for n in range(300)]
    block = altered(MADE.block, lambda fields: fields.update(holders=holders))
    with pytest.raises(FormatError):
        keyring.parse(block, PLACE, VERSION, MASK)


LOW_ORDER = SUITE.public_key(ROOT_KEY)[:1184] + bytes(32)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"epochs": []}, InvalidInput),
        ({"epochs": [NewEpoch(G2, NOW, KEYS[G2]), NewEpoch(G2, NOW, KEYS[G3])], "readers": []}, InvalidInput),
        ({"epochs": [NewEpoch(EpochId(64, 1), NOW, KEYS[G2])], "readers": []}, InvalidInput),
        ({"epochs": [NewEpoch(EpochId(1, 0), NOW, KEYS[G2])], "readers": []}, InvalidInput),
        ({"epochs": [NewEpoch(G2, -1, KEYS[G2])], "readers": []}, InvalidInput),
        ({"epochs": [NewEpoch(G2, NOW, KEYS[G2].without_history())], "readers": []}, InvalidInput),
        ({"epochs": [NewEpoch(G2, NOW, KEYS[G2], {2: KEYS[G1]})], "readers": []}, InvalidInput),
        ({"epochs": [NewEpoch(G2, NOW, KEYS[G2], {3: KEYS[G3]})], "readers": []}, InvalidInput),
        ({"epochs": [NewEpoch(G2, NOW, KEYS[G2], {0: KEYS[G1]})], "readers": []}, InvalidInput),
        ({"epochs": [NewEpoch(G2, NOW, KEYS[G2], {1: KEYS[G1].without_history()})], "readers": []}, InvalidInput),
        ({"readers": [reader(CLINIC, G2), reader(CLINIC, G3)]}, InvalidInput),
        ({"readers": [reader(CLINIC)]}, InvalidInput),
        ({"readers": [reader(CLINIC, G1)]}, InvalidInput),
        ({"readers": [replace(reader(CLINIC, G2), address=b"short")]}, InvalidInput),
        ({"readers": [replace(reader(CLINIC, G2), public_key=LOW_ORDER)]}, FormatError),
        ({"readers": [replace(reader(CLINIC, G2), public_key=b"")]}, FormatError),
        ({"root_public_key": LOW_ORDER}, FormatError),
        ({"inbox": Inbox(0, LOW_ORDER)}, FormatError),
        ({"inbox": Inbox(-1, INBOX.public_key)}, InvalidInput),
        ({"names": {64: "x"}}, InvalidInput),
        ({"names": {1: b"x"}}, InvalidInput),
    ],
)
def test_no_keyring_is_made_of_bad_values(change: dict[str, Any], error: type[MedRecError]) -> None:
    """A patient's client finds its own mistakes, and keys that nothing can be sealed to."""
    with pytest.raises(error):
        build(**change)


def test_a_keyring_larger_than_a_block_is_refused() -> None:
    """Then it is to be published in parts; nothing too large is stored."""
    many = [NewEpoch(EpochId(compartment, n), NOW, KEYS[G2]) for compartment in range(64) for n in range(1, 15)]
    with pytest.raises(InvalidInput, match="parts"):
        build(epochs=many, readers=[])


@pytest.mark.parametrize("version", [-1, 1 << 24])
def test_a_version_has_24_bits(version: int) -> None:
    """As on chain."""
    with pytest.raises(InvalidInput):
        new_keyring.build(PLACE, version, **TERMS)


# ---------------------------------------------------------------------------------------- the way back


def chain_of(length: int) -> tuple[dict[EpochId, Epoch], dict[EpochId, EpochKeys]]:
    """Epochs of one compartment, each of which opens the one before."""
    ids = [EpochId(GENERAL, number) for number in range(1, length + 1)]
    keys = {epoch: EpochKeys.generate() for epoch in ids}
    published = {
        epoch: Epoch(
            epoch,
            SUITE,
            NOW,
            SUITE.public_key(keys[epoch].seed),
            {
                epoch.number - 1: seal_back(
                    SUITE, PLACE, epoch, keys[epoch], number=epoch.number - 1, earlier=keys[ids[epoch.number - 2]]
                )
            }
            if epoch.number > 1
            else {},
        )
        for epoch in ids
    }
    return published, keys


PUBLISHED, CHAIN = chain_of(6)
NEWEST = EpochId(GENERAL, 6)


def test_the_newest_history_key_opens_all_epochs() -> None:
    """A reader with HISTORY walks back to the first epoch, nearest first."""
    walked = list(walk_back(PLACE, PUBLISHED, NEWEST, CHAIN[NEWEST]))
    assert walked == [(EpochId(GENERAL, number), CHAIN[EpochId(GENERAL, number)]) for number in (5, 4, 3, 2, 1)]


def test_a_keyring_can_be_walked() -> None:
    """The back-links that a keyring publishes work, also between two of its own epochs."""
    older = keyring.parse(build(epochs=[NewEpoch(G1, 0, KEYS[G1])], readers=[]).block, PLACE, VERSION, 1 << GENERAL)
    published = {**older.epochs, **PARSED.epochs}
    assert dict(walk_back(PLACE, published, G3, KEYS[G3])) == {G2: KEYS[G2], G1: KEYS[G1]}


def test_a_reader_without_history_cannot_walk() -> None:
    """Seeds alone lead nowhere."""
    with pytest.raises(KeysMissing):
        next(walk_back(PLACE, PUBLISHED, NEWEST, CHAIN[NEWEST].without_history()))
    held = CHAIN[NEWEST].seed.expose()
    with pytest.raises(KeyringMismatch):
        next(walk_back(PLACE, PUBLISHED, NEWEST, EpochKeys(CHAIN[NEWEST].seed, HistoryKey(held))))


def test_nobody_walks_forward() -> None:
    """The history key of an epoch opens nothing behind it: no link leads there, and later links do not open."""
    third, fourth = EpochId(GENERAL, 3), EpochId(GENERAL, 4)
    assert set(dict(walk_back(PLACE, PUBLISHED, third, CHAIN[third]))) == {EpochId(GENERAL, 2), EpochId(GENERAL, 1)}
    with pytest.raises(KeyringMismatch):
        open_back(PLACE, PUBLISHED[fourth], CHAIN[third], 3)
    with pytest.raises(KeyringMismatch):
        open_back(PLACE, PUBLISHED[third], CHAIN[third], 4)


def relinked(epoch: EpochId, back: dict[int, bytes]) -> dict[EpochId, Epoch]:
    return PUBLISHED | {epoch: replace(PUBLISHED[epoch], back=back)}


def test_a_back_link_belongs_to_its_place() -> None:
    """Not for another patient, chain or contract, another compartment, another epoch, or another number."""
    link = PUBLISHED[NEWEST].back[5]
    for place in OTHER_PLACES.values():
        with pytest.raises(KeyringMismatch):
            open_back(place, PUBLISHED[NEWEST], CHAIN[NEWEST], 5)
    for wrong in (
        replace(PUBLISHED[NEWEST], id=EpochId(PSYCHIATRY, 6)),
        replace(PUBLISHED[NEWEST], id=EpochId(GENERAL, 7)),
        replace(PUBLISHED[NEWEST], back={4: link}),
        replace(PUBLISHED[NEWEST], back={5: link[:-1] + bytes([link[-1] ^ 1])}),
    ):
        with pytest.raises(KeyringMismatch):
            open_back(PLACE, wrong, CHAIN[NEWEST], next(iter(wrong.back)))


def test_a_back_link_to_false_keys_is_found() -> None:
    """Keys that a back-link gives are held against the public key of the epoch they are said to open."""
    false = seal_back(SUITE, PLACE, NEWEST, CHAIN[NEWEST], number=5, earlier=EpochKeys.generate())
    with pytest.raises(KeyringMismatch, match="public key"):
        list(walk_back(PLACE, relinked(NEWEST, {5: false}), NEWEST, CHAIN[NEWEST]))


def test_what_was_reached_before_an_error_stays() -> None:
    """A keyring that is lost ends the walk there and not before."""
    published = {epoch: PUBLISHED[epoch] for epoch in PUBLISHED if epoch.number > 2}
    walk = walk_back(PLACE, published, NEWEST, CHAIN[NEWEST])
    assert [next(walk)[0].number for _ in range(3)] == [5, 4, 3]
    with pytest.raises(KeyringMismatch):
        next(walk)


def test_an_epoch_may_open_several() -> None:
    """After an end date that was planned and overtaken, one epoch leads back to more than one; each is reached once."""
    links = {
        n: seal_back(SUITE, PLACE, NEWEST, CHAIN[NEWEST], number=n, earlier=CHAIN[EpochId(GENERAL, n)]) for n in (3, 5)
    }
    walked = [epoch.number for epoch, _ in walk_back(PLACE, relinked(NEWEST, links), NEWEST, CHAIN[NEWEST])]
    assert sorted(walked) == [1, 2, 3, 4, 5]
    assert walked[0] == 5


def test_keys_are_held_against_the_published_epoch() -> None:
    """The check by which a grantee tests what a grant's seal gave."""
    assert check_keys(PARSED.epochs[G2], KEYS[G2].without_history()) == KEYS[G2].without_history()
    with pytest.raises(KeyringMismatch):
        check_keys(PARSED.epochs[G2], KEYS[G3])
