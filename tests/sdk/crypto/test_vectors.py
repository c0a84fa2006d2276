"""The committed vectors of tests/vectors: the code still writes them, and still reads them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from medrec_py.crypto import envelope, erasure, grant_seal, keyring, manifest, padding, profile
from medrec_py.crypto.content import ContentReader, ContentSealer
from medrec_py.crypto.envelope import Entry
from medrec_py.crypto.epochs import Epoch, walk_back
from medrec_py.crypto.keys import DataKey, EpochId, EpochKeys, HistoryKey, KemSeed, Place
from medrec_py.crypto.merkle import verify_inclusion
from medrec_py.crypto.suites import Sealed, by_number
from medrec_py.crypto.typed_data import recover
from tests.vectors import generate

from .people import SUITE


def load(name: str) -> Any:
    return json.loads((generate.HERE / name).read_text())


def in_both_suites(name: str, section: str) -> pytest.MarkDecorator:
    """The vectors of a file, and those of the same structure in suite 2."""
    return pytest.mark.parametrize("v", [load(name), load("suite_2.json")[section]], ids=["suite 1", "suite 2"])


def place_of(vector: dict[str, Any]) -> Place:
    place = vector["place"]
    return Place(place["chain"], bytes.fromhex(place["contract"]), bytes.fromhex(place["patient"]))


def keys_of(row: list[Any]) -> tuple[EpochId, EpochKeys]:
    history = row[3] and HistoryKey(bytes.fromhex(row[3]))
    return EpochId(row[0], row[1]), EpochKeys(KemSeed(bytes.fromhex(row[2])), history)


@pytest.mark.parametrize("name", generate.FILES)
def test_the_vectors_are_what_the_code_writes(name: str) -> None:
    """A change in any byte of the format shows here; if it is meant, docs/format.md gets another version."""
    assert (generate.HERE / name).read_text() == generate.text_of(name)


def test_documents_are_unpadded() -> None:
    """§1."""
    for case in load("padding.json")["documents"]:
        assert padding.unpad(bytes.fromhex(case["padded"])).hex() == case["document"]


@pytest.mark.parametrize(("number", "v"), [(1, load("suite.json")), (2, load("suite_2.json")["sealed"])])
def test_the_sealed_message_opens(number: int, v: dict[str, str]) -> None:
    """§1: HPKE base mode over the suite's KEM, context in info, no associated data."""
    value = {key: bytes.fromhex(text) for key, text in v.items()}
    suite, seed = by_number(number), KemSeed(value["seed"])
    assert suite.public_key(seed) == value["publicKey"]
    assert suite.open(seed, value["info"], Sealed(value["enc"], value["ciphertext"])) == value["text"]


def test_content_opens() -> None:
    """§3."""
    v = load("content.json")
    for case in v["cases"]:
        if "sealed" in case:
            reader = ContentReader(
                DataKey(bytes.fromhex(v["dataKey"])), bytes.fromhex(v["recordId"]), case["size"], SUITE
            )
            pieces = reader.read_all(
                bytes.fromhex(case["sealed"]), bytes.fromhex(v["leafSalt"]), bytes.fromhex(case["root"])
            )
            assert b"".join(pieces) == generate.some("content", case["size"])


def test_paths_lead_to_the_root() -> None:
    """§5."""
    v = load("merkle.json")
    leaves, root = [bytes.fromhex(leaf) for leaf in v["leaves"]], bytes.fromhex(v["roots"][-1])
    for index, path in enumerate(v["paths"]):
        verify_inclusion(root, leaves[index], index, len(leaves), [bytes.fromhex(sibling) for sibling in path])


def test_the_statement_is_its_authors() -> None:
    """§5."""
    v = load("statement.json")
    digest, signature = bytes.fromhex(v["digest"]), bytes.fromhex(v["signature"])
    assert recover(digest, signature).hex() == v["signer"]
    claim = hashlib.sha256(b"medrec/1/claim" + bytes.fromhex(v["claimSalt"]) + digest + signature)
    assert claim.hexdigest() == v["claim"]


@in_both_suites("envelope.json", "envelope")
@pytest.mark.parametrize("index", range(3))
def test_envelopes_open(index: int, v: dict[str, Any]) -> None:
    """§4: sealed to an epoch, sealed anew to the next, to the inbox with its content outside, and of mixed suites."""
    case, place = v["cases"][index], place_of(v)
    parsed = envelope.parse(bytes.fromhex(case["block"]))
    data_key = envelope.open_data_key(parsed, place, KemSeed(bytes.fromhex(case["seed"])))
    assert data_key.expose().hex() == v["dataKey"]
    entry = Entry(
        pointer=bytes.fromhex(case["pointer"]),
        author=bytes.fromhex(v["author"]),
        on_behalf_of=bytes.fromhex(v["onBehalfOf"]),
        compartments=1 << case["to"][1],
        claim=bytes.fromhex(case["claim"]),
        replaces=v["replaces"],
    )
    record = envelope.verify(parsed, data_key, place, entry)
    assert record.attestation.metadata.title == case["title"]
    if case["content"]:
        assert b"".join(record.content()).hex() == case["content"]


