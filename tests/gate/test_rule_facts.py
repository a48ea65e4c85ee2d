"""What the rules are told comes out of the ledger: windows, raises, the day's start, a manager's no, the blacklist, money of strangers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncCursor
from sqlalchemy import text

from knowledge.domain.action import Action
from knowledge.domain.facts import Exposure, Facts
from tests.gate.house import ANA, BUYER, Bench, brl, budget, pause, policy_with, publication


async def told(bench: Bench, action: Action) -> Facts:
    platform = tuple(await bench.ads.list_campaigns())
    async with bench.books.transaction() as tx:
        return await tx.ledger_facts(action, BUYER, None, platform, bench.policy, bench.clock.now(), excluding=None)


async def write(bench: Bench, sql: str, **params: Any) -> None:
    async with bench.engine.begin() as conn:
        await conn.execute(text(sql), params)


async def changed(bench: Bench, at: datetime, before: int | None, after: int, campaign_id: str = "pia-meta") -> None:
    await write(
        bench,
        "insert into budget_changes (id, campaign_id, from_minor, to_minor, currency, at, reason)"
        " values (gen_random_uuid(), :id, :before, :after, 'BRL', :at, 'test')",
        id=campaign_id, before=before, after=after, at=at,
    )  # fmt: skip


async def measured(
    bench: Bench, day: date, spend: int, revenue: int = 0, external: str = "x-pia-meta", campaign_id: str | None = "pia-meta"
) -> None:
    await write(
        bench,
        "insert into analytics (platform, level, external_id, campaign_id, day, impressions, clicks, spend_minor, conversions,"
        " revenue_minor, currency, provisional, first_seen_at, updated_at) values ('meta', 'campaign', :external, :campaign, :day, 1000,"
        " 10, :spend, 1, :revenue, 'BRL', false, :at, :at)",
        external=external, campaign=campaign_id, day=day, spend=spend, revenue=revenue, at=bench.clock.now(),
    )  # fmt: skip


def row(facts: Facts, campaign_id: str = "pia-meta") -> Exposure:
    assert facts.budget is not None
    return next(e for e in facts.budget.exposures if e.campaign_id == campaign_id)


async def test_the_window_begins_where_the_policy_says(bench: Bench) -> None:
    await bench.running(amount="60", launched_hours_ago=24 * 20)
    now = bench.clock.now()
    for days, before, after in ((8, 3000, 4000), (6.9, 4000, 5000), (0.5, 5000, 6000)):
        await changed(bench, now - timedelta(days=days), before, after)
    campaign = (await told(bench, budget("65"))).campaign
    assert campaign is not None
    assert (campaign.window_budget, campaign.baseline_budget, campaign.launch_budget) == (brl("40"), brl("50"), brl("60"))
    bench.policy = policy_with(cumulative_days=9)
    campaign = (await told(bench, budget("65"))).campaign
    assert campaign is not None and campaign.window_budget == brl("30")


async def test_a_window_without_changes_begins_at_todays_budget(bench: Bench) -> None:
    await bench.running(amount="60")
    campaign = (await told(bench, budget("65"))).campaign
    assert campaign is not None
    assert (campaign.window_budget, campaign.last_raise) == (brl("60"), None)


async def test_a_raise_knows_what_the_days_around_it_earned(bench: Bench) -> None:
    await bench.running(amount="60", launched_hours_ago=24 * 20)
    now = bench.clock.now()
    today = now.date()
    await changed(bench, now - timedelta(days=9), 4000, 5000)
    await changed(bench, now - timedelta(days=3), 5000, 6000)
    await changed(bench, now - timedelta(days=2), 6000, 5500)  # a cut is not the newest raise
    for back, spend, revenue in ((11, 999, 999), (10, 100, 300), (4, 100, 300), (3, 777, 777), (2, 50, 60), (1, 50, 60), (0, 9, 0)):
        await measured(bench, today - timedelta(days=back), spend, revenue)
    campaign = (await told(bench, budget("65"))).campaign
    assert campaign is not None and campaign.last_raise is not None
    raised = campaign.last_raise
    assert (raised.from_budget, raised.to_budget) == (brl("50"), brl("60"))
    assert (raised.spend_before.minor, raised.revenue_before.minor) == (200, 600), (
        "seven days before, the day of the raise left out"
    )
    assert (raised.spend_since.minor, raised.revenue_since.minor) == (100, 120), "complete days after it"
    assert raised.impressions_since == 2000


async def test_what_was_in_force_when_the_day_began(bench: Bench) -> None:
    now = bench.clock.now()
    for name, amount in (("quiet", "10"), ("raised", "24"), ("paused", "30"), ("both", "40")):
        await bench.running(name, amount)
    await changed(bench, now - timedelta(hours=2), 2000, 2200, "raised")
    await changed(bench, now - timedelta(hours=1), 2200, 2400, "raised")
    await changed(bench, now - timedelta(days=2), 500, 1000, "quiet")
    assert (await bench.submit(pause("paused"), "k1", ANA)).status == "done"
    assert (await bench.submit(publication("new", "15"), "k2", ANA)).status == "done"
    facts = await told(bench, budget("11", "quiet"))
    start = {name: row(facts, name).start_of_day for name in ("quiet", "raised", "paused", "both", "new")}
    assert start == {"quiet": brl("10"), "raised": brl("20"), "paused": brl("30"), "both": brl("40"), "new": brl("0")}
    touched = {name for name in start if row(facts, name).touched_today}
    assert touched == {"paused", "new"}, "what the gate authorised today"


async def test_money_of_strangers_and_of_campaigns_that_are_gone_is_spent_all_the_same(bench: Bench) -> None:
    await bench.running(amount="10")
    today = bench.clock.now().date()  # a Monday
    bench.ads.put("stranger", brl("20"))
    await measured(bench, today, 700)
    await measured(bench, today, 1500, external="stranger", campaign_id=None)
    await measured(bench, today, 28_000, external="deleted", campaign_id=None)
    facts = await told(bench, budget("11"))
    assert {e.campaign_id: e.spent_today for e in facts.budget.exposures} == {  # type: ignore[union-attr]
        "pia-meta": brl("7"), "meta:stranger": brl("15"), "meta:deleted": brl("280"),
    }  # fmt: skip
    receipt = await bench.submit(budget("11"), "k1")
    assert receipt.status == "refused"
    assert "over_cap" in {f.rule for f in receipt.findings}, "302 were spent of 300"


async def test_a_week_is_summed_by_campaign_and_platform(bench: Bench) -> None:
    bench.clock.advance(timedelta(days=2))  # Wednesday
    await bench.running(amount="10")
    today = bench.clock.now().date()
    for back, spend in ((3, 10_000), (2, 100), (1, 20), (0, 3)):  # Sunday belongs to the week before
        await measured(bench, today - timedelta(days=back), spend)
    await measured(bench, today - timedelta(days=1), 5000, external="deleted", campaign_id=None)
    facts = await told(bench, budget("11"))
    assert facts.budget is not None
    assert facts.budget.spent_week_before_today.minor == 5120
    assert {k: v.minor for k, v in (facts.budget.spent_week_by_platform or {}).items()} == {"meta": 5120}
    assert row(facts).spent_week == brl("1.20")


async def test_a_managers_no_is_quoted_to_the_next_proposal(bench: Bench) -> None:
    bench.policy = policy_with(quality={"rejection_memory_hours": 72})
    await bench.running(amount="100")
    asked = await bench.submit(budget("130"), "k1")
    assert (await bench.gate.reject(asked.action_id, ANA, "o estoque acaba sexta")).ok
    again = await bench.submit(budget("110"), "k2")
    assert again.status == "refused"
    no = next(f for f in again.findings if f.rule == "recent_no")
    assert (no.message.params["reason"], no.message.params["by"]) == ("o estoque acaba sexta", "ana@example.com")
    assert (await bench.submit(budget("90"), "k3")).status == "done", "down was not rejected"
    bench.clock.advance(timedelta(hours=72))
    assert "recent_no" not in {f.rule for f in (await bench.submit(budget("99"), "k4")).findings}


async def test_a_request_nobody_answered_is_no_rejection(bench: Bench) -> None:
    bench.policy = policy_with(quality={"rejection_memory_hours": 72})
    await bench.running(amount="100")
    await bench.submit(budget("130"), "k1")
    bench.clock.advance(timedelta(hours=5))
    assert await bench.gate.expire_due()
    assert (await told(bench, budget("130"))).rejections == ()


@pytest.mark.parametrize(
    ("kind", "value"), [("product", "PIA"), ("creative", "pia-meta-1"), ("term", "Aço Inox"), ("brand", "pia")]
)
async def test_the_blacklist_stops_a_publication(bench: Bench, kind: str, value: str) -> None:
    async with bench.db.transaction() as tx:
        await tx.blacklist.add(kind, value, reason="ROAS 0,2", by=str(ANA), at=bench.clock.now())  # type: ignore[arg-type]
        await tx.blacklist.add("term", "nunca dito", reason="x", by=str(ANA), at=bench.clock.now())
    facts = await told(bench, publication())
    assert [(entry.kind, entry.value) for entry in facts.blacklist] == [(kind, value.lower())]
    receipt = await bench.submit(publication(), "k1")
    assert receipt.status == "refused"
    assert "learned_blacklist" in {f.rule for f in receipt.findings}
    assert bench.ads.count("publish") == 0


@contextmanager
def listening() -> Iterator[list[bytes]]:
    """Every statement that reaches the driver meanwhile."""
    execute, seen = AsyncCursor.execute, list[bytes]()

    async def listened(cursor: Any, query: Any, params: Any = None, **more: Any) -> Any:
        seen.append(query)
        return await execute(cursor, query, params, **more)

    AsyncCursor.execute = listened  # type: ignore[method-assign, assignment]
    try:
        yield seen
    finally:
        AsyncCursor.execute = execute  # type: ignore[method-assign]


async def test_facts_cost_a_handful_of_journeys_to_the_database(bench: Bench) -> None:
    for number in range(5):
        await bench.running(f"c{number}", "10")
    platform = tuple(await bench.ads.list_campaigns())
    for action in (budget("11", "c1"), publication("new"), pause("c2")):
        async with bench.books.transaction() as tx:
            with listening() as seen:
                await tx.ledger_facts(action, BUYER, None, platform, bench.policy, bench.clock.now(), excluding=None)
        assert 1 <= len(seen) <= 5, "whatever the number of campaigns"


async def test_stored_facts_come_back_as_they_were(bench: Bench) -> None:
    await bench.running(amount="60", launched_hours_ago=24 * 20)
    await changed(bench, bench.clock.now() - timedelta(days=3), 5000, 6000)
    facts = await told(bench, budget("65"))
    assert Facts.model_validate(facts.model_dump(mode="json")) == facts
    assert Facts.model_validate_json(facts.model_dump_json()).model_dump_json() == facts.model_dump_json()
