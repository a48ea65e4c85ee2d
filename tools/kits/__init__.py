"""What agents can call, by job. A kit is plain async methods with docstrings for the model; it speaks Protocols and knows no vendor,
no database and no gate: the wiring hands those in. Every answer is JSON text, so that a model and a test read the same."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel

Tool = Callable[..., Awaitable[str]]


def as_json(value: Any) -> str:
    """Compact JSON for a model: models dumped, Decimals and dates as strings, accents kept."""

    def plain(item: Any) -> Any:
        return item.model_dump(mode="json") if isinstance(item, BaseModel) else str(item)

    return json.dumps(value, ensure_ascii=False, default=plain)
