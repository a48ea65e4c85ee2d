"""Ledger -> the optimizer's plain input. Everything a decision saw is here, so that a replay sees the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from knowledge.domain.action import Actor, PauseCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.policy import Policy
from runtime.jobs.figures import figures
from tools.guardrails.exposure import worst_today

if TYPE_CHECKING:
    from runtime.wiring import House

DAYS = 28
CALIBRATION = timedelta(days=90)
"""How far back verdicts count for calibration."""


def hour_of(moment: datetime) -> int:
    """Hours since the epoch."""
    return int(moment.timestamp() // 3600)


def optimizer_policy(policy: Policy) -> dict[str, Any]:
    """The dials that the optimizer must respect, in its own terms (major units)."""
    money, quality, targets = policy.guardrails.financial, policy.guardrails.quality, policy.targets
    return {
        "strategy": targets.strategy,
        "daily_cap": float(money.daily_cap.amount),
        "weekly_cap": float(money.weekly_cap.amount),
        "cap_today": float(money.daily_cap.amount),
        "max_adjustments_per_day": money.max_adjustments_per_day,
        "max_single_increase": float(money.max_single_increase),
        "min_runtime_h": quality.min_runtime_hours,
        "min_impressions": quality.min_impressions,
        "min_hours_between_raises": quality.min_hours_between_raises,
        "approval_above": float(money.approval_above),
        "no_touch_roas_above": float(money.no_touch_roas_above),
        "max_campaign_budget": float(money.max_campaign_budget.amount),
        "rejection_memory_h": quality.rejection_memory_hours,
        "targets": {
            "roas": float(targets.roas),
            "ctr": float(targets.ctr),
            "cvr": float(targets.cvr),
            "cpa_of_aov": float(targets.cpa_of_aov),
        },
    }


async def build_history(house: House) -> dict[str, Any]:
    """decisions.md section 3: campaigns, metrics of 28 days, changes, stock, and the room left today."""
    policy, now = house.policy(), house.clock.now()
    zone = ZoneInfo(policy.time_zone)
    today = now.astimezone(zone).date()
    since = now - timedelta(days=DAYS)
    async with house.db.transaction() as tx:
        found = await figures(tx, policy, today - timedelta(days=DAYS), today)
        products = {p.product.id: p.product for p in await tx.products.list()}
        changes = await tx.decisions.changes(since, exchange=found.converter.money)
        # How earlier expectations turned out: an engine that was too sure says less surely what it says next.
        calibration = await tx.outcomes.calibration(since=now - CALIBRATION, workspace=policy.workspace)
    metrics: dict[str, list[Any]] = {
        k: [] for k in ("campaign_id", "hour", "impressions", "clicks", "spend", "conversions", "revenue")
    }
    for day in found.days:
        row = day.row
        noon = datetime(row.day.year, row.day.month, row.day.day, 12, tzinfo=zone)
        # A day's figures stand at its noon; today's at the last full hour, so that the future is never touched.
        hour = min(hour_of(noon), hour_of(now) - 1)
        for name, value in (
            ("campaign_id", day.campaign_id),
            ("hour", hour),
            ("impressions", row.impressions),
            ("clicks", row.clicks),
            ("spend", float(row.spend.amount)),
            ("conversions", row.conversions),
            ("revenue", float(row.revenue.amount)),
        ):
            metrics[name].append(value)
    facts = await budget_facts(house)
    money = policy.guardrails.financial
    worst = worst_today(None, facts, policy)
    # What is kept in reserve is for people to give: a plan that counted on it would only ask and ask.
    plannable = money.daily_cap.times(1 - money.reserve_share)
    room = (plannable - worst).amount if worst is not None else Decimal(0)
    highest = max(money.overspend_multiplier.values(), default=Decimal(2))
    done = facts.budget.adjustments_today if facts.budget else money.max_adjustments_per_day
    return {
        "now": hour_of(now),
        "campaigns": [
            {
                "id": c.id,
                "platform": c.platform,
                "product_id": c.product_id or c.id,
                "status": "active" if c.status in ("active", "testing", "scaling") else "paused",
                "daily_budget": float(c.daily_budget.amount) if c.daily_budget else 0.0,
                "launch_budget": float((c.launch_budget or c.daily_budget).amount) if c.daily_budget else 0.0,
                "started_at": hour_of(c.launched_at) if c.launched_at else None,
                "margin": float(products[c.product_id].margin) if c.product_id in products else None,
                "in_stock": products[c.product_id].in_stock if c.product_id in products else True,
                "last_change_at": hour_of(c.last_change_at) if c.last_change_at else None,
            }
            for c in sorted(found.campaigns, key=lambda c: c.id)
        ],
        "metrics": metrics,
        "changes": changes,
        "stock_out": [],
        "calibration": calibration,
        "account": {
            "adjustments_left": max(0, money.max_adjustments_per_day - done),
            "increase_left": float(max(Decimal(0), room / highest)),
            "cap_room": float(max(Decimal(0), room / highest)),
        },
    }


async def budget_facts(house: House) -> Facts:
    """The workspace's books as the gate reads them, without a particular campaign."""
    policy = house.policy()
    probe = PauseCampaign(workspace=policy.workspace, platform="meta", campaign_id="-")
    async with house.books.transaction() as tx:
        return await tx.ledger_facts(
            probe, Actor(kind="system", id="history"), None, None, policy, house.clock.now(), excluding=None
        )
