"""Letting the store drop what no record needs any more: envelopes that were superseded, contents sealed anew or erased.

An author names the block of an entry, and may name any: a keyring, another's envelope, another's content. So only that
is dropped which belonged to a record that opened and was verified when it was moved or erased, and nothing that
anything in the history still needs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property

from medrec_py.chain.types import Kind
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto.envelope import ContentFile
from medrec_py.errors import FormatError, IntegrityError, StorageError
from medrec_py.history import Entry, History
from medrec_py.ledger import Ledger
from medrec_py.storage.cid import Cid


class Leftovers:
    """Drops blocks and files of one patient.

    Args:
        ledger: Chain and store.
        patient: Patient id, EIP-55.
        history: As it is now, checked.
    """

    def __init__(self, ledger: Ledger, patient: str, history: History) -> None:
        self._ledger = ledger
        self._history = history
        self._whereabouts = ledger.whereabouts(history, ledger.place(patient))

    def drop(self, envelopes_: Iterable[Cid], contents: Collection[Cid]) -> int:
        """Unpin envelopes and contents of verified records, as far as nothing needs them any more.

        Returns:
            How many were unpinned.
        """
        needed = self._needed_blocks()
        dead = (cid for cid in envelopes_ if cid.digest not in needed)
        count = self._ledger.unpin_many(dead)
        candidates = {cid for cid in contents if cid.digest not in needed}
        if candidates:
            candidates.difference_update(self._needed_contents())
        return count + self._ledger.unpin_many(candidates)

    def superseded(self) -> tuple[list[Cid], list[Cid]]:
        """What moved records left behind: envelopes and contents. They were verified when they were moved."""
        envelopes_: list[Cid] = []
        contents: list[Cid] = []
        for record in self._live:
            # What the store holds no more is not searched for: that takes seconds for each.
            left = [
                pointer for pointer in self._whereabouts.superseded(record) if self._ledger.store.has(Cid.raw(pointer))
            ]
            envelopes_ += map(Cid.raw, left)
            if left and self._is_there(self._whereabouts.pointer(record)):  # or nobody knows what it needs
                contents += [content for pointer in left if (content := self._content(pointer)) is not None]
        return envelopes_, contents

    def _needed_blocks(self) -> set[bytes]:
        """The blocks that entries name: envelopes where they are now, keyrings, manifests, lists of erased records."""
        others = {entry.pointer for entry in self._history.entries if entry.kind is not Kind.RECORD}
        return others | {self._whereabouts.pointer(record) for record in self._live}

    def _needed_contents(self) -> Iterator[Cid]:
        found = (self._content(self._whereabouts.pointer(record)) for record in self._live)
        return (content for content in found if content is not None)

    @cached_property
    def _live(self) -> Sequence[Entry]:
        return list(self._whereabouts.live(self._history.entries))

    def _is_there(self, pointer: bytes) -> bool:
        try:
            self._ledger.fetch(pointer)
        except (StorageError, IntegrityError):
            return False
        return True

    def _content(self, pointer: bytes) -> Cid | None:
        """The content outside an envelope, if there is any and the envelope is there."""
        try:
            body = envelopes.parse(self._ledger.fetch(pointer)).body
        except (StorageError, IntegrityError, FormatError):
            return None
        return Cid.from_bytes(body.cid) if isinstance(body, ContentFile) else None
