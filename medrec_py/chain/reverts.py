"""Why the contract refused: one exception class per Solidity error, one per reason of its predicate for authority.

The classes are named as in ``IMedRec.sol`` and carry the error's arguments in ``values`` by their Solidity names; a
test proves that no error of the ABI and no member of ``Denial`` is left out::

    ContractError
    ├── NotPermitted                     (medrec_py.errors) the predicate for authority refused
    │   ├── PatientUnknown, NotController
    │   ├── AgentNotNamed, AgentExpired, AgentSuspended, AgentAccreditationExpired
    │   ├── NotAccredited, ProviderSuspended, AccreditationExpired
    │   ├── PermissionMissing, PermissionRevoked, PermissionNotYetValid, PermissionExpired
    │   ├── CompartmentNotGranted, PurposeNotGranted
    │   └── BeyondLimits
    ├── StaleKeyring, VersionMismatch, DecisionMismatch, RelayedMismatch, KeyringExhausted
    ├── AlreadyRegistered, AlreadyRegistrar, NotAuthority, NotRegistrar, UnknownProvider, ProviderKindMissing
    ├── SignatureInvalid, DeadlinePassed, WalletUnchanged
    ├── GuardiansMismatch, GuardiansTooFew, RecoveryMismatch, RecoveryNotDue
    ├── NotRelayable, RelayGasTooLow
    ├── ZeroAddress, SelfAgent, SelfGrant, ExpiryPassed, WindowInvalid
    ├── FlagsNotSupported, PurposesEmpty, CompartmentsEmpty, PointerEmpty, ReplacedUnknown
    ├── AddressEmptyCode, FailedCall, StringTooLong                          of the libraries it is built with
    └── RevertedWithMessage, Panicked, UnknownRevert                         nothing that MedRec says
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from medrec_py.chain import abi
from medrec_py.chain.types import Action, Denial, to_address
from medrec_py.errors import ContractError, NotPermitted

_Values = Mapping[str, Any]

# --- the predicate's reasons ----------------------------------------------------------------------


class _Denied(NotPermitted):
    """Base of the reasons; ``message`` is a template over the error's arguments and ``to_do``, the action in words."""

    denial: ClassVar[Denial]
    message: ClassVar[str]


class PatientUnknown(_Denied):
    """The patient id is not registered on this deployment."""

    denial = Denial.PATIENT_UNKNOWN
    message = "no patient is registered as {patient}"
    remedy = "Check the patient id, chain and contract; a patient registers with `medrec patient register`."


class NotController(_Denied):
    """The actor is not the wallet that controls the patient id, and no representative either."""

    denial = Denial.NOT_CONTROLLER
    message = "{actor} is not the wallet that decides for the patient {patient}"
    remedy = "Use the patient's own wallet, or that of a representative for what a representative may decide."


class AgentNotNamed(_Denied):
    """The principal never named the actor as its agent, or dismissed it."""

    denial = Denial.AGENT_NOT_NAMED
    message = "{principal} has not named {actor} as its agent"
    remedy = "Have the principal name the agent (add_agent), or act for yourself."


class AgentExpired(_Denied):
    """The actor's time as an agent is over."""

    denial = Denial.AGENT_EXPIRED
    message = "{actor} is no longer an agent of {principal}: its time is over"
    remedy = "Have the principal name the agent again, with a later end."


class AgentSuspended(_Denied):
    """The agent is itself a provider, and suspended."""

    denial = Denial.AGENT_SUSPENDED
    message = "the agent {actor} is suspended as a provider"
    remedy = "Ask a registrar to reinstate the agent, or have another agent act."


class AgentAccreditationExpired(_Denied):
    """The agent is itself a provider, and its accreditation is over."""

    denial = Denial.AGENT_ACCREDITATION_EXPIRED
    message = "the accreditation of the agent {actor} is over"
    remedy = "Ask a registrar to renew the agent's accreditation, or have another agent act."


