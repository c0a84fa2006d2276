"""The content of a record under a new data key."""

from __future__ import annotations

from collections.abc import Iterable

from medrec_py.crypto.content import ContentSealer
from medrec_py.crypto.envelope import Body, ContentFile, VerifiedRecord
from medrec_py.crypto.keys import DataKey
from medrec_py.crypto.suites import Suite
from medrec_py.errors import StatementMismatch
from medrec_py.journal import Sealed
from medrec_py.storage.cid import Cid
from medrec_py.storage.store import BlockStore


def seal_inline(record: VerifiedRecord, suite: Suite) -> tuple[DataKey, Body]:
    """Content that stands in the envelope, sealed anew, by a suite."""
    data_key = DataKey.generate()
    sealer = _sealer(record, record.content(), data_key, suite)
    body = b"".join(sealer)
    _check_same(record, sealer)
    return data_key, body


def seal_and_store(record: VerifiedRecord, store: BlockStore, suite: Suite) -> Sealed:
    """Content that stands outside the envelope, sealed anew by a suite, stored and read back, in bounded memory.

    Raises:
        IntegrityError: the content is not what its author signed.
        StorageError: a block cannot be had, or the store does not take the new ones. Nothing is pinned then.
    """
    assert isinstance(record.body, ContentFile)  # noqa: S101 - the other kind is sealed with its envelope
    data_key = DataKey.generate()
    source = record.content(store.open(Cid.from_bytes(record.body.cid), 0, record.body.size))
    sealer = _sealer(record, source, data_key, suite)
    cid = store.put(sealer)
    try:
        _check_same(record, sealer)
        store.verify(cid)
    except BaseException:
        store.unpin(cid)
        raise
    return Sealed(record.pointer, data_key, suite, ContentFile(bytes(cid), record.body.size))


def _sealer(record: VerifiedRecord, content: Iterable[bytes], data_key: DataKey, suite: Suite) -> ContentSealer:
    return ContentSealer(content, data_key, record.record_id, record.attestation.leaf_salt, suite)


def _check_same(record: VerifiedRecord, sealer: ContentSealer) -> None:
    """Whether what was sealed is what the author signed: the statement stays."""
    if (sealer.root, sealer.size) != (record.attestation.content, record.attestation.metadata.size):
        raise StatementMismatch("the content that was sealed anew is not what its author signed")
