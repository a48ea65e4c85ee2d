"""A lead: one person with several identities, qualified step by step."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

IdentityKind = Literal["phone_e164", "wa_id", "lid", "bsuid", "chatwoot_contact"]
Temperature = Literal["hot", "warm", "cold"]


class Identity(BaseModel):
    """One way in which a channel names a person. Unique over (kind, value)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: IdentityKind
    value: str = Field(min_length=1)


class LeadProfile(BaseModel):
    """What qualification has learnt. Every field stays None until the lead said it (spec C4)."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    name: str | None = None
    company: str | None = None
    cnpj: str | None = Field(default=None, description="14 characters, normalised, valid check digits; may hold letters")
    need: str | None = None
    volume: str | None = None
    urgency: str | None = None
    city: str | None = None
    state: str | None = Field(default=None, description="UF, two capital letters")
    email: str | None = None
    phone: str | None = None

    ORDER: ClassVar[tuple[str, ...]] = ("name", "need", "company", "cnpj", "city", "volume", "urgency", "email")

    def missing(self) -> list[str]:
        """The slots still to ask for, in the order in which a salesperson would ask. A city without its state counts as missing."""
        gaps = [slot for slot in self.ORDER if getattr(self, slot) is None]
        if self.city is not None and self.state is None and "city" not in gaps:
            gaps.insert(0, "state")
        return gaps


class Qualification(BaseModel):
    """Temperature with the score that made it: four parts of 0-25 each (fit, volume, urgency, intent)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Temperature
    fit: int = Field(ge=0, le=25)
    volume: int = Field(ge=0, le=25)
    urgency: int = Field(ge=0, le=25)
    intent: int = Field(ge=0, le=25)

    @property
    def score(self) -> int:
        return self.fit + self.volume + self.urgency + self.intent
