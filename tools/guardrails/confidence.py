"""A machine's change of a running campaign is sure enough, or asks. Confidence is computed, never a model's opinion of itself."""

from __future__ import annotations

from knowledge.domain.action import Action, PauseCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding


def _judge(action: Action, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.quality.min_confidence
    if facts.proposer.startswith("user:") or facts.confidence is None:
        # No figure: a person asked, or a plain rule without a probability, whose own limits the other rules check.
        return finding("confidence", "allow", confidence=facts.confidence, limit=limit)
    return finding("confidence", "allow" if facts.confidence >= limit else "ask", confidence=facts.confidence, limit=limit)


RULE = Rule(
    "confidence",
    (SetBudget, PauseCampaign, ResumeCampaign),
    _judge,
    lambda policy: Message(id="rule.confidence", params={"limit": policy.guardrails.quality.min_confidence}),
    pace=True,
)
