"""The spend watchdog's round: read the platforms, stop what runs away, compare the books, free room that nobody needs any more.

Pause first, diagnose after: the emergency pauses leave before anything else is looked at, each through the gate. What one step of the
round cannot do does not keep the next from being done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from knowledge.domain.action import PauseCampaign, Platform
from knowledge.domain.books import FINAL, Proposal
from knowledge.domain.campaign import InsightRow, PlatformCampaign
from knowledge.domain.clock import days_between, known_zone
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from runtime.db import unread_days
from runtime.db.spend import LedgerCampaign, SpendBooks
from runtime.jobs import spend_care
from runtime.jobs.spend_care import WATCHDOG
from tools.errors import VendorError
from tools.watchdog import Account, Alarm, Before, Watch, Watched, alarms

if TYPE_CHECKING:
    from knowledge.domain.policy import Policy
    from runtime.db.uow import Transaction
    from runtime.wiring import House
    from tools.gate import Receipt
    from tools.ports import AdPlatform

log = logging.getLogger("ceo.watch")

KINDS = frozenset({
    "spend_velocity", "workspace_velocity", "over_cap", "over_week_cap", "outside_plan", "unplanned_spend", "rate_missing",
    "pause_failed", "books_disagree", "campaign_gone", "room_stuck", "over_cap_unread", "over_week_cap_unread",
    "over_platform_cap", "over_campaign_cap", "over_platform_week_cap", "over_campaign_week_cap", "over_own_cap_unread",
})  # fmt: skip
"""Alerts that this round opens, and closes when their cause is gone."""
SEEN_FIRST = frozenset({
    "spend_velocity", "workspace_velocity", "over_cap", "over_cap_unread", "over_week_cap", "over_week_cap_unread", "outside_plan",
    "over_platform_cap", "over_campaign_cap", "over_platform_week_cap", "over_campaign_week_cap", "over_own_cap_unread",
    "campaign_gone",
})  # fmt: skip
"""What somebody must have acknowledged before it closes by itself: money was stopped, or something was taken away."""


@dataclass(frozen=True)
class Reading:
    """One platform in this round: what it said, or None where it did not answer; and our books from just before."""

    platform: Platform
    zone: str
    day: date
    at: datetime
    seen: dict[str, PlatformCampaign] | None
    rows: tuple[InsightRow, ...]
    ledger: tuple[LedgerCampaign, ...]
    strangers: dict[str, Money]
    publishing: bool


async def watch(house: House, slot: datetime) -> dict[str, Any]:
    """One round. Returns what it did: pauses by campaign, open causes, released room, proposals of rollback."""
    readings = await asyncio.gather(*(_read(house, p, ads) for p, ads in sorted(house.effects.ports.ads.items())))
    found = alarms(await _picture(house, readings), house.policy())
    pauses: dict[str, str] = {}
    causes: set[str] = set()
    wanted: dict[tuple[Platform, str], Alarm] = {}
    for alarm in found:
        for campaign in alarm.pause:
            wanted.setdefault(campaign, alarm)
    for (platform, campaign_id), alarm in wanted.items():
        reading = next(r for r in readings if r.platform == platform)
        try:
            receipt = await _stop(house, platform, campaign_id, alarm, reading)
        except Exception:  # whatever is wrong with this one, the others are stopped too
            log.exception("the emergency stop of %s on %s raised", campaign_id, platform)
            receipt = None
        status = pauses[campaign_id] = receipt.status if receipt is not None else "failed"
        if receipt is None or not receipt.done:
            cause = f"unpaused:{campaign_id}"
            causes.add(cause)
            name = next((c.name for c in reading.ledger if c.id == campaign_id), campaign_id)
            await house.alert(cause, "pause_failed", "critical", campaign=name, platform=platform, status=status)
    for alarm in found:
        causes.add(alarm.key)
        await house.alert(alarm.key, alarm.kind, alarm.severity, **alarm.params)
    result: dict[str, Any] = {"pauses": pauses, "unread": [r.platform for r in readings if r.seen is None]}
    for name, step in (("books", spend_care.compare), ("room", spend_care.release), ("rollback", spend_care.roll_back)):
        result[name] = await step(house, readings, causes)
    await _sweep(house, readings, causes)
    return result | {"causes": sorted(causes)}


async def _read(house: House, platform: Platform, ads: AdPlatform) -> Reading:
    """Reads the platform, keeps what it said in the ledger, and returns it beside what the ledger had before."""
    policy, at = house.policy(), house.clock.now()
    zone, seen, rows, account, whole = policy.time_zone, None, (), None, list[date]()
    try:
        account = await ads.account()
        zone = known_zone(account.time_zone, policy.time_zone)
        today = at.astimezone(ZoneInfo(zone)).date()
        since = await _first_unread(house, platform, today)
        found, listed = await asyncio.gather(ads.insights(since, today), ads.list_campaigns())
        rows, seen = tuple(found), {c.external_id: c for c in listed}
        whole = [since + timedelta(days=n) for n in range((today - since).days)]
    except VendorError as error:
        await house.unread(platform, error)
    today = at.astimezone(ZoneInfo(zone)).date()
    async with house.db.transaction() as tx:
        await tx.analytics.taking(platform, workspace=policy.workspace)
        books = SpendBooks(tx.conn)
        ledger = await books.campaigns(platform, today, zone, at, workspace=policy.workspace)
        strangers = await books.strangers(platform, today, workspace=policy.workspace)
        publishing = await books.in_hand(platform, workspace=policy.workspace)
        if account is not None:
            await tx.analytics.account_read(account, at=at, workspace=policy.workspace)
        if seen is not None:
            await tx.analytics.upsert(rows, at=at, workspace=policy.workspace)
            await tx.analytics.day_read(platform, whole, at=at, workspace=policy.workspace)
            for campaign in seen.values():
                await tx.campaigns.synced(campaign)
    if seen is not None:
        await house.read_again(platform)
    return Reading(platform, zone, today, at, seen, rows, tuple(ledger), strangers, publishing)


async def _first_unread(house: House, platform: Platform, today: date) -> date:
    """From where the platform's days are read: from yesterday, or from the first day of this week that nobody has read yet."""
    monday = today - timedelta(days=today.weekday())
    week = [monday + timedelta(days=n) for n in range(today.weekday())]
    async with house.db.transaction() as tx:
        read = await tx.analytics.days_read(platform, monday, workspace=house.policy().workspace)
    return min([day for day in week if day not in read], default=today - timedelta(days=1))


