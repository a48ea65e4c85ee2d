"""The form of an action, and what every strategy needs to make one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tools.optimizer.history import Campaign
from tools.optimizer.kpi import Totals
from tools.optimizer.reasons import sentence
from tools.optimizer.room import Room
from tools.optimizer.stats import gamma_above

HORIZON_DAYS = 7


def proposal(
    campaign: Campaign,
    action: str,
    budget: float,
    *,
    message_id: str,
    params: Mapping[str, Any],
    confidence: float,
    profit: float | None,
    interval: tuple[float, float] | None = None,
    needs_approval: bool = False,
) -> dict[str, Any]:
    """One action as the interface wants it (reference: decisions, section 3), with its reason structured and in words.

    `budget` is the daily budget after the action (for a pause: the budget kept for a later resume). `profit` is the
    expected change of profit over the next 7 days in the account currency, None when the margin is not known.
    """
    shown: dict[str, Any] = {"campaign": campaign.id, "from": campaign.daily_budget, "to": budget, **params}
    shown["confidence"] = round(100 * confidence)
    return {
        "campaign_id": campaign.id,
        "action": action,
        "daily_budget": round(float(budget), 6),
        "confidence": round(float(min(max(confidence, 0.0), 1.0)), 4),
        "expected_profit_7d": None if profit is None else round(float(profit), 6),
        "expected_profit_7d_low": None if interval is None else round(float(interval[0]), 6),
        "expected_profit_7d_high": None if interval is None else round(float(interval[1]), 6),
        "reason": sentence(message_id, shown),
        "why": {"message_id": message_id, "params": shown},
        "needs_approval": needs_approval,
        "priority": 0,
        "from_budget": campaign.daily_budget if campaign.active else 0.0,
        "platform": campaign.platform,
    }


def ordered(actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Numbers the actions in the order given: the first has priority 0."""
    for position, action in enumerate(actions):
        action["priority"] = position
    return actions


def pause(
    room: Room, campaign: Campaign, totals: Totals, message_id: str, params: Mapping[str, Any], confidence: float
) -> dict[str, Any] | None:
    """A pause when the guardrails leave room for it; expected profit is what the last 7 days lost, per day of budget."""
    if not room.may_pause(campaign):
        return None
    room.take(campaign, campaign.daily_budget, 0.0)
    return proposal(
        campaign,
        "pause",
        campaign.daily_budget,
        message_id=message_id,
        params=params,
        confidence=confidence,
        profit=_average_profit(campaign, totals, -campaign.daily_budget),
        needs_approval=room.pause_needs_approval(campaign.daily_budget),
    )


def move(
    room: Room,
    campaign: Campaign,
    totals: Totals,
    target: float,
    message_id: str,
    params: Mapping[str, Any],
    confidence: float,
) -> dict[str, Any] | None:
    """A new daily budget as near to `target` as the guardrails allow, or None."""
    budget = room.reach(campaign, target)
    if budget is None:
        return None
    room.take(campaign, campaign.daily_budget, budget)
    return proposal(
        campaign,
        "set_budget",
        budget,
        message_id=message_id,
        params=params,
        confidence=confidence,
        profit=_average_profit(campaign, totals, budget - campaign.daily_budget),
        needs_approval=room.needs_approval(campaign, budget),
    )


def roas_above(totals: Totals, line: float) -> float:
    """P(true ROAS > line) from orders and their value (Gamma-Poisson, half an order of prior); 0.5 without any data."""
    if not totals.spend or totals.conversions is None or totals.revenue is None:
        return 0.5
    value = totals.aov
    if value is None:
        # Nobody bought: an order is taken to be worth what it takes to reach the line with one order on this spend.
        value = line * totals.spend
    shape = totals.conversions + 0.5
    return float(gamma_above(np.array(line), np.array(shape * value / totals.spend), np.array(shape)))


def _average_profit(campaign: Campaign, totals: Totals, delta: float) -> float | None:
    if campaign.margin is None or totals.roas is None:
        return None
    return (campaign.margin * totals.roas - 1.0) * delta * HORIZON_DAYS
