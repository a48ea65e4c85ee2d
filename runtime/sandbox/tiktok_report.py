"""TikTok's integrated report: figures as strings in major units, "-" where there is nothing to say, HTTP 200 always."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from runtime.sandbox.adtree import Account, AdBook, Campaign, Hour
from runtime.sandbox.market import Market
from runtime.sandbox.money import ISO_EXPONENT, minor_per_unit
from runtime.sandbox.words import words
from runtime.sandbox.world import World

PARAMS = words("""
advertiser_id report_type data_level dimensions metrics start_date end_date page page_size filtering order_field
order_type query_lifetime service_type query_mode enable_total_metrics
""")

LEVELS = {
    "AUCTION_ADVERTISER": "advertiser_id", "AUCTION_CAMPAIGN": "campaign_id", "AUCTION_ADGROUP": "adgroup_id",
    "AUCTION_AD": "ad_id",
}  # fmt: skip
TIMES = ("stat_time_day", "stat_time_hour")
MAX_DAYS = {"stat_time_day": 30, "stat_time_hour": 1}
"""Longest range per request, in days, by time dimension."""

Refuse = Callable[[str], Exception]


def _ratio(top: float, bottom: float, digits: int) -> str:
    return f"{top / bottom:.{digits}f}" if bottom else f"{0:.{digits}f}"


def figures(total: Hour, currency: str) -> dict[str, str]:
    """All numeric metrics of one row. `total_complete_payment_rate` is, in spite of its name, the value of all purchases."""
    unit = minor_per_unit(currency)
    digits = 2 if ISO_EXPONENT[currency] else 0
    spend, revenue, sales = total.spend / unit, total.revenue / unit, total.conversions
    reach = round(total.impressions / (1.0 + total.impressions / 180000.0))
    return {
        "spend": f"{spend:.{digits}f}", "impressions": str(total.impressions), "clicks": str(total.clicks), "reach": str(reach),
        "ctr": _ratio(100.0 * total.clicks, total.impressions, 2), "cpc": _ratio(spend, total.clicks, 2),
        "cpm": _ratio(1000.0 * spend, total.impressions, 2), "frequency": _ratio(total.impressions, reach, 2),
        "conversion": str(sales), "cost_per_conversion": _ratio(spend, sales, 3),
        "conversion_rate": _ratio(100.0 * sales, total.clicks, 2),
        "real_time_conversion": str(total.realtime), "result": str(sales), "cost_per_result": _ratio(spend, sales, 4),
        "complete_payment": str(sales), "cost_per_complete_payment": _ratio(spend, sales, 3),
        "complete_payment_rate": _ratio(100.0 * sales, total.clicks, 2), "complete_payment_roas": _ratio(revenue, spend, 2),
        "value_per_complete_payment": _ratio(revenue, sales, 2), "total_complete_payment_rate": f"{revenue:.{digits}f}",
        "video_play_actions": str(round(total.impressions * 0.88)), "video_watched_2s": str(round(total.impressions * 0.21)),
        "video_watched_6s": str(round(total.impressions * 0.07)), "secondary_goal_result": "-",
    }  # fmt: skip


METRICS = frozenset(figures(Hour(), "BRL"))
ATTRIBUTES = words("""
campaign_name campaign_id adgroup_name adgroup_id ad_name currency objective_type budget
""")


def report(
    world: World, book: AdBook, market: Market, account: Account, params: dict[str, Any], refuse: Refuse
) -> list[dict[str, Any]]:
    """Rows {dimensions, metrics} of one query, before paging. `refuse` makes the vendor's parameter error."""
    market.settle()
    if params.get("report_type") != "BASIC":
        raise refuse("report_type: only BASIC is modelled")
    level = params.get("data_level")
    if level not in LEVELS:
        raise refuse(f"data_level: {level} is not one of {', '.join(LEVELS)}")
    dimensions: list[str] = params.get("dimensions") or []
    times = [name for name in dimensions if name in TIMES]
    others = [name for name in dimensions if name not in TIMES]
    if others != [LEVELS[level]] or len(times) > 1:
        raise refuse(f"dimensions: {level} needs [{LEVELS[level]}] and at most one of {', '.join(TIMES)}")
    wanted: list[str] = params.get("metrics") or ["spend", "impressions"]
    for name in wanted:
        if name not in METRICS | ATTRIBUTES:
            raise refuse(f"metrics: {name} is not a valid metric")
    try:
        since, until = date.fromisoformat(str(params.get("start_date"))), date.fromisoformat(str(params.get("end_date")))
    except ValueError:
        raise refuse("start_date, end_date: YYYY-MM-DD required") from None
    if until < since:
        raise refuse("end_date: must not be before start_date")
    if times and until - since >= timedelta(days=MAX_DAYS[times[0]]):
        raise refuse(f"the time range with {times[0]} must not exceed {MAX_DAYS[times[0]]} day(s)")
    chosen = _filters(params.get("filtering"), refuse)
    totals: dict[tuple[str, str], tuple[Any, Hour]] = {}
    for campaign in account.campaigns.values():
        for group in campaign.groups.values():
            for ad in group.ads.values():
                ids = {"campaign_ids": campaign.id, "adgroup_ids": group.id, "ad_ids": ad.id}
                if any(ids[name] not in allowed for name, allowed in chosen.items()):
                    continue
                holder: Any = {
                    "AUCTION_ADVERTISER": account,
                    "AUCTION_CAMPAIGN": campaign,
                    "AUCTION_ADGROUP": group,
                    "AUCTION_AD": ad,
                }[level]
                for index, bucket in ad.hours.items():
                    day, hour, _ = market.local(account, index)
                    if since <= day <= until and (bucket.impressions or bucket.conversions or bucket.realtime):
                        moment = ""
                        if times:
                            moment = f"{day} 00:00:00" if times[0] == "stat_time_day" else f"{day} {hour:02d}:00:00"
                        totals.setdefault((holder.id, moment), (holder, Hour()))[1].add(bucket)
    made: list[dict[str, Any]] = []
    for (ident, moment), (holder, total) in sorted(totals.items(), key=lambda item: item[0]):
        numbers = figures(total, account.currency) | _attributes(holder, account)
        keys = {LEVELS[level]: ident} | ({times[0]: moment} if times else {})
        made.append({"dimensions": keys, "metrics": {name: numbers.get(name, "-") for name in wanted}})
    return _ordered(made, params, refuse)


