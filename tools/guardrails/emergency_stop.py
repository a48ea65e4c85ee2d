"""What was stopped in an emergency is let run again by a person: a machine that only sees last week's ROAS would start the fire anew."""

from __future__ import annotations

from knowledge.domain.action import ResumeCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import ANSWERS, FINANCIAL, Rule, by_person, finding


def _judge(action: ResumeCampaign, facts: Facts, policy: Policy) -> Finding:
    name = facts.campaign.name if facts.campaign else action.campaign_id
    stopped = facts.campaign is not None and facts.campaign.emergency_stop
    answer = policy.guardrails.financial.emergency_resume if stopped and not by_person(facts) else "allow"
    return finding("emergency_stop", answer, name=name)


def _sentence(policy: Policy) -> Message:
    return Message(id="rule.emergency_stop", params={"answer": ANSWERS[policy.guardrails.financial.emergency_resume]})


RULE = Rule("emergency_stop", (ResumeCampaign,), _judge, _sentence, (FINANCIAL + "emergency_resume",))
