"""Measured figures and orders: written again and again without counting twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import RowMapping

from knowledge.domain.action import Platform
from knowledge.domain.campaign import AccountFacts, InsightRow
from knowledge.domain.money import Money
from runtime.db.repository import DEFAULT_WORKSPACE, Repository, as_json

_FIGURES = ("impressions", "clicks", "spend_minor", "conversions", "revenue_minor", "currency", "provisional")


@dataclass(frozen=True)
class CampaignDay:
    """One campaign's day. `campaign_id` is None for a campaign of the account that the house does not know."""

    campaign_id: str | None
    row: InsightRow


@dataclass(frozen=True)
class Performance:
    """A row of mv_campaign_performance. Ratios are None where undefined; `roas_orders` counts our shop's orders."""

    campaign_id: str
    platform: Platform
    name: str
    status: str
    first_day: date
    last_day: date
    impressions: int
    clicks: int
    conversions: int
    spend: Money
    revenue: Money
    orders: int | None
    order_value: Money | None
    provisional: bool
    roas: Decimal | None
    roas_orders: Decimal | None
    ctr: Decimal | None
    cvr: Decimal | None


@dataclass(frozen=True)
class OrderRecord:
    """An order of the shop. `utm` as it came; `campaign_id` once attributed."""

    id: str
    source: str
    external_id: str
    value: Money
    status: str
    ordered_at: datetime
    campaign_id: str | None = None
    product_id: str | None = None
    lead_id: str | None = None
    utm: dict[str, Any] = field(default_factory=dict[str, Any])
    raw: dict[str, Any] = field(default_factory=dict[str, Any])
    workspace: str = DEFAULT_WORKSPACE


