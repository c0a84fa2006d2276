"""What a wallet calls each message and each function of MedRec's, and each of their members (ERC-7730).

The words are those of the page on which wallets in browsers sign (``web/src/sign/words.ts``); a test holds the two
against each other. A message or function more is an entry more here; without it none of them is exported.

Warning: A wallet may show the sentence in place of the members. So a sentence names every member that is not `small`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Label:
    """What a member is called.

    Attributes:
        text: Its name.
        small: A wallet need not show it: who agrees with the rest is not surprised by it.
    """

    text: str
    small: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """What a message or a function is called.

    Attributes:
        intent: What it does, in two or three words.
        labels: Member → its name, in the order in which they are shown.
        sentence: All of it in one, with members in braces. Empty where there is none, because a list of unknown length
            is in it: then the members are shown.
    """

    intent: str
    labels: Mapping[str, Label]
    sentence: str = ""


COMMON: Final[Mapping[str, Label]] = {
    "patient": Label("Whose record"),
    "signer": Label("Decided by", small=True),
    "author": Label("Decided by", small=True),
    "actor": Label("Decided by", small=True),
    "onBehalfOf": Label("On behalf of"),
    "purpose": Label("For"),
    "replaces": Label("Corrects", small=True),
    "keyringVersion": Label("Keys so far", small=True),
    "decision": Label("Number of the decision", small=True),
    "number": Label("Number of your relayed entry", small=True),
    "deadline": Label("Signature counts until"),
}
"""What is called the same wherever nothing else is said; shown behind the others."""

PROOFS: Final = frozenset({"signature", "signatures", "consent", "patientSignature", "walletSignature"})
"""Parameters that nobody can read, and that are never shown: they prove the others."""

_PARTS: Final = " (bits)"  # ERC-7730 has no format for a mask

PURPOSES: Final = (
    "treatment",
    "emergency treatment",
    "an emergency override",
    "coordination of care",
    "care management",
    "payment for care",
    "running the health service",
    "research",
    "a clinical trial",
    "public health",
    "a request of the patient",
    "a request of the family",
    "power of attorney",
    "a support network",
    "legal matters",
    "patient safety",
)
"""What each purpose of use is called, by its number."""

FLAGS: Final = (
    "nothing further",
    "earlier entries too (HISTORY)",
    "may decide for the patient (MANAGE)",
    "may decide for the patient, earlier entries too (MANAGE, HISTORY)",
)
"""What each value of a permission's flags means. The contract refuses every other one."""

KINDS: Final = ("nothing", "an organisation", "a practitioner")
"""What each kind of provider is called, by its number."""

