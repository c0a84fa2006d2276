"""Keys that sign decisions, and a ledger of what they have signed: to the model that is all there is to signatures.

    ledger = Ledger(chain_id)
    arguments = ledger.sealed("revokeSigned", arguments)    # with the signer's signature in place of the empty one
    ledger.is_signed(alice, "Revoke", members, signature)   # as the contract has to find

The digests come from the SDK (`medrec_py.crypto.decisions`), so nothing is shared with the contract but the standard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from eth_keys.datatypes import PrivateKey, Signature

from medrec_py.crypto import decisions
from medrec_py.crypto.keys import Place
from medrec_py.crypto.wallet_change import WalletChange
from medrec_py.crypto.wallet_recovery import Recover
from tests.invariants.evm import CONTRACT, Address

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
FORMS: dict[str, type[decisions.SignedForm | WalletChange]] = {
    "Register": decisions.Register,
    "ChangeWallet": decisions.ChangeWallet,
    "WalletChange": WalletChange,
    "Grant": decisions.Grant,
    "Revoke": decisions.Revoke,
    "PublishKeyring": decisions.PublishKeyring,
    "PublishMoved": decisions.PublishMoved,
    "SetGuardians": decisions.SetGuardians,
    "StopRecovery": decisions.StopRecovery,
    "Recover": Recover,
    "Append": decisions.Append,
    "LogAccess": decisions.LogAccess,
}
Members = tuple[Any, ...]


def form_of(function: str) -> str:
    """The name of the message that a signed form carries out."""
    return function[0].upper() + function[1:].removesuffix("Signed")


def signatures_of(function: str) -> int:
    """How many signatures stand behind the members of a signed form."""
    return 2 if function in {"registerSigned", "changeWalletSigned"} else 1


def members_of(function: str, arguments: Sequence[Any]) -> Members:
    """The members of the message, those of structs one by one."""
    flat: list[Any] = []
    for value in arguments[: -signatures_of(function)]:
        flat.extend(value if isinstance(value, tuple) else [value])
    return tuple(flat)


def signature_bytes(signature: Signature) -> bytes:
    """65 bytes `r ‖ s ‖ v`."""
    v, r, s = signature.vrs
    return b"".join((r.to_bytes(32, "big"), s.to_bytes(32, "big"), bytes([v + 27])))


def twin(signature: bytes) -> bytes:
    """The second encoding of the same signature, with a high `s`."""
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([(55 - signature[64]) % 256])


class Ledger:
    """Who signed what in this deployment's domain. What is not in here is no signature, whatever it looks like."""

    def __init__(self, chain_id: int, keys: Mapping[Address, PrivateKey], with_code: Collection[Address]) -> None:
        """Keep account → key: its own, or that of its owner, who may own several with code (`evm.owned_by`)."""
        self.chain_id = chain_id
        self._keys = keys
        self._with_code = with_code
        self._signed: set[tuple[PrivateKey, str, Members, bytes]] = set()
        self._messages: dict[tuple[PrivateKey, str], dict[Members, None]] = defaultdict(dict)

    def sign(self, signer: Address, form: str, members: Members) -> bytes:
        """A good signature; none from the zero address, and none on what no wallet would sign."""
        if signer not in self._keys or (form == "WalletChange" and members[2] == 0):
            return b""
        key, signature = self._keys[signer], self.foreign(signer, form, members, self.chain_id, CONTRACT)
        self._signed.add((key, form, members, signature))
        self._messages[key, form][members] = None
        return signature

    def foreign(self, signer: Address, form: str, members: Members, chain_id: int, contract: Address) -> bytes:
        """A signature for another deployment, or another chain, or by another than it has to be from."""
        message = FORMS[form](Place(chain_id, contract, members[0]), *members[1:])
        return signature_bytes(self._keys[signer].sign_msg_hash(message.digest()))

    def is_signed(self, signer: Address, form: str, members: Members, signature: bytes) -> bool:
        """Whether the contract has to take this for the signer's signature."""
        if signer not in self._keys:
            return False
        if signer in self._with_code:
            # Its code looks at the first 65 bytes, and at no order.
            high = int.from_bytes(signature[32:64], "big") > ORDER // 2
            signature = twin(signature[:65]) if high and len(signature) >= 65 else signature[:65]
        return (self._keys[signer], form, members, signature) in self._signed

    def messages(self, signer: Address, form: str, now: int) -> list[Members]:
        """What the signer has signed of that form, and what is in time."""
        signed = self._messages[self._keys[signer], form] if signer in self._keys else {}
        return [members for members in signed if members[-1] >= now]

    def sealed(self, function: str, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments of a signed form with good signatures by those who have to sign."""
        members = members_of(function, arguments)
        form = form_of(function)
        signer = members[0] if function == "registerSigned" else members[1]
        signatures = [self.sign(signer, form, members)]
        if function == "registerSigned":
            signatures.append(self.sign(members[1], form, members))
        elif function == "changeWalletSigned":
            signatures.append(self.consent(members[0], *members[2:]))
        return (*arguments[: -len(signatures)], *signatures)

    def recovery(self, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments of `beginRecovery` with good signatures: the new wallet's, and in place of each mark."""
        patient, wallet, number, deadline, *shown, _, marks = arguments

        def signed(signer: Address) -> bytes:
            return self.sign(signer, "Recover", (patient, signer, wallet, number, deadline))

        signatures = [signed(one) if mark else b"" for one, mark in zip(shown[-1], marks, strict=False)]
        return (*arguments[:-2], signed(wallet), (*signatures, *marks[len(signatures) :]))

    def consent(self, patient: Address, wallet: Address, decision: int, deadline: int) -> bytes:
        """What a new wallet signs."""
        return self.sign(wallet, "WalletChange", (patient, wallet, decision, deadline))
