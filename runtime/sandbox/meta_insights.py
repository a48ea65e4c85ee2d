"""Meta's insights: strings only, no row without delivery, one sale under many names, days in account time."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from runtime.sandbox.adtree import Account, Ad, AdBook, Campaign, Group, Hour
from runtime.sandbox.graph import Call, GraphError, matches
from runtime.sandbox.market import Market
from runtime.sandbox.money import major_text, minor_per_unit
from runtime.sandbox.words import words
from runtime.sandbox.world import World

PARAMS = words("""
level time_range time_ranges date_preset time_increment breakdowns action_attribution_windows
use_unified_attribution_setting use_account_attribution_setting action_report_time filtering sort default_summary
""")

METRICS = words("""
spend impressions reach frequency clicks ctr cpc cpm inline_link_clicks actions action_values purchase_roas
website_purchase_roas cost_per_action_type unique_clicks conversions
""")
FACTS = words("""
account_id account_name account_currency campaign_id campaign_name adset_id adset_name ad_id ad_name objective
optimization_goal buying_type date_start date_stop attribution_setting created_time updated_time
""")

PURCHASE_NAMES = (
    "omni_purchase",
    "purchase",
    "onsite_web_app_purchase",
    "onsite_web_purchase",
    "offsite_conversion.fb_pixel_purchase",
    "web_in_store_purchase",
)
WINDOWS = ("1d_click", "7d_click", "1d_view")
FILTERS = {
    "campaign.id": "campaign_id", "campaign.name": "campaign_name", "adset.id": "adset_id", "adset.name": "adset_name",
    "ad.id": "ad_id", "ad.name": "ad_name", "impressions": "impressions", "spend": "spend", "clicks": "clicks",
}  # fmt: skip
HOURLY = "hourly_stats_aggregated_by_advertiser_time_zone"


def preset_range(name: str, today: date, first: date) -> tuple[date, date]:
    """A date preset as (since, until), both included. `last_Nd` ends yesterday, as Meta's do."""
    back = re.fullmatch(r"last_(3|7|14|28|30|90)d", name)
    if back:
        return today - timedelta(days=int(back[1])), today - timedelta(days=1)
    monday = today - timedelta(days=today.weekday())
    month = today.replace(day=1)
    known = {
        "today": (today, today), "yesterday": (today - timedelta(days=1), today - timedelta(days=1)), "this_month": (month, today),
        "last_month": ((month - timedelta(days=1)).replace(day=1), month - timedelta(days=1)), "maximum": (first, today),
        "data_maximum": (first, today), "this_week_mon_today": (monday, today), "this_year": (today.replace(month=1, day=1), today),
        "last_week_mon_sun": (monday - timedelta(days=7), monday - timedelta(days=1)),
    }  # fmt: skip
    if name not in known:
        raise GraphError(f"(#100) date_preset must be one of a fixed list - got {name}", 100, blame="date_preset")
    return known[name]


