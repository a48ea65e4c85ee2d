"""Over a cap, nothing more is spent: when the books show that what was really spent passed it, every spending action is refused."""

from __future__ import annotations

from knowledge.domain.action import SPENDING, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.money import Money, total
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import Rule, finding

Spending = PublishCampaign | SetBudget | ResumeCampaign


def _lowers(action: Spending, facts: Facts) -> bool:
    return isinstance(action, SetBudget) and facts.campaign is not None and action.daily_budget < facts.campaign.daily_budget


def _judge_day(action: Spending, facts: Facts, policy: Policy) -> Finding:
    cap, own_cap = policy.guardrails.financial.daily_cap, policy.platform_cap(action.platform, "day")
    if facts.budget is None:
        return finding("over_cap", "refuse", spent=None, cap=cap)
    spent = total((e.spent_today for e in facts.budget.exposures), policy.currency)
    own = total((e.spent_today for e in facts.budget.exposures if e.platform == action.platform), policy.currency)
    if spent <= cap and own > own_cap:
        spent, cap = own, own_cap
    answer = "allow" if spent <= cap or _lowers(action, facts) else "refuse"
    return finding("over_cap", answer, spent=spent, cap=cap)


def _judge_week(action: Spending, facts: Facts, policy: Policy) -> Finding:
    cap = policy.guardrails.financial.weekly_cap
    if facts.budget is None:
        return finding("over_weekly_cap", "refuse", spent=None, cap=cap)
    today: Money = total((e.spent_today for e in facts.budget.exposures), policy.currency)
    spent = facts.budget.spent_week_before_today + today
    answer = "allow" if spent <= cap or _lowers(action, facts) else "refuse"
    return finding("over_weekly_cap", answer, spent=spent, cap=cap)


DAILY = Rule(
    "over_cap",
    SPENDING,
    _judge_day,
    lambda policy: Message(id="rule.over_cap", params={"cap": policy.guardrails.financial.daily_cap}),
)
WEEKLY = Rule(
    "over_weekly_cap",
    SPENDING,
    _judge_week,
    lambda policy: Message(id="rule.over_weekly_cap", params={"cap": policy.guardrails.financial.weekly_cap}),
)
