"""Over a cap, nothing more is spent: when the books show that what was really spent passed it, every spending action is refused."""

from __future__ import annotations

from knowledge.domain.action import SPENDING, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.exposure import outlook
from tools.guardrails.rule import FINANCIAL, Rule, amount, finding, lowers

Spending = PublishCampaign | SetBudget | ResumeCampaign


def _judge_day(action: Spending, facts: Facts, policy: Policy) -> Finding:
    cap, own_cap = policy.guardrails.financial.daily_cap, policy.platform_cap(action.platform, "day")
    seen = outlook(action, facts, policy)
    if seen is None:
        return finding("over_cap", "refuse", spent=None, cap=cap)
    spent = seen.spent
    if spent <= cap.minor and seen.platform_spent > own_cap.minor:
        spent, cap = seen.platform_spent, own_cap
    answer = "allow" if spent <= cap.minor or lowers(action, facts) else "refuse"
    return finding("over_cap", answer, spent=amount(spent, policy), cap=cap)


def _judge_week(action: Spending, facts: Facts, policy: Policy) -> Finding:
    cap = policy.guardrails.financial.weekly_cap
    seen = outlook(action, facts, policy)
    if facts.budget is None or seen is None:
        return finding("over_weekly_cap", "refuse", spent=None, cap=cap)
    spent = facts.budget.spent_week_before_today.minor + seen.spent
    answer = "allow" if spent <= cap.minor or lowers(action, facts) else "refuse"
    return finding("over_weekly_cap", answer, spent=amount(spent, policy), cap=cap)


DAILY = Rule(
    "over_cap",
    SPENDING,
    _judge_day,
    lambda policy: Message(id="rule.over_cap", params={"cap": policy.guardrails.financial.daily_cap}),
    (FINANCIAL + "daily_cap", FINANCIAL + "platform_daily_cap"),
)
WEEKLY = Rule(
    "over_weekly_cap",
    SPENDING,
    _judge_week,
    lambda policy: Message(id="rule.over_weekly_cap", params={"cap": policy.guardrails.financial.weekly_cap}),
    (FINANCIAL + "weekly_cap",),
)
