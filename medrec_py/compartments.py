"""Compartments: parts of a record that are granted separately, such as "general" and "psychiatry".

On chain they are numbers from 0 to 63 without meaning, drawn at random for each patient; their names are sealed in
the keyring for the patient, and in each grant for the grantee. A mask has bit c for compartment c.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping

from medrec_py.crypto.keys import COMPARTMENTS
from medrec_py.errors import InvalidInput

MAX_NAME_LENGTH = 64


def assign_numbers(names: Iterable[str], taken: Iterable[int] = ()) -> dict[int, str]:
    """Draw a number for each name, at random among those that are free.

    Raises:
        InvalidInput: a name is empty, too long or given twice, or there are more than 64.
    """
    wanted = [check_name(name) for name in names]
    if len(set(wanted)) < len(wanted):
        raise InvalidInput("a compartment is named twice")
    free = sorted(set(range(COMPARTMENTS)) - set(taken))
    if len(wanted) > len(free):
        raise InvalidInput(f"a record has at most {COMPARTMENTS} compartments")
    return dict(zip(random.SystemRandom().sample(free, len(wanted)), wanted, strict=True))


def check_name(name: str) -> str:
    """``name`` without surrounding space, if it can name a compartment; raises ``InvalidInput`` otherwise."""
    stripped = name.strip()
    if not stripped or len(stripped) > MAX_NAME_LENGTH or not stripped.isprintable():
        raise InvalidInput(f"a compartment's name has 1 to {MAX_NAME_LENGTH} printable characters, not {name!r}")
    return stripped


def number_of(name: str, names: Mapping[int, str]) -> int:
    """The number of a compartment by its name.

    Raises:
        InvalidInput: there is no such compartment, or it is not known to this reader or author.
    """
    wanted = check_name(name)
    for number, known in names.items():
        if known == wanted:
            return number
    there = ", ".join(sorted(names.values())) or "none"
    raise InvalidInput(f"no compartment {wanted!r} is known here; known: {there}")


def mask_of(wanted: Iterable[str], names: Mapping[int, str]) -> int:
    """The mask of the compartments of these names; raises as ``number_of``."""
    return to_mask(number_of(name, names) for name in wanted)


def to_mask(numbers: Iterable[int]) -> int:
    """The mask of compartments by number."""
    mask = 0
    for number in numbers:
        mask |= 1 << number
    return mask


def numbers_in(mask: int) -> Iterator[int]:
    """The numbers of a mask, ascending."""
    return (number for number in range(COMPARTMENTS) if mask >> number & 1)
