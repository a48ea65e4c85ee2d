"""Worst-case spend: what the platforms may cost today and this week if nobody decides anything more."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING

from knowledge.domain.action import Action, Platform, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import BudgetFacts, Facts
from knowledge.domain.money import Money, total
from knowledge.domain.policy import Policy


@dataclass(frozen=True)
class Worst:
    """Worst-case amounts of one campaign: today (multiplier counted) and each later day of the week (plain budget)."""

    campaign_id: str
    platform: Platform
    today: Money
    per_later_day: Money


def worst_by_campaign(facts: BudgetFacts, policy: Policy, action: Action | None, budget_now: Money | None) -> dict[str, Worst]:
    """Per campaign: the ledger, the held reservations and, if given, the action as if it were done.

    `budget_now` is the campaign's budget for a resume (which carries no amount). A campaign that does not deliver still counts
    what it spent today. Over a week Meta evens out to seven budgets (ads.md 0.2), so later days count the plain budget.
    """
    zero = Money.zero(policy.currency)
    result: dict[str, Worst] = {}

    def claim(campaign_id: str, platform: Platform, highest: Money, running: Money, spent: Money) -> None:
        today = max(highest.times(policy.multiplier(platform), ROUND_CEILING), spent)
        old = result.get(campaign_id)
        result[campaign_id] = Worst(
            campaign_id,
            platform,
            today if old is None else max(today, old.today),
            running if old is None else max(running, old.per_later_day),
        )

    for exposure in facts.exposures:
        running = exposure.daily_budget if exposure.delivering else zero
        highest = exposure.highest_today if exposure.delivering or exposure.spent_today.minor > 0 else zero
        claim(exposure.campaign_id, exposure.platform, max(highest, running), running, exposure.spent_today)
    for held in facts.reservations:
        claim(held.campaign_id, held.platform, held.daily_budget, held.daily_budget, zero)
    if isinstance(action, PublishCampaign | SetBudget):
        claim(action.campaign_id, action.platform, action.daily_budget, action.daily_budget, zero)
    elif isinstance(action, ResumeCampaign) and budget_now is not None:
        claim(action.campaign_id, action.platform, budget_now, budget_now, zero)
    return result


def worst_today(action: Action | None, facts: Facts, policy: Policy) -> Money | None:
    """Worst-case spend of the workspace's day with the action done; None when the books could not be read."""
    if facts.budget is None:
        return None
    now = facts.campaign.daily_budget if facts.campaign else None
    worst = worst_by_campaign(facts.budget, policy, action, now)
    return total((w.today for w in worst.values()), policy.currency)


def worst_week(action: Action | None, facts: Facts, policy: Policy) -> tuple[Money, Money] | None:
    """(spent before today + worst today, the same plus the plain budgets of the days left); None when unreadable."""
    if facts.budget is None:
        return None
    now = facts.campaign.daily_budget if facts.campaign else None
    worst = worst_by_campaign(facts.budget, policy, action, now)
    so_far = facts.budget.spent_week_before_today + total((w.today for w in worst.values()), policy.currency)
    later = total((w.per_later_day for w in worst.values()), policy.currency).times(facts.budget.days_left_after_today)
    return so_far, so_far + later
