"""One campaign of ours is one campaign on one platform: what is published is not published again under another intent."""

from __future__ import annotations

from knowledge.domain.action import PublishCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding


def _judge(action: PublishCampaign, facts: Facts, policy: Policy) -> Finding:
    known = facts.campaign
    if known is None or known.external_id is None:
        return finding("already_published", "allow", campaign=action.campaign_id, platform=None, external_id=None)
    return finding(
        "already_published", "refuse", campaign=action.campaign_id, platform=known.platform, external_id=known.external_id
    )


RULE = Rule("already_published", (PublishCampaign,), _judge, lambda policy: Message(id="rule.already_published"))