class NotAccredited(_Denied):
    """The principal is not an accredited provider."""

    denial = Denial.NOT_ACCREDITED
    message = "{principal} is not an accredited provider"
    remedy = "Ask a registrar to accredit it (`medrec registrar accredit`)."


class ProviderSuspended(_Denied):
    """The principal is suspended by a registrar (``Denial.Suspended``)."""

    denial = Denial.SUSPENDED
    message = "the provider {principal} is suspended"
    remedy = "Ask a registrar to reinstate it."


class AccreditationExpired(_Denied):
    """The principal's accreditation is over."""

    denial = Denial.ACCREDITATION_EXPIRED
    message = "the accreditation of {principal} is over"
    remedy = "Ask a registrar to renew the accreditation."


class PermissionMissing(_Denied):
    """The patient never granted the principal anything (``Denial.NotGranted``)."""

    denial = Denial.NOT_GRANTED
    message = "the patient {patient} has granted {principal} nothing, so it may not {to_do}"


class PermissionRevoked(_Denied):
    """The patient revoked the permission (``Denial.Revoked``)."""

    denial = Denial.REVOKED
    message = "the patient {patient} has revoked the permission of {principal}, so it may not {to_do}"
    remedy = "Ask the patient for a new permission."


class PermissionNotYetValid(_Denied):
    """The permission has not begun (``Denial.NotYetValid``)."""

    denial = Denial.NOT_YET_VALID
    message = "the permission of {principal} from the patient {patient} has not begun"
    remedy = "Wait until it begins, or ask the patient for one that begins now."


class PermissionExpired(_Denied):
    """The permission is over (``Denial.Expired``)."""

    denial = Denial.EXPIRED
    message = "the permission of {principal} from the patient {patient} is over, so it may not {to_do}"
    remedy = "Ask the patient to renew it."


class CompartmentNotGranted(_Denied):
    """The permission does not cover one of the compartments."""

    denial = Denial.COMPARTMENT_NOT_GRANTED
    message = (
        "the permission of {principal} from the patient {patient} does not cover the compartment, so it may not {to_do}"
    )
    remedy = "Choose a compartment that the permission covers, or ask the patient to add this one."


class PurposeNotGranted(_Denied):
    """The permission does not cover the purpose of use."""

    denial = Denial.PURPOSE_NOT_GRANTED
    message = "the permission of {principal} from the patient {patient} does not cover this purpose of use"
    remedy = "State the purpose that the permission is for, or ask the patient for one that covers this purpose."


class BeyondLimits(_Denied):
    """The permission that a representative would give or end does not lie within its own."""

    denial = Denial.BEYOND_LIMITS
    message = "the decision goes beyond what the representative {actor} was given by the patient {patient}"
    remedy = (
        "Decide within the representative's own compartments, purposes, history and end, or have the patient decide."
    )


DENIALS: Mapping[Denial, type[_Denied]] = {
    denied.denial: denied
    for denied in (
        PatientUnknown,
        NotController,
        AgentNotNamed,
        AgentExpired,
        AgentSuspended,
        AgentAccreditationExpired,
        NotAccredited,
        ProviderSuspended,
        AccreditationExpired,
        PermissionMissing,
        PermissionRevoked,
        PermissionNotYetValid,
        PermissionExpired,
        CompartmentNotGranted,
        PurposeNotGranted,
        BeyondLimits,
    )
}
"""The class of each reason; all but ``Denial.NONE``."""

_TO_DO = {
    Action.READ: "read the record",
    Action.APPEND: "append to the record",
    Action.DECIDE: "decide for the patient",
}


def not_permitted(patient: str, actor: str, principal: str, action: Action, denial: Denial) -> NotPermitted:
    """The exception for a refusal of the predicate, whether a call reverted with it or ``may()`` answered it."""
    values = {"patient": patient, "actor": actor, "principal": principal, "action": action, "denial": denial}
    denied = DENIALS.get(denial)
    if denied is None:
        return NotPermitted(f"{actor} may not {_TO_DO[action]} of {patient}", values)
    return denied(denied.message.format(**values, to_do=_TO_DO[action]), values)


