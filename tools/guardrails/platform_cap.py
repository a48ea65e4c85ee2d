"""Caps of one platform: the worst day and week it may make of its campaigns stay within them."""

from __future__ import annotations

from typing import Any, Literal

from knowledge.domain.action import SPENDING, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.exposure import outlook, week_answer
from tools.guardrails.rule import FINANCIAL, Rule, amount, finding, lowers, unread

CampaignSpend = PublishCampaign | SetBudget | ResumeCampaign


def _judge_day(action: CampaignSpend, facts: Facts, policy: Policy) -> Finding:
    cap = policy.platform_cap(action.platform, "day")
    seen = outlook(action, facts, policy)
    if seen is None or seen.platform_before is None or seen.platform_after is None:
        return finding("platform_daily_cap", "refuse", platform=action.platform, cap=cap, after=None, before=None)
    after, before = seen.platform_after.day, seen.platform_before.day
    own = (
        action.platform in policy.guardrails.financial.platform_daily_cap
    )  # without a cap of its own the workspace's rule says it all
    answer = "refuse" if own and after > cap.minor and not lowers(action, facts) else "allow"
    return finding(
        "platform_daily_cap", answer, platform=action.platform, cap=cap, after=amount(after, policy), before=amount(before, policy)
    )  # fmt: skip


def _judge_week(action: CampaignSpend, facts: Facts, policy: Policy) -> Finding:
    cap = policy.platform_cap(action.platform, "week")
    seen = outlook(action, facts, policy)
    if seen is None or seen.platform_before is None or seen.platform_after is None:
        return finding("platform_weekly_cap", "refuse", platform=action.platform, cap=cap, so_far=None, projected=None)
    after = seen.platform_after
    own = action.platform in policy.guardrails.financial.platform_weekly_cap
    answer = week_answer(after, cap.minor, lowers=lowers(action, facts)) if own else "allow"
    found = finding(
        "platform_weekly_cap", answer, platform=action.platform, cap=cap, so_far=amount(after.week, policy),
        projected=amount(after.projected, policy),
    )  # fmt: skip
    return unread(found, seen.assumed[1], policy)


def _sentence_day(policy: Policy) -> Message:
    return Message(id="rule.platform_daily_cap", params={"caps": _caps(policy, "day")})


def _sentence_week(policy: Policy) -> Message:
    return Message(id="rule.platform_weekly_cap", params={"caps": _caps(policy, "week")})


def _caps(policy: Policy, span: Literal["day", "week"]) -> tuple[Any, ...]:
    """The platforms with caps of their own and these, or the workspace's cap for all of them."""
    money = policy.guardrails.financial
    own = money.platform_daily_cap if span == "day" else money.platform_weekly_cap
    found: list[Any] = []
    for platform in sorted(own):
        found += [platform, policy.platform_cap(platform, span)]
    return tuple(found) or (money.daily_cap if span == "day" else money.weekly_cap,)


DAILY = Rule(
    "platform_daily_cap",
    SPENDING,
    _judge_day,
    _sentence_day,
    (FINANCIAL + "platform_daily_cap", FINANCIAL + "overspend_multiplier"),
)
WEEKLY = Rule(
    "platform_weekly_cap",
    SPENDING,
    _judge_week,
    _sentence_week,
    (FINANCIAL + "platform_weekly_cap", FINANCIAL + "overspend_multiplier"),
)
