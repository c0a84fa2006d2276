"""The formats in TypeScript (web/src/format) against those in Python, with new random data each time."""

from __future__ import annotations

import hashlib
import random
import secrets
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from medrec_py.crypto import cbor, envelope, grant_seal, keyring, new_keyring, profile
from medrec_py.crypto.attestation import attest
from medrec_py.crypto.content import CHUNK_SIZE, ContentReader, ContentSealer
from medrec_py.crypto.envelope import Body, ContentFile, Destination, Entry, Kind
from medrec_py.crypto.epochs import check_keys, keys_row, walk_back
from medrec_py.crypto.grant_seal import GrantedKeys
from medrec_py.crypto.keyring import Inbox
from medrec_py.crypto.keys import DataKey, EpochId, EpochKeys, HistoryKey, KemSeed, Place
from medrec_py.crypto.metadata import Metadata
from medrec_py.crypto.new_keyring import NewEpoch, Reader
from medrec_py.crypto.suites import by_number
from scripts import toolchain
from scripts.pytest_components import require
from tests.sdk.crypto.people import CID, Wallet
from tests.support import typescript
from tests.support.typescript import Interop, Refused
from tests.vectors.generate import plain
from tests.vectors.refusals import changed, refusal

SUITE = by_number(1)
AUTHOR, CLINIC, PATIENT = (Wallet(secrets.token_hex()) for _ in range(3))
PLACE = Place(secrets.randbelow(1 << 64), secrets.token_bytes(20), PATIENT.address)
PLACE_JSON = {"chain": str(PLACE.chain_id), "contract": PLACE.contract.hex(), "patient": PLACE.patient.hex()}
SIZES = [0, 1, 1000, 40_000, CHUNK_SIZE, 2 * CHUNK_SIZE + 12_345]

pytestmark = [pytest.mark.node, pytest.mark.typescript]


@pytest.fixture(scope="module")
def interop() -> Iterator[Interop]:
    require("typescript")
    with typescript.running() as process:
        yield process


@pytest.mark.slow
def test_its_own_tests_pass() -> None:
    """All vectors of tests/vectors, and all refusals, by Node's test runner."""
    typescript.compile_tests()
    files = typescript.own_tests()
    assert len(files) >= 2
    command = [str(toolchain.node()), "--test", "--test-reporter=spec", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "fail 0" in done.stdout


# ------------------------------------------------------------------------------------------------------------- records


def sealed_record(
    content: bytes, to: Destination, public_key: bytes
) -> tuple[bytes, list[bytes], Entry, DataKey, bytes]:
    """A record by Python: its envelope, its chunks, its entry, its data key and its id."""
    data_key, record_id, salt = DataKey.generate(), secrets.token_bytes(16), secrets.token_bytes(32)
    sealer = ContentSealer(content, data_key, record_id, salt, SUITE)
    chunks = list(sealer)
    size = sum(map(len, chunks))
    body: Body = chunks[0] if size <= envelope.MAX_INLINE_SIZE else ContentFile(CID, size)
    attestation = attest(
        AUTHOR.sign_typed_data,
        PLACE,
        record_id,
        metadata=Metadata("\ufeffBefund: 体温 37,2 °C", "text/plain", len(content)),
        author=AUTHOR.address,
        on_behalf_of=CLINIC.address,
        time=secrets.randbelow(1 << 64),
        content=sealer.root,
        leaf_salt=salt,
        replaces=secrets.randbelow(1 << 64),
    )
    terms: dict[str, Any] = {"record_id": record_id, "data_key": data_key, "body": body, "attestation": attestation}
    block = envelope.build(PLACE, to, public_key, suite=SUITE, content_suite=SUITE, **terms)
    claim = attestation.claim(PLACE, record_id)
    return block, chunks, entry_of(block, to, claim, attestation.replaces), data_key, record_id


def entry_of(block: bytes, to: Destination, claim: bytes, replaces: int) -> Entry:
    pointer = hashlib.sha256(block).digest()
    return Entry(pointer, AUTHOR.address, CLINIC.address, 1 << to.compartment, claim, replaces)


def entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "author": entry.author.hex(),
        "onBehalfOf": entry.on_behalf_of.hex(),
        "compartments": str(entry.compartments),
        "claim": entry.claim.hex(),
        "replaces": str(entry.replaces),
    }