async def standing(house: House) -> Watch:
    """The spend of today as far as the ledger knows it, without asking a platform. A platform whose alert is open (it did not answer
    last time) counts as unread."""
    policy, at = house.policy(), house.clock.now()
    today = at.astimezone(ZoneInfo(policy.time_zone)).date()
    readings: list[Reading] = []
    async with house.db.transaction() as tx:
        opened = await tx.alerts.list(workspace=policy.workspace, limit=1000)
        silent = {a.cause_key.partition(":")[2] for a in opened if a.kind in ("api_failing", "token_refused")}
        for platform in sorted(house.effects.ports.ads):
            ledger = await SpendBooks(tx.conn).campaigns(platform, today, policy.time_zone, at, workspace=policy.workspace)
            strangers = await SpendBooks(tx.conn).strangers(platform, today, workspace=policy.workspace)
            seen: dict[str, PlatformCampaign] | None = None if platform in silent else {}
            readings.append(Reading(platform, policy.time_zone, today, at, seen, (), tuple(ledger), strangers, False))
    return await _picture(house, readings)


async def _picture(house: House, readings: tuple[Reading, ...] | list[Reading]) -> Watch:
    """The round's facts for the pure half."""
    policy, now = house.policy(), house.clock.now()
    today = now.astimezone(ZoneInfo(policy.time_zone)).date()
    async with house.db.transaction() as tx:
        week = await _before(tx, today, {str(r.platform): r.day for r in readings}, policy)
        rates = await tx.exchange_rates.known(today - timedelta(days=policy.guardrails.financial.max_rate_age_days), today)
    return Watch(now, tuple(account_of(r) for r in readings), tuple(week), tuple(rates))


async def _before(tx: Transaction, today: date, own: Mapping[str, date], policy: Policy) -> list[Before]:
    """What the days of this week before today have cost: as measured, and at their worst where nobody has read them. `own` is the
    local day of each platform's account: where that is another one, it is the day that counts as today, and only once."""
    monday, last = today - timedelta(days=today.weekday()), max([today, *own.values()])
    found: list[Before] = []
    for ends in sorted({today, *own.values()}):
        if ends <= monday:
            continue
        rows = await tx.analytics.spent_by_campaign(monday, ends - timedelta(days=1), workspace=policy.workspace)
        found += [
            Before(p, campaign, spent, Money.zero(spent.currency)) for p, campaign, spent in rows if own.get(p, today) == ends
        ]
    past = days_between(monday, last, policy.time_zone)
    if not past:
        return found
    unread = [
        (platform, day)
        for platform, day in await unread_days.unread(tx.conn, policy.workspace, past)
        if day.date < own.get(platform, today)
    ]
    for row in await unread_days.unread_rows(tx.conn, policy.workspace, unread):
        if row["highest_then"] is None:
            continue
        highest = Money(minor=row["highest_then"], currency=row["currency"])
        worst = highest.times(policy.multiplier(row["platform"]), ROUND_CEILING)
        assumed = Money(minor=max(0, worst.minor - row["spent_then"]), currency=row["currency"])
        found.append(Before(row["platform"], row["campaign_id"], Money.zero(row["currency"]), assumed))
    return found


