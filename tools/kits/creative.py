"""CreativeKit: collecting ad copy that fits a platform. Like the lead kit it only collects; the caller stores `variants()`.

Limits are characters a platform shows or accepts, as its ad specifications state them (Meta: 40 headline / 125 text before "see
more"; TikTok: 100 text, name 40; Google responsive search ads: 30 / 90; LinkedIn: 70 / 150 before truncation).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from knowledge.domain.action import Platform
from knowledge.domain.campaign import AD_LENGTHS, AdLength
from tools.kits import Tool, as_json


class Limit(NamedTuple):
    """Most characters of headline and text, and the calls to action accepted."""

    headline: int
    text: int
    ctas: tuple[str, ...]


LIMITS: dict[Platform, Limit] = {
    "meta": Limit(*AD_LENGTHS["meta"], ("SHOP_NOW", "LEARN_MORE", "ORDER_NOW", "GET_OFFER")),
    "tiktok": Limit(*AD_LENGTHS["tiktok"], ("SHOP_NOW", "LEARN_MORE", "ORDER_NOW")),
    "google": Limit(*AD_LENGTHS["google"], ("SHOP_NOW", "LEARN_MORE")),
    "linkedin": Limit(*AD_LENGTHS["linkedin"], ("LEARN_MORE", "SHOP_NOW")),
}
_CLAIMS = re.compile(
    r"\b(?:melhor do (?:brasil|mundo)|n[ºo°] ?1|garantid[oa]|milagr\w+|cura\w*|100 ?%|gr[aá]tis|[uú]ltim[ao]s? "
    r"unidades?|s[oó] hoje|imperd[ií]vel|"
    r"best in the world|number one|guaranteed|free|last chance|only today)\b|[!]{2,}",
    re.IGNORECASE,
)


class CopyVariant(BaseModel):
    """One wording of an ad."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    headline: str
    text: str
    cta: str


def faults(variant: CopyVariant, platform: Platform, length: AdLength | None = None) -> list[str]:
    """What keeps a variant from being used: lengths (the platform's unless told), an unknown call to action, a claim nobody can
    prove."""
    limit, most_of = LIMITS[platform], length or AD_LENGTHS[platform]
    found: list[str] = []
    for name, value, most in (("headline", variant.headline, most_of.headline), ("text", variant.text, most_of.text)):
        if not value.strip():
            found.append(f"{name} is empty")
        elif len(value) > most:
            found.append(f"{name} has {len(value)} characters; {most} are allowed on {platform}")
        if claim := _CLAIMS.search(value):
            found.append(f"{name} claims {claim[0]!r}, which cannot be proved")
    if variant.cta not in limit.ctas:
        found.append(f"cta {variant.cta!r} is unknown to {platform}; use one of {', '.join(limit.ctas)}")
    return found


class CreativeKit:
    """One instance per request for copy. `length`: what the operator's law accepts, where that is shorter than the platform."""

    def __init__(self, platform: Platform, most: int = 5, length: AdLength | None = None) -> None:
        self._platform: Platform = platform
        self._length = length
        self._most = most
        self._variants: list[CopyVariant] = []

    def tools(self) -> list[Tool]:
        """The methods a model is offered."""
        return [self.submit_variant]

    def variants(self) -> tuple[CopyVariant, ...]:
        """What was accepted, in order."""
        return tuple(self._variants)

    async def submit_variant(self, headline: str, text: str, cta: str = "SHOP_NOW") -> str:
        """Hand in one wording of the ad. Faults come back; mend them and hand it in again.

        Args:
            headline: the headline.
            text: the ad's text.
            cta: the call to action, such as SHOP_NOW or LEARN_MORE.
        """
        variant = CopyVariant(headline=headline.strip(), text=text.strip(), cta=cta)
        found = faults(variant, self._platform, self._length)
        if len(self._variants) >= self._most:
            found.append(f"{self._most} variants are enough")
        if any(v.headline == variant.headline and v.text == variant.text for v in self._variants):
            found.append("this variant was handed in before")
        if not found:
            self._variants.append(variant)
        return as_json({"accepted": not found, "faults": found, "count": len(self._variants)})
