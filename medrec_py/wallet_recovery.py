"""A patient id goes to a new wallet: what the new wallet does, and what each guardian does.

The new wallet asks, with the root secret that tells who the guardians are; each guardian signs, once the person has
read the request's fingerprint out; anybody sends what was signed, and completes it when it is due.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from medrec_py.chain.transactions import Receipt
from medrec_py.chain.types import address_bytes, address_of
from medrec_py.courier import Courier, OwnExpense
from medrec_py.crypto.guardian_set import GuardianSet
from medrec_py.crypto.keys import RootSecret
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision
from medrec_py.crypto.typed_data import is_signed_by, sign_message
from medrec_py.crypto.wallet_recovery import Approval, CompleteRecovery, Recover, Request, parse_approval, parse_request
from medrec_py.errors import InvalidInput, NotFound, NotGuardian, RecoveryOver, SignatureMissing
from medrec_py.guardians import GuardianKeeper, UnderWay, under_way
from medrec_py.ledger import Ledger
from medrec_py.wallet import Signer

VALID = timedelta(days=30)
"""How long guardians have to answer a request."""
LONGEST = timedelta(days=90)
"""What guardians sign for at the most: nothing else ends a signature while no recovery begins."""


class WalletRecovery:
    """A patient id on its way to a new wallet. ``Network.wallet_recovery`` makes it.

    Args:
        ledger: Chain and store.
        wallet: The new wallet.
        root: The patient's root secret: from the phrase, or from the guardians' shares (``Recovery``).
        request: What the guardians are asked. Keep it: their answers belong to it alone.
    """

    def __init__(self, ledger: Ledger, wallet: Signer, root: RootSecret, request: Request) -> None:
        self._ledger = ledger
        self._wallet = wallet
        self._request = request
        self.patient = address_of(request.place.patient)
        self._keeper = GuardianKeeper(ledger, self.patient, root)

    @classmethod
    def ask(
        cls, ledger: Ledger, patient: str, wallet: Signer, root: RootSecret, valid: timedelta = VALID
    ) -> WalletRecovery:
        """Begin to ask the guardians.

        Raises:
            GuardiansUnknown: the patient has none, or the root secret does not tell who they are.
            InvalidInput: the wallet decides for the patient already, or ``valid`` is not positive, or too long.
        """
        if ledger.contract.patient_of(patient).wallet == wallet.address:
            raise InvalidInput(f"{wallet.address} decides for the patient {patient} already")
        if not timedelta(0) < valid <= LONGEST:
            raise InvalidInput(f"guardians need some time to answer, and sign for {LONGEST.days} days at the most")
        number = ledger.contract.guardianship_of(patient).round + 1
        deadline = ledger.signing_time() + int(valid.total_seconds())
        request = Request(ledger.place(patient), address_bytes(wallet.address), number, deadline)
        recovery = cls(ledger, wallet, root, request)
        recovery.guardians()
        return recovery

    @classmethod
    def resume(cls, ledger: Ledger, wallet: Signer, root: RootSecret, request: bytes) -> WalletRecovery:
        """Go on with a request that was made before.

        Raises:
            FormatError: it is none.
            InvalidInput: it is another wallet's, or for another chain or contract.
        """
        parsed = parse_request(request)
        _require_here(ledger, parsed)
        if parsed.wallet != address_bytes(wallet.address):
            raise InvalidInput(f"the request is for the wallet {address_of(parsed.wallet)}, not {wallet.address}")
        return cls(ledger, wallet, root, parsed)

    @property
    def request(self) -> bytes:
        """What the guardians are sent. Holds no secret, and proves nothing by itself."""
        return self._request.to_bytes()

    @property
    def fingerprint(self) -> str:
        """24 digits of the request, for the person to read out to the guardians."""
        return self._request.fingerprint()

    @property
    def round(self) -> int:
        """Number of the recovery that is asked for."""
        return self._request.round

    @property
    def under_way(self) -> UnderWay | None:
        """The recovery to this wallet, once it has begun and until it is over; ``None`` before and after.

        One to another wallet is somebody else's, whatever its number.
        """
        now = under_way(self._ledger.contract.guardianship_of(self.patient))
        return now if now is not None and now.wallet == self._wallet.address else None

    @property
    def rival(self) -> UnderWay | None:
        """A recovery to another wallet that is under way: only what all guardians sign comes before it."""
        now = under_way(self._ledger.contract.guardianship_of(self.patient))
        return now if now is not None and now.wallet != self._wallet.address else None

    @property
    def is_complete(self) -> bool:
        """Whether the new wallet decides for the patient."""
        return self._ledger.contract.patient_of(self.patient).wallet == self._wallet.address

    def guardians(self) -> GuardianSet:
        """Whom to ask. Raises as ``GuardianKeeper.in_force``."""
        return self._keeper.in_force()

    def receive(self, block: bytes) -> Approval:
        """Read what a guardian answered, and check it.

        Raises:
            FormatError, KeyringMismatch: it is no answer, or one to another request.
            NotGuardian: it is of nobody who guards the patient now.
            SignatureMissing: the guardian did not sign that.
        """
        approval = parse_approval(block, self._request)
        if approval.guardian not in self.guardians().guardians:
            raise NotGuardian(f"{address_of(approval.guardian)} does not guard the patient {self.patient} now")
        digest = self._request.to_sign(approval.guardian).digest()
        if not is_signed_by(approval.guardian, digest, approval.signature, self._ledger.check_contract):
            raise SignatureMissing(f"{address_of(approval.guardian)} did not sign this recovery")
        return approval

    def begin(self, approvals: Iterable[Approval], payer: Signer | None = None) -> Receipt:
        """Begin the recovery, which can be completed after the delay of the guardians.

        Args:
            approvals: From ``receive``; of as many guardians as it takes, or of all, if nobody is to stop it.
            payer: Sends and pays; the network's relayer unless given, or the new wallet if there is none.

        Raises:
            GuardiansTooFew: they are too few.
            GuardiansMismatch: they guard the patient no longer.
            RecoveryOver: it was stopped, or another was begun since the request was made; ask again.
            RecoveryMismatch: another one is under way that takes precedence.
            DeadlinePassed: the request was good for some time, and that is over; ask again.
            RelayError, ChainError: as ``Network.carry``.
        """
        given = {approval.guardian: approval.signature for approval in approvals}
        guardians = self.guardians()
        if strangers := given.keys() - set(guardians.guardians):
            raise NotGuardian(f"{address_of(min(strangers))} does not guard the patient {self.patient} now")
        self._require_open(unanimous=len(given) == len(guardians.guardians))
        consent = self._consent()
        signature = sign_message(self._wallet.sign_typed_data, consent.signer, consent, self._ledger.check_contract)
        signatures = (signature, *(given.get(guardian, b"") for guardian in guardians.guardians))
        return self._carry(SignedDecision(consent, signatures, guardians), payer)

    def complete(self, payer: Signer | None = None) -> Receipt:
        """Hand the patient id to the new wallet, once the recovery is due.

        Args:
            payer: As for ``begin``.

        Raises:
            RecoveryOver: it was stopped, or never begun, or one to another wallet is under way.
            RecoveryNotDue: it is not due yet.
            RelayError, ChainError: as ``Network.carry``.
        """
        begun = self.under_way
        if begun is None:
            raise RecoveryOver(f"the recovery of {self.patient} was stopped, or never begun")
        deadline = self._ledger.signing_time() + self._ledger.signed_for
        form = CompleteRecovery(self._request.place, self._request.wallet, begun.round, deadline)
        return self._carry(SignedDecision(form, ()), payer)

    def __repr__(self) -> str:
        return f"<WalletRecovery of {self.patient} to {self._wallet.address}>"

    def _require_open(self, *, unanimous: bool) -> None:
        """What all signed counts also behind a recovery of the same number that not all signed, stopped or not."""
        latest, mine = self._ledger.contract.guardianship_of(self.patient).round, self._request.round
        if latest < mine or (latest == mine and self.under_way is not None):
            return
        if (rival := self.rival) is not None and not unanimous:
            raise RecoveryOver(
                f"a recovery of {self.patient} to another wallet, {rival.wallet}, is under way: only what all "
                "guardians signed comes before it"
            )
        if latest > mine or not unanimous or self.is_complete:
            raise RecoveryOver(f"recovery {mine} of {self.patient} was stopped, or another was begun")

    def _consent(self) -> Recover:
        return self._request.to_sign(self._request.wallet)

    def _carry(self, signed: SignedDecision, payer: Signer | None) -> Receipt:
        courier: Courier | None = self._ledger.courier if payer is None else None
        return self._ledger.carry(
            courier or OwnExpense(self._ledger.contract, payer or self._wallet), Bundle((signed,))
        )


def approve(ledger: Ledger, guardian: Signer, request: bytes, fingerprint: str) -> bytes:
    """Sign, as a guardian, that a patient id goes to the wallet that a request names.

    Warning: together with the other guardians it hands the whole record over. Have the fingerprint read out by the
        patient, in person or on the telephone, and make sure that it is the patient who reads.

    Args:
        ledger: Chain and store.
        guardian: Signs.
        request: From the new wallet.
        fingerprint: What the patient read out.

    Returns:
        The block for the new wallet.

    Raises:
        FormatError: it is no request.
        FingerprintMismatch: it has another fingerprint: it may be somebody else's.
        InvalidInput: it is for another chain or contract, or good for longer than any has to be.
        NotFound: nobody is registered under that patient id.
        RecoveryOver: another recovery was begun since, or the time for this one is over.
        WalletError: the wallet did not sign.
    """
    parsed = parse_request(request)
    parsed.check_fingerprint(fingerprint)
    _require_here(ledger, parsed)
    patient = address_of(parsed.place.patient)
    if not ledger.contract.patient_of(patient).is_registered:
        raise NotFound(f"no patient is registered as {patient}")
    if parsed.round != ledger.contract.guardianship_of(patient).round + 1:
        raise RecoveryOver(f"another recovery of {patient} was begun since this request was made")
    now = ledger.chain.now()
    if parsed.deadline < now:
        raise RecoveryOver("the time for this request is over")
    if parsed.deadline > max(now, ledger.signing_time()) + LONGEST.total_seconds():
        raise InvalidInput(
            f"the request is good for more than {LONGEST.days} days: whoever has it could wait for years"
        )
    account = address_bytes(guardian.address)
    signature = sign_message(guardian.sign_typed_data, account, parsed.to_sign(account), ledger.check_contract)
    return Approval(account, signature).to_bytes(parsed)


def _require_here(ledger: Ledger, request: Request) -> None:
    if (request.place.chain_id, request.place.contract) != (ledger.deployment.chain_id, ledger.deployment.contract):
        raise InvalidInput("the request is for another chain or contract")
