"""Who brings signed decisions to the chain: a relayer, or anybody with ether.

A courier is trusted with nothing. What it brings was signed; that it was brought is looked up on chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, Protocol

from medrec_py.chain import events
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.events import Event, Logged
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.transactions import Receipt, find_receipt
from medrec_py.chain.types import Terms, address_of
from medrec_py.crypto.decisions import (
    Append,
    ChangeWallet,
    Grant,
    LogAccess,
    PublishKeyring,
    PublishMoved,
    Register,
    Revoke,
    SetGuardians,
    SignedForm,
    StopRecovery,
)
from medrec_py.crypto.keys import ADDRESS_SIZE
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision
from medrec_py.crypto.wallet_recovery import CompleteRecovery, Recover
from medrec_py.errors import RelayError
from medrec_py.signed_forms import signed_call
from medrec_py.wallet import Signer


class Courier(Protocol):
    """Brings bundles to the chain."""

    @property
    def keeps_blocks(self) -> bool:
        """Whether it stores the blocks of a bundle; if not, whoever signed it has stored them."""
        ...

    def carry(self, bundle: Bundle) -> str:
        """Have a bundle carried out, and wait for it.

        Returns:
            The hash of a transaction that it says did it.

        Raises:
            ContractError: the contract refuses one of the decisions.
            RelayError: the courier does not do it, or does not answer. It may still be done until the deadline.
            ChainError: the node does not answer, or refuses.
        """
        ...


class OwnExpense:
    """Carries bundles by transactions of an account that pays for them: the signer's other account, a friend's.

    Args:
        contract: MedRec.
        payer: Pays.
    """

    keeps_blocks: Final = False

    def __init__(self, contract: MedRecContract, payer: Signer) -> None:
        self._contract = contract
        self._payer = payer

    def carry(self, bundle: Bundle) -> str:
        """As ``Courier``. All of a bundle takes place together, or nothing."""
        calls = [signed_call(self._contract, signed) for signed in bundle.decisions]
        return self._contract.send(self._payer, self._contract.together(calls)).transaction


class Delivery:
    """Makes sure that a bundle was carried out, and shows the transaction as if its signer had sent it.

    Args:
        contract: MedRec.
        bundle: What was handed to a courier.
        first_block: Number of the block with the deployment.
    """

    def __init__(self, contract: MedRecContract, bundle: Bundle, first_block: int) -> None:
        self._contract = contract
        self._bundle = bundle
        self._first_block = first_block

    def receipt(self, transaction: str) -> Receipt:
        """The receipt, with the events of the bundle's patients alone: a relayer carries others' in the same one.

        Args:
            transaction: Hash that the courier named.

        Raises:
            RelayError: the transaction is not there, or one of the decisions did not take place.
        """
        receipt = find_receipt(self._contract.chain, transaction)
        if receipt is None:
            raise RelayError(f"the relayer named the transaction {transaction}, which is not on the chain")
        for signed in self._bundle.decisions:
            if self._shown(signed, receipt.events) is None and self._is_missing(signed):
                raise RelayError(
                    f"the relayer says that the {type(signed.decision).__name__} was carried out by {transaction}, "
                    "and the chain has nothing of it"
                )
        return self._of_ours(receipt)

    def missing(self) -> tuple[SignedDecision, ...]:
        """The decisions that were not carried out, by whomever. Reads the patients' events."""
        return tuple(signed for signed in self._bundle.decisions if self._is_missing(signed))

    def last(self) -> Receipt:
        """The receipt of the transaction that carried out the last decision, where none is missing.

        Raises:
            RelayError: it is gone: the chain was reorganised meanwhile.
        """
        found = self._look_up(self._bundle.decisions[-1])
        receipt = None if found is None else find_receipt(self._contract.chain, found.transaction)
        if receipt is None:
            raise RelayError("the transaction that carried out the decisions is gone: look again in a while")
        return self._of_ours(receipt)

    def _is_missing(self, signed: SignedDecision) -> bool:
        decision = signed.decision
        if isinstance(decision, Revoke):  # it may have been granted anew behind the event
            stored = self._contract.permission_of(address_of(decision.place.patient), address_of(decision.grantee))
            if stored.terms.read or stored.terms.append:
                return True
        return self._look_up(signed) is None

    def _look_up(self, signed: SignedDecision) -> Logged[Event] | None:
        kind, _ = _TRACES[type(signed.decision)]
        return self._shown(signed, self._logs(signed.decision, kind))

    def _shown(self, signed: SignedDecision, among: Iterable[Logged[Event]]) -> Logged[Event] | None:
        """The event that the decision left among some."""
        shown = (logged for logged in among if _shows(logged.event, signed))
        if isinstance(signed.decision, CompleteRecovery):
            begun = self._begun(signed.decision)
            shown = (logged for logged in shown if begun is not None and logged.block >= begun)
        return next(shown, None)

    def _begun(self, decision: CompleteRecovery) -> int | None:
        """The block in which a recovery began: one to the same wallet that was completed before is another."""
        for logged in self._logs(decision, events.RecoveryBegun):
            event = logged.event
            if isinstance(event, events.RecoveryBegun) and event.round == decision.round:
                return logged.block
        return None

    def _logs(self, decision: SignedForm, kind: type[Event]) -> Iterator[Logged[Event]]:
        patient = address_of(decision.place.patient)
        return fetch_logs(self._contract, [kind], from_block=self._first_block, patient=patient)

    def _of_ours(self, receipt: Receipt) -> Receipt:
        patients = {address_of(signed.decision.place.patient) for signed in self._bundle.decisions}
        ours = tuple(logged for logged in receipt.events if getattr(logged.event, "patient", None) in patients)
        return replace(receipt, events=ours)


