"""What the gate knows when it judges: our ledger and a fresh platform read, frozen, so that a replay sees the same."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Literal, NamedTuple

from pydantic import ConfigDict

from knowledge.domain.action import Platform
from knowledge.domain.campaign import CampaignStatus, Delivery
from knowledge.domain.chain import Spelled, canonical
from knowledge.domain.frozen import Frozen
from knowledge.domain.grant import GrantFact
from knowledge.domain.money import Money
from knowledge.domain.rates import Rate

ListedKind = Literal["product", "creative", "term", "brand"]


class _Fact(Frozen):
    model_config = ConfigDict(defer_build=True)


class KillSwitch(_Fact):
    """An active stop. `target` is None for scope all, else a platform, campaign id, agent id or conversation id."""

    id: str
    scope: Literal["all", "platform", "campaign", "agent", "conversation"]
    target: str | None
    reason: str
    set_by: str
    set_at: datetime


class LastRaise(_Fact):
    """The newest raise of a campaign, and what it earned in the complete account-local days on either side of it.

    The day of the raise belongs to neither side; today is left out, since its conversions are still coming in.
    """

    at: datetime
    from_budget: Money
    to_budget: Money
    spend_before: Money
    revenue_before: Money
    spend_since: Money
    revenue_since: Money
    impressions_since: int

    @property
    def roas_before(self) -> Decimal | None:
        return self.revenue_before.ratio_to(self.spend_before)

    @property
    def roas_since(self) -> Decimal | None:
        return self.revenue_since.ratio_to(self.spend_since)


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
    window_budget: Money | None = None
    """The budget when the policy's sliding window began (or at launch, within it): the raises of the window add up from here."""
    launch_budget: Money | None = None
    last_raise: LastRaise | None = None
    emergency_stop: bool = False
    """Whether it was last paused in an emergency, and nobody let it run since."""
    native_budget: Money | None = None
    """The daily budget as the platform keeps it, where that is another currency than the policy's; `daily_budget` is converted."""

    @property
    def budget_at_platform(self) -> Money:
        """The daily budget in the ad account's own currency: what a change back would have to name."""
        return self.native_budget or self.daily_budget

    @property
    def roas_7d(self) -> Decimal | None:
        return self.revenue_7d.ratio_to(self.spend_7d)


class Figures(NamedTuple):
    """An exposure in minor units of `currency` (None: its amounts are in several): the plain budget that runs on from now, the
    highest one that counts for today, what was really spent today, and the budget in force when the day began (None: not known)."""

    currency: str | None
    running: int
    highest: int
    spent: int
    began: int | None


class Exposure(_Fact):
    """What one campaign may cost today: the highest budget in force today (platforms may already have spent by it)."""

    campaign_id: str
    platform: Platform
    delivering: bool
    daily_budget: Money
    highest_today: Money
    spent_today: Money
    spent_week: Money | None = None
    """Spent in this account-local week before today."""
    start_of_day: Money | None = None
    """The daily budget in force when the account-local day began, zero when it did not run; None for somebody else's campaign."""
    touched_today: bool = False
    """Whether a change of its budget or state was authorised today (the judged action itself left out)."""

    @cached_property
    def minor(self) -> Figures:
        """Its amounts in whole minor units, for sums over hundreds of campaigns."""
        began, spent = self.start_of_day, self.spent_today.minor
        ran = self.delivering or spent > 0 or self.touched_today or (began is not None and began.minor > 0)
        running = self.daily_budget.minor if self.delivering else 0
        same = len({self.daily_budget.currency, self.highest_today.currency, self.spent_today.currency}) == 1
        return Figures(
            currency=self.daily_budget.currency if same else None,
            running=running,
            # What ran at any time today may have spent, reported or not: figures come hours later.
            highest=max(self.highest_today.minor, running) if ran else running,
            spent=spent,
            began=None if began is None else began.minor,
        )

    @cached_property
    def text(self) -> str:
        """`canonical(self)`: an exposure that stays the same from pass to pass is spelled once."""
        return canonical(self)


class Reservation(_Fact):
    """Room that an authorised but unfinished action holds: the budget the campaign will have."""

    action_id: str
    campaign_id: str
    platform: Platform
    daily_budget: Money


class UnreadDay(_Fact):
    """A past day of this week on which a campaign of ours ran, and whose figures nobody has read since it ended. `assumed` is what it
    may have cost beyond what was measured while it lasted: its highest budget, overspend counted."""

    campaign_id: str
    platform: Platform
    day: date
    assumed: Money


class BudgetFacts(_Fact):
    """The workspace's books for the account-local day and week, read under the budget lock."""

    exposures: tuple[Exposure, ...]
    reservations: tuple[Reservation, ...]
    spent_week_before_today: Money
    days_left_after_today: int
    adjustments_today: int
    spent_week_by_platform: dict[Platform, Money] | None = None
    """Spent in this week before today per platform, campaigns that are gone included; None when it was not summed."""
    unread_days: tuple[UnreadDay, ...] = ()
    """What the days of this week that nobody has read may have cost. No part of the measured sums: it comes on top of them."""


class Rejection(_Fact):
    """A manager's no to a change of the campaign, as the next proposals must remember it."""

    action_id: str
    kind: str
    direction: Literal["up", "down"] | None
    """For a budget: which way it would have gone."""
    by: str
    reason: str | None
    at: datetime


class Listed(_Fact):
    """An entry of the blacklist that concerns the action: what failed before, or was banned by a person."""

    kind: ListedKind
    value: str
    reason: str
    added_by: str


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
    rejections: tuple[Rejection, ...] = ()
    """Newest first, within the policy's memory."""
    blacklist: tuple[Listed, ...] = ()
    restores: str | None = None
    """The done action whose state before this one restores exactly, read from the ledger: an undo."""
    undo_of: str | None = None
    """The action that this one says it undoes. Without `restores` it does not: somebody changed the object since."""
    viewer: bool = False
    """Whether the proposer is a person who may not decide: nothing is spared because a person asked."""
    rates: tuple[Rate, ...] = ()
    """The exchange rates by which amounts of other currencies were brought into the policy's."""
    grants: tuple[GrantFact, ...] = ()
    """Living grants for this kind of action, the first to end first; read under the budget lock, like the caps."""
    account_zone: str | None = None
    """The time zone of the action's ad account where its days are not the policy's; None: they are, or nobody has read it yet."""
    unreadable: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    """What concerns other platforms than the action's and could not be read or counted: a person may know better."""

    @cached_property
    def text(self) -> str:
        """`canonical(self)`, made once and of texts that are there already: with many campaigns it is mostly exposures."""
        plain = self.model_dump(mode="json", exclude={"budget": {"exposures"}})
        if self.budget is not None:
            exposures = Spelled("[" + ",".join(e.text for e in self.budget.exposures) + "]")
            plain["budget"] = Spelled(canonical(plain["budget"] | {"exposures": exposures}))
        return canonical(plain)
