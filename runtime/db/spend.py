"""The spend watchdog's reads and writes: plan and measured spend per campaign, held room that is due, campaigns that are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR
from typing import Any

from knowledge.domain.action import Platform
from knowledge.domain.books import FINAL
from knowledge.domain.campaign import CampaignStatus, Delivery
from knowledge.domain.clock import day_bounds
from knowledge.domain.money import Money
from knowledge.domain.rates import NoRate, Rate, convert
from runtime.db.repository import DEFAULT_WORKSPACE, Repository, as_json, money

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
OPEN = ("authorised", "scheduled", "executing", "unknown")


@dataclass(frozen=True)
class LedgerCampaign:
    """One published campaign as our books have it. `plan` is the budget that an action of ours last confirmed (the row's own where
    none ever did); `highest` the highest that our own actions had in force on the day asked for (what they last set before it, or the budget
    of the launch), `highest_before` on the day before it; what somebody typed in at the platform is in neither. `spent` is the day's
    spend as measured so far. `in_hand`: an action on it is under way; `reserved`: the largest budget that one holds room for.
    `let_run`: when and at which spend a person resumed it on that day."""

    id: str
    platform: Platform
    external_id: str
    name: str
    status: CampaignStatus
    delivery: Delivery
    plan: Money | None
    highest: Money | None
    highest_before: Money | None
    spent: Money | None
    spent_before: Money | None
    last_change_at: datetime | None
    paused_at: datetime | None
    missing_since: datetime | None
    gone_at: datetime | None
    in_hand: bool
    reserved: Money | None
    let_run: tuple[datetime, Money] | None


@dataclass(frozen=True)
class DueReservation:
    """Held room whose time is over, with what became of its action."""

    action_id: str
    campaign_id: str
    platform: Platform
    exposure: Money
    since: datetime
    expired_at: datetime
    action_status: str

    @property
    def final(self) -> bool:
        return self.action_status in FINAL


class SpendBooks(Repository):
    """Tables campaigns, budget_changes, analytics, reservations, actions: what the watchdog compares."""

    async def campaigns(
        self, platform: Platform, day: date, zone: str, now: datetime, *, workspace: str = DEFAULT_WORKSPACE
    ) -> list[LedgerCampaign]:
        """Every published campaign of a platform, by id; `day` and its bounds are those of the account's time zone."""
        start, end = day_bounds(now, zone)
        before, _ = day_bounds(start.replace(microsecond=0) - _HOUR, zone)
        rows = await self.all(
            """select c.*, p.to_minor as plan_minor, h.highest, b.highest as highest_before,
                 t.spend_minor as spent_minor, t.currency as spent_currency,
                 y.spend_minor as before_minor, y.currency as before_currency,
                 exists (select 1 from actions x where x.campaign_id = c.id and x.status = any(:open)) as in_hand,
                 (select max(r.exposure_minor) from reservations r where r.campaign_id = c.id and r.status = 'held'
                    and r.currency = c.currency) as reserved_minor,
                 u.closed_at as resumed_at, u.exposures, u.rates
               from campaigns c
               left join lateral (select to_minor from budget_changes x where x.campaign_id = c.id and x.currency = c.currency
                 and x.reason <> 'budget.seen' order by at desc, seq desc limit 1) p on true
               left join lateral (select max(minor) as highest from (
                   select coalesce((select to_minor from budget_changes x where x.campaign_id = c.id and x.currency = c.currency
                      and x.reason <> 'budget.seen' and x.at < :start order by at desc, seq desc limit 1), c.launch_budget_minor) as minor
                   union all select to_minor from budget_changes x where x.campaign_id = c.id and x.currency = c.currency
                      and x.reason <> 'budget.seen' and x.at >= :start and x.at < :end) all_of_it) h on true
               left join lateral (select max(minor) as highest from (
                   select coalesce((select to_minor from budget_changes x where x.campaign_id = c.id and x.currency = c.currency
                      and x.reason <> 'budget.seen' and x.at < :before order by at desc, seq desc limit 1), c.launch_budget_minor) as minor
                   union all select to_minor from budget_changes x where x.campaign_id = c.id and x.currency = c.currency
                      and x.reason <> 'budget.seen' and x.at >= :before and x.at < :start) all_of_it) b on true
               left join analytics t on t.platform = c.platform and t.external_id = c.external_id and t.level = 'campaign'
                 and t.hour is null and t.day = :day
               left join analytics y on y.platform = c.platform and y.external_id = c.external_id and y.level = 'campaign'
                 and y.hour is null and y.day = :yesterday
               left join lateral (select x.closed_at, x.facts -> 'budget' -> 'exposures' as exposures, x.facts -> 'rates' as rates
                 from actions x
                 left join approvals v on v.action_id = x.id
                 where x.campaign_id = c.id and x.kind = 'campaign.resume' and x.status = 'done' and x.closed_at >= :start
                   and (x.proposer_kind = 'user' or v.status = 'approved') order by x.closed_at desc limit 1) u on true
               where c.workspace = :workspace and c.platform = :platform and c.external_id is not null order by c.id""",
            workspace=workspace, platform=platform, day=day, yesterday=day - _DAY, start=start, end=end, before=before,
            open=list(OPEN),
        )  # fmt: skip
        return [_campaign(row) for row in rows]

    async def strangers(self, platform: Platform, day: date, *, workspace: str = DEFAULT_WORKSPACE) -> dict[str, Money]:
        """The day's measured spend of campaigns that are not ours, by the platform's id."""
        rows = await self.all(
            """select external_id, spend_minor, currency from analytics a where workspace = :workspace and platform = :platform
                 and level = 'campaign' and hour is null and day = :day and not exists (select 1 from campaigns c
                   where c.platform = a.platform and c.external_id = a.external_id)""",
            workspace=workspace, platform=platform, day=day,
        )  # fmt: skip
        return {r["external_id"]: Money(minor=r["spend_minor"], currency=r["currency"]) for r in rows}

    async def in_hand(self, platform: Platform, *, workspace: str = DEFAULT_WORKSPACE) -> bool:
        """Whether a publication on the platform is under way: what it made may not be in our books yet."""
        row = await self.one(
            """select exists (select 1 from actions where workspace = :workspace and platform = :platform
                 and kind = 'campaign.publish' and status = any(:open)) as yes""",
            workspace=workspace, platform=platform, open=list(OPEN),
        )  # fmt: skip
        return row is not None and row["yes"]

    async def due(self, now: datetime, *, workspace: str = DEFAULT_WORKSPACE) -> list[DueReservation]:
        """Held room whose time is over, oldest first."""
        rows = await self.all(
            """select r.*, a.status as action_status from reservations r join actions a on a.id = r.action_id
               where r.workspace = :workspace and r.status = 'held' and r.expires_at <= :now order by r.expires_at, r.id""",
            workspace=workspace, now=now,
        )  # fmt: skip
        return [
            DueReservation(
                str(r["action_id"]), r["campaign_id"], r["platform"], Money(minor=r["exposure_minor"], currency=r["currency"]),
                r["created_at"], r["expires_at"], r["action_status"],
            )
            for r in rows
        ]  # fmt: skip

    async def missing(self, campaign_id: str, *, at: datetime) -> datetime:
        """Notes that the platform no longer shows the campaign; returns since when. Raises LookupError for an unknown campaign."""
        row = await self.one(
            "update campaigns set missing_since = coalesce(missing_since, :at) where id = :id returning missing_since",
            id=campaign_id,
            at=at,
        )
        if row is None:
            raise LookupError(f"campaign {campaign_id}: no such row")
        return row["missing_since"]

    async def found(self, campaign_id: str, *, at: datetime) -> bool:
        """The platform shows it again. One that had counted as gone comes back as paused; true when it had."""
        row = await self.one(
            """update campaigns c set missing_since = null, gone_at = null,
                 status = case when c.gone_at is null then c.status else 'paused' end,
                 paused_at = case when c.gone_at is null then c.paused_at else :at end,
                 error = case when c.gone_at is null then c.error end
               from campaigns old where c.id = :id and old.id = c.id returning old.gone_at is not null as was_gone""",
            id=campaign_id, at=at,
        )  # fmt: skip
        return row is not None and row["was_gone"]

    async def gone(self, campaign_id: str, *, at: datetime, error: dict[str, Any]) -> bool:
        """Closes the row of a campaign that exists no more: it delivers nothing and holds no other action back. Once."""
        return await self.once(
            """update campaigns set gone_at = :at, status = 'error', delivery = 'archived', last_change_at = :at, error = :error
               where id = :id and gone_at is null""",
            id=campaign_id, at=at, error=as_json(error),
        )  # fmt: skip

    async def raises(self, since: datetime, *, workspace: str = DEFAULT_WORKSPACE) -> Sequence[Any]:
        """Budget changes upward that actions of ours made since a moment, oldest first, with what undid or followed them."""
        return await self.all(
            """select b.action_id, b.campaign_id, b.from_minor, b.to_minor, b.currency, b.at, c.platform, c.name, c.status,
                 exists (select 1 from budget_changes l where l.campaign_id = b.campaign_id and (l.at, l.seq) > (b.at, b.seq)) as followed,
                 exists (select 1 from actions u where u.undo_of = b.action_id
                   and u.status not in ('refused', 'failed', 'cancelled', 'expired')) as undone
               from budget_changes b join campaigns c on c.id = b.campaign_id
               where c.workspace = :workspace and b.at >= :since and b.from_minor is not null and b.to_minor > b.from_minor
                 and b.action_id is not null order by b.at, b.seq""",
            workspace=workspace, since=since,
        )  # fmt: skip


