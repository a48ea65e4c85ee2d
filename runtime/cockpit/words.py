"""The cockpit's own words: i18n/<locale>.yaml, flat keys, the same in every locale (a test compares them)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

LOCALES: tuple[str, ...] = ("pt-BR", "en")
_FOLDER = Path(__file__).parent / "i18n"


def _flatten(prefix: str, node: Any, into: dict[str, str]) -> None:
    if isinstance(node, dict):
        for key, child in node.items():  # pyright: ignore[reportUnknownVariableType]
            _flatten(f"{prefix}.{key}" if prefix else str(key), child, into)  # pyright: ignore[reportUnknownArgumentType]
    else:
        into[prefix] = str(node)


@cache
def catalogue(locale: str) -> dict[str, str]:
    """Every key of one locale. Raises KeyError for a locale the cockpit does not speak."""
    if locale not in LOCALES:
        raise KeyError(f"{locale}: the cockpit speaks {', '.join(LOCALES)}")
    flat: dict[str, str] = {}
    _flatten("", yaml.safe_load((_FOLDER / f"{locale}.yaml").read_text(encoding="utf-8")), flat)
    return flat


class Words:
    """Sentences of one locale: `words("kpi.spent")`, with named placeholders filled from keyword arguments."""

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self._flat = catalogue(locale)

    def __call__(self, key: str, **values: object) -> str:
        """Raises KeyError on an unknown key or a missing placeholder: a hole in the page is a fault, not a style."""
        return self._flat[key].format(**values)

    def find(self, key: str, **values: object) -> str | None:
        """The sentence, or None when the catalogue has no such key (open sets: action kinds, alert kinds)."""
        return self(key, **values) if key in self._flat else None
