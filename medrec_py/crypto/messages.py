"""Every EIP-712 type that MedRec has a wallet sign: the signed forms of its contract, and what else it signs."""

from __future__ import annotations

from typing import Final

from medrec_py.crypto.profile import PROFILE
from medrec_py.crypto.signed_decisions import FORMS
from medrec_py.crypto.statement import STATEMENT
from medrec_py.crypto.typed_data import TypedStruct
from medrec_py.crypto.wallet_change import WALLET_CHANGE

STRUCTS: Final[tuple[TypedStruct, ...]] = (
    *(form.struct for form in FORMS.values()),
    WALLET_CHANGE,
    STATEMENT,
    PROFILE,
)
"""All of them."""