@pytest.mark.parametrize("size", SIZES)
def test_typescript_opens_a_record_of_pythons(interop: Interop, size: int) -> None:
    """In the envelope and outside, one chunk and several."""
    content, keys = secrets.token_bytes(size), EpochKeys.generate()
    to = Destination(Kind.EPOCH, secrets.randbelow(64), secrets.randbelow(1 << 32))
    block, chunks, entry, data_key, record_id = sealed_record(content, to, SUITE.public_key(keys.seed))
    opened = interop.ask(
        "openRecord",
        place=PLACE_JSON,
        block=block.hex(),
        seed=keys.seed.expose().hex(),
        entry=entry_json(entry),
        sealed=[chunk.hex() for chunk in chunks],
    )
    assert opened["content"] == content.hex()
    assert opened["title"] == "\ufeffBefund: 体温 37,2 °C"
    start = secrets.randbelow(size + 1)
    stop = start + secrets.randbelow(size - start + 1)
    span = ContentReader(data_key, record_id, size, SUITE).chunks_for(start, stop)
    terms = {
        "dataKey": data_key.expose().hex(),
        "recordId": record_id.hex(),
        "size": size,
        "start": start,
        "stop": stop,
    }
    asked = {str(index): chunks[index].hex() for index in span}
    assert interop.ask("openRange", chunks=asked, **terms) == content[start:stop].hex()


@pytest.mark.parametrize("size", SIZES)
def test_python_opens_a_record_of_typescripts(interop: Interop, size: int) -> None:
    """The wallet that signs is eth-account."""
    content, seed = secrets.token_bytes(size), KemSeed.generate()
    to = Destination(Kind.INBOX, secrets.randbelow(64), secrets.randbelow(1 << 32))
    time, replaces = secrets.randbelow(1 << 63) + 1, secrets.randbelow(1 << 64)
    made = interop.ask(
        "sealRecord",
        AUTHOR.sign_typed_data,
        place=PLACE_JSON,
        to={"kind": int(to.kind), "compartment": to.compartment, "number": to.number},
        publicKey=SUITE.public_key(seed).hex(),
        content=content.hex(),
        title="Ä🙂",
        author=AUTHOR.address.hex(),
        onBehalfOf=CLINIC.address.hex(),
        time=str(time),
        replaces=str(replaces),
    )
    block = bytes.fromhex(made["block"])
    parsed = envelope.parse(block)
    data_key = envelope.open_data_key(parsed, PLACE, seed)
    found = envelope._open_metadata(parsed, data_key)
    entry = entry_of(block, to, found.claim(PLACE, parsed.record_id), replaces)
    record = envelope.verify(parsed, data_key, PLACE, entry)
    assert record.to == to
    assert record.attestation.time == time
    assert record.attestation.metadata == Metadata("Ä🙂", "text/plain; charset=utf-8", size, time - 1)
    assert b"".join(record.content(map(bytes.fromhex, made["chunks"]))) == content


def test_a_wallet_that_signs_something_else_is_refused(interop: Interop) -> None:
    """Another account's signature, and one over another document."""
    seed = KemSeed.generate()
    job = {
        "place": PLACE_JSON,
        "to": {"kind": 0, "compartment": 1, "number": 1},
        "publicKey": SUITE.public_key(seed).hex(),
        "content": "",
        "title": "",
        "author": AUTHOR.address.hex(),
        "onBehalfOf": CLINIC.address.hex(),
        "time": "1",
        "replaces": "0",
    }

    def another_time(document: dict[str, Any]) -> bytes:
        return AUTHOR.sign_typed_data(document | {"message": document["message"] | {"time": "2"}})

    for wallet in (CLINIC.sign_typed_data, another_time):
        with pytest.raises(Refused) as refused:
            interop.ask("sealRecord", wallet, **job)
        assert refused.value.name == "InvalidInput"


# ---------------------------------------------------------------------------------------------------- keyrings, grants


def rows(keys: dict[EpochId, EpochKeys]) -> list[Any]:
    return [[*epoch, *plain(keys_row(keys[epoch]))] for epoch in sorted(keys)]


def keys_from(row: list[Any]) -> EpochKeys:
    return EpochKeys(KemSeed(bytes.fromhex(row[0])), row[1] and HistoryKey(bytes.fromhex(row[1])))


