"""Currency facts of the ad platforms, for the twins only. The product has its own tables; agreeing on them is what tests check."""

from __future__ import annotations

from decimal import Decimal

from runtime.sandbox.words import words

ISO_EXPONENT: dict[str, int] = {
    "BRL": 2, "USD": 2, "EUR": 2, "GBP": 2, "MXN": 2, "ARS": 2, "CAD": 2, "AUD": 2,
    "COP": 2, "HUF": 2, "CLP": 0, "JPY": 0, "KRW": 0, "PYG": 0,
}  # fmt: skip
"""Digits after the comma (ISO 4217) of the currencies in which the market can trade."""

META_OFFSET_ONE = words("CLP COP CRC HUF IDR ISK JPY KRW PYG TWD VND")
"""Currencies that Meta bills in whole units, against ISO for some of them (COP, HUF, CRC, IDR, TWD)."""

UNITS_PER_BRL: dict[str, Decimal] = {
    "BRL": Decimal(1), "USD": Decimal("0.19"), "EUR": Decimal("0.17"), "GBP": Decimal("0.15"), "MXN": Decimal("3.4"),
    "ARS": Decimal(270), "CAD": Decimal("0.26"), "AUD": Decimal("0.29"), "COP": Decimal(730), "HUF": Decimal(64),
    "CLP": Decimal(178), "JPY": Decimal(29), "KRW": Decimal(273), "PYG": Decimal(1330),
}  # fmt: skip
"""Rough rates, to give prices of a believable size in another account currency. Not for accounting."""


def minor_per_unit(currency: str) -> int:
    """Minor units in one major unit (100 for BRL, 1 for JPY). Raises KeyError on a currency the market does not trade in."""
    return 10 ** ISO_EXPONENT[currency]


def meta_offset(currency: str) -> int:
    """How many of Meta's budget units make one major unit of the currency."""
    return 1 if currency in META_OFFSET_ONE else 100


def meta_to_minor(amount: int, currency: str) -> int:
    """Meta's integer budget units -> ISO minor units."""
    return amount * minor_per_unit(currency) // meta_offset(currency)


def minor_to_meta(minor: int, currency: str) -> int:
    """ISO minor units -> Meta's integer budget units."""
    return minor * meta_offset(currency) // minor_per_unit(currency)


def major_text(minor: int, currency: str) -> str:
    """Minor units -> decimal string in major units: 12345 BRL -> "123.45", 500 JPY -> "500"."""
    return f"{Decimal(minor).scaleb(-ISO_EXPONENT[currency]):f}"


def minor_from_brl(major: float, currency: str) -> float:
    """A typical price in BRL major units -> the same price in minor units of the currency (not rounded)."""
    return major * float(UNITS_PER_BRL[currency]) * minor_per_unit(currency)
