"""Two raises of one campaign keep their distance, so that the second is judged on what the first did."""

from __future__ import annotations

from knowledge.domain.action import SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import QUALITY, Rule, by_person, finding


def _judge(action: SetBudget, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.quality.min_hours_between_raises
    campaign = facts.campaign
    if campaign is None or action.daily_budget <= campaign.daily_budget or campaign.last_raise_at is None:
        return finding("raise_spacing", "allow", hours=None, limit=limit)
    hours = int((facts.now - campaign.last_raise_at).total_seconds() // 3600)
    if hours >= limit:
        return finding("raise_spacing", "allow", hours=hours, limit=limit)
    return finding("raise_spacing", "ask" if by_person(facts) else "refuse", hours=hours, limit=limit)


RULE = Rule(
    "raise_spacing",
    (SetBudget,),
    _judge,
    lambda policy: Message(id="rule.raise_spacing", params={"hours": policy.guardrails.quality.min_hours_between_raises}),
    (QUALITY + "min_hours_between_raises",),
    pace=True,
)
