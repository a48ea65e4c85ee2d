"""What the gate judges by: the ledger's own figures and a fresh platform read, put together inside the gate's transaction.

Here are the queries; what is made of their rows is in knowledge.domain.fact_building, which the in-memory books use too.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from knowledge.domain.action import CAMPAIGN, CONVERSATION, Action
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.fact_building import ADJUSTMENTS, COUNTED, CampaignAction, LedgerRows, Windows, campaign_facts
from knowledge.domain.facts import ConversationFacts, Facts
from knowledge.domain.policy import Policy


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
        at = Windows.at(facts.now, policy.time_zone)
        return campaign_facts(facts, action, platform, policy, at, await _ledger_rows(conn, action, policy, at, excluding))
    if isinstance(action, CONVERSATION):
        return facts.model_copy(update={"conversation": await _conversation(conn, action.conversation_id)})
    return facts


async def _rows(conn: AsyncConnection, sql: str, **params: Any) -> list[Any]:
    return list((await conn.execute(text(sql), params)).mappings())


async def _one(conn: AsyncConnection, sql: str, **params: Any) -> Any | None:
    rows = await _rows(conn, sql, **params)
    return rows[0] if rows else None


async def _ledger_rows(
    conn: AsyncConnection, action: CampaignAction, policy: Policy, at: Windows, excluding: str | None
) -> LedgerRows:
    campaigns = await _rows(
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
        ' where c.workspace = :workspace and c.external_id is not null order by c.id collate "C"',
        workspace=action.workspace,
        today=at.today,
        week_ago=at.week_ago,
        day_start=at.day_start,
        day_end=at.day_end,
        day_ago=at.day_ago,
    )
    week = await _one(
        conn,
        "select coalesce(sum(spend_minor), 0) as spent, bool_or(currency <> :currency) as foreign_currency from analytics"
        " where workspace = :workspace and level = 'campaign' and hour is null and day >= :monday and day < :today",
        workspace=action.workspace,
        currency=policy.currency,
        monday=at.monday,
        today=at.today,
    )
    assert week is not None  # an aggregate without group by always has one row
    done = await _one(
        conn,
        "select count(*) as n from actions where workspace = :workspace and kind = any(:kinds) and status = any(:counted)"
        " and decided_at >= :day_start and decided_at < :day_end and id::text <> :own",
        workspace=action.workspace,
        kinds=list(ADJUSTMENTS),
        counted=list(COUNTED),
        day_start=at.day_start,
        day_end=at.day_end,
        own=excluding or "",
    )
    assert done is not None
    held = await _rows(
        conn,
        "select action_id, campaign_id, platform, exposure_minor, currency from reservations"
        " where workspace = :workspace and status = 'held' and action_id::text <> :own order by action_id",
        workspace=action.workspace,
        own=excluding or "",
    )
    return LedgerRows(
        campaigns=campaigns,
        held=held,
        week_spent=int(week["spent"]),
        week_foreign=bool(week["foreign_currency"]),
        adjustments=int(done["n"]),
    )


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
