"""A share of both caps is kept for people: a machine that would use it asks."""

from __future__ import annotations

from decimal import Decimal

from knowledge.domain.action import SPENDING, Action
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Answer, Finding
from tools.guardrails.exposure import outlook
from tools.guardrails.rule import FINANCIAL, Rule, amount, by_person, finding, lowers


def free(cap: Money, share: Decimal) -> int:
    """What of a cap a machine may plan with, in minor units, rounded down."""
    return int(cap.minor * (1 - share))


def _answer(action: Action, facts: Facts, after: int, limit: int) -> Answer:
    return "allow" if after <= limit or by_person(facts) or lowers(action, facts) else "ask"


def _judge_day(action: Action, facts: Facts, policy: Policy) -> Finding:
    money = policy.guardrails.financial
    limit, share = free(money.daily_cap, money.reserve_share), money.reserve_share
    seen = outlook(action, facts, policy)
    if seen is None:
        return finding("reserve_share", "refuse", after=None, limit=amount(limit, policy), cap=money.daily_cap, share=share)
    answer = _answer(action, facts, seen.after.day, limit)
    return finding(
        "reserve_share", answer, after=amount(seen.after.day, policy), limit=amount(limit, policy), cap=money.daily_cap, share=share
    )  # fmt: skip


def _judge_week(action: Action, facts: Facts, policy: Policy) -> Finding:
    money = policy.guardrails.financial
    limit, share = free(money.weekly_cap, money.reserve_share), money.reserve_share
    seen = outlook(action, facts, policy)
    if seen is None:
        return finding("weekly_reserve", "refuse", projected=None, limit=amount(limit, policy), cap=money.weekly_cap, share=share)
    answer = _answer(action, facts, seen.after.projected, limit)
    return finding(
        "weekly_reserve", answer, projected=amount(seen.after.projected, policy), limit=amount(limit, policy), cap=money.weekly_cap,
        share=share,
    )  # fmt: skip


DAILY = Rule(
    "reserve_share",
    SPENDING,
    _judge_day,
    lambda policy: Message(
        id="rule.reserve_share",
        params={
            "share": policy.guardrails.financial.reserve_share,
            "limit": amount(free(policy.guardrails.financial.daily_cap, policy.guardrails.financial.reserve_share), policy),
        },
    ),
    (FINANCIAL + "reserve_share", FINANCIAL + "daily_cap"),
)
WEEKLY = Rule(
    "weekly_reserve",
    SPENDING,
    _judge_week,
    lambda policy: Message(
        id="rule.weekly_reserve",
        params={
            "share": policy.guardrails.financial.reserve_share,
            "limit": amount(free(policy.guardrails.financial.weekly_cap, policy.guardrails.financial.reserve_share), policy),
        },
    ),
    (FINANCIAL + "reserve_share", FINANCIAL + "weekly_cap"),
)
