"""The agent's side of a key service."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

from medrec_py.chain.types import address_bytes
from medrec_py.consent import Consent
from medrec_py.crypto.envelope import UnverifiedEnvelope
from medrec_py.crypto.keys import DataKey, KemSeed, Place
from medrec_py.crypto.suites import Suite
from medrec_py.crypto.typed_data import sign
from medrec_py.errors import ContentTampered, KeyServiceUnavailable
from medrec_py.keyservice import answer, faults, request
from medrec_py.keyservice.request import NONCE_SIZE, Request, What
from medrec_py.party import Account, address_of
from medrec_py.purposes import Purpose
from medrec_py.transport import Transport
from medrec_py.wallet import Signer

PATH: Final = "/v1/open"
TIMEOUT: Final = 30.0
_NOTHING: Final = bytes(32)


class KeyServiceClient:
    """An organisation's keys as its agents have them: in its key service, which is asked for each record.

    It is an ``Unsealer``::

        with medrec.KeyServiceClient("unix:/run/medrec/keys.sock", doctor_wallet, hospital_address) as keys:
            chart = net.mandate(doctor_wallet, hospital_address, keys).chart(patient)

    Every request is signed by the agent's wallet, stands for one record and one purpose, and is answered to a one-time
    key. The service asks the contract each time, so an agent who is dismissed is refused from the next transaction on;
    the data keys of records that it opened before it has had, and they open those records for good.

    May be shared between threads, if the wallet may.

    Args:
        address: Of the service: ``unix:/path/to/socket``, ``https://host:port``, or ``http://`` on this machine.
        wallet: The agent's.
        principal: Whom it acts for.
        timeout: Seconds until a request is given up.

    Raises:
        InvalidInput: the address cannot be used.
    """

    def __init__(self, address: str, wallet: Signer, principal: Account, *, timeout: float = TIMEOUT) -> None:
        self._transport = Transport(address, timeout, "key service", KeyServiceUnavailable)
        self._wallet = wallet
        self._principal = address_bytes(address_of(principal))

    def data_key(self, consent: Consent, envelope: UnverifiedEnvelope, entry: int, purpose: Purpose) -> DataKey:
        """As ``Unsealer``.

        Raises:
            NotPermitted: this agent does not act for the principal, or the patient does not allow it (any longer).
            KeyServiceUnavailable: the service does not answer.
            KeyServiceError: it refuses for another reason.
            KeyUnavailable, IntegrityError, StorageError, ChainError: what the service met.
        """
        asked, seed = self._request(What.DATA_KEY, consent.place, envelope.suite, purpose, entry, envelope.pointer)
        data_key = answer.open_data_key(asked, seed, self._ask(asked))
        if not hmac.compare_digest(data_key.commitment(envelope.suite.number, envelope.record_id), envelope.commitment):
            raise ContentTampered("the key service gave another data key than the envelope commits to")
        return data_key

    def names(self, consent: Consent, purpose: Purpose) -> Mapping[int, str]:
        """As ``Unsealer``; for agents who may read or append something. Raises as ``data_key``."""
        keyrings = consent.keyrings
        _, newest = keyrings.latest_by_patient()
        asked, seed = self._request(What.NAMES, consent.place, newest.suite, purpose)
        return answer.open_names(asked, seed, self._ask(asked))

    def close(self) -> None:
        """Close the connections. Closing twice is as once."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _request(
        self, what: What, place: Place, suite: Suite, purpose: Purpose, entry: int = 0, pointer: bytes = _NOTHING
    ) -> tuple[Request, KemSeed]:
        seed = KemSeed.generate()
        made = Request(
            what=what,
            place=place,
            agent=address_bytes(self._wallet.address),
            principal=self._principal,
            entry=entry,
            pointer=pointer,
            purpose=purpose,
            suite=suite,
            recipient=suite.public_key(seed),
            time=int(time.time()),
            nonce=secrets.token_bytes(NONCE_SIZE),
        )
        return made, seed

    def _ask(self, asked: Request) -> bytes:
        signature = sign(self._wallet.sign_typed_data, asked.agent, asked.typed_data(), asked.digest)
        reply = self._transport.post(PATH, request.encode(asked, signature), answer.MAX_ANSWER)
        if reply.status != HTTPStatus.OK:
            raise faults.decode(reply.body, asked)
        return reply.body
