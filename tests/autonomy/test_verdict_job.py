"""The job that looks back: when the figures are in, once, revised while they are restated, final after that, and never invented."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from knowledge.domain.action import SetBudget
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from prompts.messages import LOCALES, render
from runtime.jobs.verdicts import verdicts
from tests.autonomy.conftest import asking
from tests.autonomy.street import Street, later, promise
from tests.gate.house import ANA, Bench, brl, budget, pause

OK = promise(("20", "60", "100"), ("10", "120", "230"))


@pytest.fixture
async def street(bench: Bench) -> Street:
    """One campaign at 100 a day for a week, ROAS 2, and three untouched ones beside it."""
    bench.policy = asking({"daily_cap": brl("900"), "weekly_cap": brl("6000")}, by_action={})
    made = Street(bench)
    await made.product()
    for name in ("pia-meta", "a", "b", "c"):
        await bench.running(name, "100" if name == "pia-meta" else "20", launched_hours_ago=24 * 12)
        await made.days(name, -9, -1, "100" if name == "pia-meta" else "20", "200" if name == "pia-meta" else "44")
    return made


async def run(street: Street) -> dict[str, Any]:
    return await verdicts(street, street.clock.now())  # type: ignore[arg-type]


async def raised(street: Street, expected: dict[str, Any] | None = OK) -> str:
    receipt = await street.bench.submit(budget("120"), "raise", expected=expected)
    assert receipt.status == "done", receipt.findings
    return receipt.action_id


async def four_days(street: Street, spend: str = "120", revenue: str = "240", **more: Any) -> None:
    """The day of the action and the three after it, and the day in which late orders come."""
    later(street, days=5)
    await street.days("pia-meta", -5, -1, spend, revenue, **more)
    for name in ("a", "b", "c"):
        await street.days(name, -5, -1, "20", "44")


async def test_nothing_is_said_before_the_days_are_over_and_read(street: Street) -> None:
    action_id = await raised(street)
    later(street, days=3)
    await street.read()
    assert await run(street) == {"recorded": 0, "revised": 0}
    await four_days(street)
    street.bench.clock.advance(timedelta(hours=1))
    assert await run(street) == {"recorded": 0, "revised": 0}, "read before the days were over"
    await street.read(failed={"meta": "down"})
    assert await run(street) == {"recorded": 0, "revised": 0}, "this platform failed"
    later(street, minutes=1)
    await street.read()
    assert await run(street) == {"recorded": 1, "revised": 0}
    assert (await street.outcomes(action_id))["revenue"].recorded_at == street.clock.now()


async def test_verdict_is_held_against_the_neighbours_recorded_once_and_audited(street: Street) -> None:
    action_id = await raised(street)
    await four_days(street)
    await street.read()
    assert await run(street) == {"recorded": 1, "revised": 0}
    assert await run(street) == {"recorded": 0, "revised": 0}
    found = await street.outcomes(action_id)
    spend, revenue = found["spend"], found["revenue"]
    assert (spend.method, spend.controls, spend.days) == ("difference_in_differences", ("a", "b", "c"), 3)
    assert spend.measured is not None and spend.measured.mid == brl("60")
    assert spend.counterfactual == brl("300") and spend.observed == brl("360")
    assert (revenue.headline, revenue.verdict, revenue.strategy) == (True, "as_expected", "bayes")
    assert revenue.measured is not None and revenue.measured.mid == brl("120")
    for locale in LOCALES:
        said = render(revenue.message, locale)
        assert "{" not in said and "120" in said
    rows = await street.bench.rows(
        "select payload_text from audit_log where kind = 'action.verdict' and action_id = :id", id=action_id
    )
    assert len(rows) == 1
    payload = json.loads(rows[0][0])
    assert (payload["verdict"], payload["revision"], len(payload["effects"])) == ("as_expected", 0, 2)
    events = await street.bench.rows("select payload from live_events where kind = 'action.verdict'")
    assert [e[0]["action_id"] for e in events] == [action_id]


async def test_two_workers_on_one_slot_record_once(street: Street) -> None:
    await raised(street)
    await four_days(street)
    await street.read()
    twin = Street(street.bench.beside())
    counts = await asyncio.gather(run(street), run(twin))
    assert sorted(c["recorded"] for c in counts) == [0, 1]
    assert await street.bench.rows("select count(*) from audit_log where kind = 'action.verdict'") == [(1,)]


async def test_restated_figures_revise_until_the_window_closes(street: Street) -> None:
    action_id = await raised(street)
    await four_days(street, provisional=True)
    await street.read()
    await run(street)
    before = (await street.outcomes(action_id))["revenue"]
    assert before.provisional and not before.final and before.revision == 0
    later(street, days=1)
    for n in range(-5, -2):
        await street.day("pia-meta", street.today() + timedelta(days=n), "120", "900", orders=15)
    await street.read()
    assert await run(street) == {"recorded": 0, "revised": 1}
    after = (await street.outcomes(action_id))["revenue"]
    assert (after.revision, after.verdict, after.recorded_at) == (1, "above", before.recorded_at)
    assert after.better is True
    kinds = await street.bench.rows("select payload_text from audit_log where kind = 'action.verdict' order by seq")
    told = json.loads(kinds[1][0])
    assert (told["revision"], told["before"][0]["verdict"]) == (1, "as_expected")
    later(street, days=8)
    await street.read()
    await run(street)
    assert (await street.outcomes(action_id))["revenue"].final
    await street.days("pia-meta", -12, -9, "120", "0", orders=0)
    await street.read()
    assert await run(street) == {"recorded": 0, "revised": 0}, "final is final"


async def test_an_overtaken_action_is_judged_on_the_days_it_had(street: Street) -> None:
    first = await raised(street)
    later(street, days=2)
    await street.days("pia-meta", -2, -1, "120", "240")
    assert (await street.bench.submit(budget("100"), "back", ANA)).status == "done"
    await four_days(street, "100", "200")
    await street.read()
    assert (await run(street))["recorded"] == 2
    one = (await street.outcomes(first))["spend"]
    assert one.days == 1 and one.expected is not None and one.expected.mid == brl("20")
    assert one.measured is not None and one.measured.mid == brl("20")


async def test_an_action_taken_back_the_next_day_cannot_be_judged(street: Street) -> None:
    first = await raised(street)
    later(street, days=1)
    assert (await street.bench.submit(budget("100"), "back", ANA)).status == "done"
    await four_days(street, "100", "200")
    await street.read()
    await run(street)
    found = await street.outcomes(first)
    assert {o.verdict for o in found.values()} == {"undefined"} and {o.reason for o in found.values()} == {"overtaken"}
    assert "{" not in render(found["spend"].message, "pt-BR")


async def test_figures_that_never_came_end_as_unread_and_not_as_zero(street: Street) -> None:
    action_id = await raised(street)
    later(street, days=20)
    assert await run(street) == {"recorded": 1, "revised": 0}
    found = await street.outcomes(action_id)
    assert {(o.verdict, o.reason, o.measured) for o in found.values()} == {("undefined", "unread", None)}
    assert all(o.final for o in found.values())


async def test_a_persons_command_without_a_promise_is_measured_and_says_so(street: Street) -> None:
    receipt = await street.bench.submit(pause(), "stop", ANA)
    assert receipt.status == "done"
    later(street, days=5)
    for name in ("a", "b", "c"):
        await street.days(name, -5, -1, "20", "44")
    await street.read()
    await run(street)
    found = await street.outcomes(receipt.action_id)
    profit = found["profit"]
    assert (profit.verdict, profit.reason, profit.strategy) == ("undefined", "no_expectation", "people")
    assert profit.measured is not None and profit.measured.mid == brl("0"), (
        "ROAS 2 at a margin of a half: nothing gained, nothing lost"
    )
    assert found["spend"].measured is not None and found["spend"].measured.mid == brl("-300")
    for locale in LOCALES:
        assert "{" not in render(profit.message, locale)


async def test_another_currency_is_not_compared(street: Street) -> None:
    action_id = await raised(street)
    later(street, days=5)
    await street.days("pia-meta", -9, -1, "120", "240", currency="USD")
    await street.read()
    await run(street)
    assert {o.reason for o in (await street.outcomes(action_id)).values()} == {"other_currency"}


async def test_an_account_in_another_currency_is_read_under_the_budget_it_had_there(bench: Bench) -> None:
    """The facts' budget is in the policy's currency: held against budgets in dollars it would make every day before five times as dear."""
    bench.policy = asking({"daily_cap": brl("9000"), "weekly_cap": brl("60000"), "max_campaign_budget": brl("900")}, by_action={})
    street = Street(bench)
    await street.product()
    external = await bench.running("pia-meta", "100", launched_hours_ago=24 * 12)
    bench.ads.put(external, Money.of("100", "USD"), "pia-meta")
    await bench.rows_changed("update campaigns set currency = 'USD'")
    async with bench.db.transaction() as tx:
        await tx.exchange_rates.put("USD", "BRL", street.today(), Decimal("5"), source="test", at=street.clock.now())
    await street.days("pia-meta", -9, -1, "100", "200", currency="USD")
    action = SetBudget(platform="meta", campaign_id="pia-meta", daily_budget=Money.of("120", "USD"))
    receipt = await bench.submit(action, "raise")
    assert receipt.status == "done", receipt.findings
    facts = (await bench.action(receipt.action_id)).facts.campaign
    assert facts is not None and facts.daily_budget == brl("500")
    later(street, days=5)
    await street.days("pia-meta", -5, -1, "120", "240", currency="USD")
    await street.read()
    await run(street)
    spend = (await street.outcomes(receipt.action_id))["spend"]
    assert spend.measured is not None and spend.measured.mid == Money.of("60", "USD"), "three days of 20 more"


async def test_summary_and_calibration_come_from_the_headlines(street: Street) -> None:
    await raised(street)
    async with street.db.transaction() as tx:
        none = await tx.outcomes.summary()
    assert none.message.id == "outcome.summary_none"
    await four_days(street)
    await street.read()
    await run(street)
    async with street.db.transaction() as tx:
        summary = await tx.outcomes.summary()
        rows = await tx.outcomes.calibration(since=street.clock.now() - timedelta(days=90))
    assert (summary.all.judged, summary.all.inside, summary.all.undefined) == (1, 1, 0)
    assert render(summary.message, "en") == "1 of 1 inside the interval, bias 0%; 0 without a verdict."
    assert render(Message(id="outcome.summary", params=summary.message.params | {"sign": "+"}), "pt-BR").startswith("1 de 1")
    assert [(r["strategy"], r["kind"], r["judged"]) for r in rows] == [("bayes", "campaign.set_budget", 1)]


async def test_spend_alone_promised_is_judged_and_profit_measured_but_calibrates_nothing(street: Street) -> None:
    action_id = await raised(street, promise(("20", "60", "100")))
    await four_days(street)
    await street.read()
    await run(street)
    found = await street.outcomes(action_id)
    assert found["spend"].headline and found["spend"].verdict == "as_expected" and found["spend"].better is None
    assert (found["profit"].reason, found["profit"].measured is not None) == ("no_expectation", True)
    async with street.db.transaction() as tx:
        assert await tx.outcomes.calibration(since=street.clock.now() - timedelta(days=90)) == []
        assert await tx.grants.answers("campaign.set_budget") == []
