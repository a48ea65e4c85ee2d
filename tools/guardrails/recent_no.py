"""A manager's no is remembered: a machine does not ask again for the same kind of change in the same direction."""

from __future__ import annotations

from knowledge.domain.action import PauseCampaign, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import QUALITY, Rule, by_person, emergency, finding, hours_since

Change = PublishCampaign | SetBudget | PauseCampaign | ResumeCampaign


def _direction(action: Change, facts: Facts) -> str | None:
    if not isinstance(action, SetBudget) or facts.campaign is None:
        return None
    return "up" if action.daily_budget > facts.campaign.daily_budget else "down"


def _judge(action: Change, facts: Facts, policy: Policy) -> Finding:
    limit, direction = policy.guardrails.quality.rejection_memory_hours, _direction(action, facts)
    for no in facts.rejections:
        hours = hours_since(no.at, facts.now) or 0
        same = no.kind == action.kind and (no.direction is None or direction is None or no.direction == direction)
        if same and hours < limit and not by_person(facts) and not emergency(action, facts):
            # The person's own name is for the record; the card shows who to talk to.
            by, reason = no.by.removeprefix("user:"), no.reason or "-"
            return finding("recent_no", "refuse", by=by, reason=reason, hours=hours, limit=limit)
    return finding("recent_no", "allow", by=None, reason=None, hours=None, limit=limit)


RULE = Rule(
    "recent_no",
    (PublishCampaign, SetBudget, PauseCampaign, ResumeCampaign),
    _judge,
    lambda policy: Message(id="rule.recent_no", params={"hours": policy.guardrails.quality.rejection_memory_hours}),
    (QUALITY + "rejection_memory_hours",),
)
