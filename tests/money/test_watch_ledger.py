"""What the watchdog compares with, from real books: our own plan, and what a person let run again in the account's currency."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from knowledge.domain.action import Actor, PauseCampaign, ResumeCampaign
from knowledge.domain.campaign import InsightRow
from knowledge.domain.money import Money
from runtime.db.spend import LedgerCampaign, SpendBooks
from runtime.jobs.watch import Reading, _before, account_of  # pyright: ignore[reportPrivateUsage]
from tests.gate.house import ANA, Bench, brl, budget
from tools.watchdog import Watch, alarms

ZONE = "America/Sao_Paulo"
WATCHDOG = Actor(kind="system", id="watchdog")


async def spent(bench: Bench, amount: Money) -> None:
    row = InsightRow(
        platform="meta", external_id="x-pia-meta", day=bench.clock.now().date(), impressions=1, clicks=1, spend=amount, conversions=0,
        revenue=Money.zero(amount.currency), provisional=True,
    )  # fmt: skip
    async with bench.db.transaction() as tx:
        await tx.analytics.upsert([row], at=bench.clock.now())


async def read(bench: Bench) -> Reading:
    """The next round's reading, a quarter of an hour later: what the platform shows goes into the ledger, and the ledger out again."""
    bench.clock.advance(timedelta(minutes=15))
    now = bench.clock.now()
    seen = {e: c.model_copy(update={"read_at": now}) for e, c in bench.ads.campaigns.items()}
    async with bench.db.transaction() as tx:
        for campaign in seen.values():
            await tx.campaigns.synced(campaign)
        ledger = await SpendBooks(tx.conn).campaigns("meta", now.date(), ZONE, now)
    return Reading("meta", ZONE, now.date(), now, seen, (), tuple(ledger), {}, False)


async def ours(bench: Bench) -> LedgerCampaign:
    (campaign,) = (await read(bench)).ledger
    return campaign


async def kinds(bench: Bench, **more: tuple[object, ...]) -> list[str]:
    return [a.kind for a in alarms(Watch(bench.clock.now(), (account_of(await read(bench)),), **more), bench.policy)]  # type: ignore[arg-type]


async def test_a_budget_typed_in_at_the_platform_never_becomes_our_plan(bench: Bench) -> None:
    external = await bench.running(amount="40")
    assert (await ours(bench)).highest == brl("40"), "the budget of the launch, where no action set another one"
    bench.ads.put(external, brl("1000"), "pia-meta")
    for _ in range(2):
        assert (await ours(bench)).highest == brl("40")
    assert len(await bench.rows("select 1 from budget_changes where reason = 'budget.seen'")) == 1, "the gate counts it"
    await spent(bench, brl("120"))
    assert await kinds(bench) == ["spend_velocity"]
    bench.clock.advance(timedelta(days=1))
    tomorrow = await ours(bench)
    assert (tomorrow.highest, tomorrow.highest_before) == (brl("40"), brl("40"))


async def test_our_own_change_after_one_by_hand_counts_with_what_we_set(bench: Bench) -> None:
    """The change begins at what was typed in, which was never ours."""
    external = await bench.running(amount="100")
    bench.ads.put(external, brl("110"), "pia-meta")
    await read(bench)
    assert (await bench.submit(budget("104"), "own", ANA)).status == "done"
    assert await bench.rows("select from_minor, to_minor from budget_changes where reason <> 'budget.seen'") == [(11000, 10400)]
    assert (await ours(bench)).highest == brl("104")
    bench.clock.advance(timedelta(days=1))
    tomorrow = await ours(bench)
    assert (tomorrow.highest, tomorrow.highest_before) == (brl("104"), brl("104"))


@pytest.mark.parametrize("currency", ["BRL", "USD"])
async def test_what_a_person_let_run_again_counts_from_there_in_the_accounts_currency(bench: Bench, currency: str) -> None:
    external = await bench.running(amount="10")
    bench.ads.put(external, Money.of("10", currency), "pia-meta")
    await bench.rows_changed("update campaigns set currency = :c", c=currency)
    today = bench.clock.now().date()
    async with bench.db.transaction() as tx:
        await tx.exchange_rates.put("USD", "BRL", today, Decimal("5.63"), source="test", at=bench.clock.now())
        rates = tuple(await tx.exchange_rates.known(today, today))
    await spent(bench, Money.of("15.01", currency))  # of 17.50 for the whole day
    assert await kinds(bench, rates=rates) == ["spend_velocity"]
    assert (
        await bench.submit(PauseCampaign(platform="meta", campaign_id="pia-meta", emergency=True), "p", WATCHDOG)
    ).status == "done"
    bench.clock.advance(timedelta(minutes=5))
    assert (await bench.submit(ResumeCampaign(platform="meta", campaign_id="pia-meta"), "r", ANA)).status == "done"
    resumed = bench.clock.now()
    assert await kinds(bench, rates=rates) == []
    assert (await ours(bench)).let_run == (resumed, Money.of("15.01", currency))


@pytest.mark.parametrize(("own", "week"), [(None, "30"), ("2026-11-25", "30"), ("2026-11-24", "10"), ("2026-11-26", "60")])
async def test_the_day_that_an_account_is_in_counts_once(bench: Bench, own: str | None, week: str) -> None:
    """Ours is Wednesday. An account behind us is still in its Tuesday, one ahead has a Wednesday behind it."""
    await bench.running(amount="40")
    days = [date(2026, 11, n) for n in (23, 24, 25)]
    rows = [
        InsightRow(
            platform="meta", external_id="x-pia-meta", day=day, impressions=1, clicks=1, spend=brl(f"{10 * (n + 1)}"), conversions=0,
            revenue=brl("0"), provisional=False,
        )
        for n, day in enumerate(days)
    ]  # fmt: skip
    async with bench.db.transaction() as tx:
        await tx.analytics.upsert(rows, at=bench.clock.now())
        read = [day for day in days if day < date.fromisoformat(own or "2026-11-25")]
        await tx.analytics.day_read("meta", read, at=bench.clock.now())
        found = await _before(tx, date(2026, 11, 25), {"meta": date.fromisoformat(own)} if own else {}, bench.policy)
    assert [(b.campaign_id, b.measured, b.assumed) for b in found] == [("pia-meta", brl(week), brl("0"))]
