"""Exchange rates with a day: amounts of another currency are compared with a limit only by a rate that is recent enough.

Rounding is against us: what is spent is rounded up to the next minor unit, so that a conversion never makes room.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_CEILING, Decimal

from pydantic import BaseModel, ConfigDict, Field

from knowledge.domain.money import EXPONENTS, Money


class NoRate(ValueError):
    """No rate between the two currencies that is recent enough. Enter one: `ceo rates set BASE QUOTE RATE --day DAY`."""

    def __init__(self, base: str, quote: str, day: date, newest: date | None) -> None:
        found = "none is known" if newest is None else f"the newest is of {newest.isoformat()}"
        super().__init__(f"no rate {base}/{quote} for {day.isoformat()}: {found}; run `ceo rates set {base} {quote} RATE`")
        self.base, self.quote, self.day, self.newest = base, quote, day, newest


class Rate(BaseModel):
    """One unit of `base` costs `rate` units of `quote` (major units both) on `day`; `source` says who stated it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    base: str = Field(min_length=3, max_length=3)
    quote: str = Field(min_length=3, max_length=3)
    rate: Decimal = Field(gt=0)
    source: str = ""


def newest(base: str, quote: str, day: date, rates: Iterable[Rate]) -> tuple[Rate, bool] | None:
    """The youngest rate of the pair that is not of a later day, and whether it is stated the other way round."""
    pairs = [(r, r.base != base) for r in rates if {r.base, r.quote} == {base, quote} and r.day <= day]
    # Of two rates of one day the one that was stated in this direction is taken.
    return max(pairs, key=lambda found: (found[0].day, not found[1]), default=None)


def convert(money: Money, to: str, day: date, rates: Iterable[Rate], max_age: int, rounding: str = ROUND_CEILING) -> Money:
    """The amount in currency `to` by the newest rate of the pair that is at most `max_age` days older than `day`.

    Rounded up to a whole minor unit unless told. Raises NoRate when no rate is recent enough, ValueError for a currency that is
    not known here.
    """
    if money.currency == to:
        return money
    if to not in EXPONENTS:
        raise ValueError(f"currency {to!r} is not known here; known: {', '.join(sorted(EXPONENTS))}")
    found = newest(money.currency, to, day, rates)
    if found is None or (day - found[0].day).days > max_age:
        raise NoRate(money.currency, to, day, None if found is None else found[0].day)
    rate, inverse = found
    amount = money.amount / rate.rate if inverse else money.amount * rate.rate
    return Money(minor=int(amount.scaleb(EXPONENTS[to]).to_integral_value(rounding=rounding)), currency=to)