def _ordered(rows: list[dict[str, Any]], params: dict[str, Any], refuse: Refuse) -> list[dict[str, Any]]:
    name, way = params.get("order_field"), params.get("order_type", "DESC")
    if name is None:
        return rows
    if name not in METRICS or way not in ("ASC", "DESC"):
        raise refuse("order_field: not a metric, or order_type not ASC/DESC")
    return sorted(rows, key=lambda row: float(row["metrics"].get(name, "0").replace("-", "0")), reverse=way == "DESC")


def _attributes(holder: Any, account: Account) -> dict[str, str]:
    made = {"currency": account.currency}
    campaign = None
    if isinstance(holder, Campaign):
        campaign = holder
    elif hasattr(holder, "campaign"):
        campaign = holder.campaign
        made |= {"adgroup_name": holder.name, "adgroup_id": holder.id}
    elif hasattr(holder, "group"):
        campaign = holder.group.campaign
        made |= {"adgroup_name": holder.group.name, "adgroup_id": holder.group.id, "ad_name": holder.name}
    if campaign is not None:
        made |= {
            "campaign_name": campaign.name,
            "campaign_id": campaign.id,
            "objective_type": str(campaign.data.get("objective_type", "-")),
        }
    return made


def _filters(given: Any, refuse: Refuse) -> dict[str, set[str]]:
    import json

    chosen: dict[str, set[str]] = {}
    for rule in given or []:
        name, kind, value = rule.get("field_name"), rule.get("filter_type"), rule.get("filter_value")
        if name not in ("campaign_ids", "adgroup_ids", "ad_ids") or kind != "IN":
            raise refuse(f"filtering: only IN on campaign_ids, adgroup_ids, ad_ids is modelled (got {name} {kind})")
        try:
            chosen[name] = {str(item) for item in json.loads(value)}
        except (TypeError, ValueError):
            raise refuse(f"filtering.{name}: filter_value is a JSON list in a string") from None
    return chosen
