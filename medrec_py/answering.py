"""The patient's side of requests for access: what waits, held against signatures and chain, and answering it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medrec_py.access_facts import AccessFacts
from medrec_py.chain.types import Denial, ProviderKind, address_bytes, address_of
from medrec_py.crypto import access_answer, access_request, letter
from medrec_py.crypto.access_answer import Reason
from medrec_py.crypto.access_request import AccessRequest, SignedRequest, Wish
from medrec_py.crypto.exchange import Exchange
from medrec_py.crypto.letter import Recipient
from medrec_py.crypto.posting import Posting
from medrec_py.errors import (
    AccessMismatch,
    AnsweredAlready,
    FormatError,
    IntegrityError,
    InvalidInput,
    KeyUnavailable,
    MedRecError,
    NotFound,
    NotPermitted,
    RelayError,
    RequestNotFound,
    StorageError,
)
from medrec_py.ledger import Ledger
from medrec_py.mail import Waiting
from medrec_py.purposes import Purpose
from medrec_py.root_keys import RootKeys
from medrec_py.standing import denial_of, refusal_of
from medrec_py.wallet import Signer

if TYPE_CHECKING:
    from medrec_py.deciding import Granted


ID_BEGINNING = 18
"""Characters of an id that name a request: 0x and 16 digits. Whoever asks can try wishes until a request's id begins
like that of somebody else's; that many digits nobody gets to, and fewer are no answer to the question who is meant."""


class AnswerNotPosted(UserWarning):
    """Access was granted, and the requester could not be told so in an answer. The grant itself stands."""


@dataclass(frozen=True, slots=True)
class ReceivedRequest(AccessFacts):
    """A request whose signature and whose standing on the chain were checked.

    Attributes:
        signed: The request, and what it asks.
        kind: What the provider is that would be granted.
        accredited_until: First second after its accreditation, Unix time.
        agent_until: First second at which the requester is no longer its agent; ``None`` if it asks for itself.
        name: Of the provider, as it calls itself in its profile: nobody has checked it. Empty if it has none, ``None``
            if its profile cannot be had.
        requester_name: Of the requester, likewise.
    """

    signed: SignedRequest
    kind: ProviderKind
    accredited_until: int
    agent_until: int | None
    name: str | None
    requester_name: str | None

    @property
    def wish(self) -> Wish:
        """What is asked, and why."""
        return self.signed.wish

    @property
    def _request(self) -> AccessRequest:
        return self.signed.request


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What came as a request and does not count.

    Attributes:
        id: What the relayer calls it.
        error: Why: forged, altered, for somebody else, from nobody who may ask, or sealed to a key of the past.
    """

    id: str
    error: MedRecError


@dataclass(frozen=True, slots=True)
class ReceivedRequests:
    """What waits for a patient; iterating gives the requests that count.

    Attributes:
        requests: The oldest first, as far as the relayer tells.
        left_out: What does not count.
    """

    requests: tuple[ReceivedRequest, ...]
    left_out: tuple[LeftOut, ...]

    def __iter__(self) -> Iterator[ReceivedRequest]:
        return iter(self.requests)

    def __len__(self) -> int:
        return len(self.requests)

    def find(self, beginning: str) -> ReceivedRequest:
        """The request whose id begins so.

        Raises:
            RequestNotFound: none does.
            InvalidInput: several do, or it has fewer than 16 digits, with which another's id can be made to begin.
        """
        if len(beginning) < ID_BEGINNING:
            raise InvalidInput(f"give at least {ID_BEGINNING - 2} digits of a request's id, behind 0x")
        found = [one for one in self.requests if one.id.startswith(beginning.lower())]
        if not found:
            raise RequestNotFound(f"no request {beginning} waits that counts")
        if len(found) > 1:
            raise InvalidInput(f"{len(found)} requests begin with {beginning}: give more of the id")
        return found[0]


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered.

    Attributes:
        exchange: Request and answer, for keeping: ``to_json`` writes it down.
        granted: What was granted; ``None`` if it was refused.
        is_posted: The relayer has the answer. If not, ``Patient.post_answer`` hands it over again.
    """

    exchange: Exchange
    granted: Granted | None = field(repr=False)
    is_posted: bool


