"""A chart: one patient's record, as one actor on behalf of one principal sees it and writes to it."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from medrec_py import author_rule, compartments, records
from medrec_py.chain.events import HistoryEvent
from medrec_py.chain.reverts import StaleKeyring
from medrec_py.chain.transactions import Receipt
from medrec_py.chain.types import Action, Kind, address_bytes
from medrec_py.chain.types import Entry as EntryInput
from medrec_py.consent import Consent
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto.attestation import Attestation, attest
from medrec_py.crypto.content import ContentSealer, sealed_size
from medrec_py.crypto.envelope import MAX_INLINE_SIZE, Body, ContentFile, UnverifiedEnvelope, VerifiedRecord
from medrec_py.crypto.keys import SECRET_SIZE, DataKey, Place, new_record_id
from medrec_py.crypto.metadata import Metadata
from medrec_py.crypto.paged_rows import record_number
from medrec_py.crypto.suites import Suite
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.errors import (
    BlockNotFound,
    BlockTooLarge,
    FormatError,
    IntegrityError,
    InvalidInput,
    KeyUnavailable,
    MedRecError,
    NotPermitted,
    RecordErased,
    RecordNotFound,
    RecordRepeated,
    StoreTimeout,
)
from medrec_py.history import Entry, History
from medrec_py.ledger import Ledger
from medrec_py.purposes import Purpose
from medrec_py.records import Draft, Progress, Record, Source
from medrec_py.times import as_datetime
from medrec_py.unsealing import Unsealer
from medrec_py.wallet import Signer

ATTEMPTS = 5
"""How often a record is sealed anew when the keys change while it is being appended."""


UNREADABLE = (FormatError, IntegrityError, BlockNotFound, BlockTooLarge, StoreTimeout)
"""What any author can bring about with an entry that points to nothing sound: it must not stop the other records."""


class RecordUnreadable(UserWarning):
    """A record is damaged or is in no store, and was passed over."""


@dataclass(frozen=True, slots=True)
class Appended:
    """A record that the chain has taken.

    Attributes:
        number: Of its entry in the history.
        record_id: 16 random bytes that name it for good.
        in_inbox: It was sealed to the patient's inbox, since the keys were changing; the patient's next rotation
            moves it.
        receipt: Of the transaction.
    """

    number: int
    record_id: bytes
    in_inbox: bool
    receipt: Receipt = field(repr=False)


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of a history.

    Attributes:
        number: Of the entry, from 1.
        kind: What it is.
        time: Of its block.
        author: Who wrote it, EIP-55.
        on_behalf_of: Whom the author acted for, EIP-55.
        compartments: Names of the compartments, or their numbers where the name is not known here.
        title: Of a record that opens here, else ``None``. Not shown in the ``repr``.
        media_type: Likewise.
        size: Likewise, in bytes.
        problem: Why a record does not open here, if it does not.
        transaction: Hash of its transaction.
    """

    number: int
    kind: Kind
    time: datetime
    author: str
    on_behalf_of: str
    compartments: tuple[str, ...]
    title: str | None = field(repr=False)
    media_type: str | None
    size: int | None
    problem: MedRecError | None
    transaction: str


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A record whose content is sealed and stored, and whose envelope is still to be made."""

    compartment: int
    record_id: bytes
    data_key: DataKey
    content_suite: Suite
    body: Body
    attestation: Attestation

    def envelope(self, place: Place, target: author_rule.Target) -> bytes:
        return envelopes.build(
            place,
            target.destination,
            target.public_key,
            record_id=self.record_id,
            data_key=self.data_key,
            body=self.body,
            attestation=self.attestation,
            suite=target.suite,
            content_suite=self.content_suite,
        )


class _Seen:
    """The records that were opened so far, going through a history in its order: of equal ones the first counts."""

    def __init__(self) -> None:
        self._first: dict[tuple[bytes, bytes], int] = {}  # author and record id → number

    def require_first(self, entry: Entry, verified: VerifiedRecord) -> None:
        """Note a record.

        Raises:
            RecordRepeated: an earlier entry has the same author and record id.
        """
        first = self._first.setdefault((entry.author, verified.record_id), entry.number)
        if first != entry.number:
            raise RecordRepeated(f"entry {entry.number} repeats the record of entry {first}")


class Chart:
    """Reads and appends to one patient's record.

    Args:
        ledger: Chain and store.
        patient: Patient id, EIP-55.
        wallet: Of the actor: signs statements and transactions.
        principal: Address that the actor acts for: itself, the patient id, or the provider that it is an agent of.
        unsealer: Opens data keys for the principal.
        purpose: Why.
    """

    def __init__(
        self,
        ledger: Ledger,
        patient: str,
        wallet: Signer,
        principal: str,
        unsealer: Unsealer,
        purpose: Purpose = Purpose.TREAT,
    ) -> None:
        self._ledger = ledger
        self.patient = patient
        self._wallet = wallet
        self._principal = principal
        self._unsealer = unsealer
        self._purpose = purpose
        self._place = ledger.place(patient)

    # --- reading ----------------------------------------------------------------------------------------------------

    def read(self, record: int | Appended | TimelineEntry | Record) -> Record:
        """A record, verified: that its author signed it, for this patient, and that the chain has bound it.

        Args:
            record: Its number, or what named it.

        Raises:
            RecordErased: the patient erased it.
            RecordRepeated: an earlier entry is the same record.
            RecordNotFound: there is none of that number; or what was appended stands elsewhere now, since the chain was
                reorganised.
            NotPermitted: the patient does not allow it (any longer).
            KeyUnavailable: no key here opens it.
            IntegrityError: record, keys or history were altered.
            StorageError: a block cannot be had.
        """
        history = self._ledger.history(self.patient)
        entry = history.record(record if isinstance(record, int) else record.number)
        self._require(Action.READ, entry.compartments)
        consent = self._ledger.consent(self.patient)
        verified = self.verified(history, consent, entry)
        self._require_first(history, consent, entry, verified)
        if isinstance(record, Appended) and verified.record_id != record.record_id:
            raise RecordNotFound(f"entry {entry.number} is not the record that was appended: list the records")
        return records.from_verified(verified, entry, history.replaced_by(entry), self._ledger.store)

    def records(self) -> Iterator[Record]:
        """All records that open here, in order.

        Passes over what is sealed to others, what was erased, and what repeats an earlier record; and, with the
        warning ``RecordUnreadable``, over what is damaged or in no store: ``history`` says why. Raises as ``read``
        where store or chain do not answer.
        """
        history, consent = self._ledger.history(self.patient), self._ledger.consent(self.patient)
        refusal = cache(lambda mask: self._refusal(Action.READ, mask))
        seen = _Seen()
        for entry in history.entries:
            if entry.kind is Kind.RECORD and refusal(entry.compartments) is None:
                try:
                    yield self._open(history, consent, entry, seen)
                except (KeyUnavailable, RecordErased, RecordRepeated):
                    continue
                except UNREADABLE as error:
                    warn_unreadable(entry, error)

    def entries(self) -> Sequence[Entry]:
        """The entries of the history, proved complete against the contract, as they are on chain: none is opened.

        Raises:
            HistoryMismatch: the node left out, changed or invented an entry.
        """
        return self._ledger.history(self.patient).entries

    def history(self) -> Iterator[TimelineEntry]:
        """The whole history, proved complete against the contract, with titles where they open here and may be read.

        Raises:
            HistoryMismatch: the node left out, changed or invented an entry.
        """
        history, consent = self._ledger.history(self.patient), self._ledger.consent(self.patient)
        names = self._known_names(consent)
        refusal = cache(lambda mask: self._refusal(Action.READ, mask))
        seen = _Seen()
        for entry in history.entries:
            problem = refusal(entry.compartments) if entry.kind is Kind.RECORD else None
            yield self._line(history, consent, names, entry, problem, seen)

    def compartments(self) -> Mapping[int, str]:
        """Number → name of the compartments that are known here."""
        return self._unsealer.names(self._ledger.consent(self.patient), self._purpose)

    # --- appending --------------------------------------------------------------------------------------------------

    def append(
        self,
        source: Source,
        *,
        compartment: str,
        title: str | None = None,
        media_type: str | None = None,
        created: int | None = None,
        replaces: int | None = None,
        progress: Progress | None = None,
    ) -> Appended:
        """Encrypt a record here, store it, and append its pointer.

        Args:
            source: A path, bytes, an open binary file, or pieces of bytes; of any size.
            compartment: Name of the compartment.
            title: What lists show; the file's name unless given.
            media_type: By RFC 6838; guessed from the file's name unless given.
            created: When the content came to be, Unix time.
            replaces: Number of the record of the same compartment that this one corrects.
            progress: Called with bytes as they are sealed.

        Raises:
            InvalidInput: the source cannot be read, no compartment of that name is known here, or the record that is to
                be replaced lies in another one.
            RecordNotFound: there is no record of the number that is to be replaced.
            ClockWrong: this machine's clock is more than an hour ahead of the chain's: the record would be misdated.
            NotPermitted: the patient does not allow it (any longer): nothing was sealed or stored.
            StorageError: the store did not take it: nothing was appended.
            ChainError: the chain did not take it.
            StaleKeyring: the keys changed again at each attempt.
        """
        draft = Draft(source, compartment, title, media_type, created, replaces)
        return self.append_many([draft], progress=progress)[0]

    def append_many(self, drafts: Sequence[Draft], *, progress: Progress | None = None) -> list[Appended]:
        """Append several records in one transaction, all or none. Raises as ``append``."""
        if not drafts:
            return []
        names = self._unsealer.names(self._ledger.consent(self.patient), self._purpose)
        numbers = [compartments.number_of(draft.compartment, names) for draft in drafts]
        self._require(Action.APPEND, compartments.to_mask(numbers))
        self._require_replaceable(drafts, numbers)
        with self._ledger.trial():
            signed = self._ledger.signing_time()
            sealed = [
                self._seal(draft, number, signed, progress) for draft, number in zip(drafts, numbers, strict=True)
            ]
            return self._submit_until_fresh(sealed)

    # --- private: reading -------------------------------------------------------------------------------------------

    def _open(self, history: History, consent: Consent, entry: Entry, seen: _Seen) -> Record:
        verified = self.verified(history, consent, entry)
        seen.require_first(entry, verified)
        return records.from_verified(verified, entry, history.replaced_by(entry), self._ledger.store)

    def _require_first(self, history: History, consent: Consent, entry: Entry, verified: VerifiedRecord) -> None:
        """Make sure that no earlier entry with the same claim is the same record.

        Raises:
            RecordRepeated: one is.
        """
        seen = _Seen()
        for earlier in history.earlier_with_claim_of(entry):
            with suppress(MedRecError):  # what does not open here cannot be compared
                seen.require_first(earlier, self.verified(history, consent, earlier))
        seen.require_first(entry, verified)

    def verified(self, history: History, consent: Consent, entry: Entry) -> VerifiedRecord:
        """A record's envelope, opened with the principal's keys and held against its entry. Asks no permission.

        Raises:
            KeyUnavailable, IntegrityError, StorageError: as ``read``.
        """
        envelope = self.envelope(history, entry)
        data_key = self._unsealer.data_key(consent, envelope, entry.number, self._purpose)
        fact = envelopes.Entry(
            pointer=envelope.pointer,
            author=entry.author,
            on_behalf_of=entry.on_behalf_of,
            compartments=entry.compartments,
            claim=entry.claim,
            replaces=entry.replaces,
        )
        return envelopes.verify(envelope, data_key, self._place, fact, self._ledger.check_contract)

    def envelope(self, history: History, entry: Entry) -> UnverifiedEnvelope:
        """A record's envelope, where it is now. Nothing in it is verified yet.

        Raises:
            RecordErased: the patient erased the record.
            FormatError, StorageError, BlockMismatch: it is none, or cannot be had.
        """
        return envelopes.parse(self._ledger.fetch(self._ledger.whereabouts(history, self._place).pointer(entry)))

    def _line(
        self,
        history: History,
        consent: Consent,
        names: Mapping[int, str],
        entry: Entry,
        problem: MedRecError | None,
        seen: _Seen,
    ) -> TimelineEntry:
        record: Record | None = None
        if entry.kind is Kind.RECORD and problem is None:
            try:
                record = self._open(history, consent, entry, seen)
            except MedRecError as error:
                problem = error
        return TimelineEntry(
            number=entry.number,
            kind=entry.kind,
            time=as_datetime(entry.time),
            author=checksum_address(entry.author),
            on_behalf_of=checksum_address(entry.on_behalf_of),
            compartments=tuple(
                names.get(number, f"#{number}") for number in compartments.numbers_in(entry.compartments)
            ),
            title=record.title if record else None,
            media_type=record.media_type if record else None,
            size=record.size if record else None,
            problem=problem,
            transaction=entry.transaction,
        )

    def _known_names(self, consent: Consent) -> Mapping[int, str]:
        try:
            return self._unsealer.names(consent, self._purpose)
        except MedRecError:
            return {}

    def _refusal(self, action: Action, mask: int) -> NotPermitted | None:
        try:
            self._require(action, mask)
        except NotPermitted as error:
            return error
        return None

    def _require(self, action: Action, mask: int) -> None:
        self._ledger.contract.require(
            self.patient, self._wallet.address, self._principal, action, compartments=mask, purpose=self._purpose
        )

    # --- private: appending -----------------------------------------------------------------------------------------

    def _require_replaceable(self, drafts: Sequence[Draft], numbers: Sequence[int]) -> None:
        """The contract only looks whether the history has such an entry."""
        replaced = [(draft.replaces, number) for draft, number in zip(drafts, numbers, strict=True)]
        if all(entry is None for entry, _ in replaced):
            return
        history = self._ledger.history(self.patient)
        for entry, number in replaced:
            if entry is not None and history.record(entry).compartments != 1 << number:
                raise InvalidInput(f"record {entry} lies in another compartment, so it cannot be replaced from here")

    def _seal(self, draft: Draft, compartment: int, signed: int, progress: Progress | None) -> _Sealed:
        """Seal and store the content, and have the author sign the statement."""
        title, media_type = draft.named()
        record_id, data_key, leaf_salt = new_record_id(), DataKey.generate(), secrets.token_bytes(SECRET_SIZE)
        with draft.open() as source:
            sealer = ContentSealer(source, data_key, record_id, leaf_salt, self._ledger.suite)
            body = self._store_content(_counted(sealer, progress))
        attestation = attest(
            self._wallet.sign_typed_data,
            self._place,
            record_id,
            metadata=Metadata(title, media_type, sealer.size, draft.created),
            author=address_bytes(self._wallet.address),
            on_behalf_of=address_bytes(self._principal),
            time=signed,
            content=sealer.root,
            leaf_salt=leaf_salt,
            replaces=0 if draft.replaces is None else record_number(draft.replaces),
            check_contract=self._ledger.check_contract,
        )
        if sealed_size(sealer.size) != (len(body) if isinstance(body, bytes) else body.size):
            raise InvalidInput("the source changed while it was read")
        return _Sealed(compartment, record_id, data_key, self._ledger.suite, body, attestation)

    def _store_content(self, chunks: Iterator[bytes]) -> Body:
        """The sealed content itself if it is short, else where it is now stored and was read back from."""
        first = next(chunks)
        second = next(chunks, None)
        if second is None and len(first) <= MAX_INLINE_SIZE:
            return first
        size = 0

        def counted() -> Iterator[bytes]:
            nonlocal size
            for chunk in (first, *([] if second is None else [second])):
                size += len(chunk)
                yield chunk
            for chunk in chunks:
                size += len(chunk)
                yield chunk

        return ContentFile(bytes(self._ledger.put_content(counted())), size)

    def _submit_until_fresh(self, sealed: Sequence[_Sealed]) -> list[Appended]:
        """Append; where the keys changed meanwhile, seal the envelopes anew. The content stays as it is."""
        for _ in range(ATTEMPTS - 1):
            try:
                with self._ledger.trial():
                    return self._submit(sealed)
            except StaleKeyring:
                continue
        with self._ledger.trial():
            return self._submit(sealed)

    def _submit(self, sealed: Sequence[_Sealed]) -> list[Appended]:
        """Make and store the envelopes by the author's rule, and append their pointers."""
        consent = self._ledger.consent(self.patient)
        now = self._ledger.now()
        targets = [
            author_rule.choose(
                consent, item.compartment, now, lambda who, at: self._ledger.readers_at(self.patient, who, at)
            )
            for item in sealed
        ]
        entries = [
            EntryInput(
                compartments=1 << item.compartment,
                replaces=item.attestation.replaces,
                pointer=self._ledger.put_block(item.envelope(self._place, target)),
                claim=item.attestation.claim(self._place, item.record_id),
            )
            for item, target in zip(sealed, targets, strict=True)
        ]
        call = self._ledger.contract.append_many(
            self.patient,
            self._principal,
            keyring_version=consent.keyring_version,
            purpose=self._purpose,
            entries=entries,
        )
        if len(entries) == 1:
            call = self._ledger.contract.append(
                self.patient,
                self._principal,
                keyring_version=consent.keyring_version,
                purpose=self._purpose,
                entry=entries[0],
            )
        receipt = self._ledger.send(self._wallet, call)
        first = _first_number(receipt)
        return [
            Appended(first + place, item.record_id, target.destination.kind is envelopes.Kind.INBOX, receipt)
            for place, (item, target) in enumerate(zip(sealed, targets, strict=True))
        ]


def warn_unreadable(entry: Entry, error: MedRecError) -> None:
    """Warn that a record is passed over."""
    warnings.warn(f"entry {entry.number}, a record, was passed over: {error}", RecordUnreadable, stacklevel=3)


def _first_number(receipt: Receipt) -> int:
    """The number of the first entry that a transaction appended."""
    appended = next(receipt.every(HistoryEvent), None)
    if appended is None:
        raise IntegrityError(f"the node left the entries out of the receipt of {receipt.transaction}")
    return appended.state_before.length + 1


def _counted(chunks: ContentSealer, progress: Progress | None) -> Iterator[bytes]:
    for chunk in chunks:
        if progress is not None:
            progress(len(chunk))
        yield chunk
