"""Amounts of another currency at the border of the caps."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from knowledge.domain.money import Money
from knowledge.domain.rates import Rate
from tests.guardrails.law_support import (
    NOW,
    USER,
    books,
    brl,
    campaign,
    exposure,
    facts,
    finding_of,
    pause,
    policy,
    publish,
    set_budget,
    word,
)
from tools.guardrails import judge

TODAY = date(2026, 11, 25)


def rate(value: str, base: str = "USD", quote: str = "BRL", age: int = 0) -> Rate:
    return Rate(day=TODAY - timedelta(days=age), base=base, quote=quote, rate=Decimal(value), source="test")


@pytest.mark.parametrize(("usd", "answer"), [("30.42", "allow"), ("30.44", "refuse")])
def test_a_dollar_budget_under_a_cap_in_reais(usd: str, answer: str) -> None:
    """171.42 BRL times 1.75 is the last whole cent under 300; at 5.6320 a dollar that is 30.43 USD and not a cent more."""
    law = policy(max_campaign_budget=1000)
    now = facts(USER, campaign=None, budget=books(), rates=(rate("5.6320"),))
    assert word(judge(publish(usd, currency="USD"), now, law), "daily_cap") == answer


def test_the_border_moves_with_the_rate() -> None:
    law = policy(max_campaign_budget=1000)
    answers = [
        word(
            judge(publish("30.42", currency="USD"), facts(USER, campaign=None, budget=books(), rates=(rate(r),)), law), "daily_cap"
        )
        for r in ("5.63", "5.64")
    ]
    assert answers == ["allow", "refuse"]


@pytest.mark.parametrize(("age", "answer"), [(5, "allow"), (6, "refuse")])
def test_a_stale_rate_is_none(age: int, answer: str) -> None:
    verdict = judge(
        publish("10", currency="USD"), facts(USER, campaign=None, budget=books(), rates=(rate("5.63", age=age),)), policy()
    )
    assert word(verdict, "exchange_rate") == answer
    if answer == "refuse":
        said = finding_of(verdict, "exchange_rate")
        assert (said.numbers["base"], said.numbers["quote"], verdict.answer) == ("USD", "BRL", "refuse")


def test_a_budget_change_in_dollars_is_measured_in_reais() -> None:
    now = facts(USER, campaign=campaign("56.30"), budget=books(exposure(budget="56.30")), rates=(rate("5.63"),))
    assert word(judge(set_budget("15.00", "USD"), now, policy()), "max_increase") == "allow"  # +50 %
    assert word(judge(set_budget("15.01", "USD"), now, policy()), "max_increase") == "refuse"


def test_a_missing_rate_refuses_what_spends_and_lets_a_fire_be_put_out() -> None:
    foreign = campaign().model_copy(
        update={
            name: Money.of("50", "USD") for name in ("daily_budget", "ledger_budget", "baseline_budget", "spend_7d", "revenue_7d")
        }
    )
    blind = facts("system:watchdog", campaign=foreign, unreadable=("c1.currency", "rate.USD/BRL"))
    assert judge(pause(), blind, policy()).answer == "refuse"
    assert judge(pause(emergency=True), blind, policy()).answer == "allow"
    assert judge(set_budget("51", "USD"), blind, policy()).answer == "refuse"


@pytest.mark.parametrize(
    ("asked", "currency", "value", "law_currency", "cap"),
    [
        ("30000", "TWD", "0.18", "BRL", 300),  # NT$30,000 instead of NT$300: 5,400 reais
        ("500000", "JPY", "0.030", "BRL", 300),  # ¥500,000 instead of ¥5,000: 15,000 reais
        ("500000", "JPY", None, "JPY", 20_000),
        ("30000", "TWD", None, "TWD", 1_000),
    ],
)
def test_a_hundredfold_amount_is_caught(asked: str, currency: str, value: str | None, law_currency: str, cap: int) -> None:
    law = policy(law_currency, daily_cap=cap, weekly_cap=cap * 5, max_campaign_budget=cap, pause_asks_above=cap)
    rates = (rate(value, currency, law_currency),) if value else ()
    empty = books() if law_currency == "BRL" else books().model_copy(
        update={"spent_week_before_today": Money.zero(law_currency)}
    )  # fmt: skip
    now = facts(USER, campaign=None, budget=empty, rates=rates)
    verdict = judge(publish(asked, currency=currency), now, law)
    assert {"campaign_budget", "daily_cap"} <= {f.rule for f in verdict.findings if f.answer == "refuse"}
    hundredth = str(Decimal(asked) / 100)
    assert word(judge(publish(hundredth, currency=currency), now, law), "daily_cap") == "allow"
    assert NOW.date() == TODAY and brl(1).minor == 100
