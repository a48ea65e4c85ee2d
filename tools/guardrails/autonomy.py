"""Autonomy as rules: level 2 asks for every change of a campaign, level 3 and dry run execute nothing."""

from __future__ import annotations

from knowledge.domain.action import CAMPAIGN, Action, PauseCampaign, PublishCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, emergency, finding


def advisory(action: Action, policy: Policy) -> bool:
    """Whether the action is only ever recorded as a suggestion."""
    if isinstance(action, PauseCampaign) and action.emergency:
        return False
    if isinstance(action, PublishCampaign) and policy.autonomy.publication == "dry_run":
        return True
    return isinstance(action, CAMPAIGN) and policy.autonomy.level_of(action.kind) == 3


def _judge(action: Action, facts: Facts, policy: Policy) -> Finding:
    level = policy.autonomy.level_of(action.kind)
    urgent = emergency(action, facts)
    if advisory(action, policy) or (level == 3 and not urgent):
        return finding("autonomy", "refuse", level=level, kind=action.kind)
    answer = "ask" if level == 2 and not urgent else "allow"
    return finding("autonomy", answer, level=level, kind=action.kind)


RULE = Rule("autonomy", CAMPAIGN, _judge, lambda policy: Message(id="rule.autonomy", params={"level": policy.autonomy.level}))
