"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from medrec_py.cli.moments import iso, parse_moment, readable, span
from medrec_py.errors import InvalidInput
from medrec_py.times import Moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-03-01", date(2027, 3, 1)),
        ("2027-03-01T12:00Z", datetime(2027, 3, 1, 12, tzinfo=UTC)),
        ("2027-03-01 12:00:30+01:00", datetime(2027, 3, 1, 12, 0, 30, tzinfo=timezone(timedelta(hours=1)))),
        ("90d", timedelta(days=90)),
        ("12 h", timedelta(hours=12)),
        ("30m", timedelta(minutes=30)),
        (" 6w ", timedelta(weeks=6)),
        ("45s", timedelta(seconds=45)),
    ],
)
def test_dates_times_and_spans(text: str, moment: Moment) -> None:
    """A date, a time with its zone, or a span from now."""
    assert parse_moment(text) == moment


@pytest.mark.parametrize("text", ["", "soon", "-90d", "90", "90y", "1.5d", "2027-13-01", "20270301T00", "999999999w"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """Nothing is guessed, and the message has an example."""
    with pytest.raises(InvalidInput, match=r"90d|zone"):
        parse_moment(text)


def test_a_time_without_its_zone_is_refused() -> None:
    """Which instant is meant would differ by hours."""
    with pytest.raises(InvalidInput, match="in which zone"):
        parse_moment("2027-03-01T12:00")


def test_moments_are_written_in_utc() -> None:
    """For machines to the second, for people to the minute; beyond the year 9999 too."""
    noon = datetime(2027, 3, 1, 13, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    assert iso(noon) == "2027-03-01T12:00:05Z"
    assert iso(0) == "1970-01-01T00:00:00Z"
    assert readable(noon) == "2027-03-01 12:00 UTC"
    assert readable((1 << 40) - 1).startswith("9999-12-31")


@pytest.mark.parametrize(("seconds", "words"), [(0, "0s"), (604_800, "7d"), (3600, "1h"), (131_405, "1d 12h 30m 5s")])
def test_lengths_of_time(seconds: int, words: str) -> None:
    """In the units in which people give them."""
    assert span(seconds) == words
