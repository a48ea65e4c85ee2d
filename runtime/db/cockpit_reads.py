"""What the cockpit's pages read. Read only; amounts leave as Money, moments aware in UTC, missing facts as None."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from knowledge.domain.action import PauseCampaign
from knowledge.domain.clock import day_bounds
from knowledge.domain.facts import BudgetFacts
from knowledge.domain.money import Money
from runtime.db import gate_facts
from runtime.db.action_reads import ActionReads

PEOPLE_KINDS = ("message.", "desk.", "crm.")
"""Action kinds that quote leads: not for viewers (the same line as the row policies draw)."""


@dataclass(frozen=True)
class DayRow:
    """One account-local day of all campaigns in the workspace's currency, minor units. None = nothing was read that day."""

    day: date
    spend: int | None
    platform_revenue: int | None
    conversions: int
    provisional: bool
    orders: int
    order_value: int
    order_value_squares: float


@dataclass(frozen=True)
class Counts:
    """Conversations, queues and processes, now."""

    with_bot: int
    with_human: int
    conversations_today: int
    inbox_waiting: int
    inbox_dead: int
    running: int
    unknown: int
    executors: int
    breakers_open: tuple[str, ...]
    campaigns: dict[str, int]
    analytics_at: datetime | None
    has_orders: bool
    other_currencies: tuple[str, ...]


@dataclass(frozen=True)
class AlertRow:
    id: str
    kind: str
    severity: str
    message: dict[str, Any]
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None


@dataclass(frozen=True)
class CampaignRow:
    """A campaign with its last seven account-local days, minor units; None where nothing was read."""

    id: str
    name: str
    platform: str
    status: str
    budget: Money | None
    spend: int | None
    revenue: int | None
    orders: int
    order_value: int


@dataclass(frozen=True)
class LiveRow:
    id: int
    kind: str
    at: datetime


