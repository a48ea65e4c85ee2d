"""The test period: a new campaign's budget rests until the platform has learned to deliver it."""

from __future__ import annotations

from knowledge.domain.action import SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import QUALITY, Rule, by_person, finding, hours_since


def _judge(action: SetBudget, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.quality.test_hours
    hours = hours_since(facts.campaign.launched_at if facts.campaign else None, facts.now)
    if by_person(facts):
        return finding("test_period", "allow", hours=hours, limit=limit)
    if hours is None:
        return finding("test_period", "ask", hours=hours, limit=limit)
    return finding("test_period", "allow" if hours >= limit else "refuse", hours=hours, limit=limit)


RULE = Rule(
    "test_period",
    (SetBudget,),
    _judge,
    lambda policy: Message(id="rule.test_period", params={"hours": policy.guardrails.quality.test_hours}),
    (QUALITY + "test_hours",),
    pace=True,
)
