"""What a relayer takes, pays and keeps at the most."""

from __future__ import annotations

from dataclasses import dataclass

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class MailLimits:
    """Limits of what a relayer keeps of requests for access, and of answers to them.

    Attributes:
        per_principal: Requests to one patient, for one provider, that are not answered: whoever asks for it.
        per_patient: Requests to one patient that are not answered.
        per_provider: Requests for one provider that are kept, to whomever, answered ones included: a tenth of all, so
            that none fills the mailbox for the others.
        all: Requests that are kept, answered ones included.
        seconds: A request's deadline may be at most so far ahead.
        requester_burst: Requests of one account at once.
        requester_per_hour: Requests of one account in the long run.
        answer_seconds: How long an answer can be had, from when it came; and until the request's deadline at least.
    """

    per_principal: int = 3
    per_patient: int = 64
    per_provider: int = 5_000
    all: int = 50_000
    seconds: int = 90 * 24 * 3600
    requester_burst: int = 50
    requester_per_hour: float = 100.0
    answer_seconds: int = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a relayer.

    Attributes:
        queue: Bundles that wait or are on their way.
        queue_bytes: Bytes of them together.
        patient_burst: Decisions of one patient at once, of each account that signs them.
        patient_per_hour: Decisions of one patient in the long run, likewise.
        client_burst: Decisions from one address at once, and guardians' signatures; of IPv6 from a /64, and sixteen
            times as many from a /48.
        client_per_hour: Decisions from one address in the long run.
        account_per_hour: Of failed signatures of an account with code, so many are forgotten in an hour.
        gas_per_decision: Gas that a decision may use, its ERC-1271 signatures included.
        max_fee_per_gas: Highest price in wei per gas; whatever the chain asks for if ``None``.
        deadline_seconds: A bundle's deadline must be at least so far ahead of the chain's clock.
        in_flight: Transactions that are not mined yet.
        linger_seconds: How long the first waiting bundle waits for others to share its transaction.
        bump_seconds: After which a transaction that is not mined is replaced by one that pays more.
        keep_seconds: How long the outcome of a bundle can be asked for.
        least_balance: Wei; with less, no new bundles are taken.
    """

    queue: int = 10_000
    queue_bytes: int = 256 << 20
    patient_burst: int = 100
    patient_per_hour: float = 200.0
    client_burst: int = 100
    client_per_hour: float = 600.0
    account_per_hour: float = 1 / 24
    gas_per_decision: int = 600_000
    max_fee_per_gas: int | None = None
    deadline_seconds: int = 60
    in_flight: int = 8
    linger_seconds: float = 0.25
    bump_seconds: float = 45.0
    keep_seconds: float = 7 * 24 * HOUR
    least_balance: int = 0
