"""What the gate judges by: the ledger's own figures and a fresh platform read, put together inside the gate's transaction.

Here are the queries; what is made of their rows is in knowledge.domain.fact_building, which the in-memory books use too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from knowledge.domain.action import CAMPAIGN, CONVERSATION, Action, Platform, PublishCampaign
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.fact_building import ADJUSTMENTS, CHANGES, COUNTED, CampaignAction, LedgerRows, Windows, campaign_facts
from knowledge.domain.facts import ConversationFacts, Facts, KillSwitch
from knowledge.domain.policy import Policy
from knowledge.domain.rates import Rate
from runtime.db import grants, unread_days, wire

_CAMPAIGNS = """
select c.id, c.platform, c.external_id, c.status, c.delivery, c.currency, c.daily_budget_minor,
  coalesce(s.today, 0)::bigint as spent_today, coalesce(b.highest, 0) as highest_today, b.day_from_minor, b.day_to_minor,
  case when c.id = :target then (select to_jsonb(o) from (select c.name, c.launch_budget_minor, c.launched_at, c.emergency_stop,
    coalesce(s.spend7, 0) as spend7, coalesce(s.revenue7, 0) as revenue7, coalesce(s.impressions7, 0) as impressions7,
    w.window_from_minor, w.window_to_minor, w.day_ago_minor, w.first_to_minor, r.at as last_raise_at,
    r.from_minor as raise_from_minor, r.to_minor as raise_to_minor, e.*) o) end as judged
from campaigns c
left join lateral (
  select sum(spend_minor) filter (where day = :today) as today, sum(spend_minor) as spend7, sum(revenue_minor) as revenue7,
    sum(impressions) as impressions7
  from analytics a where a.campaign_id = c.id and a.level = 'campaign' and a.hour is null and a.day > :week_ago) s on true
left join lateral (
  select max(greatest(from_minor, to_minor)) as highest,
    (array_agg(from_minor order by at, seq))[1] as day_from_minor, (array_agg(to_minor order by at, seq))[1] as day_to_minor
  from budget_changes x where x.campaign_id = c.id and x.at >= :day_start and x.at < :day_end) b on true
left join lateral (
  select (array_agg(case when a.decided_at <= least(cast(:window_start as timestamptz), :day_ago)
      then least(x.from_minor, x.to_minor) else x.from_minor end order by x.at, x.seq))[1] as window_from_minor,
    (array_agg(x.to_minor order by x.at, x.seq))[1] as window_to_minor,
    (array_agg(case when a.decided_at <= :day_ago then least(x.from_minor, x.to_minor) else x.from_minor end order by x.at, x.seq)
      filter (where x.at > :day_ago))[1] as day_ago_minor,
    (array_agg(x.to_minor order by x.at, x.seq) filter (where x.at > :day_ago))[1] as first_to_minor
  from budget_changes x left join actions a on a.id = x.action_id
  where c.id = :target and x.campaign_id = c.id and x.at > least(cast(:window_start as timestamptz), :day_ago)) w on true
left join lateral (
  select at, from_minor, to_minor from budget_changes x
  where c.id = :target and x.campaign_id = c.id and x.to_minor > x.from_minor order by at desc, seq desc limit 1) r on true
left join lateral (
  select coalesce(sum(spend_minor) filter (where a.day < g.day), 0) as raise_spend_before,
    coalesce(sum(revenue_minor) filter (where a.day < g.day), 0) as raise_revenue_before,
    coalesce(sum(spend_minor) filter (where a.day > g.day), 0) as raise_spend_since,
    coalesce(sum(revenue_minor) filter (where a.day > g.day), 0) as raise_revenue_since,
    coalesce(sum(impressions) filter (where a.day > g.day), 0) as raise_impressions_since
  from analytics a, (select (r.at at time zone :zone)::date as day) g
  where r.at >= :raised_since and a.campaign_id = c.id and a.level = 'campaign' and a.hour is null
    and a.day >= g.day - 7 and a.day < :today) e on true
where c.workspace = :workspace and c.external_id is not null order by c.id collate "C"
"""
"""One row a campaign, of few columns: there may be hundreds. What only the judged campaign is asked for is `judged`, as JSON.

