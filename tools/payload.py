"""Reading what strangers post: JSON objects from raw bytes, moments from numbers. Used by every webhook parser."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import BaseModel, ConfigDict


class Payload(BaseModel):
    """Base of a vendor's shapes: unknown fields pass, numbers may stand for strings, and errors never quote the input (PII)."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True, hide_input_in_errors=True)


def load_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in the bytes, with NULs and lone surrogates (which no database takes) removed from its strings.

    Raises ValueError for anything that is not a JSON object; the message never quotes the body.
    """
    try:
        loaded: Any = json.loads(raw)
        clean = _clean(loaded)
    except (ValueError, RecursionError):
        raise ValueError("body: not JSON") from None
    if not isinstance(clean, dict):
        raise ValueError("body: not a JSON object")
    return cast("dict[str, Any]", clean)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "ignore").decode() if not value.isascii() or "\x00" in value else value
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_clean(item) for item in cast("list[Any]", value)]
    return value


def as_object(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one: for optional parts that some servers leave null, empty or a string."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def epoch(value: Any) -> datetime | None:
    """A moment from epoch seconds or milliseconds (told apart by size), or None when the value cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
        seconds = number / 1000 if number > 1e11 else number
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        return None


def digest(raw: bytes | str) -> str:
    """A short name for content that has no id of its own."""
    return hashlib.sha256(raw if isinstance(raw, bytes) else raw.encode()).hexdigest()[:24]
