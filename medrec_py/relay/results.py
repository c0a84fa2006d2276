"""From a receipt to what became of each decision."""

from __future__ import annotations

from medrec_py.chain.answers import Mined
from medrec_py.chain.connection import Chain, NodeError
from medrec_py.chain.events import CallRefused, decode_event
from medrec_py.chain.transactions import Call
from medrec_py.errors import IntegrityError
from medrec_py.relay.flight import Flight
from medrec_py.relay.work import Outcome, Phase

DONE = Outcome(Phase.DONE)


def outcomes(chain: Chain, contract: str, sender: str, flight: Flight, mined: Mined) -> list[Outcome] | None:
    """What became of the decisions of a transaction, in its order; ``None`` if it has to be sent once more.

    A relay names those that were refused; all others took place, or stood on the chain already. What takes place
    together is refused together. Where the transaction failed and would not fail now, its gas was too little or
    something came between.

    Raises:
        ChainUnavailable: the node does not answer.
        IntegrityError: the node has logs that the contract cannot have emitted.
    """
    count = sum(len(part.places) for part in flight.parts)
    if not count:
        return []
    if mined.succeeded:
        refused = _refused(contract, mined)
        if any(place >= count for place in refused):
            raise IntegrityError("a relay refused more calls than it had")
        return [Outcome(Phase.REFUSED, refused[place]) if place in refused else DONE for place in range(count)]
    if flight.atomic and (reason := _why(chain, contract, sender, flight, mined.block)) is not None:
        return [Outcome(Phase.REFUSED, reason)] * count
    return None


def _refused(contract: str, mined: Mined) -> dict[int, bytes]:
    events = (
        decode_event(log.topics, log.data)
        for log in mined.logs
        if log.address == contract and log.topics and log.topics[0] == CallRefused.topic
    )
    return {event.item: event.reason for event in events if isinstance(event, CallRefused)}


def _why(chain: Chain, contract: str, sender: str, flight: Flight, block: int) -> bytes | None:
    """Why a transaction failed: it is run again behind its block, where what came first has come first."""
    call = Call(contract, flight.data).transaction(sender) | {"gas": hex(flight.gas)}
    try:
        chain.call(call, block)
    except NodeError as error:
        return error.revert
    return None
