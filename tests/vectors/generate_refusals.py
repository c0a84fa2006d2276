"""Writes `refusals.json`: `python -m tests.vectors.generate_refusals`.

Each group has the inputs of something that opens, and changes of them: edits of the bytes, another place or key, and
documents that were sealed wrongly by somebody who had the keys to do so. With each change stands the error by which a
reader refuses it. A few changes are accepted, and named here: what they touch is bound by the pointer to the block
alone, for which the group `block` stands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from medrec_py.crypto import cbor, envelope, keyring, padding, profile
from medrec_py.crypto.attestation import Attestation
from medrec_py.crypto.content import CHUNK_SIZE, ContentSealer
from medrec_py.crypto.envelope import Destination, Kind
from medrec_py.crypto.epochs import seal_back
from medrec_py.crypto.keys import DataKey, EpochId, EpochKeys, context
from medrec_py.crypto.metadata import Metadata
from medrec_py.crypto.suites import by_number
from medrec_py.crypto.typed_data import recover
from medrec_py.errors import FormatError
from tests.vectors import generate as base
from tests.vectors.refusals import Inputs, changed, refusal

FILE = base.HERE / "refusals.json"
SUITE = by_number(1)
PUBLIC_KEYS = [SUITE.public_key(seed) for seed in base.ONE.seeds]


class Case(NamedTuple):
    """A change of a group's inputs: what it is, and the inputs that it replaces."""

    what: str
    change: Inputs


class Group(NamedTuple):
    """Inputs that open, changes of them, the names of changes that a reader cannot see, and the suite that it takes."""

    of: str
    inputs: Inputs
    cases: list[Case]
    unseen: frozenset[str] = frozenset()
    suite: int = 1


# --------------------------------------------------------------------------------------------------------------- edits


def splice(old: bytes, new: bytes) -> Inputs:
    """The shortest splice that makes `new` out of `old`."""
    shared = min(len(old), len(new))
    head = next((i for i in range(shared) if old[i] != new[i]), shared)
    tail = next((i for i in range(shared - head) if old[-1 - i] != new[-1 - i]), shared - head)
    return {"splice": [head, len(old) - head - tail, new[head : len(new) - tail].hex()]}


def flip(octets: bytes, at: int | None = None) -> bytes:
    """The bytes with one bit flipped, in the middle unless said otherwise."""
    position = len(octets) // 2 if at is None else at % len(octets)
    return octets[:position] + bytes([octets[position] ^ 1]) + octets[position + 1 :]


