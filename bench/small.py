"""Small records: sealing one, opening it, giving it a new envelope; and a keyring for many readers."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.records import COMPARTMENT, PLACE, SUITE, Epoch, seal_small, verified
from bench.timing import best, seconds
from medrec_py import rotation
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto import new_keyring
from medrec_py.crypto.blocks import pointer_to
from medrec_py.crypto.keyring import Inbox
from medrec_py.crypto.keys import EpochId, EpochKeys, KemSeed
from medrec_py.keyrings import Keyrings
from medrec_py.rotation import Holder
from medrec_py.storage import FolderStore

SIZE = 4096
RECORDS = 2000
READERS = 1000
DAY = 86_400
NOW = 1_900_000_000


def small() -> dict[str, float]:
    """Milliseconds for a record of 4 KiB, without storage.

    Sealing is content, statement, the wallet's signature and its check, and envelope; opening is parsing, data key,
    metadata, claim, signature and content, with the seed of the epoch at hand.
    """
    content, epoch = os.urandom(SIZE), Epoch.new(1)
    sealed = seal_small(content, epoch)

    def read() -> bytes:
        return b"".join(verified(sealed.block, sealed.entry, epoch).content())

    assert read() == content
    seal_s, open_s = best(lambda: seal_small(content, epoch), read, rounds=15, calls=100)
    return {"small_seal_ms": seal_s * 1000, "small_open_ms": open_s * 1000}


def rewrapping() -> dict[str, float]:
    """Records of 4 KiB in a second that are opened, verified and given an envelope for another epoch, without storage.

    It is what each survivor takes when records are erased: parsing, data key, metadata, claim and signature as for
    opening, and a new envelope around the same data key and content.
    """
    old, new = Epoch.new(1), Epoch.new(2)
    survivors = [seal_small(os.urandom(SIZE), old) for _ in range(RECORDS)]

    def rewrap() -> list[bytes]:
        return [
            envelopes.rewrap(verified(sealed.block, sealed.entry, old), new.to, new.public_key, SUITE)
            for sealed in survivors
        ]

    last = survivors[-1].entry
    moved = rewrap()[-1]
    assert verified(moved, replace(last, pointer=pointer_to(moved)), new).to == new.to
    (taken,) = best(rewrap, rounds=5)
    return {"rewrap_records_per_s": RECORDS / taken}


def rotation_of_many() -> dict[str, float]:
    """Seconds to plan and seal a keyring for 1,000 readers and store its blocks durably, each read back.

    All of them may read one compartment, with the past, to a day of their own: as many epochs are scheduled as a
    keyring has room for.
    """
    root, earlier = KemSeed.generate(), EpochKeys.generate()
    keys = [SUITE.public_key(KemSeed.generate()) for _ in range(READERS)]
    holders = [
        Holder(number.to_bytes(20), key, 1 << COMPARTMENT, True, NOW + (number + 1) * DAY)
        for number, key in enumerate(keys)
    ]

    def rotate(folder: Path) -> None:
        planned = rotation.plan(
            Keyrings(PLACE, [], _no_block, {}),
            lambda _: earlier,
            holders,
            now=NOW,
            begin=NOW,
            rotate=1 << COMPARTMENT,
            schedule=0,
        )
        built = new_keyring.build(
            PLACE,
            0,
            epochs=planned.epochs,
            readers=planned.readers,
            root_public_key=SUITE.public_key(root),
            names={COMPARTMENT: "general"},
            inbox=Inbox(1, keys[0]),
            suite=SUITE,
        )
        assert len(list(FolderStore(folder).put_many([*built.pages, built.block]))) == len(built.pages) + 1
        assert planned.keys_of(holders[-1].address).keys() >= {EpochId(COMPARTMENT, 1)}

    taken = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            FolderStore(folder)
            taken.append(seconds(lambda folder=folder: rotate(Path(folder))))  # type: ignore[misc]
    return {"rotate_1000_readers_s": min(taken)}


def _no_block(_pointer: bytes) -> bytes:
    raise AssertionError("there are no keyrings yet")
