"""How long an ad's headline and text may be: what the platform shows or accepts, or less where the operator says so."""

from __future__ import annotations

from knowledge.domain.action import PublishCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import COMPLIANCE, Rule, finding
from tools.guardrails.words import shown


def _judge(action: PublishCampaign, facts: Facts, policy: Policy) -> Finding:
    most = policy.ad_length(action.platform)
    longest = 0
    for place, text in shown(action):
        limit = most.headline if place.startswith("headline") else most.text
        longest = max(longest, len(text))
        if len(text) > limit:
            return finding("ad_length", "refuse", length=len(text), limit=limit, place=place, platform=action.platform)
    return finding("ad_length", "allow", length=longest, limit=max(most), platform=action.platform)


def _sentence(policy: Policy) -> Message:
    most = policy.ad_length("meta")
    return Message(id="rule.ad_length", params={"headline": most.headline, "text": most.text})


RULE = Rule("ad_length", (PublishCampaign,), _judge, _sentence, (COMPLIANCE + "max_headline", COMPLIANCE + "max_text"))
