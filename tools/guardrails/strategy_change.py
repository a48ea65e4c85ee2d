"""A major change of strategy asks: one day's changes touch, or its pauses stop, more than a share of what ran this morning."""

from __future__ import annotations

from decimal import Decimal

from knowledge.domain.action import PauseCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails import rollback
from tools.guardrails.rule import FINANCIAL, Rule, by_person, emergency, finding


def _judge(action: SetBudget | PauseCampaign | ResumeCampaign, facts: Facts, policy: Policy) -> Finding:
    money, books = policy.guardrails.financial, facts.budget
    limit, pause_limit, least = money.strategy_touch_share, money.strategy_pause_share, money.strategy_min_campaigns
    if books is None:
        return finding("strategy_change", "refuse", touched=None, paused=None, limit=limit, pause_limit=pause_limit, campaigns=None)
    stops = isinstance(action, PauseCampaign)
    running = touched = stopped = total = paused = 0
    for exposure in books.exposures:
        began = exposure.minor.began
        if not began:
            continue
        own = exposure.campaign_id == action.campaign_id
        running += 1
        total += began
        if own or exposure.touched_today:
            touched += 1
            if (stops and own) or (exposure.touched_today and not exposure.delivering):
                stopped += 1
                paused += began
    touched_share = Decimal(touched) / running if running else Decimal(0)
    paused_share = Decimal(paused) / total if total else Decimal(0)
    many = touched >= least and touched_share > limit
    large = stopped >= least and paused_share > pause_limit
    # A person who changes many campaigns is the decision that this rule asks for.
    free = by_person(facts) or emergency(action, facts) or rollback.takes_back(action, facts, policy)
    answer = "ask" if (many or large) and not free else "allow"
    return finding(
        "strategy_change", answer, touched=touched_share, paused=paused_share, limit=limit, pause_limit=pause_limit,
        campaigns=touched,
    )  # fmt: skip


RULE = Rule(
    "strategy_change",
    (SetBudget, PauseCampaign, ResumeCampaign),
    _judge,
    lambda policy: Message(
        id="rule.strategy_change",
        params={
            "limit": policy.guardrails.financial.strategy_touch_share,
            "pause_limit": policy.guardrails.financial.strategy_pause_share,
            "least": policy.guardrails.financial.strategy_min_campaigns,
        },
    ),
    (FINANCIAL + "strategy_touch_share", FINANCIAL + "strategy_pause_share", FINANCIAL + "strategy_min_campaigns"),
    pace=True,
)
