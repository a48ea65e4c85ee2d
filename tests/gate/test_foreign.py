"""An ad account in dollars under caps in reais: judged by a dated rate on real books, refused without one."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from knowledge.domain.action import Actor, PauseCampaign
from knowledge.domain.money import Money
from tests.gate.house import ANA, RUI, Bench, brl, policy_with, publication
from tools.gate import Receipt

WATCHDOG = Actor(kind="system", id="watchdog")


def usd(amount: str) -> Money:
    return Money.of(amount, "USD")


async def rate(bench: Bench, value: str, *, day: date | None = None, base: str = "USD") -> None:
    today = bench.clock.now().date()
    async with bench.db.transaction() as tx:
        await tx.exchange_rates.put(base, "BRL", day or today, Decimal(value), source="test", at=bench.clock.now())


async def publish(bench: Bench, budget: Money, key: str = "k", campaign_id: str = "pia-meta") -> Receipt:
    return await bench.submit(publication(campaign_id).model_copy(update={"daily_budget": budget}), key, ANA)


def rules(receipt: Receipt) -> set[str]:
    return {f.rule for f in receipt.findings if f.answer == "refuse"}


@pytest.mark.parametrize(("budget", "status"), [("26.64", "done"), ("26.65", "refused")])
async def test_the_last_dollar_under_the_border_in_reais(bench: Bench, budget: str, status: str) -> None:
    """150 BRL is the most for one campaign: 26.64 dollars at 5.63 are 149.99, one cent more is 150.04."""
    await rate(bench, "5.63")
    receipt = await publish(bench, usd(budget))
    assert receipt.status == status
    if status == "refused":
        assert "campaign_budget" in rules(receipt)
    else:
        assert await bench.rows("select currency, daily_budget_minor from campaigns") == [("USD", 2664)]


async def test_what_runs_in_dollars_takes_room_in_reais(bench: Bench) -> None:
    await rate(bench, "5.63")
    assert (await publish(bench, usd("20"), "k1", "one")).status == "done"  # 112.60, at its worst 197.05
    refused = await publish(bench, usd("20"), "k2", "two")
    assert (refused.status, "daily_cap" in rules(refused)) == ("refused", True)
    assert (await publish(bench, usd("10"), "k3", "three")).status == "done"  # 98.53 more: 295.58 of 300


@pytest.mark.parametrize(("age", "status"), [(5, "done"), (6, "refused")])
async def test_a_stale_rate_is_refused_and_the_rate_to_enter_is_named(bench: Bench, age: int, status: str) -> None:
    await rate(bench, "5.63", day=bench.clock.now().date() - timedelta(days=age))
    receipt = await publish(bench, usd("10"))
    assert receipt.status == status
    if status == "refused":
        (said,) = [f for f in receipt.findings if f.rule == "exchange_rate"]
        assert (said.message.id, said.numbers["base"], said.numbers["quote"]) == ("guard.exchange_rate.refuse", "USD", "BRL")
        assert bench.ads.count("publish") == 0


async def test_a_change_and_its_undo_stay_in_the_accounts_currency(bench: Bench) -> None:
    await rate(bench, "5.63")
    await publish(bench, usd("10"))
    bench.clock.advance(timedelta(days=3))
    await rate(bench, "5.70")
    change = await bench.submit(_budget("11"), "k2", ANA)
    assert change.status == "done", change.findings
    assert await bench.rows("select from_minor, to_minor, currency from budget_changes order by at, seq") == [
        (None, 1000, "USD"), (1000, 1100, "USD"),
    ]  # fmt: skip
    record = await bench.action(change.action_id)
    assert record.facts.campaign is not None
    assert (record.facts.campaign.daily_budget, record.facts.campaign.native_budget) == (Money.of("57.00", "BRL"), usd("10"))
    assert [r.rate for r in record.facts.rates] == [Decimal("5.70")]
    undone = await bench.gate.undo(change.action_id, RUI, "back")
    assert undone.ok, undone
    assert (await bench.ads.get_campaign("c1")).daily_budget == usd("10")


def _budget(amount: str) -> object:
    from knowledge.domain.action import SetBudget

    return SetBudget(platform="meta", campaign_id="pia-meta", daily_budget=usd(amount))


async def test_without_a_rate_nothing_is_spent_but_a_fire_is_put_out(bench: Bench) -> None:
    await rate(bench, "5.63")
    await publish(bench, usd("10"))
    bench.clock.advance(timedelta(days=30))
    assert "exchange_rate" in rules(await bench.submit(_budget("10.50"), "k2", ANA))
    assert "exchange_rate" in rules(await publish(bench, Money.of("10", "BRL"), "k3", "other"))  # the room left is not known
    stop = PauseCampaign(platform="meta", campaign_id="pia-meta", emergency=True)
    assert (await bench.submit(stop, "k4", WATCHDOG)).status == "done"


async def test_yen_and_taiwan_dollars_a_hundredfold(bench: Bench) -> None:
    """¥5,000 sent as ¥500,000 and NT$300 as NT$30,000 meet the cap, whatever the digits look like."""
    await rate(bench, "0.0285", base="JPY")
    await rate(bench, "0.18", base="TWD")
    assert {"campaign_budget", "daily_cap"} <= rules(await publish(bench, Money.of("500000", "JPY"), "k1", "yen-wrong"))
    assert {"campaign_budget", "daily_cap"} <= rules(await publish(bench, Money.of("30000", "TWD"), "k2", "twd-wrong"))
    assert bench.ads.campaigns == {}
    assert (await publish(bench, Money.of("5000", "JPY"), "k3", "yen")).status == "done"
    assert [c.daily_budget for c in bench.ads.campaigns.values()] == [Money(minor=5000, currency="JPY")]


async def test_a_no_is_remembered_the_way_it_was_meant(bench: Bench) -> None:
    """20 to 22 dollars is a raise, though 22 is less than the hundred reais that 20 dollars are."""
    bench.policy = policy_with(
        quality={"min_hours_between_raises": 0, "rejection_memory_hours": 72}, autonomy={"by_action": {"campaign.set_budget": 2}},
        max_campaign_budget=brl("250"),
    )  # fmt: skip
    await rate(bench, "5")
    await publish(bench, usd("20"))
    asked = await bench.submit(_budget("22"), "k1")
    assert asked.status == "waiting", asked.findings
    assert (await bench.gate.reject(asked.action_id, ANA, "não aumentar")).ok
    bench.clock.advance(timedelta(hours=1))
    again, cut = await bench.submit(_budget("22"), "k2"), await bench.submit(_budget("18"), "k3")
    assert (again.status, "recent_no" in rules(again)) == ("refused", True)
    assert cut.status == "waiting", cut.findings
