"""Weekly cap: never pass it with what is certain today; ask before planning past it."""

from __future__ import annotations

from knowledge.domain.action import SPENDING, Action
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.exposure import outlook, week_answer
from tools.guardrails.rule import FINANCIAL, Rule, amount, finding, lowers, unread


def _judge(action: Action, facts: Facts, policy: Policy) -> Finding:
    cap = policy.guardrails.financial.weekly_cap
    seen = outlook(action, facts, policy)
    if seen is None:
        return finding("weekly_cap", "refuse", cap=cap, so_far=None, projected=None)
    answer = week_answer(seen.after, cap.minor, lowers=lowers(action, facts))
    found = finding(
        "weekly_cap", answer, cap=cap, so_far=amount(seen.after.week, policy), projected=amount(seen.after.projected, policy)
    )  # fmt: skip
    return unread(found, seen.assumed[0], policy)


RULE = Rule(
    "weekly_cap",
    SPENDING,
    _judge,
    lambda policy: Message(id="rule.weekly_cap", params={"cap": policy.guardrails.financial.weekly_cap}),
    (FINANCIAL + "weekly_cap", FINANCIAL + "overspend_multiplier"),
)
