"""The provider's side of requests for access: asking a patient, and reading the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from medrec_py.access_facts import AccessFacts
from medrec_py.answers import Answer, check_exchange
from medrec_py.chain.types import Denial, address_bytes, address_of
from medrec_py.crypto import access_answer, access_request, letter
from medrec_py.crypto.access_request import AccessRequest, SignedRequest, Wish
from medrec_py.crypto.exchange import Exchange, UnverifiedExchange
from medrec_py.crypto.keys import RootSecret
from medrec_py.crypto.letter import Letter, Recipient
from medrec_py.crypto.posting import Posting
from medrec_py.errors import AccessMismatch, FormatError, InvalidInput, RelayError, WrongKey
from medrec_py.keymodule import KeyId, KeyInModule, RootModule
from medrec_py.ledger import Ledger
from medrec_py.purposes import Purpose, purposes_mask
from medrec_py.standing import denial_of, refusal_of
from medrec_py.times import Moment, unix_time
from medrec_py.wallet import Signer

STANDS_FOR: Final = timedelta(days=30)
"""How long a request waits for an answer unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Asked(AccessFacts):
    """A request that was made here.

    Attributes:
        exchange: The request, for keeping: ``to_json`` writes it down.
    """

    exchange: Exchange

    @property
    def patient(self) -> str:
        """Who was asked, EIP-55."""
        return address_of(self._request.place.patient)

    @property
    def wish(self) -> Wish:
        """What was asked, and why."""
        return self.exchange.request.wish

    @property
    def _request(self) -> AccessRequest:
        return self.exchange.request.request


class Asking:
    """Asks patients for one account.

    Args:
        ledger: Chain, store and mail.
        wallet: Of the account that asks.
        root: What its profile keys are derived from: they open the answers.
    """

    def __init__(self, ledger: Ledger, wallet: Signer, root: RootSecret) -> None:
        self._ledger = ledger
        self._wallet = wallet
        self._root = root

    def ask(
        self,
        patient: str,
        principal: str,
        wish: Wish,
        purposes: Iterable[str | Purpose] | str | Purpose,
        expires: Moment,
        stands_for: timedelta,
    ) -> Asked:
        """See ``Provider.ask``."""
        now = self._ledger.now()
        request = AccessRequest(
            self._ledger.place(patient),
            requester=address_bytes(self._wallet.address),
            on_behalf_of=address_bytes(principal),
            purposes=purposes_mask(purposes),
            expiry=unix_time(expires, now),
            wish=wish.hash(),
            deadline=unix_time(stands_for, now),
        )
        if request.expiry <= now or request.deadline <= now:
            raise InvalidInput("a request asks for a time to come, and waits for its answer for a while")
        to = self._inbox(request)
        self._require_answerable(request)
        signed = access_request.build(self._wallet.sign_typed_data, request, wish, self._ledger.check_contract)
        exchange = Exchange(signed)
        try:
            self._post(signed, to)
        except RelayError as error:  # it may have been taken all the same
            error.exchange = exchange
            raise
        return Asked(exchange)

    def ask_again(self, asked: Asked) -> None:
        """Hand the same request over once more. Raises as ``ask``."""
        signed = asked.exchange.request
        if signed.request.deadline < self._ledger.now():
            raise InvalidInput("the request's time is over: ask anew")
        self._post(signed, self._inbox(signed.request))

    def answer(self, asked: Asked) -> Answer | None:
        """See ``Provider.answer``."""
        request = asked.exchange.request
        block = self._ledger.mail.answer_to(request.request.digest())
        if block is None:
            return None
        try:
            opened = self._opened(letter.parse(block), request.request)
        except (FormatError, WrongKey) as error:
            raise AccessMismatch(f"what came as the answer is none: {error}") from error
        answered = UnverifiedExchange.of(request, opened)
        return check_exchange(self._ledger, answered)

    # --- private ----------------------------------------------------------------------------------

    def _post(self, signed: SignedRequest, to: Recipient) -> None:
        self._ledger.mail.post(Posting(signed.request, signed.signature, signed.seal(to)))

    def _inbox(self, request: AccessRequest) -> Recipient:
        """Where the patient's client finds it: the same key that records are sealed to while keys change."""
        place = request.place
        suite, inbox = self._ledger.consent(address_of(place.patient)).keyrings.inbox()
        return Recipient(self._ledger.deployment, place.patient, inbox.number, suite, inbox.public_key)

    def _require_answerable(self, request: AccessRequest) -> None:
        """Nobody is asked what would not be taken, or by whom no answer could be opened."""
        denial = denial_of(self._ledger.contract, request)
        if denial is not Denial.NONE:
            raise refusal_of(request, denial)
        self._ledger.key_of(address_of(request.requester))
        self._ledger.key_of(address_of(request.on_behalf_of))

    def _opened(self, sealed: Letter, request: AccessRequest) -> access_answer.UnverifiedAnswer:
        for key in self._keys(sealed):
            return access_answer.open_letter(sealed, request, key)
        raise WrongKey(f"it is sealed to key {sealed.number}, which this account has not published")

    def _keys(self, sealed: Letter) -> Iterator[KeyInModule]:
        """The profile key that a letter is sealed to, if the account had it."""
        account = address_bytes(self._wallet.address)
        published = self._ledger.profile(self._wallet.address).number
        module = RootModule(self._root, published)
        for key in module.find(KeyId(sealed.suite.number, self._ledger.deployment, account)):
            if key.number == sealed.number:
                yield KeyInModule(module, key)
