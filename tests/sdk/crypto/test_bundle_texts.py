"""Bundles as links and QR codes: whole or not at all, in any order of the parts."""

from __future__ import annotations

import base64
import random
import zlib

import pytest

import medrec_py as medrec
from medrec_py.crypto import bundle_texts
from medrec_py.crypto.blocks import pointer_to
from medrec_py.crypto.bundle_texts import LINK, PART_SIZE, from_text, to_link, to_parts
from medrec_py.crypto.decisions import PublishKeyring
from medrec_py.crypto.keys import Place
from medrec_py.crypto.signed_decisions import MAX_BUNDLE, Bundle, SignedDecision
from medrec_py.errors import FormatError, InvalidInput

WALLET = medrec.Wallet.from_key(bytes(31) + b"\x07")
ADDRESS = bytes.fromhex(WALLET.address[2:])


def bundle(size: int = 6000) -> Bundle:
    """A keyring that its patient signed, with its block."""
    block = random.Random(1).randbytes(size)
    decision = PublishKeyring(Place(31337, b"\x11" * 20, ADDRESS), ADDRESS, pointer_to(block), 0, 1, 1_900_000_000)
    return Bundle((SignedDecision(decision, (WALLET.sign_typed_data(decision.typed_data()),)),), (block,))


def test_as_json_and_as_a_link() -> None:
    """Both give the same bundle back; white space around does no harm."""
    assert from_text(bundle().to_json().decode()) == bundle()
    assert from_text(f"\n {to_link(bundle())}\n") == bundle()


def test_as_parts_in_any_order() -> None:
    """Each part fits a QR code; order and repetition do not matter."""
    parts = to_parts(bundle())
    assert len(parts) > 2
    assert all(
        len(part) <= PART_SIZE + 40 and set(part) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ/") for part in parts
    )
    shuffled = [*reversed(parts), parts[0]]
    assert from_text("\n".join(shuffled)) == bundle()


def test_a_missing_part_is_named() -> None:
    """So that it can be scanned again."""
    parts = to_parts(bundle())
    with pytest.raises(FormatError, match="missing: 2"):
        from_text(" ".join(parts[:1] + parts[2:]))


def test_parts_of_two_bundles() -> None:
    """They are told apart before anything is read."""
    with pytest.raises(FormatError, match="several bundles"):
        from_text(" ".join([to_parts(bundle())[0], to_parts(bundle(5999))[1]]))


def test_a_part_that_was_misread() -> None:
    """One wrong character is noticed."""
    parts = to_parts(bundle())
    wrong = parts[1][:-1] + ("A" if parts[1][-1] != "A" else "B")
    with pytest.raises(FormatError, match="do not fit together"):
        from_text(" ".join([parts[0], wrong, *parts[2:]]))


@pytest.mark.parametrize("text", ["", "hello", "MEDREC1/1/2/", LINK, LINK + "!!!!", "{", "medrec:bundle/2/AAAA"])
def test_what_is_no_bundle(text: str) -> None:
    """Is said to be none."""
    with pytest.raises(FormatError):
        from_text(text)


def test_a_number_beyond_the_count() -> None:
    """A part that cannot be there is no part."""
    parts = to_parts(bundle())
    number, count, rest = "9", parts[0].split("/")[2], parts[0].split("/", 3)[3]
    with pytest.raises(FormatError):
        from_text(" ".join([*parts, f"MEDREC1/{number}/{count}/{rest}"]))


def test_a_bomb() -> None:
    """What unpacks to more than any bundle has is given up before it is unpacked."""
    packed = zlib.compress(bytes(MAX_BUNDLE + 10), 9)
    with pytest.raises(FormatError, match="unpack"):
        from_text(LINK + base64.urlsafe_b64encode(packed).decode())


def test_something_behind_the_end() -> None:
    """Two texts never mean the same bundle by trailing bytes."""
    packed = zlib.compress(bundle().to_json()) + b"more"
    with pytest.raises(FormatError, match="unpack"):
        from_text(LINK + base64.urlsafe_b64encode(packed).decode())


def test_too_many_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody scans a hundred codes."""
    monkeypatch.setattr(bundle_texts, "PART_SIZE", 10)
    with pytest.raises(InvalidInput, match="hand over the file"):
        to_parts(bundle())
