"""The law: one pure rule per file, all of them listed here, and the judge that asks each one that concerns the action."""

from __future__ import annotations

from functools import cache

from knowledge.domain.action import Action
from knowledge.domain.facts import Facts
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding, Verdict
from tools.guardrails import (
    account_zone,
    ad_length,
    ad_policy,
    adjustments,
    already_published,
    approval_above,
    autonomy,
    banned_product,
    campaign_budget,
    campaign_cap,
    confidence,
    cumulative_change,
    daily_cap,
    emergency_stop,
    exchange_rate,
    facts_readable,
    kill_switch,
    learned_blacklist,
    max_increase,
    max_scale,
    min_data,
    min_runtime,
    new_campaign,
    no_touch,
    opt_out,
    other_platforms,
    over_cap,
    pause_size,
    platform_cap,
    promises,
    questions,
    raise_spacing,
    reallocation,
    recent_no,
    reserve_share,
    rollback,
    service_window,
    special_category,
    strategy_change,
    takeover,
    trademark,
    trial,
    undo_object,
    unsettled,
    weekly_cap,
)
from tools.guardrails.rule import Rule, finding, restoring

RULES: tuple[Rule, ...] = (
    kill_switch.RULE,
    facts_readable.RULE,
    other_platforms.RULE,
    undo_object.RULE,
    exchange_rate.RULE,
    account_zone.RULE,
    autonomy.RULE,
    over_cap.DAILY,
    over_cap.WEEKLY,
    campaign_budget.RULE,
    daily_cap.RULE,
    weekly_cap.RULE,
    platform_cap.DAILY,
    platform_cap.WEEKLY,
    campaign_cap.DAILY,
    campaign_cap.WEEKLY,
    reserve_share.DAILY,
    reserve_share.WEEKLY,
    max_increase.RULE,
    autonomy.lifted(approval_above.RULE),
    cumulative_change.RULE,
    max_scale.RULE,
    reallocation.RULE,
    strategy_change.RULE,
    new_campaign.RULE,
    already_published.RULE,
    trial.RULE,
    min_data.RULE,
    min_runtime.RULE,
    no_touch.RULE,
    adjustments.RULE,
    unsettled.RULE,
    raise_spacing.RULE,
    rollback.RULE,
    confidence.RULE,
    recent_no.RULE,
    pause_size.RULE,
    emergency_stop.RULE,
    ad_policy.RULE,
    ad_length.RULE,
    banned_product.RULE,
    trademark.RULE,
    special_category.RULE,
    learned_blacklist.RULE,
    takeover.RULE,
    opt_out.RULE,
    service_window.RULE,
    promises.RULE,
    questions.RULE,
)


@cache
def _concerned(kind: type[Action], rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if issubclass(kind, rule.applies))


def judge(action: Action, facts: Facts, policy: Policy, rules: tuple[Rule, ...] = RULES) -> Verdict:
    """Every concerned rule's finding; the worst answer wins. A rule that raises refuses: doubt never becomes permission."""
    findings: list[Finding] = []
    spared: list[str] = []
    action = exchange_rate.in_policy_currency(action, facts, policy)
    for rule in _concerned(type(action), rules):
        if rule.pace and restoring(facts):
            spared.append(rule.id)
            continue
        try:
            findings.append(rule.judge(action, facts, policy))
        except Exception as error:  # the law must answer whatever a rule does; the finding carries the cause
            findings.append(finding("rule_failed", "refuse", failed=rule.id, error=type(error).__name__))
    if spared:
        findings.append(finding("restores", "allow", action=facts.restores, spared=", ".join(spared)))
    return Verdict.of(findings, policy.version)
