"""One campaign's daily budget: above zero, in the account's currency, not beyond the limit."""

from __future__ import annotations

from knowledge.domain.action import PublishCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding


def _judge(action: PublishCampaign | SetBudget, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.financial.max_campaign_budget
    proposed = action.daily_budget
    sound = proposed.currency == policy.currency and 0 < proposed.minor <= limit.minor
    return finding("campaign_budget", "allow" if sound else "refuse", proposed=proposed, limit=limit)


RULE = Rule(
    "campaign_budget",
    (PublishCampaign, SetBudget),
    _judge,
    lambda policy: Message(id="rule.campaign_budget", params={"limit": policy.guardrails.financial.max_campaign_budget}),
)
