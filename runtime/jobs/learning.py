"""What the rounds' pauses teach: what lost money is not advertised again under another name (spec G5, M7).

A campaign that a decision round paused for its results leaves its creatives on the blacklist, and a product that lost on every
platform where we advertise leaves itself. Each lesson is learned once and recorded beside the pause that taught it: what a person
takes off the list again stays off, and what runs again is taken off by itself.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from knowledge.domain.fact_building import RUNNING
from runtime.db.action_reads import ActionReads, ActionRow
from runtime.db.audit_write import append
from runtime.jobs import marketing
from runtime.jobs.marketing import MEDIA_BUYER

if TYPE_CHECKING:
    from datetime import datetime

    from runtime.db.campaigns import CampaignRecord
    from runtime.db.records import BlacklistKind
    from runtime.db.uow import Transaction
    from runtime.wiring import House

LOST = frozenset(
    {"optimizer.pause.evidence", "optimizer.thresholds.loser", "optimizer.framework.pause_roas", "optimizer.framework.pause_silent"}
)
"""Why a round pauses what does not earn its cost. Out of stock, or dearer than last week, is no failure of the ad."""
SINCE = timedelta(days=30)
"""Pauses as old as this are still learned from: a request may have waited, and a house may have stood still."""
MOST = 1000


async def decide(house: House, slot: datetime) -> dict[str, Any]:
    """One decision round, and then what this one's pauses and those that were approved since the last one teach."""
    done = await marketing.decide(house, slot)
    return done | {"learned": await learn(house), "forgotten": await forget(house)}


async def learn(house: House) -> list[str]:
    """Lists what failed since the last time. Returns the new entries as `kind:value`."""
    now, reads = house.clock.now(), ActionReads(house.db, house.policy())
    pauses = [row for row in await reads.decided(now - SINCE, MOST) if _lost(row)]
    if not pauses:
        return []
    learned: list[str] = []
    async with house.db.transaction() as tx:
        campaigns = {campaign.id: campaign for campaign in await tx.campaigns.list()}
    lost = {row.campaign_id for row in pauses}
    for row in pauses:
        campaign = campaigns.get(row.campaign_id or "")
        if campaign is None or campaign.product_id is None or await reads.record(1, action_id=row.id, kind="blacklist."):
            continue
        reason = _reason(house, row, campaign.name)
        async with house.db.transaction() as tx:
            entries: list[tuple[BlacklistKind, str]] = []
            for known in await tx.creatives.list(product_id=campaign.product_id, platform=campaign.platform):
                await tx.creatives.set_status(known.creative.id, "failed", now)
                entries.append(("creative", known.creative.id))
            if _everywhere(house, campaign.product_id, campaigns, lost):
                entries.append(("product", campaign.product_id))
            learned += [f"{kind}:{value}" for kind, value in entries if await _list(tx, kind, value, reason, row, now)]
    return learned


async def forget(house: House) -> list[str]:
    """Takes off what runs again, which has not failed: the creatives of such a campaign, and its product. Returns the entries."""
    now, reads = house.clock.now(), ActionReads(house.db, house.policy())
    forgotten: list[str] = []
    async with house.db.transaction() as tx:
        running = {(campaign.product_id or "").lower() for campaign in await tx.campaigns.list() if campaign.status in RUNNING}
    for row in [row for row in await reads.decided(now - SINCE, MOST) if _by_round(row)]:
        again = row.undone or row.campaign_status in RUNNING
        steps = await reads.record(2 * MOST, action_id=row.id, kind="blacklist.")
        gone = {(s.payload["kind"], s.payload["value"]) for s in steps if s.kind == "blacklist.removed"}
        for told in [s.payload for s in steps if s.kind == "blacklist.added" and not s.payload["was_listed"]]:
            kind, value = told["kind"], told["value"]
            if not (value in running if kind == "product" else again):
                continue
            async with house.db.transaction() as tx:
                # Whoever listed it anew had a reason of their own.
                if (kind, value) in gone or await tx.blacklist.reason(kind, value) != told["reason"]:
                    continue
                await tx.blacklist.remove(kind, value)
                if kind == "creative":
                    await tx.creatives.set_status(value, "active", now)
                await append(tx.conn, "blacklist.removed", str(MEDIA_BUYER), now, {"kind": kind, "value": value}, row.id)
                forgotten.append(f"{kind}:{value}")
    return forgotten


def _by_round(row: ActionRow) -> bool:
    """Whether a decision round paused it for its results."""
    why = ((row.why or {}).get("params") or {}).get("reason")
    of_a_round = (row.proposer_kind, row.proposer_id) == (MEDIA_BUYER.kind, MEDIA_BUYER.id) and (
        row.correlation_id or ""
    ).startswith("decision:")
    return row.kind == "campaign.pause" and of_a_round and why in LOST


def _lost(row: ActionRow) -> bool:
    """The same, and it stands still."""
    return _by_round(row) and not row.undone and row.campaign_status == "paused"


def _everywhere(house: House, product: str, campaigns: dict[str, CampaignRecord], lost: set[str | None]) -> bool:
    """Whether the product ran on every platform where we advertise, and lost on each of them."""
    ours = [c for c in campaigns.values() if c.product_id == product and c.external_id is not None]
    wanted = {p for p in house.settings.operator.marketing.platforms if p in house.effects.ports.ads}
    return wanted <= {c.platform for c in ours} and all(c.id in lost for c in ours)


def _reason(house: House, row: ActionRow, name: str) -> str:
    """The round's own words, in the operator's language; a person who is refused reads them."""
    locale = house.settings.operator.locale
    words: dict[str, Any] = ((row.why or {}).get("params") or {}).get("words") or {}
    return f"{name}: {words.get(locale) or next(iter(words.values()), '')}"[:500]


async def _list(tx: Transaction, kind: BlacklistKind, value: str, reason: str, row: ActionRow, now: datetime) -> bool:
    added = await tx.blacklist.add(kind, value, reason=reason, by=str(MEDIA_BUYER), at=now)
    # Recorded also when it was listed already: this pause has been learned from.
    told = {"kind": kind, "value": value.strip().lower(), "reason": reason, "was_listed": not added}
    await append(tx.conn, "blacklist.added", str(MEDIA_BUYER), now, told, row.id)
    return added
