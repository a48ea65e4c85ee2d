"""What could not be read or counted on another platform shares the same caps: whether to spend more without it is a person's decision."""

from __future__ import annotations

from knowledge.domain.action import SPENDING, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding, lowers


def _judge(action: PublishCampaign | SetBudget | ResumeCampaign, facts: Facts, policy: Policy) -> Finding:
    if not facts.unclear or lowers(action, facts):
        return finding("other_platforms", "allow")
    return finding("other_platforms", "ask", facts=", ".join(facts.unclear))


RULE = Rule("other_platforms", SPENDING, _judge, lambda policy: Message(id="rule.other_platforms"))