class Answering:
    """Reads and answers what is asked of one patient.

    Args:
        ledger: Chain, store and mail.
        wallet: Decides for the patient.
        patient: Patient id, EIP-55.
        keys: The patient's.
    """

    def __init__(self, ledger: Ledger, wallet: Signer, patient: str, keys: RootKeys) -> None:
        self._ledger = ledger
        self._wallet = wallet
        self._patient = patient
        self._place = ledger.place(patient)
        self._keys = keys

    # --- reading ----------------------------------------------------------------------------------

    def requests(self) -> ReceivedRequests:
        """See ``Patient.requests``."""
        now = self._ledger.now()
        received: dict[bytes, ReceivedRequest] = {}  # a relayer may show one twice
        left_out: list[LeftOut] = []
        for one in self._ledger.mail.waiting_for(self._patient):
            try:
                received.setdefault(one.id, self._received(one, now))
            except (FormatError, IntegrityError, KeyUnavailable, NotPermitted) as error:
                left_out.append(LeftOut("0x" + one.id.hex(), error))
        return ReceivedRequests(tuple(received.values()), tuple(left_out))

    def _received(self, waiting: Waiting, now: int) -> ReceivedRequest:
        sealed = letter.parse(waiting.letter)
        key = self._keys.inbox_key(self._place, sealed.suite, sealed.number)
        signed = access_request.open_letter(sealed, self._place, key).verify(self._ledger.check_contract)
        request = signed.request
        if request.digest() != waiting.id:
            raise AccessMismatch("the relayer calls the request by another id than its own")
        if request.deadline < now:
            raise AccessMismatch("the request's time is over")
        self._require_standing(request)
        principal, requester = address_of(request.on_behalf_of), address_of(request.requester)
        state = self._ledger.contract.provider_of(principal)
        is_agent = principal != requester
        return ReceivedRequest(
            signed,
            kind=state.kind,
            accredited_until=state.expiry,
            agent_until=self._ledger.contract.agent_until(principal, requester) if is_agent else None,
            name=self._name(principal),
            requester_name=self._name(requester),
        )

    def _require_standing(self, request: AccessRequest) -> None:
        denial = denial_of(self._ledger.contract, request)
        if denial is not Denial.NONE:
            raise refusal_of(request, denial)

    def _name(self, account: str) -> str | None:
        try:
            return self._ledger.profile(account).name
        except (NotFound, StorageError, IntegrityError, FormatError):
            return None

    # --- answering --------------------------------------------------------------------------------

    def refuse(self, request: ReceivedRequest, reason: str) -> Answered:
        """See ``Patient.refuse_request``."""
        to, why = self._ready(request, reason)
        exchange = self._signed(request, 0, why)
        try:
            self._post(exchange, to)
        except RelayError as error:  # it may have been taken all the same
            error.exchange = exchange
            raise
        return Answered(exchange, None, True)

    def grant(
        self,
        request: ReceivedRequest,
        reason: str,
        grant: Callable[[], Granted],
    ) -> Answered:
        """Grant, and say so. See ``Patient.grant_request``.

        Args:
            request: What is answered.
            reason: In the patient's words.
            grant: Grants it.
        """
        to, why = self._ready(request, reason)
        granted = grant()
        exchange = Exchange(request.signed)
        try:
            exchange = self._signed(request, granted.version, why)
            self._post(exchange, to)
        except MedRecError as error:  # what was granted stands, whatever becomes of telling so
            warnings.warn(f"granted, but the requester was not told: {error}", AnswerNotPosted, stacklevel=4)
            return Answered(exchange, granted, False)
        return Answered(exchange, granted, True)

    def post(self, exchange: Exchange) -> None:
        """Hand an answer over once more. See ``Patient.post_answer``."""
        if exchange.answer is None or exchange.request.request.place != self._place:
            raise InvalidInput("that is no answer of this patient's")
        self._post(exchange, self._requesters_key(exchange.request.request))

    def require_within(
        self,
        request: ReceivedRequest,
        *,
        read: Sequence[str],
        append: Sequence[str],
        purposes: Sequence[Purpose],
        expiry: int,
        history: bool,
    ) -> None:
        """No answer gives more than was asked for: that would be a grant of its own.

        Raises:
            InvalidInput: it would.
        """
        wish = request.wish
        if not read and not append:
            raise InvalidInput("name compartments to read or to append to; to grant nothing, refuse the request")
        beyond = [
            what
            for what, more in (
                ("reading", bool(read) and not wish.read),
                ("appending", bool(append) and not wish.append),
                ("what was written before", history and not wish.history),
                ("a purpose of use", bool(set(purposes) - set(request.purposes))),
                ("a later end", expiry > request.expiry),
            )
            if more
        ]
        if beyond:
            raise InvalidInput(
                f"the request does not ask for {', '.join(beyond)}: a grant of the patient's own can give more"
            )

    # --- private ----------------------------------------------------------------------------------

    def _ready(self, request: ReceivedRequest, reason: str) -> tuple[Recipient, Reason]:
        """What an answer takes, looked for before anything is decided."""
        asked, why = request.signed.request, Reason(reason)
        if asked.place != self._place:
            raise InvalidInput("the request is to another patient")
        if self._ledger.contract.patient_of(self._patient).wallet != self._wallet.address:
            raise InvalidInput(f"{self._wallet.address} does not decide for {self._patient}")
        if asked.deadline < self._ledger.now():
            raise RequestNotFound("the request's time is over: whoever asked may ask again")
        self._require_standing(asked)
        if self._ledger.mail.answer_to(asked.digest()) is not None:
            raise AnsweredAlready("the request was answered before, from another device for instance")
        return self._requesters_key(asked), why

    def _requesters_key(self, request: AccessRequest) -> Recipient:
        account = address_of(request.requester)
        public_key = self._ledger.key_of(account)  # of the deployment's suite, or it raises
        number = self._ledger.profile(account).number
        return Recipient(self._ledger.deployment, request.requester, number, self._ledger.suite, public_key)

    def _signed(self, request: ReceivedRequest, version: int, reason: Reason) -> Exchange:
        signer, now = address_bytes(self._wallet.address), self._ledger.signing_time()
        asked = request.signed.request
        check = self._ledger.check_contract
        answer = access_answer.build(self._wallet.sign_typed_data, asked, signer, version, reason, now, check)
        return Exchange(request.signed, answer)

    def _post(self, exchange: Exchange, to: Recipient) -> None:
        answer = exchange.answer
        assert answer is not None  # noqa: S101 - whoever posts one has it
        self._ledger.mail.post(Posting(answer.answer, answer.signature, answer.seal(to)))
