"""A machine's change of a running campaign is sure enough, or asks. Confidence is computed, never a model's opinion of itself."""

from __future__ import annotations

from knowledge.domain.action import PauseCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import QUALITY, Rule, by_person, finding, lowers


def _judge(action: SetBudget | PauseCampaign | ResumeCampaign, facts: Facts, policy: Policy) -> Finding:
    limit, sure = policy.guardrails.quality.min_confidence, facts.confidence
    if by_person(facts):
        return finding("confidence", "allow", confidence=sure, limit=limit)
    if sure is None:
        # Plain rules of the house (the watchdog's) need no probability to save money. A model's proposal without a figure is a guess.
        ours = facts.proposer.startswith(("schedule:", "system:")) and (isinstance(action, PauseCampaign) or lowers(action, facts))
        return finding("confidence", "allow" if ours else "ask", confidence=None, limit=limit)
    return finding("confidence", "allow" if sure >= limit else "ask", confidence=sure, limit=limit)


RULE = Rule(
    "confidence",
    (SetBudget, PauseCampaign, ResumeCampaign),
    _judge,
    lambda policy: Message(id="rule.confidence", params={"limit": policy.guardrails.quality.min_confidence}),
    (QUALITY + "min_confidence",),
)
