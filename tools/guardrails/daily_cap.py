"""Daily cap: the worst day the platforms may make of our budgets stays within it."""

from __future__ import annotations

from knowledge.domain.action import SPENDING, Action
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.exposure import outlook
from tools.guardrails.rule import FINANCIAL, Rule, amount, finding, lowers


def _judge(action: Action, facts: Facts, policy: Policy) -> Finding:
    cap = policy.guardrails.financial.daily_cap
    seen = outlook(action, facts, policy)
    if seen is None:
        return finding("daily_cap", "refuse", cap=cap, after=None, before=None)
    after, before = seen.after.day, seen.before.day
    answer = "allow" if after <= cap.minor or lowers(action, facts) else "refuse"
    return finding("daily_cap", answer, cap=cap, after=amount(after, policy), before=amount(before, policy))


RULE = Rule(
    "daily_cap",
    SPENDING,
    _judge,
    lambda policy: Message(id="rule.daily_cap", params={"cap": policy.guardrails.financial.daily_cap}),
    (FINANCIAL + "daily_cap", FINANCIAL + "overspend_multiplier"),
)
