"""Nothing is raised or switched on while an earlier change of the same campaign is not settled: its amount may be in force already."""

from __future__ import annotations

from knowledge.domain.action import PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts, Reservation
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding, lowers

Change = PublishCampaign | SetBudget | ResumeCampaign


def _judge(action: Change, facts: Facts, policy: Policy) -> Finding:
    if facts.budget is None:
        return finding("unsettled", "refuse", held=None, action=None)
    held = min((r for r in facts.budget.reservations if r.campaign_id == action.campaign_id), key=_amount, default=None)
    # A cut may follow a change that is on its way, unless that one cuts deeper: after it, this cut would be a raise.
    if held is None or (lowers(action, facts) and isinstance(action, SetBudget) and action.daily_budget <= held.daily_budget):
        return finding("unsettled", "allow", held=None, action=None)
    return finding("unsettled", "refuse", held=held.daily_budget, action=held.action_id[:8])


def _amount(held: Reservation) -> int:
    return held.daily_budget.minor


RULE = Rule("unsettled", (PublishCampaign, SetBudget, ResumeCampaign), _judge, lambda policy: Message(id="rule.unsettled"))
