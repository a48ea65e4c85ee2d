"""The sandbox's own buttons under /_sandbox: clock, webhooks, faults, shocks, and the book that tests compare with ours."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from runtime.sandbox.adtree import AdBook, Campaign, Hour
from runtime.sandbox.faults import KINDS
from runtime.sandbox.market import Market, Runaway, Shock
from runtime.sandbox.money import major_text
from runtime.sandbox.world import Fault, WebhookTarget, World


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Advance(_Body):
    """Where to move the clock to."""

    to: AwareDatetime


class Target(_Body):
    """A webhook target."""

    url: str
    secret: str | None = None


class PlannedFault(_Body):
    """See world.Fault."""

    match: str
    kind: str
    times: int = Field(default=1, ge=1)
    seconds: float = Field(default=30.0, ge=0)


class PlannedShock(_Body):
    """A disturbance of the market from now on for `hours`; factors on cost of attention, click rate and purchase rate."""

    match: str
    hours: float = Field(gt=0)
    starts_in_hours: float = Field(default=0.0, ge=0)
    cpm: float = Field(default=1.0, gt=0)
    ctr: float = Field(default=1.0, ge=0)
    cvr: float = Field(default=1.0, ge=0)


class PlannedRunaway(_Body):
    """Campaigns whose "platform name" matches spend `factor` times what they should for `hours` from now on, past every ceiling."""

    match: str
    hours: float = Field(gt=0)
    factor: float = Field(gt=1)


class HiddenFacts(_Body):
    """Scenario's choice of a product's hidden truth; see market.Truth (prices in BRL major units)."""

    match: str
    values: dict[str, float]


class Dials(_Body):
    """Behaviour that is not a single fault. `list_lag_seconds`: lists show new objects only after that much simulated time."""

    list_lag_seconds: float = Field(default=0.0, ge=0)


def _sum(campaign: Campaign) -> Hour:
    total = Hour()
    for group in campaign.groups.values():
        for ad in group.ads.values():
            for bucket in ad.hours.values():
                total.add(bucket)
    return total


def _figures(total: Hour) -> dict[str, int]:
    return {
        "spend": total.spend, "revenue": total.revenue, "conversions": total.conversions,
        "impressions": total.impressions, "clicks": total.clicks,
    }  # fmt: skip


def _status(campaign: Campaign) -> str:
    if campaign.deleted:
        return "DELETED"
    if campaign.archived:
        return "ARCHIVED"
    return "ACTIVE" if campaign.enabled else "PAUSED"


def _budget(campaign: Campaign) -> int | None:
    if campaign.daily_budget is not None:
        return campaign.daily_budget
    budgets = [group.daily_budget for group in campaign.groups.values() if group.daily_budget is not None and not group.deleted]
    return sum(budgets) if budgets else None


def ads_section(world: World, book: AdBook, market: Market) -> dict[str, Any]:
    """The ad accounts as they truly are. Money in integer minor units of each account's currency; days in account time."""
    market.settle()
    true: dict[str, list[int]] = {}
    by_day: dict[str, dict[str, dict[str, int]]] = {}
    for order in world.orders:
        count = true.setdefault(order.campaign_id, [0, 0])
        count[0] += 1
        count[1] += order.value_minor
    campaigns: list[dict[str, Any]] = []
    totals = {"spend": 0, "revenue": 0}
    for (platform, _), account in book.accounts.items():
        for campaign in account.campaigns.values():
            figures = _figures(_sum(campaign))
            orders, value = true.get(campaign.id, [0, 0])
            campaigns.append({
                "platform": platform, "id": campaign.id, "name": campaign.name, "status": _status(campaign),
                "daily_budget": _budget(campaign), "currency": account.currency, **figures,
                "true_orders": orders, "true_revenue": value, "groups": len(campaign.groups),
                "ads": sum(len(group.ads) for group in campaign.groups.values()),
            })  # fmt: skip
            totals["spend"] += figures["spend"]
            totals["revenue"] += figures["revenue"]
            for group in campaign.groups.values():
                for ad in group.ads.values():
                    for index, bucket in ad.hours.items():
                        day = market.local(account, index)[0].isoformat()
                        entry = by_day.setdefault(day, {}).setdefault(platform, _figures(Hour()))
                        for name, number in _figures(bucket).items():
                            entry[name] += number
    accounts = [
        {
            "platform": item.platform, "id": item.id, "currency": item.currency, "timezone": item.timezone,
            "spent": item.spent, "spend_cap": item.spend_cap,
        }
        for item in book.accounts.values()
    ]  # fmt: skip
    return {"accounts": accounts, "campaigns": campaigns, **totals, "by_day": dict(sorted(by_day.items()))}


