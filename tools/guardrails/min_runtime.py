"""A campaign runs its minimum time before a machine pauses it for performance. People and emergencies may pause at once."""

from __future__ import annotations

from knowledge.domain.action import PauseCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import QUALITY, Rule, by_person, emergency, finding


def _judge(action: PauseCampaign, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.quality.min_runtime_hours
    if by_person(facts) or emergency(action, facts):
        return finding("min_runtime", "allow", hours=None, limit=limit)
    campaign = facts.campaign
    if campaign is None or campaign.launched_at is None:
        return finding("min_runtime", "ask", hours=None, limit=limit)
    hours = int((facts.now - campaign.launched_at).total_seconds() // 3600)
    return finding("min_runtime", "allow" if hours >= limit else "refuse", hours=hours, limit=limit)


RULE = Rule(
    "min_runtime",
    (PauseCampaign,),
    _judge,
    lambda policy: Message(id="rule.min_runtime", params={"hours": policy.guardrails.quality.min_runtime_hours}),
    (QUALITY + "min_runtime_hours",),
    pace=True,
)