_REGISTER: Final = Words(
    "Open a record",
    {"patient": COMMON["patient"], "wallet": Label("Wallet that decides")},
    "Open a record for {patient}, about which {wallet} decides",
)
_GRANT: Final = Words(
    "Allow access",
    {
        "grantee": Label("Who is allowed"),
        "patient": COMMON["patient"],
        "read": Label("May read" + _PARTS),
        "append": Label("May add to" + _PARTS),
        "flags": Label("Further rights"),
        "purposes": Label("For" + _PARTS),
        "notBefore": Label("From", small=True),
        "expiry": Label("Until"),
        "seal": Label("Keys", small=True),
        "version": Label("Number of this permission", small=True),
    },
    "Allow {grantee} to read parts {read} of the record of {patient} and to add to parts {append}, "
    "for purposes {purposes}, until {expiry}; {flags}",
)
_REVOKE: Final = Words(
    "End access",
    {
        "grantee": Label("Who loses access"),
        "patient": COMMON["patient"],
        "version": Label("Which permission", small=True),
        "compartments": Label("Parts that get new keys" + _PARTS, small=True),
        "keyring": Label("Keys", small=True),
        "pointer": Label("Keys", small=True),
    },
    "{grantee} may no longer read or add to the record of {patient}",
)
_CHANGE_WALLET: Final = Words(
    "Hand the record to another wallet",
    {"patient": COMMON["patient"], "wallet": Label("New wallet")},
    "From now on {wallet} decides about the record of {patient}, and the present wallet no longer",
)
_PUBLISH_KEYRING: Final = Words(
    "Change the keys",
    {
        "patient": COMMON["patient"],
        "compartments": Label("Parts that get new keys" + _PARTS),
        "pointer": Label("Keys", small=True),
    },
    "New keys for parts {compartments} of the record of {patient}; nobody is allowed more than before",
)
_MANIFEST: Final = {
    "patient": COMMON["patient"],
    "compartments": Label("Parts of the record" + _PARTS),
    "pointer": Label("List of the records", small=True),
}
_PUBLISH_MOVED: Final = Words(
    "Seal records anew", _MANIFEST, "Records in parts {compartments} of the record of {patient} get new envelopes"
)
_SET_GUARDIANS: Final = Words(
    "Name guardians",
    {
        "patient": COMMON["patient"],
        "guardians": Label("New guardians"),
        "delay": Label("Waits for the present guardians", small=True),
        "rest": Label("Present guardians", small=True),
        "document": Label("List of the guardians", small=True),
    },
    "Name the guardians of the record of {patient}, who together can hand it to another wallet: those of "
    "{guardians}, none if that is 0",
)
_STOP_RECOVERY: Final = Words(
    "Stop a recovery",
    {"patient": COMMON["patient"], "round": Label("Number of the recovery", small=True)},
    "Stop the guardians from handing the record of {patient} to another wallet",
)
_RECOVERY: Final = {
    "patient": COMMON["patient"],
    "wallet": Label("New wallet"),
    "threshold": Label("How many have to sign", small=True),
    "delay": Label("Delay", small=True),
    "round": Label("Number of the recovery", small=True),
    "guardians": Label("Guardians", small=True),
    "salt": Label("Salt", small=True),
}
_PUBLISH_ERASED: Final = Words(
    "Erase records",
    _MANIFEST,
    "Records in parts {compartments} of the record of {patient} are declared erased, for good",
)
_ENTRY: Final = {
    "patient": COMMON["patient"],
    "onBehalfOf": COMMON["onBehalfOf"],
    "compartments": Label("Parts of the record" + _PARTS),
    "purpose": COMMON["purpose"],
    "replaces": COMMON["replaces"],
    "pointer": Label("Record", small=True),
    "claim": Label("Statement", small=True),
    "keyringVersion": Label("Keys it is sealed to", small=True),
    "skipRefused": Label("Skip what is refused", small=True),
}
_APPEND: Final = Words(
    "Add to a record",
    _ENTRY,
    "Add an entry to parts {compartments} of the record of {patient}, on behalf of {onBehalfOf}, for {purpose}",
)
_APPEND_MANY: Final = Words("Add to records", _ENTRY)
_LOG_ACCESS: Final = Words(
    "Enter that you have read",
    {
        "patient": COMMON["patient"],
        "onBehalfOf": COMMON["onBehalfOf"],
        "purpose": COMMON["purpose"],
        "document": Label("What was read", small=True),
        "digest": Label("What was read", small=True),
    },
    "Enter that the record of {patient} was read, on behalf of {onBehalfOf}, for {purpose}",
)

MESSAGES: Final[Mapping[str, Words]] = {
    "Register": _REGISTER,
    "Grant": _GRANT,
    "Revoke": _REVOKE,
    "ChangeWallet": _CHANGE_WALLET,
    "WalletChange": Words(
        "Take over a record",
        _CHANGE_WALLET.labels,
        "{wallet} agrees to decide about the record of {patient} from now on",
    ),
    "PublishKeyring": _PUBLISH_KEYRING,
    "PublishMoved": _PUBLISH_MOVED,
    "SetGuardians": _SET_GUARDIANS,
    "StopRecovery": _STOP_RECOVERY,
    "Recover": Words(
        "Recover a record",
        _RECOVERY,
        "Hand the record of {patient} to {wallet}, which then decides about it; only if the person was recognised",
    ),
    "Append": _APPEND,
    "LogAccess": _LOG_ACCESS,
    "Statement": Words(
        "Sign a record as its author",
        {
            "patient": COMMON["patient"],
            "onBehalfOf": COMMON["onBehalfOf"],
            "time": Label("Written"),
            "replaces": COMMON["replaces"],
            "recordId": Label("Record", small=True),
            "content": Label("Content", small=True),
            "metadata": Label("Title, type and dates", small=True),
        },
        "State that an entry of the record of {patient} was written at {time}, on behalf of {onBehalfOf}",
    ),
    "Profile": Words(
        "Publish your profile",
        {"account": Label("Account"), "content": Label("Key, name and addresses", small=True)},
        "Publish the profile of {account}, with the key that records are sealed to",
    ),
    "AccessRequest": Words(
        "Ask for access",
        {
            "requester": Label("Asked by"),
            "onBehalfOf": COMMON["onBehalfOf"],
            "patient": COMMON["patient"],
            "purposes": Label("For" + _PARTS),
            "expiry": Label("Access until"),
            "deadline": Label("Waits for an answer until"),
            "wish": Label("What and why, in words", small=True),
        },
        "{requester} asks, on behalf of {onBehalfOf}, for access to the record of {patient} for purposes {purposes}, "
        "until {expiry}; waits for an answer until {deadline}",
    ),
    "AccessAnswer": Words(
        "Answer a request",
        {
            "requester": Label("Who asked"),
            "onBehalfOf": COMMON["onBehalfOf"],
            "patient": COMMON["patient"],
            "version": Label("Answer"),
            "time": Label("Signed"),
            "request": Label("Request", small=True),
            "reason": Label("Reason, in words", small=True),
        },
        "Answer the request of {requester}, on behalf of {onBehalfOf}, for the record of {patient}: permission number "
        "{version}, none if it is 0; at {time}",
    ),
}
"""Name of an EIP-712 type → its words."""

