"""MedRec: a patient decides, with a wallet, who may read or add to their encrypted medical record.

    import medrec_py as medrec

    with medrec.local() as net:
        alice = net.patient(medrec.Wallet.create()).register(compartments=["general", "psychiatry"])

The names below are the public ones; everything else may change. Errors are in ``medrec_py.errors``, those of the
contract in ``medrec_py.chain.reverts``; the usual ones are here too.
"""

from medrec_py.chain.reverts import (
    CompartmentNotGranted,
    PermissionExpired,
    PermissionMissing,
    PermissionRevoked,
    PurposeNotGranted,
    StaleKeyring,
)
from medrec_py.chain.transactions import Receipt
from medrec_py.chain.types import ProviderKind
from medrec_py.chart import Appended, Chart, TimelineEntry
from medrec_py.crypto.keys import RootSecret
from medrec_py.errors import IntegrityError, KeyUnavailable, MedRecError, NotPermitted
from medrec_py.network import Network, connect, local
from medrec_py.patient import Granted, KeysNotRotated, KeysNotSealed, Patient, PermissionLine, Revoked
from medrec_py.provider import Mandate, Organisation, Practitioner, Provider
from medrec_py.purposes import Purpose
from medrec_py.records import Draft, Record
from medrec_py.registrar import Authority, Registrar
from medrec_py.storage import BlockStore, open_store
from medrec_py.unsealing import Unsealer
from medrec_py.wallet import Signer, Wallet

__version__ = "0.1.0"

__all__ = [
    "Appended",
    "Authority",
    "BlockStore",
    "Chart",
    "CompartmentNotGranted",
    "Draft",
    "Granted",
    "IntegrityError",
    "KeyUnavailable",
    "KeysNotRotated",
    "KeysNotSealed",
    "Mandate",
    "MedRecError",
    "Network",
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
    "Record",
    "Registrar",
    "Revoked",
    "RootSecret",
    "Signer",
    "StaleKeyring",
    "TimelineEntry",
    "Unsealer",
    "Wallet",
    "__version__",
    "connect",
    "local",
    "open_store",
]
