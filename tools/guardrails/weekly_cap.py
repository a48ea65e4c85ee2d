"""Weekly cap: never pass it with what is certain today; ask before planning past it."""

from __future__ import annotations

from knowledge.domain.action import SPENDING, Action
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.exposure import worst_week
from tools.guardrails.rule import Rule, finding


def _judge(action: Action, facts: Facts, policy: Policy) -> Finding:
    cap = policy.guardrails.financial.weekly_cap
    after = worst_week(action, facts, policy)
    before = worst_week(None, facts, policy)
    if after is None or before is None:
        return finding("weekly_cap", "refuse", cap=cap, so_far=None, projected=None)
    so_far, projected = after
    if so_far > cap and so_far > before[0]:
        answer = "refuse"
    elif projected > cap and projected > before[1]:
        answer = "ask"
    else:
        answer = "allow"
    return finding("weekly_cap", answer, cap=cap, so_far=so_far, projected=projected)


RULE = Rule(
    "weekly_cap",
    SPENDING,
    _judge,
    lambda policy: Message(id="rule.weekly_cap", params={"cap": policy.guardrails.financial.weekly_cap}),
)