# --- other errors ---------------------------------------------------------------------------------


class _Refused(ContractError):
    """Base of the errors that stand for one Solidity error each; ``message`` is a template over its arguments."""

    message: ClassVar[str]


class NotAuthority(_Refused):
    """The caller is not the authority, or not the one that it was offered to."""

    message = "{caller} is not the authority of this deployment"
    remedy = "Use the authority's wallet; authority() tells its address."


class NotRegistrar(_Refused):
    """The caller (or, for removing, the account) is not a registrar."""

    message = "{caller} is not a registrar"
    remedy = "Ask the authority to name it, or use a registrar's wallet."


class AlreadyRegistrar(_Refused):
    """The account is a registrar already."""

    message = "{account} is a registrar already"
    remedy = "Nothing is left to do."


class AlreadyRegistered(_Refused):
    """The patient id is registered already."""

    message = "the patient {patient} is registered already; an id registers once"
    remedy = "Go on with this id, or register with another wallet."


class ZeroAddress(_Refused):
    """The zero address cannot be used here."""

    message = "the zero address cannot be used here"
    remedy = "Give the address of a person or an organisation."


class SelfAgent(_Refused):
    """An account cannot be its own agent."""

    message = "{account} cannot be its own agent"
    remedy = "Nothing needs to be named: an account always acts for itself."


class UnknownProvider(_Refused):
    """The account is not a provider."""

    message = "{provider} was never accredited"
    remedy = "Check the address, or accredit it first."


class ProviderKindMissing(_Refused):
    """A provider must be an organisation or a practitioner."""

    message = "it is not said whether {provider} is an organisation or a practitioner"
    remedy = "Say which it is."


class ExpiryPassed(_Refused):
    """The end lies in the past."""

    message = "the end, {expiry:time}, lies in the past"
    remedy = "Give a later end, and compare this machine's clock with the chain's."


class SelfGrant(_Refused):
    """Nobody grants to itself, and nobody to the patient."""

    message = "the patient {patient} needs no permission for its own record, and a representative gives itself none"
    remedy = "Grant to somebody else's address."


class VersionMismatch(_Refused):
    """The permission has another version than the caller took it to have."""

    message = "the permission of {grantee} has version {current} by now; {given} does not follow it"
    remedy = "Somebody decided on it meanwhile: read the permission again, and grant anew if you still want to."


class FlagsNotSupported(_Refused):
    """The flags name a right that this deployment does not know."""

    message = "the flags {flags:#04x} name a right that this deployment does not have"
    remedy = "Grant without it: this deployment knows HISTORY and MANAGE."


class PurposesEmpty(_Refused):
    """A grant must name a purpose of use."""

    message = "the grant names no purpose of use"
    remedy = "Name one, for instance TREAT."


class CompartmentsEmpty(_Refused):
    """A grant or an entry must name a compartment."""

    message = "no compartment is named"
    remedy = "Name at least one."


class WindowInvalid(_Refused):
    """The permission would end before it begins, or has ended already."""

    message = "the permission {notBefore:begin} and ends at {expiry:time}: it is over, or ends before it begins"
    remedy = "Give a later end."


class StaleKeyring(_Refused):
    """Readers or keys changed since the caller read the keyring."""

    message = "the keyring of {patient} has version {current} by now, and this was sealed to version {given}"
    remedy = "Read the keyring again and seal anew; nothing was written."


class DecisionMismatch(_Refused):
    """The patient has decided something else since."""

    message = "the patient {patient} has taken {current} decisions, so {given} is not the next"
    remedy = "Another device decided meanwhile: read the patient's state again."


class RelayedMismatch(_Refused):
    """The author's next relayed call has another number."""

    message = "{current} calls that {author} signed were relayed, so {given} is not the next"
    remedy = (
        "Another call of the same author came first, or an earlier one is missing: sign again with the next number."
    )