A change whose answer was lost is in the books from when it was found, but may have been in force since it was decided: of a moment in
between, the lower of its two budgets counts as the budget then.
"""

_PUBLICATION = """
select (select coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'value', value, 'reason', reason, 'added_by', added_by)
    order by kind, value), '[]')
  from blacklist where (kind = 'product' and value = :product) or (kind = 'creative' and value = any(:creatives))
    or (kind in ('term', 'brand') and position(value in :shown) > 0)) as listed,
"""
_NO_PUBLICATION = "select '[]'::jsonb as listed,"
KILLS = """(select coalesce(jsonb_agg(jsonb_build_object('id', id, 'scope', scope, 'target', nullif(target, ''), 'reason', reason,
    'set_by', set_by, 'set_at', set_at) order by set_at, id), '[]') from kill_switches where lifted_at is null)"""
"""The kill switches in force, as one column of a query."""

_REST = """
(select coalesce(jsonb_agg(to_jsonb(t)), '[]') from (
  select platform, external_id, coalesce(sum(spend_minor) filter (where day < :today), 0) as before,
    coalesce(sum(spend_minor) filter (where day = :today), 0) as today, bool_or(currency <> :currency) as foreign,
    case when min(currency) = max(currency) then min(currency) end as currency
  from analytics where workspace = :workspace and level = 'campaign' and hour is null and day >= :monday and day <= :today
  group by platform, external_id) t) as spent,
(select coalesce(jsonb_agg(jsonb_build_object('campaign_id', campaign_id, 'kind', kind, 'done', status = 'done',
    'decided_today', decided_at >= :day_start and decided_at < :day_end)
    order by coalesce(closed_at, decided_at), id), '[]')
  from actions where workspace = :workspace and kind = any(:kinds) and status = any(:counted) and id::text <> :own
    and (decided_at >= :day_start and decided_at < :day_end or closed_at >= :day_start and closed_at < :day_end)) as moves,
(select coalesce(jsonb_agg(jsonb_build_object('action_id', action_id, 'campaign_id', campaign_id, 'platform', platform,
    'exposure_minor', exposure_minor, 'currency', currency) order by action_id), '[]')
  from reservations where workspace = :workspace and status = 'held' and action_id::text <> :own) as held,