def _native(amount: Money, currency: str, rates: Sequence[Any] | None) -> Money | None:
    """What a record's facts state in the policy's currency, back in the account's own by the rates of that same record."""
    known = [Rate.model_validate(rate) for rate in rates or ()]
    try:
        return convert(amount, currency, max((r.day for r in known), default=date.max), known, date.max.toordinal(), ROUND_FLOOR)
    except NoRate:
        return None


def _campaign(row: Any) -> LedgerCampaign:
    currency = row["currency"]

    def amount(minor: int | None) -> Money | None:
        return money(minor, currency)

    own = amount(row["daily_budget_minor"])
    plan = amount(row["plan_minor"]) or own
    let_run = None
    if row["resumed_at"] is not None:
        then = next((e["spent_today"] for e in row["exposures"] or () if e["campaign_id"] == row["id"]), None)
        spent_then = None if then is None else _native(Money.model_validate(then), currency, row["rates"])
        if spent_then is not None:
            let_run = (row["resumed_at"], spent_then)
    return LedgerCampaign(
        id=row["id"], platform=row["platform"], external_id=row["external_id"], name=row["name"], status=row["status"],
        delivery=row["delivery"], plan=plan, highest=amount(row["highest"]) or plan,
        highest_before=amount(row["highest_before"]), spent=money(row["spent_minor"], row["spent_currency"]),
        spent_before=money(row["before_minor"], row["before_currency"]), last_change_at=row["last_change_at"],
        paused_at=row["paused_at"], missing_since=row["missing_since"], gone_at=row["gone_at"], in_hand=row["in_hand"],
        reserved=amount(row["reserved_minor"]), let_run=let_run,
    )  # fmt: skip
