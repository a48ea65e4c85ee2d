"""What the gate judges by: the ledger's own figures and a fresh platform read, put together inside the gate's transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from knowledge.domain.action import CAMPAIGN, CONVERSATION, Action, PublishCampaign
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.clock import day_bounds, week_bounds
from knowledge.domain.facts import BudgetFacts, CampaignFacts, ConversationFacts, Exposure, Facts, Reservation
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy

RUNNING = ("active", "testing", "scaling")
LIVE = ("active", "in_review", "with_issues", "unknown")
"""Deliveries that may spend. Unknown counts: doubt is never room."""
COUNTED = ("authorised", "executing", "unknown", "done")


async def complete(
    conn: AsyncConnection,
    facts: Facts,
    action: Action,
    platform: tuple[PlatformCampaign, ...] | None,
    policy: Policy,
    excluding: str | None,
) -> Facts:
    """`facts` (moment, proposer, kill switches) with all that the rules of this kind of action look at."""
    if isinstance(action, CAMPAIGN):
        return await _campaign_facts(conn, facts, action, platform, policy, excluding)
    if isinstance(action, CONVERSATION):
        return facts.model_copy(update={"conversation": await _conversation(conn, action.conversation_id)})
    return facts


async def _rows(conn: AsyncConnection, sql: str, **params: Any) -> list[Any]:
    return list((await conn.execute(text(sql), params)).mappings())


async def _one(conn: AsyncConnection, sql: str, **params: Any) -> Any | None:
    rows = await _rows(conn, sql, **params)
    return rows[0] if rows else None


async def _campaign_facts(
    conn: AsyncConnection,
    facts: Facts,
    action: Any,
    platform: tuple[PlatformCampaign, ...] | None,
    policy: Policy,
    excluding: str | None,
) -> Facts:
    now, unreadable = facts.now, list[str]()
    day_start, day_end = day_bounds(now, policy.time_zone)
    week_start, week_end = week_bounds(now, policy.time_zone)
    today = now.astimezone(ZoneInfo(policy.time_zone)).date()
    monday = week_start.astimezone(ZoneInfo(policy.time_zone)).date()
    fresh = {(p.platform, p.external_id): p for p in platform or ()}
    rows = await _rows(
        conn,
        "select c.id, c.platform, c.name, c.external_id, c.status, c.delivery, c.currency, c.daily_budget_minor, c.launched_at,"
        " coalesce(s.today, 0) as spent_today, coalesce(s.spend7, 0) as spend7, coalesce(s.revenue7, 0) as revenue7,"
        " coalesce(s.impressions7, 0) as impressions7, coalesce(b.highest, 0) as highest_today,"
        " d.from_minor as day_ago_minor, d.to_minor as first_to_minor, r.at as last_raise_at"
        " from campaigns c"
        " left join lateral (select sum(spend_minor) filter (where day = :today) as today, sum(spend_minor) as spend7,"
        "   sum(revenue_minor) as revenue7, sum(impressions) as impressions7 from analytics a"
        "   where a.campaign_id = c.id and a.level = 'campaign' and a.hour is null and a.day > :week_ago) s on true"
        " left join lateral (select max(greatest(from_minor, to_minor)) as highest from budget_changes x"
        "   where x.campaign_id = c.id and x.at >= :day_start and x.at < :day_end) b on true"
        " left join lateral (select from_minor, to_minor from budget_changes x where x.campaign_id = c.id and x.at > :day_ago"
        "   order by x.at limit 1) d on true"
        " left join lateral (select max(at) as at from budget_changes x where x.campaign_id = c.id and x.to_minor > x.from_minor)"
        "   r on true"
        " where c.workspace = :workspace and c.external_id is not null",
        workspace=action.workspace,
        today=today,
        week_ago=today - timedelta(days=7),
        day_start=day_start,
        day_end=day_end,
        day_ago=now - timedelta(hours=24),
    )
    exposures: list[Exposure] = []
    target: CampaignFacts | None = None
    known: set[tuple[str, str]] = set()
    read = bool(platform) or not isinstance(action, PublishCampaign)
    for row in rows:
        known.add((row["platform"], row["external_id"]))
        read_of = fresh.get((row["platform"], row["external_id"]))
        if row["currency"] != policy.currency or row["daily_budget_minor"] is None:
            unreadable.append(f"{row['id']}.currency")
            continue
        ledger = Money(minor=row["daily_budget_minor"], currency=row["currency"])
        budget = read_of.daily_budget if read_of and read_of.daily_budget else ledger
        delivery = read_of.delivery if read_of else row["delivery"]
        if row["platform"] == action.platform and read and platform and read_of is None and row["status"] in RUNNING:
            unreadable.append(f"{row['platform']}.{row['external_id']}")
        delivering = delivery in LIVE if read_of else row["status"] in RUNNING
        zero = Money.zero(policy.currency)
        exposures.append(
            Exposure(
                campaign_id=row["id"],
                platform=row["platform"],
                delivering=delivering,
                daily_budget=budget,
                highest_today=Money(minor=max(int(row["highest_today"]), budget.minor, ledger.minor), currency=policy.currency),
                spent_today=zero + Money(minor=int(row["spent_today"]), currency=policy.currency),
            )
        )
        if row["id"] == action.campaign_id:
            baseline = row["day_ago_minor"] if row["day_ago_minor"] is not None else row["first_to_minor"]
            target = CampaignFacts(
                campaign_id=row["id"],
                platform=row["platform"],
                name=row["name"],
                external_id=row["external_id"],
                status=row["status"],
                delivery=delivery,
                daily_budget=budget,
                ledger_budget=ledger,
                baseline_budget=Money(minor=int(baseline), currency=policy.currency) if baseline is not None else budget,
                launched_at=row["launched_at"],
                last_raise_at=row["last_raise_at"],
                impressions_7d=int(row["impressions7"]),
                spend_7d=Money(minor=int(row["spend7"]), currency=policy.currency),
                revenue_7d=Money(minor=int(row["revenue7"]), currency=policy.currency),
                read_at=read_of.read_at if read_of else None,
            )
            if platform is not None and read_of is None:
                unreadable.append(f"{row['platform']}.{row['external_id']}")
    # Somebody else's campaigns in the same ad account spend the same money.
    for (name, external_id), campaign in fresh.items():
        if (name, external_id) in known or campaign.delivery not in LIVE:
            continue
        if campaign.daily_budget is None or campaign.daily_budget.currency != policy.currency:
            unreadable.append(f"{name}.{external_id}.daily_budget")
            continue
        exposures.append(
            Exposure(
                campaign_id=f"{name}:{external_id}",
                platform=campaign.platform,
                delivering=True,
                daily_budget=campaign.daily_budget,
                highest_today=campaign.daily_budget,
                spent_today=Money.zero(policy.currency),
            )
        )
    week = await _one(
        conn,
        "select coalesce(sum(spend_minor), 0) as spent, bool_or(currency <> :currency) as foreign_currency from analytics"
        " where workspace = :workspace and level = 'campaign' and hour is null and day >= :monday and day < :today",
        workspace=action.workspace,
        currency=policy.currency,
        monday=monday,
        today=today,
    )
    assert week is not None  # an aggregate without group by always has one row
    if week["foreign_currency"]:
        unreadable.append("analytics.currency")
    done = await _one(
        conn,
        "select count(*) as n from actions where workspace = :workspace and kind = any(:kinds) and status = any(:counted)"
        " and decided_at >= :day_start and decided_at < :day_end and id::text <> :own",
        workspace=action.workspace,
        kinds=["campaign.set_budget", "campaign.pause", "campaign.resume"],
        counted=list(COUNTED),
        day_start=day_start,
        day_end=day_end,
        own=excluding or "",
    )
    assert done is not None
    held = await _rows(
        conn,
        "select action_id, campaign_id, platform, exposure_minor, currency from reservations"
        " where workspace = :workspace and status = 'held' and action_id::text <> :own",
        workspace=action.workspace,
        own=excluding or "",
    )
    budget_facts = BudgetFacts(
        exposures=tuple(exposures),
        reservations=tuple(
            Reservation(
                action_id=str(r["action_id"]),
                campaign_id=r["campaign_id"],
                platform=r["platform"],
                daily_budget=Money(minor=r["exposure_minor"], currency=r["currency"]),
            )
            for r in held
        ),
        spent_week_before_today=Money(minor=int(week["spent"]), currency=policy.currency),
        days_left_after_today=max(0, round((week_end - day_end).total_seconds() / 86400)),
        adjustments_today=int(done["n"]),
    )
    return facts.model_copy(update={"campaign": target, "budget": budget_facts, "unreadable": tuple(sorted(set(unreadable)))})


async def _conversation(conn: AsyncConnection, conversation_id: str) -> ConversationFacts | None:
    row = await _one(
        conn,
        "select c.id, c.owner, c.epoch, c.last_inbound_at, l.opted_out_at from conversations c"
        " join leads l on l.id = c.lead_id where c.id = :id for update of c",
        id=conversation_id,
    )
    if row is None:
        return None
    return ConversationFacts(
        conversation_id=str(row["id"]),
        owner=row["owner"],
        epoch=row["epoch"],
        opted_out=row["opted_out_at"] is not None,
        last_inbound_at=row["last_inbound_at"],
    )
