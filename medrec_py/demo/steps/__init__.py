"""The steps of the story, in order. Each does something real and checks what came of it."""

from medrec_py.demo.steps.consent import ACCREDIT, DEPLOY, GRANT, NAME_AGENT, REGISTER, WRITE_NOTE
from medrec_py.demo.steps.ending import HISTORY
from medrec_py.demo.steps.recovery import RECOVER
from medrec_py.demo.steps.refusals import OTHER_COMPARTMENT, STRANGER, TAMPERING
from medrec_py.demo.steps.revocation import AFTERWARDS, REFUSED, REVOKE
from medrec_py.demo.steps.sharing import APPEND, READ_BACK
from medrec_py.demo.steps.step import Step

STEPS = (
    DEPLOY,
    ACCREDIT,
    NAME_AGENT,
    REGISTER,
    WRITE_NOTE,
    GRANT,
    APPEND,
    READ_BACK,
    STRANGER,
    OTHER_COMPARTMENT,
    TAMPERING,
    REVOKE,
    REFUSED,
    AFTERWARDS,
    RECOVER,
    HISTORY,
)

__all__ = ["STEPS", "Step"]