_TRACES: Final[Mapping[type[SignedForm], tuple[type[Event], Mapping[str, str]]]] = {
    Register: (events.PatientRegistered, {"wallet": "wallet"}),
    Grant: (events.PermissionGranted, {"by": "signer", "grantee": "grantee", "version": "version", "seal": "seal"}),
    Revoke: (events.PermissionRevoked, {}),
    ChangeWallet: (events.WalletChanged, {"wallet": "wallet", "by": "signer"}),
    PublishKeyring: (events.KeyringPublished, {"pointer": "pointer"}),
    PublishMoved: (events.RecordsMoved, {"pointer": "pointer"}),
    SetGuardians: (events.GuardiansSet, {"by": "signer", "guardians": "guardians", "document": "document"}),
    Recover: (events.RecoveryBegun, {"wallet": "wallet", "round": "round"}),
    CompleteRecovery: (events.WalletChanged, {"wallet": "wallet", "by": "wallet"}),
    StopRecovery: (events.RecoveryStopped, {"by": "signer", "round": "round"}),
    Append: (events.RecordAppended, {"entry.pointer": "pointer"}),
    LogAccess: (events.AccessLogged, {"actor": "actor", "on_behalf_of": "on_behalf_of", "digest": "document"}),
}
"""The event that a decision leaves: its kind, and which members are which members of the decision."""


def _shows(event: Event, signed: SignedDecision) -> bool:
    """Whether an event is what a decision leaves."""
    decision = signed.decision
    kind, members = _TRACES[type(decision)]
    if not isinstance(event, kind) or getattr(event, "patient", None) != address_of(decision.place.patient):
        return False
    if isinstance(decision, Revoke) and isinstance(event, events.PermissionRevoked):
        return event.grantee == address_of(decision.grantee) and event.version >= decision.version
    if isinstance(decision, Grant) and isinstance(event, events.PermissionGranted) and event.terms != _terms(decision):
        return False  # another grant under the same version
    if isinstance(event, events.RecoveryBegun) and signed.is_unanimous and not event.unanimous:
        return False  # signatures were left out, so that it can be stopped
    return all(_member(event, name) == _as_event_has_it(getattr(decision, member)) for name, member in members.items())


def _terms(grant: Grant) -> Terms:
    return Terms(grant.read, grant.append, grant.not_before, grant.expiry, grant.purposes, grant.flags)


def _as_event_has_it(value: object) -> object:
    return address_of(value) if isinstance(value, bytes) and len(value) == ADDRESS_SIZE else value


def _member(event: Event, name: str) -> object:
    found: object = event
    for part in name.split("."):
        found = getattr(found, part)
    return found
