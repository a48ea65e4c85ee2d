"""ROAS with its interval, from days of spend and orders. Pure. A ratio without a denominator is None, never zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from runtime.db.cockpit_reads import DayRow

Z90 = 1.6448536269514722
"""Two-sided 90 % quantile of the standard normal."""
FEWEST = 5
"""Orders below which the interval's approximation is not worth showing."""


@dataclass(frozen=True)
class Ratio:
    """A ROAS (revenue / spend, same currency) with a 90 % interval where there is enough to make one. `events` are orders
    or conversions."""

    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    events: int
    provisional: bool = False


def _ratio(revenue: int, spend: int, events: int, relative: float | None, provisional: bool) -> Ratio:
    if spend == 0:
        return Ratio(None, None, None, events, provisional)
    value = Decimal(revenue) / Decimal(spend)
    if relative is None:
        return Ratio(value, None, None, events, provisional)
    factor = Decimal(str(math.exp(Z90 * relative)))
    return Ratio(value, value / factor, value * factor, events, provisional)


def real_roas(days: Sequence[DayRow]) -> Ratio:
    """ROAS of attributed orders. Compound Poisson: Var(sum) is estimated by the sum of squared values; the interval is
    symmetric on the log scale."""
    orders = sum(day.orders for day in days)
    value = sum(day.order_value for day in days)
    relative = math.sqrt(sum(day.order_value_squares for day in days)) / value if orders >= FEWEST and value > 0 else None
    return _ratio(value, _spend(days), orders, relative, _provisional(days))


def platform_roas(days: Sequence[DayRow]) -> Ratio:
    """ROAS as the platforms attribute it. They give no single values, so only the number of conversions varies: 1/sqrt(n)."""
    conversions = sum(day.conversions for day in days)
    revenue = sum(day.platform_revenue or 0 for day in days)
    relative = 1 / math.sqrt(conversions) if conversions >= FEWEST else None
    return _ratio(revenue, _spend(days), conversions, relative, _provisional(days))


def change(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    """now / before - 1, or None when either is missing or before is zero."""
    return None if now is None or before is None or before == 0 else now / before - 1


@dataclass(frozen=True)
class Point:
    """One day of the chart: rolling seven days for the ratios, the day itself for the spend (minor units)."""

    day: date
    spend: int | None
    real: Ratio
    platform: Ratio


def points(days: Sequence[DayRow], count: int) -> list[Point]:
    """The last `count` days; each needs up to six days before it in `days`."""
    first = max(0, len(days) - count)
    result: list[Point] = []
    for index in range(first, len(days)):
        window = days[max(0, index - 6) : index + 1]
        result.append(Point(days[index].day, days[index].spend, real_roas(window), platform_roas(window)))
    return result


def series(chart: Sequence[Point], exponent: int) -> dict[str, list[Any]]:
    """The chart's numbers as plain JSON; None leaves a gap. Spend in major units."""

    def number(value: Decimal | None) -> float | None:
        return None if value is None else round(float(value), 3)

    return {
        "day": [point.day.isoformat() for point in chart],
        "real": [number(point.real.value) for point in chart],
        "low": [number(point.real.low) for point in chart],
        "high": [number(point.real.high) for point in chart],
        "platform": [number(point.platform.value) for point in chart],
        "spend": [None if point.spend is None else float(Decimal(point.spend).scaleb(-exponent)) for point in chart],
    }


def _spend(days: Sequence[DayRow]) -> int:
    return sum(day.spend or 0 for day in days)


def _provisional(days: Sequence[DayRow]) -> bool:
    return any(day.provisional for day in days)
