"""A raise after which the ROAS fell is taken back, and no other follows while it stays down.

The watchdog asks `due` of every running campaign and submits the budget it names; the gate's rules let exactly that cut pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from knowledge.domain.action import Action, SetBudget
from knowledge.domain.facts import CampaignFacts, Facts
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import QUALITY, Rule, by_person, finding


@dataclass(frozen=True)
class Rollback:
    """A raise to take back: the daily budget to return to, ROAS before and since, and the share by which it fell (0-1)."""

    to: Money
    before: Decimal
    since: Decimal
    drop: Decimal


def fallen(campaign: CampaignFacts, policy: Policy) -> Rollback | None:
    """The newest raise when enough was seen since and ROAS fell by more than `rollback_drop`; whatever the budget is now."""
    quality, last = policy.guardrails.quality, campaign.last_raise
    if last is None or last.impressions_since < quality.min_impressions:
        return None
    before, since = last.roas_before, last.roas_since
    if before is None or since is None or before <= 0:
        return None
    drop = 1 - since / before
    return Rollback(last.from_budget, before, since, drop) if drop > quality.rollback_drop else None


def due(campaign: CampaignFacts, policy: Policy) -> Rollback | None:
    """What to take back now: a fallen raise whose budget, or a part of it, is still in force. None when nothing is to do."""
    found = fallen(campaign, policy)
    return found if found is not None and campaign.daily_budget > found.to else None


def takes_back(action: Action, facts: Facts, policy: Policy) -> bool:
    """Whether the action is a cut that only takes a fallen raise back: the rules that protect a running campaign let it pass."""
    campaign = facts.campaign
    if not isinstance(action, SetBudget) or campaign is None or action.daily_budget >= campaign.daily_budget:
        return False
    found = due(campaign, policy)
    return found is not None and action.daily_budget >= found.to


def _judge(action: SetBudget, facts: Facts, policy: Policy) -> Finding:
    limit, campaign = policy.guardrails.quality.rollback_drop, facts.campaign
    found = fallen(campaign, policy) if campaign is not None and action.daily_budget > campaign.daily_budget else None
    if found is None:
        return finding("rollback", "allow", drop=None, limit=limit, before=None, since=None, back_to=None)
    answer = "ask" if by_person(facts) else "refuse"
    return finding("rollback", answer, drop=found.drop, limit=limit, before=found.before, since=found.since, back_to=found.to)


RULE = Rule(
    "rollback",
    (SetBudget,),
    _judge,
    lambda policy: Message(id="rule.rollback", params={"limit": policy.guardrails.quality.rollback_drop}),
    (QUALITY + "rollback_drop",),
    pace=True,
)
