"""Typed actions: the only way to ask for an effect on the world. Frozen; money as Money; ids as strings."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from knowledge.domain.chain import canonical
from knowledge.domain.frozen import Frozen
from knowledge.domain.money import Money

Platform = Literal["meta", "tiktok", "google", "linkedin"]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Id = Annotated[str, Field(min_length=1, max_length=128)]


class _Action(Frozen):
    # Built on first use: commands that only read the policy import these names and need none of the schemas.
    model_config = ConfigDict(defer_build=True)

    workspace: str = "default"

    def args(self) -> dict[str, Any]:
        """The action as plain JSON values: what is stored, hashed, shown and replayed."""
        return self.model_dump(mode="json")

    @cached_property
    def spelled(self) -> str:
        """`canonical(self)`, made once: the ledger and every row of the record tell of it."""
        return canonical(self)

    def fingerprint(self) -> str:
        """sha256 over the canonical JSON in ASCII: an approval is bound to exactly these arguments."""
        text = self.spelled
        if not text.isascii():
            text = json.dumps(self.args(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class Creative(BaseModel):
    """What an ad shows. Lengths are the tightest common limits; platform limits are checked by the compliance rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id
    headline: Annotated[str, Field(min_length=1, max_length=100)]
    text: Annotated[str, Field(min_length=1, max_length=1000)]
    cta: str = "SHOP_NOW"
    image_url: str | None = None
    video_id: str | None = None


class PublishCampaign(_Action):
    """Create campaign, ad set and ads: paused, verified, then activated, level by level. `campaign_id` is ours."""

    kind: Literal["campaign.publish"] = "campaign.publish"
    platform: Platform
    campaign_id: Id
    product_id: Id
    name: Annotated[str, Field(min_length=1, max_length=200)]
    daily_budget: Money
    creatives: tuple[Creative, ...] = Field(min_length=1)
    landing_url: str
    countries: tuple[str, ...] = ("BR",)
    age_min: int = Field(default=18, ge=18, le=65)
    age_max: int = Field(default=65, ge=18, le=65)
    special_ad_categories: tuple[str, ...] = ()


class SetBudget(_Action):
    """Set a campaign's daily budget to an amount. The current one is read by the gate, never told by the caller."""

    kind: Literal["campaign.set_budget"] = "campaign.set_budget"
    platform: Platform
    campaign_id: Id
    daily_budget: Money


class PauseCampaign(_Action):
    """Stop a campaign's delivery. Always reversible by ResumeCampaign."""

    kind: Literal["campaign.pause"] = "campaign.pause"
    platform: Platform
    campaign_id: Id
    emergency: bool = False


class ResumeCampaign(_Action):
    """Start delivery of a paused campaign at the budget it has."""

    kind: Literal["campaign.resume"] = "campaign.resume"
    platform: Platform
    campaign_id: Id


class SendMessage(_Action):
    """Text to a lead. `epoch` is the ownership epoch under which it was written; a newer one at the gate refuses it."""

    kind: Literal["message.send"] = "message.send"
    conversation_id: Id
    lead_id: Id
    text: Text
    epoch: int = Field(ge=0)
    author: Literal["bot", "human"] = "bot"
    desk_message_id: str | None = None
    closing: bool = False


class MarkRead(_Action):
    """Blue ticks for a lead's message."""

    kind: Literal["message.read"] = "message.read"
    conversation_id: Id
    external_id: Id


class MirrorToDesk(_Action):
    """Copy one stored message into the desk (Chatwoot), incoming or outgoing."""

    kind: Literal["desk.mirror"] = "desk.mirror"
    conversation_id: Id
    message_id: Id
    direction: Literal["incoming", "outgoing"]
    text: Text


class PostDeskNote(_Action):
    """A private note for the salespeople; never relayed to the lead."""

    kind: Literal["desk.note"] = "desk.note"
    conversation_id: Id
    text: Text


class SetDeskStatus(_Action):
    """Move the desk conversation: pending = bot, open = human, resolved = closed."""

    kind: Literal["desk.status"] = "desk.status"
    conversation_id: Id
    status: Literal["pending", "open", "resolved"]


class UpsertCompany(_Action):
    """Company in the CRM, found by CNPJ before it is created."""

    kind: Literal["crm.company"] = "crm.company"
    lead_id: Id
    name: Text
    cnpj: str | None = None
    city: str | None = None
    state: str | None = None


class UpsertPerson(_Action):
    """Person in the CRM, tied to the lead by our own mapping (the CRM cannot search by phone)."""

    kind: Literal["crm.person"] = "crm.person"
    lead_id: Id
    name: Text
    phone: str | None = None
    email: str | None = None


class OpenDeal(_Action):
    """One open deal a lead, in the configured pipeline, stage and origin."""

    kind: Literal["crm.deal"] = "crm.deal"
    lead_id: Id
    title: Text
    temperature: Literal["hot", "warm", "cold"] | None = None


class AddDealNote(_Action):
    """The qualification summary on the lead's deal. `ref` marks the note so that a retry finds it."""

    kind: Literal["crm.note"] = "crm.note"
    lead_id: Id
    ref: Id
    text: Annotated[str, Field(min_length=1, max_length=20000)]


class GrantAutonomy(_Action):
    """Let machines change campaigns of themselves where the dials would ask: one kind of action, within bounds, counted, until a date.

    `max_amount` bounds the daily budget an action is about; `max_change` how far a budget may move in one step (None: as far as the
    dials let pass without asking). Every other limit stays. Takes effect when a manager approved it.
    """

    kind: Literal["autonomy.grant"] = "autonomy.grant"
    action_kind: Literal["campaign.set_budget", "campaign.pause", "campaign.resume"]
    level: Literal[1] = 1
    max_amount: Money
    max_change: Annotated[Decimal, Field(gt=0, le=10)] | None = None
    max_count: int = Field(ge=1, le=500)
    expires_at: AwareDatetime


Action = Annotated[
    PublishCampaign
    | SetBudget
    | PauseCampaign
    | ResumeCampaign
    | SendMessage
    | MarkRead
    | MirrorToDesk
    | PostDeskNote
    | SetDeskStatus
    | UpsertCompany
    | UpsertPerson
    | OpenDeal
    | AddDealNote
    | GrantAutonomy,
    Field(discriminator="kind"),
]
ACTION: TypeAdapter[Action] = TypeAdapter(Action, config=ConfigDict(defer_build=True))

SPENDING = (PublishCampaign, SetBudget, ResumeCampaign)
"""Kinds that can raise what is spent: these take the workspace's budget lock."""
CAMPAIGN = (PublishCampaign, SetBudget, PauseCampaign, ResumeCampaign)
CONVERSATION = (SendMessage, MarkRead, MirrorToDesk, PostDeskNote, SetDeskStatus)
CRM = (UpsertCompany, UpsertPerson, OpenDeal, AddDealNote)


def parse_action(raw: dict[str, Any]) -> Action:
    """The typed action of stored or received JSON. Raises pydantic.ValidationError naming each bad field."""
    return ACTION.validate_python(raw)


class Actor(BaseModel):
    """Who asks: an agent, a person, a schedule or a webhook. Taken from the session, never from the request body."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["agent", "user", "schedule", "webhook", "system"]
    id: Id
    role: Literal["viewer", "manager", "admin"] | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"
