"""What was stopped in an emergency is let run again by a person: a machine that only sees last week's ROAS would start the fire anew."""

from __future__ import annotations

from knowledge.domain.action import ResumeCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, by_person, finding


def _judge(action: ResumeCampaign, facts: Facts, policy: Policy) -> Finding:
    name = facts.campaign.name if facts.campaign else action.campaign_id
    stopped = facts.campaign is not None and facts.campaign.emergency_stop
    return finding("emergency_stop", "ask" if stopped and not by_person(facts) else "allow", name=name)


RULE = Rule("emergency_stop", (ResumeCampaign,), _judge, lambda policy: Message(id="rule.emergency_stop"))
