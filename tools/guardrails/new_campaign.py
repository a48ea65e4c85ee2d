"""A new campaign asks a manager."""

from __future__ import annotations

from knowledge.domain.action import PublishCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import FINANCIAL, Rule, finding


def _judge(action: PublishCampaign, facts: Facts, policy: Policy) -> Finding:
    asks = policy.guardrails.financial.new_campaign_asks or policy.autonomy.publication == "approval"
    return finding("new_campaign", "ask" if asks else "allow", name=action.name, budget=action.daily_budget)


RULE = Rule(
    "new_campaign",
    (PublishCampaign,),
    _judge,
    lambda policy: Message(id="rule.new_campaign", params={"asks": policy.guardrails.financial.new_campaign_asks}),
    (FINANCIAL + "new_campaign_asks", "autonomy.publication"),
)
