"""Signed forms as tests make them: a message of which a test names only what it is about, its signature, its call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ape.api import ReceiptAPI
from eth_account import Account as Keys

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
from medrec_py.crypto.wallet_change import WalletChange
from medrec_py.crypto.wallet_recovery import Recover
from tests.contracts.support import GENERAL, TREAT, YEAR_2100, Account, Contract, Entry, Terms, digest, entry, terms

FUNCTIONS: dict[type[SignedForm], str] = {
    Register: "registerSigned",
    ChangeWallet: "changeWalletSigned",
    Grant: "grantSigned",
    Revoke: "revokeSigned",
    PublishKeyring: "publishKeyringSigned",
    PublishMoved: "publishMovedSigned",
    SetGuardians: "setGuardiansSigned",
    StopRecovery: "stopRecoverySigned",
    Append: "appendSigned",
    LogAccess: "logAccessSigned",
}
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SEAL, POINTER = digest("seal"), digest("keyring")
AMPLE_GAS = 3_000_000

Signer: TypeAlias = Account


def address(account: Any) -> bytes:
    """20 bytes of an account, a contract or an address."""
    return bytes.fromhex(str(getattr(account, "address", account))[2:])


def sign(form: SignedForm | WalletChange, signer: Signer) -> bytes:
    """The signer's signature, made of the document alone."""
    return bytes(Keys.sign_typed_data(signer.private_key, full_message=form.typed_data()).signature)


def high_s(signature: bytes) -> bytes:
    """The other encoding of the same signature."""
    s = CURVE_ORDER - int.from_bytes(signature[32:64])
    return signature[:32] + s.to_bytes(32) + bytes([55 - signature[64]])


