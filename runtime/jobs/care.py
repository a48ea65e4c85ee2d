"""The house's own care: expiry, recovery, the desk's poll, alerts; and the table that says which schedule does what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from knowledge.domain.money import total
from runtime.db.operations import Severity
from runtime.jobs import anchors, autonomy, learning, marketing, verdicts, watch
from runtime.jobs.history import budget_facts
from runtime.jobs.inbound import take
from tools.errors import VendorError
from tools.guardrails.exposure import worst_today
from tools.watchdog import uses

if TYPE_CHECKING:
    from runtime.wiring import House


async def approvals(house: House, slot: datetime) -> dict[str, Any]:
    """Rejects requests whose time is over, and ends graces whose time is over."""
    return {"expired": await house.gate.expire_due(), "released": await house.gate.release_due()}


async def reconcile(house: House, slot: datetime) -> dict[str, Any]:
    """Looks into actions that a dead process left, or whose outcome is unknown."""
    receipts = await house.gate.recover()
    return {"recovered": {r.action_id: r.status for r in receipts}}


async def desk_poll(house: House, slot: datetime) -> dict[str, Any]:
    """Reads what was written at the desk since last time: a lost webhook of the desk never comes again (conversation.md 1.2)."""
    desk = house.effects.ports.desk
    if desk is None:
        return {"read": 0}
    async with house.db.transaction() as tx:
        open_ones = [c for c in await tx.conversations.list() if c.desk_conversation_id and c.owner != "closed"]
    read = 0
    for conversation in open_ones:
        if conversation.desk_conversation_id is None:
            continue
        try:
            events = await desk.messages_after(conversation.desk_conversation_id, conversation.desk_last_message_id)
        except VendorError as error:
            await house.unread("chatwoot", error)
            return {"read": read, "failed": str(error)}
        for event in events:
            await take(house, event)
            read += 1
        last = next((e.external_id for e in reversed(events) if e.external_id), None)
        if last is not None:
            async with house.db.transaction() as tx:
                await tx.conversations.seen_at_desk(conversation.id, last)
    await house.read_again("chatwoot")
    return {"read": read}


async def alerts(house: House, slot: datetime) -> dict[str, Any]:
    """Opens an alert once per cause and resolves it when the cause is gone."""
    policy, now = house.policy(), house.clock.now()
    money = policy.guardrails.financial
    today = now.astimezone(ZoneInfo(policy.time_zone)).date()
    async with house.db.transaction() as tx:
        days = await tx.analytics.days(today - timedelta(days=6), today)
        campaigns = {c.id: c for c in await tx.campaigns.list()}
    opened: list[str] = []

    async def set_alert(on: bool, key: str, kind: str, severity: Severity, **params: Any) -> None:
        if on:
            if await house.alert(key, kind, severity, **params):
                opened.append(key)
        else:
            await house.resolve(key)

    # What counts as spent: as measured, and at its worst where nobody can say. Over a cap is the watchdog's matter.
    for use in uses(await watch.standing(house), policy):
        used, unread = use.spent >= use.cap.times(money.alert_at), use.assumed.minor > 0
        first = use.scope == "workspace" and use.span == "day"
        kind, params = "budget_used" if first else "cap_used", {"which": "workspace_week", "who": None} | use.params
        cause = use.key.replace("over", "spend", 1)
        await set_alert(used and not unread, cause, kind, "warning", **params)
        await set_alert(used and unread, cause.replace("spend", "spend_unread", 1), f"{kind}_unread", "warning", **params)
        # A day or a week that is over needs nobody any more.
        past = str(use.since - timedelta(days=1 if use.span == "day" else 7))
        for name in ("spend", "spend_unread"):
            await house.resolve(cause.replace("spend", name, 1).replace(str(use.since), past))
    await house.resolve(f"exposure:{today - timedelta(days=1)}")
    facts = await budget_facts(house)
    worst = worst_today(None, facts, policy)
    if worst is not None:
        await set_alert(
            worst > money.daily_cap, f"exposure:{today}", "exposure_over_cap", "warning", worst=worst, cap=money.daily_cap
        )
    for campaign in campaigns.values():
        if not marketing.running(campaign) or campaign.launched_at is None:
            continue
        own = [d.row for d in days if d.campaign_id == campaign.id]
        currency = own[0].spend.currency if own else policy.currency
        two_days = [r for r in own if r.day >= today - timedelta(days=2)]
        silent = (
            now - campaign.launched_at > timedelta(hours=48)
            and total((r.spend for r in two_days), currency).minor > 0
            and sum(r.conversions for r in two_days) == 0
        )
        await set_alert(silent, f"no_conversion:{campaign.id}", "no_conversion_48h", "warning", campaign=campaign.name)
        yesterday = [r for r in own if r.day == today - timedelta(days=1)]
        spend = total((r.spend for r in yesterday), currency)
        roas = total((r.revenue for r in yesterday), currency).ratio_to(spend)
        low = roas is not None and roas < policy.targets.roas
        await set_alert(
            low,
            f"low_roas:{campaign.id}",
            "roas_below_target",
            "info",
            campaign=campaign.name,
            roas=roas,
            target=policy.targets.roas,
        )
        await set_alert(
            campaign.delivery in ("rejected", "with_issues"), f"delivery:{campaign.id}", "delivery_problem", "critical",
            campaign=campaign.name, delivery=campaign.delivery,
        )  # fmt: skip
    return {"opened": opened}


Job = Callable[["House", datetime], Awaitable[dict[str, Any]]]

SCHEDULED: dict[str, Job] = {
    "launch": marketing.launch,
    "publish": marketing.publish,
    "insights": marketing.insights,
    "decide": learning.decide,
    "approvals": approvals,
    "reconcile": reconcile,
    "desk_poll": desk_poll,
    "alerts": alerts,
    "watch": watch.watch,
    "verdicts": verdicts.verdicts,
    "autonomy": autonomy.review,
    "anchor": anchors.anchor,
}


async def tick(house: House, schedule: str, slot: str) -> dict[str, Any]:
    """Runs one slot of one schedule and records what came of it."""
    moment = datetime.fromisoformat(slot)
    result = await SCHEDULED[schedule](house, moment)
    async with house.db.transaction() as tx:
        await tx.schedule_ticks.finish(schedule, moment, result, at=house.clock.now())
    return result
