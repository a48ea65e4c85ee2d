"""Insights rows of Meta as the house speaks of them. Source: Marketing API v26.0, Ads Insights."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from knowledge.domain.campaign import InsightRow
from knowledge.domain.money import Money
from tools.errors import Unavailable
from tools.vendors.meta.wire import VENDOR, money_of

FIELDS = "campaign_id,account_currency,impressions,clicks,spend,actions,action_values,date_start"
HOURLY = "hourly_stats_aggregated_by_advertiser_time_zone"

# The same sale is listed under each of these. The first one present is taken, and never a sum.
PURCHASES = (
    "omni_purchase",
    "purchase",
    "offsite_conversion.fb_pixel_purchase",
    "onsite_web_purchase",
    "onsite_web_app_purchase",
)

RESTATED_DAYS = 7
"""Clicks count for seven days: until then, and for today, a day's figures may still grow."""


def insight_row(row: Mapping[str, Any], currency: str, today: date) -> InsightRow:
    """One row of GET insights (campaign level). Zero metrics are absent on the wire.

    Raises Unavailable when the row cannot be read or is in another currency than the account: a half-understood report must
    not become a decision.
    """
    try:
        stated = row.get("account_currency", currency)
        if stated != currency:
            raise ValueError(f"row in {stated}, account in {currency}")
        day = date.fromisoformat(str(row["date_start"]))
        hour = int(str(row[HOURLY])[:2]) if HOURLY in row else None
        alias = _alias(row.get("actions"))
        return InsightRow(
            platform="meta",
            external_id=str(row["campaign_id"]),
            day=day,
            hour=hour,
            impressions=_count(row.get("impressions", "0")),
            clicks=_count(row.get("clicks", "0")),
            spend=money_of(str(row.get("spend", "0")), currency),
            conversions=_count(_value(row.get("actions"), alias) or "0"),
            revenue=_revenue(row, alias, currency),
            provisional=(today - day).days <= RESTATED_DAYS,
        )
    except (KeyError, ValueError, TypeError, InvalidOperation) as error:
        raise Unavailable(VENDOR, "insights", f"a row could not be read: {error}") from None


def _entries(value: Any) -> list[Mapping[str, Any]]:
    return [cast("Mapping[str, Any]", entry) for entry in cast("list[Any]", value or [])]


def _alias(actions: Any) -> str | None:
    present = {entry.get("action_type") for entry in _entries(actions)}
    return next((name for name in PURCHASES if name in present), None)


def _value(actions: Any, alias: str | None) -> str | None:
    return next((str(entry["value"]) for entry in _entries(actions) if entry.get("action_type") == alias), None)


def _revenue(row: Mapping[str, Any], alias: str | None, currency: str) -> Money:
    values = row.get("action_values")
    text = _value(values, alias) or _value(values, _alias(values))
    return Money.zero(currency) if text is None else money_of(text, currency)


def _count(text: Any) -> int:
    return int(Decimal(str(text)).to_integral_value())