def flips(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """For each part of a decoded document, its name and the document with one bit of that part flipped."""
    if isinstance(value, dict):
        for key, item in value.items():
            for where, flipped in flips(item, f"{name}.{key}"):
                yield where, value | {key: flipped}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for where, flipped in flips(item, f"{name}[{index}]"):
                yield where, [*value[:index], flipped, *value[index + 1 :]]
    elif isinstance(value, bytes):
        yield name, flip(value)
    elif isinstance(value, str):
        yield name, chr(ord(value[0]) ^ 1) + value[1:]
    elif value is not None:
        yield name, value ^ 1


def edits(block: bytes) -> Iterator[tuple[str, bytes]]:
    """A map's block with one bit flipped in each part, a key left out, unknown or twice, and in other encodings."""
    document = cbor.decode(block)
    for name, flipped in flips(document):
        yield f"one bit of {name[1:]}", cbor.encode(flipped)
    for key in document:
        yield f"without {key}", cbor.encode({name: value for name, value in document.items() if name != key})
    yield "with an unknown key", cbor.encode(document | {"x": 0})
    yield "of version 2", cbor.encode(document | {"v": 2})
    if "suite" in document:
        yield "of suite 99", cbor.encode(document | {"suite": 99})
    yield from _encodings(block, document)


def _encodings(block: bytes, document: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    pairs = [cbor.encode(key) + cbor.encode(document[key]) for key in sorted(document, key=cbor.encode)]
    yield "its keys in another order", block[:1] + b"".join(reversed(pairs))
    yield "a key twice", bytes([block[0] + 1]) + pairs[0] + b"".join(pairs)
    yield "its head in a longer form", bytes([0xB8, block[0] & 31]) + block[1:]
    yield "of indefinite length", b"\xbf" + block[1:] + b"\xff"
    yield "in a tag", b"\xd9\xd9\xf7" + block
    yield "a byte cut off", block[:-1]
    yield "a byte added", block + b"\0"


def block_cases(block: bytes) -> list[Case]:
    return [Case(what, {"block": splice(block, edited)}) for what, edited in edits(block)]


def place_cases() -> list[Case]:
    """Another chain, contract or patient than the one that something was made for."""
    other = base.some("another", 20)
    return [
        Case("another chain", {"place": base.place() | {"chain": 1}}),
        Case("another contract", {"place": base.place() | {"contract": other}}),
        Case("another patient", {"place": base.place() | {"patient": other}}),
    ]


# ------------------------------------------------------------------------------------------------- encodings and seals


def cbor_encodings() -> Group:
    nested = cbor.encode([[[[[[[[0]]]]]]]])
    refused = {
        "nothing": "",
        "an integer in a longer form": "1817",
        "an integer of two bytes in a longer form": "1900ff",
        "an integer of eight bytes in a longer form": "1b00000000ffffffff",
        "a length in a longer form": "580141",
        "reserved additional information": "1c",
        "an array of indefinite length": "9fff",
        "bytes of indefinite length": "5f4100ff",
        "text of indefinite length": "7f6161ff",
        "a map of indefinite length": "bfff",
        "keys in another order": "a2616200616100",
        "keys by their length after another order": "a262616100616200",
        "a key twice": "a2616100616100",
        "bytes as a key": "a1414100",
        "an array as a key": "a18000",
        "true as a key": "a1f500",
        "null as a key": "a1f600",
        "a tag": "c000",
        "a tag for large integers": "c249010000000000000000",
        "undefined": "f7",
        "a simple value": "e0",
        "a simple value of one byte": "f8ff",
        "half a float": "f93c00",
        "a float that is an integer": "fa3f800000",
        "a float": "fb3ff8000000000000",
        "a large float that is an integer": "fb4400000000000000",
        "minus nothing, as a float": "f98000",
        "a break alone": "ff",
        "text that is not UTF-8": "61ff",
        "half of a surrogate pair": "63eda080",
        "UTF-8 in a longer form": "62c081",
        "bytes that end too early": "4201",
        "text that ends too early": "6261",
        "an array that ends too early": "8201",
        "a map that ends too early": "a16161",
        "a length that ends too early": "5901",
        "an array of 2^32 items": "9affffffff",
        "a map of 2^63 pairs": "bb8000000000000000",
        "2^64 - 1 bytes": "5bffffffffffffffff",
        "two values": "0000",
        "nine arrays, one in another": (b"\x81" + nested).hex(),
        "ten thousand arrays, one in another": "81" * 10_000 + "00",
    }
    value = {"a": [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, -1, -(2**64)], "b": b"\0", "c": "ü"}
    accepted = value | {"aa": {7: True, 24: False, 300: None}, "d": "\ufeff", "e": cbor.decode(nested[1:])}
    cases = [Case(what, {"bytes": digits}) for what, digits in refused.items()]
    return Group("cbor", {"bytes": cbor.encode(accepted)}, cases)


def block_pointers() -> Group:
    block = base.some("block", 100)
    digest = hashlib.sha256(block).digest()
    cases = [
        Case("one bit of the block", {"block": flip(block)}),
        Case("a byte cut off", {"block": block[:-1]}),
        Case("another pointer", {"pointer": flip(digest)}),
    ]
    return Group("block", {"block": block, "pointer": digest}, cases)


def paddings() -> Group:
    padded = padding.pad(base.some("document", 600))
    small = padding.pad(b"hello")
    cases = {
        "a byte that is not zero": flip(padded, -1),
        "the first byte behind the document": flip(padded, 604),
        "a longer length than the bytes allow": flip(padded, 0),
        "a shorter length, for which it is too long": (500).to_bytes(4) + padded[4:],
        "cut off": padded[:-1],
        "gone on": padded + b"\0",
        "smaller than the least": small[:256],
        "without a length": b"",
        "half a length": b"\0\0",
    }
    return Group("padding", {"padded": padded}, [Case(what, {"padded": octets}) for what, octets in cases.items()])


# Points of Curve25519 whose order divides 8, in their canonical forms and one that is not (RFC 7748 §6.1).
LOW_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)


def public_keys() -> Group:
    public_key = PUBLIC_KEYS[0]
    cases = [
        Case("a byte too short", {"publicKey": public_key[:-1]}),
        Case("a byte too long", {"publicKey": public_key + b"\0"}),
        Case("a coefficient of ML-KEM that is not reduced", {"publicKey": b"\xff\xff" + public_key[2:]}),
        Case("another such coefficient", {"publicKey": public_key[:1149] + b"\x01\x1d\xd0" + public_key[1152:]}),
        *(Case(f"point {p[:8]}… of low order", {"publicKey": public_key[:1184].hex() + p}) for p in LOW_ORDER),
    ]
    return Group("publicKey", {"suite": 1, "publicKey": public_key}, cases)


def seals() -> Group:
    inputs = {"suite": 1} | {name: value for name, value in base.suite().items() if name not in {"publicKey", "text"}}
    cases = [
        Case(f"one bit of {name}", {name: splice(inputs[name], flip(inputs[name], at))})
        for name, at in (("info", 0), ("enc", 0), ("enc", 1087), ("enc", 1088), ("enc", 1100), ("ciphertext", 0))
    ]
    cases += [
        Case("one bit of the tag", {"ciphertext": splice(inputs["ciphertext"], flip(inputs["ciphertext"], -1))}),
        Case("an encapsulation that is too short", {"enc": inputs["enc"][:-1]}),
        Case("an encapsulation that is too long", {"enc": inputs["enc"] + b"\0"}),
        Case("an encapsulation with a point of low order", {"enc": inputs["enc"][:1088] + bytes(32)}),
        Case("a ciphertext without its tag", {"ciphertext": inputs["ciphertext"][:-16]}),
        Case("no ciphertext", {"ciphertext": b""}),
        Case("another key", {"seed": base.ONE.seeds[1].expose()}),
        Case("an unknown suite", {"suite": 99}),
    ]
    return Group("seal", inputs, cases)


# ------------------------------------------------------------------------------------------ signatures and attestations

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # SEC 2, secp256k1


def signatures() -> Group:
    made = base.statement()
    digest, signature = made["digest"], made["signature"]
    r, s, v = signature[:32], signature[32:64], signature[64:]
    high = (ORDER - int.from_bytes(s)).to_bytes(32)
    nothing, order = bytes(32), ORDER.to_bytes(32)
    off_curve = next(x for x in (n.to_bytes(32) for n in range(1, 99)) if not _recovers(digest, x + s + v))
    cases = {
        "the upper half of s, which another could make of it": r + high + bytes([55 - v[0]]),
        "v of 0 or 1": r + s + bytes([v[0] - 27]),
        "v of 29": r + s + b"\x1d",
        "v by EIP-155": r + s + b"\x25",
        "r of nothing": nothing + s + v,
        "s of nothing": r + nothing + v,
        "r of the curve's order": order + s + v,
        "s of the curve's order": r + order + v,
        "r that belongs to no point": off_curve + s + v,
        "a byte cut off": signature[:-1],
        "a byte added": signature + b"\0",
        "the short form of EIP-2098": r + bytes([s[0] | (v[0] - 27) << 7]) + s[1:],
        "nothing": b"",
    }
    inputs = {"digest": digest, "signature": signature}
    return Group("signature", inputs, [Case(what, {"signature": octets}) for what, octets in cases.items()])


def _recovers(digest: bytes, signature: bytes) -> bool:
    try:
        return bool(recover(digest, signature))
    except FormatError:
        return False


def attestations() -> Group:
    made = base.attestation(base.SMALL, "Blutbild, großes")
    padded = made.to_bytes()
    document = cbor.decode(padding.unpad(padded))
    inputs = {
        "place": base.place(),
        "recordId": base.RECORD_ID,
        "document": padded,
        "claim": made.claim(base.PLACE, base.RECORD_ID),
    }
    cases = [Case(what, {"document": padding.pad(edited)}) for what, edited in edits(cbor.encode(document))]
    cases += [Case(what, {"document": padding.pad(cbor.encode(edited))}) for what, edited in _metadata(document)]
    cases += place_cases()
    cases += [
        Case("another record", {"recordId": flip(base.RECORD_ID)}),
        Case("another claim", {"claim": flip(inputs["claim"])}),
        Case("padding that is not zero", {"document": splice(padded, flip(padded, -1))}),
    ]
    # The salt of the leaves is bound by the Merkle root, when the content is read.
    return Group("attestation", inputs, cases, frozenset({"one bit of leafSalt"}))


def _metadata(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Sealed metadata that no reader takes, whoever signed them."""
    for what, changes in {
        "a title that is too long": {"title": "ü" * 513},
        "a media type that is none": {"type": "text"},
        "a media type with a line break": {"type": "text/plain\n"},
        "a media type that is too long": {"type": "text/" + "a" * 127 + "; a=" + "b" * 130},
        "a size beyond 2^62": {"size": 2**62 + 1},
        "metadata with an unknown key": {"x": 1},
        "a time of creation that is none": {"created": None},
    }.items():
        yield what, document | {"metadata": document["metadata"] | changes}
    yield "a signature that is too long", document | {"signature": bytes(4097)}
    yield "no signature", document | {"signature": b""}


# ------------------------------------------------------------------------------------------------------------- content


def contents() -> Group:
    """Three chunks, the last of which is shorter, presented to a reader in wrong ways."""
    inputs = _content_inputs(2 * CHUNK_SIZE + 77)
    size, other = inputs["size"], base.some("another", 32)
    cases = [
        Case("chunks in another order", {"order": [1, 0, 2]}),
        Case("a chunk dropped", {"order": [0, 2]}),
        Case("a chunk repeated", {"order": [0, 1, 1, 2]}),
        Case("a chunk in place of another", {"order": [0, 0, 2]}),
        Case("truncated at the edge of a chunk", {"order": [0, 1]}),
        Case("nothing", {"order": []}),
        Case("the last byte cut off", {"cut": 1}),
        Case("a byte added", {"added": 1}),
        Case("a chunk of zeros added", {"added": CHUNK_SIZE + 16}),
        Case("one bit of the first chunk", {"flipped": 0}),
        Case("one bit of the last tag", {"flipped": sum(inputs["sizes"]) - 1}),
        Case("another record", {"readerRecordId": other[:16]}),
        Case("another data key", {"readerKey": other}),
        Case("another leaf salt", {"readerSalt": other}),
        Case("another root", {"root": other}),
        Case("a size that the padding hides, but is not true", {"readerSize": size - 1}),
        Case("a size that reaches into the padding", {"readerSize": size + 1}),
        Case("a size of fewer chunks", {"readerSize": size - 1000}),
        Case("a size of more chunks", {"readerSize": 4 * CHUNK_SIZE}),
        Case("no size", {"readerSize": 0}),
    ]
    del inputs["sizes"]
    return Group("content", inputs, cases)


def _content_inputs(size: int) -> Inputs:
    sealer = ContentSealer(base.some("content", size), base.DATA_KEY, base.RECORD_ID, base.LEAF_SALT, base.SUITE)
    sizes = [len(chunk) for chunk in sealer]
    return {
        "dataKey": base.DATA_KEY.expose(),
        "recordId": base.RECORD_ID,
        "leafSalt": base.LEAF_SALT,
        "size": size,
        "order": list(range(len(sizes))),
        "cut": 0,
        "added": 0,
        "flipped": None,
        "readerKey": base.DATA_KEY.expose(),
        "readerRecordId": base.RECORD_ID,
        "readerSize": size,
        "readerSalt": base.LEAF_SALT,
        "root": sealer.root,
        "sizes": sizes,
    }


def inclusions() -> Group:
    made = base.merkle()
    inputs = {"root": made["roots"][-1], "leaf": made["leaves"][2], "index": 2, "count": 7, "path": made["paths"][2]}
    path = inputs["path"]
    cases = [
        Case("another root", {"root": made["roots"][-2]}),
        Case("another leaf", {"leaf": made["leaves"][3]}),
        Case("another place", {"index": 3}),
        Case("a place behind the last", {"index": 7}),
        Case("fewer leaves than the path is for", {"count": 3}),
        Case("more leaves than the path is for", {"count": 9}),
        Case("no leaves", {"count": 0}),
        Case("a step left out", {"path": path[1:]}),
        Case("a step added", {"path": [*path, path[0]]}),
        Case("steps in another order", {"path": path[::-1]}),
        Case("one bit of a step", {"path": [flip(path[0]), *path[1:]]}),
        Case("no path", {"path": []}),
        Case(
            "an inner node passed off as a leaf", {"leaf": made["roots"][1], "index": 0, "count": 4, "path": path[1:]}
        ),
    ]
    return Group("merkle", inputs, cases)


# ----------------------------------------------------------------------------------------------------------- envelopes


def envelopes() -> Group:
    inputs = _envelope_inputs(base.envelopes()["cases"][0])
    block = inputs["block"]
    cases = [*block_cases(block), *place_cases(), *_entry_cases(inputs), *_moved_envelopes(block)]
    return Group("envelope", inputs, cases + _dishonest_envelopes())


def _envelope_inputs(case: dict[str, Any]) -> Inputs:
    return {
        "place": base.place(),
        "block": case["block"],
        "seed": case["seed"],
        "pointer": None,
        "author": base.AUTHOR.address,
        "onBehalfOf": base.CLINIC.address,
        "compartments": 1 << base.GENERAL,
        "claim": case["claim"],
        "replaces": 3 << 32,
    }


def _entry_cases(inputs: Inputs) -> list[Case]:
    other = base.some("another", 32)
    return [
        Case("another key", {"seed": base.ONE.seeds[1].expose()}),
        Case("another pointer", {"pointer": other}),
        Case("another author", {"author": other[:20]}),
        Case("another principal", {"onBehalfOf": other[:20]}),
        Case("another compartment", {"compartments": 1 << base.PSYCHIATRY}),
        Case("another claim", {"claim": other}),
        Case("another record replaced", {"replaces": 0}),
    ]


def _moved_envelopes(block: bytes) -> list[Case]:
    """Parts of the envelope of another epoch and of another record, in this one."""
    mine = cbor.decode(block)
    rewrapped = cbor.decode(base.envelopes()["cases"][1]["block"])
    cases = {
        f"{key} of the same record's next envelope": mine | {key: rewrapped[key]}
        for key in ("enc", "key", "meta", "to")
    }
    cases["enc and key of the same record's next envelope"] = mine | {k: rewrapped[k] for k in ("enc", "key")}
    cases["all but its metadata of the next envelope"] = rewrapped | {"meta": mine["meta"]}
    cases["content outside in place of content inside"] = mine | {"body": [b"\x01\x70\x12\x20" + bytes(32), 272]}
    cases["sealed content of 32 KiB and a byte inside"] = mine | {"body": bytes(32 * 1024 + 1)}
    cases["a CID of another kind"] = mine | {"body": [b"\x01\x71\x12\x20" + bytes(32), 40_000]}
    cases["a kind of destination that is none"] = mine | {"to": [2, *mine["to"][1:]]}
    cases["compartment 64"] = mine | {"to": [0, 64, 3]}
    return [Case(what, {"block": splice(block, cbor.encode(edited))}) for what, edited in cases.items()]


def _dishonest_envelopes() -> list[Case]:
    """Made by an author who has all keys of the record."""
    inline = next(iter(ContentSealer(base.SMALL, base.DATA_KEY, base.RECORD_ID, base.LEAF_SALT, base.SUITE)))
    honest = base.attestation(base.SMALL, "Small")
    other = replace(honest, leaf_salt=base.some("another"))
    longer = replace(honest, metadata=Metadata("Small", "application/fhir+json", 101, base.TIME - 3600))
    twice = DataKey(base.some("a second data key"))
    return [
        Case("a commitment to another data key", {"block": _sealed(honest, inline, commits_to=twice)}),
        Case("another leaf salt than that of the root", {"block": _sealed(other, inline)}),
        Case("metadata that were not signed", {"block": _sealed(longer, inline)}),
        Case("a chunk of zeros instead of the content", {"block": _sealed(honest, bytes(272))}),
    ]


def _sealed(attestation: Attestation, body: bytes, commits_to: DataKey = base.DATA_KEY) -> bytes:
    """An envelope of the first case, with parts that `build` would not put together."""

    class TwoKeys(DataKey):
        __slots__ = ()

        def commitment(self, suite: int, record_id: bytes) -> bytes:
            return commits_to.commitment(suite, record_id)

    return envelope.build(
        base.PLACE,
        Destination(Kind.EPOCH, base.GENERAL, 3),
        PUBLIC_KEYS[0],
        record_id=base.RECORD_ID,
        data_key=TwoKeys(base.DATA_KEY.expose()),
        body=body,
        attestation=attestation,
        suite=base.SUITE,
        content_suite=base.SUITE,
    )


# ----------------------------------------------------------------------------------------------------- keys of readers


def keyrings() -> Group:
    made = base.keyrings()
    block, reader = made["block"], made["readers"][0]
    inputs = {
        "place": base.place(),
        "version": 5,
        "compartments": made["compartments"],
        "block": block,
        "pages": made["pages"],
        "reader": reader["address"],
        "seed": reader["seed"],
        "rootSeed": made["rootSeed"],
    }
    cases = [*block_cases(block), *place_cases(), *_keyring_forms(block), *_dishonest_keyrings(block)]
    cases += [
        Case("another version", {"version": 6}),
        Case("other compartments", {"compartments": 1 << base.GENERAL}),
        Case("somebody who is no reader", {"reader": base.some("another", 20)}),
        Case("the seal of another reader", {"reader": made["readers"][1]["address"]}),
        Case("a key of the reader's that it is not sealed to", {"seed": made["readers"][1]["seed"]}),
        Case("another root key", {"rootSeed": reader["seed"]}),
        Case("one bit of the page", {"pages": [flip(made["pages"][0])]}),
    ]
    return Group("keyring", inputs, cases, frozenset(_UNSEEN_IN_KEYRINGS))


# The number and the start of an epoch, the inbox and what other readers hold are the publisher's word: the entry's
# pointer binds them. A back-link is checked when it is walked.
_UNSEEN_IN_KEYRINGS = (
    "one bit of epochs[0][1]",
    "one bit of holders[0][0]",
    "one bit of holders[0][1][0]",
    "one bit of inbox[0]",
    "one bit of inbox[1]",
    "one bit of epochs[0][2]",
    "one bit of epochs[1][2]",
    "one bit of epochs[0][4][0][1]",
    "no inbox",
)


def _keyring_forms(block: bytes) -> list[Case]:
    mine = cbor.decode(block)
    first, second = mine["epochs"]
    one, other = mine["holders"]
    cases = {
        "epochs in another order": {"epochs": [second, first]},
        "an epoch twice": {"epochs": [first, first, second]},
        "epoch 0": {"epochs": [[7, 0, *first[2:4], []], second]},
        "compartment 64": {"epochs": [first, [64, *second[1:]]]},
        "a way back to itself": {"epochs": [[*first[:4], [[2, bytes(80)]]], second]},
        "a way back to epoch 0": {"epochs": [[*first[:4], [[0, bytes(80)]]], second]},
        "a back-link of 79 bytes": {"epochs": [[*first[:4], [[1, bytes(79)]]], second]},
        "a public key of another size": {"epochs": [[*first[:3], first[3][:-1], first[4]], second]},
        "holders in another order": {"holders": [other, one]},
        "a holder twice": {"holders": [one, one, other]},
        "a holder without epochs": {"holders": [[one[0], []], other]},
        "a holder's epochs in another order": {"holders": [one, [other[0], [1, 0]]]},
        "a holder's epoch that is not there": {"holders": [[one[0], [0, 2]], other]},
        "pages that leave the first holder out": {"pages": [[1, mine["pages"][0][1]]]},
        "an empty page": {"pages": [*mine["pages"], [2, bytes(32)]]},
        "no pages": {"pages": []},
        "a page twice": {"pages": mine["pages"] * 2},
        "no inbox": {"inbox": None},
    }
    return [Case(what, {"block": splice(block, cbor.encode(mine | edit))}) for what, edit in cases.items()]


def _dishonest_keyrings(block: bytes) -> list[Case]:
    """Made by somebody who may publish: seals that open and hold something else than they must."""
    mine = cbor.decode(block)
    rows = [base.key_row(epoch)[2:] for epoch in (base.G2, base.P1)]
    roots = {
        "a root's seal with the epochs changed over": {"epochs": rows[::-1], "names": base.NAMES},
        "a root's seal with an epoch too few": {"epochs": rows[:1], "names": base.NAMES},
        "a root's seal without a history key": {"epochs": [[rows[0][0], None], rows[1]], "names": base.NAMES},
        "a root's seal with a name for compartment 64": {"epochs": rows, "names": {64: "general"}},
        "a root's seal with a name that is no text": {"epochs": rows, "names": {7: 7}},
        "a root's seal without names": {"epochs": rows},
    }
    cases = []
    for what, document in roots.items():
        info = keyring.root_info(SUITE, base.PLACE, 5)
        sealed = base.SUITE.seal(mine["root"][0], info, padding.pad(cbor.encode(document)))
        edited = mine | {"root": [mine["root"][0], sealed.enc, sealed.ciphertext]}
        cases.append(Case(what, {"block": splice(block, cbor.encode(edited))}))
    return cases + _dishonest_pages(block, mine, rows)


def _dishonest_pages(block: bytes, mine: dict[str, Any], rows: list[list[bytes]]) -> list[Case]:
    clinic_key = PUBLIC_KEYS[1]
    index = [address for address, _ in mine["holders"]].index(base.CLINIC.address)
    seals = cbor.decode(base.keyrings()["pages"][0])
    info = keyring.reader_info(SUITE, base.PLACE, 5, base.CLINIC.address)
    padded = {
        "a reader's seal with the epochs changed over": padding.pad(cbor.encode(rows[::-1])),
        "a reader's seal with an epoch too few": padding.pad(cbor.encode(rows[:1])),
        "a reader's seal with a seed that is too short": padding.pad(cbor.encode([[rows[0][0][1:], None], rows[1]])),
        "a reader's seal whose padding is not zero": flip(padding.pad(cbor.encode(rows)), -1),
        "a reader's seal that is not padded": cbor.encode(rows),
    }
    cases = []
    for what, octets in padded.items():
        sealed = base.SUITE.seal(clinic_key, info, octets)
        page = cbor.encode([*seals[:index], [sealed.enc, sealed.ciphertext], *seals[index + 1 :]])
        edited = cbor.encode(mine | {"pages": [[0, hashlib.sha256(page).digest()]]})
        cases.append(Case(what, {"block": splice(block, edited), "pages": [page]}))
    page = cbor.encode(seals[:1])
    edited = cbor.encode(mine | {"pages": [[0, hashlib.sha256(page).digest()]]})
    return [*cases, Case("a page with a seal too few", {"block": splice(block, edited), "pages": [page]})]


def back_links() -> Group:
    """Epoch 4 opens 3 and 1, epoch 3 opens 2; whoever has the keys of 4 gets to all."""
    keys = {number: base.epoch_keys(f"back {number}") for number in range(1, 6)}
    epochs = base.back_links()["epochs"]
    history = keys[4].history
    assert history is not None
    inputs = {
        "place": base.place(),
        "epochs": epochs,
        "start": [base.GENERAL, 4],
        "seed": keys[4].seed.expose(),
        "historyKey": history.expose(),
    }
    return Group("backLinks", inputs, [*place_cases(), *_back_link_cases(epochs, keys)])


def _link(number: int, keys: dict[int, EpochKeys], to: int, holds: int = 0) -> list[Any]:
    epoch = EpochId(base.GENERAL, number)
    return [to, seal_back(SUITE, base.PLACE, epoch, keys[number], number=to, earlier=keys[holds or to])]


def _back_link_cases(epochs: list[Any], keys: dict[int, EpochKeys]) -> list[Case]:
    newest, links = epochs[3], epochs[3][3]

    def linked(*back: list[Any]) -> Inputs:
        return {"epochs": [*epochs[:3], [*newest[:3], list(back)]]}

    return [
        Case("one bit of a back-link", linked(links[0], [3, flip(links[1][1])])),
        Case("back-links changed over", linked([1, links[1][1]], [3, links[0][1]])),
        Case("a back-link under another number", linked([2, links[1][1]])),
        Case("a back-link of another epoch", linked([2, epochs[2][3][0][1]])),
        Case("a back-link with the keys of another epoch", linked(_link(4, keys, 1, holds=5), links[1])),
        Case("a back-link to an epoch that was not published", {"epochs": [epochs[0], epochs[1], newest]}),
        Case("another history key", {"historyKey": flip(base.some("history key of back 4"))}),
        Case("the history key of another epoch", {"historyKey": base.some("history key of back 3")}),
        Case("another epoch to begin with", {"start": [base.GENERAL, 3]}),
        Case("an epoch that was not published to begin with", {"start": [base.GENERAL, 5]}),
        Case("the epochs of another compartment", {"start": [8, 4], "epochs": [[8, *row[1:]] for row in epochs]}),
    ]


def grants() -> Group:
    made = base.grant()
    inputs = {name: made[name] for name in ("place", "grantee", "version", "seed", "block")}
    cases = [*block_cases(made["block"]), *place_cases(), *_dishonest_grants(made["block"])]
    cases += [
        Case("another grantee", {"grantee": base.AUTHOR.address}),
        Case("another version", {"version": 10}),
        Case("another key", {"seed": base.ONE.seeds[0].expose()}),
    ]
    return Group("grantSeal", inputs, cases)


def _dishonest_grants(block: bytes) -> list[Case]:
    public_key = PUBLIC_KEYS[1]
    first, second = base.key_row(base.G2), [*base.key_row(base.P1)[:3], None]
    info = context("medrec/1/grant", 1, *base.PLACE, base.CLINIC.address, 9)
    documents = {
        "epochs in another order": {"epochs": [second, first], "names": base.NAMES},
        "an epoch twice": {"epochs": [first, first], "names": base.NAMES},
        "epoch 0": {"epochs": [[7, 0, *first[2:]]], "names": base.NAMES},
        "compartment 64": {"epochs": [[64, *first[1:]]], "names": base.NAMES},
        "a history key that is too short": {"epochs": [[*first[:3], bytes(31)]], "names": base.NAMES},
        "a name that is no text": {"epochs": [first], "names": {7: b"general"}},
        "names under texts": {"epochs": [first], "names": {"7": "general"}},
        "no names": {"epochs": [first]},
        "an unknown key inside": {"epochs": [first], "names": base.NAMES, "x": 0},
    }
    mine, cases = cbor.decode(block), []
    for what, document in documents.items():
        sealed = base.SUITE.seal(public_key, info, padding.pad(cbor.encode(document)))
        edited = mine | {"enc": sealed.enc, "ciphertext": sealed.ciphertext}
        cases.append(Case(f"sealed: {what}", {"block": splice(block, cbor.encode(edited))}))
    return cases


# ------------------------------------------------------------------------------------------------------- public blocks


def profiles() -> Group:
    made = base.profiles()
    block = made["block"]
    mine = cbor.decode(block)
    forms = {
        "a public key of low order": {"key": mine["key"][:1184] + bytes(32)},
        "a public key that is not reduced": {"key": b"\xff\xff" + mine["key"][2:]},
        "no signature": {"signature": b""},
        "a signature that is too long": {"signature": bytes(4097)},
        "an endpoint that is no text": {"endpoints": [b""]},
    }
    cases = block_cases(block)
    cases += [Case(what, {"block": splice(block, cbor.encode(mine | edit))}) for what, edit in forms.items()]
    cases += [
        Case("another chain", {"place": base.place() | {"chain": 1}}),
        Case("another contract", {"place": base.place() | {"contract": base.some("another", 20)}}),
        Case("another account", {"account": base.AUTHOR.address}),
        Case("signed by another", {"block": splice(block, _signed_by_another(block))}),
    ]
    return Group("profile", {"place": base.place(), "account": made["account"], "block": block}, cases)


def _signed_by_another(block: bytes) -> bytes:
    content = profile.parse(block).verify(base.PLACE, base.CLINIC.address)
    signature = base.AUTHOR.sign_typed_data(content.typed_data(base.PLACE))
    return cbor.encode(cbor.decode(block) | {"signature": signature})


def manifests() -> Group:
    """Two pages of three rows each; a page may be shorter than it could be."""
    rows = [row[0].to_bytes(4) + row[1].to_bytes(4) + row[2] for row in base.manifests()["rows"]]
    pages = [b"".join(rows[:3]), b"".join(rows[3:])]
    block = _manifest(pages)
    inputs = {"place": base.place(), "block": block, "pages": pages}
    cases = [*block_cases(block), *place_cases(), *_manifest_cases(rows)]
    return Group("manifest", inputs, cases)


def _manifest(pages: list[bytes], edit: Inputs | None = None) -> bytes:
    rows = [[int.from_bytes(page[:8]), hashlib.sha256(page).digest()] for page in pages]
    count = sum(len(page) for page in pages) // 40
    return cbor.encode({"v": 1, **base.place(), "count": count, "pages": rows} | (edit or {}))


def _manifest_cases(rows: list[bytes]) -> list[Case]:
    first, second = b"".join(rows[:3]), b"".join(rows[3:])
    layouts = {
        "rows in another order": [b"".join([rows[0], rows[2], rows[1]]), second],
        "a row twice": [b"".join([rows[0], rows[0], rows[1]]), second],
        "a row that belongs on the next page": [first + rows[4], second],
        "a page that is cut off": [first[:-1], second],
    }
    cases = [Case(what, {"block": _manifest(pages), "pages": pages}) for what, pages in layouts.items()]
    pages, pointers = [first, second], [hashlib.sha256(page).digest() for page in (first, second)]
    first_keys = [int.from_bytes(page[:8]) for page in pages]
    edits_of_the_block = {
        "pages in another order": {"pages": [[first_keys[1], pointers[1]], [first_keys[0], pointers[0]]]},
        "a page under another first row": {"pages": [[first_keys[0] - 1, pointers[0]], [first_keys[1], pointers[1]]]},
        "a row more than it says": {"count": 5},
        "a row fewer than it says": {"count": 7},
        "more rows than its pages hold": {"count": 2 * 26_214 + 1},
        "fewer rows than pages": {"count": 1},
        "a page that is not there": {"pages": [[first_keys[0], pointers[0]], [first_keys[1], bytes(32)]]},
    }
    return cases + [Case(what, {"block": _manifest(pages, edit)}) for what, edit in edits_of_the_block.items()]


def erasures() -> Group:
    made = base.erasures()
    block, page = made["block"], made["pages"][0]
    cases = [*block_cases(block), *place_cases()]
    layouts = {
        "entries in another order": page[8:16] + page[:8] + page[16:],
        "an entry twice": page[:8] + page,
        "a page that is cut off": page[:-1],
        "an entry left out": page[:-8],
    }
    for what, octets in layouts.items():
        edited = cbor.decode(block) | {"erased": [[int.from_bytes(octets[:8]), hashlib.sha256(octets).digest()]]}
        cases.append(Case(what, {"block": splice(block, cbor.encode(edited)), "pages": [octets]}))
    manifest = base.manifests()
    cases.append(Case("a manifest of moved records", {"block": manifest["block"], "pages": manifest["pages"]}))
    return Group("erasure", {name: made[name] for name in ("place", "block", "pages")}, cases)


# ------------------------------------------------------------------------------------------------------------- suite 2


def public_keys_2() -> Group:
    public_key = base.TWO.suite.public_key(base.TWO.seeds[0])
    mlkem, point = public_key[:1568], public_key[1568:]
    parity = 2 | point[-1] & 1
    cases = {
        "a byte too short": public_key[:-1],
        "a byte too long": public_key + b"\0",
        "of suite 1": PUBLIC_KEYS[0],
        "a coefficient of ML-KEM that is not reduced": b"\xff\xff" + public_key[2:],
        "a point beside the curve": mlkem + flip(point, -1),
        "a compressed point": mlkem + bytes([parity]) + point[1:49],
        "a compressed point, filled up": mlkem + bytes([parity]) + point[1:49] + bytes(48),
        "a point in its hybrid form": mlkem + bytes([parity | 4]) + point[1:],
        "the point at infinity": mlkem + bytes(97),
        "a coordinate that is not reduced": mlkem + b"\x04" + b"\xff" * 48 + point[49:],
    }
    changes = [Case(what, {"publicKey": octets}) for what, octets in cases.items()]
    return Group("publicKey", {"suite": 2, "publicKey": public_key}, changes, suite=2)


def seals_2() -> Group:
    made = base.suite(base.TWO)
    inputs = {"suite": 2} | {name: made[name] for name in ("seed", "info", "enc", "ciphertext")}
    cases = [
        Case(f"one bit of {name}", {name: splice(inputs[name], flip(inputs[name], at))})
        for name, at in (("info", 0), ("enc", 0), ("enc", 1567), ("enc", 1568), ("enc", -1), ("ciphertext", 0))
    ]
    cases += [
        Case("passed off as of suite 1", {"suite": 1}),
        Case("an encapsulation that is too short", {"enc": inputs["enc"][:-1]}),
        Case("an encapsulation with the point at infinity", {"enc": inputs["enc"][:1568] + bytes(97)}),
        Case("another key", {"seed": base.TWO.seeds[1].expose()}),
    ]
    return Group("seal", inputs, cases, suite=2)


def envelopes_2() -> Group:
    """By suite 2 around content of suite 1."""
    inputs = _envelope_inputs(base.mixed_envelopes()["cases"][1])
    mine = cbor.decode(inputs["block"])
    labels = {"suite 1": (1, 1), "content of suite 2": (2, 2), "suite 1 around content of suite 2": (1, 2)}
    cases = [
        Case(what, {"block": splice(inputs["block"], cbor.encode(mine | {"suite": own, "contentSuite": content}))})
        for what, (own, content) in labels.items()
    ]
    other = cbor.decode(base.envelopes()["cases"][1]["block"])
    cases.append(Case("the envelope of suite 1 around the same content", {"block": cbor.encode(other)}))
    return Group("envelope", inputs, [*block_cases(inputs["block"]), *cases, *_entry_cases(inputs)], suite=2)


def public_blocks_2() -> list[Group]:
    """A keyring, a grant's seal and a profile, each passed off as of suite 1."""
    made, reader = base.keyrings(base.TWO), base.keyrings(base.TWO)["readers"][0]
    granted, public = base.grant(base.TWO), base.profiles(base.TWO)
    inputs: dict[str, Inputs] = {
        "keyring": {
            **{name: made[name] for name in ("place", "version", "compartments", "block", "pages", "rootSeed")},
            "reader": reader["address"],
            "seed": reader["seed"],
        },
        "grantSeal": {name: granted[name] for name in ("place", "grantee", "version", "seed", "block")},
        "profile": {name: public[name] for name in ("place", "account", "block")},
    }
    return [Group(of, given, _relabelled(given["block"]), suite=2) for of, given in inputs.items()]


def _relabelled(block: bytes) -> list[Case]:
    edited = cbor.encode(cbor.decode(block) | {"suite": 1})
    return [Case("passed off as of suite 1", {"block": splice(block, edited)}), *block_cases(block)[:1]]


# ---------------------------------------------------------------------------------------------------------------- file

GROUPS = (
    cbor_encodings,
    block_pointers,
    paddings,
    public_keys,
    seals,
    signatures,
    attestations,
    contents,
    inclusions,
    envelopes,
    keyrings,
    back_links,
    grants,
    profiles,
    manifests,
    erasures,
    public_keys_2,
    seals_2,
    envelopes_2,
)


def document() -> Inputs:
    """What stands in the file."""
    groups = [make() for make in GROUPS] + public_blocks_2()
    return {"groups": [_group(group) for group in groups]}


def _group(group: Group) -> Inputs:
    inputs = base.plain(group.inputs)
    name = refusal(group.of, inputs)
    if name:
        raise AssertionError(f"{group.of}: the unchanged inputs are refused with {name}")
    cases = []
    for what, made in group.cases:
        change = base.plain(made)
        cases.append({"what": what, "change": change, "refusal": refusal(group.of, changed(inputs, change)) or None})
    unseen = {case["what"] for case in cases if case["refusal"] is None}
    if unseen != group.unseen:
        raise AssertionError(f"{group.of}: accepted {unseen}, and should accept {set(group.unseen)}")
    return {"of": group.of, "suite": group.suite, "inputs": inputs, "cases": cases}


def render() -> str:
    """The text of the file."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
