"""What was decided for a patient, by whom: permissions, keyrings, the wallet. Not only what still stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache

from medrec_py.chain.events import (
    Event,
    KeyringPublished,
    Logged,
    PatientRegistered,
    PermissionGranted,
    PermissionRevoked,
    WalletChanged,
)
from medrec_py.chain.types import Flag
from medrec_py.ledger import Ledger
from medrec_py.times import as_datetime


class Decided(Enum):
    """Kinds of decisions. The values say them in words."""

    REGISTERED = "registered"
    WALLET_CHANGED = "wallet changed"
    KEYS_CHANGED = "keys changed"
    APPOINTED = "representative appointed"
    GRANTED = "granted"
    REVOKED = "revoked"
    RESIGNED = "resigned"


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """One decision.

    Attributes:
        kind: What it is.
        time: Of its block.
        by: Who decided, EIP-55.
        by_representative: Whether that was a representative, and not the wallet that decided for the patient then.
        about: Whom it concerns: the grantee, or the wallet; ``None`` for keys.
        compartments: Mask of those that it names.
        transaction: Hash.
    """

    kind: Decided
    time: datetime
    by: str
    by_representative: bool
    about: str | None
    compartments: int
    transaction: str


def decision_lines(ledger: Ledger, patient: str) -> Iterator[DecisionLine]:
    """The decisions of a patient and its representatives, in order, held against the contract's keyring version.

    Args:
        ledger: Chain and store.
        patient: Patient id, EIP-55.

    Raises:
        HistoryMismatch: the node left out or invented one that changed keys.
    """
    time = cache(lambda block: as_datetime(ledger.chain.block(block).timestamp))
    wallet = ""
    for logged, decided in _read(ledger.decisions(patient)):
        kind, by, about, compartments = decided
        if kind in {Decided.REGISTERED, Decided.WALLET_CHANGED}:
            wallet, is_other = about or "", False
        else:
            is_other = by != wallet
        yield DecisionLine(kind, time(logged.block), by, is_other, about, compartments, logged.transaction)


def _read(
    events: Iterable[Logged[Event]],
) -> Iterator[tuple[Logged[Event], tuple[Decided, str, str | None, int]]]:
    """Each event with kind, by whom, about whom, and compartments."""
    for logged in events:
        match logged.event:
            case PatientRegistered() as event:
                yield logged, (Decided.REGISTERED, event.by, event.wallet, 0)
            case WalletChanged() as event:
                yield logged, (Decided.WALLET_CHANGED, event.by, event.wallet, 0)
            case KeyringPublished() as event:
                yield logged, (Decided.KEYS_CHANGED, event.author, None, event.compartments)
            case PermissionGranted() as event:
                kind = Decided.APPOINTED if event.terms.flags & Flag.MANAGE else Decided.GRANTED
                yield logged, (kind, event.by, event.grantee, event.terms.read | event.terms.append)
            case PermissionRevoked() as event:
                kind = Decided.RESIGNED if event.by == event.grantee else Decided.REVOKED
                yield logged, (kind, event.by, event.grantee, event.lost)
            case _:
                pass  # no other kind was asked for
