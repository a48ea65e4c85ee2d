"""The rows of which facts are built, out of the tables in memory: the twin of the queries in runtime.db.gate_facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from knowledge.domain.action import CAMPAIGN, PublishCampaign, SetBudget
from knowledge.domain.books import ActionRecord
from knowledge.domain.clock import Day
from knowledge.domain.fact_building import ADJUSTMENTS, CHANGES, COUNTED, LIVE, RUNNING, CampaignAction, LedgerRows, Windows
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from runtime.proof.store import Transaction

_NO_RAISE = {
    "last_raise_at": None, "raise_from_minor": None, "raise_to_minor": None, "raise_spend_before": 0, "raise_revenue_before": 0,
    "raise_spend_since": 0, "raise_revenue_since": 0, "raise_impressions_since": 0,
}  # fmt: skip


def ledger_rows(rows: Transaction, action: CampaignAction, policy: Policy, at: Windows, excluding: str | None) -> LedgerRows:
    """One look at everything that concerns the workspace's money."""
    workspace = action.workspace
    campaigns = sorted(
        (c for c in rows.scan("campaigns") if c["workspace"] == workspace and c["external_id"] is not None),
        key=lambda c: c["id"].encode(),
    )
    days: dict[str, list[Mapping[str, Any]]] = {}
    spent: dict[tuple[str, str], dict[str, Any]] = {}
    foreign = False
    for day in rows.scan("analytics"):
        days.setdefault(day["campaign_id"], []).append(day)
        if day["workspace"] == workspace and at.monday <= day["day"] <= at.today:
            place = (day["platform"], day["external_id"])
            named = {"platform": place[0], "external_id": place[1], "before": 0, "today": 0, "foreign": False}
            sums = spent.setdefault(place, named | {"currency": day["currency"]})
            sums["before" if day["day"] < at.today else "today"] += day["spend_minor"]
            sums["foreign"] = sums["foreign"] or day["currency"] != policy.currency
            sums["currency"] = day["currency"] if sums["currency"] == day["currency"] else None
            foreign = foreign or day["currency"] != policy.currency
    moves: list[ActionRecord] = []
    noes: list[dict[str, Any]] = []
    for a in rows.scan("actions"):
        if a.action.workspace != workspace:
            continue
        kind = a.action.kind
        if kind in CHANGES and a.status in COUNTED and a.id != excluding and (_today(a.decided_at, at) or _today(a.closed_at, at)):
            moves.append(a)
        if a.status in ("rejected", "refused") and getattr(a.action, "campaign_id", None) == action.campaign_id:
            _no(rows, a, at, noes)
    moves.sort(key=lambda a: (a.closed_at or a.decided_at, a.id))
    held = [
        r
        for r in rows.scan("reservations")
        if r["status"] == "held" and r["workspace"] == workspace and r["action_id"] != excluding
    ]
    noes.sort(key=lambda r: r["action_id"])
    noes.sort(key=lambda r: r["at"], reverse=True)
    return LedgerRows(
        campaigns=[_campaign(rows, c, days.get(c["id"], []), action, policy, at) for c in campaigns],
        held=sorted(held, key=lambda r: r["action_id"]),
        week_spent=sum(row["before"] for row in spent.values()),
        week_foreign=foreign,
        adjustments=sum(1 for a in moves if a.action.kind in ADJUSTMENTS and _today(a.decided_at, at)),
        spent=list(spent.values()),
        moves=[
            {"campaign_id": getattr(a.action, "campaign_id", None), "kind": a.action.kind, "done": a.status == "done"}
            for a in moves
        ],
        rejections=noes,
        listed=_listed(rows, action),
        grants=_grants(rows, action, at, excluding),
        account_zone=rows.get("ad_accounts", (workspace, action.platform)),
        unread=_unread(rows, workspace, at),
    )


def _unread(rows: Transaction, workspace: str, at: Windows) -> list[dict[str, Any]]:
    """Who of ours may have spent on a day that nobody has read: the twin of runtime.db.unread_days."""
    ours = sorted((c for c in rows.scan("campaigns") if c["workspace"] == workspace), key=lambda c: c["id"].encode())
    unread = [
        (campaign, day)
        for day in at.past
        for campaign in ours
        if rows.get("days_read", (workspace, campaign["platform"], day.date)) is None
    ]
    if not unread:
        return []
    actions: dict[str, list[ActionRecord]] = {}
    records: Iterator[ActionRecord] = rows.scan("actions")
    for a in records:
        if isinstance(a.action, CAMPAIGN) and a.action.kind in CHANGES and a.status in COUNTED:
            actions.setdefault(a.action.campaign_id, []).append(a)
    made = (_ran(rows, campaign, day, actions.get(campaign["id"], [])) for campaign, day in unread)
    return [row for row in made if row is not None]


