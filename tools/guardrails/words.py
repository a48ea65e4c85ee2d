"""Texts of ads as the compliance rules read them: one spelling for what people write in many."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import cached_property

from knowledge.domain.action import PublishCampaign

_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]")
_MARKS = re.compile(r"[*_~`|]")
_TWINS = {
    0x430: "a", 0x435: "e", 0x43E: "o", 0x440: "p", 0x441: "c", 0x443: "y", 0x445: "x", 0x456: "i", 0x458: "j", 0x455: "s", 0x4BB: "h",
    0x501: "d", 0x43A: "k", 0x43C: "m", 0x442: "t", 0x3B1: "a", 0x3BF: "o", 0x3C1: "p", 0x3B9: "i", 0x3BA: "k", 0x3BD: "v", 0x3C5: "u",
    0x3C7: "x",
}  # fmt: skip
"""Small Cyrillic and Greek letters that look like ours, by which forbidden words are hidden."""
_SPACED = re.compile(r"(?<![^\W\d_])(?:[^\W\d_][ .\-]){3,}[^\W\d_](?![^\W\d_])")
"""Letters set apart ("c u r a"), by which forbidden words are hidden."""


def normal(text: str) -> str:
    """Small letters without accents, styles, invisible characters, marks of emphasis and doubled spaces; hidden words joined."""
    plain = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text)).casefold()
    plain = _MARKS.sub("", "".join(c for c in plain if not unicodedata.combining(c))).translate(_TWINS)
    plain = re.sub(r"\s+", " ", plain)
    plain = _SPACED.sub(lambda hit: re.sub(r"[ .\-]", "", hit[0]), plain).strip()
    # What one round uncovers may hide another ("c u r a" in styled letters): until nothing changes.
    return plain if plain == text else normal(plain)


def shown(action: PublishCampaign) -> list[tuple[str, str]]:
    """(place, text) of every text that people would see; the place is "headline 1", "text 2" by creative."""
    found: list[tuple[str, str]] = []
    for number, creative in enumerate(action.creatives, start=1):
        found += [(f"headline {number}", creative.headline), (f"text {number}", creative.text)]
    return found


def everything(action: PublishCampaign) -> str:
    """Name and all texts in one normal spelling, for what must not be advertised at all."""
    return normal(" . ".join([action.name, *(text for _, text in shown(action))]))


class Patterns:
    """Named regular expressions for normal texts, compiled when first used: most commands only read the rules' sentences."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.sources = sources

    @cached_property
    def _compiled(self) -> dict[str, re.Pattern[str]]:
        return {name: re.compile(source) for name, source in self.sources.items()}

    def first(self, text: str, but: Collection[str] = ()) -> tuple[str, str] | None:
        """(which pattern, the words) of the first one found in a normal text, leaving out the patterns of `but`."""
        for name, pattern in self._compiled.items():
            hit = None if name in but else pattern.search(text)
            if hit:
                return name, hit[0].strip()
        return None


def has_word(text: str, word: str) -> bool:
    """Whether a normal text holds the word or phrase on its own, not within another word."""
    return re.search(rf"(?<!\w){re.escape(normal(word))}(?!\w)", text) is not None
