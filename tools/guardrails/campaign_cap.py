"""Caps of one campaign: the worst day and week the platform may make of its budget stay within them."""

from __future__ import annotations

from knowledge.domain.action import SPENDING, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.exposure import outlook, week_answer
from tools.guardrails.rule import FINANCIAL, Rule, amount, finding, lowers, unread

CampaignSpend = PublishCampaign | SetBudget | ResumeCampaign


def _name(action: CampaignSpend, facts: Facts) -> str:
    return action.name if isinstance(action, PublishCampaign) else facts.campaign.name if facts.campaign else action.campaign_id


def _judge_day(action: CampaignSpend, facts: Facts, policy: Policy) -> Finding:
    cap = policy.campaign_cap("day")
    seen = outlook(action, facts, policy)
    if seen is None or seen.campaign_before is None or seen.campaign_after is None:
        return finding("campaign_daily_cap", "refuse", name=_name(action, facts), cap=cap, after=None, before=None)
    after, before = seen.campaign_after.day, seen.campaign_before.day
    own = policy.guardrails.financial.campaign_daily_cap is not None  # without a cap of its own the workspace's rule says it all
    answer = "refuse" if own and after > cap.minor and not lowers(action, facts) else "allow"
    return finding(
        "campaign_daily_cap", answer, name=_name(action, facts), cap=cap, after=amount(after, policy), before=amount(before, policy)
    )  # fmt: skip


def _judge_week(action: CampaignSpend, facts: Facts, policy: Policy) -> Finding:
    cap = policy.campaign_cap("week")
    seen = outlook(action, facts, policy)
    if seen is None or seen.campaign_before is None or seen.campaign_after is None:
        return finding("campaign_weekly_cap", "refuse", name=_name(action, facts), cap=cap, so_far=None, projected=None)
    after = seen.campaign_after
    own = policy.guardrails.financial.campaign_weekly_cap is not None
    answer = week_answer(after, cap.minor, lowers=lowers(action, facts)) if own else "allow"
    found = finding(
        "campaign_weekly_cap", answer, name=_name(action, facts), cap=cap, so_far=amount(after.week, policy),
        projected=amount(after.projected, policy),
    )  # fmt: skip
    return unread(found, seen.assumed[2], policy)


def _sentence_day(policy: Policy) -> Message:
    return Message(id="rule.campaign_daily_cap", params={"cap": policy.campaign_cap("day")})


def _sentence_week(policy: Policy) -> Message:
    return Message(id="rule.campaign_weekly_cap", params={"cap": policy.campaign_cap("week")})


DAILY = Rule(
    "campaign_daily_cap",
    SPENDING,
    _judge_day,
    _sentence_day,
    (FINANCIAL + "campaign_daily_cap", FINANCIAL + "overspend_multiplier"),
)
WEEKLY = Rule(
    "campaign_weekly_cap",
    SPENDING,
    _judge_week,
    _sentence_week,
    (FINANCIAL + "campaign_weekly_cap", FINANCIAL + "overspend_multiplier"),
)
