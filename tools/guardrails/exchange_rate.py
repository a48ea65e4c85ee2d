"""An amount of another currency is compared with the limits by a dated rate, or it is refused with the rate that somebody must enter."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from knowledge.domain.action import CAMPAIGN, Action, PublishCampaign, SetBudget
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.rates import NoRate, convert
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import FINANCIAL, Rule, emergency, finding


def in_policy_currency(action: Action, facts: Facts, policy: Policy) -> Action:
    """The action as the rules compare it: its budget in the policy's currency by the facts' own rates, rounded up. Unchanged when
    there is no recent rate; this rule and every rule that compares amounts refuse it then."""
    if not isinstance(action, PublishCampaign | SetBudget) or action.daily_budget.currency == policy.currency:
        return action
    day = facts.now.astimezone(ZoneInfo(policy.time_zone)).date()
    try:
        budget = convert(
            action.daily_budget, policy.currency, day, facts.rates, policy.guardrails.financial.max_rate_age_days
        )  # fmt: skip
    except NoRate:
        return action
    return action.model_copy(update={"daily_budget": budget})


def _judge(action: Action, facts: Facts, policy: Policy) -> Finding:
    days = policy.guardrails.financial.max_rate_age_days
    missing = {fact.removeprefix("rate.") for fact in facts.unreadable if fact.startswith("rate.")}
    asked = getattr(action, "daily_budget", None)  # still foreign here only when no rate was found for it
    if asked is not None and asked.currency != policy.currency:
        missing.add(f"{asked.currency}/{policy.currency}")
    if missing and not emergency(action, facts):
        base, _, quote = min(missing).partition("/")
        return finding("exchange_rate", "refuse", base=base, quote=quote, pairs=sorted(missing), days=days)
    return finding("exchange_rate", "allow", pairs=[f"{r.base}/{r.quote} {r.rate} {r.day}" for r in facts.rates], days=days)


RULE = Rule(
    "exchange_rate",
    CAMPAIGN,
    _judge,
    lambda policy: Message(id="rule.exchange_rate", params={"days": policy.guardrails.financial.max_rate_age_days}),
    (FINANCIAL + "max_rate_age_days",),
)
