"""Pausing a very large campaign is a decision for a person."""

from __future__ import annotations

from knowledge.domain.action import PauseCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import FINANCIAL, Rule, emergency, finding


def _a_day(facts: Facts) -> Money | None:
    """What the campaign spends a day: its budget, or what it has really spent today when that is more."""
    if facts.campaign is None:
        return None
    exposures = facts.budget.exposures if facts.budget else ()
    spent = [e.spent_today for e in exposures if e.campaign_id == facts.campaign.campaign_id]
    return max([facts.campaign.daily_budget, *(s for s in spent if s.currency == facts.campaign.daily_budget.currency)])


def _judge(action: PauseCampaign, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.financial.pause_asks_above
    budget = _a_day(facts)
    if emergency(action, facts):
        return finding("pause_size", "allow", budget=budget, limit=limit)
    answer = "ask" if budget is None or budget > limit else "allow"
    return finding("pause_size", answer, budget=budget, limit=limit)


RULE = Rule(
    "pause_size",
    (PauseCampaign,),
    _judge,
    lambda policy: Message(id="rule.pause_size", params={"limit": policy.guardrails.financial.pause_asks_above}),
    (FINANCIAL + "pause_asks_above",),
)
