"""Moments as people write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from medrec_py.errors import InvalidInput
from medrec_py.times import Moment, as_datetime

FORMS = "a date (2027-03-01), a time with its zone (2027-03-01T12:00+01:00), or a span from now (90d, 12h, 30m, 6w)"

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(text: str) -> Moment:
    """A moment: a date is its first second in UTC, a span counts from now.

    Raises:
        InvalidInput: it is none of these, or a time without its zone.
    """
    text = text.strip()
    try:
        if span := re.fullmatch(r"(\d{1,9}) ?([smhdw])", text):
            return timedelta(**{_UNITS[span[2]]: int(span[1])})
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
        instant = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{text!r} is no moment: give {FORMS}") from None
    if instant.tzinfo is None:
        raise InvalidInput(f"{text!r} does not say in which zone: add Z for UTC, or an offset such as +01:00")
    return instant


def iso(moment: datetime | int) -> str:
    """A moment for machines: ISO 8601 in UTC, to the second."""
    moment = as_datetime(moment) if isinstance(moment, int) else moment
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def readable(moment: datetime | int) -> str:
    """A moment for people, in UTC and to the minute."""
    moment = as_datetime(moment) if isinstance(moment, int) else moment
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def span(seconds: int) -> str:
    """A length of time for people, in the units that `parse_moment` reads: ``7d``, ``1d 12h``."""
    parts = []
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"
