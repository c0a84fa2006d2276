"""Every EIP-712 type that MedRec has a person's wallet sign: the signed forms of its contract, and what else it signs.

What programs sign for themselves is not among them: an agent's requests to a key service.
"""

from __future__ import annotations

from typing import Final

from medrec_py.crypto.access_answer import AccessAnswer
from medrec_py.crypto.access_request import AccessRequest
from medrec_py.crypto.profile import PROFILE
from medrec_py.crypto.signed_decisions import FORMS
from medrec_py.crypto.statement import STATEMENT
from medrec_py.crypto.typed_data import TypedStruct
from medrec_py.crypto.wallet_change import WALLET_CHANGE
from medrec_py.crypto.wallet_recovery import CompleteRecovery

STRUCTS: Final[tuple[TypedStruct, ...]] = (
    *(form.struct for form in FORMS.values() if form is not CompleteRecovery),  # nobody signs that
    WALLET_CHANGE,
    STATEMENT,
    PROFILE,
    AccessRequest.struct,
    AccessAnswer.struct,
)
"""All of them."""
