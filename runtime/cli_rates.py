"""`ceo rates …`: exchange rates, by which amounts of another currency are compared with the caps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from runtime.cli_talk import File, Json, load_settings, plainly, print_json

if TYPE_CHECKING:
    from knowledge.domain.clock import Clock
    from runtime.db.uow import Transaction
    from runtime.settings import Settings

rates_app = typer.Typer(no_args_is_help=True, help="Exchange rates of ad accounts in another currency than the workspace's.")
T = TypeVar("T")
SHOWN = timedelta(days=90)


@rates_app.command("set")
def set_(
    base: Annotated[str, typer.Argument(help="Currency of the ad account, like USD.")],
    quote: Annotated[str, typer.Argument(help="Currency of the workspace, like BRL.")],
    rate: Annotated[str, typer.Argument(help="What one unit of the first costs in the second, like 5.63.")],
    day: Annotated[str | None, typer.Option("--day", help="The day it is of (2026-11-20); default: today.")] = None,
    as_json: Json = False,
    config: File = None,
) -> None:
    """Enters the rate of a day, over an earlier one of the same day. Older rates are kept; nothing is converted after the fact."""
    with plainly(as_json):
        from runtime.cli_gate import SystemClock

        found = put(load_settings(config), base, quote, rate, day, SystemClock())
        print_json(found) if as_json else typer.echo(f"1 {found['base']} = {found['rate']} {found['quote']} on {found['day']}")


@rates_app.command("list")
def list_(as_json: Json = False, config: File = None) -> None:
    """The rates of the last ninety days, newest first, and which of them are still accepted."""
    with plainly(as_json):
        from runtime.cli_gate import SystemClock

        rows = known(load_settings(config), SystemClock())
        if as_json:
            print_json({"rates": rows})
            return
        for row in rows:
            age = "" if row["fresh"] else "  (too old to be used)"
            typer.echo(f"{row['day']}  1 {row['base']} = {row['rate']} {row['quote']}  {row['source']}{age}")
        if not rows:
            typer.echo("no rate is known; enter one with `ceo rates set BASE QUOTE RATE`")


def put(settings: Settings, base: str, quote: str, rate: str, day: str | None, clock: Clock) -> dict[str, Any]:
    """Enters one rate: a unit of `base` costs `rate` units of `quote` on `day` (default: today in the workspace's time zone). A rate
    of the same day is replaced, and the record says by whom. Raises ConfigError naming what is wrong."""
    from zoneinfo import ZoneInfo

    from knowledge.domain.money import EXPONENTS
    from runtime.cli_gate import login
    from runtime.settings import ConfigError

    base, quote = base.upper(), quote.upper()
    for name, currency in (("base", base), ("quote", quote)):
        if currency not in EXPONENTS:
            raise ConfigError([f"{name}: currency {currency!r} is not known here; known: {', '.join(sorted(EXPONENTS))}"])
    if base == quote:
        raise ConfigError([f"quote: {quote} is the same currency as base; a rate is between two"])
    try:
        value = Decimal(rate)
    except InvalidOperation:
        raise ConfigError([f"rate: {rate!r} is not a number; write it like 5.63"]) from None
    if not value.is_finite() or value <= 0:
        raise ConfigError([f"rate: {rate} must be above zero"])
    now = clock.now()
    today = now.astimezone(ZoneInfo(settings.operator.time_zone)).date()
    try:
        chosen = today if day is None else date.fromisoformat(day)
    except ValueError:
        raise ConfigError([f"day: {day!r} is not a date; write it like 2026-11-20"]) from None
    if chosen > today:
        raise ConfigError([f"day: {chosen} lies in the future; a rate is of a day that has begun"])
    who = f"terminal:{login()}"

    async def run(tx: Transaction) -> dict[str, Any]:
        from runtime.db.audit_write import append

        before = next((r for r in await tx.exchange_rates.known(chosen, chosen) if (r.base, r.quote) == (base, quote)), None)
        await tx.exchange_rates.put(base, quote, chosen, value, source=who, at=now)
        told = {"base": base, "quote": quote, "day": chosen.isoformat(), "rate": str(value)}
        await append(tx.conn, "rate.set", f"user:{who}", now, told | {"before": str(before.rate) if before else None})
        return told | {"source": who}

    return with_database(settings, run)


def known(settings: Settings, clock: Clock) -> list[dict[str, Any]]:
    """The rates of the last ninety days, newest first; `fresh`: whether the policy still accepts one."""
    from zoneinfo import ZoneInfo

    policy = settings.operator.policy()
    today = clock.now().astimezone(ZoneInfo(policy.time_zone)).date()
    oldest = today - timedelta(days=policy.guardrails.financial.max_rate_age_days)

    async def run(tx: Transaction) -> list[dict[str, Any]]:
        rates = await tx.exchange_rates.known(today - SHOWN, today)
        return [r.model_dump(mode="json") | {"fresh": r.day >= oldest} for r in rates]

    return with_database(settings, run)


def with_database(settings: Settings, run: Callable[[Transaction], Awaitable[T]]) -> T:
    """One transaction on the configured database. Raises ConfigError when migrations are pending."""
    from runtime.cli_database import database

    with database(settings.secrets) as url:
        return asyncio.run(_run(url, run))


async def _run(url: str, run: Callable[[Transaction], Awaitable[T]]) -> T:
    from runtime.db.engine import make_engine, normalise_url
    from runtime.db.migrate import pending
    from runtime.db.uow import Database
    from runtime.settings import ConfigError

    if waiting := await asyncio.to_thread(pending, url):
        raise ConfigError([f"the database lacks {len(waiting)} migrations (first: {waiting[0]}); run `ceo migrate`"])
    db = Database(make_engine(normalise_url(url), pool_size=1, max_overflow=0))
    try:
        async with db.transaction() as tx:
            return await run(tx)
    finally:
        await db.dispose()
