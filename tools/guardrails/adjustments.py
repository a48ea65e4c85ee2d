"""How many changes of campaigns one account-local day may see. Pausing stays possible: it only lowers what is spent."""

from __future__ import annotations

from knowledge.domain.action import Action, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import FINANCIAL, Rule, finding


def _judge(action: Action, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.financial.max_adjustments_per_day
    if facts.budget is None:
        return finding("adjustments", "refuse", done=None, limit=limit)
    done = facts.budget.adjustments_today
    return finding("adjustments", "allow" if done < limit else "refuse", done=done, limit=limit)


RULE = Rule(
    "adjustments",
    (SetBudget, ResumeCampaign),
    _judge,
    lambda policy: Message(id="rule.adjustments", params={"limit": policy.guardrails.financial.max_adjustments_per_day}),
    (FINANCIAL + "max_adjustments_per_day",),
    pace=True,
)
