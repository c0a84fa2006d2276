"""Providers: organisations and practitioners, and those who act for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from medrec_py.answers import Answer
from medrec_py.asking import STANDS_FOR, Asked, Asking
from medrec_py.chain.transactions import Receipt
from medrec_py.chain.types import ProviderKind, ProviderState, address_bytes
from medrec_py.chart import Chart
from medrec_py.crypto.access_request import Wish
from medrec_py.crypto.exchange import UnverifiedExchange
from medrec_py.errors import InvalidInput
from medrec_py.ledger import Ledger
from medrec_py.party import Account, KeyedParty, address_of
from medrec_py.purposes import Purpose
from medrec_py.times import MAX_TIME, Moment, unix_time
from medrec_py.unsealing import NoKeys, Unsealer
from medrec_py.wallet import Signer

AGENT_TIME = timedelta(days=365)


class Provider(KeyedParty):
    """An accredited organisation or practitioner, or a relative: whoever holds permissions."""

    kind: ProviderKind = ProviderKind.NONE

    @property
    def state(self) -> ProviderState:
        """What the contract stores of this provider."""
        return self._ledger.contract.provider_of(self.address)

    def add_agent(self, agent: Account, expires: Moment = AGENT_TIME) -> Receipt:
        """Name an agent: it may append and enter accesses on this provider's behalf.

        Args:
            agent: Who.
            expires: First moment at which it no longer may.

        Raises:
            ContractError: it is this provider itself, or the moment has passed.

        Warning: the agent writes in this provider's name wherever this provider may append.
        """
        until = min(unix_time(expires, self._ledger.now()), MAX_TIME)
        return self._ledger.send(self._wallet, self._ledger.contract.name_agent(address_of(agent), until))

    def remove_agent(self, agent: Account) -> Receipt:
        """Dismiss an agent, from the next transaction on."""
        return self._ledger.send(self._wallet, self._ledger.contract.dismiss_agent(address_of(agent)))

    def is_agent(self, agent: Account) -> bool:
        """Whether ``agent`` may act for this provider now, as far as its time goes."""
        return self._ledger.contract.agent_until(self.address, address_of(agent)) > self._ledger.now()

    def ask(
        self,
        patient: Account,
        *,
        read: bool = False,
        append: bool = False,
        history: bool = False,
        compartments: Iterable[str] = (),
        what: str = "",
        why: str = "",
        purpose: str | Purpose | Iterable[str | Purpose] = Purpose.TREAT,
        expires: Moment,
        on_behalf_of: Account | None = None,
        stands_for: timedelta = STANDS_FOR,
    ) -> Asked:
        """Ask a patient for access, through a relayer, which sees who asks whom, and neither what nor why.

        Args:
            patient: Who is asked.
            read: To read.
            append: To append.
            history: To read what was written before, too.
            compartments: Names that may fit; the patient chooses.
            what: In words.
            why: In words.
            purpose: One purpose of use, or several.
            expires: First moment after the permission that is asked for.
            on_behalf_of: Who would be granted: a provider that named this one its agent; itself unless given.
            stands_for: How long the request waits for an answer.

        Raises:
            InvalidInput: a value cannot be used, or no relayer is known.
            NotPermitted: this provider is not accredited now, or is no agent of the other.
            ProfileNotFound: one of them has published no key.
            KeysMissing: nobody is registered as that patient.
            MailRefused, RelayerUnavailable: the relayer did not take it.
        """
        wish = Wish(read, append, history, tuple(compartments), what, why)
        principal = self.address if on_behalf_of is None else address_of(on_behalf_of)
        return self._asking().ask(address_of(patient), principal, wish, purpose, expires, stands_for)

    def ask_again(self, asked: Asked) -> None:
        """Hand a request over once more, to a relayer that has lost it, or to another. Raises as ``ask``."""
        self._asking().ask_again(asked)

    def asked(self, document: bytes) -> Asked:
        """A request that was kept.

        Args:
            document: What ``Exchange.to_json`` wrote.

        Raises:
            FormatError, AccessMismatch, SignatureMissing: it is none, or was altered.
            InvalidInput: another account made it.
        """
        kept = UnverifiedExchange.from_json(document).verify(self._ledger.check_contract)
        if kept.request.request.requester != address_bytes(self.address):
            raise InvalidInput("another account made that request")
        return Asked(kept)

    def answer(self, asked: Asked) -> Answer | None:
        """The answer to a request, held against the chain; ``None`` if there is none yet.

        Raises:
            AccessMismatch, SignatureMissing: what the relayer gives is no answer of the patient's to this request, or
                the chain has no such grant.
            RelayerUnavailable: it does not answer.
        """
        return self._asking().answer(asked)

    def _asking(self) -> Asking:
        return Asking(self._ledger, self._wallet, self._root)

    def chart(self, patient: Account, purpose: str | Purpose = Purpose.TREAT) -> Chart:
        """A patient's record, on this provider's own behalf."""
        return self.on_behalf_of(self).chart(patient, purpose)

    def on_behalf_of(self, principal: Provider | Account) -> Mandate:
        """Act for another provider, which has named this one its agent.

        Args:
            principal: The provider, with its keys; or its address, if its keys are not on this machine: then nothing
                can be read, and compartments have to be known otherwise.
        """
        address = address_of(principal)
        keys: Unsealer = principal.keys() if isinstance(principal, Provider) else NoKeys(address_bytes(address))
        return Mandate(self._ledger, self._wallet, address, keys)


class Organisation(Provider):
    """A hospital, a laboratory, an insurer."""

    kind = ProviderKind.ORGANISATION


class Practitioner(Provider):
    """A doctor, a nurse, a therapist."""

    kind = ProviderKind.PRACTITIONER


class Mandate:
    """An actor on behalf of a principal; opens charts.

    Args:
        ledger: Chain and store.
        wallet: Of the actor.
        principal: Whom it acts for, EIP-55.
        keys: Open data keys for the principal.
    """

    def __init__(self, ledger: Ledger, wallet: Signer, principal: str, keys: Unsealer) -> None:
        self._ledger = ledger
        self._wallet = wallet
        self.principal = principal
        self._keys = keys

    def chart(self, patient: Account, purpose: str | Purpose = Purpose.TREAT) -> Chart:
        """A patient's record, for a purpose of use."""
        return Chart(
            self._ledger, address_of(patient), self._wallet, self.principal, self._keys, Purpose.parse(purpose)
        )
