"""The decision document: what was found and what is proposed at one moment, whoever decided (rules, model or both).

Versioned, strict, and plain JSON both ways (specification 3.1). Money is `Money`; ratios are numbers, undefined ones null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from knowledge.domain.money import EXPONENTS, Money, total

VERSION = "1.0"

Health = Literal["EXCELLENT", "GOOD", "FAIR", "POOR", "CRITICAL"]
ActionType = Literal[
    "PAUSE", "RESUME", "REDUCE_BUDGET", "INCREASE_BUDGET", "REALLOCATE", "CREATE",
    "ROTATE_CREATIVE", "DUPLICATE", "EXPAND_AUDIENCE", "CHANGE_BID",
]  # fmt: skip
Trend = Literal["rising", "falling", "stable", "unknown"]
Risk = Literal["LOW", "MEDIUM", "HIGH"]

_OTHER_KINDS: Mapping[str, ActionType] = {
    "pause": "PAUSE",
    "resume": "RESUME",
    "create": "CREATE",
    "reallocate": "REALLOCATE",
    "rotate_creative": "ROTATE_CREATIVE",
    "duplicate": "DUPLICATE",
    "expand_audience": "EXPAND_AUDIENCE",
    "change_bid": "CHANGE_BID",
}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(_Strict):
    """Why: a message id with its numbers, and the English sentence for those who read the raw document."""

    message_id: str
    params: dict[str, Any] = Field(default_factory=dict[str, Any])
    text: str


class CampaignFigures(_Strict):
    """What the document's reader is told of a campaign now. `margin` is contribution per unit of revenue (0-1)."""

    campaign_id: str
    campaign_name: str
    platform: str
    active: bool
    budget: Money
    spend_7d: Money
    revenue_7d: Money
    spend_previous_7d: Money | None = None
    revenue_previous_7d: Money | None = None
    margin: Decimal | None = None

    @property
    def roas_7d(self) -> Decimal | None:
        return self.revenue_7d.ratio_to(self.spend_7d)

    @property
    def trend(self) -> Trend:
        """7-day ROAS against the 7 days before; a tenth either way is noise."""
        if self.spend_previous_7d is None or self.revenue_previous_7d is None:
            return "unknown"
        before, now = self.revenue_previous_7d.ratio_to(self.spend_previous_7d), self.roas_7d
        if before is None or now is None or before <= 0:
            return "unknown"
        change = now / before - 1
        return "rising" if change > Decimal("0.1") else "falling" if change < Decimal("-0.1") else "stable"


class CurrentState(_Strict):
    """A campaign's state as the action was proposed."""

    budget: Money
    spend_7d: Money
    revenue_7d: Money
    roas_7d: Decimal | None
    trend: Trend


class ProposedChange(_Strict):
    """From one daily budget to another; a pause goes to zero."""

    budget_from: Money
    budget_to: Money
    percent: Decimal | None


class Impact(_Strict):
    """Expected change of profit over the next 7 days, with the 80 % interval where it was computed."""

    profit_7d: Money | None
    low: Money | None = None
    high: Money | None = None


class ImmediateAction(_Strict):
    """One proposed action, by priority."""

    action_id: str
    platform: str
    campaign_id: str
    campaign_name: str
    action_type: ActionType
    current_state: CurrentState
    proposed_change: ProposedChange
    reasoning: Reason
    confidence: float = Field(ge=0.0, le=1.0)
    risk_level: Risk
    needs_approval: bool
    estimated_impact: Impact


class MonitoringItem(_Strict):
    """A campaign that is left alone for now, and what is watched about it."""

    campaign_id: str
    campaign_name: str
    platform: str
    reasoning: Reason


class Transfer(_Strict):
    """How much daily budget one campaign gives or takes."""

    campaign_id: str
    amount: Money


class BudgetReallocation(_Strict):
    """Daily budget that changes hands: the smaller of what is freed and what is added."""

    total_moved: Money
    given: tuple[Transfer, ...] = Field(default=(), alias="from")
    taken: tuple[Transfer, ...] = Field(default=(), alias="to")

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class ExpectedOutcomes(_Strict):
    """All actions together: profit of the next 7 days, and the daily budget before and after."""

    profit_7d: Money | None
    daily_budget_before: Money
    daily_budget_after: Money


