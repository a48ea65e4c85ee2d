"""Dated rates: no amount is compared by its bare number, and a conversion never makes room."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_FLOOR, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.domain.money import EXPONENTS, Money
from knowledge.domain.rates import NoRate, Rate, convert

DAY = date(2026, 11, 23)


def rate(value: str, day: date = DAY, base: str = "USD", quote: str = "BRL") -> Rate:
    return Rate(day=day, base=base, quote=quote, rate=Decimal(value), source="test")


def test_by_the_newest_rate_that_is_not_of_a_later_day() -> None:
    rates = [rate("5.00", date(2026, 11, 20)), rate("5.63", date(2026, 11, 22)), rate("9.99", date(2026, 11, 24))]
    assert convert(Money.of("10.00", "USD"), "BRL", DAY, rates, 5) == Money.of("56.30", "BRL")


def test_spend_is_rounded_up_to_the_next_minor_unit() -> None:
    assert convert(Money.of("0.01", "USD"), "BRL", DAY, [rate("5.631")], 0) == Money.of("0.06", "BRL")
    assert convert(Money.of("0.01", "USD"), "BRL", DAY, [rate("5.631")], 0, ROUND_FLOOR) == Money.of("0.05", "BRL")


def test_a_rate_serves_both_directions() -> None:
    assert convert(Money.of("56.30", "BRL"), "USD", DAY, [rate("5.63")], 0) == Money.of("10.00", "USD")


@pytest.mark.parametrize(("max_age", "fits"), [(4, False), (5, True)])
def test_a_stale_rate_is_refused(max_age: int, fits: bool) -> None:
    rates = [rate("5.63", date(2026, 11, 18))]
    if fits:
        assert convert(Money.of("1.00", "USD"), "BRL", DAY, rates, max_age).amount == Decimal("5.63")
        return
    with pytest.raises(NoRate, match=r"newest is of 2026-11-18.*ceo rates set USD BRL"):
        convert(Money.of("1.00", "USD"), "BRL", DAY, rates, max_age)


def test_an_unknown_rate_is_never_one() -> None:
    with pytest.raises(NoRate, match="none is known"):
        convert(Money.of("1.00", "EUR"), "BRL", DAY, [rate("5.63")], 5)
    with pytest.raises(NoRate):
        convert(Money.of("1.00", "USD"), "BRL", date(2026, 11, 22), [rate("5.63")], 5)  # of a later day


def test_yen_have_no_minor_units() -> None:
    yen = [rate("0.036", base="JPY")]
    assert convert(Money.of("5000", "JPY"), "BRL", DAY, yen, 0) == Money.of("180.00", "BRL")
    assert convert(Money.of("180.01", "BRL"), "JPY", DAY, yen, 0) == Money.of("5001", "JPY")


@given(
    minor=st.integers(0, 10**12),
    value=st.decimals("0.0001", "10000", places=4),
    base=st.sampled_from(sorted(EXPONENTS)),
    quote=st.sampled_from(sorted(EXPONENTS)),
)
def test_converted_spend_never_shrinks(minor: int, value: Decimal, base: str, quote: str) -> None:
    given_ = Money(minor=minor, currency=base)
    there = convert(given_, quote, DAY, [Rate(day=DAY, base=base, quote=quote, rate=value)] if base != quote else [], 0)
    exact = given_.amount * value if base != quote else given_.amount
    assert exact <= there.amount < exact + Decimal(1).scaleb(-EXPONENTS[quote])