class Analytics(Repository):
    """Table analytics and the two materialised views."""

    async def taking(self, platform: Platform, *, workspace: str = DEFAULT_WORKSPACE) -> None:
        """From here to the commit nobody else writes down what was read of this platform: insights and the watchdog may come at once,
        and each writes many rows."""
        await self.run(
            "select pg_advisory_xact_lock(hashtextextended(:name, 0))", name=f"figures:{workspace}:{platform}"
        )  # fmt: skip

    async def upsert(self, rows: Sequence[InsightRow], *, at: datetime, workspace: str = DEFAULT_WORKSPACE) -> int:
        """Writes rows over earlier ones of the same object and day (or hour); returns how many are new or changed.

        A restated day replaces its figures; writing the same rows again changes nothing and returns 0.
        """
        latest = {(r.platform, r.level, r.external_id, r.day, r.hour): r for r in rows}
        if not latest:
            return 0
        changed = ", ".join(f"{name} = excluded.{name}" for name in _FIGURES)
        old = ", ".join(f"analytics.{name}" for name in _FIGURES)
        new = ", ".join(f"excluded.{name}" for name in _FIGURES)
        return await self.run(
            f"""insert into analytics (workspace, platform, level, external_id, campaign_id, day, hour, impressions, clicks,
                  spend_minor, conversions, revenue_minor, currency, provisional, first_seen_at, updated_at)
                select :workspace, r.platform, r.level, r.external_id,
                  case when r.level = 'campaign' then c.id
                       when r.level = 'ad_set' then (select campaign_id from ad_sets s
                         where s.platform = r.platform and s.external_id = r.external_id)
                       else (select campaign_id from ads a where a.platform = r.platform and a.external_id = r.external_id) end,
                  r.day, r.hour, r.impressions, r.clicks, r.spend_minor, r.conversions, r.revenue_minor, r.currency,
                  r.provisional, :at, :at
                from jsonb_to_recordset(:rows) as r (platform text, level text, external_id text, day date, hour smallint,
                  impressions bigint, clicks bigint, spend_minor bigint, conversions bigint, revenue_minor bigint,
                  currency char(3), provisional boolean)
                left join campaigns c on c.platform = r.platform and c.external_id = r.external_id
                on conflict (platform, level, external_id, day, hour) do update
                  set {changed}, updated_at = excluded.updated_at,
                    campaign_id = coalesce(excluded.campaign_id, analytics.campaign_id)
                  where ({old}) is distinct from ({new})
                    or (analytics.campaign_id is null and excluded.campaign_id is not null)""",
            workspace=workspace, at=at, rows=as_json([_flat(row) for row in latest.values()]),
        )  # fmt: skip

    async def day_read(self, platform: Platform, days: Sequence[date], *, at: datetime, workspace: str = DEFAULT_WORKSPACE) -> None:
        """The receipt for days whose figures were read whole after they had ended, in the transaction that writes the figures."""
        await self.run(
            """insert into days_read (workspace, platform, day, read_at)
               select :workspace, :platform, day, :at from unnest(cast(:days as date[])) as d(day)
               on conflict (workspace, platform, day) do update set read_at = greatest(days_read.read_at, excluded.read_at)""",
            workspace=workspace, platform=platform, days=list(days), at=at,
        )  # fmt: skip

    async def days_read(self, platform: Platform, since: date, *, workspace: str = DEFAULT_WORKSPACE) -> set[date]:
        """The days from `since` on for which there is a receipt."""
        rows = await self.all(
            "select day from days_read where workspace = :workspace and platform = :platform and day >= :since",
            workspace=workspace, platform=platform, since=since,
        )  # fmt: skip
        return {row["day"] for row in rows}

    async def account_read(self, account: AccountFacts, *, at: datetime, workspace: str = DEFAULT_WORKSPACE) -> None:
        """Keeps what an ad account stated of itself; a later reading replaces an earlier one."""
        await self.run(
            """insert into ad_accounts (workspace, platform, external_id, currency, time_zone, read_at)
               values (:workspace, :platform, :external, :currency, :zone, :at)
               on conflict (workspace, platform) do update set external_id = excluded.external_id, currency = excluded.currency,
                 time_zone = excluded.time_zone, read_at = excluded.read_at where ad_accounts.read_at <= excluded.read_at""",
            workspace=workspace, platform=account.platform, external=account.external_id, currency=account.currency,
            zone=account.time_zone, at=at,
        )  # fmt: skip

    async def account_currencies(self, *, workspace: str = DEFAULT_WORKSPACE) -> dict[str, str]:
        """Platform -> currency of its ad account, where one was read."""
        rows = await self.all("select platform, currency from ad_accounts where workspace = :workspace", workspace=workspace)
        return {row["platform"]: row["currency"] for row in rows}

    async def days(
        self, since: date, until: date, *, campaign_id: str | None = None, workspace: str = DEFAULT_WORKSPACE
    ) -> list[CampaignDay]:
        """Daily campaign rows of since..until inclusive, by day then campaign."""
        rows = await self.all(
            """select * from analytics where workspace = :workspace and level = 'campaign' and hour is null
                 and day between :since and :until and (cast(:campaign as text) is null or campaign_id = :campaign)
               order by day, platform, external_id""",
            workspace=workspace, since=since, until=until, campaign=campaign_id,
        )  # fmt: skip
        return [CampaignDay(row["campaign_id"], _insight(row)) for row in rows]

    async def hours(self, campaign_id: str, day: date) -> list[InsightRow]:
        """The hourly rows of one campaign's day, in order."""
        rows = await self.all(
            """select * from analytics where campaign_id = :id and level = 'campaign' and day = :day and hour is not null
               order by hour""",
            id=campaign_id, day=day,
        )  # fmt: skip
        return [_insight(row) for row in rows]

    async def spent(
        self,
        since: date,
        until: date,
        *,
        platform: Platform | None = None,
        campaign_id: str | None = None,
        workspace: str = DEFAULT_WORKSPACE,
    ) -> list[Money]:
        """Spend of since..until inclusive, one amount per currency; an empty list means that nothing was measured."""
        rows = await self.all(
            """select currency, sum(spend_minor)::bigint as minor from analytics
               where workspace = :workspace and level = 'campaign' and hour is null and day between :since and :until
                 and (cast(:platform as text) is null or platform = :platform)
                 and (cast(:campaign as text) is null or campaign_id = :campaign)
               group by currency order by currency""",
            workspace=workspace, since=since, until=until, platform=platform, campaign=campaign_id,
        )  # fmt: skip
        return [Money(minor=row["minor"], currency=row["currency"]) for row in rows]

    async def spent_by_campaign(
        self, since: date, until: date, *, workspace: str = DEFAULT_WORKSPACE
    ) -> list[tuple[Platform, str | None, Money]]:
        """Spend of since..until inclusive by platform, our campaign (None: not ours) and currency."""
        rows = await self.all(
            """select a.platform, c.id as campaign_id, a.currency, sum(a.spend_minor)::bigint as minor from analytics a
               left join campaigns c on c.platform = a.platform and c.external_id = a.external_id
               where a.workspace = :workspace and a.level = 'campaign' and a.hour is null and a.day between :since and :until
               group by a.platform, c.id, a.currency order by a.platform, c.id, a.currency""",
            workspace=workspace, since=since, until=until,
        )  # fmt: skip
        return [(row["platform"], row["campaign_id"], Money(minor=row["minor"], currency=row["currency"])) for row in rows]

    async def refresh_views(self) -> None:
        """Recomputes both views; readers go on with the old figures meanwhile."""
        for view in ("mv_campaign_performance", "mv_daily_metrics"):
            await self.run(f"refresh materialized view concurrently {view}")

    async def performance(self, *, workspace: str = DEFAULT_WORKSPACE) -> list[Performance]:
        """Campaigns by spend, as of the last refresh."""
        rows = await self.all(
            "select * from mv_campaign_performance where workspace = :workspace order by spend_minor desc, campaign_id",
            workspace=workspace,
        )
        return [
            Performance(
                r["campaign_id"], r["platform"], r["name"], r["status"], r["first_day"], r["last_day"], r["impressions"],
                r["clicks"], r["conversions"], Money(minor=r["spend_minor"], currency=r["currency"]),
                Money(minor=r["revenue_minor"], currency=r["currency"]), r["orders"],
                None if r["order_value_minor"] is None else Money(minor=r["order_value_minor"], currency=r["currency"]),
                r["provisional"], r["roas"], r["roas_orders"], r["ctr"], r["cvr"],
            )
            for r in rows
        ]  # fmt: skip


