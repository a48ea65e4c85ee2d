"""What a finding's figures mean to a manager: the number that met the limit, the limit, the dial that moves it, when it ends by itself.

The sentence of a finding says all this in words; here it is in figures, from the numbers that were stored with the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from knowledge.domain.action import PublishCampaign, SetBudget, parse_action
from knowledge.domain.facts import Facts
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from runtime.cockpit.numbers import Numbers
from runtime.db.action_reads import ActionRow
from tools.guardrails import RULES, judge

Unit = Literal["", "share", "hours", "days", "times"]
_MONEY, _QUALITY, _COMPLIANCE = "guardrails.financial.", "guardrails.quality.", "guardrails.compliance."


@dataclass(frozen=True)
class Measure:
    """`seen` and `limit` name numbers of the finding; `dial` is the path in agentos.yaml. None: the rule has none (words, states)."""

    seen: str | None = None
    limit: str | None = None
    dial: str | None = None
    unit: Unit = ""


_WEEK = {"ask": "projected", "refuse": "so_far"}
"""A week asks about where it is heading and refuses by what is certain tonight."""

MEASURES: dict[str, Measure] = {
    "exchange_rate": Measure(None, "days", _MONEY + "max_rate_age_days", "days"),
    "autonomy": Measure("level", None, "autonomy.level"),
    "campaign_budget": Measure("proposed", "limit", _MONEY + "max_campaign_budget"),
    "daily_cap": Measure("after", "cap", _MONEY + "daily_cap"),
    "weekly_cap": Measure("projected", "cap", _MONEY + "weekly_cap"),
    "platform_daily_cap": Measure("after", "cap", _MONEY + "platform_daily_cap"),
    "platform_weekly_cap": Measure("projected", "cap", _MONEY + "platform_weekly_cap"),
    "campaign_daily_cap": Measure("after", "cap", _MONEY + "campaign_daily_cap"),
    "campaign_weekly_cap": Measure("projected", "cap", _MONEY + "campaign_weekly_cap"),
    "over_cap": Measure("spent", "cap", _MONEY + "daily_cap"),
    "over_weekly_cap": Measure("spent", "cap", _MONEY + "weekly_cap"),
    "reserve_share": Measure("after", "limit", _MONEY + "reserve_share"),
    "weekly_reserve": Measure("projected", "limit", _MONEY + "reserve_share"),
    "max_increase": Measure("increase", "limit", _MONEY + "max_single_increase", "share"),
    "approval_above": Measure("change", "limit", _MONEY + "approval_above", "share"),
    "cumulative_change": Measure("increase", "limit", _MONEY + "max_cumulative_increase", "share"),
    "max_scale": Measure("times", "limit", _MONEY + "max_scale", "times"),
    "reallocation": Measure("moved", "limit", _MONEY + "max_reallocation"),
    "strategy_change": Measure("touched", "limit", _MONEY + "strategy_touch_share", "share"),
    "new_campaign": Measure("budget", None, _MONEY + "new_campaign_asks"),
    "pause_size": Measure("budget", "limit", _MONEY + "pause_asks_above"),
    "no_touch": Measure("roas", "limit", _MONEY + "no_touch_roas_above"),
    "adjustments": Measure("done", "limit", _MONEY + "max_adjustments_per_day"),
    "test_period": Measure("hours", "limit", _QUALITY + "test_hours", "hours"),
    "min_data": Measure("impressions", "limit", _QUALITY + "min_impressions"),
    "min_runtime": Measure("hours", "limit", _QUALITY + "min_runtime_hours", "hours"),
    "raise_spacing": Measure("hours", "limit", _QUALITY + "min_hours_between_raises", "hours"),
    "rollback": Measure("drop", "limit", _QUALITY + "rollback_drop", "share"),
    "confidence": Measure("confidence", "limit", _QUALITY + "min_confidence", "share"),
    "recent_no": Measure("hours", "limit", _QUALITY + "rejection_memory_hours", "hours"),
    "emergency_stop": Measure(dial=_MONEY + "emergency_resume"),
    "ad_policy": Measure(dial=_COMPLIANCE + "claims_asked"),
    "ad_length": Measure("length", "limit", _COMPLIANCE + "max_text"),
    "trademark": Measure(dial=_COMPLIANCE + "licensed_brands"),
    "banned_product": Measure(dial=_COMPLIANCE + "banned_terms"),
    "special_category": Measure(dial=_COMPLIANCE + "undeclared_category"),
    "learned_blacklist": Measure(dial=_COMPLIANCE + "blacklist_asked"),
    "unsettled": Measure("held"),
    "service_window": Measure("hours", "limit", "guardrails.conversation.service_window_hours", "hours"),
    "questions": Measure("asked", "limit", "guardrails.conversation.max_questions"),
}
"""Rules that are not here speak of states and have no dial: their sentence names the state."""

AMOUNTS = frozenset(
    {"campaign_budget", "daily_cap", "weekly_cap", "platform_daily_cap", "platform_weekly_cap", "campaign_daily_cap",
     "campaign_weekly_cap", "max_increase", "cumulative_change", "reallocation"}
)  # fmt: skip
"""Rules that refuse an amount and let a smaller one pass."""
TOMORROW = frozenset({"over_cap", "adjustments", "reallocation", "strategy_change"})
MONDAY = frozenset({"over_weekly_cap", "weekly_cap", "platform_weekly_cap", "campaign_weekly_cap"})
SINCE = {"raise_spacing": "last_raise_at", "test_period": "launched_at", "min_runtime": "launched_at"}


def measure(rule: str, answer: str, numbers: Mapping[str, Any]) -> Measure:
    """What of the finding's numbers met which limit."""
    found = MEASURES.get(rule, Measure())
    if found.seen == "projected" and "so_far" in numbers:
        return Measure(_WEEK.get(answer, "projected"), found.limit, found.dial)
    if rule == "reallocation" and numbers.get("limit") is None:
        return Measure(None, "share", found.dial, "share")
    if rule == "cumulative_change" and answer == "refuse":
        return Measure("increase", "most", _MONEY + "max_scale", "share")
    if rule == "strategy_change" and not _above(numbers, "touched", "limit") and _above(numbers, "paused", "pause_limit"):
        return Measure("paused", "pause_limit", _MONEY + "strategy_pause_share", "share")
    if rule == "ad_length" and str(numbers.get("place")).startswith("headline"):
        return Measure(found.seen, found.limit, _COMPLIANCE + "max_headline")
    if rule == "special_category" and "age_min" in numbers:  # ages of a declared one: that is the platforms' law
        return Measure()
    if rule == "autonomy" and "expires_at" in numbers:  # a grant
        bound = {"amount": ("max_amount", ""), "change": ("max_change", "share"), "expiry": ("expires_at", "days")}
        seen, unit = bound.get(str(numbers.get("cause")), ("max_amount", ""))
        dial = {"amount": _MONEY + "max_campaign_budget", "change": _MONEY + "max_single_increase"}.get(str(numbers.get("cause")))
        return Measure(seen, "limit", dial, unit)  # pyright: ignore[reportArgumentType]
    return found


