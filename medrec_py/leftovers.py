"""Letting the store drop what no record needs any more: envelopes that were superseded, contents sealed anew or erased.

Which these are follows from the history alone, so it may be done again at any time, and a process that was killed in
the middle leaves nothing that a second run would not find.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto.envelope import ContentFile
from medrec_py.errors import FormatError, IntegrityError, StorageError
from medrec_py.history import Entry, History
from medrec_py.ledger import Ledger
from medrec_py.storage.cid import Cid
from medrec_py.whereabouts import Whereabouts


def unpin_superseded(
    ledger: Ledger, patient: str, history: History, records: Iterable[Entry], *, envelopes_alone: bool = False
) -> int:
    """Unpin what was superseded of some records; what cannot be found or unpinned is passed over.

    Args:
        ledger: Chain and store.
        patient: Patient id, EIP-55.
        history: The patient's, checked.
        records: Entries of records.
        envelopes_alone: They kept their contents, which need not be looked at.

    Returns:
        How many blocks and files were unpinned.
    """
    whereabouts = ledger.whereabouts(history, ledger.place(patient))
    dropped = (cid for record in records for cid in _superseded(ledger, whereabouts, record, envelopes_alone))
    return ledger.unpin_many(dropped)


def _superseded(ledger: Ledger, whereabouts: Whereabouts, record: Entry, envelopes_alone: bool) -> Iterator[Cid]:
    """What a record needs no more: envelopes, and contents outside them but the present one."""
    for pointer in whereabouts.superseded(record):
        content = None if envelopes_alone else _content(ledger, pointer)
        if content is not None and content != _present_content(ledger, whereabouts, record):
            yield content
        yield Cid.raw(pointer)


def _present_content(ledger: Ledger, whereabouts: Whereabouts, record: Entry) -> Cid | None:
    return None if whereabouts.is_erased(record) else _content(ledger, whereabouts.pointer(record))


def _content(ledger: Ledger, pointer: bytes) -> Cid | None:
    """The content outside an envelope, if there is any and the envelope is still there."""
    try:
        body = envelopes.parse(ledger.fetch(pointer)).body
    except (StorageError, IntegrityError, FormatError):
        return None
    return Cid.from_bytes(body.cid) if isinstance(body, ContentFile) else None
