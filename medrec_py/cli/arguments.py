"""Arguments and options that several commands have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeAlias

import typer

ADDRESS = "ADDRESS"

Address: TypeAlias = Annotated[str, typer.Argument(metavar=ADDRESS, help="Account: 0x and 40 hexadecimal digits.")]

OfPatient: TypeAlias = Annotated[
    str | None, typer.Option("--patient", metavar=ADDRESS, help="Whose record; the profile's own unless given.")
]

ForPatient: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--patient",
        metavar=ADDRESS,
        help="For whom to decide: a child, or whoever named this profile a representative; for itself unless given.",
    ),
]

OfChild: TypeAlias = Annotated[
    str | None,
    typer.Option("--patient", metavar=ADDRESS, help="A child whom the profile decides for; itself unless given."),
]

MayRead: TypeAlias = Annotated[
    list[str] | None, typer.Option("--read", metavar="COMPARTMENT", help="May be read; may be repeated.")
]

MayAppend: TypeAlias = Annotated[
    list[str] | None, typer.Option("--append", metavar="COMPARTMENT", help="May be appended to; may be repeated.")
]

OnBehalfOf: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--on-behalf-of",
        metavar=ADDRESS,
        help="Provider that named this profile its agent; its keys are in its key service, or a profile here.",
    ),
]

ForPurpose: TypeAlias = Annotated[
    str | None,
    typer.Option("--purpose", metavar="CODE", help="Purpose of use (HL7 v3) for another's record; TREAT unless given."),
]


def checked(address: str) -> str:
    """An address, EIP-55.

    Raises:
        InvalidInput: it is none, or its capitals contradict its checksum.
    """
    from medrec_py.chain.types import to_address  # noqa: PLC0415 - slow to import

    return to_address(address.strip())


def checked_or_none(address: str | None) -> str | None:
    """An address that may have been left out. Raises as `checked`."""
    return None if address is None else checked(address)


def all_checked(addresses: Iterable[str]) -> list[str]:
    """Several addresses. Raises as `checked`."""
    return [checked(address) for address in addresses]
