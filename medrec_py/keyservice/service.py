"""What a key service does with a request: whose is it, may they, open it, enter it, give it.

It opens the data key of one record and never sees the record. The epoch keys that it finds in seals on the way are in
its memory alone; the profile's private keys are in the module.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from medrec_py.chain.types import Action, Denial, address_bytes
from medrec_py.chart import Chart
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.errors import (
    KeyServiceError,
    MedRecError,
    RecordNotFound,
    RequestElsewhere,
    StatementMismatch,
)
from medrec_py.keymodule import KeySession
from medrec_py.keyservice import answer, faults
from medrec_py.keyservice.account import GRANTED, Account, Head, Line
from medrec_py.keyservice.freshness import WINDOW, Freshness
from medrec_py.keyservice.request import Request, What, parse
from medrec_py.ledger import Ledger
from medrec_py.unsealing import ReaderKeys
from medrec_py.wallet import Locked


class KeyService:
    """Opens data keys of one principal for its agents. May be shared between threads.

    Args:
        ledger: Chain and store.
        module: Has the principal's profile keys.
        principal: Whose they are, EIP-55.
        account: Where every request is entered.
        now: Unix time.
    """

    def __init__(
        self,
        ledger: Ledger,
        module: KeySession,
        principal: str,
        account: Account,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._now = now
        self.principal = principal
        self._keys = ReaderKeys(module, ledger.deployment, address_bytes(principal))
        remembered = ((address_bytes(line.agent), bytes.fromhex(line.nonce), line.asked) for line in account.recent)
        self._freshness = Freshness(now, remembered)

    @classmethod
    def open(
        cls, ledger: Ledger, module: KeySession, principal: str, account: Path, now: Callable[[], float] = time.time
    ) -> Self:
        """A service with the account in a file. Raises as ``Account``."""
        seconds = int(now())
        kept = Account(account, ledger.deployment, address_bytes(principal), seconds, since=seconds - WINDOW)
        return cls(ledger, module, principal, kept, now)

    @property
    def head(self) -> Head:
        """The end of the account: note it elsewhere from time to time."""
        return self._account.head

    def close(self) -> None:
        """Let go of the account. Closing twice is as once."""
        self._account.close()

    def handle(self, body: bytes) -> bytes:
        """Answer a request: sealed to the one-time key in it, once the account has it on the disk.

        Args:
            body: As it came.

        Raises:
            RequestRefused: it is not what an agent asked of this service, now, for the first time.
            NotPermitted: the agent does not act for the principal (any longer), or the patient does not allow it.
            KeyUnavailable: no key of the principal's opens it.
            RecordNotFound: there is no such record, or it is elsewhere by now.
            AccountUnwritable, AccountAltered: the account cannot be kept, so nothing is given.
            IntegrityError, StorageError, ChainError: as ``Chart.read``.
        """
        request = self._authentic(body)
        try:
            sealed = self._open(request)
        except MedRecError as error:
            self._enter(request, faults.name_of(error))
            raise
        except Exception as error:
            self._enter(request, KeyServiceError.__name__)
            raise KeyServiceError("the key service failed") from error
        self._enter(request, GRANTED)
        return sealed

    def _authentic(self, body: bytes) -> Request:
        """The request, if an agent made it for this service, now, for the first time. Others do not reach the account.

        What stands in a request that nobody signed would only let strangers write into it.
        """
        unverified = parse(body)
        self._check_address(unverified.content)
        request = unverified.verify()
        self._freshness.admit(request)
        return request

    def _check_address(self, request: Request) -> None:
        here, there = self._ledger.deployment, request.deployment
        if there != here:
            raise RequestElsewhere(
                f"the request is for contract {checksum_address(there.contract)} on chain {there.chain_id}, and this "
                f"service serves {checksum_address(here.contract)} on chain {here.chain_id}"
            )
        if request.principal != address_bytes(self.principal):
            principal = checksum_address(request.principal)
            raise RequestElsewhere(f"the request is for {principal}, and this is the service of {self.principal}")

    def _open(self, request: Request) -> bytes:
        if request.what is What.NAMES:
            return self._names(request)
        return self._data_key(request)

    def _data_key(self, request: Request) -> bytes:
        patient, agent = checksum_address(request.place.patient), checksum_address(request.agent)
        self._require(request, Action.READ, 0)  # a stranger costs one call
        history = self._ledger.history(patient)
        entry = history.record(request.entry)
        self._require(request, Action.READ, entry.compartments)
        chart = Chart(self._ledger, patient, Locked(agent), self.principal, self._keys, request.purpose)
        envelope = chart.envelope(history, entry)
        if envelope.pointer != request.pointer:
            raise RecordNotFound(f"the record of entry {entry.number} is elsewhere by now: read the history again")
        if not entry.compartments >> envelope.to.compartment & 1:
            # Or who may append could have an entry of one compartment point to an envelope of another.
            raise StatementMismatch("the compartment of the record is not that of its entry on chain")
        consent = self._ledger.consent(patient)
        return answer.seal_data_key(request, self._keys.data_key(consent, envelope, entry.number, request.purpose))

    def _names(self, request: Request) -> bytes:
        """Names are for whoever reads or appends something."""
        if self._denial(request, Action.APPEND, 0) is not Denial.NONE:
            self._require(request, Action.READ, 0)
        consent = self._ledger.consent(checksum_address(request.place.patient))
        return answer.seal_names(request, self._keys.names(consent, request.purpose))

    def _require(self, request: Request, action: Action, mask: int) -> None:
        self._ledger.contract.require(*self._people(request), action, mask, request.purpose)

    def _denial(self, request: Request, action: Action, mask: int) -> Denial:
        return self._ledger.contract.may(*self._people(request), action, mask, request.purpose)

    def _people(self, request: Request) -> tuple[str, str, str]:
        return checksum_address(request.place.patient), checksum_address(request.agent), self.principal

    def _enter(self, request: Request, outcome: str) -> None:
        self._account.write(Line.of(request, int(self._now()), outcome))
