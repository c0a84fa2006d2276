"""How `refusals.json` is read: for each kind of group, what is done with its inputs.

The TypeScript module and the Go program do the same with the same file. `generate_refusals.py` writes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from medrec_py.crypto import cbor, envelope, erasure, grant_seal, keyring, manifest, padding, profile
from medrec_py.crypto.attestation import Attestation
from medrec_py.crypto.blocks import fetch_block
from medrec_py.crypto.content import ContentReader, ContentSealer
from medrec_py.crypto.envelope import Entry
from medrec_py.crypto.epochs import Epoch, walk_back
from medrec_py.crypto.keys import DataKey, EpochId, EpochKeys, HistoryKey, KemSeed, Place
from medrec_py.crypto.merkle import verify_inclusion
from medrec_py.crypto.suites import Sealed, by_number
from medrec_py.crypto.typed_data import recover
from medrec_py.errors import MedRecError, StatementMismatch

Inputs = dict[str, Any]


# Inputs are as the file has them: bytes in hexadecimal digits, numbers beyond 2^53 in decimal ones.


def place_of(value: Inputs) -> Place:
    """The place in a file of vectors."""
    return Place(int(value["chain"]), bytes.fromhex(value["contract"]), bytes.fromhex(value["patient"]))


def some(name: str, size: int) -> bytes:
    """SHAKE256 of the name."""
    return hashlib.shake_256(name.encode()).digest(size)


def _sealed_by(pages: list[str]) -> Callable[[bytes], bytes]:
    """A store of the pages, which answers with the first one if it is asked for another."""
    blocks = [bytes.fromhex(page) for page in pages]
    known = {hashlib.sha256(block).digest(): block for block in blocks}
    return lambda pointer: known.get(pointer, blocks[0])


def _cbor(i: Inputs) -> None:
    cbor.decode(bytes.fromhex(i["bytes"]))


def _block(i: Inputs) -> None:
    fetch_block(lambda _: bytes.fromhex(i["block"]), bytes.fromhex(i["pointer"]))


def _padding(i: Inputs) -> None:
    padding.unpad(bytes.fromhex(i["padded"]))


def _public_key(i: Inputs) -> None:
    by_number(i["suite"]).check_public_key(bytes.fromhex(i["publicKey"]))


def _seal(i: Inputs) -> None:
    sealed = Sealed(bytes.fromhex(i["enc"]), bytes.fromhex(i["ciphertext"]))
    by_number(i["suite"]).open(KemSeed(bytes.fromhex(i["seed"])), bytes.fromhex(i["info"]), sealed)


def _signature(i: Inputs) -> None:
    recover(bytes.fromhex(i["digest"]), bytes.fromhex(i["signature"]))


def _attestation(i: Inputs) -> None:
    attestation = Attestation.from_bytes(bytes.fromhex(i["document"]))
    place, record_id = place_of(i["place"]), bytes.fromhex(i["recordId"])
    attestation.verify(place, record_id)
    if attestation.claim(place, record_id).hex() != i["claim"]:
        raise StatementMismatch("another claim")


def _content(i: Inputs) -> None:
    """The content is the first `size` bytes of SHAKE256("content"); `order` names the chunks that are presented."""
    data_key, record_id, salt = (bytes.fromhex(i[name]) for name in ("dataKey", "recordId", "leafSalt"))
    sealer = ContentSealer(some("content", i["size"]), DataKey(data_key), record_id, salt, by_number(1))
    chunks = list(sealer)
    presented = b"".join(chunks[number] for number in i["order"])
    presented = presented[: len(presented) - i["cut"]] + bytes(i["added"])
    if i["flipped"] is not None:
        at = i["flipped"]
        presented = presented[:at] + bytes([presented[at] ^ 1]) + presented[at + 1 :]
    reader = ContentReader(
        DataKey(bytes.fromhex(i["readerKey"])), bytes.fromhex(i["readerRecordId"]), i["readerSize"], by_number(1)
    )
    list(reader.read_all(presented, bytes.fromhex(i["readerSalt"]), bytes.fromhex(i["root"])))


def _merkle(i: Inputs) -> None:
    path = [bytes.fromhex(sibling) for sibling in i["path"]]
    verify_inclusion(bytes.fromhex(i["root"]), bytes.fromhex(i["leaf"]), i["index"], i["count"], path)


def _envelope(i: Inputs) -> None:
    block, place = bytes.fromhex(i["block"]), place_of(i["place"])
    parsed = envelope.parse(block)
    data_key = envelope.open_data_key(parsed, place, KemSeed(bytes.fromhex(i["seed"])))
    entry = Entry(
        pointer=bytes.fromhex(i["pointer"]) if i["pointer"] else hashlib.sha256(block).digest(),
        author=bytes.fromhex(i["author"]),
        on_behalf_of=bytes.fromhex(i["onBehalfOf"]),
        compartments=int(i["compartments"]),
        claim=bytes.fromhex(i["claim"]),
        replaces=int(i["replaces"]),
    )
    list(envelope.verify(parsed, data_key, place, entry).content())


def _keyring(i: Inputs) -> None:
    parsed = keyring.parse(bytes.fromhex(i["block"]), place_of(i["place"]), i["version"], int(i["compartments"]))
    seed = KemSeed(bytes.fromhex(i["seed"]))
    keyring.open_as_reader(parsed, bytes.fromhex(i["reader"]), seed, _sealed_by(i["pages"]))
    keyring.open_as_root(parsed, KemSeed(bytes.fromhex(i["rootSeed"])))


def _back_links(i: Inputs) -> None:
    published = dict(map(_epoch, i["epochs"]))
    keys = EpochKeys(KemSeed(bytes.fromhex(i["seed"])), HistoryKey(bytes.fromhex(i["historyKey"])))
    list(walk_back(place_of(i["place"]), published, EpochId(*i["start"]), keys))


def _epoch(row: list[Any]) -> tuple[EpochId, Epoch]:
    compartment, number, public_key, back = row
    epoch = EpochId(compartment, number)
    links = {earlier: bytes.fromhex(link) for earlier, link in back}
    return epoch, Epoch(epoch, by_number(1), 0, bytes.fromhex(public_key), links)


def _grant_seal(i: Inputs) -> None:
    seed, grantee = KemSeed(bytes.fromhex(i["seed"])), bytes.fromhex(i["grantee"])
    grant_seal.open_seal(bytes.fromhex(i["block"]), place_of(i["place"]), grantee, i["version"], seed)


def _profile(i: Inputs) -> None:
    profile.parse(bytes.fromhex(i["block"])).verify(place_of(i["place"]), bytes.fromhex(i["account"]))


def _manifest(i: Inputs) -> None:
    list(manifest.parse(bytes.fromhex(i["block"]), place_of(i["place"])).rows(_sealed_by(i["pages"])))


def _erasure(i: Inputs) -> None:
    list(erasure.parse(bytes.fromhex(i["block"]), place_of(i["place"])).entries(_sealed_by(i["pages"])))


READ: dict[str, Callable[[Inputs], None]] = {
    "cbor": _cbor,
    "block": _block,
    "padding": _padding,
    "publicKey": _public_key,
    "seal": _seal,
    "signature": _signature,
    "attestation": _attestation,
    "content": _content,
    "merkle": _merkle,
    "envelope": _envelope,
    "keyring": _keyring,
    "backLinks": _back_links,
    "grantSeal": _grant_seal,
    "profile": _profile,
    "manifest": _manifest,
    "erasure": _erasure,
}


def changed(inputs: Inputs, change: Inputs) -> Inputs:
    """The inputs after a change. `{"splice": [offset, length, digits]}` replaces so many bytes of what was there."""
    return inputs | {name: _applied(inputs[name], value) for name, value in change.items()}


def _applied(old: Any, new: Any) -> Any:
    if isinstance(new, dict) and new.keys() == {"splice"}:
        offset, length, digits = new["splice"]
        return old[: 2 * offset] + digits + old[2 * (offset + length) :]
    return new


def refusal(of: str, inputs: Inputs) -> str:
    """The name of the error by which the inputs are refused, or nothing if they are accepted."""
    try:
        READ[of](inputs)
    except MedRecError as error:
        return type(error).__name__
    return ""
