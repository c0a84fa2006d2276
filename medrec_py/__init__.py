"""MedRec: a patient decides, with a wallet, who may read or add to their encrypted medical record.

    import medrec_py as medrec

    with medrec.local() as net:
        alice = net.patient(medrec.Wallet.create()).register(compartments=["general", "psychiatry"])

The names below are the public ones; everything else may change. Errors are in ``medrec_py.errors``, those of the
contract in ``medrec_py.chain.reverts``; the usual ones are here too.
"""

import importlib
import typing

from medrec_py import errors as errors

if typing.TYPE_CHECKING:
    from medrec_py.access_report import HadAccess
    from medrec_py.answering import Answered, AnswerNotPosted, ReceivedRequest, ReceivedRequests
    from medrec_py.answers import Answer
    from medrec_py.asking import Asked
    from medrec_py.chain.reverts import (
        BeyondLimits,
        CompartmentNotGranted,
        PermissionExpired,
        PermissionMissing,
        PermissionRevoked,
        PurposeNotGranted,
        StaleKeyring,
    )
    from medrec_py.chain.transactions import Receipt
    from medrec_py.chain.types import ProviderKind
    from medrec_py.chart import Appended, Chart, RecordUnreadable, TimelineEntry
    from medrec_py.crypto.keys import RootSecret
    from medrec_py.crypto.signed_decisions import Bundle
    from medrec_py.deciding import Granted, KeysNotRotated, Revoked
    from medrec_py.decision_log import Decided, DecisionLine
    from medrec_py.errors import IntegrityError, KeyUnavailable, MedRecError, NotPermitted
    from medrec_py.guardians import Guardians, GuardiansKept, GuardiansStay, GuardianStatus, UnderWay
    from medrec_py.guardianship import GuardianShare, Recovery, hand_over_share, open_share
    from medrec_py.healing import Healed, Staleness, StalePermission
    from medrec_py.keyfile import KeyFile
    from medrec_py.keyring_maker import KeysNotSealed
    from medrec_py.keyservice.client import KeyServiceClient
    from medrec_py.network import Network, connect, local
    from medrec_py.party import KeyRenewed
    from medrec_py.patient import BlocksNotRemoved, Erased, Patient, Resealed, RootChanged
    from medrec_py.permission_lines import PermissionLine
    from medrec_py.provider import Mandate, Organisation, Practitioner, Provider
    from medrec_py.purposes import Purpose
    from medrec_py.records import Draft, Record
    from medrec_py.registrar import Authority, Registrar
    from medrec_py.relayer import RelayerClient
    from medrec_py.representative import Representative
    from medrec_py.rotation import FalseKeys
    from medrec_py.storage import BlockStore, open_store
    from medrec_py.times import majority
    from medrec_py.unsealing import Unsealer
    from medrec_py.wallet import Signer, Wallet
    from medrec_py.wallet_recovery import WalletRecovery
    from medrec_py.wallets.ape import ApeWallet
    from medrec_py.wallets.browser import BrowserWallet, KnownNames
    from medrec_py.wallets.clef import ClefWallet
    from medrec_py.wallets.node import NodeWallet
    from medrec_py.wallets.safe import SafeWallet

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AnswerNotPosted",
    "Answered",
    "ApeWallet",
    "Appended",
    "Asked",
    "Authority",
    "BeyondLimits",
    "BlockStore",
    "BlocksNotRemoved",
    "BrowserWallet",
    "Bundle",
    "Chart",
    "ClefWallet",
    "CompartmentNotGranted",
    "Decided",
    "DecisionLine",
    "Draft",
    "Erased",
    "FalseKeys",
    "Granted",
    "GuardianShare",
    "GuardianStatus",
    "Guardians",
    "GuardiansKept",
    "GuardiansStay",
    "HadAccess",
    "Healed",
    "IntegrityError",
    "KeyFile",
    "KeyRenewed",
    "KeyServiceClient",
    "KeyUnavailable",
    "KeysNotRotated",
    "KeysNotSealed",
    "KnownNames",
    "Mandate",
    "MedRecError",
    "Network",
    "NodeWallet",
    "NotPermitted",
    "Organisation",
    "Patient",
    "PermissionExpired",
    "PermissionLine",
    "PermissionMissing",
    "PermissionRevoked",
    "Practitioner",
    "Provider",
    "ProviderKind",
    "Purpose",
    "PurposeNotGranted",
    "Receipt",
    "ReceivedRequest",
    "ReceivedRequests",
    "Record",
    "RecordUnreadable",
    "Recovery",
    "Registrar",
    "RelayerClient",
    "Representative",
    "Resealed",
    "Revoked",
    "RootChanged",
    "RootSecret",
    "SafeWallet",
    "Signer",
    "StaleKeyring",
    "StalePermission",
    "Staleness",
    "TimelineEntry",
    "UnderWay",
    "Unsealer",
    "Wallet",
    "WalletRecovery",
    "__version__",
    "connect",
    "hand_over_share",
    "local",
    "majority",
    "open_share",
    "open_store",
]

