"""What a record says about its content, sealed and covered by the author's signature (docs/format.md §4)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from medrec_py.crypto import cbor
from medrec_py.crypto.content import MAX_SIZE
from medrec_py.crypto.keys import check_uint
from medrec_py.errors import FormatError, InvalidInput

MAX_TITLE_SIZE = 1024
MAX_MEDIA_TYPE_SIZE = 255

_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"  # RFC 6838 §4.2
_PARAMETER = r"; ?[A-Za-z0-9!#$&^_.+-]+=[A-Za-z0-9!#$&^_.+-]+"
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}(?:{_PARAMETER})*")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a record says about its content.

    Attributes:
        title: Up to 1,024 bytes of UTF-8. Not shown in the ``repr``.
        media_type: By RFC 6838, such as ``application/fhir+json``, with parameters if there are any.
        size: Bytes of content.
        created: When the content came to be, Unix time, if that differs from when it was signed.

    Raises:
        InvalidInput: a value is out of bounds.
    """

    title: str = field(repr=False)
    media_type: str
    size: int
    created: int | None = None

    def __post_init__(self) -> None:
        if not _is_text(self.title):
            raise InvalidInput(f"a title must be Unicode of at most {MAX_TITLE_SIZE} bytes")
        if len(self.media_type) > MAX_MEDIA_TYPE_SIZE or not _MEDIA_TYPE.fullmatch(self.media_type):
            raise InvalidInput("the media type is not one by RFC 6838")
        check_uint(self.size, "the size", MAX_SIZE)
        if self.created is not None:
            check_uint(self.created, "the time of creation")

    def as_map(self) -> dict[str, int | str]:
        """The map that is encoded."""
        entries: dict[str, int | str] = {"title": self.title, "type": self.media_type, "size": self.size}
        return entries if self.created is None else entries | {"created": self.created}

    def digest(self) -> bytes:
        """What the statement covers: SHA-256 of the encoded map, 32 bytes."""
        return hashlib.sha256(cbor.encode(self.as_map())).digest()

    @classmethod
    def from_map(cls, value: cbor.Value) -> Metadata:
        """Read the decoded map.

        Raises:
            FormatError: it is not such a map.
        """
        fields = cbor.Fields(value, "metadata", ("title", "type", "size"), optional=("created",))
        created = fields.uint("created") if "created" in fields else None
        try:
            return cls(fields.text("title"), fields.text("type"), fields.uint("size"), created)
        except InvalidInput as error:
            raise FormatError(str(error)) from error


def _is_text(title: str) -> bool:
    try:
        return len(title.encode()) <= MAX_TITLE_SIZE
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
