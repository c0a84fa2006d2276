"""Writes decisions.json beside this file: `python -m tests.vectors.generate_decisions`.

One case for each signed form of the contract: the document that a wallet shows, its digest, its signatures, and the
call that anybody sends (docs/format.md §12).
"""

from __future__ import annotations

import json
from typing import Any

from medrec_py.chain import abi
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
from medrec_py.crypto.guardian_set import GuardianSet
from medrec_py.crypto.wallet_change import WalletChange
from medrec_py.crypto.wallet_recovery import Recover
from tests.sdk.crypto.people import Wallet
from tests.vectors.generate import AUTHOR, CLINIC, GENERAL, HERE, PATIENT, PLACE, PSYCHIATRY, TIME, plain, some

NAME = "decisions.json"
HEIR = Wallet("vector heir")
DEADLINE = TIME + 3600
RECOVERY = ("address", "address", "uint64", "uint256", "uint40", "bytes32", "uint256", "address[]", "bytes", "bytes[]")
MASK = 1 << GENERAL | 1 << PSYCHIATRY

PRESENT = GuardianSet(7 * 86_400, some("present salt"), 1, (CLINIC.address,))
GUARDIANS = GuardianSet(30 * 86_400, some("salt"), 2, (AUTHOR.address, CLINIC.address, HEIR.address))
# Who signs a recovery: the new wallet, and two of three guardians.
CONSENT, APPROVING = HEIR, (AUTHOR, CLINIC)

FORMS: dict[str, tuple[SignedForm, tuple[Wallet, ...]]] = {
    "registerSigned": (Register(PLACE, HEIR.address, DEADLINE), (PATIENT, HEIR)),
    "grantSigned": (
        Grant(
            PLACE,
            signer=PATIENT.address,
            grantee=CLINIC.address,
            read=1 << PSYCHIATRY,
            append=MASK,
            not_before=TIME,
            expiry=TIME + 86_400,
            purposes=0b1000_0001,
            flags=3,
            seal=some("seal"),
            version=7,
            deadline=DEADLINE,
        ),
        (PATIENT,),
    ),
    "revokeSigned": (
        Revoke(PLACE, PATIENT.address, CLINIC.address, 7, 12, MASK, some("keyring"), DEADLINE),
        (PATIENT,),
    ),
    "changeWalletSigned": (ChangeWallet(PLACE, PATIENT.address, HEIR.address, 3, DEADLINE), (PATIENT,)),
    "publishKeyringSigned": (
        PublishKeyring(PLACE, PATIENT.address, some("keyring"), 12, MASK, DEADLINE),
        (PATIENT,),
    ),
    "publishMovedSigned": (PublishMoved(PLACE, PATIENT.address, 3, MASK, some("moved"), DEADLINE), (PATIENT,)),
    "setGuardiansSigned": (
        SetGuardians(
            PLACE,
            signer=PATIENT.address,
            decision=4,
            delay=PRESENT.delay,
            rest=PRESENT.rest,
            guardians=GUARDIANS.commitment,
            document=some("guardians"),
            deadline=DEADLINE,
        ),
        (PATIENT,),
    ),
    "stopRecoverySigned": (StopRecovery(PLACE, PATIENT.address, 2, DEADLINE), (PATIENT,)),
    "appendSigned": (
        Append(
            PLACE,
            author=AUTHOR.address,
            on_behalf_of=CLINIC.address,
            keyring_version=12,
            purpose=0,
            compartments=1 << GENERAL,
            replaces=5 << 32 | 1,
            pointer=some("envelope"),
            claim=some("claim"),
            number=9,
            deadline=DEADLINE,
        ),
        (AUTHOR,),
    ),
    "logAccessSigned": (
        LogAccess(PLACE, AUTHOR.address, CLINIC.address, some("access"), 0, 10, DEADLINE),
        (AUTHOR,),
    ),
}


def case(function: str, form: SignedForm, signers: tuple[Wallet, ...]) -> dict[str, Any]:
    """One signed form, and the call that carries it."""
    signatures = [signer.sign_typed_data(form.typed_data()) for signer in signers]
    facts: dict[str, Any] = {
        "function": function,
        "document": form.typed_data(),
        "digest": form.digest(),
        "signatures": signatures,
    }
    if isinstance(form, ChangeWallet):
        consent = WalletChange(PLACE, form.wallet, form.decision, form.deadline)
        signatures = [*signatures, HEIR.sign_typed_data(consent.typed_data())]
        facts["consent"] = signatures[1]
    types = [kind for _, kind in form.struct.fields] + ["bytes"] * len(signatures)
    call = abi.items("function")[function].selector + abi.codec.encode(types, (*form.values(), *signatures))
    return facts | {"call": call}


def recovery() -> dict[str, Any]:
    """A set of guardians and its commitment, what they and the new wallet sign, and the call that carries it (§13)."""
    forms = [Recover(PLACE, one.address, HEIR.address, 2, DEADLINE) for one in (CONSENT, *APPROVING)]
    consent, *approvals = [
        one.sign_typed_data(form.typed_data()) for one, form in zip((CONSENT, *APPROVING), forms, strict=True)
    ]
    function = abi.items("function")["beginRecovery"]
    shown = (GUARDIANS.delay, GUARDIANS.salt, GUARDIANS.threshold, GUARDIANS.guardians)
    arguments = (PLACE.patient, HEIR.address, 2, DEADLINE, *shown, consent, [*approvals, b""])
    return {
        "guardians": {
            "delay": GUARDIANS.delay,
            "salt": GUARDIANS.salt,
            "threshold": GUARDIANS.threshold,
            "guardians": list(GUARDIANS.guardians),
            "rest": GUARDIANS.rest,
            "commitment": GUARDIANS.commitment,
        },
        "digests": [form.digest() for form in forms],
        "signatures": [consent, *approvals],
        "call": function.selector + abi.codec.encode(RECOVERY, arguments),
        "document": forms[1].typed_data(),
    }


def text() -> str:
    """What stands in the file."""
    cases = [case(function, form, signers) for function, (form, signers) in FORMS.items()]
    facts = {"cases": [plain_case(one) for one in cases], "recovery": plain_case(recovery())}
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def plain_case(one: dict[str, Any]) -> dict[str, Any]:
    """For JSON. The document is as a wallet takes it: its chain id is a number."""
    return plain({name: value for name, value in one.items() if name != "document"}) | {"document": one["document"]}


if __name__ == "__main__":
    (HERE / NAME).write_text(text())
