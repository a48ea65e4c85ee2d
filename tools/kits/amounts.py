"""Amounts of money as people type them, read whole or not at all. Pure.

One reading for the edit form, the command line and the chat: a mark of the currency, a number, `mil` or `k`, and nothing else. Whatever
is left over makes it no amount, since a part that is dropped in silence ("50 a 60", "1e5") is another amount than was meant.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Literal, NamedTuple

from knowledge.domain.message import Message
from knowledge.domain.money import EXPONENTS, Money

Problem = Literal["amount", "positive", "places", "currency"]

_DOLLARS = ("USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD")
_PESOS = ("ARS", "CLP", "COP", "MXN", "PHP", "UYU")
MARKS: dict[str, tuple[str, ...]] = {
    **{code.lower(): (code,) for code in EXPONENTS},
    **dict.fromkeys(("r$", "real", "reais"), ("BRL",)),
    **dict.fromkeys(("us$", "u$", "u$s"), ("USD",)),
    **dict.fromkeys(("dolar", "dolares", "dollar", "dollars"), _DOLLARS),
    **dict.fromkeys(("peso", "pesos"), _PESOS),
    **dict.fromkeys(("€", "euro", "euros"), ("EUR",)),
    **dict.fromkeys(("£", "libra", "libras", "pound", "pounds"), ("GBP",)),
    **dict.fromkeys(("ca$", "c$"), ("CAD",)),
    **dict.fromkeys(("au$", "a$"), ("AUD",)),
    "mx$": ("MXN",), "nz$": ("NZD",), "hk$": ("HKD",), "nt$": ("TWD",), "s$": ("SGD",), "s/": ("PEN",), "₪": ("ILS",), "₫": ("VND",),
    "¥": ("JPY", "CNY"), "₹": ("INR",), "₩": ("KRW",), "฿": ("THB",), "₱": ("PHP",), "₲": ("PYG",), "₺": ("TRY",), "zł": ("PLN",),
    "$": ("BRL", *_DOLLARS, *(code for code in _PESOS if code != "PHP")),
}  # fmt: skip
"""What may stand beside a number, folded -> the currencies that it may mean. A bare "$" is written for every one of these alike, so
it says no other than the account's own; "dollars" says that it is not reais."""
MARK = "|".join(re.escape(mark) for mark in sorted(MARKS, key=len, reverse=True))
"""For finding where an amount begins in a folded sentence."""
_THOUSAND = frozenset({"mil", "k", "thousand"})
_MOST_DIGITS = 12
"""Before the decimals: far beyond any budget, and far below where a Decimal would round in silence."""
_SHAPE = re.compile(
    r"\s*(?P<sign>[+\-−]?)\s*(?P<before>[^\d\s.,+\-−]*)\s*(?P<inner>[+\-−]?)\s*(?P<number>[0-9][0-9.,]*|[.,][0-9]+)\s*(?P<after>\D*)",
)
_EITHER = (
    r"(?P<whole>[1-9]\d{0,2}(?:\.\d{3})+)(?:,(?P<part>\d{1,2}))?",
    r"(?P<whole>[1-9]\d{0,2}(?:,\d{3})+)(?:\.(?P<part>\d{1,2}))?",
    r"(?P<whole>\d+)(?:[.,](?P<part>\d{1,2}))?",
)
_FORMS: dict[str | None, tuple[str, ...]] = {
    "pt-BR": (
        r"(?P<whole>[1-9]\d{0,2}(?:\.\d{3})+)(?:,(?P<part>\d+))?",
        r"(?P<whole>\d*)(?:,(?P<part>\d+))?",
        r"(?P<whole>\d+)\.(?P<part>\d{1,2})",  # 54.60 typed in a Portuguese form
    ),
    "en": (
        r"(?P<whole>[1-9]\d{0,2}(?:,\d{3})+)(?:\.(?P<part>\d+))?",
        r"(?P<whole>\d*)(?:\.(?P<part>\d+))?",
        r"(?P<whole>\d+),(?P<part>\d{1,2})",
    ),
    "plain": (r"(?P<whole>\d+)(?:\.(?P<part>\d{1,2}))?",),
    None: _EITHER,
}
"""By locale; "plain" is how tools and models write, and None a chat, where either country's form may come."""
_SHORT = re.compile(r"\d{1,6}(?:[.,]\d{1,2})?")
"""What may be counted in thousands: "1.500 mil" could be read two ways."""


class Typed(NamedTuple):
    """A number in major units, with the marks of currency as they stood beside it."""

    value: Decimal
    marks: tuple[str, ...] = ()

    @property
    def plain(self) -> str:
        """The same amount with the same marks in the plain form."""
        return " ".join([*self.marks[:1], format(self.value.normalize(), "f"), *self.marks[1:]])

    def foreign(self, currency: str) -> str | None:
        """The mark that says another currency than this one; None when none does."""
        return next((mark for mark in self.marks if currency not in MARKS[_folded(mark)]), None)


def typed(text: str, locale: str | None = None) -> Typed | None:
    """The amount that the whole text is; None when anything is left over. Without a locale the forms of both countries are read, where a
    lone separator before exactly three digits groups thousands."""
    found = _SHAPE.fullmatch(text)
    if found is None or (found["sign"] and found["inner"]):
        return None
    after = found["after"].split()
    thousands = bool(after) and _folded(after[0]) in _THOUSAND
    marks = [*([found["before"]] if found["before"] else []), *after[thousands:]]
    value = _number(found["number"], locale, thousands=thousands)
    if value is None or len(after[thousands:]) > 1 or any(_folded(mark) not in MARKS for mark in marks):
        return None
    return Typed(-value if (found["sign"] or found["inner"]) in ("-", "−") else value, tuple(marks))


def money(text: str, currency: str, locale: str | None = None) -> tuple[Money | None, Problem | None]:
    """(a positive amount in this currency, None) or (None, what is wrong with the text)."""
    found = typed(text, locale)
    if found is None:
        return None, "amount"
    if found.foreign(currency) is not None:
        return None, "currency"
    if found.value <= 0:
        return None, "positive"
    try:
        return Money.of(found.value, currency), None
    except ValueError:
        return None, "places"


def foreign_mark(text: str, currency: str, locale: str | None = None) -> str:
    """The mark of another currency in a text that `money` refused for it."""
    found = typed(text, locale)
    return (found.foreign(currency) if found else None) or text.strip()


def refusal(problem: Problem, text: str, currency: str, locale: str | None = None) -> Message:
    """What a manager is told of an amount that `money` refused: the field, what is wrong with the value, and what to write."""
    given = text.strip()[:40]
    match problem:
        case "currency":
            return Message(
                id="chat.amount.currency", params={"mark": foreign_mark(text, currency, locale)[:40], "currency": currency}
            )
        case "places":
            return Message(id="chat.amount.places", params={"given": given, "currency": currency})
        case _:
            return Message(id="chat.amount.positive" if problem == "positive" else "chat.amount.amount", params={"given": given})


def _number(text: str, locale: str | None, *, thousands: bool) -> Decimal | None:
    for form in _FORMS[locale]:
        if found := re.fullmatch(form, text, re.ASCII):
            whole = re.sub(r"[.,]", "", found["whole"])
            if len(whole) > _MOST_DIGITS or len(found["part"] or "") > _MOST_DIGITS or (thousands and not _SHORT.fullmatch(text)):
                return None
            value = Decimal(f"{whole or 0}.{found['part'] or 0}")
            return value * 1000 if thousands else value
    return None


def _folded(mark: str) -> str:
    """Small letters without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", mark) if not unicodedata.combining(c)).casefold()
