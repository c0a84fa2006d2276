"""What a relayer looks at before it pays: deployment, deadline, signatures, and whether the contract would refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from medrec_py.chain.connection import NodeError
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.reverts import decode_revert
from medrec_py.chain.signatures import ContractSignatures
from medrec_py.chain.transactions import Call
from medrec_py.crypto.signed_decisions import Bundle
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.errors import ChainUnavailable, SignatureMissing
from medrec_py.relay.calls import gas_together
from medrec_py.relay.known import known_by
from medrec_py.relay.limits import Limits
from medrec_py.relay.refusals import Code, Refusal
from medrec_py.signed_forms import signed_call

_OUT_OF_GAS: Final = re.compile(r"out of ?gas|gas required|intrinsic gas|gas too low|exceeds .*gas", re.IGNORECASE)


class Checks:
    """The checks of one relayer. May be shared between threads.

    Args:
        contract: MedRec.
        sender: The relayer's account, EIP-55.
        limits: Of the relayer.
        clock: The chain's clock and the gas limit of its blocks, as known lately: Unix time, gas.
    """

    def __init__(
        self, contract: MedRecContract, sender: str, limits: Limits, clock: Callable[[], tuple[int, int]]
    ) -> None:
        self._contract = contract
        self._sender = sender
        self._limits = limits
        self._clock = clock
        self._place = contract.chain.chain_id, contract.address
        self._check_contract = ContractSignatures(contract.chain)

    def place(self, bundle: Bundle) -> None:
        """It is for this deployment.

        Raises:
            Refusal: it is for another one.
        """
        there = bundle.place.chain_id, checksum_address(bundle.place.contract)
        if there != self._place:
            raise Refusal(
                Code.ELSEWHERE,
                f"the decisions are for contract {there[1]} on chain {there[0]}, and this relayer serves "
                f"{self._place[1]} on chain {self._place[0]}",
            )

    def deadline(self, bundle: Bundle) -> None:
        """There is time enough to send it.

        Raises:
            Refusal: its deadline has passed, or is too near.
        """
        ahead = bundle.deadline - self._clock()[0]
        if ahead < self._limits.deadline_seconds:
            raise Refusal(
                Code.DEADLINE,
                f"the deadline is {ahead} s ahead of the chain's clock, and this relayer takes what has at least "
                f"{self._limits.deadline_seconds} s",
            )

    def distinct(self, bundle: Bundle) -> None:
        """No decision is in it twice: the second would do nothing, and cost as much.

        Raises:
            Refusal: one is.
        """
        seen: set[bytes] = set()
        for number, signed in enumerate(bundle.decisions):
            digest = known_by(signed.decision)
            if digest in seen:
                raise Refusal(Code.MALFORMED, "the same decision is in the bundle twice", decision=number)
            seen.add(digest)

    def signatures(self, bundle: Bundle) -> tuple[str, ...]:
        """Everybody who has to sign did: keys here, accounts with code by the chain.

        Returns:
            Those whose code said so, EIP-55, sorted: they may say something else when it is carried out.

        Raises:
            Refusal: somebody did not.
            ChainUnavailable: the node does not answer.
        """
        vouching: set[str] = set()

        def ask(account: bytes, digest: bytes, signature: bytes) -> bool:
            is_valid = self._check_contract(account, digest, signature)
            vouching.update([checksum_address(account)] if is_valid else [])
            return is_valid

        for number, signed in enumerate(bundle.decisions):
            try:
                signed.verify(ask)
            except SignatureMissing as error:
                raise Refusal(Code.SIGNATURE, str(error), decision=number) from None
        return tuple(sorted(vouching))

    def calls(self, bundle: Bundle) -> list[Call]:
        """The calls that carry it out, which the contract would not refuse as things are.

        They are run together, in their order, since one may rest on another: a registration and a keyring.

        Raises:
            Refusal: the contract would refuse one of them, or they use too much gas.
            ChainUnavailable: the node does not answer.
        """
        calls = [signed_call(self._contract, signed) for signed in bundle.decisions]
        reason = self.refusal(calls)
        if reason is not None:
            number = self._first_refused(calls)
            raise Refusal(Code.CONTRACT, str(decode_revert(reason)), decision=number, reason=reason)
        return calls

    def refusal(self, calls: Sequence[Call]) -> bytes | None:
        """What the contract would refuse these with, together and now; ``None`` if it would not.

        Raises:
            Refusal: they use too much gas.
            ChainUnavailable: the node does not answer.
        """
        call = self._contract.together(calls)
        gas = gas_together(call, len(calls), self._limits.gas_per_decision, self._clock()[1])
        try:
            self._contract.chain.call({**call.transaction(self._sender), "gas": hex(gas)})
        except NodeError as error:
            if error.revert is not None:
                return error.revert
            if _OUT_OF_GAS.search(error.reason):
                raise Refusal(Code.GAS, f"the decisions use more than {gas:,} gas") from error
            raise
        return None

    def _first_refused(self, calls: Sequence[Call]) -> int | None:
        """Place of the first call that is refused: by halves, since whatever begins with it is refused as well."""
        good, bad = 0, len(calls)
        try:
            while bad - good > 1:
                middle = (good + bad) // 2
                if self.refusal(calls[:middle]) is None:
                    good = middle
                else:
                    bad = middle
        except (ChainUnavailable, Refusal):
            return None
        return good
