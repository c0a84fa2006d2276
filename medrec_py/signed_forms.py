"""The signed form of what would be sent directly: the same decision, for a wallet to sign and anybody to send.

The roles make calls; whether an account sends them itself, or signs them and has them carried by somebody else
(``medrec_py.courier``), is settled here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.transactions import Call
from medrec_py.chain.types import ZERO_BYTES32, address_bytes, address_of
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
from medrec_py.crypto.keys import Place
from medrec_py.crypto.signed_decisions import SignedDecision
from medrec_py.crypto.typed_data import CheckContractSignature, sign_message
from medrec_py.crypto.wallet_recovery import CompleteRecovery, Recover
from medrec_py.wallet import Signer

_FUNCTIONS: Final = frozenset(
    {
        "register",
        "registerSigned",
        "changeWallet",
        "grant",
        "revoke",
        "revokeAndRotate",
        "publishKeyring",
        "publishMoved",
        "setGuardians",
        "stopRecovery",
        "append",
        "appendMany",
        "logAccess",
    }
)


_SIGNED_CALLS: Final[Mapping[type[SignedForm], Callable[..., Call]]] = {
    Register: MedRecContract.register_signed,
    Grant: MedRecContract.grant_signed,
    Revoke: MedRecContract.revoke_signed,
    ChangeWallet: MedRecContract.change_wallet_signed,
    PublishKeyring: MedRecContract.publish_keyring_signed,
    PublishMoved: MedRecContract.publish_moved_signed,
    SetGuardians: MedRecContract.set_guardians_signed,
    StopRecovery: MedRecContract.stop_recovery_signed,
    Append: MedRecContract.append_signed,
    LogAccess: MedRecContract.log_access_signed,
}


def stages(calls: Sequence[Call]) -> list[list[Call]]:
    """Calls that take place together, as somebody else can send them for whoever signs them: one stage after another.

    Whoever has signatures can send one alone, whatever they were signed with. So what must not take place without
    something else is signed once that is on the chain: a manifest of moved records behind the keyring that it needs.

    Returns:
        Nothing if the account has to send them itself: where one of them has no signed form, as an erasure, or goes
        together with a change of wallet, behind which another wallet has to sign.
    """
    if any(call.function not in _FUNCTIONS or _skips(call) for call in calls):
        return []
    if len(calls) > 1 and any(call.function == "changeWallet" for call in calls):
        return []
    moved = [call for call in calls if call.function == "publishMoved"]
    others = [call for call in calls if call.function != "publishMoved"]
    return [stage for stage in (others, moved) if stage]


def _skips(call: Call) -> bool:
    return call.function == "appendMany" and call.arguments[5]


def signed_call(contract: MedRecContract, signed: SignedDecision) -> Call:
    """The call that carries out a signed decision, for anybody to send.

    Raises:
        InvalidInput: it was signed for another chain or contract.
    """
    if isinstance(signed.decision, Recover) and signed.guardians is not None:
        return contract.begin_recovery(signed.decision, signed.signatures[0], signed.guardians, signed.approvals)
    if isinstance(signed.decision, CompleteRecovery):
        return contract.complete_recovery(address_of(signed.decision.place.patient))
    return _SIGNED_CALLS[type(signed.decision)](contract, signed.decision, *signed.signatures)


class Signing:
    """Signs calls of one account in place of sending them.

    Args:
        contract: MedRec.
        signer: Whose calls they are.
        deadline: Last second at which the signatures count, Unix time.
        check_contract: Asks an account with code about a signature (ERC-1271).
    """

    def __init__(
        self,
        contract: MedRecContract,
        signer: Signer,
        deadline: int,
        check_contract: CheckContractSignature | None = None,
    ) -> None:
        self._contract = contract
        self._signer = signer
        self._account = address_bytes(signer.address)
        self._deadline = deadline
        self._check_contract = check_contract

    def sign(self, calls: Sequence[Call]) -> tuple[SignedDecision, ...]:
        """Sign them, in their order.

        Raises:
            InvalidInput: the wallet signed with another key, or something else.
            WalletError: it does not sign.
            ChainError: the node does not answer.
        """
        signers = {"registerSigned": self._registered, "changeWallet": self._handed_on}
        first = [signers[call.function](call) for call in calls if call.function in signers]
        others = [call for call in calls if call.function not in signers]
        return (*first, *map(self._signed, self._decisions(others)))

    def _registered(self, call: Call) -> SignedDecision:
        """A registration that patient id and wallet have signed already."""
        patient, wallet, deadline, *signatures = call.arguments
        return SignedDecision(Register(self._place(address_of(patient)), wallet, deadline), tuple(signatures))

    def _handed_on(self, call: Call) -> SignedDecision:
        """A change of wallet that the new wallet has signed already, within the deadline that it signed."""
        patient, wallet, decision, deadline, consent = call.arguments
        form = ChangeWallet(self._place(patient), self._account, address_bytes(wallet), decision, deadline)
        return self._signed(form, consent)

    def _signed(self, decision: SignedForm, *others: bytes) -> SignedDecision:
        own = sign_message(self._signer.sign_typed_data, self._account, decision, self._check_contract)
        return SignedDecision(decision, (own, *others))

    def _decisions(self, calls: Sequence[Call]) -> Iterator[SignedForm]:
        relayed: int | None = None
        for call in calls:
            for step in _steps(call):
                if step.function in {"append", "logAccess"}:
                    if relayed is None:
                        relayed = self._contract.provider_of(self._signer.address).relayed
                    relayed += 1
                yield self._decision(step, relayed or 0)

    def _decision(self, call: Call, number: int) -> SignedForm:
        place = self._place(call.arguments[0] if call.arguments else self._signer.address)
        function, arguments = call.function, call.arguments[1:]
        me, deadline = self._account, self._deadline
        if function == "register":
            return Register(place, me, deadline)
        if function in {"publishKeyring", "publishMoved"}:
            return self._publication(function, place, *arguments)
        if function in {"setGuardians", "stopRecovery"}:
            return self._about_guardians(function, place, *arguments)
        other, *rest = arguments
        address = address_bytes(other)
        if function == "grant":
            terms, seal, version = rest
            read, append, not_before, expiry, purposes, flags = terms
            return Grant(place, me, address, read, append, not_before, expiry, purposes, flags, seal, version, deadline)
        if function in {"revoke", "revokeAndRotate"}:
            keyring_version, compartments, keyring = rest or (0, 0, ZERO_BYTES32)
            lowest = self._contract.permission_of(address_of(place.patient), other).version
            return Revoke(place, me, address, lowest, keyring_version, compartments, keyring, deadline)
        return self._entry(function, place, address, rest, number)

    def _publication(self, function: str, place: Place, number: int, compartments: int, pointer: bytes) -> SignedForm:
        if function == "publishKeyring":
            return PublishKeyring(place, self._account, pointer, number, compartments, self._deadline)
        return PublishMoved(place, self._account, number, compartments, pointer, self._deadline)

    def _about_guardians(self, function: str, place: Place, number: int, *members: Any) -> SignedForm:
        if function == "setGuardians":
            delay, rest, guardians, document = members
            return SetGuardians(place, self._account, number, delay, rest, guardians, document, self._deadline)
        return StopRecovery(place, self._account, number, self._deadline)

    def _entry(self, function: str, place: Place, principal: bytes, rest: list[Any], number: int) -> SignedForm:
        """What an author or reader enters."""
        if function == "append":
            keyring_version, purpose, (compartments, replaces, pointer, claim) = rest
            return Append(
                place,
                self._account,
                principal,
                keyring_version,
                purpose,
                compartments,
                replaces,
                pointer,
                claim,
                number,
                self._deadline,
            )
        purpose, document = rest
        return LogAccess(place, self._account, principal, document, purpose, number, self._deadline)

    def _place(self, patient: str) -> Place:
        return Place(self._contract.chain.chain_id, address_bytes(self._contract.address), address_bytes(patient))


def _steps(call: Call) -> Iterator[Call]:
    """A call as those of which each has a signed form: many records are as many decisions."""
    if call.function != "appendMany":
        yield call
        return
    patient, principal, keyring_version, purpose, entries, _ = call.arguments
    for entry in entries:
        yield Call(call.to, b"", "append", arguments=(patient, principal, keyring_version, purpose, entry))
