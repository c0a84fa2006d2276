"""What was decided for a patient, by whom: permissions, keyrings, wallet, guardians. Not only what still stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache

from medrec_py.chain.events import (
    Event,
    GuardiansSet,
    KeyringPublished,
    Logged,
    PatientRegistered,
    PermissionGranted,
    PermissionRevoked,
    RecoveryBegun,
    RecoveryStopped,
    WalletChanged,
)
from medrec_py.chain.logs import fetch_logs
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
    GUARDIANS_SET = "guardians set"
    GUARDIANS_REMOVED = "guardians removed"
    RECOVERY_BEGUN = "recovery begun by guardians"
    RECOVERY_STOPPED = "recovery stopped"

    @property
    def is_the_wallets(self) -> bool:
        """Whether it says which wallet decides from then on, or may: no representative does that."""
        return self in {Decided.REGISTERED, Decided.WALLET_CHANGED, Decided.RECOVERY_BEGUN}


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """One decision.

    Attributes:
        kind: What it is.
        time: Of its block.
        by: Who decided, EIP-55; of a recovery that guardians began, the new wallet.
        by_representative: Whether that was a representative, and not the wallet that decided for the patient then.
        about: Whom it concerns: the grantee, or the wallet; ``None`` for keys and guardians.
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
    """The decisions of a patient, its representatives and guardians, in order.

    Held against the contract's keyring version and wallet; nothing shows that none about guardians was left out.

    Args:
        ledger: Chain and store.
        patient: Patient id, EIP-55.

    Raises:
        HistoryMismatch: the node left out or invented one that changed keys, or the wallet.
    """
    time = cache(lambda block: as_datetime(ledger.chain.block(block).timestamp))
    wallet = ""
    guarded = fetch_logs(
        ledger.contract,
        [GuardiansSet, RecoveryBegun, RecoveryStopped],
        from_block=ledger.first_block,
        patient=patient,
    )
    events = sorted([*ledger.decisions(patient), *guarded], key=lambda logged: (logged.block, logged.index))
    for logged, decided in _read(events):
        kind, by, about, compartments = decided
        if kind in {Decided.REGISTERED, Decided.WALLET_CHANGED}:
            wallet = about or ""
        is_other = not kind.is_the_wallets and by != wallet
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
            case GuardiansSet() as event:
                kind = Decided.GUARDIANS_SET if any(event.guardians) else Decided.GUARDIANS_REMOVED
                yield logged, (kind, event.by, None, 0)
            case RecoveryBegun() as event:
                yield logged, (Decided.RECOVERY_BEGUN, event.wallet, event.wallet, 0)
            case RecoveryStopped() as event:
                yield logged, (Decided.RECOVERY_STOPPED, event.by, None, 0)
            case _:
                pass  # no other kind was asked for
