"""Numbers, money, dates and durations as people of a locale write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal, format_percent

from knowledge.domain.money import EXPONENTS, Money

DASH = "—"


class Numbers:
    """Formats for one locale and time zone. None is never a number: it is shown as a dash."""

    def __init__(self, locale: str, zone: str) -> None:
        self._locale = locale.replace("-", "_") if locale != "en" else "en_GB"
        self._zone = ZoneInfo(zone)

    def money(self, value: Money | None) -> str:
        if value is None:
            return DASH
        return format_currency(value.amount, value.currency, locale=self._locale)

    def decimal(self, value: Decimal | int | None, places: int = 2) -> str:
        if value is None:
            return DASH
        return format_decimal(value, format="#,##0" + ("." + "0" * places if places else ""), locale=self._locale)

    def percent(self, share: Decimal | None, *, signed: bool = False, exact: bool = False) -> str:
        """A share (0.4) as percent (40 %); `exact` keeps a decimal, so that what is over a limit does not look like it."""
        if share is None:
            return DASH
        text = format_percent(share, format="#,##0.#%" if exact else "#,##0%", locale=self._locale)
        return f"+{text}" if signed and share > 0 else text.replace("-", "−")

    def interval(self, low: Decimal | None, high: Decimal | None) -> str:
        return DASH if low is None or high is None else f"[{self.decimal(low, 1)} – {self.decimal(high, 1)}]"

    def clock(self, moment: datetime) -> str:
        return format_time(moment.astimezone(self._zone), format="HH:mm", locale=self._locale)

    def moment(self, moment: datetime) -> str:
        """Day and time; the time zone is the account's."""
        return format_datetime(moment.astimezone(self._zone), format="dd/MM HH:mm", locale=self._locale)

    def day(self, day: date) -> str:
        return format_date(day, format="dd/MM", locale=self._locale)

    def full_day(self, day: date) -> str:
        return format_date(day, format="full", locale=self._locale)

    def local_day(self, moment: datetime) -> date:
        return moment.astimezone(self._zone).date()

    def midnight(self, day: date) -> datetime:
        """The moment at which a day of the account begins."""
        return datetime.combine(day, time(), self._zone)

    def duration(self, span: timedelta) -> str:
        """Whole minutes, coarser when long: "3 h 42 min", "2 d 5 h"."""
        minutes = max(0, int(span.total_seconds() // 60))
        if minutes < 60:
            return f"{minutes} min"
        if minutes < 48 * 60:
            return f"{minutes // 60} h {minutes % 60:02d} min"
        return f"{minutes // 1440} d {minutes % 1440 // 60} h"

    def any(self, value: Any, key: str = "") -> str:
        """A stored JSON value for people: money objects as money, decimal strings and floats as numbers, the rest as text."""
        if value is None:
            return DASH
        if isinstance(value, bool):
            return "✓" if value else "✗"
        if isinstance(value, Money):
            return self.money(value)
        if isinstance(value, Mapping):
            fields = cast("Mapping[str, Any]", value)
            if set(fields) == {"minor", "currency"} and fields["currency"] in EXPONENTS:
                return self.money(Money(minor=int(fields["minor"]), currency=str(fields["currency"])))
            return "; ".join(f"{name}: {self.any(inner)}" for name, inner in fields.items())
        if isinstance(value, list | tuple):
            return ", ".join(self.any(inner) for inner in cast("list[Any]", value))
        if isinstance(value, int):
            return self.decimal(value, 0)
        text = str(value)
        try:
            number = Decimal(text)
        except InvalidOperation:
            return text
        if not number.is_finite() or (len(text) > 1 and text.isdigit()):
            return text  # identifiers of digits are names, not amounts
        return format_decimal(round(number, 2), locale=self._locale)