def account_of(reading: Reading) -> Account:
    """A reading as the pure half looks at it."""
    today = {r.external_id: r.spend for r in reading.rows if r.day == reading.day and r.hour is None}
    watched: list[Watched] = []
    for own in reading.ledger:
        seen = None if reading.seen is None else reading.seen.get(own.external_id)
        currency = next((m.currency for m in (own.plan, own.spent, today.get(own.external_id)) if m), None)
        if currency is None:  # neither a budget nor any spend is known: nothing to compare
            continue
        before = own.spent or Money.zero(currency)
        spent = max(today.get(own.external_id, before), before) if before.currency == currency else today[own.external_id]
        plan = own.highest
        if plan is not None and own.in_hand and own.reserved is not None:
            plan = max(plan, own.reserved)
        watched.append(
            Watched(
                campaign_id=own.id,
                external_id=own.external_id,
                name=own.name,
                status=own.status,
                delivery=seen.delivery if seen else (own.delivery if reading.seen is None else None),
                plan=plan,
                spent=spent,
                grown=spent - before,
                paused_at=own.paused_at,
                since=own.let_run,
                busy=own.in_hand or (own.last_change_at is not None and own.last_change_at >= reading.at),
            )
        )
    known = {own.external_id for own in reading.ledger}
    for external_id in sorted(({*(reading.seen or {}), *today, *reading.strangers}) - known):
        seen = (reading.seen or {}).get(external_id)
        amounts = (today.get(external_id), reading.strangers.get(external_id), seen.daily_budget if seen else None)
        currency = next((m.currency for m in amounts if m is not None), None)
        if currency is None:
            continue
        before = reading.strangers.get(external_id) or Money.zero(currency)
        spent = today.get(external_id, before)
        watched.append(
            Watched(
                campaign_id=None,
                external_id=external_id,
                name=seen.name if seen else external_id,
                status=None,
                delivery=seen.delivery if seen else None,
                plan=seen.daily_budget if seen else None,
                spent=spent,
                grown=spent - before,
            )
        )
    return Account(reading.platform, reading.zone, reading.seen is not None, tuple(watched), busy=reading.publishing)


async def _stop(house: House, platform: Platform, campaign_id: str, alarm: Alarm, reading: Reading) -> Receipt:
    """An emergency pause through the gate. The key names campaign, day and cause; when it was done and the campaign runs again, or
    when the platform turned it down, the next round asks anew."""
    base, attempt = f"watchdog:{alarm.kind}:{campaign_id}:{reading.day}", 1
    key = base
    async with house.books.transaction() as tx:
        while (known := await tx.action_by_key(key)) is not None:
            if known.status not in FINAL or (known.closed_at or known.decided_at) >= reading.at:
                break
            attempt += 1
            key = f"{base}:{attempt}"
    action = PauseCampaign(workspace=house.policy().workspace, platform=platform, campaign_id=campaign_id, emergency=True)
    return await house.gate.submit(
        Proposal(
            action=action,
            key=key,
            proposer=WATCHDOG,
            why=Message(id=f"alert.{alarm.kind}", params=alarm.params),
            evidence=({"table": "analytics", "campaign_id": campaign_id},),
            correlation_id=f"watch:{reading.at.isoformat()}",
            priority="critical",
        )
    )


async def _sweep(house: House, readings: tuple[Reading, ...] | list[Reading], causes: set[str]) -> None:
    """Closes what is no longer so. What stopped money stays until a person has seen it; while a platform cannot be read, what is open
    stays open: not seeing it is no sign that it is over."""
    if any(r.seen is None for r in readings):
        return
    async with house.db.transaction() as tx:
        open_ones = await tx.alerts.list(workspace=house.policy().workspace, limit=1000)
    for alert in open_ones:
        if alert.kind not in KINDS or alert.cause_key in causes:
            continue
        if alert.kind in SEEN_FIRST and alert.acknowledged_at is None:
            continue
        await house.resolve(alert.cause_key)
