"""An undo restores what was before, or nothing: not over a change that somebody made since."""

from __future__ import annotations

from knowledge.domain.action import CAMPAIGN, Action
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding


def _judge(action: Action, facts: Facts, policy: Policy) -> Finding:
    if facts.undo_of is None or facts.restores is not None:
        return finding("undo_object", "allow")
    budget = facts.campaign.daily_budget if facts.campaign else None
    return finding("undo_object", "refuse", budget=budget)


RULE = Rule("undo_object", CAMPAIGN, _judge, lambda policy: Message(id="rule.undo_object"))
