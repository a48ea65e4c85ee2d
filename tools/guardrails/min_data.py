"""A machine touches nothing on noise: a pause or a change of budget needs enough impressions first."""

from __future__ import annotations

from knowledge.domain.action import PauseCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails import rollback
from tools.guardrails.rule import QUALITY, Rule, by_person, emergency, finding


def _judge(action: PauseCampaign | SetBudget, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.quality.min_impressions
    seen = facts.campaign.impressions_7d if facts.campaign else None
    if by_person(facts) or emergency(action, facts) or rollback.takes_back(action, facts, policy):
        return finding("min_data", "allow", impressions=seen, limit=limit)
    return finding("min_data", "allow" if seen is not None and seen >= limit else "refuse", impressions=seen, limit=limit)


RULE = Rule(
    "min_data",
    (PauseCampaign, SetBudget),
    _judge,
    lambda policy: Message(id="rule.min_data", params={"limit": policy.guardrails.quality.min_impressions}),
    (QUALITY + "min_impressions",),
    pace=True,
)
