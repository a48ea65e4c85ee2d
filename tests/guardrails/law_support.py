"""Policies, facts and actions for the rule tests: plain values, one place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from knowledge.domain.action import Creative, PauseCampaign, PublishCampaign, ResumeCampaign, SendMessage, SetBudget
from knowledge.domain.facts import BudgetFacts, CampaignFacts, ConversationFacts, Exposure, Facts
from knowledge.domain.money import Money
from knowledge.domain.policy import Autonomy, Compliance, Financial, Guardrails, Policy, Quality
from knowledge.domain.verdict import Finding, Verdict
from tools.guardrails import judge

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
AGENT, USER, CLOCK = "agent:ceo", "user:ana@x.br", "schedule:decide"


def brl(amount: str | int) -> Money:
    return Money.of(amount, "BRL")


def policy(
    currency: str = "BRL",
    autonomy: dict[str, Any] | None = None,
    quality: dict[str, Any] | None = None,
    compliance: dict[str, Any] | None = None,
    **financial: Any,
) -> Policy:
    """Caps 300 a day and 1500 a week, 200 a campaign, unless told."""
    amounts = {"daily_cap": 300, "weekly_cap": 1500, "max_campaign_budget": 200, "pause_asks_above": 5000} | {
        k: v for k, v in financial.items() if k in ("daily_cap", "weekly_cap", "max_campaign_budget", "pause_asks_above")
    }
    rest = {k: v for k, v in financial.items() if k not in amounts}
    money = {name: Money.of(value, currency) for name, value in amounts.items()}
    dials = Financial.model_validate({**money, **rest})
    guardrails = Guardrails(
        financial=dials, quality=Quality.model_validate(quality or {}), compliance=Compliance.model_validate(compliance or {})
    )
    return Policy(currency=currency, guardrails=guardrails, autonomy=Autonomy.model_validate(autonomy or {}))


def exposure(
    name: str = "c1", budget: str = "50", *, platform: Any = "meta", delivering: bool = True, touched: bool = False, **more: str
) -> Exposure:
    """A campaign as the books show it; unless told, it began the day as it is now and spent nothing in the week."""
    return Exposure(
        campaign_id=name,
        platform=platform,
        delivering=delivering,
        daily_budget=brl(budget),
        highest_today=brl(more.get("highest", budget)),
        spent_today=brl(more.get("spent", "0")),
        spent_week=brl(more.get("spent_week", "0")),
        start_of_day=brl(more.get("start", budget if delivering else "0")),
        touched_today=touched,
    )


def books(
    *exposures: Exposure,
    spent_week: str = "0",
    days_left: int = 4,
    adjustments: int = 0,
    held: Any = (),
    unread: Any = (),
    **platforms: str,
) -> BudgetFacts:
    return BudgetFacts(
        exposures=exposures,
        reservations=tuple(held),
        spent_week_before_today=brl(spent_week),
        days_left_after_today=days_left,
        adjustments_today=adjustments,
        spent_week_by_platform={name: brl(amount) for name, amount in platforms.items()},  # type: ignore[misc]
        unread_days=tuple(unread),
    )


def campaign(budget: str = "50", baseline: str | None = None, **more: Any) -> CampaignFacts:
    values: dict[str, Any] = {
        "campaign_id": "c1",
        "platform": "meta",
        "name": "Forno",
        "external_id": "123",
        "status": "active",
        "delivery": "active",
        "daily_budget": brl(budget),
        "ledger_budget": brl(budget),
        "baseline_budget": brl(baseline or budget),
        "launched_at": NOW - timedelta(days=30),
        "last_raise_at": None,
        "impressions_7d": 10_000,
        "spend_7d": brl(100),
        "revenue_7d": brl(200),
        "read_at": NOW,
        "window_budget": brl(baseline or budget),
        "launch_budget": brl(budget),
    }
    return CampaignFacts.model_validate(values | more)


def facts(proposer: str = CLOCK, **more: Any) -> Facts:
    """A running campaign of 50 a day with everything readable, unless told."""
    values: dict[str, Any] = {
        "now": NOW,
        "proposer": proposer,
        "confidence": Decimal("0.95"),
        "campaign": campaign(),
        "budget": books(exposure()),
    }
    return Facts(**(values | more))


def talk(owner: Any = "bot", epoch: int = 1, *, opted_out: bool = False, hours_ago: float | None = 1) -> Facts:
    last = None if hours_ago is None else NOW - timedelta(hours=hours_ago)
    return Facts(
        now=NOW,
        proposer="agent:sdr",
        conversation=ConversationFacts(conversation_id="t1", owner=owner, epoch=epoch, opted_out=opted_out, last_inbound_at=last),
    )


def set_budget(amount: str | int, currency: str = "BRL", platform: Any = "meta") -> SetBudget:
    return SetBudget(platform=platform, campaign_id="c1", daily_budget=Money.of(amount, currency))


def pause(*, emergency: bool = False) -> PauseCampaign:
    return PauseCampaign(platform="meta", campaign_id="c1", emergency=emergency)


def resume() -> ResumeCampaign:
    return ResumeCampaign(platform="meta", campaign_id="c1")


def publish(
    amount: str | int = 40,
    *,
    campaign_id: str = "new",
    currency: str = "BRL",
    platform: Any = "meta",
    name: str = "Forno novo",
    headline: str = "Forno",
    text: str = "Assa bem",
    **more: Any,
) -> PublishCampaign:
    return PublishCampaign(
        platform=platform,
        campaign_id=campaign_id,
        product_id="p1",
        name=name,
        daily_budget=Money.of(amount, currency),
        creatives=(Creative(id="k1", headline=headline, text=text),),
        landing_url="https://x.br/forno",
        **more,
    )


def message(
    text: str = "Qual é o nome da sua empresa?", *, epoch: int = 1, author: Any = "bot", closing: bool = False
) -> SendMessage:
    return SendMessage(conversation_id="t1", lead_id="l1", text=text, epoch=epoch, author=author, closing=closing)


def word(verdict: Verdict, rule: str) -> str:
    """What one rule answered."""
    return finding_of(verdict, rule).answer


def finding_of(verdict: Verdict, rule: str) -> Finding:
    return next(f for f in verdict.findings if f.rule == rule)


def says(rule: str, action: Any, with_facts: Facts, with_policy: Policy | None = None) -> str:
    return word(judge(action, with_facts, with_policy or policy()), rule)