@dataclass(frozen=True)
class Desk:
    """Where messages for one deployment are made and sent: by the stranger, unless a test says something else."""

    medrec: Contract
    chain_id: int
    stranger: Account

    def place(self, patient: Any) -> Place:
        """What the messages about a patient are bound to."""
        return Place(self.chain_id, address(self.medrec), address(patient))

    # --- messages

    def register(self, patient: Any, wallet: Any = None, deadline: int = YEAR_2100) -> Register:
        return Register(self.place(patient), address(wallet or patient), deadline)

    def change_wallet(
        self, patient: Any, wallet: Any, *, signer: Any = None, decision: int = 1, deadline: int = YEAR_2100
    ) -> ChangeWallet:
        return ChangeWallet(self.place(patient), address(signer or patient), address(wallet), decision, deadline)

    def consent(self, form: ChangeWallet) -> WalletChange:
        return WalletChange(form.place, form.wallet, form.decision, form.deadline)

    def grant(
        self,
        patient: Any,
        grantee: Any,
        granted: Terms | None = None,
        *,
        signer: Any = None,
        seal: bytes = SEAL,
        version: int = 1,
        deadline: int = YEAR_2100,
    ) -> Grant:
        people = (address(signer or patient), address(grantee))
        return Grant(self.place(patient), *people, *(granted or terms()), seal, version, deadline)

    def revoke(
        self,
        patient: Any,
        grantee: Any,
        *,
        signer: Any = None,
        version: int = 1,
        keyring_version: int = 0,
        compartments: int = 0,
        keyring: bytes = bytes(32),
        deadline: int = YEAR_2100,
    ) -> Revoke:
        people = (address(signer or patient), address(grantee))
        return Revoke(self.place(patient), *people, version, keyring_version, compartments, keyring, deadline)

    def keyring(
        self,
        patient: Any,
        *,
        signer: Any = None,
        pointer: bytes = POINTER,
        version: int = 1,
        compartments: int = GENERAL,
        deadline: int = YEAR_2100,
    ) -> PublishKeyring:
        return PublishKeyring(self.place(patient), address(signer or patient), pointer, version, compartments, deadline)

    def moved(
        self,
        patient: Any,
        *,
        signer: Any = None,
        decision: int = 1,
        compartments: int = GENERAL,
        pointer: bytes = POINTER,
        deadline: int = YEAR_2100,
    ) -> PublishMoved:
        return PublishMoved(self.place(patient), address(signer or patient), decision, compartments, pointer, deadline)

    def set_guardians(
        self,
        patient: Any,
        guardians: bytes,
        *,
        signer: Any = None,
        decision: int = 1,
        delay: int = 0,
        rest: bytes = bytes(32),
        document: bytes = POINTER,
        deadline: int = YEAR_2100,
    ) -> SetGuardians:
        shown = (decision, delay, rest)
        return SetGuardians(self.place(patient), address(signer or patient), *shown, guardians, document, deadline)

    def stop_recovery(
        self, patient: Any, *, signer: Any = None, number: int = 1, deadline: int = YEAR_2100
    ) -> StopRecovery:
        return StopRecovery(self.place(patient), address(signer or patient), number, deadline)

    def recover(self, patient: Any, signer: Any, wallet: Any, *, number: int = 1, deadline: int = YEAR_2100) -> Recover:
        return Recover(self.place(patient), address(signer), address(wallet), number, deadline)

    def append(
        self,
        patient: Any,
        author: Any,
        on_behalf_of: Any = None,
        *,
        record: Entry | None = None,
        keyring_version: int = 1,
        purpose: int = TREAT,
        number: int = 1,
        deadline: int = YEAR_2100,
    ) -> Append:
        people = (address(author), address(on_behalf_of or author))
        given = record or entry()
        return Append(self.place(patient), *people, keyring_version, purpose, *given, number, deadline)

    def access(
        self,
        patient: Any,
        actor: Any,
        on_behalf_of: Any = None,
        *,
        document: bytes = POINTER,
        purpose: int = TREAT,
        number: int = 1,
        deadline: int = YEAR_2100,
    ) -> LogAccess:
        people = (address(actor), address(on_behalf_of or actor))
        return LogAccess(self.place(patient), *people, document, purpose, number, deadline)

    # --- calls

    def arguments(self, form: SignedForm, *signatures: bytes) -> list[Any]:
        """As ape takes them: members that are a struct's in the call together."""
        abi = next(abi for abi in self.medrec.contract_type.mutable_methods if abi.name == FUNCTIONS[type(form)])
        values = [f"0x{v.hex()}" if isinstance(v, bytes) and len(v) == 20 else v for v in form.values()]
        arguments: list[Any] = []
        for parameter in abi.inputs[: len(abi.inputs) - len(signatures)]:
            size = len(parameter.components or [None])
            taken, values = values[:size], values[size:]
            arguments.append(tuple(taken) if parameter.components else taken[0])
        assert not values
        return [*arguments, *signatures]

    def call(self, form: SignedForm, *signatures: bytes) -> bytes:
        """What is sent, ABI-encoded."""
        method = getattr(self.medrec, FUNCTIONS[type(form)])
        return bytes(method.encode_input(*self.arguments(form, *signatures)))

    def signed(self, form: SignedForm, *signers: Signer) -> bytes:
        """The same, with the signatures of accounts with keys."""
        return self.call(form, *(sign(form, signer) for signer in signers))

    def send(self, form: SignedForm, *signatures: bytes, sender: Account | None = None) -> ReceiptAPI:
        """Sends a form with its signatures."""
        method = getattr(self.medrec, FUNCTIONS[type(form)])
        receipt: ReceiptAPI = method(*self.arguments(form, *signatures), sender=sender or self.stranger, gas=AMPLE_GAS)
        return receipt

    def carry_out(self, form: SignedForm, *signers: Signer, sender: Account | None = None) -> ReceiptAPI:
        """Signs a form and sends it."""
        return self.send(form, *(sign(form, signer) for signer in signers), sender=sender)

    def relay(self, calls: Sequence[bytes], *, gas: int = AMPLE_GAS, sender: Account | None = None) -> ReceiptAPI:
        """Sends calls in a relay."""
        receipt: ReceiptAPI = self.medrec.relay(list(calls), sender=sender or self.stranger, gas=gas)
        return receipt