class NotRelayable(_Refused):
    """Only signed forms can be relayed."""

    message = "the function 0x{selector} is not a signed form, so it cannot be relayed"
    remedy = "Send it as a transaction of its own, or have its signed form signed."


class RelayGasTooLow(_Refused):
    """With what is left of the gas a relayed call could fail for want of it."""

    message = "before call {item} of the relay {left} gas were left, and {needed} must be"
    remedy = "Give the transaction more gas, or relay fewer calls at once; nothing was carried out."


class SignatureInvalid(_Refused):
    """The account did not sign this, or the signature is malformed."""

    message = "the signature is not one of {signer} over this decision on this chain and contract"
    remedy = "Have the right wallet sign again, for this chain, contract, patient and number of the decision."


class DeadlinePassed(_Refused):
    """The signature was good for some time, and that is over."""

    message = "the signature was good until {deadline:time}"
    remedy = "Have it signed again with a later deadline, and compare this machine's clock with the chain's."


class WalletUnchanged(_Refused):
    """The wallet controls the patient id already."""

    message = "{wallet} controls the patient {patient} already"
    remedy = "Nothing is left to do, or name the wallet that shall control it."


class GuardiansMismatch(_Refused):
    """The guardians that were shown are not those that the patient set."""

    message = "these are not the guardians that count for {patient} now, or their signatures are not as many"
    remedy = "Show the set that counts now: a changed one counts only after the delay of the one before."


class GuardiansTooFew(_Refused):
    """Not enough guardians signed."""

    message = "it takes {threshold} guardians of {patient}, and too few signed: {missing} of them did not"
    remedy = "Ask more of them to sign."


class RecoveryMismatch(_Refused):
    """The recovery is not the next one, or cannot be begun or stopped now."""

    message = "{patient} has had {current} recoveries, and number {given} cannot be begun, or stopped, now"
    remedy = (
        "Look at `medrec guardian status`: signatures count for one recovery, another may be under way, and one that "
        "all guardians signed, or that is due, cannot be stopped."
    )


class RecoveryNotDue(_Refused):
    """There is no recovery that could be completed, or not yet."""

    message = "no recovery of {patient} can be completed before {due:time}"
    remedy = "Begin one, or wait until it is due: so long the present wallet may stop it."


class PointerEmpty(_Refused):
    """An entry must point to something."""

    message = "the entry points to nothing"
    remedy = "Store the block first and give its digest."


class ReplacedUnknown(_Refused):
    """The entry says that it replaces one that the history does not have."""

    message = "the entry replaces {replaces:entry}, and the history of {patient} has {length} entries"
    remedy = "Correct a record that exists (`medrec record list`)."


class KeyringExhausted(_Refused):
    """The keyring version has reached its last number."""

    message = "the keyring version of {patient} has reached its last number"
    remedy = (
        "No keyring can be published here any more; revoking still works. Continue the history on a new deployment."
    )


class AddressEmptyCode(_Refused):
    """A library found no code at an address that it was to call."""

    message = "there is no code at {target}"


class FailedCall(_Refused):
    """A library's inner call failed without a reason, for want of gas as a rule."""

    message = "an inner call failed without a reason"
    remedy = "Put fewer calls into the transaction."


class StringTooLong(_Refused):
    """A library met a string that is too long."""

    message = "the string {str!r} is too long"


ERRORS: Mapping[str, type[_Refused]] = {
    refused.__name__: refused
    for refused in (
        NotAuthority,
        NotRegistrar,
        AlreadyRegistrar,
        AlreadyRegistered,
        ZeroAddress,
        SelfAgent,
        UnknownProvider,
        ProviderKindMissing,
        ExpiryPassed,
        SelfGrant,
        VersionMismatch,
        FlagsNotSupported,
        PurposesEmpty,
        CompartmentsEmpty,
        WindowInvalid,
        StaleKeyring,
        DecisionMismatch,
        RelayedMismatch,
        NotRelayable,
        RelayGasTooLow,
        SignatureInvalid,
        DeadlinePassed,
        WalletUnchanged,
        GuardiansMismatch,
        GuardiansTooFew,
        RecoveryMismatch,
        RecoveryNotDue,
        PointerEmpty,
        ReplacedUnknown,
        KeyringExhausted,
        AddressEmptyCode,
        FailedCall,
        StringTooLong,
    )
}
"""The class of each Solidity error by its name; all but ``NotPermitted``, which has one for each reason."""

