"""The real input: a Synthea patient as a FHIR bundle, a PDF and a DICOM image (data/SOURCES.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

PIECE_SIZE, PIECE_DISTANCE = 32, 512
_LEAST_DISTINCT = 8  # bytes of a piece: a run of zeros is found anywhere and tells nothing


@dataclass(frozen=True, slots=True)
class Sample:
    """A file that the doctor appends.

    Attributes:
        name: In ``data/``.
        title: What the doctor calls it.
        media_type: By RFC 6838.
        sha256: Of the file, as it was when it was chosen: 64 hexadecimal digits.
    """

    name: str
    title: str
    media_type: str
    sha256: str

    def read(self) -> bytes:
        """The file."""
        return resources.files("medrec_py.demo").joinpath("data", self.name).read_bytes()

    def pieces(self) -> Iterator[bytes]:
        """Pieces from all over the file, to look for where nothing of it may be. Nothing else has them by chance."""
        content = self.read()
        for start in range(0, len(content) - PIECE_SIZE, PIECE_DISTANCE):
            piece = content[start : start + PIECE_SIZE]
            if len(set(piece)) >= _LEAST_DISTINCT:
                yield piece


def digest(content: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


BUNDLE = Sample(
    "clemente-kreiger.json",
    "Check-ups",
    "application/fhir+json",
    "409d668d525c6b966e770b1b476993246d0a06dd2a776d7cab431b7dbc371747",
)
REPORT = Sample(
    "bone-scan.pdf",
    "Bone scan",
    "application/pdf",
    "be1ec4345375d1d5e19b4f7f76be52d6367e4d7058c9e4a4a40e1b6eec247f93",
)
IMAGE = Sample(
    "ct-small.dcm",
    "CT slice",
    "application/dicom",
    "3dd31e5cc835b3f2cdd46c9da1982f59251e78518fefa8163d914631c66437d6",
)
SAMPLES = (BUNDLE, REPORT, IMAGE)
