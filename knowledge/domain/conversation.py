"""A conversation: one lead, one channel, one owner at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from knowledge.domain.lead import Identity

Owner = Literal["bot", "human", "closed"]
Source = Literal["zapi", "whatsapp_cloud", "chatwoot", "shopify"]
EventKind = Literal[
    "message",  # a lead wrote
    "echo",  # our own message came back
    "human_message",  # a person of ours wrote (desk panel or the phone itself)
    "command",  # a private note that begins with "/"
    "status",  # delivery status of a message of ours
    "owner",  # the desk moved the conversation: data["owner"] is bot | human | closed
    "system",  # connection state and the like
    "ignored",  # understood, and nothing to do (groups, reactions, own writes)
]


class InboundEvent(BaseModel):
    """One thing that a webhook told us, in our own words. Parsers make these from raw bytes; `dedupe` names it once for ever."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Source
    kind: EventKind
    dedupe: str = Field(min_length=1)
    identities: tuple[Identity, ...] = ()
    channel_conversation: str | None = Field(default=None, description="the vendor's own conversation id, if it has one")
    external_id: str | None = Field(default=None, description="the vendor's message id")
    text: str | None = None
    display_name: str | None = None
    sent_at: datetime | None = None
    media: dict[str, Any] | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class Turn(BaseModel):
    """One line of a conversation as a model sees it."""

    model_config = ConfigDict(frozen=True)

    author: Literal["lead", "bot", "human"]
    text: str
    at: datetime
