"""The law: one pure rule per file, all of them listed here, and the judge that asks each one that concerns the action."""

from __future__ import annotations

from knowledge.domain.action import Action
from knowledge.domain.facts import Facts
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding, Verdict
from tools.guardrails import (
    adjustments,
    autonomy,
    budget_step,
    campaign_budget,
    confidence,
    daily_cap,
    facts_readable,
    kill_switch,
    min_runtime,
    new_campaign,
    no_touch,
    opt_out,
    pause_size,
    promises,
    questions,
    raise_spacing,
    service_window,
    takeover,
    weekly_cap,
)
from tools.guardrails.rule import Rule, finding, restoring

RULES: tuple[Rule, ...] = (
    kill_switch.RULE,
    facts_readable.RULE,
    autonomy.RULE,
    campaign_budget.RULE,
    daily_cap.RULE,
    weekly_cap.RULE,
    budget_step.INCREASE,
    budget_step.APPROVAL,
    new_campaign.RULE,
    min_runtime.RULE,
    no_touch.RULE,
    adjustments.RULE,
    raise_spacing.RULE,
    confidence.RULE,
    pause_size.RULE,
    takeover.RULE,
    opt_out.RULE,
    service_window.RULE,
    promises.RULE,
    questions.RULE,
)


def judge(action: Action, facts: Facts, policy: Policy, rules: tuple[Rule, ...] = RULES) -> Verdict:
    """Every concerned rule's finding; the worst answer wins. A rule that raises refuses: doubt never becomes permission."""
    findings: list[Finding] = []
    spared: list[str] = []
    for rule in rules:
        if not rule.concerns(action):
            continue
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
