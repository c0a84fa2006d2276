"""What a relayer counts, for Prometheus. No label names a patient, a client or a bundle."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)


class Metrics:
    """The counters of one relayer, in a registry of its own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.accepted = Counter("medrec_relay_bundles_accepted", "Bundles taken.", registry=registry)
        self.refused = Counter(
            "medrec_relay_bundles_refused", "Bundles not taken, by reason.", ["code"], registry=registry
        )
        self.decisions = Counter(
            "medrec_relay_decisions", "Decisions that came to an end, by outcome.", ["outcome"], registry=registry
        )
        self.transactions = Counter(
            "medrec_relay_transactions",
            "Transactions: signed, replaced by one that pays more, handed over again, mined, failed, void.",
            ["event"],
            registry=registry,
        )
        self.gas = Counter("medrec_relay_gas_used", "Gas of the mined transactions.", registry=registry)
        self.checked = Histogram(
            "medrec_relay_check_seconds", "From a whole request to its answer.", buckets=_SECONDS, registry=registry
        )
        self.mined = Histogram(
            "medrec_relay_mined_seconds", "From taking a bundle to its block.", buckets=_SECONDS, registry=registry
        )
        self.urgent = Histogram(
            "medrec_relay_urgent_seconds",
            "From taking an urgent bundle to its block.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.mail = Counter(
            "medrec_relay_mail",
            "Requests for access and answers taken, and requests forgotten.",
            ["event"],
            registry=registry,
        )
        self.mail_refused = Counter(
            "medrec_relay_mail_refused",
            "Requests for access and answers not taken, by reason.",
            ["code"],
            registry=registry,
        )
        self.mail_open = Gauge("medrec_relay_mail_open", "Requests for access without an answer.", registry=registry)
        self.queue = Gauge("medrec_relay_queue", "Bundles, by state.", ["state"], registry=registry)
        self.in_flight = Gauge("medrec_relay_in_flight", "Transactions that are not mined.", registry=registry)
        self.balance = Gauge("medrec_relay_balance_wei", "What the account has.", registry=registry)
        self.broke = Gauge(
            "medrec_relay_out_of_ether", "Whether the account cannot pay for a single decision.", registry=registry
        )
        self.node = Gauge("medrec_relay_node_up", "Whether the node answered last time.", registry=registry)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
