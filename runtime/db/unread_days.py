"""Days of which nobody has read yet what a platform's campaigns have cost: who ran on them, by which budget, and what is known.

Who ran is told by our own record, with doubt counting: what our last action before the day found running, what was first stopped after it
had begun, what nobody stopped or started since and runs today, and whatever had an action in hand then. That something was started
later says nothing of the day: it may have run already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from knowledge.domain.clock import Day
from knowledge.domain.fact_building import CHANGES, COUNTED, LIVE, RUNNING
from runtime.db import wire

WHICH = """
(select coalesce(jsonb_agg(jsonb_build_object('platform', p.platform, 'day', d.day) order by d.day, p.platform), '[]')
  from unnest(cast(:past as date[])) as d(day), (select distinct platform from campaigns where workspace = :workspace) p
  where not exists (select from days_read r where r.workspace = :workspace and r.platform = p.platform and r.day = d.day)) as unread,
"""
"""The unread ones among the days `:past`, as one column of the gate's own query: nearly always none."""

_RAN = """
select c.id as campaign_id, c.platform, u.day, c.currency, coalesce(m.spend_minor, 0) as spent_then,
  greatest(coalesce(h.minor, c.daily_budget_minor), t.asked) as highest_then
from unnest(cast(:platforms as text[]), cast(:days as date[]), cast(:starts as timestamptz[]), cast(:ends as timestamptz[]))
  as u(platform, day, starts, ends)
join campaigns c on c.workspace = :workspace and c.platform = u.platform
left join lateral (
  select count(*) > 0 as yes, max(cast(a.args #>> '{daily_budget,minor}' as bigint))
    filter (where a.args #>> '{daily_budget,currency}' = c.currency) as asked
  from actions a where a.campaign_id = c.id and a.kind = any(:kinds) and a.status = any(:counted)
    and a.decided_at < u.ends and (a.closed_at is null or a.closed_at >= u.starts)) t on true
left join lateral (
  select a.kind from actions a where a.campaign_id = c.id and a.kind in ('campaign.pause', 'campaign.resume') and a.status = 'done'
    and a.closed_at >= u.starts order by a.closed_at, a.id limit 1) f on true
left join lateral (
  select a.result #>> '{campaign,delivery}' = any(:live) as ran from actions a where a.campaign_id = c.id and a.kind = any(:kinds)
    and a.status = 'done' and a.closed_at < u.starts order by a.closed_at desc, a.seq desc limit 1) w on true
left join lateral (
  select max(b.minor) as minor from (
    (select to_minor as minor from budget_changes x
      where x.campaign_id = c.id and x.currency = c.currency and x.at < u.starts order by x.at desc, x.seq desc limit 1)
    union all (select from_minor from budget_changes x
      where x.campaign_id = c.id and x.currency = c.currency and x.at >= u.starts order by x.at, x.seq limit 1)
    union all select greatest(from_minor, to_minor) from budget_changes x
      where x.campaign_id = c.id and x.currency = c.currency and x.at >= u.starts and x.at < u.ends) b) h on true
left join analytics m on m.platform = c.platform and m.external_id = c.external_id and m.level = 'campaign' and m.hour is null
  and m.day = u.day and m.currency = c.currency
where t.yes or (c.external_id is not null and (c.launched_at is null or c.launched_at < u.ends) and coalesce(
  w.ran or f.kind = 'campaign.pause' or (w.ran is null and f.kind is not null)
  or (f.kind is null and (c.status = any(:running) or c.delivery = any(:live) or c.gone_at >= u.starts)), false))
order by u.day, c.id collate "C"
"""


async def unread_rows(conn: wire.Errand, workspace: str, unread: Iterable[tuple[str, Day]]) -> list[dict[str, Any]]:
    """One row for each campaign of ours that may have spent on an unread day of its platform: campaign_id platform day currency
    highest_then (the highest budget in force that day) spent_then (as far as it was measured). Minor units of its own currency."""
    pairs = list(unread)
    if not pairs:
        return []
    return await wire.rows(
        conn,
        _RAN,
        {
            "workspace": workspace,
            "platforms": [platform for platform, _ in pairs],
            "days": [day.date for _, day in pairs],
            "starts": [day.start for _, day in pairs],
            "ends": [day.end for _, day in pairs],
            "kinds": list(CHANGES),
            "counted": list(COUNTED),
            "running": list(RUNNING),
            "live": list(LIVE),
        },
    )


async def unread(conn: wire.Errand, workspace: str, past: Sequence[Day]) -> list[tuple[str, Day]]:
    """The (platform, day) pairs among these days that nobody has read."""
    row = await wire.one(conn, f"select {WHICH} true as asked", {"workspace": workspace, "past": [day.date for day in past]})
    return [] if row is None else named(row["unread"], past)


def named(found: Iterable[dict[str, Any]], past: Iterable[Day]) -> list[tuple[str, Day]]:
    """The column's (platform, day) pairs with the days' bounds."""
    days = {day.date: day for day in past}
    return [(row["platform"], days[date.fromisoformat(row["day"])]) for row in found]
