"""Text that a person typed, as it may be kept: no database, log or page takes NUL or half a character, and a stop must not fail on one."""

from __future__ import annotations

import re
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters but for tab and the ends of lines."""


def clean(text: str) -> str:
    """The text without control characters; bytes that were no UTF-8 become a replacement character."""
    whole = text.encode("utf-8", "surrogateescape" if _escaped(text) else "replace").decode("utf-8", "replace")
    return _CONTROL.sub("", whole)


def _escaped(text: str) -> bool:
    """Whether all halves of characters in it stand for bytes, as Python keeps those of a command line."""
    return all("\udc80" <= letter <= "\udcff" for letter in text if "\ud800" <= letter <= "\udfff")


def clean_within(value: Any) -> Any:
    """The same for every text in plain JSON, keys included; other values as they are."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_within(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {clean_within(key): clean_within(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
