"""What people read: a message id with parameters becomes a sentence of a locale. Catalogues lie beside this file.

In a sentence, `{name}` is replaced by the parameter formatted for the locale by its kind (Money as currency, numbers grouped, dates
short); `{name:percent}` reads a ratio as per cent, `{name:number}`, `{name:money}`, `{name:date}` and `{name:datetime}` accept the
JSON spelling of such a value too, and `{name:raw}` inserts it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast
from zoneinfo import ZoneInfo

LOCALES = ("pt-BR", "en")
DEFAULT_LOCALE = "pt-BR"
_ROOT = Path(__file__).parent
_HOLE = re.compile(r"\{([a-z_][a-z0-9_]*)(?::([a-z]+))?\}")
_UNKNOWN = {"pt-BR": "desconhecido", "en": "unknown"}
_YES_NO = {"pt-BR": ("sim", "não"), "en": ("yes", "no")}


class UnknownMessage(KeyError):
    """An id without words in a locale. Add it to every catalogue in prompts/messages/."""


class Sentence(Protocol):
    """What can be rendered: knowledge.domain.message.Message has this shape."""

    @property
    def id(self) -> str: ...
    @property
    def params(self) -> Mapping[str, Any]: ...


@lru_cache
def catalogue(locale: str) -> dict[str, str]:
    """Every id and sentence of a locale. Raises ValueError for an unknown locale or a catalogue that is not id -> text."""
    import yaml

    if locale not in LOCALES:
        raise ValueError(f"locale: {locale!r} is not spoken here; known: {', '.join(LOCALES)}")
    # The C parser where PyYAML was built with it: ten times faster, and every command reads a catalogue.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw: Any = yaml.load((_ROOT / f"{locale}.yaml").read_text(encoding="utf-8"), Loader=loader)
    if not isinstance(raw, dict):
        raise ValueError(f"{locale}.yaml: expected a mapping of id to text")
    table = cast(dict[Any, Any], raw)
    wrong = [key for key, text in table.items() if not isinstance(key, str) or not isinstance(text, str)]
    if wrong:
        raise ValueError(
            f"{locale}.yaml: {', '.join(map(str, wrong))}: an id and its text must both be strings; put quotes around them"
        )
    return cast(dict[str, str], table)


def holes(template: str) -> frozenset[str]:
    """The parameter names a sentence uses."""
    return frozenset(match[1] for match in _HOLE.finditer(template))


def render(message: Sentence, locale: str = DEFAULT_LOCALE, zone: str = "America/Sao_Paulo") -> str:
    """The sentence in a locale, moments shown in `zone`. Raises UnknownMessage, or KeyError naming a missing parameter."""
    template = catalogue(locale).get(message.id)
    if template is None:
        raise UnknownMessage(f"message {message.id!r} has no words in {locale}; add it to prompts/messages/{locale}.yaml")

    def fill(hole: re.Match[str]) -> str:
        if hole[1] not in message.params:
            raise KeyError(f"message {message.id!r}: parameter {hole[1]!r} is missing")
        return format_value(message.params[hole[1]], locale, hole[2], zone)

    return _HOLE.sub(fill, template)


def format_value(value: Any, locale: str = DEFAULT_LOCALE, spec: str | None = None, zone: str = "America/Sao_Paulo") -> str:
    """One value as people of the locale write it. An absent value is called unknown, never zero."""
    from babel import dates, numbers

    tag = locale.replace("-", "_")
    if value is None:
        return _UNKNOWN.get(locale, _UNKNOWN["en"])
    if spec == "raw":
        return str(value)
    if isinstance(value, Mapping) and locale in value:
        # A sentence that came worded in every language, such as the optimizer's reasons.
        return str(cast(Mapping[str, Any], value)[locale])
    if isinstance(value, bool):
        return _YES_NO.get(locale, _YES_NO["en"])[0 if value else 1]
    money = _money(value)
    if money is not None:
        return numbers.format_currency(money[0], money[1], locale=tag)
    if spec in {"date", "datetime"} and isinstance(value, str):
        value = datetime.fromisoformat(value) if spec == "datetime" else date.fromisoformat(value[:10])
    if isinstance(value, datetime):
        if spec == "date":
            return dates.format_date(value.astimezone(ZoneInfo(zone)), format="short", locale=tag)
        return dates.format_datetime(value, format="short", tzinfo=ZoneInfo(zone), locale=tag)
    if isinstance(value, date):
        return dates.format_date(value, format="short", locale=tag)
    if spec in {"percent", "number"} or isinstance(value, int | Decimal):
        return _number(value, spec, tag)
    if isinstance(value, list | tuple):
        items = cast(list[Any] | tuple[Any, ...], value)
        return ", ".join(format_value(item, locale, spec, zone) for item in items)
    return str(value)


def _number(value: Any, spec: str | None, tag: str) -> str:
    from babel import numbers

    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    if spec == "percent":
        return numbers.format_percent(amount, format="#,##0.#%", locale=tag)
    return numbers.format_decimal(amount, format="#,##0.##", locale=tag)


def _money(value: Any) -> tuple[Decimal, str] | None:
    """(major units, currency) of a Money, or of its JSON form; None for anything else."""
    if hasattr(value, "minor") and hasattr(value, "currency"):
        return Decimal(str(value.amount)), str(value.currency)
    if isinstance(value, dict):
        raw = cast(dict[str, Any], value)
        if raw.keys() == {"minor", "currency"}:
            from babel.numbers import get_currency_precision

            currency = str(raw["currency"])
            return Decimal(int(raw["minor"])).scaleb(-get_currency_precision(currency)), currency
        if raw.keys() == {"amount", "currency"}:  # as kits show it to models
            return Decimal(str(raw["amount"])), str(raw["currency"])
    return None