def _ran(rows: Transaction, campaign: Mapping[str, Any], day: Day, actions: list[ActionRecord]) -> dict[str, Any] | None:
    in_hand = [a.action for a in actions if a.decided_at < day.end and (a.closed_at is None or a.closed_at >= day.start)]
    if not in_hand and not _running_on(campaign, day, actions):
        return None
    changes = [x for x in rows.get("budget_changes", campaign["id"]) or () if x["currency"] == campaign["currency"]]
    changes.sort(key=lambda x: x["at"])
    before = [x["to_minor"] for x in changes if x["at"] < day.start][-1:]
    after = [x["from_minor"] for x in changes if x["at"] >= day.start][:1]
    within = [minor for x in changes if day.start <= x["at"] < day.end for minor in (x["from_minor"], x["to_minor"])]
    known = [minor for minor in (*before, *after, *within) if minor is not None] or [campaign["daily_budget_minor"]]
    budgets: list[Money] = [a.daily_budget for a in in_hand if isinstance(a, PublishCampaign | SetBudget)]
    known += [budget.minor for budget in budgets if budget.currency == campaign["currency"]]
    spent = rows.get("analytics", (campaign["platform"], campaign["external_id"], day.date))
    same = spent is not None and spent["currency"] == campaign["currency"]
    return {
        "campaign_id": campaign["id"],
        "platform": campaign["platform"],
        "day": day.date,
        "currency": campaign["currency"],
        "highest_then": max((minor for minor in known if minor is not None), default=None),
        "spent_then": spent["spend_minor"] if spent is not None and same else 0,
    }


def _running_on(campaign: Mapping[str, Any], day: Day, actions: list[ActionRecord]) -> bool:
    launched = campaign["launched_at"]
    if campaign["external_id"] is None or (launched is not None and launched >= day.end):
        return False
    done = [(a.closed_at, a) for a in actions if a.status == "done" and a.closed_at is not None]
    before = [(at, place, a) for place, (at, a) in enumerate(done) if at < day.start]
    since = [
        (at, a.id, a.action.kind) for at, a in done if at >= day.start and a.action.kind in ("campaign.pause", "campaign.resume")
    ]
    last = max(before)[2] if before else None
    if last is not None and (last.result or {}).get("campaign", {}).get("delivery") in LIVE:
        return True
    if since:
        return last is None or min(since)[2] == "campaign.pause"
    return campaign["status"] in RUNNING or campaign["delivery"] in LIVE


def _today(moment: datetime | None, at: Windows) -> bool:
    return moment is not None and at.day_start <= moment < at.day_end


def _no(rows: Transaction, record: ActionRecord, at: Windows, noes: list[dict[str, Any]]) -> None:
    ticket = rows.get("tickets", record.id)
    if ticket is None or ticket.status != "rejected" or not (ticket.decided_by or "").startswith("user:"):
        return
    if ticket.decided_at <= at.rejected_since:
        return
    budget = getattr(record.action, "daily_budget", None)
    noes.append(
        {
            "action_id": record.id,
            "kind": record.action.kind,
            "by": ticket.decided_by,
            "reason": ticket.reason,
            "at": ticket.decided_at,
            "proposed_minor": budget.minor if budget is not None else None,
            "current_minor": record.facts.campaign.budget_at_platform.minor if record.facts.campaign else None,
        }
    )


def _campaign(
    rows: Transaction,
    campaign: Mapping[str, Any],
    days: list[Mapping[str, Any]],
    action: CampaignAction,
    policy: Policy,
    at: Windows,
) -> dict[str, Any]:
    changes = rows.get("budget_changes", campaign["id"]) or ()
    if any(b["at"] < a["at"] for a, b in pairwise(changes)):
        changes = sorted(changes, key=lambda x: x["at"])  # a stable sort: the order of one moment's changes stays
    week = [d for d in days if d["day"] > at.week_ago]
    today = [x for x in changes if at.day_start <= x["at"] < at.day_end]
    return {
        **campaign,
        "spent_today": sum(d["spend_minor"] for d in week if d["day"] == at.today),
        "spend7": sum(d["spend_minor"] for d in week),
        "revenue7": sum(d["revenue_minor"] for d in week),
        "impressions7": sum(d["impressions"] for d in week),
        "highest_today": max((max(x["from_minor"] or 0, x["to_minor"]) for x in today), default=0),
        "day_from_minor": today[0]["from_minor"] if today else None,
        "day_to_minor": today[0]["to_minor"] if today else None,
        **_of_target(changes if campaign["id"] == action.campaign_id else (), days, policy, at),
    }