def _above(numbers: Mapping[str, Any], seen: str, limit: str) -> bool:
    if numbers.get(seen) is None or numbers.get(limit) is None:
        return False
    return Decimal(str(numbers[seen])) > Decimal(str(numbers[limit]))


def ends(rule: str, numbers: Mapping[str, Any], facts: Mapping[str, Any], numbers_of: Numbers) -> datetime | None:
    """When the rule lets go by itself, as far as that is certain: a count that begins anew, or hours that pass."""
    now = _moment(facts.get("now"))
    if now is None:
        return None
    today = numbers_of.local_day(now)
    if rule in TOMORROW:
        return numbers_of.midnight(today + timedelta(days=1))
    if rule in MONDAY:
        return numbers_of.midnight(today + timedelta(days=7 - today.weekday()))
    hours, limit = numbers.get("hours"), numbers.get("limit")
    if rule in SINCE and limit is not None:
        began = _moment((facts.get("campaign") or {}).get(SINCE[rule]))
        return None if began is None else began + timedelta(hours=int(limit))
    if rule == "recent_no" and hours is not None and limit is not None:
        return now + timedelta(hours=int(limit) - int(hours))  # whole hours: at the latest
    return None


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


_fitting: dict[tuple[str, str, str], Money | None] = {}


def fits(row: ActionRow, policy: Policy) -> Money | None:
    """The largest daily budget that today's rules about amounts would not have refused on the facts of then, below what was asked.

    None when the action has no such amount, or when no raise at all would pass. Found by judging, not by a formula.
    """
    key = (row.id, row.status, policy.version)
    if key not in _fitting:
        if len(_fitting) > 500:
            _fitting.clear()
        _fitting[key] = _largest(row, policy)
    return _fitting[key]


def _largest(row: ActionRow, policy: Policy) -> Money | None:
    if not row.facts:
        return None
    try:
        action, facts = parse_action(row.args), Facts.model_validate(row.facts)
    except ValueError:
        return None  # a record of another time: nothing is guessed from it
    if not isinstance(action, SetBudget | PublishCampaign):
        return None
    asked, rules = action.daily_budget, tuple(rule for rule in RULES if rule.id in AMOUNTS)
    now = facts.campaign.budget_at_platform if facts.campaign is not None and isinstance(action, SetBudget) else None
    low = now.minor if now is not None and now.currency == asked.currency else 0
    high, least = asked.minor, low

    def passes(minor: int) -> bool:
        tried = action.model_copy(update={"daily_budget": Money(minor=minor, currency=asked.currency)})
        return judge(tried, facts, policy, rules).answer != "refuse"

    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return Money(minor=low, currency=asked.currency) if low > least else None