class DecisionDocument(_Strict):
    """The whole decision of one moment."""

    version: Literal["1.0"] = VERSION
    timestamp: datetime
    decided_by: str
    overall_health: Health
    immediate_actions: tuple[ImmediateAction, ...]
    monitoring_items: tuple[MonitoringItem, ...]
    budget_reallocation: BudgetReallocation
    expected_outcomes: ExpectedOutcomes
    risks_and_caveats: tuple[Reason, ...]

    @field_validator("timestamp")
    @classmethod
    def _aware(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("timestamp: a naive datetime; give an aware UTC one")
        return value.astimezone(UTC)


def health_of(campaigns: Iterable[CampaignFigures]) -> tuple[Health, Decimal | None]:
    """Overall health from margin earned per unit of spend over 7 days (1 = breaks even), and that number.

    EXCELLENT from 1.5, GOOD from 1.15, FAIR from 0.95, POOR from 0.7, else CRITICAL. A campaign without a known margin does
    not count; nothing to go by is FAIR with None.
    """
    spend = earned = Decimal(0)
    for campaign in campaigns:
        if campaign.margin is not None:
            spend += campaign.spend_7d.amount
            earned += campaign.revenue_7d.amount * campaign.margin
    if spend <= 0:
        return "FAIR", None
    value = earned / spend
    lines: tuple[tuple[str, Health], ...] = (("1.5", "EXCELLENT"), ("1.15", "GOOD"), ("0.95", "FAIR"), ("0.7", "POOR"))
    for line, health in lines:
        if value >= Decimal(line):
            return health, value
    return "CRITICAL", value


def build_document(
    now: datetime,
    proposals: Sequence[Mapping[str, Any]],
    campaigns: Sequence[CampaignFigures],
    *,
    currency: str,
    decided_by: str = "bayes",
    caveats: Sequence[Reason] = (),
) -> DecisionDocument:
    """The document of one decision round.

    `proposals` are actions as `tools.optimizer.decide` returns them (money in major units of `currency`); `campaigns` are
    the account's figures. Raises KeyError when a proposal names a campaign that is not among them, and
    CurrencyMismatch when a campaign's money is in another currency.
    """
    by_id = {campaign.campaign_id: campaign for campaign in campaigns}
    actions = tuple(
        _action(now, position, proposal, by_id[str(proposal["campaign_id"])], currency)
        for position, proposal in enumerate(sorted(proposals, key=lambda p: int(p.get("priority", 0))))
    )
    touched = {action.campaign_id for action in actions}
    health, value = health_of(campaigns)
    before = total((c.budget for c in campaigns if c.active), currency)
    moves = [(a.campaign_id, a.proposed_change.budget_from, a.proposed_change.budget_to) for a in actions]
    given = tuple(Transfer(campaign_id=i, amount=old - new) for i, old, new in moves if new < old)
    taken = tuple(Transfer(campaign_id=i, amount=new - old) for i, old, new in moves if new > old)
    freed, added = total((t.amount for t in given), currency), total((t.amount for t in taken), currency)
    profits = [a.estimated_impact.profit_7d for a in actions]
    known = [profit for profit in profits if profit is not None]
    return DecisionDocument(
        timestamp=now,
        decided_by=decided_by,
        overall_health=health,
        immediate_actions=actions,
        monitoring_items=tuple(_watched(c) for c in campaigns if c.active and c.campaign_id not in touched),
        budget_reallocation=BudgetReallocation.model_validate({"total_moved": min(freed, added), "from": given, "to": taken}),
        expected_outcomes=ExpectedOutcomes(
            profit_7d=total(known, currency) if known or not actions else None,
            daily_budget_before=before,
            daily_budget_after=before - freed + added,
        ),
        risks_and_caveats=(*_own_caveats(actions, profits, value), *caveats),
    )


def _action(now: datetime, position: int, proposal: Mapping[str, Any], campaign: CampaignFigures, currency: str) -> ImmediateAction:
    kind = str(proposal["action"])
    old = campaign.budget if campaign.active else Money.zero(currency)
    target = Money.zero(currency) if kind == "pause" else _money(proposal["daily_budget"], currency)
    new = target if kind in ("pause", "resume", "set_budget") else old
    if kind == "set_budget":
        action_type: ActionType = "INCREASE_BUDGET" if new > old else "REDUCE_BUDGET"
    else:
        action_type = _OTHER_KINDS[kind]
    why: Mapping[str, Any] = proposal.get("why") or {}
    share = new.ratio_to(old)
    confidence = float(proposal["confidence"])
    approval = bool(proposal.get("needs_approval"))
    low, high = proposal.get("expected_profit_7d_low"), proposal.get("expected_profit_7d_high")
    profit = proposal.get("expected_profit_7d")
    return ImmediateAction(
        action_id=f"{now.astimezone(UTC):%Y%m%dT%H%M%S}-{position:03d}-{kind}-{campaign.campaign_id}",
        platform=campaign.platform,
        campaign_id=campaign.campaign_id,
        campaign_name=campaign.campaign_name,
        action_type=action_type,
        current_state=CurrentState(
            budget=campaign.budget,
            spend_7d=campaign.spend_7d,
            revenue_7d=campaign.revenue_7d,
            roas_7d=_rounded(campaign.roas_7d),
            trend=campaign.trend,
        ),
        proposed_change=ProposedChange(
            budget_from=old,
            budget_to=new,
            percent=None if share is None else _rounded((share - 1) * 100),
        ),
        reasoning=Reason(
            message_id=str(why.get("message_id", "optimizer.unspecified")),
            params=dict(why.get("params", {})),
            text=str(proposal.get("reason", "")),
        ),
        confidence=confidence,
        risk_level=_risk(confidence, approval, low),
        needs_approval=approval,
        estimated_impact=Impact(
            profit_7d=None if profit is None else _money(profit, currency),
            low=None if low is None else _money(low, currency),
            high=None if high is None else _money(high, currency),
        ),
    )


def _risk(confidence: float, approval: bool, low: float | None) -> Risk:
    """HIGH when a manager must see it or it is little better than a coin; LOW when even the pessimistic end pays."""
    if approval or confidence < 0.65:
        return "HIGH"
    return "LOW" if confidence >= 0.85 and (low is None or low >= 0) else "MEDIUM"


def _watched(campaign: CampaignFigures) -> MonitoringItem:
    roas = _rounded(campaign.roas_7d)
    shown = "undefined" if roas is None else str(roas)
    return MonitoringItem(
        campaign_id=campaign.campaign_id,
        campaign_name=campaign.campaign_name,
        platform=campaign.platform,
        reasoning=Reason(
            message_id="decision.watch",
            params={"campaign": campaign.campaign_name, "roas": shown, "trend": campaign.trend},
            text=f"Watch {campaign.campaign_name}: 7-day ROAS {shown}, trend {campaign.trend}; no change is worth making now.",
        ),
    )


def _own_caveats(actions: Sequence[ImmediateAction], profits: Sequence[Money | None], value: Decimal | None) -> list[Reason]:
    result: list[Reason] = []
    if value is None:
        text = "No spend with a known margin in the last 7 days: overall health is a placeholder, not a finding."
        result.append(Reason(message_id="decision.caveat.no_basis", text=text))
    waiting = sum(1 for action in actions if action.needs_approval)
    if waiting:
        text = f"{waiting} of {len(actions)} actions wait for a manager; their effect is counted as if approved."
        result.append(Reason(message_id="decision.caveat.approval", params={"waiting": waiting, "all": len(actions)}, text=text))
    unknown = sum(1 for profit in profits if profit is None)
    if unknown:
        text = f"{unknown} of {len(actions)} actions have no profit estimate and are left out of the sum."
        result.append(Reason(message_id="decision.caveat.unvalued", params={"unknown": unknown, "all": len(actions)}, text=text))
    text = "Attributed revenue is noisy and recent days may still be restated."
    result.append(Reason(message_id="decision.caveat.attribution", text=text))
    return result


def _money(value: float, currency: str) -> Money:
    """A float of major units as Money, rounded to the currency's minor unit."""
    if currency not in EXPONENTS:
        raise ValueError(f"currency {currency!r} is not known here; known: {', '.join(sorted(EXPONENTS))}")
    unit = Decimal(1).scaleb(-EXPONENTS[currency])
    return Money.of(Decimal(str(value)).quantize(unit, rounding=ROUND_HALF_EVEN), currency)


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)
