"""The day of an ad account is the house's day, or nothing more is spent there: else one day of the account gets the room of two."""

from __future__ import annotations

from knowledge.domain.action import SPENDING, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding, lowers


def _judge(action: PublishCampaign | SetBudget | ResumeCampaign, facts: Facts, policy: Policy) -> Finding:
    if facts.account_zone is None or lowers(action, facts):
        return finding("account_zone", "allow", zone=policy.time_zone)
    return finding("account_zone", "refuse", platform=action.platform, account=facts.account_zone, zone=policy.time_zone)


RULE = Rule(
    "account_zone", SPENDING, _judge, lambda policy: Message(id="rule.account_zone", params={"zone": policy.time_zone}), ("time_zone",)
)  # fmt: skip
