"""Moments as callers give them, and as the chain has them: whole seconds since 1970-01-01 UTC."""

from __future__ import annotations

from calendar import isleap
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

from medrec_py.errors import InvalidInput

Moment: TypeAlias = datetime | date | timedelta | int
"""A point in time: with a zone, a date (its first second, UTC), a span from now, or Unix seconds."""

MAX_TIME = (1 << 40) - 1


def unix_time(moment: Moment, now: int) -> int:
    """A moment in Unix seconds.

    Raises:
        InvalidInput: a datetime has no time zone, or the moment does not fit into 40 bits.
    """
    if isinstance(moment, timedelta):
        seconds = now + int(moment.total_seconds())
    elif isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise InvalidInput("a datetime needs a time zone: which instant is meant differs by hours otherwise")
        seconds = int(moment.timestamp())
    elif isinstance(moment, date):
        seconds = int(datetime(moment.year, moment.month, moment.day, tzinfo=UTC).timestamp())
    elif isinstance(moment, int) and not isinstance(moment, bool):
        seconds = moment
    else:
        raise InvalidInput(f"not a moment: {moment!r} (a datetime, date, timedelta or Unix seconds)")
    if not 0 <= seconds <= MAX_TIME:
        raise InvalidInput(f"the moment {seconds} does not fit into 40 bits of Unix seconds")
    return seconds


def as_datetime(seconds: int) -> datetime:
    """Unix seconds as a datetime in UTC; the latest that Python has where it has no such year."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def majority(born: date, age: int = 18) -> date:
    """The day on which somebody comes of age, for the end of a parent's permission: from its first second, UTC.

    Who was born on 29 February does on 1 March where the year has no such day.

    Args:
        born: Date of birth.
        age: Years; by the law of the country.

    Raises:
        InvalidInput: there is no such year.
    """
    try:
        if (born.month, born.day) == (2, 29) and not isleap(born.year + age):
            return date(born.year + age, 3, 1)
        return date(born.year + age, born.month, born.day)
    except ValueError as error:
        raise InvalidInput(f"{born.year + age} is no year") from error
