"""Many small raises add up: they are judged together, from the budget at the start of a sliding window."""

from __future__ import annotations

from knowledge.domain.action import SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Answer, Finding
from tools.guardrails.rule import FINANCIAL, Rule, finding


def _judge(action: SetBudget, facts: Facts, policy: Policy) -> Finding:
    """Above the total raise a manager is asked; above `max_scale` times the window's first budget it is refused."""
    money, campaign = policy.guardrails.financial, facts.campaign
    limit, most, days = money.max_cumulative_increase, money.max_scale - 1, money.cumulative_days
    if campaign is not None and action.daily_budget <= campaign.daily_budget:
        return finding("cumulative_change", "allow", increase=None, limit=limit, most=most, days=days, baseline=None, proposed=None)
    base = campaign.window_budget if campaign else None
    ratio = action.daily_budget.ratio_to(base) if base is not None else None
    if ratio is None:
        return finding("cumulative_change", "ask", increase=None, limit=limit, most=most, days=days, baseline=None, proposed=None)
    increase = ratio - 1
    answer: Answer = "allow" if increase <= limit else "ask"
    if increase > max(most, limit):
        answer = "refuse"
    return finding(
        "cumulative_change", answer, increase=increase, limit=limit, most=most, days=days, baseline=base, proposed=action.daily_budget
    )  # fmt: skip


RULE = Rule(
    "cumulative_change",
    (SetBudget,),
    _judge,
    lambda policy: Message(
        id="rule.cumulative_change",
        params={
            "limit": policy.guardrails.financial.max_cumulative_increase,
            "most": policy.guardrails.financial.max_scale - 1,
            "days": policy.guardrails.financial.cumulative_days,
        },
    ),
    (FINANCIAL + "max_cumulative_increase", FINANCIAL + "max_scale", FINANCIAL + "cumulative_days"),
    pace=True,
)
