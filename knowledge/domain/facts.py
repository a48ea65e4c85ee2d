"""What the gate knows when it judges: our ledger and a fresh platform read, frozen, so that a replay sees the same."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from knowledge.domain.action import Platform
from knowledge.domain.campaign import CampaignStatus, Delivery
from knowledge.domain.money import Money


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class KillSwitch(_Fact):
    """An active stop. `target` is None for scope all, else a platform, campaign id, agent id or conversation id."""

    id: str
    scope: Literal["all", "platform", "campaign", "agent", "conversation"]
    target: str | None
    reason: str
    set_by: str
    set_at: datetime


class CampaignFacts(_Fact):
    """The campaign an action is about. Budgets come from the platform's fresh read where there is one."""

    campaign_id: str
    platform: Platform
    name: str
    external_id: str | None
    status: CampaignStatus
    delivery: Delivery
    daily_budget: Money
    ledger_budget: Money
    baseline_budget: Money
    """The budget 24 hours ago: raises are judged from here, so that small steps add up."""
    launched_at: datetime | None
    last_raise_at: datetime | None
    impressions_7d: int
    spend_7d: Money
    revenue_7d: Money
    read_at: datetime | None

    @property
    def roas_7d(self) -> Decimal | None:
        return self.revenue_7d.ratio_to(self.spend_7d)


class Exposure(_Fact):
    """What one campaign may cost today: the highest budget in force today (platforms may already have spent by it)."""

    campaign_id: str
    platform: Platform
    delivering: bool
    daily_budget: Money
    highest_today: Money
    spent_today: Money


class Reservation(_Fact):
    """Room that an authorised but unfinished action holds: the budget the campaign will have."""

    action_id: str
    campaign_id: str
    platform: Platform
    daily_budget: Money


class BudgetFacts(_Fact):
    """The workspace's books for the account-local day and week, read under the budget lock."""

    exposures: tuple[Exposure, ...]
    reservations: tuple[Reservation, ...]
    spent_week_before_today: Money
    days_left_after_today: int
    adjustments_today: int


class ConversationFacts(_Fact):
    """Who owns the conversation now, and what the lead allowed."""

    conversation_id: str
    owner: Literal["bot", "human", "closed"]
    epoch: int
    opted_out: bool
    last_inbound_at: datetime | None


class Facts(_Fact):
    """Everything a rule may look at besides the action and the policy. `unreadable` names facts that were needed and missing."""

    now: datetime
    proposer: str
    confidence: Decimal | None = None
    kills: tuple[KillSwitch, ...] = ()
    campaign: CampaignFacts | None = None
    budget: BudgetFacts | None = None
    conversation: ConversationFacts | None = None
    unreadable: tuple[str, ...] = ()
