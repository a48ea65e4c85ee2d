"""The edit form of a request: which fields there are, and what a person typed as the changes that the gate takes.

Which fields may be edited is the gate's to say (tools.gate.requests.EDITABLE); here is only how each is typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from knowledge.domain.action import parse_action
from knowledge.domain.message import Message
from knowledge.domain.money import EXPONENTS, Money
from runtime.cockpit.speak import Speaker
from runtime.db.action_reads import ActionRow
from tools.gate.requests import EDITABLE
from tools.kits import amounts

Kind = Literal["money", "line", "text", "number", "list"]
KINDS: dict[str, Kind] = {
    "daily_budget": "money",
    "text": "text",
    "name": "line",
    "landing_url": "line",
    "countries": "list",
    "special_ad_categories": "list",
    "age_min": "number",
    "age_max": "number",
}
ORDER = ("daily_budget", "text", "name", "creatives", "landing_url", "countries", "age_min", "age_max", "special_ad_categories")
INVALID = frozenset({"string_too_short", "string_too_long", "greater_than_equal", "less_than_equal", "int_parsing", "too_short"})


@dataclass(frozen=True)
class EditField:
    """One field of the form. `value` is what is shown in it; `error` stands beside it."""

    name: str
    label: str
    kind: Kind
    value: str
    unit: str = ""
    error: str | None = None


def editable(row: ActionRow) -> bool:
    """Whether a manager may change anything in this request."""
    return bool(EDITABLE.get(type(parse_action(row.args))))


def fields(say: Speaker, row: ActionRow) -> list[EditField]:
    """The form with the request's own values; empty when nothing in it may be edited."""
    allowed = EDITABLE.get(type(parse_action(row.args)), frozenset())
    made: list[EditField] = []
    for name in sorted(allowed, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)):
        if name == "creatives":
            for index, creative in enumerate(row.args.get("creatives") or []):
                for part, kind in (("headline", "line"), ("text", "text")):
                    label = say.words(f"edit.creative_{part}", n=index + 1)
                    made.append(EditField(f"creatives.{index}.{part}", label, cast(Kind, kind), str(creative[part])))
            continue
        made.append(_field(say, name, row.args.get(name)))
    return made


def _field(say: Speaker, name: str, value: Any) -> EditField:
    kind, label = KINDS.get(name, "line"), say.words.find(f"edit.{name}") or say.name(name)
    if kind == "money":
        amount = Money.model_validate(value)
        places = EXPONENTS[amount.currency]
        return EditField(name, label, kind, say.numbers.decimal(amount.amount, places), amount.currency)
    if kind == "list":
        return EditField(name, label, kind, ", ".join(value or ()))
    return EditField(name, label, kind, "" if value is None else str(value))


def read(say: Speaker, row: ActionRow, typed: Mapping[str, str]) -> tuple[dict[str, Any], list[EditField]]:
    """(changes for the gate, the form as typed with what is wrong beside each field). Fields that were not touched are no change."""
    changes: dict[str, Any] = {}
    form: list[EditField] = []
    creatives: list[dict[str, Any]] = [dict(item) for item in row.args.get("creatives") or []]
    for field in fields(say, row):
        text = typed.get(field.name, field.value).strip()
        if text == field.value.strip():
            form.append(field)
            continue
        shown, error = replace(field, value=text), None
        head, _, rest = field.name.partition(".")
        if head == "creatives":
            index, _, part = rest.partition(".")
            creatives[int(index)][part] = text
            changes["creatives"] = creatives
        elif field.kind == "money":
            amount, error = amount_of(text, field.unit, say.words.locale)
            if amount is not None:
                changes[field.name] = amount.model_dump(mode="json")
        elif field.kind == "number":
            if text.isdecimal():
                changes[field.name] = int(text)
            else:
                error = "number"
        elif field.kind == "list":
            changes[field.name] = [part.strip() for part in text.split(",") if part.strip()]
        else:
            changes[field.name] = text
        form.append(replace(shown, error=None if error is None else _wrong(say, field, text, error)))
    return changes, form


def _wrong(say: Speaker, field: EditField, text: str, error: str) -> str:
    """What stands beside a field that could not be read; another currency is named as it was typed."""
    if error == "currency":
        mark = amounts.foreign_mark(text, field.unit, say.words.locale)
        return say.words("edit.wrong_currency_named", mark=mark, unit=field.unit)
    return say.words(f"edit.wrong_{error}", places=EXPONENTS.get(field.unit, 0))


def marked(say: Speaker, form: list[EditField], message: Message) -> list[EditField]:
    """The form with the gate's objection beside the field that it names; unchanged when it names none."""
    place = str(message.params.get("field") or "")
    if message.id not in ("gate.edit_invalid", "gate.edit_field") or not place:
        return form
    kind = str(message.params.get("kind") or "")
    text = say.words(f"edit.invalid_{kind}") if kind in INVALID else say.message(message)
    return [
        replace(f, error=text)
        if f.name == place or (f.name.partition(".")[0] == place.partition(".")[0] and "." not in f.name)
        else f
        for f in form
    ]


def amount_of(text: str, currency: str, locale: str) -> tuple[Money | None, str | None]:
    """(the amount, None) or (None, what is wrong) of an amount as people of the locale type it.

    A separator before exactly three digits groups thousands only where the locale groups with it; what could be read two ways, or is
    not read to its end, is refused, since a factor of a thousand is not a typing matter.
    """
    return amounts.money(text, currency, locale)
