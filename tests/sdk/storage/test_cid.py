"""CIDs: one form, canonical text, checked bytes."""

import base64
import hashlib
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medrec_py.errors import BlockMismatch, FormatError, InvalidInput
from medrec_py.storage.cid import DAG_PB, RAW, Cid, Unverified

IPFS = Path(__file__).parents[2] / "data" / "ipfs"
EMPTY = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"

cids = st.builds(Cid, st.sampled_from([RAW, DAG_PB]), st.binary(min_size=32, max_size=32))


@pytest.mark.parametrize("path", sorted((IPFS / "dag-pb").glob("*.dag-pb")), ids=lambda path: path.stem[-8:])
def test_cid_of_a_block_is_the_one_that_ipld_gives(path: Path) -> None:
    """The CID computed for each of IPLD's dag-pb fixtures is the fixture's name, and parses back."""
    cid = Cid.of(path.read_bytes(), DAG_PB)
    assert str(cid) == path.stem
    assert Cid.parse(path.stem) == cid


def test_raw_cid_comes_from_the_pointer_alone() -> None:
    """A pointer on chain (the SHA-256 of a block) becomes the CID that IPFS knows, without asking a node."""
    assert str(Cid.raw(hashlib.sha256(b"").digest())) == EMPTY
    assert Cid.of(b"") == Cid.raw(hashlib.sha256(b"").digest())


@settings(deadline=None)
@given(cids)
def test_text_and_bytes_lead_back(cid: Cid) -> None:
    """Text and binary form of every CID parse to the same CID."""
    assert Cid.parse(str(cid)) == cid
    assert Cid.from_bytes(bytes(cid)) == cid
    assert len(bytes(cid)) == 36
    assert len(str(cid)) == 59


@settings(deadline=None)
@given(st.one_of(st.text(max_size=70), st.text(min_size=58, max_size=58).map(lambda text: "b" + text)))
def test_text_that_is_no_cid_is_refused(text: str) -> None:
    """Any other text raises InvalidInput and nothing else."""
    with pytest.raises(InvalidInput):
        Cid.parse(text)


@settings(deadline=None)
@given(cids, st.data())
def test_a_changed_letter_is_another_cid_or_none(cid: Cid, data: st.DataObject) -> None:
    """No two texts mean the same CID: whatever still parses after a change gives exactly the changed text."""
    text = list(str(cid))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567ABZ01=\n "))
    changed = "".join(text)
    try:
        parsed = Cid.parse(changed)
    except InvalidInput:
        return
    assert str(parsed) == changed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        EMPTY.upper(),
        "B" + EMPTY[1:].upper(),
        EMPTY + "a",
        EMPTY[:-1],
        " " + EMPTY[:-1],
        EMPTY[:-1] + "v",  # padding bits not zero
        "z" + EMPTY[1:],
        "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",  # CIDv0
        "baguqeeraqcw26pvoc6mesw7zrnz7bpqmfe7m4agdarke2nytwbqn7kuszdcq",  # dag-json
        "bafyreib4mhhkmom5wxnp2hmcjeabbcmzybdiewehujwu73ndvns42zdt4i",  # dag-cbor
        "b" + base64.b32encode(bytes([1, RAW, 0x13, 32]) + bytes(32)).decode().rstrip("=").lower(),  # sha2-512, cut
        "b" + base64.b32encode(bytes([2, RAW, 0x12, 32]) + bytes(32)).decode().rstrip("=").lower(),  # CIDv2
        "b" + base64.b32encode(bytes([1, RAW, 0x00, 32]) + bytes(32)).decode().rstrip("=").lower(),  # identity
        "bé" + EMPTY[2:],
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    """Other versions, bases, hash functions, codecs, cases, lengths and padding are refused."""
    with pytest.raises(InvalidInput):
        Cid.parse(text)


def test_refusal_of_a_cidv0_says_how_to_convert_it() -> None:
    """Who types a CIDv0 learns the command that converts it."""
    with pytest.raises(InvalidInput, match="ipfs cid base32"):
        Cid.parse("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n")


def test_refusal_shows_little_of_a_long_text() -> None:
    """A megabyte given as a CID doesn't end up in the message."""
    with pytest.raises(InvalidInput) as caught:
        Cid.parse("x" * 1_000_000)
    assert len(str(caught.value)) < 200


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=40), st.binary(min_size=36, max_size=36)))
def test_bytes_that_are_no_cid_are_refused(data: bytes) -> None:
    """Any other bytes raise FormatError and nothing else."""
    try:
        cid = Cid.from_bytes(data)
    except FormatError:
        return
    assert bytes(cid) == data


@pytest.mark.parametrize(("codec", "digest"), [(0x71, bytes(32)), (RAW, bytes(31)), (RAW, bytearray(32)), (-1, b"")])
def test_only_the_two_codecs_and_whole_digests_make_a_cid(codec: int, digest: bytes) -> None:
    """A Cid can't exist in a form that the formats don't have."""
    with pytest.raises(InvalidInput):
        Cid(codec, digest)


def test_cid_is_immutable_and_hashable() -> None:
    """A CID is a value: it can be a key and can't be changed."""
    cid = Cid.of(b"a")
    assert {cid: 1}[Cid.of(b"a")] == 1
    assert cid != Cid(DAG_PB, cid.digest)
    with pytest.raises(FrozenInstanceError):
        cid.digest = bytes(32)  # type: ignore[misc]


def test_repr_can_be_evaluated() -> None:
    """What a debugger shows is the code that makes the CID."""
    assert eval(repr(Cid.of(b"a"))) == Cid.of(b"a")  # noqa: S307


@settings(deadline=None)
@given(st.binary(max_size=100), st.data())
def test_unverified_bytes_come_out_only_unchanged(block: bytes, data: st.DataObject) -> None:
    """Bytes from outside can be had only if they hash to the CID; a flipped bit raises BlockMismatch."""
    cid = Cid.of(block)
    assert Unverified(block).verified(cid) == block
    changed = bytearray(block or b"\0")
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BlockMismatch, match=str(cid)):
        Unverified(bytes(changed)).verified(cid)
