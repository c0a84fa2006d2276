"""What a relayer does with requests for access and their answers: check who sends them, keep them, hand them out.

It is no party to them. Whoever asks a patient signs, and so does the patient who answers; both check for themselves
what they are handed. What is checked here keeps strangers from filling an inbox, and keeps a second answer from
following the first.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.signatures import ContractSignatures
from medrec_py.chain.types import Denial, address_bytes, address_of
from medrec_py.crypto.access_answer import AccessAnswer
from medrec_py.crypto.access_request import AccessRequest
from medrec_py.crypto.posting import Posting
from medrec_py.crypto.typed_data import is_signed_by
from medrec_py.errors import ChainUnavailable, FormatError, InvalidInput, NotDeployed, QueueError
from medrec_py.relay.limits import MailLimits
from medrec_py.relay.mailbox import Kept, Mailbox
from medrec_py.relay.metrics import Metrics
from medrec_py.relay.quotas import Quota
from medrec_py.relay.refusals import Code, Refusal
from medrec_py.standing import denial_of, refusal_of

TAKEN: Final = "taken"
"""State of what the relayer has."""


class PostOffice:
    """Requests and answers of one relayer. May be shared between threads.

    Args:
        contract: MedRec, by the relayer's connection.
        mailbox: Where they are kept. Closed by whoever opened it.
        limits: What is taken and kept.
        metrics: Of the relayer.
        now: Unix time: the later of this machine's clock and the chain's.
        write_down: Keeps what a request has cost its requester, as notes of the relayer's queue.
    """

    def __init__(
        self,
        contract: MedRecContract,
        mailbox: Mailbox,
        limits: MailLimits,
        metrics: Metrics,
        now: Callable[[], int],
        write_down: Callable[[Mapping[str, bytes]], None],
    ) -> None:
        self._contract = contract
        self._mailbox = mailbox
        self._limits = limits
        self._metrics = metrics
        self._now = now
        self._write_down = write_down
        self._place = contract.chain.chain_id, address_bytes(contract.address)
        self._check_contract = ContractSignatures(contract.chain)
        self.requesters = Quota("requester", limits.requester_burst, limits.requester_per_hour, now)
        """How much each of them may still ask for."""

    # --- requests ---------------------------------------------------------------------------------

    def take_request(self, body: bytes) -> dict[str, Any]:
        """Take a request of whoever may ask; one that was taken before is not taken twice.

        Args:
            body: A posting, as it came.

        Returns:
            Its id and state.

        Raises:
            Refusal: it is not taken; the code says why.
        """
        with self._counted():
            posting = self._read(body, AccessRequest)
            request, digest = posting.message, posting.message.digest()
            if self._mailbox.get(digest) is None:
                self._check_request(request, posting.signature)
                self._keep(request, digest, posting.letter)
                self._metrics.mail.labels("request").inc()
        return {"id": request.id, "state": TAKEN}

    def requests(self, patient: str) -> dict[str, Any]:
        """The letters that wait for a patient, with ids and deadlines: to whoever asks, for nobody else opens them.

        Args:
            patient: Patient id.

        Raises:
            Refusal: that is no address, or the mailbox cannot be read.
        """
        with _as_refusals():
            try:
                kept = self._mailbox.open_to(address_bytes(patient), self._now())
            except InvalidInput as error:
                raise Refusal(Code.MALFORMED, str(error)) from error
        return {"requests": [_listed(one) for one in kept]}

    # --- answers ----------------------------------------------------------------------------------

    def take_answer(self, body: bytes) -> dict[str, Any]:
        """Take the patient's answer to a request that is here; the same one again is as once.

        Args:
            body: A posting, as it came.

        Returns:
            Its id and state.

        Raises:
            Refusal: it is not taken; the code says why.
        """
        with self._counted():
            posting = self._read(body, AccessAnswer)
            answer, digest = posting.message, posting.message.digest()
            kept = self._known(answer.request)
            if kept.answer_id is None:
                self._check_answer(answer, kept, posting.signature)
                until = self._now() + self._limits.answer_seconds
                with self._mailbox.at_once():
                    self._mailbox.answer(kept.id, digest, posting.letter, until)
                    kept = self._known(answer.request)
            if kept.answer_id != digest:
                raise Refusal(Code.ANSWERED, "another answer to this request was given already")
            self._metrics.mail.labels("answer").inc()
        return {"id": "0x" + digest.hex(), "state": TAKEN}

    def answer(self, request: bytes) -> dict[str, Any]:
        """The letter that answers a request.

        Args:
            request: Digest of the request, 32 bytes.

        Raises:
            Refusal: there is no such request here, or it is not answered.
        """
        with _as_refusals():
            kept = self._known(request)
            if kept.answer is None:
                raise Refusal(Code.UNKNOWN, "the request has no answer yet")
            return {"request": "0x" + request.hex(), "letter": base64.b64encode(kept.answer).decode()}

    def tidy(self) -> None:
        """Forget what is over, and count what waits."""
        self._metrics.mail.labels("forgotten").inc(self._mailbox.forget(self._now()))
        self._metrics.mail_open.set(self._mailbox.waiting())

    # --- private ----------------------------------------------------------------------------------

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Refusals of what was sent are counted; that nothing is there yet is no refusal."""
        try:
            with _as_refusals():
                yield
        except Refusal as refusal:
            self._metrics.mail_refused.labels(refusal.code.value).inc()
            raise

    def _read(self, body: bytes, kind: Any) -> Posting[Any]:
        try:
            posting = Posting.from_json(body, kind)
        except FormatError as error:
            raise Refusal(Code.MALFORMED, str(error)) from error
        place = posting.message.place
        if (place.chain_id, place.contract) != self._place:
            raise Refusal(Code.ELSEWHERE, "it was signed for another chain or contract than this relayer serves")
        return posting

    def _known(self, request: bytes) -> Kept:
        kept = self._mailbox.get(request)
        if kept is None:
            raise Refusal(Code.UNKNOWN, "this relayer does not have that request")
        return kept

    def _check_request(self, request: AccessRequest, signature: bytes) -> None:
        """What is cheap first: who is not the requester makes no work, and uses up nothing."""
        ahead = request.deadline - self._now()
        if not 0 <= ahead <= self._limits.seconds:
            raise Refusal(
                Code.DEADLINE,
                f"the deadline is {ahead} s ahead, and requests are kept for at most {self._limits.seconds} s",
            )
        self._require_signed(request.requester, request.digest(), signature)
        if not self._contract.patient_of(address_of(request.place.patient)).is_registered:
            raise Refusal(Code.UNKNOWN, "no patient of that id is registered")
        denial = denial_of(self._contract, request)
        if denial is not Denial.NONE:
            raise Refusal(Code.STANDING, str(refusal_of(request, denial)))

    def _keep(self, request: AccessRequest, digest: bytes, letter: bytes) -> None:
        patient, principal, now = request.place.patient, request.on_behalf_of, self._now()
        self._mailbox.forget(now)
        with self._mailbox.at_once():
            counts = self._mailbox.counts(patient, principal, now)
            if counts.principal >= self._limits.per_principal:
                raise Refusal(Code.QUOTA, f"{counts.principal} requests of this provider wait for the patient's answer")
            if counts.patient >= self._limits.per_patient:
                raise Refusal(Code.QUOTA, "as many requests wait for this patient as the relayer keeps")
            if counts.provider >= self._limits.per_provider:
                raise Refusal(Code.QUOTA, "the relayer keeps as many requests of this provider as of any")
            if counts.all >= self._limits.all:
                raise Refusal(Code.QUEUE, "the relayer keeps as many requests as it can")
            self._count(request.requester)
            self._mailbox.put(Kept(digest, patient, request.requester, principal, request.deadline, letter))

    def _count(self, requester: bytes) -> None:
        account = address_of(requester)
        wait = self.requesters.take({account: 1})
        if wait > 0:
            retry = None if wait == math.inf else math.ceil(wait)
            raise Refusal(Code.QUOTA, "this account has asked enough for now", retry_after=retry)
        self._write_down(self.requesters.notes([account]))

    def _check_answer(self, answer: AccessAnswer, kept: Kept, signature: bytes) -> None:
        if kept.deadline < self._now():
            raise Refusal(Code.DEADLINE, "the request's deadline has passed")
        asked = kept.patient, kept.requester, kept.principal
        if (answer.place.patient, answer.requester, answer.on_behalf_of) != asked:
            raise Refusal(Code.SIGNATURE, "the request was of other people")
        wallet = self._contract.patient_of(address_of(kept.patient)).wallet
        if address_of(answer.signer) != wallet:
            raise Refusal(Code.SIGNATURE, "another wallet decides for this patient")
        self._require_signed(answer.signer, answer.digest(), signature)

    def _require_signed(self, account: bytes, digest: bytes, signature: bytes) -> None:
        if not is_signed_by(account, digest, signature, self._check_contract):
            raise Refusal(Code.SIGNATURE, f"{address_of(account)} did not sign it")


@contextmanager
def _as_refusals() -> Iterator[None]:
    """What the relayer depends on may fail: whoever asks is told to come back."""
    try:
        yield
    except (ChainUnavailable, NotDeployed) as error:
        raise Refusal(Code.NODE, "the relayer's node does not answer as it should") from error
    except QueueError as error:
        raise Refusal(Code.QUEUE, "the relayer cannot use its mailbox") from error


def _listed(kept: Kept) -> dict[str, Any]:
    assert kept.letter is not None  # noqa: S101 - what is open has one
    return {
        "id": "0x" + kept.id.hex(),
        "deadline": kept.deadline,
        "letter": base64.b64encode(kept.letter).decode(),
    }
