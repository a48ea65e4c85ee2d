"""What a request to a manager says: what is at stake, how much it could cost, who must agree, and what an edit may change."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING
from typing import Any
from zoneinfo import ZoneInfo

from knowledge.domain.action import SPENDING, Action, PublishCampaign, ResumeCampaign, SendMessage, SetBudget
from knowledge.domain.books import ActionRecord, Ticket
from knowledge.domain.facts import Facts
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from tools.guardrails.exchange_rate import in_policy_currency

EDITABLE: dict[type, frozenset[str]] = {
    PublishCampaign: frozenset(
        {"daily_budget", "name", "creatives", "countries", "age_min", "age_max", "landing_url", "special_ad_categories"}
    ),
    SetBudget: frozenset({"daily_budget"}),
    SendMessage: frozenset({"text"}),
}
"""What a manager may change in a request. What the action is about (campaign, platform, lead) stays: that is another action."""


def stake(action: Action, facts: Facts) -> Money | None:
    """The daily budget that the action is about: the larger of before and after; None for actions without money."""
    named = (getattr(action, "daily_budget", None), getattr(action, "max_amount", None))  # a grant is worth what it lets pass
    amounts = [amount for amount in named if amount is not None]
    if facts.campaign is not None:
        amounts.append(facts.campaign.daily_budget)
    if not amounts or len({amount.currency for amount in amounts}) > 1:
        return amounts[0] if amounts else None
    return max(amounts)


def worst_until(action: Action, facts: Facts, policy: Policy, now: datetime, until: datetime) -> Money | None:
    """The most that doing the action could cost beyond today's plan before `until`; None for actions that spend nothing."""
    action = in_policy_currency(action, facts, policy)
    if not isinstance(action, SPENDING):
        return None
    after: Money | None = None
    before = Money.zero(policy.currency)
    if isinstance(action, PublishCampaign | SetBudget):
        after = action.daily_budget
    if isinstance(action, ResumeCampaign) and facts.campaign is not None:
        after = facts.campaign.daily_budget
    if isinstance(action, SetBudget) and facts.campaign is not None:
        before = facts.campaign.daily_budget
    if after is None or after.currency != before.currency or after <= before:
        return Money.zero(policy.currency)
    # The platform may spend a whole day's overspend at once; every further local day that begins adds another.
    zone = ZoneInfo(policy.time_zone)
    days = 1 + (until.astimezone(zone).date() - now.astimezone(zone).date()).days
    return (after - before).times(policy.multiplier(action.platform) * days, ROUND_CEILING)


def request(record: ActionRecord, policy: Policy, now: datetime, *, priority: str, expires_at: datetime | None = None) -> Ticket:
    """The ticket under which a manager is asked about a waiting action."""
    expires = expires_at or now + policy.approval_time
    people, role = policy.quorum(stake(in_policy_currency(record.action, record.facts, policy), record.facts))
    return Ticket(
        action_id=record.id,
        status="pending",
        priority=priority,
        exposure=worst_until(record.action, record.facts, policy, now, expires),
        requested_at=now,
        expires_at=expires,
        quorum=people,
        role=role,
    )


def edited(action: Action, changes: dict[str, Any]) -> Action:
    """The action with a manager's changes.

    Raises LookupError naming a field that may not be edited, pydantic.ValidationError naming each bad value.
    """
    allowed = EDITABLE.get(type(action), frozenset())
    for name in changes:
        if name not in allowed:
            raise LookupError(name)
    return type(action).model_validate(action.args() | changes)


def narrower(before: Action, after: Action, facts: Facts) -> bool:
    """Whether an edit asks for no more than what was asked: less money, the same people reached, and no other direction."""
    old, new = before.args(), after.args()
    reach = ("countries", "age_min", "age_max", "landing_url", "special_ad_categories")
    if any(old.get(name) != new.get(name) for name in reach):
        return False
    asked, now = getattr(before, "daily_budget", None), getattr(after, "daily_budget", None)
    if asked is None or now is None:
        return True
    if asked.currency != now.currency:
        return False
    if isinstance(after, SetBudget):
        if facts.campaign is None or facts.campaign.budget_at_platform.currency != now.currency:
            return False
        current = facts.campaign.budget_at_platform
        return min(current, asked) <= now <= max(current, asked)
    return now <= asked


def drifted(asked: Facts, fresh: Facts) -> bool:
    """Whether what the manager saw is no longer so: the budget or the campaign's state moved under the request."""
    if asked.campaign is None or fresh.campaign is None:
        return False
    # In the account's own currency: another day's exchange rate is no drift.
    before, now = asked.campaign, fresh.campaign
    return (before.budget_at_platform, before.status) != (now.budget_at_platform, now.status)
