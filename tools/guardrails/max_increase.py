"""Largest raise in one go. Judged from the budget 24 hours ago, so that small steps add up."""

from __future__ import annotations

from decimal import Decimal

from knowledge.domain.action import SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import FINANCIAL, Rule, finding


def changes(action: SetBudget, facts: Facts) -> tuple[Decimal, Decimal] | None:
    """(raise against the lower of now and 24 h ago, largest move either way against both), as shares; None when undefined."""
    campaign = facts.campaign
    if campaign is None or campaign.daily_budget.currency != action.daily_budget.currency:
        return None
    shares: list[Decimal] = []
    for base in (campaign.daily_budget, campaign.baseline_budget):
        ratio = action.daily_budget.ratio_to(base)
        if ratio is None:
            return None
        shares.append(ratio - 1)
    return max(shares), max(abs(share) for share in shares)


def _judge(action: SetBudget, facts: Facts, policy: Policy) -> Finding:
    limit = policy.guardrails.financial.max_single_increase
    change = changes(action, facts)
    if change is None or facts.campaign is None:
        return finding(
            "max_increase", "refuse", increase=None, limit=limit, current=None, proposed=action.daily_budget, baseline=None
        )
    answer = "allow" if change[0] <= limit else "refuse"
    return finding(
        "max_increase", answer, increase=change[0], limit=limit, current=facts.campaign.daily_budget, proposed=action.daily_budget,
        baseline=facts.campaign.baseline_budget,
    )  # fmt: skip


RULE = Rule(
    "max_increase",
    (SetBudget,),
    _judge,
    lambda policy: Message(id="rule.max_increase", params={"limit": policy.guardrails.financial.max_single_increase}),
    (FINANCIAL + "max_single_increase",),
    pace=True,
)