def _of_target(changes: Any, days: list[Mapping[str, Any]], policy: Policy, at: Windows) -> dict[str, Any]:
    """What is asked of the judged campaign alone."""
    earliest = min(at.window_start, at.day_ago)
    window = next((x for x in changes if x["at"] > earliest), None)
    since = next((x for x in changes if x["at"] > at.day_ago), None)
    raised = [x for x in changes if x["from_minor"] is not None and x["to_minor"] > x["from_minor"]]
    found = dict(_NO_RAISE)
    if raised:
        last = raised[-1]
        found |= {"last_raise_at": last["at"], "raise_from_minor": last["from_minor"], "raise_to_minor": last["to_minor"]}
        if last["at"] >= at.raised_since:
            day = last["at"].astimezone(ZoneInfo(policy.time_zone)).date()
            before = [d for d in days if day - timedelta(days=7) <= d["day"] < day and d["day"] < at.today]
            after = [d for d in days if day < d["day"] < at.today]
            found |= {
                "raise_spend_before": sum(d["spend_minor"] for d in before),
                "raise_revenue_before": sum(d["revenue_minor"] for d in before),
                "raise_spend_since": sum(d["spend_minor"] for d in after),
                "raise_revenue_since": sum(d["revenue_minor"] for d in after),
                "raise_impressions_since": sum(d["impressions"] for d in after),
            }
    return {
        "window_from_minor": _before(window, earliest),
        "window_to_minor": window["to_minor"] if window else None,
        "day_ago_minor": _before(since, at.day_ago),
        "first_to_minor": since["to_minor"] if since else None,
        **found,
    }


def _before(change: Mapping[str, Any] | None, moment: datetime) -> int | None:
    """The budget at a moment before the change was in the books. It may have been in force since it was decided: the lower counts."""
    if change is None or change["from_minor"] is None:
        return None
    begun = change["since"] is not None and change["since"] <= moment
    return min(change["from_minor"], change["to_minor"]) if begun else change["from_minor"]


def _grants(rows: Transaction, action: CampaignAction, at: Windows, excluding: str | None) -> list[dict[str, Any]]:
    """Living grants of the action's kind. What the judged action used already is still its own."""
    found: list[dict[str, Any]] = []
    for g in rows.scan("grants"):
        if (g["workspace"], g["action_kind"]) != (action.workspace, action.kind) or g["expires_at"] <= at.now:
            continue
        words = [w for w in rows.scan("agreements") if w["kind"] == g["action_kind"]]
        agreed = max((w["at"] for w in words if w["agreed"]), default=None)
        noes = [w for w in words if not w["agreed"] and w["at"] > g["granted_at"] and (agreed is None or w["at"] > agreed)]
        own = 1 if excluding is not None and rows.get("grant_uses", excluding) == g["id"] else 0
        undos = (a for a in rows.scan("actions") if a.undo_of is not None and a.status == "done")
        undone = sum(1 for a in undos if rows.get("grant_uses", a.undo_of) == g["id"])
        left = {"left": g["max_count"] - g["used"] + own, "rejections_in_row": len(noes), "undone": undone}
        found.append({k: g[k] for k in ("id", "action_kind", "max_amount_minor", "currency", "max_change", "expires_at")} | left)
    return sorted(found, key=lambda g: (g["expires_at"], g["id"]))


def _listed(rows: Transaction, action: CampaignAction) -> list[dict[str, Any]]:
    if not isinstance(action, PublishCampaign):
        return []
    parts = [action.name, action.landing_url, *(part for c in action.creatives for part in (c.headline, c.text))]
    shown, creatives = "\n".join(parts).lower(), {c.id.lower() for c in action.creatives}
    found = [
        row
        for row in rows.scan("blacklist")
        if (row["kind"] == "product" and row["value"] == action.product_id.lower())
        or (row["kind"] == "creative" and row["value"] in creatives)
        or (row["kind"] in ("term", "brand") and row["value"] in shown)
    ]
    return sorted(found, key=lambda row: (row["kind"], row["value"]))