class Compartments:
    """Two new epochs in two compartments, one of which leads back, readers with and without HISTORY, and a root."""

    def __init__(self) -> None:
        general, psychiatry = random.sample(range(64), 2)
        self.first, self.newest, self.other = EpochId(general, 1), EpochId(general, 2), EpochId(psychiatry, 7)
        self.keys = {epoch: EpochKeys.generate() for epoch in (self.first, self.newest, self.other)}
        self.published = {epoch: self.keys[epoch] for epoch in (self.newest, self.other)}
        self.root, self.inbox, self.version = KemSeed.generate(), KemSeed.generate(), secrets.randbelow(1 << 24)
        self.readers = [(secrets.token_bytes(20), KemSeed.generate()) for _ in range(3)]
        self.names = {epoch.compartment: secrets.token_hex(4) for epoch in self.published}

    def build(self) -> new_keyring.NewKeyring:
        """By Python."""
        return new_keyring.build(
            PLACE,
            self.version,
            epochs=[
                NewEpoch(self.newest, 5, self.keys[self.newest], {1: self.keys[self.first]}),
                NewEpoch(self.other, 6, self.keys[self.other]),
            ],
            readers=[
                Reader(address, SUITE.public_key(seed), self.epochs_of(index), history=self.has_history(index))
                for index, (address, seed) in enumerate(self.readers)
            ],
            root_public_key=SUITE.public_key(self.root),
            names=self.names,
            inbox=Inbox(3, SUITE.public_key(self.inbox)),
            suite=SUITE,
        )

    def build_by(self, interop: Interop) -> new_keyring.NewKeyring:
        """The same by TypeScript."""
        made = interop.ask(
            "sealKeyring",
            place=PLACE_JSON,
            version=self.version,
            epochs=[
                {"row": rows(self.published)[sorted(self.published).index(epoch)], "start": start, "back": back}
                for epoch, start, back in (
                    (self.newest, 5, [[1, *plain(keys_row(self.keys[self.first]))]]),
                    (self.other, 6, []),
                )
            ],
            readers=[
                {
                    "address": address.hex(),
                    "publicKey": SUITE.public_key(seed).hex(),
                    "epochs": [list(epoch) for epoch in self.epochs_of(index)],
                    "history": self.has_history(index),
                }
                for index, (address, seed) in enumerate(self.readers)
            ],
            rootPublicKey=SUITE.public_key(self.root).hex(),
            names=self.names,
            inbox=[3, SUITE.public_key(self.inbox).hex()],
        )
        pages = tuple(map(bytes.fromhex, made["pages"]))
        return new_keyring.NewKeyring(bytes.fromhex(made["block"]), pages, int(made["compartments"]))

    def epochs_of(self, reader: int) -> list[EpochId]:
        return [self.newest, self.other] if reader else [self.other]

    def has_history(self, reader: int) -> bool:
        return reader != 1

    def held_by(self, reader: int) -> dict[EpochId, EpochKeys]:
        held = {epoch: self.keys[epoch] for epoch in self.epochs_of(reader)}
        return held if self.has_history(reader) else {epoch: keys.without_history() for epoch, keys in held.items()}


def test_typescript_opens_a_keyring_of_pythons(interop: Interop) -> None:
    """As each reader and as the patient."""
    there = Compartments()
    made = there.build()
    for index, (address, seed) in enumerate(there.readers):
        opened = interop.ask(
            "openKeyring",
            place=PLACE_JSON,
            version=there.version,
            compartments=str(made.compartments),
            block=made.block.hex(),
            pages=[page.hex() for page in made.pages],
            reader=address.hex(),
            seed=seed.expose().hex(),
            rootSeed=there.root.expose().hex(),
        )
        assert opened["held"] == rows(there.held_by(index))
        assert opened["epochs"] == rows(there.published)
        assert opened["names"] == {str(number): name for number, name in there.names.items()}


def test_python_opens_a_keyring_of_typescripts(interop: Interop) -> None:
    """As each reader, as the patient, and along the way back."""
    there = Compartments()
    made = there.build_by(interop)
    parsed = keyring.parse(made.block, PLACE, there.version, made.compartments)
    pages = {hashlib.sha256(page).digest(): page for page in made.pages}
    for index, (address, seed) in enumerate(there.readers):
        assert keyring.open_as_reader(parsed, address, seed, pages.__getitem__) == there.held_by(index)
    opened = keyring.open_as_root(parsed, there.root)
    assert opened == keyring.RootKeys(there.published, there.names)
    assert parsed.inbox == Inbox(3, SUITE.public_key(there.inbox))
    newest = check_keys(parsed.epochs[there.newest], there.keys[there.newest])
    public_key = SUITE.public_key(there.keys[there.first].seed)
    before = keyring.Epoch(there.first, SUITE, 0, public_key, {})
    walked = dict(walk_back(PLACE, {**parsed.epochs, there.first: before}, there.newest, newest))
    assert walked == {there.first: there.keys[there.first]}


def test_grants_open_both_ways(interop: Interop) -> None:
    """With HISTORY, without, and with names alone."""
    there = Compartments()
    seed, version = KemSeed.generate(), secrets.randbelow(1 << 24)
    terms: dict[str, Any] = {"place": PLACE_JSON, "grantee": CLINIC.address.hex(), "version": version}
    for keys in (there.published, there.held_by(1), {}):
        granted = GrantedKeys(keys, there.names)
        block = grant_seal.build(PLACE, CLINIC.address, version, SUITE.public_key(seed), granted, suite=SUITE)
        opened = interop.ask("openGrant", seed=seed.expose().hex(), block=block.hex(), **terms)
        assert opened == {"epochs": rows(keys), "names": {str(number): name for number, name in there.names.items()}}
        public_key = SUITE.public_key(seed).hex()
        made = interop.ask("sealGrant", publicKey=public_key, epochs=rows(keys), names=there.names, **terms)
        assert grant_seal.open_seal(bytes.fromhex(made), PLACE, CLINIC.address, version, seed) == granted