class Insights:
    """Answers insights calls for any node."""

    def __init__(self, world: World, book: AdBook, market: Market) -> None:
        self.world = world
        self.book = book
        self.market = market

    def rows(self, call: Call, account: Account, node: Account | Campaign | Group | Ad) -> list[dict[str, Any]]:
        """All rows of a query, before paging. Raises GraphError on anything the twin does not know."""
        call.only(PARAMS)
        self.market.settle()
        own = {"Account": "account", "Campaign": "campaign", "Group": "adset", "Ad": "ad"}[type(node).__name__]
        level = call.choice("level", ("account", "campaign", "adset", "ad"), own) or own
        fields = call.words("fields") or ["impressions", "spend"]
        for name in fields:
            if name not in METRICS | FACTS:
                raise GraphError(
                    f"(#100) {name} is not valid for fields param. please check https://developers.facebook.com/docs/", unknown=True
                )
        breakdowns = call.words("breakdowns") or []
        if wrong := [name for name in breakdowns if name != HOURLY]:
            raise GraphError(f"(#100) breakdowns: {wrong[0]} is not modelled by the sandbox", unknown=True)
        windows = [window for window in call.words("action_attribution_windows") or [] if window != "default"]
        if wrong := [window for window in windows if window not in WINDOWS]:
            raise GraphError(f"(#100) action_attribution_windows: {wrong[0]} is not available", 100, 3018, unknown=True)
        rules: list[dict[str, Any]] = call.json("filtering", list) or []
        made: list[dict[str, Any]] = []
        for since, until in self._spans(call, account):
            for key, total in self._gather(node, account, level, since, until, bool(breakdowns)):
                row = self._row(account, level, key, total, since, until, windows)
                if all(matches(row, rule, FILTERS) for rule in rules):
                    made.append(
                        {name: value for name, value in row.items() if name in (*fields, "date_start", "date_stop", HOURLY)}
                    )
        return self._sorted(call, made)

    def _sorted(self, call: Call, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for order in call.words("sort") or []:
            name, _, way = order.rpartition("_")
            if way not in ("ascending", "descending") or name not in METRICS | FACTS:
                raise GraphError(f"(#100) sort: {order} is not valid", 100, blame="sort")
            rows.sort(key=lambda row: _number(row.get(name)), reverse=way == "descending")
        return rows

    def _spans(self, call: Call, account: Account) -> list[tuple[date, date]]:
        today = self.world.now.astimezone(account.zone).date()
        first = self.world.started_at.astimezone(account.zone).date()
        given = call.json("time_range", dict)
        if given is not None:
            if set(given) != {"since", "until"}:
                raise GraphError("(#100) time_range needs since and until", 100, blame="time_range")
            try:
                since, until = date.fromisoformat(given["since"]), date.fromisoformat(given["until"])
            except (TypeError, ValueError):
                raise GraphError("(#100) time_range: dates are YYYY-MM-DD", 100, blame="time_range") from None
            if since > until:
                raise GraphError("(#100) time_range: since must not be after until", 100, 1487534, blame="time_range")
            if since < today - timedelta(days=37 * 31):
                raise GraphError(
                    "(#3018) The start date of the time range cannot be beyond 37 months from the current date", 3018, 1504018
                )
        else:
            since, until = preset_range(call.text("date_preset") or "last_30d", today, first)
        step = call.text("time_increment") or "all_days"
        if step == "all_days":
            return [(since, until)]
        if not step.isdigit() or not 1 <= int(step) <= 90:
            raise GraphError(
                "(#100) time_increment must be 1..90 or all_days (monthly is not modelled)", 100, blame="time_increment"
            )
        spans: list[tuple[date, date]] = []
        while since <= until:
            last = min(until, since + timedelta(days=int(step) - 1))
            spans.append((since, last))
            since = last + timedelta(days=1)
        return spans

    def _gather(
        self, node: Account | Campaign | Group | Ad, account: Account, level: str, since: date, until: date, hourly: bool
    ) -> list[tuple[tuple[Any, int | None], Hour]]:
        totals: dict[tuple[int, int | None], tuple[tuple[Any, int | None], Hour]] = {}
        for campaign in account.campaigns.values():
            if isinstance(node, Campaign) and campaign is not node:
                continue
            for group in campaign.groups.values():
                if isinstance(node, Group) and group is not node:
                    continue
                for ad in group.ads.values():
                    if isinstance(node, Ad) and ad is not node:
                        continue
                    holder: Any = {"account": account, "campaign": campaign, "adset": group, "ad": ad}[level]
                    for index, bucket in ad.hours.items():
                        day, hour, _ = self.market.local(account, index)
                        if since <= day <= until and (bucket.impressions or bucket.conversions):
                            key = (id(holder), hour if hourly else None)
                            entry = totals.setdefault(key, ((holder, key[1]), Hour()))
                            entry[1].add(bucket)
        return sorted(totals.values(), key=lambda item: (item[0][0].id, item[0][1] or 0))

    def _row(
        self, account: Account, level: str, key: tuple[Any, int | None], total: Hour, since: date, until: date, windows: list[str]
    ) -> dict[str, Any]:
        holder, hour = key
        row: dict[str, Any] = {
            "account_id": account.id, "account_name": account.name, "account_currency": account.currency,
            "date_start": since.isoformat(), "date_stop": until.isoformat(), "attribution_setting": "7d_click_1d_view",
        }  # fmt: skip
        if level != "account":
            ad = holder if level == "ad" else None
            group = ad.group if ad else holder if level == "adset" else None
            campaign: Campaign = group.campaign if group else holder
            row |= {
                "campaign_id": campaign.id,
                "campaign_name": campaign.name,
                "objective": campaign.data.get("objective"),
                "buying_type": "AUCTION",
            }
            if group:
                row |= {"adset_id": group.id, "adset_name": group.name, "optimization_goal": group.data.get("optimization_goal")}
            if ad:
                row |= {"ad_id": ad.id, "ad_name": ad.name}
        if hour is not None:
            row[HOURLY] = f"{hour:02d}:00:00 - {hour:02d}:59:59"
        return row | metrics(total, account.currency, windows)


def _number(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0


def metrics(total: Hour, currency: str, windows: list[str]) -> dict[str, Any]:
    """Figures as Meta writes them: strings, zero ones absent. Windows add "1d_click" etc. beside "value"."""
    row: dict[str, Any] = {}
    spend = total.spend / minor_per_unit(currency)
    reach = max(1, round(total.impressions / (1.0 + total.impressions / 260000.0))) if total.impressions else 0
    if total.impressions:
        row |= {"impressions": str(total.impressions), "reach": str(reach), "frequency": f"{total.impressions / reach:.6f}"}
    if total.spend:
        row["spend"] = major_text(total.spend, currency)
        if total.impressions:
            row["cpm"] = f"{1000 * spend / total.impressions:.6f}"
    if total.clicks:
        row |= {"clicks": str(total.clicks), "inline_link_clicks": str(total.clicks), "unique_clicks": str(total.clicks)}
        if total.impressions:
            row["ctr"] = f"{100 * total.clicks / total.impressions:.6f}"
        if total.spend:
            row["cpc"] = f"{spend / total.clicks:.6f}"
    actions: list[dict[str, str]] = []
    if total.clicks:
        actions.append({"action_type": "link_click", "value": str(total.clicks)})
        actions.append({"action_type": "landing_page_view", "value": str(round(total.clicks * 0.82))})
    if total.conversions:
        counts = {"1d_click": total.c1, "7d_click": total.c7, "1d_view": total.cv}
        values = {"1d_click": total.r1, "7d_click": total.r7, "1d_view": total.rv}
        sales = {window: str(counts[window]) for window in windows if counts[window]}
        worth = {window: major_text(values[window], currency) for window in windows if values[window]}
        actions += [{"action_type": name, "value": str(total.conversions), **sales} for name in PURCHASE_NAMES]
        row["action_values"] = [
            {"action_type": name, "value": major_text(total.revenue, currency), **worth} for name in PURCHASE_NAMES
        ]
        if total.spend:
            ratio = f"{total.revenue / total.spend:.6f}"
            row["purchase_roas"] = [{"action_type": "omni_purchase", "value": ratio}]
            row["website_purchase_roas"] = [{"action_type": "offsite_conversion.fb_pixel_purchase", "value": ratio}]
            row["cost_per_action_type"] = [
                {"action_type": name, "value": f"{spend / total.conversions:.6f}"} for name in PURCHASE_NAMES
            ]
    if actions:
        row["actions"] = actions
    return row
