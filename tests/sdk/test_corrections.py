"""A record may name an earlier record of its compartment that it corrects, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import medrec_py as medrec
from medrec_py.errors import InvalidInput, RecordNotFound
from tests.sdk.people import People, meet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    with medrec.local() as net:
        people = meet(net)
        people.grant(read=["general", "psychiatry"], append=["general", "psychiatry"])
        yield people


def append(people: People, compartment: str = "general", replaces: int | None = None) -> medrec.Record:
    chart = people.chart()
    return chart.read(chart.append(b"x", compartment=compartment, title="x", replaces=replaces))


def test_a_correction_names_the_record_that_it_corrects(people: People) -> None:
    """The reader sees which; one that corrects nothing names none."""
    first = append(people)
    assert first.replaces is None
    assert append(people, replaces=first.number).replaces == first.number


def test_what_is_no_record_of_the_compartment_is_refused_before_anything_is_stored(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keyring, a number that is none, and a record of another compartment cannot be replaced."""
    elsewhere = append(people, "psychiatry")

    def stored(*_: object) -> None:
        raise AssertionError("something was stored")

    monkeypatch.setattr(people.alice._ledger.store, "put_block", stored)
    for number in (1, 0, -1, 10_000):
        with pytest.raises(RecordNotFound):
            append(people, replaces=number)
    with pytest.raises(InvalidInput, match=f"record {elsewhere.number} lies in another compartment"):
        append(people, replaces=elsewhere.number)


def test_what_an_author_names_that_is_no_record_of_the_compartment_is_left_out(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contract takes any entry that exists; a reader is not misled by it."""
    elsewhere = append(people, "psychiatry")
    monkeypatch.setattr(medrec.Chart, "_require_replaceable", lambda *_: None)  # a client that does not look
    assert append(people, replaces=1).replaces is None
    assert append(people, replaces=elsewhere.number).replaces is None
    listed = {record.number: record.replaces for record in people.alice.records()}
    assert set(listed.values()) <= {None, *listed}