# Imported when they are used first: web3 takes more than a second, which `medrec --help` need not wait for.
_MODULES = {
    "medrec_py.access_report": ("HadAccess",),
    "medrec_py.answering": ("AnswerNotPosted", "Answered", "ReceivedRequest", "ReceivedRequests"),
    "medrec_py.answers": ("Answer",),
    "medrec_py.asking": ("Asked",),
    "medrec_py.chain.reverts": (
        "BeyondLimits",
        "CompartmentNotGranted",
        "PermissionExpired",
        "PermissionMissing",
        "PermissionRevoked",
        "PurposeNotGranted",
        "StaleKeyring",
    ),
    "medrec_py.chain.transactions": ("Receipt",),
    "medrec_py.chain.types": ("ProviderKind",),
    "medrec_py.chart": ("Appended", "Chart", "RecordUnreadable", "TimelineEntry"),
    "medrec_py.crypto.keys": ("RootSecret",),
    "medrec_py.crypto.signed_decisions": ("Bundle",),
    "medrec_py.decision_log": ("Decided", "DecisionLine"),
    "medrec_py.deciding": ("Granted", "KeysNotRotated", "Revoked"),
    "medrec_py.errors": ("IntegrityError", "KeyUnavailable", "MedRecError", "NotPermitted"),
    "medrec_py.guardians": ("GuardianStatus", "Guardians", "GuardiansKept", "GuardiansStay", "UnderWay"),
    "medrec_py.guardianship": ("GuardianShare", "Recovery", "hand_over_share", "open_share"),
    "medrec_py.healing": ("Healed", "StalePermission", "Staleness"),
    "medrec_py.keyfile": ("KeyFile",),
    "medrec_py.keyservice.client": ("KeyServiceClient",),
    "medrec_py.keyring_maker": ("KeysNotSealed",),
    "medrec_py.network": ("Network", "connect", "local"),
    "medrec_py.party": ("KeyRenewed",),
    "medrec_py.patient": ("BlocksNotRemoved", "Erased", "Patient", "Resealed", "RootChanged"),
    "medrec_py.permission_lines": ("PermissionLine",),
    "medrec_py.provider": ("Mandate", "Organisation", "Practitioner", "Provider"),
    "medrec_py.purposes": ("Purpose",),
    "medrec_py.records": ("Draft", "Record"),
    "medrec_py.registrar": ("Authority", "Registrar"),
    "medrec_py.relayer": ("RelayerClient",),
    "medrec_py.representative": ("Representative",),
    "medrec_py.rotation": ("FalseKeys",),
    "medrec_py.storage": ("BlockStore", "open_store"),
    "medrec_py.times": ("majority",),
    "medrec_py.unsealing": ("Unsealer",),
    "medrec_py.wallet": ("Signer", "Wallet"),
    "medrec_py.wallet_recovery": ("WalletRecovery",),
    "medrec_py.wallets.ape": ("ApeWallet",),
    "medrec_py.wallets.browser": ("BrowserWallet", "KnownNames"),
    "medrec_py.wallets.clef": ("ClefWallet",),
    "medrec_py.wallets.node": ("NodeWallet",),
    "medrec_py.wallets.safe": ("SafeWallet",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> typing.Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
