"""Who may read what was written before: the records of a compartment, divided by their readers of today.

A reader with HISTORY may read all of them, one without what was written since its permission began. So from one record
to the next the readers only become more, and a few epochs hold any number of records: one for each set of readers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from medrec_py.consent import Consent


@dataclass(frozen=True, slots=True)
class Audiences:
    """The readers of the records of one compartment.

    Attributes:
        bounds: Numbers of the blocks in which permissions of readers without HISTORY began, ascending.
        steps: Which numbers of readers without HISTORY make a group of their own, ascending.
        groups: The readers (20 bytes each) of each group. Behind them comes one more, of what everybody may read who
            reads the compartment.
    """

    bounds: Sequence[int]
    steps: Sequence[int]
    groups: Sequence[Collection[bytes]]

    def group_of(self, block: int) -> int:
        """The group of a record that was written in a block; ``len(groups)`` is the one behind."""
        step = bisect_left(self.bounds, block)
        return len(self.groups) if step == len(self.bounds) else bisect_right(self.steps, step) - 1


def divide(consent: Consent, compartment: int, readers: Iterable[bytes], blocks: Iterable[int], most: int) -> Audiences:
    """Divide the records of a compartment.

    Args:
        consent: The patient's decisions.
        compartment: Which.
        readers: Those who may read it now, 20 bytes each.
        blocks: In which the records were written.
        most: So many groups beside the last at the most, from 1. Where there would be more, some are joined, under
            the readers of the narrowest: who loses older records so can be granted them anew, with HISTORY.
    """
    behind = {reader: since for reader in readers if (since := consent.reads_behind(reader, compartment)) is not None}
    bounds = sorted({since for since in behind.values() if since >= 0})
    used = sorted({bisect_left(bounds, block) for block in blocks} - {len(bounds)})
    steps = used if len(used) <= most else [used[place * len(used) // most] for place in range(most)]
    groups = [frozenset(reader for reader, since in behind.items() if since < bounds[step]) for step in steps]
    return Audiences(bounds, steps, groups)
