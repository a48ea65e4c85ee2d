"""How big a change asks, up or down. Judged from the budget 24 hours ago, so that small steps add up."""

from __future__ import annotations

from knowledge.domain.action import SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails import rollback
from tools.guardrails.max_increase import changes
from tools.guardrails.rule import FINANCIAL, Rule, finding


def _judge(action: SetBudget, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.financial.approval_above
    change = changes(action, facts)
    if change is None or facts.campaign is None:
        return finding("approval_above", "refuse", change=None, limit=limit)
    # Taking a raise back after the ROAS fell is what the manager's own dial asks for.
    answer = "allow" if change[1] <= limit or rollback.takes_back(action, facts, policy) else "ask"
    return finding(
        "approval_above", answer, change=change[1], limit=limit, current=facts.campaign.daily_budget,
        proposed=action.daily_budget, baseline=facts.campaign.baseline_budget,
    )  # fmt: skip


RULE = Rule(
    "approval_above",
    (SetBudget,),
    _judge,
    lambda policy: Message(id="rule.approval_above", params={"limit": policy.guardrails.financial.approval_above}),
    (FINANCIAL + "approval_above",),
    pace=True,
)
