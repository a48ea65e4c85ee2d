"""Numbers and words of the cockpit: ratios with intervals, honest dashes, catalogues that match."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from knowledge.domain.money import Money
from runtime.cockpit import figures
from runtime.cockpit.numbers import Numbers
from runtime.cockpit.regions import REGIONS, touched
from runtime.cockpit.words import LOCALES, Words, catalogue
from runtime.db.cockpit_reads import CockpitReads, DayRow
from tests.cockpit.seed import POLICY, make_gate, seed


def day(number: int, **values: Any) -> DayRow:
    base: dict[str, Any] = {
        "spend": 10_000, "platform_revenue": 25_000, "conversions": 5, "provisional": False, "orders": 2,
        "order_value": 20_000, "order_value_squares": 2 * 10_000.0**2,
    }  # fmt: skip
    return DayRow(date(2026, 11, 1) + timedelta(days=number), **(base | values))


def test_roas_has_an_interval_that_shrinks_with_orders() -> None:
    week, month = figures.real_roas([day(n) for n in range(7)]), figures.real_roas([day(n) for n in range(28)])
    assert week.value == month.value == Decimal(2)
    assert week.low is not None and week.high is not None and month.low is not None and month.high is not None
    assert week.low < month.low < Decimal(2) < month.high < week.high
    # 14 equal orders: relative error 1/sqrt(14), so the bounds are 2 / and * exp(1.645 / sqrt(14)).
    assert round(week.high, 3) == Decimal("3.104")


def test_a_ratio_without_spend_is_undefined_and_without_orders_has_no_interval() -> None:
    nothing = figures.real_roas([day(0, spend=None, orders=0, order_value=0, order_value_squares=0.0)])
    assert (nothing.value, nothing.low) == (None, None)
    unsold = figures.real_roas([day(0, orders=0, order_value=0, order_value_squares=0.0)])
    assert (unsold.value, unsold.low) == (Decimal(0), None)
    assert figures.change(Decimal(2), None) is None
    assert figures.change(Decimal(2), Decimal(0)) is None


def test_missing_days_stay_gaps_in_the_chart() -> None:
    chart = figures.points([day(0), day(1, spend=None, platform_revenue=None, conversions=0)], 2)
    data = figures.series(chart, 2)
    assert data["spend"] == [100.0, None]
    assert data["real"] == [2.0, 4.0]


@pytest.mark.parametrize(
    ("locale", "money", "ratio", "share"), [("pt-BR", "R$\xa01.234,50", "2,08", "+40%"), ("en", "R$1,234.50", "2.08", "+40%")]
)
def test_numbers_are_written_as_the_locale_does(locale: str, money: str, ratio: str, share: str) -> None:
    numbers = Numbers(locale, "America/Sao_Paulo")
    assert numbers.money(Money.of("1234.50", "BRL")) == money
    assert numbers.decimal(Decimal("2.08")) == ratio
    assert numbers.percent(Decimal("0.4"), signed=True) == share
    assert numbers.money(None) == numbers.decimal(None) == numbers.percent(None) == "—"
    assert numbers.any({"minor": 123450, "currency": "BRL"}) == money
    assert numbers.any("120330000123") == "120330000123"


def test_catalogues_hold_the_same_keys_and_placeholders() -> None:
    first, *others = [catalogue(locale) for locale in LOCALES]
    for other in others:
        assert first.keys() == other.keys()
        for key in first:
            holes = [sorted(re.findall(r"{(\w+)}", table[key])) for table in (first, other)]
            assert holes[0] == holes[1], key


def test_an_unknown_key_or_a_missing_value_is_a_fault() -> None:
    with pytest.raises(KeyError):
        Words("en")("kpi.nonsense")
    with pytest.raises(KeyError):
        Words("en")("kpi.orders")


def test_an_unknown_event_draws_everything_again() -> None:
    assert touched("alert.opened") == ("alerts",)
    assert touched("surprise") == REGIONS


async def test_the_books_agree_with_the_law(database: Any, clock: Any) -> None:
    """The page's worst case is what the gate would have judged by: seven campaigns, multipliers counted, one paused today."""
    from knowledge.domain.facts import Facts
    from tools.guardrails.exposure import worst_today

    gate, _ = make_gate(database, clock)
    await seed(database, gate, clock)
    reads = CockpitReads(database, POLICY)
    books = await reads.budget(clock.now())
    shown = worst_today(None, Facts(now=clock.now(), proposer="x", budget=books), POLICY)
    refused = next(row for row in await reads.feed(20, people=True) if row.kind == "campaign.publish")
    assert refused.facts is not None and shown is not None
    judged = worst_today(None, Facts.model_validate(refused.facts), POLICY)
    assert shown == judged


async def test_an_unknown_running_budget_is_not_read_as_zero(database: Any, clock: Any) -> None:
    from sqlalchemy import text

    gate, _ = make_gate(database, clock)
    await seed(database, gate, clock)
    async with database.transaction() as tx:
        await tx.conn.execute(text("update campaigns set daily_budget_minor = null where id = 'c-marca'"))
    assert await CockpitReads(database, POLICY).budget(clock.now()) is None


async def test_an_empty_house_reads_as_nothing_known(database: Any, clock: Any) -> None:
    reads = CockpitReads(database, POLICY)
    now: datetime = clock.now()
    days = await reads.days(now.date(), 7)
    assert [row.spend for row in days] == [None] * 7
    counts = await reads.counts(now)
    assert not counts.has_orders and counts.analytics_at is None
    assert (await reads.pending(5), await reads.alerts(5), await reads.kills(), await reads.last_event()) == ([], [], [], 0)