def test_the_envelopes_of_suite_2_are_of_mixed_suites() -> None:
    """Its own number and that of its content differ in every way that there is."""
    blocks = [bytes.fromhex(case["block"]) for case in load("suite_2.json")["envelope"]["cases"]]
    numbers = [(one.suite.number, one.content_suite.number) for one in map(envelope.parse, blocks)]
    assert numbers == [(2, 2), (2, 1), (1, 2)]


@in_both_suites("keyring.json", "keyring")
def test_the_keyring_opens(v: dict[str, Any]) -> None:
    """§6: for authors, for both readers, for the patient, and on the way back, to an epoch of suite 1."""
    place, keys = place_of(v), dict(keys_of(row) for row in v["keys"])
    parsed = keyring.parse(bytes.fromhex(v["block"]), place, v["version"], int(v["compartments"]))
    pages = {hashlib.sha256(page).digest(): page for page in map(bytes.fromhex, v["pages"])}
    for reader in v["readers"]:
        seed = KemSeed(bytes.fromhex(reader["seed"]))
        held = {EpochId(*epoch): keys[EpochId(*epoch)] for epoch in reader["epochs"]}
        expected = held if reader["history"] else {epoch: held[epoch].without_history() for epoch in held}
        assert keyring.open_as_reader(parsed, bytes.fromhex(reader["address"]), seed, pages.__getitem__) == expected
    opened = keyring.open_as_root(parsed, KemSeed(bytes.fromhex(v["rootSeed"])))
    assert opened.names == {int(number): name for number, name in v["names"].items()}
    assert opened.epochs == {epoch: keys[epoch] for epoch in parsed.epochs}
    newest, first = EpochId(7, 2), EpochId(7, 1)
    assert parsed.epochs[newest].back == {1: bytes.fromhex(v["backLink"])}
    first_published = {first: _published(first, keys[first])}
    assert dict(walk_back(place, {**parsed.epochs, **first_published}, newest, keys[newest])) == {first: keys[first]}


def _published(epoch: EpochId, keys: EpochKeys) -> Epoch:
    return Epoch(epoch, SUITE, 0, SUITE.public_key(keys.seed), {})


def test_the_way_back_leads_to_all_epochs() -> None:
    """§6: the nearest first, one link leading past others."""
    v = load("back_links.json")
    (start, keys), *earlier = map(keys_of, v["keys"])
    published = {
        EpochId(compartment, number): Epoch(
            EpochId(compartment, number),
            SUITE,
            0,
            bytes.fromhex(public_key),
            {to: bytes.fromhex(link) for to, link in back},
        )
        for compartment, number, public_key, back in v["epochs"]
    }
    assert list(walk_back(place_of(v), published, start, keys)) == earlier


def test_ranges_are_read_from_their_chunks() -> None:
    """§3."""
    v = load("content.json")
    data_key, record_id = DataKey(bytes.fromhex(v["dataKey"])), bytes.fromhex(v["recordId"])
    size = v["ranges"][0]["size"]
    chunks = list(
        ContentSealer(generate.some("content", size), data_key, record_id, bytes.fromhex(v["leafSalt"]), SUITE)
    )
    reader = ContentReader(data_key, record_id, size, SUITE)
    for case in v["ranges"]:
        asked: list[int] = []

        def fetch(index: int, asked: list[int] = asked) -> bytes:
            asked.append(index)
            return chunks[index]

        octets = b"".join(reader.read_range(case["start"], case["stop"], fetch))
        assert hashlib.sha256(octets).hexdigest() == case["sha256"]
        assert asked == case["chunks"]


@in_both_suites("grant_seal.json", "grantSeal")
def test_the_grants_seal_opens(v: dict[str, Any]) -> None:
    """§7."""
    seed = KemSeed(bytes.fromhex(v["seed"]))
    opened = grant_seal.open_seal(
        bytes.fromhex(v["block"]), place_of(v), bytes.fromhex(v["grantee"]), v["version"], seed
    )
    assert opened.epochs == dict(keys_of(row) for row in v["epochs"])
    assert opened.names == {int(number): name for number, name in v["names"].items()}


@in_both_suites("profile.json", "profile")
def test_the_profile_is_its_accounts(v: dict[str, Any]) -> None:
    """§8."""
    content = profile.parse(bytes.fromhex(v["block"])).verify(place_of(v), bytes.fromhex(v["account"]))
    assert content.typed_data(place_of(v)) == v["typedData"]


def test_the_manifest_gives_its_rows() -> None:
    """§9."""
    v = load("manifest.json")
    pages = {hashlib.sha256(page).digest(): page for page in map(bytes.fromhex, v["pages"])}
    rows = manifest.parse(bytes.fromhex(v["block"]), place_of(v)).rows(pages.__getitem__)
    assert [[row.entry, row.leaf, row.pointer.hex()] for row in rows] == v["rows"]


def test_the_list_of_erased_records_names_its_entries() -> None:
    """§9."""
    v = load("erasure.json")
    pages = {hashlib.sha256(page).digest(): page for page in map(bytes.fromhex, v["pages"])}
    entries = erasure.parse(bytes.fromhex(v["block"]), place_of(v)).entries(pages.__getitem__)
    assert list(entries) == v["entries"]
