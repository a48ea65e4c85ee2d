"""What people read: a message id with parameters becomes a sentence of a locale. Catalogues lie beside this file.

In a sentence, `{name}` is replaced by the parameter formatted for the locale by its kind (Money as currency, numbers grouped, dates
short); `{name:percent}` reads a ratio as per cent, `{name:number}`, `{name:money}`, `{name:date}` and `{name:datetime}` accept the
JSON spelling of such a value too, and `{name:raw}` inserts it as it is. Any other word after the colon is a vocabulary: `{x:status}`
shows the catalogue's `status.<x>` (of a comma-separated list, each of them), `{x:person}` an actor, `{x:fact}` what was not read.

A sentence that makes no sense when one of its values is missing has a second wording, `<id>.without`, which is used then.
"""

from __future__ import annotations

import json
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
FORMATS = frozenset({"percent", "number", "money", "date", "datetime", "raw"})
WITHOUT = ".without"
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
    table = catalogue(locale)
    template = table.get(message.id)
    if template is None:
        raise UnknownMessage(f"message {message.id!r} has no words in {locale}; add it to prompts/messages/{locale}.yaml")
    without = table.get(message.id + WITHOUT)
    if without is not None and any(name in message.params and message.params[name] in (None, "") for name in holes(template)):
        template = without

    def fill(hole: re.Match[str]) -> str:
        if hole[1] not in message.params:
            raise KeyError(f"message {message.id!r}: parameter {hole[1]!r} is missing")
        return format_value(message.params[hole[1]], locale, hole[2], zone)

    return _HOLE.sub(fill, template)


def format_value(value: Any, locale: str = DEFAULT_LOCALE, spec: str | None = None, zone: str = "America/Sao_Paulo") -> str:
    """One value as people of the locale write it. An absent value is called unknown, never zero."""
    from babel import dates, numbers

    tag = locale.replace("-", "_")
    day_first = "en_GB" if locale == "en" else tag  # as the cockpit writes dates: 5/6 must not be two days
    if value is None:
        return _UNKNOWN.get(locale, _UNKNOWN["en"])
    if spec == "raw":
        return str(value)
    if spec is not None and spec not in FORMATS:
        return _named(value, locale, spec)
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
            return dates.format_date(value.astimezone(ZoneInfo(zone)), format="short", locale=day_first)
        return dates.format_datetime(value, format="short", tzinfo=ZoneInfo(zone), locale=day_first)
    if isinstance(value, date):
        return dates.format_date(value, format="short", locale=day_first)
    if spec in {"percent", "number"} or isinstance(value, int | Decimal):
        return _number(value, spec, tag)
    if isinstance(value, list | tuple):
        items = cast(list[Any] | tuple[Any, ...], value)
        return ", ".join(format_value(item, locale, spec, zone) for item in items)
    return str(value)


def _named(value: Any, locale: str, vocabulary: str) -> str:
    """A stored name in the locale's words; one that has none is shown as it is, so that nothing hides."""
    if isinstance(value, Mapping) and locale in value:
        return str(cast(Mapping[str, Any], value)[locale])
    table, text = catalogue(locale), str(value)
    if vocabulary == "person":
        return _person(text, table)
    return ", ".join(_one(part, table, vocabulary) for part in text.split(", "))


def _one(name: str, table: Mapping[str, str], vocabulary: str) -> str:
    found = table.get(f"{vocabulary}.{name}")
    if found is not None:
        return found
    stem, _, number = name.rpartition(" ")
    if number.isdecimal() and f"{vocabulary}.{stem}" in table:  # "headline 2"
        return f"{table[f'{vocabulary}.{stem}']} {number}"
    head, dot, rest = name.partition(".")
    if vocabulary == "fact" and dot:  # "meta.get_campaign", "rate.USD/BRL"
        form, inner = ("fact.rate", rest) if head == "rate" else ("fact.vendor", table.get(f"platform.{head}", head))
        return table[form].replace("{name}", inner)
    return name


def _person(actor: str, table: Mapping[str, str]) -> str:
    """Who it was: `user:ana@x.br` is ana@x.br, an agent is named as one; the ledger keeps actors with a role as JSON."""
    kind, colon, ident = actor.partition(":")
    form = table.get(f"person.{kind}") if colon else None
    if form is None and kind != "user":
        return actor
    if ident.startswith("{"):
        try:
            ident = str(json.loads(ident)["id"])
        except (ValueError, KeyError):
            return ident
    return ident if form is None else form.replace("{name}", ident.replace("_", " "))


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
