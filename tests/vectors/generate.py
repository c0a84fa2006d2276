"""Writes the vectors beside this file: `python -m tests.vectors.generate`.

They pin docs/format.md to the byte, for other implementations and for our own changes. Everything random is fixed:
secrets come from their names by SHAKE256, signatures are deterministic (RFC 6979), and HPKE takes its encapsulations
from vectors whose public keys are sealed to: suite 1 from the published ones of X-Wing (tests/data/crypto/x_wing.json),
suite 2 from those that Go sealed (ml_kem_1024_p384.json beside it).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from medrec_py.crypto import envelope, grant_seal, new_keyring, padding, profile
from medrec_py.crypto.attestation import Attestation, attest
from medrec_py.crypto.content import CHUNK_SIZE, ContentReader, ContentSealer, sealed_size
from medrec_py.crypto.envelope import Body, ContentFile, Destination, Kind
from medrec_py.crypto.epochs import keys_row, seal_back
from medrec_py.crypto.erasure import ErasureBuilder
from medrec_py.crypto.grant_seal import GrantedKeys
from medrec_py.crypto.keyring import Inbox
from medrec_py.crypto.keys import DataKey, EpochId, EpochKeys, HistoryKey, KemSeed, Place, RootSecret
from medrec_py.crypto.manifest import ManifestBuilder, Row
from medrec_py.crypto.merkle import inclusion_path, leaf_hash, leaf_salt, merkle_root
from medrec_py.crypto.metadata import Metadata
from medrec_py.crypto.new_keyring import NewEpoch, Reader
from medrec_py.crypto.suites import Suite, by_number
from tests.sdk.crypto.people import Wallet
from tests.sdk.crypto.reference import KnownEncapsulations, KnownEncapsulations2, vectors

HERE = Path(__file__).parent


class Known(NamedTuple):
    """A suite, and the private keys that it seals to here."""

    suite: Suite
    seeds: list[KemSeed]


def seeds(name: str, field: str) -> list[KemSeed]:
    """The seeds in a file of vectors, each once."""
    return [KemSeed(bytes.fromhex(seed)) for seed in dict.fromkeys(v[field] for v in vectors(name))]


ONE = Known(KnownEncapsulations(), seeds("x_wing.json", "sk"))
TWO = Known(KnownEncapsulations2(), seeds("ml_kem_1024_p384.json", "seed"))
SUITE = ONE.suite
TIME = 1_800_000_000


def some(name: str, size: int = 32) -> bytes:
    """SHAKE256 of the name."""
    return hashlib.shake_256(name.encode()).digest(size)


AUTHOR, CLINIC, PATIENT = Wallet("vector author"), Wallet("vector clinic"), Wallet("vector patient")
PLACE = Place(31337, some("contract", 20), PATIENT.address)
RECORD_ID = some("record id", 16)
DATA_KEY = DataKey(some("data key"))
LEAF_SALT, CLAIM_SALT = some("leaf salt"), some("claim salt")
GENERAL, PSYCHIATRY = 7, 42


def plain(value: Any) -> Any:
    """For JSON: bytes as hexadecimal digits, integers that JavaScript cannot hold as decimal ones."""
    if isinstance(value, int) and value > 1 << 53:
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def place() -> dict[str, Any]:
    return {"chain": PLACE.chain_id, "contract": PLACE.contract, "patient": PLACE.patient}


def pad() -> dict[str, Any]:
    lengths = [*range(10), 17, 100, 255, 257, 1000, 4097, 65537, 10**6, 10**9, 10 * 2**30, 2**40 + 1, 2**62]
    return {
        "padme": [[length, padding.padme(length)] for length in lengths],
        "documents": [
            {"document": document, "padded": padding.pad(document)}
            for document in (b"", b"hello", some("document", 600))
        ],
    }


def keys() -> dict[str, Any]:
    seed = some("bip-39 seed", 64)
    root = RootSecret.from_bip39_seed(seed)
    enc = some("encapsulation", 1120)
    return {
        "place": place(),
        "bip39Seed": seed,
        "rootSecret": root.expose(),
        "rootKey": root.root_key(1, PLACE).expose(),
        "rootPublicKey": SUITE.public_key(root.root_key(1, PLACE)),
        "inboxKeys": [root.inbox_key(1, PLACE, number).expose() for number in (0, 1, 1000)],
        "account": CLINIC.address,
        "profileKeys": [root.profile_key(1, PLACE, CLINIC.address, number).expose() for number in (0, 1)],
        "dataKey": DATA_KEY.expose(),
        "recordId": RECORD_ID,
        "contentKey": DATA_KEY.content_key(1, RECORD_ID),
        "commitment": DATA_KEY.commitment(1, RECORD_ID),
        "enc": enc,
        "metadataKey": DATA_KEY.metadata_key(1, RECORD_ID, enc),
    }


def suite(known: Known = ONE) -> dict[str, Any]:
    seed = known.seeds[0]
    public_key = known.suite.public_key(seed)
    info, text = some("info", 40), some("text", 50)
    sealed = known.suite.seal(public_key, info, text)
    return {
        "seed": seed.expose(),
        "publicKey": public_key,
        "info": info,
        "text": text,
        "enc": sealed.enc,
        "ciphertext": sealed.ciphertext,
    }


def content() -> dict[str, Any]:
    """Content of `size` bytes is the first `size` bytes of SHAKE256("content")."""
    cases = []
    for size in (0, 1, 255, 256, 257, 5000, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE + 77):
        sealer = ContentSealer(some("content", size), DATA_KEY, RECORD_ID, LEAF_SALT, SUITE)
        chunks = list(sealer)
        case: dict[str, Any] = {
            "size": size,
            "sealedSize": sealed_size(size),
            "root": sealer.root,
            "sha256OfChunks": [hashlib.sha256(chunk).digest() for chunk in chunks],
        }
        cases.append(case | {"sealed": chunks[0]} if size < 300 else case)
    facts = {"dataKey": DATA_KEY.expose(), "recordId": RECORD_ID, "leafSalt": LEAF_SALT}
    return facts | {"cases": cases, "ranges": [content_range(*ends) for ends in RANGES]}


RANGE_SIZE = 3 * CHUNK_SIZE + 5
RANGES = [
    (0, 0),
    (0, 1),
    (CHUNK_SIZE - 1, CHUNK_SIZE),
    (CHUNK_SIZE - 1, CHUNK_SIZE + 1),
    (CHUNK_SIZE, 3 * CHUNK_SIZE),
    (RANGE_SIZE - 7, RANGE_SIZE),
    (RANGE_SIZE, RANGE_SIZE),
]


def content_range(start: int, stop: int) -> dict[str, Any]:
    """Which chunks hold bytes `start` to `stop` (excluded)."""
    octets = some("content", RANGE_SIZE)[start:stop]
    numbers = ContentReader(DATA_KEY, RECORD_ID, RANGE_SIZE, SUITE).chunks_for(start, stop)
    digest = hashlib.sha256(octets).digest()
    return {"size": RANGE_SIZE, "start": start, "stop": stop, "chunks": list(numbers), "sha256": digest}


def merkle() -> dict[str, Any]:
    chunks = [some(f"chunk {number}", 10) for number in range(7)]
    leaves = [leaf_hash(leaf_salt(LEAF_SALT, number), chunk) for number, chunk in enumerate(chunks)]
    return {
        "leafSalt": LEAF_SALT,
        "chunks": chunks,
        "leaves": leaves,
        "roots": [merkle_root(leaves[:count]) for count in range(1, 8)],
        "paths": [inclusion_path(leaves, index) for index in range(7)],
    }


def attestation(body: bytes, title: str) -> Attestation:
    sealer = ContentSealer(body, DATA_KEY, RECORD_ID, LEAF_SALT, SUITE)  # its root is that of every suite
    list(sealer)
    return attest(
        AUTHOR.sign_typed_data,
        PLACE,
        RECORD_ID,
        metadata=Metadata(title, "application/fhir+json", sealer.size, created=TIME - 3600),
        author=AUTHOR.address,
        on_behalf_of=CLINIC.address,
        time=TIME,
        content=sealer.root,
        leaf_salt=LEAF_SALT,
        replaces=3 << 32,
        claim_salt=CLAIM_SALT,
    )


SMALL, LARGE = some("small content", 100), some("large content", 40_000)


def statement() -> dict[str, Any]:
    made = attestation(SMALL, "Blutbild, großes")
    signed = made.statement(PLACE, RECORD_ID)
    return {
        "place": place(),
        "metadata": made.metadata.as_map(),
        "metadataDigest": made.metadata.digest(),
        "typedData": signed.typed_data(),
        "digest": signed.digest(),
        "signer": AUTHOR.address,
        "signature": made.signature,
        "claimSalt": CLAIM_SALT,
        "claim": made.claim(PLACE, RECORD_ID),
        "sealedMetadataDocument": made.to_bytes(),
    }


class Kept(NamedTuple):
    """A record to make an envelope of."""

    title: str
    text: bytes
    body: Body


def small(content: Suite) -> Kept:
    """One whose content, sealed by a suite, stands in the envelope."""
    return Kept("Small", SMALL, next(iter(ContentSealer(SMALL, DATA_KEY, RECORD_ID, LEAF_SALT, content))))


def sealed_to(to: Destination, known: Known, index: int, content: Suite, record: Kept) -> dict[str, Any]:
    """An envelope, and what it is to open to."""
    seed, made = known.seeds[index], attestation(record.text, record.title)
    block = envelope.build(
        PLACE,
        to,
        known.suite.public_key(seed),
        record_id=RECORD_ID,
        data_key=DATA_KEY,
        body=record.body,
        attestation=made,
        suite=known.suite,
        content_suite=content,
    )
    return {
        "to": [int(to.kind), to.compartment, to.number],
        "seed": seed.expose(),
        "block": block,
        "pointer": hashlib.sha256(block).digest(),
        "claim": made.claim(PLACE, RECORD_ID),
        "title": record.title,
        "content": record.text if len(record.text) < 1000 else None,
    }


def envelope_file(cases: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "place": place(),
        "recordId": RECORD_ID,
        "dataKey": DATA_KEY.expose(),
        "author": AUTHOR.address,
        "onBehalfOf": CLINIC.address,
        "replaces": 3 << 32,
        "cases": cases,
    }


def envelopes() -> dict[str, Any]:
    large = Kept("Large", LARGE, ContentFile(b"\x01\x70\x12\x20" + some("cid"), sealed_size(40_000)))
    return envelope_file(
        [
            sealed_to(Destination(Kind.EPOCH, GENERAL, 3), ONE, 0, SUITE, small(SUITE)),
            sealed_to(Destination(Kind.EPOCH, GENERAL, 4), ONE, 1, SUITE, small(SUITE)),
            sealed_to(Destination(Kind.INBOX, GENERAL, 0), ONE, 2, SUITE, large),
        ]
    )


def mixed_envelopes() -> dict[str, Any]:
    """By suite 2 alone; by suite 2 around content of suite 1, as one that was moved; and the other way round."""
    one, two = by_number(1), by_number(2)
    return envelope_file(
        [
            sealed_to(Destination(Kind.EPOCH, GENERAL, 5), TWO, 0, two, small(two)),
            sealed_to(Destination(Kind.EPOCH, GENERAL, 6), TWO, 1, one, small(one)),
            sealed_to(Destination(Kind.EPOCH, GENERAL, 4), ONE, 1, two, small(two)),
        ]
    )


def epoch_keys(name: str) -> EpochKeys:
    return EpochKeys(KemSeed(some(f"seed of {name}")), HistoryKey(some(f"history key of {name}")))


G1, G2, P1 = EpochId(GENERAL, 1), EpochId(GENERAL, 2), EpochId(PSYCHIATRY, 1)
KEYS = {epoch: epoch_keys(f"{epoch.compartment}/{epoch.number}") for epoch in (G1, G2, P1)}
NAMES = {GENERAL: "general", PSYCHIATRY: "Psychiatrie"}


def keyrings(known: Known = ONE) -> dict[str, Any]:
    root = RootSecret.from_bip39_seed(some("bip-39 seed", 64))
    number, (root_seed, clinic_seed, author_seed) = known.suite.number, known.seeds[:3]
    root_key, clinic_key, author_key = map(known.suite.public_key, (root_seed, clinic_seed, author_seed))
    made = new_keyring.build(
        PLACE,
        5,
        epochs=[NewEpoch(G2, TIME, KEYS[G2], {1: KEYS[G1]}), NewEpoch(P1, TIME + 86400, KEYS[P1])],
        readers=[
            Reader(CLINIC.address, clinic_key, [G2, P1], history=True),
            Reader(AUTHOR.address, author_key, [G2], history=False),
        ],
        root_public_key=root_key,
        names=NAMES,
        inbox=Inbox(0, known.suite.public_key(root.inbox_key(number, PLACE, 0))),
        suite=known.suite,
    )
    return {
        "place": place(),
        "version": 5,
        "compartments": made.compartments,
        "block": made.block,
        "pages": made.pages,
        "rootSeed": root_seed.expose(),
        "readers": [
            {"address": CLINIC.address, "seed": clinic_seed.expose(), "epochs": [list(G2), list(P1)], "history": True},
            {"address": AUTHOR.address, "seed": author_seed.expose(), "epochs": [list(G2)], "history": False},
        ],
        "keys": [key_row(epoch) for epoch in (G1, G2, P1)],
        "names": NAMES,
        "backLink": seal_back(known.suite, PLACE, G2, KEYS[G2], number=1, earlier=KEYS[G1]),
    }


def key_row(epoch: EpochId) -> list[Any]:
    history = KEYS[epoch].history
    assert history is not None
    return [*epoch, KEYS[epoch].seed.expose(), history.expose()]


def back_links() -> dict[str, Any]:
    """Epoch 4 opens 3 and 1, and epoch 3 opens 2: `keys` are those of 4 and of all it leads to, nearest first."""
    keys = {number: epoch_keys(f"back {number}") for number in range(1, 5)}
    links = {4: (1, 3), 3: (2,), 2: (), 1: ()}
    return {
        "place": place(),
        "epochs": [back_linked(keys, number, links[number]) for number in sorted(links)],
        "keys": [[GENERAL, number, *keys_row(keys[number])] for number in (4, 3, 1, 2)],
    }


def back_linked(keys: Mapping[int, EpochKeys], number: int, earlier: Iterable[int]) -> list[Any]:
    """`[compartment, number, public key, back-links]` of an epoch."""
    epoch, own = EpochId(GENERAL, number), keys[number]
    links = [[to, seal_back(SUITE, PLACE, epoch, own, number=to, earlier=keys[to])] for to in earlier]
    return [*epoch, SUITE.public_key(own.seed), links]


def grant(known: Known = ONE) -> dict[str, Any]:
    seed = known.seeds[1]
    public_key = known.suite.public_key(seed)
    granted = GrantedKeys({G2: KEYS[G2], P1: KEYS[P1].without_history()}, NAMES)
    block = grant_seal.build(PLACE, CLINIC.address, 9, public_key, granted, suite=known.suite)
    return {
        "place": place(),
        "grantee": CLINIC.address,
        "version": 9,
        "seed": seed.expose(),
        "block": block,
        "epochs": [key_row(G2), [*key_row(P1)[:3], None]],
        "names": NAMES,
    }


def profiles(known: Known = ONE) -> dict[str, Any]:
    public_key = known.suite.public_key(known.seeds[1])
    block = profile.build(
        CLINIC.sign_typed_data,
        PLACE,
        CLINIC.address,
        0,
        public_key,
        name="Klinik am Görlitzer Park",
        endpoints=["https://clinic.example/fhir"],
        time=TIME,
        suite=known.suite,
    )
    content = profile.parse(block).verify(PLACE, CLINIC.address)
    return {
        "place": place(),
        "account": CLINIC.address,
        "block": block,
        "typedData": content.typed_data(PLACE),
        "digest": content.digest(PLACE),
    }


def manifests() -> dict[str, Any]:
    rows = [Row(entry, leaf, some(f"pointer {entry} {leaf}")) for entry in (1, 3, 300) for leaf in (0, 2)]
    builder = ManifestBuilder(PLACE, rows)
    pages = list(builder)
    return {"place": place(), "block": builder.block, "pages": pages, "rows": [list(row) for row in rows]}


def erasures() -> dict[str, Any]:
    entries = [1, 3, 300, 2**32 - 1]
    builder = ErasureBuilder(PLACE, entries)
    pages = list(builder)
    return {"place": place(), "block": builder.block, "pages": pages, "entries": entries}


def suite_2() -> dict[str, Any]:
    """What differs by suite 2. A root of content, a manifest and a head do not."""
    root = RootSecret.from_bip39_seed(some("bip-39 seed", 64))
    return {
        "rootKey": root.root_key(2, PLACE).expose(),
        "rootPublicKey": TWO.suite.public_key(root.root_key(2, PLACE)),
        "contentKey": DATA_KEY.content_key(2, RECORD_ID),
        "commitment": DATA_KEY.commitment(2, RECORD_ID),
        "sealed": suite(TWO),
        "envelope": mixed_envelopes(),
        "keyring": keyrings(TWO),
        "grantSeal": grant(TWO),
        "profile": profiles(TWO),
    }


FILES = {
    "padding.json": pad,
    "keys.json": keys,
    "suite.json": suite,
    "content.json": content,
    "merkle.json": merkle,
    "statement.json": statement,
    "envelope.json": envelopes,
    "keyring.json": keyrings,
    "back_links.json": back_links,
    "grant_seal.json": grant,
    "profile.json": profiles,
    "manifest.json": manifests,
    "erasure.json": erasures,
    "suite_2.json": suite_2,
}


def text_of(name: str) -> str:
    """What stands in a file of vectors."""
    return json.dumps(plain(FILES[name]()), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    for name in FILES:
        (HERE / name).write_text(text_of(name))


if __name__ == "__main__":
    main()