class Orders(Repository):
    """Table orders."""

    async def upsert(self, order: OrderRecord, *, at: datetime) -> Literal["new", "changed", "same"]:
        """Stores an order or its new status and value; an attribution once made is kept."""
        row = await self.one(
            """insert into orders (id, workspace, source, external_id, campaign_id, product_id, lead_id, utm, value_minor,
                 currency, status, ordered_at, received_at, raw)
               values (:id, :workspace, :source, :external, :campaign, :product, :lead, :utm, :value, :currency, :status,
                 :ordered, :at, :raw)
               on conflict (source, external_id) do update
                 set status = excluded.status, value_minor = excluded.value_minor, currency = excluded.currency,
                   raw = excluded.raw, campaign_id = coalesce(orders.campaign_id, excluded.campaign_id),
                   product_id = coalesce(orders.product_id, excluded.product_id),
                   lead_id = coalesce(orders.lead_id, excluded.lead_id)
                 where (orders.status, orders.value_minor, orders.currency) is distinct from
                       (excluded.status, excluded.value_minor, excluded.currency)
                   or (orders.campaign_id is null and excluded.campaign_id is not null)
                   or (orders.lead_id is null and excluded.lead_id is not null)
               returning xmax = 0 as fresh""",
            id=order.id, workspace=order.workspace, source=order.source, external=order.external_id,
            campaign=order.campaign_id, product=order.product_id, lead=order.lead_id, utm=as_json(order.utm),
            value=order.value.minor, currency=order.value.currency, status=order.status, ordered=order.ordered_at, at=at,
            raw=as_json(order.raw),
        )  # fmt: skip
        if row is None:
            return "same"
        return "new" if row["fresh"] else "changed"

    async def get(self, order_id: str) -> OrderRecord | None:
        row = await self.one("select * from orders where id = :id", id=order_id)
        return None if row is None else _order(row)

    async def list(
        self,
        since: datetime,
        until: datetime,
        *,
        campaign_id: str | None = None,
        workspace: str = DEFAULT_WORKSPACE,
        limit: int = 1000,
    ) -> list[OrderRecord]:
        """Orders of since (inclusive) to until (exclusive), newest first."""
        rows = await self.all(
            """select * from orders where workspace = :workspace and ordered_at >= :since and ordered_at < :until
                 and (cast(:campaign as text) is null or campaign_id = :campaign)
               order by ordered_at desc, id limit :limit""",
            workspace=workspace, since=since, until=until, campaign=campaign_id, limit=limit,
        )  # fmt: skip
        return [_order(row) for row in rows]


def _flat(row: InsightRow) -> dict[str, Any]:
    if row.revenue.currency != row.spend.currency:
        currencies = f"spend in {row.spend.currency}, revenue in {row.revenue.currency}"
        raise ValueError(f"{row.platform} {row.external_id} {row.day}: {currencies}; one account reports in one currency")
    flat = row.model_dump(mode="json", exclude={"spend", "revenue"})
    return {**flat, "spend_minor": row.spend.minor, "revenue_minor": row.revenue.minor, "currency": row.spend.currency}


def _insight(row: RowMapping) -> InsightRow:
    return InsightRow(
        platform=row["platform"], level=row["level"], external_id=row["external_id"], day=row["day"], hour=row["hour"],
        impressions=row["impressions"], clicks=row["clicks"], conversions=row["conversions"], provisional=row["provisional"],
        spend=Money(minor=row["spend_minor"], currency=row["currency"]),
        revenue=Money(minor=row["revenue_minor"], currency=row["currency"]),
    )  # fmt: skip


def _order(row: RowMapping) -> OrderRecord:
    return OrderRecord(
        row["id"], row["source"], row["external_id"], Money(minor=row["value_minor"], currency=row["currency"]), row["status"],
        row["ordered_at"], row["campaign_id"], row["product_id"], None if row["lead_id"] is None else str(row["lead_id"]),
        row["utm"], row["raw"], row["workspace"],
    )  # fmt: skip
