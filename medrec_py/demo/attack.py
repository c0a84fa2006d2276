"""What somebody tries who was turned away: past the SDK's own refusals, with every block, event and kept key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from medrec_py import records
from medrec_py.chain.transactions import Call
from medrec_py.chart import Chart
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto.envelope import UnverifiedEnvelope
from medrec_py.crypto.keys import EpochId, KemSeed
from medrec_py.errors import KeysMissing, WrongKey
from medrec_py.ledger import Ledger
from medrec_py.party import PROFILE_KEY_NUMBER
from medrec_py.unsealing import ReaderKeys, Unsealer
from medrec_py.wallet import Signer, Wallet


@dataclass(frozen=True, slots=True)
class Intruder:
    """Reads from the chain and the store directly; nobody is asked whether it may.

    Attributes:
        ledger: A connection of its own, with nothing cached that the SDK has checked.
        patient: Whose record it wants, EIP-55.
        wallet: Its own.
    """

    ledger: Ledger
    patient: str
    wallet: Signer

    def open(self, number: int, keys: Unsealer) -> bytes:
        """A record's content.

        Raises:
            KeyUnavailable: the keys do not open it.
        """
        chart = Chart(self.ledger, self.patient, self.wallet, self.wallet.address, keys)
        history, consent = self.ledger.history(self.patient), self.ledger.consent(self.patient)
        entry = history.record(number)
        return records.from_verified(chart.verified(history, consent, entry), entry, None, self.ledger.store).read()

    def envelope(self, number: int) -> UnverifiedEnvelope:
        """A record's envelope, which anybody can fetch."""
        entry = self.ledger.history(self.patient).record(number)
        return envelopes.parse(self.ledger.fetch(entry.pointer))

    def keep_keys(self, wallet: Wallet, keys: ReaderKeys) -> KeptKeys:
        """Copy every key that a reader can open now: its own, and those of all epochs that were sealed to it."""
        seeds: dict[str, KemSeed] = {}
        account = bytes.fromhex(wallet.address[2:])
        if wallet.root is not None:
            deployment, suite = self.ledger.deployment, self.ledger.suite
            seeds["the profile's"] = wallet.root.profile_key(suite.number, deployment, account, PROFILE_KEY_NUMBER)
        consent = self.ledger.consent(self.patient)
        for epoch in consent.keyrings:
            try:
                seeds[_name(epoch)] = keys.epoch_keys(consent, epoch).seed
            except KeysMissing:
                continue
        return KeptKeys(seeds)

    def try_all(self, number: int, kept: KeptKeys) -> str | None:
        """Try every kept key on a record's envelope. Returns the name of one that opens it, ``None`` if none does."""
        envelope, place = self.envelope(number), self.ledger.place(self.patient)
        for name, seed in kept.seeds.items():
            try:
                envelopes.open_data_key(envelope, place, seed)
            except WrongKey:
                continue
            return name
        return None


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """Private keys that a reader kept, by name."""

    seeds: dict[str, KemSeed] = field(repr=False)


def _name(epoch: EpochId) -> str:
    return f"epoch {epoch.number} of compartment {epoch.compartment}"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A transaction that was prepared and not sent.

    Attributes:
        call: What it calls.
        gas: Its gas limit, as it was estimated then.
    """

    call: Call
    gas: int


def hold_back(wallet: Wallet, append: Callable[[Signer], object]) -> HeldBack:
    """Have a record sealed, stored, and everything prepared, and stop at the wallet.

    Args:
        wallet: Whose.
        append: Appends with the signer that it is given.

    Raises:
        MedRecError: it was refused before it came so far.
    """
    pen = _Hesitating(wallet)
    try:
        append(pen)
    except _Held as held:
        return held.transaction
    raise AssertionError("nothing was to be signed")


class _Held(Exception):
    def __init__(self, transaction: HeldBack) -> None:
        super().__init__("held back")
        self.transaction = transaction


class _Hesitating:
    """A wallet that signs statements and keeps transactions back."""

    def __init__(self, wallet: Wallet) -> None:
        self._wallet = wallet

    @property
    def address(self) -> str:
        return self._wallet.address

    def sign_typed_data(self, document: dict[str, Any], /) -> bytes:
        return self._wallet.sign_typed_data(document)

    def sign_transaction(self, transaction: dict[str, Any], /) -> NoReturn:
        raise _Held(HeldBack(Call(transaction["to"], transaction["data"]), transaction["gas"]))