for _name, _refused in ERRORS.items():
    _refused.solidity = _name


class RevertedWithMessage(ContractError):
    """A revert with a text, ``Error(string)``. MedRec has none: it comes from another contract or from the node."""

    solidity = "Error"
    remedy = "Check that the address is that of a MedRec contract."


class Panicked(ContractError):
    """A failed check of the compiler's own, ``Panic(uint256)``: arithmetic, an index, an enum out of range."""

    solidity = "Panic"
    remedy = "No input should lead here: report it."


class UnknownRevert(ContractError):
    """A revert without data, or with an error that MedRec does not have."""

    remedy = (
        "An argument may be out of its range, the gas too little, or the address not that of this version of MedRec."
    )


# --- decoding -------------------------------------------------------------------------------------

_ERROR = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")
_BY_SELECTOR: Mapping[bytes, abi.Item] = {item.selector: item for item in abi.items("error").values()}


def decode_revert(data: bytes) -> ContractError:
    """The exception for what a call reverted with: its revert data, or `EntryRefused.reason`. Never raises."""
    selector, arguments = data[:4], data[4:]
    try:
        if selector == _ERROR:
            (text,) = abi.codec.decode(["string"], arguments)
            return RevertedWithMessage(f"the contract refused: {text}", {"message": text})
        if selector == _PANIC:
            (code,) = abi.codec.decode(["uint256"], arguments)
            return Panicked(f"the contract failed a check of the compiler's (panic {code:#04x})", {"code": code})
        item = _BY_SELECTOR.get(selector)
        if item is not None:
            return _error(item, abi.codec.decode(item.input_types, arguments))
    except Exception:  # noqa: BLE001 - data of a foreign contract or a faulty node: shown as they are
        return _unknown(data)
    return _unknown(data)


def _unknown(data: bytes) -> UnknownRevert:
    if not data:
        return UnknownRevert("the contract refused without giving a reason", {"data": data})
    return UnknownRevert(
        f"the contract refused with an error that MedRec does not have: 0x{data[:68].hex()}", {"data": data}
    )


def _error(item: abi.Item, arguments: tuple[Any, ...]) -> ContractError:
    values: dict[str, Any] = {
        parameter.name: to_address(value) if parameter.type == "address" else value
        for parameter, value in zip(item.inputs, arguments, strict=True)
    }
    if item.name == NotPermitted.solidity:
        values["action"], values["denial"] = Action(values["action"]), Denial(values["denial"])
        return not_permitted(**values)
    refused = ERRORS[item.name]
    return refused(_fill(refused.message, values), values)


class _Time:
    """Lets a template say ``{expiry:time}``, ``{notBefore:begin}`` and ``{replaces:entry}``; others as usual."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        return _SPECS[spec](self._value) if spec in _SPECS else format(self._value, spec)


def _as_time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):  # beyond the year 9999, or the years that the platform can count
        return f"second {seconds}"


def _as_begin(seconds: int) -> str:
    return f"begins at {_as_time(seconds)}" if seconds else "begins at once"


def _as_entry(place: int) -> str:
    return f"entry {place >> 32}"


_SPECS: Mapping[str, Callable[[int], str]] = {"time": _as_time, "begin": _as_begin, "entry": _as_entry}


def _fill(message: str, values: _Values) -> str:
    return message.format(**{name: _shown(value) for name, value in values.items()})


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return _Time(value) if isinstance(value, int) else value
