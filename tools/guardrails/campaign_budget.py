"""One campaign's daily budget: above zero, in the account's currency, not beyond the limit."""

from __future__ import annotations

from knowledge.domain.action import PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import FINANCIAL, Rule, finding


def _judge(action: PublishCampaign | SetBudget | ResumeCampaign, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.financial.max_campaign_budget
    if isinstance(action, ResumeCampaign):  # it runs on by the budget that the platform has for it
        if facts.campaign is None:
            return finding("campaign_budget", "refuse", proposed=None, limit=limit)
        proposed = facts.campaign.daily_budget
    else:
        proposed = action.daily_budget
    sound = proposed.currency == policy.currency and 0 < proposed.minor <= limit.minor
    return finding("campaign_budget", "allow" if sound else "refuse", proposed=proposed, limit=limit)


RULE = Rule(
    "campaign_budget",
    (PublishCampaign, SetBudget, ResumeCampaign),
    _judge,
    lambda policy: Message(id="rule.campaign_budget", params={"limit": policy.guardrails.financial.max_campaign_budget}),
    (FINANCIAL + "max_campaign_budget",),
)