def test_profiles_are_verified_both_ways(interop: Interop) -> None:
    """Signed by a wallet that both sides ask."""
    public_key = SUITE.public_key(KemSeed.generate())
    said: dict[str, Any] = {"name": "Klinik Ü", "endpoints": ["https://a.example/", ""], "number": 9}
    block = profile.build(
        CLINIC.sign_typed_data, PLACE, CLINIC.address, public_key=public_key, time=7, suite=SUITE, **said
    )
    terms = {"place": PLACE_JSON, "account": CLINIC.address.hex()}
    facts = said | {"publicKey": public_key.hex(), "time": "7"}
    assert interop.ask("openProfile", block=block.hex(), **terms) == facts
    made = bytes.fromhex(interop.ask("sealProfile", CLINIC.sign_typed_data, **terms, **facts))
    assert made == block
    assert profile.parse(made).verify(PLACE, CLINIC.address).endpoints == ("https://a.example/", "")


# ------------------------------------------------------------------------------------------------------------ refusals


def documents() -> dict[str, dict[str, Any]]:
    """New inputs of each kind of group in refusals.json that is a block, as the file has them."""
    there, seed = Compartments(), KemSeed.generate()
    to = Destination(Kind.EPOCH, 5, 6)
    block, _, entry, _, _ = sealed_record(secrets.token_bytes(100), to, SUITE.public_key(seed))
    made = there.build()
    reader, reader_seed = there.readers[1]
    granted = GrantedKeys(there.published, there.names)
    grant = grant_seal.build(PLACE, CLINIC.address, 3, SUITE.public_key(seed), granted, suite=SUITE)
    public = profile.build(
        CLINIC.sign_typed_data, PLACE, CLINIC.address, 0, SUITE.public_key(seed), time=1, suite=SUITE
    )
    page = b"".join(number.to_bytes(8) + secrets.token_bytes(32) for number in (1 << 32, 2 << 32))
    pages = [[1 << 32, hashlib.sha256(page).digest()]]
    place = {"chain": PLACE.chain_id, "contract": PLACE.contract, "patient": PLACE.patient}
    moved = cbor.encode({"v": 1, **place, "count": 2, "pages": pages})
    return {
        "envelope": {"block": block, "seed": seed.expose(), "pointer": None} | entry_json(entry),
        "keyring": {
            "version": there.version,
            "compartments": str(made.compartments),
            "block": made.block,
            "pages": made.pages,
            "reader": reader,
            "seed": reader_seed.expose(),
            "rootSeed": there.root.expose(),
        },
        "grantSeal": {"grantee": CLINIC.address, "version": 3, "seed": seed.expose(), "block": grant},
        "profile": {"account": CLINIC.address, "block": public},
        "manifest": {"block": moved, "pages": [page]},
    }


@pytest.mark.parametrize("of", ["envelope", "keyring", "grantSeal", "profile", "manifest"])
def test_both_refuse_the_same_for_the_same_reason(interop: Interop, of: str) -> None:
    """One bit flipped, a byte left out or added, anywhere in the block: the same error, or accepted by both."""
    inputs = plain(documents()[of]) | {"place": PLACE_JSON}
    assert not refusal(of, inputs)
    block = bytes.fromhex(inputs["block"])
    for mutated in mutations(block, 150):
        change = {"block": mutated.hex()}
        by_python = refusal(of, changed(inputs, change)) or None
        by_typescript = interop.ask("refusal", of=of, inputs=changed(inputs, change))
        assert by_typescript == by_python, f"{of}: {mutated.hex()}"


def test_both_decode_the_same_cbor(interop: Interop) -> None:
    """Random changes of encodings, most of which are none any more."""
    value = {"a": [0, 23, 24, 300, 1 << 40, -5, None, True], "b": {1: "ä", 30: b"\0"}, "cc": [[[[["deep"]]]]]}
    for mutated in mutations(cbor.encode(value), 600):
        by_python = refusal("cbor", {"bytes": mutated.hex()}) or None
        assert interop.ask("refusal", of="cbor", inputs={"bytes": mutated.hex()}) == by_python, mutated.hex()


def mutations(block: bytes, count: int) -> Iterator[bytes]:
    """Changes at random places, half of them near the heads at the beginning."""
    for number in range(count):
        at = secrets.randbelow(min(len(block), 100 if number % 2 else len(block)))
        flipped = block[at] ^ 1 << secrets.randbelow(8)
        yield block[:at] + bytes([flipped]) + block[at + 1 :]
        if not number % 5:
            yield block[:at] + block[at + 1 :]
            yield block[:at] + secrets.token_bytes(1) + block[at:]
