"""Answers to requests for access, held against the chain: who has both can follow them to the grant."""

from __future__ import annotations

from dataclasses import dataclass, field

from medrec_py.chain.events import PatientRegistered, PermissionGranted, WalletChanged
from medrec_py.chain.types import Flag, Terms, address_of
from medrec_py.crypto.access_answer import AccessAnswer
from medrec_py.crypto.exchange import Exchange, UnverifiedExchange
from medrec_py.errors import AccessMismatch, RequestNotFound
from medrec_py.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was verified.

    Attributes:
        exchange: Request and answer, for keeping: ``to_json`` writes it down.
        terms: What was granted, as its event on the chain has it; ``None`` if it was refused.
        reason: What the patient had to say.
        time: When it was signed, Unix time, as the patient's wallet says.
    """

    exchange: Exchange
    terms: Terms | None
    reason: str = field(repr=False)
    time: int

    @property
    def is_granted(self) -> bool:
        """Whether something was granted."""
        return self.terms is not None

    @property
    def is_whole(self) -> bool:
        """Whether all kinds of access, all purposes and all of the time that was asked for were granted.

        Which compartments these are is the patient's to choose.
        """
        if self.terms is None:
            return False
        asked, wish = self.exchange.request.request, self.exchange.request.wish
        return (
            asked.purposes & ~self.terms.purposes == 0
            and self.terms.expiry >= asked.expiry
            and bool(self.terms.read) >= wish.read
            and bool(self.terms.append) >= wish.append
            and bool(self.terms.flags & Flag.HISTORY) >= wish.history
        )

    @property
    def version(self) -> int:
        """Of the permission that was granted; zero if it was refused."""
        answer = self.exchange.answer
        return 0 if answer is None else answer.answer.version


def check_exchange(ledger: Ledger, unverified: UnverifiedExchange) -> Answer:
    """What was asked and answered, if both sides signed it and the chain bears it out.

    Raises:
        RequestNotFound: it was not answered.
        AccessMismatch: words and signatures do not fit, or the chain has nothing of what was answered.
        SignatureMissing: somebody did not sign.
        HistoryMismatch: the node left out or invented a decision of the patient's.
        ChainUnavailable: it does not answer.
    """
    exchange = unverified.verify(ledger.check_contract)
    place = exchange.request.request.place
    if (place.chain_id, place.contract) != (ledger.deployment.chain_id, ledger.deployment.contract):
        raise AccessMismatch("the request belongs to another chain or contract")
    if exchange.answer is None:
        raise RequestNotFound("there is no answer to the request in it")
    answer = exchange.answer.answer
    terms: Terms | None = None
    if answer.is_granted:
        terms = _granted(ledger, answer)
    else:
        _require_decider(ledger, answer)
    return Answer(exchange, terms, exchange.answer.reason.text, answer.time)


def _granted(ledger: Ledger, answer: AccessAnswer) -> Terms:
    """The terms of the version that the answer names, if the patient's wallet granted them, and signed the answer."""
    signer, principal = address_of(answer.signer), address_of(answer.on_behalf_of)
    wallet = ""
    for event in (logged.event for logged in ledger.decisions(address_of(answer.place.patient))):
        if isinstance(event, PatientRegistered | WalletChanged):
            wallet = event.wallet
        elif isinstance(event, PermissionGranted) and (event.grantee, event.version) == (principal, answer.version):
            if not event.by == signer == wallet:
                raise AccessMismatch(f"the answer is signed by {signer}, who has not granted what it names")
            return event.terms
    raise AccessMismatch(
        f"the answer names version {answer.version} of a permission for {principal}, and the chain has no such grant"
    )


def _require_decider(ledger: Ledger, answer: AccessAnswer) -> None:
    """A refusal leaves no trace on the chain: the wallet that decides now must have signed it."""
    signer, patient = address_of(answer.signer), address_of(answer.place.patient)
    if ledger.contract.patient_of(patient).wallet != signer:
        raise AccessMismatch(f"the answer is signed by {signer}, which does not decide for {patient}")
