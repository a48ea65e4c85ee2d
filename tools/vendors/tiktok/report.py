"""Rows of TikTok's integrated report as the house speaks of them. Source: Business API v1.3, report/integrated/get."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from knowledge.domain.campaign import InsightRow
from tools.errors import Unavailable
from tools.payload import as_object
from tools.vendors.tiktok.wire import VENDOR, money_of

# In spite of its name, total_complete_payment_rate is the value of all purchases.
REVENUE = "total_complete_payment_rate"
METRICS = ("spend", "impressions", "clicks", "complete_payment", REVENUE)
DAYS_A_CALL, DAYS_A_CALL_HOURLY = 30, 1

RESTATED_DAYS = 7
"""Clicks count for seven days: until then, and for today, a day's figures may still grow."""


def spans(since: date, until: date, days: int) -> Iterator[tuple[date, date]]:
    """The range cut into pieces of at most so many days (the API refuses longer ones)."""
    while since <= until:
        last = min(until, since + timedelta(days=days - 1))
        yield since, last
        since = last + timedelta(days=1)


def insight_row(row: dict[str, Any], currency: str, today: date, *, hourly: bool) -> InsightRow | None:
    """One report row; None when it says "-" to everything, which means that there is nothing to report.

    Raises Unavailable when only some figures are there: a missing figure is not zero, and half a row is no ground to decide on.
    """
    dimensions, metrics = as_object(row.get("dimensions")), as_object(row.get("metrics"))
    said = {name: str(metrics.get(name, "-")) for name in METRICS}
    if all(value == "-" for value in said.values()):
        return None
    try:
        moment = str(dimensions["stat_time_hour" if hourly else "stat_time_day"])
        day = date.fromisoformat(moment[:10])
        return InsightRow(
            platform="tiktok",
            external_id=str(dimensions["campaign_id"]),
            day=day,
            hour=int(moment[11:13]) if hourly else None,
            impressions=_count(said["impressions"]),
            clicks=_count(said["clicks"]),
            spend=money_of(said["spend"], currency),
            conversions=_count(said["complete_payment"]),
            revenue=money_of(said[REVENUE], currency),
            provisional=(today - day).days <= RESTATED_DAYS,
        )
    except (KeyError, ValueError, InvalidOperation) as error:
        missing = ", ".join(name for name, value in said.items() if value == "-")
        detail = f"missing figures: {missing}" if missing else str(error)
        raise Unavailable(VENDOR, "report", f"a row could not be read: {detail}") from None


def _count(text: str) -> int:
    return int(Decimal(text).to_integral_value())