class CockpitReads(ActionReads):
    """The page's questions. Each method is one short read; `workspace`, currency, zone and multipliers come from the policy."""

    @staticmethod
    async def _rows(connection: AsyncConnection, sql: str, **values: Any) -> list[Any]:
        return list((await connection.execute(text(sql), values)).all())

    async def days(self, today: date, count: int) -> list[DayRow]:
        """The last `count` account-local days, oldest first, today last; gaps are rows of None."""
        rows = await self._all(
            """
            with d as (select generate_series(cast(:first as date), cast(:last as date), interval '1 day')::date as day),
            m as (
              select day, sum(spend_minor)::bigint as spend, sum(revenue_minor)::bigint as revenue,
                sum(conversions)::bigint as conversions, bool_or(provisional) as provisional
              from analytics where workspace = :workspace and level = 'campaign' and hour is null and currency = :currency
                and day between :first and :last group by day),
            o as (
              select (ordered_at at time zone :zone)::date as day, count(*) as orders, sum(value_minor)::bigint as value,
                sum(value_minor::float8 * value_minor) as squares
              from orders where workspace = :workspace and currency = :currency and campaign_id is not null
                and status not in ('cancelled', 'refunded', 'pending')
                and ordered_at >= cast(:first as timestamp) at time zone :zone group by 1)
            select d.day, m.spend, m.revenue, coalesce(m.conversions, 0) as conversions,
              coalesce(m.provisional, false) as provisional, coalesce(o.orders, 0) as orders,
              coalesce(o.value, 0) as value, coalesce(o.squares, 0) as squares
            from d left join m on m.day = d.day left join o on o.day = d.day order by d.day
            """,
            first=today - timedelta(days=count - 1),
            last=today,
            workspace=self._policy.workspace,
            currency=self._policy.currency,
            zone=self._policy.time_zone,
        )
        return [
            DayRow(r.day, r.spend, r.revenue, r.conversions, r.provisional, r.orders, int(r.value), float(r.squares)) for r in rows
        ]

    async def budget(self, now: datetime) -> BudgetFacts | None:
        """The workspace's books of today and this week; None when a campaign's budget is unknown or its currency has no rate.

        The gate's own facts, read without its lock and without the platforms: for people to look at, never to judge by.
        """
        nobody = PauseCampaign(workspace=self._policy.workspace, platform="meta", campaign_id="-")
        async with self._engine.connect() as connection:
            question = gate_facts.Question(nobody, "system:cockpit", None, self._policy, now, None)
            facts = await gate_facts.answer(connection, question, None)
        return None if facts.unreadable else facts.budget

    async def counts(self, now: datetime) -> Counts:
        """Conversations by owner, queue depths, processes, breakers, campaigns by status."""
        day = day_bounds(now, self._policy.time_zone)[0]
        async with self._engine.connect() as connection:
            talk = await self._rows(
                connection,
                """
                select count(*) filter (where owner = 'bot') as bot, count(*) filter (where owner = 'human') as human,
                  count(*) filter (where last_inbound_at >= :day) as today from conversations where merged_into is null
                """,
                day=day,
            )
            work = await self._rows(
                connection,
                """
                select (select count(*) from webhook_events where status = 'received') as waiting,
                  (select count(*) from webhook_events where status = 'dead') as dead,
                  (select count(*) from actions where status in ('authorised', 'executing')) as running,
                  (select count(*) from actions where status = 'unknown') as unknown,
                  (select count(*) from executors where lost_at is null) as executors,
                  (select max(updated_at) from analytics where workspace = :workspace) as analytics_at,
                  exists (select from orders where workspace = :workspace) as has_orders
                """,
                workspace=self._policy.workspace,
            )
            breakers = await self._rows(connection, "select name from breakers where state <> 'closed' order by name")
            campaigns = await self._rows(
                connection,
                "select status, count(*) as n from campaigns where workspace = :workspace group by status",
                workspace=self._policy.workspace,
            )
            others = await self._rows(
                connection,
                "select distinct currency from analytics where workspace = :workspace and currency <> :currency order by 1",
                workspace=self._policy.workspace,
                currency=self._policy.currency,
            )
        return Counts(
            talk[0].bot,
            talk[0].human,
            talk[0].today,
            work[0].waiting,
            work[0].dead,
            work[0].running,
            work[0].unknown,
            work[0].executors,
            tuple(b.name for b in breakers),
            {c.status: c.n for c in campaigns},
            work[0].analytics_at,
            work[0].has_orders,
            tuple(o.currency for o in others),
        )

    async def alerts(self, limit: int) -> list[AlertRow]:
        """Unresolved alerts: unseen before seen, worst first."""
        rows = await self._all(
            """
            select id, kind, severity, message, opened_at, acknowledged_at, acknowledged_by from alerts
            where workspace = :workspace and resolved_at is null
            order by acknowledged_at is not null, case severity when 'critical' then 0 when 'warning' then 1 else 2 end,
              opened_at desc limit :n
            """,
            workspace=self._policy.workspace,
            n=limit,
        )
        return [AlertRow(str(r.id), r.kind, r.severity, r.message, r.opened_at, r.acknowledged_at, r.acknowledged_by) for r in rows]

    async def campaigns(self, today: date, limit: int) -> list[CampaignRow]:
        """Campaigns that were ever launched, biggest seven-day spend first."""
        rows = await self._all(
            """
            select c.id, c.name, c.platform, c.status, c.currency, c.daily_budget_minor as budget, m.spend, m.revenue,
              coalesce(o.orders, 0) as orders, coalesce(o.value, 0)::bigint as value
            from campaigns c
            left join lateral (
              select sum(a.spend_minor)::bigint as spend, sum(a.revenue_minor)::bigint as revenue from analytics a
              where a.campaign_id = c.id and a.level = 'campaign' and a.hour is null and a.currency = :currency
                and a.day > cast(:today as date) - 7 and a.day <= :today) m on true
            left join lateral (
              select count(*) as orders, sum(value_minor) as value from orders o
              where o.campaign_id = c.id and o.currency = :currency and o.status not in ('cancelled', 'refunded', 'pending')
                and (o.ordered_at at time zone :zone)::date > cast(:today as date) - 7) o on true
            where c.workspace = :workspace and c.external_id is not null
            order by (c.status in ('active', 'testing', 'scaling')) desc, m.spend desc nulls last, c.name limit :n
            """,
            today=today,
            workspace=self._policy.workspace,
            currency=self._policy.currency,
            zone=self._policy.time_zone,
            n=limit,
        )
        return [
            CampaignRow(
                r.id,
                r.name,
                r.platform,
                r.status,
                None if r.budget is None else Money(minor=r.budget, currency=r.currency),
                r.spend,
                r.revenue,
                r.orders,
                r.value,
            )
            for r in rows
        ]

    async def last_event(self) -> int:
        """Id of the newest live event; 0 when there is none."""
        rows = await self._all("select coalesce(max(id), 0) as id from live_events")
        return int(rows[0].id)

    async def events_after(self, last: int, limit: int) -> list[LiveRow]:
        """Live events after an id, oldest first."""
        rows = await self._all("select id, kind, at from live_events where id > :last order by id limit :n", last=last, n=limit)
        return [LiveRow(int(r.id), r.kind, r.at) for r in rows]
