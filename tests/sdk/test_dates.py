"""The date that an author signs: near to the chain's clock, or it is not signed, and flagged where it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.chain.contract import MedRecContract
from medrec_py.errors import ClockWrong
from medrec_py.ledger import Ledger
from tests.sdk.chain.nodes import Node, refusing
from tests.sdk.people import People, meet

pytestmark = pytest.mark.slow

HOUR = 3600


@pytest.fixture
def people() -> Iterator[People]:
    with medrec.local() as net:
        people = meet(net)
        people.grant()
        yield people


def quiet(people: People, pending: Any = None) -> medrec.Patient:
    """Alice, through a node of a chain whose latest block was made ten years ago, as her clock has it."""
    chain = people.net.chain

    def block(which: str, full: bool) -> Any:
        found = dict(chain.request("eth_getBlockByNumber", "latest" if which == "pending" else which, full))
        if which != "pending":
            return {**found, "timestamp": found["timestamp"] - 10 * 365 * 24 * HOUR}
        return pending(found) if callable(pending) else pending

    seen = Node(chain, {"eth_getBlockByNumber": block}).chain()
    network = medrec.Network(seen, MedRecContract(seen, people.net.address), people.net.store)
    return network.patient(people.alice._wallet)


def append(patient: medrec.Patient | medrec.Chart) -> medrec.Appended:
    return patient.append(b"x", compartment="general", title="x")


@pytest.mark.parametrize(
    "pending",
    [None, {}, lambda found: {**found, "timestamp": found["timestamp"] - 2 * HOUR}, refusing("no such block")],
    ids=["none", "malformed", "behind, too", "refused"],
)
def test_a_clock_that_is_far_ahead_of_the_chain_signs_nothing(people: People, pending: Any) -> None:
    """The author is told, and nothing is stored or sent."""
    before = people.alice.chart().entries()
    with pytest.raises(ClockWrong, match="this machine's clock says"):
        append(quiet(people, pending))
    assert len(people.alice.chart().entries()) == len(before)


def test_a_chain_where_nobody_wrote_for_long_is_no_wrong_clock(people: People) -> None:
    """Its next block has the node's time, which is this machine's."""
    assert append(quiet(people, lambda found: {**found, "hash": None, "number": None}))


def test_a_clock_that_is_behind_takes_the_chains(people: People) -> None:
    """What is signed now was not signed before the latest block."""
    people.travel(timedelta(days=3))
    record = people.alice.read(append(people.chart()))
    assert abs(record.signed - record.appended) < timedelta(hours=1)
    assert not record.is_postdated


def test_a_record_that_says_it_was_signed_later_than_it_was_appended_is_flagged(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a client that does not look at its clock, or lies, brings about."""
    monkeypatch.setattr(Ledger, "signing_time", lambda _: int(time.time()) + 10 * 365 * 24 * HOUR)
    record = people.alice.read(append(people.chart()))
    assert record.is_postdated
    assert record.appended < record.signed