_TOGETHER: Final = "Together"

FUNCTIONS: Final[Mapping[str, Words]] = {
    "register": Words("Open a record", {}, "Open a record for this account"),
    "registerSigned": _REGISTER,
    "grant": _GRANT,
    "grantSigned": _GRANT,
    "revoke": _REVOKE,
    "revokeAndRotate": _REVOKE,
    "revokeSigned": _REVOKE,
    "changeWallet": _CHANGE_WALLET,
    "changeWalletSigned": _CHANGE_WALLET,
    "publishKeyring": _PUBLISH_KEYRING,
    "publishKeyringSigned": _PUBLISH_KEYRING,
    "publishMoved": _PUBLISH_MOVED,
    "publishMovedSigned": _PUBLISH_MOVED,
    "publishErased": _PUBLISH_ERASED,
    "setGuardians": _SET_GUARDIANS,
    "setGuardiansSigned": _SET_GUARDIANS,
    "beginRecovery": Words(
        "Begin a recovery", _RECOVERY, "Begin to hand the record of {patient} to {wallet}, for its guardians"
    ),
    "stopRecovery": _STOP_RECOVERY,
    "stopRecoverySigned": _STOP_RECOVERY,
    "completeRecovery": Words(
        "Complete a recovery", {"patient": COMMON["patient"]}, "Hand the record of {patient} to its new wallet"
    ),
    "append": _APPEND,
    "appendSigned": _APPEND,
    "appendMany": _APPEND_MANY,
    "appendToMany": _APPEND_MANY,
    "logAccess": _LOG_ACCESS,
    "logAccessSigned": _LOG_ACCESS,
    "publishProfile": Words("Publish your profile", {"digest": Label("Key, name and addresses", small=True)}),
    "nameAgent": Words(
        "Name an agent",
        {"agent": Label("Who acts for you"), "until": Label("Until")},
        "{agent} acts for this account until {until}",
    ),
    "dismissAgent": Words("Dismiss an agent", {"agent": Label("Who no longer acts")}, "{agent} no longer acts for you"),
    "accredit": Words(
        "Accredit a provider",
        {
            "provider": Label("Provider"),
            "kind": Label("What it is"),
            "emergency": Label("Emergency role"),
            "expiry": Label("Until"),
        },
        "Accredit {provider} as {kind} until {expiry}; emergency role: {emergency}",
    ),
    "suspend": Words("Suspend a provider", {"provider": Label("Provider")}, "Suspend {provider}"),
    "reinstate": Words("Reinstate a provider", {"provider": Label("Provider")}, "Reinstate {provider}"),
    "addRegistrar": Words("Name a registrar", {"account": Label("Registrar")}, "{account} becomes a registrar"),
    "removeRegistrar": Words(
        "Remove a registrar", {"account": Label("Registrar")}, "{account} is a registrar no longer"
    ),
    "offerAuthority": Words(
        "Offer the authority", {"candidate": Label("To whom")}, "Offer to name registrars in future to {candidate}"
    ),
    "acceptAuthority": Words("Accept the authority", {}, "This account names registrars from now on"),
    "multicall": Words("Several steps, all or none", {"data": Label(_TOGETHER)}),
    "relay": Words("Carry out signed decisions", {"calls": Label(_TOGETHER)}),
}
"""Function that changes something → its words; the `…Signed` ones have those of what was signed."""
