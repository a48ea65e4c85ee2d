"""Amounts as people type them: read to the last character, or not at all."""

import re
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from knowledge.domain.money import Money
from tools.kits.amounts import MARKS, foreign_mark, money, typed

LOCALES = ("pt-BR", "en", "plain", None)


@pytest.mark.parametrize(
    ("text", "locale", "value"),
    [
        ("80", None, "80"),
        ("R$ 80", "pt-BR", "80"),
        ("R$\u00a054,60", "pt-BR", "54.60"),
        ("1.234,56", "pt-BR", "1234.56"),
        ("54.60", "pt-BR", "54.60"),
        ("1,234.56", "en", "1234.56"),
        ("54,60", "en", "54.60"),
        ("1.250", "pt-BR", "1250"),
        ("1.250", None, "1250"),
        ("1,250", None, "1250"),
        ("5 mil", "pt-BR", "5000"),
        ("5k", "en", "5000"),
        ("R$ 1,5 mil", "pt-BR", "1500"),
        ("1.5K", "en", "1500"),
        ("2 thousand reais", "en", "2000"),
        ("80 BRL", None, "80"),
        ("+80", None, "80"),
    ],
)
def test_amounts_of_both_countries(text: str, locale: str | None, value: str) -> None:
    assert money(text, "BRL", locale) == (Money.of(value, "BRL"), None)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        *((text, "amount") for text in ("1e5", "1.5e3", "50 a 60", "0x10", "", "mil", "R$", "5 60", "5²", "٥٠", "1.2.3", "50-", "5 k k", "80 x",
                                        "1.500 mil", "NaN", "Infinity", "12 milhões", "9" * 13, "1_000", "80 BTC")),
        *((text, "currency") for text in ("US$ 50", "50 USD", "€50", "50 euros", "60 dólares", "USD50", "US$ 5 mil", "50 pesos")),
        *((text, "positive") for text in ("0", "-5", "R$ -5", "- R$ 5", "−5")),
    ],
)  # fmt: skip
def test_what_is_no_amount_in_reais_is_refused(text: str, problem: str, locale: str | None) -> None:
    assert money(text, "BRL", locale) == (None, problem)


def test_what_could_be_read_two_ways_is_refused() -> None:
    assert money("1,234", "BRL", "pt-BR") == (None, "places")
    assert money("1.234", "BRL", "en") == (None, "places")
    assert money("0.125", "BRL", "pt-BR") == money("0.125", "BRL") == (None, "amount")
    assert money("80.001", "BRL", "plain") == (None, "amount")
    assert money("80,5", "JPY", "pt-BR") == (None, "places")


def test_another_currency_is_named_as_it_was_typed() -> None:
    assert foreign_mark("US$ 50", "BRL") == "US$" and foreign_mark("50 Dólares", "BRL") == "Dólares"
    assert money("50 dollars", "USD")[0] == money("$50", "USD")[0] == Money.of("50", "USD")
    assert money("R$ 50", "USD") == (None, "currency")
    assert money("$50", "EUR") == (None, "currency")


MARKED = st.sampled_from([*MARKS, *(mark.upper() for mark in MARKS), "mil", "k", "e", "a", "x", "-", "+", " ", ".", ",", "%", "/"])
PIECES = st.lists(st.one_of(MARKED, st.integers(0, 10**7).map(str), st.characters()), max_size=7).map("".join)


def accounted(text: str, found: Decimal, marks: tuple[str, ...]) -> bool:
    """Whether a text is one number of these digits, the marks, at most one word for a thousand, a sign and spaces, and nothing else."""
    rest = re.sub(r"\s", "", text)
    for mark in marks:
        rest = rest.replace(mark, "", 1)
    number = re.search(r"[0-9.,]+", rest)
    assert number is not None
    outside = rest.replace(number[0], "", 1).casefold()
    thousands = outside.strip("+-−")
    digits = Decimal(re.sub(r"[.,]", "", number[0]))
    ratio = digits * (1000 if thousands else 1) / abs(found) if found else Decimal(1)
    return outside.lstrip("+-−") in ("", "mil", "k", "thousand") and ratio in {Decimal(10) ** n for n in range(13)}


@given(st.one_of(st.text(), PIECES), st.sampled_from(LOCALES))
@example("50 a 60", "pt-BR")
@example("US$ 1,5 mil", "pt-BR")
def test_any_text_is_refused_or_accounted_for_whole(text: str, locale: str | None) -> None:
    found = typed(text, locale)
    if found is not None:
        assert accounted(text, found.value, found.marks), (text, found)
        assert typed(found.plain, "plain") in (found, None)  # None: more decimals than the plain form has
    amount, problem = money(text, "BRL", locale)
    assert (amount is None) != (problem is None)
    assert amount is None or (found is not None and amount == Money.of(found.value, "BRL"))


@given(st.integers(1, 10**11), st.sampled_from(["pt-BR", "en"]), st.sampled_from(["", "R$ ", "BRL "]))
def test_every_amount_as_the_house_writes_it_is_read_back(minor: int, locale: str, mark: str) -> None:
    amount = Money(minor=minor, currency="BRL")
    english = f"{amount.amount:,.2f}"
    swapped = english.translate(str.maketrans(",.", ".,"))
    assert money(mark + (english if locale == "en" else swapped), "BRL", locale) == (amount, None)
    assert money(mark + english, "BRL") == money(mark + swapped, "BRL") == (amount, None)
    assert money(f"{mark}{amount.amount}", "BRL", "plain") == (amount, None)
