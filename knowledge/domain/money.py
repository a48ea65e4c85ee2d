"""Money: whole minor units and a currency. The only form in which amounts move through the house."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

# ISO 4217 exponents of the currencies we accept. An unknown code is an error: guessing 2 would multiply yen by 100.
EXPONENTS: dict[str, int] = {
    **dict.fromkeys(
        (
            "ARS",
            "AUD",
            "BRL",
            "CAD",
            "CHF",
            "CNY",
            "COP",
            "CRC",
            "CZK",
            "DKK",
            "EUR",
            "GBP",
            "HKD",
            "HUF",
            "IDR",
            "ILS",
        ),
        2,
    ),
    **dict.fromkeys(("INR", "MXN", "MYR", "NOK", "NZD", "PEN", "PHP", "PLN", "RON", "SEK", "SGD", "THB", "TRY", "TWD"), 2),
    **dict.fromkeys(("USD", "UYU", "ZAR"), 2),
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "VND"), 0),
}


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies met. Convert one with a dated rate first."""


class Money(BaseModel):
    """An amount in whole minor units (cents; yen for JPY) of one ISO 4217 currency. May be negative (a difference)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    minor: int
    currency: str = Field(min_length=3, max_length=3)

    zero_decimal: ClassVar[frozenset[str]] = frozenset(code for code, exponent in EXPONENTS.items() if exponent == 0)

    @field_validator("currency")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in EXPONENTS:
            raise ValueError(f"currency {value!r} is not known here; known: {', '.join(sorted(EXPONENTS))}")
        return value

    @classmethod
    def of(cls, amount: str | int | Decimal, currency: str) -> Money:
        """From an amount in major units ("50.00", Decimal). Floats, NaN and fractions of a minor unit are refused."""
        if isinstance(amount, float | bool):
            raise ValueError(f"amount: {amount!r} is a float or a bool; give a string or Decimal so that no cent is guessed")
        if currency not in EXPONENTS:
            raise ValueError(f"currency {currency!r} is not known here; known: {', '.join(sorted(EXPONENTS))}")
        try:
            value = Decimal(amount)
        except InvalidOperation as error:
            raise ValueError(f"amount: {amount!r} is not a decimal number; write it like 1234.56") from error
        if not value.is_finite():
            raise ValueError(f"amount: {amount!r} is not a finite number")
        scaled = value.scaleb(EXPONENTS[currency])
        if scaled != scaled.to_integral_value():
            raise ValueError(f"amount: {amount} has more decimals than {currency} knows ({EXPONENTS[currency]})")
        return cls(minor=int(scaled), currency=currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in a currency."""
        return cls(minor=0, currency=currency)

    @property
    def amount(self) -> Decimal:
        """The amount in major units, exact."""
        return Decimal(self.minor).scaleb(-EXPONENTS[self.currency])

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self} and {other} have different currencies; convert one with a dated rate first")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(minor=self.minor + other.minor, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(minor=self.minor - other.minor, currency=self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.minor < other.minor

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.minor <= other.minor

    def __gt__(self, other: Money) -> bool:
        return other < self

    def __ge__(self, other: Money) -> bool:
        return other <= self

    def times(self, factor: Decimal | int, rounding: str = ROUND_HALF_EVEN) -> Money:
        """The amount times a factor, rounded to whole minor units (banker's rounding unless told)."""
        product = (Decimal(self.minor) * Decimal(factor)).to_integral_value(rounding=rounding)
        return Money(minor=int(product), currency=self.currency)

    def ratio_to(self, other: Money) -> Decimal | None:
        """self / other as an exact Decimal, or None when other is zero: an undefined ratio is never 0."""
        self._same(other)
        return None if other.minor == 0 else Decimal(self.minor) / Decimal(other.minor)

    def __str__(self) -> str:
        return f"{self.amount:.{EXPONENTS[self.currency]}f} {self.currency}"


def total(amounts: Any, currency: str) -> Money:
    """Sum of Money values in one currency; an empty sum is zero of that currency."""
    result = Money.zero(currency)
    for amount in amounts:
        result = result + amount
    return result
