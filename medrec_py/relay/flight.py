"""A relayer's transaction: written down, signed, before the node gets it, and kept until it is final.

So after a crash it is looked up by its hashes and handed over again as it is; it is never signed anew for the same
decisions but with the same nonce and a higher fee, and of those one alone is mined.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from medrec_py.chain.nonces import Signed

PREFIX = "flight/"
"""Of the keys of the notes in the queue."""


@dataclass(frozen=True, slots=True)
class Part:
    """The decisions of one bundle in a transaction.

    Attributes:
        bundle: Its id.
        places: Of the decisions in the bundle; they stand one behind another in the transaction.
    """

    bundle: str
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flight:
    """A transaction.

    Attributes:
        nonce: Of the relayer's account.
        atomic: Its decisions take place together or not at all; it has those of one bundle alone.
        parts: What is in it, in order. Empty if it carries nothing any more and only fills its nonce.
        data: What is called.
        gas: Gas limit.
        fees: Fee fields of the latest signed form.
        raw: The latest signed form.
        hashes: Of every signed form, the latest last.
        signed_at: When the latest was signed, Unix time.
        block: Number of its block, if it is mined.
        block_hash: Of that block.
        mined: The hash of the form that was mined.
    """

    nonce: int
    atomic: bool
    parts: tuple[Part, ...]
    data: bytes = field(repr=False)
    gas: int
    fees: Mapping[str, int]
    raw: bytes = field(repr=False)
    hashes: tuple[str, ...]
    signed_at: float
    block: int | None = None
    block_hash: str | None = None
    mined: str | None = None

    @property
    def key(self) -> str:
        """Of its note; the keys' order is that of the nonces."""
        return f"{PREFIX}{self.nonce:016d}"

    @property
    def signed(self) -> Signed:
        """The latest signed form."""
        return Signed(self.hashes[-1], self.raw)

    def replaced(self, signed: Signed, fees: Mapping[str, int], moment: float) -> Flight:
        """The same with a higher fee."""
        return replace(self, raw=signed.raw, hashes=(*self.hashes, signed.hash), fees=dict(fees), signed_at=moment)

    def to_bytes(self) -> bytes:
        """As it is kept."""
        document = asdict(self) | {"data": self.data.hex(), "raw": self.raw.hex()}
        document["parts"] = [[part.bundle, part.places] for part in self.parts]
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """What `to_bytes` made."""
        document: dict[str, Any] = json.loads(octets)
        document["parts"] = tuple(Part(bundle, tuple(places)) for bundle, places in document["parts"])
        document["data"], document["raw"] = bytes.fromhex(document["data"]), bytes.fromhex(document["raw"])
        document["hashes"] = tuple(document["hashes"])
        return cls(**document)