(select coalesce(jsonb_agg(jsonb_build_object('action_id', a.id, 'kind', a.kind, 'by', p.decided_by,
    'reason', p.decision_reason, 'at', p.decided_at, 'proposed_minor', a.args #>> '{daily_budget,minor}',
    'current_minor',
    coalesce(a.facts #>> '{campaign,native_budget,minor}', a.facts #>> '{campaign,daily_budget,minor}')) order by p.decided_at desc, a.id), '[]')
  from actions a join approvals p on p.action_id = a.id
  where a.workspace = :workspace and a.campaign_id = :campaign and p.status = 'rejected'
    and p.decided_by like 'user:%' and p.decided_at > :rejected_since) as rejections,
(select coalesce(jsonb_agg(jsonb_build_object('day', day, 'base', base, 'quote', quote, 'rate', rate::text, 'source', source)
    order by day, base, quote), '[]') from exchange_rates where day >= :rates_since and day <= :today) as rates,
(select time_zone from ad_accounts where workspace = :workspace and platform = :platform) as account_zone,
"""
"""The day, the week and what people said, as JSON in one row: one journey to the database instead of four."""
_OF_A_CHANGE, _OF_A_PUBLICATION = (
    f"{first}{_REST}{KILLS} as kills,{unread_days.WHICH}{grants.LIVING}" for first in (_NO_PUBLICATION, _PUBLICATION)
)


@dataclass(frozen=True, slots=True)
class Question:
    """What facts are gathered for. `excluding`: the judged action itself, when it is in the ledger already."""

    action: Action
    proposer: str
    confidence: Decimal | None
    policy: Policy
    now: datetime
    excluding: str | None


async def answer(
    conn: wire.Errand, of: Question, platform: tuple[PlatformCampaign, ...] | None, read: frozenset[Platform] | None = None
) -> Facts:
    """All that the rules of this kind of action look at."""
    action = of.action
    if isinstance(action, CAMPAIGN):
        at = Windows.at(of.now, of.policy.time_zone, of.policy.guardrails)
        rows, stops = await _ledger_rows(conn, action, of.policy, at, of.now, of.excluding)
        facts = Facts(now=of.now, proposer=of.proposer, confidence=of.confidence, kills=stops)
        return campaign_facts(facts, action, platform, of.policy, at, rows, read)
    talk = await _conversation(conn, action.conversation_id) if isinstance(action, CONVERSATION) else None
    return Facts(now=of.now, proposer=of.proposer, confidence=of.confidence, kills=await kills(conn), conversation=talk)


async def kills(conn: wire.Errand) -> tuple[KillSwitch, ...]:
    """The kill switches in force, the oldest first."""
    row = await _one(conn, f"select {KILLS} as kills")
    assert row is not None  # a select without a table has one row
    return kill_switches(row["kills"])


def kill_switches(found: list[dict[str, Any]]) -> tuple[KillSwitch, ...]:
    """What the column `KILLS` tells."""
    return tuple(KillSwitch.model_validate(row | {"set_at": _moment(row["set_at"])}) for row in found)


async def _rows(conn: wire.Errand, sql: str, **params: Any) -> list[Any]:
    return await wire.rows(conn, sql, params)


async def _one(conn: wire.Errand, sql: str, **params: Any) -> Any | None:
    return await wire.one(conn, sql, params)


async def _ledger_rows(
    conn: wire.Errand, action: CampaignAction, policy: Policy, at: Windows, now: datetime, excluding: str | None
) -> tuple[LedgerRows, tuple[KillSwitch, ...]]:
    campaigns = await _rows(
        conn,
        _CAMPAIGNS,
        workspace=action.workspace,
        today=at.today,
        week_ago=at.week_ago,
        day_start=at.day_start,
        day_end=at.day_end,
        day_ago=at.day_ago,
        window_start=at.window_start,
        raised_since=at.raised_since,
        zone=policy.time_zone,
        target=action.campaign_id,
    )
    rest = await _one(
        conn,
        _OF_A_PUBLICATION if isinstance(action, PublishCampaign) else _OF_A_CHANGE,
        workspace=action.workspace,
        currency=policy.currency,
        monday=at.monday,
        today=at.today,
        past=[day.date for day in at.past],
        kinds=list(CHANGES),
        counted=list(COUNTED),
        day_start=at.day_start,
        day_end=at.day_end,
        own=excluding or "",
        campaign=action.campaign_id,
        platform=action.platform,
        rejected_since=at.rejected_since,
        kind=action.kind,
        rates_since=at.today - timedelta(days=policy.guardrails.financial.max_rate_age_days),
        now=now,
        **_words(action),
    )
    assert rest is not None  # a select without a table has one row
    spent, moves = rest["spent"], rest["moves"]
    unread = unread_days.named(rest["unread"], at.past)
    ledger = LedgerRows(
        campaigns=[row if row["judged"] is None else _whole(row) for row in campaigns],
        held=rest["held"],
        week_spent=sum(row["before"] for row in spent),
        week_foreign=any(row["foreign"] for row in spent),
        adjustments=sum(1 for row in moves if row["kind"] in ADJUSTMENTS and row["decided_today"]),
        spent=spent,
        moves=moves,
        rejections=[r | {"at": _moment(r["at"])} for r in rest["rejections"]],
        listed=rest["listed"],
        grants=grants.living_rows(rest["grants"]),
        rates=[Rate.model_validate(r) for r in rest["rates"]],
        account_zone=rest["account_zone"],
        unread=await unread_days.unread_rows(conn, action.workspace, unread),
    )
    return ledger, kill_switches(rest["kills"])


def _whole(row: wire.Row) -> wire.Row:
    """The judged campaign's row, its own columns beside the others."""
    judged = row["judged"]
    moments = {name: _moment(judged[name]) for name in ("launched_at", "last_raise_at")}
    return row | judged | moments


def _moment(written: str | None) -> datetime | None:
    """A moment as JSON carries it."""
    return None if written is None else datetime.fromisoformat(written).astimezone(UTC)


def _words(action: CampaignAction) -> dict[str, Any]:
    """What a publication is looked up by in the blacklist: compared in lower case, as the table keeps its values."""
    if not isinstance(action, PublishCampaign):
        return {}
    shown = [action.name, action.landing_url, *(part for c in action.creatives for part in (c.headline, c.text))]
    return {
        "product": action.product_id.lower(),
        "creatives": [c.id.lower() for c in action.creatives],
        "shown": "\n".join(shown).lower(),
    }


async def _conversation(conn: wire.Errand, conversation_id: str) -> ConversationFacts | None:
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