def _writes(world: World) -> list[dict[str, Any]]:
    return [asdict(write) for write in world.writes]


def router(world: World, book: AdBook, market: Market) -> APIRouter:
    """The control routes for one world."""
    api = APIRouter(prefix="/_sandbox")

    def clock() -> dict[str, Any]:
        upcoming = world.next_event_at
        return {"now": world.now.isoformat(), "next_event_at": upcoming.isoformat() if upcoming else None}

    @api.get("/clock")
    async def get_clock() -> dict[str, Any]:
        return clock()

    @api.post("/advance")
    async def advance(body: Advance) -> dict[str, Any]:
        if body.to < world.now:
            raise HTTPException(409, f"the clock is at {world.now.isoformat()} and never goes backwards")
        ran = await world.advance(body.to.astimezone(UTC))
        return {**clock(), "ran": ran}

    @api.post("/webhooks")
    async def webhooks(body: dict[str, Target | None]) -> dict[str, Any]:
        for source, target in body.items():
            if target is None:
                world.targets.pop(source, None)
            else:
                world.targets[source] = WebhookTarget(target.url, target.secret)
        return {"targets": {source: target.url for source, target in world.targets.items()}}

    @api.post("/faults")
    async def faults(body: PlannedFault) -> dict[str, Any]:
        if body.kind not in KINDS:
            raise HTTPException(422, f"unknown fault kind {body.kind!r}; known: {', '.join(sorted(KINDS))}")
        world.faults.append(Fault(body.match, body.kind, body.times, body.seconds))
        return {"planned": [asdict(fault) for fault in world.faults if fault.times > 0]}

    @api.delete("/faults")
    async def no_faults() -> dict[str, Any]:
        world.faults.clear()
        return {"planned": []}

    @api.post("/shock")
    async def shock(body: PlannedShock) -> dict[str, Any]:
        starts = world.now + timedelta(hours=body.starts_in_hours)
        made = Shock(body.match, starts, starts + timedelta(hours=body.hours), body.cpm, body.ctr, body.cvr)
        market.shocks.append(made)
        return asdict(made)

    @api.post("/overspend")
    async def overspend(body: PlannedRunaway) -> dict[str, Any]:
        made = Runaway(body.match, world.now, world.now + timedelta(hours=body.hours), body.factor)
        market.runaways.append(made)
        return asdict(made)

    @api.get("/truth")
    async def hidden() -> dict[str, Any]:
        """What lies behind every campaign (for scoring a rehearsal; no client may read it). Prices in minor units."""
        made: dict[str, Any] = {}
        for (platform, _), account in book.accounts.items():
            for campaign in account.campaigns.values():
                facts = market.truth(platform, campaign.truth_key, account.currency)
                made[campaign.id] = {"product": campaign.truth_key, "platform": platform, "roas": facts.roas, **asdict(facts)}
        return made

    @api.post("/truth")
    async def truth(body: HiddenFacts) -> dict[str, Any]:
        try:
            market.override(body.match, body.values)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return {"overrides": len(market.overrides)}

    @api.post("/dials")
    async def dials(body: Dials) -> dict[str, Any]:
        book.list_lag = timedelta(seconds=body.list_lag_seconds)
        return body.model_dump()

    @api.get("/book")
    async def the_book() -> dict[str, Any]:
        return {
            **clock(), "seed": world.seed,
            **{name: section() for name, section in world.book_sections.items()},
            "orders": [order_row(order) for order in world.orders],
            "writes": _writes(world), "refusals": [asdict(refusal) for refusal in world.refusals],
            "delivery_errors": world.delivery_errors,
        }  # fmt: skip

    def order_row(order: Any) -> dict[str, Any]:
        return {**asdict(order), "value": major_text(order.value_minor, order.currency)}

    @api.get("/orders")
    async def orders(since: int = 0) -> dict[str, Any]:
        return {"next": len(world.orders), "orders": [order_row(order) for order in world.orders[since:]]}

    @api.get("/writes")
    async def writes(since: str = "0") -> dict[str, Any]:
        """Writes from a position (a number) or from a simulated moment (ISO 8601 with offset) on."""
        rows = _writes(world)
        if since.isdigit():
            return {"next": len(rows), "writes": rows[int(since) :]}
        try:
            moment = datetime.fromisoformat(since)
        except ValueError as error:
            raise HTTPException(422, f"since: {since!r} is neither a position nor an ISO moment") from error
        if moment.tzinfo is None:
            raise HTTPException(422, "since: give the moment with its offset")
        return {"next": len(rows), "writes": [row for row in rows if row["at"] >= moment]}

    return api
