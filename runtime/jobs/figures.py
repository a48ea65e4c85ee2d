"""What a decision round looks at, in one currency: campaigns and their days, brought into the policy's by dated rates.

An ad account reports in its own currency. Budgets and spend are converted upward, revenue downward, so that no rate makes anything
look better than it is; a campaign without a recent rate is left out of the round, and somebody is told which rate is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from knowledge.domain.fact_currency import Converter
from knowledge.domain.money import EXPONENTS, Money
from knowledge.domain.policy import Policy
from knowledge.domain.rates import NoRate, Rate, convert
from runtime.db.analytics import CampaignDay
from runtime.db.campaigns import CampaignRecord

if TYPE_CHECKING:
    from runtime.db.uow import Transaction
    from runtime.wiring import House


@dataclass(frozen=True)
class Figures:
    """Launched campaigns and their days in the policy's currency. `accounts`: campaign -> the currency its platform keeps it in;
    `missing`: pairs of currencies without a recent rate, whose campaigns were left out."""

    campaigns: tuple[CampaignRecord, ...]
    days: tuple[CampaignDay, ...]
    accounts: dict[str, str]
    missing: tuple[tuple[str, str], ...]
    converter: Converter


async def figures(tx: Transaction, policy: Policy, since: date, today: date) -> Figures:
    """Everything from `since` to `today`, both included."""
    launched = [c for c in await tx.campaigns.list() if c.external_id is not None and c.daily_budget is not None]
    exchange = Converter(policy, today, await rates(tx, policy, today))
    rows = await tx.analytics.days(since, today)
    kept: dict[str, CampaignRecord] = {}
    days: list[CampaignDay] = []
    accounts = {c.id: c.daily_budget.currency for c in launched if c.daily_budget is not None}
    for campaign in launched:
        own = [day for day in rows if day.campaign_id == campaign.id]
        budget = exchange.money(campaign.daily_budget) if campaign.daily_budget else None
        launch = exchange.money(campaign.launch_budget) if campaign.launch_budget else None
        made = [_day(day, exchange) for day in own]
        whole = [day for day in made if day is not None]
        if budget is None or len(whole) < len(own):
            continue
        kept[campaign.id] = replace(campaign, daily_budget=budget, launch_budget=launch)
        days += whole
    days.sort(key=lambda d: (d.row.day, d.row.platform, d.row.external_id))
    missing = tuple(sorted((pair[:3], pair[4:]) for pair in (name.removeprefix("rate.") for name in exchange.missing)))
    return Figures(tuple(kept.values()), tuple(days), accounts, missing, exchange)


def _day(day: CampaignDay, exchange: Converter) -> CampaignDay | None:
    spend, revenue = exchange.money(day.row.spend, ROUND_CEILING), exchange.money(day.row.revenue, ROUND_FLOOR)
    if spend is None or revenue is None:
        return None
    return replace(day, row=day.row.model_copy(update={"spend": spend, "revenue": revenue}))


async def rates(tx: Transaction, policy: Policy, today: date) -> list[Rate]:
    """The rates that are recent enough."""
    return await tx.exchange_rates.known(today - timedelta(days=policy.guardrails.financial.max_rate_age_days), today)


async def tell(house: House, missing: tuple[tuple[str, str], ...], today: date) -> None:
    """One alert for each pair without a rate; the watchdog closes it when the rate is there."""
    for base, quote in missing:
        await house.alert(f"rate:{base}/{quote}", "rate_missing", "critical", base=base, quote=quote, day=today)


def whole(amount: Decimal, currency: str) -> Money:
    """An amount of major units in whole minor ones."""
    return Money(minor=int(amount.scaleb(EXPONENTS[currency]).to_integral_value(ROUND_HALF_EVEN)), currency=currency)


async def in_account(house: House, amount: Money, currency: str) -> Money | None:
    """The amount as the ad account keeps money, never more than it: rounded down. None, and somebody is told, without a rate."""
    made, today = await _by_rate(house, amount, currency, ROUND_FLOOR)
    if made is None:
        await tell(house, ((currency, amount.currency),), today)
    return made


async def in_policy(house: House, amount: Money) -> Money | None:
    """An ad account's amount in the policy's currency, rounded up; None without a rate."""
    return (await _by_rate(house, amount, house.policy().currency, ROUND_CEILING))[0]


async def _by_rate(house: House, amount: Money, currency: str, rounding: str) -> tuple[Money | None, date]:
    policy = house.policy()
    today = house.clock.now().astimezone(ZoneInfo(policy.time_zone)).date()
    if amount.currency == currency:
        return amount, today
    async with house.db.transaction() as tx:
        known = await rates(tx, policy, today)
    try:
        return convert(amount, currency, today, known, policy.guardrails.financial.max_rate_age_days, rounding), today
    except NoRate:
        return None, today
