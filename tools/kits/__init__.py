"""What agents can call, by job. A kit is plain async methods with docstrings for the model; it speaks Protocols and knows no
vendor, no database and no gate: the wiring hands those in. Every answer is JSON text, so that a model and a test read the same."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel

from knowledge.domain.message import Message
from knowledge.domain.money import Money
from prompts.messages import DEFAULT_LOCALE, render

Tool = Callable[..., Awaitable[str]]


def as_json(value: Any, locale: str = DEFAULT_LOCALE) -> str:
    """Compact JSON for a model. Money in major units (minor ones read as whole currency), messages as sentences."""
    return json.dumps(_plain(value, locale), ensure_ascii=False)


def _plain(value: Any, locale: str) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Money):
        return {"amount": str(value.amount), "currency": value.currency}
    if isinstance(value, Message):
        return render(value, locale)
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name), locale) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(item, locale) for key, item in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, locale) for item in cast(list[Any], value)]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
