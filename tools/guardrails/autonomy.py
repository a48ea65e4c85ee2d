"""Autonomy as rules: level 2 asks for every change of a campaign, level 3 and dry run execute nothing, shadow mode only compares.

A manager's grant stands in for the manager's yes: within its bounds it turns what only asks into allow, for machines, for the autonomy
level and the line above which changes ask. It never touches a refusal, and no other rule knows of it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from knowledge.domain.action import CAMPAIGN, Action, GrantAutonomy, PauseCampaign, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.grant import GrantFact, machine
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Answer, Finding
from tools.guardrails.max_increase import changes
from tools.guardrails.rule import Rule, emergency, finding

MAX_GRANT = timedelta(days=90)


def advisory(action: Action, policy: Policy) -> bool:
    """Whether the action is only ever recorded as a suggestion."""
    if isinstance(action, PauseCampaign) and action.emergency:
        return False
    if isinstance(action, PublishCampaign) and policy.autonomy.publication == "dry_run":
        return True
    return isinstance(action, CAMPAIGN) and policy.autonomy.level_of(action.kind) == 3


def granted(action: Action, facts: Facts, policy: Policy) -> GrantFact | None:
    """The grant whose bounds hold this action of a machine; the first to end is used first. None in shadow mode."""
    if not machine(facts.proposer) or not isinstance(action, CAMPAIGN) or policy.autonomy.shadowed(action.kind):
        return None
    most = policy.autonomy.earned.max_rejections_in_row
    return next((g for g in facts.grants if g.valid(action.kind, facts.now, most) and _within(g, action, facts)), None)


def _within(grant: GrantFact, action: Action, facts: Facts) -> bool:
    amounts: list[Money] = [facts.campaign.daily_budget] if facts.campaign is not None else []
    change: Decimal | None = Decimal(0)
    if isinstance(action, SetBudget):
        amounts.append(action.daily_budget)
        measured = changes(action, facts)
        change = None if measured is None else measured[1]
    elif not isinstance(action, PauseCampaign | ResumeCampaign):
        return False
    if not amounts or change is None or any(amount.currency != grant.max_amount.currency for amount in amounts):
        return False
    return max(amounts) <= grant.max_amount and (grant.max_change is None or change <= grant.max_change)


def lifted(rule: Rule) -> Rule:
    """A rule whose question a grant with a bound of its own on the change may answer. Only what asks; what refuses stays."""

    def judge(action: Any, facts: Facts, policy: Policy) -> Finding:
        found = rule.judge(action, facts, policy)
        if found.answer != "ask":
            return found
        grant = granted(action, facts, policy)
        if grant is None or grant.max_change is None:
            return found
        return _by_grant(rule.id, grant, found.numbers)

    return replace(rule, judge=judge)


def _by_grant(rule: str, grant: GrantFact, numbers: dict[str, Any]) -> Finding:
    params = {"grant": grant.id, "left": grant.left, "max_amount": grant.max_amount, "expires_at": grant.expires_at.isoformat()}
    return Finding(rule=rule, answer="allow", message=Message(id="guard.autonomy.granted", params=params), numbers=numbers | params)


def _judge(action: Action, facts: Facts, policy: Policy) -> Finding:
    if isinstance(action, GrantAutonomy):
        return _judge_grant(action, facts, policy)
    level = policy.autonomy.level_of(action.kind)
    urgent = emergency(action, facts)
    if advisory(action, policy) or (level == 3 and not urgent):
        return finding("autonomy", "refuse", level=level, kind=action.kind)
    answer: Answer = "ask" if level == 2 and not urgent else "allow"
    if policy.autonomy.shadowed(action.kind) and machine(facts.proposer) and not urgent:
        params = {"level": level, "kind": action.kind, "own": answer}
        return Finding(rule="autonomy", answer="ask", message=Message(id="guard.autonomy.shadow", params=params), numbers=params)
    if answer == "ask":
        grant = granted(action, facts, policy)
        if grant is not None:
            return _by_grant("autonomy", grant, {"level": level, "kind": action.kind})
    return finding("autonomy", answer, level=level, kind=action.kind)


def _judge_grant(action: GrantAutonomy, facts: Facts, policy: Policy) -> Finding:
    """More autonomy is always a person's decision, and never beyond what the dials let anybody do."""
    money = policy.guardrails.financial
    params: dict[str, Any] = {
        "kind": action.action_kind, "max_amount": action.max_amount, "max_change": action.max_change, "count": action.max_count,
        "expires_at": action.expires_at.isoformat(),
    }  # fmt: skip
    cause, limit = None, None
    if facts.proposer.startswith("agent:"):
        cause = "agent"
    elif policy.autonomy.level_of(action.action_kind) == 3:
        cause = "advisory"
    elif (
        action.max_amount.currency != policy.currency
        or not Money.zero(policy.currency) < action.max_amount <= money.max_campaign_budget
    ):
        cause, limit = "amount", money.max_campaign_budget
    elif action.max_change is not None and action.max_change > money.max_single_increase:
        cause, limit = "change", money.max_single_increase
    elif not facts.now < action.expires_at <= facts.now + MAX_GRANT:
        cause, limit = "expiry", MAX_GRANT.days
    if cause is not None:
        params |= {"cause": cause, "limit": limit}
        message = Message(id=f"guard.autonomy.grant_{cause}", params=params)
        return Finding(rule="autonomy", answer="refuse", message=message, numbers=params)
    name = "grant_ask" if action.max_change is not None else "grant_ask_small"
    return Finding(rule="autonomy", answer="ask", message=Message(id=f"guard.autonomy.{name}", params=params), numbers=params)


RULE = Rule(
    "autonomy",
    (*CAMPAIGN, GrantAutonomy),
    _judge,
    lambda policy: Message(id="rule.autonomy", params={"level": policy.autonomy.level}),
    ("autonomy.level", "autonomy.by_action", "autonomy.publication", "autonomy.shadow", "autonomy.shadow_actions"),
)
