"""After the watchdog's pauses: books against platform, campaigns that somebody deleted there, and held room whose time is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING
from typing import TYPE_CHECKING, Any

from knowledge.domain.action import Actor, SetBudget
from knowledge.domain.books import Proposal
from knowledge.domain.fact_building import RAISE_MEMORY
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from prompts.messages import LOCALES, render
from runtime.db.spend import LedgerCampaign, SpendBooks
from runtime.jobs.expectations import expected_of
from tools.errors import Refused, VendorError
from tools.guardrails.rollback import due
from tools.watchdog import RUNNING

if TYPE_CHECKING:
    from runtime.jobs.watch import Reading
    from runtime.wiring import House

WATCHDOG = Actor(kind="system", id="watchdog")
CONFIRMED = timedelta(minutes=10)
"""How far apart the two reads lie that must both miss a campaign before it counts as gone: lists may lag behind."""


@dataclass(frozen=True)
class Disagreement:
    """One figure of one campaign that books and platform state differently. `what`: budget | status | spend | spend_above."""

    campaign_id: str
    name: str
    what: str
    ours: Any
    theirs: Any


async def compare(house: House, readings: Sequence[Reading], causes: set[str]) -> dict[str, Any]:
    """Raises one alert a disagreement, with both figures; closes the rows of campaigns that exist no more."""
    found = 0
    gone: list[str] = []
    for reading in readings:
        if reading.seen is None:
            continue
        for one in disagreements(reading, house.policy()):
            found += 1
            cause = f"books:{one.what}:{one.campaign_id}"
            causes.add(cause)
            await _disagree(house, reading, cause, one)
        gone += await _absent(house, reading, causes)
    return {"disagreements": found, "gone": gone}


def disagreements(reading: Reading, policy: Policy) -> list[Disagreement]:
    """Where books and platform differ, for campaigns that nobody is working on right now. Our plan is the budget that an action of
    ours last confirmed: a budget changed by hand at the platform agrees again once it is set through the house, or put back."""
    rows = {(r.external_id, r.day): r.spend for r in reading.rows if r.hour is None}
    out: list[Disagreement] = []
    for own in reading.ledger:
        seen = (reading.seen or {}).get(own.external_id)
        if own.last_change_at is not None and own.last_change_at >= reading.at:
            continue  # changed after the platform was read
        if seen is not None and own.plan is not None and seen.delivery != "archived":
            agreed = (own.plan, own.reserved) if own.in_hand else (own.plan,)
            if seen.daily_budget not in agreed:
                out.append(Disagreement(own.id, own.name, "budget", own.plan, seen.daily_budget))
        if seen is not None and not own.in_hand and own.status in RUNNING and seen.delivery == "paused":
            out.append(Disagreement(own.id, own.name, "status", state("running"), state("paused")))
        yesterday = reading.day - timedelta(days=1)
        for day, ours in ((reading.day, own.spent), (yesterday, own.spent_before)):
            if ours is not None and ours.minor > 0 and (own.external_id, day) not in rows:
                out.append(Disagreement(own.id, own.name, "spend", ours, None))
        spent = rows.get((own.external_id, yesterday))
        if spent is not None and own.highest_before is not None and spent.currency == own.highest_before.currency:
            most = own.highest_before.times(policy.multiplier(own.platform), ROUND_CEILING)
            if spent > most:
                out.append(Disagreement(own.id, own.name, "spend_above", most, spent))
    return out


def state(name: str) -> dict[str, str]:
    """The word for a state in every language."""
    return {locale: render(Message(id=f"books.state.{name}"), locale) for locale in LOCALES}


async def _disagree(house: House, reading: Reading, cause: str, one: Disagreement) -> None:
    what = {locale: render(Message(id=f"books.what.{one.what}"), locale) for locale in LOCALES}
    params = {"campaign": one.name, "platform": reading.platform, "what": what, "ours": one.ours, "theirs": one.theirs}
    await house.alert(cause, "books_disagree", "warning", **params)


async def _absent(house: House, reading: Reading, causes: set[str]) -> list[str]:
    """Looks after campaigns that the platform does not show: twice missing, and gone when asked for by id, is deleted."""
    gone: list[str] = []
    for own in reading.ledger:
        seen = (reading.seen or {}).get(own.external_id)
        if seen is not None and seen.delivery != "archived":
            if own.missing_since is not None:
                await _returned(house, own)
            continue
        if own.gone_at is not None or own.in_hand or (own.last_change_at is not None and own.last_change_at >= reading.at):
            continue
        if seen is None and not await _deleted(house, own):
            continue
        cause = f"gone:{own.id}"
        async with house.db.transaction() as tx:
            since = await SpendBooks(tx.conn).missing(own.id, at=reading.at)
        if reading.at - since < CONFIRMED:
            causes.add(f"books:missing:{own.id}")
            running = state("running" if own.status in RUNNING else "paused")
            one = Disagreement(own.id, own.name, "missing", running, state("absent"))
            await _disagree(house, reading, f"books:missing:{own.id}", one)
            continue
        error = Message(id="alert.campaign_gone", params={"campaign": own.name, "platform": own.platform, "since": since})
        async with house.books.transaction() as tx:
            payload = {"campaign_id": own.id, "platform": own.platform, "external_id": own.external_id, "missing_since": since}
            if await SpendBooks(tx.conn).gone(own.id, at=reading.at, error=error.model_dump(mode="json")):
                await tx.audit("campaign.gone", "system:watchdog", reading.at, payload)
                gone.append(own.id)
        causes.add(cause)
        await house.alert(cause, "campaign_gone", "critical", **error.params)
    return gone


async def _deleted(house: House, own: LedgerCampaign) -> bool:
    """Whether the platform says of the campaign itself that it is no more. No answer is no proof."""
    try:
        found = await house.effects.ports.ads[own.platform].get_campaign(own.external_id)
    except Refused:
        return True
    except VendorError:
        return False
    return found.delivery == "archived"


async def _returned(house: House, own: LedgerCampaign) -> None:
    async with house.books.transaction() as tx:
        now = house.clock.now()
        if await SpendBooks(tx.conn).found(own.id, at=now):
            await tx.audit("campaign.returned", "system:watchdog", now, {"campaign_id": own.id, "platform": own.platform})


async def release(house: House, readings: Sequence[Reading], causes: set[str]) -> dict[str, Any]:
    """Frees held room whose time is over and whose action is final. Room of an action that is not is never freed by time: it may
    have happened, so a person is told."""
    now, workspace = house.clock.now(), house.policy().workspace
    freed: list[str] = []
    stuck: list[str] = []
    async with house.db.transaction() as tx:
        due = await SpendBooks(tx.conn).due(now, workspace=workspace)
    for held in due:
        if not held.final:
            if held.action_status == "scheduled":  # waits for its grace to end, or for a manager who extended it
                continue
            cause = f"room:{held.action_id}"
            causes.add(cause)
            stuck.append(held.action_id)
            await house.alert(
                cause, "room_stuck", "critical", action=held.action_id, campaign=held.campaign_id, platform=held.platform,
                exposure=held.exposure, since=held.since, status=held.action_status,
            )  # fmt: skip
            continue
        async with house.books.transaction() as tx:
            await tx.lock_budget(workspace)
            record = await tx.action(held.action_id)
            if record is None or record.status != held.action_status:
                continue
            await tx.settle(held.action_id, kept=record.status == "done", now=now)
            payload = {"campaign_id": held.campaign_id, "exposure": held.exposure, "expired_at": held.expired_at}
            await tx.audit("reservation.expired", "system:watchdog", now, payload, held.action_id)
            freed.append(held.action_id)
    return {"freed": freed, "stuck": stuck}


async def roll_back(house: House, readings: Sequence[Reading], causes: set[str]) -> dict[str, str]:
    """Proposes the budget of before a raise after which the ROAS fell, once a day at most; the gate's own rule says when it is due.

    The action undoes the raise exactly, so that the gate judges it as what it is. A platform that was not read proposes nothing.
    """
    policy, now = house.policy(), house.clock.now()
    proposed: dict[str, str] = {}
    async with house.db.transaction() as tx:
        raises = await SpendBooks(tx.conn).raises(now - RAISE_MEMORY, workspace=policy.workspace)
    for raised in raises:
        reading = next((r for r in readings if r.platform == raised["platform"] and r.seen is not None), None)
        if raised["followed"] or raised["undone"] or raised["status"] not in RUNNING or reading is None:
            continue
        action = SetBudget(
            workspace=policy.workspace, platform=raised["platform"], campaign_id=raised["campaign_id"],
            daily_budget=Money(minor=raised["from_minor"], currency=raised["currency"]),
        )  # fmt: skip
        seen = tuple((reading.seen or {}).values())
        async with house.books.transaction() as tx:
            facts = await tx.ledger_facts(action, WATCHDOG, None, seen, policy, now, excluding=None)
        found = due(facts.campaign, policy) if facts.campaign is not None else None
        if found is None:
            continue
        params = {
            "campaign": raised["name"], "drop": found.drop, "before": found.before, "since": found.since,
            "back_to": action.daily_budget, "budget": Money(minor=raised["to_minor"], currency=raised["currency"]),
        }  # fmt: skip
        receipt = await house.gate.submit(
            Proposal(
                action=action,
                key=f"rollback:{raised['action_id']}:{reading.day}",
                proposer=WATCHDOG,
                why=Message(id="why.rollback", params=params),
                evidence=({"table": "analytics", "campaign_id": raised["campaign_id"]},),
                expected=await expected_of(house, action, strategy="rollback"),
                correlation_id=f"watch:{reading.at.isoformat()}",
                undo_of=str(raised["action_id"]),
                priority="high",
            )
        )
        proposed[raised["campaign_id"]] = receipt.status
    return proposed
