"""Time is passed in: every room that needs the moment asks a Clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class Clock(Protocol):
    """Where the moment comes from: the system, or a simulation that moves it by hand."""

    def now(self) -> datetime:
        """The current moment, aware and in UTC."""
        ...


class SettableClock:
    """A clock that stands still until it is moved forward. For tests and for the simulated months of the sandbox."""

    def __init__(self, start: datetime) -> None:
        self._now = require_utc("start", start)

    def now(self) -> datetime:
        return self._now

    def set(self, to: datetime) -> None:
        """Moves to a moment; raises ValueError when it lies in the past, since time never runs backwards here."""
        to = require_utc("to", to)
        if to < self._now:
            raise ValueError(f"to: {to.isoformat()} lies before {self._now.isoformat()}; a clock only moves forward")
        self._now = to

    def advance(self, step: timedelta) -> datetime:
        """Moves forward by a step and returns the new moment."""
        self.set(self._now + step)
        return self._now


def require_utc(field: str, value: datetime) -> datetime:
    """The same moment in UTC; raises ValueError naming the field when the value has no time zone."""
    if value.tzinfo is None:
        raise ValueError(f"{field}: a datetime without time zone; give an aware one, such as 2026-11-21T12:00:00+00:00")
    return value.astimezone(UTC)


def day_bounds(moment: datetime, zone: str) -> tuple[datetime, datetime]:
    """Start (inclusive) and end (exclusive), in UTC, of the account's local day that holds the moment."""
    local = moment.astimezone(ZoneInfo(zone))
    start = local.replace(hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(days=1)).replace(hour=0)
    return start.astimezone(UTC), end.astimezone(UTC)


def week_bounds(moment: datetime, zone: str) -> tuple[datetime, datetime]:
    """Start (Monday, inclusive) and end (exclusive), in UTC, of the account's local week that holds the moment."""
    local = moment.astimezone(ZoneInfo(zone))
    monday = (local - timedelta(days=local.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    return monday.astimezone(UTC), (monday + timedelta(days=7)).astimezone(UTC)


@dataclass(frozen=True)
class Day:
    """One local day with its bounds in UTC: start inclusive, end exclusive."""

    date: date
    start: datetime
    end: datetime


@lru_cache(maxsize=64)
def days_between(since: date, until: date, zone: str) -> tuple[Day, ...]:
    """The local days from `since` up to and without `until`, oldest first."""
    found: list[Day] = []
    while since < until:
        noon = datetime(since.year, since.month, since.day, 12, tzinfo=ZoneInfo(zone))
        found.append(Day(since, *day_bounds(noon, zone)))
        since += timedelta(days=1)
    return tuple(found)


def known_zone(zone: str, otherwise: str) -> str:
    """The zone, or the other one where nobody knows it: what a vendor states must not stop the reading of the others."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return otherwise
    return zone
